"""Detects merge conflicts in lock files."""

from __future__ import annotations

import re
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.words import quoted

_MARK = re.compile(rb"^<{7} .*", re.MULTILINE)


def check_merged(path: Path, raw: bytes) -> None:
    """Check that a lock has no merge conflict of git.

    Args:
        path: the lock, for messages.
        raw: its content.

    Raises:
        TfprovError: `lock-invalid` when it has one.
    """
    mark = _MARK.search(raw)
    if mark is None:
        return
    line = raw.count(b"\n", 0, mark.start()) + 1
    choice = f"git checkout --ours -- {quoted(str(path))}"
    raise TfprovError(
        "lock-invalid",
        f"`{path}` has an unresolved git conflict",
        evidence=(f"line {line}: {mark[0].decode(errors='replace').strip()}",),
        hint=f"merge the profile, take one side of the lock with `{choice}`, and run `tfprov lock`: "
        "versions that still fit are kept",
    )
