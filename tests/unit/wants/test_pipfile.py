from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.default_index import default_index
from wants_files import Read, texts

PIPFILE = f"""\
[[source]]
url = "{default_index()}"
verify_ssl = true
name = "pypi"
[[source]]
url = "https://own.example/simple"
[packages]
tensorflow = "*"
numpy = ">=1.2,<2"
pinned = "1.0"
six = {{version = "~=1.0", extras = ["x"], markers = "os_name == 'posix'"}}
win = {{version = "*", sys_platform = "== 'win32'"}}
here = {{path = ".", editable = true}}
wrong = 3
[dev-packages]
pytest = "*"
[requires]
python_version = "3.11"
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Pipfile", '[packages]\nlib = {{path = "./lib"{0}}}\n'),
        ("pixi.toml", '[workspace]\nname = "x"\n[pypi-dependencies]\nlib = {{path = "./lib"{0}}}\n'),
        ("pyproject.toml", '[project]\ndependencies = ["lib"]\n[tool.uv.sources]\nlib = {{path = "./lib"{0}}}\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\nlib = {{path = "./lib"{0}}}\n'),
        (
            "pyproject.toml",
            '[project]\ndependencies = ["lib"]\n[tool.poetry.dependencies]\nlib = {{path = "./lib"{0}}}\n',
        ),
    ],
)
def test_a_folder_is_linked_where_the_file_of_any_tool_says_so(
    read_file: Read, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "pyproject.toml").write_text('[project]\nname = "lib"\nversion = "1"\n')
    word = "develop" if "poetry" in text else "editable"
    for value, kind in ((f", {word} = true", "editable"), (f", {word} = false", "wheel"), ("", "wheel")):
        found = read_file(name, text.format(value))
        assert ([folder.kind for folder in found.folders], found.problems) == ([kind], ())


def test_a_pipfile_is_read(read_file: Read) -> None:
    found = read_file("Pipfile", PIPFILE)
    assert texts(found.requirements) == [
        "tensorflow",
        "numpy<2,>=1.2",
        "pinned==1.0",
        'six[x]~=1.0; os_name == "posix"',
        'win; sys_platform == "win32"',
    ]
    assert [want.where for want in found.requirements][:2] == [
        "Pipfile: packages.tensorflow",
        "Pipfile: packages.numpy",
    ]
    assert texts(found.python) == ["==3.11.*"]
    assert [(address.kind, address.url) for address in found.addresses] == [("extra", "https://own.example/simple")]
    assert [problem.split(",")[0].split(": it has")[0] for problem in found.problems] == [
        "Pipfile: packages.here: `here @ .` is a folder without a Python project",
        "Pipfile: packages.wrong: it is neither a range of versions nor a table",
    ]


def test_a_source_that_packages_name_serves_these_only(read_file: Read) -> None:
    text = PIPFILE.replace('own.example/simple"', 'own.example/simple"\nname = "own"')
    text = text.replace('tensorflow = "*"', 'tensorflow = { version = "*", index = "own" }')
    found = read_file("Pipfile", text.replace('pytest = "*"', 'pytest = { version = "*", index = "pypi" }'))
    assert [(each.kind, each.url, each.project) for each in found.addresses] == [
        ("only", "https://own.example/simple", "tensorflow"),
        ("only", default_index(), "pytest"),
    ]


def test_its_dev_packages_are_a_group(read_file: Read) -> None:
    assert texts(read_file("Pipfile", PIPFILE, groups=("dev",)).requirements)[-1] == "pytest"
    assert "Pipfile: there is no group `docs`; it has `dev`" in read_file("Pipfile", PIPFILE, groups=("docs",)).problems


def test_what_was_added_without_a_name_is_called_by_its_own(read_file: Read) -> None:
    read_file("setup.py", "from setuptools import setup\nsetup(name='mine', install_requires=['six'])\n")
    text = """\
[packages]
e1839a8 = {path = ".", editable = true}
"0a1b2c3" = {git = "https://host/me/nets.git", ref = "main"}
"""
    found = read_file("Pipfile", text)
    assert texts(found.requirements) == ["mine @ file://${PROJECT_ROOT}/.", "nets @ git+https://host/me/nets.git@main"]
    assert [folder.kind for folder in found.folders] == ["editable"]
    assert found.problems == ()
