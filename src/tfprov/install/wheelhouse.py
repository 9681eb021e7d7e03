"""A folder of wheels and a list of hashes: what any installer needs to work without network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov.lock.records import LockedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheelhouse:
    """Wheels under their own names, and the requirements file that pins each by hash.

    Attributes:
        folder: the wheels, as links into the store where the file system can.
        requirements: the file.
    """

    folder: Path
    requirements: Path


def lay_out(files: Sequence[LockedFile], paths: Mapping[str, Path], folder: Path) -> Wheelhouse:
    """Lay the locked files out for an installer.

    Args:
        files: the lock.
        paths: where the verified file of each SHA-256 lies.
        folder: an empty folder; it is filled with symbolic links, hard links where those cannot be made, else copies.
    """
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    lines = []
    for file in files:
        _place(paths[file.sha256], wheels / file.filename)
        lines.append(f"{file.name}=={file.version} --hash=sha256:{file.sha256}\n")
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(lines), encoding="utf-8")
    return Wheelhouse(folder=wheels, requirements=requirements)


def _place(source: Path, target: Path) -> None:
    for way in (os.symlink, os.link, shutil.copyfile):
        try:
            way(source, target)
        except OSError:
            # A file system or user that may not link: the next way asks for less.
            if way is shutil.copyfile:
                raise
        else:
            return
