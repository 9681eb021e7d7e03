"""A report for asking for help: facts, profile, plan, journals, logs and lock, without secrets and personal names."""

from __future__ import annotations

import contextlib
import getpass
import gzip
import io
import json
import platform
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tfprov import __version__
from tfprov.archives import damage
from tfprov.contents import content_of
from tfprov.errors import TfprovError
from tfprov.host.system import home_folder, running_system
from tfprov.journal import journals
from tfprov.paths import home
from tfprov.products import Product
from tfprov.redact import Anonymiser

_VERSIONS = "versions.txt"
_MAKER = b"tfprov "
_JOURNALS = 3
_MOST_CHARACTERS = 4_000_000
"""Longest text of a part. Of a longer one, half of this is kept from the beginning and half from the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file of the report.

    Attributes:
        name: its path in the archive.
        what: its description, without a full stop.
        text: its content, without secrets and personal names.
    """

    name: str
    what: str
    text: str


def gather(profile: str | None, *, logs: tuple[Path, ...], cwd: Path, environ: Mapping[str, str]) -> tuple[Part, ...]:
    """The parts of a report. If the facts or the plan cannot be obtained, their part contains the error.

    Args:
        profile: as the user named it; None for a report without profile, plan, lock and journals.
        logs: further files to include.
        cwd: the folder that relative paths start from.
        environ: variables of the user.

    Raises:
        TfprovError: `usage`, when a given log cannot be read; `profile-missing`.
    """
    home_of_user = home_folder(environ, running_system().value)
    hide = Anonymiser(user=_user(environ), host=platform.node(), home=str(home_of_user or ""))
    parts = [
        Part(name=_VERSIONS, what="versions of tfprov, Python and the system", text=hide(_versions())),
        Part(name="facts.json", what="facts of this machine", text=hide(_tried(lambda: _facts(environ)))),
    ]
    if profile is not None:
        parts += _of_profile(profile, cwd=cwd, environ=environ, hide=hide)
    parts += [
        Part(name=f"logs/{number}-{_plain(hide(log.name))}", what=f"the log `{hide(log.name)}`", text=hide(_log(log)))
        for number, log in enumerate(logs, start=1)
    ]
    return tuple(part for part in parts if part.text)


def check(to: Path) -> None:
    """Check that a report may be written to a path.

    Raises:
        TfprovError: `usage` when the name does not end in `.zip`, `.tar.gz` or `.tgz`; `path-not-ours` when a file
            that is not a report exists there.
    """
    if not to.name.endswith((".zip", ".tar.gz", ".tgz")):
        raise TfprovError("usage", f"`{to}` is not a name for a report", hint="end it in `.zip`, `.tar.gz` or `.tgz`")
    _REPORT.check(to)


def write(parts: tuple[Part, ...], to: Path) -> None:
    """Write the report as an archive, replacing an older report at that path.

    Raises:
        TfprovError: see `check`.
    """
    check(to)
    packed = io.BytesIO()
    if to.suffix == ".zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for part in parts:
                archive.writestr(part.name, part.text)
    else:
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for part in parts:
                raw = part.text.encode()
                entry = tarfile.TarInfo(part.name)
                entry.size = len(raw)
                tar.addfile(entry, io.BytesIO(raw))
    _REPORT.write(to.absolute(), packed.getvalue())


def _is_report(stream: BinaryIO) -> bool:
    """Whether an archive is a report, by the beginning of its first part. Reads no more of a foreign archive."""
    with contextlib.suppress(OSError, *damage()):
        if zipfile.is_zipfile(stream):
            with zipfile.ZipFile(stream) as archive, archive.open(_VERSIONS) as first:
                return first.read(len(_MAKER)) == _MAKER
        stream.seek(0)
        with gzip.open(stream) as unpacked:
            start = unpacked.read(tarfile.BLOCKSIZE + len(_MAKER))
        return start.startswith(_VERSIONS.encode()) and start.endswith(_MAKER)
    return False


_REPORT = Product(what="a report", is_ours=_is_report)


def _of_profile(profile: str, *, cwd: Path, environ: Mapping[str, str], hide: Anonymiser) -> Iterator[Part]:
    from tfprov.pipeline.backends.choose import BACKENDS, lock_of
    from tfprov.pipeline.environments import find
    from tfprov.pipeline.named import profile_of

    try:
        path, _ = profile_of(profile, cwd=cwd, home=home(environ))
        yield _part("profile.toml", f"the profile `{hide(path.name)}`", path, hide)
    except TfprovError:
        # An environment whose profile file is gone still has its journals.
        path = None
    yield Part(name="plan.txt", what="what `up` would do", text=hide(_tried(lambda: _plan(profile, cwd, environ))))
    environment = find(profile, cwd=cwd, environ=environ)
    for lock in filter(None, (lock_of(environment, kind) for kind in BACKENDS)):
        yield _part(_plain(hide(lock.name)), "the lock", lock, hide)
    for number, journal in enumerate(journals(home(environ).journals / environment.id)[:_JOURNALS], start=1):
        what = "the journal of the newest run" if number == 1 else "an older journal"
        yield _part(f"journals/{number}.jsonl", what, journal, hide)


def _part(name: str, what: str, path: Path, hide: Anonymiser) -> Part:
    """A file, or why it cannot be read."""
    return Part(name=name, what=what, text=hide(_tried(lambda: _text(path))))


def _plan(profile: str, cwd: Path, environ: Mapping[str, str]) -> str:
    from dataclasses import asdict

    from tfprov.pipeline.context import Request
    from tfprov.pipeline.up import plan

    found = plan(Request(profile=profile, cwd=cwd, environ=environ), lambda _: None)
    return json.dumps(asdict(found), indent=2, default=str)


def _facts(environ: Mapping[str, str]) -> str:
    from tfprov.host.facts import dump
    from tfprov.pipeline.up import facts

    return dump(facts(environ))


def _tried(work: Callable[[], str]) -> str:
    """The result of `work`, or its failure as text: a report about a broken machine must not fail because of it."""
    try:
        return work()
    except TfprovError as error:
        return "\n".join((f"{error.code.name}: {error.what}", *error.evidence, f"hint: {error.hint}"))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _log(path: Path) -> str:
    try:
        return _text(path)
    except OSError as error:
        raise TfprovError("usage", f"`{path}` cannot be read", evidence=(str(error),)) from error


def _text(path: Path) -> str:
    text = content_of(path).decode("utf-8", "replace")
    if len(text) <= _MOST_CHARACTERS:
        return text
    half = _MOST_CHARACTERS // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def _versions() -> str:
    return f"tfprov {__version__}\nPython {platform.python_version()}\n{platform.platform()}\n"


def _plain(name: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in name)


def _user(environ: Mapping[str, str]) -> str:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if environ.get(name):
            return environ[name]
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
