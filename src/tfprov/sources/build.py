"""Builds a wheel as PEP 517 defines it: requirements come from the index, then the backend runs without network."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from build import BuildBackendException, BuildException, ProjectBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from tfprov import process, project_folder
from tfprov.errors import TfprovError
from tfprov.ladder.builds import build_failure, older_setuptools
from tfprov.ladder.classify import classify_text
from tfprov.lock.records import LockedSource
from tfprov.redact import redact
from tfprov.sources import shelter
from tfprov.sources.records import Bench
from tfprov.trees import copy_tree


class _FailedError(Exception):
    """Raised when a build step fails; its output is in the log."""


def build(source: LockedSource, tree: Path, bench: Bench, *, work: Path, log: Path) -> Path:
    """Build a wheel of a project in a temporary environment of its own.

    Args:
        source: the source to build.
        tree: its files, which the build may change. For a folder of the user this is the folder itself.
        bench: interpreter, tools and limits.
        work: an empty folder.
        log: receives everything that the build prints.

    Returns:
        The wheel, in `work`.

    Raises:
        TfprovError: `build-failed` or `build-tool-missing`, naming the log; the error of uv when the build's
            requirements cannot be installed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("", encoding="utf-8")
    pristine = work / "again"
    kind: Literal["wheel", "editable"] = "editable" if source.editable else "wheel"
    before = project_folder.traces_of_builds(tree)
    if source.folder:
        pristine = tree
    else:
        copy_tree(tree, pristine)  # a failed build leaves files behind
    try:
        wheel = _build(source.name, tree, bench, kind=kind, bounds=(), work=work / "first", log=log)
    except _FailedError:
        bound = older_setuptools(log.read_text(encoding="utf-8"))
        if bound is None:
            raise _explained(source, log) from None
        try:
            wheel = _build(source.name, pristine, bench, kind=kind, bounds=(bound,), work=work / "second", log=log)
        except _FailedError:
            raise _explained(source, log) from None
    finally:
        if source.folder and not source.editable:
            for trace in project_folder.traces_of_builds(tree) - before:
                shutil.rmtree(trace, ignore_errors=True)
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
    except ValueError as error:
        raise TfprovError(
            "build-failed",
            f"the source of `{source.title}` builds a wheel with an invalid name",
            evidence=(f"`{wheel.name}`: {error}", f"the whole log: `{log}`"),
        ) from error
    # A repository may derive its version from its surroundings (git tags); an archive contains it.
    if name != canonicalize_name(source.name) or (
        source.archive and source.version and Version(source.version) != version
    ):
        raise TfprovError(
            "build-failed",
            f"the source of `{source.title}` builds a different wheel than the lock names",
            evidence=(f"`{wheel.name}`", f"the whole log: `{log}`"),
        )
    return wheel


def _explained(source: LockedSource, log: Path) -> TfprovError:
    text = log.read_text(encoding="utf-8")
    return build_failure(f"`{source.title}` has no wheel that fits, and its build failed", text, kept=str(log))


def _build(
    name: str,
    tree: Path,
    bench: Bench,
    *,
    kind: Literal["wheel", "editable"],
    bounds: Sequence[str],
    work: Path,
    log: Path,
) -> Path:
    room = _Room(name, bench, bounds=bounds, work=work, log=log)
    room.make()
    try:
        with warnings.catch_warnings():
            # A backend's warnings are in the log, and concern whoever publishes the source.
            warnings.simplefilter("ignore")
            builder = ProjectBuilder(tree, python_executable=str(room.python), runner=room.run)
            room.install(builder.build_system_requires)
            room.install(builder.get_requires_for_build(kind))
            return Path(builder.build(kind, work / "wheel"))
    except (BuildException, BuildBackendException) as error:
        # The output of the hook itself is in the log already.
        with log.open("a", encoding="utf-8") as stream:
            stream.write(redact(f"{type(error).__name__}: {error}\n"))
        raise _FailedError from error


class _Room:
    """The environment in which one wheel is built: what the build requires is installed there, and hooks run in it.

    Attributes:
        python: its interpreter.
    """

    def __init__(self, name: str, bench: Bench, *, bounds: Sequence[str], work: Path, log: Path) -> None:
        self._name = name
        self._bench = bench
        self._work = work
        self._log = log
        home, environment = work / "home", work / "env"
        home.mkdir(parents=True)
        self._bounds = work / "bounds.txt"
        self._bounds.write_text("".join(f"{bound}\n" for bound in bounds), encoding="utf-8")
        scripts = environment / ("Scripts" if os.name == "nt" else "bin")
        self._folder = environment
        self.python = scripts / ("python.exe" if os.name == "nt" else "python")
        self._env = {**shelter.variables(bench.environ, scripts=scripts, home=home), **bench.variables}
        self._prefix = (*shelter.no_network(self._env), *shelter.bounded(bench.memory))

    def make(self) -> None:
        """Make the environment, still empty."""
        bench = self._bench
        options = ("--python", bench.python, "--no-config", "--no-project", "--offline")
        made = process.run([bench.uv, "venv", *options, self._folder], env=self._env, timeout=bench.timeout)
        _keep(self._log, made.argv, made)
        if not made.ok:
            raise _FailedError

    def install(self, requirements: Collection[str]) -> None:
        """Install what the build requires, from the index.

        Raises:
            TfprovError: why that is not possible.
        """
        if not requirements:
            return
        bench = self._bench
        argv: list[str | Path] = [
            *(bench.uv, "pip", "install", "--python", self.python, "--only-binary", ":all:"),
            *("--constraints", str(self._bounds), *bench.options),
            *sorted(map(_requirement, requirements)),
        ]
        ended = process.run(argv, env=bench.index, cwd=self._work, timeout=bench.timeout)
        ended = replace(ended, stdout=bench.truthful(ended.stdout), stderr=bench.truthful(ended.stderr))
        _keep(self._log, argv, ended)
        if not ended.ok:
            what = f"the build requirements of `{self._name}` cannot be installed"
            raise bench.failure() or classify_text(
                "uv pip install", ended.stderr + ended.stdout, ended.returncode, what=what
            )

    def run(self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        """Run a hook of the build, without network and with bounded memory; `build` calls it in this form."""
        ended = process.run(
            [*self._prefix, *cmd],
            env={**self._env, **(extra_environ or {})},
            cwd=Path(cwd) if cwd else None,
            timeout=self._bench.timeout,
        )
        _keep(self._log, cmd, ended)
        if not ended.ok:
            raise _FailedError


def _requirement(text: str) -> str:
    """What a build requires, as an argument of uv, which would read options there, and replace variables by values.

    Raises:
        BuildException: it is not a requirement.
    """
    try:
        return str(Requirement(text)).replace("$", "%24")
    except ValueError as error:
        raise BuildException(f"`{text}` is not a requirement: {error}") from error


def _keep(log: Path, command: Sequence[str | os.PathLike[str]], ended: process.Finished) -> None:
    with log.open("a", encoding="utf-8") as stream:
        # What a source requires to be built may be at an address with a login.
        stream.write(redact(f"$ {' '.join(str(part) for part in command)}\n"))
        stream.write(redact(ended.stdout) + redact(ended.stderr))
        if ended.timed_out:
            stream.write(f"error: it did not finish in {ended.seconds:.0f} s and was stopped\n")
        elif not ended.ok:
            stream.write(f"error: it ended with {ended.signal_name or f'status {ended.returncode}'}\n")
