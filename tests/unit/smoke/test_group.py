from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import pytest

from sham import make_environment
from tfprov import process
from tfprov.events import ignore
from tfprov.smoke import group
from tfprov.smoke.group import ENVIRONMENT, GroupOutcome, ProbeSession, add_facts, renumbered, run_group
from tfprov.smoke.records import SmokeRequest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the sham environments are POSIX venvs")


def run(
    folder: Path,
    sabotage: str = "",
    *,
    groups: tuple[str, ...] = ("core",),
    timeout: float = 60,
    exit_normally: bool = False,
) -> GroupOutcome:
    scratch = folder / "scratch"
    scratch.mkdir()
    with resources.as_file(resources.files("tfprov.smoke") / "probes") as probes:
        session = ProbeSession(
            python=make_environment(folder / "environment", sabotage),
            request=SmokeRequest(timeout=timeout),
            probes=probes,
            scratch=scratch,
            env=process.clean_environment(os.environ),
            emit=ignore,
        )
        return run_group(session, *groups, exit_normally=exit_normally, options={"must_link": False})


def codes(outcome: GroupOutcome) -> dict[str, str | None]:
    return {leg.leg: leg.code for _, leg in outcome.legs if not leg.ok}


CRASH_AT_EXIT = "import atexit\natexit.register(lambda: os.kill(os.getpid(), signal.SIGSEGV))\n"
HANG_AT_EXIT = "import atexit\natexit.register(lambda: time.sleep(600))\n"


def test_a_crash_after_the_last_leg_counts_where_the_end_is_tested(tmp_path: Path) -> None:
    outcome = run(tmp_path, CRASH_AT_EXIT, exit_normally=True)
    assert codes(outcome) == {"core-exit": "probe-crashed"}
    assert outcome.leg("CPU:0", "gradient") is not None


def test_a_hang_after_the_last_leg_counts_where_the_end_is_tested(tmp_path: Path) -> None:
    assert codes(run(tmp_path, HANG_AT_EXIT, timeout=1.5, exit_normally=True)) == {"core-exit": "probe-timeout"}


def test_where_the_end_is_tested_everything_is_torn_down(tmp_path: Path) -> None:
    # What is frozen would not be.
    frozen = "import atexit, gc\natexit.register(lambda: os._exit(1 if gc.get_freeze_count() else 0))\n"
    assert codes(run(tmp_path, frozen, exit_normally=True)) == {}


def test_where_the_end_is_not_tested_nobody_waits_for_it(tmp_path: Path) -> None:
    outcome = run(tmp_path, HANG_AT_EXIT)
    assert codes(outcome) == {}
    assert outcome.ended


def test_groups_share_a_process_and_one_that_cannot_start_does_not_end_the_others(tmp_path: Path) -> None:
    # The sham environment has no NumPy.
    outcome = run(tmp_path, groups=("numerics", "core", "files"))
    assert codes(outcome) == {"numerics-start": "import-failed"}
    assert {"gradient", "hashes"} <= {leg.leg for _, leg in outcome.legs}
    assert len(list((tmp_path / "scratch").iterdir())) == 1


def test_a_group_behind_a_leg_that_died_is_run_and_none_is_run_twice(tmp_path: Path) -> None:
    dies = "def matmul(left, right):\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
    outcome = run(tmp_path, dies, groups=("numerics", "core", "files"))
    assert codes(outcome) == {"numerics-start": "import-failed", "matmul": "probe-crashed"}
    names = [(device, leg.leg) for device, leg in outcome.legs]
    assert len(names) == len(set(names))
    assert (ENVIRONMENT, "hashes") in names


def test_a_group_that_takes_the_process_down_before_its_first_leg_does_not_end_the_others(tmp_path: Path) -> None:
    leaves = (
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'numpy':\n"
        "            os._exit(7)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    outcome = run(tmp_path, leaves, groups=("core", "numerics", "files"))
    assert codes(outcome) == {"numerics-start": "probe-failed"}
    names = [(device, leg.leg) for device, leg in outcome.legs]
    assert len(names) == len(set(names))
    assert (ENVIRONMENT, "hashes") in names
    assert outcome.ended


def test_a_leg_that_dies_every_time_is_tried_once(tmp_path: Path) -> None:
    counter = tmp_path / "tries"
    sabotage = (
        "def matmul(left, right):\n"
        f"    open({str(counter)!r}, 'a').write('x')\n"
        "    os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    outcome = run(tmp_path, sabotage)
    # `gradient` multiplies as well, and is not tried on a device that is lost.
    assert counter.read_text() == "x"
    assert outcome.lost_in == [("CPU:0", "matmul")]
    assert outcome.ended


def test_what_the_process_said_is_kept_as_its_log(tmp_path: Path) -> None:
    outcome = run(tmp_path, "print('a word of TensorFlow', file=sys.stderr)\n")
    assert "a word of TensorFlow" in outcome.log


def test_the_leg_that_died_has_its_own_time_and_not_that_of_the_process(tmp_path: Path) -> None:
    outcome = run(tmp_path, "time.sleep(0.6)\ndef matmul(left, right):\n    os.kill(os.getpid(), signal.SIGSEGV)\n")
    imported, died = outcome.leg(ENVIRONMENT, "import"), outcome.leg("CPU:0", "matmul")
    assert imported is not None
    assert died is not None
    assert died.started is not None
    assert imported.started is not None
    assert died.started >= imported.started + 0.6


def test_a_process_that_was_stopped_is_ended_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "_GRACE_S", 0.0)
    stopped = "def matmul(left, right):\n    os.kill(os.getpid(), signal.SIGSTOP)\n"
    outcome = run(tmp_path, stopped, timeout=0.7)
    assert codes(outcome) == {"matmul": "probe-timeout"}


def test_a_text_gets_the_numbers_of_the_machine() -> None:
    text = "GPU:0 of /job:localhost/device:GPU:1, /physical_device:GPU:0, GPU:7"
    assert renumbered(text, (2, 3)) == "GPU:2 of /job:localhost/device:GPU:3, /physical_device:GPU:0, GPU:7"


def test_facts_about_several_devices_add_up() -> None:
    known: dict[str, object] = {"descriptions": {"GPU:0": "a"}, "gpus": 1}
    add_facts(known, {"descriptions": {"GPU:1": "b"}, "gpus": 2})
    assert known == {"descriptions": {"GPU:0": "a", "GPU:1": "b"}, "gpus": 2}


def test_nothing_is_started_any_more_when_too_much_time_was_lost(tmp_path: Path) -> None:
    hangs = (
        "GPUS = 5\ndef matmul(left, right):\n    time.sleep(0 if number_of_gpu() is None else 600)\n    return left\n"
    )
    outcome = run(tmp_path, hangs, timeout=1.0)
    assert codes(outcome)["matmul"] == "probe-timeout"
    assert [device for device, leg in outcome.legs if leg.code == "probe-timeout"] == ["GPU:0", "GPU:1", "GPU:2"]
    device, leg = outcome.legs[-1]
    assert (device, leg.leg, leg.skipped) == (ENVIRONMENT, "core", True)
    assert "time limit" in leg.evidence
