"""Runs groups of legs to their end. If a leg takes its process down, the remaining legs run in a new process."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from tfprov import process
from tfprov.contents import content_of
from tfprov.events import Emit, Note, Progress
from tfprov.process import Finished
from tfprov.smoke import causes
from tfprov.smoke.causes import Raised
from tfprov.smoke.records import Leg, SmokeRequest
from tfprov.structured import json_of, whole_number
from tfprov.temporary import temporary

ENVIRONMENT = "environment"
_RECORDS = "records.jsonl"
# Time limit of a process for each of its groups, in multiples of that of a leg. The watchdog inside the process fires
# first and prints a traceback. This limit is for a process that cannot do even that (stopped, or waiting in the
# kernel), and for one that does not end although each of its legs does.
_PROCESS_FACTOR = 3.0
_GRACE_S = 10.0
# Time that a smoke test may lose to legs that time out, in multiples of their limit; after that no more are started.
_LOST_FACTOR = 3.0
# Bytes in the path of a temporary folder that leave enough of the 104 of a socket (macOS; Linux has 108).
_LONGEST_TEMPORARY = 60
# More GPUs than any machine has, for a group that uses all of them when their number is not known.
_MANY = 256
# Interval in seconds at which the records of a running probe are polled; shorter would make no visible difference.
_LOOK_S = 0.2
# Failure code for an unrecognised exception in these legs, which do only one thing.
_UNRECOGNISED = {"import": "import-failed", "package": "import-failed", "keras": "keras-mismatch"}
# What every request file says of the request.
_ASKED = (
    *("level", "accelerator", "require_gpus", "gpu"),
    *("timeout", "idle_timeout", "expected_version", "expected_package"),
)


@dataclass(slots=True, kw_only=True)
class Lost:
    """Devices and time that a smoke test has lost so far; they decide what is not tried again.

    Attributes:
        devices: by name, devices that hung or took their process down, with the leg and failure code. Their remaining
            legs are skipped, and no further process initialises them.
        seconds: time spent in legs that timed out.
    """

    devices: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSession:
    """The setting in which the probes of a smoke test run.

    Attributes:
        python: the environment's own interpreter.
        request: what to prove.
        probes: folder of the probe scripts.
        scratch: fresh folder for requests and records; contains nothing that Python could import.
        env: environment variables of the probes.
        emit: receives notes and progress.
        epoch: wall clock at the start of the smoke test, in seconds; the only clock that two processes share.
        seen: every leg that has ended so far, of all groups; for progress.
        lost: devices and time that all groups together have lost so far.
    """

    python: Path
    request: SmokeRequest
    probes: Path
    scratch: Path
    env: Mapping[str, str]
    emit: Emit
    epoch: float = field(default_factory=time.time)
    seen: list[Leg] = field(default_factory=list)
    lost: Lost = field(default_factory=Lost)

    @property
    def shortest_limit(self) -> float:
        """The shortest time after which a leg is ended, in seconds."""
        return min(self.request.timeout, self.request.idle_timeout or self.request.timeout)

    def exhausted(self) -> str | None:
        """Why no further legs are started, for the evidence of skipped ones; None while the test may continue."""
        if self.lost.seconds < _LOST_FACTOR * self.shortest_limit:
            return None
        return f"not run: {self.lost.seconds:.0f} s went into checks that ran into their time limit"


@contextlib.contextmanager
def probe_session(
    python: Path,
    request: SmokeRequest,
    *,
    environ: Mapping[str, str],
    emit: Emit,
    activation: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[ProbeSession]:
    """A session for the interpreter of an environment; its scratch folder is deleted at the end.

    Args:
        python: interpreter of any environment, not necessarily one made by tfprov.
        request: what to prove.
        environ: environment variables of the user; those that redirect Python or TensorFlow are not passed on.
        emit: receives a note for each leg.
        activation: variables that activating the environment sets; passed to the probes unchanged.
    """
    with temporary("smoke") as scratch, resources.as_file(resources.files("tfprov.smoke") / "probes") as probes:
        # TensorFlow leaves files in the temporary folder when a process ends without its teardown.
        files = scratch / "t"
        files.mkdir()
        is_short = len(os.fsencode(files)) <= _LONGEST_TEMPORARY
        yield ProbeSession(
            # Never resolved: a venv's interpreter is a link to an interpreter outside of the environment.
            python=python.absolute(),
            request=request,
            probes=probes,
            scratch=scratch,
            # At level 0 TensorFlow logs why it does not use a GPU, which is evidence.
            env={
                **process.clean_environment(environ, TF_CPP_MIN_LOG_LEVEL="0"),
                **dict.fromkeys(("TMPDIR", "TEMP", "TMP") if is_short else (), str(files)),
                **activation,
            },
            emit=emit,
        )


@dataclass(slots=True, kw_only=True)
class GroupOutcome:
    """The results of a group.

    Attributes:
        legs: in the order in which they ended, each with the name of its device.
        facts: reported by the probes, by name; merged by `add_facts`.
        log: stderr of all processes of the group, with GPUs renumbered as on the machine.
        ended: whether the group reached its end. False when a process died outside of any leg, or in one that the
            others depend on, or when the time was used up.
        lost_in: device and leg of every process that died, in order.
        began: index of the first leg of each group that was started, or is told as skipped, by name.
    """

    legs: list[tuple[str, Leg]] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)
    log: str = ""
    ended: bool = False
    lost_in: list[tuple[str, str]] = field(default_factory=list)
    began: dict[str, int] = field(default_factory=dict)

    def split(self) -> GroupOutcome:
        """Take away everything but the legs of the first group, and return those of the others."""
        _, *others = self.began.items() or [("", 0)]
        at = others[0][1] if others else len(self.legs)
        rest = replace(self, legs=self.legs[at:], log="", began=dict(others))
        self.legs = self.legs[:at]
        return rest

    def leg(self, device: str, name: str) -> Leg | None:
        """The leg of that name on a device; None when it was not run."""
        return next((leg for on, leg in self.legs if on == device and leg.leg == name), None)


def run_group(
    session: ProbeSession,
    *groups: str,
    gpus: tuple[int, ...] | None = None,
    with_cpu: bool = True,
    done: tuple[tuple[str, Leg], ...] = (),
    exit_normally: bool = False,
    env: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
) -> GroupOutcome:
    """Run the legs of one or several groups, one after the other, in as few processes as possible.

    If a process dies, the leg in which it died has failed, and a new process continues with the next leg. The loop
    terminates, because each start either adds a leg to those that are done or is the last.

    Args:
        session: the setting, with the request.
        groups: names of their files in the probes folder, without the suffix.
        gpus: numbers of the GPUs to make visible; None for all.
        with_cpu: whether the CPU is tested as well.
        done: legs that are not run again, each with its device.
        exit_normally: whether the exit of the process is part of the test.
        env: environment variables to use instead of the session's; None for those.
        options: additional keys of the request file, for these groups only.

    Raises:
        TfprovError: `python-broken` when the interpreter cannot be started.
    """
    outcome = GroupOutcome()
    finished_legs: list[list[str | bool]] = [[device, leg.leg, leg.ok] for device, leg in done]
    while not outcome.ended:
        if (why := session.exhausted()) is not None:
            # The last group that began has not ended.
            for group in groups[max(0, len(outcome.began) - 1) :]:
                outcome.began.setdefault(group, len(outcome.legs))
                skipped = Leg(leg=group, ok=True, seconds=0.0, skipped=True, evidence=why)
                outcome.legs.append((f"GPU:{gpus[0]}" if gpus else ENVIRONMENT, skipped))
            break
        lost = session.lost.devices
        numbers = [number for number in (range(_MANY) if gpus is None else gpus) if f"GPU:{number}" not in lost]
        given = {"groups": groups, "gpus": gpus, "with_cpu": with_cpu, "exit_normally": exit_normally}
        asked = _write_request(session, {**given, "done": finished_legs, **(options or {})})
        at = time.time()
        finished = _start(session, asked, session.env if env is None else env, groups=len(groups))
        # A process numbers the GPUs that are visible to it; messages use their numbers on the machine.
        finished = replace(finished, stderr=renumbered(finished.stderr, numbers))
        outcome.log += finished.stderr
        begun, ended = _take_in(outcome, asked.with_name(_RECORDS), numbers, finished_legs, session)
        if ended and begun is None and (finished.ok or not exit_normally):
            outcome.ended = True
            break
        moment = "exit" if ended else "start"
        last = begun or _Begun(device=ENVIRONMENT, leg=f"{[groups[0], *outcome.began][-1]}-{moment}", at=at)
        _take_in_death(outcome, finished, last, session, seconds=max(0.0, at + finished.seconds - last.at))
        again: list[str | bool] = [last.device, last.leg, False]
        # Without a leg, only a group behind the first can be left out in another process, and only once.
        if begun is None and (ended or len(outcome.began) < 2 or again in finished_legs):
            break
        if last.leg in ("import", "context"):
            # The other legs depend on the one that failed.
            break
        finished_legs.append(again)
    return outcome


def _write_request(session: ProbeSession, given: Mapping[str, object]) -> Path:
    """The request file of a process, in a new folder."""
    folder = Path(tempfile.mkdtemp(prefix="probe-", dir=session.scratch))
    content = {
        **{key: getattr(session.request, key) for key in _ASKED},
        "records": str(folder / _RECORDS),
        "logical_cpus": 1,
        "lost_devices": session.lost.devices,
        "scratch": str(folder / "files"),
        **given,
    }
    path = folder / "request.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _take_in_death(
    outcome: GroupOutcome, finished: Finished, last: _Begun, session: ProbeSession, *, seconds: float
) -> None:
    """Add the leg in which a process died to the outcome, and count what was lost with it."""
    code, evidence = causes.of_death(finished)
    started = last.at - session.epoch
    leg = Leg(leg=last.leg, ok=False, seconds=seconds, code=code, evidence=evidence, started=started)
    outcome.legs.append((last.device, leg))
    outcome.lost_in.append((last.device, last.leg))
    session.emit(Note(text=f"smoke: {last.leg} on {last.device}: {code}", level="detail"))
    if code == "probe-timeout":
        # On a busy machine its start may have been written down late.
        session.lost.seconds += max(seconds, session.shortest_limit)
    if last.device != ENVIRONMENT:
        # The next leg on this device would probably fail the same way, and take as long.
        session.lost.devices[last.device] = f"{last.leg}: {code}"


def renumbered(text: str, numbers: Sequence[int]) -> str:
    """Output of a process, with the numbers of GPUs replaced by those on the machine.

    Args:
        text: the output, with TensorFlow's names: `/device:GPU:0` is the first GPU that was visible to the process.
        numbers: of the GPUs that were visible to it, as numbered on the machine.
    """

    def number(found: re.Match[str]) -> str:
        position = whole_number(found[1])
        return f"GPU:{numbers[position]}" if position is not None and position < len(numbers) else found[0]

    # A physical device keeps its number, whichever GPUs are visible.
    return re.sub(r"(?<!physical_device:)\bGPU:(\d+)", number, text)


def _start(session: ProbeSession, asked: Path, env: Mapping[str, str], *, groups: int) -> Finished:
    cwd = asked.parent / "empty"
    cwd.mkdir()
    # -I: no PYTHON* variables, no user site, neither this folder nor the script's on sys.path.
    argv = (session.python, "-I", "-X", "faulthandler", "-u", session.probes / "probe.py", asked)
    try:
        with _watching(session, asked.with_name(_RECORDS)):
            return process.run(
                argv, env=env, cwd=cwd, timeout=groups * _PROCESS_FACTOR * session.request.timeout + _GRACE_S
            )
    except OSError as error:
        raise causes.of_start(session.python, error) from error


@contextlib.contextmanager
def _watching(session: ProbeSession, records: Path) -> Iterator[None]:
    """Report which leg is running, as progress. The results are read by `_take_in` after the process has ended."""
    over = threading.Event()

    def watch() -> None:
        seen = 0
        while not over.wait(_LOOK_S):
            lines = _lines(records)
            begun = [record for record in lines if "begin" in record]
            if len(begun) > seen:
                seen = len(begun)
                what = f"{begun[-1]['begin']} on {begun[-1].get('device')}"
                done = len(session.seen) + sum("leg" in record for record in lines)
                session.emit(Progress(stage="smoke", what=what, done=done, total=None, unit="checks"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A leg that has begun; `at` is the wall clock at that moment, in seconds."""

    device: str
    leg: str
    at: float


