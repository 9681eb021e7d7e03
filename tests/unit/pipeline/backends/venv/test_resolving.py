"""The notes on the versions that a resolve was to keep."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tfprov.lock.question import Pinned
from tfprov.pipeline.backends.venv.resolving import _whose

LOCK = '[[packages]]\nname = "six"\nversion = "1.0"\n'
OF_LOCK: Pinned = (("six", "1.0"),)
OF_FILES: Pinned = (("six", "1.1"),)
OF_THIS_RUN: Pinned = (("six", "1.2"),)


@pytest.mark.parametrize(
    ("has_lock", "upgrade", "prefer", "whose"),
    [
        (True, False, OF_LOCK, "the lock's"),
        (False, False, OF_FILES, "the preferred"),
        (True, True, OF_FILES, "the preferred"),
        # They come from an earlier resolve of the same run, and nobody asked for them.
        (True, False, OF_THIS_RUN, ""),
        (False, False, OF_THIS_RUN, ""),
        (False, False, (), ""),
    ],
)
def test_only_versions_that_somebody_has_are_said_to_be_lost(
    tmp_path: Path, has_lock: bool, upgrade: bool, prefer: Pinned, whose: str
) -> None:
    path = tmp_path / "pylock.toml"
    if has_lock:
        path.write_text(LOCK, encoding="utf-8")
    request, loaded = SimpleNamespace(upgrade=upgrade, prefer=OF_FILES), SimpleNamespace(preferred=())
    context: Any = SimpleNamespace(lock_path=path, request=request, loaded=loaded)
    assert _whose(context, prefer) == whose
