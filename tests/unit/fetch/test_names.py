from __future__ import annotations

import socket
import threading

import pytest

from loopback import Index, unused_port, wheel
from tfprov.fetch.names import Names
from tfprov.fetch.routes import DIRECT
from tfprov.fetch.sources import Network

FILES = {"thing-1.0-py3-none-any.whl": wheel("thing", "1.0")}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that the system is asked for; each is the loopback, behind an address where nothing listens."""
    names: list[str] = []
    look = socket.getaddrinfo

    def getaddrinfo(host: str, *more: object, **named: object) -> object:
        if host.endswith(".example"):
            names.append(host)
            if host.startswith("unknown"):
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("127.0.0.2", 0)), (*kind, ("127.0.0.1", 0))]
        return look(host, *more, **named)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def test_a_name_is_looked_up_once_whoever_asks(asked: list[str]) -> None:
    network = Network(index_url=None, connect_timeout=5)
    with Index(FILES) as index:

        def get() -> None:
            with network.client(DIRECT) as client:
                assert client.get(f"http://index.example:{index.port}/simple/thing/").status_code == 200

        threads = [threading.Thread(target=get) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(index.seen) == 12
    assert asked == ["index.example"]


def test_a_name_that_cannot_be_looked_up_is_asked_for_again(asked: list[str]) -> None:
    import httpx

    with Network(index_url=None).client(DIRECT) as client:
        for _ in range(2):
            with pytest.raises(httpx.ConnectError):
                client.get(f"http://unknown.example:{unused_port()}/")
    assert asked == ["unknown.example"] * 2


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "2001:db8::1"])
def test_an_address_is_not_looked_up(address: str, asked: list[str]) -> None:
    assert Names().addresses(address) == (address,)
    assert asked == []


@pytest.mark.parametrize("host", ["index..example", "x" * 64 + ".example"])
def test_what_cannot_be_a_name_is_not_found(host: str) -> None:
    """A redirect or a proxy may name it; in the address of an index it is refused before."""
    import httpx

    with Network(index_url=None).client(DIRECT) as client, pytest.raises(httpx.ConnectError, match="not a host name"):
        client.get(f"http://{host}/")
