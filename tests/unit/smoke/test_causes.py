from __future__ import annotations

import pytest

from tfprov.errors import CODES
from tfprov.process import Finished
from tfprov.smoke import causes
from tfprov.smoke.causes import Raised, last_words, of_death, of_exceptions, of_missing_gpus


def raised(kind: str, message: str) -> tuple[Raised, ...]:
    return (Raised(kind=kind, message=message),)


def finished(returncode: int, stderr: str = "", *, timed_out: bool = False) -> Finished:
    return Finished(argv=("python",), returncode=returncode, stdout="", stderr=stderr, seconds=1.0, timed_out=timed_out)


# As they came from real environments: TensorFlow 2.10, 2.15, 2.18 and 2.21 with one package exchanged each.
@pytest.mark.parametrize(
    ("kind", "message", "code"),
    [
        ("ImportError", "numpy.core.umath failed to import", "numpy-abi"),
        ("TypeError", "Unable to convert function return value to a Python type! The signature was", "numpy-abi"),
        ("AttributeError", "_ARRAY_API not found", "numpy-abi"),
        ("ValueError", "numpy.dtype size changed, may indicate binary incompatibility.", "numpy-abi"),
        ("TypeError", "Descriptors cannot be created directly.\nIf this call came", "protobuf-mismatch"),
        ("TypeError", "Descriptors cannot not be created directly.", "protobuf-mismatch"),
        ("ImportError", "cannot import name 'runtime_version' from 'google.protobuf' (x)", "protobuf-mismatch"),
        ("ImportError", "cannot import name 'builder' from 'google.protobuf.internal' (x)", "protobuf-mismatch"),
        ("VersionError", "Detected incompatible Protobuf Gencode/Runtime versions when loading x", "protobuf-mismatch"),
        ("ImportError", "cannot import name 'Self' from 'typing_extensions' (x)", "typing-extensions-mismatch"),
        ("ModuleNotFoundError", "No module named 'pkg_resources'", "setuptools-pkg-resources"),
        ("ModuleNotFoundError", "No module named 'keras'", "keras-mismatch"),
        ("ModuleNotFoundError", "No module named 'tensorflow'", "tf-not-in-env"),
        ("ModuleNotFoundError", "No module named 'tensorflow.x'; 'tensorflow' is not a package", "shadowed-module"),
        ("AttributeError", "partially initialized module 'tensorflow' has no attribute 'constant'", "shadowed-module"),
        ("ImportError", "libcudart.so.12: cannot open shared object file: No such file", "gpu-libs-missing"),
        ("ImportError", "/lib64/libm.so.6: version `GLIBC_2.27' not found (required by x)", "glibc-too-old"),
        ("ImportError", "DLL load failed while importing _pywrap_tensorflow_internal", "windows-dll-load"),
        ("InternalError", "libdevice not found at ./libdevice.10.bc", "cuda-toolkit-file-missing"),
        ("InternalError", "'cuModuleLoadData' failed with 'CUDA_ERROR_INVALID_PTX'", "gpu-arch-unsupported"),
        ("FailedPreconditionError", "DNN library initialization failed.", "cudnn-init-failed"),
        ("ResourceExhaustedError", "failed to allocate memory", "gpu-memory-in-use"),
        ("InternalError", "something new", "probe-failed"),
    ],
)  # fmt: skip
def test_exceptions_are_recognised(kind: str, message: str, code: str) -> None:
    assert of_exceptions(raised(kind, message), "probe-failed") == code


def test_every_code_is_one_of_the_vocabulary() -> None:
    for code, _ in (*causes._EXCEPTIONS, *causes._LOG):
        assert code in CODES


def test_the_cause_of_a_chain_comes_before_what_was_made_of_it() -> None:
    chain = (
        Raised(kind="ImportError", message="Keras cannot be imported. Check that it is installed."),
        Raised(kind="ImportError", message="cannot import name 'Self' from 'typing_extensions'"),
    )
    assert of_exceptions(chain, "import-failed") == "typing-extensions-mismatch"


@pytest.mark.parametrize(
    ("returncode", "stderr", "code"),
    [
        (-4, "", "cpu-no-avx"),
        (132, "", "cpu-no-avx"),
        (0xC000001D, "", "cpu-no-avx"),
        (-6, "The TensorFlow library was compiled to use AVX instructions, but these aren't available", "cpu-no-avx"),
        (-9, "", "oom-killed"),
        (137, "", "oom-killed"),
        (-11, "", "probe-crashed"),
        (-6, "", "probe-crashed"),
        (0xC0000005, "", "probe-crashed"),
        (3, "", "probe-failed"),
        (1, "Timeout (0:05:00)!\nThread 0x1 (most recent call first):", "probe-timeout"),
    ],
)
def test_the_way_a_process_ended_decides(returncode: int, stderr: str, code: str) -> None:
    assert of_death(finished(returncode, stderr))[0] == code


def test_a_process_that_we_ended_did_not_crash() -> None:
    assert of_death(finished(-15, timed_out=True))[0] == "probe-timeout"


def test_noise_is_left_out_of_the_last_words() -> None:
    log = (
        "I0000 oneDNN custom operations are on. You may see slightly different numerical results\n"
        "E0000 Unable to register cuFFT factory: Attempting to register factory for plugin cuFFT\n"
        "the real line\n"
        "To enable the following instructions: AVX2 AVX512F FMA, rebuild TensorFlow\n"
    )
    assert last_words(log) == "the real line"


def test_a_build_without_cuda_needs_no_reading_of_the_log() -> None:
    assert of_missing_gpus("Could not find cuda drivers", cuda_build=False)[0] == "wheel-without-cuda"


@pytest.mark.parametrize(
    ("log", "code"),
    [
        ("failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)", "gpu-no-driver"),
        ("failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected", "gpu-no-device"),
        ("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: system has unsupported display driver", "gpu-driver-mismatch"),
        ("CUDA driver version is insufficient for CUDA runtime version", "gpu-driver-too-old"),
        ("Cannot dlopen some GPU libraries. Please make sure", "gpu-libs-missing"),
        ("nothing that says why", "gpu-missing-in-tf"),
    ],
)
def test_the_log_says_why_gpus_are_missing(log: str, code: str) -> None:
    assert of_missing_gpus(log, cuda_build=None) == (code, log)


@pytest.mark.parametrize(
    ("place", "code"), [("", "gpu-no-driver"), ("container", "docker-no-gpu"), ("wsl", "wsl-libcuda")]
)
def test_a_missing_driver_has_another_cure_in_a_container(place: str, code: str) -> None:
    assert of_missing_gpus("Could not find cuda drivers", cuda_build=True, place=place)[0] == code
