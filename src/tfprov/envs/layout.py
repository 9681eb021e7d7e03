"""Paths inside an environment's folder."""

from __future__ import annotations

import os
from pathlib import Path

BINDING = "zzz_tfprov_binding"
"""Module that binds a process to its generation. Python reads start-up files in order of name: this is the last."""

LEADS_TO = "tfprov-leads-to"
"""Key of `pyvenv.cfg` in a front, whose value is the environment that it leads to; see `fronts`."""

ADOPTED = "0000"
"""Name of the generation that holds an adopted environment."""


def startup(module: str, function: str) -> dict[str, bytes]:
    """Start-up files, by name, that make an environment's Python call a function of a module at each start.

    Python 3.15 and newer read the `.start` file, and then skip the import line of the `.pth` file; 3.18 reads nothing
    else (PEP 829). Older Pythons know only the `.pth` file.
    """
    return {
        f"{module}.pth": f"import {module}; {module}.{function}()\n".encode("ascii"),
        f"{module}.start": f"{module}:{function}\n".encode("ascii"),
    }


def python_in(environment: Path) -> Path:
    """The interpreter inside an environment's folder; on Windows, those of conda have it in the folder itself."""
    if os.name != "nt":
        return environment / "bin" / "python"
    inner, outer = environment / "Scripts" / "python.exe", environment / "python.exe"
    return outer if outer.exists() and not inner.exists() else inner


def unusable(python: Path) -> str:
    """Why the interpreter of an environment cannot be run, to follow `is unusable:`; empty where it can."""
    if os.access(python, os.X_OK):
        return ""
    try:
        python.stat()
    except FileNotFoundError:
        return "its interpreter is gone"
    except OSError:
        pass
    return "you may not run its interpreter"


def executables_in(environment: Path) -> Path:
    """The folder of an environment's commands."""
    return environment / ("Scripts" if os.name == "nt" else "bin")


def is_conda(environment: Path) -> bool:
    """Whether conda made an environment: it recorded the Python, or no other tool says that it made it.

    A failed `conda create` leaves a `conda-meta` without packages, and people make a virtual environment on top of it.
    """
    records = environment / "conda-meta"
    return records.is_dir() and (any(records.glob("python-[0-9]*.json")) or not (environment / "pyvenv.cfg").exists())


def site_packages(environment: Path) -> tuple[Path, ...]:
    """The site-packages folders of an environment."""
    found: dict[Path, Path] = {}
    for path in sorted(environment.glob("lib*/python*/site-packages"), key=lambda path: (_is_linked(path), path)):
        # lib64 is a link to lib in most environments, and a folder of its own in some. conda's Pythons have a link
        # `python3.1` to `python3.12`, which is not what lists of files call it.
        found.setdefault(path.resolve(), path)
    windows = environment / "Lib" / "site-packages"
    return (*found.values(), *((windows,) if windows.is_dir() else ()))


def is_metadata(name: str) -> bool:
    """Whether a folder among the packages describes an installed one, judged by its name."""
    # pip renames what it is about to delete; what it could not delete is not a package any more.
    return name.endswith(".dist-info") and name[0] not in "~-."


def _is_linked(library: Path) -> bool:
    return any(folder.is_symlink() for folder in (library, *library.parents[:2]))
