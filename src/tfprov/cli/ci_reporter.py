"""Results of `up` for CI systems: a JUnit file, a summary page and output values."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.cli.output import Output
from tfprov.errors import TfprovError
from tfprov.events import Emit, Event, StageStarted

if TYPE_CHECKING:
    from tfprov.pipeline.records import Outcome


@dataclass(slots=True, kw_only=True)
class CiReporter:
    """One run of `up`, as it is told to a CI system.

    Attributes:
        output: knows the CI system, and its variables.
        junit: file for the verdict; None for none.
        stage: that was begun last.
    """

    output: Output
    junit: Path | None = None
    stage: str = "command line"
    _began: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Make sure that the JUnit file may be written.

        Raises:
            TfprovError: `path-not-ours` when something that tfprov did not write is in its place.
        """
        from tfprov.report.junit import JUNIT

        if self.junit is not None:
            JUNIT.check(self.junit)

    def watching(self, emit: Emit) -> Emit:
        """The same listener, with the stage noted on the way."""

        def listen(event: Event) -> None:
            if isinstance(event, StageStarted):
                self.stage = event.stage
            emit(event)

        return listen

    def failed(self, error: TfprovError) -> None:
        """Tell of a failure; the verdict is told where one led to it."""
        from tfprov.report import ci, junit
        from tfprov.smoke.verdict import verdict_behind

        verdict = verdict_behind(error)
        if self.junit is not None:
            seconds = time.monotonic() - self._began
            text = junit.render(verdict) if verdict else junit.render_failure(error, stage=self.stage, seconds=seconds)
            junit.JUNIT.write(self.junit, text.encode())
        page = ci.summary(self.output.command, head=error.what, verdict=verdict, error=error, rows={})
        ci.publish(self.output.environ, page=page, values={"code": error.code.name})

    def verified(self, result: Outcome) -> None:
        """Tell of a verified environment; where nothing had to be done, of the verdict that it got before."""
        from tfprov.envs.layout import python_in
        from tfprov.report import ci, junit
        from tfprov.smoke.verdict import from_document

        seal = result.generation.seal
        verdict = result.verdict or (from_document(seal.verdict) if seal else None)
        if self.junit is not None and verdict is not None:
            junit.JUNIT.write(self.junit, junit.render(verdict).encode())
        if seal is None:
            return
        place = Path(result.environment.stable)
        head = f"TensorFlow {seal.tensorflow} on Python {seal.python_version} is verified ({seal.level})"
        seconds = sum(each for _, each in result.stages)
        rows = {
            "chosen": f"{seal.target.package} {seal.target.version}, {seal.target.accelerator}",
            "place": str(place),
            "time": f"{seconds:.1f} s" + (", nothing had to be done" if result.already else ""),
            "fetched": f"{result.bytes_fetched / 1e6:.0f} MB",
        }
        page = ci.summary(self.output.command, head=head, verdict=verdict, rows=rows)
        values = {
            "path": str(place),
            "python": str(python_in(place)),
            "python-version": seal.python_version,
            "tensorflow": seal.tensorflow,
            "accelerator": seal.target.accelerator,
            "already": str(result.already).lower(),
        }
        ci.publish(self.output.environ, page=page, values=values)
