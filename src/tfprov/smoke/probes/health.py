"""What the driver says about the GPUs, asked of its own library: faults that no computation shows, or not yet."""

import ctypes
import os
import re
import shutil
import subprocess

UNCORRECTED, SINCE_START = 1, 0
RECOVERY_ACTION = 230  # NVML_FI_DEV_GET_GPU_RECOVERY_ACTION
# The driver's words since ever: `NVRM: Xid (PCI:0000:65:00): 79, pid='<unknown>', GPU has fallen off the bus.`
XID = re.compile(r"NVRM: Xid \(PCI:(?P<bus>[0-9a-fA-F:.]+)\): (?P<number>\d+)(?:, (?P<words>.*))?")


def run(probe):
    """No leg: the numbers go out as facts, and are judged where those from before and after lie side by side."""
    moment = probe.request["moment"]
    seen = gpus()
    probe.facts(**{"health_" + moment: seen})
    if seen:
        found, source = xids()
        probe.facts(**{"xids_" + moment: found, "xids_source": source})


def xids():
    """Xid errors since the machine was started, oldest first, and where that was read.

    NVML can only be waited on for the next one; the past stands in the kernel's log. None instead of a list when nobody
    lets us read that, as in most containers.
    """
    for command in (("journalctl", "--dmesg", "--boot", "--no-pager", "--quiet", "--output=cat"), ("dmesg",)):
        program = shutil.which(command[0])
        if program is None:
            continue
        try:
            done = subprocess.run([program, *command[1:]], capture_output=True, timeout=20, check=False)
        except (OSError, subprocess.SubprocessError):
            continue
        text = done.stdout.decode("utf-8", "replace")
        # A journal of which a user sees only his own part is empty, and says nothing about the kernel.
        if done.returncode == 0 and text.strip():
            return in_log(text), command[0]
    text = ring_buffer()
    return (None, "") if text is None else (in_log(text), "/dev/kmsg")


def ring_buffer():
    """The kernel's ring buffer; None when it may not be read."""
    try:
        descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    lines = []
    try:
        while True:
            try:
                # One read gives one record: `6,339,5140900,-;text`, then lines with more about it.
                lines.append(os.read(descriptor, 8192).decode("utf-8", "replace").partition(";")[2])
            except BlockingIOError:
                break
            except BrokenPipeError:
                # A record was overwritten before it was read; the next read goes on behind the gap.
                continue
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return "\n".join(lines)


def in_log(text):
    """The Xid errors in a kernel log, each with its bus, its number and what the driver says."""
    return [
        {"bus": found.group("bus"), "number": int(found.group("number")), "words": (found.group("words") or "")[:200]}
        for found in map(XID.search, text.splitlines())
        if found
    ]


class PciInfo(ctypes.Structure):
    """`nvmlPciInfo_t` of version 3."""

    _fields_ = (
        ("legacy", ctypes.c_char * 16),
        ("domain", ctypes.c_uint),
        ("bus", ctypes.c_uint),
        ("device", ctypes.c_uint),
        ("product", ctypes.c_uint),
        ("subsystem", ctypes.c_uint),
        ("bus_id", ctypes.c_char * 32),
    )


class Process(ctypes.Structure):
    """`nvmlProcessInfo_t` of versions 2 and 3."""

    _fields_ = (
        ("pid", ctypes.c_uint),
        ("memory", ctypes.c_ulonglong),
        ("instance", ctypes.c_uint),
        ("compute", ctypes.c_uint),
    )


class Memory(ctypes.Structure):
    """`nvmlMemory_t`, in bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class Field(ctypes.Structure):
    """`nvmlFieldValue_t`, its value read as an unsigned int."""

    _fields_ = (
        ("field", ctypes.c_uint),
        ("scope", ctypes.c_uint),
        ("timestamp", ctypes.c_longlong),
        ("latency", ctypes.c_longlong),
        ("kind", ctypes.c_uint),
        ("status", ctypes.c_uint),
        ("value", ctypes.c_uint),
        ("rest", ctypes.c_uint),
    )


def library():
    """NVML, started; None when there is no driver, or it does not answer."""
    for name in ("libnvidia-ml.so.1", "nvml.dll"):
        try:
            nvml = ctypes.CDLL(name)
        except OSError:
            continue
        return nvml if nvml.nvmlInit_v2() == 0 else None
    return None


def count():
    """How many GPUs a program may expect; None when the driver cannot be asked or GPUs are divided into slices."""
    nvml = library()
    number = ctypes.c_uint()
    if nvml is None or nvml.nvmlDeviceGetCount_v2(ctypes.byref(number)) != 0:
        return None
    # In MIG mode CUDA gives a process one slice, however many there are.
    handles = [handle_at(nvml, index) for index in range(number.value)]
    return None if any(handle and is_sliced(nvml, handle) for handle in handles) else number.value


def handle_at(nvml, index):
    """The handle of a GPU by the driver's own number; None when it cannot be opened."""
    handle = ctypes.c_void_p()
    return handle if nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)) == 0 else None


