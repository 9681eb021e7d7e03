"""A libnvidia-ml.so.1 that says what a test wants: compiled C, loaded by the real nvidia-ml-py in a real process."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = r"""
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } pci_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned pid; unsigned long long memory; unsigned instance, compute; } process_t;
typedef struct {
    unsigned field, scope; long long timestamp, latency; unsigned type, status;
    union { unsigned u; double d; unsigned long long l; } value;
} field_t;
typedef struct {
    unsigned version; unsigned char cluster[16]; unsigned status, clique; unsigned char state; unsigned health;
} fabric_t;

/* A handle is the number of the device plus one; that of a MIG device begins at 100. */
static int of(void *handle) { return (int)(long)handle - 1; }

/* A variable has one value for all devices, or one for each, divided by commas; the last one is that of the rest. */
static const char *word_of(void *handle, const char *name, const char *otherwise, char *into, unsigned size) {
    const char *text = getenv(name);
    if (!text) return otherwise;
    for (int device = 0; device < of(handle) && strchr(text, ','); device++) text = strchr(text, ',') + 1;
    snprintf(into, size, "%.*s", (int)strcspn(text, ","), text);
    return into;
}
/* A value `@FILE` stands in that file, so that it can change while somebody looks; 0 while there is none. */
static long long number_of(void *handle, const char *name, long long otherwise) {
    char cell[256];
    const char *text = word_of(handle, name, NULL, cell, sizeof cell);
    if (text && *text == '@') {
        int found = 0;
        FILE *stream = fopen(text + 1, "r");
        if (stream) { if (fscanf(stream, "%d", &found) != 1) found = 0; fclose(stream); }
        return found;
    }
    return text ? atoll(text) : otherwise;
}
static int number(const char *name, int otherwise) { return number_of((void *)1, name, otherwise); }
static const char *word(const char *name, const char *otherwise) {
    const char *text = getenv(name);
    return text ? text : otherwise;
}
static int old(void) { return number("FAKE_NVML_OLD", 0); }

