"""From what a leg left behind (exceptions, a signal, TensorFlow's log) to the failure code. Pure functions over text.

Order of evidence: how the process ended, then the last exception of a chain, then the ones it came from, then words in
the log. The outermost exception comes last: TensorFlow wraps what happened in a longer and vaguer message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tfprov.process import Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One exception of a chain.

    Attributes:
        kind: name of its class.
        message: its text.
        name: the module that could not be imported, where the exception says so.
    """

    kind: str
    message: str
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


def _pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.MULTILINE)


# Looked for in `Kind: message` of one exception at a time. The first row that matches decides: a row about a library
# comes before the rows about loading libraries in general.
_EXCEPTIONS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("oom-killed", _pattern(r"^MemoryError", r"std::bad_alloc", r"Cannot allocate memory")),
    ("setuptools-pkg-resources", _pattern(r"No module named '?pkg_resources\b")),
    (
        "protobuf-mismatch",
        _pattern(
            r"Descriptors cannot (not )?be created directly",
            r"^VersionError: Detected",
            r"incompatible Protobuf Gencode/Runtime",
            r"from 'google\.protobuf",
            r"No module named '?google\.protobuf",
            r"'MessageFactory' object has no attribute",
            r"'FieldDescriptor' object has no attribute",
            r"Couldn't build proto file into descriptor pool",
        ),
    ),
    ("typing-extensions-mismatch", _pattern(r"from 'typing_extensions'", r"No module named '?typing_extensions")),
    ("h5py-mismatch", _pattern(r"HDF5 library version mismatched", r"No module named '?h5py", r"libhdf5")),
    (
        "numpy-abi",
        _pattern(
            r"numpy\.core\.(multiarray|umath|_multiarray_umath) failed to import",
            r"numpy\._core\.(multiarray|umath|_multiarray_umath) failed to import",
            r"compiled using NumPy 1\.x cannot be run in",
            r"numpy\.(dtype|ndarray|ufunc) size changed",
            r"_ARRAY_API not found",
            r"was removed in the NumPy 2\.0",
            r"No module named '?numpy\._?core",
            r"module 'numpy' has no attribute",
            r"module compiled against (API|ABI) version",
            r"Unable to convert function return value to a Python type!",
        ),
    ),
    ("keras-mismatch", _pattern(r"Keras cannot be imported", r"from 'keras", r"No module named '?(tf_)?keras")),
    ("windows-dll-load", _pattern(r"DLL load failed")),
    ("glibc-too-old", _pattern(r"version `(GLIBC|GLIBCXX|CXXABI)_[\d.]+' not found")),
    (
        "gpu-libs-missing",
        _pattern(
            r"lib(cuda|cudart|cublas|cublasLt|cudnn\w*|cufft|curand|cusolver|cusparse|nccl|cupti|nvrtc)\.so[.\d]*: "
            r"cannot open shared object file",
        ),
    ),
    (
        "gpu-arch-unsupported",
        _pattern(
            r"CUDA_ERROR_INVALID_PTX",
            r"CUDA_ERROR_NO_BINARY_FOR_GPU",
            r"CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
            r"no kernel image is available",
        ),
    ),
    ("cudnn-mismatch", _pattern(r"Loaded runtime CuDNN library", r"CUDNN_STATUS_(SUBLIBRARY_)?VERSION_MISMATCH")),
    (
        "cuda-toolkit-file-missing",
        _pattern(
            r"libdevice not found", r"Can't find libdevice", r"[Cc]ouldn.t (find|get|invoke) .*ptxas", r"No PTX comp"
        ),
    ),
    ("gpu-memory-in-use", _pattern(r"CUDA_ERROR_OUT_OF_MEMORY", r"^ResourceExhaustedError")),
    (
        "cudnn-init-failed",
        _pattern(
            r"[Cc]ould not create cudnn handle",
            r"CUDNN_STATUS_NOT_INITIALIZED",
            r"DNN library (is not found|initialization failed)",
            r"Failed to get convolution algorithm",
        ),
    ),
    ("tf-not-in-env", _pattern(r"No module named '?tensorflow'?$")),
    (
        "shadowed-module",
        _pattern(
            r"'tensorflow' is not a package",
            r"partially initialized module 'tensorflow'",
            r"module 'tensorflow' has no attribute",
        ),
    ),
)

