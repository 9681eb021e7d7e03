from __future__ import annotations

import sys

import pytest

from tfprov.wants.as_wheels import as_wheels, for_conda
from wants_files import Read, texts

ENVIRONMENT = """\
name: train
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - numpy=1.26
  - conda-forge::scipy>=1.10,<2
  - tensorflow-gpu=2.15.0=cuda118py311h_0
  - cudatoolkit=11.8
  - pytorch
  - opencv
  - libgcc-ng=13
  - "pandas 2.*"
  - pip
  - either=1|2
  - pip:
      - six>=1
      - -r more.txt
      - sklearn
variables:
  A: b
"""


def test_packages_and_those_of_pip_are_kept_with_their_lines(read_file: Read) -> None:
    read_file("more.txt", "tqdm\n")
    found = read_file("environment.yml", ENVIRONMENT)
    assert [(want.text, want.where) for want in found.conda][:3] == [
        ("python=3.11", "environment.yml:6"),
        ("numpy=1.26", "environment.yml:7"),
        ("conda-forge::scipy>=1.10,<2", "environment.yml:8"),
    ]
    assert [(want.text, want.where) for want in found.requirements] == [
        ("six>=1", "environment.yml:18"),
        ("tqdm", "more.txt:1"),
    ]
    assert found.channels == ("conda-forge",)
    assert found.problems == (
        "environment.yml:20: `sklearn`: that is the name of a module; the package is `scikit-learn`",
    )
    assert found.notes == ("environment.yml:22: its variables are not set: name them in `[environment] variables`",)


@pytest.mark.skipif(sys.platform == "win32", reason="pywin32 is for Windows")
def test_what_was_exported_elsewhere_leaves_out_what_belongs_there(read_file: Read) -> None:
    exported = "dependencies:\n  - python=3.8.8=hdbf39b2_4\n  - pip:\n    - pywin32==300\n    - tensorflow==2.4.1\n"
    found = read_file("environment.yml", exported)
    assert texts(found.requirements) == ["tensorflow==2.4.1"]
    assert found.notes == ("environment.yml:4: `pywin32==300` is left out: it exists for Windows only",)
    asked = read_file("environment.yml", exported.replace("tensorflow==2.4.1", "tensorflow>=2.4"))
    assert asked.problems == (
        'environment.yml:4: `pywin32==300`: it exists for Windows only: write `pywin32==300; sys_platform == "win32"`',
    )


def test_for_a_venv_each_package_is_a_wheel_or_said_to_have_none(read_file: Read) -> None:
    text = ENVIRONMENT.replace("      - -r more.txt\n      - sklearn\n", "")
    found = as_wheels(read_file("environment.yml", text))
    assert texts(found.requirements) == [
        "six>=1",
        "numpy==1.26.*",
        "scipy>=1.10,<2",
        "tensorflow==2.15.0",
        "torch",
        "opencv-python",
        "pandas==2.*",
    ]
    assert texts(found.python) == ["==3.11.*"]
    assert found.conda == ()
    assert found.notes[-1] == (
        "environment.yml: left out, no wheel stands for what conda calls `cudatoolkit`, `libgcc-ng`, `pip`"
    )
    assert found.problems == (
        "environment.yml:16: `either=1|2` cannot be said of a wheel: write `name=version`, or use it with "
        '`environment.kind = "conda"`',
    )


@pytest.mark.parametrize(
    ("version", "bound"),
    [
        ("1.26", "==1.26.*"),
        ("3.1.3b2", "==3.1.3b2"),
        ("2.4.0rc1", "==2.4.0rc1"),
        ("2021.7.1.post2", "==2021.7.1.post2"),
        (">=1.0.dev3,<2", ">=1.0.dev3,<2"),
    ],
)
def test_a_version_of_conda_is_a_range_of_wheels(read_file: Read, version: str, bound: str) -> None:
    spec = f"pyopengl{version}" if version.startswith(">") else f"pyopengl={version}"
    found = as_wheels(read_file("environment.yml", f"dependencies:\n  - {spec}\n"))
    assert (texts(found.requirements), found.problems) == ([f"pyopengl{bound}"], ())


def test_for_conda_only_python_and_tensorflow_are_taken_out(read_file: Read) -> None:
    found = for_conda(read_file("environment.yml", ENVIRONMENT))
    assert texts(found.python) == ["==3.11.*"]
    assert texts(found.requirements) == ["six>=1", "tensorflow==2.15.0"]
    assert texts(found.conda) == [
        "numpy=1.26",
        "conda-forge::scipy>=1.10,<2",
        "cudatoolkit=11.8",
        "pytorch",
        "opencv",
        "libgcc-ng=13",
        "pandas 2.*",
        "pip",
        "either=1|2",
    ]


def test_it_is_known_by_its_content(read_file: Read) -> None:
    assert texts(read_file("requirements.txt", "channels:\n- defaults\ndependencies:\n- six=1\n").conda) == ["six=1"]


def test_what_is_not_yaml_or_not_known_is_a_problem(read_file: Read) -> None:
    assert read_file("e.yml", "dependencies:\n\t- a\n").problems[0].startswith("e.yml: it is not YAML: ")
    assert read_file("e.yml", "dependencies:\n  - npm:\n    - left-pad\n").problems == (
        "e.yml:2: `npm` is not known here: conda has packages and `pip`",
    )


def test_a_single_value_stands_for_a_list_of_one(read_file: Read) -> None:
    found = read_file("environment.yml", "channels: conda-forge\ndependencies:\n- pip: six\n- pip:\n")
    assert (found.channels, texts(found.requirements), found.problems) == (("conda-forge",), ["six"], ())


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("- numpy\n- scipy\n", "environment.yml:1: it must have keys"),
        ("numpy\n", "environment.yml:1: it must have keys"),
        ("dependencies:\n- six\n- [numpy, scipy]\n", "environment.yml:3: each line of this list"),
        ("dependencies:\n- pip:\n  - six\n  - numpy: 1.26\n", "environment.yml:4: each line of this list"),
        ("dependencies:\n- pip:\n    six: 1\n", "environment.yml:3: each line of this list"),
        ("channels:\n- url: x\ndependencies: []\n", "environment.yml:2: each line of this list"),
    ],
)
def test_nothing_in_it_is_passed_over_in_silence(read_file: Read, text: str, place: str) -> None:
    (problem,) = read_file("environment.yml", text).problems
    assert problem.startswith(place)
