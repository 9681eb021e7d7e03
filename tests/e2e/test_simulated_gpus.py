"""The real TensorFlow on GPUs that are not there: no false alarm, and every fault charged to the device that has it.

Every test computes with TensorFlow in processes of its own. The gate runs one of each kind; all of them, also on the
oldest release and at the standard level, run with TFPROV_TEST_NIGHTLY set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import fake_nvml
import simgpu
from simgpu import Card
from tensorflows import Recipe, original, shared
from tfprov.events import ignore
from tfprov.smoke import runner
from tfprov.smoke.group import probe_session, run_group
from tfprov.smoke.records import Leg, Level, SmokeRequest, Verdict
from tfprov.smoke.runner import smoke

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(sys.platform != "linux", reason="the plug-in that simulates GPUs is for Linux"),
    pytest.mark.skipif(simgpu.compiler() is None, reason="there is no C++ compiler to build the simulated GPUs with"),
    pytest.mark.skipif(fake_nvml.compiler() is None, reason="there is no C compiler"),
]
slow = pytest.mark.nightly

# The newest, and the oldest that tfprov installs, which has Keras 2 and no products in bfloat16 for GPUs.
NEWEST: Recipe = ("3.12", ("tensorflow-cpu", "tensorboard"))
OLDEST: Recipe = ("3.10", ("tensorflow-cpu==2.10.*", "numpy<2", "setuptools<81"))
# Without the libraries of CUDA, which simulated GPUs do not need.
CUDA: Recipe = ("3.12", ("tensorflow", "tensorboard"))
# Long enough for an import on a busy machine.
LIMIT_S = 25.0


class Machine:
    """A machine with GPUs that are simulated for TensorFlow and told by a fake NVML.

    Attributes:
        python: of an environment that sees the GPUs.
        nvml: folder with the fake NVML.
    """

    def __init__(self, python: Path, nvml: Path) -> None:
        self.python = python
        self.nvml = nvml

    def environ(
        self, gpus: int | Sequence[Card], *faults: str, order: Sequence[int] = (), **variables: str
    ) -> dict[str, str]:
        """Variables of a shell on the machine."""
        cards = simgpu.cards(gpus) if isinstance(gpus, int) else gpus
        told = simgpu.variables(cards, nvml=self.nvml, order=order, faults=faults)
        outside = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
        return {**outside, **told, **variables}

    def smoke(
        self,
        gpus: int | Sequence[Card],
        *faults: str,
        level: Level = "quick",
        timeout: float = 120,
        accelerator: str = "auto",
        order: Sequence[int] = (),
        **variables: str,
    ) -> Verdict:
        """The verdict on it, when a GPU is asked for."""
        environ = self.environ(gpus, *faults, order=order, **variables)
        request = SmokeRequest(level=level, timeout=timeout, accelerator=accelerator, require_gpus=1)
        return smoke(self.python, request, environ=environ, emit=ignore)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Callable[[Recipe], Machine]:
    """A machine for each recipe, made when it is first asked for."""
    nvml = fake_nvml.build(tmp_path_factory.mktemp("driver"))
    made: dict[Recipe, Machine] = {}

    def machine(recipe: Recipe) -> Machine:
        if recipe not in made:
            python = original(tmp_path_factory, recipe) / "bin" / "python"
            with shared(tmp_path_factory, "plug-ins"):  # one process compiles what the others then find
                cache = Path(pytestconfig.cache.mkdir("simgpu"))  # type: ignore[union-attr]  # the plug-in is on
                simulated = tmp_path_factory.mktemp("simulated") / "environment"
                made[recipe] = Machine(simgpu.environment(python, simulated, cache), nvml)
        return made[recipe]

    return machine


@pytest.fixture
def machine(machines: Callable[[Recipe], Machine]) -> Machine:
    return machines(NEWEST)


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Of the groups behind the quick level, run these alone."""
    monkeypatch.setattr(runner, "GROUPS", tuple(group for group in runner.GROUPS if group.name in names))


def codes(verdict: Verdict) -> dict[str, str | None]:
    return {f"{device.name} {leg.leg}": leg.code for device in verdict.devices for leg in device.legs if not leg.ok}


