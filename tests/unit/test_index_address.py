from __future__ import annotations

import string
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprov.index_address import local_path, mistake_in, path_in
from tfprov.redact import redact

GOOD = (
    "https://index.example/simple",
    "http://127.0.0.1:8080",
    "https://[2001:db8::1]:8443/a?x=1",
    "https://${USER}:${PASSWORD}@index.example:${PORT}/simple",
    "https://${HOST}/simple",
    "https://${HOST}.index.example./simple",
    f"https://{'x' * 63}.example/simple",
    "https://index.example/a@b/simple",
    "https://index.münchen.example/simple",
    "https://my_index.xn--mnchen-3ya.example/simple",
    "file:///srv/index",
    "file://localhost/srv/index",
    "file://${PROJECT_ROOT}/wheels",
)
BAD = (
    "htps://index.example",
    "index.example/simple",
    "https://",
    "https://[::1",
    "https://index.example:port/",
    "https://in dex.example/",
    "https://index.example/simple#x",
    "file://",
    "file://wheels",
    "file://wheels/cpu",
    "file://srv/${NAME}",
    "://x",
    "https://a\0b/",
    "https://index..example/simple",
    "https://.example/simple",
    f"https://{'x' * 64}.example/simple",
    "https://xn--a/simple",
    "https://index.xn--zzzzzz99999.example/simple",
    "https://i❤.example/simple",
    f"https://{'é' * 60}.example/simple",
)


@pytest.mark.parametrize("address", GOOD)
def test_an_address_that_can_be_used_has_no_mistake(address: str) -> None:
    assert mistake_in(address) is None


@pytest.mark.parametrize("address", BAD)
def test_one_that_cannot_has_one(address: str) -> None:
    assert mistake_in(address, windows=False)


def test_a_folder_that_would_be_the_name_of_a_host_is_said() -> None:
    """Of `file://wheels/cpu` the folder `/cpu` was read."""
    told = "a path begins with a third slash (`file:///folder`); what follows two is the name of a host"
    assert mistake_in("file://wheels/cpu", windows=False) == told
    assert mistake_in("file://C:/wheels/cpu", windows=True) == told
    assert mistake_in("file://server/share/wheels", windows=True) is None


PASSWORDS = st.text(alphabet=string.ascii_letters + string.digits + "#/?@[]%'\"<> ü&=;:", min_size=1, max_size=12)


@given(PASSWORDS)
def test_a_password_is_either_read_whole_or_refused_and_never_shown(password: str) -> None:
    marked = f"Q7x{password}Z9w"
    address = f"https://me:{marked}@index.example/simple"
    mistake = mistake_in(address)
    if mistake is None:
        assert urlsplit(address).hostname == "index.example"
    else:
        assert marked not in mistake
    encoded = f"https://me:{quote(marked, safe='')}@index.example/simple"
    assert mistake_in(encoded) is None
    assert "Q7x" not in redact(encoded)


@given(PASSWORDS.filter(lambda text: not set(text) & {" ", '"', "@"}))
def test_redacting_takes_out_passwords_with_characters_that_are_not_encoded(password: str) -> None:
    assert "Z9w" not in redact(f"`http://me:Q7x{password}Z9w@proxy.example:3128`: refused")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///a%20b/c", "/a b/c"),
        ("FILE:///a", "/a"),
        ("file:a/b", "a/b"),
        ("file:///C:/a%20b", "C:/a b"),
        ("file://localhost/a", "/a"),
        ("file://server/share/a%20b", "//server/share/a b"),
        ("file:////server/share/a", "//server/share/a"),
        ("https://host/a", None),
        ("a/b", None),
    ],
)
def test_the_path_in_a_file_address_is_one_of_its_system(url: str, path: str | None) -> None:
    assert path_in(url) == path


@pytest.mark.parametrize(
    ("url", "windows", "path"),
    [
        ("file:///a%20b", False, "/a b"),
        ("file:///C:/a", False, "/C:/a"),
        ("file:///C:/a%20b", True, "C:/a b"),
        ("file://server/share/a%20b", True, "//server/share/a b"),
        ("https://host/a", True, None),
        ("C:/a", True, None),
    ],
)
def test_a_file_address_leads_to_a_path_of_the_system_that_reads_it(url: str, windows: bool, path: str | None) -> None:
    assert local_path(url, windows=windows) == (None if path is None else Path(path))
