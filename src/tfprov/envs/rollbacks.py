"""The note that a rollback leaves, so that the next `up` does not silently undo it."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tfprov.contents import content_of
from tfprov.envs.records import Generation
from tfprov.structured import json_of
from tfprov.writing import write_atomic

_FILE = "rollback.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """A rollback of an environment whose profile and lock were not rolled back.

    Attributes:
        number: the generation that was rolled back to.
        before: the generation that was left, by this rollback or by the first of several.
        profile_digest: digest of the profile that `before` was made from.
        lock_digest: digest of its lock file.
        keep: whether `up` was told to stay with `number`.
    """

    number: int
    before: int
    profile_digest: str
    lock_digest: str
    keep: bool = False


def write(root: Path, rollback: Rollback) -> None:
    """Write the note into the folder of the environment."""
    write_atomic(root / _FILE, json.dumps(asdict(rollback)).encode())


def read(root: Path, active: Generation | None) -> Rollback | None:
    """The rollback that is in effect; None if there is none.

    The note is written before the switch. If that did not happen, the first of several rollbacks has changed nothing,
    and a later one leaves the one before it in effect.
    """
    try:
        found = Rollback(**json_of(content_of(root / _FILE)))
    except (OSError, ValueError, TypeError):
        return None
    if active is None or active.number == found.before:
        return None
    return found if active.number == found.number else replace(found, number=active.number, keep=False)


def after(earlier: Rollback | None, before: Generation | None, found: Generation) -> Rollback | None:
    """The note about a rollback, which may follow another one; None if it leads to what profile and lock ask for.

    Args:
        earlier: the rollback that was in effect until now.
        before: the generation that is active until now.
        found: the one that is rolled back to.
    """
    if earlier is not None and earlier.number == found.number:
        return earlier
    if earlier is None and before is not None and before.seal is not None:
        left = before.seal.profile_digest, before.seal.lock_digest
        earlier = Rollback(number=before.number, before=before.number, profile_digest=left[0], lock_digest=left[1])
    if earlier is None:
        return None
    asked = earlier.profile_digest, earlier.lock_digest
    if found.seal is not None and (found.seal.profile_digest, found.seal.lock_digest) == asked:
        return None
    return replace(earlier, number=found.number, keep=False)


def forget(root: Path) -> None:
    """Delete the note, because the environment is again the one that profile and lock ask for."""
    with contextlib.suppress(OSError):
        (root / _FILE).unlink(missing_ok=True)
