from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from sham import install, make_environment, site_packages
from tfprov.envs import cures
from tfprov.envs.records import Cure
from tfprov.errors import TfprovError
from tfprov.events import Event, Note, Progress, ignore
from tfprov.smoke import runner
from tfprov.smoke.records import Leg, SmokeRequest, Verdict
from tfprov.smoke.runner import smoke

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the sham environments are POSIX venvs")

DIE = "os.kill(os.getpid(), signal.%s)\n"


def run(python: Path, **asked: object) -> Verdict:
    return smoke(python, SmokeRequest(timeout=60, **asked), environ=os.environ, emit=ignore)  # type: ignore[arg-type]  # fields by name


def codes(verdict: Verdict) -> dict[str, str | None]:
    """Code of each leg that failed, by `device leg`."""
    return {f"{device.name} {leg.leg}": leg.code for device in verdict.devices for leg in device.legs if not leg.ok}


def names(verdict: Verdict) -> list[str]:
    return [f"{device.name} {leg.leg}" for device in verdict.devices for leg in device.legs]


def leg(verdict: Verdict, device: str, name: str) -> Leg:
    (found,) = [leg for one in verdict.devices if one.name == device for leg in one.legs if leg.leg == name]
    return found


def test_a_good_environment_passes_every_leg_of_the_quick_level(tmp_path: Path) -> None:
    verdict = run(make_environment(tmp_path / "e"), expected_version="2.99.0", expected_package="tensorflow")
    assert codes(verdict) == {}
    assert verdict.ok
    assert verdict.tensorflow == "2.99.0"
    assert names(verdict) == [
        "environment distribution",
        "environment files",
        "environment import",
        "environment version",
        "environment devices",
        "environment context",
        "CPU:0 matmul",
        "CPU:0 gradient",
    ]


def test_the_good_path_starts_one_process(tmp_path: Path) -> None:
    counter = tmp_path / "starts"
    python = make_environment(tmp_path / "e", first=f"open({str(counter)!r}, 'a').write('x')\n")
    assert run(python).ok
    assert counter.read_text() == "x"


@pytest.mark.parametrize(
    ("name", "code"),
    [("SIGSEGV", "probe-crashed"), ("SIGILL", "cpu-no-avx"), ("SIGKILL", "oom-killed"), ("SIGABRT", "probe-crashed")],
)
def test_a_leg_ended_by_a_signal_is_named_and_its_device_is_left_alone(tmp_path: Path, name: str, code: str) -> None:
    sabotage = (
        "healthy = matmul\n"
        "def matmul(left, right):\n"
        "    if len(left.rows) == 37:\n"
        f"        {DIE % name}"
        "    return healthy(left, right)\n"
    )
    verdict = run(make_environment(tmp_path / "e", sabotage))
    assert codes(verdict) == {"CPU:0 matmul": code}
    assert name in leg(verdict, "CPU:0", "matmul").evidence
    assert leg(verdict, "CPU:0", "gradient").skipped


def test_a_death_at_import_ends_the_test_and_blames_the_import(tmp_path: Path) -> None:
    verdict = run(make_environment(tmp_path / "e", DIE % "SIGILL"))
    assert codes(verdict) == {"environment import": "cpu-no-avx"}
    assert "CPU:0" not in [device.name for device in verdict.devices]


