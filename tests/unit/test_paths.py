from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import platformdirs
import pytest

from tfprov import contents, paths
from tfprov.errors import TfprovError
from tfprov.paths import staged, sweep_staged


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


def test_the_home_of_a_user_that_does_not_exist_is_a_plain_path() -> None:
    assert paths.expanded("~no-such-user-anywhere/x") == Path("~no-such-user-anywhere/x")


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


def test_without_any_home_directory_the_next_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # What expanduser does for a user without an entry in the database.
    for name in ("user_data_path", "user_cache_path", "user_state_path"):
        monkeypatch.setattr(platformdirs, name, lambda *_, **__: Path("~/.local/share/tfprov"))
    with pytest.raises(TfprovError) as failure:
        paths.home({})
    assert failure.value.code.name == "permission-denied"
    assert "TFPROV_HOME" in failure.value.hint


def test_a_file_is_written_with_its_parents_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    paths.write_atomic(path, b"one")
    paths.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_a_file_gets_the_permissions_that_any_new_file_would_get(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        paths.write_atomic(tmp_path / "file", b"")
        after = os.umask(0o027)
    finally:
        os.umask(old)
    assert after == 0o027
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as failure:
        paths.write_atomic(path, b"new")
    assert failure.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_readers_see_the_old_or_the_new_content_never_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = {b"a" * 200_000, b"b" * 200_000}
    path.write_bytes(b"a" * 200_000)
    code = (
        "import sys; from pathlib import Path; from tfprov.paths import write_atomic\n"
        "for n in range(60): write_atomic(Path(sys.argv[1]), (b'ab'[n % 2:][:1]) * 200_000)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)]) as writer:
        while writer.poll() is None:
            assert path.read_bytes() in contents
    assert writer.returncode == 0


def test_a_folder_is_writable_when_a_file_can_be_made_in_it(tmp_path: Path) -> None:
    assert paths.writable(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not paths.writable(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    assert not paths.writable(tmp_path / "file")


class TestTemporary:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    @pytest.fixture
    def gone(self) -> int:
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        return process.pid

    def test_a_temporary_folder_is_there_for_as_long_as_it_is_used(self, tmp_path: Path) -> None:
        with paths.temporary("lock") as folder:
            assert folder.parent == tmp_path
            (folder / "file").touch()
            paths.sweep_temporary(now=time.time() + 1e6)
            assert (folder / "file").exists()
        assert list(tmp_path.iterdir()) == []

    def test_what_a_killed_run_left_goes_after_an_hour(self, tmp_path: Path, gone: int) -> None:
        left = tmp_path / f"tfprov-smoke-{gone}-x1_y2"
        (left / "core-1").mkdir(parents=True)
        paths.sweep_temporary(now=time.time() + 3000)
        assert left.exists()
        paths.sweep_temporary(now=time.time() + 4000)
        assert not left.exists()

    def test_a_name_with_a_number_that_no_process_can_have_is_that_of_a_killed_run(self, tmp_path: Path) -> None:
        left = tmp_path / "tfprov-lock-9999999999-x1"
        left.mkdir()
        paths.sweep_temporary(now=time.time() + 4000)
        assert not left.exists()

    def test_what_others_made_stays(self, tmp_path: Path, gone: int) -> None:
        names = {"tfprov-mine", f"other-lock-{gone}-abc", f"tfprov-lock-{gone}", f"tfprov-lock-{gone}-file"}
        for name in names - {f"tfprov-lock-{gone}-file"}:
            (tmp_path / name).mkdir()
        (tmp_path / f"tfprov-lock-{gone}-file").touch()
        (tmp_path / f"tfprov-lock-{gone}-link").symlink_to(tmp_path / "tfprov-mine")
        paths.sweep_temporary(now=time.time() + 1e6)
        assert {path.name for path in tmp_path.iterdir()} == names | {f"tfprov-lock-{gone}-link"}


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


@pytest.mark.parametrize("path", ["link", "link/authorized_keys", "deep/link/x"])
def test_nothing_from_elsewhere_is_put_behind_a_link(path: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "own" / "deep").mkdir(parents=True)
    for folder in ("own", "own/deep"):
        (tmp_path / folder / "link").symlink_to(tmp_path / "home")
    with pytest.raises(TfprovError) as caught:
        paths.inside(tmp_path / "own", path)
    assert caught.value.code.name == "path-not-ours"


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


class TestTrash:
    def test_a_folder_loses_its_name_at_once_and_may_be_made_again(self, tmp_path: Path) -> None:
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "old").touch()
        first = paths.to_trash(tmp_path / "made")
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "new").touch()
        second = paths.to_trash(tmp_path / "made")
        assert [path.name for path in first.iterdir()] == ["old"]
        assert paths.trash_in(tmp_path) == sorted((first, second))

    def test_what_is_discarded_is_gone_and_what_was_never_there_is_no_failure(self, tmp_path: Path) -> None:
        (tmp_path / "made" / "inner").mkdir(parents=True)
        paths.discard(tmp_path / "made")
        paths.discard(tmp_path / "made")
        assert list(tmp_path.iterdir()) == []


class TestStaged:
    @pytest.mark.parametrize("folder", [True, False])
    def test_what_is_renamed_stays_and_what_is_not_goes(self, tmp_path: Path, folder: bool) -> None:
        target = tmp_path / "made"
        with staged(target, folder=folder) as place:
            place.rename(target)
        with pytest.raises(KeyError), staged(target, folder=folder):
            raise KeyError
        assert list(tmp_path.iterdir()) == [target]

    @pytest.mark.skipif(os.name != "posix", reason="without locks it goes by the age")
    @pytest.mark.parametrize("folder", [True, False])
    def test_what_a_killed_process_left_goes_and_what_a_living_one_makes_stays(
        self, tmp_path: Path, folder: bool
    ) -> None:
        script = f"""
import sys, time
from pathlib import Path
from tfprov.paths import staged
with staged(Path({str(tmp_path / "made")!r}), folder={folder}) as place:
    print(place, flush=True)
    time.sleep(600)
"""
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        mine = tmp_path / ".made.1-12345678.old"
        mine.touch()
        sweep_staged(tmp_path)
        assert left.exists()
        process.kill()
        process.communicate()
        assert left.exists()
        sweep_staged(tmp_path)
        assert list(tmp_path.iterdir()) == [mine]

    @pytest.mark.skipif(os.name != "posix", reason="without locks it goes by the age")
    def test_what_cannot_be_looked_at_keeps_nothing_else_from_going(self, tmp_path: Path) -> None:
        for number in range(10, 20):
            (tmp_path / f".left.1-123456{number}.new").touch()
            (tmp_path / f".link.1-123456{number}.new").symlink_to("nowhere")
        sweep_staged(tmp_path)
        assert [path for path in tmp_path.iterdir() if "left" in path.name] == []


def test_a_file_larger_than_anything_that_is_meant_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    with path.open("wb") as stream:
        stream.truncate(contents.MOST_CONTENT + 1)
    with pytest.raises(OSError, match="larger than"):
        contents.content_of(path)
    assert contents.content_of(path, most=contents.MOST_CONTENT + 1)


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be opened elsewhere")
def test_a_folder_that_cannot_be_synced_is_no_failure_and_a_disk_that_fails_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = {}
    for number in errno.errorcode:

        def fsync(_descriptor: int, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)
        try:
            paths.sync_folder(tmp_path)
        except OSError as error:
            ended[number] = error.errno
    assert set(errno.errorcode) - set(ended) == {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
    assert all(number == seen for number, seen in ended.items())


@pytest.mark.skipif(os.name != "posix", reason="there is no fcntl elsewhere")
@pytest.mark.parametrize("refused", [False, True])
def test_macos_is_asked_to_empty_the_cache_of_the_disk_and_else_to_write_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    import fcntl

    asked: list[str] = []

    def control(_descriptor: int, request: int) -> int:
        asked.append(f"fcntl {request}")
        if refused:
            raise OSError(errno.ENOTSUP, "Operation not supported")
        return 0

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: asked.append("fsync"))
    paths.write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert asked == (["fcntl 51", "fsync"] if refused else ["fcntl 51"])


def test_without_a_usual_folder_for_temporary_files_there_is_one_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "gone")])
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path / "home"))
    with paths.temporary("test") as folder:
        assert folder.parent == tmp_path / "home" / "cache" / "temporary"
        assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(folder.parent)
    assert list((tmp_path / "home" / "cache" / "temporary").iterdir()) == []


def test_where_there_is_none_either_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "gone")])
    (tmp_path / "file").touch()
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(TfprovError, match="no folder for temporary files") as failure, paths.temporary("test"):
        pass
    assert failure.value.code.name == "permission-denied"
    assert "TMPDIR" in failure.value.hint
