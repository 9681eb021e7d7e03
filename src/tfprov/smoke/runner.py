"""The smoke test: runs the probes in an environment, and combines their results into a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from tfprov.events import Emit, Note
from tfprov.overlapped import Overlapped
from tfprov.smoke import causes, health, requirements, surroundings
from tfprov.smoke.group import ENVIRONMENT, GroupOutcome, Lost, ProbeSession, add_facts, probe_session, run_group
from tfprov.smoke.records import Device, Leg, Level, ShellHazard, SmokeRequest, Verdict
from tfprov.smoke.script import run_script
from tfprov.structured import mappings_of, string_of, texts_of, whole_number
from tfprov.words import duration


def smoke(
    python: Path,
    request: SmokeRequest,
    *,
    environ: Mapping[str, str],
    emit: Emit,
    activation: Mapping[str, str] = MappingProxyType({}),
) -> Verdict:
    """Run the smoke test of an environment.

    Its own interpreter runs the probes, isolated from PYTHON* variables, user site and working directory. The
    environment is not changed, except for bytecode that any import would write. A failed leg is part of the verdict,
    not an exception.

    Args:
        python: interpreter of any environment, not necessarily one made by tfprov.
        request: what to prove.
        environ: environment variables of the user; those that redirect Python or TensorFlow are not passed on.
        emit: receives a note for each leg.
        activation: variables that activating the environment sets; passed to the probes unchanged.

    Raises:
        TfprovError: `python-broken` when the interpreter cannot be started at all.
    """
    started = time.monotonic()
    with probe_session(python, request, environ=environ, emit=emit, activation=activation) as session:
        before = _health(session, "before")
        with Overlapped(lambda run: run(session), (_core, _files)) as runs:
            outcomes, files = runs.answer(0, then=1), runs.answer(1)
        core = outcomes[0]
        outcomes = [before, *outcomes, *_packages(session, core), *files, *_beyond(session, core, outcomes)]
        for outcome in outcomes:
            _charge_all_reduce(session, outcome)
        outcomes += _scripts(session, core)
        outcomes.append(_health(session, "after", anyway=any(_is_taken(leg) for _, leg in _legs(outcomes))))
        python_version = string_of(core.facts.get("python")) or None
        around = surroundings.findings(session.python, environ, Path.cwd(), python_version)
    verdict = _verdict(request, core, outcomes, around, time.monotonic() - started)
    for finding in verdict.findings:
        emit(Note(text=f"{finding.evidence} ({finding.code})", level="warning"))
    if verdict.seconds > TARGET_S[request.level]:
        emit(Note(text=_slow(verdict)))
    return verdict


TARGET_S = {"quick": 20.0, "standard": 90.0, "deep": 600.0}
"""Expected maximum seconds for each level on a suitable machine. Beyond that, a note names the slowest legs."""


_IDLE_S = 60.0


def _slow(verdict: Verdict) -> str:
    legs = sorted(((leg.seconds, f"{leg.leg} on {device.name}") for device, leg in verdict.legs), reverse=True)
    longest = ", ".join(f"{name} {duration(seconds)}" for seconds, name in legs[:3])
    target = duration(TARGET_S[verdict.level])
    return f"the {verdict.level} level took {duration(verdict.seconds)}, more than the {target} meant for it: {longest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeGroup:
    """A group of legs: one file of the probes folder.

    Attributes:
        name: file in the probes folder, without its suffix.
        levels: at which it runs.
        process: `core` if it continues in the process of the quick level, as every import of TensorFlow takes seconds;
            `beside` that process, without TensorFlow and devices; `after` it in one of its own.
        only_cuda: whether it runs only where CUDA is required.
    """

    name: str
    levels: tuple[Level, ...] = ("standard", "deep")
    process: Literal["core", "beside", "after"] = "core"
    only_cuda: bool = False


GROUPS = (
    ProbeGroup(name="files", process="beside"),
    ProbeGroup(name="numerics"),
    ProbeGroup(name="compile"),
    ProbeGroup(name="training"),
    ProbeGroup(name="collective"),
    ProbeGroup(name="linkage", levels=("quick", "standard", "deep"), process="after"),
    ProbeGroup(name="memory", levels=("deep",), process="after", only_cuda=True),
)

_LOGICAL_CPUS = 2


def _groups(session: ProbeSession, process: Literal["core", "beside", "after"]) -> list[str]:
    """The groups of the request's level that run in or beside the process of the core, or after it."""
    request = session.request
    return [
        group.name
        for group in GROUPS
        if group.process == process
        and request.level in group.levels
        and (not group.only_cuda or (request.accelerator == "cuda" and request.gpu == "now"))
    ]