def good(verdict: Verdict) -> list[str]:
    return [device.name for device in verdict.devices if device.ok]


def leg(verdict: Verdict, device: str, name: str) -> Leg:
    (found,) = [leg for one in verdict.devices if one.name == device for leg in one.legs if leg.leg == name]
    return found


# No false alarm


# test_standard_passes has these legs too, and test_every_gpu_gets_its_own_verdict in tests/unit/smoke/test_runner.py
# them alone.
@slow
@pytest.mark.parametrize(
    ("recipe", "gpus"),
    [(NEWEST, 1), (NEWEST, 2), (NEWEST, 4), (OLDEST, 1), (OLDEST, 2), (OLDEST, 4)],
    ids=lambda value: {NEWEST: "newest", OLDEST: "oldest"}.get(value, str(value)),
)
def test_quick_passes(machines: Callable[[Recipe], Machine], recipe: Recipe, gpus: int) -> None:
    verdict = machines(recipe).smoke(gpus)
    assert codes(verdict) == {}
    assert good(verdict) == ["environment", "CPU:0", *(f"GPU:{number}" for number in range(gpus))]


@pytest.mark.parametrize(
    ("recipe", "gpus"),
    [
        pytest.param(NEWEST, 1, marks=slow),
        (NEWEST, 2),
        pytest.param(NEWEST, 4, marks=slow),
        pytest.param(OLDEST, 1, marks=slow),
        pytest.param(OLDEST, 2, marks=slow),
        pytest.param(OLDEST, 4, marks=slow),
    ],
    ids=lambda value: {NEWEST: "newest", OLDEST: "oldest"}.get(value, str(value)),
)
def test_standard_passes(machines: Callable[[Recipe], Machine], recipe: Recipe, gpus: int) -> None:
    verdict = machines(recipe).smoke(gpus, level="standard", timeout=300)
    assert codes(verdict) == {}
    assert good(verdict) == ["environment", "CPU:0", "CPU:1", *(f"GPU:{number}" for number in range(gpus))]
    assert leg(verdict, "GPU:0", "matmul-half").evidence.endswith("bfloat16 here") == (recipe is OLDEST)
    summed = leg(verdict, "environment", "all-reduce").evidence
    assert summed.startswith(", ".join(f"GPU:{number}" for number in range(gpus)) if gpus > 1 else "CPU:0, CPU:1")
    assert all(not leg(verdict, f"GPU:{number}", "health").skipped for number in range(gpus))


@pytest.mark.skipif("TFPROV_TEST_LARGE" not in os.environ, reason="fetches 600 MB: set TFPROV_TEST_LARGE to run")
def test_the_build_for_cuda_passes_as_such(machines: Callable[[Recipe], Machine]) -> None:
    verdict = machines(CUDA).smoke(2, level="standard", timeout=300, accelerator="cuda")
    assert codes(verdict) == {}
    assert good(verdict)[-2:] == ["GPU:0", "GPU:1"]


# Faults while a kernel runs


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("wrong:1", "wrong-number"),
        pytest.param("nan:1:MatMul", "wrong-number", marks=slow),
        pytest.param("error:1:MatMul:kernel failed", "probe-failed", marks=slow),
        # tests/unit/smoke/test_causes.py has what these say.
        pytest.param("error:1:MatMul:DNN library initialization failed.", "cudnn-init-failed", marks=slow),
        pytest.param(
            "error:1:MatMul:libdevice not found at ./libdevice.10.bc", "cuda-toolkit-file-missing", marks=slow
        ),
        pytest.param("error:1:MatMul:RESOURCE_EXHAUSTED failed to allocate memory", "gpu-memory-in-use", marks=slow),
    ],
)
def test_a_fault_of_one_gpu_is_its_own(machine: Machine, fault: str, code: str) -> None:
    verdict = machine.smoke(2, fault)
    assert codes(verdict) == {"GPU:1 matmul": code, "GPU:1 gradient": code}
    assert good(verdict) == ["environment", "CPU:0", "GPU:0"]


