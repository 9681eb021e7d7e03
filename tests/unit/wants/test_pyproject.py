from __future__ import annotations

from pathlib import Path

import pytest

from tfprov import paths
from tfprov.wants.recognise import read
from tfprov.wants.records import ProjectParts
from wants_files import Read, texts

PROJECT = """\
[project]
name = "mine"
requires-python = ">=3.9,<3.13"
dependencies = ["numpy>=1.26", "tensorflow; python_version < '3.13'"]

[project.optional-dependencies]
plot = ["matplotlib"]
all = ["mine[plot,Fast_IO]", "pandas"]
fast-io = ["pyarrow"]

[dependency-groups]
test = ["pytest", {include-group = "lint"}]
lint = ["ruff"]
"""


def test_dependencies_and_python_are_read(read_file: Read) -> None:
    found = read_file("pyproject.toml", PROJECT)
    assert [(want.text, want.where) for want in found.requirements] == [
        ("numpy>=1.26", "pyproject.toml: project.dependencies"),
        ("tensorflow; python_version < '3.13'", "pyproject.toml: project.dependencies"),
    ]
    assert [(want.text, want.where) for want in found.python] == [
        (">=3.9,<3.13", "pyproject.toml: project.requires-python")
    ]
    assert found.problems == ()


def test_an_extra_may_name_others_of_its_project(read_file: Read) -> None:
    found = read_file("pyproject.toml", PROJECT, extras=("all",))
    assert texts(found.requirements)[2:] == ["pandas", "pyarrow", "matplotlib"]


def test_a_group_may_include_others(read_file: Read) -> None:
    found = read_file("pyproject.toml", PROJECT, groups=("test",))
    assert texts(found.requirements)[2:] == ["pytest", "ruff"]


def test_an_unknown_extra_or_group_is_a_problem_with_what_there_is(read_file: Read) -> None:
    found = read_file("pyproject.toml", PROJECT, extras=("plots",), groups=("docs",))
    assert found.problems == (
        "pyproject.toml: project.optional-dependencies: there is no extra `plots`; did you mean `plot`?",
        "pyproject.toml: dependency-groups: there is no group `docs`; it has `test`, `lint`",
    )


@pytest.mark.parametrize(
    "more",
    [
        '[dependency-groups]\ndev = ["pytest<9"]\n',
        '[tool.uv]\ndev-dependencies = ["pytest<9"]\n',
        '[tool.rye]\ndev-dependencies = ["pytest<9"]\n',
        '[tool.pdm.dev-dependencies]\ndev = ["pytest<9"]\n',
        '[tool.poetry]\npackage-mode = false\n[tool.poetry.group.dev.dependencies]\npytest = "<9"\n',
    ],
)
def test_the_groups_of_every_tool_are_known_beside_the_dependencies_of_the_standard(read_file: Read, more: str) -> None:
    project = '[project]\nname = "mine"\nversion = "1"\ndependencies = ["tensorflow"]\n'
    found = read_file("pyproject.toml", project + more, groups=("dev",))
    assert (texts(found.requirements), found.problems) == (["tensorflow", "pytest<9"], ())
    assert texts(read_file("pyproject.toml", project + more).requirements) == ["tensorflow"]


def test_the_tables_that_flit_had_before_the_standard_are_read(read_file: Read) -> None:
    text = """\
        [tool.flit.metadata]
        module = "mine"
        requires = ["tensorflow >=2.9", "networkx"]
        requires-python = ">=3.9"
        [tool.flit.metadata.requires-extra]
        plot = ["matplotlib"]
    """
    found = read_file("pyproject.toml", text, extras=("plot",))
    assert texts(found.requirements) == ["tensorflow >=2.9", "networkx", "matplotlib"]
    assert texts(found.python) == [">=3.9"]
    assert read_file("pyproject.toml", text, extras=("plots",)).problems == (
        "pyproject.toml: tool.flit.metadata.requires-extra: there is no extra `plots`; did you mean `plot`?",
    )


