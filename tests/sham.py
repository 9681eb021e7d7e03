"""Environments with a sham TensorFlow: a real venv, and a module `tensorflow` that obeys the test.

Signal deaths, hangs, wrong numbers and import errors can so be tested in a fraction of a second, through the real
interpreter start, the real probes and the real channel.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import venvs
from tfprov.envs import layout

MODULE = '''
"""A TensorFlow that can multiply small matrices, on as many devices as GPUS says."""

import os
import signal
import sys
import time
import types

__version__ = "2.99.0"
GPUS = 0
CUDA_BUILD = True
float32 = "float32"
visible = None
current = ["CPU:0"]


class Tensor:
    def __init__(self, rows, device=None, inputs=()):
        self.rows = rows
        self.device = "/job:localhost/replica:0/task:0/device:" + (device or current[-1])
        self.inputs = inputs

    def numpy(self):
        return self

    def tolist(self):
        return self.rows


class device:
    def __init__(self, name):
        self.name = name.lstrip("/")

    def __enter__(self):
        known = ["CPU:0"] + ["GPU:%d" % position for position in range(len(shown()))]
        if self.name not in known:
            raise ValueError("unknown device " + self.name)
        current.append(self.name)

    def __exit__(self, *_):
        current.pop()


def shown():
    return list(range(GPUS)) if visible is None else visible


def number_of_gpu():
    """Number, on the machine, of the GPU in use now; None on the CPU."""
    return shown()[int(current[-1][4:])] if current[-1].startswith("GPU") else None


def multiply(left, right):
    columns = list(zip(*right))
    return [[sum(a * b for a, b in zip(row, column)) for column in columns] for row in left]


def constant(rows, dtype=None):
    return Tensor(rows)


def matmul(left, right):
    return Tensor(multiply(left.rows, right.rows), inputs=(left, right))


def square(tensor):
    return tensor


def reduce_sum(tensor):
    return tensor


class GradientTape:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def watch(self, tensor):
        pass

    def gradient(self, loss, weights):
        x, w = loss.inputs
        doubled = [[2 * number for number in row] for row in multiply(x.rows, w.rows)]
        return Tensor(multiply([list(column) for column in zip(*x.rows)], doubled))


def physical(kind, number):
    return types.SimpleNamespace(device_type=kind, name="/physical_device:%s:%d" % (kind, number), number=number)


def list_physical_devices(kind=None):
    found = [physical("CPU", 0)] + [physical("GPU", number) for number in range(GPUS)]
    return [one for one in found if kind in (None, one.device_type)]


def initialise(number):
    """Called for every visible GPU when the devices are made ready."""


def set_logical_device_configuration(device, parts):
    global cpus
    cpus = len(parts)


def list_logical_devices(kind=None):
    for number in shown():
        initialise(number)
    names = ["/device:CPU:%d" % number for number in range(cpus)]
    names += ["/device:GPU:%d" % position for position in range(len(shown()))]
    return [types.SimpleNamespace(name=name) for name in names]


cpus = 1


def set_visible_devices(devices, kind):
    global visible
    visible = [one.number for one in devices]


experimental = types.SimpleNamespace(
    set_memory_growth=lambda gpu, on: None,
    get_device_details=lambda gpu: {"device_name": "Sham %d" % gpu.number, "compute_capability": (9, 0)},
    reset_memory_stats=lambda name: None,
    get_memory_info=lambda name: {"peak": 1 << 20},
    enable_tensor_float_32_execution=lambda on: None,
)
config = types.SimpleNamespace(
    LogicalDeviceConfiguration=object,
    set_logical_device_configuration=set_logical_device_configuration,
    set_soft_device_placement=lambda on: None,
    list_physical_devices=list_physical_devices,
    list_logical_devices=list_logical_devices,
    set_visible_devices=set_visible_devices,
    experimental=experimental,
)
sysconfig = types.SimpleNamespace(get_build_info=lambda: {"is_cuda_build": CUDA_BUILD})
'''


def make_environment(
    folder: Path, sabotage: str = "", *, package: str = "tensorflow", version: str = "2.99.0", first: str = ""
) -> Path:
    """An environment with the sham TensorFlow; its interpreter.

    Args:
        folder: where to make it.
        sabotage: source behind the module's own, which may replace anything in it.
        package: project that owns the module.
        version: version in the metadata.
        first: source before the module's own.
    """
    venvs.make(folder)
    install(site_packages(folder), package, version, {"tensorflow/__init__.py": first + MODULE + sabotage})
    return layout.python_in(folder)


def site_packages(folder: Path) -> Path:
    """Where the environment keeps its packages."""
    (found,) = layout.site_packages(folder)
    return found


def install(root: Path, package: str, version: str, files: dict[str, str]) -> None:
    """Put a project there as an installer does: its files, its metadata and a RECORD with their hashes and sizes."""
    metadata = f"{package.replace('-', '_')}-{version}.dist-info"
    files = {**files, f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"}
    lines = []
    for name, content in files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode())
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")
        lines.append(f"{name},sha256={digest},{len(content.encode())}")
    record = f"{metadata}/RECORD"
    (root / record).write_text("\n".join([*lines, f"{record},,"]) + "\n")
