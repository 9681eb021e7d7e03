from __future__ import annotations

import contextlib
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from loopback import Faults, Index, Proxy, unused_port, wheel
from tfprov.errors import TfprovError
from tfprov.events import Attempt, Event, ignore
from tfprov.fetch.answers import page_title
from tfprov.fetch.credentials import Login
from tfprov.fetch.index import find_file, listing, offerings, parse_html, parse_json, refuse_no_index, remote_size
from tfprov.fetch.routes import DIRECT, Route, proxy_at
from tfprov.fetch.sources import Network
from tfprov.lock.records import LockedFile
from told import refusal

ONE = "thing-1.0-py3-none-any.whl"
TWO = "thing-2.0-py3-none-any.whl"
FILES = {ONE: wheel("thing", "1.0"), TWO: wheel("thing", "2.0")}


def reach(url: str, **more: object) -> Network:
    return Network(index_url=url, connect_timeout=5, idle_timeout=5, **more)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("faults", [Faults(), Faults(json=True)])
def test_both_kinds_of_pages_are_read(faults: Faults) -> None:
    with Index(FILES, faults) as index:
        found = listing(["Thing", "nothing"], reach(index.simple), emit=ignore)
    assert [file.filename for file in found.files["thing"]] == [ONE, TWO]
    assert found.files["nothing"] == ()
    sizes = [len(FILES[ONE]), len(FILES[TWO])] if faults.json else [None, None]
    assert [file.size for file in found.files["thing"]] == sizes


ENTRY = {"filename": ONE, "url": "thing.whl"}


@pytest.mark.parametrize("value", [None, 0, True, ["x"], {"x": 1}, "", -1, 1.5])
def test_what_a_page_says_in_another_type_counts_as_not_said(value: object) -> None:
    for more in ({"requires-python": value}, {"hashes": {"sha256": value}}, {"size": value}, {"provenance": value}):
        body = json.dumps({"files": [{**ENTRY, **more}]}).encode()
        assert parse_json(body, "https://h.example/s/") == parse_json(
            json.dumps({"files": [ENTRY]}).encode(), "https://h.example/s/"
        )


def test_an_address_on_a_page_that_cannot_be_read_is_left_out() -> None:
    page = f'<a href="{ONE}" data-provenance="http://[">x</a><a href="http://[/x.whl">y</a>'
    (link,) = parse_html(page, "https://h.example/s/")
    assert (link.filename, link.provenance) == (ONE, None)


def test_html_gives_what_its_attributes_say() -> None:
    page = """<html><head><base href="https://files.example/a/"></head><body>
      <a href="../b/thing-1.0-py3-none-any.whl#sha256=%s" data-requires-python="&gt;=3.9" data-yanked="">x</a>
      <a href="https://other.example/thing%%2Bcpu-2.0-py3-none-any.whl?token=1">y</a>
      <a>no address</a></body></html>""" % ("AB" * 32)
    first, second = parse_html(page, "https://index.example/simple/thing/")
    assert first.url == "https://files.example/b/thing-1.0-py3-none-any.whl"
    assert (first.sha256, first.requires_python, first.yanked) == ("ab" * 32, ">=3.9", True)
    assert second.filename == "thing+cpu-2.0-py3-none-any.whl"
    assert second.sha256 is None


def test_json_gives_sizes_and_the_reason_of_a_withdrawal() -> None:
    page = {"files": [{"filename": "a.whl", "url": "../a.whl", "hashes": {"sha256": "x"}, "size": 5, "yanked": "bad"}]}
    (link,) = parse_json(json.dumps(page).encode(), "https://index.example/simple/a/")
    assert (link.url, link.size, link.yanked) == ("https://index.example/simple/a.whl", 5, True)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"{", b'{"files": [1]}', b'{"files": [{"url": "x"}]}'])
def test_json_that_is_no_index_is_the_mirrors_fault(body: bytes) -> None:
    with pytest.raises(TfprovError) as caught:
        parse_json(body, "https://index.example/simple/a/")
    assert caught.value.code.name == "mirror-http-error"


