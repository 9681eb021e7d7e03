"""Commands on existing environments.

Modules that only some of them need are imported inside those functions, so that `rollback` and `run` start quickly.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov import paths
from tfprov.envs import following, rollbacks
from tfprov.envs.generations import Environment, environments
from tfprov.envs.layout import python_in
from tfprov.envs.records import Flaw, Generation
from tfprov.envs.retention import kind_of
from tfprov.errors import TfprovError
from tfprov.pipeline.backends.choose import Backend, backend_of
from tfprov.pipeline.context import Context, Request, environment_of
from tfprov.pipeline.named import environments_of, one_of, profile_of
from tfprov.profile import finding, source

if TYPE_CHECKING:
    from tfprov.events import Emit
    from tfprov.smoke.records import Level, Verdict


def find(name: str, *, cwd: Path, environ: Mapping[str, str]) -> Environment:
    """The environment of a profile, or the only environment of that name.

    A file is tried first; where it has mistakes, it leads to what was made of it before. An environment that is called
    by its name or id is found whatever has become of its profile, which may ask for one of another name by now.

    Raises:
        TfprovError: `environment-missing`, or what is wrong with the profile.
    """
    home = paths.home(environ)
    try:
        path, shipped = profile_of(name, cwd=cwd, home=home)
    except TfprovError:
        named = environments_of(name, home)
        if named:
            return one_of(name, named)
        raise
    if name and not (cwd / paths.expanded(name)).is_file():
        called = [one for one in environments_of(name, home) if one.owner.profile == str(path)]
        if called:
            return one_of(name, called)
    seen = source.glance(path, shipped=shipped)
    if seen is None:
        from tfprov.profile.load import load

        try:
            seen = load(path, shipped=shipped).source
        except TfprovError:
            # The only environment that was made of the profile serves, and can be left, while that has mistakes.
            made = [one for one in environments(home.environments) if one.owner.profile == str(path)]
            if len(made) != 1:
                raise
            return made[0]
    wanted = environment_of(seen, home)
    # As recorded on disk: `environment.path` may have been changed in the profile since the environment was made.
    return Environment.open(wanted.root) or wanted


def word_for(environment: Environment, *, cwd: Path, environ: Mapping[str, str]) -> str:
    """The PROFILE argument that names an environment from any folder: its name, or its id if the name leads elsewhere.

    Two checkouts of one project have the same name, and a shipped profile may have it, too.
    """
    name = environment.owner.name
    try:
        leads_here = find(name, cwd=cwd, environ=environ).root == environment.root
    except TfprovError:
        leads_here = False
    return name if leads_here else environment.id


def left_behind(folder: Path) -> tuple[str, ...]:
    """Says where environments of this user lie that are no longer used; empty where there are none.

    Args:
        folder: of all environments now.
    """
    older = paths.left_in_common(folder)
    if older is None:
        return ()
    return (f"environments made earlier lie in `{older}` and are not used: other users can write to a folder above",)


def verified(environment: Environment, profile: str, *, moved: bool = False) -> Generation:
    """The active generation of an environment.

    Args:
        environment: which one.
        profile: the profile as the user named it, for the hint.
        moved: whether to accept a generation that was moved since it was made, whose commands do not start.

    Raises:
        TfprovError: `environment-missing`, `environment-moved`.
    """
    generation = environment.active()
    if generation is None:
        raise TfprovError(
            "environment-missing",
            f"`{environment.owner.name}` has no verified environment yet",
            evidence=(f"looked in `{environment.root}`", *left_behind(environment.root.parent)),
            hint=f"run `{f'tfprov up {profile}'.rstrip()}`",
        )
    if not moved and environment.moved(generation):
        raise TfprovError(
            "environment-moved",
            f"the environment of `{environment.owner.name}` was moved, and its commands name the old place",
            evidence=(
                f"made in `{generation.sealed.place}`",
                f"found in `{generation.path}`",
            ),
            hint=f"run `{f'tfprov up {profile}'.rstrip()}`: it is rebuilt from its image, without a download",
        )
    return generation


def in_use(environment: Environment, profile: str) -> Generation:
    """The active generation, not to be deleted before this process, or the program that it turns into (`exec`), ends.

    Raises:
        TfprovError: as `verified`.
    """
    while True:
        generation = verified(environment, profile)
        with contextlib.suppress(FileNotFoundError):
            following.hold(generation.path)
        # A process that deletes generations switches first and looks for processes afterwards. So either it sees this
        # process, or this process sees the switch and tries again.
        if environment.active() == generation:
            return generation


def variables(generation: Generation, environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for a command in the environment, with those that its activation script, cures and profile set.

    The user's other variables stay, including PYTHONPATH: the command is the user's own, not tfprov's.
    """
    given = generation.seal.cures if generation.seal else ()
    changed = environ
    if given:
        from tfprov.envs import cures

        changed = cures.variables(generation.path, given, environ)
    entrance = following.entrance(generation.path)
    changed = backend_for(generation).activated(entrance, generation.path.parents[1].name, changed)
    own = generation.seal.variables if generation.seal else {}
    if own:
        from tfprov.fetch.addresses import expand_all

        changed |= expand_all(own, environ)
    return changed


