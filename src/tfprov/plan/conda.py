"""The decision for a TensorFlow that comes from conda-forge: by the builds that the table knows."""

from __future__ import annotations

from packaging.version import Version

from tfprov.errors import TfprovError
from tfprov.plan import explain, gpus, interpreters, refuse
from tfprov.plan.compat import CondaBuild
from tfprov.plan.context import DecisionContext
from tfprov.plan.records import (
    Accelerator,
    ChosenPython,
    ChosenTensorflow,
    Decision,
    LockedChoice,
    Plan,
    Refusal,
    Refused,
)


def plan_of_conda(context: DecisionContext) -> Plan:
    """The plan for the TensorFlow of a channel. The solver has the last word: it sees today's channels.

    Raises:
        TfprovError: `conda-package-missing` when no build is for this platform; `version-not-available` when the
            profile allows none of them; a `gpu-…` code when CUDA is demanded and cannot work.
    """
    if context.locked is not None:
        return _plan_of_lock(context, context.locked)
    builds = [row for row in context.table.conda if row.platform == context.platform]
    if not builds:
        raise TfprovError(
            "conda-package-missing",
            f"no TensorFlow of conda-forge is known for {explain.platform(context.facts)}",
            evidence=tuple(f"{row.version} is there for {row.platform}" for row in context.table.conda),
            hint='use `conda.tensorflow = "wheel"`',
        )
    allowed = [row for row in builds if context.demands.admits(Version(row.version)) and _pythons(context, row)]
    if not allowed:
        spans = [f"{row.version} for Python {interpreters.span(row.pythons)} ({row.accelerator})" for row in builds]
        raise TfprovError(
            "version-not-available",
            "conda-forge has no TensorFlow that the profile allows",
            evidence=(f"known builds: {', '.join(spans)}", *(f"`{each.where}`" for each in context.demands.clauses)),
            hint='widen `tensorflow.version` or `python.version`, or use `conda.tensorflow = "wheel"`',
        )
    asked = context.demands.accelerator
    refused: list[Refused] = []
    if asked in ("auto", "cuda"):
        found = _with_cuda(context, allowed)
        if isinstance(found, CondaBuild):
            return _plan(context, found, "cuda", "CUDA works here", refused)
        if asked == "cuda":
            raise refuse.no_gpu(context, found)
        refused.append(Refused(what="cuda", code=found.code, why=found.why))
    on_cpu = next((row for row in allowed if row.accelerator == "cpu"), None)
    if on_cpu is None or asked not in ("auto", "cpu"):
        raise TfprovError(
            "conda-package-missing",
            f"conda-forge has no TensorFlow for {asked} here",
            evidence=tuple(f"{row.version} for {row.accelerator}" for row in builds),
            hint='use `tensorflow.accelerator = "auto"`',
        )
    why = f"on the CPU, because {refused[0].why}" if refused else "on the CPU, as asked"
    return _plan(context, on_cpu, "cpu", why, refused)


def _pythons(context: DecisionContext, row: CondaBuild) -> list[str]:
    return [minor for minor in reversed(row.pythons) if interpreters.admits(context.python, minor)]


def _with_cuda(context: DecisionContext, allowed: list[CondaBuild]) -> CondaBuild | Refusal:
    if isinstance(context.gpus, Refusal):
        return context.gpus
    refusals = []
    for row in allowed:
        if row.accelerator != "cuda":
            continue
        refusal = gpus.conda_refusal(row, context.gpus, context.table)
        if refusal is None:
            return row
        refusals.append(refusal)
    missing = Refusal(code="conda-package-missing", why="no build that the profile allows has CUDA")
    return next(iter(refusals), missing)


def _plan_of_lock(context: DecisionContext, locked: LockedChoice) -> Plan:
    """The plan of a lock; a GPU that it needs must be there."""
    accelerator: Accelerator = "cuda" if locked.accelerator == "cuda" else "cpu"
    if accelerator == "cuda" and isinstance(context.gpus, Refusal):
        raise refuse.no_gpu(context, context.gpus)
    why = "the lock holds it"
    return Plan(
        decision=Decision(
            tensorflow=ChosenTensorflow(
                package=locked.package, version=locked.version, extras=(), accelerator=accelerator, why=why
            ),
            python=ChosenPython(version=locked.python_minor, path=None, why=why),
        ),
        notes=context.demands.notes,
    )


def _plan(
    context: DecisionContext, row: CondaBuild, accelerator: Accelerator, why: str, refused: list[Refused]
) -> Plan:
    python, *others = _pythons(context, row)
    return Plan(
        decision=Decision(
            tensorflow=ChosenTensorflow(
                package="tensorflow", version=row.version, extras=(), accelerator=accelerator, why=why
            ),
            python=ChosenPython(version=python, path=None, why="conda installs it", alternatives=tuple(others)),
        ),
        refused=tuple(refused),
        notes=(
            *context.demands.notes,
            f"conda-forge's TensorFlow {row.version} as known on {context.table.generated}",
        ),
    )