def test_a_login_page_is_no_empty_project() -> None:
    with Index(FILES, Faults(portal=True)) as index, pytest.raises(TfprovError) as caught:
        listing(["thing"], reach(index.simple), emit=ignore)
    assert caught.value.code.name == "net-portal"
    assert any("Guest network" in line for line in caught.value.evidence)


def test_an_index_that_wants_a_login_gets_it_from_the_address_and_nobody_sees_it() -> None:
    events: list[Event] = []
    with Index(FILES, Faults(login="me:secret")) as index:
        with pytest.raises(TfprovError) as caught:
            listing(["thing"], reach(index.simple), emit=events.append)
        url = index.simple.replace("://", "://me:secret@")
        network = reach(url, logins=(Login.of(index.origin, "me", "secret"),))
        assert len(listing(["thing"], network, emit=ignore).files["thing"]) == 2
    assert caught.value.code.name == "mirror-http-error"
    assert "secret" not in repr(events)


def test_a_dead_proxy_is_passed_by() -> None:
    events: list[Event] = []
    dead = Route(name="dead", http=proxy_at(f"http://127.0.0.1:{unused_port()}"))
    with Index(FILES) as index:
        network = reach(index.simple, routes=(dead, DIRECT))
        found = listing(["thing"], network, emit=events.append)
    assert len(found.files["thing"]) == 2
    attempts = [(event.rung, event.code) for event in events if isinstance(event, Attempt)]
    assert attempts == [("normal", "net-proxy"), ("other-route", None)]
    assert network.health.problem("dead") is not None


def test_pages_come_through_a_proxy_with_a_login() -> None:
    with Index(FILES) as index, Proxy(login="me:secret") as proxy:
        address = proxy.url.replace("://", "://me:secret@")
        found = listing(["thing"], reach(index.simple, routes=(Route(name="p", http=proxy_at(address)),)), emit=ignore)
        assert len(proxy.seen) == 1
    assert len(found.files["thing"]) == 2


def test_the_first_index_that_has_a_project_wins_and_folders_are_added(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "thing-3.0-py3-none-any.whl").write_bytes(b"12345")
    (tmp_path / "wheels" / "other-1.0-py3-none-any.whl").write_bytes(b"")
    with Index({ONE: FILES[ONE]}) as first, Index({TWO: FILES[TWO]}) as second:
        network = reach(second.simple, extra=(first.simple,), find_links=(str(tmp_path / "wheels"),))
        found = listing(["thing"], network, emit=ignore).files["thing"]
    assert [(file.filename, file.size) for file in found] == [(ONE, None), ("thing-3.0-py3-none-any.whl", 5)]


def test_an_index_can_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / ONE).write_bytes(b"123")
    found = listing(["thing", "absent"], reach(tmp_path.as_uri()), emit=ignore)
    assert [file.size for file in found.files["thing"]] == [3]
    assert found.files["absent"] == ()


def test_sizes_come_from_head_or_from_one_byte() -> None:
    for faults in (Faults(), Faults(no_head=True)):
        with Index(FILES, faults) as index:
            assert remote_size(index.url(ONE), reach(index.simple)) == len(FILES[ONE])
            assert index.sent <= 1


def test_a_size_that_cannot_be_had_is_none() -> None:
    assert remote_size(f"http://127.0.0.1:{unused_port()}/x.whl", reach("http://unused.example")) is None


def test_the_size_of_a_file_on_a_server_whose_headers_trickle_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfprov.fetch.index._SIZE_SECONDS", 0.5)
    with Index(FILES, Faults(header_trickle=0.1)) as index:
        assert remote_size(index.url(ONE), reach(index.simple)) is None


def test_a_file_is_found_on_a_mirror_by_its_hash() -> None:
    with Index(FILES) as index:
        file = LockedFile(name="thing", version="1.0", filename=ONE, url="http://gone", sha256=index.sha256(ONE))
        assert find_file(file, index.simple, reach(index.simple)) == index.url(ONE)
        other = LockedFile(name="thing", version="1.0", filename=ONE, url="http://gone", sha256="0" * 64)
        assert find_file(other, index.simple, reach(index.simple)) is None


