from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from pathlib import Path

import httpx
import pytest
from socksio.exceptions import SOCKSError

from tfprov.diagnose.rules import RULES
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
    tool, text, status = _message(name)
    found = classify_text(tool, text, status, what="it failed")
    assert (found.code.name, found.what) == (code, "it failed")
    assert 1 <= len(found.evidence) <= 8
    assert found.evidence[0] in "\n".join(line.strip() for line in text.splitlines())


def test_every_message_has_its_expectation() -> None:
    assert {path.stem for path in MESSAGES.iterdir()} == EXPECTED.keys()


def test_words_in_another_language_do_not_matter() -> None:
    assert _code("pip install", "ERROR: [Errno 13] Permissão negada: '/opt/x'", 1) == "permission-denied"
    assert _code("pip install", "OSError: [WinError 32] 另一个程序正在使用此文件", 1) == "file-in-use"


@pytest.mark.parametrize("name", ["opencv-python", "ipython", "GitPython", "my.python", "bio_python", "python-dotenv"])
def test_a_project_with_python_in_its_name_is_not_the_interpreter(name: str) -> None:
    text = (
        "error: No solution found when resolving dependencies\n"
        f"  cause: Because a==1 depends on {name}>=4.5 and you require {name}==3.4, we can conclude that your "
        "requirements and a==1 are incompatible.\n"
    )
    assert classify_text("uv pip compile", text, 1, what="it failed").code.name == "resolver-conflict"


def test_the_retry_line_explains_the_missing_distribution() -> None:
    found = classify_text(*_message("pip-refused"), what="x")
    assert found.code.name == "net-refused"
    assert "Errno 111" in found.evidence[0]


def test_an_unknown_failure_keeps_its_last_lines() -> None:
    found = classify_text("uv pip install", "a\nb\nsomething odd\n", 3, what="x")
    assert found.code.name == "install-failed"
    assert found.evidence == ("`uv pip install` ended with status 3", "a", "b", "something odd")


def test_sigkill_means_memory() -> None:
    assert _code("uv pip install", "", -9) == "oom-killed"
    assert _code("pip install", "Collecting tensorflow", 137) == "oom-killed"


@pytest.mark.parametrize(
    ("name", "transient"),
    [
        ("uv-429", True),
        ("uv-503", True),
        ("uv-refused", True),
        ("uv-rst", True),
        ("uv-dns", True),
        ("uv-401", False),
        ("uv-403", False),
        ("uv-407", False),
        ("uv-selfsigned", False),
        ("uv-expired", False),
        ("uv-hash", False),
        ("uv-disk", False),
    ],
)
def test_the_words_of_a_tool_say_whether_another_try_is_worth_it(name: str, transient: bool) -> None:
    assert is_transient(classify_text(*_message(name), what="x")) is transient


def test_evidence_holds_no_credentials() -> None:
    text = "error: Failed to fetch: https://me:hunter2@index.example/simple/\n  cause: HTTP status server error (503 x)"
    evidence = classify_text("uv pip compile", text, 2, what="x").evidence
    assert len(evidence) == 2
    assert "hunter2" not in "".join(evidence)


def _code(tool: str, text: str, status: int) -> str:
    return classify_text(tool, text, status, what="x").code.name


def _message(name: str) -> tuple[str, str, int]:
    tool, status, text = (MESSAGES / f"{name}.txt").read_text(encoding="utf-8").split("\n", 2)
    return tool, text, int(status)


