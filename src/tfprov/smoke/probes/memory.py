"""Deep level, GPUs only: most of the memory can be taken, holds what was written to it, and is given back."""

import ctypes
import os

from tfprov_probe import Failed, Skipped, load

CHUNK = 256 << 20


def run(probe):
    """One leg a GPU."""
    tf = probe.tensorflow()
    for name, device in probe.devices():
        if name.startswith("GPU"):
            probe.leg(name, "memory", fill, tf, device, probe.request["buses"].get(name))


def fill(tf, device, bus):
    """Take four fifths of what is free in pieces, each with a number of its own, and read them all back."""
    health = load("health")
    nvml = health.library()
    if nvml is None:
        raise Failed("gpu-no-driver", "the driver's library does not report free memory")
    free = free_bytes(health, nvml, handle_of(health, nvml, bus))
    count = int(0.8 * free) // CHUNK
    if not count:
        raise Failed("gpu-memory-in-use", f"{free} bytes are free: less than a piece of {CHUNK >> 20} MiB can be taken")
    pieces = []
    with tf.device("/" + device):
        for number in range(count):
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
        raise Failed("gpu-memory-in-use", f"{left} bytes are still taken after all pieces were freed")
    return f"{held} pieces of {CHUNK >> 20} MiB held ({taken} bytes), {left} bytes after they were freed"


def handle_of(health, nvml, bus):
    """The driver's handle of the GPU with that PCI address, or of the slice of it that this process has.

    TensorFlow's number is not the driver's: CUDA puts the fastest first, and CUDA_VISIBLE_DEVICES counts anew.

    Raises:
        Skipped: nothing says which of the driver's GPUs, or of its slices, this one is.
    """
    handle = ctypes.c_void_p()
    if bus is None or nvml.nvmlDeviceGetHandleByPciBusId_v2(bus.encode(), ctypes.byref(handle)) != 0:
        raise Skipped("it is not known which of the driver's GPUs this is, and so how much memory is free")
    if not health.is_sliced(nvml, handle):
        return handle
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    named = wanted.startswith("MIG-")
    slices = [each for each in health.slices(nvml, handle) if not named or health.uuid(nvml, each) == wanted]
    if len(slices) != 1:
        raise Skipped("this GPU is divided into slices, and it is not known which one this is")
    return slices[0]


def free_bytes(health, nvml, handle):
    """Free memory of one GPU in bytes."""
    info = health.Memory()
    if nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(info)) != 0:
        raise Failed("gpu-unhealthy", "the driver does not say how much memory is free")
    return info.free
