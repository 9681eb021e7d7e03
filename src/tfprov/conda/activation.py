"""The variables of an activated conda environment: conda's own, and those set by packages' activation scripts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from tfprov import process
from tfprov.contents import content_of
from tfprov.structured import json_of

_SCRIPTS = Path("etc/conda/activate.d")
_SECONDS = 30.0
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A shell sets these by itself.
_OF_THE_SHELL = frozenset({"_", "SHLVL", "PWD", "OLDPWD", "PS1"})

# `conda env config vars unset` leaves this value, which stands for none.
_UNSET = "***unset***"


def variables(prefix: Path, name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a process in the activated environment.

    Packages of CUDA builds set paths in their activation scripts, so a shell runs the scripts and prints the variables.
    A script that fails is ignored, as in conda.

    Args:
        prefix: folder of the environment.
        name: value of `CONDA_DEFAULT_ENV`.
        environ: variables to start from.
    """
    changed = dict(environ)
    changed.pop("PYTHONHOME", None)
    changed.pop("VIRTUAL_ENV", None)
    folders = [prefix] if os.name == "nt" else []
    folders += [prefix / part for part in (("Library/bin", "Scripts") if os.name == "nt" else ("bin",))]
    changed["PATH"] = os.pathsep.join((*map(str, folders), environ.get("PATH", os.defpath)))
    changed |= {"CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": name, "CONDA_SHLVL": "1"}
    changed |= _of_files(prefix)
    scripts = sorted((prefix / _SCRIPTS).glob("*.sh")) if os.name == "posix" else []
    shell = shutil.which("bash", path=changed["PATH"]) or shutil.which("sh", path=changed["PATH"])
    if not scripts or shell is None:
        return changed
    lines = [f". {shlex.quote(str(script))} >/dev/null 2>&1 </dev/null || :" for script in scripts]
    answer = process.run([shell, "-c", "\n".join([*lines, "env -0"])], env=changed, timeout=_SECONDS)
    if not answer.ok:
        return changed
    printed = dict(part.split("=", 1) for part in answer.stdout.split("\0") if "=" in part)
    # A shell passes on only what can be one of its variables, and `printed` has only text.
    kept = {key: value for key, value in changed.items() if not _VARIABLE.fullmatch(key) or key in _OF_THE_SHELL}
    kept |= {key: value for key, value in changed.items() if printed.get(key) == process.text_of(os.fsencode(value))}
    return {key: value for key, value in printed.items() if key not in _OF_THE_SHELL and "\ufffd" not in key} | kept


def script(prefix: Path, name: str) -> str:
    """POSIX shell code that activates the environment in a running shell."""
    bin_folder = shlex.quote(str(prefix / "bin"))
    lines = [
        f'PATH={bin_folder}":$PATH"; export PATH',
        f"CONDA_PREFIX={shlex.quote(str(prefix))}; export CONDA_PREFIX",
        f"CONDA_DEFAULT_ENV={shlex.quote(name)}; export CONDA_DEFAULT_ENV",
        "CONDA_SHLVL=1; export CONDA_SHLVL",
        *(f"{key}={shlex.quote(value)}; export {key}" for key, value in _of_files(prefix).items()),
        *(f". {shlex.quote(str(path))}" for path in sorted((prefix / _SCRIPTS).glob("*.sh"))),
        f'PS1={shlex.quote(f"({name}) ")}"$PS1"',
    ]
    return "\n".join(lines) + "\n"


def _of_files(prefix: Path) -> dict[str, str]:
    """Variables of packages (`env_vars.d`), then those that the user has set (`state`)."""
    found: dict[str, str] = {}
    for path in (*sorted((prefix / "etc/conda/env_vars.d").glob("*.json")), prefix / "conda-meta/state"):
        try:
            document = json_of(content_of(path))
        except (OSError, ValueError):
            continue
        if path.name == "state":
            document = document.get("env_vars") if isinstance(document, dict) else None
        if isinstance(document, dict):
            found |= {str(key): str(value) for key, value in document.items() if value != _UNSET}
    # No shell takes other names: what follows a `;` in one would be a command.
    return {key: value for key, value in found.items() if _VARIABLE.fullmatch(key) and "\0" not in value}
