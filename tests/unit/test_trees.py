from __future__ import annotations

import errno
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tfprov import trees
from tfprov.ladder.classify import classify_exception
from tfprov.trash import to_trash, trash_in


def forest(folder: Path, *, count: int = 1500) -> list[str]:
    """Paths of many files in folders of all sizes, one of which holds most of them."""
    paths = [f"lib/big/{number % 40}/{number}.py" for number in range(count)]
    paths += [f"lib/small{number}/ä {number}.py" for number in range(5)]
    paths += ["lib/big/in between.py", "top.py"]
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    return paths


@dataclass(frozen=True)
class WindowsEntry:
    """A `DirEntry` as Windows gives it, for a folder or what leads to one."""

    tag: int
    folder: bool = True

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return follow_symlinks or self.folder

    def stat(self, *, follow_symlinks: bool = True) -> SimpleNamespace:
        return SimpleNamespace(st_reparse_tag=0 if follow_symlinks else self.tag)

    def as_entry(self) -> os.DirEntry[str]:
        return cast("os.DirEntry[str]", self)


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=[1, 3], ids=["one processor", "three"])
def processors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: request.param)


@pytest.mark.usefixtures("processors")
class TestBring:
    def test_every_file_comes_over(self, tmp_path: Path) -> None:
        paths = forest(tmp_path / "from")
        trees.bring_tree(tmp_path / "from", tmp_path / "to", paths, ways=trees.ALL)
        assert content(tmp_path / "to") == content(tmp_path / "from")

    def test_what_is_there_already_stays(self, tmp_path: Path) -> None:
        paths = forest(tmp_path / "from")
        (tmp_path / "to/lib/big/0").mkdir(parents=True)
        (tmp_path / "to/lib/big/0/0.py").write_text("mine")
        trees.bring_tree(tmp_path / "from", tmp_path / "to", paths, ways=trees.ALL)
        assert content(tmp_path / "to") == {**content(tmp_path / "from"), "lib/big/0/0.py": "mine"}

    @pytest.mark.parametrize("way", trees.ALL)
    def test_no_way_writes_into_what_is_there(self, tmp_path: Path, way: trees.Way) -> None:
        forest(tmp_path / "from", count=1)
        (tmp_path / "kept").write_text("mine")
        (tmp_path / "to").mkdir()
        (tmp_path / "to/top.py").hardlink_to(tmp_path / "kept")
        trees.bring_tree(tmp_path / "from", tmp_path / "to", ["top.py"], ways=(way, trees.copy))
        assert (tmp_path / "kept").read_text() == "mine"

    def test_a_way_that_fails_gives_way_to_the_next(self, tmp_path: Path) -> None:
        def refuse(_source: str, target: str) -> None:
            Path(target).touch()
            raise OSError(errno.EOPNOTSUPP, "no clones here")

        paths = forest(tmp_path / "from")
        trees.bring_tree(tmp_path / "from", tmp_path / "to", paths, ways=(refuse, trees.copy))
        assert content(tmp_path / "to") == content(tmp_path / "from")

    def test_a_full_disk_in_any_folder_is_told(self, tmp_path: Path) -> None:
        def full(source: str, target: str) -> None:
            if source.endswith("1234.py"):
                raise OSError(errno.ENOSPC, "No space left on device")
            trees.copy(source, target)

        paths = forest(tmp_path / "from")
        with pytest.raises(OSError, match="No space left"):
            trees.bring_tree(tmp_path / "from", tmp_path / "to", paths, ways=(full, trees.copy))

    def test_no_files_are_no_work(self, tmp_path: Path) -> None:
        trees.bring_tree(tmp_path, tmp_path / "to", (), ways=trees.ALL)
        assert not (tmp_path / "to").exists()


class TestCopyTree:
    @pytest.mark.parametrize("call", ["shutil.copyfile", "os.symlink", "os.mkdir", "shutil.copystat"])
    @pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "disk-full"), (errno.EROFS, "read-only-fs")])
    def test_a_failure_is_that_of_the_system(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: str
    ) -> None:
        forest(tmp_path / "from", count=2)
        (tmp_path / "from/lib/link").symlink_to("nowhere")

        def refuse(*_given: object, **_more: object) -> None:
            raise OSError(number, os.strerror(number), "name")

        monkeypatch.setattr(call, refuse)
        with pytest.raises(OSError) as failure:
            trees.copy_tree(tmp_path / "from", tmp_path / "to")
        assert (failure.value.errno, classify_exception(failure.value).code.name) == (number, code)

    @pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
    def test_what_cannot_be_copied_is_named(self, tmp_path: Path) -> None:
        forest(tmp_path / "from", count=2)
        os.mkfifo(tmp_path / "from/pipe")
        with pytest.raises(OSError, match="is a named pipe") as failure:
            trees.copy_tree(tmp_path / "from", tmp_path / "to")
        assert failure.value.filename == str(tmp_path / "from/pipe")

    def test_everything_comes_over_with_its_links(self, tmp_path: Path) -> None:
        forest(tmp_path / "from")
        (tmp_path / "from/lib/link").symlink_to("nowhere")
        trees.copy_tree(tmp_path / "from", tmp_path / "to")
        assert content(tmp_path / "to") == content(tmp_path / "from")
        assert (tmp_path / "to/lib/link").readlink() == Path("nowhere")


