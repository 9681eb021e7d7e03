from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from profiles import write
from tfprov.errors import TfprovError
from tfprov.profile.finding import find
from tfprov.profile.load import load
from tfprov.profile.nearby import lists_under_other_names


def asking_for(package: str, name: str) -> str:
    """The text of a file of that name which asks for a package."""
    command = f"pip install {package}"
    texts = {
        ".ipynb": json.dumps({"cells": [{"cell_type": "code", "source": f"!{command}"}], "nbformat": 4}),
        ".md": f"```\n{command}\n```\n",
        **dict.fromkeys((".sh", ".bat", ".ps1"), f"{command}\n"),
        ".lock": f'version = 1\n\n[[package]]\nname = "{package}"\nversion = "2.16.1"\nsource = {{ registry = "x" }}\n',
    }
    if ".github" in name:
        return f"on: push\njobs:\n  test:\n    steps:\n      - run: {command}\n"
    if name.endswith(("yml", "yaml")):
        return f"dependencies:\n  - {package}\n"
    return texts.get(Path(name).suffix, f"RUN {command}\n" if name == "Dockerfile" else f"{package}\n")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["requirements-gpu.txt", "requirements-cpu.txt"], ["requirements-cpu.txt", "requirements-gpu.txt"]),
        (["requirements/dev.txt", "requirements/base.txt"], ["requirements/base.txt", "requirements/dev.txt"]),
        (["a.ipynb", "Dockerfile", "env_gpu.yml", "notes.txt"], ["env_gpu.yml", "Dockerfile", "a.ipynb"]),
        (["conda.yaml", "dev-requirements.txt"], ["dev-requirements.txt", "conda.yaml"]),
        pytest.param(
            ["Requirements.txt"],
            ["Requirements.txt"],
            marks=pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="that is requirements.txt there"),
        ),
        (["uv.lock", "requirements.in"], ["requirements.in", "uv.lock"]),
        (["reqs.txt", "deps.txt", "require me.txt"], ["deps.txt", "reqs.txt"]),
        (["src/requirements.txt", "binder/environment.yml"], ["binder/environment.yml", "src/requirements.txt"]),
        (
            [".github/workflows/ci.yml", "README.md", "setup.sh"],
            ["README.md", "setup.sh", ".github/workflows/ci.yml"],
        ),
        (["DEEPLABCUT.yaml", "requirements-gpu.txt"], ["requirements-gpu.txt", "DEEPLABCUT.yaml"]),
        (["SETUP.md", "make_env_gpu.ps1", "_execute.bat"], ["SETUP.md", "_execute.bat", "make_env_gpu.ps1"]),
    ],
)
def test_lists_under_other_names_are_named(tmp_path: Path, names: list[str], told: list[str]) -> None:
    for name in names:
        write(tmp_path, asking_for("tensorflow", name), name)
    with pytest.raises(TfprovError) as failure:
        find("", cwd=tmp_path)
    assert failure.value.evidence[-1] == f"files that may say it: {', '.join(f'`{name}`' for name in told)}"
    assert failure.value.hint == f"name the file that says what is needed, as in `tfprov up {told[0]}`"


def test_a_yaml_file_of_any_name_is_named_if_it_lists_what_conda_installs(tmp_path: Path) -> None:
    write(tmp_path, "dependencies:\n  - pip:\n    - deeplabcut[tf]\n", "DEEPLABCUT.yaml")
    write(tmp_path, "dependencies:\n  numpy: 1\n", "chart.yaml")
    write(tmp_path, "train:\n  dependencies:\n    - six\n", "config.yml")
    write(tmp_path, "language: python\ninstall: pip install six\n", ".travis.yml")
    assert lists_under_other_names(tmp_path) == ("DEEPLABCUT.yaml",)


def test_a_list_beside_it_does_no_harm_whatever_it_holds(tmp_path: Path) -> None:
    path = write(tmp_path, "six\n", "requirements.txt")
    write(tmp_path, "dependencies:\n  - sn-\n  - x.\n  - tensorflow=2.12\n  - [a]\n", "environment.yml")
    write(tmp_path, "[packages\n", "Pipfile")
    (tmp_path / "requirements-dev.txt").write_bytes(b"\xff\x00tensorflow==1\n")
    (note,) = load(path).notes[1:]
    assert note.startswith("also here, and not read: `environment.yml` (`tensorflow==2.12.*`)")


