"""The commands that say why: explain a log or a code, and bundle what somebody else needs to help."""

from __future__ import annotations

import os
import stat
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from tfprov.cli import completion
from tfprov.cli.options import Json, output_of
from tfprov.cli.output import require_answers
from tfprov.harmless import harmless

if TYPE_CHECKING:
    from tfprov.diagnose.records import Diagnosis, LogContext

app = typer.Typer()

NOTHING_KNOWN = 3
"""Exit status of `explain` when nothing in the log is known."""
_DEVICE_BYTES = 1 << 24
"""What is read of a device, which may have no end: more than anybody types."""


@app.command(
    epilog="Examples: pip install tensorflow 2>&1 | tfprov explain; tfprov explain build.log --profile train.toml; "
    "tfprov explain --code net-proxy. Exit status: 0 explained, 3 nothing known, 2 usage."
)
def explain(
    log: Annotated[
        str | None, typer.Argument(metavar="LOG", help="Log of any tool; `-`, or nothing, reads what is piped in.")
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(
            "--code", metavar="CODE", help="Explain a failure code instead of a log.", autocompletion=completion.codes
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="PROFILE",
            autocompletion=completion.profiles,
            help="The profile that the log is about: says whether a GPU is wanted.",
        ),
    ] = None,
    host: Annotated[
        Path | None, typer.Option(help="Facts of the machine that the log is from (made by `tfprov facts --json`).")
    ] = None,
    apply: Annotated[
        str | None,
        typer.Option(
            "--apply",
            metavar="PROFILE",
            autocompletion=completion.profiles,
            help="Show the change to this profile that helps, ask, and make it.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Say what the cause in a log is, on which lines, what is harmless, and what to do next."""
    with output_of("explain", as_json) as output:
        from tfprov.errors import TfprovError
        from tfprov.report import diagnosis

        if profile is not None and apply is not None and profile != apply:
            raise TfprovError("usage", "`--apply` names the profile already; leave out `--profile`")
        if code is not None:
            if log is not None or apply is not None:
                raise TfprovError("usage", "`--code` explains a code; leave out the log")
            output.result(diagnosis.page(code), {"code": code, "page": diagnosis.page(code), "findings": []})
            return
        from tfprov.pipeline.explain import proposed

        is_piped = _is_piped(log)
        named = profile or apply
        meant = _found(named) if named else None
        found = _read(None if is_piped else log, _context(meant, host, is_piped=is_piped))
        after, difference = proposed(meant[0], found) if meant else ("", "")
        output.result(
            diagnosis.text(found, difference=difference, source="what was piped in" if is_piped else f"`{log}`"),
            diagnosis.document(found, difference=difference),
        )
        if apply is not None and meant is not None:
            _apply(meant, after, difference, yes=yes, is_piped=is_piped)
        if found.root is None and not (found.findings and all(one.role == "noise" for one in found.findings)):
            raise SystemExit(NOTHING_KNOWN)


def _is_piped(log: str | None) -> bool:
    """Whether the log is what is piped in.

    Raises:
        TfprovError: code `usage`; nothing is.
    """
    from tfprov.errors import TfprovError

    if log is None and sys.stdin is not None and sys.stdin.isatty():
        raise TfprovError("usage", "name a log, or pipe one in: `pip install … 2>&1 | tfprov explain`")
    if log in {None, "-"} and sys.stdin is None:
        raise TfprovError("usage", "name a log: there is no standard input")
    return log in {None, "-"}


def _read(log: str | None, context: LogContext) -> Diagnosis:
    """The diagnosis of a log, or of what is piped in.

    Raises:
        TfprovError: code `usage`; it cannot be read.
    """
    from tfprov.diagnose.diagnose import diagnose
    from tfprov.errors import TfprovError

    if log is None:
        return diagnose(_with_an_end(sys.stdin.buffer), context)
    try:
        with Path(log).open("rb") as stream:
            return diagnose(_with_an_end(stream), context)
    except OSError as error:
        raise TfprovError("usage", f"`{log}` cannot be read", evidence=(str(error),)) from error


def _with_an_end(stream: BinaryIO) -> BinaryIO:
    """The stream, read to its end at once if it is a device, of which some have none.

    Raises:
        TfprovError: code `usage`; the device has more than a log of that kind would hold.
    """
    from tfprov.errors import TfprovError

    try:
        mode = os.fstat(stream.fileno()).st_mode
    except OSError:
        return stream
    if not (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)):
        return stream
    content = stream.read(_DEVICE_BYTES + 1)
    if len(content) > _DEVICE_BYTES:
        raise TfprovError("usage", "a device that does not end is not a log")
    return BytesIO(content)


@app.command(epilog="Example: tfprov report train.toml -o report.zip")
def report(
    profile: Annotated[
        str | None,
        typer.Argument(
            metavar="PROFILE",
            autocompletion=completion.profiles,
            help="Profile of the environment that the report is about. Default: that of the folder, where it has one.",
        ),
    ] = None,
    to: Annotated[Path, typer.Option("--output", "-o", help="File to write: `.zip`, `.tar.gz` or `.tgz`.")] = Path(
        "tfprov-report.zip"
    ),
    log: Annotated[
        list[Path] | None, typer.Option("--log", metavar="FILE", help="A log to include. May be repeated.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Bundle facts, profile, plan, journals, logs and lock for a bug report; secrets and names are taken out."""
    with output_of("report", as_json) as output:
        from tfprov.pipeline.support_report import check, gather, write
        from tfprov.profile.finding import nearest
        from tfprov.report import text

        check(to)
        if profile is None and nearest(Path.cwd()) is not None:
            profile = ""
        parts = gather(profile, logs=tuple(log or ()), cwd=Path.cwd(), environ=os.environ)
        if not as_json:
            print(output.typed(text.support_report(parts)), file=sys.stderr)
        if not yes and not as_json:
            require_answers("nothing was written", "look at the list above, then pass `--yes`")
            typer.confirm(f"Write {to}?", abort=True, err=True)
        write(parts, to)
        output.result(
            f"wrote {to}", {"path": to, "parts": [{"name": part.name, "bytes": len(part.text)} for part in parts]}
        )


def _context(found: tuple[Path, bool] | None, host: Path | None, *, is_piped: bool) -> LogContext:
    from tfprov.diagnose.records import LogContext
    from tfprov.pipeline.explain import here, with_facts, with_profile

    context = here() if is_piped and host is None else LogContext()
    if host is not None:
        from tfprov.contents import given_text
        from tfprov.host.facts import load as load_facts

        context = with_facts(context, load_facts(given_text(host)))
    if found is not None:
        from tfprov.profile.load import load

        path, shipped = found
        context = with_profile(context, load(path, shipped=shipped))
    return context


def _found(profile: str) -> tuple[Path, bool]:
    from tfprov.paths import home
    from tfprov.pipeline.named import profile_of

    return profile_of(profile, cwd=Path.cwd(), home=home(os.environ))


def _apply(found: tuple[Path, bool], after: str, difference: str, *, yes: bool, is_piped: bool) -> None:
    from tfprov.errors import TfprovError
    from tfprov.writing import write_through

    path, shipped = found
    if not difference:
        print("no key of the profile needs to change", file=sys.stderr)
        return
    if shipped:
        raise TfprovError("usage", f"`{path.name}` is a shipped profile", hint="copy it, and change the copy")
    if not yes:
        if is_piped or sys.stdin is None or not sys.stdin.isatty():
            raise TfprovError(
                "usage", "nothing was changed: not interactive", hint="pass `--yes` to make the change shown above"
            )
        typer.confirm(f"Change {path}?", abort=True, err=True)
    write_through(path, after.encode())
    print(harmless(f"changed {path}"), file=sys.stderr)
