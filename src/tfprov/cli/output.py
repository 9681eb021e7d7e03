"""Where output goes: data to stdout, all else to stderr, and failures in one place."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tfprov.errors import CODES, TfprovError
from tfprov.harmless import harmless
from tfprov.words import move_aside

if TYPE_CHECKING:
    from tfprov.report.progress import Reporter

_COMMAND = re.compile(r"(`|^  use {7}|^  (?=tfprov)|^(?=tfprov up would))tfprov (?! )", re.MULTILINE)
"""Where words hold a command that can be typed: in backticks, in the row `use`, at the head of a row or of a plan."""


_AROUND = 60
"""Letters that are shown before and behind one that cannot be written."""
_CI = ("CI", "GITHUB_ACTIONS", "GITLAB_CI")
_READ = {
    "up",
    "plan",
    "lock",
    "facts",
    "smoke",
    "doctor",
    "repair",
    "list",
    "status",
    "rollback",
    "explain",
    "adopt",
    "gather",
}
"""Commands whose words are for reading; those of the others are for a shell or a program, and stay as they are."""


@dataclass(slots=True, kw_only=True)
class Output:
    """How one command speaks.

    Attributes:
        command: its name.
        json: one document on stdout instead of words.
        verbose: details too.
        quiet: neither progress nor notes.
    """

    command: str
    json: bool = False
    verbose: bool = False
    quiet: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)

    def result(self, words: str, document: Mapping[str, object]) -> None:
        """Print what the command found.

        Raises:
            OSError: it could not be written, for example to a full disk.
        """
        from tfprov.report.documents import render

        # Flushed here, so that a full disk is noticed while it can still be told.
        _print(render(self.command, dict(document)) if self.json else self.told(words))

    def told(self, words: str) -> str:
        """Words as they are printed on stdout: typed, and as wide as the terminal where one reads them."""
        words = self.typed(words)
        return self._fitted(words, sys.stdout) if self.command in _READ else words

    def failure(self, error: TfprovError, document: Mapping[str, object] | None = None) -> None:
        """Print why the command failed."""
        from tfprov.report import documents, text

        if self.json:
            _tell(sys.stdout, documents.render(self.command, dict(document or {}), failure=error))
        words = self._fitted(self.typed(text.error(error)), sys.stderr)
        if self._coloured(sys.stderr):
            head, _, rest = words.partition(": ")
            words = f"\033[1;31m{head}\033[0m: {rest}"
        _tell(sys.stderr, words)

        if self.ci is not None:
            from tfprov.report import ci

            for line in ci.failure_lines(self.ci, error):
                _tell(sys.stderr, line)

    def finding(self, words: str, document: Mapping[str, object], failure: TfprovError | None) -> None:
        """Print what the command found, and then why it fails, if what it found is a failure."""
        if failure is None:
            self.result(words, document)
            return
        if not self.json:
            _print(self.told(words))
        self.failure(failure, document)

    def end(self, words: str, document: Mapping[str, object], failure: TfprovError | None) -> None:
        """As `finding`, for the end of the command.

        Raises:
            SystemExit: with the exit status of the failure, if there is one.
        """
        self.finding(words, document, failure)
        if failure is not None:
            raise SystemExit(failure.exit_code)

    def may_ask(self) -> bool:
        """Whether a user at a terminal can answer a question."""
        streams = (sys.stdin, sys.stderr)
        return not (self.json or self.quiet or self.ci) and all(one is not None and one.isatty() for one in streams)

    @property
    def ci(self) -> str | None:
        """Name of the CI system that this runs on, as far as it wants another output than a pipe gets; else None."""
        if not any(name in self.environ for name in _CI):
            return None
        from tfprov.report.ci import system_of

        return system_of(self.environ)

    def typed(self, words: str) -> str:
        """Words as they are printed: harmless, and with commands spelled as the user started tfprov.

        From a checkout that is `./bootstrap`.
        """
        words = harmless(words)
        started = self.environ.get("TFPROV_STARTED_AS")
        if not started:
            return words
        return _COMMAND.sub(lambda found: f"{found[1]}{started} ", words)

    def progress(self) -> Reporter:
        """A listener for events that suits stderr."""
        from tfprov.report.progress import PlainReporter, ToleratingReporter

        # Started without a standard error (`2>&-`), nobody can be told.
        if self.quiet or sys.stderr is None:
            return PlainReporter(io.StringIO())
        return ToleratingReporter(self._reporter(sys.stderr))

    def warn(self, words: str) -> None:
        """Show a warning on stderr, where the command shows no progress."""
        from tfprov.events import Note

        with self.progress() as emit:
            emit(Note(text=words, level="warning"))

    def _reporter(self, stream: TextIO) -> Reporter:
        from tfprov.report.progress import LateReporter, PlainReporter

        if self.ci is not None:
            from tfprov.report import ci

            return ci.reporter(self.ci, stream, verbose=self.verbose)
        if stream.isatty() and self.environ.get("TERM") != "dumb":
            return LateReporter(self._on_terminal, verbose=self.verbose)
        return PlainReporter(stream, verbose=self.verbose)

    def _on_terminal(self) -> Reporter:
        from rich.console import Console

        from tfprov.report.terminal import TerminalReporter

        no_color = not self._coloured(sys.stderr)
        return TerminalReporter(Console(stderr=True, no_color=no_color), verbose=self.verbose)

    def _fitted(self, words: str, stream: TextIO | None) -> str:
        if stream is None or self.ci is not None or not stream.isatty():
            return words
        import shutil

        from tfprov.report.wrapping import wrapped

        return wrapped(words, max(20, shutil.get_terminal_size().columns))

    def _coloured(self, stream: object) -> bool:
        # A runner may offer a terminal; its log is for reading later, in a browser.
        if self.environ.get("NO_COLOR") or self.ci is not None:
            return False
        return bool(getattr(stream, "isatty", bool)())


def require_answers(undone: str, hint: str) -> None:
    """Check that a question can be answered: standard input is a terminal.

    Raises:
        TfprovError: `usage`, with what was not done.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise TfprovError("usage", f"{undone}: not interactive", hint=hint)


