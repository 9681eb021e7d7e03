from __future__ import annotations

import httpx
import pytest

from tfprov.errors import TfprovError
from tfprov.fetch.answers import length_of, page_title, raise_for_status, range_of, refuse_page, retry_after_seconds
from tfprov.ladder.climb import TransferError

URL = "https://index.example/files/thing-1.0-py3-none-any.whl"


def answer(status: int, **headers: str) -> httpx.Response:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return httpx.Response(status, headers=named, request=httpx.Request("GET", URL))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("Sat, 01 Jan 2000 00:01:40 GMT", 100.0),
        ("Fri, 31 Dec 1999 23:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 5000, None),
        ("²", None),
        ("Sat, 01 Jan 9999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    midnight = 946684800.0  # 2000-01-01
    assert retry_after_seconds(header, now=midnight) == seconds


@pytest.mark.parametrize("number", ["9" * 5000, "²", "-1", "1.5", "x", ""])
def test_headers_with_what_is_no_number_say_nothing(number: str) -> None:
    assert length_of(answer(200, Content_Length=number)) is None
    assert range_of(answer(206, Content_Range=f"bytes 0-{number}/{number}")) == (None, None)


@pytest.mark.parametrize("status", [200, 206])
def test_good_answers_pass(status: int) -> None:
    raise_for_status(answer(status), URL)


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (408, "mirror-http-error", True),
        (425, "mirror-http-error", True),
        (429, "mirror-http-error", True),
        (500, "mirror-http-error", True),
        (502, "mirror-http-error", True),
        (503, "mirror-http-error", True),
        (401, "mirror-http-error", False),
        (403, "mirror-http-error", False),
        (404, "mirror-http-error", False),
        (501, "mirror-http-error", False),
        (304, "mirror-http-error", False),
        (407, "net-proxy", False),
        (511, "net-portal", False),
    ],
)
def test_what_may_pass_by_itself_is_told_from_what_does_not(status: int, code: str, transient: bool) -> None:
    with pytest.raises(TransferError) as caught:
        raise_for_status(answer(status), URL)
    assert (caught.value.code.name, caught.value.transient) == (code, transient)
    assert str(status) in caught.value.evidence[0]


def test_the_servers_wish_to_wait_is_carried_along() -> None:
    with pytest.raises(TransferError) as caught:
        raise_for_status(answer(503, Retry_After="7"), URL)
    assert caught.value.retry_after == 7.0
    assert "Retry-After: 7" in caught.value.evidence


def test_evidence_names_no_token_of_a_signed_address() -> None:
    request = httpx.Request("GET", "https://cdn.example/thing.whl?X-Amz-Signature=hunter2")
    with pytest.raises(TransferError) as caught:
        raise_for_status(httpx.Response(403, request=request), URL)
    assert "hunter2" not in "".join(caught.value.evidence)


@pytest.mark.parametrize("first", [b"<!DOCTYPE html><title>Log in</title>", b"\n <html>", b"<script>location.href=1"])
def test_a_web_page_is_no_wheel(first: bytes) -> None:
    with pytest.raises(TfprovError) as caught:
        refuse_page(first, answer(200), URL)
    assert caught.value.code.name == "net-portal"


def test_a_wheel_with_a_wrong_type_is_a_wheel() -> None:
    refuse_page(b"PK\x03\x04...", answer(200, Content_Type="text/html"), URL)
    refuse_page(b"\x00\x01", answer(200, Content_Type="application/octet-stream"), URL)


def test_the_title_of_a_page_is_evidence() -> None:
    assert page_title(b"<HTML><Title lang=en>\n Guest  </title>") == "title: Guest"
    assert page_title(b"<html>") == "no title"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "`index.example` answered 404 Not Found for `thing-1.0-py3-none-any.whl`"),
        (407, "the proxy requires a login"),
        (511, "the network requires a login"),
    ],
)
def test_a_status_becomes_a_whole_message(status: int, message: str) -> None:
    with pytest.raises(TransferError) as caught:
        raise_for_status(answer(status), URL)
    assert caught.value.what == message


def test_a_web_page_in_the_place_of_a_file_is_told_with_its_title() -> None:
    with pytest.raises(TransferError) as caught:
        refuse_page(b"<html><title>Welcome</title>", answer(200, Content_Type="text/html"), URL)
    assert caught.value.what == "the server sent a web page instead of `thing-1.0-py3-none-any.whl`"
    assert caught.value.evidence == (f"from {URL}", "Content-Type: text/html", "title: Welcome")


@pytest.mark.parametrize(
    ("name", "key"), [("a-1-py3-none-any.whl", "index"), ("a-1.tar.gz", "index"), ("a-1-0.conda", "conda")]
)
@pytest.mark.parametrize("status", [403, 404])
def test_the_hint_names_the_mirrors_that_the_file_can_come_from(name: str, key: str, status: int) -> None:
    with pytest.raises(TransferError) as caught:
        raise_for_status(answer(status), f"https://host.example/c/{name}")
    assert f"`{key}.mirrors`" in caught.value.hint