def backend_for(generation: Generation) -> Backend:
    """The backend that made a generation."""
    return backend_of(generation.seal.kind if generation.seal else "venv")


def smoke_again(request: Request, *, level: Level | None, emit: Emit) -> Verdict:
    """Run the smoke test of an existing environment again, at the profile's level if `level` is None. Changes nothing.

    Raises:
        TfprovError: `environment-missing`, `environment-moved`; what is wrong with the profile.
    """
    from tfprov.fetch.addresses import expand_all
    from tfprov.pipeline.stages import smoke_request
    from tfprov.profile.load import load
    from tfprov.smoke.runner import smoke

    context = Context(request, emit)
    environment = find(request.profile, cwd=request.cwd, environ=request.environ)
    generation = verified(environment, request.profile)
    try:
        # The profile that the environment was made from: the request may give the name of the environment instead.
        path, shipped = finding.find(environment.owner.profile or request.profile, cwd=request.cwd)
    except TfprovError:
        path, shipped = profile_of(request.profile, cwd=request.cwd, home=paths.home(request.environ))
    wanted = smoke_request(load(path, overrides=request.overrides, shipped=shipped), generation.sealed.target)
    if level is not None:
        wanted = dataclasses.replace(wanted, level=level)
    return smoke(
        python_in(generation.path),
        wanted,
        environ=request.environ,
        emit=context.emit,
        activation={
            **backend_for(generation).smoke_variables(generation.path, request.environ),
            **expand_all(wanted.variables, request.environ),
        },
    )


def smoke_foreign(
    python: Path,
    *,
    level: Level | None,
    environ: Mapping[str, str],
    emit: Emit,
    cwd: Path,
    overrides: Sequence[str] = (),
) -> Verdict:
    """Run the smoke test of an environment that tfprov did not make. Changes nothing.

    Args:
        python: its interpreter, or its folder.
        level: how much to check; when None, the level in the overrides, else the standard level.
        environ: variables of the user.
        emit: receives one note per leg.
        cwd: folder that paths of scripts are relative to.
        overrides: settings of a profile, as `key=value`: `smoke.require-gpus=1`, `tensorflow.accelerator=cuda`.

    Raises:
        TfprovError: `environment-missing`; `profile-invalid` for a wrong override.
    """
    from tfprov.lock.target_records import Target
    from tfprov.pipeline.stages import smoke_request
    from tfprov.profile.load import load
    from tfprov.smoke.runner import smoke

    executable = python_in(python) if python.is_dir() else python
    if not executable.exists():
        raise TfprovError(
            "environment-missing", f"there is no interpreter `{executable}`", hint="pass the Python of an environment"
        )
    loaded = load(cwd / "the command line", overrides=overrides, content=b'name = "python"')
    target = Target(
        package="", version="", extras=(), accelerator=loaded.profile.tensorflow.accelerator, python="", platform=""
    )
    # Without a lock it is not known which version should be installed.
    wanted = dataclasses.replace(smoke_request(loaded, target), expected_version=None, expected_package=None)
    if level is not None:
        wanted = dataclasses.replace(wanted, level=level)
    return smoke(executable.absolute(), wanted, environ=environ, emit=emit)


