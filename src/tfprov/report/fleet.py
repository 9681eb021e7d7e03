"""Results of many machines in one report, by host, device and leg."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from tfprov.contents import given_text
from tfprov.errors import CODES, TfprovError
from tfprov.harmless import lined
from tfprov.redact import redact
from tfprov.report.page import code, page, table, text
from tfprov.smoke import attestation
from tfprov.structured import json_of, list_of, mapping_of, string_of
from tfprov.words import count

VERIFIED = "verified"
ROLLED_BACK = "rolled-back"
KEPT = "kept"
FAILED = "failed"
SILENT = "no-result"
NOT_ASKED = "not-asked"
_LONGEST = 4000
_MOST_EVIDENCE = 20
# The host stays in view beside whichever check is scrolled to; on a telephone a long name leaves room for the state.
_STYLE = """
.wide th:first-child { position: sticky; left: 0; background: Canvas; }
@media (max-width: 40rem) { th[scope=row] { white-space: normal; overflow-wrap: anywhere; min-width: 7rem; } }
"""

_MEANING = {
    VERIFIED: "the environment is verified",
    NOT_ASKED: "the rollout has not come to this host, or stopped before it",
    ROLLED_BACK: "the new environment failed; the previous one is in use again and verified",
    KEPT: "the new environment was never put in use; the previous one is in use and verified",
    FAILED: "no verified environment is in use",
    SILENT: "no result was received from this host",
}
"""Meaning of each state of a host, best first."""
_MARK = {VERIFIED: "good", NOT_ASKED: "none"}
_NEXT = {NOT_ASKED: "roll out to the hosts that were not asked"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One leg on one device of a host. `code` is None when the leg passed."""

    device: str
    leg: str
    ok: bool
    skipped: bool
    code: str | None
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The result of one host.

    Attributes:
        name: of the host.
        state: `verified`, `not-asked`, `rolled-back`, `kept`, `failed` or `no-result`.
        code: failure code; None when the host is verified.
        what: the failure in one line.
        evidence: of the failure.
        hint: the next step.
        tensorflow: version in use, or that was to be; empty when unknown.
        python: version of the interpreter; empty when unknown.
        before: number of the generation before; None when there was none.
        generation: number of the generation in use; None when there is none.
        checks: legs, by device.
    """

    name: str
    state: str
    code: str | None = None
    what: str = ""
    evidence: tuple[str, ...] = ()
    hint: str = ""
    tensorflow: str = ""
    python: str = ""
    before: int | None = None
    generation: int | None = None
    checks: tuple[Check, ...] = ()


def gather(
    files: Iterable[Path],
    *,
    expected: Sequence[str] = (),
    not_asked: Sequence[str] = (),
    verify_with: str = "",
    environ: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Host, ...]:
    """Read the result files into hosts, worst first.

    Args:
        files: results of the Ansible module, documents of `tfprov up --json` and `tfprov smoke --json`, receipts and
            statements. The name of the host is that of its file, without `.json`.
        expected: hosts that should have a result; those without one get the state `no-result`.
        not_asked: hosts that cannot have a result yet; those without one get the state `not-asked`.
        verify_with: command that verifies a statement; anything that is not a verified statement is then rejected.
            Empty to accept results without verification.
        environ: environment variables of that command.

    Raises:
        TfprovError: `usage` when there is no result and none is expected, a file is not a result, or a host has two.
    """
    places: dict[str, Path] = {}
    for path in files:
        if (other := places.setdefault(path.name.removesuffix(".json"), path)) != path:
            raise TfprovError(
                "usage",
                f"there are two results of `{path.name.removesuffix('.json')}`",
                evidence=(f"`{other}`", f"`{path}`"),
                hint="pass the one that counts",
            )
    if not places and not expected and not not_asked:
        raise TfprovError("usage", "there are no results", hint="name files `HOST.json`, or folders that contain them")
    hosts = {name: _read(path, verify_with, environ) for name, path in places.items()}
    for state, names in ((SILENT, expected), (NOT_ASKED, not_asked)):
        hosts.update({name: Host(name=name, state=state) for name in names if name not in hosts})
    order = list(_MEANING)
    return tuple(sorted(hosts.values(), key=lambda host: (-order.index(host.state), host.name)))


def _read(path: Path, verify_with: str, environ: Mapping[str, str]) -> Host:
    name = path.name.removesuffix(".json")
    try:
        found = json_of(given_text(path))
    except ValueError as error:
        raise TfprovError("usage", f"`{path}` is not a JSON document", evidence=(str(error),)) from error
    envelope = attestation.opened(found)
    if verify_with:
        doubt = "it is not a statement"
        if envelope is not None:
            doubt = attestation.unverified(envelope, verify_with=verify_with, environ=environ)
        if doubt:
            return Host(
                name=name,
                state=FAILED,
                code="signature-invalid",
                what=f"`{path}` is not verified",
                evidence=(doubt,),
                hint=CODES["signature-invalid"].remedy,
            )
    if envelope is not None:
        found = attestation.receipt_in(envelope)
    if isinstance(found, dict) and "receipt" in found:
        verdict = found.get("verdict")
        found = {**found, "command": "smoke", "ok": isinstance(verdict, dict) and verdict.get("ok") is True}
    if not isinstance(found, dict) or found.get("command") not in ("rollout", "up", "smoke"):
        raise TfprovError(
            "usage",
            f"`{path}` is not the result of a host",
            hint="pass what the Ansible module, `tfprov up --json` or `tfprov smoke --json` printed, or what "
            "`tfprov smoke --receipt` or `--attest` wrote",
        )
    why = mapping_of(found.get("error"))
    state = found.get("state") or (VERIFIED if found.get("ok") is True else FAILED)
    if state == VERIFIED and why:
        state = FAILED
    is_known = isinstance(state, str) and state in _MEANING and isinstance(found.get("error") or {}, dict)
    if not isinstance(state, str) or not is_known:
        raise TfprovError("usage", f"`{path}` was made by another version of tfprov", evidence=(f"state `{state}`",))
    environment, verdict = mapping_of(found.get("environment")), mapping_of(found.get("verdict"))
    evidence = why.get("evidence")
    return Host(
        name=name,
        state=state,
        code=_text(why.get("code")) or None,
        what=_text(why.get("what")),
        evidence=tuple(_text(one) for one in list_of(evidence)[:_MOST_EVIDENCE]),
        hint=_text(why.get("hint")),
        tensorflow=_version(found),
        python=next(filter(None, (_text(each.get("python")) for each in (found, environment, verdict))), ""),
        before=_number(found.get("before")),
        generation=_number(found.get("generation")) or _number(environment.get("generation")),
        checks=tuple(_checks(found.get("devices"))),
    )


def _version(found: Mapping[str, object]) -> str:
    target, verdict = found.get("tensorflow"), found.get("verdict")
    if isinstance(target, Mapping):
        return _text(target.get("version"))
    if isinstance(verdict, Mapping):
        return _text(verdict.get("tensorflow"))
    return _text(target)


def _checks(devices: object) -> Iterator[Check]:
    for device in list_of(devices):
        legs = mapping_of(device).get("legs")
        for leg in map(mapping_of, list_of(legs)):
            yield Check(
                device=_text(mapping_of(device).get("name")),
                leg=_text(leg.get("leg")),
                ok=leg.get("ok") is True,
                skipped=leg.get("skipped") is True,
                code=_text(leg.get("code")) or None,
                evidence=_text(leg.get("evidence")),
            )


# A result comes from another machine: values of an unexpected type are dropped, and what nobody would read.


def _text(value: object) -> str:
    return string_of(value)[:_LONGEST]


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9 else None


def loss(hosts: Sequence[Host]) -> TfprovError | None:
    """The error for the worst host; None when every host is verified."""
    bad = [host for host in hosts if host.state != VERIFIED]
    if not bad:
        return None
    return TfprovError(
        next((host.code for host in bad if host.code in CODES), None) or "probe-failed",
        f"{len(bad)} of {count(len(hosts), 'host')} not verified",
        evidence=tuple(
            f"{host.name}: {host.state}" + (f", {host.code}: {host.what}" if host.code else "") for host in bad
        ),
        hint=bad[0].hint or _NEXT.get(bad[0].state, "check the hosts named in the evidence"),
    )


def describe(hosts: Sequence[Host]) -> str:
    """The report as text."""
    lines = [_count(hosts)]
    for host in hosts:
        about = f"TensorFlow {host.tensorflow} on Python {host.python}" if host.tensorflow and host.python else ""
        lines.append(f"  {host.name}: {host.state}" + (f"  {about}" if about and host.state == VERIFIED else ""))
        if host.code:
            lines.append(f"    {host.code}: {host.what}")
            lines += [f"    evidence  {line}" for block in host.evidence[:3] for line in block.splitlines()[:3]]
            lines.append(f"    next      {host.hint}")
        if host.before != host.generation and host.state == VERIFIED:
            lines.append(f"    generation {host.generation}, before {host.before or 'none'}")
        elif host.state in {ROLLED_BACK, KEPT}:
            lines.append(f"    in use    generation {host.generation}")
    return redact(lined(lines))


def document(hosts: Sequence[Host]) -> dict[str, object]:
    """The report as a JSON document."""
    return {
        "hosts": [asdict(host) for host in hosts],
        "states": {state: sum(host.state == state for host in hosts) for state in _MEANING},
    }


def html(hosts: Sequence[Host], *, title: str, made: datetime) -> str:
    """The report as one HTML page.

    Args:
        hosts: worst first.
        title: name of what was rolled out.
        made: time of the report.
    """
    bad = [host for host in hosts if host.state != VERIFIED]
    trouble = [host for host in bad if host.state != NOT_ASKED]
    body = [
        f"<h1>{text(title)}: <span class={'bad' if bad else 'good'}>{text(_count(hosts))}</span></h1>",
        f"<p>{text(made.isoformat(sep=' ', timespec='seconds'))}</p>",
        "<h2>Hosts that need attention</h2>" if trouble else "",
        *map(_trouble, trouble),
        "<h2>Hosts</h2>",
        _overview(hosts),
        "<h2>Checks by host and device</h2>",
        _matrix(hosts),
    ]
    return page(title, body, style=_STYLE)


def _count(hosts: Sequence[Host]) -> str:
    numbers = [(state, sum(host.state == state for host in hosts)) for state in _MEANING]
    return ", ".join(f"{number} {state}" for state, number in numbers if number) or "no host"


def _trouble(host: Host) -> str:
    return (
        f'<section class="finding"><strong class=bad>{text(host.name)}: {text(host.state)}</strong> '
        f"{text(_MEANING[host.state])}"
        + (f"<p>{text(host.code)}: {code(host.what)}</p>" if host.code else "")
        + (f"<pre>{text(chr(10).join(host.evidence))}</pre>" if host.evidence else "")
        + (f"<p>Next step: {code(host.hint)}</p>" if host.hint else "")
        + "</section>"
    )


def _overview(hosts: Sequence[Host]) -> str:
    rows = (
        f"<th scope=row>{text(host.name)}</th>"
        f'<td class="{_MARK.get(host.state, "bad")}">{text(host.state)}</td>'
        f"<td>{text(host.tensorflow)}</td><td>{text(host.python)}</td>"
        f"<td>{'' if host.before is None else host.before}</td>"
        f"<td>{'' if host.generation is None else host.generation}</td>"
        for host in hosts
    )
    return table(("host", "state", "TensorFlow", "Python", "before", "generation in use"), rows)


def _matrix(hosts: Sequence[Host]) -> str:
    legs = list(dict.fromkeys(check.leg for host in hosts for check in host.checks))
    if not legs:
        return "<p class=none>No host sent results of checks</p>"
    rows = []
    for host in hosts:
        for device in dict.fromkeys(check.device for check in host.checks):
            mine = {check.leg: check for check in host.checks if check.device == device}
            cells = "".join(_cell(mine.get(leg)) for leg in legs)
            rows.append(f"<th scope=row>{text(host.name)}</th><td>{text(device)}</td>{cells}")
    return table(("host", "device", *map(text, legs)), rows)


def _cell(check: Check | None) -> str:
    if check is None:
        return "<td class=mark></td>"
    # A word beside the colour: not everybody sees colours, and the page may be printed in grey.
    shown = "not here" if check.skipped else "ok" if check.ok else f"✗ {check.code}"
    mark = "none" if check.skipped else "good" if check.ok else "bad"
    return f'<td class="mark {mark}" title="{text(check.evidence[:300])}">{text(shown)}</td>'
