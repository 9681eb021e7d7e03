"""A verdict as one self-contained HTML page: no network, no script, readable on paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from tfprov.report.page import code, page, table, text
from tfprov.report.text import tally
from tfprov.smoke.receipt import Difference
from tfprov.smoke.records import Device, Leg, Verdict
from tfprov.smoke.verdict import name_of, remedy
from tfprov.words import count, duration

_STYLE = """
:root { --good-soft: #dafbe1; --bad-soft: #ffebe9; --none-soft: #eaeef2; }
@media (prefers-color-scheme: dark) { :root { --good-soft: #12301d; --bad-soft: #3d1517; --none-soft: #21262d; } }
* { box-sizing: border-box; }
body { overflow-wrap: anywhere; }
header { border-left: 8px solid var(--none); padding: .2rem 0 .2rem 1rem; }
header.good { border-color: var(--good); } header.bad { border-color: var(--bad); }
header h1 { margin: 0; color: CanvasText; } header p { margin: .2rem 0; color: CanvasText; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .45rem; margin: .8rem 0; }
.tile { border: 1px solid var(--line); border-left: 4px solid var(--none); border-radius: 4px; padding: .3rem .6rem;
        font-size: .88rem; line-height: 1.35; color: CanvasText; }
.tile.good { border-left-color: var(--good); } .tile.bad { border-left-color: var(--bad); background: var(--bad-soft); }
.tile.none { background: var(--none-soft); }
.tile b { display: block; } .tile small { display: block; color: var(--none); font-size: .8rem; }
table.matrix { overflow-wrap: normal; } table.matrix th { background: var(--soft); text-align: left; }
table.matrix thead small { display: block; white-space: normal; max-width: 13rem; color: var(--none);
                           font-weight: normal; }
table.matrix th[scope=row] { position: sticky; left: 0; font-weight: normal; }
td.mark.good { background: var(--good-soft); } td.mark.bad { background: var(--bad-soft); font-weight: bold; }
td.mark.none { background: var(--none-soft); }
.lanes { font-size: .8rem; margin-top: .6rem; overflow-wrap: normal; }
.lane { display: grid; grid-template-columns: 6.5rem 1fr; align-items: center; margin: 3px 0; }
.bars { position: relative; height: 1.5rem; background: var(--soft); border-radius: 3px; overflow: hidden; }
.bar { position: absolute; top: 2px; bottom: 2px; min-width: 2px; border-radius: 2px; overflow: hidden; color: #fff;
       white-space: nowrap; line-height: calc(1.5rem - 4px); border-right: 1px solid Canvas; }
.bar span { padding: 0 .3rem; }
.bar.good { background: #1a7f37; } .bar.bad { background: #cf222e; } .bar.none { background: #6e7781; }
.scale { display: flex; justify-content: space-between; color: var(--none); margin-left: 6.5rem; }
details { margin: .5rem 0; } summary { cursor: pointer; font-weight: bold; }
table.proof { width: 100%; table-layout: fixed; } table.proof td { white-space: pre-wrap; }
table.proof td:first-child { width: 10rem; } table.proof td:nth-child(2) { width: 5rem; }
section.cure { border-left-color: var(--good); } section.finding p { margin: .3rem 0; }
@media (max-width: 40rem) {
  body { margin: 1rem auto; padding: 0 .7rem; }
  .lane { grid-template-columns: 5.4rem 1fr; } .scale { margin-left: 5.4rem; }
  table.proof td:first-child { width: 7.2rem; } table.proof td:nth-child(2) { width: 3.8rem; }
}
@media print {
  :root { --good-soft: #eefaf1; --bad-soft: #ffebe9; --none-soft: #f1f3f5; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .tile, .lane { break-inside: avoid; } h2, summary { break-after: avoid; }
  table.matrix { font-size: 8pt; } table.matrix th[scope=row] { position: static; }
}
"""
# A bar that takes a smaller part of the width has no room for a name.
_NAMED_PART = 0.06
_SLOWEST = 5


def render(
    verdict: Verdict, *, title: str, made: datetime, since: str | None = None, differences: Sequence[Difference] = ()
) -> str:
    """The HTML page of a verdict.

    Args:
        verdict: the verdict to show.
        title: name of the environment or path of its interpreter.
        made: time of the test.
        since: time of the receipt that it is compared with; None when there is none.
        differences: from that receipt.
    """
    word, mark = ("verified", "good") if verdict.ok else ("failed", "bad")
    failed = [(device, leg) for device, leg in verdict.legs if not leg.ok]
    skipped = [(device, leg) for device, leg in verdict.legs if leg.skipped]
    around = (_around(finding.code, finding.evidence) for finding in verdict.findings)
    body = [
        f'<header class="{mark}"><h1>{text(title)}: <span class={mark}>{word}</span></h1>',
        f"<p>{_summary(verdict, made)}</p><p>{text(tally(verdict))}</p></header>",
        f"<p><strong>{text(verdict.note)}</strong></p>" if verdict.note else "",
        _tiles(_device_tile(device) for device in verdict.devices),
        *_section("What went wrong", (_failure(device, leg) for device, leg in failed)),
        *_section("What was changed in the environment", map(_cure, verdict.cures)),
        *_section("Around the environment", around),
        *(_section(f"Since {since}", _differences(differences)) if since is not None else ()),
        *_section("The environment", _environment(verdict)),
        *_section("Devices and checks", _matrix(verdict)),
        *_section("Not checked", (_not_checked(device, leg) for device, leg in skipped)),
        "<h2>Time line</h2>",
        _time_line(verdict),
        "<h2>Evidence</h2>",
        *(_evidence(device) for device in verdict.devices),
        *_section("Versions", _versions(verdict)),
    ]
    return page(f"{title}: {word}", body, style=_STYLE)


def _section(heading: str, parts: Iterable[str]) -> list[str]:
    """A heading and its parts; empty when there are no parts."""
    found = [part for part in parts if part]
    return [f"<h2>{text(heading)}</h2>", *found] if found else []


def _summary(verdict: Verdict, made: datetime) -> str:
    parts = [
        f"TensorFlow {verdict.tensorflow}" if verdict.tensorflow else "no TensorFlow",
        f"Python {verdict.python}" if verdict.python else "Python unknown",
        f"level {verdict.level}",
        count(len(verdict.legs), "check"),
        duration(verdict.seconds),
        made.isoformat(sep=" ", timespec="seconds"),
    ]
    return text(" · ".join(parts))


def _tiles(tiles: Iterable[str]) -> str:
    return f"<div class=tiles>{''.join(tiles)}</div>"


def _device_tile(device: Device) -> str:
    failed, skipped = sum(not leg.ok for leg in device.legs), sum(leg.skipped for leg in device.legs)
    mark = "good" if device.ok else "bad"
    said = f"{failed} of {len(device.legs)} failed" if failed else f"{len(device.legs) - skipped} passed"
    said += f", {skipped} skipped" if skipped else ""
    about = f"<small>{text(device.description)}</small>" if device.description else ""
    return f'<div class="tile {mark}"><b>{text(device.name)}</b><span class={mark}>{text(said)}</span>{about}</div>'


def _failure(device: Device, leg: Leg) -> str:
    return (
        f'<section class="finding"><strong class=bad>{text(leg.code or "")}</strong> '
        f"{text(leg.leg)} on {text(name_of(device))}"
        f"<pre>{text(leg.evidence)}</pre><p>Next step: {code(remedy(leg))}</p></section>"
    )


def _cure(told: str) -> str:
    return f'<section class="finding cure"><p>{code(told)}</p></section>'


def _around(name: str, evidence: str) -> str:
    return f'<section class="finding around"><strong>{text(name)}</strong><pre>{text(evidence)}</pre></section>'


def _differences(differences: Sequence[Difference]) -> list[str]:
    """A table of the differences from the receipt."""
    if not differences:
        return ["<p>Everything is as it was</p>"]
    rows = (
        f"<th scope=row>{text(one.what)}</th><td>{text(one.was or 'not there')}</td>"
        f"<td class={'bad' if one.worse else 'none'}>{text(one.now or 'not there')}</td>"
        for one in differences
    )
    return [table(("", "was", "is"), rows)]


def _not_checked(device: Device, leg: Leg) -> str:
    return f"<p class=none>{text(leg.leg)} on {text(name_of(device))}: {code(leg.evidence)}</p>"


def _environment(verdict: Verdict) -> list[str]:
    """One tile for each check of the environment itself."""
    legs = [leg for device, leg in verdict.legs if device.kind == "environment"]
    tiles = (
        f'<div class="tile {_mark(leg)}"><b>{text(leg.leg)}</b><span class={_mark(leg)}>{text(_word(leg))}</span></div>'
        for leg in legs
    )
    return [_tiles(tiles)] if legs else []


def _matrix(verdict: Verdict) -> list[str]:
    """Table of checks by device; the cell of a check that a device does not have is empty."""
    devices = [device for device in verdict.devices if device.kind != "environment"]
    legs = list(dict.fromkeys(leg.leg for device in devices for leg in device.legs))
    if not legs:
        return []
    rows = []
    for name in legs:
        found = [next((leg for leg in device.legs if leg.leg == name), None) for device in devices]
        cells = (
            f'<td class="mark {_mark(leg)}">{text(_word(leg))}</td>' if leg else "<td class=mark></td>" for leg in found
        )
        rows.append(f"<th scope=row>{text(name)}</th>{''.join(cells)}")
    heads = (f"{text(one.name)}<small>{text(one.description)}</small>" for one in devices)
    return [table(("", *heads), rows, kind="matrix")]


def _word(leg: Leg) -> str:
    # A word beside the colour: not everybody sees colours, and the page may be printed in grey.
    return "skipped" if leg.skipped else f"ok {duration(leg.seconds)}" if leg.ok else f"✗ {leg.code}"


def _mark(leg: Leg) -> str:
    return "none" if leg.skipped else "good" if leg.ok else "bad"


def _time_line(verdict: Verdict) -> str:
    """One lane per device and one bar per check, on a common scale; below them, the slowest checks."""
    timed = [(device, leg, leg.started) for device, leg in verdict.legs if leg.started is not None]
    if not timed:
        return "<p class=none>No check recorded when it began</p>"
    end = max(0.1, verdict.seconds, *(started + leg.seconds for _, leg, started in timed))
    lanes = []
    for device in verdict.devices:
        bars = "".join(_bar(leg, started, end) for one, leg, started in timed if one is device)
        if bars:
            lanes.append(f"<div class=lane><span>{text(device.name)}</span><div class=bars>{bars}</div></div>")
    scale = "".join(f"<span>{text(duration(end * part / 4))}</span>" for part in range(5))
    slowest = sorted(timed, key=lambda each: -each[1].seconds)[:_SLOWEST]
    listed = ", ".join(f"{leg.leg} on {name_of(device)} {duration(leg.seconds)}" for device, leg, _ in slowest)
    return f"<div class=lanes>{''.join(lanes)}<div class=scale>{scale}</div></div><p>Longest: {text(listed)}</p>"


def _bar(leg: Leg, started: float, end: float) -> str:
    left, width = max(0.0, min(1.0, started / end)), max(0.0, min(1.0, leg.seconds / end))
    name = f"<span>{text(leg.leg)}</span>" if width >= _NAMED_PART else ""
    return (
        f'<div class="bar {_mark(leg)}" style="left:{left:.3%};width:{width:.3%}" '
        f'title="{text(leg.leg)}, {text(duration(leg.seconds))} from {text(duration(started))}">{name}</div>'
    )


def _evidence(device: Device) -> str:
    """Evidence of the checks that passed; the failed ones have a section of their own."""
    rows = "".join(
        f"<tr><td>{text(leg.leg)}</td><td>{text(duration(leg.seconds))}</td><td>{text(leg.evidence)}</td></tr>"
        for leg in device.legs
        if leg.ok and not leg.skipped
    )
    if not rows:
        return ""
    return (
        f"<details open><summary>{text(device.name)}</summary>"
        f'<table class="proof"><tbody>{rows}</tbody></table></details>'
    )


def _versions(verdict: Verdict) -> list[str]:
    rows = "".join(
        f"<tr><th scope=row>{text(name)}</th><td>{text(value)}</td></tr>"
        for name, value in (*verdict.packages, *verdict.build)
    )
    return [f"<table><tbody>{rows}</tbody></table>"] if rows else []
