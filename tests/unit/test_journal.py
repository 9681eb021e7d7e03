from __future__ import annotations

import json
import os
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tfprov.events import Attempt, Note, Progress, StageEnded, StageStarted
from tfprov.journal import KEPT, Journal, journals, read

NOW = datetime(2026, 3, 1, 12, 30, 5, 123456, tzinfo=timezone.utc)


def kinds(path: Path) -> list[object]:
    return [line["event"] for line in read(path)]


def test_events_before_the_file_is_known_come_first_and_in_order(tmp_path: Path) -> None:
    journal = Journal()
    journal(StageStarted(stage="profile"))
    journal(StageEnded(stage="profile", seconds=0.1))
    journal.open(tmp_path / "new" / "folder", now=NOW)
    journal(Note(text="hello", level="detail"))
    journal.write("End", {"code": None})
    journal.close()
    assert journal.path is not None
    assert kinds(journal.path) == ["StageStarted", "StageEnded", "Note", "End"]


def test_a_line_is_the_moment_the_kind_and_the_keys_of_the_event(tmp_path: Path) -> None:
    journal = Journal()
    journal.open(tmp_path, now=NOW)
    journal(Attempt(stage="fetch", rung="patient", number=2, code="net-reset", what="cut", seconds=1.5, wait=0.5))
    assert journal.path is not None
    (line,) = read(journal.path)
    assert datetime.fromisoformat(str(line.pop("at"))).tzinfo is not None
    assert line == {
        "event": "Attempt",
        "stage": "fetch",
        "rung": "patient",
        "number": 2,
        "code": "net-reset",
        "what": "cut",
        "seconds": 1.5,
        "wait": 0.5,
    }
    journal.close()


def test_every_line_is_on_disk_at_once(tmp_path: Path) -> None:
    journal = Journal()
    journal.open(tmp_path, now=NOW)
    journal(Note(text="one"))
    assert journal.path is not None
    assert len(list(read(journal.path))) == 1
    journal.close()


def test_progress_is_left_out(tmp_path: Path) -> None:
    journal = Journal()
    journal(Progress(stage="fetch", what="x", done=1, total=2))
    journal.open(tmp_path, now=NOW)
    journal(Progress(stage="fetch", what="x", done=2, total=2))
    journal.close()
    assert journal.path is not None
    assert journal.path.read_bytes() == b""


def test_a_file_is_named_after_moment_and_process(tmp_path: Path) -> None:
    journal = Journal()
    journal.open(tmp_path, now=NOW)
    journal.close()
    assert journal.path == tmp_path / f"20260301T123005.123456Z-{os.getpid()}.jsonl"


def test_no_secret_reaches_the_file(tmp_path: Path) -> None:
    journal = Journal()
    journal(Note(text="early https://me:hunter2@host/x"))
    journal.open(tmp_path, now=NOW)
    journal(Note(text="Authorization: Bearer hunter2"))
    journal.write("End", {"evidence": ("https://me:hunter2@host",), "path": Path("https:/x?token=hunter2")})
    journal.close()
    assert journal.path is not None
    assert "hunter2" not in journal.path.read_text()
    assert len(list(read(journal.path))) == 3


def test_a_last_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    whole = json.dumps({"event": "Note", "text": "ü"})
    path.write_bytes(f"{whole}\n{whole}".encode()[:-4])
    assert list(read(path)) == [{"event": "Note", "text": "ü"}]
    path.write_bytes(f"{whole}\n".encode() + b'{"event": "N\xc3')
    assert list(read(path)) == [{"event": "Note", "text": "ü"}]


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = Journal()
    journal(Note(text="one"))
    journal.open(tmp_path / "file" / "folder", now=NOW)
    journal(Note(text="two"))
    journal.close()
    assert journal.path is None


def test_what_comes_after_the_end_is_dropped(tmp_path: Path) -> None:
    journal = Journal()
    journal.open(tmp_path, now=NOW)
    journal(Note(text="one"))
    journal.close()
    journal(Note(text="two"))
    journal.close()
    assert journal.path is not None
    assert len(list(read(journal.path))) == 1


def test_only_the_newest_journals_are_kept_the_new_one_included(tmp_path: Path) -> None:
    for number in range(KEPT + 5):
        journal = Journal()
        journal.open(tmp_path, now=NOW + timedelta(seconds=number))
        journal.close()
    (tmp_path / "note.txt").write_text("not ours")
    names = [path.name[:15] for path in journals(tmp_path)]
    assert len(names) == KEPT
    assert names == sorted(names, reverse=True)
    assert names[0] == f"{NOW + timedelta(seconds=KEPT + 4):%Y%m%dT%H%M%S}"
    assert (tmp_path / "note.txt").exists()


@pytest.mark.parametrize("last", ["20300101T000000.000000Z-1.jsonl", "99991231T235959.999999Z-1.jsonl", "x.jsonl"])
def test_the_newest_journal_is_the_last_one_also_after_the_clock_was_put_back(tmp_path: Path, last: str) -> None:
    (tmp_path / last).touch()
    for number in range(3):
        journal = Journal()
        journal.open(tmp_path, now=NOW - timedelta(days=number))
        journal.close()
        if last.startswith("2030"):
            assert journals(tmp_path)[0] == journal.path
    assert len(journals(tmp_path)) == 4


def test_a_folder_that_is_not_there_has_no_journals(tmp_path: Path) -> None:
    assert journals(tmp_path / "nothing") == []


def test_text_that_is_no_unicode_is_kept_readable(tmp_path: Path) -> None:
    journal = Journal()
    journal.open(tmp_path, now=NOW)
    journal(Note(text=b"/x/caf\xe9".decode("utf-8", "surrogateescape")))
    journal.close()
    assert journal.path is not None
    (line,) = read(journal.path)
    assert str(line["text"]).startswith("/x/caf")


def test_lines_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    journal = Journal()
    journal.open(tmp_path, now=NOW)
    workers = [
        threading.Thread(target=lambda: [journal(Note(text="x" * 300)) for _ in range(200)], daemon=True)
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    journal.close()
    assert journal.path is not None
    lines = journal.path.read_text().splitlines()
    assert len(lines) == 800
    assert all(json.loads(line)["text"] == "x" * 300 for line in lines)
