"""Searches a folder for environments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tfprov import trees
from tfprov.envs.layout import site_packages
from tfprov.envs.manifest import SEAL

# Folders of unpacked or cached files, in which nobody works, and folders without real files.
_PASSED_OVER = frozenset({"__pycache__", ".git", ".hg", "node_modules", "site-packages", "dist-packages", ".cache"})
_OF_SYSTEM = frozenset({"/proc", "/sys", "/dev", "/run"})


def environments_below(folder: Path) -> Iterator[Path]:
    """Environments at or below a folder, in the order of their paths; links are not followed.

    An environment has a `pyvenv.cfg` or a `conda-meta`, or is the folder of an interpreter with packages. tfprov's own
    environments are left out. The inside of an environment is not searched, except for the `envs` of a conda.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return  # no permission to read it
    names = {entry.name for entry in entries}
    is_environment = bool(names & {"pyvenv.cfg", "conda-meta"}) or (
        bool(names & {"bin", "python.exe"}) and any(any(place.glob("*.dist-info")) for place in site_packages(folder))
    )
    # An environment of tfprov, its folder of generations, or an image.
    if SEAL in names or {"owner.json", "generations"} <= names or {"manifest", "tree"} <= names:
        return
    if is_environment:
        yield folder
        entries = [entry for entry in entries if entry.name == "envs"]
    for entry in entries:
        inside = entry.name not in _PASSED_OVER and entry.path not in _OF_SYSTEM
        if inside and trees.is_folder(entry):
            yield from environments_below(Path(entry.path))
