"""A verdict as one HTML page that needs nothing else: no network, no script, readable on paper."""

from __future__ import annotations

from datetime import datetime
from html import escape

from tfprov.redact import redact
from tfprov.smoke.records import Device, Leg, Verdict
from tfprov.smoke.verdict import name_of, remedy
from tfprov.words import count, duration

_STYLE = """
:root { color-scheme: light dark; --good: #1a7f37; --bad: #cf222e; --none: #6e7781; --line: #d0d7de; --soft: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --good: #3fb950; --bad: #f85149; --none: #8b949e; --line: #30363d; --soft: #161b22; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; border-bottom: 1px solid var(--line); }
.good { color: var(--good); } .bad { color: var(--bad); } .none { color: var(--none); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border: 1px solid var(--line); padding: .15rem .6rem; text-align: left; vertical-align: top; }
td.mark { text-align: center; } td.mark, th { white-space: nowrap; }
pre { background: var(--soft); border: 1px solid var(--line); padding: .6rem; overflow-x: auto; font-size: .82rem;
      white-space: pre-wrap; overflow-wrap: anywhere; }
section.finding { border-left: 4px solid var(--bad); padding-left: 1rem; margin: 1rem 0; }
section.around { border-left-color: var(--none); }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: currentColor; } svg .axis { stroke: var(--line); }
svg .good { fill: var(--good); } svg .bad { fill: var(--bad); } svg .none { fill: var(--none); }
@media print {
  :root { color-scheme: light; --good: #1a7f37; --bad: #cf222e; --line: #999; --soft: #fff; }
  body { margin: 0; max-width: none; font-size: 10pt; }
  section.finding, tr, svg { break-inside: avoid; }
  .wide { overflow: visible; }
}
"""
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
        f"<h1>{_text(title)}: <span class={mark}>{word}</span></h1>",
        f"<p>{_summary(verdict, made)}</p>",
        *([f"<p><strong>{_text(verdict.note)}</strong></p>"] if verdict.note else []),
        "<h2>What went wrong</h2>" if _failures(verdict) else "",
        *(_failure(device, leg) for device, leg in _failures(verdict)),
        *(["<h2>Around the environment</h2>"] if verdict.findings else []),
        *(
            f'<section class="finding around"><strong>{_text(finding.code)}</strong>'
            f"<pre>{_text(finding.evidence)}</pre></section>"
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
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}: {word}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _summary(verdict: Verdict, made: datetime) -> str:
    parts = [
        f"TensorFlow {verdict.tensorflow}" if verdict.tensorflow else "no TensorFlow",
        f"Python {verdict.python}" if verdict.python else "Python unknown",
        f"level {verdict.level}",
        count(sum(len(device.legs) for device in verdict.devices), "check"),
        duration(verdict.seconds),
        made.isoformat(sep=" ", timespec="seconds"),
    ]
    return _text(" · ".join(parts))


def _failures(verdict: Verdict) -> list[tuple[Device, Leg]]:
    return [(device, leg) for device in verdict.devices for leg in device.legs if not leg.ok]


def _failure(device: Device, leg: Leg) -> str:
    return (
        f'<section class="finding"><strong class=bad>{_text(leg.code or "")}</strong> '
        f"{_text(leg.leg)} on {_text(name_of(device))}"
        f"<pre>{_text(leg.evidence)}</pre><p>Next step: {_code(remedy(leg))}</p></section>"
    )


def _matrix(verdict: Verdict) -> str:
    legs = list(dict.fromkeys(leg.leg for device in verdict.devices for leg in device.legs))
    head = "".join(f"<th scope=col>{_text(device.name)}</th>" for device in verdict.devices)
    about = "".join(f"<td>{_text(device.description)}</td>" for device in verdict.devices)
    described = any(device.description for device in verdict.devices)
    rows = []
    for name in legs:
        cells = []
        for device in verdict.devices:
            found = [leg for leg in device.legs if leg.leg == name]
            cells.append(_cell(found[0]) if found else "<td class=mark></td>")
        rows.append(f"<tr><th scope=row>{_text(name)}</th>{''.join(cells)}</tr>")
    return (
        f"<div class=wide><table><thead><tr><th></th>{head}</tr></thead><tbody>"
        + (f"<tr><th></th>{about}</tr>" if described else "")
        + "".join(rows)
        + "</tbody></table></div>"
    )


def _cell(leg: Leg) -> str:
    # The word stands beside the colour: not everybody sees it, and paper may be grey.
    text = "not here" if leg.skipped else f"ok {duration(leg.seconds)}" if leg.ok else f"✗ {leg.code}"
    return f'<td class="mark {_mark(leg)}">{_text(text)}</td>'


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
            f'<text x="{x:.1f}" y="{height - 4}">{_text(duration(end * part / 4))}</text>'
        )
    for row, (device, leg) in enumerate(bars):
        y = _ROW * row + 2
        x = _LEFT + scale * (leg.started or 0.0)
        width = max(1.5, scale * leg.seconds)
        parts.append(
            f'<text x="0" y="{y + 11}">{_text(f"{device.name} {leg.leg}")}</text>'
            f'<rect class="{_mark(leg)}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 4}" rx="2"/>'
            f'<text x="{x + width + 4:.1f}" y="{y + 11}">{_text(duration(leg.seconds))}</text>'
        )
    return "".join([*parts, "</svg>"])


def _evidence(verdict: Verdict) -> str:
    rows = "".join(
        f"<tr><td>{_text(device.name)}</td><td>{_text(leg.leg)}</td><td>{_text(leg.evidence)}</td></tr>"
        for device in verdict.devices
        for leg in device.legs
        if leg.ok
    )
    return f"<div class=wide><table><tbody>{rows}</tbody></table></div>"


def _versions(verdict: Verdict) -> str:
    rows = "".join(
        f"<tr><th scope=row>{_text(name)}</th><td>{_text(value)}</td></tr>"
        for name, value in (*verdict.packages, *verdict.build)
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _code(text: str) -> str:
    """Backticks become code."""
    parts = _text(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _text(value: str) -> str:
    return escape(redact(value))
