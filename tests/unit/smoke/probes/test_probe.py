from __future__ import annotations

import faulthandler
import gc
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from probes import load


@pytest.fixture
def probe() -> ModuleType:
    load("core")
    import tfprov_probe  # type: ignore[import-not-found]  # the name under which probes find their entry

    module: ModuleType = tfprov_probe
    return module


def made(probe: ModuleType, folder: Path, **changes: object) -> Any:
    request = {"records": str(folder / "records.jsonl"), "done": [], "lost_devices": {}, "timeout": 7.5}
    request.update({"idle_timeout": None, **changes})
    return probe.Probe(request)


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


@pytest.fixture(autouse=True)
def armed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times that the watchdog was given; it never bites the test run."""
    times: list[float] = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda seconds, **_: times.append(seconds))
    return times


def test_each_leg_gets_the_whole_time(probe: ModuleType, tmp_path: Path, armed: list[float]) -> None:
    one = made(probe, tmp_path)
    one.leg("CPU:0", "a", lambda: "fine")
    one.leg("CPU:0", "b", lambda: "fine")
    assert armed == [7.5, 7.5]


def test_a_leg_that_may_not_be_idle_begins_with_the_shorter_limit(
    probe: ModuleType, tmp_path: Path, armed: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its thread would go on after this test, and end the test run.
    monkeypatch.setattr(probe.Probe, "_prolong", lambda _: None)
    made(probe, tmp_path, idle_timeout=3.0).leg("CPU:0", "a", lambda: "fine")
    made(probe, tmp_path, idle_timeout=30.0).leg("CPU:0", "b", lambda: "fine")
    assert armed == [3.0, 7.5]


def test_a_leg_is_announced_before_it_runs(probe: ModuleType, tmp_path: Path) -> None:
    seen: list[list[dict[str, Any]]] = []

    def leg(word: str) -> str:
        seen.append(records(tmp_path))
        return word

    assert made(probe, tmp_path).leg("CPU:0", "matmul", leg, "evidence")
    assert [(record["begin"], record["device"]) for record in seen[0]] == [("matmul", "CPU:0")]
    ended = records(tmp_path)[-1]
    assert (ended["leg"], ended["ok"], ended["evidence"]) == ("matmul", True, "evidence")


def test_findings_skips_and_exceptions_are_told_apart(probe: ModuleType, tmp_path: Path) -> None:
    def find() -> str:
        raise probe.Failed("wrong-number", "off by 3")

    def skip() -> str:
        raise probe.Skipped("not here")

    def leave() -> str:
        raise SystemExit(3) from KeyError("inner")

    one = made(probe, tmp_path)
    assert [one.leg("CPU:0", name, function) for name, function in (("f", find), ("s", skip), ("x", leave))] == [
        False,
        True,
        False,
    ]
    found, skipped, left = (record for record in records(tmp_path) if "leg" in record)
    assert (found["code"], found["evidence"]) == ("wrong-number", "off by 3")
    assert (skipped["ok"], skipped["skipped"]) == (True, True)
    assert [error["type"] for error in left["errors"]] == ["SystemExit", "KeyError"]


def test_the_users_interrupt_is_no_finding(probe: ModuleType, tmp_path: Path) -> None:
    def interrupted() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(probe, tmp_path).leg("CPU:0", "a", interrupted)


def test_what_an_earlier_process_did_is_not_done_again(probe: ModuleType, tmp_path: Path) -> None:
    one = made(probe, tmp_path, done=[["CPU:0", "a", True], ["CPU:0", "b", False]], lost_devices={"GPU:0": "matmul: x"})

    def never() -> str:
        raise AssertionError

    assert one.leg("CPU:0", "a", never)
    assert not one.leg("CPU:0", "b", never)
    assert not one.leg("GPU:0", "a", never)
    (record,) = records(tmp_path)
    assert (record["device"], record["skipped"]) == ("GPU:0", True)
    assert "not run: an earlier check on this device ended its process: matmul: x" in record["evidence"]


def test_a_finding_may_be_the_fault_of_another_device(probe: ModuleType, tmp_path: Path) -> None:
    def all_reduce() -> str:
        raise probe.Failed("wrong-number", "of 4 sums are wrong: 1 on GPU:0", "GPU:0")

    one = made(probe, tmp_path)
    one._devices = [("CPU:0", "CPU:0"), ("GPU:1", "GPU:0")]
    assert not one.leg("environment", "all-reduce", all_reduce)
    assert records(tmp_path)[-1]["device"] == "GPU:1"


def test_a_chain_that_bites_its_tail_ends(probe: ModuleType) -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert [error["message"] for error in probe.chain_of(first)] == ["1", "2"]


def test_probes_leave_no_bytecode_of_another_python_behind(
    probe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leg.py").write_text("value = 3\n")
    monkeypatch.setattr(probe, "__file__", str(tmp_path / "probe.py"))
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    assert probe.load("leg").value == 3
    assert [path.name for path in tmp_path.iterdir()] == ["leg.py"]


class TestGarbage:
    """The collector does not run during the import of TensorFlow, and runs again afterwards."""

    SHAM = """
import gc, types
__version__ = "2.99.0"
collected = gc.isenabled()
config = types.SimpleNamespace(set_soft_device_placement=lambda on: None)
"""

    @pytest.fixture(autouse=True)
    def clean(self) -> Iterator[None]:
        assert gc.isenabled()
        yield
        gc.unfreeze()
        gc.enable()
        sys.modules.pop("tensorflow", None)

    def test_it_rests_and_goes_on(self, probe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "tensorflow.py").write_text(self.SHAM)
        monkeypatch.syspath_prepend(tmp_path)
        before = gc.get_freeze_count()
        assert made(probe, tmp_path, exit_normally=True).tensorflow().collected is False
        assert gc.isenabled()
        assert gc.get_freeze_count() > before

    def test_it_goes_on_after_an_import_that_fails(
        self, probe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "tensorflow.py").write_text("raise ImportError('libtensorflow')\n")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(ImportError, match="libtensorflow"):
            made(probe, tmp_path, exit_normally=False).tensorflow()
        assert gc.isenabled()


def test_without_the_counters_of_posix_only_processor_time_is_work(
    probe: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows `/proc` is a folder like any other, and under Wine it is that of another process."""
    monkeypatch.setattr(probe, "resource", None)
    monkeypatch.setattr("builtins.open", lambda *_: pytest.fail("a file was opened"))
    monkeypatch.setattr("os.times", lambda: (1.0, 2.0, 3.0, 4.0, 99.0))
    assert probe.work() == (10.0, 0)
