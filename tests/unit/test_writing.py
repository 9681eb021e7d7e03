from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tfprov import paths, writing
from tfprov.envs import links
from tfprov.renames import read


def test_a_file_is_written_with_its_parents_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    writing.write_atomic(path, b"one")
    writing.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_a_file_gets_the_permissions_that_any_new_file_would_get(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        writing.write_atomic(tmp_path / "file", b"")
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
        writing.write_atomic(path, b"new")
    assert failure.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def _written(path: Path) -> None:
    writing.write_atomic(path, b"new")


def _led(path: Path) -> None:
    links.switch(path, path.with_name("generation"), path.with_name("generation"))


@pytest.mark.parametrize(
    "change",
    [_written, pytest.param(_led, marks=pytest.mark.skipif(os.name == "nt", reason="there, no link is switched"))],
)
def test_what_a_killed_run_left_beside_a_path_goes_after_an_hour(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = tmp_path / ("train" * 20 + ".toml")
    gone, stay = paths.beside(path, ".tmp"), [paths.beside(path, ".tmp"), path.with_name(f".{path.name}.1-x.tmp")]
    stay += [paths.beside(path.with_name("other"), ".tmp"), path.with_name(f"{path.name}.tmp"), tmp_path / ".tmp"]
    for place in (gone, *stay):
        place.write_bytes(b"half")
        if place != stay[0]:
            os.utime(place, (time.time() - 4000,) * 2)
    change(path)
    assert sorted(tmp_path.iterdir()) == sorted([path, *stay])


def test_readers_see_the_old_or_the_new_content_never_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = {b"a" * 200_000, b"b" * 200_000}
    path.write_bytes(b"a" * 200_000)
    code = (
        "import sys; from pathlib import Path; from tfprov.writing import write_atomic\n"
        "for n in range(60): write_atomic(Path(sys.argv[1]), (b'ab'[n % 2:][:1]) * 200_000)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)]) as writer:
        while writer.poll() is None:
            assert read(path) in contents
    assert writer.returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be opened elsewhere")
@pytest.mark.skipif(os.name != "posix", reason="links and permissions of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_of_the_user_stays_a_link_and_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    real, link = tmp_path / "dotfiles/train.toml", tmp_path / "train.toml"
    real.parent.mkdir()
    real.write_text("old")
    real.chmod(mode)
    link.symlink_to("dotfiles/train.toml")
    writing.write_through(link, b"new")
    assert (link.is_symlink(), real.read_text(), real.stat().st_mode & 0o777) == (True, "new", mode)
    assert [path.name for path in real.parent.iterdir()] == ["train.toml"]


def test_a_file_of_the_user_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    writing.write_through(tmp_path / "deep/train.toml", b"new")
    writing.write_atomic(tmp_path / "usual", b"")
    assert (tmp_path / "deep/train.toml").read_bytes() == b"new"
    assert (tmp_path / "deep/train.toml").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_folder_that_cannot_be_synced_is_no_failure_and_a_disk_that_fails_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = {}
    for number in errno.errorcode:

        def fsync(_descriptor: int, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)
        try:
            writing.sync_folder(tmp_path)
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
    writing.write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert asked == (["fcntl 51", "fsync"] if refused else ["fcntl 51"])


@pytest.mark.parametrize("kind", ["file", "nothing", "link", "link to a link", "dangling link"])
def test_a_file_of_the_users_is_written_where_its_links_lead(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "project" / "train.toml", tmp_path / "dotfiles" / "real.toml"
    for folder in (path.parent, target.parent):
        folder.mkdir()
    if kind in ("link", "link to a link"):
        target.write_bytes(b"old")
    if kind == "link to a link":
        (tmp_path / "between").symlink_to(target)
        path.symlink_to(tmp_path / "between")
    elif "link" in kind:
        path.symlink_to("../dotfiles/real.toml")
    elif kind == "file":
        path.write_bytes(b"old")
    leads = path.exists() and path.is_symlink()
    writing.write_through(path, b"new")
    assert path.read_bytes() == b"new"
    # What a link names is changed, never made.
    assert path.is_symlink() is leads
    assert target.exists() is leads
    assert sorted(each.name for each in path.parent.iterdir()) == ["train.toml"]
