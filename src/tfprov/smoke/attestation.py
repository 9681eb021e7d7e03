"""Receipts as statements that third parties can verify: in-toto's test result in a DSSE envelope.

Signing is left to a command of the user. It receives a file with the bytes that DSSE signs, and writes the signature
beside it; another command verifies that signature.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov import process, temporary
from tfprov.errors import TfprovError
from tfprov.products import Product
from tfprov.smoke import receipt as receipts
from tfprov.smoke.receipt import Receipt
from tfprov.structured import json_of

TYPE = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
_OWN = "tfprov"
_PLACE = "{}"
_LARGEST = 16 << 20
_LARGEST_SIGNATURE = 1 << 20
_MOST_LINES = 3
_MOST_SIGNATURES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A DSSE envelope: a statement with its signatures.

    Attributes:
        payload: the bytes of the statement, as they were signed.
        signatures: decoded; empty for an unsigned statement.
    """

    payload: bytes
    signatures: tuple[bytes, ...]

    @property
    def signed(self) -> bytes:
        """The bytes that are signed (DSSE's pre-authentication encoding)."""
        return b" ".join((b"DSSEv1", *_counted(TYPE.encode()), *_counted(self.payload)))


def statement(receipt: Receipt, *, lock_name: str) -> dict[str, object]:
    """The in-toto statement for a receipt, with the lock as its subject, from which the environment can be rebuilt.

    Args:
        receipt: of an environment with a lock.
        lock_name: name of the lock file.

    Raises:
        TfprovError: `usage` when the receipt has no lock.
    """
    if receipt.lock is None:
        raise TfprovError(
            "usage",
            "an environment without a lock has nothing that a statement could be about",
            hint="write a receipt with `--receipt`, or take it over with `tfprov adopt`",
        )
    own = json_of(receipts.render(receipt))
    passed: list[str] = []
    warned: list[str] = []
    failed: list[str] = []
    for device in own["devices"]:
        for leg in device["legs"]:
            name = f"{device['name']} {leg['leg']}"
            (warned if leg.get("skipped") else passed if leg.get("ok") else failed).append(name)
    result = "FAILED" if failed or not own["verdict"].get("ok") else "PASSED"
    return {
        "_type": _STATEMENT,
        "subject": [{"name": lock_name, "digest": {"sha256": receipt.lock}}],
        "predicateType": _PREDICATE,
        "predicate": {
            "result": result,
            "configuration": [
                {"name": "machine", "digest": {"sha256": receipt.facts}},
                {"name": f"tfprov {receipt.tfprov}", "annotations": {"level": own["verdict"].get("level")}},
            ],
            "passedTests": passed,
            "warnedTests": warned,
            "failedTests": failed,
            _OWN: own,
        },
    }


