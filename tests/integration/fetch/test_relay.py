"""A real uv behind the relay, in front of indexes and proxies that misbehave. Real sockets, tiny wheels."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from uv import find_uv_bin

from channel import ChannelServer, write_channel
from hurry import HURRY
from loopback import RESET, WINE, Faults, Index, Proxy, authority, unused_port, wheel
from sdists import project, sdist
from tfprov.errors import TfprovError
from tfprov.events import Event, Note, ignore
from tfprov.fetch.credentials import login_in
from tfprov.fetch.patience import Patience
from tfprov.fetch.promised import Promised
from tfprov.fetch.relay import Relay, RelayedChannel
from tfprov.fetch.relay_answers import Pages
from tfprov.fetch.routes import DIRECT, Route, proxy_at
from tfprov.fetch.sources import Network
from tfprov.fetch.stand_ins import disguised, stand_in, truthful
from tfprov.fetch.store import Store
from tfprov.fetch.ways import Ways
from tfprov.secret import Secret

# Six tries of the patient rung and none of the others wait long enough to make a test slow.
QUICK = Patience(normal=replace(HURRY.normal, tries=4), patient=replace(HURRY.patient, tries=4))

FILES = {
    "alpha-1.0-py3-none-any.whl": wheel("alpha", "1.0", requires=("beta",)),
    "beta-1.0-py3-none-any.whl": wheel("beta", "1.0", size=300_000, requires=("gamma>=1",)),
    "gamma-1.0-py3-none-any.whl": wheel("gamma", "1.0"),
    "gamma-2.0-py3-none-any.whl": wheel("gamma", "2.0"),
}


@dataclass(kw_only=True)
class Uv:
    """A uv that resolves through a relay, and what the relay said."""

    folder: Path
    events: list[Event] = field(default_factory=list)
    failure: TfprovError | None = None
    said: str = ""
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(
        self,
        index: Index | str,
        *asked: str,
        offline: bool = False,
        patience: Patience = QUICK,
        store: Store | None = None,
        promised: Promised | None = None,
        pages: Pages | None = None,
        more: tuple[str, ...] = (),
        **network: object,
    ) -> str | None:
        """The PEP 751 document; None when there was none."""
        url = index if isinstance(index, str) else index.simple
        login = login_in(url)
        logins = () if login is None else (login,)
        settings: dict[str, object] = {"connect_timeout": 3.0, "idle_timeout": 3.0, "logins": logins, **network}
        reach = Network(index_url=url, **settings)  # type: ignore[arg-type]  # by name
        lines = asked or ("alpha",)
        (self.folder / "asked.in").write_text("".join(f"{disguised(line)}\n" for line in lines))
        with Relay(
            Ways(network=reach, emit=self.events.append, patience=patience),
            direct=lines,
            store=store,
            promised=promised,
            pages=pages,
        ) as relay:
            route = reach.ordered_routes()[0]
            self.environ = {**reach.tool_environment(route), **relay.environment(route)}
            environ = {"PATH": os.environ["PATH"], **self.environ, **({"UV_OFFLINE": "1"} if offline else {})}
            argv: list[str | Path] = [
                *(find_uv_bin(), "pip", "compile", "asked.in", "--format", "pylock.toml", "--no-header"),
                *("--no-config", "--no-progress", "--cache-dir", self.folder / "cache", "--python", sys.executable),
                *(part for link in relay.find_links for part in ("--find-links", link)),
                *(("--index-strategy", "unsafe-best-match") if reach.merged else ()),
                *more,
            ]
            done = subprocess.run(
                argv, env=environ, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
            )
            self.failure = relay.failure
        self.said = truthful(done.stderr)
        return truthful(done.stdout) if done.returncode == 0 else None

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note) and event.level == "warning"]


@pytest.fixture
def uv(tmp_path: Path) -> Uv:
    return Uv(folder=tmp_path)


def expected(index: Index, *files: str) -> list[str]:
    return [index.url(name) for name in files]


def addresses(document: str | None) -> list[str]:
    assert document is not None
    return [part.partition('"')[0] for part in document.split('url = "')[1:]]


ALL = ("alpha-1.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl", "gamma-2.0-py3-none-any.whl")

CURABLE = {
    "nothing": Faults(),
    "JSON pages": Faults(json=True),
    "metadata beside the wheels": Faults(metadata=True),
    "no ranges": Faults(ignore_ranges=True),
    "no length": Faults(ignore_ranges=True, chunked=True),
    "no HEAD": Faults(no_head=True),
    "503 five times for each address": Faults(each=(503,) * 5),
    "429 with Retry-After": Faults(each=(429,), retry_after="1", metadata=True),
    "pages that are cut": Faults(cut_pages=2, metadata=True),
    "JSON pages that are cut": Faults(cut_pages=2, json=True),
    "pages of garbage": Faults(garbage_pages=2, metadata=True),
    "resets at first": Faults(dead_first=3),
}


@pytest.mark.parametrize("name", CURABLE)
def test_what_can_be_had_is_had(uv: Uv, name: str) -> None:
    with Index(FILES, CURABLE[name]) as index:
        document = uv(index)
        assert addresses(document) == expected(index, *ALL)
    assert uv.failure is None


def test_a_page_is_read_once_in_a_run_however_many_resolvers_ask(uv: Uv) -> None:
    with Index(FILES) as index:
        pages = Pages()

        def asked_of_the_index(**how: Any) -> int:
            before = sum("/simple/" in each.path for each in index.seen)
            assert addresses(uv(index, **how)) == expected(index, *ALL)
            return sum("/simple/" in each.path for each in index.seen) - before

        assert asked_of_the_index(pages=pages) == 3
        assert asked_of_the_index(pages=pages) == 0
        # A resolver that is to believe nothing asks again, and so does another run.
        assert asked_of_the_index(pages=pages, more=("--refresh",)) == 3
        assert asked_of_the_index() == 3


def test_a_page_that_changed_between_two_runs_is_seen(uv: Uv) -> None:
    with Index(FILES) as index:
        uv(index)
        index.files["gamma-3.0-py3-none-any.whl"] = wheel("gamma", "3.0")
        document = uv(index)
    assert document is not None
    assert "gamma-3.0" in document


def test_nothing_of_the_relay_is_left_behind(uv: Uv) -> None:
    with Index(FILES, Faults(metadata=True, validators=True)) as index:
        first = uv(index)
        count = len(index.seen)
        assert uv(index) == first
        # The cache of the resolver knows the pages again, although the relay has another port and token.
        assert len(index.seen) == count
    assert "tfprov.invalid" not in str(first)
    assert len(list((uv.folder / "cache").glob("simple-*/index/*"))) == 1


def test_without_a_network_the_cache_answers(uv: Uv) -> None:
    with Index(FILES, Faults(metadata=True, validators=True)) as index:
        first = uv(index)
        count = len(index.seen)
        assert uv(index, offline=True) == first
        assert len(index.seen) == count


HOPELESS = {
    "a login wanted": (Faults(login="me:secret"), "mirror-http-error", 1),
    "403": (Faults(each=(403,) * 99), "mirror-http-error", 1),
    "a login page": (Faults(portal=True), "net-portal", 1),
    "500 for ever": (Faults(each=(500,) * 99), "mirror-http-error", 8),
    "garbage for ever": (Faults(garbage_pages=99), "mirror-http-error", 4),
    "headers that trickle": (Faults(header_trickle=0.1), "net-timeout", 1),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_what_cannot_be_had_ends_with_the_cause_as_we_saw_it(uv: Uv, name: str) -> None:
    faults, code, tries = HOPELESS[name]
    with Index(FILES, faults) as index:
        assert uv(index, idle_timeout=1.0) is None
        assert len(index.requests()) == tries
    assert uv.failure is not None
    assert uv.failure.code.name == code
    assert uv.failure.tried


def test_an_index_that_refuses_connections_is_waited_for_and_that_is_said(uv: Uv) -> None:
    port = unused_port()
    with contextlib.ExitStack() as later:

        def begin(seen: Event) -> None:
            if isinstance(seen, Note) and "waiting" in seen.text and not started.is_set():
                started.set()
                later.enter_context(Index(FILES, port=port))

        started = threading.Event()
        uv.events = _Hook(begin)
        document = uv(f"http://127.0.0.1:{port}/simple")
    assert len(addresses(document)) == 3
    assert uv.notes == [f"`127.0.0.1:{port}` refuses connections: waiting for it for up to 20 s"]


class _Hook(list[Event]):
    """Events, each told to somebody as it comes."""

    def __init__(self, hook: object) -> None:
        super().__init__()
        self._hook = hook

    def append(self, event: Event) -> None:
        super().append(event)
        self._hook(event)  # type: ignore[operator]  # a function of an event


def test_a_mirror_stands_in_for_an_index_that_fails(uv: Uv) -> None:
    with Index(FILES, Faults(each=(503,) * 99)) as bad, Index(FILES) as good:
        document = uv(bad, mirrors=(good.simple,))
        assert addresses(document) == expected(good, *ALL)
        assert len(bad.requests()) < 10
    assert uv.failure is None


def test_a_dead_proxy_is_passed_by_and_a_login_is_given(uv: Uv) -> None:
    with Index(FILES) as index, Proxy(login="me:pa ss") as proxy:
        dead = Route(name="dead", http=proxy_at(f"http://127.0.0.1:{unused_port()}"))
        good = Route(name="good", http=proxy_at(proxy.url.replace("://", "://me:pa%20ss@")))
        document = uv(index, routes=(dead, good))
        assert addresses(document) == expected(index, *ALL)
        assert proxy.seen


def test_the_resolver_sees_no_credentials_and_the_index_gets_them(uv: Uv) -> None:
    with Index(FILES, Faults(login="me:se#cret")) as index:
        url = index.simple.replace("://", "://me:se%23cret@")
        document = uv(url)
        assert addresses(document) == expected(index, *ALL)
    assert "cret" not in repr(uv.environ)
    assert "cret" not in str(document)


def test_every_index_has_its_own_way(uv: Uv, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "gamma-3.0-py3-none-any.whl").write_bytes(wheel("gamma", "3.0"))
    newer = {"beta-2.0-py3-none-any.whl": wheel("beta", "2.0")}
    with Index(FILES) as index, Index({"beta-0.5-py3-none-any.whl": wheel("beta", "0.5")}) as extra:
        # The first index that has a project wins, whatever the others have.
        found = uv(index, extra=(extra.simple,), find_links=(str(tmp_path / "wheels"),))
        assert addresses(found) == [index.url(ALL[0]), extra.url("beta-0.5-py3-none-any.whl")]
    with Index(FILES) as index, Index(newer) as extra:
        found = uv(index, extra=(extra.simple,), merged=True)
        assert addresses(found) == [index.url(ALL[0]), extra.url("beta-2.0-py3-none-any.whl")]


def test_a_page_of_links_comes_through_the_relay(uv: Uv) -> None:
    with Index(FILES) as index, Index({"alpha-2.0-py3-none-any.whl": wheel("alpha", "2.0")}) as more:
        document = uv(index, find_links=(f"{more.simple}/alpha/",))
        assert addresses(document) == [more.url("alpha-2.0-py3-none-any.whl")]


def test_a_requirement_with_an_address_keeps_it_in_the_lock(uv: Uv) -> None:
    with Index(FILES) as index, Index({ALL[1]: FILES[ALL[1]]}, Faults(login="me:secret", each=(503,))) as other:
        document = uv(index, f"beta @ {other.url(ALL[1]).replace('://', '://me:secret@')}")
        assert addresses(document) == [other.url(ALL[1]), index.url(ALL[2])]


def test_a_big_file_goes_on_where_it_was_cut(uv: Uv) -> None:
    big = wheel("beta", "1.0", size=9 << 20, members=3)
    faults = Faults(cut_every=2 << 20)
    with Index(FILES) as index, Index({ALL[1]: big}, faults) as other:
        assert addresses(uv(index, f"beta @ {other.url(ALL[1])}")) == [other.url(ALL[1])]
        assert other.sent <= len(big) * RESET


@pytest.mark.skipif(WINE, reason="Wine finds no address in a certificate")
def test_an_authority_of_the_profile_is_trusted(uv: Uv, tmp_path: Path) -> None:
    ours = authority(tmp_path)
    with Index(FILES, tls=ours.server) as index:
        assert uv(index) is None
        assert uv.failure is not None
        assert uv.failure.code.name == "net-tls-cert"
        assert addresses(uv(index, certificates=(ours.bundle,))) == expected(index, *ALL)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/simple/alpha/",
        stand_in("http://127.0.0.1:1/simple/alpha/", "index"),
        stand_in("http://127.0.0.1:{port}/other/alpha/", "index"),
        stand_in("http://127.0.0.1:{port}/simple/alpha/", "links"),
    ],
)
def test_nothing_but_the_indexes_of_the_run_is_served(address: str) -> None:
    with Index(FILES) as index, Relay(Ways(network=Network(index_url=index.simple), emit=ignore)) as relay:
        way = relay.environment(DIRECT)["HTTP_PROXY"]
        url = address.replace("{port}", str(index.port)).replace("%7Bport%7D", str(index.port))
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.build_opener(urllib.request.ProxyHandler({"http": way})).open(url)
        caught.value.close()
        assert caught.value.code == 403
        assert index.seen == []


def test_whoever_does_not_know_the_token_gets_nothing() -> None:
    with Index(FILES) as index, Relay(Ways(network=Network(index_url=index.simple), emit=ignore)) as relay:
        way = relay.environment(DIRECT)["HTTP_PROXY"]
        for wrong in (way.replace("tfprov:", "tfprov:x"), f"http://{way.rpartition('@')[2]}"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": wrong}))
                opener.open(stand_in(f"{index.simple}/alpha/", "index"))
            caught.value.close()
            assert caught.value.code == 407
        assert index.seen == []


@pytest.mark.skipif(WINE, reason="Wine finds no address in a certificate")
def test_a_way_from_https_to_http_is_taken_only_where_the_profile_allows_it(uv: Uv, tmp_path: Path) -> None:
    ours = authority(tmp_path)
    trusted = {"certificates": (ours.bundle,)}
    with Index(FILES) as plain, Index(FILES, Faults(redirect=plain.origin), tls=ours.server) as index:
        asked = f"beta @ {index.url(ALL[1])}"
        assert uv(index, asked, **trusted) is None
        assert uv.failure is not None
        assert uv.failure.what == "`127.0.0.1` redirects from https to http, to `127.0.0.1`"
        assert plain.seen == []
        assert addresses(uv(index, asked, allow_http=("127.0.0.1",), **trusted)) == [
            index.url(ALL[1]),
            index.url(ALL[2]),
        ]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_wheel_that_comes_whole_only_is_kept_for_the_download(uv: Uv, tmp_path: Path, chunked: bool) -> None:
    store = Store(tmp_path / "store")
    with Index(FILES, Faults(ignore_ranges=True, chunked=chunked)) as index:
        assert addresses(uv(index, store=store)) == expected(index, *ALL)
        assert index.sent == sum(len(FILES[name]) for name in ALL)
        for name in ALL:
            assert store.path(index.sha256(name), name).read_bytes() == FILES[name]


def test_what_the_index_says_of_a_wheel_is_kept_until_it_comes(uv: Uv, tmp_path: Path) -> None:
    promised = Promised(tmp_path / "promised")
    with Index(FILES, Faults(metadata=True)) as index:
        assert addresses(uv(index, promised=promised)) == expected(index, *ALL)
    assert len(list((tmp_path / "promised").iterdir())) == len(ALL)


def test_a_resolver_that_is_killed_leaves_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    with Index(FILES) as index, Relay(Ways(network=Network(index_url=index.simple), emit=ignore)) as relay:
        proxy = urlsplit(relay.environment(DIRECT)["HTTP_PROXY"])
        for _ in range(3):
            with socket.create_connection((proxy.hostname, proxy.port)) as connection:
                # To close it so sends a reset, as the system does for a process that is killed.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(b"GET http://tfprov.invalid/index/http/nobody/ HTTP/1.1\r\n")
        deadline = time.monotonic() + 60
        while any("process_request_thread" in thread.name for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert capfd.readouterr().err == ""


def test_files_of_a_channel_come_with_its_token_and_of_no_other(tmp_path: Path) -> None:
    token = "s3cr3t-t0k3n"
    with ChannelServer(write_channel(tmp_path, [], with_python=False), token=token) as server:
        own = f"{server.origin}/t/{token}/channel"
        served = RelayedChannel(address=f"{server.origin}/channel", own=own)
        assert token not in repr(served)
        with (
            Relay(Ways(network=Network(index_url=None), emit=ignore), channels=[served]) as relay,
            httpx.Client(proxy=relay.environment(DIRECT)["HTTP_PROXY"], trust_env=False) as client,
        ):
            there = stand_in(f"{server.origin}/channel/noarch/repodata.json", "channel")
            assert client.get(there).json()["info"] == {"subdir": "noarch"}
            assert client.get(stand_in(f"{server.origin}/channel/noarch/none.zst", "channel")).status_code == 404
            assert client.get(stand_in(f"{server.origin}/other/repodata.json", "channel")).status_code == 403
            assert client.get(stand_in(f"{server.origin}/channel-2/x", "channel")).status_code == 403
        assert {seen.path.partition("/channel/")[0] for seen in server.seen} == {f"/t/{token}"}


@pytest.mark.parametrize("kind", ["file", "wheel"])
@pytest.mark.parametrize("rest", ["x-1-py3-none-any.whl", "x-1-py3-none-any.whl.metadata"])
def test_only_the_servers_that_the_run_names_with_a_variable_get_its_value(kind: str, rest: str) -> None:
    """The metadata of a wheel may contain any address, in the form of the relay's own too."""
    with Index(FILES) as own, Index(FILES) as direct, Index(FILES) as evil:
        value = Secret("s3cr3t-v4lue", shown="${TOKEN}")
        network = Network(index_url=f"{own.origin}/s3cr3t-v4lue/simple", variables=(("TOKEN", value),))
        lines = [f"x @ {direct.origin}/${{OTHER}}/x.whl"]
        ways = Ways(network=network, emit=ignore, patience=QUICK)
        with (
            Relay(ways, direct=lines, environ={"OTHER": "0th3r-v4lue"}) as relay,
            httpx.Client(proxy=relay.environment(DIRECT)["HTTP_PROXY"], trust_env=False) as client,
        ):
            for server, name, is_due in (
                (own, "TOKEN", True),
                (own, "OTHER", False),
                (own, "HOME", False),
                (direct, "OTHER", True),
                (direct, "TOKEN", False),
                (evil, "TOKEN", False),
                (evil, "OTHER", False),
            ):
                before = len(server.seen)
                answer = client.get(stand_in(f"{server.origin}/${{{name}}}/{rest}", kind))
                assert (answer.status_code == 403) is not is_due
                assert (len(server.seen) > before) is is_due
        assert {seen.path.split("/")[1] for seen in own.seen} == {"s3cr3t-v4lue"}
        assert {seen.path.split("/")[1] for seen in direct.seen} == {"0th3r-v4lue"}


