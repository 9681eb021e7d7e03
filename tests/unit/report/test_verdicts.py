from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from hosts import H100, Host
from tfprov.errors import TfprovError
from tfprov.report.junit import render_failure
from tfprov.report.verdicts import ReportFiles, document, loss, save, text
from tfprov.smoke.receipt import Difference, machine_of
from tfprov.smoke.records import Device, Leg, Verdict

NOW = datetime(2031, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
LEG = Leg(leg="matmul", ok=True, seconds=0.1)
VERDICT = Verdict(
    level="quick",
    devices=(Device(name="CPU:0", kind="cpu", legs=(LEG,)), Device(name="GPU:0", kind="gpu", legs=(LEG,))),
)


def machine() -> Mapping[str, str]:
    return machine_of(Host(gpus=(H100,), driver="550.144", cuda="12.4").facts)


def saved(verdict: Verdict, files: ReportFiles) -> tuple[Difference, ...]:
    return save(verdict, files, title="train", now=NOW, version="0.1", lock=None, machine=machine, environ={})


def test_every_file_that_is_wanted_is_written_and_no_other(tmp_path: Path) -> None:
    assert saved(VERDICT, ReportFiles()) == ()
    assert list(tmp_path.iterdir()) == []
    saved(VERDICT, ReportFiles(junit=tmp_path / "x.xml", html=tmp_path / "x.html", receipt=tmp_path / "x.json"))
    assert (tmp_path / "x.xml").read_text().startswith("<?xml")
    assert "train: verified" in (tmp_path / "x.html").read_text()
    assert '"made": "2031-02-03T04:05:06+00:00"' in (tmp_path / "x.json").read_text()


def test_a_newer_verdict_replaces_the_files_of_an_older_one_and_of_a_failure(tmp_path: Path) -> None:
    files = ReportFiles(junit=tmp_path / "x.xml", html=tmp_path / "x.html", receipt=tmp_path / "x.json")
    early = TfprovError("net-dns", "no such host")
    (tmp_path / "x.xml").write_bytes(render_failure(early, stage="fetch", seconds=1.0).encode())
    for level in ("quick", "deep"):
        saved(replace(VERDICT, level=level), files)
    assert "net-dns" not in (tmp_path / "x.xml").read_text()
    assert "level deep" in (tmp_path / "x.html").read_text()
    assert '"level": "deep"' in (tmp_path / "x.json").read_text()


@pytest.mark.parametrize(
    "content", ['<testsuites name="pytest tests">', "<!doctype html>\n<html>", "[" * 100_000, "{}", "PK"]
)
def test_files_of_other_tools_stay(tmp_path: Path, content: str) -> None:
    (tmp_path / "theirs").write_text(content)
    for files in (
        ReportFiles(junit=tmp_path / "theirs"),
        ReportFiles(html=tmp_path / "theirs"),
        ReportFiles(receipt=tmp_path / "theirs"),
    ):
        with pytest.raises(TfprovError) as caught:
            saved(VERDICT, files)
        assert caught.value.code.name == "path-not-ours"
    assert (tmp_path / "theirs").read_text() == content


def test_the_machine_is_asked_for_a_receipt_only(tmp_path: Path) -> None:
    def refuse() -> Mapping[str, str]:
        raise AssertionError

    files = ReportFiles(junit=tmp_path / "x.xml")
    assert save(VERDICT, files, title="x", now=NOW, version="0.1", lock=None, machine=refuse, environ={}) == ()


def test_the_machine_in_a_receipt_is_what_stays() -> None:
    assert machine() == {
        "system": "6.8.0",
        "architecture": "x86_64",
        "libc": "glibc 2.39",
        "vector units": "avx avx2 fma sse4_2",
        "cores": "8",
        "driver": "550.144",
        "gpus": "NVIDIA H100 80GB HBM3",
    }


def test_a_receipt_can_be_compared_with_and_replaced_in_one_go(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    saved(VERDICT, ReportFiles(receipt=path))
    fewer = replace(VERDICT, devices=VERDICT.devices[:1])
    gone = Difference(what="GPU:0 matmul", was="ok", now="", worse=True)
    assert saved(fewer, ReportFiles(receipt=path, against=path)) == (gone,)
    page = ReportFiles(against=path, html=tmp_path / "x.html")
    assert saved(fewer, page) == ()
    shown = (tmp_path / "x.html").read_text()
    assert "<h2>Since 2031-02-03T04:05:06+00:00</h2>\n<p>Everything is as it was</p>" in shown
    assert [one.was for one in saved(VERDICT, page)] == [""]
    assert (
        "<th scope=row>GPU:0 matmul</th><td>not there</td><td class=none>ok</td>" in (tmp_path / "x.html").read_text()
    )


def test_a_good_verdict_that_proves_less_is_a_failure() -> None:
    gone = Difference(what="GPU:0 matmul", was="ok", now="", worse=True)
    error = loss((gone, Difference(what="numpy", was="1", now="2")))
    assert error is not None
    assert (error.code.name, error.evidence) == ("gpu-missing-in-tf", ("GPU:0 matmul: ok there, nothing here",))
    assert loss((Difference(what="numpy", was="1", now="2"),)) is None


def test_differences_are_told_to_people_and_machines() -> None:
    gone = Difference(what="GPU:0 matmul", was="ok", now="", worse=True)
    assert text((gone,)) == "different from the receipt:\n  ! GPU:0 matmul: ok -> not there"
    assert text(()) == "it matches the receipt"
    assert document((gone,)) == [{"what": "GPU:0 matmul", "was": "ok", "now": "", "worse": True}]


def test_nothing_is_written_when_the_older_receipt_is_none(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    with pytest.raises(TfprovError):
        saved(VERDICT, ReportFiles(junit=tmp_path / "x.xml", against=tmp_path / "old.json"))
    assert not (tmp_path / "x.xml").exists()
