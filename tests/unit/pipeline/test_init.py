from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.paths import Home
from tfprov.pipeline.context import environment_of
from tfprov.pipeline.init import NewProfile, init
from tfprov.profile.load import load
from tfprov.profile.source import glance


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "My project").mkdir()
    return tmp_path / "My project"


def written(path: Path, source: Path | None = None) -> NewProfile:
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
    error = failure.value
    assert (error.code.name, error.what) == ("usage", f"`{folder}` has no file with requirements")
    assert error.evidence == (
        "looked for `pyproject.toml` with dependencies, `requirements.txt`, `environment.yml`, `Pipfile`, …",
        "no Python file there imports a package besides TensorFlow",
    )
    assert error.hint == "pass the file itself"
    assert not (folder / "other.toml").exists()


@pytest.mark.parametrize("name", ["requirements_tf.txt", "conda/env_train.yml", "SETUP.md", "_execute.bat"])
def test_a_list_under_another_name_is_named_although_it_is_not_read(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    of_conda, of_pip = "dependencies:\n  - tensorflow\n", "pip install tensorflow\n"
    text = of_conda if name.endswith(".yml") else "tensorflow\n" if name.endswith(".txt") else f"    {of_pip}"
    (folder / name).write_text(text)
    found = written(folder / "tfprov.toml")
    assert (found.files, found.others) == ((), (name,))
    (folder / "requirements.txt").write_text("six\n")
    found = written(folder / "train.toml")
    assert (found.files, found.others) == (("requirements.txt",), ())


def test_a_profile_that_exists_is_not_overwritten(folder: Path) -> None:
    path = folder / "train.toml"
    path.write_text("mine")
    with pytest.raises(TfprovError) as failure:
        written(path)
    error = failure.value
    assert (error.code.name, error.what) == ("path-not-ours", f"`{path}` already exists")
    assert error.hint == "choose another name; existing files are not overwritten"
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "six\n"),
        ("Pipfile", '[packages]\nsix = "*"\n'),
        ("pyproject.toml", '[project]\nname = "other-than-the-folder"\ndependencies = ["six"]\n'),
    ],
)
def test_a_new_profile_goes_on_with_the_environment_of_the_list_that_stood_in_for_it(
    folder: Path, name: str, text: str
) -> None:
    (folder / name).write_text(text)
    home = Home(data=folder, cache=folder, state=folder)

    def root_of(path: Path) -> Path:
        seen = glance(path, shipped=False)
        assert seen is not None
        return environment_of(seen, home).root

    before = root_of(folder / name)
    written(folder / "tfprov.toml")
    assert root_of(folder / "tfprov.toml") == before
    # Named by itself it is another one from now on.
    assert root_of(folder / name) != before


def test_two_lists_of_a_folder_are_two_environments_with_a_lock_each(folder: Path) -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "environment.yml"):
        (folder / name).write_text("six\n")
    seen = [glance(folder / name, shipped=False) for name in ("requirements.txt", "requirements-dev.txt")]
    assert [one.name for one in seen if one] == ["My-project", "My-project-requirements-dev"]


def test_where_it_runs_is_left_to_each_machine(folder: Path) -> None:
    written(folder / "tfprov.toml")
    assert load(folder / "tfprov.toml").profile.tensorflow.accelerator == "auto"


def test_without_such_a_file_it_asks_for_what_the_programs_import(folder: Path) -> None:
    (folder / "train.py").write_text("import cv2, helper, house\nimport tensorflow as tf\ntf.Session()\n")
    (folder / "helper.py").write_text("from pandas import DataFrame\n")
    found = written(folder / "tfprov.toml")
    loaded = load(folder / "tfprov.toml")
    assert loaded.requirements == ("opencv-python", "pandas")
    assert loaded.profile.tensorflow.version == "<2"
    assert found.imported is not None
    assert found.imported.unknown == ("house",)
    assert "# They also import `house`: add the packages that contain them.\n" in found.text
    assert "# `train.py: tf.Session`: TensorFlow 2 does not have that\n" in found.text


@pytest.mark.parametrize("name", ["train.py", "train.ipynb"])
def test_a_program_that_lists_nothing_stands_for_its_imports(folder: Path, name: str) -> None:
    text = "import seaborn\n"
    cells = json.dumps({"cells": [{"cell_type": "code", "source": text}], "nbformat": 4})
    (folder / name).write_text(text if name.endswith(".py") else cells)
    (folder / "other.py").write_text("import cv2\n")
    found = written(folder / "tfprov.toml", folder / name)
    assert (found.files, found.problems) == ((), ())
    assert load(folder / "tfprov.toml").requirements == ("seaborn",)


def test_a_program_that_lists_something_is_read(folder: Path) -> None:
    (folder / "train.py").write_text("# /// script\n# dependencies = []\n# ///\nimport seaborn\n")
    found = written(folder / "tfprov.toml", folder / "train.py")
    assert (found.files, found.imported) == (("train.py",), None)


@pytest.mark.parametrize("source", [None, "train.py"])
def test_the_file_that_names_the_python_counts_without_a_list_too(folder: Path, source: str | None) -> None:
    (folder / ".python-version").write_text("3.11\n")
    (folder / "train.py").write_text("import seaborn\n")
    found = written(folder / "tfprov.toml", None if source is None else folder / source)
    loaded = load(folder / "tfprov.toml")
    assert found.files == (".python-version",)
    assert "# `.python-version` asks for ==3.11.*: that holds, too.\n" in found.text
    assert (loaded.requirements, loaded.profile.python.version) == (("seaborn",), "==3.11.*")
