"""Combines the facts given with a log and those found in it into one view, which conditions are evaluated on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType

from tfprov.diagnose.quotes import any_quotes, plain
from tfprov.diagnose.records import Hit, LogContext, LogLine
from tfprov.structured import whole_number

COMPANION = r"(?:tensorflow_(?!core)|keras_|tf_(?!keras)|tfx|official|tf2onnx|horovod|object_detection)\w*"
"""A pattern for the folders of packages that belong to one release of TensorFlow or Keras."""

CLUE = "clue"
"""In place of a failure code: the line is not about a failure, but states a fact about the machine or the request."""


SIGN = "sign"
"""In place of a failure code: the line says that something failed, but not what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A log in the form in which conditions see it.

    Attributes:
        context: the given facts, completed by those from the log.
        told: facts from the log by name, also ones that are not fields of the context: `gpu_wanted`, `pip`,
            `tensorflow`, `capability` …
        hits: rules that matched, without clues and signs.
        last: number of the last line of each clue, by its name.
        end: number of the last line that says something; 0 when unknown.
        frames: lines of tracebacks that name a file, the first few and the last ones, by their numbers.
        tracebacks: numbers of the lines that begin tracebacks, the first few and the last ones.
        hints: lines that begin with `hint: `, the first few and the last one.
        installed: lines in which pip names what it has installed, the first few and the last one.
        unaccounted: lines that report a failure after the last sign of success, and that no other rule explains; the
            most relevant first.
        ends: lines which say that a program, a step or a run of tests ended as a failure.
        passed_over: numbers of lines about exceptions that Python passes over.
        clues: lines of each clue by the name of its rule, the first few and the last ones.
        tail: the last lines that are not blank.
    """

    context: LogContext
    told: Mapping[str, str]
    hits: Sequence[Hit]
    last: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    end: int = 0
    frames: tuple[LogLine, ...] = ()
    tracebacks: tuple[int, ...] = ()
    hints: tuple[LogLine, ...] = ()
    installed: tuple[LogLine, ...] = ()
    unaccounted: tuple[LogLine, ...] = ()
    ends: tuple[LogLine, ...] = ()
    passed_over: frozenset[int] = frozenset()
    clues: Mapping[str, tuple[LogLine, ...]] = field(default_factory=lambda: MappingProxyType({}))
    tail: tuple[LogLine, ...] = ()

    @property
    def raised(self) -> tuple[LogLine, ...]:
        """Those of the unaccounted lines that say more than that a program ended, and with which status."""
        return tuple(line for line in self.unaccounted if not _STATUS.search(line.text))

    def after(self, number: int, *clues: str) -> int | None:
        """Number of the first line after line `number` that one of the clues was found in; None without one."""
        lines = (line.number for clue in clues for line in self.clues.get(clue, ()))
        return min((line for line in lines if line > number), default=None)

    @property
    def gpu_wanted(self) -> bool | None:
        """Whether a GPU is requested; None when neither the profile nor the log tells."""
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
        """Version of Python as numbers; None when unknown."""
        return numbers(self.context.python)

    @property
    def tensorflow(self) -> tuple[int, ...] | None:
        """Version of TensorFlow in the log as numbers; None when unknown."""
        return numbers(self.told.get("tensorflow"))


def numbers(version: str | None) -> tuple[int, ...] | None:
    """The leading numbers of a version: `(2, 16, 1)` for `v2.16.1rc0`; None when it has none."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version or "")
    return tuple(whole_number(part) or 0 for part in found[1].split(".")) if found else None


def look(hits: Sequence[Hit], context: LogContext, tail: Sequence[LogLine] = ()) -> View:
    """Separate clues and signs from the other hits, and complete the context with facts from the log.

    Args:
        hits: of all rules, in the order of their first line.
        context: the given facts, which take precedence over those from the log.
        tail: the last lines of the log.
    """
    told: dict[str, str] = {}
    last: dict[str, int] = {}
    for hit in hits:
        if hit.rule.code == SIGN:
            continue
        if hit.rule.code == CLUE:
            for name, value in hit.captures.items():
                # manylinux tags write 2.28 as `2_28`.
                told.setdefault(name, value.replace("_", ".") if name == "glibc" else value)
                last[name] = max(last.get(name, 0), hit.last)
        else:
            for name in ("tensorflow", "capability", "python"):
                if name in hit.captures:
                    told.setdefault(name, hit.captures[name])
    completed = replace(context, **_learned(told, context))  # type: ignore[arg-type]  # made for the field of its name
    if "is_advice" in told and "frame" not in told:
        hits = _without_advice(hits)
    rules = [hit for hit in hits if hit.rule.code not in {CLUE, SIGN}]
    over = _passed_over(hits)
    signs = [
        replace(hit, lines=tuple(line for line in hit.lines if line.number not in over))
        for hit in hits
        if hit.rule.code == SIGN
    ]
    worked = max(last.get("is_success", 0), last.get("is_working", 0))
    if last.get("is_failed", 0) > worked:
        worked = 0
    unaccounted = _unaccounted(signs, rules, worked=max(worked, last.get("is_ignored", 0)))
    frames = tuple(line for hit in hits if hit.rule.name == _FRAME for line in hit.lines)
    tracebacks = tuple(line.number for hit in hits if hit.rule.name == _TRACEBACK for line in hit.lines)
    hints = tuple(line for hit in hits if hit.rule.name == HINT for line in hit.lines)
    installed = tuple(line for hit in hits if hit.rule.name == SUCCESS for line in hit.lines)
    return View(
        context=completed,
        told=told,
        hits=rules,
        last=last,
        end=max((line.number for line in tail if not _METER.match(line.text)), default=0),
        frames=frames,
        tracebacks=tracebacks,
        hints=hints,
        installed=installed,
        unaccounted=unaccounted,
        ends=tuple(line for hit in hits for line in hit.lines if _is_end(hit, line)),
        passed_over=over,
        clues=MappingProxyType({hit.rule.name: hit.lines for hit in hits if hit.rule.code == CLUE}),
        tail=tuple(tail),
    )


