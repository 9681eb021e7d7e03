from __future__ import annotations

import pytest

from tfprov.conda.faults import as_error
from tfprov.ladder.climb import is_transient
from told import told

RETRIED = "Request failed after 1 retries\nCaused by: error sending request for url (http://h/x)\nCaused by: "
CONNECTING = f"{RETRIED}client error (Connect)\nCaused by: "


# What py-rattler 0.28 said when each was provoked, up to names.
@pytest.mark.parametrize(
    ("kind", "message", "code", "transient"),
    [
        ("GatewayError", "HTTP status server error (503 Service Unavailable) for url (http://h/x)", "conda-http", True),
        ("GatewayError", "HTTP status client error (429 Too Many Requests) for url (http://h/x)", "conda-http", True),
        ("GatewayError", "HTTP status client error (403 Forbidden) for url (http://h/x)", "mirror-http-error", False),
        ("GatewayError", "HTTP status client error (401 Unauthorized) for url", "mirror-http-error", False),
        ("GatewayError", "HTTP status client error (407 Proxy Authentication Required) for url", "net-proxy", False),
        (
            "GatewayError",
            "could not find subdir 'noarch' in channel 'x'\nCaused by: HTTP status client error (404 Not Found)",
            "conda-http",
            False,
        ),
        (
            "GatewayError",
            "could not find subdir 'noarch' in channel 'x'\n"
            "Caused by: failed to open file `/c/noarch/repodata.json`: No such file or directory (os error 2)",
            "conda-http",
            False,
        ),
        (
            "GatewayError",
            f"{CONNECTING}tcp connect error\nCaused by: Connection refused (os error 111)",
            "net-refused",
            True,
        ),
        (
            "GatewayError",
            f"{CONNECTING}dns error\nCaused by: failed to lookup address information: x",
            "net-dns",
            True,
        ),
        (
            "GatewayError",
            f"{RETRIED}client error (SendRequest)\nCaused by: connection closed before message completed",
            "net-reset",
            True,
        ),
        (
            "GatewayError",
            "error decoding response body\nCaused by: error reading a body from connection\n"
            "Caused by: end of file before message length reached",
            "net-reset",
            True,
        ),
        (
            "GatewayError",
            f"{CONNECTING}invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
            "net-tls-cert",
            False,
        ),
        ("GatewayError", f"{RETRIED}invalid peer certificate: UnknownIssuer", "net-tls-cert", False),
        (
            "GatewayError",
            "failed to parse repodata.json\nCaused by: expected value at line 1 column 1",
            "cache-corrupt",
            False,
        ),
        (
            "GatewayError",
            "failed to parse repodata.json\nCaused by: EOF while parsing a string at line 1 column 48",
            "cache-corrupt",
            False,
        ),
        (
            "GatewayError",
            "failed to parse repodata.json\nCaused by: invalid type: integer `3`, expected a map at line 1 column 14",
            "cache-corrupt",
            False,
        ),
        (
            "GatewayError",
            "failed to parse repodata.json\nCaused by: invalid unicode code point at line 1 column 23",
            "cache-corrupt",
            False,
        ),
        (
            "GatewayError",
            "failed to download http://h/noarch/repodata.json.zst\nCaused by: Unknown frame descriptor",
            "cache-corrupt",
            False,
        ),
        ("GatewayError", "something new", "conda-http", True),
        ("InstallerError", "failed to link", "conda-cache-corrupt", False),
        ("InstallerError", "failed: No space left on device (os error 28)", "disk-full", False),
        ("DamagedError", "x", "hash-mismatch", False),
        ("InvalidMatchSpecError", "x", "profile-invalid", False),
        ("PanicException", "index out of bounds", "install-failed", False),
    ],
)
def test_what_the_library_raises_has_a_code(kind: str, message: str, code: str, transient: bool) -> None:
    found = as_error({"kind": kind, "message": message}, subject="`chan`", invalid="conda-cache-corrupt")
    assert found.code.name == code
    assert is_transient(found) is transient


def test_an_error_of_the_operating_system_keeps_its_number() -> None:
    found = as_error(
        {"kind": "OSError", "message": "x", "errno": 28, "path": "/p"}, subject="it", invalid="conda-cache-corrupt"
    )
    assert found.code.name == "disk-full"


def test_credentials_in_messages_are_left_out() -> None:
    found = as_error(
        {"kind": "GatewayError", "message": "HTTP status client error (403) for url (https://h/t/secret/c/x)"},
        subject="`chan`",
        invalid="conda-cache-corrupt",
    )
    assert "secret" not in "".join((found.what, *found.evidence))
    # The way to give one is told, with the name of a variable.
    assert "${TOKEN}" in found.hint


def test_a_package_that_is_not_there_is_named_with_what_would_help() -> None:
    found = as_error(
        {
            "kind": "UnsatisfiableError",
            "message": "Cannot solve the request because of: No candidates were found for hello >=2.\n",
            "helps": {"words": "without the version of `hello>=2`", "gives": "hello 1.0", "kind": ""},
        },
        subject="x",
        invalid="conda-cache-corrupt",
    )
    assert (found.code.name, found.what) == ("conda-package-missing", "the channels have no `hello >=2`")
    assert found.hint == "without the version of `hello>=2`: that gives hello 1.0"


