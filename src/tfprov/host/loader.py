"""Finds the driver's libraries where the dynamic loader would."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tfprov.host.graphics import GpuHost
from tfprov.host.system import exists

LIBRARY = "libnvidia-ml.so.1"
CUDA_LIBRARY = "libcuda.so.1"
_LOADER_FOLDERS = ("lib", "usr/lib", "lib64", "usr/lib64", "lib/*-linux-gnu", "usr/lib/*-linux-gnu")
# Folders of drivers that are not in the loader's configuration: WSL, container runtimes, NixOS, older distributions.
_OTHER_FOLDERS = (
    "usr/lib/wsl/lib",
    "usr/local/nvidia/lib64",
    "usr/local/nvidia/lib",
    "run/opengl-driver/lib",
    "usr/lib/nvidia",
    "usr/lib64/nvidia",
    "usr/lib/nvidia-current",
)
WSL_FOLDER = "usr/lib/wsl/lib"


def nvml_library(environ: Mapping[str, str], place: GpuHost) -> Path | None:
    """A file to load NVML from; None when there is none, and thus no need to start a process."""
    if place.system == "windows":
        folders = (
            Path(environ.get("WINDIR") or environ.get("SYSTEMROOT") or "C:/Windows") / "System32",
            Path(environ.get("PROGRAMFILES") or "C:/Program Files") / "NVIDIA Corporation/NVSMI",
        )
        return next((folder / "nvml.dll" for folder in folders if exists(folder / "nvml.dll")), None)
    if place.system != "linux":
        return None
    return loaded_by_name(LIBRARY, environ, place.root) or next(_files(LIBRARY, _OTHER_FOLDERS, place.root), None)


def loaded_by_name(name: str, environ: Mapping[str, str], root: Path) -> Path | None:
    """The file that the loader would load for a library name; None when it would find none."""
    for entry in environ.get("LD_LIBRARY_PATH", "").split(":"):
        if entry and exists(Path(entry) / name):
            return Path(entry) / name
    try:
        cached = re.search(
            rb"\0(/[^\0]*/" + re.escape(name.encode()) + rb")\0", (root / "etc/ld.so.cache").read_bytes()
        )
    except OSError:
        cached = None
    if cached is not None and exists(root / os.fsdecode(cached[1]).lstrip("/")):
        return root / os.fsdecode(cached[1]).lstrip("/")
    return next(_files(name, _LOADER_FOLDERS, root), None)


def _files(name: str, folders: Iterable[str], root: Path) -> Iterator[Path]:
    for pattern in folders:
        for folder in sorted(root.glob(pattern)):
            if exists(folder / name):
                yield folder / name
