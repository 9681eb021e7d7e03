from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from tfprov.wants.as_wheels import as_wheels
from tfprov.wants.basket import Basket
from tfprov.wants.commands import read
from tfprov.wants.recognise import kind_of
from tfprov.wants.recognise import read as read_files
from tfprov.wants.records import ProjectParts
from tfprov.wants.unfit import SourceFile
from wants_files import Read, texts


def notebook(*cells: str) -> str:
    made = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "!pip install no"}, *made], "nbformat": 4})


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("pip install numpy", ["numpy"]),
        ("call pip install numpy && @CALL pip install six", ["numpy", "six"]),
        ("pip3 install -q -U numpy scipy==1.5", ["numpy", "scipy==1.5"]),
        ("python -m pip install --upgrade numpy<2", ["numpy<2"]),
        ("sudo -H pip install 'tensorflow==2.4.*' \"keras<2.5\"", ["tensorflow==2.4.*", "keras<2.5"]),
        ("cd x && PIP_NO_CACHE=1 /opt/venv/bin/pip3.8 install numpy; ls", ["numpy"]),
        ("uv pip install --system numpy --target /x", ["numpy"]),
        ("pip install numpy > log.txt 2>&1", ["numpy"]),
        ("pip install numpy --timeout=100 --retries 3 | tee log", ["numpy"]),
        ("apt-get install -y python3-pip && pip install -r requirements.txt", ["six"]),
        ("pip install -r /tmp/requirements.txt && rm /tmp/requirements.txt", ["six"]),
        ("pip --no-cache-dir install numpy && python3 -m pip -q --proxy x install six", ["numpy", "six"]),
        ("if [ -f x ]; then pip install numpy; else pip install six; fi", ["numpy", "six"]),
        ("[ -d /opt ] || mkdir /opt; pip install numpy", ["numpy"]),
        ("pip install numpy  # don't ask; pip install no", ["numpy"]),
        (
            "pip install six@git+https://h.org/six.git#subdirectory=a",
            ["six @ git+https://h.org/six.git#subdirectory=a"],
        ),
        ("pip install -U pip setuptools && pip install numpy", ["pip", "setuptools", "numpy"]),
        ("conda run --no-capture-output -n tf pip install 'tensorflow<2.11'", ["tensorflow<2.11"]),
        ("uv pip sync requirements.txt", ["six"]),
        ("cd x && pip-sync --quiet", ["six"]),
        (
            "pip wheel -w /wheels -r requirements.txt && pip install --no-index --find-links=/wheels /wheels/*",
            ["six"],
        ),
        ("pip3 download --dest /w 'numpy<2' && pip3 install --no-index -f /w numpy /w/*.whl", ["numpy<2", "numpy"]),
        ("micromamba run -p /env python -m pip install numpy && poetry run pip install six", ["numpy", "six"]),
    ],
)
@pytest.mark.parametrize("name", ["Dockerfile", "install.sh", "train.ipynb"])
def test_what_pip_is_told_to_install_is_read_and_nothing_is_run(
    read_file: Read, name: str, line: str, asked: list[str]
) -> None:
    read_file("requirements.txt", "six\n")
    text = {"Dockerfile": f"FROM x\nRUN {line}\n", "install.sh": f"#!/bin/sh\n{line}\n"}.get(name)
    found = read_file(name, text or notebook(f"import os\n!{line}\nimport numpy"))
    assert (texts(found.requirements), found.problems) == (asked, ())


