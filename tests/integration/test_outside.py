"""A wheel puts nothing outside of the environment that it is installed into, whoever installs it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from site_under_test import RELEASE, Site, only_here, sham_wheel
from tfprov.errors import TfprovError
from tfprov.pipeline.unpacked import check_wheels
from wheels import build_wheel

pytestmark = only_here
LIST = "x-1.dist-info/entry_points.txt"


def hostile(folder: Path, kind: str) -> Path:
    """A wheel that names the file `outside` in `folder`, or tries to."""
    out = folder / "outside"
    more = {
        "a command with a path": {LIST: f"[console_scripts]\n{out} = x:a\n"},
        "a command above": {LIST: "[console_scripts]\n../../../../outside = x:a\n"},
        "a command of Windows": {LIST: "[gui_scripts]\n..\\\\outside = x:a\n"},
        "a member above": {"x/../../../../../outside": "a"},
        "a member at the root": {str(out): "a"},
        "data above": {"x-1.data/data/../../../outside": "a"},
        "scripts above": {"x-1.data/scripts/../../outside": "#!python\n"},
        "a member twice": {},
        "a link": {},
    }[kind]
    wheel = build_wheel(folder / "built", "x", "1", files={"x.py": "a = print\n", **more})
    with zipfile.ZipFile(wheel, "a") as archive:
        if kind == "a member twice":
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr("x.py", "a = 2\n")
        if kind == "a link":
            member = zipfile.ZipInfo("x/link")
            member.external_attr = 0o120777 << 16
            archive.writestr(member, str(out))
    return wheel


KINDS = ["a command with a path", "a command above", "a command of Windows", "a member above", "a member at the root"]
KINDS += ["data above", "scripts above", "a member twice", "a link"]


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_installer_gets_such_a_wheel(kind: str, tmp_path: Path) -> None:
    wheel = hostile(tmp_path, kind)
    with pytest.raises(TfprovError) as caught:
        check_wheels([wheel])
    assert caught.value.code.name == "cache-corrupt"
    assert caught.value.what == f"`{wheel.name}` cannot be unpacked"


def test_other_ways_of_packing_are_left_to_others(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "x", "1", files={LIST: "[console_scripts]\nx = x:a\n", "x.py": ""})
    check_wheels([wheel])
    with zipfile.ZipFile(wheel, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x/more.py", "a = 1\n" * 99)
    check_wheels([wheel])
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("../outside", "a")
    with pytest.raises(TfprovError):
        check_wheels([wheel])


def test_up_writes_nothing_outside(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(tmp_path / "built", RELEASE), hostile(tmp_path, "a command with a path"))
    site.write('[packages]\nrequirements = ["x"]\n')
    done = site.run("up", "train.toml")
    assert done.returncode == 13, done.stderr
    assert "error[cache-corrupt]" in done.stderr
    assert not (tmp_path / "outside").exists()
