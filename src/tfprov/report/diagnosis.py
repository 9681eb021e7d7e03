"""A diagnosis as text and as JSON, and the page about a failure code."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from tfprov.diagnose.about import about
from tfprov.diagnose.diagnose import diagnose_text
from tfprov.diagnose.records import NOISE, Diagnosis, Finding, ProfileChange, Rule
from tfprov.diagnose.rules import RULES
from tfprov.errors import CODES, TfprovError
from tfprov.ladder.rungs import HELP, TRANSIENT
from tfprov.redact import redact
from tfprov.words import count, size

_WIDTH = 110
_EVIDENCE = 6
_SEND = (
    "hint: the cause may be in an earlier part: pass the whole log, from the command on; if this is all of it,",
    "      send it with `tfprov report PROFILE -o report.zip`, which removes secrets and names",
)
_NOISE_SHOWN = 8

_RUNGS = {
    "patient": "with longer time-outs and fewer connections",
    "other-route": "by another route (proxy, direct)",
    "other-source": "from another mirror",
    "fresh": "without caches",
    "other-installer": "with the other installer",
    "other-release": "with the next release, where `allow-fallback` permits it",
    "repair": "after a known cure",
}


def text(found: Diagnosis, *, difference: str = "", source: str = "the log") -> str:
    """The diagnosis of a log, root cause first."""
    read = f"{count(found.lines, 'line')}, {size(found.bytes)}"
    causes = [one for one in found.findings if one.role == "cause"]
    consequences = [one for one in found.findings if one.role == "consequence"]
    unknown = [one for one in found.findings if one.role == "unknown"]
    noise = [one for one in found.findings if one.role == "noise"]
    lines: list[str] = []
    for number, one in enumerate(causes):
        lines += [""] if lines else []
        lines += _cause(one, "cause" if number == 0 else "also", difference if number == 0 else "")
    for one in unknown:
        lines += _unknown(one, source, read)
    if not causes and not unknown:
        lines += _nothing(found, source, read, is_harmless=bool(noise))
    if consequences:
        lines += ["", "follows from it"]
        lines += [f"  {one.code:<24} {_place(one)}  because of {one.follows}" for one in consequences]
    if noise:
        lines += ["", f"harmless ({count(sum(one.count for one in noise), 'line')})"]
        lines += [f"  {_place(one):<12} {one.what}" for one in noise[:_NOISE_SHOWN]]
        lines += [f"  … and {len(noise) - _NOISE_SHOWN} more kinds"] if len(noise) > _NOISE_SHOWN else []
    if causes:
        lines += ["", f"read {read}; more about a code: `tfprov explain --code {causes[0].code}`"]
    return redact("\n".join(lines))


def document(found: Diagnosis, *, difference: str = "") -> dict[str, object]:
    """The diagnosis as a JSON document."""
    return {
        "findings": [_finding(one) for one in found.findings],
        "lines": found.lines,
        "bytes": found.bytes,
        "difference": difference or None,
        "tail": [one.text for one in found.tail] if found.root is None else [],
    }


def page(code: str) -> str:
    """The page about a failure code: meaning, messages, what tfprov does, what the user can do, an example.

    Raises:
        TfprovError: `usage` for an unknown code, suggesting similar ones.
    """
    if code == NOISE:
        return _noise_page()
    if code not in CODES:
        import difflib

        near = difflib.get_close_matches(code, CODES, n=3)
        hint = f"did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else "all codes: docs/codes.md"
        raise TfprovError("usage", f"there is no code `{code}`", hint=hint)
    row, known = CODES[code], about(code)
    lines = [f"{code}: {row.meaning}", f"  group     {row.group.label}, exit status {row.group.value}"]
    lines += _wrapped("shows as", shown_as(code))
    lines += _wrapped("tfprov", (known.alone, *rungs(code)))
    lines += _wrapped("you", (known.you,))
    lines += _wrapped("commands", known.commands)
    lines += _wrapped("profile", (_change(change) for change in known.changes))
    lines += _wrapped("ask for", (known.ask,) if known.ask else ())
    example = worked_example(code)
    if example:
        lines += ["", "example", *(f"  {row}" for row in example)]
    return "\n".join(lines)


def shown_as(code: str) -> tuple[str, ...]:
    """The formats of the messages that lead to a code."""
    reads = [rule.reads for rule in RULES if code in (rule.code, *(case.code for case in rule.cases))]
    return tuple(dict.fromkeys(reads)) or ("found by tfprov itself; no tool prints it",)


def rungs(code: str) -> tuple[str, ...]:
    """The strategies that the ladder tries for a code, in words."""
    ways = [_RUNGS[rung.value] for rung in HELP[code] if rung.value in _RUNGS]
    again = ("the same try may succeed a moment later, and is repeated",) if code in TRANSIENT else ()
    return (*again, f"tries again {', then '.join(ways)}") if ways else (*again, "no other strategy can help: it stops")


def worked_example(code: str) -> tuple[str, ...]:
    """Lines of a log and the diagnosis that they lead to; empty when no tool prints the code."""
    for rule in RULES:
        for example in rule.examples if code in (rule.code, *(case.code for case in rule.cases)) else ():
            root = diagnose_text(example).root
            if root is not None and root.code == code and root.remedy is not None:
                head = [textwrap.shorten(line, _WIDTH, placeholder=" …") for line in example.splitlines()]
                return (*head, f"=> {code}: {root.what}", f"   {root.remedy.text}")
    return ()


def _cause(one: Finding, label: str, difference: str) -> Iterator[str]:
    yield f"{label}[{one.code}]: {one.what}"
    for number, line in enumerate(one.evidence[:_EVIDENCE]):
        yield f"  {'evidence' if number == 0 else '':<10}line {line.number}: {line.text}"
    if one.count > _EVIDENCE:
        yield f"  {'':<10}… {count(one.count, 'line')} in all"
    if one.certainty is not None and one.certainty != "certain":
        yield from _wrapped("how sure", (f"{one.certainty}; to be sure, {one.to_be_sure}",))
    if one.remedy is None:
        return
    yield from _wrapped("next", (one.remedy.text,))
    yield from _wrapped("run", one.remedy.commands)
    if difference:
        yield from _wrapped("profile", difference.splitlines())
    else:
        yield from _wrapped("profile", (_change(change) for change in one.remedy.changes))
    yield from _wrapped("ask for", (one.remedy.ask,) if one.remedy.ask else ())


def _unknown(one: Finding, source: str, read: str) -> Iterator[str]:
    yield f"unknown: something failed in {source}, and no rule recognises it ({read})"
    if one.rules:
        yield from _wrapped("frames say", (one.what,))
    for number, line in enumerate(one.evidence[:_EVIDENCE]):
        yield f"  {'evidence' if number == 0 else '':<10}line {line.number}: {line.text}"
    yield from _SEND


def _nothing(found: Diagnosis, source: str, read: str, *, is_harmless: bool) -> Iterator[str]:
    if is_harmless:
        yield f"no known fault in {source} ({read}): what looks like one is harmless"
    else:
        yield f"nothing in {source} was recognised ({read})"
    if found.tail:
        yield "  its last lines"
        yield from (f"    {line.number}: {line.text}" for line in found.tail)
    yield from _SEND


def _place(one: Finding) -> str:
    if not one.lines:
        return "exit status"
    return f"line {one.lines[0]}" + (f" and {one.count - 1} more" if one.count > 1 else "")


def _change(change: ProfileChange) -> str:
    value = change.value
    shown = str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
    if isinstance(value, tuple):
        shown = "[" + ", ".join(f'"{one}"' for one in value) + "]"
    return f"{change.key} = {shown}"


def _wrapped(label: str, texts: Iterable[str]) -> Iterator[str]:
    rows = [row for entry in texts for row in (textwrap.wrap(entry, _WIDTH) or [entry])]
    yield from (f"  {label if number == 0 else '':<10}{row}" for number, row in enumerate(rows))


def _noise_page() -> str:
    lines = ["noise: lines that look like a fault and are harmless"]
    noise: list[Rule] = [rule for rule in RULES if rule.code == NOISE]
    for rule in noise:
        lines += [f"  {rule.reads}", f"    {textwrap.shorten(rule.examples[0], _WIDTH, placeholder=' …')}"]
    return "\n".join(lines)


def _finding(one: Finding) -> dict[str, object]:
    remedy = one.remedy
    return {
        "code": one.code,
        "group": one.group.label if one.group else None,
        "role": one.role,
        "what": one.what,
        "lines": list(one.lines),
        "evidence": [line.text for line in one.evidence],
        "count": one.count,
        "certainty": one.certainty,
        "to_be_sure": one.to_be_sure or None,
        "follows": one.follows,
        "rules": list(one.rules),
        "captures": dict(one.captures),
        "remedy": None
        if remedy is None
        else {
            "text": remedy.text,
            "commands": list(remedy.commands),
            "changes": [{"key": change.key, "value": change.value} for change in remedy.changes],
            "ask": remedy.ask,
        },
    }