@pytest.mark.parametrize("level", ["quick", pytest.param("standard", marks=slow)])
@pytest.mark.parametrize(
    ("fault", "code", "number"),
    [
        pytest.param("hang", "probe-timeout", 0, marks=slow),
        ("hang", "probe-timeout", 1),
        # As test_a_crash_on_one_gpu_leaves_the_others_their_verdict in tests/unit/smoke/test_runner.py.
        pytest.param("crash", "probe-crashed", 0, marks=slow),
        pytest.param("crash", "probe-crashed", 1, marks=slow),
    ],
)
def test_a_gpu_that_hangs_or_crashes_costs_its_own_verdict_and_no_more_than_one_limit(
    machine: Machine, fault: str, code: str, number: int, level: Level
) -> None:
    # At the standard level the legs of the others alone take a minute and a half on a busy machine.
    limit_s = LIMIT_S if level == "quick" else 100.0
    verdict = machine.smoke(2, f"{fault}:{number}", level=level, timeout=limit_s)
    assert codes(verdict) == {f"GPU:{number} matmul": code}
    assert f"GPU:{1 - number}" in good(verdict)
    assert good(verdict)[:2] == ["environment", "CPU:0"]
    # Nothing else ran into a limit, and nothing waited for the device again. The time of it all depends on the machine.
    assert leg(verdict, f"GPU:{number}", "gradient").skipped


def test_what_concerns_no_device_keeps_clear_of_a_sick_gpu(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "training")
    verdict = machine.smoke(1, "wrong:0", level="standard")
    assert "environment" in good(verdict)
    assert leg(verdict, "environment", "saved-model").ok
    assert leg(verdict, "GPU:0", "training").code == "wrong-number"


# Faults while TensorFlow makes its devices


BUSY = "error@context:1::CUDA_ERROR_DEVICE_UNAVAILABLE: CUDA-capable device(s) is/are busy or unavailable"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        pytest.param(BUSY, "gpu-memory-in-use", id="busy"),
        pytest.param("crash@context:1", "probe-crashed", marks=slow),
        pytest.param("hang@context:1", "probe-timeout", marks=slow),
    ],
)
def test_a_gpu_that_cannot_be_made_ready_is_found_and_the_others_are_proved(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, fault: str, code: str
) -> None:
    only(monkeypatch, "collective")
    verdict = machine.smoke(3, fault, level="standard", timeout=LIMIT_S)
    assert codes(verdict) == {"GPU:1 context": code}
    assert good(verdict)[:2] == ["environment", "CPU:0"]
    assert {"GPU:0", "GPU:2"} <= set(good(verdict))
    assert leg(verdict, "environment", "all-reduce").evidence.startswith("GPU:0, GPU:2:")
    addresses = {f"GPU:{number}": leg(verdict, f"GPU:{number}", "health").evidence for number in range(3)}
    assert all(f"00000000:{0x1A + number:02X}:00.0" in addresses[f"GPU:{number}"] for number in range(3))
    assert all(device.description for device in verdict.devices if device.kind == "gpu")


# What is said of whom is in tests/unit/smoke/test_health.py, and that it gets into the evidence, in the next test.
@slow
def test_who_holds_a_gpu_that_cannot_be_had_is_told(machine: Machine) -> None:
    variables = {"FAKE_NVML_MODE": "0,3", "FAKE_NVML_PROCESSES": f",{os.getpid()} 4194305"}
    verdict = machine.smoke(2, BUSY, **variables)
    evidence = leg(verdict, "GPU:1", "context").evidence
    assert "the driver says of GPU:1: the compute mode is exclusive process" in evidence
    assert f" {os.getpid()} (1024 MiB), process 4194305 (1024 MiB)" in evidence
    assert "GPU:0" in good(verdict)


def test_a_gpu_without_free_memory_says_how_little_there_is(machine: Machine) -> None:
    full = replace(simgpu.cards(2)[1], used=(2 << 30) - (16 << 20))
    verdict = machine.smoke([simgpu.cards(1)[0], full], "error:1::RESOURCE_EXHAUSTED failed to allocate memory")
    assert codes(verdict)["GPU:1 matmul"] == "gpu-memory-in-use"
    assert "16 of 2048 MiB are free" in leg(verdict, "GPU:1", "matmul").evidence


