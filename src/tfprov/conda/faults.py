"""Translates exceptions of the worker's libraries into tfprov's errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfprov.errors import Group, TfprovError
from tfprov.ladder.classify import classify_exception
from tfprov.ladder.climb import TransferError
from tfprov.redact import redact

if TYPE_CHECKING:
    from tfprov.diagnose.records import Finding

_LINES = 12

_HIDDEN = re.compile(
    r"(?m)^[│├└─ \t]*(?P<spec>[^\n│├└─]+?)(?:, which)? cannot be installed because there are no viable options:\n"
    r".* strict channel priority not using this option from: '(?P<channel>[^']+)'"
)
"""The solver's message for a package that channel priority rules out."""
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
    """The error that an answer of the worker stands for.

    Args:
        problem: `kind`, `message` and extra fields attached where it was raised.
        subject: what the worker was working on, for messages.
        invalid: code for unreadable input, which the worker reports as a `ValueError`.
    """
    # Imported here: the rules are needed only after a failure.
    from tfprov.diagnose.diagnose import diagnose_text
    from tfprov.diagnose.records import LogContext

    kind, message = str(problem["kind"]), redact(str(problem["message"]))
    about = problem.get("about")
    if isinstance(about, list) and about:
        subject = ", ".join(f"`{name}`" for name in about)
    evidence = tuple(line.strip() for line in message.splitlines() if line.strip())[:_LINES]
    root = diagnose_text(message, LogContext(tool="conda")).root
    if kind == "UnsatisfiableError":
        return _unsatisfiable(message, root, problem.get("helps"))
    errno = problem.get("errno")
    if isinstance(errno, int):
        found = classify_exception(OSError(errno, message, str(problem.get("path") or "") or None))
        if found.code.name != "internal":
            return found
    if root is not None and root.group is Group.MACHINE:
        return TfprovError(root.code, f"the conda worker could not process {subject}", evidence=evidence)
    if kind in ("GatewayError", "FetchRepoDataError"):
        return _of_channel(root, evidence, subject)
    if invalid == "lock-invalid" and kind == "ValueError":
        return TfprovError("lock-invalid", f"{subject} is not a valid lock", evidence=evidence)
    code, what = _KINDS.get(kind, ("install-failed", "the worker for conda failed on {subject}"))
    if code == "install-failed":
        evidence = (kind, *evidence)
    return TfprovError(code, what.format(subject=subject), evidence=evidence)


def _of_channel(root: Finding | None, evidence: tuple[str, ...], subject: str) -> TfprovError:
    if root is None or root.group not in (Group.NETWORK, Group.ARTIFACT):
        return TransferError("conda-http", f"a channel cannot be read: {subject}", evidence=evidence)
    if root.group is Group.ARTIFACT:
        return TfprovError(
            "cache-corrupt",
            f"the index of a channel is damaged: {subject}",
            evidence=evidence,
            hint="report it to the channel's operators, or read a mirror instead (`[conda.mirrors]`)",
        )
    status = int(root.captures.get("status", 0))
    if status in (401, 403):
        return TransferError(
            "mirror-http-error",
            f"a channel refuses access ({status}): {subject}",
            status=status,
            evidence=evidence,
            hint="give a token or password in a variable (`https://host/t/${TOKEN}/channel`), by netrc or by keyring",
        )
    if status == 404 or (not status and "subdir" in root.captures):
        return TransferError(
            "conda-http",
            f"a channel has no index for this platform: {subject}",
            transient=False,
            evidence=evidence,
            hint="check the name or the address of the channel",
        )
    if status:
        words = f"a channel answers with status {status}: {subject}"
        return TransferError("conda-http", words, status=status, evidence=evidence)
    return TransferError(root.code, f"a channel cannot be read: {subject}", evidence=evidence)


def _unsatisfiable(message: str, root: Finding | None, helps: object) -> TfprovError:
    """The error for unsatisfiable specs: one readable reason, and the change that was tried and works."""
    change = helps if isinstance(helps, Mapping) else {}
    words = str(change.get("words", ""))
    gives = str(change.get("gives", ""))
    hint = f"{words}{f': that gives {gives}' if gives else ''}" if words else None
    lines = tuple(line.rstrip() for line in message.splitlines() if line.strip())[:_LINES]
    if change.get("kind") == "driver":
        return TfprovError("gpu-driver-too-old", "no CUDA build works with this driver", evidence=lines, hint=hint)
    if root is not None and root.code == "conda-package-missing":
        spec = root.captures.get("requirement", "").removesuffix(" *")
        return TfprovError(root.code, f"the channels have no `{spec}`", evidence=lines, hint=hint)
    return TfprovError("conda-unsatisfiable", _reason(lines), evidence=lines, hint=hint)


def _reason(lines: tuple[str, ...]) -> str:
    """The innermost reason in the solver's tree, on one line."""
    hidden = _HIDDEN.search("\n".join(lines))
    if hidden is not None:
        spec, channel = hidden["spec"].strip(), hidden["channel"].rstrip("/")
        return (
            f"the channel `{channel}` has `{spec}`, but a channel with higher priority has another `{spec.split()[0]}`"
        )
    bare = [re.sub(r"^[\s│├└─]+", "", line) for line in lines]
    for line in bare[1:]:
        found = re.match(r"(?P<spec>.+?), which (?P<why>.+?)\.?:?$", line)
        if found is not None:
            return f"the conda packages conflict: `{found['spec'].strip()}` {_short(found['why'])}"
    return "the conda packages conflict"


def _short(why: str) -> str:
    if "no candidates" in why:
        return "is required, but neither the channels nor this machine provide it"
    return why.partition(":")[0]
