from __future__ import annotations

import pytest

from tfprov.wants.python_files import NAMES
from wants_files import Read, texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.11\n", "==3.11.*"),
        ("3.10.13\n", "==3.10.*"),
        ("3\n", "==3.*"),
        ("# of the team\n\n3.12\n3.11\n", "==3.12.*"),
        ("python-3.9.18\n", "==3.9.*"),
        ("cpython@3.11.4", "==3.11.*"),
        ("3.12-dev\r\n", "==3.12.*"),
        ("3.10.13/envs/tf\n", "==3.10.*"),
        (">=3.10, <3.13\n", ">=3.10,<3.13"),
        ("tf-env\n3.11.7\n", "==3.11.*"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_the_python_that_a_project_names_is_a_range(read_file: Read, name: str, text: str, expected: str) -> None:
    if name == ".tool-versions":
        words = " ".join(line.partition("#")[0].replace(" ", "") for line in text.splitlines())
        text = f"nodejs 20.1.0\npython {words}  # of the team\n"
    found = read_file(name, text)
    assert (texts(found.python), found.problems) == ([expected], ())
    assert [want.where for want in found.python] == [name]


@pytest.mark.parametrize("text", ["tf-env\n", "pypy3.9-7.3.11\n", "miniconda3-4.7.12\n", "2.7.18\n", "system\n"])
def test_what_is_no_version_is_told_and_left_out(read_file: Read, text: str) -> None:
    found = read_file(".python-version", text)
    assert (found.python, found.problems) == ((), ())
    assert found.notes == (f".python-version: `{text.strip()}` is not a version of Python: left out",)


def test_a_file_for_other_tools_only_says_nothing(read_file: Read) -> None:
    for name, text in ((".tool-versions", "nodejs 20.1.0\n"), (".python-version", "\n# none yet\n")):
        found = read_file(name, text)
        assert (found.python, found.notes, found.problems) == ((), (), ())
