from __future__ import annotations

import errno
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import platformdirs
import pytest

from tfprov import paths, trash
from tfprov.bundle.starter import staging
from tfprov.envs.links import switch
from tfprov.pipeline import init
from tfprov.products import check_place
from tfprov.profile.load import load
from tfprov.temporary import staged, sweep_staged
from tfprov.writing import write_atomic
from told import refusal


def test_tfprov_home_moves_everything(tmp_path: Path) -> None:
    home = paths.home({"TFPROV_HOME": str(tmp_path)})
    assert (home.data, home.cache, home.state) == (tmp_path / "data", tmp_path / "cache", tmp_path / "state")
    assert home.environments == tmp_path / "data" / "environments"
    assert home.store == tmp_path / "cache" / "store"
    assert home.journals == tmp_path / "state" / "journals"
    assert list(tmp_path.iterdir()) == []


def test_a_relative_tfprov_home_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.home({"TFPROV_HOME": "here"}).data == tmp_path / "here" / "data"


def test_a_tilde_in_tfprov_home_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert paths.home({"TFPROV_HOME": "~/x"}).data == tmp_path / "x" / "data"


@pytest.mark.skipif(os.name == "nt", reason="Python takes any user of Windows for a neighbour")
def test_the_home_of_a_user_that_does_not_exist_is_a_plain_path() -> None:
    assert paths.expanded("~no-such-user-anywhere/x") == Path("~no-such-user-anywhere/x")


def on_another_drive(path: object, start: object) -> str:
    raise ValueError(f"path is on mount 'D:', start on mount 'C:': {path}, {start}")


def test_a_path_on_another_drive_has_no_relative_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.relative(tmp_path / "a", tmp_path / "b") == "../a"
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "pyproject.toml").write_text('[project]\nname = "lib"\nversion = "1"\n')
    (tmp_path / "requirements.txt").write_text("./lib\n")
    monkeypatch.setattr(os.path, "relpath", on_another_drive)
    assert paths.relative(tmp_path / "a", tmp_path / "b") == str(tmp_path / "a")
    assert load(tmp_path / "requirements.txt").requirements == (f"lib @ {(tmp_path / 'lib').as_uri()}",)
    made = init.init(
        tmp_path / "new.toml", environ={"TFPROV_HOME": str(tmp_path)}, source=tmp_path / "requirements.txt"
    )
    assert made.files == (str(tmp_path / "requirements.txt"),)


def test_no_other_module_looks_for_a_relative_path_where_there_may_be_none() -> None:
    source = Path(paths.__file__).parent
    found = {file.name for file in source.rglob("*.py") if "relpath(" in file.read_text(encoding="utf-8")}
    # The others have both paths in one environment, or run there.
    assert found == {"paths.py", "bytecode.py", "metadata.py", "place.py", "means.py"}


def test_no_other_module_expands_a_path_in_a_way_that_fails_for_an_unknown_user() -> None:
    source = Path(paths.__file__).parent
    found = {file.name for file in source.rglob("*.py") if ".expanduser(" in file.read_text(encoding="utf-8")}
    # The starter of bundles runs where tfprov is not installed, and catches the error.
    assert found == {"paths.py", "starter.py"}


