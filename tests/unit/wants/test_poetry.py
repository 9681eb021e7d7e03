from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from poetry.core.constraints.version import Version as PoetryVersion
from poetry.core.constraints.version import parse_constraint

from tfprov.wants.poetry import specifier
from wants_files import Read, texts

PROJECT = """\
[tool.poetry]
name = "mine"
[tool.poetry.dependencies]
python = "^3.9"
tensorflow = "^2.10"
numpy = {version = "~1.23", optional = true}
plain = {version = "*", extras = ["a", "b"]}
pywin32 = {version = ">=300", markers = "sys_platform == 'win32'"}
multi = [{version = "<2", python = "<3.10"}, {version = ">=2", python = "^3.10"}]
whl = {url = "https://host/whl-1.0-py3-none-any.whl"}
forked = {git = "https://host/y.git", branch = "main"}
either = ">=4,<5 || >6"
[tool.poetry.extras]
fast = ["numpy"]
[tool.poetry.dev-dependencies]
pytest = "^7"
[tool.poetry.group.docs.dependencies]
sphinx = "4.*"
[[tool.poetry.source]]
name = "own"
url = "https://own.example/simple"
priority = "supplemental"
"""


def test_a_project_is_read(read_file: Read) -> None:
    found = read_file("pyproject.toml", PROJECT)
    assert texts(found.requirements) == [
        "tensorflow<3,>=2.10",
        "plain[a,b]",
        'pywin32>=300; sys_platform == "win32"',
        'multi<2; python_version < "3.10"',
        'multi>=2; python_version >= "3.10" and python_version < "4"',
        "whl @ https://host/whl-1.0-py3-none-any.whl",
        "forked @ git+https://host/y.git@main",
        "either!=5.*,!=6,>=4",
    ]
    assert texts(found.python) == [">=3.9,<4"]
    assert [(address.kind, address.url) for address in found.addresses] == [("extra", "https://own.example/simple")]
    assert found.problems == ()


def test_extras_and_groups_are_taken_when_named(read_file: Read) -> None:
    found = read_file("pyproject.toml", PROJECT, extras=("fast",), groups=("dev", "docs"))
    assert {"numpy<1.24,>=1.23", "pytest<8,>=7", "sphinx==4.*"} <= set(texts(found.requirements))
    found = read_file("pyproject.toml", PROJECT, extras=("slow",), groups=("doc",))
    assert found.problems[0] == "pyproject.toml: tool.poetry.extras: there is no extra `slow`; it has `fast`"
    assert found.problems[-1] == "pyproject.toml: tool.poetry.group: there is no group `doc`; did you mean `docs`?"


@pytest.mark.parametrize("dependencies", ['dynamic = ["dependencies"]', 'dependencies = ["tensorflow>=2.10,<3"]'])
def test_what_a_project_says_beside_poetrys_tables_counts(read_file: Read, dependencies: str) -> None:
    text = f"""\
[project]
name = "mine"
requires-python = ">=3.10,<3.13"
{dependencies}
[project.optional-dependencies]
plot = ["matplotlib"]
[dependency-groups]
dev = ["ruff"]
lint = [{{include-group = "dev"}}, "black"]
[tool.poetry.dependencies]
python = "<3.12"
tensorflow = "^2.10"
[tool.poetry.group.dev.dependencies]
pytest = "^7"
"""
    found = read_file("pyproject.toml", text, extras=("plot",), groups=("dev", "lint"))
    assert sorted(texts(found.python)) == ["<3.12", ">=3.10,<3.13"]
    names = {Requirement(text).name for text in texts(found.requirements)}
    assert (names, found.problems) == ({"black", "matplotlib", "pytest", "ruff", "tensorflow"}, ())
    assert SpecifierSet("<3,>=2.10") in [Requirement(text).specifier for text in texts(found.requirements)]


def test_poetrys_table_says_where_a_dependency_of_the_standard_comes_from(read_file: Read) -> None:
    text = """\
[project]
name = "mine"
dependencies = ["tensorflow", "six>=1", "forked[x]"]
[tool.poetry.dependencies]
forked = {git = "https://host/y.git", branch = "main"}
six = {version = ">=1", allow-prereleases = true}
unlisted = "*"
"""
    found = read_file("pyproject.toml", text)
    assert texts(found.requirements) == ["tensorflow", "six>=1", "forked[x] @ git+https://host/y.git@main"]


def test_a_group_of_poetry_that_alone_asks_for_tensorflow_is_named(read_file: Read) -> None:
    group = '[tool.poetry.group.ml.dependencies]\ntensorflow = "*"\n'
    for before in ('[project]\nname = "mine"\ndependencies = ["six"]\n', '[tool.poetry.dependencies]\nsix = "*"\n'):
        (note,) = read_file("pyproject.toml", before + group).notes
        assert note.startswith("pyproject.toml: only its group `ml` asks for TensorFlow")


SOURCES = """\
[tool.poetry.dependencies]
torch = { version = "*", source = "CPU" }
six = [{ version = "1", source = "own", platform = "linux" }, { version = "2", platform = "win32" }]
gone = { version = "*", source = "gone" }
[tool.poetry.group.dev.dependencies]
pytest = { version = "*", source = "own" }
[[tool.poetry.source]]
name = "cpu"
url = "https://cpu.example/simple"
priority = "explicit"
[[tool.poetry.source]]
name = "own"
url = "https://own.example/simple"
priority = "supplemental"
"""


