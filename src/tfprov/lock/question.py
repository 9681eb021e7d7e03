"""What uv is asked, how it is started, and what it said."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from packaging.utils import canonicalize_name

from tfprov.distributions import kind_of
from tfprov.errors import TfprovError

RESOLVE_SECONDS = 900.0
"""Time limit of a resolve; longer than any successful build of metadata."""

Pinned: TypeAlias = tuple[tuple[str, str], ...]
"""Normalised names and versions. A name may occur twice."""

Buildable: TypeAlias = Literal["needed", "never"] | tuple[str, ...]
"""What may be built where no wheel fits: everything but TensorFlow, nothing, or the named projects."""

_CUDA_LIBRARY = re.compile(r"nvidia-.+-cu\d+")
"""What TensorFlow's own extras name; other projects of NVIDIA, such as `nvidia-ml-py3`, are plain Python."""

Builds: TypeAlias = Literal["none", "nowhere", "lacking", "exact", "all"]
"""How far a resolve goes in that: nothing is built, what has no wheel for any Python, what has none for this one, also
single versions that have none for any Python, or everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The input of a resolve.

    Attributes:
        requirements: PEP 508 lines, TensorFlow first.
        constraints: PEP 508 lines.
        python: the interpreter to resolve for.
        overrides: PEP 508 lines that replace the requirements of packages.
        exclude: names of projects that are left out even if a package requires them.
        hashes: allowed SHA-256 hashes by project; projects without an entry may have any file.
        exclude_newer: date or time; None for no limit.
        platform: uv's name of the platform to resolve for; None for the interpreter's own.
        prefer: versions to keep where they still fit; all other projects get the newest.
        python_version: version to resolve for; None for that of the interpreter.
        dependencies: whether the result includes the dependencies of the requirements.
        provided: versions by name of projects that do not come from wheels; they are left out.
        build: what may be built where no wheel fits.
        built: projects to build in any case, as in the lock that is being renewed.
        builds: which of those that may be built are, where wheels alone give no solution.
        folders: projects in local folders, which are built whatever `build` says.
        editable: those of them that are installed as links.
        left_out: those of which only the dependencies are locked.
        sources: projects that are built although they have wheels, whatever `build` says.
        never_built: projects that are not built, whatever `build` says.
        prereleases: whether pre-releases count for every project.
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
    build: Buildable = "never"
    built: tuple[str, ...] = ()
    builds: Builds = "all"
    folders: tuple[str, ...] = ()
    editable: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    never_built: tuple[str, ...] = ()
    prereleases: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """All requirements, constraints and overrides."""
        return (*self.requirements, *self.constraints, *self.overrides)

    def may_build(self, name: str) -> bool:
        """Whether a project may be built. TensorFlow and its CUDA libraries may not: that takes hours."""
        if name in self.folders:
            return True
        if kind_of(name) is not None or _CUDA_LIBRARY.fullmatch(canonicalize_name(name)):
            return False
        if canonicalize_name(name) in (*self.sources, *self.never_built):
            return canonicalize_name(name) in self.sources
        if isinstance(self.build, str):
            return self.build == "needed"
        return name in [canonicalize_name(each) for each in self.build]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of one run of uv.

    Attributes:
        document: PEP 751 document; empty where uv failed.
        work: folder of the document, which is deleted by now; paths in the document are relative to it.
    """

    returncode: int
    stdout: str
    stderr: str
    document: str
    work: Path

    @property
    def ok(self) -> bool:
        """Whether uv succeeded."""
        return self.returncode == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """How uv is started and reaches the index; the rungs differ in this.

    Attributes:
        uv: the executable.
        cache: uv's cache folder.
        environ: environment variables of uv: index with credentials, proxies, certificates, timeouts.
        bare_environ: the same for a run in which uv may start build backends, without the user's unrelated settings.
        sparing_environ: the same with indexes that keep back the sources of versions that have a wheel for some
            Python 3; None where they cannot, because they are folders.
        find_links: folders and pages.
        merge_indexes: take the best version over all indexes, as pip does, instead of the first index that has it.
        fresh: ignore uv's cache.
        timeout: seconds for the whole resolve.
        disguise: replaces the URL in a requirement by the one that uv must use instead.
        truthful: undoes that in the output of uv.
        failure: the failure that the relay between uv and the index saw; None when there was none.
        missing_extra: called for each requested extra that the chosen version does not have: project, version, extra.
        newest_source: the newest version of a project, if that has no wheel; else None.
        has_wheels: whether a project has a wheel of any version for any Python.
        only_sources: whether a version of a project, in normal form, has sources and no wheel for any Python.
        lacks_wheels: whether a project has sources, and no wheel of any version for the Python of the question.
        answers: results of this run by input, because different decisions often need the same resolve, which takes from
            a second to a minute. Mutable.
    """

    uv: Path
    cache: Path
    environ: Mapping[str, str]
    bare_environ: Mapping[str, str] = field(default_factory=dict)
    sparing_environ: Mapping[str, str] | None = None
    find_links: tuple[str, ...] = ()
    merge_indexes: bool = False
    fresh: bool = False
    timeout: float = RESOLVE_SECONDS
    disguise: Callable[[str], str] = str
    truthful: Callable[[str], str] = str
    failure: Callable[[], TfprovError | None] = lambda: None
    missing_extra: Callable[[str, str, str], None] = lambda *_: None
    newest_source: Callable[[str], str | None] = lambda _: None
    has_wheels: Callable[[str], bool] = lambda _: False
    only_sources: Callable[[str, str], bool] = lambda *_: False
    lacks_wheels: Callable[[str], bool] = lambda _: True
    answers: dict[tuple[object, ...], Answer] = field(default_factory=dict)