def is_sliced(nvml, handle):
    """Whether that GPU is divided into slices (MIG)."""
    now, later = ctypes.c_uint(), ctypes.c_uint()
    call = getattr(nvml, "nvmlDeviceGetMigMode", None)
    return call is not None and call(handle, ctypes.byref(now), ctypes.byref(later)) == 0 and now.value == 1


def slices(nvml, handle):
    """Handles of the slices of a GPU."""
    number = ctypes.c_uint()
    nvml.nvmlDeviceGetMaxMigDeviceCount(handle, ctypes.byref(number))
    found = []
    for index in range(number.value):
        one = ctypes.c_void_p()
        # The numbers of slices have gaps.
        if nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, ctypes.c_uint(index), ctypes.byref(one)) == 0:
            found.append(one)
    return found


def uuid(nvml, handle):
    """UUID of a GPU or a slice, by which CUDA_VISIBLE_DEVICES names it, too; empty when the driver does not say."""
    text = ctypes.create_string_buffer(96)
    return text.value.decode() if nvml.nvmlDeviceGetUUID(handle, text, ctypes.c_uint(96)) == 0 else ""


def gpus():
    """One dictionary a GPU; a value that this GPU does not have is missing from it."""
    nvml = library()
    if nvml is None:
        return []
    found = []
    number = ctypes.c_uint()
    nvml.nvmlDeviceGetCount_v2(ctypes.byref(number))
    for index in range(number.value):
        handle = ctypes.c_void_p()
        status = nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle))
        if status != 0:
            found.append({"index": index, "error": status})
            continue
        found.append(dict(values(nvml, handle), index=index))
    return found


def values(nvml, handle):
    """The values of one GPU; what this GPU or an old driver does not have is missing."""
    seen = {}

    def ask(function, *types, given=()):
        cells = [kind() for kind in types]
        # An old driver lacks newer functions.
        call = getattr(nvml, function, None)
        if call is None or call(handle, *given, *map(ctypes.byref, cells)) != 0:
            return None
        return [cell.value if hasattr(cell, "value") else cell for cell in cells]

    def put(function, *keys, kind=ctypes.c_uint, given=()):
        seen.update(
            (key, value)
            for key, value in zip(keys, ask(function, *[kind] * len(keys), given=given) or ())
            if key is not None
        )

    pci = ask("nvmlDeviceGetPciInfo_v3", PciInfo)
    if pci:
        seen["bus_id"] = pci[0].bus_id.decode("ascii", "replace")
    put("nvmlDeviceGetComputeMode", "compute_mode")
    put("nvmlDeviceGetEccMode", "ecc", None)
    put("nvmlDeviceGetTotalEccErrors", "ecc_uncorrected", kind=ctypes.c_ulonglong, given=(UNCORRECTED, SINCE_START))
    put("nvmlDeviceGetRetiredPagesPendingStatus", "retired_pages_pending")
    put("nvmlDeviceGetRemappedRows", None, "remapped_rows_uncorrectable", "remap_pending", "remap_failure")
    put("nvmlDeviceGetCurrentClocksThrottleReasons", "throttle_reasons", kind=ctypes.c_ulonglong)
    put("nvmlDeviceGetCurrPcieLinkWidth", "pcie_width")
    put("nvmlDeviceGetMaxPcieLinkWidth", "pcie_width_max")
    put("nvmlDeviceGetTemperature", "temperature", given=(0,))
    memory = ask("nvmlDeviceGetMemoryInfo", Memory)
    if memory:
        seen.update(memory_free_mib=memory[0].free >> 20, memory_total_mib=memory[0].total >> 20)
    found = holders(nvml, handle)
    if found:
        seen["held_by"] = ", ".join(found)
    fields = (Field * 1)(Field(field=RECOVERY_ACTION))
    get_fields = getattr(nvml, "nvmlDeviceGetFieldValues", None)
    if get_fields is not None and get_fields(handle, 1, ctypes.byref(fields)) == 0 and fields[0].status == 0:
        seen["recovery_action"] = fields[0].value
    return seen


def holders(nvml, handle):
    """Programs that compute on that GPU, each with its name where the system shows it and the memory that it took."""
    call = getattr(nvml, "nvmlDeviceGetComputeRunningProcesses_v3", None)
    number, processes = ctypes.c_uint(64), (Process * 64)()
    if call is None or call(handle, ctypes.byref(number), processes) != 0:
        return []
    return [
        # In a container the driver counts the processes of the machine, which have no entry here.
        f"{name_of(one.pid) or 'process'} {one.pid} ({one.memory >> 20} MiB)"
        for one in processes[: number.value]
        if one.pid != os.getpid()
    ]


def name_of(pid):
    """The name of a process; empty when this system does not show it."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return ""
