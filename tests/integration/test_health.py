"""The driver's word before and after the legs: a compiled NVML and a kernel log, asked by the real probe."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import fake_nvml
from sham import make_environment
from tfprov.events import ignore
from tfprov.smoke.records import Leg, SmokeRequest
from tfprov.smoke.runner import smoke

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for NVML is a library for Linux"),
    pytest.mark.skipif(fake_nvml.compiler() is None, reason="there is no C compiler"),
]

OLD_XID = "NVRM: Xid (PCI:0000:1a:00): 31, pid=77, name=python, MMU fault\n"
NEW_XID = "NVRM: Xid (PCI:0000:1a:00): 79, pid='<unknown>', GPU has fallen off the bus.\n"
OTHER_XID = "NVRM: Xid (PCI:0000:99:00): 48, pid=78, DBE\n"


class Machine:
    """One GPU, whose driver and kernel say what the test writes, and change their minds while a kernel runs.

    Attributes:
        log: the kernel's log.
        counter: what NVML counts, where a variable points at it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "kernel.log"
        self.log.write_text("usb 1-1: new device\n")
        self.counter = folder / "counter"
        self.nvml = fake_nvml.build(folder / "nvml")
        self.commands = folder / "commands"
        self.commands.mkdir()
        self.say("journalctl", f'cat "{self.log}"')

    def say(self, command: str, script: str) -> None:
        path = self.commands / command
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def health(self, meanwhile: str = "", **variables: str) -> Leg:
        """The leg of its GPU; `meanwhile` is Python that the product on the device does besides."""
        sabotage = (
            "GPUS = 1\nhealthy = matmul\n"
            "def matmul(left, right):\n"
            f"    {meanwhile or 'pass'}\n"
            "    return healthy(left, right)\n"
        )
        environ = {
            **os.environ,
            "PATH": f"{self.commands}:/usr/bin:/bin",
            "LD_LIBRARY_PATH": str(self.nvml),
            **variables,
        }
        environ.pop("CUDA_VISIBLE_DEVICES", None)
        python = make_environment(self.folder / "environment", sabotage)
        # The sham knows the quick level alone; what of the others fails over it does not matter here.
        request = SmokeRequest(level="standard", timeout=60, accelerator="cuda")
        verdict = smoke(python, request, environ=environ, emit=ignore)
        (found,) = [leg for one in verdict.devices if one.name == "GPU:0" for leg in one.legs if leg.leg == "health"]
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_healthy_gpu_says_its_numbers_and_that_nothing_was_logged(machine: Machine) -> None:
    leg = machine.health()
    assert leg.ok
    assert not leg.skipped
    first, last = leg.evidence.splitlines()
    for part in ("ECC on", "compute mode default", "clocks limited by idle", "PCIe x16 of x16", "temperature 41"):
        assert part in first
    assert last == "no Xid error since the machine was started (journalctl)"


def test_an_xid_during_the_test_is_a_fault_and_old_ones_and_those_of_others_are_told(machine: Machine) -> None:
    machine.log.write_text(OLD_XID + OTHER_XID + OLD_XID)
    leg = machine.health(f"open({str(machine.log)!r}, 'a').write({NEW_XID!r})")
    assert (leg.ok, leg.code) == (False, "gpu-unhealthy")
    assert "Xid 79 (pid='<unknown>', GPU has fallen off the bus.) during the test" in leg.evidence
    assert "before the test (journalctl): Xid 31 2 times" in leg.evidence
    assert "Xid 48" not in leg.evidence


def test_an_old_xid_alone_is_no_fault(machine: Machine) -> None:
    machine.log.write_text(OLD_XID)
    leg = machine.health()
    assert leg.ok
    assert leg.evidence.endswith("the last: Xid 31 (pid=77, name=python, MMU fault)")


def test_a_log_that_nobody_may_read_is_said_to_be_unknown(machine: Machine) -> None:
    for command in ("journalctl", "dmesg"):
        machine.say(command, "echo 'Operation not permitted' >&2; exit 1")
    leg = machine.health()
    assert leg.ok
    if os.access("/dev/kmsg", os.R_OK):
        assert "(/dev/kmsg)" in leg.evidence
    else:
        assert "nothing is known of earlier Xid errors" in leg.evidence


def test_the_ring_buffer_is_read_where_there_is_no_journal(machine: Machine) -> None:
    machine.say("journalctl", "exit 0")
    machine.say("dmesg", f"echo '[   12.345678] {OLD_XID.strip()}'")
    assert "before the test (dmesg): Xid 31; the last" in machine.health().evidence


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("FAKE_NVML_ECC", "3", "3 uncorrected memory errors since the driver was loaded"),
        ("FAKE_NVML_REMAP_PENDING", "1", "wait to be remapped"),
        ("FAKE_NVML_REMAP_FAILED", "1", "replace the GPU"),
        ("FAKE_NVML_RETIRED", "1", "wait to be retired"),
        ("FAKE_NVML_THROTTLE", "72", "slowed down by the hardware: hardware slowdown, hardware thermal slowdown"),
        ("FAKE_NVML_MODE", "2", "forbids every use"),
        ("FAKE_NVML_RECOVERY", "1", "asks for a recovery: reset the GPU"),
    ],
)
def test_a_fault_that_the_driver_knows_is_named(machine: Machine, variable: str, value: str, words: str) -> None:
    leg = machine.health(**{variable: value})
    assert (leg.ok, leg.code) == (False, "gpu-unhealthy")
    assert words in leg.evidence


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("FAKE_NVML_ECC", "5 new uncorrected memory errors during the test"),
        ("FAKE_NVML_REMAPPED", "5 new rows remapped because of uncorrectable errors during the test"),
    ],
)
def test_what_grows_while_the_legs_run_is_a_fault(machine: Machine, variable: str, words: str) -> None:
    leg = machine.health(f"open({str(machine.counter)!r}, 'w').write('5')", **{variable: f"@{machine.counter}"})
    assert leg.code == "gpu-unhealthy"
    assert words in leg.evidence


def test_an_exclusive_mode_and_a_narrow_link_are_told(machine: Machine) -> None:
    leg = machine.health(FAKE_NVML_MODE="3", FAKE_NVML_WIDTH="8")
    assert leg.ok
    assert "compute mode exclusive process" in leg.evidence
    assert "PCIe x8 of x16" in leg.evidence


def test_a_gpu_without_a_driver_library_is_skipped_and_not_passed(machine: Machine, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    leg = machine.health(LD_LIBRARY_PATH=str(empty))
    if leg.skipped:
        assert "does not answer" in leg.evidence
    else:
        pytest.skip("this machine has an NVIDIA driver of its own")
