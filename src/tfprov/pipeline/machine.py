"""The machine to provision for, and what the run can obtain from package indexes for it."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.distributions import BUILDS
from tfprov.errors import Group, TfprovError
from tfprov.events import Note
from tfprov.fetch.addresses import server_of
from tfprov.fetch.file_names import is_for_python_3, version_of
from tfprov.fetch.index import listing
from tfprov.fetch.offline import local_network
from tfprov.fetch.sources import Network, network
from tfprov.fetch.ways import Ways
from tfprov.fetch.wheel_build import member_of
from tfprov.host.records import Facts
from tfprov.ladder.climb import TransferError
from tfprov.lock.platforms import PLATFORMS
from tfprov.pipeline.context import Context
from tfprov.plan.builds import MEMBER, build_info, to_look_into, with_builds
from tfprov.plan.compat import table
from tfprov.plan.demands import wants_nightly
from tfprov.plan.offers import can_take, is_before
from tfprov.plan.records import IndexFile, Listing
from tfprov.plan.tags import architecture, platform_name
from tfprov.process import clean_environment
from tfprov.profile.records import Profile
from tfprov.redact import redact, without_userinfo
from tfprov.times import moment

if TYPE_CHECKING:
    from tfprov.fetch.relay_answers import Pages
    from tfprov.lock.question import Answer

# The index gave no answer at all; another tool would not get one either. The same holds after a refusal.
_DEAD = frozenset({"net-refused", "net-dns", "net-timeout", "net-proxy"})


class Machine:
    """A machine to provision for, with the network configuration of the run, which is set up on first use.

    Attributes:
        facts: what is known about the machine.
        told_origins: normalised names of the projects whose index the run has already reported.
        missing_extras: requested extras that a version chosen by the resolver does not have: project, version, extra.
        answers: results of the resolver in this run by input; see `Resolver`.
        tries: counts the candidates that are resolved in this run, from 0.
        unreachable: why the index could not be reached by any route; None when it was reached or not yet contacted.
        left_out: further indexes and pages of links, named by files of the profile, that cannot be reached.
    """

    def __init__(self, context: Context, facts: Facts) -> None:
        self.facts = facts
        self.told_origins: set[str] = set()
        self.missing_extras: set[tuple[str, str, str]] = set()
        self.answers: dict[tuple[object, ...], Answer] = {}
        self.tries = itertools.count()
        self.unreachable: TfprovError | None = None
        self.left_out: tuple[str, ...] = ()
        self._context = context
        self._files: dict[str, tuple[IndexFile, ...]] = {}

    @property
    def uv_platform(self) -> str | None:
        """The name that uv has for the platform of another machine; None for this machine, and for musl."""
        libc, arch = self.facts.libc.value, architecture(self.facts.machine.value)
        if self._context.request.host is None:
            return None
        same = (each for each in PLATFORMS.values() if each.system == self.facts.system.value)
        found = next((each for each in same if architecture(each.machine) == arch), None)
        if found is None or found.glibc is None:
            return None if found is None else found.triple
        if libc is None or libc.kind != "glibc":
            return None
        return found.triple if Version(libc.version) >= Version(found.glibc) else f"{found.machine}-manylinux_2_17"

    @functools.cached_property
    def network(self) -> Network:
        """Indexes, routes and credentials, from the profile and the facts; its notes are emitted."""
        context = self._context
        reach = local_network if context.request.offline else network
        found = reach(context.loaded.profile, context.loaded.folder, self.facts, context.request.environ)
        if context.bundle is not None:
            # A bundle contains everything that is needed, and nothing else may be used.
            found = replace(found, kept=None)
        servers = {server_of(url) for url in self._optional(found)}
        found = replace(
            found, optional=frozenset(servers - {server_of(found.simple_url), *map(server_of, found.mirrors)})
        )
        for text in found.notes:
            context.emit(Note(text=text, level="warning"))
        return found

    @functools.cached_property
    def pages(self) -> Pages:
        """The index pages that resolvers have read in this run."""
        from tfprov.fetch.relay_answers import Pages

        return Pages()

    @functools.cached_property
    def offers(self) -> Listing | None:
        """The TensorFlow files on the index, requested once.

        Returns:
            None when offline without an index on this machine, or, with a note, when the index cannot be read.
        """
        if self.network.offline and self.network.index_url is None:
            return None
        try:
            # A hint may propose a release instead of the nightly build that is requested.
            nightly = BUILDS["nightly"] if wants_nightly(self._context.loaded.asked, self.facts) else ()
            found = self._listing(*nightly, *BUILDS["release"])
            return self._looked_into(found) if self._may_have_cuda else found
        except TfprovError as error:
            if error.code.name in _DEAD and self._leave_out(error):
                return self.offers
            text = (
                f"the index could not be asked which releases it has ({error.what}); the table that comes with "
                "tfprov decides"
            )
            self._context.emit(Note(text=text, level="warning"))
            if error.code.name in _DEAD or (isinstance(error, TransferError) and error.stubborn):
                error.evidence = (*error.evidence, *lines_that_lead_to(self._context.loaded.asked, error))
                error.hint = self._without_the_index() or error.hint
                self.unreachable = error
            return None

    def _optional(self, found: Network) -> tuple[str, ...]:
        """The further indexes and pages of links that the run can do without: those on servers that only a file names.

        As in pip: they only add to the index. So does each of them to the risk that somebody publishes a package under
        the name of another one, which their absence does not increase: with the strategy `best` the newest version wins
        in any case. An index that the profile itself names, or one whose packages take precedence, is needed.
        """
        place_of = self._context.loaded.asked.packages.place_of
        extra = (url for url in found.extra if found.merged and place_of(url, "index.extra") != "index.extra")
        pages = (url for url in found.find_links if place_of(url, "index.find-links") != "index.find-links")
        return tuple(filter(server_of, (*extra, *pages)))

    def _leave_out(self, error: TfprovError) -> bool:
        """Continue without the optional indexes and pages of links on a server that nobody reaches.

        Returns:
            Whether there were any.
        """
        packages, found, said = (
            self._context.loaded.asked.packages,
            self.network,
            " ".join((error.what, *error.evidence)),
        )
        gone = tuple(url for url in self._optional(found) if server_of(url) in said)
        for url in gone:
            what = f"`{redact(url)}` ({packages.place_of(url)}) cannot be reached, and is left out, as in pip"
            self._context.emit(Note(text=f"{what}: {error.what}", level="warning"))
        extra, pages = (tuple(url for url in urls if url not in gone) for urls in (found.extra, found.find_links))
        self.network = replace(found, extra=extra, find_links=pages)
        self.left_out += gone
        return bool(gone)

    def _without_the_index(self) -> str | None:
        """A hint to remove the line that names the index, if the index that then serves can be read; else None."""
        context, asked = self._context, self._context.loaded.asked
        place = asked.packages.place_of(asked.index.url or "", "")
        if not place:
            return None
        own = asked.model_copy(update={"index": asked.index.model_copy(update={"url": None})})
        try:
            reached = network(own, context.loaded.folder, self.facts, context.request.environ)
            listing(BUILDS["release"], reached, emit=context.emit, deadline=context.deadline)
        except TfprovError:
            return None
        shown = redact(without_userinfo(reached.simple_url))
        return f"remove the index in {place}; the one that this machine uses without it can be read: `{shown}`"

    @property
    def _may_have_cuda(self) -> bool:
        """Whether it matters which GPUs a wheel contains code for."""
        asked = self._context.loaded.profile.tensorflow.accelerator
        return asked == "cuda" or (asked == "auto" and any(gpu.vendor == "nvidia" for gpu in self.facts.gpus.value))

    def _looked_into(self, found: Listing) -> Listing:
        """The listing, with the GPU code that wheels unknown to the compat table contain, read from the wheels."""
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
        """Whether the index has a wheel of a project for any Python 3 here; True when the index cannot be read."""
        files = self.files_of((project,))
        return files is None or any(self._is_for_python_3(each) for each in files[canonicalize_name(project)])

    def only_sources(self, project: str, version: str) -> bool:
        """Whether a version has sources, and no wheel for any Python 3 here; False when the index cannot be read."""
        every = (self.files_of((project,)) or {}).get(canonicalize_name(project), ())
        files = [each for each in every if str(version_of(each.filename)) == version]
        return bool(files) and not any(self._is_for_python_3(each) for each in files)

    def lacks_wheels(self, project: str, *, python: str, tags: Collection[Tag]) -> bool:
        """Whether a project has sources but no wheel of any version for a Python; True when the index cannot be read.

        Args:
            project: its name.
            python: version of the Python.
            tags: wheel tags that the Python accepts.
        """
        files = self.files_of((project,))
        if files is None:
            return True
        every = files[canonicalize_name(project)]
        wheels = [each for each in every if each.filename.endswith(".whl")]
        return len(wheels) < len(every) and not can_take(wheels, least=Version("0"), python=python, tags=tags)

    def newest_source(self, project: str) -> str | None:
        """The newest version of a project, if that version has no wheel for any Python 3 on this system.

        Pre-releases, yanked files, and files uploaded after `index.exclude-newer` are ignored.

        Returns:
            None when the newest version has such a wheel, when there is no version, or when the index cannot be read.
        """
        newest = self._context.loaded.profile.index.exclude_newer
        before = None if newest is None else moment(newest)
        every = (self.files_of((project,)) or {}).get(canonicalize_name(project), ())
        files = [each for each in every if not each.yanked and is_before(each.uploaded, before)]
        found = {version: each for each in files if (version := version_of(each.filename))}
        version = max((each for each in found if not each.is_prerelease), default=None)
        wheels = (file for file in files if version_of(file.filename) == version and self._is_for_python_3(file))
        return None if version is None or any(wheels) else str(version)

    def _is_for_python_3(self, file: IndexFile) -> bool:
        return is_for_python_3(file.filename, self.facts.system.value)

    def files_of(self, projects: Collection[str]) -> Mapping[str, tuple[IndexFile, ...]] | None:
        """The wheels and source distributions of projects by normalised name; each project is requested once.

        Returns:
            None when the index cannot be read.
        """
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
        """Environment variables for a child process that may use the network, with the settings of the first route."""
        first = self.network.ordered_routes()[0]
        return clean_environment(self._context.request.environ, **self.network.tool_environment(first))


def lines_that_lead_to(profile: Profile, error: TfprovError) -> Iterator[str]:
    """Evidence for a network failure: the lines with a URL on a host that it mentions, each with its place."""
    if error.code.group is not Group.NETWORK:
        return
    said = " ".join((error.what, *error.evidence))
    packages, index = profile.packages, profile.index
    asked = [
        *((packages.place_of(line), "asks for", line, Requirement(line).url) for line in packages.requirements),
        *((packages.place_of(url, "index.url"), "names the index", url, url) for url in (index.url,) if url),
        *((packages.place_of(url, "index.extra"), "names the index", url, url) for url in index.extra),
        *((packages.place_of(url, "index.only"), "names the index", url, url) for url in index.only.values()),
        *((packages.place_of(url, "index.find-links"), "names the page", url, url) for url in index.find_links),
    ]
    for place, verb, text, url in asked:
        host = server_of(url or "")
        if host and host in said:
            yield f"{place} {verb} `{redact(text)}`"


def way_around(profile: Profile, error: TfprovError) -> str | None:
    """A hint for a requirement whose address is on a server that cannot be reached: to name a copy. None for others."""
    is_away = re.search(r"cannot be resolved|does not answer", error.what) and error.code.name == "source-unreachable"
    if not is_away and error.code.name not in _DEAD:
        return None
    for requirement in map(Requirement, profile.packages.requirements):
        host = server_of(requirement.url or "")
        if host and host in " ".join((error.what, *error.evidence)):
            what = "clone the repository" if str(requirement.url).startswith("git+") else "download the file"
            return (
                f"where `{host}` can be reached, {what}, and write `{requirement.name} @ ./PATH` with the path of that "
                "copy; or remove the line"
            )
    return None
