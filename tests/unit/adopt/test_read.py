"""Reading environments that were made by real tools; nothing in them is started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from site_under_test import PYTHON
from tfprov.adopt.judge import findings
from tfprov.adopt.read import index_of, read
from tfprov.adopt.records import ForeignEnvironment
from tfprov.envs.layout import executables_in, python_in
from tfprov.errors import TfprovError
from tfprov.pipeline.uv import uv_executable
from told import refusal
from wheels import build_wheel

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the environments of these tests are laid out as on POSIX")
MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


def uv(*arguments: str | Path, cwd: Path) -> None:
    argv = [uv_executable(), *arguments, "--no-config", "--offline", "--cache-dir", cwd / "cache"]
    subprocess.run(argv, check=True, capture_output=True, cwd=cwd)


@pytest.fixture(scope="module")
def first_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment of uv with one package, and a copy of it."""
    folder = tmp_path_factory.mktemp("made")
    uv("venv", "--python", PYTHON, folder / ".venv", cwd=folder)
    wheel = build_wheel(folder / "built", "helper", "1.0", requires=("other>=1; extra == 'more'",))
    uv("pip", "install", "--python", folder / ".venv", "--no-deps", wheel, cwd=folder)
    shutil.copytree(folder / ".venv", folder / "copy", symlinks=True)
    return folder


@pytest.fixture
def made(first_made: Path) -> Path:
    """The environment as uv made it, without whatever another test did to it."""
    shutil.rmtree(first_made / ".venv")
    shutil.copytree(first_made / "copy", first_made / ".venv", symlinks=True)
    return first_made / ".venv"


def library(root: Path) -> Path:
    (found,) = root.glob("lib/python*/site-packages")
    return found


def kinds(found: ForeignEnvironment) -> set[tuple[str, str]]:
    return {(one.kind, Path(one.path).name) for one in found.beside}


