"""What an install did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The locked files are in the environment.

    Attributes:
        installer: `uv` or `pip`.
        files: number of wheels.
    """

    installer: str
    files: int
