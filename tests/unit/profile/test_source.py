from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import write
from tfprov.errors import TfprovError
from tfprov.profile.finding import shipped
from tfprov.profile.load import load
from tfprov.profile.source import glance, plain_name
from tfprov.profile.values import environment_name

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
