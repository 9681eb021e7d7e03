from __future__ import annotations

import errno
import itertools
import os
import sys
from pathlib import Path

import pytest

from tfprov.process import Finished
from tfprov.smoke.causes import Raised, last_words, of_death, of_exceptions, of_missing_gpus, of_start


def raised(kind: str, message: str) -> tuple[Raised, ...]:
    return (Raised(kind=kind, message=message),)


def finished(returncode: int, stderr: str = "", *, timed_out: bool = False) -> Finished:
    return Finished(argv=("python",), returncode=returncode, stdout="", stderr=stderr, seconds=1.0, timed_out=timed_out)


# As they came from real environments (TensorFlow 2.10, 2.15, 2.18 and 2.21 with one package exchanged each), and from
# reports of machines with a GPU.
KNOWN = (
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
    (
        "InternalError",
        "cudaSetDevice() on GPU:0 failed. Status: CUDA-capable device(s) is/are busy or unavailable",
        "gpu-memory-in-use",
    ),
    (
        "InternalError",
        "cudaSetDevice() on GPU:1 failed. Status: out of memory",
        "gpu-memory-in-use",
    ),
    ("InternalError", "Blas xGEMM launch failed : a.shape=[1,2,2]", "gpu-memory-in-use"),
    (
        "InternalError",
        "cudaGetDevice() failed. Status: CUDA driver version is insufficient for CUDA runtime version",
        "gpu-driver-too-old",
    ),
    ("InternalError", "CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered", "gpu-unhealthy"),
    ("InternalError", "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered", "probe-crashed"),
    ("InternalError", "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure", "probe-crashed"),
    (
        "InternalError",
        "'cuLaunchKernel(function)' failed with 'CUDA_ERROR_INVALID_HANDLE'",
        "gpu-arch-unsupported",
    ),
    ("InternalError", "No BLAS support for stream", "cudnn-init-failed"),
    ("InternalError", "ptxas exited with non-zero error code 65280, output: ", "cuda-toolkit-file-missing"),
    (
        "InternalError",
        "ptxas exited with non-zero error code 256, output: "
        "ptxas fatal   : Value 'sm_86' is not defined for option 'gpu-name'",
        "gpu-arch-unsupported",
    ),
    ("UnknownError", "Error invoking NCCL: unhandled cuda error\n\t [[{{node NcclAllReduce_1}}]]", "nccl-failed"),
    (
        "InternalError",
        "NCCL operation ncclGroupEnd() failed: unhandled cuda error. "
        "Last NCCL warning(error) log entry (may be unrelated) 'Cuda failure 'out of memory''",
        "gpu-memory-in-use",
    ),
)


@pytest.mark.parametrize(("kind", "message", "code"), KNOWN)
@pytest.mark.parametrize("accelerator", ["auto", "cpu", "cuda"])
def test_an_exception_is_recognised_whatever_was_asked_for(
    kind: str, message: str, code: str, accelerator: str
) -> None:
    assert of_exceptions(raised(kind, message), "probe-failed", accelerator=accelerator) == code


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("InternalError", "something new"),
        # A leg does not use the network: these words are about something else.
        ("TimeoutError", "the queue timed out"),
        ("ConnectionRefusedError", "[Errno 111] Connection refused"),
    ],
)
def test_what_is_not_recognised_keeps_the_code_of_its_leg(kind: str, message: str) -> None:
    assert of_exceptions(raised(kind, message), "keras-mismatch") == "keras-mismatch"


def test_the_words_around_a_cause_never_win_over_it() -> None:
    for (*inner, code), (*outer, _) in itertools.product(KNOWN, KNOWN):
        assert of_exceptions((*raised(*outer), *raised(*inner)), "probe-failed") == code


def test_an_unknown_cause_leaves_the_word_to_what_was_made_of_it() -> None:
    chain = (*raised("ImportError", "Keras cannot be imported. Check that it is installed."), *raised("OSError", "?"))
    assert of_exceptions(chain, "import-failed") == "keras-mismatch"


TRACE = "Fatal Python error: Aborted\n\nThread 0x1 (most recent call first):\n" + '  File "x.py", line 1 in f\n' * 40
AVX_FATAL = (
    "2024-05-05 05:05:05.050505: F tensorflow/core/platform/cpu_feature_guard.cc:37] The TensorFlow library was "
    "compiled to use AVX instructions, but these aren't available on your machine."
)
ECC_FATAL = (
    "2024-05-05 05:05:05.050505: F external/local_xla/xla/stream_executor/cuda/cuda_driver.cc:1] could not synchronize"
    ": CUDA_ERROR_ECC_UNCORRECTABLE: uncorrectable ECC error encountered"
)