def _print(words: str, *, windows: bool = os.name == "nt") -> None:
    """Print to stdout.

    Raises:
        OSError: it could not be written; a BrokenPipeError if its reader is gone.
    """
    try:
        print(words, flush=True)
    except OSError as error:
        # The C library of Windows has no number for a pipe without a reader.
        if windows and error.errno == errno.EINVAL:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
        raise


def _tell(stream: TextIO | None, words: str) -> None:
    """Write a failure. Where that fails too, or there is no stream (`2>&-`), the exit status alone tells."""
    if stream is None:
        return
    with suppress(OSError):
        print(words, file=stream, flush=True)


@contextmanager
def failures(output: Output) -> Iterator[None]:
    """Print why the command failed, whatever ended it.

    Raises:
        SystemExit: with the exit status of the failure.
    """
    try:
        yield
    except BrokenPipeError as error:
        # The reader of the output is gone, so that nothing more can be reported.
        sys.stdout = None
        raise SystemExit(1) from error
    except (Exception, KeyboardInterrupt) as error:
        failure = _failure_of(error, output.command)
        output.failure(failure)
        raise SystemExit(failure.exit_code) from error


def _failure_of(error: Exception | KeyboardInterrupt, command: str) -> TfprovError:
    """The failure that an exception stands for."""
    if isinstance(error, TfprovError) and error.code.name == "internal" and isinstance(error.__cause__, OSError):
        # A stage has no better word for what the system refused to it.
        error = error.__cause__
    if isinstance(error, TfprovError):
        # Its cause is what the system refused to a stage, unless the error has a hint of its own.
        return (_in_the_way(error.__cause__) if error.hint == error.code.remedy else None) or error
    if isinstance(error, OSError):
        from tfprov.ladder.classify import classify_exception

        return _without_folder() or _in_the_way(error) or _of_place(error, _classed(error, classify_exception(error)))
    if isinstance(error, (MemoryError, RecursionError, UnicodeEncodeError)):
        return _unspellable(error) if isinstance(error, UnicodeEncodeError) else _exhausted(error)
    interrupted = TfprovError("interrupted", f"`tfprov {command}` was interrupted")
    if isinstance(error, KeyboardInterrupt):
        return interrupted
    from typer import Abort

    if isinstance(error, Abort):  # Ctrl-C, or the end of the input, at a question
        return interrupted
    return _refused(error) or TfprovError("internal", f"{type(error).__name__}: {error}", evidence=(_traceback(error),))


def _traceback(error: BaseException, *, limit: int | None = None) -> str:
    import traceback

    return "".join(traceback.format_exception(error, limit=limit))


def _exhausted(error: BaseException) -> TfprovError:
    if isinstance(error, MemoryError):
        return TfprovError("oom-killed", CODES["oom-killed"].meaning)
    return TfprovError(
        "usage",
        "something that was read is nested too deeply",
        evidence=(_traceback(error, limit=-3),),
        hint="look at the files that the command was given; if none is nested, `tfprov report` helps to report a bug",
    )


