"""GPUs as the kernel lists them: those of vendors other than NVIDIA, and NVIDIA's where NVML is not available."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tfprov.host.graphics import GpuHost, Graphics
from tfprov.host.loader import LIBRARY
from tfprov.host.processor import brand
from tfprov.host.records import LOST_DEVICES, Driver, Fact, Gpu, Problem
from tfprov.host.system import exists, names, number_in, read_text
from tfprov.structured import whole_number

_PCI_NAMES = ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids", "usr/share/pci.ids")
_VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
_JETSONS = {"tegra210": "5.3", "tegra186": "6.2", "tegra194": "7.2", "tegra234": "8.7", "tegra264": "11.0"}


UNNAMED = "the driver fails for a reason that it does not name"


def pci_address(told: str | None) -> str | None:
    """A PCI address in the kernel's format (`0000:1a:00.0`); the driver's has a longer domain and capital letters."""
    domain, _, rest = (told or "").lower().partition(":")
    return f"{domain[-4:]}:{rest}" if rest else None


def without_library(place: GpuHost, seen: tuple[Gpu, ...], failure: Problem | None) -> Graphics:
    """The NVIDIA GPUs and driver as far as the kernel's files show them, without NVML and nvidia-smi."""
    folder = place.root / "proc/driver/nvidia"
    version = parse_driver(read_text(folder / "version") or "")
    gpus = tuple(_proc_gpus(folder / "gpus")) or seen
    if not gpus:
        gpus = tuple(_jetson(place))
        if gpus:
            source = str(place.root / "proc/device-tree")
            return Graphics(
                gpus=Fact(value=gpus, source=source),
                driver=Fact(value=None, source=source),
                problem=Fact(value=failure, source="NVML" if failure else source),
            )
    source = str(folder) if version else str(place.root / "sys/bus/pci/devices")
    driver = None if version is None else Driver(version=version)
    problem: Problem | None
    # The library was mounted together with the GPUs when the container was started, whatever it can see of them now.
    is_lost = failure is not None and place.container is not None and failure.why.startswith(UNNAMED)
    if gpus or version is not None or is_lost or any(exists(place.root / f"dev/nvidia{one}") for one in ("0", "ctl")):
        problem = failure or _why_no_library(place, gpus, version)
        if failure is not None and is_lost:
            told = f"a {place.container} container that {LOST_DEVICES}, as after `systemctl daemon-reload` or an update"
            problem = Problem(code="docker-no-gpu", why=f"{told}; {failure.why}")
        elif failure is not None and place.container is not None:
            hidden = failure.code in ("gpu-no-driver", "gpu-no-device")
            why = f"{failure.why}; in a {place.container} container"
            if failure.code == "gpu-driver-mismatch":
                why = f"{why}: does its image contain driver libraries of its own?"
            problem = Problem(code="docker-no-gpu" if hidden else failure.code, why=why)
    elif place.wsl or place.system == "windows" or not exists(place.root / "sys/bus/pci/devices"):
        # Without a PCI bus the library is the only sign of a GPU.
        problem = failure
    else:
        # A library without a GPU is not a problem: some images contain it to run with and without a GPU.
        problem = None
    return Graphics(
        gpus=Fact(value=gpus, source=source),
        driver=Fact(value=driver, source=source),
        problem=Fact(value=problem, source="NVML" if failure else source),
    )


def _why_no_library(place: GpuHost, gpus: tuple[Gpu, ...], version: str | None) -> Problem:
    names = ", ".join(dict.fromkeys(gpu.name for gpu in gpus)) or "an NVIDIA GPU"
    if place.container is not None:
        why = f"{names} is in this machine, but the {place.container} container has no {LIBRARY}"
        return Problem(code="docker-no-gpu", why=why)
    if version is not None:
        why = f"the kernel module {version} is loaded, but {LIBRARY} is in none of the library folders"
        return Problem(code="gpu-no-driver", why=why)
    for gpu in gpus:
        bound = _kernel_driver(place.root / "sys/bus/pci/devices" / (gpu.pci or ""))
        if bound is not None:
            return Problem(
                code="gpu-no-driver", why=f"{names} is driven by the kernel's `{bound}`, not by NVIDIA's driver"
            )
    return Problem(code="gpu-no-driver", why=f"{names} is in this machine, but it has no NVIDIA driver")


def _kernel_driver(device: Path) -> str | None:
    try:
        return (device / "driver").readlink().name
    except (OSError, ValueError):
        return None


def parse_driver(text: str) -> str | None:
    """Driver version in the text of /proc/driver/nvidia/version; None when there is none."""
    found = re.search(r"^NVRM version:.*?\b(\d{3,}\.\d+(?:\.\d+)?)\b", text, re.M)
    return found[1] if found else None


