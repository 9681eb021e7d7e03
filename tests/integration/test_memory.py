"""Whose memory is asked for: the real probe and a compiled NVML, matched by PCI address and slice."""

from __future__ import annotations

import ctypes
import sys

import pytest

import fake_nvml
from probes import load

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for NVML is a library for Linux"),
    pytest.mark.skipif(fake_nvml.compiler() is None, reason="there is no C compiler"),
]

health, memory = load("health"), load("memory")


@pytest.fixture(scope="module")
def nvml(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return ctypes.CDLL(str(fake_nvml.build(tmp_path_factory.mktemp("driver")) / "libnvidia-ml.so.1"))


@pytest.fixture(autouse=True)
def two_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NVML_COUNT", "2")
    monkeypatch.setenv("FAKE_NVML_PCI", "0001:00:00.0,0002:00:00.0")
    monkeypatch.setenv("FAKE_NVML_MEMORY", str(80 << 30) + "," + str(24 << 30))
    monkeypatch.setenv("FAKE_NVML_USED", "0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(("bus", "gibibytes"), [("0001:00:00.0", 80), ("0002:00:00.0", 24)])
def test_a_gpu_is_found_by_its_address(nvml: ctypes.CDLL, bus: str, gibibytes: int) -> None:
    assert memory.free_bytes(health, nvml, memory.handle_of(health, nvml, bus)) == gibibytes << 30


@pytest.mark.parametrize("bus", [None, "0003:00:00.0"])
def test_a_gpu_without_a_known_address_is_not_guessed(nvml: ctypes.CDLL, bus: str | None) -> None:
    with pytest.raises(memory.Skipped, match="which of the driver's GPUs"):
        memory.handle_of(health, nvml, bus)


@pytest.mark.parametrize(
    ("slices", "visible", "uuid"),
    [("1", None, "MIG-0000-0"), ("1", "0", "MIG-0000-0"), ("3", "MIG-0000-2", "MIG-0000-2")],
)
def test_of_a_divided_gpu_the_slice_is_asked(
    nvml: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, slices: str, visible: str | None, uuid: str
) -> None:
    monkeypatch.setenv("FAKE_NVML_SLICES", slices)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert health.uuid(nvml, memory.handle_of(health, nvml, "0001:00:00.0")) == uuid


def test_one_of_several_slices_is_not_guessed(nvml: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NVML_SLICES", "3")
    with pytest.raises(memory.Skipped, match="is not known which one this is"):
        memory.handle_of(health, nvml, "0001:00:00.0")
