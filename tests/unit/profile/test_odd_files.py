from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.profile.finding import nearest
from tfprov.profile.load import load
from tfprov.profile.source import glance

DEEP = "[" * 100_000


def refused(path: Path) -> TfprovError:
    glance(path, shipped=False)  # raises nothing and comes back
    with pytest.raises(TfprovError) as caught:
        load(path)
    assert caught.value.code.name == "profile-invalid"
    return caught.value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tfprov.toml", f"x = {DEEP}"),
        ("pyproject.toml", f"x = {DEEP}"),
        ("environment.yml", f"dependencies: {DEEP}"),
        ("requirements.txt", '{"a": ' * 100_000),
        ("requirements.txt", f"[project]\nx = {DEEP}"),
    ],
)
def test_a_file_nested_without_end_is_a_mistake(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert nearest(tmp_path) == tmp_path / name
    refused(tmp_path / name)


@pytest.mark.parametrize("depth", range(50, 600, 25))
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ("{ a = ", " }")])
@pytest.mark.parametrize(
    ("name", "text"), [("tfprov.toml", 'name = "x"\nx = '), ("pyproject.toml", "[tool.tfprov]\nsmoke.level = ")]
)
def test_a_file_nested_as_deeply_as_one_reader_can_and_another_cannot_is_a_mistake(
    name: str, text: str, begin: str, end: str, depth: int, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(f"{text}{begin * depth}1{end * depth}\n")
    refused(tmp_path / name)


@pytest.mark.parametrize("value", ["3", "[]", '"x"'])
def test_a_profile_in_a_project_must_be_a_table(value: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool]\ntfprov = {value}\n")
    assert refused(tmp_path / "pyproject.toml").evidence == ("`tool.tfprov` must be a table",)


@pytest.mark.parametrize(
    "text", ["tool = 3", "project = 3", "tool.poetry = 3", "project.name = 3", "tool.poetry.name = 3"]
)
def test_values_beside_the_profile_may_be_of_any_kind(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert load(tmp_path / "pyproject.toml").profile.packages.requirements == ()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
class TestWhatIsNotARegularFile:
    """A pipe waits for a writer, a device has no end: neither is opened."""

    @pytest.fixture
    def pipe(self, tmp_path: Path) -> Path:
        os.mkfifo(tmp_path / "pipe")
        return tmp_path / "pipe"

    @pytest.mark.parametrize("line", ["-r pipe", "-c pipe", "-r /dev/zero"])
    @pytest.mark.usefixtures("pipe")
    def test_is_not_included(self, line: str, tmp_path: Path) -> None:
        (tmp_path / "requirements.txt").write_text(line)
        (found,) = refused(tmp_path / "requirements.txt").evidence
        assert found == f"requirements.txt:1: `{line[3:]}` cannot be read: not a regular file"

    @pytest.mark.parametrize("key", ["packages.files", "smoke.scripts"])
    @pytest.mark.usefixtures("pipe")
    def test_is_not_named(self, key: str, tmp_path: Path) -> None:
        (tmp_path / "train.toml").write_text(f'name = "train"\n{key} = ["pipe"]\n')
        (found,) = refused(tmp_path / "train.toml").evidence
        assert found == f"train.toml:2: `{key}`: `pipe` cannot be read: not a regular file"


def test_a_schema_of_profiles_is_no_help_with_a_list_of_requirements(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy==2.*.1\n")
    (tmp_path / "train.toml").write_text('name = "train"\npacakges = 3\n')
    assert "schema" not in str(refused(tmp_path / "requirements.txt").hint)
    assert "schema" in str(refused(tmp_path / "train.toml").hint)
