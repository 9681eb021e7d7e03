from __future__ import annotations

from pathlib import Path

import pytest

from wants_files import Read, texts

_MLFLOW = """\
python: "3.9.18"
build_dependencies:
  - pip==23.0
dependencies:
  - tensorflow==2.15.0
  - -r more.txt
"""
_COG = """\
build:
  # set to true if the model requires a GPU
  gpu: true
  system_packages:
    - "ffmpeg"
  python_version: "3.9"
  python_packages:
    - "tensorflow==2.15.0"
  python_requirements: more.txt
  run:
    - "echo ready"
predict: "predict.py:Predictor"
"""


@pytest.mark.parametrize(("name", "text"), [("python_env.yaml", _MLFLOW), ("cog.yaml", _COG)])
def test_the_file_of_a_model_says_its_python_and_its_packages(
    read_file: Read, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / "more.txt").write_text("pandas\n")
    found = read_file(name, text)
    assert texts(found.requirements) == ["tensorflow==2.15.0", "pandas"]
    assert texts(found.python) == ["==3.9.*"]
    assert found.problems == ()
    assert found.requirements[0].where == f"{name}:{text.splitlines().index(_line(text)) + 1}"


def _line(text: str) -> str:
    return next(line for line in text.splitlines() if "tensorflow" in line)


def test_a_model_without_packages_needs_only_its_python(read_file: Read) -> None:
    found = read_file("cog.yaml", 'build:\n  python_version: "3"\n  python_packages:\n')
    assert (found.requirements, found.python, found.problems) == ((), (), ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".travis.yml", 'python:\n  - "3.9"\nscript:\n  - pip install six\n'),
        ("environment.yml", "dependencies:\n  - python=3.9\n  - pip:\n    - six\n"),
    ],
)
def test_other_files_with_such_keys_are_read_as_before(read_file: Read, name: str, text: str) -> None:
    assert texts(read_file(name, text).requirements) == ["six"]
