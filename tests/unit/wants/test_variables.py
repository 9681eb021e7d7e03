from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprov.wants.variables import Kind, filled, values_in
from wants_files import Read, texts


def cells(*lines: str) -> str:
    made = [{"cell_type": "code", "source": [line]} for line in lines]
    return json.dumps({"cells": made, "nbformat": 4})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.sh", 'TF=2.15.1\npip install "tensorflow==$TF"\n'),
        ("a.sh", "export TF='2.15.1'  # why\npip install tensorflow==${TF}\n"),
        ("a.sh", "readonly MINOR=2.15 TF=${MINOR}.1\npip install tensorflow==${TF}\n"),
        ("a.sh", "pip install tensorflow==${TF:-2.15.1}\n"),
        ("a.sh", "TF=2.15.1\nTF=2.15.1\nFOO=1 python x.py\npip install tensorflow==$TF\n"),
        ("Dockerfile", "ARG TF=2.15.1\nFROM x\nARG TF\nRUN pip install tensorflow==${TF}\n"),
        ("Dockerfile", "FROM x\nARG TF\nENV TF=${TF:-2.15.1}\nRUN pip install tensorflow==$TF\n"),
        ("Dockerfile", "FROM x\nENV A=1 TF=2.15.1\nRUN pip install tensorflow==$TF\n"),
        ("Dockerfile", "FROM x\nenv TF 2.15.1\nRUN pip install tensorflow==$TF\n"),
        ("Dockerfile", "ARG TF=2.15.1\nFROM x\nRUN pip install tensorflow${TF:+==${TF}}${NO:+<${NO}}\n"),
        ("Dockerfile", "ARG TF=2.15.1\nFROM tensorflow/tensorflow:${TF}-gpu\nRUN ls\n"),
        ("a.ipynb", cells('TF = "2.15.1"', "!pip install tensorflow=={TF}")),
        ("a.ipynb", cells("TF = '2.15.1'  # why", "%pip install tensorflow==$TF")),
    ],
)
def test_a_variable_has_the_value_that_is_written_out(read_file: Read, name: str, text: str) -> None:
    found = read_file(name, text)
    assert (texts(found.requirements), found.problems) == (["tensorflow==2.15.1"], ())


@pytest.mark.parametrize("given", ["", "TF=$(cat version)\n", "TF=2.4\nTF=2.5\n", "TF=$TF\n", "TF=`cat x`\n"])
@pytest.mark.parametrize("used", ["$TF", "${TF}"])
def test_a_variable_without_a_single_value_is_named(read_file: Read, given: str, used: str) -> None:
    assert read_file("a.sh", f"{given}pip install six tensorflow=={used}\n").problems == (
        f"a.sh:{given.count(chr(10)) + 1}: `tensorflow=={used}`: the value of `{used}` is not in the file: "
        "write it there",
    )


def test_a_variable_of_the_environment_has_its_value(read_file: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF", "2.15.1")
    assert texts(read_file("a.sh", "pip install tensorflow==${TF}\n").requirements) == ["tensorflow==2.15.1"]


@given(st.lists(st.text("AB= $\\{}'\"1-:#\n", max_size=12)), st.sampled_from(["notebook", "dockerfile", "shell"]))
def test_values_are_final_whatever_stands_there(lines: list[str], kind: Kind) -> None:
    values = values_in(kind, lines)
    for value in values.values():
        assert filled(value, values) == value or "{" in value


@pytest.mark.timeout(30)
@pytest.mark.parametrize("part", ["${a:-b", "${a-", "${a:+b", "$a", "{a", "${a:-"])
def test_a_long_line_is_filled_in_a_time_in_proportion(part: str) -> None:
    # A time that grew with the square of the length would exceed the limit.
    line = part * (300_000 // len(part))
    assert filled(line, {}) == line
