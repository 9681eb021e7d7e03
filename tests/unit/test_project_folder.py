"""Folders with Python projects: their names, and when they count as changed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tfprov import project_folder


def made(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__dot__", ".").replace("__in__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"pyproject__dot__toml": '[project]\nname = "One"\n'}, "One"),
        ({"pyproject__dot__toml": '[tool.poetry]\nname = "two"\n'}, "two"),
        ({"pyproject__dot__toml": "[build-system]\n", "setup__dot__cfg": "[metadata]\nname = three\n"}, "three"),
        ({"setup__dot__py": 'from setuptools import setup\nsetup(name="four")\n'}, "four"),
        ({"setup__dot__py": 'import setuptools as s\nNAME = "five"\ns.setup(name=NAME)\n'}, "five"),
        ({"setup__dot__py": 'def main():\n    name = "six"\n    setup(name=name)\nmain()\n'}, "six"),
        ({"setup__dot__py": "setup(name=read('NAME'))\n"}, None),
        ({"setup__dot__py": "setup(\n"}, None),
        ({"setup__dot__py": "setup(name=None)\n"}, None),
        ({"setup__dot__py": "setup(name={[]})\n"}, None),
        ({"pyproject__dot__toml": "not toml", "setup__dot__py": "setup(name='seven')"}, "seven"),
        ({"pyproject__dot__toml": "[project]\nname = 3\n"}, None),
        ({}, None),
    ],
)
def test_a_project_says_its_name_in_one_of_its_files(tmp_path: Path, files: dict[str, str], name: str | None) -> None:
    assert project_folder.name_of(made(tmp_path, **files)) == name


def test_what_tools_leave_in_a_folder_is_not_a_part_of_the_project(tmp_path: Path) -> None:
    made(tmp_path, pyproject__dot__toml="", src__in__a__dot__py="x = 1")
    before = project_folder.state_of(tmp_path), project_folder.content_of(tmp_path)
    made(
        tmp_path,
        **{
            "__dot__git__in__HEAD": "x",
            "build__in__lib__dot__py": "x",
            "my__dot__egg-info__in__PKG-INFO": "x",
            "src__in____pycache____in__a__dot__pyc": "x",
            "own__in__pyvenv__dot__cfg": "x",
            "own__in__lib__dot__py": "x",
        },
    )
    assert (project_folder.state_of(tmp_path), project_folder.content_of(tmp_path)) == before


def test_a_changed_file_changes_the_state_and_a_touched_one_not_the_content(tmp_path: Path) -> None:
    source = made(tmp_path, pyproject__dot__toml="", a__dot__py="x = 1") / "a.py"
    state, content = project_folder.state_of(tmp_path), project_folder.content_of(tmp_path)
    os.utime(source, ns=(1, 1))
    assert project_folder.state_of(tmp_path) != state
    assert project_folder.content_of(tmp_path) == content
    source.write_text("x = 2")
    assert project_folder.content_of(tmp_path) != content


def test_the_description_is_what_says_what_a_project_needs(tmp_path: Path) -> None:
    made(tmp_path, pyproject__dot__toml="", a__dot__py="x = 1", requirements__dot__txt="six")
    before = project_folder.description_of(tmp_path)
    made(tmp_path, a__dot__py="x = 2")
    assert project_folder.description_of(tmp_path) == before
    made(tmp_path, requirements__dot__txt="six\nidna")
    assert project_folder.description_of(tmp_path) != before


def states(folder: Path) -> tuple[str, str]:
    return project_folder.state_of(folder), project_folder.content_of(folder)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such names")
def test_names_of_any_bytes_are_part_of_the_state(tmp_path: Path) -> None:
    before = states(made(tmp_path, pyproject__dot__toml=""))
    (tmp_path / os.fsdecode(b"\xff\xfe.py")).touch()
    assert all(one != two for one, two in zip(before, states(tmp_path), strict=True))


def test_a_link_to_another_folder_is_a_change(tmp_path: Path) -> None:
    project = made(tmp_path / "project", pyproject__dot__toml="")
    seen = {states(project)}
    for target in ("one", "other"):
        made(tmp_path / target, a__dot__py="x = 1")
        (project / "src").unlink(missing_ok=True)
        (project / "src").symlink_to(tmp_path / target, target_is_directory=True)
        seen.add(states(project))
    assert len(seen) == 3


def test_a_link_to_an_environment_is_not_a_part_of_the_project(tmp_path: Path) -> None:
    project = made(tmp_path / "project", pyproject__dot__toml="")
    before = states(project)
    (project / "env").symlink_to(made(tmp_path / "env", pyvenv__dot__cfg=""), target_is_directory=True)
    assert states(project) == before


def test_a_folder_that_may_not_be_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = states(made(tmp_path, pyproject__dot__toml=""))
    (tmp_path / "data").mkdir()
    real = os.stat

    def stat(path: str | Path, **more: Any) -> os.stat_result:
        if Path(path).parent.name == "data":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, **more)

    monkeypatch.setattr(os, "stat", stat)
    assert states(tmp_path) == before
