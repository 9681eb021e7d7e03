"""Updates the plan from the resolver's result: release, Python, and the size of the whole download."""

from __future__ import annotations

from dataclasses import replace

from tfprov.events import Note
from tfprov.lock import pylock
from tfprov.pipeline.backends.venv.resolving import taken_instead_of
from tfprov.pipeline.backends.venv.solving import Solution
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.plan.records import Decision, Plan, Refused
from tfprov.plan.tags import marker_environment, supported_tags

# Projects whose wheels on the public index are built for CUDA, and their CUDA dependencies besides `nvidia-…`.
_BRING_CUDA = ("torch", "jax", "cupy", "onnxruntime-gpu", "xgboost", "lightgbm", "tensorrt")
_CUDA_TOOLS = frozenset({"triton", "cuda-bindings", "cuda-toolkit"})


def decided(context: Context, plan: Plan, best: Solution) -> Plan:
    """The plan with the resolver's decision; differences from the plan's own decision are reported.

    Args:
        context: its listeners get the notes.
        plan: the plan.
        best: the solution of the resolver.

    Returns:
        The plan; if another Python was taken, the original one is among the refused interpreters.
    """
    first, taken = plan.decision, best.decision
    if taken == first:
        return plan
    if taken.tensorflow.package != first.tensorflow.package:
        context.emit(Note(text=taken_instead_of(first.tensorflow.package, taken.tensorflow.package)))
    now, before = taken.tensorflow.version, first.tensorflow.version
    refused = plan.refused
    if now != before:
        context.emit(Note(text=f"TensorFlow {now} instead of {before}: the other packages of the profile need it"))
    if taken.python.path != first.python.path:
        why = "the other packages have no answer there"
        if now == before:
            context.emit(Note(text=f"Python {taken.python.version} instead of {first.python.version}: {why}"))
        left = Refused(what=_python_of(first), code="resolver-conflict", why=why)
        refused = (left, *(each for each in refused if each.what != _python_of(taken)))
    return replace(plan, decision=taken, refused=refused)


def _python_of(decision: Decision) -> str:
    return f"Python {decision.python.version} ({decision.python.path})"


def with_sizes(plan: Plan, machine: Machine, best: Solution) -> Plan:
    """The plan with the size of the whole download, and a note if CUDA packages are part of a CPU environment."""
    version, facts = plan.decision.python.version, machine.facts
    found = pylock.sizes(
        best.document,
        environment=marker_environment(version, "cpython", facts),
        tags=supported_tags(version, False, facts),
    )
    cuda = [size for name, size in found.items() if name.startswith("nvidia-") or name in _CUDA_TOOLS]
    notes = plan.notes
    if cuda and plan.decision.tensorflow.accelerator == "cpu":
        bringers = " and ".join(f"`{name}`" for name in _BRING_CUDA if name in found) or "another package"
        notes = (
            *notes,
            f"{bringers} brings {len(cuda)} CUDA packages, {sum(filter(None, cuda)) / 1e9:.1f} GB, although the "
            "environment is for the CPU; an index with its CPU build, first in `index.extra`, avoids them",
        )
    # Some indexes give no sizes; then the table's figure for TensorFlow alone is better.
    download = max(plan.download_bytes or 0, sum(filter(None, found.values())))
    return replace(plan, download_bytes=download or None, notes=notes)
