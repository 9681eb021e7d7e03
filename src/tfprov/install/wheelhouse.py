"""Folders of wheels and a list of hashes, from which any installer works without network access."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov.lock.records import LockedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheelhouse:
    """The wheels, and the requirements file that pins each by hash.

    Attributes:
        folders: each wheel's folder in the store. uv recognises a wheel that it has unpacked before by its path, so the
            paths must be the same in every run: with new folders, its cache grew by the whole environment each time.
        requirements: path of the requirements file.
    """

    folders: tuple[Path, ...]
    requirements: Path

    @property
    def options(self) -> tuple[str, ...]:
        """Options of both installers that restrict them to these folders."""
        return ("--no-index", *(part for folder in self.folders for part in ("--find-links", str(folder))))


def wheelhouse(files: Sequence[LockedFile], paths: Mapping[str, Path], requirements: Path) -> Wheelhouse:
    """Write the requirements file for the locked files.

    Args:
        files: files of the lock.
        paths: verified wheels by SHA-256, under their wheel names.
        requirements: the file to write.
    """
    lines = [f"{file.name}=={file.version} --hash=sha256:{file.sha256}\n" for file in files]
    requirements.write_text("".join(lines), encoding="utf-8")
    return Wheelhouse(folders=tuple(paths[file.sha256].parent for file in files), requirements=requirements)
