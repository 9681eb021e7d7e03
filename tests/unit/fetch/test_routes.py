from __future__ import annotations

import pytest

from tfprov.fetch.routes import bypasses


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