@pytest.mark.parametrize(
    ("line", "asked", "python"),
    [
        (
            "conda install -y -c conda-forge tensorflow=2.6.0=cuda112py38_2 pandas=1.4",
            ["tensorflow==2.6.0", "pandas==1.4.*"],
            [],
        ),
        ("conda create -n env python=3.8.15 numpy --yes && pip install six", ["six", "numpy"], ["==3.8.*"]),
        ("mamba install --name env opencv cudatoolkit", ["opencv-python"], []),
        ("/opt/conda/bin/conda install numpy # why", ["numpy"], []),
        ("conda activate env; conda env create -f x.yml; pip install six", ["six"], []),
        ("conda install --yes $requirement || pip install six", ["six"], []),
    ],
)
def test_what_conda_is_told_to_install_is_read_too(
    read_file: Read, line: str, asked: list[str], python: list[str]
) -> None:
    for name in ("Dockerfile", "install.sh"):
        found = as_wheels(read_file(name, f"RUN {line}\n" if name == "Dockerfile" else f"{line}\n"))
        assert sorted(texts(found.requirements)) == sorted(asked)
        assert (texts(found.python), found.problems) == (python, ())


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("uv add numpy 'scipy>=1.5' --group dev", ["numpy", "scipy>=1.5"]),
        ("poetry add tensorflow@^2.15 numpy@latest -G train six", ["tensorflow<3,>=2.15", "numpy", "six"]),
        ("pipenv install numpy --dev && pdm add -dG test six", ["numpy", "six"]),
    ],
)
def test_what_is_added_to_a_project_is_installed_too(read_file: Read, line: str, asked: list[str]) -> None:
    found = read_file("install.sh", f"{line}\n")
    assert (texts(found.requirements), found.problems) == (asked, ())


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("poetry install --no-root", "pyproject.toml"),
        ("uv sync --frozen", "pyproject.toml"),
        ("pipenv install --deploy", "Pipfile"),
        ("pixi install", "pixi.toml"),
        ("conda env create -f env/gpu.yml", "env/gpu.yml"),
        ("mamba env update --file=gpu.yml", "gpu.yml"),
        ("conda env create", "environment.yml"),
        ("conda install -y --file needs.txt", "needs.txt"),
    ],
)
def test_a_file_that_is_installed_without_pip_is_named(read_file: Read, line: str, file: str) -> None:
    words = f"`{line}` is not followed: add `{file}` to `packages.files`"
    assert read_file("Dockerfile", f"FROM x\nRUN {line}\n").problems == (f"Dockerfile:2: {words}",)
    found = read_file("Dockerfile", f"FROM x\nRUN pip install six && {line}\n")
    assert (found.notes, found.problems) == ((f"Dockerfile:2: {words}",), ())


def test_what_a_command_prints_is_not_known(read_file: Read) -> None:
    words = "what a command prints is not known here: write the packages, or name their file with `-r`"
    for line in ("pip install $(cat needs.txt)", "pip install `cat needs.txt`"):
        assert read_file("install.sh", f"{line}\n").problems[0] == f"install.sh:1: `pip install $(…)`: {words}"
    words = "name the file that its packages come from in `packages.files`"
    found = read_file("install.sh", "cat needs.txt | xargs -n 1 pip install\n")
    assert found.problems == (f"install.sh:1: `xargs -n 1 pip install` is not followed: {words}",)


def test_a_requirements_file_has_the_name_that_it_has_outside_of_the_image(read_file: Read, tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "gpu.txt").write_text("tensorflow\n")
    (tmp_path / "requirements.txt").write_text("no\n")
    text = "FROM x\nCOPY docker/gpu.txt /tmp/requirements.txt\nRUN pip install -r /tmp/requirements.txt\n"
    assert texts(read_file("Dockerfile", text).requirements) == ["tensorflow"]
    (tmp_path / "docker" / "Dockerfile").write_text(text)
    found = read_files((tmp_path / "docker" / "Dockerfile",), tmp_path, ProjectParts())
    assert texts(found.requirements) == ["tensorflow"]


def test_an_image_with_a_tensorflow_of_unknown_release_is_told(read_file: Read) -> None:
    found = read_file("Dockerfile", "FROM nvcr.io/nvidia/tensorflow:23.10-tf2-py3\nRUN pip install six\n")
    words = "may have a TensorFlow, of a release that its name does not say: name it in `tensorflow.version`"
    assert found.notes == (f"Dockerfile:1: the image `nvcr.io/nvidia/tensorflow:23.10-tf2-py3` {words}",)


def test_a_notebook_is_read_by_its_cells(read_file: Read) -> None:
    text = notebook(
        "import os", "%pip install -q numpy\n!{sys.executable} -m pip install \\\n  six", "%%bash\npip install tqdm"
    )
    found = read_file("train.ipynb", text)
    assert [(want.text, want.where) for want in found.requirements] == [
        ("numpy", "train.ipynb: cell 3"),
        ("six", "train.ipynb: cell 3"),
        ("tqdm", "train.ipynb: cell 4"),
    ]
    assert texts(read_file("old.ipynb", notebook("%tensorflow_version 1.x")).requirements) == ["tensorflow==1.*"]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("# Nets\n\n```bash\n$ pip install numpy\n```\npip install no\n", [("numpy", 4)]),
        ("Then:\n\n    cd nets && pip install numpy \\\n      six\n", [("numpy", 3), ("six", 3)]),
        ("Use `pip install numpy`, or `conda`, and ``pip install six``.", [("numpy", 1), ("six", 1)]),
        ("~~~\nconda create -n tf\npip install -r requirements.txt\n~~~\n", [("tqdm", 1)]),
        ("- ```\n  pip install numpy\n  ```\n- pip install no\n", [("numpy", 2)]),
    ],
)
@pytest.mark.parametrize("name", ["README.md", "INSTALL.rst"])
def test_the_commands_in_instructions_are_read_and_not_the_prose(
    read_file: Read, name: str, text: str, asked: list[tuple[str, int]]
) -> None:
    read_file("requirements.txt", "tqdm\n")
    found = read_file(name, text)
    where = {"tqdm": "requirements.txt"}
    expected = [(package, f"{where.get(package, name)}:{line}") for package, line in asked]
    assert ([(want.text, want.where) for want in found.requirements], found.problems) == (expected, ())


