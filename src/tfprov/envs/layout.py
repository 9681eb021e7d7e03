"""Where things are in an environment's folder."""

from __future__ import annotations

import os
from pathlib import Path

BINDING = "zzz_tfprov_binding"
"""Module that binds a process to its generation. What Python reads at its start it reads in order: this is last."""

LEADS_TO = "tfprov-leads-to"
"""Key of `pyvenv.cfg` in an environment that leads to another one; see `fronts`."""

ADOPTED = "0000"
"""Name of the generation that is an environment which somebody else made."""


def startup(module: str, function: str) -> dict[str, bytes]:
    """The files, by name, that have an environment's Python call a function of a module at each start.

    Python 3.15 and newer read the `.start` file, which keeps the line of the other from being run, and 3.18 no other
    (PEP 829); older ones know the `.pth` file only.
    """
    return {
        f"{module}.pth": f"import {module}; {module}.{function}()\n".encode("ascii"),
        f"{module}.start": f"{module}:{function}\n".encode("ascii"),
    }


def python_in(environment: Path) -> Path:
    """The interpreter inside an environment's folder."""
    return environment / "Scripts" / "python.exe" if os.name == "nt" else environment / "bin" / "python"


def executables_in(environment: Path) -> Path:
    """The folder of an environment's commands."""
    return python_in(environment).parent


def site_packages(environment: Path) -> tuple[Path, ...]:
    """The folders of an environment in which packages lie."""
    found: dict[Path, Path] = {}
    for path in sorted(environment.glob("lib*/python*/site-packages")):
        # lib64 is a link to lib in most environments, and a folder of its own in some.
        found.setdefault(path.resolve(), path)
    windows = environment / "Lib" / "site-packages"
    return (*found.values(), *((windows,) if windows.is_dir() else ()))
