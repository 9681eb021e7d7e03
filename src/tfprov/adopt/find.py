"""Finding the environments below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tfprov.envs.manifest import SEAL

# They hold what was unpacked or kept, and nobody works in it; or what is no file at all.
_PASSED_OVER = frozenset({"__pycache__", ".git", ".hg", "node_modules", "site-packages", "dist-packages", ".cache"})
_OF_SYSTEM = frozenset({"/proc", "/sys", "/dev", "/run"})


def environments_below(folder: Path) -> Iterator[Path]:
    """The folders of environments below a folder, itself included, in the order of their paths; links are not followed.

    An environment has settings of venv or records of conda, or is the folder of an interpreter with packages. Those of
    tfprov are left out. What lies inside of one is not searched, except for the `envs` of a conda.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return  # not ours to read
    names = {entry.name for entry in entries}
    is_environment = bool(names & {"pyvenv.cfg", "conda-meta"}) or ("bin" in names and _has_packages(folder))
    # An environment of tfprov, all generations of one, what images of them are made of.
    if SEAL in names or {"owner.json", "generations"} <= names or {"manifest", "tree"} <= names:
        return
    if is_environment:
        yield folder
        entries = [entry for entry in entries if entry.name == "envs"]
    for entry in entries:
        inside = entry.name not in _PASSED_OVER and entry.path not in _OF_SYSTEM
        if inside and entry.is_dir(follow_symlinks=False):
            yield from environments_below(Path(entry.path))


def _has_packages(folder: Path) -> bool:
    return any(any(path.glob("*.dist-info")) for path in folder.glob("lib/python3*/site-packages"))
