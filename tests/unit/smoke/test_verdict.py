from __future__ import annotations

import json
import sys

import pytest

from tfprov.smoke.records import Device, Leg, ShellHazard, Verdict
from tfprov.smoke.verdict import as_document, as_error, remedy

GOOD = Leg(leg="import", ok=True, seconds=2.0, evidence="tensorflow 2.21.0")
WRONG = Leg(leg="matmul", ok=False, seconds=0.1, code="wrong-number", evidence="relative error 0.3")
LOST = Leg(leg="gradient", ok=False, seconds=0.1, code="probe-crashed", evidence="ended by SIGSEGV")


def verdict(*devices: Device) -> Verdict:
    return Verdict(level="quick", devices=devices, tensorflow="2.21.0", python="3.12.1", seconds=3.0)


def environment(*legs: Leg) -> Device:
    return Device(name="environment", kind="environment", legs=legs)


def cpu(*legs: Leg) -> Device:
    return Device(name="CPU:0", kind="cpu", legs=legs)


def test_the_error_has_the_code_and_the_evidence_of_the_first_failure() -> None:
    error = as_error(verdict(environment(GOOD), cpu(WRONG, LOST)))
    assert error.code.name == "wrong-number"
    assert error.exit_code == 18
    assert error.what == "the smoke test failed: `matmul` on CPU:0 and 1 more"
    assert error.evidence == ("relative error 0.3", "also failed: `gradient` on CPU:0: probe-crashed")


def test_a_failure_of_the_environment_comes_before_one_of_a_device() -> None:
    broken = Leg(leg="import", ok=False, seconds=1.0, code="numpy-abi", evidence="x")
    error = as_error(verdict(environment(broken)))
    assert (error.code.name, error.exit_code) == ("numpy-abi", 16)
    assert error.what == "the smoke test failed: `import` on the environment"


def test_a_verdict_that_rests_on_nothing_is_not_good() -> None:
    assert not verdict().ok
    assert not verdict(environment(GOOD), cpu()).ok
    assert as_error(verdict()).code.name == "probe-failed"


def test_a_good_verdict_is_no_error() -> None:
    with pytest.raises(ValueError, match="good"):
        as_error(verdict(environment(GOOD)))


def test_the_document_has_the_keys_that_are_promised() -> None:
    document = as_document(verdict(environment(GOOD), cpu(WRONG)))
    assert json.loads(json.dumps(document)) == document
    assert document["devices"] == [
        {
            "name": "environment",
            "kind": "environment",
            "description": "",
            "ok": True,
            "legs": [
                {
                    "leg": "import",
                    "ok": True,
                    "code": None,
                    "skipped": False,
                    "started": None,
                    "seconds": 2.0,
                    "evidence": "tensorflow 2.21.0",
                }
            ],
        },
        {
            "name": "CPU:0",
            "kind": "cpu",
            "description": "",
            "ok": False,
            "legs": [
                {
                    "leg": "matmul",
                    "ok": False,
                    "code": "wrong-number",
                    "skipped": False,
                    "started": None,
                    "seconds": 0.1,
                    "evidence": "relative error 0.3",
                }
            ],
        },
    ]


def test_findings_around_the_environment_do_not_make_it_bad() -> None:
    good = Verdict(
        level="quick", devices=(environment(GOOD),), findings=(ShellHazard(code="path-leak", evidence="PYTHONPATH"),)
    )
    assert good.ok


def test_a_failed_leg_has_a_next_step() -> None:
    assert remedy(GOOD) == ""
    assert remedy(WRONG)


@pytest.mark.skipif(sys.platform != "linux", reason="the packages are those of Linux")
@pytest.mark.parametrize(
    ("library", "hint"),
    [
        (
            "libstdc++.so.6",
            "install the package that brings `libstdc++.so.6`: `libstdc++6` on Debian and Ubuntu, "
            "`libstdc++` on Fedora and RHEL",
        ),
        ("libunheard_of.so.1", "install the package of the system that brings the library"),
    ],
)
def test_a_library_of_the_system_is_told_with_the_package_that_brings_it(library: str, hint: str) -> None:
    said = f"ImportError: {library}: cannot open shared object file: No such file or directory"
    missing = Leg(leg="import", ok=False, seconds=1.0, code="system-library-missing", evidence=said)
    assert as_error(verdict(environment(missing))).hint == hint
