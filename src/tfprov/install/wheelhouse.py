"""Folders of wheels and a list of hashes: what any installer needs to work without network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov.lock.records import LockedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheelhouse:
    """Where the wheels lie, and the requirements file that pins each by hash.

    Attributes:
        folders: the store's folder of each wheel. An installer that keeps what it unpacked knows a wheel again by its
            path, so these must be the same in every run: wheels laid out in a fresh folder made uv's cache grow by the
            whole environment with every install.
        requirements: the file.
    """

    folders: tuple[Path, ...]
    requirements: Path

    @property
    def options(self) -> tuple[str, ...]:
        """The options that both installers understand: look here, and nowhere else."""
        return ("--no-index", *(part for folder in self.folders for part in ("--find-links", str(folder))))


def wheelhouse(files: Sequence[LockedFile], paths: Mapping[str, Path], requirements: Path) -> Wheelhouse:
    """Write the requirements file for the locked files.

    Args:
        files: the lock.
        paths: where the verified file of each SHA-256 lies, under its wheel name.
        requirements: the file to write.
    """
    lines = [f"{file.name}=={file.version} --hash=sha256:{file.sha256}\n" for file in files]
    requirements.write_text("".join(lines), encoding="utf-8")
    return Wheelhouse(folders=tuple(paths[file.sha256].parent for file in files), requirements=requirements)
