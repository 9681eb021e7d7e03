"""Queries NVML and prints one JSON document. A script, to be run in a process of its own.

A driver that hangs blocks the calling thread for ever, beyond the reach of signals. In a separate process the query can
be abandoned. Since the script is started by file name, it imports nothing of tfprov.

    python nvml_query.py [FOLDER_OF_PYNVML [LIBRARY [brief]]]

With `brief`, only the identity of each GPU is read and whether it can be used; counting errors takes a driver some
time. The document has the keys `driver`, `cuda` (a number such as 12040), `gpus`, `loaded_by` (`name` or `path`), and
`error` (null or {number, text, call}).
"""

from __future__ import annotations

import ctypes
import json
import sys
import types
from collections.abc import Callable

Value = object


def main(arguments: list[str]) -> int:
    """Print the document. The exit status is 0 even when NVML returns an error."""
    # At the end of the path: it is needed only when this Python has no pynvml of its own.
    sys.path.extend(arguments[:1])
    if sys.platform == "linux":
        # pynvml imports `find_library`, which it does not call on Linux, and that imports shutil and subprocess: a
        # quarter of the run time of this script.
        lean = types.ModuleType("ctypes.util")
        lean.find_library = lambda _: None  # type: ignore[attr-defined]  # a module that is made here
        sys.modules.setdefault("ctypes.util", lean)
    import pynvml

    document: dict[str, Value] = {"driver": None, "cuda": None, "gpus": [], "loaded_by": "name", "error": None}
    call = "nvmlInit"
    try:
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError_LibraryNotFound:
            if len(arguments) < 2:
                raise
            document["loaded_by"] = "path"
            pynvml.nvmlLib = ctypes.CDLL(arguments[1])
            pynvml.nvmlInit()
        call = "nvmlSystemGetDriverVersion"
        document["driver"] = _text(pynvml.nvmlSystemGetDriverVersion())
        document["cuda"] = _maybe(pynvml.nvmlSystemGetCudaDriverVersion_v2) or _maybe(
            pynvml.nvmlSystemGetCudaDriverVersion
        )
        call = "nvmlDeviceGetCount"
        brief = arguments[2:] == ["brief"]
        document["gpus"] = [_gpu(pynvml, index, brief=brief) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:
        document["error"] = {"number": error.value, "text": str(error), "call": call}
    except OSError as error:
        document["error"] = {"number": 12, "text": str(error), "call": "dlopen"}
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()
    return 0


def _gpu(pynvml: object, index: int, *, brief: bool) -> dict[str, Value]:
    nvml = _Asker(pynvml)
    gpu: dict[str, Value] = {"index": index, "faults": [], "error": None}
    try:
        handle = nvml.call("nvmlDeviceGetHandleByIndex", index)
    except nvml.error as error:
        gpu["error"] = {"number": error.value, "text": str(error)}
        return gpu

    def ask(name: str, *more: Value) -> Value:
        return nvml.maybe(name, handle, *more)

    capability = ask("nvmlDeviceGetCudaComputeCapability")
    mig = ask("nvmlDeviceGetMigMode")
    gpu.update(
        name=_text(ask("nvmlDeviceGetName")),
        uuid=_text(ask("nvmlDeviceGetUUID")),
        pci=_text(getattr(ask("nvmlDeviceGetPciInfo"), "busId", None)),
        compute_capability=list(capability) if isinstance(capability, (list, tuple)) else None,
        compute_mode=ask("nvmlDeviceGetComputeMode"),
        mig=mig[0] if isinstance(mig, (list, tuple)) else None,
        recovery=_field(nvml, handle, "NVML_FI_DEV_GET_GPU_RECOVERY_ACTION"),
    )
    if gpu["mig"] == 1:
        gpu["slices"] = _slices(nvml, handle)
    if brief:
        return gpu
    memory = ask("nvmlDeviceGetMemoryInfo")
    ecc = ask("nvmlDeviceGetEccMode") or ask("nvmlDeviceGetCurrentEccMode")
    gpu.update(
        memory_total=getattr(memory, "total", None),
        memory_used=getattr(memory, "used", None),
        ecc=ecc[0] if isinstance(ecc, (list, tuple)) else ecc,
        persistence=ask("nvmlDeviceGetPersistenceMode"),
        faults=_faults(nvml, handle),
    )
    return gpu


def _faults(nvml: _Asker, handle: Value) -> list[str]:
    """Faults that the device itself reports."""
    found: list[str] = []
    rows = nvml.maybe("nvmlDeviceGetRemappedRows", handle)
    if isinstance(rows, (list, tuple)) and len(rows) >= 4:
        if rows[2]:
            found.append("memory rows wait to be remapped: reset the GPU")
        if rows[3]:
            found.append("a memory row could not be remapped")
    if nvml.maybe("nvmlDeviceGetRetiredPagesPendingStatus", handle) == 1:
        found.append("memory pages wait to be retired: reset the GPU")
    # 1: uncorrected errors; 0: since the driver was loaded.
    errors = nvml.maybe("nvmlDeviceGetTotalEccErrors", handle, 1, 0)
    if isinstance(errors, int) and errors > 0:
        found.append(f"{errors} uncorrected ECC errors since the driver was loaded")
    fabric = nvml.fabric(handle)
    if fabric is not None:
        found.append(fabric)
    return found


def _field(nvml: _Asker, handle: Value, name: str) -> int | None:
    number = nvml.constant(name)
    values = None if number is None else nvml.maybe("nvmlDeviceGetFieldValues", handle, [number])
    try:
        value = values[0]  # type: ignore[index]  # a ctypes array, or None when the driver has no such call
        return int(value.value.uiVal) if value.nvmlReturn == 0 else None
    except (TypeError, AttributeError, IndexError):
        return None


def _slices(nvml: _Asker, handle: Value) -> list[dict[str, Value]]:
    """The MIG instances on a device."""
    found: list[dict[str, Value]] = []
    most = nvml.maybe("nvmlDeviceGetMaxMigDeviceCount", handle)
    for index in range(most if isinstance(most, int) else 0):
        part = nvml.maybe("nvmlDeviceGetMigDeviceHandleByIndex", handle, index)
        if part is None:
            continue
        memory = nvml.maybe("nvmlDeviceGetMemoryInfo", part)
        found.append(
            {
                "uuid": _text(nvml.maybe("nvmlDeviceGetUUID", part)),
                "name": _text(nvml.maybe("nvmlDeviceGetName", part)),
                "memory_total": getattr(memory, "total", None),
            }
        )
    return found


class _Asker:
    """Calls NVML functions by name; the result is None where this driver lacks the function or refuses it."""

    def __init__(self, pynvml: object) -> None:
        self._pynvml = pynvml
        self.error: type[_NvmlError] = getattr(pynvml, "NVMLError")  # noqa: B009 - the module has no types

    def constant(self, name: str) -> int | None:
        return getattr(self._pynvml, name, None)

    def call(self, name: str, *arguments: Value) -> Value:
        function: Callable[..., Value] = getattr(self._pynvml, name)
        return function(*arguments)

    def maybe(self, name: str, *arguments: Value) -> Value:
        try:
            return self.call(name, *arguments)
        except (self.error, AttributeError):
            return None

    def fabric(self, handle: Value) -> str | None:
        """A fault of the NVLink fabric on an NVSwitch machine; None when there is none."""
        kind = getattr(self._pynvml, "c_nvmlGpuFabricInfo_v2_t", None)
        if kind is None:
            return None
        info = kind()
        if self._asked("nvmlDeviceGetGpuFabricInfoV", handle, ctypes.byref(info)) and info.state in (1, 2):
            state = "not started" if info.state == 1 else "in progress"
            return f"the NVLink fabric is not ready ({state}): is nvidia-fabricmanager running?"
        return None

    def _asked(self, name: str, *arguments: Value) -> bool:
        try:
            self.call(name, *arguments)
        except (self.error, AttributeError):
            return False
        return True


class _NvmlError(Exception):
    """The shape of pynvml's error, for the type checker."""

    value: int


def _maybe(function: Callable[[], int]) -> int | None:
    try:
        return function()
    except Exception:  # an old library lacks the symbol, an old driver refuses the call: neither matters
        return None


def _text(value: Value) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
