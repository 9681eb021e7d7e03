from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov import trees
from tfprov.envs import survey as survey_module
from tfprov.envs.survey import survey

FILES = ("lib/thing/__init__.py", "lib/thing/__pycache__/__init__.cpython-312.pyc", "bin/thing", "pyvenv.cfg")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


def test_a_survey_has_every_file_with_its_size_and_time(environment: Path) -> None:
    found = survey(environment)
    assert sorted(found) == sorted(FILES)
    for path, status in found.items():
        there = (environment / path).lstat()
        assert status == (there.st_size, there.st_mtime_ns, there.st_ino, True)


@pytest.mark.skipif(os.name != "posix", reason="links, which few users of Windows may make")
def test_links_are_listed_and_not_followed(environment: Path) -> None:
    (environment / "folder").symlink_to(environment / "bin")
    (environment / "dead").symlink_to("nowhere")
    found = survey(environment)
    assert not found["folder"].is_regular
    assert not found["dead"].is_regular
    assert "folder/thing" not in found


@pytest.mark.skipif(os.name != "posix", reason="a file can be replaced while it is open")
def test_a_file_with_the_same_size_and_time_in_its_place_is_another_one(environment: Path) -> None:
    path = environment / FILES[0]
    before, status = survey(environment), path.stat()
    other = path.with_name("other")
    other.write_text(path.read_text().swapcase())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    now = survey(environment)
    assert now[FILES[0]][:2] == before[FILES[0]][:2]
    assert now[FILES[0]] != before[FILES[0]]


WAYS = [pytest.param(os.scandir in os.supports_fd, id="the system's"), pytest.param(False, id="by paths")]


@pytest.mark.parametrize("by_handle", WAYS)
def test_a_file_that_vanishes_under_the_survey_is_not_in_it(
    environment: Path, monkeypatch: pytest.MonkeyPatch, by_handle: bool
) -> None:
    gone, look = environment / FILES[-1], trees.is_folder

    def is_folder(entry: os.DirEntry[str]) -> bool:
        if entry.name == gone.name:
            gone.unlink()
        return look(entry)

    monkeypatch.setattr(survey_module, "_BY_HANDLE", by_handle)
    monkeypatch.setattr(trees, "is_folder", is_folder)
    assert set(survey(environment)) == set(FILES[:-1])
    assert not gone.exists()


@pytest.mark.skipif(os.name != "posix", reason="links, which few users of Windows may make")
def test_both_ways_to_look_at_files_find_the_same(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (environment / "folder").symlink_to("lib")
    (environment / "dead").symlink_to("nowhere")
    (environment / "lib" / os.fsdecode(b"\xff\xc3\xbc.txt")).write_text("x")
    os.mkfifo(environment / "lib/pipe")
    (environment / "empty").mkdir()
    found = survey(environment)
    monkeypatch.setattr(survey_module, "_BY_HANDLE", False)
    assert survey(environment) == found
    assert len(found) == len(FILES) + 4


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="shows open files under Linux")
def test_a_survey_leaves_no_file_open(environment: Path) -> None:
    before = os.listdir("/proc/self/fd")
    survey(environment)
    with pytest.raises(FileNotFoundError):
        survey(environment / "nowhere")
    assert os.listdir("/proc/self/fd") == before