def _refused(error: Exception) -> TfprovError | None:
    """What the system or Python refuses to take, where there is no exception of its own; None for a mistake of ours."""
    from tfprov.ladder.classify import classify_exception

    cut = _bytecode_of(error) if isinstance(error, (EOFError, ValueError, TypeError)) else None
    if cut is not None:
        hint = f"delete `{cut}`, and run again: it is written anew"
        evidence = (str(error), "a full disk cuts such files short")
        return TfprovError("disk-io", "a compiled module cannot be imported", evidence=evidence, hint=hint)
    if isinstance(error, ValueError) and "for integer string conversion" in str(error):
        hint = "look at the files that the command was given"
        return TfprovError("usage", "a number that was read has thousands of digits", hint=hint)
    if isinstance(error, ModuleNotFoundError):
        from tfprov.extras import incomplete

        return incomplete(f"`{error.name}` is not installed, and tfprov needs it", _traceback(error, limit=-3))
    failure = classify_exception(error)
    return failure if isinstance(error, (RuntimeError, ImportError)) and failure.code.name != "internal" else None


def _bytecode_of(error: Exception) -> str | None:
    """The file of bytecode on which an import failed; None if it was something else that failed."""
    trace, found = error.__traceback__, None
    while trace is not None:
        code = trace.tb_frame.f_code
        if (code.co_name, code.co_filename) == ("get_code", "<frozen importlib._bootstrap_external>"):
            found = trace.tb_frame.f_locals.get("bytecode_path")
        trace = trace.tb_next
    return found


def _unspellable(error: UnicodeEncodeError) -> TfprovError:
    """What is kept is kept as UTF-8; a path of other bytes has no spelling there."""
    text = error.object[max(0, error.start - _AROUND) : error.start + _AROUND]
    return TfprovError(
        "filesystem-feature",
        "a name or a text is not UTF-8",
        evidence=(f"`{text}`",),
        hint="rename the file or folder, or use another place",
    )


def _classed(error: OSError, failure: TfprovError) -> TfprovError:
    """The failure with a class of its own: what the system refuses is not a mistake of tfprov's."""
    if failure.code.name != "internal":
        return failure
    if error.errno == errno.ENOENT and str(error.filename).startswith(("/proc/", "/sys/", "/dev/")):
        what, hint = f"`{error.filename}` is missing", "mount the file systems of the kernel, as in any container"
        return TfprovError("filesystem-feature", what, evidence=failure.evidence, hint=hint)
    if error.errno == errno.ENOENT:
        where = f"`{os.fsdecode(error.filename)}`" if error.filename is not None else "a file"
        what, hint = f"{where} was deleted while it was used", "run again; nothing else may delete files there"
        return TfprovError("file-in-use", what, evidence=failure.evidence, hint=hint)
    return TfprovError("disk-io", failure.what, evidence=failure.evidence)


_IN_THE_WAY = frozenset({errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ELOOP})


def _in_the_way(error: BaseException | None) -> TfprovError | None:
    """The failure where something stands in place of a file or folder of tfprov's; None for any other."""
    if not isinstance(error, OSError) or error.errno not in _IN_THE_WAY or error.filename is None:
        return None
    path = Path(os.fsdecode(error.filename)).absolute()
    found = next((each for each in (path, *path.parents) if os.path.lexists(each)), path)
    if not any(found.is_relative_to(folder) for folder in _folders()):
        return None
    return TfprovError(
        "path-not-ours",
        f"`{found}` is not what tfprov keeps there",
        evidence=(str(error),),
        hint=f"move it away (`{move_aside(str(found))}`): tfprov makes it anew",
    )


_ELSEWHERE = {
    "permission-denied": "name a place that you may read and write, or change its permissions",
    "read-only-fs": "name a place that may be written to",
    "disk-full": "free some space there, or name another place",
    "disk-quota": "delete files of yours there, or name another place",
    "path-not-ours": "name another place",
}


def _of_place(error: OSError, failure: TfprovError) -> TfprovError:
    """The failure with a hint about the place that it names: `TFPROV_HOME` moves only what lies below it."""
    hint = _ELSEWHERE.get(failure.code.name)
    if hint is None or (error.filename is not None and _is_ours(Path(os.fsdecode(error.filename)))):
        return failure
    what = failure.what
    if error.filename is None and failure.code.name == "disk-full":
        what = "no space left where the output goes"
    return TfprovError(failure.code.name, what, evidence=failure.evidence, hint=hint)


def _is_ours(path: Path) -> bool:
    """Whether `TFPROV_HOME` moves it: it lies in a folder of tfprov's, or on the way to one."""
    folders, path = _folders(), path.absolute()
    return not folders or any(path.is_relative_to(folder) or folder.is_relative_to(path) for folder in folders)


def _folders() -> tuple[Path, ...]:
    """The folders of tfprov; none where the variables that say where they are cannot be used."""
    from tfprov.paths import home

    try:
        own = home(os.environ)
    except TfprovError:
        return ()
    return own.data, own.cache, own.state, own.store


def _without_folder() -> TfprovError | None:
    """The error of a command whose working directory was deleted; None where it is there."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return TfprovError("usage", "the working directory was deleted", hint="change to an existing folder")
    return None