class TestMakers:
    def test_uv(self, made: Path) -> None:
        found = read(made)
        assert (found.kind, found.maker, found.python.minor, found.python.why) == ("venv", "uv", MINOR, "")
        (helper,) = found.distributions
        assert (helper.name, helper.version, helper.installer, helper.lacks) == ("helper", "1.0", "uv", ())
        assert helper.origin is not None
        assert helper.origin.path is not None

    def test_venv(self, tmp_path: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
        found = read(tmp_path / "env")
        assert (found.kind, found.maker, found.distributions, found.beside) == ("venv", "venv", (), ())
        assert found.python.version == ".".join(map(str, sys.version_info[:3]))

    def test_virtualenv(self, tmp_path: Path) -> None:
        argv = [sys.executable, "-m", "virtualenv", "-q", "--no-download", "--no-periodic-update", tmp_path / "env"]
        subprocess.run(argv, check=True)
        found = read(tmp_path / "env")
        assert (found.kind, found.maker, found.made_at, found.beside) == ("venv", "virtualenv", None, ())
        assert "pip" in found.versions

    def test_an_interpreter(self) -> None:
        found = read(Path(sys.base_prefix))
        assert (found.kind, found.python.minor) == ("interpreter", MINOR)

    def test_it_may_be_named_by_its_python(self, made: Path) -> None:
        assert read(made / "bin" / "python").root == made

    def test_its_interpreter_may_lie_where_this_user_may_not_go(
        self, made: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = (made / "bin" / "python").resolve()
        stat = Path.stat

        def refuse(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
            if path == target:
                raise PermissionError(13, "Permission denied", str(path))
            return stat(path, follow_symlinks=follow_symlinks)

        monkeypatch.setattr(Path, "stat", refuse)
        assert read(made).python.why == f"it leads to `{target}`, which this user may not access"

    def test_one_of_tfprov_is_refused(self, made: Path) -> None:
        (made / "tfprov.json").write_text("{}")
        with pytest.raises(TfprovError, match="is a copy of an environment of tfprov") as failure:
            read(made)
        assert failure.value.hint == "move it away; `tfprov up` makes it again, for this place"

    @pytest.mark.parametrize("name", ["nothing", "empty", "file"])
    def test_what_is_no_environment_is_refused(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "file").write_text("")
        with pytest.raises(TfprovError) as refused:
            read(tmp_path / name)
        assert refused.value.code.name == "environment-missing"

    def test_conda(self, tmp_path: Path) -> None:
        meta = tmp_path / "env" / "conda-meta"
        meta.mkdir(parents=True)
        for name, version in (("python", "3.11.5"), ("numpy", "1.26.4"), ("ffmpeg", "6.1")):
            channel = "https://host/conda-forge/linux-64"
            record = {"name": name, "version": version, "build": "0", "channel": channel, "files": []}
            (meta / f"{name}-{version}-0.json").write_text(json.dumps(record))
        (meta / "history").write_text(
            "==> 2024-01-01 00:00:00 <==\n# update specs: ['python=3.11', \"numpy\", 'scipy']\n"
            "==> 2024-02-01 00:00:00 <==\n# remove specs: ['scipy']\n# update specs: ['ffmpeg[version=\">=6\"]']\n"
        )
        found = read(tmp_path / "env")
        assert (found.kind, found.python.minor) == ("conda", "3.11")
        assert found.conda is not None
        assert found.conda.requested[:2] == ("python=3.11", "numpy")
        assert [spec.partition("[")[0] for spec in found.conda.requested[2:]] == ["ffmpeg"]
        assert found.conda.channels == ("https://host/conda-forge",)
        assert not found.conda.is_base
        (tmp_path / "env" / "condabin").mkdir()
        based = read(tmp_path / "env").conda
        assert based is not None
        assert based.is_base


class TestWhatLiesBeside:
    def test_files_of_the_user_and_what_starts_with_python(self, made: Path) -> None:
        place = library(made)
        (place / "mine.py").write_text("x = 1")
        (place / "notes").mkdir()
        (place / "notes" / "a.txt").write_text("a")
        (place / "start.pth").write_text("import os; os.environ.setdefault('X', '1')\n/opt/shared/lib\n")
        (place / "init.start").write_text("mine:begin\n")
        (made / "bin" / "train").write_text("#!/bin/sh\n")
        found = read(made)
        assert kinds(found) == {
            ("local", "helper-1.0.dist-info"),
            ("file", "mine.py"),
            ("file", "notes"),
            ("startup", "start.pth"),
            ("startup", "init.start"),
            ("command", "train"),
        }
        start, path = (one.what for one in found.beside if one.kind == "startup")
        assert start == "runs code when Python starts"
        assert path == f"{start}; adds `/opt/shared/lib` to `sys.path`"

    def test_a_package_that_was_removed_by_half(self, made: Path) -> None:
        place = library(made)
        (place / "~elper").mkdir()
        (place / "gone" / "__pycache__").mkdir(parents=True)
        (place / "gone" / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"")
        assert {("leftover", "~elper"), ("leftover", "gone")} <= kinds(read(made))
        assert "~elper" not in read(made).versions

    def test_an_editable_project(self, made: Path, tmp_path: Path) -> None:
        folder = library(made) / "mine-0.1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 0.1\nRequires-Dist: helper\n")
        (folder / "RECORD").write_text("")
        (folder / "direct_url.json").write_text(json.dumps({"url": tmp_path.as_uri(), "dir_info": {"editable": True}}))
        (library(made) / "__editable__.mine-0.1.pth").write_text(str(tmp_path))
        found = read(made)
        assert ("editable", "mine-0.1.dist-info") in kinds(found)
        assert not [one for one in found.beside if one.kind == "startup"]
        (mine,) = (one for one in found.distributions if one.name == "mine")
        assert mine.origin is not None
        assert (mine.origin.path, mine.origin.is_editable) == (tmp_path, True)


@pytest.mark.parametrize(
    "line",
    [
        "VIRTUAL_ENV={0}",
        "VIRTUAL_ENV='{0}'",
        '    VIRTUAL_ENV="{0}"',
        "    export VIRTUAL_ENV={0}",
    ],
)
def test_one_without_commands_that_was_moved_is_told_by_its_activation(made: Path, tmp_path: Path, line: str) -> None:
    for path in executables_in(made).iterdir():
        if not path.name.startswith("python"):
            path.unlink()
    text = f"deactivate nondestructive\n{line.format(made)}\nVIRTUAL_ENV=$(cygpath '{made}')\nexport VIRTUAL_ENV\n"
    (executables_in(made) / "activate").write_text(text)
    assert read(made).made_at is None
    moved = shutil.copytree(made, tmp_path / "moved", symlinks=True)
    assert read(moved).made_at == made
    (moved / "bin" / "activate").write_text("VIRTUAL_ENV=$(dirname $SCRIPT_PATH)\n")
    assert read(moved).made_at is None


def test_a_python_that_an_upgrade_replaced_by_a_newer_one_is_told(made: Path, tmp_path: Path) -> None:
    newer = tmp_path / f"python3.{sys.version_info[1] + 1}"
    shutil.copy2(sys.executable, newer)
    (tmp_path / "python3").symlink_to(newer)
    python_in(made).unlink()
    python_in(made).symlink_to(tmp_path / "python3")
    found = read(made)
    assert (found.python.minor, found.python.works) == (MINOR, False)
    assert found.python.why == f"it leads to `{newer}`, which does not see packages for Python {MINOR}"


def test_an_old_kind_of_editable_project_and_one_of_setup_py(made: Path, tmp_path: Path) -> None:
    place = library(made)
    (tmp_path / "src" / "old.egg-info").mkdir(parents=True)
    (tmp_path / "src" / "old.egg-info" / "PKG-INFO").write_text("Name: old\nVersion: 3.0\n")
    (tmp_path / "src" / "old.egg-info" / "requires.txt").write_text("helper>=1\n\n[more]\nother\n")
    (place / "old.egg-link").write_text(f"{tmp_path / 'src'}\n.")
    (place / "older-2.0-py3.11.egg-info").write_text("Metadata-Version: 1.0\nName: older\nVersion: 2.0\n")
    found = {one.name: one for one in read(made).distributions}
    assert (found["old"].version, found["old"].requires, found["older"].version) == ("3.0", ("helper>=1",), "2.0")


@pytest.mark.parametrize(
    "user_site",
    [
        f".local/lib/python{MINOR}/site-packages",
        f"Library/Python/{MINOR}/lib/python/site-packages",
        f"AppData/Roaming/Python/Python{MINOR.replace('.', '')}/site-packages",
    ],
)
def test_the_user_site_is_seen_from_a_conda_environment_only(made: Path, tmp_path: Path, user_site: str) -> None:
    home = tmp_path / "person"
    place = home / user_site / "numpy-1.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Name: numpy\nVersion: 1.0\n")
    assert read(made, home=home).outside == ()
    (made / "conda-meta").mkdir()
    (made / "conda-meta" / f"python-{MINOR}.1-0.json").touch()
    assert [one.name for one in read(made, home=home).outside] == ["numpy"]


@pytest.mark.parametrize(
    "records", [(), ("history",), ("history", "numpy-1.24.4-py311_0.json", "python-dateutil-2.json")]
)
def test_what_a_failed_conda_left_does_not_make_it_an_environment_of_conda(
    made: Path, records: tuple[str, ...]
) -> None:
    (made / "conda-meta").mkdir()
    for name in records:
        (made / "conda-meta" / name).write_text("{}")
    found = read(made)
    assert (found.kind, found.maker, found.conda) == ("venv", "uv", None)
    (left,) = (one for one in findings(found) if one.path == "conda-meta")
    assert (left.code, left.found) == ("foreign-file", "records of conda without its Python, ignored")
    # Without the settings of a virtual environment it is conda's, as one whose Python was removed.
    (made / "pyvenv.cfg").unlink()
    assert read(made).kind == "conda"


def test_its_own_pip_may_have_an_index(made: Path) -> None:
    assert index_of(made) == ""
    (made / "pip.conf").write_text("[global]\nindex-url = https://index.example/simple\n")
    assert index_of(made) == "https://index.example/simple"
    (made / "pip.conf").write_bytes(b"\xff\xfe[")
    assert index_of(made) == ""


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"version = \x80", b"=\n==\n", b"version\n" * 1000])
def test_settings_that_cannot_be_read_do_no_harm(made: Path, content: bytes) -> None:
    (made / "pyvenv.cfg").write_bytes(content)
    assert read(made).python.minor == MINOR


