"""The smoke test: starts the probes in the environment and draws the verdict, one a device and a leg."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Literal

from tfprov import process
from tfprov.events import Emit
from tfprov.smoke import causes
from tfprov.smoke.group import ENVIRONMENT, Bench, Outcome, run_group
from tfprov.smoke.records import Device, Leg, Request, Verdict


def smoke(python: Path, request: Request, *, environ: Mapping[str, str], emit: Emit) -> Verdict:
    """What the environment of `python` proves about itself.

    Its own interpreter runs the probes, isolated from PYTHON* variables, user site and working directory. Nothing is
    written but bytecode that an import makes anyway. A failed leg is part of the verdict, not an exception.

    Args:
        python: interpreter of the environment; need not be one that tfprov made.
        request: what to prove.
        environ: variables of the user; those that redirect Python or TensorFlow are left out for the probes.
        emit: receives a note a leg.

    Raises:
        TfprovError: `python-broken` when the interpreter cannot be started at all.
    """
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="tfprov-smoke-", ignore_cleanup_errors=True) as scratch,
        resources.as_file(resources.files("tfprov.smoke") / "probes") as probes,
    ):
        bench = Bench(
            # Never resolved: a venv's interpreter is a link, and what it points to is another environment.
            python=python.absolute(),
            request=request,
            probes=probes,
            scratch=Path(scratch),
            # At level 0 TensorFlow says why it leaves a GPU out; that is evidence.
            env=process.clean_environment(environ, TF_CPP_MIN_LOG_LEVEL="0"),
            emit=emit,
        )
        core, outcomes = _core(bench)
    return _verdict(request, core, outcomes, time.monotonic() - started)


def _core(bench: Bench) -> tuple[Outcome, list[Outcome]]:
    """The quick level; when the devices cannot be initialised together, each in a process of its own."""
    core = run_group(bench, "core")
    outcomes = [core]
    if (ENVIRONMENT, "context") in core.lost_in:
        done = tuple((device, leg) for device, leg in core.legs if device == ENVIRONMENT)
        count = core.facts.get("gpus")
        visible = count if isinstance(count, int) else 0
        if visible:
            outcomes.append(run_group(bench, "core", gpus=(), done=_but_context(done)))
        alone = [run_group(bench, "core", gpus=(index,), with_cpu=False, done=done) for index in range(visible)]
        outcomes.extend(alone)
        if any(outcome.lost_in for outcome in alone):
            # The culprits are found, and the failure is theirs. Without one it stays with the environment: together
            # the devices cannot be used, though each can alone.
            core.legs = [(device, leg) for device, leg in core.legs if (device, leg.leg) != (ENVIRONMENT, "context")]
    return core, outcomes


def _but_context(done: tuple[tuple[str, Leg], ...]) -> tuple[tuple[str, Leg], ...]:
    return tuple((device, leg) for device, leg in done if leg.leg != "context")


def _verdict(request: Request, core: Outcome, outcomes: list[Outcome], seconds: float) -> Verdict:
    by_device: dict[str, list[Leg]] = {}
    facts: dict[str, object] = {}
    for outcome in outcomes:
        facts.update(outcome.facts)
        for device, leg in outcome.legs:
            by_device.setdefault(device, []).append(leg)
    build = _pairs(facts.get("build"))
    _explain_missing_gpus(by_device, core.log, build)
    descriptions = dict(_pairs(facts.get("descriptions")))
    note = ""
    if request.gpu == "later":
        note = "no GPU was tested: only that the GPU libraries can be loaded"
    return Verdict(
        level=request.level,
        devices=tuple(
            Device(name=name, kind=_kind(name), legs=tuple(by_device[name]), description=descriptions.get(name, ""))
            for name in sorted(by_device, key=_order)
        ),
        tensorflow=_text(facts.get("tensorflow")),
        python=_text(facts.get("python")),
        seconds=seconds,
        note=note,
        packages=_pairs(facts.get("packages")),
        build=build,
    )


def _explain_missing_gpus(by_device: dict[str, list[Leg]], log: str, build: tuple[tuple[str, str], ...]) -> None:
    legs = by_device.get(ENVIRONMENT, [])
    says = {"True": True, "False": False}.get(dict(build).get("is_cuda_build", ""))
    for position, leg in enumerate(legs):
        if leg.leg == "devices" and leg.code == "gpu-missing-in-tf":
            code, evidence = causes.of_missing_gpus(log, cuda_build=says)
            legs[position] = replace(leg, code=code, evidence=f"{leg.evidence}\n{evidence}")


def _kind(name: str) -> Literal["environment", "cpu", "gpu"]:
    if name == ENVIRONMENT:
        return "environment"
    return "cpu" if name.startswith("CPU") else "gpu"


def _order(name: str) -> tuple[int, int]:
    kind = ("environment", "cpu", "gpu").index(_kind(name))
    number = name.rpartition(":")[2]
    return kind, int(number) if number.isdigit() else 0


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    return tuple((str(key), str(each)) for key, each in value.items()) if isinstance(value, dict) else ()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
