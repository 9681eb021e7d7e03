from __future__ import annotations

import errno
import os
import socket
import ssl
from pathlib import Path

import httpx
import pytest

from tfprov.errors import TfprovError
from tfprov.ladder.classify import classify_exception, classify_text
from tfprov.ladder.climb import TransferError, is_transient

# Each file is what a tool really printed when the failure was provoked: tool, exit status, output.
MESSAGES = Path(__file__).parent / "messages"

EXPECTED = {
    "uv-refused": "net-refused",
    "uv-401": "mirror-http-error",
    "uv-403": "mirror-http-error",
    "uv-404": "package-name-wrong",
    "uv-407": "net-proxy",
    "uv-429": "mirror-http-error",
    "uv-503": "mirror-http-error",
    "uv-portal": "version-not-available",
    "uv-rst": "net-reset",
    "uv-stall": "net-timeout",
    "uv-badzip": "cache-corrupt",
    "uv-cut": "cache-corrupt",
    "uv-dns": "net-dns",
    "uv-proxy407s": "net-proxy",
    "uv-selfsigned": "net-tls-cert",
    "uv-expired": "net-tls-cert",
    "uv-conflict": "resolver-conflict",
    "uv-plat": "python-unsupported",
    "uv-newpy": "python-unsupported",
    "uv-nover": "version-not-available",
    "uv-noname": "package-name-wrong",
    "uv-sdist": "sdist-build-failed",
    "uv-onlybin": "sdist-build-failed",
    "uv-hash": "hash-mismatch",
    "uv-disk": "disk-full",
    "uv-diskcache": "disk-full",
    "uv-rofs": "read-only-fs",
    "uv-rofscache": "read-only-fs",
    "uv-perm": "permission-denied",
    "uv-permcache": "permission-denied",
    "uv-pep668": "externally-managed",
    "pip-refused": "net-refused",
    "pip-403": "package-name-wrong",
    "pip-rst": "net-reset",
    "pip-stall": "net-timeout",
    "pip-hash": "hash-mismatch",
    "pip-badzip": "cache-corrupt",
    "pip-cutrst": "net-reset",
    "pip-stallfile": "net-timeout",
    "pip-proxy407s": "net-proxy",
    "pip-selfsigned": "net-tls-cert",
    "pip-conflict": "resolver-conflict",
    "pip-newpy": "python-unsupported",
    "pip-nover": "version-not-available",
    "pip-noname": "package-name-wrong",
    "pip-disk": "disk-full",
    "pip-rofs": "read-only-fs",
    "pip-sdist": "sdist-build-failed",
    "pip-pep668": "externally-managed",
}


@pytest.mark.parametrize(("name", "code"), EXPECTED.items())
def test_what_tools_really_print_is_recognised(name: str, code: str) -> None:
    tool, status, text = (MESSAGES / f"{name}.txt").read_text(encoding="utf-8").split("\n", 2)
    found, evidence = classify_text(tool, text, int(status))
    assert found == code
    assert 1 <= len(evidence) <= 6
    assert evidence[0] in "\n".join(line.strip() for line in text.splitlines())


def test_every_message_has_its_expectation() -> None:
    assert {path.stem for path in MESSAGES.iterdir()} == EXPECTED.keys()


def test_words_in_another_language_do_not_matter() -> None:
    code, _ = classify_text("pip install", "ERROR: [Errno 13] Permissão negada: '/opt/x'", 1)
    assert code == "permission-denied"
    code, _ = classify_text("pip install", "OSError: [WinError 32] 另一个程序正在使用此文件", 1)
    assert code == "file-in-use"


def test_the_retry_line_explains_the_missing_distribution() -> None:
    code, evidence = classify_text(*_message("pip-refused"))
    assert code == "net-refused"
    assert "Errno 111" in evidence[0]


def test_an_unknown_failure_keeps_its_last_lines() -> None:
    code, evidence = classify_text("uv pip install", "a\nb\nsomething odd\n", 3)
    assert code == "install-failed"
    assert evidence == ("`uv pip install` ended with status 3", "a", "b", "something odd")


