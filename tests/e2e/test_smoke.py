"""The smoke test against real TensorFlow: no false alarm on a clean environment, every sabotage by its right name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tensorflows import Recipe, call, install, original
from tfprov.envs import cures
from tfprov.events import ignore
from tfprov.smoke import runner
from tfprov.smoke.cuda_files import cuda_files
from tfprov.smoke.cures import KNOWN, FailedProof
from tfprov.smoke.records import Leg, Level, SmokeRequest, Verdict
from tfprov.smoke.runner import smoke

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.name != "posix", reason="the environments are POSIX venvs"),
]

# Without the bound TensorBoard does not start, which is a finding of its own.
OLD = ("3.11", ("tensorflow-cpu==2.15.*", "setuptools<81"))
MIDDLE = ("3.12", ("tensorflow-cpu==2.18.*", "setuptools<81"))
NEWEST = ("3.12", ("tensorflow-cpu", "tensorboard"))
CUDA = ("3.12", ("tensorflow[and-cuda]",))

Clone = Callable[[Recipe], Path]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe], Path]:
    """Clean environments, made when first asked for."""
    return lambda recipe: original(tmp_path_factory, recipe)


@pytest.fixture
def clone(originals: Callable[[Recipe], Path], tmp_path: Path) -> Clone:
    """A copy to sabotage. Files are links to the original's: replace them, never write into them."""

    def copied(recipe: Recipe) -> Path:
        target = tmp_path / "environment"
        shutil.copytree(originals(recipe), target, symlinks=True, copy_function=os.link)
        return target

    return copied


def run(
    environment: Path, level: Level = "quick", *, environ: dict[str, str] | None = None, **asked: object
) -> Verdict:
    request = SmokeRequest(level=level, timeout=300, **asked)  # type: ignore[arg-type]  # fields by name
    used = dict(os.environ) if environ is None else environ
    return smoke(environment / "bin" / "python", request, environ=used, emit=ignore)