@pytest.mark.parametrize("name", ["METADATA", "RECORD", "WHEEL", "INSTALLER", "direct_url.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x80", b"{", b"null", b'"\n,,\n"', b"[]"])
def test_metadata_that_cannot_be_read_does_no_harm(made: Path, name: str, content: bytes) -> None:
    (library(made) / "helper-1.0.dist-info" / name).write_bytes(content)
    (helper,) = read(made).distributions
    assert (helper.name, helper.version) == ("helper", "1.0")


NAME = "name the folder of an environment, or the Python in it"


def test_where_there_is_nothing_it_says_what_to_name(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    words = ("environment-missing", f"there is no environment at `{gone}`", NAME)
    assert refusal(lambda: read(gone)) == words


def test_a_folder_of_something_else_is_not_an_environment(tmp_path: Path) -> None:
    assert refusal(lambda: read(tmp_path)) == (
        *("environment-missing", f"`{tmp_path}` is not an environment"),
        f"`{tmp_path}` has neither `pyvenv.cfg` nor `conda-meta` nor a site-packages folder",
        NAME,
    )


@pytest.mark.parametrize("text", ["{there}\n", "../envs/train", "{there}\r\nmore\n"])
def test_a_file_with_the_path_of_an_environment_leads_to_it(tmp_path: Path, text: str) -> None:
    there = tmp_path / "envs" / "train"
    there.mkdir(parents=True)
    (there / "pyvenv.cfg").write_text("version = 3.11.7\n")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".venv").write_text(text.format(there=there))
    assert os.path.samefile(read(tmp_path / "project" / ".venv").root, there)


