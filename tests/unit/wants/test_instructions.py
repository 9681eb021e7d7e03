"""Instructions in Markdown: what they list counts where no command installs anything."""

from __future__ import annotations

import pytest

from wants_files import Read, texts

TABLE = """# Nets

| Package    | Version || Library    | Tested version |
|:----------:|:-------:||:----------:|:-------:|
| python     |  3.7.6  || **imgaug** | 0.4.0   |
| `tensorflow` | 1.15.x || [SciPy](https://h.org) | >=1.4,<1.6 |
| CUDA       |  10.0   || cv2        | 4.4.0   |
| NVIDIA driver | 450  || Node JS    | 12.1    |
| h5py       |  latest || numpy      | v1.18.1 |

| Model | Accuracy |
|---|---|
| resnet | 0.93 |
"""


def test_a_table_of_packages_and_versions_is_read_as_pins(read_file: Read) -> None:
    found = read_file("README.md", TABLE)
    assert texts(found.requirements) == [
        "imgaug==0.4.0", "tensorflow==1.15.*", "SciPy>=1.4,<1.6", "opencv-python==4.4.0.*", "numpy==1.18.1",
    ]  # fmt: skip
    assert (texts(found.python), found.problems) == (["==3.7.*"], ())
    assert found.requirements[0].where == "README.md:5"
    assert "README.md:5: no command in it installs anything: the packages that it lists are read" in found.notes


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Needs:\n\n- tensorflow==2.4.1 (GPU)\n* `keras>=2.4,<3`\n  1. numpy ~= 1.19\n- a good GPU\n- x = 3\n", 3),
        ("```\ntensorflow==2.4.1\n# one more\nkeras  # why\n\npandas>=1.1\n```\n", 3),
        ("```python\nx == 1\nimport tensorflow\n```\n~~~\ny\n~~~\n", 0),
        ("    - ipython==6.2.1\n    - tensorflow-gpu==1.15.0\n", 2),
    ],
)
def test_lists_in_instructions_are_read_and_other_code_and_prose_are_not(
    read_file: Read, text: str, asked: int
) -> None:
    found = read_file("README.md", text)
    assert len(found.requirements) == asked
    assert len(found.problems) == (0 if asked else 1)


@pytest.mark.parametrize("listed", [TABLE, "- numpy==1.2\n", "```\nnumpy==1.2\n```\n"])
def test_lists_do_not_count_beside_commands_that_install(read_file: Read, listed: str) -> None:
    found = read_file("README.md", f"{listed}\nThen `pip install six`.\n")
    assert (texts(found.requirements), texts(found.python), found.notes) == (["six"], [], ())