def test_an_empty_tfprov_home_counts_as_unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "tfprov" in str(paths.home({"TFPROV_HOME": ""}).data)


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of the XDG specification")
def test_without_tfprov_home_the_platform_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    found = paths.home({})
    assert found.data == tmp_path / ".local/share/tfprov"
    assert found.cache == tmp_path / ".cache/tfprov"
    assert found.state == tmp_path / ".local/state/tfprov"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert paths.home({}).cache == tmp_path / "elsewhere" / "tfprov"


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of the XDG specification")
@pytest.mark.parametrize("mode", [0o755, 0o775, 0o2775, 0o777, 0o1777])
@pytest.mark.parametrize("place", [".local/share", ".cache", ".local/state"])
def test_a_folder_of_the_platform_is_taken_like_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, mode: int
) -> None:
    """In one that others can write to, an environment could be planted that this user would run."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / place / "tfprov"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    root = paths.home({"TFPROV_HOME": str(folder)}).data.parent
    assert (root == folder) == (mode in (0o755, 0o775))
    home = paths.home({})
    expected = {each: tmp_path / each / "tfprov" for each in (".local/share", ".cache", ".local/state")} | {place: root}
    assert [home.data, home.cache, home.state] == list(expected.values())
    assert folder in home.store.parents or place != ".cache"


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of the XDG specification")
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_environments_in_a_folder_that_is_common_now_are_found_but_those_of_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool, mode: int
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    root = tmp_path / "tfprov"
    environ = {"TFPROV_HOME": str(root)} if named else {}
    root.mkdir()
    older = paths.home(environ).environments
    root.chmod(mode)
    now = paths.home(environ).environments
    assert paths.left_in_common(now) is None
    (older / ".locks").mkdir(parents=True)
    assert paths.left_in_common(now) is None
    (older / "train-0123").mkdir()
    assert paths.left_in_common(now) == (older if mode == 0o777 else None)
    if os.getuid() == 0:
        os.chown(older / "train-0123", 1234, 1234)
        assert paths.left_in_common(now) is None


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root can make a folder of another user")
def test_a_folder_of_the_platform_in_which_another_user_took_ones_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (own := tmp_path / "tfprov" / "user-0").mkdir(parents=True)
    own.parent.chmod(0o777)
    os.chown(own, 1234, 1234)
    assert refusal(lambda: paths.home({})) == (
        "path-not-ours",
        f"`{own}` is not a folder that belongs to this user",
        f"several users can write to `{own.parent}`, so each has a separate folder in it",
        "set TFPROV_HOME to a folder that only you may write to",
    )


def test_without_any_home_directory_the_next_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # What expanduser does for a user without an entry in the database.
    for name in ("user_data_path", "user_cache_path", "user_state_path"):
        monkeypatch.setattr(platformdirs, name, lambda *_, **__: Path("~/.local/share/tfprov"))
    code, _, why, hint = refusal(lambda: paths.home({}))
    assert code == "permission-denied"
    assert why == "HOME is not set to an absolute path, and this user has no entry in the user database"
    assert "TFPROV_HOME" in hint


def test_a_folder_is_writable_when_a_file_can_be_made_in_it(tmp_path: Path) -> None:
    assert paths.writable(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not paths.writable(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    assert not paths.writable(tmp_path / "file")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has files without a name")
@pytest.mark.parametrize("refusal", [None, errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL])
def test_a_run_that_is_killed_while_it_tries_a_folder_leaves_no_file_there_if_the_system_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int | None
) -> None:
    real, seen = (os.open, os.fdopen), list[int]()

    def opened(path: Path, flags: int, mode: int) -> int:
        if refusal is not None and flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(refusal, os.strerror(refusal), str(path))
        return real[0](path, flags, mode)

    def writing_to(handle: int, mode: str) -> object:
        seen.append(len(os.listdir(tmp_path)))
        return real[1](handle, mode)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fdopen", writing_to)
    paths.try_file(tmp_path, b"content")
    assert seen == [0 if refusal is None else 1]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("system", ["posix", "nt"])
def test_below_a_file_is_nothing_that_only_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        try:
            return real(path)
        except NotADirectoryError as error:
            raise (FileNotFoundError(*error.args) if system == "nt" else error) from None

    monkeypatch.setattr(Path, "lstat", lstat)
    (tmp_path / "file").touch()
    found = paths.status_of(tmp_path / "file")
    assert found is not None and found.st_size == 0
    assert paths.status_of(tmp_path / "nothing") is None
    assert paths.status_of(tmp_path / "nothing" / "x") is None
    for below in ("x", "x/y"):
        with pytest.raises(NotADirectoryError):
            paths.status_of(tmp_path / "file" / below)


@pytest.mark.parametrize("system", ["posix", "nt"])
def test_a_folder_that_refuses_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """On Windows `tempfile` takes a refusal for a name that is taken, and tries two billion others."""
    asked: list[str] = []

    def refuse(path: Path | str, *_: int) -> None:
        asked.append(str(path))
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "mkdir", refuse)
    monkeypatch.setattr(tempfile, "_os", SimpleNamespace(**{**vars(os), "name": system}))
    monkeypatch.setattr(tempfile, "TMP_MAX", 5)
    assert not paths.writable(tmp_path)
    for make in (lambda: paths.try_file(tmp_path), lambda: check_place(tmp_path / "x"), staging(tmp_path).__enter__):
        with pytest.raises(PermissionError):
            make()
    assert len(asked) == 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["x", "pylock.train.toml", ".hidden", "ö u t", "a" * 255, "company", "com10.txt", "1!2+x"]
)
def test_a_plain_name_is_taken_as_it_is(name: str, tmp_path: Path) -> None:
    assert paths.plain(name) == name
    assert paths.inside(tmp_path, f"deep/{name}") == tmp_path / "deep" / name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "..",
            "/a",
            "a\\b",
            "C:",
            "a\0b",
            "a\nb",
            "a\x7f",
            "\x9b",
            "\ud800",
            "a.",
            "a ",
            "a*",
            '"a"',
            "ö" * 128,
        ),
        *("con", "NUL", "Aux.txt", "com1", "LPT9.tar.gz", "nul .x", "COM¹"),
    ],
)
def test_a_name_that_may_lead_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"name|character|bytes"):
        paths.plain(name)
    with pytest.raises(ValueError, match=r"name|character|bytes"):
        paths.inside(tmp_path, f"deep/{name}")


def test_a_plain_name_has_no_folder() -> None:
    with pytest.raises(ValueError, match="contains a character"):
        paths.plain("a/b")


@pytest.mark.skipif(os.name == "nt", reason="few users of Windows may make links, and Wine only says that it did")
@pytest.mark.parametrize("path", ["link", "link/authorized_keys", "deep/link/x"])
def test_nothing_from_elsewhere_is_put_behind_a_link(path: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "own" / "deep").mkdir(parents=True)
    for folder in ("own", "own/deep"):
        (tmp_path / folder / "link").symlink_to(tmp_path / "home")
    code, what, hint = refusal(lambda: paths.inside(tmp_path / "own", path))
    link = tmp_path / "own" / ("deep/link" if "deep" in path else "link")
    assert (code, hint) == ("path-not-ours", "remove the link")
    assert what == f"`{link}` is a link, but tfprov keeps plain files and folders there"


def test_the_nearest_folder_passes_over_what_is_not_there_and_files_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert paths.nearest_folder(tmp_path / "not" / "yet") == Path(os.path.realpath(tmp_path))
    assert paths.nearest_folder(tmp_path / "file" / "below") == Path(os.path.realpath(tmp_path))
    assert paths.nearest_folder(tmp_path) == Path(os.path.realpath(tmp_path))


@pytest.mark.skipif(os.name == "nt", reason="links need a developer's rights")
def test_the_nearest_folder_is_where_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert paths.nearest_folder(tmp_path / "link" / "new") == Path(os.path.realpath(tmp_path / "real"))


def test_a_relative_path_in_a_deleted_folder_has_no_nearest_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", lost)
    assert paths.nearest_folder(Path("here")) == Path("here")


@pytest.mark.skipif(os.name != "posix", reason="names of the longest kind there")
@pytest.mark.parametrize("name", ["x" * 255, "中" * 85, "a" + "é" * 127, "\udcff" * 255, "." * 255])
class TestLongestNames:
    def test_a_file_is_written(self, tmp_path: Path, name: str) -> None:
        write_atomic(tmp_path / name, b"1")
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"1")]

    @pytest.mark.parametrize("folder", [True, False])
    def test_it_is_staged_and_swept(self, tmp_path: Path, name: str, folder: bool) -> None:
        with staged(tmp_path / name, folder=folder) as place:
            place.rename(tmp_path / name)
        with staged(tmp_path / name, folder=folder) as place:
            left = place.rename(tmp_path / "left")
        left.rename(place)
        sweep_staged(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [name]

    def test_a_folder_is_found_in_the_trash_and_discarded(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).mkdir()
        left = trash.to_trash(tmp_path / name)
        assert trash.trash_in(tmp_path, of=name) == trash.trash_in(tmp_path) == [left]
        (tmp_path / name).mkdir()
        trash.discard(tmp_path / name)
        assert list(tmp_path.iterdir()) == [left]

    def test_a_link_is_switched(self, tmp_path: Path, name: str) -> None:
        for target in ("one", "two"):
            switch(tmp_path / name, Path(target), tmp_path)
            assert [(path.name, path.readlink()) for path in tmp_path.iterdir()] == [(name, Path(target))]