def _files(session: ProbeSession) -> list[GroupOutcome]:
    """Check the files of the environment."""
    groups = _groups(session, "beside")
    return [run_group(session, *groups)] if groups else []


def _on_devices(session: ProbeSession, *first: str, gpus: tuple[int, ...] | None = None) -> GroupOutcome:
    """Run the groups that use the devices together, in one process if none of them takes it down."""
    groups = _groups(session, "core")
    # The exit of a process is tested in the one that does the most work.
    options = {"logical_cpus": _LOGICAL_CPUS} if groups else {}
    return run_group(session, *first, *groups, gpus=gpus, exit_normally=bool(groups), options=options)


def _beyond(session: ProbeSession, core: GroupOutcome, outcomes: list[GroupOutcome]) -> list[GroupOutcome]:
    """Run the groups beyond the core that did not run with it, without devices that it found unusable."""
    request = session.request
    imported = core.leg(ENVIRONMENT, "import")
    usable = imported is not None and imported.ok and any(leg.ok for _, leg in _legs(outcomes) if leg.leg == "context")
    together = core.leg(ENVIRONMENT, "context")
    devices = core.leg(ENVIRONMENT, "devices")
    # GPUs that work only one at a time have been tested as far as possible.
    gpus = () if together is not None and not together.ok else None
    # GPUs that work prove that their libraries can be loaded. If no GPU may be used yet, or too few were found, the
    # libraries are loaded separately.
    must_link = request.accelerator == "cuda" and (request.gpu == "later" or devices is None or not devices.ok)
    # The driver numbers GPUs differently from TensorFlow, but both know the PCI bus ids.
    buses = health.bus_ids("".join(outcome.log for outcome in outcomes))
    after = _groups(session, "after")
    found: list[GroupOutcome] = []
    if "linkage" in after and (must_link or request.level != "quick"):
        found.append(run_group(session, "linkage", gpus=gpus, options={"must_link": must_link}))
    ran = core.split()
    if ran.began:
        found.append(ran)
    elif usable and _groups(session, "core"):
        found.append(_on_devices(session, gpus=gpus))
    if usable and "memory" in after:
        found.append(run_group(session, "memory", gpus=gpus, options={"buses": buses}))
    return found


def _packages(session: ProbeSession, core: GroupOutcome) -> list[GroupOutcome]:
    """Test the imports of the requested packages; skipped if TensorFlow's failed, because many depend on it."""
    request, imported = session.request, core.leg(ENVIRONMENT, "import")
    if imported is None or not imported.ok or not (request.packages or request.all_packages):
        return []
    options = {"packages": request.packages, "all_packages": request.all_packages, "skip_imports": request.skip_imports}
    # An import that does nothing for longer hangs: it waits for a display, a server or input.
    limited = replace(session, request=replace(request, idle_timeout=_IDLE_S))
    return [run_group(limited, "packages", options=options)]


def _charge_all_reduce(session: ProbeSession, outcome: GroupOutcome) -> None:
    """Attribute an all-reduce that failed on three or more GPUs to the one that all failing pairs have in common.

    Without such a GPU, the failure stays with the environment.
    """
    failed = outcome.leg(ENVIRONMENT, "all-reduce")
    gpus = [int(name[4:]) for name in texts_of(outcome.facts.get("all_reduce")) if name.startswith("GPU")]
    if failed is None or failed.ok or len(gpus) < 3:
        return
    # Each pair gets half of the time limit, as two of them may hang; their losses do not count for the smoke test.
    request = replace(session.request, timeout=session.request.timeout / 2)
    aside = replace(session, request=request, lost=Lost(devices=dict(session.lost.devices)))

    def works(*pair: int) -> bool:
        alone = run_group(aside, "collective", gpus=pair, with_cpu=False).leg(ENVIRONMENT, "all-reduce")
        return alone is not None and alone.ok

    first, second, third = gpus[:3]
    if works(first, second):
        culprits = [number for number in gpus[2:] if not works(first, number)]
    else:
        culprits = [second] if works(first, third) else [first] if works(second, third) else []
    if len(culprits) == 1:
        evidence = f"{failed.evidence}\nonly pairs with GPU:{culprits[0]} fail"
        charged = (f"GPU:{culprits[0]}", replace(failed, evidence=evidence))
        outcome.legs = [charged if leg is failed else (device, leg) for device, leg in outcome.legs]


