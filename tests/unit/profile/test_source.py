from __future__ import annotations

import json
import os
import sys
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprov.errors import TfprovError
from tfprov.profile.load import load
from tfprov.profile.nearby import lists_under_other_names
from tfprov.profile.source import find, glance, plain_name, shipped, shipped_folder
from tfprov.profile.values import environment_name


def write(folder: Path, text: str, name: str = "train.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


FULL = """\
name = "train"
environment.path = "~/somewhere/../.venv"
python.path = "python"
packages.files = ["requirements.txt", "constraints.txt"]
smoke.scripts = ["check.py"]
index.find-links = ["wheels", "https://index.example/links"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("python", "check.py", "more.txt", "wheels"):
        (tmp_path / name).touch()
    (tmp_path / "requirements.txt").write_text("pandas>=2\n-r more.txt\n-c constraints.txt\n")
    (tmp_path / "constraints.txt").write_text("numpy<3\n")
    return write(tmp_path, FULL)


class TestGlance:
    def test_it_says_what_the_loaded_profile_says(self, project: Path) -> None:
        seen = glance(project, shipped=False)
        assert seen == load(project).source
        assert seen is not None
        assert (seen.name, seen.path, seen.shipped) == ("train", project, False)
        assert seen.link == Path("~/somewhere/../.venv").expanduser()

    @pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
    def test_so_it_does_of_each_shipped_one(self, path: Path) -> None:
        assert glance(path, shipped=True) == load(path, shipped=True).source

    @pytest.mark.parametrize("name", ["train.toml", "requirements.txt", "more.txt", "constraints.txt", "check.py"])
    def test_whatever_matters_changes_the_digest(self, project: Path, name: str) -> None:
        before = glance(project, shipped=False)
        path = project.parent / name
        path.write_text(path.read_text() + "# more\nsix\n" if name.endswith(".txt") else path.read_text() + "# more\n")
        after = glance(project, shipped=False)
        assert before is not None
        assert after is not None
        assert after.digest != before.digest
        assert after == load(project).source

    @pytest.mark.parametrize("name", ["train.toml", "requirements.txt", "more.txt", "check.py", "python", "wheels"])
    def test_a_missing_file_has_to_be_reported_by_who_reads_with_care(self, project: Path, name: str) -> None:
        (project.parent / name).unlink()
        assert glance(project, shipped=False) is None

    @pytest.mark.parametrize(
        "text",
        [
            "name",
            "",
            "name = 1",
            'name = "../x"',
            'name = "x"\nenvironment = 1',
            'name = "x"\nenvironment.path = ["a"]',
            'name = "x"\npackages.files = ["train.toml"]',
            "\0",
        ],
    )
    def test_what_is_odd_is_left_to_who_reads_with_care(self, tmp_path: Path, text: str) -> None:
        assert glance(write(tmp_path, text), shipped=False) is None

    def test_bytes_that_are_no_text_are_odd(self, tmp_path: Path) -> None:
        path = tmp_path / "train.toml"
        path.write_bytes(b'name = "\xff"')
        assert glance(path, shipped=False) is None


class TestShipped:
    @pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
    def test_each_loads_and_is_named_like_its_file(self, path: Path) -> None:
        loaded = load(path, shipped=True)
        assert loaded.profile.name == path.stem
        assert loaded.shipped

    def test_there_are_some_and_they_are_listed_by_name(self) -> None:
        names = [path.stem for path in shipped()]
        assert names == sorted(names)
        assert {"auto", "cpu", "cuda"} <= set(names)

    def test_an_installed_package_has_them_inside(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(resources, "files", lambda _name: tmp_path / "src" / "tfprov")
        assert shipped_folder() == tmp_path / "profiles"
        (tmp_path / "src" / "tfprov" / "profiles").mkdir(parents=True)
        assert shipped_folder() == tmp_path / "src" / "tfprov" / "profiles"


class TestFind:
    def test_a_name_is_a_shipped_profile(self, tmp_path: Path) -> None:
        path, is_shipped = find("cpu", cwd=tmp_path)
        assert (path.name, is_shipped) == ("cpu.toml", True)

    def test_a_path_wins_over_a_shipped_name(self, tmp_path: Path) -> None:
        mine = write(tmp_path, 'name = "mine"', "cpu")
        assert find("cpu", cwd=tmp_path) == (mine, False)

    def test_a_folder_does_not_hide_a_shipped_name(self, tmp_path: Path) -> None:
        (tmp_path / "cpu").mkdir()
        assert find("cpu", cwd=tmp_path)[1]

    def test_a_relative_path_is_relative_to_the_folder_given(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        path = write(tmp_path / "sub", 'name = "x"')
        assert find("sub/train.toml", cwd=tmp_path) == (path, False)
        assert find(str(path), cwd=Path("/")) == (path, False)

    def refusal(self, name: str, cwd: Path) -> TfprovError:
        with pytest.raises(TfprovError) as failure:
            find(name, cwd=cwd)
        assert failure.value.code.name == "profile-missing"
        return failure.value

    def test_a_mistyped_name_gets_a_suggestion(self, tmp_path: Path) -> None:
        error = self.refusal("cudaa", tmp_path)
        assert error.what == "there is no profile `cudaa`"
        assert error.hint == "did you mean `cuda`?"

    def test_a_name_unlike_any_gets_the_files_that_are_here(self, tmp_path: Path) -> None:
        for name in ("b.toml", "a.toml", "pyproject.toml"):
            write(tmp_path, "", name)
        error = self.refusal("xyzzy", tmp_path)
        names = ", ".join(path.stem for path in shipped())
        assert error.evidence == (f"shipped profiles: {names}", "files here: a.toml, b.toml")
        assert error.hint == "make one with `tfprov init`, or name a shipped profile"

    @pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
    def test_a_link_to_nothing_says_where_it_leads(self, tmp_path: Path) -> None:
        (tmp_path / "train.toml").symlink_to("gone.toml")
        error = self.refusal("train.toml", tmp_path)
        assert error.what == "`train.toml` is a link to `gone.toml`, and there is nothing"
        assert error.hint == "correct the link, or name the file itself"

    def test_a_folder_is_no_profile(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        assert self.refusal("folder", tmp_path).what == "`folder` is a folder, not a profile"

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX has named pipes")
    def test_a_pipe_is_not_read(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert self.refusal("pipe", tmp_path).what == "`pipe` is not a regular file"

    def test_the_home_of_an_unknown_user_is_just_not_there(self, tmp_path: Path) -> None:
        self.refusal("~no-such-user/train.toml", tmp_path)


class TestNearest:
    def found(self, cwd: Path) -> Path:
        path, is_shipped = find("", cwd=cwd)
        assert not is_shipped
        return path

    def test_the_profile_of_the_folder_or_of_one_above_is_meant(self, tmp_path: Path) -> None:
        inner = tmp_path / "a" / "b"
        inner.mkdir(parents=True)
        above = write(tmp_path, 'name = "x"', "tfprov.toml")
        assert self.found(inner) == above
        project = write(tmp_path / "a", "[tool.tfprov.smoke]\n", "pyproject.toml")
        assert self.found(inner) == project
        here = write(inner, 'name = "y"', "tfprov.toml")
        assert self.found(inner) == here

    def test_a_project_that_is_silent_about_it_is_passed_by(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        above = write(tmp_path, 'name = "x"', "tfprov.toml")
        write(tmp_path / "a", "[project]\ndependencies = []\n", "pyproject.toml")
        assert self.found(tmp_path / "a") == above

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("pyproject.toml", '[project]\ndependencies = ["six"]\n'),
            ("requirements.txt", "six\n"),
            ("environment.yml", "dependencies: [six]\n"),
            ("Pipfile", '[packages]\nsix = "*"\n'),
            ("pixi.toml", '[workspace]\nname = "x"\n[pypi-dependencies]\nsix = "*"\n'),
            ("setup.cfg", "[options]\ninstall_requires = six\n"),
            ("setup.py", "from setuptools import setup\nsetup(install_requires=['six'])\n"),
        ],
    )
    def test_without_one_a_file_that_says_what_is_needed_is_the_profile(
        self, tmp_path: Path, name: str, text: str
    ) -> None:
        (tmp_path / "My project!").mkdir()
        path = write(tmp_path / "My project!", text, name)
        write(tmp_path / "My project!", "[tool.black]\n" if name != "pyproject.toml" else text, "pyproject.toml")
        assert self.found(path.parent) == path
        loaded = load(path)
        assert (loaded.profile.name, loaded.requirements) == ("My-project", ("six",))
        assert loaded.notes == (f"`{name}` is taken for a profile; `tfprov init` writes one",)
        assert glance(path, shipped=False) == loaded.source

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("pixi.toml", '[workspace]\nname = "x"\n[pypi-dependencies]\nsix = "*"\n'),
            ("pylock.toml", 'lock-version = "1.0"\n[[packages]]\nname = "six"\nversion = "1.16.0"\n'),
            ("Dockerfile.gpu", "FROM x\nRUN pip install six\n"),
            ("gpu.dockerfile", "FROM x\nRUN pip install six\n"),
            ("install.bat", "pip install six\r\n"),
            ("README.md", "Use `pip install six`.\n"),
            ("requirements", "six\n"),
            ("reqs.pip", "six==1.16.0\n"),
            ("default.json", '{"_meta": {}, "default": {"six": {"version": "==1.16.0"}}}'),
        ],
    )
    def test_any_list_can_be_named_whatever_it_is_called(self, tmp_path: Path, name: str, text: str) -> None:
        loaded = load(write(tmp_path, text, name))
        assert [line.partition("==")[0] for line in loaded.requirements] == ["six"]

    @pytest.mark.parametrize("name", ["train", "train.profile", "train.toml"])
    def test_a_profile_can_have_any_name(self, tmp_path: Path, name: str) -> None:
        text = 'name = "mine"\npackages.requirements = ["six"]\n'
        assert load(write(tmp_path, text, name)).profile.name == "mine"

    def test_where_there_is_nothing_the_way_on_is_named(self, tmp_path: Path) -> None:
        write(tmp_path, "[metadata]\n", "setup.cfg")
        with pytest.raises(TfprovError) as failure:
            find("", cwd=tmp_path)
        assert failure.value.code.name == "profile-missing"
        assert failure.value.hint == "make one with `tfprov init`, or name a profile"

    def test_programs_alone_are_named_as_the_source_of_one(self, tmp_path: Path) -> None:
        (tmp_path / "train.py").write_text("import tensorflow\n")
        with pytest.raises(TfprovError) as failure:
            find("", cwd=tmp_path)
        assert failure.value.hint == "`tfprov init` writes one with the packages that the Python files here import"

    @pytest.mark.parametrize(
        ("names", "told"),
        [
            (["requirements-gpu.txt", "requirements-cpu.txt"], ["requirements-cpu.txt", "requirements-gpu.txt"]),
            (["requirements/dev.txt", "requirements/base.txt"], ["requirements/base.txt", "requirements/dev.txt"]),
            (["a.ipynb", "Dockerfile", "env_gpu.yml", "notes.txt"], ["env_gpu.yml", "Dockerfile", "a.ipynb"]),
            (["conda.yaml", "dev-requirements.txt"], ["dev-requirements.txt", "conda.yaml"]),
            pytest.param(
                ["Requirements.txt"],
                ["Requirements.txt"],
                marks=pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="that is requirements.txt there"),
            ),
            (["uv.lock", "requirements.in"], ["requirements.in", "uv.lock"]),
            (["reqs.txt", "deps.txt", "require me.txt"], ["deps.txt", "reqs.txt"]),
            (["src/requirements.txt", "binder/environment.yml"], ["binder/environment.yml", "src/requirements.txt"]),
            (
                [".github/workflows/ci.yml", "README.md", "setup.sh"],
                ["README.md", "setup.sh", ".github/workflows/ci.yml"],
            ),
            (["SETUP.md", "make_env_gpu.ps1", "_execute.bat"], ["SETUP.md", "_execute.bat", "make_env_gpu.ps1"]),
        ],
    )
    def test_lists_under_other_names_are_named(self, tmp_path: Path, names: list[str], told: list[str]) -> None:
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
            write(tmp_path, asking_for("tensorflow", name), name)
        with pytest.raises(TfprovError) as failure:
            find("", cwd=tmp_path)
        assert failure.value.evidence[-1] == f"files that may say it: {', '.join(f'`{name}`' for name in told)}"
        assert failure.value.hint == f"name the file that says what is needed, as in `tfprov up {told[0]}`"

    @pytest.mark.parametrize(
        "name", ["README.md", "docs/requirements.txt", ".github/workflows/ci.yml", "a.ipynb", "install.sh"]
    )
    def test_what_is_further_from_the_project_must_ask_for_tensorflow(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        write(tmp_path, asking_for("sphinx", name), name)
        assert lists_under_other_names(tmp_path) == ()
        write(tmp_path, asking_for("tf-nightly", name), name)
        assert lists_under_other_names(tmp_path) == (name,)

    @pytest.mark.parametrize("folder", ["", "profiles/"])
    def test_the_lock_of_a_profile_is_not_named_but_one_alone_is(self, tmp_path: Path, folder: str) -> None:
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in ("pylock.train.toml", "pylock.toml"):
            text = 'lock-version = "1.0"\n[[packages]]\nname = "tensorflow"\nversion = "2.16.1"\n'
            write(tmp_path, text, f"{folder}{name}")
        assert set(lists_under_other_names(tmp_path)) == {f"{folder}pylock.toml", f"{folder}pylock.train.toml"}
        write(tmp_path, 'name = "train"\n', f"{folder}train.toml")
        assert lists_under_other_names(tmp_path) == (f"{folder}pylock.toml",)

    def test_files_that_ask_for_nothing_are_not_named(self, tmp_path: Path) -> None:
        for name in ("requirements-dev.txt", "a.ipynb", "Dockerfile", "env.yml", "poetry.lock"):
            write(tmp_path, "", name)
        (tmp_path / "requirements-gone.txt").symlink_to("nowhere")
        (tmp_path / "requirements-folder.txt").mkdir()
        assert lists_under_other_names(tmp_path) == ()


def asking_for(package: str, name: str) -> str:
    """The text of a file of that name which asks for a package."""
    command = f"pip install {package}"
    texts = {
        ".ipynb": json.dumps({"cells": [{"cell_type": "code", "source": f"!{command}"}], "nbformat": 4}),
        ".md": f"```\n{command}\n```\n",
        **dict.fromkeys((".sh", ".bat", ".ps1"), f"{command}\n"),
        ".lock": f'version = 1\n\n[[package]]\nname = "{package}"\nversion = "2.16.1"\nsource = {{ registry = "x" }}\n',
    }
    if ".github" in name:
        return f"on: push\njobs:\n  test:\n    steps:\n      - run: {command}\n"
    if name.endswith(("yml", "yaml")):
        return f"dependencies:\n  - {package}\n"
    return texts.get(Path(name).suffix, f"RUN {command}\n" if name == "Dockerfile" else f"{package}\n")


class TestInside:
    PROJECT = """\
[project]
name = "mine"
dependencies = ["six"]

[tool.tfprov]
tensorflow.version = ">=2.16"

[tool.tfprov.smoke]
level = "quick"
"""

    def test_the_table_of_a_project_is_a_profile_that_asks_for_what_the_project_needs(self, tmp_path: Path) -> None:
        path = write(tmp_path, self.PROJECT, "pyproject.toml")
        loaded = load(path)
        assert (loaded.profile.name, loaded.profile.smoke.level) == ("mine", "quick")
        assert loaded.requirements == ("six",)
        assert glance(path, shipped=False) == loaded.source

    def test_it_may_name_other_files_or_none(self, tmp_path: Path) -> None:
        path = write(tmp_path, f"{self.PROJECT}[tool.tfprov.packages]\nfiles = []\n", "pyproject.toml")
        assert load(path).requirements == ()

    def test_only_what_is_about_it_changes_the_digest(self, tmp_path: Path) -> None:
        def digest(text: str) -> str:
            return load(write(tmp_path, text, "pyproject.toml")).digest

        before = digest(self.PROJECT)
        assert digest(f"{self.PROJECT}[tool.black]\n") == before
        assert digest(self.PROJECT.replace("quick", "deep")) != before
        assert digest(self.PROJECT.replace("six", "seven")) != before

    def test_a_mistake_has_the_line_of_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(TfprovError) as failure:
            load(write(tmp_path, self.PROJECT.replace("quick", "fast"), "pyproject.toml"))
        assert failure.value.evidence[0].startswith("pyproject.toml:9: `smoke.level` must be ")

    def test_a_script_has_it_in_its_block(self, tmp_path: Path) -> None:
        block = '# dependencies = ["six"]\n# [tool.tfprov]\n# smoke.level = "fast"\n'
        path = write(tmp_path, f"#!/usr/bin/env python3\n# /// script\n{block}# ///\nimport six\n", "train.py")
        with pytest.raises(TfprovError) as failure:
            load(path)
        assert failure.value.evidence[0].startswith("train.py:5: `smoke.level` must be ")
        path.write_text(path.read_text().replace("fast", "deep"))
        assert (load(path).profile.name, load(path).requirements) == ("train", ("six",))
        path.write_text("import six\n")
        with pytest.raises(TfprovError, match="is not a profile"):
            load(path)

    def test_an_exported_notebook_is_a_list(self, tmp_path: Path) -> None:
        path = write(tmp_path, "# %%\n# %pip install six\nimport six\n", "train.py")
        assert (load(path).profile.name, load(path).requirements) == (f"{tmp_path.name}-train"[:64], ("six",))
        assert glance(path, shipped=False) == load(path).source


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pröj ect", "proj-ect"),
        ("pro\u0308j", "proj"),
        ("Été à la mer", "Ete-a-la-mer"),
        ("ﬁne-tune²", "fine-tune2"),
        ("проект", "train"),
        ("проект-2", "2"),
        ("..x..", "x"),
    ],
)
def test_a_name_is_as_close_to_a_text_as_may_be(text: str, name: str) -> None:
    assert plain_name(text) == name


@given(st.text(max_size=80) | st.sampled_from(["con", "AUX.v2", "lpt1 .x", f"{'x' * 63}-y", f"nul.{'x' * 70}"]))
def test_any_text_becomes_a_name_that_an_environment_may_have(text: str) -> None:
    environment_name(plain_name(text))