int nvmlInitWithFlags(unsigned flags) {
    if (number("FAKE_NVML_HANG", 0)) { signal(SIGTERM, SIG_IGN); for (;;) pause(); }
    if (number("FAKE_NVML_CRASH", 0)) abort();
    return number("FAKE_NVML_INIT", 0);
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return "an error that the module does not know"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) {
    snprintf(text, size, "%s", word("FAKE_NVML_DRIVER", "550.144.03"));
    return 0;
}
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = number("FAKE_NVML_CUDA", 12040); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = number("FAKE_NVML_COUNT", 1);
    return number("FAKE_NVML_COUNT_ERROR", 0);
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    if (number("FAKE_NVML_LOST", -1) == (int)index) return 15;
    *handle = (void *)(long)(index + 1);
    return 0;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned size) {
    if (of(handle) >= 99) snprintf(text, size, "MIG 1g.10gb");
    else {
        char cell[256];
        snprintf(text, size, "%s", word_of(handle, "FAKE_NVML_NAME", "NVIDIA H100 80GB HBM3", cell, sizeof cell));
    }
    return 0;
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
    if (of(handle) >= 99) snprintf(text, size, "MIG-0000-%d", of(handle) - 99);
    else snprintf(text, size, "GPU-aaaa-%d", of(handle));
    return 0;
}
int nvmlDeviceGetPciInfo_v3(void *handle, pci_t *info) {
    memset(info, 0, sizeof *info);
    /* NVML writes the domain with eight digits. */
    char cell[256];
    const char *told = word_of(handle, "FAKE_NVML_PCI", NULL, cell, sizeof cell);
    unsigned domain = 0, bus = 0x1A + of(handle), device = 0;
    if (told) sscanf(told, "%x:%x:%x", &domain, &bus, &device);
    snprintf(info->bus_id, sizeof info->bus_id, "%08X:%02X:%02X.0", domain, bus, device);
    return old() ? 3 : 0;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char *wanted, void **handle) {
    unsigned count, domain, bus, device;
    nvmlDeviceGetCount_v2(&count);
    if (sscanf(wanted, "%x:%x:%x", &domain, &bus, &device) != 3) return 2;
    char address[32];
    snprintf(address, sizeof address, "%08X:%02X:%02X.0", domain, bus, device);
    for (unsigned index = 0; index < count; index++) {
        pci_t found;
        nvmlDeviceGetPciInfo_v3((void *)(long)(index + 1), &found);
        if (!strcmp(found.bus_id, address)) return nvmlDeviceGetHandleByIndex_v2(index, handle);
    }
    return 6;
}
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    *major = number("FAKE_NVML_MAJOR", 9);
    *minor = number("FAKE_NVML_MINOR", 0);
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *handle, memory_t *info) {
    info->total = number_of(handle, "FAKE_NVML_MEMORY", 80LL << 30);
    info->used = number_of(handle, "FAKE_NVML_USED", 3LL << 30);
    info->free = info->total - info->used;
    return 0;
}
int nvmlDeviceGetComputeMode(void *handle, int *mode) { *mode = number_of(handle, "FAKE_NVML_MODE", 0); return 0; }
int nvmlDeviceGetPersistenceMode(void *handle, int *mode) { *mode = 1; return old() ? 3 : 0; }
int nvmlDeviceGetEccMode(void *handle, int *now, int *pending) { *now = *pending = 1; return old() ? 3 : 0; }
int nvmlDeviceGetTotalEccErrors(void *handle, int kind, int counter, unsigned long long *count) {
    *count = number_of(handle, "FAKE_NVML_ECC", 0);
    return old() || kind != 1 || counter != 0 ? 3 : 0;
}
int nvmlDeviceGetRetiredPagesPendingStatus(void *handle, int *pending) {
    *pending = number_of(handle, "FAKE_NVML_RETIRED", 0);
    return old() ? 3 : 0;
}
/* Who computes on it: `PID PID`, each with one GiB. */
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, process_t *found) {
    char cell[256];
    const char *told = word_of(handle, "FAKE_NVML_PROCESSES", "", cell, sizeof cell);
    unsigned space = *count, number = 0;
    for (char *end; *told; told = end, number++) {
        unsigned pid = strtoul(told, &end, 10);
        if (number < space) found[number] = (process_t){pid, 1ULL << 30, -1u, -1u};
    }
    *count = number;
    return old() ? 3 : number > space ? 7 : 0;
}
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *degrees) { *degrees = 41; return 0; }
int nvmlDeviceGetCurrPcieLinkWidth(void *handle, unsigned *width) {
    *width = number("FAKE_NVML_WIDTH", 16);
    return old() ? 3 : 0;
}
int nvmlDeviceGetMaxPcieLinkWidth(void *handle, unsigned *width) { *width = 16; return old() ? 3 : 0; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, unsigned long long *reasons) {
    *reasons = number_of(handle, "FAKE_NVML_THROTTLE", 1);
    return 0;
}
#ifndef OLD_LIBRARY
int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *pending) {
    *now = *pending = getenv("FAKE_NVML_SLICES") != NULL;
    return old() ? 3 : 0;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) { *count = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **slice) {
    if ((int)index >= number("FAKE_NVML_SLICES", 0)) return 6;
    *slice = (void *)(long)(100 + index);
    return 0;
}
int nvmlDeviceGetRemappedRows(void *handle, unsigned *a, unsigned *b, unsigned *pending, unsigned *failed) {
    *a = 0;
    *b = number_of(handle, "FAKE_NVML_REMAPPED", 0);
    *pending = number_of(handle, "FAKE_NVML_REMAP_PENDING", 0);
    *failed = number_of(handle, "FAKE_NVML_REMAP_FAILED", 0);
    return old() ? 3 : 0;
}
int nvmlDeviceGetFieldValues(void *handle, int count, field_t *values) {
    for (int i = 0; i < count; i++) {
        values[i].status = values[i].field == 230 ? 0 : 3;
        values[i].value.u = number("FAKE_NVML_RECOVERY", 0);
    }
    return old() ? 3 : 0;
}
int nvmlDeviceGetGpuFabricInfoV(void *handle, fabric_t *info) {
    info->state = number("FAKE_NVML_FABRIC", 3);
    return old() ? 3 : 0;
}
#endif
"""


def compiler() -> str | None:
    """The C compiler of this machine, or None."""
    return next(filter(None, map(shutil.which, ("gcc", "cc", "clang"))), None)


def build(folder: Path, *, old: bool = False) -> Path:
    """Compile the library into a folder, with an empty libcuda.so.1 beside it; give the folder back.

    Its answers are set by variables of the process that loads it (`FAKE_NVML_COUNT`, `FAKE_NVML_INIT`, …).

    Args:
        folder: made when it does not exist.
        old: leave out the functions that drivers before MIG do not have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "fake.c"
    source.write_text(SOURCE, encoding="utf-8")
    command = [compiler() or "cc", "-shared", "-fPIC", "-w", "-o", str(folder / "libnvidia-ml.so.1"), str(source)]
    subprocess.run([*command, *(["-DOLD_LIBRARY"] if old else [])], check=True)
    (folder / "libcuda.so.1").touch()
    return folder
