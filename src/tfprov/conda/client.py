"""Requests to the conda worker: one process per request, JSON in and out, with a time limit."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tfprov import process
from tfprov.conda import faults
from tfprov.conda.records import Channel, CondaHeader, CondaPart, Package, Solved, Virtual
from tfprov.errors import TfprovError
from tfprov.events import Emit, Note
from tfprov.extras import require
from tfprov.lock.records import LockedFile
from tfprov.paths import plain
from tfprov.products import foreign
from tfprov.structured import json_of
from tfprov.writing import write_atomic

MODULES = ("rattler", "conda_lock")
_SECONDS = 300.0
_SAID = 5


def require_extra() -> None:
    """Make sure that the libraries of the extra `conda` are installed.

    Raises:
        TfprovError: `extra-missing` with the command that installs them.
    """
    require("conda", MODULES, "conda environments")


@dataclass(frozen=True, slots=True, kw_only=True)
class Solve:
    """A request to the solver.

    Attributes:
        channels: highest priority first.
        subdir: platform.
        specs: strict match specs.
        virtual: virtual packages that override detected ones; an empty version removes one.
        detect: whether to start from the virtual packages of this machine.
        prefer: packages of an older lock, kept if they still fit.
        relax: changes to try when there is no solution, the smallest first.
        exclude_newer: packages of that time or later do not count; None for no limit.
    """

    channels: tuple[Channel, ...]
    subdir: str
    specs: tuple[str, ...]
    virtual: tuple[Virtual, ...] = ()
    detect: bool = True
    prefer: tuple[Package, ...] = ()
    relax: tuple[Mapping[str, object], ...] = ()
    exclude_newer: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelAccess:
    """How the worker reads the channels; the rungs differ in this.

    Attributes:
        cache: folder of the indexes.
        environ: environment variables of the worker: proxies, certificates.
        read_at: address to read a channel from, by its name; other channels are read from their own address.
        offline: use cached indexes only.
        seconds: time limit of the worker. The library has none of its own and can wait for ever.
    """

    cache: Path
    environ: Mapping[str, str]
    read_at: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    seconds: float = _SECONDS


def solve(question: Solve, access: ChannelAccess, *, emit: Emit) -> Solved:
    """Ask the worker for packages that meet the specs.

    Raises:
        TfprovError: `conda-unsatisfiable` or `conda-package-missing` with the smallest change that would help, or a
            network error when a channel cannot be read.
    """
    names = [channel.name for channel in question.channels]
    answer = _ask(
        {
            "operation": "solve",
            "channels": [{"name": name, "read": access.read_at.get(name, name)} for name in names],
            "subdir": question.subdir,
            "specs": question.specs,
            "virtual": [asdict(one) for one in question.virtual],
            "detect": question.detect,
            "cache": str(access.cache),
            "offline": access.offline,
            "prefer": [asdict(one) for one in question.prefer],
            "relax": question.relax,
            "exclude_newer": question.exclude_newer and question.exclude_newer.isoformat(),
        },
        environ=access.environ,
        seconds=access.seconds,
        emit=emit,
        subject=", ".join(names),
    )
    found = TypeAdapter(Solved).validate_python(answer)
    for package in found.packages:
        if not package.sha256 or not package.md5:
            raise TfprovError(
                "conda-package-missing",
                f"the channel has no {'SHA-256' if package.md5 else 'MD5'} of `{package.filename}`",
                evidence=(f"channel `{package.channel}`", "a lock needs both hashes"),
                hint="use a channel whose index has both hashes",
            )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPackage:
    """A package to link, with its archive in the store.

    Attributes:
        path: the archive; None if it is not in the store, so that the package must have been unpacked already.
    """

    package: Package
    path: Path | None


def link(
    prefix: Path,
    packages: tuple[LinkPackage, ...],
    *,
    cache: Path,
    environ: Mapping[str, str],
    emit: Emit,
    seconds: float,
) -> None:
    """Link packages into an empty folder, from the cache of unpacked packages or else from their archives.

    Args:
        prefix: the folder.
        packages: all packages of the environment, each with its archive.
        cache: folder of the unpacked packages; those that it lacks are added.
        environ: environment variables of the worker.
        emit: receives notes.
        seconds: time limit.

    Raises:
        TfprovError: `conda-cache-corrupt` when an archive cannot be unpacked or linked; `disk-full` and the like.
    """
    _ask(
        {
            "operation": "link",
            "prefix": str(prefix),
            "cache": str(cache),
            "packages": [
                asdict(one.package)
                | {"stem": one.package.stem, "filename": one.package.filename, "path": str(one.path or "")}
                for one in packages
            ],
        },
        environ=environ,
        seconds=seconds,
        emit=emit,
        subject="the conda packages",
    )


def write_lock(
    path: Path,
    *,
    header: CondaHeader,
    subdir: str,
    channels: tuple[str, ...],
    packages: tuple[Package, ...],
    wheels: tuple[LockedFile, ...],
    environ: Mapping[str, str],
    scratch: Path,
    cache: Path,
    emit: Emit,
) -> None:
    """Write a lock in conda-lock's format. The caller ensures that no address contains credentials.

    The worker that wrote it reads it as well, for `read_lock`: each worker takes two seconds to load conda-lock.

    Args:
        path: of the lock.
        header: what tfprov records in it.
        subdir: platform, such as `linux-64`.
        channels: their addresses, with the names of variables in place of tokens.
        packages: the solved conda packages.
        wheels: installed in addition to them.
        environ: environment variables of the worker.
        scratch: folder for the worker's output.
        cache: folder of the results of `read_lock`; receives the one of this lock.
        emit: receives notes.
    """
    new = scratch / "conda-lock.yml"
    answer = _ask(
        {
            "operation": "write-lock",
            "path": str(new),
            "subdir": subdir,
            "channels": channels,
            "packages": [asdict(one) for one in packages],
            "wheels": [asdict(one) for one in wheels],
            "own": TypeAdapter(CondaHeader).dump_json(header).decode(),
            "source": f"{header.inputs.profile}.toml",
        },
        environ=environ,
        seconds=_SECONDS,
        emit=emit,
        subject="the lock",
        invalid="lock-invalid",
    )
    words = (
        "# Made by tfprov: the exact files of the environment, with their hashes, in the format of conda-lock.\n"
        "# Renew it with `tfprov lock --upgrade`; conda-lock, micromamba and others install it.\n"
    )
    content = words.encode() + new.read_bytes()
    write_atomic(_known(cache, hashlib.sha256(content).hexdigest(), subdir), json.dumps(answer).encode())
    write_atomic(path, content)


def addresses(channels: Iterable[Channel], *, environ: Mapping[str, str], emit: Emit) -> dict[str, str]:
    """Addresses of channels without credentials, by name; the library resolves those that have only a name.

    Args:
        channels: channels of a profile.
        environ: environment variables of the worker, which is started only for names.
        emit: receives notes.
    """
    names = [each.name for each in channels]
    alone = [name for name in names if "://" not in name]
    found = (
        _ask(
            {"operation": "addresses", "names": alone},
            environ=environ,
            seconds=_SECONDS,
            emit=emit,
            subject=", ".join(f"`{name}`" for name in alone),
        )
        if alone
        else {}
    )
    return {name: str(found.get(name, name)) for name in names}


def read_lock(
    path: Path, *, subdir: str, environ: Mapping[str, str], cache: Path, digest: str, emit: Emit
) -> tuple[CondaPart, tuple[LockedFile, ...]]:
    """The conda packages and the wheels of a lock.

    Loading conda-lock takes two seconds, so its result for each content is cached.

    Args:
        path: the lock file.
        subdir: platform.
        environ: environment variables of the worker.
        cache: folder of earlier results.
        digest: SHA-256 of the file.
        emit: receives notes.

    Raises:
        TfprovError: `lock-invalid`, `lock-unfit`.
    """
    known = _known(cache, digest, subdir)
    answer: Any = None
    with contextlib.suppress(OSError, ValueError):
        answer = json_of(known.read_bytes())
    if answer is None:
        answer = _ask(
            {"operation": "read-lock", "path": str(path), "subdir": subdir},
            environ=environ,
            seconds=_SECONDS,
            emit=emit,
            subject=f"`{path}`",
            invalid="lock-invalid",
        )
        write_atomic(known, json.dumps(answer).encode())
    if not answer["own"]:
        raise foreign(path, "`metadata.custom_metadata` has no key `tfprov`", code="lock-invalid")
    if subdir not in answer["platforms"]:
        raise TfprovError(
            "lock-unfit",
            f"`{path.name}` was made for another platform",
            evidence=(f"it is for {', '.join(answer['platforms'])}; this machine is {subdir}",),
        )
    try:
        header = TypeAdapter(CondaHeader).validate_json(answer["own"])
        packages = tuple(_of_lock(entry, subdir) for entry in answer["packages"])
        wheels = tuple(LockedFile(filename=entry["url"].rsplit("/", 1)[-1], **entry) for entry in answer["wheels"])
        for package in packages:
            _check(package.filename, package.sha256, package.md5)
            plain(package.stem)
        for wheel in wheels:
            _check(wheel.filename, wheel.sha256)
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TfprovError("lock-invalid", f"`{path}` is damaged", evidence=(str(error).splitlines()[0],)) from error
    return CondaPart(header=header, packages=packages), wheels


def _known(cache: Path, digest: str, subdir: str) -> Path:
    """Where the worker's answer for a lock of this content is kept."""
    return cache / f"{digest}-{subdir}.json"


