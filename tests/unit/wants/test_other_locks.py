from __future__ import annotations

import json
from pathlib import Path

import pytest

from tfprov.default_index import default_index
from tfprov.wants.recognise import read
from tfprov.wants.records import ProjectParts, System
from wants_files import Read, texts

UV = """\
version = 1
requires-python = ">=3.10"
[[package]]
name = "mine"
version = "0.1"
source = { virtual = "." }
[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://index.example/simple" }
[[package]]
name = "tensorflow"
version = "2.15.0"
[[package]]
name = "tensorflow-intel"
version = "2.15.0"
[[package]]
name = "forked"
version = "1.0"
[[package]]
name = "forked"
version = "2.0"
"""
POETRY = """\
[[package]]
name = "numpy"
version = "1.26.4"
groups = ["main"]
markers = "python_version >= '3.9'"
[[package]]
name = "pytest"
version = "8.0"
groups = ["dev"]
[[package]]
name = "extra"
version = "1.0"
optional = true
[metadata]
lock-version = "2.1"
python-versions = "^3.9"
"""
PYLOCK = """\
lock-version = "1.0"
created-by = "x"
requires-python = ">=3.11"
[[packages]]
name = "numpy"
version = "1.26.4"
marker = "os_name == 'posix'"
[[packages]]
name = "here"
directory = { path = "." }
"""
PIPFILE = json.dumps(
    {
        "_meta": {"sources": []},
        "default": {
            "numpy": {"version": "==1.26.4", "hashes": [], "markers": "os_name == 'posix'"},
            "here": {"path": "."},
        },
        "develop": {"pytest": {"version": "==8.0"}, "tool": {"git": "https://host/tool"}},
    }
)
CONDA = """\
version: 1
metadata:
  channels: [{url: conda-forge}]
package:
- {name: numpy, version: 1.26.4, manager: conda, platform: linux-64}
- {name: _libgcc_mutex, version: "0.1", manager: conda, platform: linux-64}
- {name: six, version: "1.16", manager: pip, platform: linux-64}
- {name: pytest, version: "8.0", manager: pip, platform: linux-64, category: dev}
"""
NOTE = "its versions are kept where they fit, its TensorFlow in any case: tfprov resolves again"


def test_a_lock_of_uv_asks_for_what_it_holds_but_for_the_project(read_file: Read) -> None:
    found = read_file("uv.lock", UV)
    assert texts(found.requirements) == ["numpy", "tensorflow==2.15.0", "forked"]
    assert texts(found.preferences) == ["numpy==1.26.4"]
    assert texts(found.python) == [">=3.10"]
    assert found.notes == (
        "uv.lock: forked: it is locked at 1.0, 2.0, each for another platform or Python: none of them is preferred",
        f"uv.lock: {NOTE}",
    )


def test_beside_its_project_it_bounds_what_that_asks_for(read_file: Read) -> None:
    read_file("pyproject.toml", '[project]\ndependencies = ["numpy>=1.20"]\n')
    found = read_file("uv.lock", UV)
    assert texts(found.requirements) == ["numpy>=1.20"]
    assert texts(found.constraints) == ["tensorflow==2.15.0"]
    assert texts(found.preferences) == ["numpy==1.26.4"]


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("tensorflow>=2.16", []),
        ("tensorflow-cpu<2.15", []),
        ("tensorflow~=2.15", ["tensorflow==2.15.0"]),
        ("tensorflow==2.14.0 ; sys_platform == 'darwin'", ["tensorflow==2.15.0"]),
    ],
)
def test_a_lock_that_is_older_than_its_project_does_not_say_which_tensorflow(
    read_file: Read, asked: str, kept: list[str]
) -> None:
    read_file("pyproject.toml", f'[project]\ndependencies = ["{asked}"]\n')
    found = read_file("uv.lock", UV)
    assert texts(found.constraints) == kept
    told = [note for note in found.notes if note.endswith("so the lock is out of date")]
    assert told == (
        []
        if kept
        else [
            "uv.lock: tensorflow: `tensorflow==2.15.0` is left out: pyproject.toml: project.dependencies asks for "
            f"`{asked}`, so the lock is out of date"
        ]
    )