def test_the_images_of_a_dockerfile_say_which_python_and_which_release(read_file: Read) -> None:
    found = read_file("Dockerfile", "FROM python:3.8-slim AS base\nRUN pip install numpy \\\n  # why\n  six\n")
    assert (texts(found.python), texts(found.requirements)) == (["==3.8.*"], ["numpy", "six"])
    found = read_file("gpu.dockerfile", "FROM --platform=x tensorflow/tensorflow:2.4.1-gpu\nCMD train\n")
    assert texts(found.requirements) == ["tensorflow==2.4.1"]
    assert found.notes == (
        "gpu.dockerfile:1: the image `tensorflow/tensorflow:2.4.1-gpu` is read as `tensorflow==2.4.1`",
    )
    found = read_file("Dockerfile.cpu", 'FROM tensorflow/tensorflow:latest\nRUN ["pip", "install", "six"]\n')
    assert texts(found.requirements) == ["tensorflow", "six"]


@pytest.mark.parametrize("run", ["RUN --mount=type=cache,target=/var/cache/pip --network=none", "RUN\t", "  run"])
def test_a_command_of_a_dockerfile_is_found_behind_its_options(read_file: Read, run: str) -> None:
    found = read_file("Dockerfile", f"FROM x\n{run} pip install numpy\nRUN [[ -d /opt ]]\nRUN [1]\n")
    assert (texts(found.requirements), found.problems) == (["numpy"], ())


@pytest.mark.parametrize("begin", ["RUN <<EOF", "RUN --mount=type=cache,target=/c bash -e <<-'EOF'", 'run <<"EOF"'])
def test_the_commands_in_a_here_document_are_read(read_file: Read, begin: str) -> None:
    found = read_file("Dockerfile", f"FROM x\n{begin}\npip install numpy\npip install six\nEOF\nCMD pip install no\n")
    assert [(want.text, want.where) for want in found.requirements] == [
        ("numpy", "Dockerfile:3"),
        ("six", "Dockerfile:4"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [("Dockerfile", "FROM x\n"), ("a.ipynb", notebook("x = 1")), ("a.sh", "ls\n"), ("a.md", "Needs numpy.\n")],
)
def test_a_file_that_installs_nothing_is_refused_in_one_line(read_file: Read, name: str, text: str) -> None:
    told = f"{name}: nothing in it says what is needed: it has no `pip install` or `conda install`"
    if name == "a.ipynb":
        told += "; `tfprov init --from FILE` writes a profile with what it imports"
    assert read_file(name, text).problems == (told,)


def test_a_damaged_notebook_is_named(read_file: Read) -> None:
    for text in ("{", "[]", '{"cells": 1}', '{"cells": [1]}', '{"nbformat": 4}'):
        assert len(read_file("a.ipynb", text).problems) == 1


def test_a_notebook_is_known_by_its_content() -> None:
    assert kind_of("requirements.txt", notebook("x")) == "notebook"
    assert kind_of("lock.json", '{"_meta": {}, "default": {"cells": {"version": "==1"}}}') == "pipfile-lock"


@given(st.text(max_size=60), st.sampled_from(["notebook", "program", "dockerfile", "shell", "workflow"]))
def test_whatever_stands_there_is_a_requirement_or_a_problem(line: str, kind: str) -> None:
    text = notebook(f"!{line}", f"!pip install {line}") if kind == "notebook" else f"RUN pip install {line}\n{line}\n"
    basket = Basket(SourceFile(path=Path("/nowhere/x"), folder=Path("/nowhere")))
    read(kind, text, basket)  # type: ignore[arg-type]
    for want in basket.wants.requirements:
        assert " @ " in want.text or Requirement(want.text).name
