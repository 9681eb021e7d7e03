"""Redirects that a client does not follow."""

from __future__ import annotations

import pytest

from tfprov.fetch.client import _refuse_downgrade
from told import refusal

URL = "https://index.example/simple/a/"


@pytest.mark.parametrize("location", ["http://plain.example/a", "//plain.example/a", "http:///a"])
def test_only_a_redirect_that_leaves_encryption_is_refused(location: str) -> None:
    if location.startswith("//"):
        _refuse_downgrade(URL, location, ())
        return
    assert refusal(lambda: _refuse_downgrade(URL, location, ()))[0] == "mirror-http-error"


def test_the_host_that_would_be_asked_without_encryption_is_named() -> None:
    assert refusal(lambda: _refuse_downgrade(URL, "http://plain.example/a", ())) == (
        *("mirror-http-error", "`index.example` redirects from https to http, to `plain.example`"),
        *(f"GET {URL}", "Location: http://plain.example/a"),
        'if that host may be used without encryption, add `allow-http = ["plain.example"]` to `[index]`',
    )
    _refuse_downgrade(URL, "http://plain.example/a", ("plain.example",))
