from __future__ import annotations

from wants_files import Read, texts

SCRIPT = """\
#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "numpy>=1.26",
#   "tensorflow",
# ]
#
# [tool.uv]
# constraint-dependencies = ["protobuf<6"]
# ///
import numpy
"""


def test_the_block_of_a_script_is_read(read_file: Read) -> None:
    found = read_file("train.py", SCRIPT)
    assert texts(found.requirements) == ["numpy>=1.26", "tensorflow"]
    assert texts(found.python) == [">=3.11"]
    assert texts(found.constraints) == ["protobuf<6"]


def test_a_program_without_a_block_or_with_two_is_a_problem(read_file: Read) -> None:
    assert read_file("train.py", "import numpy\n").problems == (
        "train.py: it is a program without a block `# /// script` that lists what it needs; "
        "`tfprov init --from FILE` writes a profile with what it imports",
    )
    assert read_file("train.py", SCRIPT * 2).problems == ("train.py: it has more than one block `# /// script`",)


def test_a_block_that_is_not_toml_is_a_problem(read_file: Read) -> None:
    found = read_file("train.py", "# /// script\n# dependencies = [\n# ///\n")
    assert found.problems[0].startswith("train.py: it is not TOML: ")