def _proc_gpus(folder: Path) -> Iterator[Gpu]:
    for index, name in enumerate(names(folder)):
        told = parse_information(read_text(folder / name / "information") or "")
        uuid = told.get("GPU UUID")
        # Until the driver is used for the first time, the id in the file consists of question marks.
        yield Gpu(
            index=index,
            name=told.get("Model", "unknown NVIDIA GPU"),
            uuid=uuid if uuid and "?" not in uuid else None,
            pci=told.get("Bus Location", name),
        )


def parse_information(text: str) -> dict[str, str]:
    """The `Key: value` lines of a file such as /proc/driver/nvidia/gpus/*/information."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.partition(":")
        if separator:
            found[key.strip()] = value.strip()
    return found


def pci_gpus(place: GpuHost) -> Iterator[Gpu]:
    """GPUs on the PCI bus, numbered by vendor."""
    folder = place.root / "sys/bus/pci/devices"
    counts: dict[str, int] = {}
    kinds: dict[str, str] | None = None
    for address in names(folder):
        device = folder / address
        vendor = _VENDORS.get((read_text(device / "vendor") or "").strip())
        # 0x03: display controller; 0x1200: processing accelerator, the class of AMD's compute cards.
        group = (read_text(device / "class") or "").strip()
        if vendor is None or not (group.startswith("0x03") or (vendor == "amd" and group.startswith("0x1200"))):
            continue
        index = counts.get(vendor, 0)
        counts[vendor] = index + 1
        number = (read_text(device / "device") or "").strip().removeprefix("0x")
        code = (read_text(device / "vendor") or "").strip().removeprefix("0x")
        name = (read_text(device / "product_name") or "").strip() or _pci_name(place.root, code, number)
        if vendor == "amd":
            kinds = _amd_targets(place.root) if kinds is None else kinds
            target = kinds.get(address)
            name = f"{name} ({target})" if target else name
        yield Gpu(
            index=index,
            name=name,
            vendor="amd" if vendor == "amd" else "intel" if vendor == "intel" else "nvidia",
            pci=address,
            memory_total=number_in(device / "mem_info_vram_total"),
            memory_used=number_in(device / "mem_info_vram_used"),
        )


def _pci_name(root: Path, vendor: str, device: str) -> str:
    for file in _PCI_NAMES:
        text = read_text(root / file, 1 << 23)
        if text is not None:
            name = parse_pci_name(text, vendor, device)
            if name is not None:
                return name
    return f"{_VENDORS.get(f'0x{vendor}', 'unknown').upper()} {vendor}:{device}"


def parse_pci_name(text: str, vendor: str, device: str) -> str | None:
    """Name of a device in the text of a pci.ids file; None when it is not listed."""
    block = re.search(rf"^{re.escape(vendor)}  [^\n]*\n(?:[\t#][^\n]*\n|\n)*", text, re.M | re.I)
    found = re.search(rf"^\t{re.escape(device)}  ([^\n]*)", block[0], re.M | re.I) if block else None
    return found[1].strip() if found else None


def _amd_targets(root: Path) -> dict[str, str]:
    """ISA (`gfx942`) of the GPUs that AMD's compute driver knows, by PCI address."""
    found: dict[str, str] = {}
    nodes = root / "sys/class/kfd/kfd/topology/nodes"
    for node in names(nodes):
        numbers = parse_numbers(read_text(nodes / node / "properties") or "")
        version, location = numbers.get("gfx_target_version", 0), numbers.get("location_id", 0)
        if version:
            domain = numbers.get("domain", 0)
            address = f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"
            found[address] = f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
    return found


def parse_numbers(text: str) -> dict[str, int]:
    """The `name number` lines of a properties file of AMD's compute driver."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: number for pair in pairs if len(pair) == 2 and (number := whole_number(pair[1])) is not None}


def _jetson(place: GpuHost) -> Iterator[Gpu]:
    """The integrated GPU of an NVIDIA Jetson board, which is not on the PCI bus."""
    compatible = read_text(place.root / "proc/device-tree/compatible") or ""
    for chip, capability in _JETSONS.items():
        if f"nvidia,{chip}" in compatible:
            model = (read_text(place.root / "proc/device-tree/model") or chip).strip("\0 \n")
            yield Gpu(index=0, name=model, compute_capability=capability)
            return


def apple(place: GpuHost) -> Iterator[Gpu]:
    """The GPU of an Apple chip."""
    if place.system == "macos" and place.machine == "arm64":
        yield Gpu(index=0, name=brand(place.system) or "Apple GPU", vendor="apple")