def test_what_a_channel_names_gets_no_value_of_a_variable(tmp_path: Path) -> None:
    value = Secret("s3cr3t-v4lue", shown="${TOKEN}")
    network = Network(index_url=None, variables=(("TOKEN", value),))
    with ChannelServer(write_channel(tmp_path, [], with_python=False), token="s3cr3t-v4lue") as server:
        own = f"{server.origin}/t/s3cr3t-v4lue/channel"
        with (
            Relay(Ways(network=network, emit=ignore), channels=[RelayedChannel(address=own, own=own)]) as relay,
            httpx.Client(proxy=relay.environment(DIRECT)["HTTP_PROXY"], trust_env=False) as client,
        ):
            base = stand_in(own, "channel", relay.veil)
            assert "s3cr3t" not in base
            assert client.get(f"{base}/noarch/repodata.json").json()["info"] == {"subdir": "noarch"}
            assert client.get(f"{base}/noarch/$(TOKEN)/x.zst").status_code == 404
        assert [unquote(seen.path).rpartition("/channel/")[2] for seen in server.seen] == [
            "noarch/repodata.json",
            "noarch/${TOKEN}/x.zst",
        ]


def test_connections_wait_for_a_relay_that_is_slow_to_take_them() -> None:
    relay = Relay(Ways(network=Network(index_url="http://127.0.0.1:9/simple"), emit=ignore))
    port = urlsplit(relay.environment(DIRECT)["HTTP_PROXY"]).port
    with contextlib.ExitStack() as held:
        # Nothing takes them: it has not been entered.
        made = [held.enter_context(socket.create_connection(("127.0.0.1", port or 0), timeout=20)) for _ in range(50)]
        with relay:
            assert len(made) == 50


def test_sources_of_versions_with_wheels_can_be_kept_back(uv: Uv) -> None:
    source = sdist(uv.folder / "made", project("gamma", "3.0"), stem="gamma-3.0")
    spare = sdist(uv.folder / "made", project("gamma", "1.0"), stem="gamma-1.0")
    files = {**FILES, source.name: source.read_bytes(), spare.name: spare.read_bytes()}
    with Index(files) as index:
        shown = {}
        network = Network(index_url=index.simple)
        with Relay(Ways(network=network, emit=ignore, patience=QUICK)) as relay:
            for system in ("", "linux"):
                variables = relay.environment(DIRECT, wheels_first=system)
                with httpx.Client(proxy=variables["HTTP_PROXY"], trust_env=False) as client:
                    shown[system] = client.get(f"{variables['UV_DEFAULT_INDEX']}/gamma/").text
    assert [name in shown[""] for name in (source.name, spare.name)] == [True, True]
    assert [name in shown["linux"] for name in (source.name, spare.name)] == [True, False]
