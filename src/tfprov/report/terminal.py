"""Shows events on a terminal: a moving line for the current stage."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from tfprov.events import Event, Note, Progress, StageEnded, StageStarted
from tfprov.harmless import harmless
from tfprov.redact import redact
from tfprov.report.progress import ProgressText, lasting_line


class TerminalReporter:
    """A moving line for the current stage, with finished stages above it."""

    def __init__(self, console: Console, *, verbose: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._verbose = verbose
        self._clock = clock
        self._brief = console.width < 60
        self._progress = ProgressText(clock, brief=self._brief)
        # `dots` are letters of Braille, which other encodings than UTF and the old console of Windows lack.
        spinner = "line" if console.options.ascii_only or console.legacy_windows else "dots"
        columns = [SpinnerColumn(spinner), TextColumn("{task.description}")]
        if console.width >= 72:
            columns.append(BarColumn(bar_width=20))
        columns.append(TextColumn("{task.fields[words]}"))
        if not self._brief:
            columns.append(TimeElapsedColumn())
        self._bars = Bars(*columns, console=console, transient=True)
        self._task: TaskID | None = None

    def __enter__(self) -> TerminalReporter:
        self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Update the moving line, or print a line that stays."""
        if isinstance(event, StageStarted):
            self._clear()
            self._progress = ProgressText(self._clock, brief=self._brief)
            self._task = self._bars.add_task(event.stage, total=None, words="")
            return
        if isinstance(event, Progress):
            if self._task is not None:
                self._bars.update(
                    self._task, completed=event.done, total=event.total, words=self._progress.describe(event)
                )
            return
        if isinstance(event, StageEnded):
            self._clear()
        line = lasting_line(event, verbose=self._verbose)
        if line:
            style = "yellow" if isinstance(event, Note) and event.level == "warning" else None
            self._console.print(escape(harmless(redact(line))), style=style, highlight=False, soft_wrap=True)

    def _clear(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
