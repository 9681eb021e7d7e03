"""The lock of a virtual environment that is on disk: whether it is up to date, and what of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from tfprov import project_folder
from tfprov.contents import text_of
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.host.records import Facts
from tfprov.lock import pylock
from tfprov.lock.allowed import refused_in
from tfprov.lock.question import Pinned
from tfprov.lock.records import Header, Inputs
from tfprov.lock.renew import versions_in
from tfprov.lock.target_records import Target
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.plan.companions import PYTHON, breaks_in
from tfprov.plan.records import LockedChoice, Plan
from tfprov.profile.records import Loaded
from tfprov.redact import without_userinfo
from tfprov.structured import minor_of


def why_resolve(context: Context) -> tuple[str, ...]:
    """Why the lock must be made or renewed, a line each; empty when it is up to date."""
    path = context.lock_path
    if not path.exists():
        return ("there is no lock yet",)
    if context.request.upgrade:
        pylock.check_ours(path)
        return ("an upgrade was asked for",)
    header = pylock.read_header(path)
    return () if header is None else _changes(context, header)


def _changes(context: Context, header: Header) -> tuple[str, ...]:
    """The differences between the profile and the inputs that the lock was made from, a line each."""
    hashes = context.loaded.hashes
    refused = refused_in(text_of(context.lock_path), hashes) if hashes else ()
    return (
        *inputs(context.loaded).changes_from(header.inputs),
        *(f"the requirements do not allow the locked hash of `{name}`" for name in refused),
    )


def inputs(loaded: Loaded) -> Inputs:
    """Everything in the profile that its lock depends on, as recorded in the lock."""
    profile = loaded.profile
    build = profile.packages.build
    return Inputs(
        profile=profile.name,
        tensorflow=profile.tensorflow.version or "",
        package=profile.tensorflow.package,
        accelerator=profile.tensorflow.accelerator,
        python=profile.python.version or "",
        requirements=loaded.requirements,
        constraints=loaded.constraints,
        overrides=profile.packages.overrides,
        exclude=profile.packages.exclude,
        index=without_userinfo(profile.index.url or ""),
        extra=(
            *(without_userinfo(url) for url in profile.index.extra),
            *(f"{name} from {without_userinfo(url)}" for name, url in sorted(profile.index.only.items())),
        ),
        find_links=profile.index.find_links,
        exclude_newer=profile.index.exclude_newer or "",
        platforms=profile.lock.platforms,
        build=build if isinstance(build, str) else ", ".join(build),
        attestations=profile.index.attestations,
        folders=tuple(
            f"{folder.name} ({folder.kind}) {project_folder.description_of(Path(folder.path))[:16]}"
            for folder in loaded.folders
        ),
        no_binary=profile.packages.no_binary,
        only_binary=profile.packages.only_binary,
        prereleases=profile.packages.prereleases,
    )


def platform_of(facts: Facts) -> str:
    """The platform of a machine as locks name it: `linux-x86_64-glibc`."""
    libc = facts.libc.value
    return "-".join(filter(None, (facts.system.value, facts.machine.value, libc.kind if libc else "")))


def require_change_allowed(context: Context, changes: tuple[str, ...]) -> None:
    """Check that the lock may be made or changed, and emit the reasons for it.

    Args:
        context: of the run.
        changes: why the lock has to be made or changed, a line each.

    Raises:
        TfprovError: `lock-missing` or `lock-unfit` with `--locked`.
    """
    path = context.lock_path
    if context.request.locked:
        code = "lock-unfit" if path.exists() else "lock-missing"
        raise TfprovError(code, f"`{path}` would have to be made or changed, which is not allowed", evidence=changes)
    for change in changes:
        context.emit(Note(text=f"resolving: {change}", level="detail"))


def locked_choice(context: Context, machine: Machine) -> LockedChoice | None:
    """The choice in an up-to-date lock, which the plan must follow; None when a new lock will be made.

    Raises:
        TfprovError: `lock-unfit` when the lock does not serve the platform of this machine.
    """
    if context.request.upgrade:
        return None
    header = pylock.read_header(context.lock_path)
    if header is None or _changes(context, header):
        return None
    here = platform_of(machine.facts)
    target = header.target_on(here)
    if target is None and context.request.host is not None:
        text = f"`{context.lock_path.name}` does not serve {here}: this is what a lock made there would hold"
        context.emit(Note(text=text))
        return None
    if target is None:
        raise TfprovError(
            "lock-unfit",
            f"`{context.lock_path.name}` was made for another machine",
            evidence=(f"it holds files for {header.platforms}; this machine is {here}",),
        )
    return LockedChoice(
        package=target.package,
        version=target.version,
        python_minor=target.python,
        accelerator=target.accelerator,
        breaks=(*target.breaks, *_found_since(text_of(context.lock_path), target)),
    )


def _found_since(document: str, target: Target) -> Iterator[str]:
    """Notes on incompatibilities between locked packages that were unknown when the lock was made."""
    for row in breaks_in(dict(versions_in(document)), python=target.python):
        if str(row) not in target.breaks:
            yield f"{row}; the lock was made before that was known: `tfprov up --upgrade` renews it"


def older_versions(context: Context) -> Pinned:
    """The versions to keep if they fit: those in the lock on disk, else those in the request and the profile.

    The profile may name lock files of other tools. For an upgrade, the lock on disk is ignored.
    """
    path = context.lock_path
    if path.exists() and not context.request.upgrade:
        return versions_in(text_of(path))
    return (*context.request.prefer, *context.loaded.preferred)


def older_built(context: Context) -> tuple[str, ...]:
    """The projects that the lock on disk says are built from source; none for an upgrade."""
    header = None if context.request.upgrade else pylock.read_header(context.lock_path)
    return header.built if header else ()


def kept_bounds(context: Context, plan: Plan) -> tuple[str, ...]:
    """The bounds in the old lock that a smoke test needed, if they are for the chosen release; none for an upgrade.

    Bounds on the interpreter are kept only for the same minor version.
    """
    path = context.lock_path
    header = pylock.read_header(path) if path.exists() and not context.request.upgrade else None
    chosen = plan.decision
    if header is None or header.target.version != chosen.tensorflow.version:
        return ()
    if header.target.python != minor_of(chosen.python.version):
        return tuple(each for each in header.bounds if Requirement(each).name != PYTHON)
    return header.bounds