def _take_in(
    outcome: GroupOutcome,
    records: Path,
    numbers: Sequence[int],
    finished_legs: list[list[str | bool]],
    session: ProbeSession,
) -> tuple[_Begun | None, bool]:
    """Read the records of one process into the outcome.

    Returns:
        The leg that has begun and not ended, None without one; and whether the process reached its end.
    """
    begun: _Begun | None = None
    ended = False
    for record in _lines(records):
        if "facts" in record:
            facts = record["facts"]
            if isinstance(facts, dict):
                add_facts(outcome.facts, facts)
        elif "begin" in record:
            begun = _Begun(device=str(record["device"]), leg=str(record["begin"]), at=_number(record.get("at")))
        elif "leg" in record:
            started = begun.at - session.epoch if begun is not None else None
            begun = None
            device, leg = str(record["device"]), _leg(record, session.request.accelerator)
            leg = replace(leg, started=started, evidence=renumbered(leg.evidence, numbers))
            outcome.legs.append((device, leg))
            session.seen.append(leg)
            finished_legs.append([device, leg.leg, leg.ok])
            text = f"smoke: {leg.leg} on {device}: {leg.code or 'ok'}, {leg.seconds:.2f} s"
            session.emit(Note(text=text, level="detail"))
        elif "group" in record:
            outcome.began.setdefault(str(record["group"]), len(outcome.legs))
        elif "end" in record:
            ended = True
    return begun, ended


