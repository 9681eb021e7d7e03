"""What is known when a log has been read: the facts that came with it, and those that the log itself tells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType

from tfprov.diagnose.quotes import any_quotes, plain
from tfprov.diagnose.records import Hit, LogContext, LogLine

CLUE = "clue"
"""In place of a failure code: the line says nothing about a fault, but something about the machine or the wish."""


SIGN = "sign"
"""In place of a failure code: the line says that something failed, and not what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A log as the conditions see it.

    Attributes:
        context: facts, those of the log filled in where none were given.
        told: what the log tells beyond the context's fields: `gpu_wanted`, `pip`, `tensorflow`, `capability` …
        hits: rules that matched, clues left out.
        last: number of the last line of each clue.
        unaccounted: lines that say that something failed after all work, and of which no rule says more; the most
            telling first.
    """

    context: LogContext
    told: Mapping[str, str]
    hits: Sequence[Hit]
    last: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    unaccounted: tuple[LogLine, ...] = ()

    @property
    def gpu_wanted(self) -> bool | None:
        """Whether a GPU is asked for; None when neither the profile nor the log says so."""
        accelerator = self.context.accelerator
        if accelerator in {"cuda", "rocm", "metal"}:
            return True
        if accelerator == "cpu":
            return False
        if "gpu_wanted" in self.told:
            return True
        return False if "cpu_wanted" in self.told else None

    @property
    def python(self) -> tuple[int, ...] | None:
        """Version of the Python as numbers; None when not known."""
        return numbers(self.context.python)

    @property
    def tensorflow(self) -> tuple[int, ...] | None:
        """Version of TensorFlow that the log speaks of, as numbers."""
        return numbers(self.told.get("tensorflow"))


def numbers(version: str | None) -> tuple[int, ...] | None:
    """The leading numbers of a version; None when it has none."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version or "")
    return tuple(int(part) for part in found[1].split(".")) if found else None


def look(hits: Sequence[Hit], context: LogContext) -> View:
    """Take the clues out of the hits and complete the context with them. What was given is never overruled."""
    told: dict[str, str] = {}
    last: dict[str, int] = {}
    for hit in hits:
        if hit.rule.code == SIGN:
            continue
        if hit.rule.code == CLUE:
            for name, value in hit.captures.items():
                # A tag of manylinux writes 2.28 as `2_28`.
                told.setdefault(name, value.replace("_", ".") if name == "glibc" else value)
                last[name] = max(last.get(name, 0), hit.last)
        else:
            for name in ("tensorflow", "capability", "python"):
                if name in hit.captures:
                    told.setdefault(name, hit.captures[name])
    completed = replace(context, **_learned(told, context))  # type: ignore[arg-type]  # made for the field of its name
    rules = [hit for hit in hits if hit.rule.code not in {CLUE, SIGN}]
    signs = [hit for hit in hits if hit.rule.code == SIGN]
    unaccounted = _unaccounted(signs, rules, worked=max(last.get("is_success", 0), last.get("is_working", 0)))
    return View(context=completed, told=told, hits=rules, last=last, unaccounted=unaccounted)


def _unaccounted(signs: Sequence[Hit], rules: Sequence[Hit], *, worked: int) -> tuple[LogLine, ...]:
    """Lines of signs after the last line of work that no other rule has read, by number or by text.

    Only the first lines and the last one of a rule are kept, so a repeated line is recognised by what it says.
    """
    known = {line.number for hit in rules for line in hit.lines}
    patterns = [re.compile(any_quotes(hit.rule.pattern), re.IGNORECASE) for hit in rules if hit.count > len(hit.lines)]
    # Of exceptions the last one was not caught; of other words the first is nearest to the cause.
    told = [
        (-hit.rule.rank, -line.number if hit.rule.rank == _EXCEPTION else line.number, line)
        for hit in signs
        for line in hit.lines
        if line.number > worked and line.number not in known
        if not any(pattern.search(plain(line.text)) for pattern in patterns)
    ]
    return tuple(dict.fromkeys(line for _, _, line in sorted(told, key=lambda one: one[:2])))


_EXCEPTION = 3
"""Rank of the sign that is the last line of an exception."""

_SYSTEMS = {"is_linux": "linux", "is_macos": "macos", "is_windows": "windows"}
# Clues that say something by being there at all: name of the clue, field, value.
_SIGNS: tuple[tuple[str, str, object], ...] = (
    ("is_musl", "libc", "musl"),
    ("is_32bit", "bits", 32),
    ("is_wsl", "wsl", True),
    ("is_container", "container", "docker"),
    ("is_emulated", "emulated", True),
    ("has_gpu", "gpu", True),
)


def _learned(told: Mapping[str, str], context: LogContext) -> dict[str, object]:
    learned: dict[str, object] = {
        one.name: told[one.name]
        for one in fields(LogContext)
        if one.name in told and getattr(context, one.name) is None
    }
    if context.system is None:
        # What was told first: a log of WSL names folders of Windows too.
        systems = [_SYSTEMS[sign] for sign in told if sign in _SYSTEMS]
        learned.update({"system": systems[0]} if systems else {})
    for sign, name, value in _SIGNS:
        if sign in told and getattr(context, name) is None:
            learned.setdefault(name, value)
    if context.python is None and "tag" in told:
        learned.setdefault("python", _of_tag(told["tag"]))
    return learned


def _of_tag(tag: str) -> str | None:
    found = re.match(r"(?:cp|py)?(\d)(\d{1,2})$", tag.lower())
    return f"{found[1]}.{found[2]}" if found else None
