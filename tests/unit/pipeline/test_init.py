from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.pipeline.init import Written, init
from tfprov.profile.load import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "My project").mkdir()
    return tmp_path / "My project"


def written(path: Path, source: Path | None = None) -> Written:
    environ = {"TFPROV_HOME": str(path.parents[1] / "home"), "PATH": os.environ.get("PATH", os.defpath)}
    return init(path, environ=environ, source=source)


def test_it_has_the_name_of_the_folder_and_names_the_file_that_lies_there(folder: Path) -> None:
    (folder / "requirements.txt").write_text("six\n")
    found = written(folder / "tfprov.toml")
    assert found.files == ("requirements.txt",)
    loaded = load(folder / "tfprov.toml")
    assert (loaded.profile.name, loaded.requirements) == ("My-project", ("six",))
    assert written(folder / "train.toml").text.count('name = "train"') == 1


def test_it_says_which_pythons_the_project_asks_for(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.10"\ndependencies = []\n')
    text = written(folder / "tfprov.toml").text
    assert "# `pyproject.toml: project.requires-python` asks for >=3.10: that holds, too.\n" in text
    assert load(folder / "tfprov.toml").profile.python.version == ">=3.10"


def test_a_file_elsewhere_is_named_relative_to_the_profile(folder: Path) -> None:
    (folder / "deps").mkdir()
    (folder / "deps" / "needs.in").write_text("six\nsklearn\n")
    found = written(folder / "train.toml", folder / "deps" / "needs.in")
    assert found.files == ("deps/needs.in",)
    assert found.problems == ("needs.in:2: `sklearn`: that is the name of a module; the package is `scikit-learn`",)
    assert (folder / "train.toml").exists()


def test_a_folder_without_such_a_file_is_fine_unless_it_was_named(folder: Path) -> None:
    assert written(folder / "tfprov.toml").files == ()
    with pytest.raises(TfprovError) as failure:
        written(folder / "other.toml", folder)
    assert failure.value.code.name == "usage"
    assert not (folder / "other.toml").exists()
