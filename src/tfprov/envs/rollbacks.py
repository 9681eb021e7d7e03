"""What is written down about a rollback, so that the next `up` does not take it back in silence."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tfprov.envs.records import Generation
from tfprov.paths import write_atomic
from tfprov.structured import json_of

_FILE = "rollback.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """An environment went back, and neither profile nor lock did.

    Attributes:
        number: the generation that it went back to.
        before: the one that was in use.
        profile_digest: digest of the profile that `before` was made from.
        lock_digest: digest of its lock file.
        keep: whether `up` was told to stay there.
    """

    number: int
    before: int
    profile_digest: str
    lock_digest: str
    keep: bool = False


def write(root: Path, rollback: Rollback) -> None:
    """Note it in the folder of the environment."""
    write_atomic(root / _FILE, json.dumps(asdict(rollback)).encode())


def read(root: Path, active: Generation | None) -> Rollback | None:
    """The rollback that the environment is in; None when it is in none."""
    try:
        found = Rollback(**json_of((root / _FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return found if active is not None and active.number == found.number else None


def forget(root: Path) -> None:
    """The environment is where profile and lock want it."""
    with contextlib.suppress(OSError):
        (root / _FILE).unlink(missing_ok=True)