@pytest.mark.parametrize(
    ("returncode", "stderr", "code"),
    [
        (-4, "", "cpu-no-avx"),
        (132, "", "cpu-no-avx"),
        (0xC000001D, "", "cpu-no-avx"),
        (-6, f"{AVX_FATAL}\n{TRACE}", "cpu-no-avx"),
        (-6, f"{ECC_FATAL}\n{TRACE}", "gpu-unhealthy"),
        (
            -6,
            f"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n{TRACE}",
            "oom-killed",
        ),
        # A line that did not end the process is not why it ended.
        (-6, f"{ECC_FATAL.replace(': F ', ': W ')}\n{TRACE}", "probe-crashed"),
        (-11, "failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected", "probe-crashed"),
        (-9, "", "oom-killed"),
        (137, "", "oom-killed"),
        (-11, "", "probe-crashed"),
        (-6, "", "probe-crashed"),
        (0xC0000005, "", "probe-crashed"),
        (3, "", "probe-failed"),
        (1, "Traceback (most recent call last):\nOSError: [Errno 28] No space left on device", "disk-full"),
        (1, "Traceback (most recent call last):\nOSError: [Errno 30] Read-only file system", "read-only-fs"),
        (1, "OSError: [Errno 28] No space left on device\nValueError: x", "probe-failed"),
        (-11, "OSError: [Errno 28] No space left on device", "probe-crashed"),
        (1, "Timeout (0:05:00)!\nThread 0x1 (most recent call first):", "probe-timeout"),
    ],
)
def test_the_way_a_process_ended_decides(returncode: int, stderr: str, code: str) -> None:
    assert of_death(finished(returncode, stderr))[0] == code


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_the_line_that_ended_a_process_is_in_the_evidence_before_a_long_trace() -> None:
    head = of_death(finished(-6, f"{ECC_FATAL}\n{TRACE}"))[1].splitlines()[0]
    assert head.startswith("ended by SIGABRT: ")
    assert "CUDA_ERROR_ECC_UNCORRECTABLE" in head


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
    assert (
        of_missing_gpus("Could not find cuda drivers", accelerator="auto", cuda_build=False)[0] == "wheel-without-cuda"
    )


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
    assert of_missing_gpus(log, accelerator="cuda", cuda_build=None) == (code, log)


def test_a_gpu_that_is_left_out_is_the_reason_although_another_one_works() -> None:
    log = (
        "I0000 00:00:1 gpu_device.cc:2022] Created device /job:localhost/replica:0/task:0/device:GPU:0 with 9 MB\n"
        "I0000 00:00:1 gpu_device.cc:2400] Ignoring visible gpu device (device: 1, name: GeForce GT 710, pci bus id: "
        "0000:01:00.0, compute capability: 3.5) with Cuda compute capability 3.5. The minimum required Cuda capability "
        "is 6.0.\n"
    )
    code, evidence = of_missing_gpus(log, accelerator="auto", cuda_build=True)
    assert code == "gpu-arch-unsupported"
    assert "GeForce GT 710" in evidence


@pytest.mark.parametrize(
    ("place", "code"), [("", "gpu-no-driver"), ("container", "docker-no-gpu"), ("wsl", "wsl-libcuda")]
)
def test_a_missing_driver_has_another_cure_in_a_container(place: str, code: str) -> None:
    log = "Could not find cuda drivers on your machine, GPU will not be used."
    assert of_missing_gpus(log, accelerator="auto", cuda_build=True, place=place)[0] == code


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_without_a_name_is_no_status_of_windows() -> None:
    code, evidence = of_death(finished(-40, ""))
    assert (code, evidence.splitlines()[0]) == ("probe-crashed", "ended by signal 40")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EMFILE, "limit-reached"),
        (errno.EAGAIN, "limit-reached"),
        (errno.ENOMEM, "oom-killed"),
        (errno.ENOENT, "python-broken"),
        (errno.ENOEXEC, "python-broken"),
        (errno.EACCES, "python-broken"),
    ],
)
def test_a_python_is_not_blamed_for_what_the_system_has_run_out_of(number: int, code: str) -> None:
    failure = of_start(Path("/env/bin/python"), OSError(number, os.strerror(number), "/env/bin/python"))
    assert failure.code.name == code
    assert ("--recreate" in str(failure.hint)) is (code == "python-broken")
