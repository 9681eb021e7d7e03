"""Unpacking wheels: hostile archives, several processes, kills, and damage."""

from __future__ import annotations

import os
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from odd_wheels import KINDS, RANDOM
from tfprov.digests import sha256_of
from tfprov.errors import TfprovError
from tfprov.events import Event, Note, Progress, ignore
from tfprov.trash import to_trash
from tfprov.unpack import workers as workers_module
from tfprov.unpack.members import ArchiveBytes, Written
from tfprov.unpack.records import ArchiveMember, Tree, Wheel
from tfprov.unpack.store import TreeStore
from tfprov.unpack.unpacking import Unpacking
from threads import none_left

BOOT = "this boot"


def wheel_at(path: Path) -> Wheel:
    return Wheel(path=path, sha256=sha256_of(path))


def unpack(folder: Path, *wheels: Wheel, boot: str = BOOT) -> list[Tree]:
    with Unpacking(TreeStore(folder, boot=boot), ignore) as unpacking:
        for wheel in wheels:
            unpacking.add(wheel)
        trees = unpacking.wait()
    return [trees[wheel.sha256] for wheel in wheels]


def archive(path: Path, *members: tuple[str, bytes], mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in members:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            # Not `ZipInfo(name)` alone, which corrects names.
            member.filename = name
            writer.writestr(member, content)
    return path


def inodes(tree: Tree) -> dict[str, int]:
    return {path: (tree.root / path).stat().st_ino for path in tree.files}


def left(folder: Path) -> list[str]:
    """What lies in the folder of the trees beside whole ones."""
    return sorted(
        path.name for path in folder.iterdir() if path.name[0] == "." and path.name not in (".locks", ".uses")
    )


def unfolded(wheel: Path, trees: Path) -> dict[str, bytes]:
    (tree,) = unpack(trees, wheel_at(wheel))
    return {one: (tree.root / one).read_bytes() for one in tree.files}


def read_by_zipfile(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as reader:
        return {one: reader.read(one) for one in reader.namelist() if not one.endswith("/")}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_wheel_unfolds_to_what_zipfile_reads(tmp_path: Path, name: str) -> None:
    path = KINDS[name].write(tmp_path, name)
    assert unfolded(path, tmp_path / "trees") == read_by_zipfile(path)
    assert left(tmp_path / "trees") == []


@pytest.mark.parametrize("name", KINDS)
def test_a_wheel_is_unpacked_where_all_readers_move_one_position(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    move = os.lseek

    def slow(descriptor: int, offset: int, whence: int) -> int:
        place = move(descriptor, offset, whence)
        time.sleep(0.0005)  # time for another thread to move it
        return place

    monkeypatch.delattr(os, "pread", raising=False)
    monkeypatch.setattr(os, "lseek", slow)
    path = KINDS[name].write(tmp_path, name)
    assert unfolded(path, tmp_path / "trees") == read_by_zipfile(path)


def flipped(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x55
    path.write_bytes(content)


def local_of(path: Path, name: str) -> int:
    with zipfile.ZipFile(path) as reader:
        return reader.getinfo(name).header_offset


def patched(path: Path, old: bytes, new: bytes, *, count: int) -> Path:
    content = path.read_bytes()
    assert content.count(old) >= 1 and len(old) == len(new)
    path.write_bytes(content.replace(old, new, count))
    return path


def central(path: Path, name: str, offset: int, layout: str, value: int) -> Path:
    """Change a field of the central directory."""
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(name.encode()))
    struct.pack_into(layout, content, at + offset, value)
    path.write_bytes(content)
    return path


def overlapping(path: Path) -> Path:
    """Two members that share their data, as in a bomb."""
    archive(path, ("first.bin", RANDOM[:5000]), ("second.bin", RANDOM[:5000]))
    return central(path, "second.bin", 42, "<L", local_of(path, "first.bin"))


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "up": (lambda path: archive(path, ("../evil", b"x")), "leads out"),
    "up_inside": (lambda path: archive(path, ("a/../../evil", b"x")), "leads out"),
    "absolute": (lambda path: archive(path, ("/tmp/evil", b"x")), "leads out"),
    "here": (lambda path: archive(path, ("a/./b", b"x")), "leads out"),
    "doubled": (lambda path: archive(path, ("a//b", b"x")), "leads out"),
    "backslash": (lambda path: archive(path, ("..\\evil", b"x")), "leads out"),
    "line end": (lambda path: archive(path, ("a\nb", b"x")), "leads out"),
    "zero": (lambda path: patched(archive(path, ("evilXtext", b"x")), b"evilX", b"evil\0", count=9), "leads out"),
    "twice": (
        lambda path: patched(archive(path, ("one", b"x"), ("two", b"y")), b"two", b"one", count=9),
        "occurs twice",
    ),
    "file_and_folder": (lambda path: archive(path, ("a", b"x"), ("a/b", b"y")), "is both a file and a folder"),
    "link": (lambda path: archive(path, ("a", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "a link or a device"),
    "device": (lambda path: archive(path, ("a", b""), mode=stat.S_IFCHR | 0o666), "a link or a device"),
    "pipe": (lambda path: archive(path, ("a", b""), mode=stat.S_IFIFO | 0o666), "a link or a device"),
    "encrypted": (lambda path: central(archive(path, ("a.txt", b"x")), "a.txt", 8, "<H", 1), "encrypted"),
    "encrypted_locally": (
        lambda path: patched(archive(path, ("a.txt", b"x")), b"PK\3\4\x14\0\0\0", b"PK\3\4\x14\0\1\0", count=1),
        "encrypted",
    ),
    "method": (
        lambda path: central(archive(path, ("a.txt", b"x")), "a.txt", 10, "<H", 12),
        "uses a compression method",
    ),
    "overlap": (overlapping, "overlaps"),
    "other_name": (
        lambda path: patched(archive(path, ("good.txt", b"x")), b"good.txt", b"evil.txt", count=1),
        "different name",
    ),
    "other_crc": (
        lambda path: central(archive(path, ("a.txt", b"x")), "a.txt", 16, "<L", 7),
        "contradicts the central directory",
    ),
    "other_size": (
        lambda path: central(archive(path, ("a.txt", b"x")), "a.txt", 24, "<L", 7),
        "contradicts the central directory",
    ),
    "no_member": (lambda path: patched(archive(path, ("a", b"x")), b"PK\3\4", b"PK\3\5", count=1), "no member"),
    "cut": (
        lambda path: path.write_bytes(archive(path, ("a", RANDOM[:9000])).read_bytes()[:-30]) and path,
        "not a complete archive",
    ),
    "empty": (lambda path: path.write_bytes(b"") or path, "not a complete archive"),
    "text": (lambda path: path.write_bytes(b"no archive" * 99) and path, "not a complete archive"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_that_must_not_be_unpacked_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    make, why = HOSTILE[name]
    path = make(tmp_path / "evil-1.0-py3-none-any.whl")
    with pytest.raises(TfprovError) as failure:
        unpack(tmp_path / "deep" / "trees", wheel_at(path))
    assert failure.value.code.name == "cache-corrupt"
    assert why in failure.value.evidence[0]
    assert left(tmp_path / "deep" / "trees") == []
    assert not [found for found in tmp_path.rglob("*") if "evil" in found.name and found != path]


@pytest.mark.parametrize("kind", ["stored", "incompressible", "descriptors"])
def test_content_that_its_crc_denies_is_refused(tmp_path: Path, kind: str) -> None:
    """Whoever makes a lock of a broken wheel gets its hash right."""
    path = KINDS[kind].write(tmp_path, kind)
    with zipfile.ZipFile(path) as reader:
        first = reader.infolist()[0]
    flipped(path, first.header_offset + 30 + len(first.filename) + first.compress_size // 2)
    with pytest.raises(TfprovError) as failure:
        unpack(tmp_path / "trees", wheel_at(path))
    assert failure.value.code.name == "cache-corrupt"


def test_a_bomb_is_not_let_onto_the_disk(tmp_path: Path) -> None:
    path = archive(tmp_path / "bomb-1.0-py3-none-any.whl", ("zeros", bytes(300_000_000)))
    content = bytearray(path.read_bytes())
    # It claims to be small, at both places.
    for at, offset in ((content.index(b"PK\3\4"), 22), (content.index(b"PK\1\2"), 24)):
        struct.pack_into("<L", content, at + offset, 1000)
    path.write_bytes(content)
    with pytest.raises(TfprovError) as failure:
        unpack(tmp_path / "trees", wheel_at(path))
    assert "bigger than the archive says" in failure.value.evidence[0]


def test_another_wheel_than_the_lock_names_is_refused(tmp_path: Path) -> None:
    path = KINDS["module"].write(tmp_path, "module")
    with pytest.raises(TfprovError) as failure:
        unpack(tmp_path / "trees", Wheel(path=path, sha256="0" * 64))
    assert failure.value.code.name == "hash-mismatch"
    assert left(tmp_path / "trees") == []
    assert not (tmp_path / "trees" / ("0" * 64)).exists()


def changed(content: bytes) -> Iterator[bytes]:
    """What a disk, or an interrupted copy, makes of a file."""
    yield b""
    yield content[: len(content) // 2]
    yield content + b"more"
    yield bytes(len(content))
    for at in range(0, len(content), max(1, len(content) // 40)):
        yield content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


@pytest.mark.parametrize("kind", ["module", "incompressible", "descriptors"])
def test_a_wheel_that_changed_on_disk_is_another_file_and_not_a_broken_wheel(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind].write(tmp_path, kind)
    wheel = wheel_at(path)
    for content in changed(path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(TfprovError) as failure:
            unpack(tmp_path / "trees", wheel)
        assert failure.value.code.name == "hash-mismatch"
    assert left(tmp_path / "trees") == []


def test_a_wheel_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        unpack(tmp_path / "trees", Wheel(path=tmp_path / "none.whl", sha256="0" * 64))


def test_a_failure_of_one_wheel_leaves_the_trees_of_the_others(tmp_path: Path) -> None:
    good = wheel_at(KINDS["package"].write(tmp_path, "package"))
    with Unpacking(TreeStore(tmp_path / "trees", boot=BOOT), ignore) as unpacking:
        unpacking.add(good)
        unpacking.wait()
        unpacking.add(Wheel(path=good.path, sha256="0" * 64))
        with pytest.raises(TfprovError):
            unpacking.wait()
    assert TreeStore(tmp_path / "trees", boot=BOOT).find(good.sha256) is not None


def test_a_tree_is_made_once(tmp_path: Path) -> None:
    wheel = wheel_at(KINDS["many_files"].write(tmp_path, "many_files"))
    (one,) = unpack(tmp_path / "trees", wheel)
    (two,) = unpack(tmp_path / "trees", wheel)
    assert inodes(one) == inodes(two)


@pytest.mark.skipif(os.name != "posix", reason="bits as POSIX has them")
def test_a_wheel_that_others_can_write_to_is_unpacked_from_a_copy(tmp_path: Path) -> None:
    path = KINDS["package"].write(tmp_path, "package")
    path.chmod(0o666)
    (tree,) = unpack(tmp_path / "trees", wheel_at(path))
    assert len(tree.files) == 5
    assert sorted(found.name for found in tree.root.parent.iterdir()) == ["manifest", "tree"]


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1] + b"x")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "written to": spoil,
    "touched": lambda path: os.utime(path, (1, 1)),
    "gone": lambda path: path.unlink(),
    "a link now": lambda path: (path.unlink(), path.symlink_to("/etc/hostname")),
    "a folder now": lambda path: (path.unlink(), path.mkdir()),
    # Clusters delete files that were not used for weeks, one by one.
    "without its list": lambda path: (path.parents[2] / "manifest").unlink(),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_tree_that_was_damaged_is_made_anew(tmp_path: Path, how: str) -> None:
    wheel = wheel_at(KINDS["package"].write(tmp_path, "package"))
    (one,) = unpack(tmp_path / "trees", wheel)
    DAMAGE[how](one.root / "package_one/a.py")
    (two,) = unpack(tmp_path / "trees", wheel)
    assert (two.root / "package_one/a.py").read_bytes() == b"a = 1\n"
    assert left(tmp_path / "trees") == []


@pytest.mark.parametrize("cut", [0, 1, 10, -1, -5])
def test_a_list_that_is_not_whole_is_none(tmp_path: Path, cut: int) -> None:
    wheel = wheel_at(KINDS["package"].write(tmp_path, "package"))
    (one,) = unpack(tmp_path / "trees", wheel)
    manifest = one.root.parent / "manifest"
    manifest.write_bytes(manifest.read_bytes()[:cut])
    assert TreeStore(tmp_path / "trees", boot=BOOT).find(wheel.sha256) is None
    unpack(tmp_path / "trees", wheel)


def test_after_another_boot_only_what_was_written_back_is_trusted(tmp_path: Path) -> None:
    wheels = [wheel_at(KINDS[name].write(tmp_path, name)) for name in ("module", "package")]
    unpack(tmp_path / "trees", *wheels)
    TreeStore(tmp_path / "trees", boot=BOOT).written_back([wheels[0].sha256, "f" * 64])
    later = TreeStore(tmp_path / "trees", boot="another")
    assert later.find(wheels[0].sha256) is not None
    assert later.find(wheels[1].sha256) is None


def test_trees_that_no_image_has_go_after_a_day(tmp_path: Path) -> None:
    wheels = [wheel_at(KINDS[name].write(tmp_path, name)) for name in ("module", "package", "stored")]
    trees = unpack(tmp_path / "trees", *wheels)
    store = TreeStore(tmp_path / "trees", boot=BOOT)
    store.use("kept", [wheels[0].sha256], python="p")
    store.use("gone", [wheels[0].sha256, wheels[1].sha256], python="p")
    now = (tmp_path / "trees").stat().st_mtime
    store.sweep({"kept"}, now=now + 60)
    assert all(tree.root.is_dir() for tree in trees)
    store.sweep({"kept"}, now=now + 90_000)
    assert [tree.root.is_dir() for tree in trees] == [True, False, False]


UNPACKER = """
import os
import sys
from pathlib import Path
from tfprov.unpack import unpacking, workers
from tfprov.unpack.records import Wheel
from tfprov.unpack.store import TreeStore
if sys.argv[3] == "stop":
    original = workers.extract
    def extract(*args, **options):
        found = original(*args, **options)
        os.write(1, b"working\\n")
        sys.stdin.read()
        return found
    workers.extract = extract
with unpacking.Unpacking(TreeStore(Path(sys.argv[1]), boot="this boot"), lambda event: print(event, flush=True)) as one:
    for text in sys.argv[4:]:
        one.add(Wheel(path=Path(text.partition("=")[2]), sha256=text.partition("=")[0]))
    print(len(one.wait()), flush=True)
"""


def start(folder: Path, *wheels: Wheel, how: str = "go") -> subprocess.Popen[str]:
    named = [f"{wheel.sha256}={wheel.path}" for wheel in wheels]
    argv = [sys.executable, "-c", UNPACKER, str(folder), "-", how, *named]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_until_working(child: subprocess.Popen[str]) -> None:
    """Progress may be told before, on a machine that has other work to do."""
    assert child.stdout is not None
    assert "working\n" in child.stdout


def test_a_second_process_waits_and_takes_over_from_one_that_was_killed(tmp_path: Path) -> None:
    wheel = wheel_at(KINDS["many_files"].write(tmp_path, "many_files"))
    said: list[str] = []
    waiting = threading.Event()

    def emit(event: Event) -> None:
        if isinstance(event, Note):
            said.append(event.text)
            waiting.set()

    with start(tmp_path / "trees", wheel, how="stop") as child:
        wait_until_working(child)
        with Unpacking(TreeStore(tmp_path / "trees", boot=BOOT), emit) as unpacking:
            unpacking.add(wheel)
            assert waiting.wait(60)
            child.send_signal(signal.SIGKILL) if os.name == "posix" else child.kill()
            trees = unpacking.wait()
    assert len(trees[wheel.sha256].files) == 4003
    assert "another tfprov is unpacking" in said[0]
    # What the killed one left is deleted by the next run.
    assert len(left(tmp_path / "trees")) == 1
    TreeStore(tmp_path / "trees", boot=BOOT).sweep_unfinished()
    assert left(tmp_path / "trees") == []


def test_no_path_is_longer_before_or_after_than_in_the_whole_tree(tmp_path: Path) -> None:
    # Windows may allow 259 characters, and what fits there was found out for the whole tree.
    store, sha256 = TreeStore(tmp_path / "trees", boot=BOOT), "5a" * 32
    whole = tmp_path / "trees" / sha256
    begun = store.begin(sha256).parent
    assert len(begun.name) <= len(sha256)
    begun.rename(whole)
    assert len(to_trash(whole).name) <= len(sha256)


@pytest.mark.parametrize("pid", [1, 999_999_999])
def test_what_was_left_unfinished_under_a_short_or_an_older_name_is_swept(tmp_path: Path, pid: int) -> None:
    store = TreeStore(tmp_path / "trees", boot=BOOT)
    store.begin("ab" * 32).parent.rename(tmp_path / "trees" / f".{'ab' * 16}.{pid}-12ab34cd.new")
    store.begin("ab" * 32).parent.rename(tmp_path / "trees" / f".{'ab' * 32}.{pid}-12ab34cd.new")
    with store.lock("ab" * 32, waiting=lambda: None):
        store.sweep_unfinished()
        assert len(left(tmp_path / "trees")) == 2, "a process holds the lock of this wheel"
    store.sweep_unfinished()
    assert left(tmp_path / "trees") == []


def test_what_a_process_is_unpacking_is_not_swept(tmp_path: Path) -> None:
    wheel = wheel_at(KINDS["package"].write(tmp_path, "package"))
    with start(tmp_path / "trees", wheel, how="stop") as child:
        wait_until_working(child)
        TreeStore(tmp_path / "trees", boot=BOOT).sweep_unfinished()
        assert len(left(tmp_path / "trees")) == 1
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(60) == 0


def test_many_processes_make_each_tree_once(tmp_path: Path) -> None:
    wheels = [wheel_at(KINDS[name].write(tmp_path, name)) for name in list(KINDS)[::4]]
    children = [start(tmp_path / "trees", *(wheels[turn:] + wheels[:turn])) for turn in range(6)]
    for child in children:
        out, _ = child.communicate(timeout=300)
        assert (child.returncode, out.splitlines()[-1]) == (0, str(len(wheels))), out
    assert left(tmp_path / "trees") == []
    unpack(tmp_path / "trees", *wheels)


def test_closing_ends_what_is_not_done(tmp_path: Path) -> None:
    wheels = [wheel_at(KINDS[name].write(tmp_path, name)) for name in KINDS]
    with none_left(), Unpacking(TreeStore(tmp_path / "trees", boot=BOOT), ignore) as unpacking:
        for wheel in wheels:
            unpacking.add(wheel)
    assert left(tmp_path / "trees") == []


def test_without_isal_the_result_is_the_same(tmp_path: Path) -> None:
    wheels = [wheel_at(KINDS[name].write(tmp_path, name)) for name in ("incompressible", "compressible", "stored")]
    named = [f"{wheel.sha256}={wheel.path}" for wheel in wheels]
    program = "import sys; sys.modules['isal'] = None\n" + UNPACKER
    argv = [sys.executable, "-c", program, str(tmp_path / "one"), "-", "go", *named]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()[-1] == "3"
    for wheel, tree in zip(wheels, unpack(tmp_path / "two", *wheels), strict=True):
        other = TreeStore(tmp_path / "one", boot=BOOT).find(wheel.sha256)
        assert other is not None and sorted(other.files) == sorted(tree.files)
        assert all((other.root / path).read_bytes() == (tree.root / path).read_bytes() for path in tree.files)


def test_waiting_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = wheel_at(KINDS["many_files"].write(tmp_path, "many_files"))
    told, halfway = threading.Event(), threading.Event()
    real = workers_module.extract

    def extract(source: ArchiveBytes, member: ArchiveMember, target: str, *, going: Callable[[int], None]) -> Written:
        if "m2000" in member.name:
            halfway.set()
            assert told.wait(60)
        return real(source, member, target, going=going)

    said: list[Progress] = []

    def emit(event: Event) -> None:
        if isinstance(event, Progress) and halfway.is_set():
            said.append(event)
            told.set()

    monkeypatch.setattr(workers_module, "extract", extract)
    with Unpacking(TreeStore(tmp_path / "trees", boot=BOOT), emit) as unpacking:
        unpacking.add(wheel)
        unpacking.wait()
    assert said[0].total == wheel.path.stat().st_size
    assert 0 < said[0].done < wheel.path.stat().st_size
    assert said[0].stage == "install"
