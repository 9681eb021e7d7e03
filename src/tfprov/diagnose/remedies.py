"""What to do about a cause, on this machine and for this profile."""

from __future__ import annotations

from collections.abc import Mapping

from tfprov.diagnose.records import Hit, Remedy
from tfprov.diagnose.view import View
from tfprov.errors import CODES


def what_happened(code: str, hit: Hit, captures: Mapping[str, str], view: View) -> str:
    """One line for people."""
    del hit, captures, view
    return CODES[code].meaning


def remedy(code: str, captures: Mapping[str, str], view: View) -> Remedy:
    """The next step."""
    del captures, view
    return Remedy(text=CODES[code].remedy)
