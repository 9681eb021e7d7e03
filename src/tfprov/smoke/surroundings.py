"""Finds settings and files outside an environment that shadow or break its TensorFlow when it is used from this shell.

The probes are isolated from these, so a good verdict does not cover them; and they are not faults of the environment.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from tfprov.contents import content_of
from tfprov.smoke.records import ShellHazard
from tfprov.structured import minor_of

# Modules that are checked for being shadowed by another of the same name.
_NAMES = ("tensorflow", "keras", "numpy", "google/protobuf", "h5py", "typing_extensions", "absl", "ml_dtypes", "wrapt")


def findings(python: Path, environ: Mapping[str, str], cwd: Path, version: str | None) -> tuple[ShellHazard, ...]:
    """The hazards from PYTHON* variables, the working directory and the user site.

    Args:
        python: interpreter of the environment.
        environ: environment variables of the user.
        cwd: the user's working directory, which is first on sys.path for `python -c`, `-m` and the prompt.
        version: of that Python; None when unknown, and then the user site is not checked.
    """
    found = []
    if environ.get("PYTHONHOME"):
        found.append(ShellHazard(code="path-leak", evidence=f"PYTHONHOME is set to `{environ['PYTHONHOME']}`"))
    for entry in environ.get("PYTHONPATH", "").split(os.pathsep):
        hides = _modules(Path(entry)) if entry else ()
        if hides:
            found.append(ShellHazard(code="path-leak", evidence=f"PYTHONPATH brings in {_list(hides)}"))
    hides = _modules(cwd)
    if hides:
        found.append(
            ShellHazard(
                code="shadowed-module", evidence=f"the working directory hides the environment's: {_list(hides)}"
            )
        )
    user_site = _user_site(python, environ, version)
    hides = _modules(user_site) if user_site else ()
    if hides:
        found.append(ShellHazard(code="path-leak", evidence=f"the user site brings in {_list(hides)}"))
    return tuple(found)


def hiding(folder: Path) -> dict[str, Path]:
    """Files in a folder that shadow modules of the environment, by module name (`google/protobuf` with a slash)."""
    candidates = ((name, path) for name in _NAMES for path in (folder / name / "__init__.py", folder / f"{name}.py"))
    # A package takes precedence over a module of the same name.
    return {name: path for name, path in reversed(list(candidates)) if os.path.isfile(path)}  # noqa: PTH113 - False, too, where this user may not look


def _modules(folder: Path) -> tuple[Path, ...]:
    return tuple(reversed(hiding(folder).values()))


def _user_site(python: Path, environ: Mapping[str, str], version: str | None) -> Path | None:
    """The user site that this interpreter uses; None when it uses none."""
    try:
        settings = content_of(python.parent.parent / "pyvenv.cfg").decode("utf-8", "replace").lower()
        isolated = "include-system-site-packages = true" not in settings
    except OSError:
        isolated = False
    if isolated or version is None or environ.get("PYTHONNOUSERSITE") or os.name != "posix":
        # A venv leaves the user site out; on Windows and macOS frameworks have their own schemes.
        return None
    base = environ.get("PYTHONUSERBASE") or (Path(environ["HOME"]) / ".local" if environ.get("HOME") else None)
    if base is None:
        return None
    short = minor_of(version)
    variables = {"userbase": str(base), "py_version_short": short, "py_version_nodot_plat": short.replace(".", "")}
    # tfprov may run on another version of Python, so the scheme is expanded with the version of this one.
    return Path(sysconfig.get_path("purelib", "posix_user", {**variables, "abi_thread": ""}))


def _list(paths: tuple[Path, ...]) -> str:
    return ", ".join(f"`{path}`" for path in paths)
