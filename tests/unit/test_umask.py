from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov import umask


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("given", [0o000, 0o002, 0o022, 0o027, 0o077, 0o777])
def test_nothing_is_writable_for_all_and_the_users_programs_get_their_own(tmp_path: Path, given: int) -> None:
    before = os.umask(given)
    try:
        umask.tighten()
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").touch()
        umask.give_back()
        umask.give_back()
        assert os.umask(given) == given
    finally:
        os.umask(before)
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700 | 0o075 & ~given
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600 | 0o064 & ~given
