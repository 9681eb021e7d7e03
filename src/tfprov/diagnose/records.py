"""Records of the diagnosis: rules, the context of a log, and the findings in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from tfprov.errors import CODES, Group

NOISE = "noise"
"""In place of a failure code: the lines look like an error but are harmless."""

NOTHING = ""
"""In place of a failure code: under this condition the line means nothing."""

UNKNOWN = "unknown"
"""In place of a failure code: something failed, and no rule explains the lines that report it."""

Role = Literal["cause", "consequence", "unknown", "noise"]
Certainty = Literal["certain", "likely", "possible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The meaning of a rule under a condition on the facts.

    Attributes:
        when: name of a condition in `conditions.py`; `not NAME` for its negation, `A and B` for both.
        code: failure code, `noise`, or `NOTHING`.
        rank: replaces that of the rule; None keeps it.
    """

    when: str
    code: str
    rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that recognises one message format of one tool.

    Attributes:
        name: unique, kebab-case.
        code: failure code, `noise`, `clue` or `sign`.
        reads: tool, versions and the place or format of the message.
        needs: lower-case literals, at least one of which is in every line that the pattern can match. They allow a log
            of hundreds of megabytes to be skipped through quickly.
        pattern: searched in a line without colour codes, ignoring case; named groups are kept as captures. In a pattern
            with two alternatives for the same value, the second group is named `status__2`.
        examples: at least one text that must be recognised as this code; each is a test.
        rank: how close the cause is to the root; the cause with the highest rank in a log is its root cause.
        span: number of lines, joined by blanks, that the pattern is searched in: for messages that tools wrap.
        latest: number of the last matching lines that are kept, beside the first few.
        cases: meanings under conditions; the first whose condition holds replaces `code`.
        follows: codes, or labels of groups, that make this a consequence if they are found as well.
    """

    name: str
    code: str
    reads: str
    needs: tuple[str, ...]
    pattern: str
    examples: tuple[str, ...]
    rank: int = 50
    span: int = 1
    latest: int = 1
    cases: tuple[Case, ...] = ()
    follows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogContext:
    """Facts about the origin of a log. None and empty mean unknown; such facts are taken from the log if possible.

    Attributes:
        tool: that printed it (`uv pip compile`, `pip install`); its first word is the program.
        returncode: exit status of that tool; negative for the number of a signal.
        accelerator: requested by the profile: `cpu`, `cuda`, `metal`, `rocm`.
        system: `linux`, `macos`, `windows`.
        machine: `x86_64`, `aarch64`, `arm64`.
        libc: `glibc` or `musl`.
        python: version (`3.12.1`).
        bits: pointer size of that Python.
        container: `docker`, `podman`, `kubernetes`, …
        wsl: whether it is WSL.
        emulated: whether the processor is emulated, as by Rosetta or QEMU.
        avx: whether the processor has AVX.
        gpu: whether the machine has an NVIDIA GPU.
        gpus_missing: whether TensorFlow lists fewer GPUs than it should, so that ignoring one is a failure.
        driver: kernel driver version (`550.144.03`), never the CUDA version.
        profile: path of the profile, for the text and commands of a remedy.
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
    """A line of evidence: its number in the log, counted from 1, and its text without colours, prefixes and secrets.

    It is quoted where it is indented or stands behind the `>` of a quotation.
    """

    number: int
    text: str
    is_quoted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """The matches of a rule in a log.

    Attributes:
        rule: the rule.
        count: number of matching lines.
        first: number of the first one, counted from 1.
        last: number of the last one.
        lines: the first few and the last one, or as many of the last ones as the rule keeps.
        captures: named groups by name; the first value of each that is not empty.
    """

    rule: Rule
    count: int
    first: int
    last: int
    lines: tuple[LogLine, ...]
    captures: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChange:
    """A key of the profile to set, dotted; a tuple is appended to the existing list."""

    key: str
    value: str | bool | int | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What to do about a cause.

    Attributes:
        text: the next step, in a sentence.
        commands: to run, in order.
        changes: keys of the profile to set.
        ask: what to request from the administrator; None when no administrator is needed.
    """

    text: str
    commands: tuple[str, ...] = ()
    changes: tuple[ProfileChange, ...] = ()
    ask: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A finding in a log.

    Attributes:
        code: failure code, `unknown` or `noise`.
        role: `cause`; `consequence` of the finding whose code is `follows`; `unknown`; `noise`.
        what: what happened, in one line.
        lines: numbers of the first lines, ascending, counted from 1; empty when it follows from the exit status alone.
        evidence: lines of the log, those of the deciding rule first.
        count: number of lines that matched.
        rules: names of the rules that matched, the deciding one first.
        captures: values from the lines by name (package, version, path, …).
        follows: code of the cause, for a consequence; else None.
        remedy: what to do about a cause; else None.
        certainty: of a cause; else None.
        to_be_sure: what to do to be certain of a cause, as an imperative; empty when it is certain already.
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
        """Group of the failure code; None for `unknown` and `noise`."""
        return CODES[self.code].group if self.code in CODES else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The diagnosis of a log.

    Attributes:
        findings: causes, beginning with the root cause; then consequences, then unknown failures, then noise.
        context: the given facts, completed by those from the log.
        lines: number of lines that were read.
        bytes: number of bytes that were read, as UTF-8.
        tail: the last lines that are not blank, for a log without known causes.
    """

    findings: tuple[Finding, ...]
    context: LogContext
    lines: int
    bytes: int
    tail: tuple[LogLine, ...] = ()

    @property
    def root(self) -> Finding | None:
        """The root cause; None when the log contains no known failure."""
        return next((one for one in self.findings if one.role == "cause"), None)
