from __future__ import annotations

import pytest

from tfprov.fetch.routes import DIRECT, Route, bypasses, problem_with, proxy_at
from told import refusal


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "expected"),
    [
        (None, "index.example", 443, False),
        ("", "index.example", 443, False),
        ("*", "index.example", 443, True),
        ("index.example", "index.example", 443, True),
        ("example", "index.example", 443, True),
        (".example", "index.example", 443, True),
        ("*.example", "index.example", 443, True),
        ("ample", "index.example", 443, False),
        ("other, index.example ", "INDEX.example", 443, True),
        ("index.example:8080", "index.example", 443, False),
        ("index.example:443", "index.example", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.0.0.0/8", "index.example", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]:80", "::1", 80, True),
        ("127.0.0.1", "127.0.0.1", 8080, True),
    ],
)
def test_no_proxy_is_read_as_other_tools_read_it(
    no_proxy: str | None, host: str, port: int | None, expected: bool
) -> None:
    assert bypasses(no_proxy, host, port) is expected


@pytest.mark.parametrize(
    "proxy",
    [
        "http://::::",
        "http://",
        "http://proxy:port",
        "http://proxy:99999",
        "ftp://proxy:21",
        "http://a b:80",
        "http://[::1",
        "http://xn--a:80",
        "http://proxy..example:80",
        "http://" + "x" * 64 + ":80",
    ],
)
def test_what_cannot_be_a_proxy_is_told(proxy: str) -> None:
    assert problem_with(proxy_at(proxy))
    route = Route(name="environment", http=proxy_at(proxy), https=proxy_at(proxy))
    assert route.problem
    url = "https://index.example/simple"
    assert refusal(lambda: route.check(url)) == (
        *("net-proxy", f"{route.words(url)} has an invalid address", problem_with(proxy_at(proxy))),
        "correct `HTTP_PROXY` and `HTTPS_PROXY`, or unset them",
    )
    assert route.words(url).endswith("` of the environment")


@pytest.mark.parametrize(
    "proxy",
    ["http://proxy:3128", "https://me:secret@proxy", "socks5h://127.0.0.1:1080", "http://[::1]:8080", "http://büro"],
)
def test_what_can_be_a_proxy_is_tried(proxy: str) -> None:
    route = Route(name=proxy, http=proxy_at(proxy), https=proxy_at(proxy))
    assert route.problem is None
    route.check("https://index.example/simple")


def test_a_host_that_is_taken_out_needs_no_good_proxy() -> None:
    Route(name="environment", https=proxy_at("http://::::"), no_proxy="example").check("https://index.example/simple")
    DIRECT.check("https://index.example/simple")


def test_a_proxy_is_named_by_its_address_without_its_secrets() -> None:
    route = Route(name="environment", https=proxy_at("http://me:secret@proxy:3128"))
    assert route.words("https://index.example/") == "the proxy `http://proxy:3128` of the environment"
    mine = Route(name="http://proxy:1", http=proxy_at("http://proxy:1"), https=proxy_at("http://proxy:1"))
    assert mine.words("https://index.example/") == "the proxy `http://proxy:1`"
