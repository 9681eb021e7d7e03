from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.wants.recognise import Kind, kind_of, read
from tfprov.wants.records import ProjectParts
from wants_files import Read


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("requirements.txt", "numpy\n", "requirements"),
        ("requirements.txt", "-r other.txt\n", "requirements"),
        ("requirements.txt", "numpy==1.0  # [x]\n", "requirements"),
        ("deps", "[project]\ndependencies = []\n", "pyproject"),
        ("deps", "[metadata]\nname = x y\n", "setup-cfg"),
        ("deps", '[packages]\nsix = "*"\n', "pipfile"),
        ("pyproject.toml", "[tool.black]\n", "pyproject"),
        ("Pipfile", "", "pipfile"),
        ("x.py", "", "script"),
        ("setup.py", "", "setup-py"),
        ("env.yaml", "name: x\n", "environment"),
        ("setup.bat", "pip install six\n", "shell"),
        ("install.ps1", "clear\n", "shell"),
    ],
)
def test_a_format_is_known_by_content_and_name(name: str, text: str, kind: Kind) -> None:
    assert kind_of(name, text) == kind


def test_several_files_are_one_list_and_what_they_say_twice_counts_once(read_file: Read, tmp_path: Path) -> None:
    read_file("a.txt", "six\n-r b.txt\n")
    read_file("b.txt", "numpy\n")
    found = read((tmp_path / "a.txt", tmp_path / "b.txt"), tmp_path, ProjectParts())
    assert [want.text for want in found.requirements] == ["six", "numpy"]


def test_extras_without_a_project_are_a_problem(read_file: Read) -> None:
    assert read_file("requirements.txt", "six\n", extras=("a",)).problems == (
        "packages.extras: `a`: none of `packages.files` is the file of a project",
    )


def test_an_empty_file_asks_for_nothing(read_file: Read) -> None:
    found = read_file("requirements.txt", "\n")
    assert (found.requirements, found.problems) == ((), ())