def test_a_hang_says_where_it_stood_and_is_not_called_a_crash(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e", "def matmul(left, right):\n    time.sleep(600)\n")
    verdict = smoke(python, SmokeRequest(timeout=1.5), environ=os.environ, emit=ignore)
    assert codes(verdict) == {"CPU:0 matmul": "probe-timeout"}
    assert "in matmul" in leg(verdict, "CPU:0", "matmul").evidence
    assert "not run" in leg(verdict, "CPU:0", "gradient").evidence


def test_a_process_that_leaves_in_the_middle_is_not_taken_for_a_success(tmp_path: Path) -> None:
    verdict = run(make_environment(tmp_path / "e", "def matmul(left, right):\n    os._exit(0)\n"))
    assert codes(verdict) == {"CPU:0 matmul": "probe-failed"}


@pytest.mark.parametrize("number", ["1.001 * {}", "float('nan')", "float('inf')", "0.0 * {}"])
def test_a_wrong_number_fails_even_when_it_is_not_a_number(tmp_path: Path, number: str) -> None:
    wrong = number.format("sum(a * b for a, b in zip(row, column))")
    sabotage = (
        "def multiply(left, right):\n"
        "    columns = list(zip(*right))\n"
        f"    return [[{wrong} for column in columns] for row in left]\n"
    )
    verdict = run(make_environment(tmp_path / "e", sabotage))
    assert codes(verdict) == {"CPU:0 matmul": "wrong-number", "CPU:0 gradient": "wrong-number"}


def test_a_right_product_does_not_hide_a_wrong_gradient(tmp_path: Path) -> None:
    sabotage = "GradientTape.gradient = lambda self, loss, weights: Tensor([[0.0] * 17] * 31)\n"
    assert codes(run(make_environment(tmp_path / "e", sabotage))) == {"CPU:0 gradient": "wrong-number"}


def test_an_exception_in_one_leg_leaves_the_others_alone(tmp_path: Path) -> None:
    sabotage = "def reduce_sum(tensor):\n    raise RuntimeError('no kernel registered')\n"
    verdict = run(make_environment(tmp_path / "e", sabotage))
    assert codes(verdict) == {"CPU:0 gradient": "probe-failed"}
    assert leg(verdict, "CPU:0", "gradient").evidence.startswith("RuntimeError: no kernel registered")


def test_noise_on_stdout_does_not_reach_the_records(tmp_path: Path) -> None:
    first = 'print(\'{"leg": "import", "device": "environment", "ok": false}\', flush=True)\n'
    assert run(make_environment(tmp_path / "e", first=first)).ok


def test_a_missing_tensorflow_is_not_an_import_error_of_some_kind(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e")
    for path in sorted(site_packages(tmp_path / "e").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert codes(run(python)) == {"environment distribution": "tf-not-in-env", "environment import": "tf-not-in-env"}


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("raise ImportError('numpy.core.umath failed to import')", "numpy-abi"),
        ("raise TypeError('Descriptors cannot be created directly.')", "protobuf-mismatch"),
        ("from os import nothing", "import-failed"),
        ("import pkg_resources", "setuptools-pkg-resources"),
        ("raise ImportError('libcudart.so.12: cannot open shared object file: No such file')", "gpu-libs-missing"),
        ("raise ImportError('Keras cannot be imported. Check that it is installed.')", "keras-mismatch"),
        ("raise MemoryError()", "oom-killed"),
    ],
)
def test_an_import_error_gets_the_code_of_its_cause(tmp_path: Path, source: str, code: str) -> None:
    verdict = run(make_environment(tmp_path / "e", first=source + "\n"))
    assert codes(verdict) == {"environment import": code}


def test_the_last_exception_of_a_chain_decides(tmp_path: Path) -> None:
    first = (
        "try:\n"
        "    raise AttributeError('_ARRAY_API not found')\n"
        "except AttributeError as error:\n"
        "    raise ImportError('Keras cannot be imported. Check that it is installed.') from error\n"
    )
    verdict = run(make_environment(tmp_path / "e", first=first))
    assert codes(verdict) == {"environment import": "numpy-abi"}
    assert leg(verdict, "environment", "import").evidence.startswith("AttributeError: _ARRAY_API not found")


def test_a_module_that_leaves_at_import_is_reported(tmp_path: Path) -> None:
    verdict = run(make_environment(tmp_path / "e", first="raise SystemExit(0)\n"))
    assert codes(verdict) == {"environment import": "import-failed"}


def test_two_tensorflows_are_found_though_the_import_works(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e")
    install(site_packages(tmp_path / "e"), "tensorflow-cpu", "2.98.0", {"tensorflow/__init__.py": "wrong = True\n"})
    assert codes(run(python))["environment distribution"] == "several-tensorflows"


def test_a_half_removed_version_of_the_same_project_is_found(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e")
    root = site_packages(tmp_path / "e")
    content = (root / "tensorflow" / "__init__.py").read_text()
    install(root, "tensorflow", "2.98.0", {"tensorflow/__init__.py": content})
    assert codes(run(python)) == {"environment distribution": "several-tensorflows"}


def test_a_project_that_only_stands_for_another_one_is_no_second_tensorflow(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e", package="tensorflow-intel")
    install(site_packages(tmp_path / "e"), "tensorflow", "2.99.0", {})
    verdict = run(python, expected_package="tensorflow")
    assert codes(verdict) == {}


def test_another_version_than_the_lock_says_is_found(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e")
    assert codes(run(python, expected_version="2.98.0")) == {"environment distribution": "file-damaged"}
    assert codes(run(python, expected_package="tensorflow-cpu")) == {"environment distribution": "file-damaged"}


def test_a_module_of_another_version_than_its_metadata_is_found(tmp_path: Path) -> None:
    verdict = run(make_environment(tmp_path / "e", version="2.98.0"))
    assert codes(verdict) == {"environment version": "file-damaged"}


@pytest.mark.parametrize(("metadata", "module"), [("2.15.0.post1", "2.15.0"), ("2.22.0rc0", "2.22.0-rc0")])
def test_versions_that_tensorflow_writes_in_its_own_way_are_equal(tmp_path: Path, metadata: str, module: str) -> None:
    python = make_environment(tmp_path / "e", f"__version__ = {module!r}\n", version=metadata)
    assert run(python, expected_version=metadata).ok


def test_a_module_beside_the_package_that_hides_it_is_named(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e")
    root = site_packages(tmp_path / "e")
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    (hiding / "tensorflow.py").write_text("__version__ = '2.99.0'\n")
    (root / "aaa.pth").write_text(f"import sys; sys.path.insert(0, {str(hiding)!r})\n")
    verdict = run(python)
    assert codes(verdict)["environment distribution"] == "shadowed-module"
    assert str(hiding / "tensorflow.py") in leg(verdict, "environment", "distribution").evidence


def test_a_deleted_and_an_altered_file_are_named(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e")
    root = site_packages(tmp_path / "e")
    install(root, "other", "1.0", {"other/a.py": "a = 1\n", "other/b.py": "b = 1\n"})
    (root / "other" / "a.py").unlink()
    (root / "other" / "b.py").write_text("b = 111\n")
    verdict = run(python)
    assert codes(verdict) == {"environment files": "file-damaged"}
    evidence = leg(verdict, "environment", "files").evidence
    assert "a.py` is missing" in evidence
    assert "b.py` has 8 bytes instead of 6" in evidence


def test_the_shell_around_it_does_not_leak_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = make_environment(tmp_path / "e")
    elsewhere = tmp_path / "elsewhere"
    install(elsewhere, "tensorflow", "1.0", {"tensorflow/__init__.py": "raise RuntimeError('leaked')\n"})
    monkeypatch.chdir(elsewhere)
    environ = {**os.environ, "PYTHONPATH": str(elsewhere), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "/nowhere"}
    assert smoke(python, SmokeRequest(timeout=60), environ=environ, emit=ignore).ok


def test_an_interpreter_that_cannot_be_started_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as caught:
        run(tmp_path / "nothing" / "bin" / "python")
    assert caught.value.code.name == "python-broken"


def test_an_interpreter_that_dies_before_the_first_leg_is_reported(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e")
    (site_packages(tmp_path / "e") / "bad.pth").write_text("import os; os._exit(3)\n")
    verdict = run(python)
    assert codes(verdict) == {"environment core-start": "probe-failed"}
    assert "exit status 3" in leg(verdict, "environment", "core-start").evidence


def test_a_file_that_is_called_python_and_is_none_is_reported(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such module >&2\nexit 7\n")
    python.chmod(0o755)
    verdict = run(python)
    assert codes(verdict) == {"environment core-start": "probe-failed"}
    assert "no such module" in leg(verdict, "environment", "core-start").evidence


def test_the_leg_that_runs_is_told_before_it_ends(tmp_path: Path) -> None:
    told = tmp_path / "told"
    # The leg ends only when somebody has heard of it.
    sabotage = (
        f"def matmul(left, right):\n    while not os.path.exists({str(told)!r}): time.sleep(0.01)\n    os._exit(0)\n"
    )

    def hear(event: Event) -> None:
        if isinstance(event, Progress) and event.what == "matmul on CPU:0":
            assert (event.unit, event.done) == ("checks", 6)
            told.touch()

    verdict = smoke(make_environment(tmp_path / "e", sabotage), SmokeRequest(timeout=60), environ=os.environ, emit=hear)
    assert codes(verdict)["CPU:0 matmul"] == "probe-failed"


# GPUs


def test_every_gpu_gets_its_own_verdict(tmp_path: Path) -> None:
    verdict = run(make_environment(tmp_path / "e", "GPUS = 2\n"), accelerator="cuda")
    assert codes(verdict) == {}
    assert [(one.name, one.kind, one.description) for one in verdict.devices[1:]] == [
        ("CPU:0", "cpu", ""),
        ("GPU:0", "gpu", "Sham 0, compute capability 9.0"),
        ("GPU:1", "gpu", "Sham 1, compute capability 9.0"),
    ]


def test_a_promised_gpu_that_is_not_there_is_no_silent_run_on_the_cpu(tmp_path: Path) -> None:
    verdict = run(make_environment(tmp_path / "e"), accelerator="cuda")
    assert verdict.first_failure is not None
    assert verdict.first_failure[1].leg == "devices"
    assert verdict.first_failure[1].code == "gpu-missing-in-tf"


def test_fewer_gpus_than_required_is_a_failure_whatever_was_promised(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e", "GPUS = 1\n")
    assert codes(run(python, require_gpus=2)) == {"environment devices": "gpu-missing-in-tf"}
    assert run(python, require_gpus=1).ok


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("Cannot dlopen some GPU libraries. Please make sure the missing libraries", "gpu-libs-missing"),
        ("failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected", "gpu-no-device"),
        ("kernel version 535.54 does not match DSO version 550.40", "gpu-driver-mismatch"),
    ],
)
def test_the_log_of_tensorflow_says_why_a_gpu_is_missing(tmp_path: Path, line: str, code: str) -> None:
    python = make_environment(tmp_path / "e", f"print({line!r}, file=sys.stderr)\n")
    verdict = run(python, accelerator="cuda")
    assert codes(verdict)["environment devices"] == code
    assert line in leg(verdict, "environment", "devices").evidence


def test_a_wheel_without_cuda_is_named_before_the_driver(tmp_path: Path) -> None:
    log = "print('Could not find cuda drivers', file=sys.stderr)\n"
    python = make_environment(tmp_path / "e", log + "CUDA_BUILD = False\n")
    assert codes(run(python, accelerator="cuda"))["environment devices"] == "wheel-without-cuda"
    later = run(python, accelerator="cuda", gpu="later")
    assert codes(later)["environment devices"] == "wheel-without-cuda"


def test_a_gpu_profile_for_later_runs_nothing_on_a_gpu_and_says_so(tmp_path: Path) -> None:
    verdict = run(make_environment(tmp_path / "e", "GPUS = 1\n"), accelerator="cuda", gpu="later")
    assert codes(verdict) == {"environment gpu-libraries": "gpu-libs-missing"}
    assert [device.name for device in verdict.devices] == ["environment", "CPU:0"]
    assert "no GPU was tested" in verdict.note


def test_a_cpu_profile_leaves_the_gpus_alone(tmp_path: Path) -> None:
    verdict = run(make_environment(tmp_path / "e", "GPUS = 1\n"), accelerator="cpu")
    assert [device.name for device in verdict.devices] == ["environment", "CPU:0"]


def test_a_crash_on_one_gpu_leaves_the_others_their_verdict(tmp_path: Path) -> None:
    sabotage = (
        "GPUS = 3\n"
        "healthy = matmul\n"
        "def matmul(left, right):\n"
        f"    if number_of_gpu() == 1: {DIE % 'SIGSEGV'}"
        "    return healthy(left, right)\n"
    )
    verdict = run(make_environment(tmp_path / "e", sabotage), accelerator="cuda")
    assert codes(verdict) == {"GPU:1 matmul": "probe-crashed"}
    assert leg(verdict, "GPU:1", "gradient").skipped
    assert [device.name for device in verdict.devices if device.ok] == ["environment", "CPU:0", "GPU:0", "GPU:2"]


def test_a_gpu_that_takes_all_down_when_it_is_initialised_is_narrowed_to_itself(tmp_path: Path) -> None:
    sabotage = f"GPUS = 3\ndef initialise(number):\n    if number == 1: {DIE % 'SIGSEGV'}"
    verdict = run(make_environment(tmp_path / "e", sabotage), accelerator="cuda")
    assert codes(verdict) == {"GPU:1 context": "probe-crashed"}
    assert [device.name for device in verdict.devices if device.ok] == ["environment", "CPU:0", "GPU:0", "GPU:2"]
    assert leg(verdict, "GPU:2", "matmul").ok


def test_a_result_that_was_computed_elsewhere_does_not_pass_for_the_gpu(tmp_path: Path) -> None:
    sabotage = (
        "GPUS = 1\n"
        "def matmul(left, right):\n"
        "    return Tensor(multiply(left.rows, right.rows), 'CPU:0', (left, right))\n"
    )
    verdict = run(make_environment(tmp_path / "e", sabotage), accelerator="cuda")
    assert codes(verdict) == {"GPU:0 matmul": "gpu-missing-in-tf"}


def test_a_gpu_whose_memory_was_never_touched_does_not_pass(tmp_path: Path) -> None:
    sabotage = "GPUS = 1\nexperimental.get_memory_info = lambda name: {'peak': 0}\n"
    verdict = run(make_environment(tmp_path / "e", sabotage), accelerator="cuda")
    assert codes(verdict) == {"GPU:0 matmul": "gpu-missing-in-tf"}


def test_each_leg_is_announced_while_it_runs(tmp_path: Path) -> None:
    heard: list[Event] = []
    smoke(make_environment(tmp_path / "e"), SmokeRequest(timeout=60), environ=os.environ, emit=heard.append)
    notes = [event.text for event in heard if isinstance(event, Note)]
    assert [note.split(":")[1].split(" on")[0].strip() for note in notes][:3] == ["distribution", "files", "import"]


@pytest.mark.parametrize("hanging", [3, 5])
def test_groups_for_which_no_time_is_left_are_told_once(tmp_path: Path, hanging: int) -> None:
    sabotage = (
        "GPUS = 5\n"
        "healthy = matmul\n"
        "def matmul(left, right):\n"
        f"    if number_of_gpu() in range({hanging}):\n"
        "        time.sleep(600)\n"
        "    return healthy(left, right)\n"
    )
    request = SmokeRequest(timeout=1.5, level="standard")
    verdict = smoke(make_environment(tmp_path / "e", sabotage), request, environ=os.environ, emit=ignore)
    assert [name for name in names(verdict) if name.endswith(("numerics", "compile", "training", "collective"))] == [
        "environment numerics",
        "environment compile",
        "environment training",
        "environment collective",
    ]


def test_a_gpu_that_hangs_when_it_is_initialised_is_narrowed_to_itself(tmp_path: Path) -> None:
    sabotage = "GPUS = 2\ndef initialise(number):\n    time.sleep(600 if number == 0 else 0)\n"
    python = make_environment(tmp_path / "e", sabotage)
    verdict = smoke(python, SmokeRequest(timeout=1.5, accelerator="cuda"), environ=os.environ, emit=ignore)
    assert codes(verdict) == {"GPU:0 context": "probe-timeout"}
    assert [device.name for device in verdict.devices if device.ok] == ["environment", "CPU:0", "GPU:1"]


def test_an_exception_when_a_gpu_is_initialised_is_narrowed_to_it(tmp_path: Path) -> None:
    sabotage = (
        "GPUS = 3\n"
        "def initialise(number):\n"
        "    if number == 1: raise RuntimeError('device /device:GPU:%d is busy' % shown().index(number))\n"
    )
    verdict = run(make_environment(tmp_path / "e", sabotage), accelerator="cuda")
    assert codes(verdict) == {"GPU:1 context": "probe-failed"}
    # Alone it is TensorFlow's first one; the machine's number stands in the evidence.
    assert "device /device:GPU:1 is busy" in leg(verdict, "GPU:1", "context").evidence
    described = {device.name: device.description for device in verdict.devices if device.kind == "gpu"}
    assert described == {f"GPU:{number}": f"Sham {number}, compute capability 9.0" for number in range(3)}
    assert [device.name for device in verdict.devices if device.ok] == ["environment", "CPU:0", "GPU:0", "GPU:2"]


@pytest.mark.parametrize("gpus", [0, 2])
def test_what_not_even_the_processor_can_is_a_fault_of_the_environment(tmp_path: Path, gpus: int) -> None:
    sabotage = f"GPUS = {gpus}\ndef no(kind=None):\n    raise RuntimeError('no')\nconfig.list_logical_devices = no\n"
    verdict = run(make_environment(tmp_path / "e", sabotage))
    devices = ["environment", *(["CPU:0", "GPU:0", "GPU:1"] if gpus else [])]
    assert codes(verdict) == {f"{device} context": "probe-failed" for device in devices}


def test_devices_that_work_alone_and_not_together_are_a_fault_of_the_environment(tmp_path: Path) -> None:
    sabotage = f"GPUS = 2\ndef initialise(number):\n    if len(shown()) == 2: {DIE % 'SIGABRT'}"
    verdict = run(make_environment(tmp_path / "e", sabotage), accelerator="cuda")
    assert codes(verdict) == {"environment context": "probe-crashed"}
    assert [device.name for device in verdict.devices if device.ok] == ["CPU:0", "GPU:0", "GPU:1"]


def test_a_driver_that_takes_the_listing_down_leaves_the_processor_its_verdict(tmp_path: Path) -> None:
    sabotage = (
        "def list_physical_devices(kind=None):\n"
        "    if os.environ.get('CUDA_VISIBLE_DEVICES') == '-1':\n"
        "        return [] if kind == 'GPU' else [physical('CPU', 0)]\n"
        f"    {DIE % 'SIGSEGV'}"
        "config.list_physical_devices = list_physical_devices\n"
    )
    verdict = run(make_environment(tmp_path / "e", sabotage), accelerator="cuda")
    found = codes(verdict)
    assert found["environment devices"] == found["environment context"] == "probe-crashed"
    assert leg(verdict, "CPU:0", "matmul").ok


def test_a_gpu_that_the_driver_shows_and_tensorflow_does_not_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    # What the driver's library would answer, put in the place where the probe asks for it.
    sabotage = (
        "GPUS = 1\n"
        "import ctypes\n"
        "class Nvml:\n"
        "    def nvmlInit_v2(self): return 0\n"
        "    def nvmlDeviceGetCount_v2(self, number):\n"
        "        number._obj.value = 2\n"
        "        return 0\n"
        "    def nvmlDeviceGetHandleByIndex_v2(self, index, handle): return 0\n"
        "    def nvmlDeviceGetMigMode(self, handle, now, later): return 3\n"
        "ctypes.CDLL = lambda name: Nvml()\n"
        "print('Ignoring visible gpu device (device: 1) with core count: 2', file=sys.stderr)\n"
    )
    verdict = run(make_environment(tmp_path / "e", sabotage), accelerator="cuda")
    assert verdict.ok
    (finding,) = verdict.findings
    assert "1 of the driver's 2 GPUs" in finding.evidence
    assert "Ignoring visible gpu device" in finding.evidence


def test_files_that_tensorflow_leaves_in_the_temporary_folder_are_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        leaves = "import tempfile\nos.close(tempfile.mkstemp()[0])\n"
        python = make_environment(Path(folder) / "e", leaves)
        assert run(python).ok
        assert [path.name for path in Path(folder).iterdir()] == ["e"]


def test_a_package_can_make_a_socket_in_the_temporary_folder_however_long_its_path_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "e"
    python = make_environment(
        folder,
        "import socket, tempfile\n"
        "socket.socket(socket.AF_UNIX).bind(os.path.join(tempfile.mkdtemp(prefix='pymp-'), 'listener-12345678'))\n",
    )
    for room in (1, 20, 30, 40):
        with tempfile.TemporaryDirectory(dir="/tmp", prefix="x" * room) as temporary:
            monkeypatch.setenv("TMPDIR", temporary)
            monkeypatch.setattr(tempfile, "tempdir", None)
            assert run(python).ok, room


# Levels


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Leave out the groups that need more of TensorFlow than the sham has."""
    monkeypatch.setattr(runner, "GROUPS", tuple(group for group in runner.GROUPS if group.name in names))


def test_the_standard_level_finds_a_changed_library_and_the_quick_level_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "files")
    python = make_environment(tmp_path / "e")
    root = site_packages(tmp_path / "e")
    install(root, "native", "1.0", {"native/lib.so": "machine code"})
    (root / "native" / "lib.so").write_text("machine cod3")
    assert run(python).ok
    assert codes(run(python, level="standard")) == {"environment hashes": "file-damaged"}


def test_a_group_that_cannot_run_at_all_is_a_failure_and_not_a_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "numerics")
    # The sham environment has no NumPy, so that the group fails before its first leg.
    verdict = run(make_environment(tmp_path / "e"), level="standard")
    assert codes(verdict) == {"environment numerics-start": "import-failed"}
    assert "numpy" in leg(verdict, "environment", "numerics-start").evidence


def test_a_broken_import_leaves_what_needs_no_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "files", "numerics")
    script = tmp_path / "check.py"
    script.touch()
    verdict = run(make_environment(tmp_path / "e", DIE % "SIGILL"), level="standard", scripts=(script,))
    assert codes(verdict) == {"environment import": "cpu-no-avx"}
    assert leg(verdict, "environment", "hashes").ok
    assert "script check.py" not in [leg.leg for leg in verdict.devices[0].legs]


def test_the_users_scripts_run_at_every_level(tmp_path: Path) -> None:
    script = tmp_path / "check.py"
    script.write_text("import tensorflow\nassert tensorflow.__version__ == '0'\n")
    verdict = run(make_environment(tmp_path / "e"), scripts=(script,))
    assert codes(verdict) == {"environment script check.py": "user-check-failed"}


def test_wheels_of_nvidia_are_checked_though_nobody_promised_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "linkage")
    python = make_environment(tmp_path / "e")
    assert "gpu-libraries" not in [leg.leg for leg in run(python, level="standard").devices[0].legs]
    install(site_packages(tmp_path / "e"), "nvidia-cublas-cu12", "12.5", {})
    assert codes(run(python, level="standard")) == {"environment gpu-libraries": "gpu-libs-missing"}


def test_legs_say_when_they_began(tmp_path: Path) -> None:
    verdict = run(make_environment(tmp_path / "e"))
    starts = [leg.started for device in verdict.devices for leg in device.legs]
    assert all(start is not None and start >= 0 for start in starts)
    assert starts == sorted(starts, key=float)  # type: ignore[arg-type]  # none of them is None


def test_a_second_tensorflow_on_pythonpath_is_told_and_does_not_make_it_bad(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e")
    install(tmp_path / "other", "tensorflow", "1.0", {"tensorflow/__init__.py": "raise RuntimeError\n"})
    heard: list[Event] = []
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "other")}
    verdict = smoke(python, SmokeRequest(timeout=60), environ=environ, emit=heard.append)
    assert verdict.ok
    assert [finding.code for finding in verdict.findings] == ["path-leak"]
    assert [event.text for event in heard if isinstance(event, Note) and event.level == "warning"]


def test_a_level_that_takes_longer_than_it_should_says_what_took_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Event] = []
    python = make_environment(tmp_path / "e")
    smoke(python, SmokeRequest(timeout=60), environ=os.environ, emit=heard.append)
    assert not [event for event in heard if isinstance(event, Note) and "more than" in event.text]
    monkeypatch.setitem(runner.TARGET_S, "quick", 0.0)
    smoke(python, SmokeRequest(timeout=60), environ=os.environ, emit=heard.append)
    (slow,) = [event.text for event in heard if isinstance(event, Note) and "more than" in event.text]
    assert slow.startswith("the quick level took")
    assert " on " in slow


def test_what_an_environment_was_given_is_in_its_verdict(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e")
    assert run(python).cures == ()
    cures.apply(tmp_path / "e", (Cure(name="pin", code="numpy-abi", what="bound", constraint="numpy<2"),))
    assert run(python).cures == ("numpy-abi: bound",)