def asker(view: View, hit: Hit) -> str | None:
    """The package whose code met what a rule matched: that of the last frame of a traceback before the first line.

    Returns:
        Name of the folder in `site-packages`; empty for a file that is in no such folder; None without a frame.
    """
    frame = asking_frame(view, hit)
    if frame is None:
        return None
    found = PACKAGE.search(frame)
    return found["package"] if found else ""


def asking_frame(view: View, hit: Hit) -> str | None:
    """The last frame of a traceback before the first line that a rule matched; None without a frame.

    The modules that TensorFlow puts around others to load or rename them only pass the question on.
    """
    before = (frame.text for frame in reversed(view.frames) if frame.number < hit.first)
    return next((frame for frame in before if not _LAZY.search(frame)), None)


def _is_end(hit: Hit, line: LogLine) -> bool:
    return hit.rule.name in _ENDS or (hit.rule.name == "sign-error" and bool(_OF_TOOL.match(line.text)))


_ENDS = frozenset({"sign-status", "sign-state"})
_OF_TOOL = re.compile(r"(?:ERROR|error): ")
"""How pip, uv and git begin the message that they end with."""

HINT = "own-hint"
SUCCESS = "success"
ADVICE = "advice"
PASSED_OVER = "passed-over"
ACHIEVED = "achieved"
REPORTED = "reported"
ASSERTED = "asserted"
RAISED_IN_TEST = "raised-in-test"
CHAINED = "chained"
VERDICT = "verdict"
COUNTED = "counted"
COMMIT_DATED = "commit-dated"
TESTS_BEGIN = "tests-begin"
TESTS_END = "tests-end"
COMMANDS = "installer-command"
SEARCHED = "interpreter-searched"
NO_INDEX = "no-index"
_PASSED_OVER_BELOW = 40
"""How far below a line that says so the exception may stand that is passed over, in lines."""
_ADVISED_BEFORE = 4
_ADVISED_AFTER = 6
"""How far above and below a line of advice the error may stand that it is about, in lines."""
_FRAME = "frame"
_TRACEBACK = "traceback"
_LAZY = re.compile(r"[/\\](?:module_wrapper|lazy_loader)\.py\b")
PACKAGE = re.compile(r"(?:site|dist)-packages[/\\]+(?P<package>\w+)")


def _without_advice(hits: Sequence[Hit]) -> list[Hit]:
    """The hits without those about which a document only says what to do: `If you get this error, install …`."""
    advice = [line.number for hit in hits if hit.rule.name == ADVICE for line in hit.lines]
    near = {line for number in advice for line in range(number - _ADVISED_BEFORE, number + _ADVISED_AFTER + 1)}
    return [hit for hit in hits if hit.rule.code == CLUE or not all(line.number in near for line in hit.lines)]


def _passed_over(hits: Sequence[Hit]) -> frozenset[int]:
    """Numbers of the lines which say that an exception is passed over, and of the first exception below each."""
    said = [line.number for hit in hits if hit.rule.name == PASSED_OVER for line in hit.lines]
    signs = (hit for hit in hits if hit.rule.code == SIGN and hit.rule.rank == _EXCEPTION)
    raised = sorted(line.number for hit in signs for line in hit.lines)
    below = (next((at for at in raised if number < at <= number + _PASSED_OVER_BELOW), number) for number in said)
    return frozenset((*said, *below))


def _unaccounted(signs: Sequence[Hit], rules: Sequence[Hit], *, worked: int) -> tuple[LogLine, ...]:
    """Lines of signs after line number `worked` that no other rule has matched, most relevant first.

    Hits keep only their first lines and the last one, so a repeated line is recognised by matching the pattern again.
    """
    known = {line.number for hit in rules for line in hit.lines}
    patterns = [re.compile(any_quotes(hit.rule.pattern), re.IGNORECASE) for hit in rules if hit.count > len(hit.lines)]
    # Of several exceptions, the last one was not caught; of other lines, the first is nearest to the cause.
    told = [
        (-hit.rule.rank, -line.number if hit.rule.rank == _EXCEPTION else line.number, line)
        for hit in signs
        for line in hit.lines
        if line.number > worked and line.number not in known
        if not any(pattern.search(plain(line.text)) for pattern in patterns)
    ]
    return tuple(dict.fromkeys(line for _, _, line in sorted(told, key=lambda one: one[:2])))


# What curl shows of a transfer; it counts up to 100 where that was whole.
_METER = re.compile(r"\s*(?!100\b)\d{1,2}\s+\d|\s*% Total|\s*Dload ")
_STATUS = re.compile(
    r"\b(?:exit(?:ed)?|completed|finished)\b.{0,40}\b(?:code|status)\b"
    r"|\b(?:stage|step|task|phase) \S{1,60}:? failed\b|\d (?:failed|errors?)\b.{0,60} in [\d.]+s",
    re.IGNORECASE,
)
_EXCEPTION = 3
"""Rank of the sign that matches the last line of a traceback."""

_SYSTEMS = {"is_linux": "linux", "is_macos": "macos", "is_windows": "windows"}
# Clues whose presence alone states a fact: name of the clue, field of the context, value.
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
        # The first one counts, because a log from WSL also mentions folders of Windows.
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
