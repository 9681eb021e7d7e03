"""Jupyter kernels that run in an environment, in whichever generation is active.

A kernel specification starts `tfprov run`, which finds the active generation, its variables and cures, and then turns
into the kernel (`exec`). So the specification survives updates, rollbacks and pruning, and a running kernel keeps its
generation.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tfprov
from tfprov import trees
from tfprov.contents import text_of
from tfprov.envs.generations import Environment, environments
from tfprov.envs.integrity import installed
from tfprov.envs.records import Generation
from tfprov.errors import TfprovError
from tfprov.host.system import home_folder, running_system
from tfprov.paths import HOME_VARIABLE, Home, expanded
from tfprov.pipeline.named import of_nobody
from tfprov.profile.finding import is_stand_in
from tfprov.structured import json_of, texts_of
from tfprov.writing import write_atomic

_LIST = "kernels.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A Jupyter kernel specification.

    Attributes:
        name: name for `jupyter --kernel`.
        title: display name in notebooks.
        folder: folder of the specification.
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
    """Install or renew the kernel specification of an environment.

    Args:
        environment: which one.
        generation: its active generation.
        profile: the profile as the user named it, for the hint.
        environ: variables of the user.
        prefix: folder of a Python or JupyterHub in whose `share/jupyter` to install it; None for this user's own data
            folder of Jupyter.

    Raises:
        TfprovError: `usage` when the environment has no ipykernel; `path-not-ours` when a kernel of that name exists
            that tfprov did not make for this environment.
    """
    if not any(one.name == "ipykernel" for one in installed(generation.path)):
        if not environment.owner.is_known:
            raise of_nobody(environment)
        path = Path(environment.owner.profile)
        place = f"`{path.name}`" if is_stand_in(path) else f"`packages.requirements` in `{path.name}`"
        raise TfprovError(
            "usage",
            f"the environment of `{environment.owner.name}` has no ipykernel, which a kernel needs",
            evidence=(f"looked in `{generation.path}`",),
            hint=f"add `ipykernel` to {place} and run `{f'tfprov up {profile}'.rstrip()}`",
        )
    # Absolute, also where a variable is relative: later commands, and Jupyter, have other working folders.
    data = (_data_folder(environ) if prefix is None else prefix / "share" / "jupyter").absolute()
    home = environ.get(HOME_VARIABLE)
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
        # So that the kernel finds the same environments as this command.
        "env": {HOME_VARIABLE: str(expanded(home).absolute())} if home else {},
        "metadata": {"debugger": True, "tfprov": {"environment": environment.id}},
    }
    write_atomic(folder / "kernel.json", (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    _remember(environment, {*_known(environment), folder})
    return kernel


_LAUNCHER = ("python", "-m", "ipykernel_launcher", "-f", "{connection_file}")


def kernels(home: Home) -> tuple[Kernel, ...]:
    """The kernels of all environments, without those that were deleted or replaced by other means."""
    return tuple(kernel for each in environments(home.environments) for kernel in of(each))


def of(environment: Environment) -> tuple[Kernel, ...]:
    """The kernels of an environment, without those that were deleted or replaced by other means."""
    found = (_read(folder) for folder in sorted(_known(environment)))
    return tuple(one for one in found if one is not None and one.environment == environment.id)


def drop(environment: Environment) -> tuple[Kernel, ...]:
    """Delete the kernels of an environment, except those that were replaced by something else.

    Returns:
        The deleted kernels.
    """
    found = of(environment)
    for kernel in found:
        trees.delete(kernel.folder)
    # Deleted, not emptied: on a full disk nothing can be written, and the environment is to be removed.
    (environment.root / _LIST).unlink(missing_ok=True)
    return found


def _start() -> list[str]:
    """Command that starts this tfprov from any folder; in a checkout, its script, which outlives its environment."""
    archive = Path(sys.argv[0]).absolute()
    if archive.suffix == ".pyz":
        # The modules of a zipapp are not on `sys.path` of this Python.
        return [sys.executable, "-I", str(archive)]
    checkout = Path(tfprov.__file__).resolve().parents[2] / "bootstrap"
    if checkout.is_file() and sys.platform != "win32":
        return [str(checkout)]
    return [sys.executable, "-I", "-m", "tfprov"]


def _data_folder(environ: Mapping[str, str]) -> Path:
    """Jupyter's data folder of this user, by Jupyter's rules.

    Raises:
        TfprovError: `usage` when there is no home folder.
    """
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
    """The kernel in a folder; None if tfprov did not make it, or it does not exist."""
    try:
        document = json_of(text_of(folder / "kernel.json"))
        owner = document["metadata"]["tfprov"]["environment"]
        return Kernel(name=folder.name, title=str(document["display_name"]), folder=folder, environment=str(owner))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _known(environment: Environment) -> set[Path]:
    """Folders in which kernels of an environment were installed."""
    try:
        found = json_of(text_of(environment.root / _LIST))
    except (OSError, ValueError):
        return set()
    return set(map(Path, texts_of(found)))


def _remember(environment: Environment, folders: set[Path]) -> None:
    write_atomic(environment.root / _LIST, json.dumps(sorted(map(str, folders))).encode())