def add_facts(known: dict[str, object], facts: Mapping[str, object]) -> None:
    """Merge the facts of a process into the known ones: tables (by device, by package) are joined, others replaced."""
    for key, value in facts.items():
        old = known.get(key)
        known[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value


def _lines(path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    try:
        content = content_of(path).decode("utf-8", "replace")
    except FileNotFoundError:
        return found
    for line in content.splitlines():
        try:
            record = json_of(line)
        except ValueError:
            # A process that died while writing leaves an incomplete last line.
            continue
        if isinstance(record, dict):
            found.append(record)
    return found


def _leg(record: dict[str, object], accelerator: str) -> Leg:
    ok = record.get("ok") is True
    name = str(record["leg"])
    evidence = str(record.get("evidence") or "")
    code = record.get("code")
    if not ok and code is None:
        chain = _chain(record.get("errors"))
        unrecognised = _UNRECOGNISED.get(name.partition(" ")[0], "probe-failed")
        code = causes.of_exceptions(chain, unrecognised, accelerator=accelerator)
        if chain:
            # The innermost exception goes first: it is the cause, and the traceback below it is long.
            evidence = f"{chain[-1]}\n{evidence}"
    return Leg(
        leg=name,
        ok=ok,
        seconds=_number(record.get("seconds")),
        code=None if ok else str(code),
        evidence=evidence.strip(),
        skipped=record.get("skipped") is True,
    )


def _chain(errors: object) -> tuple[Raised, ...]:
    if not isinstance(errors, list):
        return ()
    return tuple(
        Raised(kind=str(each.get("type")), message=str(each.get("message")))
        for each in errors
        if isinstance(each, dict)
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