def test_groups_that_include_each_other_are_a_problem(read_file: Read) -> None:
    text = '[dependency-groups]\na = [{include-group = "b"}]\nb = [{include-group = "a"}]\n'
    found = read_file("pyproject.toml", text, groups=("a",))
    assert len(found.problems) == 1
    assert found.problems[0].startswith("pyproject.toml: dependency-groups.a: the group cannot be read: ")


def test_what_uv_is_told_is_kept(read_file: Read, tmp_path: Path) -> None:
    (tmp_path / "packages" / "mine").mkdir(parents=True)
    (tmp_path / "packages" / "mine" / "pyproject.toml").write_text('[project]\nname = "Mine"\n')
    found = read_file(
        "pyproject.toml",
        """\
        [project]
        dependencies = ["torch", "six", "mine", "wheel-of-six", "other; sys_platform == 'linux'"]
        [tool.uv]
        constraint-dependencies = ["numpy<2"]
        override-dependencies = ["protobuf>=5"]
        exclude-dependencies = ["jax"]
        dev-dependencies = ["pytest"]
        find-links = ["wheels"]
        resolution = "lowest"
        managed = true
        workspace = { members = ["packages/*"] }
        [[tool.uv.index]]
        name = "torch-cpu"
        url = "https://torch.example/cpu"
        explicit = true
        [[tool.uv.index]]
        name = "unused"
        url = "https://unused.example/simple"
        explicit = true
        [[tool.uv.index]]
        url = "https://own.example/simple"
        default = true
        [tool.uv.sources]
        torch = { index = "torch-cpu" }
        six = { git = "https://host/six.git", tag = "v1" }
        mine = { workspace = true }
        wheel-of-six = { url = "https://host/wheel_of_six-1-py3-none-any.whl" }
        other = { path = "../other" }
        """,
        groups=("dev",),
    )
    assert texts(found.constraints) == ["numpy<2"]
    assert found.notes == ("pyproject.toml: tool.uv: `resolution` of uv: left out, tfprov has settings of its own",)
    assert texts(found.overrides) == ["protobuf>=5"]
    assert texts(found.excluded) == ["jax"]
    assert texts(found.requirements) == [
        "torch",
        "six @ git+https://host/six.git@v1",
        "mine @ file://${PROJECT_ROOT}/packages/mine",
        "wheel-of-six @ https://host/wheel_of_six-1-py3-none-any.whl",
        "pytest",
    ]
    assert [(address.kind, address.url, address.project) for address in found.addresses] == [
        ("only", "https://torch.example/cpu", "torch"),
        ("index", "https://own.example/simple", ""),
        ("find-links", str(tmp_path / "wheels"), ""),
    ]
    assert [problem.split(", and")[0] for problem in found.problems] == [
        'pyproject.toml: project.dependencies: `other @ ../other ; sys_platform == "linux"`: there is no such file '
        "here; ask for the package by name",
    ]


def test_the_folder_of_a_project_in_its_source_is_kept(read_file: Read) -> None:
    found = read_file(
        "pyproject.toml",
        """\
        [project]
        dependencies = ["six", "more"]
        [tool.uv.sources]
        six = { git = "https://host/six.git", rev = "1", subdirectory = "libs/six" }
        more = { url = "https://host/more-1.zip#sha256=1", subdirectory = "libs/more" }
        """,
    )
    assert texts(found.requirements) == [
        "six @ git+https://host/six.git@1#subdirectory=libs/six",
        "more @ https://host/more-1.zip#subdirectory=libs/more",
    ]


@pytest.mark.parametrize(
    ("sources", "asked"),
    [
        ("[{ url = '{0}', marker = 'python_version < \"3\"' }, { url = '{1}' }]", "six @ {1}"),
        ("[{ url = '{0}', marker = 'python_version >= \"3\"' }, { url = '{1}' }]", "six @ {0}"),
        ("[{ index = 'own' }, { url = '{0}', marker = 'python_version < \"3\"' }]", "six"),
        ("{ url = '{0}', marker = 'no marker' }", "six @ {0}"),
    ],
)
def test_of_several_sources_the_one_for_this_machine_counts(read_file: Read, sources: str, asked: str) -> None:
    places = [f"https://host/{number}/six-1-py3-none-any.whl" for number in range(2)]
    for number, place in enumerate(places):
        sources, asked = (text.replace(f"{{{number}}}", place) for text in (sources, asked))
    found = read_file("pyproject.toml", f"[project]\ndependencies = ['six']\n[tool.uv.sources]\nsix = {sources}\n")
    assert (texts(found.requirements), found.problems) == ([asked], ())


