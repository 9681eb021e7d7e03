"""Assembles a plan from the releases that fit: the decision, its notes and its fallbacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from packaging.version import Version

from tfprov import visual_cpp
from tfprov.distributions import is_small
from tfprov.plan import explain, interpreters, refuse
from tfprov.plan.compat import Compat, within
from tfprov.plan.context import DecisionContext, Fit, Miss
from tfprov.plan.fit import bounds, evaluate, first
from tfprov.plan.records import (
    Accelerator,
    Candidate,
    ChosenPython,
    ChosenTensorflow,
    Constraint,
    Decision,
    Plan,
    Refusal,
    Refused,
)
from tfprov.plan.space import BYTECODE
from tfprov.structured import numbers_in

_FALLBACKS = 3


def assemble(
    *,
    context: DecisionContext,
    chosen: Fit,
    fits: Sequence[Fit],
    misses: Sequence[Miss],
    passed_over: Sequence[tuple[Accelerator, tuple[Miss, ...]]],
    no_cuda: Refusal | None,
    notes: list[str],
) -> Plan:
    """The plan for the chosen release: its reasons, notes and alternatives, and everything that was refused.

    Args:
        context: of the decision.
        chosen: release and Python.
        fits: everything that fits with the chosen accelerator, best first.
        misses: what does not fit with it.
        passed_over: accelerators that come before the chosen one, with what did not fit with each.
        no_cuda: why nothing with CUDA was chosen; None when it was, or was not considered.
        notes: of the earlier steps; they come before those of this one.
    """
    decision = _decision(context, chosen, explain.why_release(context, chosen, fits, misses, no_cuda))
    refused: list[Refused] = []
    for accelerator, earlier in passed_over:
        refused += explain.releases(earlier, suffix=f" with {accelerator}")
    if no_cuda is not None and not passed_over:
        refused.append(Refused(what="cuda", code=no_cuda.code, why=no_cuda.advice))
    newer = [miss for miss in misses if miss.candidate.version > chosen.candidate.version]
    refused += explain.releases(newer)
    if context.profile.environment.kind != "conda":
        # A conda environment has its own Python, so those of this machine do not matter.
        refused += explain.pythons(context, chosen)
    notes += _notes(context, chosen, fits)
    closure = _closure(context.table, chosen)
    download, unpacked, files = closure if closure is not None else (None, None, None)
    return Plan(
        decision=decision,
        refused=tuple(refused),
        notes=tuple(dict.fromkeys(notes)),
        download_bytes=download,
        unpacked_bytes=unpacked,
        peak_disk_bytes=None if download is None or unpacked is None else download + unpacked + BYTECODE,
        files=files,
        fallbacks=_fallbacks(context, chosen, fits),
        candidates=_candidates(context, chosen, fits, decision),
    )


def _decision(context: DecisionContext, chosen: Fit, why: str) -> Decision:
    candidate, accelerator = chosen.candidate, chosen.accelerator
    known = candidate.known
    extras = set(context.demands.extras)
    if accelerator == "cuda" and (known is None or "and-cuda" in known.extras):
        extras.add("and-cuda")
    package, version = chosen.offer.package, candidate.text
    also = [
        Constraint(requirement=row.requirement, why=row.why)
        for row in context.table.companions
        if row.accelerator == accelerator and within(candidate.version, row.releases)
    ]
    if chosen.pair is not None and accelerator == "metal":
        also.append(
            Constraint(requirement=f"{chosen.pair.package}=={chosen.pair.version}", why="the matching Metal plug-in")
        )
    elif chosen.pair is not None:
        package, version = chosen.pair.package, chosen.pair.version
    also += _runtime(context, version)
    return Decision(
        tensorflow=ChosenTensorflow(
            package=package,
            version=version,
            extras=tuple(sorted(extra for extra in extras if known is None or extra in known.extras)),
            accelerator=accelerator,
            why=why,
            verified=known is not None and accelerator != "rocm",
        ),
        python=_python(context, chosen),
        constraints=tuple(
            Constraint(requirement=bound.requirement, why=bound.why)
            for bound in bounds(context, candidate, accelerator)
        ),
        also=tuple(also),
    )


def _runtime(context: DecisionContext, version: str) -> Iterator[Constraint]:
    """The package with the runtime of Visual C++, for a Windows that lacks a part of it; conda brings its own."""
    if context.facts.system.value != "windows" or context.profile.environment.kind == "conda":
        return
    absent = {each.name for each in context.facts.hazards.value if each.code == "windows-dll-load"}
    if lacking := [f"`{name}`" for name in visual_cpp.needed(version) if name in absent]:
        yield Constraint(requirement=visual_cpp.BRINGS, why=f"this Windows lacks {' and '.join(lacking)}")


def _python(context: DecisionContext, chosen: Fit) -> ChosenPython:
    span = interpreters.span(chosen.offer.pythons)
    wheels = f"has wheels for {span}" if span else "has wheels for any Python 3"
    wheels += _passed_over(context, chosen)
    release = f"TensorFlow {chosen.candidate.text}"
    if not chosen.usable:
        origin = (
            "conda installs it"
            if context.profile.environment.kind == "conda"
            else "no Python on this machine is suitable"
        )
        why = f"{origin}; {release} {wheels}"
        return ChosenPython(version=chosen.bringable[0], path=None, why=why, alternatives=chosen.bringable[1:])
    best = chosen.usable[0]
    why = f"the newest compatible one here: {release} {wheels}"
    same = [each for each in chosen.usable[1:] if each.minor == best.minor]
    if any(each.interpreter.externally_managed for each in same) and not best.interpreter.externally_managed:
        why += "; preferred to the one of the operating system"
    if context.profile.python.path is not None:
        why = f"named by the profile; {release} {wheels}"
    return ChosenPython(version=best.interpreter.version, path=best.interpreter.path, why=why)


def _passed_over(context: DecisionContext, chosen: Fit) -> str:
    """Why a newer Python was not taken that could be had and that the release has wheels for; empty without one."""
    taken = chosen.usable[0].minor if chosen.usable else chosen.bringable[0]
    here = {each.minor for each in context.usable}
    for minor in reversed(chosen.offer.pythons if context.profile.python.path is None else ()):
        can_be_had = minor in here or (not chosen.usable and minor in context.bringable)
        if numbers_in(minor) > numbers_in(taken) and can_be_had and (why := explain.unsound(context, chosen, minor)):
            return f"; not {minor}, because {why}"
    return ""


def _notes(context: DecisionContext, chosen: Fit, fits: Sequence[Fit]) -> Iterator[str]:
    candidate = chosen.candidate
    yield from _build_notes(context, chosen)
    newest = fits[0]
    if explain.needs_old_python(newest, chosen):
        needed = newest.usable[0].minor if newest.usable else newest.bringable[0]
        yield (
            f"TensorFlow {newest.candidate.text} would need Python {needed}; one before 3.9 is used only if no release "
            "runs on a newer one"
        )
    elif newest.candidate is not candidate:
        yield (
            f"TensorFlow {newest.candidate.text} would need Python {newest.bringable[0]}, which is not on this "
            f"machine; {candidate.text} runs on one that is"
        )
    left_out = [
        each.text
        for each in context.candidates
        if each.everywhere
        and each.version > candidate.version
        and (context.demands.nightly or not each.version.is_prerelease)
        and not context.demands.admits(each.version)
    ]
    if left_out and context.locked is None:
        yield f"newer releases are outside {context.demands.where}: {explain.few(left_out)}"
    if chosen.accelerator == "cuda":
        yield from explain.gpu_notes(context, chosen)
    if chosen.accelerator == "cpu" and context.demands.accelerator == "auto" and context.locked is None:
        yield from refuse.ways_to_cuda(context)
        if context.profile.smoke.gpu == "later" and isinstance(context.gpus, Refusal):
            yield 'to build for a GPU that is not here, `smoke.gpu = "later"` needs `tensorflow.accelerator = "cuda"`'
    if chosen.accelerator == "cuda" and any(
        within(candidate.version, row.releases) for row in context.table.companions
    ):
        yield (
            f"TensorFlow {candidate.text} does not look for its CUDA libraries in the `nvidia-` packages: where the "
            "smoke test misses them, the environment is made to open them first"
        )
    if chosen.pair is not None and chosen.pair.needs is not None:
        yield f"`{chosen.pair.package}` {chosen.pair.version} needs {chosen.pair.needs} on this machine"
    if context.locked is not None and chosen.accelerator == "cpu" and context.demands.accelerator == "auto":
        cuda = not isinstance(context.gpus, Refusal)
        if cuda and is_small(chosen.offer.package):
            yield "the lock has the CPU build although CUDA could work here; `tfprov lock --upgrade` renews it"


def _build_notes(context: DecisionContext, chosen: Fit) -> Iterator[str]:
    """Notes on a build that is not a release in the table: its origin, and what is known about it."""
    candidate, build = chosen.candidate, chosen.offer.build
    if build is not None:
        code = f"CUDA {build.cuda or 'of a release that it does not name'}" if build.is_cuda else "no CUDA"
        code += f" for {', '.join(build.capabilities)}" if build.capabilities else ""
        yield f"TensorFlow {candidate.text} is a wheel with {code}, by its own build information: {chosen.offer.place}"
    if context.demands.nightly:
        yield f"TensorFlow {candidate.text} is a build of the development branch, whose incompatibilities are unknown"
    elif candidate.known is None and build is None:
        yield (
            f"TensorFlow {candidate.text} is newer than the table of {context.table.generated}: only the names of its "
            "wheels are known"
        )
    known = candidate.known
    unknown = [extra for extra in context.demands.extras if known is not None and extra not in known.extras]
    if unknown and known is not None:
        has = f"; it has {', '.join(f'`{extra}`' for extra in known.extras)}" if known.extras else ""
        left = ", ".join(f"`{extra}`" for extra in unknown)
        yield f"TensorFlow {candidate.text} has no extra {left}, which is left out{has}"


def _fallbacks(context: DecisionContext, chosen: Fit, fits: Sequence[Fit]) -> tuple[Decision, ...]:
    if not context.profile.tensorflow.allow_fallback or context.locked is not None:
        return ()
    older = [fit for fit in fits if fit.candidate.version < chosen.candidate.version and fit.usable]
    # One release of each older minor version, because a patch release rarely fixes what failed.
    minors = [next(group) for _, group in groupby(older, key=lambda fit: fit.candidate.version.release[:2])]
    rest = [fit for fit in minors if fit.candidate.version.release[:2] != chosen.candidate.version.release[:2]]
    found = [_decision(context, fit, "an older release, if the first fails") for fit in rest[:_FALLBACKS]]
    if chosen.accelerator == "cuda" and context.demands.accelerator == "auto" and not context.must_have_gpu:
        on_cpu = first(evaluate(context, "cpu")[0])
        if on_cpu is not None:
            found.append(_decision(context, on_cpu, "the CPU, if CUDA fails"))
    return tuple(found)


def _candidates(
    context: DecisionContext, chosen: Fit, fits: Sequence[Fit], decision: Decision
) -> tuple[Candidate, ...]:
    """Each Python with the releases that fit on it, for the resolver, which knows the needs of the other packages."""
    if context.locked is not None or not context.demands.others:
        return ()
    why = "the newest release that works with the other packages"
    found: list[Candidate] = []
    for narrowed in _by_python(fits):
        decisions = [_decision(context, fit, why) for fit in narrowed]
        if chosen.candidate is narrowed[0].candidate and decisions[0].python == decision.python:
            decisions[0] = decision
        # A range is for one project with the same extras; older releases may come from another project.
        for _, group in groupby(zip(narrowed, decisions, strict=True), key=lambda pair: _project(pair[1])):
            pairs = list(group)
            inside = tuple(each for _, each in pairs)
            missing = _between(context, [fit.candidate.version for fit, _ in pairs])
            found.append(Candidate(requirement=_range(inside, missing), decisions=inside))

    # The sort is stable, and Pythons are ordered newest first.
    found.sort(key=lambda each: Version(each.best.tensorflow.version), reverse=True)
    return tuple(sorted(found, key=lambda each: (each.best is not decision, each.best.python.path is None)))


def _by_python(fits: Sequence[Fit]) -> Iterator[list[Fit]]:
    """The releases for each Python, newest first: for those on this machine, then for those that can be installed."""
    here = list(dict.fromkeys(each.minor for fit in fits for each in fit.usable))
    for minor in here:
        yield [
            replace(fit, usable=usable)
            for fit in fits
            if (usable := tuple(each for each in fit.usable if each.minor == minor))
        ]
    for minor in dict.fromkeys(minor for fit in fits for minor in fit.bringable if minor not in here):
        yield [replace(fit, usable=(), bringable=(minor,)) for fit in fits if minor in fit.bringable]


def _project(decision: Decision) -> tuple[str, tuple[str, ...]]:
    return decision.tensorflow.package, decision.tensorflow.extras


def _between(context: DecisionContext, versions: Sequence[Version]) -> list[str]:
    """The releases within a range that are not for this machine or not allowed by the profile."""
    return [
        each.text
        for each in context.candidates
        # Excluding a pre-release would name it, and then the resolver could take other pre-releases.
        if versions[-1] < each.version < versions[0] and each.version not in versions and not each.version.is_prerelease
    ]


def _range(decisions: Sequence[Decision], missing: Sequence[str]) -> str:
    package, extras = _project(decisions[0])
    # A bound must not contain a local version (`2.21.0+own`), but it admits one.
    newest, oldest = (Version(decisions[index].tensorflow.version).public for index in (0, -1))
    bounds = [f">={oldest}", f"<={newest}", *(f"!={text}" for text in missing)]
    return f"{package}{_bracketed(extras)}{','.join(bounds)}"


def _bracketed(extras: Sequence[str]) -> str:
    return f"[{','.join(extras)}]" if extras else ""


def _closure(table: Compat, chosen: Fit) -> tuple[int, int, int | None] | None:
    """Download size, unpacked size and number of files of the environment, measured for this release or a sibling."""
    if not any("x86_64" in tag and "linux" in tag for tag in chosen.offer.tags):
        return None
    version = chosen.candidate.version
    rows = [row for row in table.closures if row.accelerator == chosen.accelerator]
    rows = [row for row in rows if row.package == chosen.offer.package]
    same = [row for row in rows if Version(row.version) == version]
    minor = [row for row in rows if Version(row.version).release[:2] == version.release[:2]]
    row = next(iter(same or minor), None)
    return None if row is None else (row.download, row.unpacked, row.files)
