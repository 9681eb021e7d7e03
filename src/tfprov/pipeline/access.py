"""How uv reaches the indexes in this run: through the relay, unless everything that it needs is on this machine."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tfprov import project_folder
from tfprov.errors import TfprovError
from tfprov.fetch.routes import Route
from tfprov.fetch.store import Store
from tfprov.index_address import local_path
from tfprov.ladder.climb import TransferError
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.process import bare_environment, clean_environment
from tfprov.redact import without_signature, without_userinfo
from tfprov.secret import looks_secret
from tfprov.structured import whole_number

_SIGNED = re.compile(r"https?://[^\s\"'`<>]+\?[^\s\"'`<>]+")
# What uv needs beside `bare_environment`: certificates, settings of git, and libraries of interpreters.
_OF_UV = ("SSL_CERT_", "XDG_", "LD_", "DYLD_")

if TYPE_CHECKING:
    from tfprov.fetch.fetch import Fetched
    from tfprov.fetch.job import Listener
    from tfprov.fetch.promised import Promised
    from tfprov.fetch.relay import Relay
    from tfprov.fetch.sources import Network
    from tfprov.lock.records import LockedFile


def of_git(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of git and SSH; one of them may be a password that a program gives to git."""
    return {name: value for name, value in environ.items() if name.startswith(("GIT_", "SSH_"))}