@pytest.mark.parametrize("folder", ["app", "packages/deep/app"])
@pytest.mark.parametrize(("name", "place"), [("base", "libs/base"), ("whole", ".")])
def test_a_member_finds_the_others_by_the_workspace_above_it(
    tmp_path: Path, folder: str, name: str, place: str
) -> None:
    here = tmp_path / folder
    for path, called in ((here, "app"), (tmp_path / "libs/base", "base"), (tmp_path, "whole")):
        path.mkdir(parents=True, exist_ok=True)
        (path / "pyproject.toml").write_text(f"[project]\nname = '{called}'\n")
    with (tmp_path / "pyproject.toml").open("a") as file:
        file.write(f"[tool.uv.workspace]\nmembers = ['libs/*', '{folder}']\n")
    text = f"[project]\nname = 'app'\ndependencies = ['{name}']\n[tool.uv.sources]\n{name}.workspace = true\n"
    (here / "pyproject.toml").write_text(text)
    found = read((here / "pyproject.toml",), here, ProjectParts())
    assert found.problems == ()
    asked = found.requirements[0].text.removeprefix(f"{name} @ file://${{PROJECT_ROOT}}/")
    assert (here / asked).resolve() == (tmp_path / place).resolve()


@pytest.mark.parametrize(
    ("source", "kind"),
    [("workspace = true", "editable"), ("workspace = true, editable = false", "wheel"), ("path = 'base'", "wheel")],
)
def test_members_of_a_workspace_are_links_as_in_uv(tmp_path: Path, source: str, kind: str) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "pyproject.toml").write_text("[project]\nname = 'base'\nversion = '1'\n")
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'app'\ndependencies = ['base']\n"
        f"[tool.uv]\nworkspace.members = ['base']\nsources.base = {{ {source} }}\n"
    )
    found = read((tmp_path / "pyproject.toml",), tmp_path, ProjectParts())
    assert [folder.kind for folder in found.folders] == [kind]