def _os_error(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-quota"),
        (errno.ESTALE, "disk-io"),
        (errno.EOPNOTSUPP, "filesystem-feature"),
        (errno.ENOLCK, "filesystem-feature"),
        (errno.EMFILE, "limit-reached"),
        (errno.EAGAIN, "limit-reached"),
        (errno.ENFILE, "limit-reached"),
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


_WINDOWS_NUMBERS = re.compile(r"\\\[WinError (?:\(\?:(?P<several>[\d|]+)\)|(?P<one>\d+))\\\]")
# A missing file, which only a long path explains; a program for another machine, or a library, which no file is.
_TOLD_BY_MORE_THAN_THEIR_NUMBER = {"1", "3", "17", "126", "127", "145", "193", "1114"}


def windows_numbers() -> set[str]:
    """Numbers of Windows that a rule reads in a text."""
    found = [match for rule in RULES for match in _WINDOWS_NUMBERS.finditer(rule.pattern)]
    numbers = {number for match in found for number in (match["several"] or match["one"]).split("|")}
    return numbers - _TOLD_BY_MORE_THAN_THEIR_NUMBER


@pytest.mark.parametrize("number", sorted(windows_numbers(), key=int))
def test_a_number_of_windows_means_the_same_in_an_exception_and_in_a_text(number: str) -> None:
    error = OSError(errno.EINVAL, "Falscher Parameter")
    error.winerror = int(number)  # type: ignore[attr-defined]  # only Windows has it
    told = _code("pip install", f"OSError: [WinError {number}] Falscher Parameter", 1)
    assert classify_exception(error).code.name == told


def test_a_hidden_cause_is_found_all_the_same() -> None:
    def hidden() -> None:
        try:
            raise _certificate(10)
        except ssl.SSLError:
            raise httpx.ConnectError("certificate verify failed") from None

    with pytest.raises(httpx.ConnectError) as caught:
        hidden()
    assert classify_exception(caught.value).code.name == "net-tls-cert"


def test_a_file_that_is_too_large_is_not_a_matter_of_their_number() -> None:
    failed = RuntimeError("failed because:\nTraceback (most recent call last):\n  File 'x'\nOSError: too large\n")
    failed.__cause__ = _os_error(errno.EFBIG)
    for error in (_os_error(errno.EFBIG), failed):
        found = classify_exception(error)
        assert found.code.name == "limit-reached"
        assert found.hint is not None
        assert "ulimit -f" in found.hint
    assert found.evidence[0] == "failed because: OSError: too large"
    assert "ulimit -n" in str(classify_exception(_os_error(errno.EMFILE)).hint)


def test_a_full_disk_names_the_file() -> None:
    error = classify_exception(_os_error(errno.ENOSPC, "/srv/store/x.part"))
    assert error.what == "no space left for `/srv/store/x.part`"


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "not enough space"), (errno.EROFS, "the file system is read-only")],
)
def test_what_fails_on_an_open_file_is_told_in_words(number: int, words: str) -> None:
    error = classify_exception(_os_error(number))
    assert error.what == words
    assert error.evidence == (f"[Errno {number}] {os.strerror(number)}",)


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
        (SOCKSError("Malformed reply"), "net-proxy", False),
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


def test_a_socks_proxy_that_hangs_up_is_named() -> None:
    error = classify_exception(SOCKSError("Malformed reply"))
    assert error.what == "the SOCKS proxy gave no valid reply: Malformed reply"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        *((9, "not valid yet"), (10, "has expired"), (18, "self-signed"), (20, "unknown authority")),
        (62, "another host"),
        # Of Windows, and of macOS.
        *((0x800B0101, "has expired or is not valid yet"), (0x800B0109, "unknown authority")),
        *((0x800B010A, "unknown authority"), (0x800B010F, "another host name or address")),
        *((-67818, "has expired"), (-67843, "unknown authority"), (-67602, "another host")),
    ],
)
def test_certificates_fail_in_their_own_words(number: int, words: str) -> None:
    assert words in classify_exception(_caused(httpx.ConnectError("x"), _certificate(number))).what


def test_our_own_errors_pass_through() -> None:
    error = TfprovError("disk-full", "no space")
    assert classify_exception(error) is error


def test_a_bug_is_called_a_bug() -> None:
    assert classify_exception(ZeroDivisionError("division by zero")).code.name == "internal"