def test_a_connection_that_never_comes_about_is_tried_once_and_once_more_patiently() -> None:
    # A listener whose queue is full: the system does not answer whoever calls then.
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(full.getsockname())
        events: list[Event] = []
        network = Network(index_url=f"http://127.0.0.1:{full.getsockname()[1]}/simple", connect_timeout=0.2)
        with pytest.raises(TfprovError) as caught:
            listing(["thing"], network, emit=events.append)
    assert caught.value.code.name == "net-timeout"
    assert [(event.rung, event.number) for event in events if isinstance(event, Attempt)] == [
        ("normal", 1),
        ("patient", 1),
    ]


def test_a_server_that_the_run_can_do_without_is_not_waited_for() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{unused.getsockname()[1]}"
        network = Network(index_url=f"http://{server}/simple", optional=frozenset({server}))
        events: list[Event] = []
        with pytest.raises(TfprovError) as caught:
            listing(["thing"], network, emit=events.append)
    assert caught.value.code.name == "net-refused"
    assert {event.rung for event in events if isinstance(event, Attempt)} == {"normal"}


@pytest.mark.parametrize(
    "faults", [Faults(header_delay=3600.0), Faults(header_trickle=0.5)], ids=["silence", "trickle"]
)
def test_a_listing_that_waits_ends_with_the_deadline(faults: Faults) -> None:
    with Index(FILES, faults) as index:
        # Without the deadline each try would wait for an hour.
        network = Network(index_url=index.simple, connect_timeout=3600.0, idle_timeout=3600.0)
        with pytest.raises(TfprovError) as caught:
            listing(["thing"], network, emit=ignore, deadline=time.monotonic() + 0.5)
    assert caught.value.code.name == "net-timeout"


def test_no_index_is_asked_for_more_than_what_is_said() -> None:
    other = {name: wheel(name, "1.0") for name in ("other", "third")}
    public = {**FILES, **{f"{name}-1.0-py3-none-any.whl": content for name, content in other.items()}}
    with Index(public) as main, Index(FILES) as extra:
        network = reach(main.simple, extra=(extra.simple,))
        names = ("thing", "other", "third", "absent")
        both, alone = (extra.simple, main.simple), (main.simple,)

        def found(**how: Any) -> dict[str, tuple[str, ...]]:
            return {each.project: each.indexes for each in offerings(names, network, emit=ignore, **how)}

        assert found() == {"thing": both, "other": alone, "third": alone}
        assert (len(main.seen), len(extra.seen)) == (4, 4)
        assert found(only_further=True) == {"thing": both}
        assert (len(main.seen), len(extra.seen)) == (5, 8)
        read = {f"{main.simple}/thing/", f"{extra.simple}/thing/"}
        assert found(only_further=True, known=read.__contains__) == {"thing": both}
        assert (len(main.seen), len(extra.seen)) == (5, 11)


def test_what_is_not_a_page_is_said_to_be_none() -> None:
    asked = "https://index.example/simple/six/"
    assert refusal(lambda: refuse_no_index(b"\x00garbage", asked=asked, answered=asked))[:4] == (
        *("mirror-http-error", "`index.example` sent something that is not a package index"),
        *("8 bytes, which begin with b'\\x00garbage'", asked),
    )


def test_a_page_from_another_host_is_that_of_a_portal() -> None:
    asked, answered = "https://index.example/simple/six/", "https://login.example/hotel"
    page = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Sign in</body></html>"
    assert refusal(lambda: refuse_no_index(page, asked=asked, answered=answered))[:5] == (
        *("net-portal", "the network sent a web page instead of the package index"),
        *(f"asked {asked}", f"answered by {answered}", page_title(page)),
    )


def test_json_of_another_kind_is_not_an_index() -> None:
    code, what, why, address, *_ = refusal(lambda: parse_json(b"[]", "https://index.example/simple/six/"))
    assert (code, what) == ("mirror-http-error", "`index.example` sent JSON that is not a package index")
    assert why.startswith("TypeError: ")
    assert address == "https://index.example/simple/six/"
