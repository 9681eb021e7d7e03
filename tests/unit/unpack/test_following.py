"""A wheel that is unpacked while it arrives gives the tree of the whole wheel, or nothing."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from odd_wheels import KINDS
from tfprov.digests import sha256_of
from tfprov.errors import TfprovError
from tfprov.events import Event, Note, ignore
from tfprov.fetch.spans import Span, gaps, merge
from tfprov.unpack.records import Tree, Wheel
from tfprov.unpack.store import TreeStore
from tfprov.unpack.unpacking import Unpacking
from threads import none_left
from unit.unpack.test_unpacking import HOSTILE, left, wheel_at


class Download:
    """A file that grows when the test says so, from its front unless that brings parts."""

    def __init__(self, content: bytes, path: Path, *, in_order: bool = True) -> None:
        self.content, self.path, self.edition, self.in_order = content, path, 0, in_order
        self.total = len(content) if in_order else None
        self.first: Sequence[Span] = ()
        self.choosing = False
        self._spans: list[Span] = []
        path.write_bytes(b"")

    @property
    def prefix(self) -> int:
        return self.reaches(0)

    def reaches(self, offset: int) -> int:
        return next((end for start, end in self._spans if start <= offset < end), offset)

    def bring(self, start: int, end: int) -> None:
        with self.path.open("r+b") as stream:
            stream.seek(start)
            stream.write(self.content[start:end])
        self._spans = merge(self._spans, (start, min(end, len(self.content))))

    def advance(self, to: int) -> None:
        self.bring(self.prefix, to)

    def missing(self) -> list[Span]:
        return gaps(self._spans, len(self.content))

    def drop(self, other: bytes) -> None:
        """Begin anew, with other bytes for now."""
        self.edition += 1
        self._spans = []
        self.path.write_bytes(other)

    def finish(self, target: Path) -> Wheel:
        self.advance(len(self.content))
        self.path.replace(target)
        return wheel_at(target)


def follow(
    folder: Path,
    wheel: Path,
    *,
    steps: Callable[[Download], None],
    emit: Callable[[Event], None] = ignore,
    in_order: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Tree:
    """The tree of a wheel that arrives as `steps` says."""
    download = Download(wheel.read_bytes(), folder / "arriving.part", in_order=in_order)
    sha256 = sha256_of(wheel)
    with Unpacking(TreeStore(folder / "trees", boot="b"), emit, environ=environ) as unpacking:
        unpacking.follow(wheel.name, sha256, download)
        steps(download)
        unpacking.add(download.finish(folder / wheel.name))
        tree = unpacking.wait()[sha256]
    assert not download.choosing
    return tree


def in_pieces(download: Download) -> None:
    chance = random.Random(len(download.content))
    sizes = [1, 29, 30, 31, 100, 5000, 70_000, 1_000_000]
    while download.prefix < len(download.content):
        download.advance(download.prefix + chance.choice(sizes) * (1 + len(download.content) // 1_000_000))
        threading.Event().wait(0.001)


def as_wanted(download: Download) -> None:
    """As from a server that sends any part: what is wanted first, and now and then another part."""
    chance = random.Random(len(download.content))
    download.total = len(download.content)
    while missing := download.missing():
        wanted = [(max(a, c), min(b, d)) for a, b in download.first for c, d in missing if max(a, c) < min(b, d)]
        start, end = wanted[0] if wanted and chance.random() < 0.9 else chance.choice(missing)
        start += chance.choice([0, 0, (end - start) // 2])
        download.bring(start, min(end, start + chance.choice([100, 5000, 70_000, 1 + len(download.content) // 9])))
        threading.Event().wait(0.001)


STEPS = {"in pieces": in_pieces, "as wanted": as_wanted}


def content(tree: Tree) -> dict[str, tuple[bytes, int]]:
    return {path: ((tree.root / path).read_bytes(), (tree.root / path).stat().st_mode) for path in sorted(tree.files)}


def whole(folder: Path, wheel: Path) -> Tree:
    with Unpacking(TreeStore(folder / "whole", boot="b"), ignore) as unpacking:
        unpacking.add(wheel_at(wheel))
        return unpacking.wait()[sha256_of(wheel)]


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", KINDS)
def test_it_gives_the_same_tree(tmp_path: Path, name: str, steps: str) -> None:
    wheel = KINDS[name].write(tmp_path / "made", name)
    said: list[Event] = []
    tree = follow(tmp_path, wheel, steps=STEPS[steps], emit=said.append, in_order=steps == "in pieces")
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


def test_sources_are_written_when_only_what_is_wanted_first_is_here(tmp_path: Path) -> None:
    wheel = KINDS["many_files"].write(tmp_path / "made", "many_files")

    def sources(download: Download) -> None:
        while not download.choosing:
            threading.Event().wait(0.01)
        download.total = len(download.content)
        while not list((tmp_path / "trees").glob(".*.new/tree/many_one/p3/m100.py")):
            for part in download.first:
                download.bring(*part)
            threading.Event().wait(0.01)
        assert not download.choosing
        as_wanted(download)

    assert len(follow(tmp_path, wheel, steps=sources, in_order=False).files) == 4003


def test_a_directory_that_changes_while_the_rest_comes_is_not_believed(tmp_path: Path) -> None:
    """The bytes that were read early are not those whose hash is checked: a server that changes its mind."""
    wheel, other = (KINDS[name].write(tmp_path / "made", name) for name in ("package", "many_files"))
    said: list[Event] = []

    def changing(download: Download) -> None:
        good, download.content = download.content, other.read_bytes()
        as_wanted(download)
        while not list((tmp_path / "trees").glob(".*.new/tree/many_one/p3/m100.py")):
            threading.Event().wait(0.01)
        download.content = good
        download.path.write_bytes(good)

    tree = follow(tmp_path, wheel, steps=changing, emit=said.append, in_order=False)
    assert content(tree) == content(whole(tmp_path, wheel))
    assert "once it is complete" in str(next(event for event in said if isinstance(event, Note)))


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_threads_that_write_files_give_way_to_others(tmp_path: Path) -> None:
    wheel = KINDS["many_files"].write(tmp_path / "made", "many_files")
    niceness: list[int] = []

    def landed(_root: Path, _paths: Iterable[str]) -> None:
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    own = os.getpriority(os.PRIO_PROCESS, 0)
    with Unpacking(TreeStore(tmp_path / "trees", boot="b"), ignore, landed=landed) as unpacking:
        download = Download(wheel.read_bytes(), tmp_path / "arriving.part")
        unpacking.follow(wheel.name, sha256_of(wheel), download)
        download.advance(len(download.content))
        unpacking.add(download.finish(tmp_path / wheel.name))
        unpacking.wait()
    assert max(niceness) > own
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_bytes_that_are_dropped_do_not_count(tmp_path: Path) -> None:
    """As after a wrong hash: the first half was of something else, and gives whole members."""
    wheel, other = (KINDS[name].write(tmp_path / "made", name) for name in ("many_files", "incompressible"))
    said: list[Event] = []

    def twice(download: Download) -> None:
        good = download.content
        download.content, download.total = other.read_bytes(), other.stat().st_size
        download.advance(2_000_000)
        while not list((tmp_path / "trees").glob(".*.new/tree/random_one")):
            threading.Event().wait(0.01)
        download.content, download.total = good, len(good)
        download.drop(b"")
        in_pieces(download)

    assert content(follow(tmp_path, wheel, steps=twice, emit=said.append)) == content(whole(tmp_path, wheel))
    assert [event.level for event in said if isinstance(event, Note)] == ["detail"]
    assert left(tmp_path / "trees") == []


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_that_must_not_be_unpacked_is_refused_in_the_same_words(
    tmp_path: Path, name: str, steps: str
) -> None:
    make, why = HOSTILE[name]
    (tmp_path / "made").mkdir()
    wheel = make(tmp_path / "made" / "evil-1.0-py3-none-any.whl")
    with pytest.raises(TfprovError) as failure:
        follow(tmp_path, wheel, steps=STEPS[steps], in_order=steps == "in pieces")
    assert failure.value.code.name == "cache-corrupt"
    assert why in failure.value.evidence[0]
    assert left(tmp_path / "trees") == []
    assert not list((tmp_path / "trees").rglob("*evil*"))


def test_a_download_that_never_ends_leaves_nothing(tmp_path: Path) -> None:
    wheel = KINDS["many_files"].write(tmp_path / "made", "many_files")
    download = Download(wheel.read_bytes(), tmp_path / "arriving.part")
    with none_left(), Unpacking(TreeStore(tmp_path / "trees", boot="b"), ignore) as unpacking:
        unpacking.follow(wheel.name, sha256_of(wheel), download)
        download.advance(len(download.content) - 1)
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
    assert "once it is complete" in str(said[0])
