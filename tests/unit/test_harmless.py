"""What comes from outside is shown, and does nothing to the terminal or the log that shows it."""

from __future__ import annotations

import io
import json
import unicodedata
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes import BUILT
from tfprov.cli.app import app
from tfprov.cli.output import Output
from tfprov.envs.generations import Environment
from tfprov.envs.records import Owner
from tfprov.errors import TfprovError
from tfprov.events import Attempt, Note, Progress
from tfprov.harmless import harmless
from tfprov.pipeline.cache import Kept
from tfprov.pipeline.exporting import Made
from tfprov.pipeline.status import Status
from tfprov.report import ci, exports, inventory, junit, page, text
from tfprov.report import status as status_report
from tfprov.report.progress import PlainReporter, ProgressText
from tfprov.smoke.records import Device, Leg, Verdict
from tfprov.structured import json_text

EVIL = "\x1b]0;title\x07\x1b[2J\u202egpj.exe\u2066\x9b31m\x00\rOK"
COMMANDS = [
    "said ##[error]gone",
    "said##vso[task.complete]",
    "##teamcity[buildStop]",
    "::error::gone",
    "  ::set-output name=x::y",
    "##[error]gone",
    "x ##vso[task.complete]",
    "##[group]a",
]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain `words` of ours\n  in lines\tand tabs", "plain `words` of ours\n  in lines\tand tabs"),
        ("Größe ✓ 試験 🙂", "Größe ✓ 試験 🙂"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\r\nb\rc", "a\nb\\x0dc"),
        ("a\u202eb\u2069", "a\\u202eb\\u2069"),
        ("half \udc80", "half \\udc80"),
        ("no\u200bthing\xad \ufeff\u2060\u3164\U000e0041", "no\\u200bthing\\xad \\ufeff\\u2060\\u3164\\U000e0041"),
        ("\u200b::error::gone", "\\u200b::error::gone"),
        ("joined \u200d and \u200c not", "joined \u200d and \u200c not"),
        ("::error::gone", ": :error::gone"),
        ("tests/x.py::test", "tests/x.py::test"),
        ("::1 is an address", "::1 is an address"),
        ("ok\n  ##vso[task]", "ok\n  # #vso[task]"),
        ("## a heading", "## a heading"),
    ],
)
def test_what_is_not_seen_is_written_out_and_nothing_else_changes(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_many_blank_lines_are_done_in_a_time_in_proportion() -> None:
    # A time that grew with the square of their number would exceed the limit of all tests many times.
    assert harmless("\n" * 500_000 + " ::error::") == "\n" * 500_000 + " : :error::"


@given(st.text())
def test_no_text_keeps_what_is_not_seen(text: str) -> None:
    shown = harmless(text)
    assert not [one for one in shown if unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\t"]
    assert not [one for one in shown if unicodedata.bidirectional(one) in ("RLE", "LRE", "RLO", "LRO", "RLI", "LRI")]
    assert harmless(shown) == shown
    shown.encode()


def is_harmless(text: str) -> bool:
    return harmless(text) == text


@pytest.mark.parametrize("evil", [EVIL, *COMMANDS])
def test_no_way_to_the_screen_lets_it_through(evil: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(command="up", environ={"NO_COLOR": "1"})
    output.failure(TfprovError("usage", f"bad\n{evil}", evidence=(evil, f"x\n{evil}"), tried=(evil,), hint=evil))
    output.result(f"a\n{evil}", {})
    said = capsys.readouterr()
    assert is_harmless(said.err)
    assert is_harmless(said.out)
    stream = io.StringIO()
    with PlainReporter(stream, verbose=True) as reporter:
        reporter(Note(text=f"x\n{evil}", level="warning"))
    assert is_harmless(stream.getvalue())
    shown = ProgressText(lambda: 0.0).describe(Progress(stage="smoke", what=evil, done=1, total=2, unit="checks"))
    assert is_harmless(shown)


def test_no_part_of_a_name_or_path_is_a_line_of_its_own() -> None:
    evil = "a\nerror[internal]: b"
    environment = Environment(Path(f"/{evil}"), owner=Owner(name=evil, profile=f"/{evil}", link=f"/{evil}"))
    status = Status(
        environment=environment, generation=None, state="missing", code="usage", reasons=(evil,), next_step=evil
    )
    stream = io.StringIO()
    with PlainReporter(stream, verbose=True) as reporter:
        reporter(Note(text=evil, level="warning"))
        reporter(Attempt(stage="fetch", rung="normal", number=1, code="net-reset", what=evil, seconds=1.0, wait=None))
    moving = ProgressText(lambda: 0.0)
    printed = (
        stream.getvalue(),
        *(
            moving.describe(Progress(stage="smoke", what=evil, done=1, total=2, unit=unit))
            for unit in ("checks", "tries")
        ),
        text.listing([environment]),
        text.error(TfprovError("usage", evil, hint=evil)).partition(": ")[2],
        text.outcome(replace(BUILT, environment=environment), profile=evil),
        text.kept([Kept(what="wheels", path=Path(evil), bytes=0, files=0)]),
        status_report.words((status,)),
        exports.made(Made(path=Path(evil), digest="", size=0, prefix=evil, needs=(), left=(evil,)), "tar"),
    )
    for words in printed:
        assert "error[" in words
        assert not [line for line in words.splitlines() if line.startswith("error[")], words


@pytest.mark.parametrize("evil", [EVIL, *COMMANDS])
def test_no_report_lets_it_through(evil: str) -> None:
    error = TfprovError("usage", f"bad\n{evil}", evidence=(evil, "<script>alert(1)</script>"), hint=evil)
    text = ci.summary("up", head=evil, error=error, rows={evil: evil})
    assert is_harmless(text)
    assert "<script" not in text
    (line,) = ci.failure_lines("github", error)
    assert line.startswith("::error ")
    assert line.count("\n") == 0
    assert "\x1b" not in line
    assert is_harmless(junit.render_failure(error, stage="lock", seconds=1.0))
    leg = Leg(leg=evil, ok=False, seconds=1.0, evidence=evil, code=evil)
    device = Device(name=evil, kind="environment", legs=(leg,), description=evil)
    verdict = Verdict(devices=(device,), seconds=1.0, level="quick", cures=(evil,))
    found = junit.render(verdict)
    assert is_harmless(found)
    ElementTree.fromstring(found)
    assert is_harmless(page.text(evil))


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4))
def test_a_document_on_a_screen_is_harmless_and_says_the_same(document: object) -> None:
    shown = json_text(document)
    assert shown.isascii()
    assert is_harmless(shown)
    assert json.loads(shown) == document


@pytest.mark.parametrize("evil", [EVIL, *COMMANDS])
def test_no_document_lets_it_through(evil: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = TfprovError("usage", evil, evidence=(evil,))
    Output(command="up", json=True, environ={}).failure(error)
    said = capsys.readouterr().out
    assert is_harmless(said)
    assert json.loads(said)["error"]["what"] == evil
    bill = inventory.rendered({"description": evil})
    assert is_harmless(bill)
    assert json.loads(bill) == {"description": evil}


def test_what_another_machine_sends_does_nothing_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = {
        "command": "rollout",
        "state": "failed",
        "generation": "<script>alert(1)</script>",
        "before": {"a": 1},
        "tensorflow": EVIL,
        "error": {"code": "usage", "what": f"::error::{EVIL}", "evidence": ["::error::x", 3, EVIL], "hint": "##vso[a]"},
        "devices": [{"name": EVIL, "legs": [{"leg": "<b>", "ok": "yes"}, 3]}, "x"],
    }
    (tmp_path / "host.json").write_text(json.dumps(result))
    with pytest.raises(SystemExit):
        app(["gather", str(tmp_path / "host.json"), "--html", str(tmp_path / "report.html")])
    said = capsys.readouterr()
    assert is_harmless(said.out)
    assert is_harmless(said.err)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert is_harmless(html)
