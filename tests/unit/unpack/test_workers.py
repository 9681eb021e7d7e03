"""Processes that unpack give what threads give: the same trees, the same refusals, and nothing that is left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from odd_wheels import KINDS
from tfprov.errors import TfprovError
from tfprov.events import Event, Note, ignore
from tfprov.process import bare_environment
from tfprov.unpack import archive
from tfprov.unpack import workers as workers_module
from tfprov.unpack.archive import RefusedError
from tfprov.unpack.members import File, Written
from tfprov.unpack.records import ArchiveMember
from tfprov.unpack.store import TreeStore
from tfprov.unpack.unpacking import Unpacking
from tfprov.unpack.workers import Arrival, Workers
from unit.unpack.test_following import STEPS, Download, content, follow, in_pieces, whole
from unit.unpack.test_unpacking import HOSTILE, left, wheel_at

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no descriptor can be handed over")

ENVIRON = bare_environment(os.environ)
_Result = TypeVar("_Result")


@contextmanager
def workers() -> Iterator[Workers]:
    before = threading.active_count()
    made = Workers(ENVIRON)
    try:
        yield made
    finally:
        made.close()
    assert threading.active_count() == before


def members_of(path: Path) -> tuple[ArchiveMember, ...]:
    with File(path) as file, file.stream() as stream:
        return archive.directory(stream).members


def in_worker(made: Workers, action: Callable[[], _Result]) -> _Result:
    """What an action gives in the one thread of a pool."""
    return made.sources.submit(action).result()


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", KINDS)
def test_they_give_the_same_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, steps: str) -> None:
    wheel = KINDS[name].write(tmp_path / "made", name)
    expected = content(whole(tmp_path, wheel))
    monkeypatch.delattr(workers_module, "extract")  # no thread does it
    said: list[Event] = []
    tree = follow(tmp_path, wheel, steps=STEPS[steps], emit=said.append, in_order=steps == "in pieces", environ=ENVIRON)
    assert content(tree) == expected
    assert left(tmp_path / "trees") == []
    assert not [event for event in said if isinstance(event, Note)], "it was unpacked as it came"


@pytest.mark.parametrize("name", HOSTILE)
def test_they_refuse_the_same_archives_in_the_same_words(tmp_path: Path, name: str) -> None:
    make, _ = HOSTILE[name]
    wheel = wheel_at(make(tmp_path / "evil-1.0-py3-none-any.whl"))
    said = []
    for environ in (None, ENVIRON):
        with Unpacking(TreeStore(tmp_path / "trees", boot="b"), ignore, environ=environ) as unpacking:
            unpacking.add(wheel)
            with pytest.raises(TfprovError) as failure:
                unpacking.wait()
        said.append((failure.value.code.name, failure.value.what, failure.value.evidence))
        assert left(tmp_path / "trees") == []
    assert said[0] == said[1]


def test_the_size_and_time_of_what_is_written_are_those_of_the_files(tmp_path: Path) -> None:
    path = KINDS["package"].write(tmp_path, "package")
    (tmp_path / "root" / "package_one").mkdir(parents=True)
    found = [member for member in members_of(path) if member.name.startswith("package_one/")]
    with workers() as made, File(path) as file:
        done = in_worker(made, lambda: made.write(found, file, str(tmp_path / "root"), going=lambda _: None))
    status = {member.name: (tmp_path / "root" / member.name).stat() for member in found}
    assert done == {name: Written(one.st_size, one.st_mtime_ns) for name, one in status.items()}


def test_where_none_can_be_started_the_threads_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, program in enumerate(("", str(tmp_path / "none"), "/bin/false")):
        monkeypatch.setattr(sys, "executable", program)
        wheel = KINDS["many_files"].write(tmp_path / f"made{number}", "many_files")
        tree = follow(tmp_path / f"made{number}", wheel, steps=in_pieces, environ=ENVIRON)
        assert len(tree.files) == 4003


def test_where_no_thread_for_a_process_can_be_started_the_threads_that_are_there_unpack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if thread.name == "worker":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    wheel = KINDS["many_files"].write(tmp_path / "made", "many_files")
    assert len(follow(tmp_path / "made", wheel, steps=in_pieces, environ=ENVIRON).files) == 4003


def test_a_failure_of_the_system_keeps_its_number_and_file(tmp_path: Path) -> None:
    path = KINDS["module"].write(tmp_path, "module")
    member, *_ = members_of(path)
    with workers() as made, File(path) as file:
        for root in (str(tmp_path / "none"), str(path)):
            with pytest.raises((FileNotFoundError, NotADirectoryError)) as failure:
                in_worker(made, lambda root=root: made.write([member], file, root, going=lambda _: None))  # type: ignore[misc] - mypy infers no type for a default
            assert failure.value.filename == f"{root}/{member.name}"


def test_a_refusal_is_not_the_end_of_a_process(tmp_path: Path) -> None:
    path = KINDS["module"].write(tmp_path, "module")
    member, *_ = members_of(path)
    (tmp_path / "root").mkdir()
    with workers() as made, File(path) as file:

        def write(one: ArchiveMember) -> dict[str, Written]:
            return made.write([one], file, str(tmp_path / "root"), going=lambda _: None)

        with pytest.raises(RefusedError):
            in_worker(made, lambda: write(member._replace(crc=1)))
        assert in_worker(made, lambda: write(member))


def arriving(file: File, member: ArchiveMember, end: int, reached: Callable[[], int]) -> Arrival:
    return Arrival(file=file, end=end, reached=reached, wait_and_read=file.read)


def test_a_process_that_is_killed_is_a_failure_and_the_thread_goes_on_alone(tmp_path: Path) -> None:
    path = KINDS["incompressible"].write(tmp_path, "incompressible")
    member = max(members_of(path), key=lambda one: one.packed)
    root = tmp_path / "root"
    (root / member.name).parent.mkdir(parents=True)
    with workers() as made, File(path) as file:
        killed = threading.Event()

        def reached() -> int:
            if not killed.is_set():
                for pid in children():
                    os.kill(pid, signal.SIGKILL)
                killed.set()
            return path.stat().st_size

        def write(source: File | Arrival) -> dict[str, Written]:
            return made.write([member], source, str(root), going=lambda _: None)

        end = member.offset + 30 + len(member.name) + member.packed
        with pytest.raises(OSError):
            in_worker(made, lambda: write(arriving(file, member, end, reached)))
        assert killed.is_set()
        (root / member.name).unlink(missing_ok=True)
        assert in_worker(made, lambda: write(file))


def children() -> list[int]:
    """Ids of the processes that were started to unpack."""
    task = Path("/proc/self/task")
    if not task.is_dir():
        pytest.skip("only Linux lists them")
    found = [int(pid) for thread in task.iterdir() for pid in (thread / "children").read_text().split()]
    return [pid for pid in found if b"unpack.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_download_that_never_ends_leaves_neither_files_nor_processes(tmp_path: Path) -> None:
    wheel = KINDS["incompressible"].write(tmp_path / "made", "incompressible")
    download = Download(wheel.read_bytes(), tmp_path / "arriving.part")
    before = threading.active_count()
    with Unpacking(TreeStore(tmp_path / "trees", boot="b"), ignore, environ=ENVIRON) as unpacking:
        unpacking.follow(wheel.name, wheel_at(wheel).sha256, download)
        download.advance(len(download.content) - 100)
        while not list((tmp_path / "trees").glob(".*.new/tree/random_one/*")):
            threading.Event().wait(0.01)
    assert threading.active_count() == before
    assert left(tmp_path / "trees") == []
    assert not children()
