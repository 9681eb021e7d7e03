"""From what the worker's libraries raised to failure codes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tfprov.errors import TfprovError
from tfprov.ladder.classify import classify_exception
from tfprov.ladder.climb import TransferError
from tfprov.redact import redact

_LINES = 12
_STATUS = re.compile(r"(?:status (?:client|server) error \(|HTTP status[^0-9]{0,20})(?P<status>\d{3})", re.IGNORECASE)
_MISSING = re.compile(r"No candidates were found for (?P<spec>.+?)\.?\s*$", re.MULTILINE)

# In order: a cause stands above its consequences.
_TRANSFERS: tuple[tuple[str, str], ...] = (
    ("net-proxy", r"407|proxy authentication|tunnel error|unsuccessful tunnel"),
    ("net-tls-cert", r"invalid peer certificate|UnknownIssuer|certificate (?:verify|has expired|not valid)"),
    ("net-dns", r"dns error|failed to lookup address"),
    ("net-refused", r"Connection refused|os error (?:111|61|10061)"),
    ("net-timeout", r"operation timed out|request timed out|os error (?:110|60|10060)"),
    ("net-reset", r"connection reset|os error (?:104|54|10054)|end of file before message|IncompleteMessage"),
    ("net-reset", r"connection closed before|unexpected EOF during handshake|error decoding response body"),
    ("net-reset", r"error sending request"),
)
_MACHINE: tuple[tuple[str, str], ...] = (
    ("disk-full", r"os error (?:28|122|112)\b|No space left"),
    ("read-only-fs", r"os error 30\b"),
    ("permission-denied", r"os error (?:1|13)\b|Permission denied"),
    ("oom-killed", r"os error 12\b|memory allocation of \d+ bytes failed"),
)
_BROKEN = (
    r"expected (?:value|ident)|EOF while parsing|trailing characters|invalid type|missing field|key must be a string"
    r"|parse|hash mismatch|checksum|decod|corrupt"
)

_CANNOT_LINK = ("conda-cache-corrupt", "{subject} could not be unpacked or linked")
_NOT_UNDERSTOOD = ("profile-invalid", "{subject} cannot be understood")
_KINDS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("InstallerError", "LinkError", "TransactionError", "ExtractError", "IoError"), _CANNOT_LINK),
    **dict.fromkeys(("ConversionError", "CacheDirError"), _CANNOT_LINK),
    **dict.fromkeys(("InvalidMatchSpecError", "InvalidChannelError", "InvalidUrlError"), _NOT_UNDERSTOOD),
    "ModuleNotFoundError": ("extra-missing", "a library for conda environments is missing"),
    "DamagedError": ("hash-mismatch", "an archive in the store is not the file that the lock names"),
}


def as_error(problem: Mapping[str, object], *, subject: str, invalid: str) -> TfprovError:
    """The failure that an answer of the worker means.

    Args:
        problem: `kind`, `message` and what the raiser attached.
        subject: what was worked on, for messages.
        invalid: code of what cannot be read.
    """
    kind, message = str(problem["kind"]), redact(str(problem["message"]))
    evidence = tuple(line.strip() for line in message.splitlines() if line.strip())[:_LINES]
    if kind == "UnsatisfiableError":
        return _unsatisfiable(message, problem.get("helps"))
    refused = _of_machine(problem, message, evidence, subject)
    if refused is not None:
        return refused
    if kind in ("GatewayError", "FetchRepoDataError"):
        return _of_channel(message, evidence, subject)
    if invalid == "lock-invalid":
        return TfprovError("lock-invalid", f"{subject} is not a valid lock", evidence=evidence)
    code, what = _KINDS.get(kind, ("install-failed", "the worker for conda failed on {subject}"))
    if code == "install-failed":
        evidence = (kind, *evidence)
    return TfprovError(code, what.format(subject=subject), evidence=evidence)


def _of_machine(
    problem: Mapping[str, object], message: str, evidence: tuple[str, ...], subject: str
) -> TfprovError | None:
    errno = problem.get("errno")
    if isinstance(errno, int):
        found = classify_exception(OSError(errno, message, str(problem.get("path") or "") or None))
        if found.code.name != "internal":
            return found
    for code, pattern in _MACHINE:
        if re.search(pattern, message, re.IGNORECASE):
            return TfprovError(code, f"{subject} could not be worked on", evidence=evidence)
    return None


def _of_channel(message: str, evidence: tuple[str, ...], subject: str) -> TfprovError:
    status = _STATUS.search(message)
    number = int(status["status"]) if status else 0
    if number in (401, 403):
        return TransferError(
            "mirror-http-error",
            f"a channel refuses access ({number}): {subject}",
            transient=False,
            evidence=evidence,
            hint="give a token or password in a variable (`https://host/t/${TOKEN}/channel`), by netrc or by keyring",
        )
    if number:
        words = f"a channel answers with status {number}: {subject}"
        return TransferError("conda-http", words, transient=number >= 500 or number == 429, evidence=evidence)
    if "could not find subdir" in message or "failed to open file" in message:
        return TransferError(
            "conda-http",
            f"a channel has no index for this platform: {subject}",
            transient=False,
            evidence=evidence,
            hint="check the name or the address of the channel",
        )
    for code, pattern in _TRANSFERS:
        if re.search(pattern, message, re.IGNORECASE):
            return TransferError(code, f"a channel cannot be read: {subject}", transient=True, evidence=evidence)
    if re.search(_BROKEN, message, re.IGNORECASE):
        return TfprovError("cache-corrupt", f"the index of a channel is damaged: {subject}", evidence=evidence)
    return TransferError("conda-http", f"a channel cannot be read: {subject}", transient=True, evidence=evidence)


def _unsatisfiable(message: str, helps: object) -> TfprovError:
    """One readable reason, and the change that was tried out and works."""
    change = helps if isinstance(helps, Mapping) else {}
    missing = _MISSING.search(message)
    words = str(change.get("words", ""))
    gives = str(change.get("gives", ""))
    hint = f"{words}{f': that gives {gives}' if gives else ''}" if words else None
    lines = tuple(line.rstrip() for line in message.splitlines() if line.strip())[:_LINES]
    if change.get("kind") == "driver":
        return TfprovError(
            "gpu-driver-too-old",
            "no build for CUDA can be had with this driver",
            evidence=lines,
            hint=hint,
        )
    if missing is not None:
        spec = missing["spec"].removesuffix(" *")
        code = "conda-package-missing"
        return TfprovError(code, f"the channels have no `{spec}`", evidence=lines, hint=hint)
    return TfprovError("conda-unsatisfiable", _reason(lines), evidence=lines, hint=hint)


def _reason(lines: tuple[str, ...]) -> str:
    """The innermost reason of the solver's tree, in a line."""
    bare = [re.sub(r"^[\s│├└─]+", "", line) for line in lines]
    for line in bare[1:]:
        found = re.match(r"(?P<spec>.+?), which (?P<why>.+?)\.?:?$", line)
        if found is not None:
            return f"the conda packages cannot be had together: `{found['spec'].strip()}` {_short(found['why'])}"
    return "the conda packages cannot be had together"


def _short(why: str) -> str:
    if "no candidates" in why:
        return "is needed, and neither the channels nor this machine have it"
    return why.partition(":")[0]
