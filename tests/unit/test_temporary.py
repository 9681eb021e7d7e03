from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import tfprov
from tfprov import paths, temporary
from tfprov.errors import TfprovError
from tfprov.temporary import is_being_made, staged, sweep_staged
from told import told


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
        with temporary.temporary("lock") as folder:
            assert folder.parent == tmp_path
            (folder / "file").touch()
            temporary.sweep_temporary(now=time.time() + 1e6)
            assert (folder / "file").exists()
        assert list(tmp_path.iterdir()) == []

    def test_what_a_killed_run_left_goes_after_an_hour(self, tmp_path: Path, gone: int) -> None:
        left = tmp_path / f"tfprov-smoke-{gone}-x1_y2"
        (left / "core-1").mkdir(parents=True)
        temporary.sweep_temporary(now=time.time() + 3000)
        assert left.exists()
        temporary.sweep_temporary(now=time.time() + 4000)
        assert not left.exists()

    def test_a_name_with_a_number_that_no_process_can_have_is_that_of_a_killed_run(self, tmp_path: Path) -> None:
        left = tmp_path / "tfprov-lock-9999999999-x1"
        left.mkdir()
        temporary.sweep_temporary(now=time.time() + 4000)
        assert not left.exists()

    def test_what_others_made_stays(self, tmp_path: Path, gone: int) -> None:
        names = {"tfprov-mine", f"other-lock-{gone}-abc", f"tfprov-lock-{gone}", f"tfprov-lock-{gone}-file"}
        for name in names - {f"tfprov-lock-{gone}-file"}:
            (tmp_path / name).mkdir()
        (tmp_path / f"tfprov-lock-{gone}-file").touch()
        (tmp_path / f"tfprov-lock-{gone}-link").symlink_to(tmp_path / "tfprov-mine")
        temporary.sweep_temporary(now=time.time() + 1e6)
        assert {path.name for path in tmp_path.iterdir()} == names | {f"tfprov-lock-{gone}-link"}


class TestIsBeingMade:
    def test_it_is_by_a_process_that_was_there_before(self, tmp_path: Path) -> None:
        assert is_being_made(tmp_path, str(os.getppid()))

    def test_it_is_not_by_a_later_process_of_the_same_id(self, tmp_path: Path) -> None:
        os.utime(tmp_path, (1e9, 1e9))
        assert not is_being_made(tmp_path, str(os.getppid()))

    @pytest.mark.parametrize("maker", ["9" * 30, "9" * 5000, "²", "x", "-1", ""])
    def test_it_is_not_by_what_cannot_be_a_process(self, tmp_path: Path, maker: str) -> None:
        assert not is_being_made(tmp_path, maker)

    @pytest.mark.skipif(not hasattr(os, "waitid"), reason="zombies are POSIX")
    def test_it_is_not_by_a_process_that_has_ended_and_is_not_waited_for(self, tmp_path: Path) -> None:
        with subprocess.Popen([sys.executable, "-c", ""]) as ended:
            os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
            assert not is_being_made(tmp_path, str(ended.pid))

    def test_it_is_not_when_it_is_gone(self, tmp_path: Path) -> None:
        assert not is_being_made(tmp_path / "gone", str(os.getpid()))


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
from tfprov.temporary import staged
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

    @pytest.mark.parametrize("folder", [False, True])
    def test_what_was_left_before_it_was_locked_goes_after_an_hour(self, tmp_path: Path, folder: bool) -> None:
        target = tmp_path / "export"
        left, new = paths.beside(target, ".tmp"), paths.beside(target, ".tmp")
        for place in (left, new):
            place.mkdir() if folder else place.touch()
        os.utime(left, (time.time() - 4000,) * 2)
        with staged(target, folder=folder):
            assert new.exists() and not left.exists()

    @pytest.mark.skipif(os.name != "posix", reason="without locks it goes by the age")
    @pytest.mark.parametrize("folder", [True, False])
    def test_a_place_is_not_swept_before_it_is_locked(
        self, tmp_path: Path, folder: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = temporary._lock

        def locked_late(opened: int) -> bool:
            monkeypatch.setattr(temporary, "_lock", real)
            sweep_staged(tmp_path)
            return real(opened)

        monkeypatch.setattr(temporary, "_lock", locked_late)
        with staged(tmp_path / "made", folder=folder) as place:
            assert place.exists()
            sweep_staged(tmp_path)
            assert place.exists()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(os.name != "posix", reason="there are no pipes on disk")
    def test_a_pipe_of_such_a_name_is_not_waited_for(self, tmp_path: Path) -> None:
        pipe = tmp_path / ".out.1-12345678.new"
        os.mkfifo(pipe)
        # In a process of its own, which can be ended if it waits.
        code = "import sys; from pathlib import Path; from tfprov.temporary import sweep_staged; sweep_staged(Path())"
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60, check=True)
        assert not pipe.exists()

    @pytest.mark.skipif(os.name != "posix", reason="without locks it goes by the age")
    def test_what_cannot_be_looked_at_keeps_nothing_else_from_going(self, tmp_path: Path) -> None:
        for number in range(10, 20):
            (tmp_path / f".left.1-123456{number}.new").touch()
            (tmp_path / f".link.1-123456{number}.new").symlink_to("nowhere")
        sweep_staged(tmp_path)
        assert [path for path in tmp_path.iterdir() if "left" in path.name] == []


def test_without_a_usual_folder_for_temporary_files_there_is_one_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "gone")])
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path / "home"))
    with temporary.temporary("test") as folder:
        assert folder.parent == tmp_path / "home" / "cache" / "temporary"
        assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(folder.parent)
    assert list((tmp_path / "home" / "cache" / "temporary").iterdir()) == []


def test_where_there_is_none_either_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "gone")])
    (tmp_path / "file").touch()
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(TfprovError, match="no folder for temporary files") as failure, temporary.temporary("test"):
        pass
    code, what, *why, hint = told(failure.value)
    assert (code, what) == ("permission-denied", "there is no folder for temporary files")
    assert any(line.endswith("` cannot be written to either") for line in why)
    assert hint == "name one that you may write to with TMPDIR"


def test_every_temporary_folder_is_one_that_the_next_run_can_sweep() -> None:
    """Probes and the starter of a bundle run where tfprov is not installed."""
    source = Path(str(tfprov.__file__)).parent
    own = [path for path in source.rglob("*.py") if "probes" not in path.parts and path.name != "starter.py"]
    made = {path.name for path in own if "tempfile.TemporaryDirectory(" in path.read_text(encoding="utf-8")}
    assert made == {"temporary.py"}
