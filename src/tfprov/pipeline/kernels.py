"""Kernels of Jupyter that run in an environment, whatever generation of it is in use.

A kernel starts `tfprov run`, which knows the generation in use, its variables and its cures, and becomes the kernel: so
it survives updates, rollbacks and pruning, and a kernel that runs keeps its generation.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tfprov
from tfprov.contents import text_of
from tfprov.envs.generations import Environment, environments
from tfprov.envs.integrity import installed
from tfprov.envs.records import Generation
from tfprov.errors import TfprovError
from tfprov.host.system import home_folder, running_system
from tfprov.paths import Home, write_atomic
from tfprov.structured import json_of

_LIST = "kernels.json"
# What a kernel needs to find the same environments as whoever made it.
_PASSED_ON = ("TFPROV_HOME",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel of Jupyter.

    Attributes:
        name: as `jupyter --kernel` takes it.
        title: as notebooks show it.
        folder: where its specification lies.
        environment: id of the environment that it runs in.
    """

    name: str
    title: str
    folder: Path
    environment: str


def add(
    environment: Environment,
    generation: Generation,
    *,
    profile: str,
    environ: Mapping[str, str],
    prefix: Path | None = None,
) -> Kernel:
    """Make the kernel of an environment, or renew it.

    Args:
        environment: which one.
        generation: the one in use.
        profile: as the user named it, for the next step.
        environ: variables of the user.
        prefix: folder of a Python or of a JupyterHub that shall have it, in `share/jupyter`; None for this user's own.

    Raises:
        TfprovError: `usage` when the environment has no ipykernel; `path-not-ours` when a kernel of that name is there
            that tfprov did not make.
    """
    if not any(one.name == "ipykernel" for one in installed(generation.path)):
        named = Path(environment.owner.profile).name
        raise TfprovError(
            "usage",
            f"the environment of `{environment.owner.name}` has no ipykernel, which a kernel is started by",
            evidence=(f"looked in `{generation.path}`",),
            hint=f"add `ipykernel` to `packages.requirements` in `{named}` and run `{f'tfprov up {profile}'.rstrip()}`",
        )
    data = _data_folder(environ) if prefix is None else prefix / "share" / "jupyter"
    name = re.sub(r"[^a-z0-9._-]+", "-", f"tfprov-{environment.id}".lower())
    folder = data / "kernels" / name
    before = _read(folder)
    if folder.exists() and (before is None or before.environment != environment.id):
        raise TfprovError(
            "path-not-ours",
            f"`{folder}` was not made by tfprov for this environment",
            hint="remove it with `jupyter kernelspec remove`, or name another `--prefix`",
        )
    kernel = Kernel(name=name, title=f"{environment.owner.name} (tfprov)", folder=folder, environment=environment.id)
    document = {
        "argv": [*_start(), "run", environment.id, "--", *_LAUNCHER],
        "display_name": kernel.title,
        "language": "python",
        "env": {key: environ[key] for key in _PASSED_ON if environ.get(key)},
        "metadata": {"debugger": True, "tfprov": {"environment": environment.id}},
    }
    write_atomic(folder / "kernel.json", (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    _remember(environment, {*_known(environment), folder})
    return kernel


_LAUNCHER = ("python", "-m", "ipykernel_launcher", "-f", "{connection_file}")


def kernels(home: Home) -> tuple[Kernel, ...]:
    """The kernels of all environments, where they still are."""
    return tuple(kernel for each in environments(home.environments) for kernel in of(each))


def of(environment: Environment) -> tuple[Kernel, ...]:
    """The kernels of an environment, where they still are."""
    found = (_read(folder) for folder in sorted(_known(environment)))
    return tuple(one for one in found if one is not None and one.environment == environment.id)


def drop(environment: Environment) -> tuple[Kernel, ...]:
    """Delete the kernels of an environment; what became something else stays.

    Returns:
        What was deleted.
    """
    found = of(environment)
    for kernel in found:
        shutil.rmtree(kernel.folder)
    if environment.root.is_dir():
        _remember(environment, set())
    return found


def _start() -> list[str]:
    """How this tfprov is started from anywhere: a checkout by its script, which outlives the environment behind it."""
    archive = Path(sys.argv[0]).absolute()
    if archive.suffix == ".pyz":
        # A zipapp unpacks its modules to where this Python does not look by itself.
        return [sys.executable, "-I", str(archive)]
    checkout = Path(tfprov.__file__).resolve().parents[2] / "bootstrap"
    if checkout.is_file() and sys.platform != "win32":
        return [str(checkout)]
    return [sys.executable, "-I", "-m", "tfprov"]


def _data_folder(environ: Mapping[str, str]) -> Path:
    """Where Jupyter keeps what is this user's own, by its rules."""
    named, system = environ.get("JUPYTER_DATA_DIR"), running_system().value
    if named:
        return Path(named)
    home = home_folder(environ, system)
    if home is None:
        raise TfprovError("usage", "there is no home folder to keep a kernel in", hint="set JUPYTER_DATA_DIR")
    if system == "macos":
        return home / "Library" / "Jupyter"
    if system == "windows":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / "jupyter"
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "jupyter"


def _read(folder: Path) -> Kernel | None:
    """A kernel that tfprov made; None for anything else, and for nothing."""
    try:
        document = json_of(text_of(folder / "kernel.json"))
        owner = document["metadata"]["tfprov"]["environment"]
        return Kernel(name=folder.name, title=str(document["display_name"]), folder=folder, environment=str(owner))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _known(environment: Environment) -> set[Path]:
    """Where kernels of an environment were put."""
    try:
        found = json_of(text_of(environment.root / _LIST))
    except (OSError, ValueError):
        return set()
    return {Path(each) for each in found if isinstance(each, str)} if isinstance(found, list) else set()


def _remember(environment: Environment, folders: set[Path]) -> None:
    write_atomic(environment.root / _LIST, json.dumps(sorted(map(str, folders))).encode())
