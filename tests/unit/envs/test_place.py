from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tfprov.envs.generations import Environment
from tfprov.envs.place import check_execution, check_links
from tfprov.envs.records import Owner
from tfprov.errors import TfprovError
from tfprov.host.limits import mounts

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="Python knows of noexec on Linux alone")


def refused(folder: Path) -> bool:
    try:
        check_execution(folder / "not" / "there")
    except TfprovError as error:
        assert error.code.name == "filesystem-feature"
        assert "noexec" in error.evidence[0]
        return True
    return False


@only_linux
def test_a_folder_is_refused_where_its_mount_is_noexec_and_nowhere_else() -> None:
    seen = [Path(mount.point) for mount in mounts() if Path(mount.point).is_dir()]
    assert seen
    for point in seen:
        if os.access(point, os.X_OK):
            assert refused(point) == bool(os.statvfs(point).f_flag & os.ST_NOEXEC)


@only_linux
def test_nothing_is_made_for_an_environment_that_could_not_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs

    def statvfs(path: Path) -> os.statvfs_result:
        return os.statvfs_result((*real(path)[:8], real(path).f_flag | os.ST_NOEXEC, real(path).f_namemax))

    monkeypatch.setattr(os, "statvfs", statvfs)
    environment = Environment(tmp_path / "environments" / "x-1", owner=Owner(name="x", profile="/p"))
    with pytest.raises(TfprovError, match="no environment can work in"):
        environment.claim()
    assert not environment.root.exists()


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_a_place_that_changes_names_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[str], str]
) -> None:
    real = os.listdir
    check_links(tmp_path)
    monkeypatch.setattr(os, "listdir", lambda path: [change(name) for name in real(path)])
    with pytest.raises(TfprovError, match="no environment can be kept") as failure:
        check_links(tmp_path)
    assert failure.value.code.name == "filesystem-feature"
    assert real(tmp_path) == []
