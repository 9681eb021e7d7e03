"""Resolving: requirements become a PEP 751 document, by uv."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from packaging.requirements import Requirement

from tfprov import process
from tfprov.distributions import kind_of
from tfprov.errors import TfprovError
from tfprov.ladder.classify import classify_text
from tfprov.lock.allowed import only_allowed
from tfprov.paths import temporary

_FULL_PYTHON = re.compile(r'(?m)(?P<minor>^requires-python = ">=\d+\.\d+)\.\d+(?=")')
_PATH = re.compile(r'(?<=[{ ])path = "([^"]+\.whl)"')

Pinned: TypeAlias = tuple[tuple[str, str], ...]
"""Normalised names and versions. A name may occur twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The input of a resolve.

    Attributes:
        requirements: PEP 508 lines, TensorFlow first.
        constraints: PEP 508 lines.
        python: the interpreter to resolve for.
        overrides: PEP 508 lines that replace the requirements of packages.
        exclude: names of projects that are left out even if a package requires them.
        hashes: SHA-256 of the files that may be locked, by project; all files of other projects may.
        exclude_newer: date or time; None for no limit.
        platform: uv's name of the platform to resolve for; None for the interpreter's own.
        prefer: versions that are kept where they still fit; all other projects get the newest.
        python_version: version to resolve for; None for that of the interpreter.
        dependencies: whether dependencies of the requirements are part of the result.
        provided: versions by name of projects that do not come from wheels; they are left out.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    python: Path
    overrides: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude_newer: str | None = None
    platform: str | None = None
    prefer: Pinned = ()
    python_version: str | None = None
    dependencies: bool = True
    provided: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """How uv is started and reaches the index; the rungs differ in it.

    Attributes:
        uv: the executable.
        cache: uv's cache folder.
        environ: environment variables of uv: index with credentials, proxies, certificates, timeouts.
        find_links: folders and pages.
        merge_indexes: take the best version over all indexes, as pip does, instead of the first index that has it.
        fresh: ignore uv's cache.
        timeout: seconds for the whole resolve.
    """

    uv: Path
    cache: Path
    environ: Mapping[str, str]
    find_links: tuple[str, ...] = ()
    merge_indexes: bool = False
    fresh: bool = False
    timeout: float = 900.0


def resolve(question: Question, resolver: Resolver) -> str:
    """Resolve with uv; returns a PEP 751 document.

    Only wheels are used: a source distribution runs foreign code at install time, may need a compiler and gives other
    bytes on every machine.

    Raises:
        TfprovError: uv's failure: `resolver-conflict`, `net-timeout`, …, with its output as evidence.
    """
    with temporary("lock") as work:
        asked = work / "requirements.in"
        asked.write_text("\n".join(question.requirements) + "\n", encoding="utf-8")
        bounds = work / "constraints.txt"
        fixed = [f"{name}=={version}" for name, version in question.provided.items()]
        bounds.write_text("\n".join((*question.constraints, *fixed)) + "\n", encoding="utf-8")
        changes = {"overrides": question.overrides, "excludes": question.exclude}
        for name, lines in changes.items():
            (work / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        # uv takes versions from an existing output file as preferences.
        output = work / "pylock.toml"
        if question.prefer:
            output.write_text(_document(question.prefer), encoding="utf-8")
        argv: list[str | Path] = [
            *(resolver.uv, "pip", "compile", asked, "--format", "pylock.toml", "--output-file", output),
            *("--constraints", bounds, "--python", question.python, "--only-binary", ":all:"),
            *("--no-header", "--no-config", "--no-progress", "--cache-dir", resolver.cache),
            *(part for link in resolver.find_links for part in ("--find-links", link)),
            *(("--index-strategy", "unsafe-best-match") if resolver.merge_indexes else ()),
            *(part for name, lines in changes.items() if lines for part in (f"--{name}", work / f"{name}.txt")),
            *(("--python-platform", question.platform) if question.platform else ()),
            *(("--python-version", question.python_version) if question.python_version else ()),
            *(part for name in question.provided for part in ("--no-emit-package", name)),
            *(("--exclude-newer", question.exclude_newer) if question.exclude_newer else ()),
            *(("--refresh",) if resolver.fresh else ()),
            *(() if question.dependencies else ("--no-deps",)),
        ]
        try:
            answer = process.run(argv, env=resolver.environ, cwd=work, timeout=resolver.timeout)
        except OSError as error:
            raise TfprovError("internal", f"`{resolver.uv}` cannot be started", evidence=(str(error),)) from error
        if answer.timed_out:
            raise TfprovError(
                "net-timeout",
                f"the index did not answer in {resolver.timeout:.0f} s",
                evidence=(answer.stderr[-2000:].strip(),),
            )
        if not answer.ok:
            said = answer.stderr + answer.stdout
            what = "the requirements could not be resolved"
            raise classify_text("uv pip compile", said, answer.returncode, what=what)
        # uv writes the full version of the interpreter that it resolved for. Wheels are made for minor versions, so a
        # colleague with an older patch release can use the same lock.
        resolved = _FULL_PYTHON.sub(r"\g<minor>", output.read_text(encoding="utf-8"), count=1)
        # It also writes paths relative to its output, which is moved afterwards.
        resolved = _PATH.sub(lambda found: f'url = "{(work / found[1]).resolve().as_uri()}"', resolved)
        return only_allowed(resolved, question.hashes) if question.hashes else resolved


def _document(pinned: Pinned) -> str:
    """A PEP 751 document with versions only; uv reads nothing else from it."""
    packages = (
        f"[[packages]]\nname = {json.dumps(name)}\nversion = {json.dumps(version)}\n" for name, version in pinned
    )
    return "\n".join(('lock-version = "1.0"\ncreated-by = "tfprov"\n', *packages))


def tensorflows_in(resolved: str) -> tuple[str, ...]:
    """The distributions of TensorFlow in a resolved document; two of them overwrite each other's files."""
    names = re.findall(r'(?m)^name = "([^"]+)"', resolved)
    return tuple(name for name in names if kind_of(name) not in (None, "part"))


def is_tensorflow(requirement: str) -> bool:
    """Whether a PEP 508 line requires TensorFlow itself, under any of its names."""
    return kind_of(Requirement(requirement).name) is not None
