from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfprov.wants.programs import of_cell, of_program
from wants_files import Read, texts


@pytest.mark.parametrize(
    "code",
    [
        "!pip install -q numpy",
        "%pip install numpy",
        "pip install numpy",
        "found = !pip install numpy",
        "try:\n    import numpy\nexcept ImportError:\n    !pip install numpy",
        "%%capture\n!pip install numpy",
        "%%script bash\npip install \\\n  numpy",
        "%%bash -e\npip install numpy",
        "%%writefile needs.txt\nnumpy\n",
        "import os\nos.system('pip install numpy')",
        "import subprocess, sys\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', 'numpy'])",
        "from subprocess import run\nif True:\n    run('pip install numpy', shell=True)",
        "import pip\npip.main(['install', 'numpy'])",
        "get_ipython().system('pip install numpy')",
        "get_ipython().run_line_magic('pip', 'install numpy')",
        "get_ipython().run_cell_magic('bash', '', 'pip install numpy\\n')",
    ],
)
def test_a_cell_installs_with_magics_and_with_calls(code: str) -> None:
    found = [line for line in of_cell(code) if "pip" in line.text or line.file]
    assert len(found) == 1
    assert found[0].text.split()[-1] == "numpy"


def test_the_version_in_a_call_may_be_a_variable(read_file: Read) -> None:
    text = 'import os\nTF = "2.15.0"\nos.system(f"pip install tensorflow=={TF}")\nos.system(f"pip install {x[0]}")\n'
    assert texts(read_file("setup_colab.py", text).requirements) == ["tensorflow==2.15.0"]


def test_a_commented_command_counts_where_there_is_no_other(read_file: Read) -> None:
    text = (
        "# # Title\n\n# !pip install tensorflow==2.15.0\n# MAGIC %pip install six\n# %conda install numpy\nimport os\n"
    )
    found = read_file("train.py", text)
    assert texts(found.requirements) == ["tensorflow==2.15.0", "six"]
    assert texts(found.conda) == ["numpy"]
    assert found.notes[0] == "train.py:3: commands in comments are read, as a notebook had them that was exported"
    found = read_file("train.py", f"{text}get_ipython().system('pip install keras')\n")
    assert (texts(found.requirements), texts(found.conda), found.notes) == (["keras"], [], ())


def test_a_file_that_a_cell_writes_is_the_one_that_is_named_later(read_file: Read) -> None:
    cells = '{"cells": [%s], "nbformat": 4}'
    one = '{"cell_type": "code", "source": "%s"}'
    text = cells % ", ".join((one % r"%%writefile needs.txt\nsix\nnumpy<2\n", one % "!pip install -r needs.txt"))
    assert texts(read_file("a.ipynb", text).requirements) == ["six", "numpy<2"]


@pytest.mark.parametrize("code", ["x = 1", "print('pip install no')", "# pip install no", "pipe = 3", "os.system(x)"])
def test_a_program_without_commands_has_none(code: str) -> None:
    assert of_program(code)[0] == ()


@given(st.text(max_size=80))
@settings(max_examples=300, derandomize=True)
def test_any_text_can_be_searched(text: str) -> None:
    for code in (text, f"os.system({text})", f"!{text}\n{text}"):
        list(of_cell(code))
        of_program(code)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("part", [" ", "\t", "a, ", "a", "# ", "%", "!", "x = "])
def test_a_long_line_is_read_in_a_time_in_proportion(part: str) -> None:
    # A time that grew with the square of the length would exceed the limit.
    line = part * (60_000 // len(part))
    of_program(f"{line}\nx\n")
    of_program(f"{line}|\nx\n")