def codes(verdict: Verdict) -> dict[str, str | None]:
    return {f"{device.name} {leg.leg}": leg.code for device in verdict.devices for leg in device.legs if not leg.ok}


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Of the groups behind the quick level, run these alone."""
    monkeypatch.setattr(runner, "GROUPS", tuple(group for group in runner.GROUPS if group.name in names))


def leg(verdict: Verdict, device: str, name: str) -> Leg:
    (found,) = [leg for one in verdict.devices if one.name == device for leg in one.legs if leg.leg == name]
    return found


def site_packages(environment: Path) -> Path:
    (found,) = environment.glob("lib/python*/site-packages")
    return found


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(change(content))


def cure(environment: Path, name: str, failed: Verdict, environ: dict[str, str]) -> None:
    """Give an environment a cure, as the repair rung does."""
    found = cuda_files(environment / "bin" / "python", environ=environ)
    cures.apply(environment, (KNOWN[name](FailedProof(verdict=failed, request=SmokeRequest(), cuda_files=found)),))


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(OLD, id="2.15"),
        pytest.param(
            MIDDLE,
            id="2.18",
            marks=pytest.mark.skipif(
                "TFPROV_TEST_LARGE" not in os.environ, reason="fetches 250 MB: set TFPROV_TEST_LARGE to run"
            ),
        ),
        pytest.param(NEWEST, id="newest"),
    ],
)
def test_a_clean_environment_passes_every_leg(
    originals: Callable[[Recipe], Path], recipe: Recipe, tmp_path: Path
) -> None:
    script = tmp_path / "check.py"
    script.write_text("import helper\n")
    (tmp_path / "helper.py").write_text("import tensorflow as tf\nassert int(tf.constant(3) * 2) == 6\nprint('six')\n")
    verdict = run(originals(recipe), "standard", accelerator="cpu", scripts=(script,))
    assert codes(verdict) == {}
    assert verdict.findings == ()
    assert [device.name for device in verdict.devices] == ["environment", "CPU:0", "CPU:1"]
    assert [leg.leg for leg in verdict.devices[2].legs] == [
        "matmul-float32",
        "matmul-half",
        "convolution",
        "linear-algebra",
        "function",
    ]
    for name in ("hashes", "libraries", "keras", "saved-model", "keras-save", "tensorboard", "all-reduce"):
        assert not leg(verdict, "environment", name).skipped
    for name in ("xla", "training", "mixed-precision"):
        assert leg(verdict, "CPU:0", name).ok
    assert leg(verdict, "environment", "script check.py").evidence == "six"


@pytest.mark.parametrize(
    ("recipe", "exchanged", "code"),
    [
        (OLD, "numpy==2.2.*", "numpy-abi"),
        # As the next one.
        pytest.param(NEWEST, "protobuf==4.25.*", "protobuf-mismatch", marks=pytest.mark.nightly),
        (NEWEST, "protobuf==5.29.*", "protobuf-mismatch"),
        # tests/unit/smoke/test_causes.py has what TensorFlow says then.
        pytest.param(NEWEST, "typing_extensions==3.10.0.0", "typing-extensions-mismatch", marks=pytest.mark.nightly),
    ],
)
def test_one_package_of_a_wrong_generation_is_named(clone: Clone, recipe: Recipe, exchanged: str, code: str) -> None:
    environment = clone(recipe)
    install(environment, "--no-deps", exchanged)
    assert codes(run(environment)) == {"environment import": code}


def test_what_works_against_its_own_metadata_is_told_and_does_not_fail(clone: Clone) -> None:
    environment = clone(OLD)
    install(environment, "--no-deps", "protobuf==6.33.*")
    verdict = run(environment)
    assert codes(verdict) == {}
    assert [finding.code for finding in verdict.findings] == ["protobuf-mismatch"]


def test_a_keras_of_another_generation_is_named(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "training")
    environment = clone(NEWEST)
    install(environment, "--no-deps", "keras==2.15.*")
    assert codes(run(environment, "standard"))["environment keras"] == "keras-mismatch"


def test_a_setuptools_without_pkg_resources_is_found_by_tensorboard(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "training")
    environment = clone(OLD)
    install(environment, "--no-deps", "setuptools>=82")
    assert codes(run(environment, "standard")) == {"environment tensorboard": "setuptools-pkg-resources"}


# As test_a_deleted_and_an_altered_file_are_named in tests/unit/smoke/test_runner.py.
@pytest.mark.nightly
def test_a_deleted_and_an_altered_file_are_found(clone: Clone) -> None:
    environment = clone(NEWEST)
    root = site_packages(environment)
    (root / "tensorflow" / "python" / "ops" / "nn_ops.py").unlink()
    rewrite(root / "numpy" / "version.py", lambda content: content + b"\n")
    verdict = run(environment)
    assert codes(verdict)["environment files"] == "file-damaged"
    evidence = leg(verdict, "environment", "files").evidence
    assert "nn_ops.py` is missing" in evidence
    assert "version.py` has" in evidence


# As test_the_standard_level_finds_a_changed_library_and_the_quick_level_does_not in tests/unit/smoke/test_runner.py.
@pytest.mark.nightly
def test_a_flipped_byte_in_a_library_is_found_by_its_hash(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "files")
    environment = clone(NEWEST)
    (library,) = site_packages(environment).glob("h5py/_errors*.so")
    rewrite(library, lambda content: content[:-1] + bytes([content[-1] ^ 1]))
    verdict = run(environment, "standard")
    assert codes(verdict)["environment hashes"] == "file-damaged"
    assert library.name in leg(verdict, "environment", "hashes").evidence
    assert leg(verdict, "environment", "files").ok


# As test_a_wrong_number_fails_even_when_it_is_not_a_number in tests/unit/smoke/test_runner.py, and with the real
# TensorFlow test_a_fault_of_one_gpu_is_its_own.
@pytest.mark.nightly
def test_a_kernel_that_computes_wrong_numbers_is_caught_on_its_device(clone: Clone) -> None:
    environment = clone(NEWEST)
    root = site_packages(environment)
    (root / "wrong.pth").write_text("import wrong\n")
    (root / "wrong.py").write_text(
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Finder:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name != 'tensorflow':\n"
        "            return None\n"
        "        spec = PathFinder.find_spec(name, path)\n"
        "        load = spec.loader.exec_module\n"
        "        def exec_module(module):\n"
        "            load(module)\n"
        "            right = module.matmul\n"
        "            module.matmul = lambda *inputs, **options: right(*inputs, **options) * 1.0001\n"
        "        spec.loader.exec_module = exec_module\n"
        "        return spec\n"
        "sys.meta_path.insert(0, Finder)\n"
    )
    assert codes(run(environment)) == {"CPU:0 matmul": "wrong-number", "CPU:0 gradient": "wrong-number"}


# As test_two_tensorflows_are_found_though_the_import_works in tests/unit/smoke/test_runner.py.
@pytest.mark.nightly
def test_a_second_tensorflow_in_the_environment_is_found(
    clone: Clone, originals: Callable[[Recipe], Path], tmp_path: Path
) -> None:
    environment = clone(NEWEST)
    second = tmp_path / "second"
    second.mkdir()
    for path in site_packages(originals(OLD)).glob("tensorflow*"):
        (second / path.name).symlink_to(path)
    (site_packages(environment) / "second.pth").write_text(f"{second}\n")
    assert codes(run(environment))["environment distribution"] == "several-tensorflows"


# As test_the_shell_around_it_does_not_leak_in and
# test_a_second_tensorflow_on_pythonpath_is_told_and_does_not_make_it_bad in tests/unit/smoke/test_runner.py.
@pytest.mark.nightly
def test_what_lies_in_the_shell_is_told_and_does_no_harm(
    originals: Callable[[Recipe], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "path" / "tensorflow").mkdir(parents=True)
    (tmp_path / "path" / "tensorflow" / "__init__.py").write_text("raise RuntimeError('the wrong one')\n")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "tensorflow.py").write_text("raise RuntimeError('the wrong one')\n")
    monkeypatch.chdir(tmp_path / "here")
    verdict = run(originals(NEWEST), environ={**os.environ, "PYTHONPATH": str(tmp_path / "path")})
    assert codes(verdict) == {}
    assert [finding.code for finding in verdict.findings] == ["path-leak", "shadowed-module"]


# As test_a_wheel_without_cuda_is_named_before_the_driver in tests/unit/smoke/test_runner.py.
@pytest.mark.nightly
def test_a_cpu_build_does_not_pass_for_a_gpu_build(originals: Callable[[Recipe], Path]) -> None:
    for gpu in ("now", "later"):
        assert codes(run(originals(NEWEST), accelerator="cuda", gpu=gpu))["environment devices"] == "wheel-without-cuda"


@pytest.mark.skipif(
    "TFPROV_TEST_LARGE" not in os.environ,
    reason="fetches 3.4 GB and takes 6.5 GB of disk: set TFPROV_TEST_LARGE to run",
)
class TestCuda:
    def test_the_linkage_of_the_cuda_wheels_is_proved_without_a_gpu(self, originals: Clone) -> None:
        verdict = run(originals(CUDA), "standard", accelerator="cuda", gpu="later")
        assert codes(verdict) == {}
        assert "no GPU was tested" in verdict.note
        for name in ("gpu-libraries", "gpu-closure", "gpu-toolkit"):
            assert not leg(verdict, "environment", name).skipped

    def test_a_missing_library_is_named(self, clone: Clone) -> None:
        environment = clone(CUDA)
        (site_packages(environment) / "nvidia" / "cublas" / "lib" / "libcublasLt.so.12").unlink()
        found = codes(run(environment, accelerator="cuda", gpu="later"))
        assert found["environment files"] == "file-damaged"
        assert found["environment gpu-libraries"] == found["environment gpu-closure"] == "gpu-libs-missing"

    def test_a_wheel_that_was_never_installed_is_missed(self, clone: Clone) -> None:
        environment = clone(CUDA)
        call("pip", "uninstall", "--python", environment / "bin" / "python", "nvidia-cudnn-cu12")
        found = codes(run(environment, accelerator="cuda", gpu="later"))
        assert found == {"environment gpu-libraries": "gpu-libs-missing"}

    @pytest.mark.parametrize(
        ("library", "code"),
        [("cudnn/lib/libcudnn.so.9", "cudnn-mismatch"), ("cufft/lib/libcufft.so.11", "gpu-libs-foreign")],
    )
    def test_a_foreign_library_on_the_library_path_is_named(
        self, originals: Clone, library: str, code: str, tmp_path: Path
    ) -> None:
        environment = originals(CUDA)
        shutil.copy(site_packages(environment) / "nvidia" / library, tmp_path)
        environ = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
        found = codes(run(environment, environ=environ, accelerator="cuda", gpu="later"))
        assert found == {"environment gpu-libraries": code}

    def test_a_wrong_run_path_is_cured_by_opening_the_libraries_first(self, clone: Clone) -> None:
        environment = clone(CUDA)
        # A release whose libraries look for CUDA where it is not; there was one.
        for library in sorted((site_packages(environment) / "tensorflow").glob("libtensorflow_*.so.2")):
            rewrite(library, lambda content: content.replace(b"/../nvidia/", b"/../nvidiX/"))
        asked = {"accelerator": "cuda", "gpu": "later"}
        assert codes(run(environment, **asked)) == {"environment gpu-libraries": "gpu-libs-missing"}
        cure(environment, "library-path", run(environment, **asked), dict(os.environ))
        verdict = run(environment, **asked)
        assert codes(verdict) == {}
        (told,) = verdict.cures
        assert told.startswith("gpu-libs-missing")
        # TensorFlow itself opens nothing for GPUs on a machine without a driver; the import has to live with them.
        assert leg(verdict, "environment", "import").ok

    def test_a_foreign_library_is_cured_by_opening_the_own_ones_first(self, clone: Clone, tmp_path: Path) -> None:
        environment = clone(CUDA)
        (tmp_path / "foreign").mkdir()
        shutil.copy(site_packages(environment) / "nvidia" / "cudnn/lib/libcudnn.so.9", tmp_path / "foreign")
        environ = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path / "foreign")}
        found = run(environment, environ=environ, accelerator="cuda", gpu="later")
        assert codes(found) == {"environment gpu-libraries": "cudnn-mismatch"}
        cure(environment, "clean-library-path", found, environ)
        verdict = run(environment, "standard", environ=environ, accelerator="cuda", gpu="later")
        assert codes(verdict) == {}
        assert "cudnn: lib/python" in leg(verdict, "environment", "libraries").evidence

    def test_a_removed_ptxas_is_named(self, clone: Clone) -> None:
        environment = clone(CUDA)
        (site_packages(environment) / "nvidia" / "cuda_nvcc" / "bin" / "ptxas").unlink()
        found = codes(run(environment, accelerator="cuda", gpu="later"))
        assert found["environment gpu-toolkit"] == "cuda-toolkit-file-missing"

    def test_a_promised_gpu_that_is_not_there_is_missed(self, originals: Clone) -> None:
        found = codes(run(originals(CUDA), accelerator="cuda"))
        if not found:
            pytest.skip("this machine has a GPU")
        assert found["environment devices"] in ("gpu-no-driver", "gpu-no-device", "docker-no-gpu")