@pytest.mark.parametrize("more", ["", '[project]\nname = "mine"\ndependencies = ["torch", "six"]\n'])
def test_a_project_comes_from_the_source_that_it_names(read_file: Read, more: str) -> None:
    found = read_file("pyproject.toml", f"{more}{SOURCES}")
    assert [(each.kind, each.url, each.project) for each in found.addresses] == [
        ("extra", "https://own.example/simple", ""),
        ("only", "https://cpu.example/simple", "torch"),
        ("only", "https://own.example/simple", "six"),
        ("only", "https://own.example/simple", "pytest"),
    ]


NUMBER = st.integers(0, 12).map(str)
RELEASE = st.lists(NUMBER, min_size=1, max_size=4).map(".".join)
CLAUSE = st.one_of(
    st.builds("{}{}{}".format, st.sampled_from(["^", "~", ">=", "<=", ">", "<", "!=", "==", "=", "", "~="]),
              st.sampled_from(["", " "]), st.lists(NUMBER, min_size=2, max_size=4).map(".".join)),
    st.builds("{}{}".format, st.sampled_from(["^", "~", "=="]), RELEASE),
    st.builds("{}{}.*".format, st.sampled_from(["", "==", "!="]), RELEASE),
    st.just("*"),
)  # fmt: skip


@given(clauses=st.lists(CLAUSE, min_size=1, max_size=3), comma=st.sampled_from([",", ", "]), version=RELEASE)
@settings(max_examples=400, derandomize=True)
def test_a_range_admits_what_poetry_admits(clauses: list[str], comma: str, version: str) -> None:
    if "*" in clauses and len(clauses) > 1:
        clauses = ["*"]
    text = comma.join(clauses)
    theirs = parse_constraint(text).allows(PoetryVersion.parse(version))
    assert SpecifierSet(specifier(text)).contains(Version(version), prereleases=True) == theirs


@given(
    parts=st.lists(st.lists(CLAUSE, min_size=1, max_size=2).map(",".join), min_size=2, max_size=3), version=RELEASE,
    bar=st.sampled_from(["|", " || "]),
)  # fmt: skip
@settings(max_examples=400, derandomize=True)
def test_one_range_or_another_admits_what_poetry_admits_or_is_refused(parts: list[str], version: str, bar: str) -> None:
    text = bar.join("*" if "*" in part.split(",") else part for part in parts)
    try:
        ours = specifier(text)
    except ValueError:
        return
    theirs = parse_constraint(text).allows(PoetryVersion.parse(version))
    assert SpecifierSet(ours).contains(Version(version), prereleases=True) == theirs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">=3.8,<3.9.7 || >3.9.7,<3.11", ">=3.8,<3.11,!=3.9.7"),
        ("^2.7 || ^3.6", ">=2.7,<4,!=3.0.*,!=3.1.*,!=3.2.*,!=3.3.*,!=3.4.*,!=3.5.*"),
        ("^1.0 | ^3.0", ">=1.0,<4,!=2.*"),
        ("^3.8 || ^3.9", ">=3.8,<4"),
        ("3.8.* || 3.10.*", ">=3.8,<3.11,!=3.9.*"),
        ("* || <3", ""),
    ],
)
def test_one_range_or_another_is_one_range_with_gaps(text: str, expected: str) -> None:
    assert specifier(text) == expected


def test_a_minor_version_of_python_alone_is_not_its_first_patch_release(read_file: Read) -> None:
    found = read_file("pyproject.toml", '[project]\nname = "x"\nrequires-python = "==3.10"\ndependencies = []\n')
    assert texts(found.python) == ["==3.10.*"]


@pytest.mark.parametrize("text", ["latest", ">=1 || <0.5", "==1.2 || ==1.3", ">5,<3 || >7,<6", "^x", ">=1,?"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="`"):
        specifier(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[tool.poetry.dependencies]\npython = '3.10.11'\n"),
        ("pyproject.toml", "[project]\nname = 'x'\nrequires-python = '== 3.10.11'\ndependencies = []\n"),
        ("setup.cfg", "[options]\npython_requires = ==3.10.11\n"),
        ("Pipfile", "[packages]\n[requires]\npython_full_version = '3.10.11'\n"),
    ],
)
def test_a_patch_release_of_python_stands_for_its_minor_version(read_file: Read, name: str, text: str) -> None:
    found = read_file(name, text)
    assert (texts(found.python), found.problems) == (["==3.10.*"], ())
    assert [note.partition(": `")[2] for note in found.notes] == [
        f"{'== ' if '== ' in text else '=='}3.10.11` is read as `==3.10.*`: not every patch release can be installed "
        "everywhere"
    ]


def test_what_poetry_lets_one_package_have_of_pre_releases_is_noted(read_file: Read) -> None:
    lines = 'six = {version = "^1.0", allow-prereleases = true}\nnumpy = {version = "*", allow-prereleases = false}\n'
    found = read_file("pyproject.toml", f"[tool.poetry]\n[tool.poetry.dependencies]\n{lines}")
    (note,) = found.notes
    assert note.startswith("pyproject.toml: tool.poetry.dependencies.six: `allow-prereleases` is left out: ")
    assert (len(found.requirements), found.prereleases) == (2, ())
