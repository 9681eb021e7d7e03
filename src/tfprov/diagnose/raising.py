"""Tells from a traceback whose code raised an exception: the user's, TensorFlow's, or that of another package.

Needs no knowledge of the exception: which packages a program passes through, and whether it was still importing them,
is in the frames alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tfprov.diagnose.records import LogLine
from tfprov.diagnose.view import COMPANION, PACKAGE, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception that ended a program, with the code that met it.

    Attributes:
        line: its last line in the log.
        asker: the installed package whose code met it, other than TensorFlow and Keras; empty for the user's own code.
        answerer: the other package in which it was raised, or TensorFlow or Keras if its text names them; else empty.
        is_import: whether `asker` was still being imported.
        place: frame of the code that met it, for messages: `train.py, line 3`.
        frames: its last frames, the innermost first.
    """

    line: LogLine
    asker: str
    answerer: str
    is_import: bool
    place: str
    frames: tuple[LogLine, ...]

    @property
    def is_break(self) -> bool:
        """Whether a package cannot be imported, or calls TensorFlow or Keras as another release is called."""
        if not self.asker:
            return False
        return self.is_import or (self.answerer in _ANSWERERS and bool(_INTERFACE.search(self.line.text)))

    @property
    def code(self) -> str:
        """The failure code; empty where the packages are not at fault as far as the frames tell."""
        if not self.is_break:
            return ""
        if self.asker in _ANSWERERS:
            return "import-failed"
        is_companion = self.answerer in _ANSWERERS or re.match(COMPANION, self.asker)
        return "companion-mismatch" if is_companion else "import-failed"

    @property
    def what(self) -> str:
        """What happened, in one line."""
        if not self.is_break:
            owner = f"a call of `{self.asker}`" if self.asker else "the program's own code"
            return f"{owner} failed ({self.place}); nothing in the log shows a fault of the environment"
        if self.code == "companion-mismatch" and not self.answerer:
            return f"`{self.asker}` does not work with this release of TensorFlow: its own code fails ({self.place})"
        if self.answerer:
            return f"`{self.asker}` does not work with this release of `{self.answerer}` ({self.place})"
        return f"`{self.asker}` cannot be imported: its own code fails ({self.place})"


def raised(view: View, lines: Sequence[LogLine]) -> Raised | None:
    """Who raised the exception that ended a program; None where no traceback tells.

    Args:
        view: the facts from the log, with its last frames.
        lines: lines that report a failure, the most relevant first.
    """
    line = next((one for one in lines if is_exception(one)), None)
    if line is None:
        return None
    begin = max((number for number in view.tracebacks if number < line.number), default=0)
    told = [one for one in view.frames if begin < one.number < line.number]
    frames = [found for one in told if (found := _FRAME.search(one.text))]
    packages = [_package(found["path"]) for found in frames]
    called = max((at for at, package in enumerate(packages) if package not in _PASS_ON), default=None)
    imported = _imported(frames, packages, called)
    met = called if imported is None else imported
    if met is None:
        return None
    named = _OF_TENSORFLOW.search(line.text)
    inner = next((one for one in reversed(packages) if one != _STANDARD), "")
    return Raised(
        line=line,
        asker=packages[met],
        answerer=named[0].lower() if named and inner not in _ANSWERERS else inner if inner != packages[met] else "",
        is_import=met == imported,
        place=_place(frames[met]),
        frames=tuple(reversed(told[-_SHOWN:])),
    )


def is_exception(line: LogLine) -> bool:
    """Whether a line is the last one of a traceback, by its form."""
    return bool(_EXCEPTION.match(line.text))


_SHOWN = 3
_STANDARD = "standard library"
_ANSWERERS = frozenset({"tensorflow", "tensorflow_core", "keras", "tf_keras"})
_PASS_ON = _ANSWERERS | {_STANDARD}
_FRAME = re.compile(
    r"(?:File \"?)?(?P<path>(?:[A-Za-z]:)?[^\s\":]+\.py|/[^\s\"]+/bin/[^\s\"/]+|<[^>]+>)"
    r"(?:(?:\", line |:)(?P<line>\d+)|(?= in ))(?:,?(?: in (?P<function>[^\s()]+))?|$)"
)
# IPython 8 names no function where a module is executed.
_OF_MODULE = frozenset({"<module>", None})
_EXCEPTION = re.compile(r"(?:E\s+)?(?!(?:[A-Z]+|Error|Fatal):)(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?::|$)")
_STANDARD_PATH = re.compile(r"[/\\][Ll]ib[/\\](?:python\d[\d.]*[/\\])?(?!site-packages|dist-packages|python)|^<frozen ")
_OF_TENSORFLOW = re.compile(r"\b(?:tensorflow|tf_keras|keras)\b(?!_)", re.IGNORECASE)
# What Python says where a caller and a callee do not agree about a name or a signature. That an object of Python's own
# lacks a name is a mistake in a value, and not in a release.
_INTERFACE = re.compile(
    r"unexpected keyword argument|missing \d+ required (?:positional|keyword-only) argument"
    r"|takes (?:from )?\d+ (?:to \d+ )?positional argument|\bmodule '?[\w.]+'? has no attribute|cannot import name"
    r"|No module named"
    r"|\b(?!(?:NoneType|str|int|float|list|dict|tuple|set|bool)\b)\w+['\"`]? object has no attribute"
    r"|type object \S+ has no attribute"
)


def _package(path: str) -> str:
    found = PACKAGE.search(path)
    if found:
        return found["package"]
    return _STANDARD if _STANDARD_PATH.search(path) else ""


def _imported(frames: Sequence[re.Match[str]], packages: Sequence[str], called: int | None) -> int | None:
    """The frame of the module of an installed package that could not be executed for the first time; None without one.

    Args:
        frames: of the traceback, the innermost last.
        packages: of each frame.
        called: index of the innermost frame of the user or of a package other than TensorFlow and Keras.
    """
    modules = [
        at
        for at, frame in enumerate(frames)
        if frame["function"] in _OF_MODULE and packages[at] and packages[at] != _STANDARD
        # A module that is run with `python -m` is a program.
        if at == 0 or "runpy" not in frames[at - 1]["path"]
    ]
    if modules and (called is None or modules[-1] > called):
        return modules[-1]
    # On the way to what a package passed to TensorFlow or Keras, or to one of its own functions.
    others = [at for at in modules if packages[at] not in _ANSWERERS]
    return others[-1] if others and called is not None and packages[called] else None


def _place(frame: re.Match[str]) -> str:
    found = PACKAGE.search(frame["path"])
    file = frame["path"][found.start("package") :] if found else re.split(r"[/\\]", frame["path"])[-1]
    return f"{file}, line {frame['line']}" if frame["line"] else file
