"""The lock of a virtual environment: makes a new one where that on disk is not up to date, and reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.contents import text_of
from tfprov.distributions import kind_of
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.host.records import Interpreter
from tfprov.lock import platforms, pylock
from tfprov.lock.attestations import with_publishers
from tfprov.lock.question import Pinned
from tfprov.lock.records import Header
from tfprov.lock.renew import versions_in
from tfprov.lock.resolve import is_tensorflow, placeholder_in, sources_in, tensorflows_in
from tfprov.lock.target_records import Target
from tfprov.pipeline import other_platforms
from tfprov.pipeline.backends.venv.attesting import attest_new, attest_others
from tfprov.pipeline.backends.venv.lock_on_disk import (
    inputs,
    kept_bounds,
    older_built,
    older_versions,
    platform_of,
    require_change_allowed,
    why_resolve,
)
from tfprov.pipeline.backends.venv.resolving import (
    Selection,
    ask_resolver,
    nothing_to_resolve_from,
    taken_instead_of,
)
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.origins import origins
from tfprov.pipeline.records import Choice, Locked
from tfprov.plan.companions import (
    Break,
    breaks_in,
    brought_by,
    constraints_of,
    holding,
    overruling,
    settings,
    sparing,
    to_apply,
    variables_for,
    with_breaks,
)
from tfprov.plan.compat import table
from tfprov.plan.outlived import outlived
from tfprov.plan.records import Constraint, Decision, Plan
from tfprov.plan.tags import marker_environment, supported_tags
from tfprov.structured import minor_of
from tfprov.temporary import temporary

_WIDENING = ("`prereleases` ", "`exclude-newer` ", "`index` ", "`extra` ", "`find-links` ")
"""The beginnings of changes that may bring newer versions, but give no reason to leave the locked ones."""


def lock(context: Context, machine: Machine, choice: Choice, interpreter: Interpreter) -> Locked:
    """The files for this machine, from the lock on disk, which is made or renewed first if necessary.

    Raises:
        TfprovError: `lock-missing` or `lock-unfit` when the lock must not be changed; `offline-missing` when that needs
            the network and it must not be used; the resolver's failure.
    """
    path, plan = context.lock_path, choice.plan
    changes = why_resolve(context) or tuple(filter(None, (choice.instead,)))
    locked = partial(read, machine, plan, interpreter, folder=context.lock_folder)
    if not changes:
        found = locked(path)
        attest_others(context, machine, found.lock)
        return found
    require_change_allowed(context, changes)
    if not machine.network.has_pages:
        raise nothing_to_resolve_from(changes)
    before = versions_in(text_of(path)) if path.exists() else ()
    write(context, machine, choice, interpreter, bounds=kept_bounds(context, plan), path=path)
    found = locked(path, changes)
    widened = [change for change in changes if change.startswith(_WIDENING)]
    if widened and before == versions_in(text_of(path)):
        words = "the lock's versions still fit and are kept; `tfprov lock --upgrade` takes newer ones"
        context.emit(Note(text=f"{widened[0]}: {words}"))
    for line in origins(context, machine, (file.name for file in found.lock.files), are_all=True):
        context.emit(Note(text=line))
    for name in context.loaded.hashes:
        if kind_of(name) is not None and found.lock.version(name) is None:
            text = f"the hashes of `{name}` were not compared: `{found.lock.target.package}` is taken in its place"
            context.emit(Note(text=text, level="warning"))
    return found


def write(
    context: Context,
    machine: Machine,
    choice: Choice,
    interpreter: Interpreter,
    *,
    bounds: tuple[str, ...],
    path: Path,
) -> None:
    """Resolve a choice, verify attestations if the profile asks for it, and write the lock.

    Args:
        context: of the run.
        machine: to resolve for.
        choice: what to lock.
        interpreter: of the choice.
        bounds: PEP 508 lines that the smoke test requires; see `plan.companions`.
        path: of the lock.

    Raises:
        TfprovError: the resolver's failure, or why a file is not trusted; nothing is written then.
    """
    selection = Selection(
        decision=choice.plan.decision,
        facts=machine.facts,
        interpreter=interpreter,
        constraints=context.loaded.constraints,
        bounds=constraints_of(bounds),
        build=context.loaded.profile.packages.build,
    )
    if brought := brought_by(bounds):
        decision = dataclasses.replace(selection.decision, also=(*selection.decision.also, *brought))
        selection = dataclasses.replace(selection, decision=decision)
    resolved, header = _resolve(context, machine, selection, choice)
    target = header.target
    target = dataclasses.replace(target, variables={**variables_for(bounds), **target.variables})
    header = dataclasses.replace(header, target=target, bounds=bounds)
    if context.loaded.profile.index.attestations == "off":
        pylock.write(path, resolved, header, folder=context.lock_folder)
        return
    with temporary("attested") as folder:
        # Not written to its path yet: only the old lock records the publishers to compare with.
        draft = folder / path.name
        pylock.write(draft, resolved, header)
        drafted = read(machine, choice.plan, interpreter, draft, folder=folder).lock
    publishers, seen = attest_new(context, machine, drafted)
    header = dataclasses.replace(header, attested=seen)
    pylock.write(path, with_publishers(resolved, publishers), header, folder=context.lock_folder)


def read(
    machine: Machine,
    plan: Plan,
    interpreter: Interpreter,
    path: Path,
    changes: tuple[str, ...] = (),
    *,
    folder: Path,
) -> Locked:
    """The files of a lock for an interpreter.

    `changes` says why it was made in this run, a line each; paths in it are relative to `folder`.
    """
    facts = machine.facts
    found = pylock.read(
        path,
        environment=marker_environment(interpreter.version, interpreter.implementation, facts),
        tags=supported_tags(interpreter.version, interpreter.free_threaded, facts),
        platform=platform_of(facts),
        changes=changes,
        folder=folder,
    )
    return Locked(plan=plan, interpreter=interpreter, lock=found)


def _resolve(context: Context, machine: Machine, selection: Selection, choice: Choice) -> tuple[str, Header]:
    """Resolve for this machine and the other platforms that the profile names.

    Args:
        context: of the run.
        machine: to resolve for.
        selection: what to resolve for on this machine.
        choice: if it has a resolved document that can be locked as it is, that is used.

    Returns:
        The PEP 751 document, merged if there are several platforms, and its header.
    """
    facts, older, known = selection.facts, older_versions(context), choice.resolved
    is_answer = selection.decision == choice.plan.decision and choice.answers(selection.interpreter)
    if known and is_answer and not selection.bounds and len(tensorflows_in(known)) == 1:
        resolved, target = known, _with_breaks(_target(selection), known, selection.decision)
    else:
        prefer, built = (versions_in(known), sources_in(known)) if known else (older, older_built(context))
        resolved, target = resolve_for(context, machine, selection, prefer=prefer, built=built)
    header = Header(inputs=inputs(context.loaded), target=target, built=sources_in(resolved))
    profile = context.loaded.asked
    if not other_platforms.others(profile, facts):
        return resolved, header
    documents, others = {other_platforms.name_of(facts): resolved}, []
    prefer = platforms.preferences(versions_in(resolved), older)
    for there in other_platforms.decisions(
        profile, facts, selection.decision, python=target.python, table=table(), listing=machine.offers
    ):
        context.emit(Note(text=f"resolving for {there.name}", level="detail"))
        elsewhere = dataclasses.replace(
            selection, decision=there.decision, facts=there.facts, platform=there.platform.triple
        )
        documents[there.name], other = resolve_for(context, machine, elsewhere, prefer=prefer, built=header.built)
        others.append(other)
    names = sorted({name for document in documents.values() for name in sources_in(document)})
    header = dataclasses.replace(header, others=tuple(others), built=tuple(names))
    return platforms.merge(documents, python=target.python), header


def _target(selection: Selection) -> Target:
    chosen, provided = selection.decision.tensorflow, selection.provided
    return Target(
        package=chosen.package,
        version=chosen.version,
        extras=chosen.extras,
        accelerator=chosen.accelerator,
        python=minor_of(provided.python if provided else selection.interpreter.version),
        platform=platform_of(selection.facts),
    )


def resolve_for(
    context: Context, machine: Machine, selection: Selection, *, prefer: Pinned, built: tuple[str, ...] = ()
) -> tuple[str, Target]:
    """Resolve the profile for one target, avoiding known incompatibilities.

    Args:
        context: of the run.
        machine: provides the network.
        selection: what to resolve for.
        prefer: versions to keep where they still fit.
        built: projects to build from source in any case.

    Returns:
        The PEP 751 document and its target.

    Raises:
        TfprovError: the resolver's failure.
    """
    rows: tuple[Break, ...] = ()
    while True:
        resolved, target = _resolve_once(context, machine, selection, prefer=prefer, built=built)
        if selection.provided is not None:
            # A bound has no effect on versions that conda packages provide.
            return resolved, target
        asked, versions = context.loaded.requirements, dict(versions_in(resolved))
        broken = (*breaks_in(versions, python=target.python), *outlived(versions, asked, python=target.python))
        found = tuple(row for row in broken if row not in rows and not overruling(row, asked))
        if not found:
            return resolved, _with_breaks(target, resolved, selection.decision)
        found = sparing(to_apply(found), asked_for(asked))
        rows += found
        selection = dataclasses.replace(selection, decision=with_breaks(selection.decision, found))


def _with_breaks(target: Target, resolved: str, decision: Decision) -> Target:
    """The target, with the variables and the known incompatibilities of the resolved packages.

    Packages that were left out because of them are listed as well.
    """
    rows = holding(dict(versions_in(resolved)), python=target.python)
    left_out = (f"`{each.requirement}` is left out {each.why}" for each in decision.without)
    return dataclasses.replace(
        target, variables={each.name: each.value for each in settings(rows)}, breaks=(*map(str, rows), *left_out)
    )


def _resolve_once(
    context: Context, machine: Machine, selection: Selection, *, prefer: Pinned, built: tuple[str, ...]
) -> tuple[str, Target]:
    provided, target = selection.provided, _target(selection)

    def ask(target: Target, selection: Selection = selection) -> str:
        extras = f"[{','.join(target.extras)}]" if target.extras else ""
        own = () if provided and provided.has_tensorflow else (f"{target.package}{extras}=={target.version}",)
        lines = (*own, *(text for text in context.loaded.requirements if not is_tensorflow(text)))
        return ask_resolver(context, machine, selection, lines, prefer=prefer, built=built)

    resolved = ask(target)
    found = tensorflows_in(resolved)
    if len(found) > 1 and "tensorflow" in found and target.package == "tensorflow-cpu":
        # A package depends on `tensorflow`. Both distributions contain the same files, so the full one serves all.
        context.emit(Note(text=taken_instead_of(target.package)))
        target = dataclasses.replace(target, package="tensorflow")
        resolved = ask(target)
    found = tensorflows_in(resolved)
    if placeholder := placeholder_in(resolved, target.version):
        why = f"beside `{target.package}`: it has the same files"
        context.emit(Note(text=f"`{placeholder}`, which an old package needs, is left out {why}"))
        without = (*selection.decision.without, Constraint(requirement=placeholder, why=why))
        decision = dataclasses.replace(selection.decision, without=without)
        found = tensorflows_in(resolved := ask(target, dataclasses.replace(selection, decision=decision)))
    if len(found) > 1:
        hint = "only one of them may be asked for; look at what your requirements depend on"
        if kind_of(target.package) == "nightly":
            others = ", ".join(f'"{name}"' for name in found if name != target.package)
            hint = f"a package needs a release by name; `packages.exclude = [{others}]` has it take the nightly build"
        what, evidence = "more than one distribution of TensorFlow would be installed", map("`{}`".format, found)
        raise TfprovError("resolver-conflict", what, evidence=(", ".join(evidence),), hint=hint)
    return resolved, target


def asked_for(requirements: Iterable[str]) -> frozenset[str]:
    """The normalised names of the projects in PEP 508 lines."""
    return frozenset(canonicalize_name(Requirement(text).name) for text in requirements)