def _scripts(session: ProbeSession, core: GroupOutcome) -> list[GroupOutcome]:
    imported = core.leg(ENVIRONMENT, "import")
    if imported is None or not imported.ok or session.exhausted():
        return []
    return [GroupOutcome(legs=[(ENVIRONMENT, run_script(session, script)) for script in session.request.scripts])]


def _health(session: ProbeSession, moment: str, *, anyway: bool = False) -> GroupOutcome:
    """Ask the driver for its values; not at the quick level or without GPUs, unless `anyway`.

    Args:
        session: the setting.
        moment: `before` or `after` the other legs.
        anyway: whether to ask even if the leg `health` is not part of the smoke test.
    """
    if not anyway and not _asks_for_health(session.request):
        return GroupOutcome()
    return run_group(session, "health", options={"moment": moment})


def _asks_for_health(request: SmokeRequest) -> bool:
    return request.level != "quick" and request.accelerator in ("cuda", "auto") and request.gpu == "now"


def _legs(outcomes: Iterable[GroupOutcome]) -> Iterator[tuple[str, Leg]]:
    return (pair for outcome in outcomes for pair in outcome.legs)


def _is_taken(leg: Leg) -> bool:
    """Whether a leg failed in a way that could be caused by another program that uses the GPU."""
    return not leg.ok and (leg.leg == "context" or leg.code == "gpu-memory-in-use")


def _core(session: ProbeSession) -> list[GroupOutcome]:
    """Run the core of the quick level; if the devices cannot be initialised together, each in its own process.

    Returns:
        First the outcome with all devices together, and with the groups that continue in its process.
    """
    core = _on_devices(session, "core")
    outcomes = [core]
    context = core.leg(ENVIRONMENT, "context")
    if context is None or context.ok:
        return outcomes
    done = tuple((device, leg) for device, leg in core.legs if device == ENVIRONMENT)
    count = core.facts.get("gpus")
    unused = session.request.accelerator == "cpu" or session.request.gpu == "later"
    visible = count if isinstance(count, int) and not unused else 0
    if visible:
        outcomes.append(run_group(session, "core", gpus=(), done=_but_context(done)))
    elif (ENVIRONMENT, "devices") in core.lost_in:
        # The number of GPUs is unknown, because listing them took the process down. What works without any GPU is
        # still worth knowing.
        hidden = {**session.env, "CUDA_VISIBLE_DEVICES": "-1"}
        outcomes.append(run_group(session, "core", gpus=(), done=_but_context(done), env=hidden))
    alone = [run_group(session, "core", gpus=(index,), with_cpu=False, done=done) for index in range(visible)]
    outcomes.extend(alone)
    contexts = {device: leg for device, leg in _legs(outcomes[1:]) if leg.leg == "context"}
    culprits = {device: leg for device, leg in contexts.items() if not leg.ok}
    # The device of a process that died is in `lost` already, that of a leg that raised an exception is not.
    session.lost.devices.update({device: f"context: {leg.code}" for device, leg in culprits.items()})
    if culprits and len(culprits) < len(contexts):
        # The failure is attributed to the devices that failed alone. It stays with the environment if none did, because
        # the devices cannot be used together then, and if all did, because not even the CPU can be used.
        core.legs = [(device, leg) for device, leg in core.legs if (device, leg.leg) != (ENVIRONMENT, "context")]
    return outcomes


def _but_context(done: tuple[tuple[str, Leg], ...]) -> tuple[tuple[str, Leg], ...]:
    return tuple((device, leg) for device, leg in done if leg.leg != "context")


