from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfprov.fetch import pipes
from tfprov.fetch.pipes import WRITE_BYTES, Pipe

pytestmark = pytest.mark.skipif(not pipes.AVAILABLE, reason="this system has no splice")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection: ours, theirs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    with ours, theirs:
        ours.settimeout(60)
        yield ours, theirs


@pytest.fixture
def target(tmp_path: Path) -> Iterator[int]:
    handle = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield handle
    os.close(handle)


def test_bytes_go_from_the_socket_into_the_file(ends: tuple[socket.socket, socket.socket], target: int) -> None:
    ours, theirs = ends
    theirs.sendall(b"0123456789")
    with Pipe() as pipe:
        assert pipe.fill(ours, 4, wait=10) == 4
        assert pipe.fill(ours, 4, wait=10) == 4
        assert len(pipe) == 8
        pipe.drain(target, 3)
        assert len(pipe) == 0
    assert os.pread(target, 99, 0) == b"\0\0\x0001234567"
    assert ours.recv(9) == b"89"


def test_more_than_is_written_at_once_arrives_whole(ends: tuple[socket.socket, socket.socket], target: int) -> None:
    ours, theirs = ends
    content = os.urandom(5 * WRITE_BYTES + 7)
    sender = threading.Thread(target=theirs.sendall, args=(content,))
    sender.start()
    offset = 0
    with Pipe() as pipe:
        while offset < len(content):
            try:
                pipe.fill(ours, len(content), wait=10)
            except BlockingIOError:
                assert len(pipe)
            held = len(pipe)
            pipe.drain(target, offset)
            offset += held
    sender.join()
    assert os.pread(target, offset + 1, 0) == content


def test_a_full_pipe_says_so(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends

    def send() -> None:
        with pytest.raises(OSError):  # nobody reads what is left
            theirs.sendall(b"x" * 64 * 1024 * 1024)

    sender = threading.Thread(target=send)
    sender.start()
    with Pipe() as pipe:
        with pytest.raises(BlockingIOError):
            while True:
                pipe.fill(ours, 64 * 1024 * 1024, wait=10)
        assert len(pipe) > 0
    ours.close()
    sender.join()


def test_silence_ends_the_wait(ends: tuple[socket.socket, socket.socket]) -> None:
    with Pipe() as pipe, pytest.raises(TimeoutError):
        pipe.fill(ends[0], 9, wait=0.01)


def test_the_end_of_the_connection_is_nothing(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(b"x")
    theirs.close()
    with Pipe() as pipe:
        assert pipe.fill(ours, 9, wait=10) == 1
        assert pipe.fill(ours, 9, wait=10) == 0
        assert len(pipe) == 1


def test_whoever_shuts_the_socket_down_wakes_the_waiting(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = ends
    timer = threading.Timer(0.1, ours.shutdown, (socket.SHUT_RDWR,))
    timer.start()
    with Pipe() as pipe:
        assert pipe.fill(ours, 9, wait=60) == 0


def test_a_file_system_without_pipes_is_written_to_as_usual(
    ends: tuple[socket.socket, socket.socket], target: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = ends
    theirs.sendall(b"0123456789")
    with Pipe() as pipe:
        pipe.fill(ours, 10, wait=10)

        def unable(*args: object, **named: object) -> int:
            raise OSError(errno.EINVAL, "Invalid argument")

        monkeypatch.setattr(os, "splice", unable)
        pipe.drain(target, 1)
    assert os.pread(target, 99, 0) == b"\x000123456789"


def test_what_cannot_be_written_is_still_held(ends: tuple[socket.socket, socket.socket], tmp_path: Path) -> None:
    ours, theirs = ends
    theirs.sendall(b"0123")
    (tmp_path / "file").touch()
    with Pipe() as pipe, (tmp_path / "file").open("rb") as readable:
        pipe.fill(ours, 4, wait=10)
        with pytest.raises(OSError, match="Bad file descriptor"):
            pipe.drain(readable.fileno(), 0)
        assert len(pipe) == 4