def rollback(environment: Environment, *, number: int | None, warn: Callable[[str], None] | None = None) -> Generation:
    """Switch the stable path to another verified generation, which is returned. Profile and lock are not changed.

    A generation with altered or missing files is first mended from its image; one that cannot be mended is passed over.

    Args:
        environment: which one.
        number: number of the generation; None for the newest earlier one whose files differ from the active one's, or
            the newest earlier one if all are the same.
        warn: is told which other tfprov it waits for.

    Raises:
        TfprovError: `environment-missing` when there is no such generation; the code of the flaw when none can be used.
    """
    with environment.locked(warn=warn):
        active = environment.active()
        every = environment.generations()
        if number is None:
            earlier = [one for one in reversed(every) if active is None or one.number < active.number]
            others = [one for one in earlier if active is None or kind_of(one) != kind_of(active)]
            wanted = others or earlier
        else:
            wanted = [one for one in every if one.number == number]
        if not wanted:
            asked = "earlier generation" if number is None else f"generation {number}"
            has = ", ".join(str(one.number) for one in every) or "none"
            raise TfprovError(
                "environment-missing",
                f"`{environment.owner.name}` has no {asked}",
                evidence=(f"verified generations: {has}; active: {active.number if active else 'none'}",),
                hint="`tfprov list` shows them",
            )
        flaws: list[tuple[Generation, Flaw]] = []
        for one in wanted:
            flaw = environment.flaw(one)
            if flaw is None or _mended(environment, one, flaw):
                note = rollbacks.after(rollbacks.read(environment.root, active), active, one)
                environment.activate(one, rollback=note)
                return one
            flaws.append((one, flaw))
        raise _no_way_back(environment, flaws, named=number is not None)


def _mended(environment: Environment, generation: Generation, flaw: Flaw) -> bool:
    """Restore the damaged files of a generation from its image; returns whether it is whole now.

    It is not if the image, which may share files with it by hard links, is damaged as well.
    """
    if flaw.code != "file-damaged" or generation.seal is None or not generation.seal.image:
        return False
    damage = environment.damage(generation)
    from tfprov.envs.images import Image

    image = Image(environment.root.parent.parent / "images" / generation.seal.image)
    return image.mend(generation.path, (*damage.missing, *damage.altered)) and environment.flaw(generation) is None


def _no_way_back(environment: Environment, flaws: Sequence[tuple[Generation, Flaw]], *, named: bool) -> TfprovError:
    """The error when none of the wanted generations can be used, with a hint how to get the newest of them back."""
    newest, flaw = flaws[0]
    tried = {one.number for one, _ in flaws}
    active = environment.active()
    good = [
        one
        for one in environment.generations()
        if one.number not in tried and environment.flaw(one) is None and one != active
    ]
    version = newest.seal.tensorflow if newest.seal else ""
    again = f'to have it back, ask for `tensorflow.version = "=={version}"` and run `tfprov up`: it is built anew'
    others = [
        f"`tfprov rollback PROFILE {one.number}` goes to generation {one.number}, which is whole; or " for one in good
    ]
    return TfprovError(
        flaw.code,
        f"generation {newest.number} is damaged and cannot be used"
        if named or len(flaws) == 1
        else f"every earlier generation of `{environment.owner.name}` is damaged and cannot be used",
        evidence=tuple(f"generation {one.number}: {flaw.words}" for one, flaw in flaws),
        hint="".join(others[-1:]) + again,
    )
