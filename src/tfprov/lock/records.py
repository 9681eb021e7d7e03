"""The lock: the exact files of an environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """One wheel that will be installed.

    Attributes:
        name: normalised project name.
        version: as the file name says it.
        filename: wheel file name.
        url: where the resolver found it, without credentials; `file://` for a local one.
        sha256: lower-case hexadecimal.
        size: bytes, or None when nobody has said yet.
        index: index that it was resolved from, or None.
    """

    name: str
    version: str
    filename: str
    url: str
    sha256: str
    size: int | None = None
    index: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The files for this machine, chosen from a lock file.

    Attributes:
        path: the lock file.
        digest: SHA-256 of its content.
        files: sorted by name.
    """

    path: Path
    digest: str
    files: tuple[LockedFile, ...]

    def version(self, name: str) -> str | None:
        """The locked version of a project, or None when the lock does not have it."""
        return next((file.version for file in self.files if file.name == name), None)
