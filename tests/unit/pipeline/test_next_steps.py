"""What tfprov proposes in a folder, by what lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.pipeline.next_steps import next_steps


def told(folder: Path) -> tuple[str, list[str]]:
    situation = next_steps(folder, {"TFPROV_HOME": str(folder / "home"), "HOME": str(folder)})
    return situation.words, [command for command, _ in situation.steps]


def test_an_empty_folder_begins_with_a_shipped_profile(tmp_path: Path) -> None:
    words, commands = told(tmp_path)
    assert words == "this folder has no profile, and no file that says what a project needs"
    assert commands[0] == "tfprov up cpu"


def test_a_list_under_another_name_comes_first(tmp_path: Path) -> None:
    (tmp_path / "requirements-gpu.txt").write_text("tensorflow\n")
    assert told(tmp_path)[1][:2] == ["tfprov up requirements-gpu.txt", "tfprov up cpu"]


@pytest.mark.parametrize(
    ("name", "text", "words", "writes"),
    [
        ("requirements.txt", "six\n", "`requirements.txt` says what this folder needs", True),
        ("tfprov.toml", 'name = "train"\n', "`tfprov.toml` is the profile here", False),
        ("pyproject.toml", '[tool.tfprov]\nname = "train"\n', "`pyproject.toml` is the profile here", False),
    ],
)
def test_a_folder_with_a_profile_begins_with_it(tmp_path: Path, name: str, text: str, words: str, writes: bool) -> None:
    (tmp_path / name).write_text(text)
    found, commands = told(tmp_path)
    assert found == f"{words}; there is no environment of it yet"
    assert commands[:2] == ["tfprov plan", "tfprov up"]
    assert ("tfprov init" in commands) == writes


def test_the_profile_of_a_folder_above_is_named_in_full(tmp_path: Path) -> None:
    (tmp_path / "tfprov.toml").write_text('name = "train"\n')
    (tmp_path / "inner").mkdir()
    assert told(tmp_path / "inner")[0].startswith(f"`{tmp_path / 'tfprov.toml'}` is the profile of this folder")


def test_a_profile_with_a_mistake_is_said_to_have_one(tmp_path: Path) -> None:
    (tmp_path / "tfprov.toml").write_text("name = 3\n")
    words, commands = told(tmp_path)
    assert "has a mistake" in words
    assert commands == ["tfprov plan"]


def test_a_checkout_of_tfprov_is_no_project_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "tfprov"\ndependencies = ["typer"]\n')
    assert told(tmp_path)[1][0] == "tfprov up cpu"
