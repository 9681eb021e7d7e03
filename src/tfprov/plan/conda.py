"""The decision for a TensorFlow from conda-forge, based on the builds in the compat table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tfprov.errors import TfprovError
from tfprov.plan import explain, gpus, interpreters, refuse
from tfprov.plan.compat import CondaBuild, Release
from tfprov.plan.context import DecisionContext
from tfprov.plan.offers import is_before
from tfprov.plan.records import (
    ACCELERATORS,
    Accelerator,
    ChosenPython,
    ChosenTensorflow,
    Decision,
    LockedChoice,
    Plan,
    Refusal,
    Refused,
)
from tfprov.plan.tags import architecture


def plan_of_conda(context: DecisionContext) -> Plan:
    """The plan for a TensorFlow from a channel. The solver has the last word, because it sees the current channels.

    Raises:
        TfprovError: `platform-no-wheel` on a 32-bit system, on Windows on ARM, and where conda-forge, the only channel,
            has TensorFlow for other processors only; `version-not-available` when no Python is within the profile's
            range; `conda-package-missing` when the known builds are for other accelerators; a `gpu-…` code when CUDA is
            demanded and cannot work.
    """
    if context.locked is not None:
        return _plan_of_lock(context, context.locked)
    if refuse.is_narrow(context.facts) or context.platform == "windows_aarch64" or _is_left_out(context):
        # TensorFlow was never built for them by conda-forge, which for 32 bits has no packages at all.
        raise refuse.no_builds(context)
    asked = context.demands.accelerator
    if asked not in ("auto", "cpu", "cuda"):
        raise TfprovError(
            "conda-package-missing",
            f"conda-forge has no TensorFlow for {ACCELERATORS[asked]}",
            evidence=tuple(dict.fromkeys(f"{row.version} for {row.accelerator}" for row in context.table.conda)),
            hint=refuse.without_accelerator(context),
        )
    if isinstance(context.gpus, Refusal) and context.gpus.code == "wheel-without-cuda":
        here = explain.platform(context.facts)
        why = f"conda-forge has no TensorFlow with CUDA for {here}"
        context = replace(context, gpus=replace(context.gpus, why=why))
    if context.must_have_gpu and isinstance(context.gpus, Refusal):
        is_built = any(each.offers for each in context.candidates) or any(
            row.platform == context.platform for row in context.table.conda
        )
        raise refuse.no_gpu(context, context.gpus) if is_built else refuse.no_builds(context)
    known = [row for row in context.table.conda if is_before(row.uploaded, context.before)]
    builds = [row for row in known if row.platform == context.platform]
    allowed = [row for row in builds if context.demands.admits(Version(row.version)) and _pythons(context, row)]
    if not allowed:
        return _plan_of_unknown(context, builds)
    on_cpu = next((row for row in allowed if row.accelerator == "cpu"), None)
    if asked == "cpu":
        if on_cpu is None:
            return _plan_of_unknown(context, builds)
        return _plan(context, on_cpu, "cpu", "on the CPU, as requested")
    found = _with_cuda(context, allowed)
    if isinstance(found, Plan):
        return found
    if on_cpu is None or context.must_have_gpu:
        raise refuse.no_gpu(context, found)
    refused = Refused(what="cuda", code=found.code, why=found.why)
    return _plan(context, on_cpu, "cpu", f"on the CPU, because {found.why}", refused)


def _is_left_out(context: DecisionContext) -> bool:
    """Whether the only channel is conda-forge, which has TensorFlow for other processors only."""
    machine = architecture(context.facts.machine.value)
    is_built = any(row.platform.endswith(f"_{machine}") for row in context.table.conda)
    return not is_built and context.profile.conda.channels == ("conda-forge",)


def _pythons(context: DecisionContext, row: CondaBuild) -> list[str]:
    return [minor for minor in reversed(row.pythons) if interpreters.admits(context.python, minor)]


def _plan_of_unknown(context: DecisionContext, builds: list[CondaBuild]) -> Plan:
    """The plan for a release that is not in the table; whether the channels have it is for the solver to find out."""
    admitted = [row for row in context.table.releases if context.demands.admits(Version(row.version))]
    newest_first = _with_wheels(context.table.releases)
    likely = _with_wheels(admitted) or newest_first
    pythons = [minor for minor in likely if interpreters.admits(context.python, minor)]
    pythons = pythons or [minor for minor in newest_first if interpreters.admits(context.python, minor)]
    if not pythons:
        raise TfprovError(
            "version-not-available",
            f"no TensorFlow is known for a Python in `{context.python}`",
            evidence=(f"TensorFlow is known for Python {interpreters.span(tuple(newest_first))}",),
            hint="widen `python.version`",
        )
    asked = context.demands.accelerator
    refused: tuple[Refused, ...] = ()
    accelerator: Accelerator = "cuda" if asked in ("auto", "cuda") else "cpu"
    if accelerator == "cuda" and isinstance(context.gpus, Refusal):
        accelerator, refused = "cpu", (Refused(what="cuda", code=context.gpus.code, why=context.gpus.why),)
    # In the order of a set of specifiers, not of the profile's lines.
    version = str(SpecifierSet(",".join(str(clause.specifier) for clause in context.demands.clauses)))
    pinned = re.fullmatch(r"===?([^,]+)", version)
    spans = [f"{row.version} for Python {interpreters.span(row.pythons)} ({row.accelerator})" for row in builds]
    unknown = "which driver and which GPUs its build needs" if accelerator == "cuda" else "what its build needs"
    return Plan(
        decision=Decision(
            tensorflow=ChosenTensorflow(
                package="tensorflow",
                version=pinned[1] if pinned else version or "of the channel",
                extras=(),
                accelerator=accelerator,
                why="the solver looks for it in the channels",
            ),
            python=ChosenPython(
                version=pythons[0], path=None, why="conda installs it", alternatives=tuple(pythons[1:])
            ),
        ),
        refused=refused,
        notes=(
            *context.demands.notes,
            f"the builds known on {context.table.generated} are {', '.join(spans) or 'for other platforms'}: "
            f"the solver will show whether the channels have another one, and the smoke test {unknown}",
        ),
    )


def _with_wheels(releases: Iterable[Release]) -> list[str]:
    """The minor versions of Python that some releases have wheels for, newest first."""
    known = {minor for row in releases for wheels in row.wheels for minor in wheels.pythons}
    return sorted(known, key=Version, reverse=True)


def _with_cuda(context: DecisionContext, allowed: list[CondaBuild]) -> Plan | Refusal:
    if isinstance(context.gpus, Refusal):
        return context.gpus
    refusals = []
    for row in allowed:
        if row.accelerator != "cuda":
            continue
        refusal = gpus.conda_refusal(row, context.gpus, context.table)
        if refusal is None:
            return _plan(context, row, "cuda", explain.why_cuda(row.cuda, context.gpus))
        refusals.append(refusal)
    missing = Refusal(code="conda-package-missing", why="no build that the profile allows has CUDA")
    return next(iter(refusals), missing)


def _plan_of_lock(context: DecisionContext, locked: LockedChoice) -> Plan:
    """The plan for a lock; raises when it needs a GPU that is not there."""
    accelerator: Accelerator = "cuda" if locked.accelerator == "cuda" else "cpu"
    if accelerator == "cuda" and isinstance(context.gpus, Refusal):
        raise refuse.no_gpu(context, context.gpus)
    why = "the lock has it"
    return Plan(
        decision=Decision(
            tensorflow=ChosenTensorflow(
                package=locked.package, version=locked.version, extras=(), accelerator=accelerator, why=why
            ),
            python=ChosenPython(version=locked.python_minor, path=None, why=why),
        ),
        notes=context.demands.notes,
    )


def _plan(context: DecisionContext, row: CondaBuild, accelerator: Accelerator, why: str, *refused: Refused) -> Plan:
    python, *others = _pythons(context, row)
    return Plan(
        decision=Decision(
            tensorflow=ChosenTensorflow(
                package="tensorflow", version=row.version, extras=(), accelerator=accelerator, why=why
            ),
            python=ChosenPython(version=python, path=None, why="conda installs it", alternatives=tuple(others)),
        ),
        refused=refused,
        notes=(*context.demands.notes, f"conda-forge's TensorFlow {row.version} as known on {context.table.generated}"),
    )