# Looked for in TensorFlow's log when it found fewer GPUs than were promised. The order is that of the chain that has to
# hold: the build, the driver's library, the driver, the device, the other libraries.
_LOG: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("gpu-driver-mismatch", _pattern(r"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", r"does not match DSO version")),
    ("gpu-driver-too-old", _pattern(r"driver version is insufficient", r"CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE")),
    (
        "gpu-no-device",
        _pattern(r"CUDA_ERROR_NO_DEVICE", r"no CUDA-capable device is detected", r"CUDA_ERROR_INVALID_DEVICE"),
    ),
    (
        "gpu-no-driver",
        _pattern(
            r"Could not find cuda drivers",
            r"Could not load dynamic library 'libcuda\.so\.1'",
            r"failed call to cuInit: .*303",
            r"CUDA_ERROR_STUB_LIBRARY",
        ),
    ),
    ("gpu-libs-missing", _pattern(r"Cannot dlopen some GPU libraries", r"Could not load dynamic library")),
    ("gpu-memory-in-use", _pattern(r"CUDA_ERROR_OUT_OF_MEMORY", r"CUDA_ERROR_DEVICE_UNAVAILABLE")),
    (
        "gpu-arch-unsupported",
        _pattern(r"not built with CUDA kernel binaries compatible", r"Ignoring visible gpu device"),
    ),
)

# Lines that look like faults and are none; taken out of evidence, so that the real line is seen.
NOISE = _pattern(
    r"oneDNN custom operations",
    r"cpu_feature_guard",
    r"To enable the following instructions",
    r"NUMA node",
    r"TF-TRT Warning",
    r"Unable to register (cuDNN|cuFFT|cuBLAS) factory",
    r"computation placer already registered",
    r"All log messages before absl::InitializeLog",
    r"exactly one major version older",
)

_ILLEGAL_INSTRUCTION_WINDOWS = 0xC000001D


def of_exceptions(chain: Sequence[Raised], otherwise: str) -> str:
    """Failure code of an exception chain (outermost first); `otherwise` when nothing in it is recognised."""
    for raised in reversed(chain):
        for code, pattern in _EXCEPTIONS:
            if pattern.search(str(raised)):
                return code
    return otherwise


def of_death(finished: Finished) -> tuple[str, str]:
    """Failure code and evidence of a probe that ended without saying so."""
    words = last_words(finished.stderr or finished.stdout)
    if finished.timed_out or _watchdog(finished):
        return "probe-timeout", _block(f"ended after {finished.seconds:.0f} s; where it stood:", words)
    name = finished.signal_name
    status = finished.returncode & 0xFFFFFFFF
    code, head = "probe-failed", f"left with exit status {finished.returncode} in the middle"
    if name == "SIGILL" or status == _ILLEGAL_INSTRUCTION_WINDOWS:
        code, head = "cpu-no-avx", "ended by SIGILL: the processor met an instruction that it does not have"
    elif "compiled to use" in finished.stderr and "instructions" in finished.stderr:
        code, head = "cpu-no-avx", f"ended by {name or finished.returncode}"
    elif name == "SIGKILL":
        code, head = "oom-killed", "ended by SIGKILL, which is how the kernel ends a process when memory runs out"
    elif name is not None:
        code, head = "probe-crashed", f"ended by {name}"
    elif status >= 0xC0000000:
        code, head = "probe-crashed", f"ended by Windows with status 0x{status:08X}"
    return code, _block(head, words)


def of_missing_gpus(log: str, *, cuda_build: bool | None, place: str = "") -> tuple[str, str]:
    """Failure code and evidence for GPUs that TensorFlow does not list.

    Args:
        log: stderr of the process, with TensorFlow's own messages.
        cuda_build: what `get_build_info` says; None when it does not say.
        place: `container` or `wsl` when it runs in one, where a missing driver has another cure.
    """
    if cuda_build is False:
        return "wheel-without-cuda", "`tf.sysconfig.get_build_info()` says that this build has no CUDA"
    for code, pattern in _LOG:
        lines = [line for line in log.splitlines() if pattern.search(line)]
        if lines:
            where = {"container": "docker-no-gpu", "wsl": "wsl-libcuda"} if code == "gpu-no-driver" else {}
            return where.get(place, code), "\n".join(lines[:4])
    return "gpu-missing-in-tf", last_words(log) or "TensorFlow says nothing about it"


def last_words(text: str, lines: int = 25) -> str:
    """The last lines of a log without the harmless ones."""
    kept = [line.rstrip() for line in text.splitlines() if line.strip() and not NOISE.search(line)]
    return "\n".join(kept[-lines:])


def _watchdog(finished: Finished) -> bool:
    # faulthandler's watchdog prints this line and leaves with status 1.
    return (
        finished.returncode == 1 and re.search(r"^Timeout \(\d+:\d\d:\d\d", finished.stderr, re.MULTILINE) is not None
    )


def _block(head: str, rest: str) -> str:
    return f"{head}\n{rest}" if rest else head