def test_sigkill_means_memory() -> None:
    assert classify_text("uv pip install", "", -9)[0] == "oom-killed"
    assert classify_text("pip install", "Collecting tensorflow", 137)[0] == "oom-killed"


def test_evidence_holds_no_credentials() -> None:
    text = "error: Failed to fetch: https://me:hunter2@index.example/simple/\n  cause: HTTP status server error (503 x)"
    _, evidence = classify_text("uv pip compile", text, 2)
    assert len(evidence) == 2
    assert "hunter2" not in "".join(evidence)


def _message(name: str) -> tuple[str, str, int]:
    tool, status, text = (MESSAGES / f"{name}.txt").read_text(encoding="utf-8").split("\n", 2)
    return tool, text, int(status)


def _os_error(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-full"),
        (errno.EACCES, "permission-denied"),
        (errno.EPERM, "permission-denied"),
        (errno.EROFS, "read-only-fs"),
        (errno.ECONNREFUSED, "net-refused"),
        (errno.ECONNRESET, "net-reset"),
        (errno.ETIMEDOUT, "net-timeout"),
        (errno.EXDEV, "internal"),
    ],
)
def test_operating_system_errors_are_told_by_number(number: int, code: str) -> None:
    assert classify_exception(_os_error(number)).code.name == code


def test_a_hidden_cause_is_found_all_the_same() -> None:
    def hidden() -> None:
        try:
            raise _certificate(10)
        except ssl.SSLError:
            raise httpx.ConnectError("certificate verify failed") from None

    with pytest.raises(httpx.ConnectError) as caught:
        hidden()
    assert classify_exception(caught.value).code.name == "net-tls-cert"


def test_a_full_disk_names_the_file() -> None:
    error = classify_exception(_os_error(errno.ENOSPC, "/srv/store/x.part"))
    assert error.what == "no space left for `/srv/store/x.part`"


def _caused(outer: Exception, inner: BaseException) -> Exception:
    outer.__cause__ = inner
    return outer


def _certificate(number: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = number
    error.verify_message = "verify message"
    return error


@pytest.mark.parametrize(
    ("exc", "code", "transient"),
    [
        (httpx.ConnectTimeout("slow"), "net-timeout", True),
        (httpx.ReadTimeout("slow"), "net-timeout", True),
        (httpx.ReadError("cut"), "net-reset", True),
        (httpx.RemoteProtocolError("peer closed connection"), "net-reset", True),
        (httpx.ProxyError("407 Proxy Authentication Required"), "net-proxy", False),
        (_caused(httpx.ConnectError("x"), _os_error(errno.ECONNREFUSED)), "net-refused", True),
        (_caused(httpx.ConnectError("x"), socket.gaierror(-2, "unknown")), "net-dns", True),
        (_caused(httpx.ConnectError("x"), _certificate(18)), "net-tls-cert", False),
        (_caused(httpx.ConnectError("x"), ssl.SSLError(1, "wrong version number")), "net-reset", True),
        (_caused(httpx.WriteError("x"), _os_error(errno.EPIPE)), "net-reset", True),
    ],
)
def test_http_errors_are_told_by_type_and_cause(exc: Exception, code: str, transient: bool) -> None:
    error = classify_exception(exc)
    assert (error.code.name, is_transient(error)) == (code, transient)
    assert isinstance(error, TransferError)


@pytest.mark.parametrize(
    ("number", "words"),
    [(9, "not valid yet"), (10, "has expired"), (18, "self-signed"), (20, "unknown authority"), (62, "another host")],
)
def test_certificates_fail_in_their_own_words(number: int, words: str) -> None:
    assert words in classify_exception(_caused(httpx.ConnectError("x"), _certificate(number))).what


def test_our_own_errors_pass_through() -> None:
    error = TfprovError("disk-full", "no space")
    assert classify_exception(error) is error


def test_a_bug_is_called_a_bug() -> None:
    assert classify_exception(ZeroDivisionError("division by zero")).code.name == "internal"
