from __future__ import annotations

import os
import sys
from importlib import resources
from pathlib import Path

import pytest

from profiles import write
from tfprov import paths
from tfprov.errors import TfprovError
from tfprov.profile import finding
from tfprov.profile.finding import find, namesakes, nearest, shipped, shipped_folder, with_companions
from tfprov.profile.load import load
from tfprov.profile.source import glance
from tfprov.words import quoted


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
        ("name", "lock"),
        [
            ("pyproject.toml", ("uv.lock", '[[package]]\nname = "six"\nversion = "1.16.0"\nsource.registry = "x"\n')),
            ("pyproject.toml", ("poetry.lock", '[[package]]\nname = "six"\nversion = "1.16.0"\n[metadata]\n')),
            ("pyproject.toml", ("pdm.lock", '[[package]]\nname = "six"\nversion = "1.16.0"\n[metadata]\n')),
            ("Pipfile", ("Pipfile.lock", '{"default": {"six": {"version": "==1.16.0"}}}')),
        ],
    )
    def test_its_lock_and_the_python_that_is_named_beside_it_count(
        self, tmp_path: Path, name: str, lock: tuple[str, str]
    ) -> None:
        text = {
            "pyproject.toml": '[project]\nname = "x"\ndependencies = ["six"]\n',
            "Pipfile": '[packages]\nsix = "*"\n',
        }
        path = write(tmp_path, text[name], name)
        for other, content in (lock, (".python-version", "3.11\n"), ("runtime.txt", "python-3.9.1\n")):
            write(tmp_path, content, other)
        loaded = load(path)
        assert (loaded.requirements, loaded.preferred) == (("six",), (("six", "1.16.0"),))
        # pipenv has the Python in its own file.
        assert loaded.profile.python.version == (None if name == "Pipfile" else "==3.11.*")
        assert glance(path, shipped=False) == loaded.source

    @pytest.mark.parametrize("name", ["requirements.txt", "setup.cfg"])
    def test_a_hosting_service_names_the_python_too(self, tmp_path: Path, name: str) -> None:
        path = write(tmp_path, "[options]\ninstall_requires = six\n" if name == "setup.cfg" else "six\n", name)
        write(tmp_path, "python-3.9.18\n", "runtime.txt")
        assert load(path).profile.python.version == "==3.9.*"

    @pytest.mark.parametrize("tool", ["uv", "poetry", "pdm"])
    def test_of_several_locks_that_of_the_tool_in_the_project_counts(self, tmp_path: Path, tool: str) -> None:
        path = write(tmp_path, f'[project]\ndependencies = []\n[[tool.{tool}.source]]\nname = "a"\n', "pyproject.toml")
        for one in ("uv", "poetry", "pdm"):
            write(tmp_path, "", f"{one}.lock")
        assert with_companions(path) == ("pyproject.toml", f"{tool}.lock")

    def test_a_list_that_is_named_is_read_alone(self, tmp_path: Path) -> None:
        for name, text in (("requirements.txt", "six\n"), ("dev.txt", "six\n"), (".python-version", "3.11\n")):
            write(tmp_path, text, name)
        assert load(tmp_path / "dev.txt").profile.python.version is None

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


def test_profiles_whose_locks_are_one_file_are_found(tmp_path: Path) -> None:
    """`Train` and `train` are one name to the file systems of Windows and macOS."""
    own = write(tmp_path, 'name = "train"\n[smoke]\n')
    write(tmp_path, 'name = "Train"\n[tensorflow]\n', "upper.toml")
    write(tmp_path, 'name = "train"\n[packages]\n', "same.toml")
    write(tmp_path, 'name = "other"\n[tensorflow]\n', "other.toml")
    write(tmp_path, 'name = "train"\nmain = "index.js"\n', "wrangler.toml")
    write(tmp_path, 'name = "train"\n[packages]\n', "pylock.train.toml")
    write(tmp_path, "name = [", "broken.toml")
    (tmp_path / "folder.toml").mkdir()
    assert namesakes(own, "train") == ("same.toml", "upper.toml")


@pytest.mark.parametrize("name", ["tfprov.toml", "pyproject.toml"])
def test_what_another_user_puts_into_a_folder_above_is_not_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As in `/tmp`: a profile names an index, and scripts that are run."""
    work, planted = tmp_path / "common" / "work", tmp_path / "common" / name
    work.mkdir(parents=True)
    planted.write_text("[tool.tfprov]\n")
    (tmp_path / "tfprov.toml").write_text("")
    owners: dict[Path, int] = {}
    monkeypatch.setattr(paths, "owner_of", lambda path: owners.get(path, os.getuid() if os.name == "posix" else 0))
    assert nearest(work) == planted
    owners[planted] = 4242
    assert nearest(planted.parent) == planted
    monkeypatch.setattr(finding, "content_of", lambda path: pytest.fail(f"{path} is read"))
    assert nearest(work) == tmp_path / "tfprov.toml"


def test_a_profile_of_whoever_owns_the_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by root in a container, in the checkout of a user."""
    (tmp_path / "work").mkdir()
    (tmp_path / "tfprov.toml").write_text("")
    monkeypatch.setattr(paths, "owner_of", lambda _: 4242)
    assert nearest(tmp_path / "work") == tmp_path / "tfprov.toml"


def test_a_profile_of_whoever_owns_the_folder_that_it_is_in_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As below a folder that somebody shares with a team: its owner may put anything in place of what is there."""
    work, profile = tmp_path / "shared" / "work", tmp_path / "shared" / "tfprov.toml"
    work.mkdir(parents=True)
    profile.write_text("")
    owners = {profile: 4242, profile.parent: 4242}
    monkeypatch.setattr(paths, "owner_of", lambda path: owners.get(path, os.getuid() if os.name == "posix" else 0))
    assert nearest(work) == profile


def test_a_profile_of_another_user_that_is_not_taken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, planted = tmp_path / "common" / "work", tmp_path / "common" / "tfprov.toml"
    work.mkdir(parents=True)
    planted.write_text("")
    own = os.getuid() if os.name == "posix" else 0
    monkeypatch.setattr(paths, "owner_of", lambda path: 4242 if path == planted else own)
    with pytest.raises(TfprovError) as failure:
        find("", cwd=work)
    assert failure.value.evidence == (
        f"`{planted}` belongs to another user, and counts only if you name it",
        "no file here that says what a project needs, such as `requirements.txt`",
    )
    assert failure.value.hint == f"if you trust it, name it: `tfprov up {quoted(str(planted))}`"