def test_a_lock_of_pdm_is_read_like_that_of_poetry(read_file: Read) -> None:
    read_file("pyproject.toml", '[project]\ndependencies = ["tensorflow-cpu<2.18", "pandas"]\n')
    text = """\
[metadata]
groups = ["default", "test"]
lock_version = "4.5.0"
[[package]]
name = "tensorflow-cpu"
version = "2.16.2"
groups = ["default"]
marker = "python_version >= \\"3.11\\""
[[package]]
name = "pandas"
version = "2.2.2"
groups = ["default"]
[[package]]
name = "pytest"
version = "8.0"
groups = ["test"]
"""
    found = read_file("pdm.lock", text)
    assert texts(found.requirements) == ["tensorflow-cpu<2.18", "pandas"]
    assert texts(found.constraints) == ['tensorflow-cpu==2.16.2 ; python_version >= "3.11"']
    assert texts(found.preferences) == ["pandas==2.2.2", "pytest==8.0"]


def test_a_lock_of_poetry_asks_for_its_main_group_and_bounds_the_rest(read_file: Read) -> None:
    found = read_file("poetry.lock", POETRY)
    assert texts(found.requirements) == ["numpy ; python_version >= '3.9'"]
    assert texts(found.preferences) == ["numpy==1.26.4", "pytest==8.0", "extra==1.0"]
    assert texts(found.python) == [">=3.9,<4"]


def test_a_lock_of_the_standard_is_read(read_file: Read) -> None:
    found = read_file("pylock.toml", PYLOCK)
    assert texts(found.requirements) == ["numpy ; os_name == 'posix'"]
    assert texts(found.preferences) == ["numpy==1.26.4"]
    assert texts(found.python) == [">=3.11"]
    assert found.problems == (
        "pylock.toml: packages.here: it is locked without a version, from a repository or a folder, and tfprov "
        "installs wheels",
    )


def test_a_lock_of_pipenv_is_read(read_file: Read) -> None:
    found = read_file("Pipfile.lock", PIPFILE)
    assert texts(found.requirements) == ["numpy ; os_name == 'posix'"]
    assert texts(found.preferences) == ["numpy==1.26.4", "pytest==8.0"]
    assert found.problems == (
        "Pipfile.lock: default.here: it is locked from a repository or a folder, and tfprov installs wheels",
    )


def test_a_lock_of_conda_has_both_kinds_of_package(read_file: Read) -> None:
    found = read_file("conda-lock.yml", CONDA)
    assert texts(found.conda) == ["numpy==1.26.4"]
    assert texts(found.requirements) == ["six"]
    assert texts(found.preferences) == ["six==1.16"]
    assert found.channels == ("conda-forge",)


@pytest.mark.parametrize(
    ("name", "machine", "asked"),
    [
        ("linux", "x86_64", ["numpy==1", "gcc==2"]),
        ("win32", "amd64", ["numpy==3", "vc==14"]),
        ("darwin", "arm64", ["numpy==1", "gcc==2"]),
    ],
)
def test_of_a_lock_of_conda_the_packages_of_one_platform_are_read(
    read_file: Read, name: str, machine: str, asked: list[str]
) -> None:
    system = System(name=name, machine=machine)
    listed = (("numpy", "1", "linux"), ("numpy", "3", "win"), ("gcc", "2", "linux"), ("vc", "14", "win"))
    lines = [
        f"- {{name: {name}, version: '{version}', manager: conda, platform: {system}-64}}"
        for name, version, system in listed
    ]
    found = read_file("conda-lock.yml", "\n".join(["package:", *lines]), system=system)
    assert texts(found.conda) == asked


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("git = 'https://host/six.git?rev=main#abc'", "git+https://host/six.git@abc"),
        ("git = 'https://host/a?subdirectory=libs%2Fsix&tag=v1#abc'", "git+https://host/a@abc#subdirectory=libs/six"),
        ("url = 'https://host/six-1-py3-none-any.whl'", "https://host/six-1-py3-none-any.whl"),
        ("path = 'six-1.zip'", "file://${PROJECT_ROOT}/six-1.zip"),
        (
            "type = 'git', url = 'https://host/a', reference = 'main', resolved_reference = 'abc'",
            "git+https://host/a@abc",
        ),
        ("type = 'url', url = 'https://host/six-1.zip', subdirectory = 'a'", "https://host/six-1.zip#subdirectory=a"),
        ("type = 'file', url = 'six-1.zip'", "file://${PROJECT_ROOT}/six-1.zip"),
    ],
)
def test_what_is_locked_from_elsewhere_is_not_taken_from_an_index(
    read_file: Read, tmp_path: Path, source: str, place: str
) -> None:
    (tmp_path / "six-1.zip").touch()
    name = "poetry.lock" if "type" in source else "uv.lock"
    found = read_file(name, f"[[package]]\nname = 'six'\nversion = '1'\nsource = {{ {source} }}\n")
    assert (texts(found.requirements), found.preferences, found.problems) == ([f"six @ {place}"], (), ())


