from __future__ import annotations

from xml.etree import ElementTree as ET

from tfprov.report.junit import render
from tfprov.smoke.records import Device, Leg, Verdict

VERDICT = Verdict(
    level="standard",
    seconds=4.5,
    devices=(
        Device(
            name="environment",
            kind="environment",
            legs=(
                Leg(leg="import", ok=True, seconds=2.0, evidence="tensorflow 2.21.0"),
                Leg(leg="tensorboard", ok=True, seconds=0.0, evidence="not installed", skipped=True),
            ),
        ),
        Device(
            name="GPU:0",
            kind="gpu",
            description="Sham <0>",
            legs=(
                Leg(leg="matmul", ok=False, seconds=0.5, code="wrong-number", evidence="error\x00 0.3 & <b>\x1b[31m"),
            ),
        ),
    ),
)


def test_every_leg_is_a_case_and_every_failure_has_its_code_and_evidence() -> None:
    root = ET.fromstring(render(VERDICT))
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("skipped")) == ("testsuites", "3", "1", "1")
    assert [suite.get("name") for suite in root] == ["environment", "GPU:0"]
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert list(cases) == ["import", "tensorboard", "matmul"]
    assert cases["tensorboard"].find("skipped") is not None
    failure = cases["matmul"].find("failure")
    assert failure is not None
    assert failure.get("type") == "wrong-number"
    assert failure.text == "error\\x00 0.3 & <b>\\x1b[31m"
    assert cases["matmul"].get("classname") == "smoke.GPU:0"


def test_secrets_stay_out() -> None:
    leg = Leg(leg="x", ok=False, seconds=0, code="probe-failed", evidence="https://me:hunter2@host.example/")
    text = render(Verdict(level="quick", devices=(Device(name="CPU:0", kind="cpu", legs=(leg,)),)))
    assert "hunter2" not in text


def test_an_empty_verdict_is_still_a_document() -> None:
    assert ET.fromstring(render(Verdict(level="quick", devices=()))).get("tests") == "0"
