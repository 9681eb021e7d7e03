"""Deep level, GPUs only: most of the memory can be taken, holds what was written to it, and is given back."""

from __future__ import annotations

import ctypes
import os

from tfprov_probe import Failed, Skipped, load

CHUNK = 256 << 20


def run(probe):
    """One leg a GPU."""
    tf = probe.tensorflow()
    for name, device in probe.devices():
        if device.startswith("GPU"):
            probe.leg(name, "memory", fill, tf, device)


def fill(tf, device):
    """Take four fifths of what is free in pieces, each with a number of its own, and read them all back."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") is not None:
        raise Skipped(
            "CUDA_VISIBLE_DEVICES numbers the GPUs anew, so that the driver's free memory may be another one's"
        )
    nvml = load("health").library()
    if nvml is None:
        raise Failed("gpu-no-driver", "the driver's library cannot be asked for the free memory")
    free = free_bytes(nvml, int(device.partition(":")[2]))
    pieces = []
    with tf.device("/" + device):
        for number in range(int(0.8 * free) // CHUNK):
            pieces.append(tf.fill((CHUNK // 4,), float(number)))
        for number, piece in enumerate(pieces):
            low, high = float(tf.reduce_min(piece)), float(tf.reduce_max(piece))
            if (low, high) != (number, number):
                raise Failed("gpu-unhealthy", f"piece {number} holds values from {low} to {high}")
    taken = tf.config.experimental.get_memory_info(device)["current"]
    held = len(pieces)
    del pieces, piece
    left = tf.config.experimental.get_memory_info(device)["current"]
    if left > CHUNK:
        raise Failed("gpu-memory-in-use", f"{left} bytes are still taken after all pieces were given back")
    return f"{held} pieces of {CHUNK >> 20} MiB held ({taken} bytes), {left} bytes after they were given back"


def free_bytes(nvml, index):
    """Free memory of one GPU in bytes."""
    handle, info = ctypes.c_void_p(), (ctypes.c_ulonglong * 3)()
    nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle))
    if nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(info)) != 0:
        raise Failed("gpu-unhealthy", "the driver does not say how much memory is free")
    return info[1]