class IndexAccess:
    """Arguments and variables with which uv reaches the indexes, in one call or several in turn. See `index_access`."""

    def __init__(self, context: Context, machine: Machine, relay: Relay | None, requirements: Sequence[str]) -> None:
        self._context = context
        self._requirements = requirements
        self._network = machine.network
        self._relay = relay

    @property
    def route(self) -> Route:
        """The route to try first; routes that failed in this run are sorted last."""
        return self._network.ordered_routes()[0]

    @property
    def find_links(self) -> tuple[str, ...]:
        """Folders and pages of links for uv's `--find-links`."""
        if self._relay is not None:
            return self._relay.find_links
        return (*self._network.places, *(self._network.kept.find_links if self._network.kept else ()))

    @property
    def _is_disguised(self) -> bool:
        return self._relay is not None or self._network.kept is not None

    @property
    def failed(self) -> bool:
        """Whether a request through the relay has failed since the last `forget`."""
        return self._relay is not None and self._relay.failure is not None

    @property
    def can_hide(self) -> bool:
        """Whether the indexes can be read without the source distributions of versions that have a wheel."""
        return self._relay is not None

    def environment(self, index: str | None = None, *, bare: bool = False, wheels_first: str = "") -> dict[str, str]:
        """Environment variables for uv.

        Args:
            index: URL of an index to use in place of the profile's; None for the profile's.
            bare: whether uv may run third-party code. It then gets, of the user's variables, only those that
                `bare_environment` passes on and those of git and SSH, and the login of a proxy only if a requirement is
                a repository, or a folder that requires one. Otherwise it also gets those that requirements name: it
                replaces `${NAME}` in the metadata of any package, too, and sends or prints the value.
            wheels_first: system for which to keep back the source distributions of versions that have a wheel, only
                if `can_hide`; empty for none.
        """
        network, environ = self._network, self._context.request.environ
        index, extra = index or network.index_url, network.further
        if network.kept is not None:
            index, extra = index or network.kept.index, network.kept.extra
        variables = network.tool_environment(self.route)
        # Requirements refer by this variable to wheels that are beside the profile.
        variables["PROJECT_ROOT"] = str(self._context.loaded.folder)
        if network.offline:
            variables["UV_OFFLINE"] = "1"
        if self._relay is not None:
            variables.update(self._relay.environment(self.route, index, wheels_first=wheels_first))
            variables.update(self._git_over_http(environ))
        else:
            variables.update({"UV_DEFAULT_INDEX": index} if index else {})
            variables.update({"UV_INDEX": " ".join(extra)} if extra else {})
        if bare and not any(map(self._is_for_git, self._requirements)):
            # What is built would see the login of a proxy, which only git needs here: uv asks the relay or a folder.
            proxies = ("HTTPS_PROXY",) if self._relay is not None else ("HTTPS_PROXY", "HTTP_PROXY")
            for name in (*proxies, *map(str.lower, proxies)):
                variables[name] = without_userinfo(variables[name])
        passed = of_git(environ)
        if not any("://" in line for line in self._requirements):
            passed = {name: value for name, value in passed.items() if not looks_secret(name)}
        if not bare:
            from tfprov.fetch.veil import names_in

            named = names_in(map(self.disguise, self._requirements))
            kept = clean_environment(environ)
            passed |= {name: kept[name] for name in kept if name in named or name.startswith(_OF_UV)}
        return {**bare_environment(environ), **passed, **variables}

    def _is_for_git(self, requirement: str) -> bool:
        """Whether a requirement is a repository, or a folder that requires one."""
        if "git+" in requirement:
            return True
        address = requirement.partition(" @ ")[2].partition(" ")[0]
        own = f"{self._context.loaded.folder.as_uri()}/"
        folder = local_path(address.replace("file://${PROJECT_ROOT}/", own)) if address else None
        return folder is not None and project_folder.requires_repository(folder)

    def _git_over_http(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Settings that make git bypass the relay, which does not serve repositories; empty if none are needed."""
        if not any("git+http:" in line for line in self._requirements):
            return {}
        count = whole_number(environ.get("GIT_CONFIG_COUNT", "")) or 0
        setting = {
            f"GIT_CONFIG_KEY_{count}": "http.proxy",
            f"GIT_CONFIG_VALUE_{count}": self.route.http.reveal() if self.route.http else "",
        }
        return {"GIT_CONFIG_COUNT": str(count + 1), **setting}

    def disguise(self, line: str) -> str:
        """The requirement as uv has to be given it: with a stand-in for its URL if uv reads stand-ins."""
        from tfprov.fetch.stand_ins import disguised

        return disguised(line) if self._is_disguised else line

    def truthful(self, text: str) -> str:
        """Output of uv with the real URLs in place of stand-ins, without the values of variables and signatures."""
        from tfprov.fetch.stand_ins import truthful

        if not self._is_disguised:
            return text
        return _SIGNED.sub(lambda found: without_signature(found[0]), truthful(text))

    def failure(self) -> TfprovError | None:
        """The first request that failed on every route, marked as not transient: another try of uv would not help.

        Returns:
            The error; None if no request failed since the last `forget`.
        """
        error = None if self._relay is None else self._relay.failure
        if isinstance(error, TransferError):
            error.transient = False
        return error

    def forget(self) -> None:
        """Forget failed requests. Call it before uv is asked something else."""
        if self._relay is not None:
            self._relay.forget()


def promised_in(context: Context) -> Promised:
    """The metadata that indexes gave for wheels which have not been downloaded yet."""
    from tfprov.fetch.promised import Promised

    return Promised(context.home.cache / "metadata")


def fetch_into_store(
    context: Context, network: Network, files: Sequence[LockedFile], *, listener: Listener | None = None
) -> Fetched:
    """Fetch files as the run and its profile say, see `fetch`."""
    from tfprov.fetch.fetch import fetch

    return fetch(
        files,
        store=Store.of(context.home),
        network=network,
        emit=context.emit,
        deadline=context.deadline,
        skip=context.skip,
        listener=listener,
    )


@contextlib.contextmanager
def index_access(context: Context, machine: Machine, requirements: Sequence[str] = ()) -> Iterator[IndexAccess]:
    """Access to the indexes while the block runs. Starts the relay unless nothing has to be requested from a server.

    Args:
        context: of the run.
        machine: provides the network.
        requirements: requirements that uv will be given; a URL in one of them counts as a server.

    Yields:
        The access, which is not valid after the block.
    """
    network = machine.network
    places = (network.index_url or "https://", *network.further, *network.find_links)
    remote = any("://" in place and local_path(place) is None for place in places)
    if network.offline or not (remote or any("://" in line for line in requirements)):
        yield IndexAccess(context, machine, None, requirements)
        return
    from tfprov.fetch.relay import Relay
    from tfprov.fetch.ways import Ways

    with Relay(
        Ways(network=network, emit=context.emit, deadline=context.deadline, skip=context.skip),
        direct=requirements,
        environ=context.request.environ,
        store=Store.of(context.home),
        promised=promised_in(context),
        pages=machine.pages,
    ) as relay:
        yield IndexAccess(context, machine, relay, requirements)
