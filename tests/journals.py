"""What the newest journal below a home says."""

from __future__ import annotations

from pathlib import Path

from tfprov.journal import read


def events(home: Path) -> list[dict[str, object]]:
    """The lines of the journal that was written last, of whatever environment."""
    newest = max(home.glob("state/journals/*/*.jsonl"), key=lambda path: path.name)
    return list(read(newest))
