"""What the diagnosis works with: rules, what is known around a log, and what is found in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from tfprov.errors import CODES, Group

NOISE = "noise"
"""In place of a failure code: the lines look like a fault and are not one."""

NOTHING = ""
"""In place of a failure code: under these conditions the line says nothing."""

UNKNOWN = "unknown"
"""In place of a failure code: something failed, and nothing accounts for the lines that say so."""

Role = Literal["cause", "consequence", "unknown", "noise"]
Certainty = Literal["certain", "likely", "possible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a rule means under a condition on the facts.

    Attributes:
        when: name of a condition in `conditions.py`; `not NAME` for its opposite.
        code: failure code, or `noise`.
        rank: replaces that of the rule; None keeps it.
    """

    when: str
    code: str
    rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One message format of one tool.

    Attributes:
        name: its own, kebab-case.
        code: failure code, or `noise`.
        reads: tool, versions and the place or format of the message.
        needs: lower-case literals; at least one of them stands in every line that the pattern can match. They are how
            a log of hundreds of megabytes is passed over quickly.
        pattern: searched in a line without colour codes, letter case ignored; named groups are kept as captures. A
            pattern with two ways to say the same names the second group `status__2`.
        examples: text that the rule must recognise as its code, one at least; each is a test.
        rank: how near to the root the cause stands; the highest cause of a log is its root.
        span: lines that the pattern is searched in, joined by blanks: for messages that tools wrap.
        cases: meanings under conditions; the first that holds replaces `code`.
        follows: codes, or labels of groups, that make this a consequence when they are found too.
    """

    name: str
    code: str
    reads: str
    needs: tuple[str, ...]
    pattern: str
    examples: tuple[str, ...]
    rank: int = 50
    span: int = 1
    cases: tuple[Case, ...] = ()
    follows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogContext:
    """What is known about where a log comes from. None and empty mean: not known, ask the log.

    Attributes:
        tool: what printed it (`uv pip compile`, `pip install`); its first word is the program.
        returncode: exit status of that tool; negative is the number of a signal.
        accelerator: what the profile asks for: `cpu`, `cuda`, `metal`, `rocm`.
        system: `linux`, `macos`, `windows`.
        machine: `x86_64`, `aarch64`, `arm64`.
        libc: `glibc` or `musl`.
        python: version (`3.12.1`).
        bits: pointer size of that Python.
        container: `docker`, `podman`, `kubernetes`, …
        gpu: whether the machine has an NVIDIA GPU.
        gpus_missing: whether TensorFlow lists fewer GPUs than it should: then one that it leaves out is a fault.
        driver: kernel driver version (`550.144.03`), never the CUDA version.
        profile: path of the profile, for the words of a remedy.
        requested: `tensorflow.version` of the profile.
    """

    tool: str = ""
    returncode: int | None = None
    accelerator: str | None = None
    system: str | None = None
    machine: str | None = None
    libc: str | None = None
    python: str | None = None
    bits: int | None = None
    container: str | None = None
    wsl: bool | None = None
    emulated: bool | None = None
    avx: bool | None = None
    gpu: bool | None = None
    gpus_missing: bool | None = None
    driver: str | None = None
    profile: str | None = None
    requested: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of evidence: its number in the log, from 1, and its text without colours, prefixes and secrets."""

    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A rule that matched.

    Attributes:
        rule: the rule.
        count: how often.
        first: number of the first line.
        last: number of the last line.
        lines: the first few lines and the last one.
        captures: named groups of the first match; what later matches add is kept too.
    """

    rule: Rule
    count: int
    first: int
    last: int
    lines: tuple[LogLine, ...]
    captures: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """A key of the profile to set; a list value is added to what is there."""

    key: str
    value: str | bool | int | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What to do.

    Attributes:
        text: the next step, in a sentence.
        commands: to run, in order.
        changes: keys of the profile to change.
        ask: what to ask the administrator for.
    """

    text: str
    commands: tuple[str, ...] = ()
    changes: tuple[ProfileChange, ...] = ()
    ask: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a log tells.

    Attributes:
        code: failure code, `unknown` or `noise`.
        role: `cause`; `consequence` of the finding whose code is `follows`; `unknown`; `noise`.
        what: one line: what happened.
        lines: numbers of the first lines, ascending, from 1; empty when the exit status alone tells it.
        evidence: those lines.
        count: how many lines say so.
        rules: names of the rules, the deciding one first.
        captures: what was read from the lines (package, version, path, …).
        follows: code of the cause, for a consequence.
        remedy: None for all but causes.
        certainty: how sure a cause is; None for all else.
        to_be_sure: what to do to be certain of a cause, as an imperative; empty where it is.
    """

    code: str
    role: Role
    what: str
    lines: tuple[int, ...]
    evidence: tuple[LogLine, ...]
    count: int
    rules: tuple[str, ...]
    captures: Mapping[str, str]
    follows: str | None = None
    remedy: Remedy | None = None
    certainty: Certainty | None = None
    to_be_sure: str = ""

    @property
    def group(self) -> Group | None:
        """Group of the code; None for noise."""
        return CODES[self.code].group if self.code in CODES else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Everything that was read from a log.

    Attributes:
        findings: causes first, the root at the head; then consequences, then what is unknown, then noise.
        context: what was known before, and what the log itself told.
        lines: how many lines were read.
        bytes: how many bytes were read.
        tail: the last lines that are not blank, for when nothing is known.
    """

    findings: tuple[Finding, ...]
    context: LogContext
    lines: int
    bytes: int
    tail: tuple[LogLine, ...] = ()

    @property
    def root(self) -> Finding | None:
        """The root cause; None when the log tells of no fault, or of none that is known."""
        return next((one for one in self.findings if one.role == "cause"), None)
