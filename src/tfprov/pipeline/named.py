"""Resolves a PROFILE argument (a file, a shipped profile, the name of an environment); profiles that share a name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.digests import sha256_of
from tfprov.envs.documents import OWNER
from tfprov.envs.generations import Environment, environments
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.paths import Home
from tfprov.profile import finding
from tfprov.words import first_of

if TYPE_CHECKING:
    from tfprov.pipeline.context import Context


def profile_of(name: str, *, cwd: Path, home: Home) -> tuple[Path, bool]:
    """The profile file that a PROFILE argument refers to, and whether it is a shipped one.

    An environment installed from a bundle has its profile in a folder of tfprov's own, so it is referred to by name;
    where it is the only environment of that name, it takes precedence over a shipped profile.

    Raises:
        TfprovError: `profile-missing`; `environment-missing` when several environments have the name; `file-damaged`
            when the record of the profile cannot be read.
    """
    try:
        path, shipped = finding.find(name, cwd=cwd)
    except TfprovError as error:
        if error.code.name != "profile-missing" or not name:
            raise
        named = environments_of(name, home)
        there = [one for one in named if Path(one.owner.profile).is_file()]
        if not there:
            raise next((of_nobody(one) for one in named if not one.owner.is_known), error) from None
        only = one_of(name, there)
        return Path(only.owner.profile), Path(only.owner.profile).parent == finding.shipped_folder()
    if shipped:
        named = environments_of(name, home)
        bundled = [one for one in named if bundle_of(one, home)]
        if len(named) == len(bundled) == 1:
            return Path(bundled[0].owner.profile), False
    return path, shipped


def environments_of(name: str, home: Home) -> list[Environment]:
    """The environments with this name, id or profile path."""
    return [one for one in environments(home.environments) if name in (one.owner.name, one.id, one.owner.profile)]


def one_of(name: str, named: list[Environment]) -> Environment:
    """The only environment in the list.

    Args:
        name: what the user called it, for the message.
        named: the environments that match, at least one.

    Raises:
        TfprovError: `environment-missing` when there is more than one.
    """
    if len(named) == 1:
        return named[0]
    raise TfprovError(
        "environment-missing",
        f"several environments are called `{name}`",
        evidence=tuple(f"{one.id}: {one.owner.profile}" for one in named),
        hint="name one by its id or its profile",
    )


def of_nobody(environment: Environment) -> TfprovError:
    """What to say of an environment whose owner is unknown."""
    return TfprovError(
        "file-damaged",
        f"the record of the profile that `{environment.id}` was made of cannot be read",
        evidence=(f"`{environment.root / OWNER}`",),
        hint=f"`tfprov up` with that profile writes it again; `tfprov remove {environment.id}` deletes the environment",
    )


def bundle_of(environment: Environment, home: Home) -> str | None:
    """The id of the bundle that an environment was last installed from; None if it was not installed from one."""
    folder = Path(environment.owner.profile).parent
    if folder.parent != home.data / "bundles":
        return None
    try:
        return sha256_of(folder / "bundle.json")
    except OSError:
        return None


def tell_of_namesakes(context: Context) -> None:
    """Warn of profiles that take turns with that of the run at writing one lock."""
    profile, lock = context.source, context.lock_path
    others = finding.namesakes(profile.path, profile.name) if lock.parent == profile.path.parent else ()
    if others:
        named = ", ".join(first_of([f"`{one}`" for one in others], 3))
        text = f"the name `{profile.name}` is that of {named}, too, and `{lock.name}` is the lock of each in turn"
        context.emit(Note(text=f"{text}: give each a `name` of its own", level="warning"))
