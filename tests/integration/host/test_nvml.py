"""The NVML path whole: a compiled library, nvidia-ml-py, the process that asks, and what is made of its answer."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import fake_nvml
from hosts import Host
from tfprov import process
from tfprov.host import facts, nvml
from tfprov.host.gpu import graphics
from tfprov.host.graphics import GpuHost, Graphics
from tfprov.host.records import LOST_DEVICES, Fact
from tfprov.plan.compat import table
from tfprov.plan.gpus import on_machine
from tfprov.plan.records import Refusal

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the library is an ELF file"),
    pytest.mark.skipif(fake_nvml.compiler() is None, reason="there is no C compiler"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_nvml.build(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "sys/bus/pci/devices").mkdir(parents=True)
    return folder


def ask(library: Path, root: Path, *, container: str | None = None, wsl: bool = False, **answers: object) -> Graphics:
    environ = {"LD_LIBRARY_PATH": str(library), "PATH": ""}
    environ.update({name: str(value) for name, value in answers.items()})
    return graphics(environ, GpuHost(system="linux", container=container, wsl=wsl, machine="x86_64", root=root))


def test_everything_that_nvml_tells_is_read(library: Path, root: Path) -> None:
    found = ask(library, root, FAKE_NVML_COUNT=2)

    assert found.problem.value is None
    assert found.driver.value is not None
    assert (found.driver.value.version, found.driver.value.cuda) == ("550.144.03", "12.4")
    assert found.gpus.source == "NVML"
    first, second = found.gpus.value
    assert (first.index, first.name, first.uuid, first.pci) == (
        0,
        "NVIDIA H100 80GB HBM3",
        "GPU-aaaa-0",
        "0000:1a:00.0",
    )
    assert (first.compute_capability, first.compute_mode) == ("9.0", "default")
    assert (first.memory_total, first.memory_used) == (80 << 30, 3 << 30)
    assert (first.mig, first.ecc, first.persistence) == (False, True, True)
    assert (first.health, first.slices, first.visible) == ((), (), True)
    assert (second.index, second.uuid, second.pci) == (1, "GPU-aaaa-1", "0000:1b:00.0")


def test_a_driver_from_before_mig_is_read_as_far_as_it_goes(root: Path, tmp_path: Path) -> None:
    library = fake_nvml.build(tmp_path / "old", old=True)

    found = ask(library, root, FAKE_NVML_OLD=1, FAKE_NVML_CUDA=11020, FAKE_NVML_DRIVER="460.32.03")

    (one,) = found.gpus.value
    assert found.driver.value is not None
    assert found.driver.value.cuda == "11.2"
    assert (one.pci, one.mig, one.ecc, one.persistence) == (None, None, None, None)
    assert one.compute_capability == "9.0"
    assert found.problem.value is None


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (18, "gpu-driver-mismatch"),
        (9, "gpu-no-driver"),
        (4, "gpu-no-device"),
        (10, "gpu-unhealthy"),
        (15, "gpu-unhealthy"),
        (17, "gpu-no-device"),
        (999, "gpu-unhealthy"),
        (4711, "gpu-unhealthy"),
    ],
)
def test_each_error_of_nvml_has_its_code(number: int, code: str, library: Path, root: Path) -> None:
    device = root / "sys/bus/pci/devices/0000:1a:00.0"
    device.mkdir()
    for name, text in (("vendor", "0x10de"), ("class", "0x030200"), ("device", "0x2330")):
        (device / name).write_text(f"{text}\n", encoding="ascii")

    found = ask(library, root, FAKE_NVML_INIT=number)

    assert found.problem.value is not None
    assert found.problem.value.code == code
    assert f"error {number}" in found.problem.value.why
    assert [one.pci for one in found.gpus.value] == ["0000:1a:00.0"]


@pytest.mark.parametrize("nodes", [True, False])
@pytest.mark.parametrize("bus", [True, False])
def test_a_container_that_lost_its_gpu_is_told_from_one_that_never_had_it(
    library: Path, root: Path, *, nodes: bool, bus: bool
) -> None:
    if nodes:
        (root / "dev").mkdir()
        (root / "dev/nvidiactl").touch()
    if not bus:
        (root / "sys/bus/pci/devices").rmdir()

    lost = ask(library, root, container="docker", FAKE_NVML_INIT=999).problem.value
    never = ask(root, root, container="docker").problem.value
    bare = ask(library, root, FAKE_NVML_INIT=999).problem.value

    assert lost is not None
    assert lost.code == "docker-no-gpu"
    assert LOST_DEVICES in lost.why
    assert never is None or (never.code == "docker-no-gpu" and LOST_DEVICES not in never.why)
    assert bare is None or bare.code == "gpu-unhealthy"


def test_what_is_asked_in_brief_is_the_same_as_what_is_asked_at_length(library: Path, root: Path) -> None:
    environ = {"LD_LIBRARY_PATH": str(library), "PATH": "", "FAKE_NVML_COUNT": "3", "FAKE_NVML_LOST": "1"}
    place = GpuHost(system="linux", container=None, wsl=False, machine="x86_64", root=root)
    for more in ({}, {"FAKE_NVML_SLICES": "2"}, {"FAKE_NVML_RECOVERY": "1"}, {"CUDA_VISIBLE_DEVICES": "2"}):
        brief, whole = (graphics({**environ, **more}, place, brief=brief) for brief in (True, False))
        unasked = {"memory_total": None, "memory_used": None, "ecc": None, "persistence": None}
        assert brief.driver == whole.driver
        assert brief.gpus.value == tuple(replace(gpu, **unasked) for gpu in whole.gpus.value)  # type: ignore[arg-type]  # test data by name


def test_a_mismatch_inside_a_container_blames_the_image(library: Path, root: Path) -> None:
    (root / "dev").mkdir()
    (root / "dev/nvidiactl").touch()

    found = ask(library, root, container="docker", FAKE_NVML_INIT=18)

    assert found.problem.value is not None
    assert found.problem.value.code == "gpu-driver-mismatch"
    assert "docker container" in found.problem.value.why


def test_a_library_without_any_gpu_is_no_problem(library: Path, root: Path) -> None:
    found = ask(library, root, FAKE_NVML_INIT=9)

    assert found.problem.value is None
    assert found.gpus.value == ()
    assert found.driver.value is None


def test_under_wsl_the_library_alone_speaks_for_a_gpu(library: Path, root: Path) -> None:
    found = ask(library, root, wsl=True, FAKE_NVML_INIT=9)

    assert found.problem.value is not None
    assert found.problem.value.code == "gpu-no-driver"


def test_a_fault_that_nvml_names_is_not_asked_twice(library: Path, root: Path, tmp_path: Path) -> None:
    (root / "dev").mkdir()
    (root / "dev/nvidia0").touch()
    tool = tmp_path / "bin/nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n: > '{tmp_path}/asked'\n", encoding="utf-8")
    tool.chmod(0o755)

    assert ask(library, root, PATH=tool.parent, FAKE_NVML_INIT=18).problem.value is not None
    assert not (tmp_path / "asked").exists()
    ask(library, root, PATH=tool.parent, FAKE_NVML_INIT=9)
    assert (tmp_path / "asked").exists()


def test_a_stuck_driver_is_given_up(library: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "QUERY_TIMEOUT_S", 1.0)
    (root / "dev").mkdir()
    (root / "dev/nvidia0").touch()

    found = ask(library, root, FAKE_NVML_HANG=1)

    assert found.problem.value is not None
    assert found.problem.value.code == "gpu-unhealthy"
    assert found.problem.value.why == "the driver did not answer within 1 s"


def test_a_library_that_crashes_takes_nothing_with_it(library: Path, root: Path) -> None:
    (root / "dev").mkdir()
    (root / "dev/nvidia0").touch()

    found = ask(library, root, FAKE_NVML_CRASH=1)

    assert found.problem.value is not None
    assert found.problem.value.code == "gpu-unhealthy"
    assert "SIGABRT" in found.problem.value.why


def test_a_lost_gpu_is_listed_beside_the_good_ones(library: Path, root: Path) -> None:
    found = ask(library, root, FAKE_NVML_COUNT=3, FAKE_NVML_LOST=1)

    assert found.problem.value is None
    assert [one.index for one in found.gpus.value] == [0, 1, 2]
    assert [one.usable for one in found.gpus.value] == [True, False, True]
    assert [bool(one.health) for one in found.gpus.value] == [False, True, False]
    assert "fallen off the bus" in found.gpus.value[1].health[0]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("FAKE_NVML_ECC", 3, "3 uncorrected ECC errors"),
        ("FAKE_NVML_RETIRED", 1, "pages wait to be retired"),
        ("FAKE_NVML_REMAP_PENDING", 1, "rows wait to be remapped"),
        ("FAKE_NVML_REMAP_FAILED", 1, "could not be remapped"),
        ("FAKE_NVML_RECOVERY", 4, "then reset it"),
        ("FAKE_NVML_FABRIC", 1, "nvidia-fabricmanager"),
    ],
)
def test_faults_that_a_gpu_can_compute_with_are_told_only(
    variable: str, value: int, words: str, library: Path, root: Path
) -> None:
    found = ask(library, root, **{variable: value})

    (one,) = found.gpus.value
    assert words in one.health[0]
    assert one.usable
    assert found.problem.value is None


@pytest.mark.parametrize(
    ("answers", "container", "code", "words"),
    [
        ({"FAKE_NVML_RECOVERY": 1}, None, "gpu-unhealthy", "reset the GPU"),
        ({"FAKE_NVML_LOST": 0}, None, "gpu-unhealthy", "fallen off the bus"),
        ({"FAKE_NVML_SLICES": 0}, None, "gpu-no-device", "MIG"),
        ({"FAKE_NVML_MODE": 2}, None, "gpu-no-device", "prohibited"),
        ({"CUDA_VISIBLE_DEVICES": ""}, None, "gpu-no-device", "`CUDA_VISIBLE_DEVICES=` hides every GPU"),
        ({"FAKE_NVML_COUNT": 0}, None, "gpu-no-device", "shows no GPU to this system"),
        ({"FAKE_NVML_COUNT": 0}, "docker", "docker-no-gpu", "shows no GPU to the docker container"),
    ],
)
def test_gpus_that_cannot_be_used_are_listed_as_they_are_and_refused_by_the_plan(
    answers: dict[str, object], container: str | None, code: str, words: str, library: Path, root: Path
) -> None:
    found = ask(library, root, container=container, **answers)
    variables = {name: str(value) for name, value in answers.items() if name == "CUDA_VISIBLE_DEVICES"}
    machine = replace(
        Host(container=container).facts,
        gpus=found.gpus,
        driver=found.driver,
        gpu_problem=found.problem,
        visible_devices=Fact(value=variables, source="environment"),
    )

    assert found.problem.value is None
    refusal = on_machine(machine, table(), "linux_x86_64", later=False)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code
    assert words in refusal.why


def test_mig_devices_are_listed(library: Path, root: Path) -> None:
    found = ask(library, root, FAKE_NVML_SLICES=2, CUDA_VISIBLE_DEVICES="MIG-0000-1")

    (one,) = found.gpus.value
    assert one.mig
    assert one.visible
    assert [(part.uuid, part.name, part.memory_total) for part in one.slices] == [
        ("MIG-0000-0", "MIG 1g.10gb", 80 << 30),
        ("MIG-0000-1", "MIG 1g.10gb", 80 << 30),
    ]
    assert found.problem.value is None


@pytest.mark.parametrize(("container", "code"), [(None, "gpu-no-driver"), ("kubernetes", "docker-no-gpu")])
def test_nvml_without_libcuda_is_a_problem(container: str | None, code: str, root: Path, tmp_path: Path) -> None:
    library = fake_nvml.build(tmp_path / "utility only")
    (library / "libcuda.so.1").unlink()

    found = ask(library, root, container=container)

    assert len(found.gpus.value) == 1
    assert found.problem.value is not None
    assert found.problem.value.code == code
    assert "libcuda.so.1" in found.problem.value.why


def test_the_library_of_wsl_is_loaded_by_path_and_its_libcuda_missed(root: Path) -> None:
    fake_nvml.build(root / "usr/lib/wsl/lib")

    found = graphics({"PATH": ""}, GpuHost(system="linux", container=None, wsl=True, machine="x86_64", root=root))

    assert len(found.gpus.value) == 1
    assert found.gpus.source == f"NVML ({root}/usr/lib/wsl/lib/libnvidia-ml.so.1)"
    assert found.problem.value is not None
    assert found.problem.value.code == "wsl-libcuda"


def test_a_file_that_is_no_library_is_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libnvidia-ml.so.1").write_text("not a library", encoding="ascii")
    (root / "dev").mkdir()
    (root / "dev/nvidia0").touch()

    found = ask(tmp_path / "lib", root)

    assert found.problem.value is not None
    assert found.problem.value.code == "gpu-no-driver"
    assert "libnvidia-ml.so.1" in found.problem.value.why


def test_without_a_library_no_process_is_started(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a process was started")

    monkeypatch.setattr(process, "run", refuse)

    place = GpuHost(system="linux", container=None, wsl=False, machine="x86_64", root=root)
    assert graphics({"PATH": "", "LD_LIBRARY_PATH": "/nowhere"}, place).gpus.value == ()


def test_the_gpus_reach_the_facts(library: Path, tmp_path: Path) -> None:
    environ = {
        "HOME": str(tmp_path),
        "PATH": "",
        "LD_LIBRARY_PATH": str(library),
        "FAKE_NVML_COUNT": "2",
        "CUDA_VISIBLE_DEVICES": "1",
    }

    found = facts.gather(environ, cache=tmp_path / "interpreters.json")

    nvidia = [one for one in found.gpus.value if one.vendor == "nvidia"]
    assert [(one.uuid, one.visible) for one in nvidia] == [("GPU-aaaa-0", False), ("GPU-aaaa-1", True)]
    assert found.visible_devices.value == {"CUDA_VISIBLE_DEVICES": "1"}
    assert found.gpu_problem.value is None
    assert facts.load(facts.dump(found)) == found