@pytest.mark.parametrize("folder", ["work", ".local/share/virtualenvs", ".virtualenvs"])
def test_a_file_with_the_name_of_an_environment_leads_to_that_of_pipenv_or_virtualenvwrapper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    there = tmp_path / folder / "train-x1Y2z3"
    there.mkdir(parents=True)
    (there / "pyvenv.cfg").write_text("version = 3.11.7\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WORKON_HOME", str(tmp_path / "work"))
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".venv").write_text("train-x1Y2z3\n")
    assert os.path.samefile(read(tmp_path / "project" / ".venv").root, there)


@pytest.mark.parametrize("content", ["gone\n", "", "\n", "x" * 5000])
def test_a_venv_file_that_leads_nowhere_is_no_environment_itself(tmp_path: Path, content: str) -> None:
    (tmp_path / ".venv").write_text(content)
    with pytest.raises(TfprovError) as failure:
        read(tmp_path / ".venv")
    assert failure.value.code.name == "environment-missing"
    assert failure.value.what == f"`{tmp_path / '.venv'}` is a file, and its first line leads to no environment"


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root is kept from nothing without setpriv"
)
@pytest.mark.parametrize("closed", ["helper.py", "helper-1.0.dist-info", "helper-1.0.dist-info/RECORD", "pkg"])
def test_what_this_user_may_not_read_is_a_finding_and_ends_nothing(made: Path, closed: str) -> None:
    """As `sudo pip install` leaves it under a strict umask."""
    path = library(made) / closed
    path.mkdir(exist_ok=True) if closed == "pkg" else None
    path.chmod(0o000)
    code = (
        "import sys; from pathlib import Path; from tfprov.adopt.judge import findings; "
        "from tfprov.adopt.read import read; found = read(Path(sys.argv[1])); "
        "print([(one.name, one.version) for one in found.distributions]); "
        "print(*[f'{each.path}: {each.found}' for each in findings(found)], sep='\\n')"
    )
    bare = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    try:
        done = subprocess.run([*bare, sys.executable, "-c", code, made], capture_output=True, text=True, check=False)
    finally:
        path.chmod(0o755)
    first, *others = done.stdout.splitlines() or [done.stderr]
    assert first == "[('helper', '1.0')]"
    told = [line for line in others if "helper" in line]
    assert told or closed == "pkg"
    assert all("Permission denied" in line or "this user may not read" in line for line in told), told


def test_in_place_of_a_folder_the_environment_in_it_is_to_be_named(tmp_path: Path) -> None:
    for name in ("env", ".venv"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyvenv.cfg").touch()
    assert refusal(lambda: read(tmp_path))[-1] == f"`{tmp_path / '.venv'}` is one: name that"


def test_an_environment_of_tfprov_is_not_adopted(tmp_path: Path) -> None:
    root = tmp_path / "generations" / "0001"
    root.mkdir(parents=True)
    (tmp_path / "owner.json").touch()
    (tmp_path / ".venv").symlink_to(root)
    link = tmp_path / ".venv"
    assert refusal(lambda: read(link)) == (
        *("usage", f"`{link}` is already an environment of tfprov", f"it is `{root}`"),
        "use `tfprov up` to update it",
    )
