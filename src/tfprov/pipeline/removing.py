"""Deletes environments: one, all of them, or those that others replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tfprov import paths, trash, trees
from tfprov.envs import git
from tfprov.envs.generations import Environment, environments
from tfprov.envs.locks import all_locked
from tfprov.envs.records import Held
from tfprov.errors import TfprovError


def remove(
    environment: Environment, name: str, *, force: bool = False, warn: Callable[[str], None] | None = None
) -> tuple[Held, ...]:
    """Delete an environment with all its generations. The store is not touched.

    Args:
        environment: which one.
        name: the environment as the user named it, for the hint.
        force: whether to delete it even if processes use it, or it keeps an environment that it replaced.
        warn: is told which other tfprov it waits for.

    Returns:
        The generations that were in use.

    Raises:
        TfprovError: `environment-in-use`; `path-not-ours` when it keeps an environment that it replaced.
    """
    with environment.locked(warn=warn):
        if not force:
            _spare_replaced((environment,), name)
        held = environment.held()
        if held and not force:
            raise _in_use(
                held,
                f"`{environment.owner.name}` is in use and was not deleted",
                f"stop what uses it, or delete it anyway: `tfprov remove {name} --force`",
            )
        left = _taken_away(environment)
    trees.delete(left)
    return held


def finish(environment: Environment) -> bool:
    """Delete what a killed `remove` has left of an environment that is out of use; False where nothing is left."""
    parent, name = environment.root.parent, environment.root.name
    is_left = bool(trash.trash_in(parent, of=name))
    trees.empty_trash(parent, of=name)
    return is_left


def remove_all(home: paths.Home, *, force: bool = False) -> tuple[tuple[Environment, ...], tuple[Held, ...]]:
    """Delete all environments, and the interpreters and images made for them. The cache and the journals stay.

    What killed runs have left to be deleted goes as well.

    Args:
        home: tfprov's folders.
        force: whether to delete them even if processes use some, or some keep environments that they replaced.

    Returns:
        The environments, and those of their generations that were in use.

    Raises:
        TfprovError: `environment-in-use`, `path-not-ours`, or `lock-timeout` beside a run; nothing was deleted then.
    """
    every = environments(home.environments)
    with all_locked(home.environments):
        if not force:
            _spare_replaced(every, "--all")
        held = tuple(each for environment in every for each in environment.held())
        if held and not force:
            raise _in_use(
                held,
                "environments are in use, and none was deleted",
                "stop what uses them, or delete them anyway: `tfprov remove --all --force`",
            )
        left = list(map(_taken_away, every))
        for folder in (home.images, home.data / "pythons"):
            if folder.is_dir():
                left.append(trash.to_trash(folder))
    for folder in left:
        trees.delete(folder)
    for parent in (home.environments, home.data):
        trees.empty_trash(parent)
    return every, held


def _in_use(held: Iterable[Held], what: str, hint: str) -> TfprovError:
    return TfprovError("environment-in-use", what, evidence=tuple(map(str, held)), hint=hint)


def _spare_replaced(every: Sequence[Environment], name: str) -> None:
    """Refuse to delete environments that keep an adopted one: it exists only there, and would be deleted with them.

    Raises:
        TfprovError: `path-not-ours`.
    """
    from tfprov.envs.takeover import replaced

    found = [(environment, kept) for environment in every if (kept := replaced(environment)) is not None]
    if found:
        names = ", ".join(f"`{environment.owner.name}`" for environment, _ in found)
        are = "keep the environments that they replaced" if len(found) > 1 else "keeps the environment that it replaced"
        raise TfprovError(
            "path-not-ours",
            f"{names} {are}, and nothing was deleted",
            evidence=tuple(f"`{kept.seal.adopted if kept.seal else ''}`, now in `{kept.path}`" for _, kept in found),
            hint=f"`tfprov remove {f'{name} '.lstrip()}--old` deletes what was replaced; "
            "with `--force` it goes along with the rest",
        )


def _taken_away(environment: Environment) -> Path:
    """Take an environment with its kernels out of use; returns its renamed folder, which the caller deletes."""
    from tfprov.pipeline import kernels

    kernels.drop(environment)
    for link in filter(None, (environment.owner.link, *environment.owner.former)):
        git.forget(Path(link))
    left = environment.remove()
    profile = Path(environment.owner.profile).parent
    if profile.parent == environment.root.parents[1] / "bundles":
        # A profile from a bundle was written by tfprov, and is of no use without the environment.
        trash.discard(profile)
    return left


def remove_old(environment: Environment, *, force: bool = False, warn: Callable[[str], None] | None = None) -> None:
    """Delete the adopted environment that this one replaced and keeps.

    Args:
        environment: which one.
        force: whether to delete it even if processes use it.
        warn: is told which other tfprov it waits for.

    Raises:
        TfprovError: `environment-missing` when none is kept; `environment-in-use`.
    """
    from tfprov.envs import takeover

    kept = takeover.adopted_folder(environment)
    with environment.locked(warn=warn):
        held = [one for one in environment.held() if one.generation.path == kept]
        if held and not force:
            raise _in_use(
                held,
                f"the environment that `{environment.owner.name}` replaced is in use and was not deleted",
                "stop what uses it, or delete it anyway with `--force`",
            )
        if not takeover.give_up(environment):
            raise TfprovError(
                "environment-missing",
                f"`{environment.owner.name}` replaced no environment that is kept",
                evidence=(f"looked for `{kept}`",),
                hint="`tfprov list` shows the generations",
            )