@pytest.mark.parametrize(("kind", "code"), [("ValueError", "lock-invalid"), ("KeyError", "install-failed")])
def test_a_lock_is_blamed_only_for_what_is_in_it(kind: str, code: str) -> None:
    found = as_error({"kind": kind, "message": "'PATH'"}, subject="`x.yml`", invalid="lock-invalid")
    assert found.code.name == code


@pytest.mark.parametrize(
    ("said", "spec"),
    [("a *.", "a"), ("hello >=2.", "hello >=2"), ("numpy 1.2.*.", "numpy 1.2.*"), ("a.b <3,>=2.", "a.b <3,>=2")],
)
def test_the_package_is_named_as_it_was_asked_for(said: str, spec: str) -> None:
    message = f"Cannot solve the request because of: No candidates were found for {said}\n"
    found = as_error({"kind": "UnsatisfiableError", "message": message}, subject="x", invalid="lock-invalid")
    assert found.what == f"the channels have no `{spec}`"


def test_a_contradiction_is_told_by_its_innermost_reason() -> None:
    tree = """Cannot solve the request because of: The following packages are incompatible
├─ left * can be installed with any of the following options:
│  └─ left 1.0 would require
│     └─ hello 1.*, which can be installed with any of the following options:
│        └─ hello 1.0
└─ right * cannot be installed because there are no viable options:
   └─ right 1.0 would require
      └─ hello 2.*, for which no candidates were found.
"""
    found = as_error({"kind": "UnsatisfiableError", "message": tree}, subject="x", invalid="conda-cache-corrupt")
    assert found.what
    assert found.code.name in ("conda-unsatisfiable", "conda-package-missing")


def test_a_driver_that_is_too_old_is_no_other_conflict() -> None:
    found = as_error(
        {"kind": "UnsatisfiableError", "message": "a\nb", "helps": {"words": "a newer driver", "kind": "driver"}},
        subject="x",
        invalid="conda-cache-corrupt",
    )
    assert found.code.name == "gpu-driver-too-old"


DOWN = "HTTP status server error (503 Service Unavailable) for url (http://h/x)"
REFUSED = "HTTP status client error (403 Forbidden) for url (http://h/x)"
NO_INDEX = "could not find subdir 'noarch' in channel 'x'\nCaused by: HTTP status client error (404 Not Found)"
NO_NAME = f"{CONNECTING}dns error\nCaused by: failed to lookup address information: x"
KEY = "give a token or password in a variable (`https://host/t/${TOKEN}/channel`), by netrc or by keyring"


@pytest.mark.parametrize(
    ("kind", "message", "what", "hint"),
    [
        ("GatewayError", DOWN, "a channel answers with status 503: `chan`", None),
        ("GatewayError", REFUSED, "a channel refuses access (403): `chan`", KEY),
        (
            *("GatewayError", NO_INDEX, "a channel has no index for this platform: `chan`"),
            "check the name or the address of the channel",
        ),
        ("GatewayError", NO_NAME, "a channel cannot be read: `chan`", None),
        ("GatewayError", "nobody has seen this before", "a channel cannot be read: `chan`", None),
        ("OSError", "No space left on device (os error 28)", "the conda worker could not process `chan`", None),
        ("PanicException", "index out of bounds", "the worker for conda failed on `chan`", None),
    ],
)
def test_what_happened_to_which_channel_is_said(kind: str, message: str, what: str, hint: str | None) -> None:
    found = as_error({"kind": kind, "message": message}, subject="`chan`", invalid="conda-cache-corrupt")
    assert found.what == what
    assert message.splitlines()[0] in found.evidence
    assert hint is None or found.hint == hint


def test_a_driver_that_is_too_old_is_said_with_what_would_do() -> None:
    helps = {"words": "without `__cuda`", "gives": "tensorflow 2.19 for the CPU", "kind": "driver"}
    message = "nothing provides __cuda >=12"
    problem = {"kind": "UnsatisfiableError", "message": message, "helps": helps}
    assert told(as_error(problem, subject="x", invalid="lock-invalid")) == (
        *("gpu-driver-too-old", "no CUDA build works with this driver", message),
        "without `__cuda`: that gives tensorflow 2.19 for the CPU",
    )


@pytest.mark.parametrize("part", ["_", "cannot be installed because ", "└─ ", " ", ", which "])
def test_a_line_of_any_length_of_the_solver_takes_a_time_in_proportion(part: str) -> None:
    # A time that grew with the square of the length would exceed the limit of all tests.
    message = f"Cannot solve the request because of: x\n{part * (500_000 // len(part))}\n"
    found = as_error({"kind": "UnsatisfiableError", "message": message}, subject="x", invalid="lock-invalid")
    assert found.code.name == "conda-unsatisfiable"
