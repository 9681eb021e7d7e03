"""What a report holds; how it is written is tried in tests/unit/cli/test_diagnose.py."""

import os
from pathlib import Path
from typing import cast

import pytest

from tfprov.host.records import Fact
from tfprov.pipeline import support_report
from told import refusal


def test_a_file_that_cannot_be_read_is_a_part_that_says_why(tmp_path: Path) -> None:
    hide = cast("support_report.Anonymiser", str)
    folder = "PermissionError" if os.name == "nt" else "IsADirectoryError"
    for path, why in ((tmp_path, folder), (tmp_path / "gone", "FileNotFoundError")):
        found = support_report._part("journals/1.jsonl", "the journal", path, hide)
        assert (found.name, found.text.partition(":")[0]) == ("journals/1.jsonl", why)


def test_the_home_of_a_user_of_windows_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable HOME is not set there."""
    monkeypatch.setattr(support_report, "running_system", lambda: Fact(value="windows", source="a test"))
    log = tmp_path / "pip.log"
    log.write_text("in D:\\People\\Ann Other\\x")
    parts = support_report.gather(None, logs=(log,), cwd=tmp_path, environ={"USERPROFILE": "D:\\People\\Ann Other"})
    assert parts[-1].text == "in ~\\x"


def test_a_report_is_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    words = ("usage", f"`{path}` is not a name for a report", "end it in `.zip`, `.tar.gz` or `.tgz`")
    assert refusal(lambda: support_report.check(path)) == words
