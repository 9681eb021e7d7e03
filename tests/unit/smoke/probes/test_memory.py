from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from probes import load

memory = load("memory")


class Nvml:
    """A driver's library with one GPU."""

    def __init__(self, free: int) -> None:
        self.free = free

    def nvmlDeviceGetHandleByPciBusId_v2(self, bus: bytes, handle: Any) -> int:
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, info: Any) -> int:
        info._obj.free = self.free
        return 0


@pytest.mark.parametrize("free", [0, 300 << 20])
def test_a_gpu_that_others_have_filled_is_in_use(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    health = load("health")
    monkeypatch.setattr(health, "library", lambda: Nvml(free))
    monkeypatch.setattr(memory, "load", lambda _: health)
    experimental = SimpleNamespace(get_memory_info=lambda _: {"current": 0})
    tf = SimpleNamespace(device=contextlib.nullcontext, config=SimpleNamespace(experimental=experimental))
    with pytest.raises(memory.Failed) as caught:
        memory.fill(tf, "GPU:0", "0000:65:00.0")
    assert caught.value.code == "gpu-memory-in-use"
    assert f"{free} bytes are free" in caught.value.evidence
