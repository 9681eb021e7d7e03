from __future__ import annotations

import pytest

from wants_files import Read, texts

PYPROJECT = """
[project]
name = "mine"
requires-python = ">=3.10"
dependencies = ["six"]
dynamic = ["version"]
optional-dependencies.x = ["six"]
[dependency-groups]
dev = ["six"]
[tool.uv]
sources.six = { git = "https://git.example/six", rev = "1" }
index = [{ name = "own", url = "https://index.example/simple" }]
constraint-dependencies = ["six"]
override-dependencies = ["six"]
exclude-dependencies = ["six"]
dev-dependencies = ["six"]
index-url = "https://index.example/simple"
extra-index-url = ["https://index.example/simple"]
find-links = ["wheels"]
[tool.setuptools.dynamic]
dependencies = { file = ["more.txt"] }
"""
POETRY = """
[tool.poetry.dependencies]
python = "^3.10"
six = "^1"
more = { version = "1", extras = ["x"], markers = "sys_platform == 'linux'" }
[tool.poetry.group.dev]
optional = true
dependencies.six = "*"
[tool.poetry.extras]
x = ["six"]
"""
PIPFILE = """
[[source]]
name = "own"
url = "https://index.example/simple"
[packages]
six = "*"
more = { version = "==1", extras = ["x"] }
[requires]
python_version = "3.10"
"""
PYLOCK = """
lock-version = "1.0"
packages = [{ name = "six", version = "1" }]
"""
UV_LOCK = """
[[package]]
name = "six"
version = "1"
source = { registry = "https://index.example/simple" }
dependencies = [{ name = "more", marker = "sys_platform == 'linux'" }]
"""
FILES = {
    "pyproject.toml": (PYPROJECT, POETRY),
    "Pipfile": (PIPFILE,),
    "pylock.toml": (PYLOCK,),
    "uv.lock": (UV_LOCK,),
}
ODD = ("3", "true", '""', '"x"', "[]", "{}", "[3]", "[[]]", '["x"]', "[{ a = 3 }]", "{ a = 3 }", "1979-05-27")


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", FILES)
def test_no_value_of_another_kind_stops_a_reader(name: str, odd: str, read_file: Read) -> None:
    for text in FILES[name]:
        lines = text.splitlines()
        for number, line in enumerate(lines):
            key, equals, _ = line.partition(" = ")
            if equals:
                changed = [*lines[:number], f"{key} = {odd}", *lines[number + 1 :]]
                read_file(name, "\n".join(changed), extras=("x",), groups=("dev",))


@pytest.mark.parametrize("value", ['"six"', "3", '{ six = "1" }', '["six", 3]'])
@pytest.mark.parametrize(
    "key", ["project.dependencies", "project.optional-dependencies.x", "tool.uv.constraint-dependencies"]
)
def test_what_should_be_a_list_of_text_and_is_not_is_a_mistake(key: str, value: str, read_file: Read) -> None:
    wants = read_file("pyproject.toml", f"{key} = {value}\n", extras=("x",) if "optional" in key else ())
    assert wants.problems == (f"pyproject.toml: {key}: it must be a list of text",)
    assert set(texts(wants.requirements)) <= {"six"}


PDM_OVERRIDE = '[project]\nname = "mine"\n[tool.pdm.resolution.overrides]\nsix = {}\n'
HATCH = '[project]\nname = "mine"\ndependencies = []\n[tool.hatch.envs.dev]\npython = {}\n'


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("pyproject.toml", "[project]\nrequires-python = {}\n", "project.requires-python: `requires-python`"),
        ("pyproject.toml", "[tool.flit.metadata]\nrequires-python = {}\n", "tool.flit.metadata.requires-python: `req"),
        (
            "pyproject.toml",
            "[tool.poetry.dependencies]\nsix = {{ version = {} }}\n",
            "tool.poetry.dependencies.six: `v",
        ),
        ("pyproject.toml", PDM_OVERRIDE, "tool.pdm.resolution.overrides.six: `version`"),
        ("pyproject.toml", HATCH, "tool.hatch.envs.dev: `python`"),
        ("Pipfile", "[packages]\n[requires]\npython_version = {}\n", "requires.python_version: `python_version`"),
        ("Pipfile", "[packages]\nsix = {{ version = {} }}\n", "packages.six: `version`"),
        (
            "pixi.toml",
            "[workspace]\nchannels = []\n[dependencies]\npython = {}\n",
            "pixi.dependencies.python: `version`",
        ),
        (
            "pixi.toml",
            "[workspace]\nchannels = []\n[pypi-dependencies]\nsix = {}\n",
            "pixi.pypi-dependencies.six: `version`",
        ),
        ("train.py", "# /// script\n# requires-python = {}\n# ///\n", "project.requires-python: `requires-python`"),
    ],
)
def test_a_version_that_is_a_number_is_a_mistake(name: str, text: str, where: str, read_file: Read) -> None:
    groups = ("dev",) if text is HATCH else ()
    (problem,) = read_file(name, text.format("3.10"), groups=groups).problems
    # As a number, 3.10 is 3.1.
    assert problem.startswith(f"{name}: {where}")
    assert problem.endswith(" must be text: put it in quotes")
    assert not read_file(name, text.format('"3.10"' if "python_version" in text else '">=3"'), groups=groups).problems


@pytest.mark.parametrize("value", ["six", "{six: 1}"])
def test_dependencies_of_conda_that_are_not_a_list_are_a_mistake(value: str, read_file: Read) -> None:
    wants = read_file("environment.yml", f"name: x\ndependencies: {value}\n")
    assert wants.problems == ("environment.yml:2: `dependencies` must be a list, each line with a dash",)


@pytest.mark.parametrize(
    "line",
    ["x @ file:///{}/x-1-py3-none-any.whl", "x @ ./{}/x-1-py3-none-any.whl", "x @ {}.whl", "-e ./{}", "./{}/x.whl"],
)
def test_a_path_longer_than_any_file_has_is_one_that_is_not_there(line: str, read_file: Read) -> None:
    problems = read_file("requirements.txt", line.format("a" * 3000)).problems
    assert [problem.partition(":")[0] for problem in problems] == ["requirements.txt"]
