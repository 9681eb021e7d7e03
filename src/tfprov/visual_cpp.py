"""The runtime of Visual C++, which TensorFlow's builds for Windows are linked with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.version import Version

BRINGS = "msvc-runtime"
"""The package on the index that has these libraries."""

_LIBRARIES = ("msvcp140.dll", "vcruntime140.dll", "vcruntime140_1.dll")
# TensorFlow 2.21 is linked with it; CPython 3.13 brings the other ones of `vcruntime`, and not this.
_THREADS = "vcruntime140_threads.dll"
_THREADS_SINCE = Version("2.21")
NOT_OF_PYTHON = ("msvcp140.dll", _THREADS)
"""Those that CPython does not bring itself."""


def system_folder(environ: Mapping[str, str]) -> Path:
    """Where Windows keeps the libraries that every program finds."""
    return Path(environ.get("SYSTEMROOT", "C:\\Windows")) / "System32"


def needed(tensorflow: str) -> tuple[str, ...]:
    """The libraries that a release of TensorFlow is linked with."""
    return (*_LIBRARIES, *((_THREADS,) if Version(tensorflow) >= _THREADS_SINCE else ()))


def missing(wanted: Iterable[str], folders: Iterable[Path]) -> tuple[str, ...]:
    """The libraries that no folder has."""
    here = {path.name.lower() for folder in folders if folder.is_dir() for path in folder.glob("*140*.dll")}
    return tuple(name for name in wanted if name not in here)