def test_a_package_that_poetry_has_from_its_own_index_is_asked_for_by_name(read_file: Read) -> None:
    source = '{ type = "legacy", url = "https://index.example/simple", reference = "own" }'
    found = read_file("poetry.lock", f'[[package]]\nname = "six"\nversion = "1"\nsource = {source}\n')
    assert (texts(found.requirements), texts(found.preferences)) == (["six"], ["six==1"])


def test_the_groups_of_a_pipfile_are_known_beside_its_lock(read_file: Read) -> None:
    read_file("Pipfile", '[packages]\nsix = "*"\n[dev-packages]\npytest = "*"\n')
    found = read_file("Pipfile.lock", '{"default": {"six": {"version": "==1"}}}', groups=("dev",))
    assert (texts(found.requirements), found.problems) == (["six", "pytest"], ())


@pytest.mark.parametrize(
    ("name", "text"), [("uv.lock", "[["), ("Pipfile.lock", "{"), ("conda-lock.yml", "package:\n- [\n")]
)
def test_what_cannot_be_read_is_a_problem(read_file: Read, name: str, text: str) -> None:
    assert read_file(name, text).problems[0].startswith(f"{name}: it cannot be read: ")


@pytest.mark.parametrize(
    ("text", "name"),
    [(UV, "a.toml"), (POETRY, "b.toml"), (PYLOCK, "c.toml"), (PIPFILE, "d"), (CONDA, "e.txt")],
)
def test_each_is_known_by_its_content(read_file: Read, text: str, name: str) -> None:
    assert "numpy" in repr(read_file(name, text))
    assert NOTE in read_file(name, text).notes[-1]


@pytest.mark.parametrize(
    "other", ["", '[[package]]\nname = "six"\nversion = "1"\nsource = { registry = "{default}" }\n']
)
def test_the_registries_of_a_lock_of_uv_are_asked_and_the_public_one_is_not_named(read_file: Read, other: str) -> None:
    found = read_file("uv.lock", UV + other.replace("{default}", default_index()))
    kind = "extra" if other else "index"
    assert [(one.kind, one.url, one.where) for one in found.addresses] == [
        (kind, "https://index.example/simple", "uv.lock")
    ]
    assert not [note for note in found.notes if "public index" in note]


def test_a_registry_of_a_lock_of_uv_that_is_a_folder_is_no_address(read_file: Read) -> None:
    found = read_file("uv.lock", UV.replace("https://index.example/simple", "../wheels"))
    assert found.addresses == ()


def test_a_registry_that_no_address_can_be_is_a_mistake(read_file: Read) -> None:
    text = '[[package]]\nname = "six"\nversion = "1"\nsource = { registry = "https://[x/simple" }\n'
    assert [problem.partition(":")[0] for problem in read_file("uv.lock", text).problems] == ["uv.lock"]


@pytest.mark.parametrize(
    ("name", "version"), [("x\n-r/etc/passwd", "1"), ("-x", "1"), ("x", "1\n--pre"), ("x", "--pre")]
)
def test_what_is_no_name_or_version_is_never_preferred(tmp_path: Path, name: str, version: str) -> None:
    path = tmp_path / "pylock.toml"
    text = f"name = {json.dumps(name)}\nversion = {json.dumps(version)}\n"
    path.write_text(f'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\n{text}')
    found = read((path,), tmp_path, ProjectParts())
    assert found.preferences == ()
    assert any("is not preferred: that is not a name and a version" in note for note in found.notes)
