"""A wheel that is unpacked while it arrives gives the tree of the whole wheel, or nothing."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from odd_wheels import KINDS
from tfprov.digests import sha256_of
from tfprov.errors import TfprovError
from tfprov.events import Event, Note, ignore
from tfprov.unpack.records import Tree, Wheel
from tfprov.unpack.store import TreeStore
from tfprov.unpack.unpacking import Unpacking
from unit.unpack.test_unpacking import HOSTILE, left, wheel_at


class Download:
    """A file that grows when the test says so."""

    def __init__(self, content: bytes, path: Path) -> None:
        self.content, self.path, self.edition, self.prefix = content, path, 0, 0
        path.write_bytes(b"")

    def advance(self, to: int) -> None:
        with self.path.open("r+b") as stream:
            stream.seek(self.prefix)
            stream.write(self.content[self.prefix : to])
        self.prefix = min(to, len(self.content))

    def drop(self, other: bytes) -> None:
        """Begin anew, with other bytes for now."""
        self.edition += 1
        self.prefix = 0
        self.path.write_bytes(other)

    def finish(self, target: Path) -> Wheel:
        self.advance(len(self.content))
        self.path.replace(target)
        return wheel_at(target)


def follow(
    folder: Path, wheel: Path, *, steps: Callable[[Download], None], emit: Callable[[Event], None] = ignore
) -> Tree:
    """The tree of a wheel that arrives as `steps` says."""
    download = Download(wheel.read_bytes(), folder / "arriving.part")
    sha256 = sha256_of(wheel)
    with Unpacking(TreeStore(folder / "trees", boot="b"), emit) as unpacking:
        unpacking.follow(wheel.name, sha256, download)
        steps(download)
        unpacking.add(download.finish(folder / wheel.name))
        return unpacking.wait()[sha256]


def in_pieces(download: Download) -> None:
    chance = random.Random(len(download.content))
    sizes = [1, 29, 30, 31, 100, 5000, 70_000, 1_000_000]
    while download.prefix < len(download.content):
        download.advance(download.prefix + chance.choice(sizes) * (1 + len(download.content) // 1_000_000))
        threading.Event().wait(0.001)


def content(tree: Tree) -> dict[str, tuple[bytes, int]]:
    return {path: ((tree.root / path).read_bytes(), (tree.root / path).stat().st_mode) for path in sorted(tree.files)}


def whole(folder: Path, wheel: Path) -> Tree:
    with Unpacking(TreeStore(folder / "whole", boot="b"), ignore) as unpacking:
        unpacking.add(wheel_at(wheel))
        return unpacking.wait()[sha256_of(wheel)]


@pytest.mark.parametrize("name", KINDS)
def test_it_gives_the_same_tree(tmp_path: Path, name: str) -> None:
    wheel = KINDS[name].write(tmp_path / "made", name)
    said: list[Event] = []
    tree = follow(tmp_path, wheel, steps=in_pieces, emit=said.append)
    assert content(tree) == content(whole(tmp_path, wheel))
    assert left(tmp_path / "trees") == []
    assert not [event for event in said if isinstance(event, Note)], "it was unpacked as it came"


def test_what_has_arrived_is_written_before_the_rest_comes(tmp_path: Path) -> None:
    wheel = KINDS["many_files"].write(tmp_path / "made", "many_files")

    def half(download: Download) -> None:
        download.advance(len(download.content) // 2)
        while not list((tmp_path / "trees").glob(".*.new/tree/many_one/p3/m100.py")):
            threading.Event().wait(0.01)

    assert len(follow(tmp_path, wheel, steps=half).files) == 4003


def test_what_is_told_of_is_whole_first_where_it_lands_and_then_in_the_tree(tmp_path: Path) -> None:
    wheel = KINDS["many_files"].write(tmp_path / "made", "many_files")
    download = Download(wheel.read_bytes(), tmp_path / "arriving.part")
    expected = {path: bytes_and_mode[0] for path, bytes_and_mode in content(whole(tmp_path, wheel)).items()}
    told: list[tuple[Path, list[str]]] = []

    def landed(root: Path, paths: Iterable[str]) -> None:
        told.append((root, list(paths)))
        assert {path: (root / path).read_bytes() for path in told[-1][1]} == {
            path: expected[path] for path in told[-1][1]
        }

    with Unpacking(TreeStore(tmp_path / "trees", boot="b"), ignore, landed=landed) as unpacking:
        unpacking.follow(wheel.name, sha256_of(wheel), download)
        in_pieces(download)
        unpacking.add(download.finish(tmp_path / wheel.name))
        tree = unpacking.wait()[sha256_of(wheel)]
    assert (told[-1][0], set(told[-1][1])) == (tree.root, set(tree.files))
    assert len(told) > 20
    assert sorted(path for _, paths in told[:-1] for path in paths) == sorted(tree.files)


def test_bytes_that_are_dropped_do_not_count(tmp_path: Path) -> None:
    """As after a wrong hash: the first half was of something else, and gives whole members."""
    wheel, other = (KINDS[name].write(tmp_path / "made", name) for name in ("many_files", "incompressible"))
    said: list[Event] = []

    def twice(download: Download) -> None:
        good = download.content
        download.content = other.read_bytes()
        download.advance(2_000_000)
        while not list((tmp_path / "trees").glob(".*.new/tree/random_one")):
            threading.Event().wait(0.01)
        download.content = good
        download.drop(b"")
        in_pieces(download)

    assert content(follow(tmp_path, wheel, steps=twice, emit=said.append)) == content(whole(tmp_path, wheel))
    assert [event.level for event in said if isinstance(event, Note)] == ["detail"]
    assert left(tmp_path / "trees") == []


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_that_must_not_be_unpacked_is_refused_in_the_same_words(tmp_path: Path, name: str) -> None:
    make, why = HOSTILE[name]
    (tmp_path / "made").mkdir()
    wheel = make(tmp_path / "made" / "evil-1.0-py3-none-any.whl")
    with pytest.raises(TfprovError) as failure:
        follow(tmp_path, wheel, steps=in_pieces)
    assert failure.value.code.name == "cache-corrupt"
    assert why in failure.value.evidence[0]
    assert left(tmp_path / "trees") == []
    assert not list((tmp_path / "trees").rglob("*evil*"))


def test_a_download_that_never_ends_leaves_nothing(tmp_path: Path) -> None:
    wheel = KINDS["many_files"].write(tmp_path / "made", "many_files")
    download = Download(wheel.read_bytes(), tmp_path / "arriving.part")
    before = threading.active_count()
    with Unpacking(TreeStore(tmp_path / "trees", boot="b"), ignore) as unpacking:
        unpacking.follow(wheel.name, sha256_of(wheel), download)
        download.advance(len(download.content) - 1)
    assert threading.active_count() == before
    assert left(tmp_path / "trees") == []
    assert TreeStore(tmp_path / "trees", boot="b").find(sha256_of(wheel)) is None


def test_a_download_that_others_can_write_to_is_not_followed(tmp_path: Path) -> None:
    wheel = KINDS["package"].write(tmp_path / "made", "package")
    said: list[Event] = []
    download = Download(wheel.read_bytes(), tmp_path / "arriving.part")
    download.path.chmod(0o666)
    with Unpacking(TreeStore(tmp_path / "trees", boot="b"), said.append) as unpacking:
        unpacking.follow(wheel.name, sha256_of(wheel), download)
        unpacking.add(download.finish(tmp_path / wheel.name))
        (tree,) = unpacking.wait().values()
    assert len(tree.files) == 5
    assert "when it is whole" in str(said[0])
