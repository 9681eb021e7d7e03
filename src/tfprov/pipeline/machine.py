"""The machine that is decided for, and what this run can reach of the network for it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from tfprov.distributions import BUILDS
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.fetch.index import listing
from tfprov.fetch.offline import local_network
from tfprov.fetch.sources import Network, network
from tfprov.fetch.ways import Ways
from tfprov.fetch.wheel_build import member_of
from tfprov.host.records import Facts
from tfprov.ladder.climb import TransferError
from tfprov.pipeline.context import Context
from tfprov.plan.builds import MEMBER, build_info, to_look_into, with_builds
from tfprov.plan.compat import table
from tfprov.plan.demands import wants_nightly
from tfprov.plan.offers import can_take, is_before, moment
from tfprov.plan.records import IndexFile, Listing
from tfprov.plan.tags import platform_name
from tfprov.process import clean_environment

if TYPE_CHECKING:
    from tfprov.fetch.relay_answers import Pages
    from tfprov.lock.question import Answer

# Nobody answered at all: asking again with another tool is asking the same nobody. So is asking who has refused.
_DEAD = frozenset({"net-refused", "net-dns", "net-timeout", "net-proxy"})


class Machine:
    """A machine, and the ways to the sources. The network is looked at when it is first needed.

    Attributes:
        facts: what is known of the machine.
        told_origins: projects of which it was said in this run which index serves them.
        missing_extras: extras that were asked for and that a version which a resolver took does not have: project,
            version, extra.
        answers: what a resolver said before in this run; see `Resolver`.
        tries: numbers of the candidates that are resolved in this run, from 0.
        unreachable: why the index could not be reached on any route; None when it was, or was not asked.
    """

    def __init__(self, context: Context, facts: Facts) -> None:
        self.facts = facts
        self.told_origins: set[str] = set()
        self.missing_extras: set[tuple[str, str, str]] = set()
        self.answers: dict[tuple[object, ...], Answer] = {}
        self.tries = itertools.count()
        self.unreachable: TfprovError | None = None
        self._context = context
        self._files: dict[str, tuple[IndexFile, ...]] = {}

    @functools.cached_property
    def network(self) -> Network:
        """The ways to the sources, by profile and facts."""
        context = self._context
        reach = local_network if context.request.offline else network
        found = reach(context.loaded.profile, context.loaded.folder, self.facts, context.request.environ)
        if context.bundle is not None:
            # It brings all that is needed, and nothing else may be taken.
            found = replace(found, kept=None)
        for text in found.notes:
            context.emit(Note(text=text, level="warning"))
        return found

    @functools.cached_property
    def pages(self) -> Pages:
        """The pages of indexes that resolvers have read in this run."""
        from tfprov.fetch.relay_answers import Pages

        return Pages()

    @functools.cached_property
    def offers(self) -> Listing | None:
        """What the index has of TensorFlow, asked once; None, with a note, when it cannot be asked now."""
        if self.network.offline and self.network.index_url is None:
            return None
        try:
            nightly = wants_nightly(self._context.loaded.asked, self.facts)
            found = self._listing(*BUILDS["nightly" if nightly else "release"])
            return self._looked_into(found) if self._may_have_cuda else found
        except TfprovError as error:
            text = (
                f"the index could not be asked which releases it has ({error.what}); the table that comes with "
                "tfprov decides"
            )
            self._context.emit(Note(text=text, level="warning"))
            if error.code.name in _DEAD or (isinstance(error, TransferError) and error.stubborn):
                self.unreachable = error
            return None

    @property
    def _may_have_cuda(self) -> bool:
        """Whether it matters which GPUs a wheel has code for."""
        asked = self._context.loaded.profile.tensorflow.accelerator
        return asked == "cuda" or (asked == "auto" and any(gpu.vendor == "nvidia" for gpu in self.facts.gpus.value))

    def _looked_into(self, found: Listing) -> Listing:
        """A listing in which wheels that the table does not know say for which GPUs they have code."""
        platform = platform_name(self.facts.system.value, self.facts.machine.value)
        ways = Ways(network=self.network, emit=self._context.emit, deadline=self._context.deadline)
        builds = []
        for file in to_look_into(found, table(), platform):
            text = member_of(file.url, MEMBER, ways)
            build = build_info(text) if text is not None else None
            if build is not None:
                builds.append((file, build))
            else:
                what = f"`{file.filename}` does not say for which GPUs it has code"
                self._context.emit(Note(text=what, level="detail"))
        return with_builds(found, builds)

    def has_wheels(self, project: str) -> bool:
        """Whether the index has a wheel of a project for any Python 3, asked once; True when it cannot be asked."""
        files = self.files_of((project,))
        return files is None or any(map(_is_for_python_3, *files.values()))

    def lacks_wheels(self, project: str, *, python: str, tags: Collection[Tag]) -> bool:
        """Whether a project has sources and no wheel of any version for a Python; True when it cannot be asked.

        Args:
            project: its name.
            python: version of the Python.
            tags: that it accepts.
        """
        files = self.files_of((project,))
        if files is None:
            return True
        every = files[canonicalize_name(project)]
        wheels = [each for each in every if each.filename.endswith(".whl")]
        return len(wheels) < len(every) and not can_take(wheels, least=Version("0"), python=python, tags=tags)

    def newest_source(self, project: str) -> str | None:
        """The newest version of a project, if it has no wheel for any Python 3; None when the index cannot be asked.

        A version that is whole, not withdrawn, and on the index at the time that counts.
        """
        newest = self._context.loaded.profile.index.exclude_newer
        before = None if newest is None else moment(newest)
        every = (self.files_of((project,)) or {}).get(canonicalize_name(project), ())
        files = [each for each in every if not each.yanked and is_before(each.uploaded, before)]
        found = {version: each for each in files if (version := _version(each.filename))}
        version = max((each for each in found if not each.is_prerelease), default=None)
        wheels = (each for each in files if _version(each.filename) == version and _is_for_python_3(each))
        return None if version is None or any(wheels) else str(version)

    def files_of(self, projects: Collection[str]) -> Mapping[str, tuple[IndexFile, ...]] | None:
        """The wheels and sources of some projects by normalised name, asked once; None when there is no answer."""
        names = [canonicalize_name(project) for project in projects]
        if missing := [name for name in names if name not in self._files]:
            if self.network.offline and self.network.index_url is None:
                return None
            try:
                self._files.update(self._listing(*missing, with_sources=True).files)
            except TfprovError:
                return None
        return {name: self._files[name] for name in names}

    def _listing(self, *projects: str, with_sources: bool = False) -> Listing:
        context = self._context
        emit, deadline = context.emit, context.deadline
        return listing(projects, self.network, emit=emit, with_sources=with_sources, deadline=deadline)

    def tool_environment(self) -> dict[str, str]:
        """Variables for a child that may use the network, by the first route."""
        first = self.network.ordered_routes()[0]
        return clean_environment(self._context.request.environ, **self.network.tool_environment(first))


def _version(filename: str) -> Version | None:
    """The version of a wheel or a source distribution; None for a name that is neither's."""
    parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
    try:
        return parse(filename)[1]
    except ValueError:
        return None


def _is_for_python_3(file: IndexFile) -> bool:
    try:
        tags = parse_wheel_filename(file.filename)[3]
    except ValueError:
        return False
    return any(tag.interpreter.startswith(("py3", "cp3")) for tag in tags)
