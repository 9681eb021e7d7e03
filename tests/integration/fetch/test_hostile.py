"""The fetch stage against servers and proxies that misbehave. Real sockets, small files, short time-outs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path

import pytest

from hurry import HURRY
from loopback import RESET, WINE, Faults, Index, Proxy, SocksProxy, authority, full_disk, unused_port, wheel
from tfprov.errors import TfprovError
from tfprov.events import Attempt, Event, Note, Progress
from tfprov.fetch import bounded, exchange
from tfprov.fetch import meter as stage
from tfprov.fetch.credentials import Login
from tfprov.fetch.fetch import fetch, sizes
from tfprov.fetch.job import Listener
from tfprov.fetch.partial import Partial
from tfprov.fetch.pieces import Pieces
from tfprov.fetch.routes import DIRECT, Route, proxy_at
from tfprov.fetch.sources import Network
from tfprov.fetch.store import Store
from tfprov.lock.records import LockedFile

MB = 1024 * 1024
NAME = "thing-1.0-py3-none-any.whl"
CONTENT = wheel("thing", "1.0", size=14 * MB, members=7)
OTHER = wheel("thing", "1.0", size=14 * MB, members=7, seed=1)
SIZE = len(CONTENT)


@dataclass(kw_only=True)
class Run:
    """One fetch and its traces."""

    store: Store
    events: list[Event] = field(default_factory=list)

    def __call__(
        self,
        index: Index,
        *,
        size: int | None = SIZE,
        url: str | None = None,
        skip: tuple[str, ...] = (),
        deadline: float | None = None,
        listener: Listener | None = None,
        **network: object,
    ) -> bytes:
        file = LockedFile(
            name="thing",
            version="1.0",
            filename=NAME,
            url=url or index.url(NAME),
            sha256=SHA,
            size=size,
        )
        settings: dict[str, object] = {"connect_timeout": 3.0, "idle_timeout": 1.0, **network}
        fetched = fetch(
            [file],
            store=self.store,
            network=Network(index_url=index.simple, **settings),  # type: ignore[arg-type]  # by name
            emit=self.events.append,
            deadline=deadline,
            skip=skip,
            patience=HURRY,
            listener=listener,
        )
        fetched.flusher.wait()
        return fetched.paths[SHA].read_bytes()

    @property
    def journal(self) -> list[tuple[str, str | None]]:
        return [(event.rung, event.code) for event in self.events if isinstance(event, Attempt) and event.number > 0]


with Index({NAME: CONTENT}) as _probe:
    SHA = _probe.sha256(NAME)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(store=Store(tmp_path / "store"))


# What goes wrong, and how many times the file may be sent until it is here.
CURABLE = {
    "nothing": (Faults(), 1.0),
    "reset every 2 MB": (Faults(cut_every=2 * MB), RESET),
    "end every 3 MB": (Faults(cut_every=3 * MB, cut_with="end"), 1.02),
    "one connection goes silent": (Faults(stall_after=2 * MB, stalls=1), 1.02),
    "three connections go silent": (Faults(stall_after=MB, stalls=3), 1.02),
    "one connection trickles": (Faults(stall_after=2 * MB, stalls=1, trickle=5), 1.02),
    "503 twice": (Faults(statuses=(503, 503)), 1.0),
    "429 with Retry-After in seconds": (Faults(statuses=(429,), retry_after="1"), 1.0),
    "one damaged byte, once": (Faults(flips=(5 * MB,), flip_times=1), 2.0),
    "one damaged byte, in a cache": (Faults(flips=(5 * MB,), flips_cached=True), 2.0),
    "no ranges": (Faults(ignore_ranges=True), 1.0),
    "no ranges, and silent in the middle once": (Faults(ignore_ranges=True, stall_after=7 * MB, stalls=1), 1.55),
    "no length": (Faults(chunked=True, ignore_ranges=True), 1.0),
    "no ETag": (Faults(etag="no", cut_every=3 * MB), RESET),
    # The condition of the first request that has one fails, and what was under way then is lost in the sockets.
    "another ETag each time": (Faults(etag="flap", cut_every=3 * MB), 1.5),
    "two connections at most": (Faults(connections=2, rate=8e6), 1.02),
    "no HEAD": (Faults(no_head=True), 1.0),
    "down for a moment": (Faults(dead_first=4), 1.0),
}


@pytest.mark.parametrize("name", CURABLE)
def test_what_can_be_had_is_had_and_hardly_paid_twice(run: Run, name: str) -> None:
    faults, most = CURABLE[name]
    with Index({NAME: CONTENT}, faults) as index:
        assert run(index) == CONTENT
        assert index.sent <= most * SIZE
    assert run.journal[-1][1] is None
    assert list((run.store.root / "partial").iterdir()) == []


HOPELESS = {
    "403": (Faults(always_status=403), "mirror-http-error"),
    "404": (Faults(always_status=404), "mirror-http-error"),
    "503 for ever": (Faults(always_status=503), "mirror-http-error"),
    "a login page": (Faults(portal=True), "net-portal"),
    "silence": (Faults(stall_after=0), "net-timeout"),
    "a trickle": (Faults(stall_after=0, trickle=5), "net-timeout"),
    "a shorter file": (Faults(truncate=1000), "hash-mismatch"),
    "the same damage for ever": (Faults(flips=(5 * MB,)), "hash-mismatch"),
    "a login wanted": (Faults(login="me:secret"), "mirror-http-error"),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_what_cannot_be_had_ends_with_the_cause_and_the_story(run: Run, name: str) -> None:
    faults, code = HOPELESS[name]
    with Index({NAME: CONTENT}, faults) as index, pytest.raises(TfprovError) as caught:
        run(index)
    assert caught.value.code.name == code
    assert caught.value.evidence
    assert caught.value.tried[0].startswith("normal: ")
    assert run.store.files() == ()


@pytest.mark.parametrize("host", ["xn--a", "xn--zzzzzz99999.example", "i❤.example", "index..example"])
def test_a_host_that_is_not_a_name_is_named_where_a_page_or_a_redirect_has_it(run: Run, host: str) -> None:
    address = f"http://{host}/{NAME}"
    with Index({NAME: CONTENT}, Faults(redirect=f"http://{host}")) as index:
        for url, words in (("", "invalid address|host name"), (address, "is not a valid host name|not a host name")):
            with pytest.raises(TfprovError, match=words) as caught:
                run(index, url=url or index.url(NAME), skip=("patient",))
            assert caught.value.code.name in ("mirror-http-error", "net-dns")


def test_another_file_of_the_same_size_is_never_accepted(run: Run) -> None:
    assert len(OTHER) == SIZE
    with Index({NAME: OTHER}) as index, pytest.raises(TfprovError) as caught:
        run(index)
    assert caught.value.code.name == "hash-mismatch"
    assert caught.value.what == f"`{NAME}` does not match its hash in the lock: the same bytes were received twice"
    assert caught.value.hint == "name a mirror with `index.mirrors`; if every source has this file, renew the lock"
    assert index.sent == 2 * SIZE
    assert [rung for rung, _ in run.journal] == ["normal", "fresh"]


def test_another_size_is_noticed_before_the_body(run: Run) -> None:
    with Index({NAME: CONTENT + b"more"}) as index, pytest.raises(TfprovError) as caught:
        run(index)
    assert caught.value.code.name == "hash-mismatch"
    assert index.sent < SIZE // 2


@pytest.mark.parametrize(
    ("is_told", "limit", "reserve", "code"),
    [
        (False, 4 * MB, 0, "mirror-http-error"),
        (False, SIZE, 1 << 60, "disk-full"),
        (True, 4 * MB, 0, "mirror-http-error"),
    ],
    ids=["without end", "more than the disk has", "a size that no wheel has"],
)
def test_a_file_whose_size_the_lock_does_not_give_cannot_fill_the_disk(
    run: Run, monkeypatch: pytest.MonkeyPatch, is_told: bool, limit: int, reserve: int, code: str
) -> None:
    for module in (bounded, exchange):
        monkeypatch.setattr(module, "LARGEST", limit)
    monkeypatch.setattr(bounded, "_RESERVE", reserve)
    monkeypatch.setattr(bounded, "_STEP", MB)
    with Index({NAME: CONTENT}, Faults(chunked=not is_told, ignore_ranges=True)) as index:
        with pytest.raises(TfprovError) as caught:
            run(index, size=None)
        assert caught.value.code.name == code
        assert [code for _, code in run.journal] == [code] * len(run.journal)
        assert sum(path.stat().st_size for path in run.store.folder("partial").glob("*.part")) == 0
        monkeypatch.undo()
        assert run(index, size=None) == CONTENT


def test_a_source_that_has_become_shorter_does_not_cost_what_is_here(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(stall_after=6 * MB)) as index:
        with pytest.raises(TfprovError):
            run(index, deadline=time.monotonic() + 1.5)
        index.faults = Faults(truncate=12 * MB)
        with pytest.raises(TfprovError) as caught:
            run(index)
        assert caught.value.code.name == "hash-mismatch"
        index.faults = Faults()
        assert run(index) == CONTENT
        assert index.sent <= 1.05 * SIZE


def test_a_file_that_changes_under_way_is_not_mixed(run: Run) -> None:
    faults = Faults(changes_after=1, stall_after=2 * MB, stalls=1)
    with Index({NAME: OTHER}, faults, changed=CONTENT) as index:
        assert run(index) == CONTENT
        assert index.sent <= 1.6 * SIZE  # what had come of the old file, and what was under way in the sockets


def test_wrong_ranges_are_noticed_and_the_whole_is_asked_for(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(range_shift=1000)) as index:
        assert run(index) == CONTENT
        assert "range" not in index.requests(NAME)[-1].headers


def test_retry_after_is_waited_for(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(statuses=(503,), retry_after="1")) as index:
        run(index)
    first = next(event for event in run.events if isinstance(event, Attempt))
    assert first.wait is not None
    assert first.wait >= 1.0


def test_a_retry_after_date_is_waited_for(run: Run) -> None:
    date = formatdate(time.time() + 3, usegmt=True)
    with Index({NAME: CONTENT}, Faults(statuses=(503,), retry_after=date)) as index:
        run(index)
    first = next(event for event in run.events if isinstance(event, Attempt))
    assert first.wait is not None
    assert 1.0 < first.wait <= 3.0


def test_a_slow_server_gets_more_connections_and_a_quick_one_does_not(run: Run, tmp_path: Path) -> None:
    with Index({NAME: CONTENT}, Faults(rate=2.5e6)) as slow:
        assert run(slow) == CONTENT
        assert len({seen.connection for seen in slow.requests(NAME)}) > 1
    with Index({NAME: CONTENT}) as quick:
        assert Run(store=Store(tmp_path / "second"))(quick) == CONTENT
        assert len({seen.connection for seen in quick.requests(NAME)}) == 1


def test_one_connection_is_one_connection(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(rate=8e6)) as index:
        assert run(index, connections=1) == CONTENT
        assert len({seen.connection for seen in index.requests(NAME)}) == 1


def test_a_mirror_heals_what_the_index_has_damaged(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(flips=(5 * MB,))) as index, Index({NAME: CONTENT}) as mirror:
        assert run(index, mirrors=(mirror.simple,)) == CONTENT
        assert index.sent + mirror.sent == 2 * SIZE
    assert ("other-source", None) in run.journal


@pytest.mark.parametrize("faults", [Faults(always_status=403), Faults(always_status=500), Faults(truncate=5)])
def test_a_mirror_stands_in_for_an_index_that_fails(run: Run, faults: Faults) -> None:
    with Index({NAME: CONTENT}, faults) as index, Index({NAME: CONTENT}) as mirror:
        assert run(index, mirrors=(mirror.simple,)) == CONTENT


def test_another_index_of_the_profile_is_a_source_too(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(always_status=404)) as moved, Index({NAME: CONTENT}) as index:
        assert run(index, url=moved.url(NAME)) == CONTENT


def test_a_folder_with_the_same_file_saves_the_download(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / NAME).write_bytes(CONTENT)
    with Index({NAME: CONTENT}) as index:
        assert run(index, find_links=(str(tmp_path / "wheels"),)) == CONTENT
        assert index.seen == []


def test_a_folder_with_another_file_of_that_name_is_passed_by(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / NAME).write_bytes(OTHER)
    with Index({NAME: CONTENT}) as index:
        assert run(index, find_links=(str(tmp_path / "wheels"),)) == CONTENT


@pytest.mark.skipif(sys.platform != "linux", reason="a file that nobody can read")
def test_a_folder_whose_file_cannot_be_read_is_passed_by(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / NAME).symlink_to("/proc/self/mem")
    with Index({NAME: CONTENT}) as index:
        assert run(index, find_links=(str(tmp_path / "wheels"),)) == CONTENT


def test_a_local_file_that_is_gone_is_the_locks_fault(run: Run, tmp_path: Path) -> None:
    with Index({NAME: CONTENT}) as index, pytest.raises(TfprovError) as caught:
        run(index, url=(tmp_path / NAME).as_uri())
    assert caught.value.code.name == "lock-unfit"


def test_a_dead_index_costs_one_round_and_not_one_for_each_file(tmp_path: Path) -> None:
    names = [f"p{number}-1.0-py3-none-any.whl" for number in range(4)]
    content = {name: wheel(name.split("-")[0], "1.0", size=1000) for name in names}
    events: list[Event] = []
    with Index(content) as mirror:
        dead = f"http://127.0.0.1:{unused_port()}"
        files = [
            LockedFile(
                name=name.split("-")[0], version="1.0", filename=name, url=f"{dead}/{name}", sha256=mirror.sha256(name)
            )
            for name in names
        ]
        network = Network(index_url=None, mirrors=(mirror.simple,), connections=1, connect_timeout=3, idle_timeout=1)
        fetched = fetch(files, store=Store(tmp_path), network=network, emit=events.append, patience=HURRY)
    assert {path.name for path in fetched.paths.values()} == set(names)
    refused = [event for event in events if isinstance(event, Attempt) and event.code == "net-refused" and event.number]
    assert len(refused) == HURRY.normal.tries


def test_a_redirect_into_nowhere_is_answered_by_the_mirror(run: Run) -> None:
    nowhere = Faults(redirect=f"http://127.0.0.1:{unused_port()}")
    with Index({NAME: CONTENT}, nowhere) as index, Index({NAME: CONTENT}) as mirror:
        assert run(index, mirrors=(mirror.simple,)) == CONTENT


# -- routes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["dead", "silent", "reset", "502"])
def test_a_bad_proxy_is_passed_by_when_the_direct_way_works(run: Run, mode: str) -> None:
    with contextlib.ExitStack() as stack:
        index = stack.enter_context(Index({NAME: CONTENT}))
        address = f"http://127.0.0.1:{unused_port()}"
        if mode != "dead":
            address = stack.enter_context(Proxy(mode=mode)).url  # type: ignore[arg-type]  # one of its modes
        route = Route(name="environment", http=proxy_at(address), https=proxy_at(address))
        assert run(index, routes=(route, DIRECT), connect_timeout=1.0) == CONTENT
        assert index.sent <= 1.01 * SIZE


def test_a_proxy_gets_its_login(run: Run) -> None:
    with Index({NAME: CONTENT}) as index, Proxy(login="me:secret") as proxy:
        address = proxy.url.replace("://", "://me:secret@")
        assert run(index, routes=(Route(name="p", http=proxy_at(address)),)) == CONTENT
        assert proxy.seen
    assert "secret" not in repr(run.events)


def test_a_proxy_that_wants_a_login_nobody_has_ends_it_at_once(run: Run) -> None:
    with Index({NAME: CONTENT}) as index, Proxy(login="me:secret") as proxy:
        with pytest.raises(TfprovError) as caught:
            run(index, routes=(Route(name="p", http=proxy_at(proxy.url)),))
        assert len(proxy.seen) == 1
    assert caught.value.code.name == "net-proxy"
    assert index.sent == 0


@pytest.mark.parametrize("login", [None, "me:secret"])
def test_socks_proxies_are_served_and_resolve_names(run: Run, login: str | None) -> None:
    with Index({NAME: CONTENT}) as index, SocksProxy(login=login) as proxy:
        address = proxy.url.replace("://", f"://{login}@") if login else proxy.url
        url = index.url(NAME).replace("127.0.0.1", "localhost")
        assert run(index, url=url, routes=(Route(name="p", http=proxy_at(address)),)) == CONTENT
        assert proxy.targets[0] == f"localhost:{index.port}"


def test_no_proxy_is_respected(run: Run) -> None:
    with Index({NAME: CONTENT}) as index:
        dead = f"http://127.0.0.1:{unused_port()}"
        assert run(index, routes=(Route(name="p", http=proxy_at(dead), no_proxy="127.0.0.0/8"),)) == CONTENT


def test_credentials_go_to_their_own_host_and_not_where_it_redirects(run: Run) -> None:
    with Index({NAME: CONTENT}) as files:
        faults = Faults(login="me:secret", redirect=files.origin)
        with Index({NAME: CONTENT}, faults) as index:
            login = Login.of(f"http://127.0.0.1:{index.port}", "me", "secret")
            assert run(index, logins=(login,)) == CONTENT
        assert all("authorization" not in seen.headers for seen in files.seen)


# -- certificates ------------------------------------------------------------------------------------------------------


finds_addresses = pytest.mark.skipif(WINE, reason="Wine finds no address in a certificate")


@finds_addresses
def test_a_certificate_of_the_bundle_is_trusted(run: Run, tmp_path: Path) -> None:
    made = authority(tmp_path)
    with Index({NAME: CONTENT}, tls=made.server) as index:
        assert run(index, certificates=(made.bundle,)) == CONTENT


@finds_addresses
def test_a_trusted_server_is_reached_through_a_tunnel(run: Run, tmp_path: Path) -> None:
    made = authority(tmp_path)
    with Index({NAME: CONTENT}, tls=made.server) as index, Proxy() as proxy:
        assert run(index, certificates=(made.bundle,), routes=(Route(name="p", https=proxy_at(proxy.url)),)) == CONTENT
        assert {seen.method for seen in proxy.seen} == {"CONNECT"}


@finds_addresses
@pytest.mark.parametrize(
    ("days", "host", "trusted", "words"),
    [
        ((-30, 30), "127.0.0.1", False, "unknown authority"),
        ((-30, -1), "127.0.0.1", True, "has expired"),
        ((5, 30), "127.0.0.1", True, "not valid yet"),
        ((-30, 30), "127.0.0.9", True, "another address"),
    ],
)
def test_a_bad_certificate_ends_it_at_once_in_its_own_words(
    run: Run, tmp_path: Path, days: tuple[int, int], host: str, trusted: bool, words: str
) -> None:
    made = authority(tmp_path, days=days, host=host)
    with Index({NAME: CONTENT}, tls=made.server) as index, pytest.raises(TfprovError) as caught:
        run(index, certificates=(made.bundle,) if trusted else ())
    assert caught.value.code.name == "net-tls-cert"
    assert words in caught.value.what
    assert len(run.journal) == 1
    assert index.sent == 0


class Choosing:
    """A reader of files that arrive, who never says what he wants first."""

    def begins(self, file: LockedFile, partial: Partial) -> None:
        partial.choosing = True

    def whole(self, file: LockedFile, path: Path) -> None:
        """It is of no interest."""


def test_pieces_stay_short_while_it_is_not_known_what_is_wanted_first(run: Run) -> None:
    with Index({NAME: CONTENT}) as index:
        assert run(index, listener=Choosing()) == CONTENT
        asked = [seen.headers["range"].removeprefix("bytes=").split("-") for seen in index.requests(NAME)]
    assert len(asked) > 1
    assert max(int(last) + 1 - int(first) for first, last in asked) <= Pieces.SMALLEST * 5 // 4


# -- across runs and processes -----------------------------------------------------------------------------------------


def test_the_next_run_goes_on_where_the_last_one_failed(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(stall_after=5 * MB)) as index:
        with pytest.raises(TfprovError):
            run(index, deadline=time.monotonic() + 1.5)
        first = index.sent
        assert first >= 5 * MB
        index.faults = Faults()
        assert run(index) == CONTENT
        assert index.sent <= 1.02 * SIZE


def test_what_is_in_the_store_is_not_asked_for(run: Run) -> None:
    with Index({NAME: CONTENT}) as index:
        run(index)
        before = len(index.seen)
        assert run(index) == CONTENT
        assert len(index.seen) == before


CHILD = """
import sys, time
from pathlib import Path
from tfprov.events import ignore
from tfprov.fetch.fetch import fetch
from tfprov.fetch.sources import Network
from tfprov.fetch.store import Store
from tfprov.lock.records import LockedFile
url, sha, size, store = sys.argv[1:]
file = LockedFile(name="thing", version="1.0", filename=url.rpartition("/")[2], url=url, sha256=sha, size=int(size))
fetch([file], store=Store(Path(store)), network=Network(index_url=None), emit=ignore)
"""


def child(index: Index, store: Store) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, index.url(NAME), SHA, str(SIZE), str(store.root)])


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_after_kill_9_nothing_is_paid_for_twice(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(total_rate=10e6)) as index:
        victim = child(index, run.store)
        while index.sent < SIZE // 2:
            assert victim.poll() is None
            threading.Event().wait(0.01)
        victim.send_signal(signal.SIGKILL)
        victim.wait(30)
        assert run.store.files() == ()
        index.faults = Faults()
        assert run(index) == CONTENT
        # Half a megabyte of what was written may not have been noted yet, and some is lost in the sockets.
        assert index.sent <= SIZE + 2 * MB


@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
def test_ctrl_c_ends_it_and_keeps_what_arrived(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(total_rate=5e6)) as index:
        stopped = child(index, run.store)
        while index.sent < SIZE // 4:
            assert stopped.poll() is None
            threading.Event().wait(0.01)
        stopped.send_signal(signal.SIGINT)
        assert stopped.wait(30) != 0
        before = index.sent
        index.faults = Faults()
        assert run(index) == CONTENT
        assert before < SIZE
        assert index.sent <= SIZE + 2 * MB


def test_several_processes_share_one_download(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(total_rate=20e6)) as index:
        children = [child(index, run.store) for _ in range(3)]
        assert [process.wait(60) for process in children] == [0, 0, 0]
        assert index.sent <= 1.02 * SIZE
    assert len(run.store.files()) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_the_lock_of_a_dead_process_is_taken_over(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(stall_after=MB)) as index:
        victim = child(index, run.store)
        while index.sent < MB:
            assert victim.poll() is None
            threading.Event().wait(0.01)
        waiting = threading.Event()
        done: list[bytes] = []

        def emit(event: Event) -> None:
            if isinstance(event, Note):
                waiting.set()

        def other() -> None:
            file = LockedFile(name="thing", version="1.0", filename=NAME, url=index.url(NAME), sha256=SHA, size=SIZE)
            network = Network(index_url=None, connect_timeout=3, idle_timeout=1)
            fetched = fetch([file], store=run.store, network=network, emit=emit, patience=HURRY)
            done.append(fetched.paths[SHA].read_bytes())

        thread = threading.Thread(target=other)
        thread.start()
        assert waiting.wait(30)
        index.faults = Faults()
        victim.send_signal(signal.SIGKILL)
        victim.wait(30)
        thread.join(60)
    assert done == [CONTENT]


# -- the machine -------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_seen_before_the_first_byte(tmp_path: Path) -> None:
    with full_disk(tmp_path, 5 * MB) as small, Index({NAME: CONTENT}) as index, pytest.raises(TfprovError) as caught:
        Run(store=Store(small / "store"))(index)
    assert caught.value.code.name == "disk-full"
    assert index.seen == []


def test_a_disk_that_fills_up_under_way_ends_it_at_once(tmp_path: Path) -> None:
    with full_disk(tmp_path, 5 * MB) as small, Index({NAME: CONTENT}) as index:
        running = Run(store=Store(small / "store"))
        with pytest.raises(TfprovError) as caught:
            running(index, size=None)
    assert caught.value.code.name == "disk-full"
    assert running.journal == [("normal", "disk-full")]


def test_the_deadline_ends_everything(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(rate=100_000)) as index, pytest.raises(TfprovError) as caught:
        run(index, deadline=time.monotonic() + 0.5)
    assert caught.value.code.name == "net-timeout"
    assert "deadline" in caught.value.what


def test_local_files_are_copied_and_counted(tmp_path: Path) -> None:
    source = tmp_path / NAME
    source.write_bytes(CONTENT)
    file = LockedFile(name="thing", version="1.0", filename=NAME, url=source.as_uri(), sha256=SHA)
    store = Store(tmp_path / "store")
    (sized,) = sizes([file], network=Network(index_url=None), store=store)
    assert sized.size == SIZE
    fetched = fetch([sized], store=store, network=Network(index_url=None), emit=lambda event: None)
    assert (fetched.bytes_fetched, fetched.bytes_reused) == (SIZE, 0)
    again = fetch([sized], store=store, network=Network(index_url=None), emit=lambda event: None)
    assert (again.bytes_fetched, again.bytes_reused) == (0, SIZE)


def test_progress_counts_to_the_total(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(rate=20e6)) as index:
        run(index)
    progress = [event for event in run.events if isinstance(event, Progress)]
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert progress[-1].done == progress[-1].total == SIZE


def test_a_failure_of_one_file_stops_the_others_and_keeps_what_they_have(tmp_path: Path) -> None:
    with Index({NAME: CONTENT}, Faults(rate=1e6)) as good, Index({}, Faults()) as bad:
        store = Store(tmp_path)
        files = [
            LockedFile(name="thing", version="1.0", filename=NAME, url=good.url(NAME), sha256=SHA, size=SIZE),
            LockedFile(name="x", version="1", filename="x-1.whl", url=bad.url("x-1.whl"), sha256="0" * 64, size=5),
        ]
        network = Network(index_url=None, connect_timeout=3, idle_timeout=1)
        with pytest.raises(TfprovError) as caught:
            fetch(files, store=store, network=network, emit=lambda event: None, patience=HURRY)
    assert caught.value.code.name == "mirror-http-error"
    assert [path.name for path in (tmp_path / "partial").glob("*.part")]


def test_skipped_rungs_are_not_taken(run: Run) -> None:
    with Index({NAME: CONTENT}, Faults(always_status=500)) as index, Index({NAME: CONTENT}) as mirror:
        with pytest.raises(TfprovError):
            run(index, mirrors=(mirror.simple,), skip=("other-source", "patient"))
        assert mirror.seen == []
    assert stage.STAGE == "fetch"
    assert {rung for rung, _ in run.journal} == {"normal", "fresh"}


def test_replacing_settings_keeps_the_health_of_a_run() -> None:
    network = Network(index_url=None)
    assert replace(network, connections=1).health is network.health


def test_what_a_run_has_fetched_stays_while_the_run_needs_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with Index({NAME: CONTENT}) as index:
        file = LockedFile(name="thing", version="1.0", filename=NAME, url=index.url(NAME), sha256=SHA, size=SIZE)
        fetched = fetch([file], store=store, network=Network(index_url=None), emit=lambda event: None)
    assert Store(tmp_path).prune(cap_bytes=0).files == 0
    assert fetched.paths[SHA].is_file()
    del fetched
    assert Store(tmp_path).prune(cap_bytes=0).files == 1


def test_files_that_stop_because_another_failed_are_not_told_as_failures(tmp_path: Path) -> None:
    events: list[Event] = []
    with Index({NAME: CONTENT}, Faults(rate=1e6)) as good, Index({}, Faults()) as bad:
        files = [
            LockedFile(name="thing", version="1.0", filename=NAME, url=good.url(NAME), sha256=SHA, size=SIZE),
            LockedFile(name="x", version="1", filename="x-1.whl", url=bad.url("x-1.whl"), sha256="0" * 64, size=5),
        ]
        network = Network(index_url=None, connect_timeout=3, idle_timeout=1)
        with pytest.raises(TfprovError):
            fetch(files, store=Store(tmp_path), network=network, emit=events.append, patience=HURRY)
    failed = [event.what for event in events if isinstance(event, Attempt) and event.code is not None]
    assert failed
    assert all("x-1.whl" in what for what in failed)