SETUP = """\
import sys
from setuptools import setup
with open("needs.txt") as file:
    needs = file.read().splitlines()
setup(name="mine", install_requires=needs)
"""


@pytest.mark.parametrize(
    ("own", "other", "told"),
    [
        (["tensorflow>=2.16"], ["tensorflow==2.15.*"], True),
        (["tensorflow>=2.16"], ["tensorflow==2.17.0"], True),
        (["six"], ["tensorflow-cpu<2.16"], True),
        (["six"], ["tensorflow"], False),
        (["six"], ["numpy<2"], False),
        (["tensorflow==2.15.0"], ["tensorflow"], False),
        (["tensorflow==2.15.0"], ["tensorflow>=2.10"], False),
        (["tensorflow==2.15.0"], ["tensorflow-gpu==2.15.0"], False),
        (["tensorflow==2.15.0"], ["tensorflow>=2.16"], True),
        (["tensorflow"], ["tensorflow==2.15.*"], True),
    ],
)
@pytest.mark.parametrize("name", ["environment.yml", "requirements-gpu.txt", "Dockerfile", "Pipfile"])
def test_a_list_that_is_not_read_and_asks_for_another_tensorflow_is_told(
    tmp_path: Path, name: str, own: list[str], other: list[str], told: bool
) -> None:
    path = write(tmp_path, "".join(f"{line}\n" for line in own), "requirements.txt")
    asked = Requirement(other[0])
    text = asking_for(other[0], name)
    if name == "Pipfile":
        text = f'[packages]\n{asked.name} = "{asked.specifier or "*"}"\n'
    write(tmp_path, text.replace("==2.15.*", "=2.15") if name == "environment.yml" else text, name)
    notes = load(path).notes[1:]
    # conda has one package of that name, in several builds.
    shown = f"tensorflow{asked.specifier}" if name == "environment.yml" else other[0]
    expected = f"also here, and not read: `{name}` (`{shown}`); name the one that counts, as in `tfprov up {name}`"
    assert notes == ((expected,) if told else ())
    # Whoever names a file has said which one counts.
    assert load(write(tmp_path, "six\n", "requirements-dev.txt")).notes[1:] == ()


def test_a_list_that_is_made_by_a_program_is_told_if_nothing_else_asks_for_tensorflow(tmp_path: Path) -> None:
    write(tmp_path, SETUP, "setup.py")
    notes = load(write(tmp_path, "six\n", "requirements.txt")).notes[1:]
    assert [note.partition(";")[0] for note in notes] == ["also here, and not read: `setup.py` (made by a program)"]
    assert load(write(tmp_path, "tensorflow\n", "requirements.txt")).notes[1:] == ()


@pytest.mark.parametrize(
    "name", ["README.md", "docs/requirements.txt", ".github/workflows/ci.yml", "a.ipynb", "install.sh"]
)
def test_what_is_further_from_the_project_must_ask_for_tensorflow(tmp_path: Path, name: str) -> None:
    write(tmp_path, asking_for("sphinx", name), name)
    assert lists_under_other_names(tmp_path) == ()
    write(tmp_path, asking_for("tf-nightly", name), name)
    assert lists_under_other_names(tmp_path) == (name,)


@pytest.mark.parametrize("folder", ["", "profiles/"])
def test_the_lock_of_a_profile_is_not_named_but_one_alone_is(tmp_path: Path, folder: str) -> None:
    for name in ("pylock.train.toml", "pylock.toml"):
        text = 'lock-version = "1.0"\n[[packages]]\nname = "tensorflow"\nversion = "2.16.1"\n'
        write(tmp_path, text, f"{folder}{name}")
    assert set(lists_under_other_names(tmp_path)) == {f"{folder}pylock.toml", f"{folder}pylock.train.toml"}
    write(tmp_path, 'name = "train"\n', f"{folder}train.toml")
    assert lists_under_other_names(tmp_path) == (f"{folder}pylock.toml",)


def test_files_that_ask_for_nothing_are_not_named(tmp_path: Path) -> None:
    for name in ("requirements-dev.txt", "a.ipynb", "Dockerfile", "env.yml", "poetry.lock"):
        write(tmp_path, "", name)
    (tmp_path / "requirements-gone.txt").symlink_to("nowhere")
    (tmp_path / "requirements-folder.txt").mkdir()
    assert lists_under_other_names(tmp_path) == ()
