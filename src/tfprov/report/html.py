"""A verdict as one HTML page that needs nothing else: no network, no script, readable on paper."""

from __future__ import annotations

from datetime import datetime

from tfprov.report.page import code, page, text
from tfprov.smoke.records import Device, Leg, Verdict
from tfprov.smoke.verdict import name_of, remedy
from tfprov.words import count, duration

_ROW = 16
_LEFT = 240
_WIDTH = 1100


def render(verdict: Verdict, *, title: str, made: datetime) -> str:
    """The page.

    Args:
        verdict: what to show.
        title: name of the environment or path of its interpreter.
        made: moment of the test.
    """
    word, mark = ("verified", "good") if verdict.ok else ("failed", "bad")
    body = [
        f"<h1>{text(title)}: <span class={mark}>{word}</span></h1>",
        f"<p>{_summary(verdict, made)}</p>",
        *([f"<p><strong>{text(verdict.note)}</strong></p>"] if verdict.note else []),
        "<h2>What went wrong</h2>" if _failures(verdict) else "",
        *(_failure(device, leg) for device, leg in _failures(verdict)),
        *(["<h2>Around the environment</h2>"] if verdict.findings else []),
        *(
            f'<section class="finding around"><strong>{text(finding.code)}</strong>'
            f"<pre>{text(finding.evidence)}</pre></section>"
            for finding in verdict.findings
        ),
        "<h2>Devices and checks</h2>",
        _matrix(verdict),
        "<h2>Time line</h2>",
        _time_line(verdict),
        "<h2>Evidence</h2>",
        _evidence(verdict),
        "<h2>Versions</h2>",
        _versions(verdict),
    ]
    return page(f"{title}: {word}", body)


def _summary(verdict: Verdict, made: datetime) -> str:
    parts = [
        f"TensorFlow {verdict.tensorflow}" if verdict.tensorflow else "no TensorFlow",
        f"Python {verdict.python}" if verdict.python else "Python unknown",
        f"level {verdict.level}",
        count(sum(len(device.legs) for device in verdict.devices), "check"),
        duration(verdict.seconds),
        made.isoformat(sep=" ", timespec="seconds"),
    ]
    return text(" · ".join(parts))


def _failures(verdict: Verdict) -> list[tuple[Device, Leg]]:
    return [(device, leg) for device in verdict.devices for leg in device.legs if not leg.ok]


def _failure(device: Device, leg: Leg) -> str:
    return (
        f'<section class="finding"><strong class=bad>{text(leg.code or "")}</strong> '
        f"{text(leg.leg)} on {text(name_of(device))}"
        f"<pre>{text(leg.evidence)}</pre><p>Next step: {code(remedy(leg))}</p></section>"
    )


def _matrix(verdict: Verdict) -> str:
    legs = list(dict.fromkeys(leg.leg for device in verdict.devices for leg in device.legs))
    head = "".join(f"<th scope=col>{text(device.name)}</th>" for device in verdict.devices)
    about = "".join(f"<td>{text(device.description)}</td>" for device in verdict.devices)
    described = any(device.description for device in verdict.devices)
    rows = []
    for name in legs:
        cells = []
        for device in verdict.devices:
            found = [leg for leg in device.legs if leg.leg == name]
            cells.append(_cell(found[0]) if found else "<td class=mark></td>")
        rows.append(f"<tr><th scope=row>{text(name)}</th>{''.join(cells)}</tr>")
    return (
        f"<div class=wide><table><thead><tr><th></th>{head}</tr></thead><tbody>"
        + (f"<tr><th></th>{about}</tr>" if described else "")
        + "".join(rows)
        + "</tbody></table></div>"
    )


def _cell(leg: Leg) -> str:
    # The word stands beside the colour: not everybody sees it, and paper may be grey.
    words = "not here" if leg.skipped else f"ok {duration(leg.seconds)}" if leg.ok else f"✗ {leg.code}"
    return f'<td class="mark {_mark(leg)}">{text(words)}</td>'


def _mark(leg: Leg) -> str:
    return "none" if leg.skipped else "good" if leg.ok else "bad"


def _time_line(verdict: Verdict) -> str:
    bars = [(device, leg) for device in verdict.devices for leg in device.legs if leg.started is not None]
    bars.sort(key=lambda pair: pair[1].started or 0.0)
    if not bars:
        return "<p class=none>No leg says when it began</p>"
    end = max(0.1, verdict.seconds, *((leg.started or 0.0) + leg.seconds for _, leg in bars))
    scale = (_WIDTH - _LEFT - 70) / end
    height = _ROW * (len(bars) + 1) + 8
    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Time line of the checks">']
    for part in range(5):
        x = _LEFT + scale * end * part / 4
        parts.append(
            f'<line class="axis" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height - _ROW}"/>'
            f'<text x="{x:.1f}" y="{height - 4}">{text(duration(end * part / 4))}</text>'
        )
    for row, (device, leg) in enumerate(bars):
        y = _ROW * row + 2
        x = _LEFT + scale * (leg.started or 0.0)
        width = max(1.5, scale * leg.seconds)
        parts.append(
            f'<text x="0" y="{y + 11}">{text(f"{device.name} {leg.leg}")}</text>'
            f'<rect class="{_mark(leg)}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 4}" rx="2"/>'
            f'<text x="{x + width + 4:.1f}" y="{y + 11}">{text(duration(leg.seconds))}</text>'
        )
    return "".join([*parts, "</svg>"])


def _evidence(verdict: Verdict) -> str:
    rows = "".join(
        f"<tr><td>{text(device.name)}</td><td>{text(leg.leg)}</td><td>{text(leg.evidence)}</td></tr>"
        for device in verdict.devices
        for leg in device.legs
        if leg.ok
    )
    return f"<div class=wide><table><tbody>{rows}</tbody></table></div>"


def _versions(verdict: Verdict) -> str:
    rows = "".join(
        f"<tr><th scope=row>{text(name)}</th><td>{text(value)}</td></tr>"
        for name, value in (*verdict.packages, *verdict.build)
    )
    return f"<table><tbody>{rows}</tbody></table>"
