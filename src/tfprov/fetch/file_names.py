"""What the names of files on an index say: version, and whether it is a wheel for Python 3."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from packaging.utils import parse_sdist_filename
from packaging.version import Version

_PLATFORMS = {"linux": ("linux", "manylinux", "musllinux"), "macos": ("macosx",), "windows": ("win",)}
"""How the platform tags of wheels begin, by system."""


def version_of(filename: str) -> Version | None:
    """The version in the name of a wheel or source distribution; None for any other file name."""
    if filename.endswith(".whl"):
        return _version(filename.split("-")[1]) if _is_wheel(filename) else None
    try:
        return parse_sdist_filename(filename)[1]
    except ValueError:
        return None


def is_for_python_3(filename: str, system: str) -> bool:
    """Whether a file is a wheel for Python 3 on a system, whatever the minor version and the processor.

    Args:
        filename: of any file.
        system: `linux`, `macos` or `windows`, as in the facts. For any other, wheels of every system count.
    """
    if not _is_wheel(filename):
        return False
    _, pythons, _, platforms = filename.removesuffix(".whl").rsplit("-", 3)
    fitting = ("any", *_PLATFORMS.get(system, ("",)))
    return any(tag.startswith(("py3", "cp3")) for tag in pythons.split(".")) and any(
        tag.startswith(fitting) for tag in platforms.split(".")
    )


def spare_sources(files: Iterable[tuple[str, bool]], system: str) -> frozenset[str]:
    """The source distributions of versions that have a wheel for some Python 3 on a system.

    Args:
        files: names of the files of one project, each with whether it was yanked. Yanked wheels do not count.
        system: see `is_for_python_3`.
    """
    names = tuple(files)
    built = {version_of(name) for name, is_yanked in names if not is_yanked and is_for_python_3(name, system)} - {None}
    return frozenset(name for name, _ in names if not name.endswith(".whl") and version_of(name) in built)


def _is_wheel(filename: str) -> bool:
    # Pages have thousands of names, for which packaging's parser takes ten times as long.
    return filename.endswith(".whl") and filename.count("-") in (4, 5)


@lru_cache(maxsize=4096)
def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except ValueError:
        return None
