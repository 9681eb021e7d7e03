"""The real TensorFlow on GPUs that are not there: a plug-in, compiled for the TensorFlow under test, and its settings.

The environment under test stays untouched. Beside it stands a venv that has nothing but a line with the packages of the
other one, and the plug-in, where TensorFlow looks for plug-ins. A fake NVML tells of the same cards.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


def compiler() -> str | None:
    """The C++ compiler of this machine, or None."""
    return next(filter(None, map(shutil.which, ("g++", "c++", "clang++"))), None)


def environment(python: Path, folder: Path, cache: Path) -> Path:
    """The interpreter of a new environment that shares the packages of another one and has simulated GPUs besides.

    Args:
        python: of an environment with TensorFlow; nothing is written into that.
        folder: the new environment.
        cache: where compiled plug-ins are kept, one for each release of TensorFlow.
    """
    subprocess.run([python, "-I", "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (shared,) = python.parent.parent.glob("lib/python*/site-packages")
    (packages / "shared.pth").write_text(f"{shared}\n")
    plugins = packages / "tensorflow-plugins"
    plugins.mkdir()
    names = [re.fullmatch(r"tensorflow(?:_cpu)?-(.+)\.dist-info", path.name) for path in shared.iterdir()]
    (release,) = [found[1] for found in names if found]
    (plugins / "libsimgpu.so").symlink_to(_plugin(python, shared / "tensorflow", release, cache))
    (plugins / "kernels.txt").symlink_to(_table(release))
    return folder / "bin" / "python"


def _plugin(python: Path, home: Path, release: str, cache: Path) -> Path:
    """The plug-in for one TensorFlow; compiled, in some ten seconds, when the cache has none for its release."""
    source = HERE / "plugin.cc"
    plugin = cache / f"{release}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.so"
    if not plugin.exists():
        flags = subprocess.run(
            [python, "-I", "-c", "import tensorflow as tf; print(*tf.sysconfig.get_compile_flags(), sep='\\n')"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.splitlines()
        # Releases from 2.11 on have a second library. What is in neither comes from the module that loads the plug-in.
        libraries = [
            each for each in ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2") if (home / each).exists()
        ]
        made = plugin.with_suffix(f".{os.getpid()}")
        subprocess.run(
            [compiler() or "c++", "-O1", "-shared", "-fPIC", "-w", *flags, source, "-o", made, f"-L{home}"]
            + [f"-l:{each}" for each in libraries],
            check=True,
        )
        # A process may have the old one open.
        made.replace(plugin)
    return plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One GPU of a simulated machine, as NVML and TensorFlow tell of it.

    Attributes:
        pci: PCI address, with a domain of four digits.
        memory: bytes it has.
        used: bytes that other processes have taken.
    """

    pci: str
    name: str = "Simulated GPU"
    capability: str = "9.0"
    memory: int = 2 << 30
    used: int = 0


def cards(count: int) -> tuple[Card, ...]:
    """So many cards that differ in their address alone."""
    return tuple(Card(pci=f"0000:{0x1A + number:02x}:00.0") for number in range(count))


def variables(
    machine: Sequence[Card],
    *,
    nvml: Path | None = None,
    order: Sequence[int] = (),
    faults: Sequence[str] = (),
) -> dict[str, str]:
    """Variables of a process that finds this machine.

    Args:
        machine: its cards, in NVML's order, which is that of their addresses.
        nvml: folder with the fake NVML; None for a machine without.
        order: numbers of the cards as CUDA counts them; empty when that is NVML's order.
        faults: each `KIND@PLACE:CARD:OPERATION:ARGUMENT`, as plugin.cc explains.
    """
    told = {
        "PCI": [card.pci for card in machine],
        "NAME": [card.name for card in machine],
        "CAPABILITY": [card.capability for card in machine],
        "MEMORY": [str(card.memory) for card in machine],
        "USED": [str(card.used) for card in machine],
    }
    found = {f"SIMGPU_{key}": ",".join(values) for key, values in told.items()}
    found["SIMGPU_DEVICES"] = str(len(machine))
    found["SIMGPU_ORDER"] = ",".join(map(str, order))
    found["SIMGPU_FAULT"] = ";".join(faults)
    if nvml is not None:
        found["LD_LIBRARY_PATH"] = str(nvml)
        found["FAKE_NVML_COUNT"] = str(len(machine))
        found |= {f"FAKE_NVML_{key}": ",".join(told[key]) for key in ("PCI", "NAME", "MEMORY", "USED")}
    return found


def _table(release: str) -> Path:
    """The kernels of the newest CUDA build that is not newer than the release."""
    numbers = _numbers(release)
    return max(path for path in HERE.glob("kernels-*.txt") if _numbers(path.stem.partition("-")[2]) <= numbers)


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", release)[:2]))
