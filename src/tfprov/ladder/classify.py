"""From what happened to a failure code: typed exceptions first, a tool's words only where it leaves us nothing else."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from tfprov.errors import TfprovError
from tfprov.ladder.climb import TransferError
from tfprov.redact import redact

_EVIDENCE_LINES = 6
_LINE_LENGTH = 400


@dataclass(frozen=True, slots=True)
class Rule:
    """Text that proves a cause.

    Attributes:
        code: failure code.
        pattern: searched in each line, letter case ignored.
        tools: first words of the tools that print it; empty for all.
    """

    code: str
    pattern: str
    tools: tuple[str, ...] = ()


# In order: a cause stands above its consequences. `No matching distribution` closes the output of pip after a dead
# proxy just as after a wrong name, so the last rules may only speak when nothing above them did. Operating systems
# translate their messages: numbers are matched where there are any, not words.
RULES: tuple[Rule, ...] = (
    # The machine refuses.
    Rule("disk-full", r"\(os error (28|122|112)\)|\[Errno (28|122)\]|\[WinError (112|39)\]"),
    Rule("read-only-fs", r"\(os error 30\)|\[Errno 30\]|\[WinError 19\]"),
    Rule("file-in-use", r"\[WinError (32|33)\]|\(os error (32|33|26)\)|\[Errno 26\]"),
    Rule("windows-long-path", r"\[WinError 206\]|\(os error 206\)|LongPathsEnabled"),
    # Number 5 is a failed device on POSIX, and a refusal on Windows.
    Rule("disk-io", r"Input/output error \(os error 5\)|\[Errno 5\]"),
    Rule("permission-denied", r"\(os error (1|5|13)\)|\[Errno (1|13)\]|\[WinError 5\]"),
    Rule("oom-killed", r"^MemoryError\b|\(os error 12\)|\[Errno 12\]|memory allocation of \d+ bytes failed"),
    Rule("externally-managed", r"externally[- ]managed"),
    Rule("uninstall-metadata", r"Cannot uninstall .*(distutils|RECORD)|uninstall-no-record-file"),
    # The network, most certain first.
    Rule("net-proxy", r"\b407\b.*Proxy Auth|proxy authorization required|Unable to connect to proxy|ProxyError\("),
    Rule("net-proxy", r"tunnel error|Tunnel connection failed|unsuccessful tunnel|socks connect error|SOCKS error"),
    Rule("net-tls-cert", r"CERTIFICATE_VERIFY_FAILED|problem confirming the ssl certificate"),
    Rule("net-tls-cert", r"invalid peer certificate|UnknownIssuer|certificate (expired|not valid|has expired)"),
    Rule("net-dns", r"dns error|NameResolutionError|getaddrinfo failed|\[Errno -[2-5]\]"),
    Rule("net-refused", r"\((os error (111|61|10061))\)|\[Errno (111|61)\]|\[WinError 10061\]"),
    Rule("mirror-http-error", r"HTTP status (client|server) error \(\d{3}|\b\d{3} (Client|Server) Error:"),
    Rule("mirror-http-error", r"HTTP error \d{3} while getting|too many \d{3} error responses"),
    Rule("mirror-http-error", r"returned a (40[13]|5\d\d) |\(401 Unauthorized\)"),
    Rule("net-timeout", r"operation timed out|ReadTimeoutError|ConnectTimeoutError|Read timed out|request timed out"),
    Rule("net-timeout", r"\(os error (110|60|10060)\)|\[Errno (110|60)\]|\[WinError 10060\]"),
    Rule("net-reset", r"\(os error (104|54|10054)\)|\[Errno (104|54)\]|\[WinError 10054\]|ConnectionResetError"),
    Rule("net-reset", r"IncompleteRead|IncompleteMessage|RemoteDisconnected|Connection broken|incomplete-download"),
    Rule("net-reset", r"error decoding response body|end of file before message length|connection closed before mess"),
    Rule("net-reset", r"error sending request for url|peer closed connection"),
    # What arrived is not what was asked for.
    Rule("hash-mismatch", r"Hash mismatch for|DO NOT MATCH THE HASHES"),
    Rule("cache-corrupt", r"Failed to read from zip file|Failed to extract archive|BadZipFile|Bad CRC-32"),
    Rule("cache-corrupt", r"invalid package format|structure of .* was invalid|Wheel '.*' located at .* is invalid"),
    # What was asked for cannot be had.
    Rule("pip-too-old", r"is not a supported wheel on this platform", ("pip",)),
    Rule("sdist-build-failed", r"Failed to (download and )?build `|building from source is disabled|no usable wheels"),
    Rule("sdist-build-failed", r"subprocess-exited-with-error|Failed building wheel|build backend returned an error"),
    Rule("python-unsupported", r"requires a different Python|requires Python [<>=!~]"),
    Rule("python-unsupported", r"with a matching Python (implementation|ABI|version) tag"),
    Rule("platform-no-wheel", r"no wheels with a matching"),
    Rule("package-name-wrong", r"was not found in the (package registry|provided package locations|cache)"),
    Rule("version-not-available", r"there (is|are) no versions? of |\(from versions: (?!none)"),
    # pip says the same of a wrong name, of a Python without wheels and of an index that refuses: nothing more is known.
    Rule("package-name-wrong", r"\(from versions: none\)"),
    Rule("resolver-conflict", r"No solution found|ResolutionImpossible|conflicting dependencies|are incompatible"),
)

_COMPILED = tuple((rule, re.compile(rule.pattern, re.IGNORECASE)) for rule in RULES)
_NOISE = re.compile(r"checking the latest version of pip|new release of pip|/simple/pip/|^\s*$", re.IGNORECASE)
_CONTEXT = re.compile(r"^(error|ERROR|fatal)\b|^\s+(cause|Caused by):|^hint:", re.IGNORECASE)
_KILLED = {-9, 137}


def classify_text(tool: str, text: str, returncode: int) -> tuple[str, tuple[str, ...]]:
    """The failure code for what a tool printed, and the lines that prove it.

    Args:
        tool: `uv pip compile`, `pip install`, `virtualenv` and the like; its first word is the program.
        text: standard output and standard error.
        returncode: exit status; negative is the number of a signal.

    Returns:
        The code, `install-failed` when nothing was recognised, and at most six lines without secrets, the proving line
        first.
    """
    program = tool.split(maxsplit=1)[0]
    lines = [line.rstrip()[:_LINE_LENGTH] for line in text.splitlines() if not _NOISE.search(line)]
    if returncode in _KILLED:
        return "oom-killed", (f"`{tool}` was ended by SIGKILL", *_tail(lines, _EVIDENCE_LINES - 1))
    for rule, pattern in _COMPILED:
        if rule.tools and program not in rule.tools:
            continue
        proof = next((line for line in lines if pattern.search(line)), None)
        if proof is not None:
            around = [line for line in lines if _CONTEXT.search(line) and line != proof]
            return rule.code, _clean([proof, *around])
    return "install-failed", (f"`{tool}` ended with status {returncode}", *_tail(lines, _EVIDENCE_LINES - 1))


def _tail(lines: list[str], count: int) -> tuple[str, ...]:
    return _clean(lines[-count:])


def _clean(lines: list[str]) -> tuple[str, ...]:
    # One cause is often told twice, by the error and by its retry.
    unique = dict.fromkeys(redact(line.strip()) for line in lines)
    return tuple(unique)[:_EVIDENCE_LINES]


_ERRNO = {
    errno.ENOSPC: "disk-full",
    getattr(errno, "EDQUOT", errno.ENOSPC): "disk-full",
    errno.EIO: "disk-io",
    errno.EACCES: "permission-denied",
    errno.EPERM: "permission-denied",
    errno.EROFS: "read-only-fs",
    errno.ENOTDIR: "permission-denied",
    errno.EEXIST: "path-not-ours",
    errno.EISDIR: "path-not-ours",
    errno.ETXTBSY: "file-in-use",
    errno.ENAMETOOLONG: "windows-long-path",
    errno.ENOMEM: "oom-killed",
    errno.ECONNREFUSED: "net-refused",
    errno.ECONNRESET: "net-reset",
    errno.ECONNABORTED: "net-reset",
    errno.EPIPE: "net-reset",
    errno.ETIMEDOUT: "net-timeout",
    errno.EHOSTUNREACH: "net-refused",
    errno.ENETUNREACH: "net-refused",
}
_WINERROR = {112: "disk-full", 39: "disk-full", 5: "permission-denied", 19: "read-only-fs", 32: "file-in-use"}
_WINERROR |= {33: "file-in-use", 206: "windows-long-path", 10061: "net-refused", 10054: "net-reset"}

# In order: what is above is a special case of what is below it.
_TYPES: tuple[tuple[type[BaseException], str], ...] = (
    (MemoryError, "oom-killed"),
    (ssl.SSLCertVerificationError, "net-tls-cert"),
    (socket.gaierror, "net-dns"),
    # Anything but the certificate: cut off in the handshake, or no TLS at all at the other end.
    (ssl.SSLError, "net-reset"),
    (TimeoutError, "net-timeout"),
)

_FINAL = frozenset({"net-proxy", "net-tls-cert", "net-portal"})


def classify_exception(exc: BaseException) -> TfprovError:
    """The failure that an exception of the operating system or of the HTTP library stands for.

    A TfprovError comes back unchanged. What has no class of its own becomes `internal`.
    """
    if isinstance(exc, TfprovError):
        return exc
    code = _http_code(exc) or _system_code(exc) or "internal"
    what = _words(exc, code)
    evidence = tuple(dict.fromkeys(redact(_one_line(cause)) for cause in _chain(exc)))
    if code.startswith("net-"):
        return TransferError(code, what, transient=code not in _FINAL, evidence=evidence)
    return TfprovError(code, what, evidence=evidence)


def _words(exc: BaseException, code: str) -> str:
    if isinstance(exc, OSError) and exc.filename and not code.startswith("net-"):
        verb = {"disk-full": "no space left for", "read-only-fs": "the file system is read-only:"}
        return f"{verb.get(code, 'cannot access')} `{exc.filename}`"
    if code == "net-tls-cert":
        return certificate_words(exc)
    return redact(_one_line(exc))


def certificate_words(exc: BaseException) -> str:
    """Why a certificate is not trusted, told apart as far as the TLS library does."""
    for cause in _chain(exc):
        if isinstance(cause, ssl.SSLCertVerificationError):
            # OpenSSL's numbers: X509_V_ERR_CERT_NOT_YET_VALID, HAS_EXPIRED, self-signed, unknown issuer, wrong name.
            return {
                9: "the server's certificate is not valid yet: is the clock of this machine right?",
                10: "the server's certificate has expired, or the clock of this machine is wrong",
                18: "the server shows a self-signed certificate",
                19: "an unknown authority signed the server's certificate, as a proxy that looks into TLS does",
                20: "an unknown authority signed the server's certificate, as a proxy that looks into TLS does",
                62: "the server's certificate is for another host name",
                64: "the server's certificate is for another address",
            }.get(cause.verify_code, f"the server's certificate is not trusted: {cause.verify_message}")
    return "the server's certificate is not trusted"


def _one_line(exc: BaseException) -> str:
    text = " ".join(str(exc).split())
    return text or type(exc).__name__


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """The exception, then what it was raised from, down to the root."""
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        # Suppressed contexts count too: httpcore raises `from None`, which hides the system's own error.
        current = current.__cause__ or current.__context__


def _system_code(exc: BaseException) -> str | None:
    found = (_system_code_of_one(cause) for cause in _chain(exc))
    return next((code for code in found if code), None)


def _system_code_of_one(exc: BaseException) -> str | None:
    for kind, code in _TYPES:
        if isinstance(exc, kind):
            return code
    if isinstance(exc, OSError):
        return _WINERROR.get(getattr(exc, "winerror", None) or 0) or _ERRNO.get(exc.errno or 0)
    return None


def _http_code(exc: BaseException) -> str | None:
    import httpx

    # From the special to the general: a ConnectTimeout is a TimeoutException is a TransportError.
    kinds: tuple[tuple[type[Exception], str, bool], ...] = (
        (httpx.ProxyError, "net-proxy", False),
        (httpx.TimeoutException, "net-timeout", False),
        (httpx.ConnectError, "net-refused", True),
        (httpx.NetworkError, "net-reset", True),
        (httpx.ProtocolError, "net-reset", True),
        (httpx.StreamError, "net-reset", True),
        (httpx.TooManyRedirects, "mirror-http-error", False),
        (httpx.DecodingError, "mirror-http-error", False),
    )
    for kind, code, ask_system in kinds:
        if isinstance(exc, kind):
            return (_system_code(exc) if ask_system else None) or code
    return None