def test_a_workspace_of_another_user_in_a_folder_above_is_not_the_one_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `/tmp`: members of a workspace are built, which runs what is in them."""
    here, planted = tmp_path / "common" / "app", tmp_path / "common" / "pyproject.toml"
    for path, called in ((here, "app"), (tmp_path / "common" / "base", "base")):
        path.mkdir(parents=True)
        (path / "pyproject.toml").write_text(f"[project]\nname = '{called}'\n")
    planted.write_text("[tool.uv.workspace]\nmembers = ['*']\n")
    text = "[project]\nname = 'app'\ndependencies = ['base']\n[tool.uv.sources]\nbase.workspace = true\n"
    (here / "pyproject.toml").write_text(text)
    monkeypatch.setattr(paths, "owner_of", lambda path: 4242 if path == planted else 4243)
    found = read((here / "pyproject.toml",), here, ProjectParts())
    assert ["is a member of a uv workspace" in problem for problem in found.problems] == [True]
    monkeypatch.undo()
    assert read((here / "pyproject.toml",), here, ProjectParts()).problems == ()


def test_a_member_of_a_workspace_that_is_not_here_is_told(read_file: Read) -> None:
    text = "[project]\nname = 'app'\ndependencies = ['base==1.0']\n[tool.uv.sources]\nbase = { workspace = true }\n"
    assert read_file("pyproject.toml", text).problems == (
        "pyproject.toml: tool.uv.sources: `base` is a member of a uv workspace, and no `pyproject.toml` here or above "
        "lists it",
    )


@pytest.mark.parametrize("pattern", ["", "/packages/*"])
def test_a_pattern_of_members_that_cannot_be_one_is_a_mistake(read_file: Read, pattern: str) -> None:
    uv = f"sources.mine.workspace = true\nworkspace.members = ['{pattern}']\n"
    found = read_file("pyproject.toml", f"[project]\ndependencies = ['mine']\n[tool.uv]\n{uv}")
    words = f"`{pattern}` is not a pattern of folders below that of the file"
    assert f"pyproject.toml: tool.uv.workspace.members: {words}" in found.problems


def test_what_setuptools_reads_from_files_is_read(read_file: Read, tmp_path: Path) -> None:
    (tmp_path / "needs.in").write_text("six\n-r more.in\n")
    (tmp_path / "more.in").write_text("numpy\n")
    found = read_file(
        "pyproject.toml",
        '[project]\ndynamic = ["dependencies"]\n[tool.setuptools.dynamic]\ndependencies = {file = ["needs.in"]}\n',
    )
    assert [(want.text, want.where) for want in found.requirements] == [("six", "needs.in:1"), ("numpy", "more.in:1")]


def test_what_a_build_makes_the_build_is_asked_for(read_file: Read) -> None:
    found = read_file("pyproject.toml", '[project]\ndynamic = ["dependencies"]\n')
    assert len(found.problems) == 1
    assert found.problems[0].endswith(
        "only the build of the project knows its name: list what it needs in a requirements file"
    )
    found = read_file("pyproject.toml", '[project]\nname = "my.pkg"\ndynamic = ["dependencies"]\n')
    assert found.problems == ()
    assert texts(found.requirements) == ["my.pkg @ file://${PROJECT_ROOT}/."]
    assert [folder.kind for folder in found.folders] == ["dependencies"]
    assert found.notes == (
        "pyproject.toml: project.dynamic: what the project needs is made by a program: its build is asked",
    )


def test_toml_that_cannot_be_read_is_a_problem(read_file: Read) -> None:
    found = read_file("pyproject.toml", "[project\n")
    assert len(found.problems) == 1
    assert found.problems[0].startswith("pyproject.toml: it is not TOML: ")


def test_extras_that_setuptools_reads_from_files_are_read(read_file: Read, tmp_path: Path) -> None:
    (tmp_path / "gpu.txt").write_text("cupy\n")
    text = """\
        [project]
        name = "mine"
        dependencies = ["tensorflow"]
        dynamic = ["optional-dependencies"]
        [tool.setuptools.dynamic]
        optional-dependencies = { gpu = { file = ["gpu.txt"] } }
    """
    found = read_file("pyproject.toml", text, extras=("gpu",))
    assert (texts(found.requirements), found.problems) == (["tensorflow", "cupy"], ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setup.py", "from setuptools import setup\nsetup(name='mine', install_requires=['tensorflow'])\n"),
        ("setup.cfg", "[options]\ninstall_requires = tensorflow\n"),
    ],
)
def test_where_it_says_only_how_to_build_what_is_needed_stands_beside_it(read_file: Read, name: str, text: str) -> None:
    read_file(name, text)
    found = read_file("pyproject.toml", '[build-system]\nrequires = ["setuptools"]\n[tool.black]\n')
    assert (texts(found.requirements), found.problems) == (["tensorflow"], ())
    found = read_file("pyproject.toml", '[project]\nname = "mine"\ndependencies = ["numpy"]\n')
    assert texts(found.requirements) == ["numpy"]


HATCH = """\
[project]
name = "mine"
dependencies = ["numpy"]
[project.optional-dependencies]
gpu = ["tensorflow[and-cuda]"]
[dependency-groups]
test = ["pytest"]
[tool.hatch.envs.default]
dependencies = ["six", "own @ {root:uri}/own"]
[tool.hatch.envs.train]
extra-dependencies = ["tqdm"]
features = ["gpu"]
dependency-groups = ["test"]
python = "3.11"
[tool.hatch.envs.lint]
detached = true
dependencies = ["ruff"]
[[tool.hatch.envs.lint.matrix]]
python = ["3.10"]
[tool.hatch.envs.hatch-test]
dependencies = ["no"]
"""


def test_an_environment_of_hatch_is_a_group(read_file: Read, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "pyproject.toml").write_text('[project]\nname = "own"\nversion = "1"\n')
    found = read_file("pyproject.toml", HATCH, groups=("train",))
    own = "own @ file://${PROJECT_ROOT}/own"
    assert texts(found.requirements) == ["numpy", "tensorflow[and-cuda]", "six", own, "tqdm", "pytest"]
    assert (texts(found.python), found.notes, found.problems) == (["==3.11.*"], (), ())
    found = read_file("pyproject.toml", HATCH, groups=("lint",))
    assert texts(found.requirements) == ["numpy", "ruff"]
    where = "pyproject.toml: tool.hatch.envs.lint"
    assert f"{where}: its matrix is left out: what all its environments have is read" in found.notes
    found = read_file("pyproject.toml", HATCH, groups=("hatch-test",))
    assert found.problems == (
        "pyproject.toml: dependency-groups: there is no group `hatch-test`; it has `default`, `train`, `lint`, `test`",
    )


def test_the_environments_of_a_hatch_toml_beside_it_count_first(read_file: Read) -> None:
    read_file("hatch.toml", '[envs.train]\ntemplate = "train"\ndependencies = ["tensorflow"]\n')
    assert texts(read_file("pyproject.toml", HATCH, groups=("train",)).requirements) == ["numpy", "tensorflow"]
    assert texts(read_file("hatch.toml", '[envs.a]\ndependencies = ["b"]\n', groups=("a",)).requirements) == ["b"]


@pytest.mark.parametrize("template", ["a", "b", "default", "none"])
def test_templates_of_hatch_that_lead_nowhere_end(read_file: Read, template: str) -> None:
    text = (
        f'[tool.hatch.envs.a]\ntemplate = "b"\n[tool.hatch.envs.b]\ntemplate = "{template}"\ndependencies = ["six"]\n'
    )
    assert texts(read_file("pyproject.toml", text, groups=("a",)).requirements) == ["six"]


def test_what_pdm_and_rye_are_told_is_kept(read_file: Read) -> None:
    found = read_file(
        "pyproject.toml",
        """\
        [project]
        dependencies = ["numpy"]
        [[tool.pdm.source]]
        name = "pypi"
        url = "https://main.example/simple"
        [[tool.pdm.source]]
        name = "own"
        url = "https://own.example/simple"
        include_packages = ["Ours", "ours-*"]
        exclude_packages = ["six"]
        [[tool.pdm.source]]
        type = "find_links"
        url = "https://links.example/"
        [tool.pdm.resolution]
        excludes = ["jax"]
        respect-source-order = true
        [tool.pdm.resolution.overrides]
        protobuf = "4.25.3"
        six = ">=1.16"
        absl-py = "https://own.example/absl_py-2.1.0-py3-none-any.whl"
        keras = { git = "https://own.example/keras.git", ref = "v3" }
        [[tool.rye.sources]]
        name = "more"
        url = "https://more.example/simple"
        [tool.rye]
        excluded-dependencies = ["torch"]
        """,
    )
    assert [(each.kind, each.url) for each in found.addresses] == [
        ("index", "https://main.example/simple"),
        ("extra", "https://own.example/simple"),
        ("only", "https://own.example/simple"),
        ("find-links", "https://links.example/"),
        ("extra", "https://more.example/simple"),
    ]
    assert texts(found.overrides) == [
        "protobuf==4.25.3",
        "six>=1.16",
        "absl-py @ https://own.example/absl_py-2.1.0-py3-none-any.whl",
        "keras @ git+https://own.example/keras.git@v3",
    ]
    assert texts(found.excluded) == ["jax", "torch"]
    assert found.problems == ()
    assert [each.project for each in found.addresses if each.kind == "only"] == ["Ours"]
    assert found.notes == (
        "pyproject.toml: tool.pdm.source: `ours-*`, `six`: left out; name single projects in `index.only`",
        "pyproject.toml: tool.pdm.resolution: `respect-source-order` of PDM: left out, tfprov has settings of its own",
    )


def test_an_index_of_uv_serves_the_projects_that_name_it(read_file: Read) -> None:
    text = """\
        [project]
        dependencies = ["torch", "Six_One", "other"]
        [[tool.uv.index]]
        name = "own"
        url = "https://own.example/simple"
        [[tool.uv.index]]
        name = "page"
        url = "https://page.example/"
        format = "flat"
        explicit = true
        [tool.uv.sources]
        torch = [
            { index = "cpu", marker = "sys_platform == 'none'" },
            { index = "own", marker = "sys_platform != 'none'" },
        ]
        six-one = { index = "own" }
        other = { index = "page" }
        """
    assert [(each.kind, each.url, each.project) for each in read_file("pyproject.toml", text).addresses] == [
        ("only", "https://own.example/simple", "torch"),
        ("only", "https://own.example/simple", "six-one"),
        ("extra", "https://own.example/simple", ""),
        ("find-links", "https://page.example/", ""),
    ]


@pytest.mark.parametrize(("extras", "groups", "index"), [(("GPU",), (), "gpu"), ((), ("cpu",), "cpu"), ((), (), None)])
def test_a_source_of_uv_may_be_for_an_extra_or_a_group(
    read_file: Read, extras: tuple[str, ...], groups: tuple[str, ...], index: str | None
) -> None:
    text = """\
        [project]
        dependencies = ["torch"]
        [project.optional-dependencies]
        gpu = []
        [dependency-groups]
        cpu = []
        [[tool.uv.index]]
        name = "cpu"
        url = "https://cpu.example/simple"
        explicit = true
        [[tool.uv.index]]
        name = "gpu"
        url = "https://gpu.example/simple"
        explicit = true
        [tool.uv.sources]
        torch = [{ index = "cpu", group = "cpu" }, { index = "gpu", extra = "gpu" }]
        """
    found = read_file("pyproject.toml", text, extras=extras, groups=groups)
    expected = [("only", f"https://{index}.example/simple")] if index else []
    assert ([(each.kind, each.url) for each in found.addresses], found.problems) == (expected, ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[project]\ndependencies = []\n[tool.uv]\nprerelease = 'allow'\n{}"),
        ("pixi.toml", "[workspace]\nname = 'x'\n[pypi-options]\nprerelease-mode = 'allow'\n{}"),
        ("pyproject.toml", "[project]\ndependencies = []\n[tool.pdm.resolution]\nallow-prereleases = true\n"),
        ("Pipfile", "[packages]\n[pipenv]\nallow_prereleases = true\n"),
    ],
)
def test_the_choices_of_tools_between_wheels_sources_and_prereleases_are_taken(
    read_file: Read, name: str, text: str
) -> None:
    keys = ("no-binary", "no-build") if name == "pixi.toml" else ("no-binary-package", "no-build-package")
    found = read_file(name, text.format(f"{keys[0]} = ['Six', 'tensorflow']\n{keys[1]} = ['numpy']\n"))
    assert (len(found.prereleases), found.notes) == (1, ())
    if "{}" in text:
        assert (texts(found.no_binary), texts(found.only_binary)) == (["six"], ["numpy"])
        (refused,) = found.problems
        assert f"`{keys[0]} tensorflow` is not supported" in refused
        forbidden = read_file(name, text.format("no-build = true\n"))
        assert (texts(forbidden.only_binary), forbidden.problems) == ([":all:"], ())


@pytest.mark.parametrize("wrong", ["3", "[3]", "{}", "'x'", "false", "[]", "''", "['../x']"])
def test_choices_of_a_wrong_type_end_no_run(read_file: Read, wrong: str) -> None:
    keys = ("prerelease", "no-binary-package", "no-build-package", "no-build")
    lines = "".join(f"{key} = {wrong}\n" for key in keys)
    found = read_file("pyproject.toml", f"[project]\ndependencies = ['six']\n[tool.uv]\n{lines}")
    assert (texts(found.requirements), found.prereleases) == (["six"], ())
