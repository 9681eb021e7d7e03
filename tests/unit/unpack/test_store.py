"""Where unpacked wheels are kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.unpack.store import TreeStore

BOOT = "this boot"


def test_a_list_that_a_killed_run_did_not_finish_is_swept(tmp_path: Path) -> None:
    store = TreeStore(tmp_path / "trees", boot=BOOT)
    store.use("key", ["a" * 64], python="p")
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    for pid in (int(dead.stdout), os.getpid()):
        (tmp_path / "trees" / ".uses" / f".key.{pid}-12ab34cd.tmp").touch()
    store.sweep_unfinished()
    names = sorted(path.name for path in (tmp_path / "trees" / ".uses").iterdir())
    assert names == [f".key.{os.getpid()}-12ab34cd.tmp", "key"]


@pytest.mark.skipif(os.name != "posix", reason="owners as POSIX has them")
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "trees").mkdir()
    (tmp_path / "trees").chmod(0o777)
    own = tmp_path / f"trees-{os.getuid()}"
    assert TreeStore(tmp_path / "trees", boot=BOOT).root == own
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for plant in (lambda: own.mkdir() or own.chmod(0o777), lambda: own.symlink_to(elsewhere), own.touch):
        plant()
        with pytest.raises(TfprovError) as caught:
            TreeStore(tmp_path / "trees", boot=BOOT)
        assert (caught.value.code.name, caught.value.what) == (
            "path-not-ours",
            f"`{own}` does not belong to this user alone",
        )
        own.rmdir() if own.is_dir() and not own.is_symlink() else own.unlink()
