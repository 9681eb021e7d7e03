"""Processes that unpack give what threads give: the same trees, the same refusals, and nothing that is left behind."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest

from odd_wheels import KINDS
from tfprov.errors import TfprovError
from tfprov.events import Event, Note, ignore
from tfprov.process import bare_environment
from tfprov.unpack import archive
from tfprov.unpack import members as members_module
from tfprov.unpack import worker as worker_module
from tfprov.unpack import workers as workers_module
from tfprov.unpack.archive import RefusedError
from tfprov.unpack.members import File, Written
from tfprov.unpack.records import ArchiveMember
from tfprov.unpack.store import TreeStore
from tfprov.unpack.unpacking import Unpacking
from tfprov.unpack.workers import Arrival, LostError, Workers
from threads import none_left
from unit.unpack.test_following import STEPS, Download, content, follow, in_pieces, whole
from unit.unpack.test_unpacking import HOSTILE, left, wheel_at

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no descriptor can be handed over")

ENVIRON = bare_environment(os.environ)
_Result = TypeVar("_Result")


@contextmanager
def workers() -> Iterator[Workers]:
    with none_left():
        made = Workers(ENVIRON)
        try:
            yield made
        finally:
            made.close()


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
    found: list[int] = []
    for thread in task.iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            found += map(int, (thread / "children").read_text().split())
    return [pid for pid in found if b"unpack.worker" in command_of(pid)]


def command_of(pid: int) -> bytes:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def impatient(monkeypatch: pytest.MonkeyPatch, slices: int = 1) -> None:
    monkeypatch.setattr(workers_module, "_MOST_SLICES", slices)


def stop(pids: Sequence[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


def test_wheels_are_unpacked_although_every_process_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = KINDS["many_files"].write(tmp_path / "first", "many_files")
    second = KINDS["incompressible"].write(tmp_path / "second", "incompressible")
    third = KINDS["package"].write(tmp_path / "third", "package")
    said: list[Event] = []
    with none_left(), Unpacking(TreeStore(tmp_path / "trees", boot="b"), said.append, environ=ENVIRON) as unpacking:
        unpacking.add(wheel_at(first))
        unpacking.wait()
        stopped = children()
        assert stopped
        stop(stopped)
        impatient(monkeypatch)
        for wheel in (second, third):
            unpacking.add(wheel_at(wheel))
        trees = unpacking.wait()
    for wheel in (second, third):
        assert content(trees[wheel_at(wheel).sha256]) == content(whole(tmp_path, wheel))
    assert any("made no progress for 1 s and was ended" in event.text for event in said if isinstance(event, Note))
    assert left(tmp_path / "trees") == []
    assert not children()


def test_a_wheel_that_arrives_is_unpacked_although_every_process_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = KINDS["incompressible"].write(tmp_path / "made", "incompressible")

    def stopping(download: Download) -> None:
        download.advance(len(download.content) // 2)
        while not list((tmp_path / "trees").glob(".*.new/tree/random_one/*")):
            threading.Event().wait(0.01)
        impatient(monkeypatch)
        stop(children())
        download.advance(len(download.content))

    tree = follow(tmp_path, wheel, steps=stopping, environ=ENVIRON)
    assert content(tree) == content(whole(tmp_path, wheel))
    assert left(tmp_path / "trees") == []
    assert not children()


def test_a_process_that_is_stopped_before_it_is_ready_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nkill -STOP $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    path = KINDS["module"].write(tmp_path, "module")
    member, *_ = members_of(path)
    (tmp_path / "root").mkdir()
    with workers() as made, File(path) as file:
        assert in_worker(made, lambda: made.write([member], file, str(tmp_path / "root"), going=lambda _: None))


def test_a_stopped_process_that_has_nothing_to_do_is_ended_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "_END_SECONDS", 0.1)
    with workers() as made:
        in_worker(made, lambda: made.write([], File(Path(os.devnull)), "", going=lambda _: None))
        stop(children())
    assert not children()


class Script:
    """A socket that gives what a test says: nothing in a slice (None), or bytes."""

    def __init__(self, steps: Sequence[bytes | None]) -> None:
        self._steps = iter(steps)

    def recv(self, _count: int) -> bytes:
        if (found := next(self._steps)) is None:
            raise TimeoutError
        return found

    def shutdown(self, _how: int) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("steps", "answer"),
    [
        ([b"[]\n"], b"[]\n"),
        ([*[None] * 119, b"[]\n"], b"[]\n"),
        # However long that one slice was in which the machine slept.
        ([*[None] * 119, b"\n", *[None] * 119, b"\n\n", *[None] * 119, b"[", *[None] * 119, b"]\n\n"], b"[]\n"),
        ([None] * 120, None),
        ([b"\n", *[None] * 120], None),
        ([b""], None),
    ],
    ids=["at once", "late", "slow but at work", "silent", "silent after a while", "ended"],
)
def test_only_a_process_that_is_silent_for_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch, steps: Sequence[bytes | None], answer: bytes | None
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    process = workers_module._Process(ENVIRON, 0)
    process._socket.close()
    monkeypatch.setattr(process, "_socket", Script(steps))
    if answer is None:
        with pytest.raises(OSError, match=r"has ended|made no progress for 120 s and was ended"):
            process._said()
    else:
        assert process._said() == answer
    process.close()


def test_a_process_says_that_it_is_at_work_while_it_writes_one_big_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(worker_module, "_BEAT_SECONDS", 0.0)
    path = KINDS["incompressible"].write(tmp_path, "incompressible")
    member = max(members_of(path), key=lambda one: one.packed)
    (tmp_path / "tree" / member.name).parent.mkdir(parents=True)
    with ours, theirs, File(path) as file:
        ours.setblocking(False)
        # Nobody reads meanwhile: what there is no room for is dropped, and the worker goes on.
        members_module.extract(file, member, f"{tmp_path}/tree/{member.name}", going=worker_module._beating(theirs))
        assert set(ours.recv(1 << 20)) == set(worker_module.BEAT)


def test_a_process_that_takes_no_task_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is sent fits into no buffer."""
    path = KINDS["module"].write(tmp_path, "module")
    member, *_ = members_of(path)
    (tmp_path / "root").mkdir()
    with workers() as made, File(path) as file:

        def write(members: Sequence[ArchiveMember]) -> dict[str, Written]:
            return made.write(members, file, str(tmp_path / "root"), going=lambda _: None)

        in_worker(made, lambda: write([member]))
        impatient(monkeypatch)
        stop(children())
        with pytest.raises(LostError, match="made no progress"):
            in_worker(made, lambda: write([member] * 50_000))
        assert not children()


def test_a_download_that_never_ends_leaves_neither_files_nor_processes(tmp_path: Path) -> None:
    wheel = KINDS["incompressible"].write(tmp_path / "made", "incompressible")
    download = Download(wheel.read_bytes(), tmp_path / "arriving.part")
    with none_left(), Unpacking(TreeStore(tmp_path / "trees", boot="b"), ignore, environ=ENVIRON) as unpacking:
        unpacking.follow(wheel.name, wheel_at(wheel).sha256, download)
        download.advance(len(download.content) - 100)
        while not list((tmp_path / "trees").glob(".*.new/tree/random_one/*")):
            threading.Event().wait(0.01)
    assert left(tmp_path / "trees") == []
    assert not children()
