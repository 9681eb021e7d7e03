from __future__ import annotations

import io
from pathlib import Path

import pytest

from outcomes import BAD, GOOD
from tfprov.errors import TfprovError
from tfprov.events import Note, Progress, StageEnded, StageStarted
from tfprov.report import ci


@pytest.mark.parametrize(
    ("environ", "system"),
    [
        ({"GITHUB_ACTIONS": "true", "CI": "true"}, "github"),
        ({"GITLAB_CI": "true", "CI": "true"}, "gitlab"),
        ({"CI": "1"}, "generic"),
        ({"CI": "false"}, None),
        ({}, None),
    ],
)
def test_the_system_is_told_by_its_variables(environ: dict[str, str], system: str | None) -> None:
    assert ci.system_of(environ) == system


def log(system: str, *, fail: bool = False) -> str:
    stream = io.StringIO()
    with ci.reporter(system, stream, verbose=False, clock=lambda: 1700000000.7) as emit:
        emit(StageStarted(stage="fetch"))
        emit(Progress(stage="fetch", what="x.whl", done=1, total=2))
        emit(Note(text="100% of\nit", level="warning"))
        if not fail:
            emit(StageEnded(stage="fetch", seconds=2.5))
    return stream.getvalue()


def test_github_folds_each_stage_and_marks_warnings() -> None:
    assert log("github") == (
        "::group::tfprov fetch\n> fetch\n! 100% of\\x0ait\n::warning title=tfprov::100%25 of\\x0ait\n"
        "* fetch  2.5 s\n::endgroup::\n"
    )


def test_gitlab_folds_each_stage() -> None:
    assert log("gitlab") == (
        "\033[0Ksection_start:1700000000:tfprov_fetch[collapsed=true]\r\033[0Ktfprov fetch\n> fetch\n! 100% of\\x0ait\n"
        "* fetch  2.5 s\n\033[0Ksection_end:1700000000:tfprov_fetch\r\033[0K\n"
    )


@pytest.mark.parametrize(("system", "end"), [("github", "::endgroup::"), ("gitlab", "section_end:")])
def test_a_section_ends_also_when_its_stage_does_not(system: str, end: str) -> None:
    assert end in log(system, fail=True).split("\n")[-2]


def test_another_system_gets_plain_lines() -> None:
    assert log("jenkins") == "> fetch\n! 100% of\\x0ait\n* fetch  2.5 s\n"


def test_a_failure_becomes_one_annotation_with_its_code_as_title_and_no_secret() -> None:
    error = TfprovError("net-reset", "cut: 50%", evidence=("https://me:secret@host/x", "a\nb"), hint="again")
    (line,) = ci.failure_lines("github", error)
    assert line == "::error title=net-reset::cut: 50%25%0Ahttps://****@host/x%0Aa%0Ab%0Ahint: again"
    assert ci.failure_lines("gitlab", error) == ()
    assert ci.failure_lines(None, error) == ()


def test_a_mistake_in_a_profile_is_marked_where_it_stands() -> None:
    error = TfprovError(
        "profile-invalid", "two mistakes", evidence=("train.toml:7: `a` is unknown", "more, here.txt:1: no", "x")
    )
    assert ci.failure_lines("github", error) == (
        "::error file=train.toml,line=7,title=profile-invalid::`a` is unknown",
    )


def test_properties_escape_what_ends_them() -> None:
    assert ci.annotation("error", "m", title="a:b,c%d") == "::error title=a%3Ab%2Cc%25d::m"


def test_the_summary_shows_the_verdict_as_a_table_that_nothing_breaks() -> None:
    page = ci.summary("up", head="it|works", verdict=GOOD, rows={"place": "/a|b\n<i>![x](//y)"})
    assert page.startswith("### ✅ tfprov up: it\\|works\n")
    assert "| place | /a\\|b &lt;i>![x] (//y) |" in page
    rows = [line for line in page.splitlines() if line.startswith("| ") and "passed" in line]
    assert len(rows) == sum(not leg.skipped for device in GOOD.devices for leg in device.legs)


def test_the_summary_of_a_failure_names_code_and_next_step() -> None:
    error = TfprovError("wrong-number", "off", evidence=("e",), hint="do that")
    page = ci.summary("up", head=error.what, verdict=BAD, error=error, rows={})
    assert page.startswith("### ❌ tfprov up: off\n")
    assert "**wrong-number** (exit status 18): off" in page
    assert "Next step: do that" in page
    failed = [leg for device in BAD.devices for leg in device.legs if not leg.ok]
    assert failed
    assert all(f"**{leg.code}**" in page for leg in failed)


def test_values_of_several_lines_stand_between_marks_that_they_cannot_hold() -> None:
    text = ci.outputs({"a": "1", "b": "x\ny=2"})
    first, mark, *rest = text.splitlines()
    assert first == "a=1"
    name, _, delimiter = mark.partition("<<")
    assert (name, rest) == ("b", ["x", "y=2", delimiter])


def test_pages_and_values_are_appended_where_github_says_and_nowhere_else(tmp_path: Path) -> None:
    page, values = tmp_path / "summary.md", tmp_path / "output"
    page.write_text("before\n")
    variables = {"GITHUB_STEP_SUMMARY": str(page), "GITHUB_OUTPUT": str(values)}
    ci.publish(variables, page="x\n", values={"a": "1"})
    assert page.read_text() == "before\n"
    assert not values.exists()
    ci.publish({**variables, "GITHUB_ACTIONS": "true"}, page="x\n", values={"a": "1"})
    assert (page.read_text(), values.read_text()) == ("before\nx\n", "a=1\n")
    # A file that cannot be written fails no job.
    ci.publish({"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path)}, page="x\n", values={})
