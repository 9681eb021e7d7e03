from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.wants.recognise import read
from tfprov.wants.records import ProjectParts, System, Wants
from wants_files import Read


@pytest.fixture
def read_file(tmp_path: Path) -> Read:
    """Write a file into the folder of the test and read it."""

    def write_and_read(
        name: str,
        text: str,
        *,
        extras: tuple[str, ...] = (),
        groups: tuple[str, ...] = (),
        system: System | None = None,
    ) -> Wants:
        (tmp_path / name).write_text(text)
        return read((tmp_path / name,), tmp_path, ProjectParts(extras=extras, groups=groups), system)

    return write_and_read
