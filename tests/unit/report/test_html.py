from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser

from tfprov.report.html import render
from tfprov.smoke.records import Device, Leg, ShellHazard, Verdict

NOW = datetime(2031, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
VERDICT = Verdict(
    level="standard",
    seconds=4.5,
    tensorflow="2.21.0",
    python="3.12.1",
    packages=(("numpy", "2.1.0"),),
    note="no GPU was tested",
    findings=(ShellHazard(code="path-leak", evidence="PYTHONPATH brings in `x`"),),
    devices=(
        Device(
            name="environment",
            kind="environment",
            legs=(
                Leg(leg="import", ok=True, seconds=2.0, evidence="from </pre><script>alert(1)</script>", started=0.1),
                Leg(leg="tensorboard", ok=True, seconds=0.0, evidence="not installed", skipped=True),
            ),
        ),
        Device(
            name="GPU:0",
            kind="gpu",
            description="Sham 0",
            legs=(Leg(leg="matmul", ok=False, seconds=0.5, code="wrong-number", evidence="off <by> 3", started=2.2),),
        ),
    ),
)
VOID = {"meta", "line", "rect", "br"}


class Page(HTMLParser):
    """Tags, references and text of a page; fails on tags that do not close in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere() -> None:
    source = render(VERDICT, title="train", made=NOW)
    page = Page(source)
    assert page.references == []
    assert "script" not in page.tags
    assert "@import" not in source
    assert "url(" not in source


def test_the_page_says_what_failed_on_what_evidence_and_what_to_do() -> None:
    words = Page(render(VERDICT, title="train", made=NOW)).words
    for part in ("train: failed", "wrong-number", "off <by> 3", "Next step", "path-leak", "no GPU was tested"):
        assert part in words
    assert "2031-02-03 04:05:06+00:00" in words
    assert "</pre><script>alert(1)</script>" in words


def test_a_mark_is_a_word_and_not_only_a_colour() -> None:
    words = Page(render(VERDICT, title="train", made=NOW)).words
    assert "✗ wrong-number" in words
    assert "ok 2.0 s" in words
    assert "skipped" in words


def test_a_good_verdict_has_no_list_of_failures() -> None:
    good = replace(VERDICT, devices=VERDICT.devices[:1], findings=())
    words = Page(render(good, title="train", made=NOW)).words
    assert "train: verified" in words
    assert "What went wrong" not in words
    assert "Around the environment" not in words


def test_the_time_line_has_a_bar_for_each_check_that_says_when_it_began() -> None:
    source = render(VERDICT, title="train", made=NOW)
    assert source.count('<div class="bar ') == 2
    assert 'style="left:2.222%;width:44.444%"' in source
    assert "Longest: import on the environment 2.0 s, matmul on GPU:0 0.5 s" in source
    silent = replace(VERDICT, devices=())
    assert "No check recorded when it began" in Page(render(silent, title="train", made=NOW)).words


def test_what_was_not_run_is_not_shown_as_passed() -> None:
    source = render(VERDICT, title="train", made=NOW)
    words = Page(source).words
    assert "1 passed, 1 failed, 1 skipped (tensorboard: not installed)" in words
    assert "tensorboard on the environment: not installed" in words
    assert '<div class="tile none"><b>tensorboard</b>' in source


def test_the_matrix_has_a_row_for_each_check_and_a_column_for_each_device() -> None:
    other = replace(VERDICT.devices[1], name="GPU:1", legs=(Leg(leg="gradient", ok=True, seconds=0.1),))
    source = render(replace(VERDICT, devices=(*VERDICT.devices, other)), title="train", made=NOW)
    matrix = source[source.index('<table class="matrix">') : source.index("</table>")]
    assert matrix.count("<th scope=col>") == 2
    assert matrix.count("<th scope=row>") == 2
    assert matrix.count('<td class="mark') + matrix.count("<td class=mark>") == 4
    assert matrix.count("<td class=mark></td>") == 2


def test_what_was_cured_is_told() -> None:
    words = Page(render(replace(VERDICT, cures=("numpy-abi: bound",)), title="train", made=NOW)).words
    assert "What was changed in the environment" in words
    assert "numpy-abi: bound" in words
    assert "What was changed in the environment" not in Page(render(VERDICT, title="train", made=NOW)).words


def test_secrets_stay_out() -> None:
    leg = Leg(leg="x", ok=False, seconds=0, code="probe-failed", evidence="https://me:hunter2@host.example/")
    page = render(replace(VERDICT, devices=(Device(name="CPU:0", kind="cpu", legs=(leg,)),)), title="x", made=NOW)
    assert "hunter2" not in page
