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
        ("x.py", "", "program"),
        ("x.py", "# /// script\n# dependencies = []\n# ///\n", "script"),
        ("ci.yml", "jobs:\n  a:\n    steps:\n    - run: ls\n", "workflow"),
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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("compose.yml", "services:\n  a:\n    image: tensorflow/tensorflow:2.15.0\n"),
        ("meta.yaml", "package:\n  name: x\nrequirements:\n  run:\n  - tensorflow\n"),
        ("package.json", '{"dependencies": {"x": "1"}}'),
        ("requirements.json", '["tensorflow"]'),
        ("uv.toml", '[[index]]\nurl = "https://h.example/simple"\n'),
        ("poetry.toml", "[virtualenvs]\nin-project = true\n"),
        ("uv.lock", "version = 1\n"),
    ],
)
def test_a_file_that_lists_nothing_is_told(read_file: Read, name: str, text: str) -> None:
    (problem,) = read_file(name, text).problems
    assert problem.startswith(f"{name}: nothing in it says what is needed: ")


def test_a_list_for_tests_is_not_taken_for_that_of_the_project(read_file: Read) -> None:
    assert read_file("tox.ini", "[testenv]\ndeps =\n  pytest\n").problems == (
        "tox.ini: it says what the tests need: name the file of the project itself, such as `pyproject.toml`",
    )