class TestSpread:
    @pytest.mark.skipif(shutil.which("chattr") is None, reason="no chattr here")
    def test_the_folder_is_marked_as_the_top_of_hierarchies_and_keeps_its_other_flags(self, tmp_path: Path) -> None:
        marked = subprocess.run(["chattr", "+A", tmp_path], capture_output=True, check=False)
        before = flags(tmp_path)
        if marked.returncode or "A" not in before:
            pytest.skip("this file system has no such flags")
        trees.spread(tmp_path)
        trees.spread(tmp_path)
        assert set(flags(tmp_path)) == {*before, "T"}
        (tmp_path / "inner").mkdir()
        assert "T" not in flags(tmp_path / "inner")

    def test_where_there_are_no_flags_nothing_happens(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for place in (tmp_path / "none", tmp_path / "file", Path("/proc/self")):
            trees.spread(place)


def flags(folder: Path) -> str:
    return subprocess.run(["lsattr", "-d", folder], capture_output=True, text=True, check=False).stdout.split(" ")[0]


@pytest.mark.usefixtures("processors")
class TestDelete:
    def test_nothing_is_left_and_nothing_behind_a_link_is_touched(self, tmp_path: Path) -> None:
        forest(tmp_path / "from")
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside/file").write_text("mine")
        (tmp_path / "from/lib/big/link").symlink_to(tmp_path / "outside", target_is_directory=True)
        trees.delete(tmp_path / "from")
        assert not (tmp_path / "from").exists()
        assert content(tmp_path / "outside") == {"file": "mine"}

    def test_of_a_link_only_the_link_is_deleted(self, tmp_path: Path) -> None:
        """A generation, or an environment, that a user moved to another disk and left a link for."""
        paths = forest(tmp_path / "other disk")
        link = tmp_path / "link"
        link.symlink_to("other disk", target_is_directory=True)
        trees.delete(link)
        assert not link.is_symlink()
        assert len(content(tmp_path / "other disk")) == len(paths)
        dangling = tmp_path / ".dangling.1-12345678.trash"
        dangling.symlink_to("nowhere")
        trees.empty_trash(tmp_path)
        assert not dangling.is_symlink()

    def test_only_a_folder_itself_is_one_and_not_what_leads_to_a_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").touch()
        (tmp_path / "link").symlink_to(tmp_path / "folder", target_is_directory=True)
        with os.scandir(tmp_path) as entries:
            assert {entry.name for entry in entries if trees.is_folder(entry)} == {"folder"}
        # As Windows describes a folder, a junction to one, and a link to one.
        monkeypatch.setattr(trees, "_HAS_JUNCTIONS", True)
        assert trees.is_folder(WindowsEntry(0).as_entry())
        assert not trees.is_folder(WindowsEntry(0xA0000003).as_entry())
        assert not trees.is_folder(WindowsEntry(0xA000000C, folder=False).as_entry())
        assert trees.is_folder(WindowsEntry(0x9000301A).as_entry()), "a folder that OneDrive keeps in the cloud"

    def test_every_walk_asks_for_the_folder_itself(self) -> None:
        source = Path(trees.__file__).parent
        found = {
            path.relative_to(source).as_posix()
            for path in source.rglob("*.py")
            if ".is_dir(follow_symlinks=False)" in path.read_text(encoding="utf-8")
        }
        # `temporary` deletes what it finds with `shutil.rmtree`, which refuses a junction; `writing` only an empty
        # folder, or the junction itself.
        assert found == {"temporary.py", "trees.py", "writing.py"}

    def test_trash_of_any_run_is_emptied_and_nothing_else_is_deleted(self, tmp_path: Path) -> None:
        for name in ("one", "two", "kept"):
            forest(tmp_path / name)
        for name in ("one", "two"):
            to_trash(tmp_path / name)
        (tmp_path / ".mine").mkdir()
        trees.empty_trash(tmp_path, stop=lambda: True)
        assert len(trash_in(tmp_path)) == 2
        trees.empty_trash(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {".mine", "kept"}
        trees.empty_trash(tmp_path / "none")

    def test_what_cannot_be_deleted_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            trees.delete(tmp_path / "none")


class TestPutInPlace:
    KINDS = ("nothing", "file", "folder", "link to a file", "link to a folder", "dangling link")

    def make(self, path: Path, kind: str) -> None:
        elsewhere = path.parent / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        (elsewhere / "kept").write_text("kept")
        if kind == "file":
            path.write_text(path.name)
        elif kind == "folder":
            path.mkdir()
            (path / "inner").write_text(path.name)
        elif kind != "nothing":
            path.symlink_to({"link to a file": elsewhere / "kept", "link to a folder": elsewhere}.get(kind, "nowhere"))

    def shown(self, path: Path) -> object:
        if path.is_symlink():
            return path.readlink()
        return (path / "inner").read_text() if path.is_dir() else path.read_text() if path.exists() else None

    @pytest.mark.parametrize("there", KINDS)
    @pytest.mark.parametrize("made", ["file", "folder"])
    def test_anything_is_replaced_and_nothing_behind_a_link(self, tmp_path: Path, made: str, there: str) -> None:
        self.make(tmp_path / "made", made)
        self.make(tmp_path / "target", there)
        trees.put_in_place(tmp_path / "made", tmp_path / "target")
        assert self.shown(tmp_path / "target") == "made"
        assert {path.name for path in tmp_path.iterdir()} == {"target", "elsewhere"}
        assert (tmp_path / "elsewhere" / "kept").read_text() == "kept"

    @pytest.mark.parametrize("there", KINDS)
    @pytest.mark.parametrize("made", ["file", "folder"])
    def test_what_was_there_comes_back_where_it_is_interrupted(
        self, tmp_path: Path, made: str, there: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(self: Path, target: Path) -> Path:
            if self.name == "made":
                raise KeyboardInterrupt
            return whole(self, target)

        self.make(tmp_path / "made", made)
        self.make(tmp_path / "target", there)
        before, whole = self.shown(tmp_path / "target"), Path.replace
        monkeypatch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trees.put_in_place(tmp_path / "made", tmp_path / "target")
        assert self.shown(tmp_path / "target") == before
        assert not trash_in(tmp_path)