def _check(filename: str, sha256: str, md5: str = "") -> None:
    """Make sure that what becomes part of paths and of lists for other programs is nothing else.

    Raises:
        ValueError: says what is wrong.
    """
    plain(filename)
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError(f"the SHA-256 of `{filename}` is invalid")
    if not re.fullmatch(r"(?:[0-9a-f]{32})?", md5):
        raise ValueError(f"the MD5 of `{filename}` is invalid")


def _of_lock(entry: Mapping[str, object], subdir: str) -> Package:
    url = str(entry["url"])
    base, _, _ = url.rpartition("/")
    channel, _, inner = base.rpartition("/")
    names = entry["depends"]
    depends = tuple(str(name) for name in names) if isinstance(names, list) else ()
    return Package(
        name=str(entry["name"]),
        version=str(entry["version"]),
        build=str(entry["build"] or ""),
        subdir=inner or subdir,
        channel=channel,
        url=url,
        sha256=str(entry["sha256"]),
        md5=str(entry["md5"] or ""),
        depends=depends,
        python="python" in depends or "python_abi" in depends,
    )


def _ask(
    request: Mapping[str, object],
    *,
    environ: Mapping[str, str],
    seconds: float,
    emit: Emit,
    subject: str,
    invalid: str = "conda-cache-corrupt",
) -> dict[str, object]:
    """The result of a request.

    It is taken from the answer, not the exit status: the library may crash after its work is done.
    """

    def note(line: str) -> None:
        said = _parsed(line)
        if "note" in said:
            emit(Note(text=f"conda: {said['note']}", level="detail"))

    # Isolated (-I), so that no Python variables of this machine reach it.
    argv = [sys.executable, "-I", "-m", "tfprov.conda.worker"]
    answer = process.run(argv, env=environ, stdin=json.dumps(request), timeout=seconds, on_stdout=note)
    last = _parsed(answer.stdout.strip().rpartition("\n")[2])
    if "result" in last:
        found = last["result"]
        return found if isinstance(found, dict) else {}
    problem = last.get("error")
    if isinstance(problem, dict):
        raise faults.as_error(problem, subject=subject, invalid=invalid)
    said = answer.stderr.strip().splitlines()[-_SAID:]
    if answer.timed_out:
        raise TfprovError(
            "net-timeout" if request["operation"] == "solve" else "install-failed",
            f"the conda worker did not finish with {subject} in {seconds:.0f} s",
            evidence=tuple(said),
        )
    ended = answer.signal_name or f"status {answer.returncode}"
    raise TfprovError("install-failed", f"the conda worker ended with {ended}", evidence=tuple(said))


def _parsed(line: str) -> dict[str, object]:
    try:
        found = json_of(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
