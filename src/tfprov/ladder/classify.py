"""Assigns failure codes: by the type of an exception, and by the output of a tool only where there is nothing else.

The output is read by the classifier that `tfprov explain` uses.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
import sys
from collections.abc import Iterator

from tfprov.errors import CODES, Group, TfprovError
from tfprov.ladder.climb import TransferError
from tfprov.redact import redact

_EVIDENCE_LINES = 8
# uv continues its reason in further sentences, each on a line of its own.
_CONTEXT = re.compile(r"^(error|ERROR|fatal)\b|^\s*(cause|Caused by):|^hint:|^\s+(And|So,) because ", re.IGNORECASE)
_LINE_LENGTH = 400
_BETTER_HINTS = frozenset({"package-name-wrong", "system-library-missing"})
"""Codes whose remedy from the classifier is more specific than that of the code."""


def classify_text(tool: str, text: str, returncode: int, *, what: str) -> TfprovError:
    """The failure for the output of a tool.

    Args:
        tool: `uv pip compile`, `pip install`, `virtualenv` and the like; its first word is the program.
        text: standard output and standard error.
        returncode: exit status; negative is the number of a signal.
        what: one line that says what the tool could not do.

    Returns:
        The failure, with `install-failed` when no rule matches. Its evidence is at most eight redacted lines, the most
        conclusive first.
    """
    # Deferred: the rules are needed only after a failure.
    from tfprov.diagnose.diagnose import diagnose_text
    from tfprov.diagnose.records import LogContext

    root = diagnose_text(text, LogContext(tool=tool, returncode=returncode)).root
    if root is None:
        ended = f"`{tool}` ended with status {returncode}"
        return TfprovError("install-failed", what, evidence=(ended, *_tail(text, _EVIDENCE_LINES - 1)))
    if root.evidence:
        around = [line.strip()[:_LINE_LENGTH] for line in text.splitlines() if _CONTEXT.search(line)]
        evidence = _clean([root.evidence[0].text, *around])
    else:
        evidence = (root.what, *_tail(text, _EVIDENCE_LINES - 1))
    if root.group is Group.NETWORK:
        status = root.captures.get("status")
        return TransferError(root.code, what, status=int(status) if status else None, evidence=evidence)
    hint = root.remedy.text if root.remedy and root.code in _BETTER_HINTS else None
    return TfprovError(root.code, what, evidence=evidence, hint=hint)


def _tail(text: str, count: int) -> tuple[str, ...]:
    lines = [line.rstrip()[:_LINE_LENGTH] for line in text.splitlines() if line.strip()]
    return _clean(lines[-count:])


def _clean(lines: list[str]) -> tuple[str, ...]:
    # A cause is often printed twice, by the error and by its retry.
    unique = dict.fromkeys(redact(line.strip()) for line in lines)
    return tuple(unique)[:_EVIDENCE_LINES]


_ERRNO = {
    # Windows has no EDQUOT.
    getattr(errno, "EDQUOT", errno.ENOSPC): "disk-quota",
    errno.ENOSPC: "disk-full",
    getattr(errno, "ESTALE", errno.EIO): "disk-io",
    errno.EOPNOTSUPP: "filesystem-feature",
    errno.ENOLCK: "filesystem-feature",
    errno.EMFILE: "limit-reached",
    errno.ENFILE: "limit-reached",
    errno.EAGAIN: "limit-reached",  # of a fork
    errno.EIO: "disk-io",
    errno.EACCES: "permission-denied",
    errno.EPERM: "permission-denied",
    errno.EROFS: "read-only-fs",
    errno.ENOTDIR: "permission-denied",
    errno.ELOOP: "path-not-ours",
    errno.EFBIG: "limit-reached",
    errno.EEXIST: "path-not-ours",
    errno.EISDIR: "path-not-ours",
    errno.ETXTBSY: "file-in-use",
    errno.ENAMETOOLONG: "path-too-long",
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
# A scanner's finding, and two policies that forbid programs; drives that fail; a paging file that is too small; a
# firewall (10013). For most of them Python has no number of POSIX, and says EINVAL.
_WINERROR |= {10013: "net-refused", 10051: "net-refused", 10065: "net-refused", 10060: "net-timeout"}
_WINERROR |= {225: "permission-denied", 1260: "permission-denied", 4551: "permission-denied", 1295: "disk-quota"}
_WINERROR |= {
    23: "disk-io",
    483: "disk-io",
    1117: "disk-io",
    1392: "disk-io",
    1450: "oom-killed",
    1455: "oom-killed",
    4: "limit-reached",
}
_WINERROR |= {8: "oom-killed", 1224: "file-in-use", 50: "filesystem-feature", 1314: "filesystem-feature"}

# Ordered: each type is more special than those below it.
_TYPES: tuple[tuple[type[BaseException], str], ...] = (
    (MemoryError, "oom-killed"),
    (ssl.SSLCertVerificationError, "net-tls-cert"),
    (socket.gaierror, "net-dns"),
    # Any TLS error that is not about the certificate: cut off during the handshake, or a peer that does not speak TLS.
    (ssl.SSLError, "net-reset"),
    (TimeoutError, "net-timeout"),
)


_EXPIRED = "the server's certificate has expired, or the clock of this machine is wrong"
_UNKNOWN = "an unknown authority signed the server's certificate, as behind a proxy that intercepts TLS"
_CERTIFICATES = {
    # OpenSSL: X509_V_ERR_CERT_NOT_YET_VALID, HAS_EXPIRED, self-signed, unknown issuer, wrong name, wrong address.
    9: "the server's certificate is not valid yet: is the clock of this machine right?",
    10: _EXPIRED,
    18: "the server shows a self-signed certificate",
    19: _UNKNOWN,
    20: _UNKNOWN,
    62: "the server's certificate is for another host name",
    64: "the server's certificate is for another address",
    # Windows, whose own text is in the user's language: CERT_E_EXPIRED, UNTRUSTEDROOT, CHAINING, CN_NO_MATCH.
    0x800B0101: "the server's certificate has expired or is not valid yet, or the clock of this machine is wrong",
    0x800B0109: _UNKNOWN,
    0x800B010A: _UNKNOWN,
    0x800B010F: "the server's certificate is for another host name or address",
    # macOS: errSecCertificateExpired, NotTrusted, HostNameMismatch.
    -67818: _EXPIRED,
    -67843: _UNKNOWN,
    -67602: "the server's certificate is for another host name or address",
}
"""Why a certificate is not trusted, by the number of what verified it."""


# Messages of Python and the loader about an exhausted resource of the system.
_REFUSALS: tuple[tuple[type[BaseException], str, str], ...] = (
    (RuntimeError, "can't start new thread", "limit-reached"),
    (ImportError, "failed to map segment", "oom-killed"),
    (ImportError, "annot allocate memory", "oom-killed"),
    (ImportError, "Too many open files", "limit-reached"),
)


def classify_exception(exc: BaseException) -> TfprovError:
    """The failure for an exception of the operating system or of the HTTP library.

    A TfprovError is returned unchanged. An exception of an unknown type becomes `internal`.
    """
    if isinstance(exc, TfprovError):
        return exc
    code = _http_code(exc) or _system_code(exc) or "internal"
    what = _words(exc, code)
    evidence = tuple(dict.fromkeys(redact(_one_line(cause)) for cause in _told(exc) if str(cause)))
    if code.startswith("net-"):
        return TransferError(code, what, evidence=evidence)
    return TfprovError(code, what, evidence=evidence, hint=_limit(exc) if code == "limit-reached" else None)


def _limit(exc: BaseException) -> str | None:
    """How to raise the limit that was reached, where the hint of the code names others."""
    if any(isinstance(cause, OSError) and cause.errno == errno.EFBIG for cause in _chain(exc)):
        return "raise the limit on the size of files (`ulimit -f`), or use a file system that has larger files"
    if isinstance(exc, RuntimeError):
        return "raise it (`ulimit -u`; `ulimit -v` where memory is limited)"
    return None


_OF_THE_DISK = frozenset({"disk-full", "disk-quota", "disk-io", "read-only-fs"})


def _words(exc: BaseException, code: str) -> str:
    if isinstance(exc, OSError) and exc.filename and not code.startswith("net-"):
        verb = {
            "disk-full": "no space left for",
            "disk-quota": "the quota is used up:",
            "read-only-fs": "the file system is read-only:",
        }
        return f"{verb.get(code, 'cannot access')} `{exc.filename}`"
    # Errors of operations on open files contain no name. A network error's own text says more than the meaning of its
    # code.
    if isinstance(exc, MemoryError) or (isinstance(exc, OSError) and code in _OF_THE_DISK):
        return CODES[code].meaning
    if code == "net-tls-cert":
        return certificate_words(exc)
    said = redact(_one_line(exc))
    return f"the SOCKS proxy gave no valid reply: {said}" if _is_of_socks(exc) else said


def certificate_words(exc: BaseException) -> str:
    """Why a certificate is not trusted, as precisely as what verified it reports it."""
    for cause in _chain(exc):
        if isinstance(cause, ssl.SSLCertVerificationError):
            said = f"the server's certificate is not trusted: {cause.verify_message}"
            return _CERTIFICATES.get(cause.verify_code, said)
    return "the server's certificate is not trusted"


def _one_line(exc: BaseException) -> str:
    before, trace, after = str(exc).partition("Traceback (most recent call last):")
    # A library may hand on the whole traceback of another process; its last line says what happened.
    text = " ".join(before.split() + (after.strip().split("\n")[-1:] if trace else []))
    return text or type(exc).__name__


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """The exception and its causes, down to the first one."""
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        # Suppressed contexts count too: httpcore raises `from None`, which hides the system's own error.
        current = current.__cause__ or current.__context__


def _told(exc: BaseException) -> Iterator[BaseException]:
    """The exceptions that explain it; not that a folder was missing, which is why it was made."""
    for cause in _chain(exc):
        if cause is exc or not (isinstance(exc, OSError) and isinstance(cause, FileNotFoundError)):
            yield cause


def _system_code(exc: BaseException) -> str | None:
    found = (_system_code_of_one(cause) for cause in _chain(exc))
    return next((code for code in found if code), None)


def _system_code_of_one(exc: BaseException) -> str | None:
    for kind, code in _TYPES:
        if isinstance(exc, kind):
            return code
    for kind, words, code in _REFUSALS:
        if isinstance(exc, kind) and words in str(exc):
            return code
    if isinstance(exc, OSError):
        return _WINERROR.get(getattr(exc, "winerror", None) or 0) or _ERRNO.get(exc.errno or 0)
    return None


def _is_of_socks(exc: BaseException) -> bool:
    """Whether a SOCKS proxy hung up or spoke otherwise: httpcore hands on what the library for SOCKS raises."""
    socks = sys.modules.get("socksio.exceptions")
    return socks is not None and isinstance(exc, socks.SOCKSError)


def _http_code(exc: BaseException) -> str | None:
    if _is_of_socks(exc):
        return "net-proxy"
    if "httpx" not in sys.modules:
        return None  # not imported, so it raised nothing; an import can fail where memory is short
    import httpx

    # Subclasses first: a ConnectTimeout is a TimeoutException is a TransportError.
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