def _verdict(
    request: SmokeRequest,
    core: GroupOutcome,
    outcomes: list[GroupOutcome],
    around: tuple[ShellHazard, ...],
    seconds: float,
) -> Verdict:
    by_device: dict[str, list[Leg]] = {}
    facts: dict[str, object] = {}
    for outcome in outcomes:
        add_facts(facts, outcome.facts)
        for device, leg in outcome.legs:
            by_device.setdefault(device, []).append(leg)
    build = _pairs(facts.get("build"))
    why = partial(
        causes.of_missing_gpus,
        core.log,
        accelerator=request.accelerator,
        cuda_build={"True": True, "False": False}.get(dict(build).get("is_cuda_build", "")),
        place=string_of(facts.get("place")),
    )
    _explain_missing_gpus(by_device, why)
    log = "".join(outcome.log for outcome in outcomes)
    _say_who_holds(by_device, log, facts)
    _add_health(request, by_device, log, facts)
    descriptions = dict(_pairs(facts.get("descriptions")))
    python = string_of(facts.get("python")) or None
    note = ""
    if request.gpu == "later":
        note = "no GPU was tested: only that the GPU libraries can be loaded"
    return Verdict(
        level=request.level,
        devices=tuple(
            Device(name=name, kind=_kind(name), legs=tuple(by_device[name]), description=descriptions.get(name, ""))
            for name in sorted(by_device, key=_order)
        ),
        tensorflow=string_of(facts.get("tensorflow")) or None,
        python=python,
        seconds=seconds,
        note=note,
        findings=(
            *_unused_gpus(facts, why),
            *requirements.unmet(texts_of(facts.get("requires")), dict(_pairs(facts.get("installed"))), python),
            *around,
        ),
        packages=_pairs(facts.get("packages")),
        build=build,
        cures=texts_of(facts.get("cures")),
    )


def _explain_missing_gpus(by_device: dict[str, list[Leg]], why: Callable[[], tuple[str, str]]) -> None:
    legs = by_device.get(ENVIRONMENT, [])
    for position, leg in enumerate(legs):
        if leg.leg == "devices" and leg.code == "gpu-missing-in-tf":
            code, evidence = why()
            legs[position] = replace(leg, code=code, evidence=f"{leg.evidence}\n{evidence}")


def _unused_gpus(facts: Mapping[str, object], why: Callable[[], tuple[str, str]]) -> tuple[ShellHazard, ...]:
    """A finding if the driver has more GPUs than TensorFlow lists; not a failure, as TensorFlow ignores small cards."""
    driver, seen = facts.get("driver_gpus"), facts.get("gpus")
    if not isinstance(driver, int) or not isinstance(seen, int) or seen >= driver:
        return ()
    code, evidence = why()
    return (ShellHazard(code=code, evidence=f"TensorFlow lists {seen} of the driver's {driver} GPUs: {evidence}"),)


def _say_who_holds(by_device: dict[str, list[Leg]], log: str, facts: Mapping[str, object]) -> None:
    """Add the driver's values to the evidence of failures that another program on the GPU may have caused."""
    names = [name for name in by_device if _kind(name) == "gpu"]
    for name, values in health.by_device(names, log, mappings_of(facts.get("health_after"))).items():
        held = health.holders(values)
        by_device[name] = [
            replace(leg, evidence=f"{leg.evidence}\nthe driver says of {name}: {held}")
            if held and _is_taken(leg)
            else leg
            for leg in by_device[name]
        ]


def _add_health(request: SmokeRequest, by_device: dict[str, list[Leg]], log: str, facts: Mapping[str, object]) -> None:
    if not _asks_for_health(request):
        return
    names = [name for name in by_device if _kind(name) == "gpu"]
    before = health.by_device(names, log, mappings_of(facts.get("health_before")))
    after = health.by_device(names, log, mappings_of(facts.get("health_after")))
    history = health.History(
        before=_xids(facts.get("xids_before")),
        after=_xids(facts.get("xids_after")),
        source=string_of(facts.get("xids_source")),
    )
    for name in names:
        if name in before and name in after:
            of_this = history.of(str(after[name].get("bus_id", "")))
            by_device[name].append(health.judge(before[name], after[name], of_this))
        else:
            why = "the driver's library does not answer, or nothing says which of its GPUs this is"
            by_device[name].append(Leg(leg="health", ok=True, seconds=0.0, skipped=True, evidence=why))


def _xids(value: object) -> tuple[health.Xid, ...] | None:
    if not isinstance(value, list):
        return None
    return tuple(
        health.Xid(bus=str(each.get("bus")), number=number, words=str(each.get("words") or ""))
        for each in mappings_of(value)
        if isinstance(number := each.get("number"), int)
    )


def _kind(name: str) -> Literal["environment", "cpu", "gpu"]:
    if name == ENVIRONMENT:
        return "environment"
    return "cpu" if name.startswith("CPU") else "gpu"


def _order(name: str) -> tuple[int, int]:
    kind = ("environment", "cpu", "gpu").index(_kind(name))
    return kind, whole_number(name.rpartition(":")[2]) or 0


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    return tuple((str(key), str(each)) for key, each in value.items()) if isinstance(value, dict) else ()