# Sums over several GPUs


@pytest.mark.parametrize(
    ("fault", "code", "gpus"),
    [
        # As the next one.
        pytest.param("wrong:1:NcclAllReduce", "wrong-number", 2, marks=slow),
        ("wrong@part:2", "wrong-number", 4),
        pytest.param("hang:0:NcclAllReduce", "probe-timeout", 3, marks=slow),
    ],
)
def test_the_odd_one_out_of_a_sum_is_named(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, fault: str, code: str, gpus: int
) -> None:
    only(monkeypatch, "collective")
    verdict = machine.smoke(gpus, fault, level="standard", timeout=2 * LIMIT_S)
    number = fault.partition(":")[2][:1]
    assert codes(verdict) == {f"GPU:{number} all-reduce": code}


def test_a_sum_over_two_that_is_wrong_on_both_stays_with_the_environment(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "collective")
    verdict = machine.smoke(2, "wrong@part:1", level="standard")
    assert codes(verdict) == {"environment all-reduce": "wrong-number"}


# Which of the driver's GPUs is which of TensorFlow's

DOMAINS = (Card(pci="0001:00:00.0", name="First"), Card(pci="0002:00:00.0", name="Second"))


@pytest.mark.parametrize(
    ("cards", "order", "variables", "sick"),
    [
        pytest.param(simgpu.cards(2), (), {}, "GPU:1", id="in the driver's order", marks=slow),
        # As the next but one, and test_devices_are_matched_by_their_bus_and_not_by_their_number in
        # tests/unit/smoke/test_health.py.
        pytest.param(simgpu.cards(2), (1, 0), {}, "GPU:0", id="the fastest first", marks=slow),
        pytest.param(simgpu.cards(3), (), {"CUDA_VISIBLE_DEVICES": "2,1"}, "GPU:1", id="permuted", marks=slow),
        pytest.param(simgpu.cards(3), (), {"CUDA_VISIBLE_DEVICES": "GPU-aaaa-1,GPU-aaaa-0"}, "GPU:0", id="by UUID"),
        pytest.param(
            *(simgpu.cards(2), (1,), {"SIMGPU_DEVICES": "1"}, "GPU:0"),
            id="TensorFlow shows the second alone",
            marks=slow,
        ),
        pytest.param(simgpu.cards(2), (1,), {"SIMGPU_DEVICES": "1", "FAKE_NVML_SLICES": "2"}, "GPU:0", id="a slice"),
        # As test_the_same_bus_in_another_domain_is_another_gpu in tests/unit/smoke/test_health.py.
        pytest.param(DOMAINS, (), {}, "GPU:1", id="the same bus in two domains", marks=slow),
    ],
)
def test_a_sick_card_is_the_device_that_tensorflow_made_of_it(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    cards: Sequence[Card],
    order: Sequence[int],
    variables: dict[str, str],
    sick: str,
) -> None:
    """The second card of the driver has memory errors."""
    only(monkeypatch)
    verdict = machine.smoke(cards, level="standard", order=order, FAKE_NVML_ECC="0,3,0", **variables)
    assert codes(verdict) == {f"{sick} health": "gpu-unhealthy"}
    assert not any(leg(verdict, name, "health").skipped for name in good(verdict) if name.startswith("GPU"))


def test_free_memory_is_that_of_the_card_and_not_of_its_number(machine: Machine) -> None:
    small = replace(simgpu.cards(2)[1], memory=1536 << 20)
    environ = machine.environ([simgpu.cards(1)[0], small], order=(1, 0))
    request = SmokeRequest(level="deep", timeout=120, accelerator="cuda")
    buses = {"GPU:0": small.pci, "GPU:1": simgpu.cards(1)[0].pci}
    with probe_session(machine.python, request, environ=environ, emit=ignore) as session:
        outcome = run_group(session, "memory", options={"buses": buses})
    told = [leg.evidence.partition(" of ")[0] for _, leg in outcome.legs]
    assert told == ["4 pieces", "6 pieces"]
