"""Queries GPUs and driver through `nvidia-smi`, for machines where NVML is not available."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tfprov import process
from tfprov.host.devices import pci_address
from tfprov.host.graphics import GpuHost, Graphics
from tfprov.host.loader import WSL_FOLDER
from tfprov.host.nvml import QUERY_TIMEOUT_S
from tfprov.host.records import Driver, Fact, Gpu
from tfprov.structured import whole_number

_SMI_FIELDS = (
    "index",
    "name",
    "uuid",
    "pci.bus_id",
    "driver_version",
    "memory.total",
    "memory.used",
    "compute_mode",
    "mig.mode.current",
    "ecc.mode.current",
    "persistence_mode",
    "compute_cap",
)
# Placeholders for a value that the driver does not have or cannot read.
_NO_VALUE = ("[", "N/A", "ERR!")
# Placeholders in the row of a GPU that no longer computes anything.
_BROKEN = re.compile(r"\[(GPU is lost|GPU requires reset)\]")


def ask_smi(environ: Mapping[str, str], place: GpuHost) -> Graphics | None:
    """GPUs and driver as `nvidia-smi` lists them; None without the tool, or when it lists nothing."""
    of_wsl = {"PATH": str(place.root / WSL_FOLDER)}
    tool = process.program("nvidia-smi", environ) or process.program("nvidia-smi", of_wsl)
    if tool is None:
        return None
    env = process.clean_environment(environ, LC_ALL="C")
    # compute_cap is the last field: tools before driver 510 do not know it, and then print nothing at all.
    for fields in (_SMI_FIELDS, _SMI_FIELDS[:-1]):
        argv = (tool, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")
        try:
            ended = process.run(argv, env=env, timeout=QUERY_TIMEOUT_S)
        except OSError:
            return None
        if ended.timed_out:
            return None
        gpus, driver = parse_smi(ended.stdout, fields)
        if ended.ok and gpus and driver:
            banner = process.run((tool,), env=env, timeout=QUERY_TIMEOUT_S)
            cuda = re.search(r"CUDA (?:UMD )?Version:\s*(\d+\.\d+)", banner.stdout)
            return Graphics(
                gpus=Fact(value=gpus, source=tool),
                driver=Fact(value=Driver(version=driver, cuda=cuda[1] if cuda else None), source=tool),
                problem=Fact(value=None, source=tool),
                is_from_driver=True,
            )
    return None


def parse_smi(text: str, fields: tuple[str, ...] = _SMI_FIELDS) -> tuple[tuple[Gpu, ...], str | None]:
    """The GPUs and the driver version in the output of `nvidia-smi --query-gpu … --format=csv,noheader,nounits`."""
    gpus: list[Gpu] = []
    driver: str | None = None
    for line in text.splitlines():
        values = [value.strip() for value in line.split(",")]
        index = whole_number(values[0])
        if len(values) != len(fields) or index is None:
            continue
        row = {
            field: value
            for field, value in zip(fields, values, strict=True)
            if value and not value.startswith(_NO_VALUE)
        }
        broken = _BROKEN.search(line)
        driver = row.get("driver_version", driver)
        gpus.append(
            Gpu(
                index=index,
                name=row.get("name", "unknown NVIDIA GPU"),
                uuid=row.get("uuid"),
                pci=pci_address(row.get("pci.bus_id")),
                compute_capability=row.get("compute_cap"),
                memory_total=_mebibytes(row.get("memory.total")),
                memory_used=_mebibytes(row.get("memory.used")),
                compute_mode=row["compute_mode"].lower().replace("_", "-") if "compute_mode" in row else None,
                mig=_enabled(row.get("mig.mode.current")),
                ecc=_enabled(row.get("ecc.mode.current")),
                persistence=_enabled(row.get("persistence_mode")),
                usable=broken is None,
                health=() if broken is None else (f"nvidia-smi says: {broken[1]}",),
            )
        )
    return tuple(gpus), driver


def _mebibytes(text: str | None) -> int | None:
    number = whole_number(text or "")
    return None if number is None else number << 20


def _enabled(text: str | None) -> bool | None:
    return None if text is None else text.lower() == "enabled"
