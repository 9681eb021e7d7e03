from __future__ import annotations

import pytest

from tfprov.wants.recognise import kind_of
from wants_files import Read, texts

GITHUB = """\
name: test
on: push
env:
  TF: 2.15.0
jobs:
  test:
    strategy:
      matrix:
        keras: ["2.15", "3.0"]
    env:
      OTHER: 1
    steps:
    - uses: actions/checkout@v4
    - run: pip install tensorflow==${{ env.TF }} "numpy<2"
    - name: more
      run: |
        python -m pip install -U pip
        pip install \\
          -r requirements.txt
        pytest
"""


def test_the_commands_of_a_workflow_are_read_with_their_lines(read_file: Read) -> None:
    read_file("requirements.txt", "six\n")
    found = read_file("ci.yml", GITHUB)
    assert [(want.text, want.where) for want in found.requirements] == [
        ("tensorflow==2.15.0", "ci.yml:14"),
        ("numpy<2", "ci.yml:14"),
        ("pip", "ci.yml:17"),
        ("six", "requirements.txt:1"),
    ]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("more", "python"),
    [
        ("    - with: { python-version: '3.10' }\n", ["==3.10.*"]),
        ("    - with: { python-version: 3.11.4 }\n", ["==3.11.*"]),
        ("    - with: { python-version: [3.9, '3.10'] }\n", []),
        ("    - with: { python-version: '${{ matrix.python }}' }\n", []),
        ("    - with: { python-version: 3.x }\n", []),
    ],
)
def test_the_only_python_of_a_workflow_is_the_one(read_file: Read, more: str, python: list[str]) -> None:
    assert texts(read_file("ci.yml", f"{GITHUB}{more}").python) == python


def test_a_value_of_a_matrix_is_not_known(read_file: Read) -> None:
    found = read_file("ci.yml", GITHUB.replace("env.TF", "matrix.keras"))
    words = "the value of `${matrix_keras}` is not in the file: write it there"
    assert found.problems[0] == f"ci.yml:14: `tensorflow==${{matrix_keras}}`: {words}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".gitlab-ci.yml", "test:\n  before_script:\n  - pip install tensorflow\n  script: [pytest]\n"),
        (".travis.yml", "language: python\ninstall:\n- pip install tensorflow\n"),
        ("azure.yml", "steps:\n- script: |\n    pip install tensorflow\n"),
        ("config.yml", "jobs:\n  a:\n    steps:\n    - run:\n        command: pip install tensorflow\n"),
    ],
)
def test_other_services_have_their_own_keys(read_file: Read, name: str, text: str) -> None:
    assert kind_of(name, text) == "workflow"
    assert texts(read_file(name, text).requirements) == ["tensorflow"]


def test_a_list_of_conda_is_none(read_file: Read) -> None:
    assert kind_of("environment.yml", "name: run\ndependencies:\n- run: 1\n") == "environment"
    assert read_file("ci.yml", "jobs:\n  a: &a\n    run: ls\n    next: *a\n").problems == (
        "ci.yml: nothing in it says what is needed: it has no `pip install` or `conda install`",
    )