def sealed(document: Mapping[str, object], *, sign_with: str, environ: Mapping[str, str]) -> bytes:
    """Sign a statement, and return the content of a file with its envelope.

    Args:
        document: the statement.
        sign_with: command that signs the file `{}` and writes `{}.sig`; empty for no signature.
        environ: environment variables for the command.

    Raises:
        TfprovError: `usage` when the command cannot be parsed or started, or writes no signature.
    """
    payload = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    envelope = Envelope(payload=payload, signatures=())
    signatures = [_sign(envelope, sign_with, environ)] if sign_with else []
    content = {
        "payloadType": TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": "", "sig": base64.b64encode(each).decode()} for each in signatures],
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def opened(content: object) -> Envelope | None:
    """The envelope in a parsed JSON document; None when the document is not one."""
    try:
        if not isinstance(content, dict) or content["payloadType"] != TYPE:
            return None
        payload = base64.b64decode(content["payload"], validate=True)
        signatures = tuple(base64.b64decode(each["sig"], validate=True) for each in content["signatures"])
    except (LookupError, TypeError, ValueError, binascii.Error):
        return None
    return Envelope(payload=payload, signatures=signatures)


def receipt_in(envelope: Envelope) -> dict[str, object] | None:
    """The content of a receipt inside a statement; None when it is not a statement by tfprov about its own lock."""
    try:
        found = json_of(envelope.payload)
        if found["_type"] != _STATEMENT or found["predicateType"] != _PREDICATE:
            return None
        own = found["predicate"][_OWN]
        (subject,) = found["subject"]
        if own["lock"] != subject["digest"]["sha256"]:
            return None
    except (LookupError, TypeError, ValueError):
        return None
    return own if isinstance(own, dict) else None


def unverified(envelope: Envelope, *, verify_with: str, environ: Mapping[str, str]) -> str:
    """Verify the signatures of a statement.

    Args:
        envelope: with the statement.
        verify_with: command that ends with status 0 when `{}.sig` is a valid signature of the file `{}`.
        environ: environment variables for the command.

    Returns:
        Why the statement cannot be trusted; empty when one of its first 16 signatures is valid.

    Raises:
        TfprovError: `usage` when the command cannot be parsed or started.
    """
    why = "it is not signed"
    for signature in envelope.signatures[:_MOST_SIGNATURES]:
        with temporary.temporary("verify") as work:
            place = work / "statement"
            place.write_bytes(envelope.signed)
            place.with_name("statement.sig").write_bytes(signature)
            done = _run(verify_with, place, "--verify-with", environ)
            if done.ok:
                return ""
            why = "; ".join((done.stderr or done.stdout).strip().splitlines()[-_MOST_LINES:]) or "the command says no"
    return why


def _sign(envelope: Envelope, command: str, environ: Mapping[str, str]) -> bytes:
    with temporary.temporary("sign") as work:
        place = work / "statement"
        place.write_bytes(envelope.signed)
        done = _run(command, place, "--sign-with", environ)
        signature = place.with_name("statement.sig")
        if not done.ok or not signature.is_file() or not 0 < signature.stat().st_size <= _LARGEST_SIGNATURE:
            lines = (done.stderr or done.stdout).strip().splitlines()[-_MOST_LINES:]
            raise TfprovError(
                "usage",
                f"the command of `--sign-with` left no signature: it ended with status {done.returncode}",
                evidence=tuple(lines),
                hint="it has to sign the file `{}` and to write `{}.sig`, without asking for anything",
            )
        return signature.read_bytes()


def check_command(command: str, option: str, *, windows: bool = os.name == "nt") -> Sequence[str]:
    """Parse a command that contains `{}` in place of a file.

    Args:
        command: as the user wrote it, with shell quoting.
        option: that it was given with, for messages.
        windows: whether a backslash is a part of paths, and no quote.

    Returns:
        The words of the command, with `{}` still in them.

    Raises:
        TfprovError: `usage` when it cannot be parsed, or does not contain `{}`.
    """
    lexer = shlex.shlex(command, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    if windows:
        lexer.escape = ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise TfprovError("usage", f"the command of `{option}` cannot be read: {error}") from error
    if not any(_PLACE in word for word in words):
        raise TfprovError(
            "usage",
            f"the command of `{option}` does not name the file that it is about",
            hint="`{}` stands for the file, `{}.sig` for its signature",
        )
    return words


def _run(command: str, place: Path, option: str, environ: Mapping[str, str]) -> process.Finished:
    program, *words = (word.replace(_PLACE, str(place)) for word in check_command(command, option))
    try:
        return process.run([process.program(program, environ) or program, *words], env=environ)
    except OSError as error:
        raise TfprovError("usage", f"the command of `{option}` cannot be started: {error}") from error


def _counted(content: bytes) -> tuple[bytes, bytes]:
    return str(len(content)).encode(), content


def _is_ours(content: bytes) -> bool:
    try:
        found = opened(json_of(content))
    except ValueError:
        return False
    return found is not None and receipt_in(found) is not None


STATEMENT = Product(what="a statement", is_ours=lambda stream: _is_ours(stream.read(_LARGEST)))
