"""Output for CI systems beside the log: folded sections, annotations, a summary page, outputs for later steps.

Each system gets only its own conventions: GitHub Actions reads workflow commands from the log, and files whose names
are in variables; GitLab folds sections, and shows the JUnit file as a report; any other system gets plain lines. All of
it is additional: stdout and stderr have the same content for people and programs as elsewhere.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tfprov.errors import TfprovError
from tfprov.events import Event, Note, StageEnded, StageStarted
from tfprov.harmless import harmless, lined
from tfprov.redact import redact
from tfprov.report.progress import PlainReporter, Reporter

if TYPE_CHECKING:
    from tfprov.smoke.records import Device, Verdict

_PLACE = re.compile(r"^`?(?P<file>[^\s:`]+\.(?:toml|txt)):(?P<line>\d+)`?: ")
_LONGEST = 4000
_CELL = 300


def system_of(environ: Mapping[str, str]) -> str | None:
    """Name of the CI system that set these variables: `github`, `gitlab`, …, `generic`; None outside CI."""
    from tfprov.host.system import ci

    return ci(environ).value


def reporter(system: str, stream: TextIO, *, verbose: bool, clock: Callable[[], float] = time.time) -> Reporter:
    """A reporter that prints plain lines, in a section for each stage where the system folds sections."""
    plain = PlainReporter(stream, verbose=verbose)
    if system == "github":
        return _Sections(plain, stream, "::group::tfprov {}".format, lambda _: "::endgroup::", warn=True)
    if system == "gitlab":
        return _Sections(
            plain,
            stream,
            lambda name: f"\033[0Ksection_start:{int(clock())}:tfprov_{name}[collapsed=true]\r\033[0Ktfprov {name}",
            lambda name: f"\033[0Ksection_end:{int(clock())}:tfprov_{name}\r\033[0K",
            warn=False,
        )
    return plain


class _Sections:
    """A reporter that puts the lines of each stage into a folded section."""

    def __init__(
        self,
        inner: PlainReporter,
        stream: TextIO,
        begin: Callable[[str], str],
        end: Callable[[str], str],
        *,
        warn: bool,
    ) -> None:
        self._inner, self._stream, self._begin, self._end, self._warn = inner, stream, begin, end, warn
        self._open: str | None = None

    def __enter__(self) -> _Sections:
        self._inner.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()
        self._inner.__exit__(*exc)

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            # The systems do not nest sections, so a new stage closes the section before it.
            self._close()
            self._open = event.stage
            self._say(self._begin(event.stage))
        self._inner(event)
        if isinstance(event, StageEnded):
            self._close()
        if self._warn and isinstance(event, Note) and event.level == "warning":
            self._say(annotation("warning", lined((event.text,)), title="tfprov"))

    def _close(self) -> None:
        if self._open is not None:
            self._say(self._end(self._open))
            self._open = None

    def _say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def annotation(level: str, message: str, *, title: str, file: str = "", line: str = "") -> str:
    """A workflow command of GitHub Actions that annotates a message; escaped as GitHub's own toolkit does.

    Args:
        level: `error`, `warning` or `notice`.
        message: plain text, of any length; it is truncated.
        title: shown above it.
        file: the file that it is about; empty for none.
        line: the line in that file, in digits; empty for none.
    """
    properties = {"file": file, "line": line, "title": title}
    shown = {name: _data(harmless(value)) for name, value in properties.items() if value}
    given = ",".join(f"{name}={value.replace(':', '%3A').replace(',', '%2C')}" for name, value in shown.items())
    return f"::{level} {given}::{_data(harmless(redact(message))[:_LONGEST])}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def failure_lines(system: str | None, error: TfprovError) -> tuple[str, ...]:
    """Lines for the log that the system turns into annotations of a failure; empty for a system without annotations.

    A mistake in a file is annotated at its line.
    """
    if system != "github":
        return ()
    placed = [
        (found["file"], found["line"], text[found.end() :]) for text in error.evidence if (found := _PLACE.match(text))
    ]
    if error.code.name == "profile-invalid" and placed:
        return tuple(
            annotation("error", text, title=error.code.name, file=file, line=line) for file, line, text in placed[:10]
        )
    message = "\n".join(filter(None, (error.what, *error.evidence[:6], f"hint: {error.hint}" if error.hint else "")))
    return (annotation("error", message, title=error.code.name),)


def summary(
    command: str,
    *,
    head: str,
    verdict: Verdict | None = None,
    error: TfprovError | None = None,
    rows: Mapping[str, str],
) -> str:
    """A page in Markdown for the summary of a job: the outcome, the verdict as a table, the failure with its hint.

    Args:
        command: name of the command.
        head: the outcome in one line.
        verdict: None when nothing was proved.
        error: None when the command succeeded.
        rows: further rows, by name.
    """
    mark = "❌" if error else "✅"
    lines = [f"### {mark} tfprov {command}: {_cell(head)}", ""]
    if error is not None:
        lines += [f"**{error.code.name}** (exit status {error.exit_code}): {_inline(error.what)}", ""]
        lines += [f"- {_inline(text)}" for text in error.evidence[:10]]
        lines += ["", f"Next step: {_inline(error.hint)}", ""] if error.hint else [""]
    if rows:
        lines += [
            "| | |",
            "| --- | --- |",
            *(f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()),
            "",
        ]
    if verdict is not None and verdict.devices:
        lines += _table(verdict.devices)
    return harmless(redact("\n".join(lines))) + "\n"


def _table(devices: Sequence[Device]) -> list[str]:
    lines = ["| device | check | result | seconds | evidence |", "| --- | --- | --- | ---: | --- |"]
    for device in devices:
        for leg in device.legs:
            result = "skipped" if leg.skipped else "passed" if leg.ok else f"**{leg.code or 'failed'}**"
            name = f"{device.name} ({device.description})" if device.description else device.name
            # Evidence of passed checks would hide that of the others.
            evidence = "" if leg.ok and not leg.skipped else leg.evidence
            lines.append(f"| {_cell(name)} | {_cell(leg.leg)} | {result} | {leg.seconds:.2f} | {_cell(evidence)} |")
    return [*lines, ""]


def _inline(text: str) -> str:
    return _plain(" ".join(text.split())[:_LONGEST])


def _cell(text: str) -> str:
    short = " ".join(text.split())
    short = short if len(short) <= _CELL else short[: _CELL - 1] + "…"
    return _plain(short.replace("\\", "\\\\").replace("|", "\\|"))


def _plain(text: str) -> str:
    """Foreign text that shows no tag, picture or link with words of its own in Markdown."""
    return text.replace("<", "&lt;").replace("](", "] (")


def outputs(values: Mapping[str, str]) -> str:
    """Lines for a step's output file. A multi-line value is put between random delimiters, which it cannot contain."""
    lines = []
    for name, value in values.items():
        if "\n" in value or "\r" in value:
            mark = f"tfprov_{secrets.token_hex(8)}"
            lines.append(f"{name}<<{mark}\n{value}\n{mark}")
        else:
            lines.append(f"{name}={value}")
    return "\n".join(lines) + "\n"


def publish(environ: Mapping[str, str], *, page: str, values: Mapping[str, str]) -> None:
    """Append the page and the values to the files that GitHub Actions names; no effect elsewhere.

    A job does not fail because one of them cannot be written.
    """
    if system_of(environ) != "github":
        return
    for variable, text in (("GITHUB_STEP_SUMMARY", page), ("GITHUB_OUTPUT", outputs(values) if values else "")):
        name = environ.get(variable)
        if not name or not text:
            continue
        try:
            with Path(name).open("a", encoding="utf-8") as stream:
                stream.write(text)
        except OSError:
            continue
