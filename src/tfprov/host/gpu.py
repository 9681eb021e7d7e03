"""GPUs and the driver: NVML first, then whatever else can tell, and why a GPU that is there cannot be used."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from tfprov import process
from tfprov.host.processor import brand
from tfprov.host.records import Driver, Fact, Gpu, Hazard, MigSlice, Refusal
from tfprov.host.system import ROOT, System, exists, read_text

# The first call after a start wakes every GPU unless a daemon keeps them awake: seconds each.
QUERY_TIMEOUT_S = 30.0

VISIBILITY_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
)

_LIBRARY = "libnvidia-ml.so.1"
_CUDA_LIBRARY = "libcuda.so.1"
_LOADER_FOLDERS = ("lib", "usr/lib", "lib64", "usr/lib64", "lib/*-linux-gnu", "usr/lib/*-linux-gnu")
# Where drivers are put that the loader is not told of: WSL, container runtimes, NixOS, older distributions.
_OTHER_FOLDERS = (
    "usr/lib/wsl/lib",
    "usr/local/nvidia/lib64",
    "usr/local/nvidia/lib",
    "run/opengl-driver/lib",
    "usr/lib/nvidia",
    "usr/lib64/nvidia",
    "usr/lib/nvidia-current",
)
_WSL_FOLDER = "usr/lib/wsl/lib"
_PCI_NAMES = ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids", "usr/share/pci.ids")
_VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
_COMPUTE_MODES = {0: "default", 1: "exclusive-thread", 2: "prohibited", 3: "exclusive-process"}

# NVML's numbers for failures: our code, and what it means here.
_NVML_CODES = {
    3: ("gpu-no-device", "NVML does not support this system"),
    4: ("gpu-no-device", "no permission to use the device files"),
    9: ("gpu-no-driver", "the kernel module of the driver is not loaded"),
    10: ("gpu-unhealthy", "the driver did not answer in time"),
    11: ("gpu-unhealthy", "an interrupt of the GPU fails"),
    12: ("gpu-no-driver", "the driver's library cannot be loaded"),
    15: ("gpu-unhealthy", "a GPU has fallen off the bus"),
    16: ("gpu-unhealthy", "a GPU has to be reset"),
    17: ("gpu-no-device", "the operating system or a control group keeps the GPU away"),
    18: ("gpu-driver-mismatch", "the kernel module and the library are of different driver versions"),
    999: ("gpu-unhealthy", "the driver fails for a reason that it does not name"),
}
# What NVML says has to be done about a GPU, and those among it without which nothing runs on it any more.
_RECOVERIES = {
    1: "reset the GPU",
    2: "restart the machine",
    3: "end what uses its peers",
    4: "end what uses it, then reset it",
    5: "recover the IMEX domain",
    6: "reset its bus",
    7: "restart the machine",
}
_DEADLY = frozenset({1, 2, 6, 7})
_JETSONS = {"tegra210": "5.3", "tegra186": "6.2", "tegra194": "7.2", "tegra234": "8.7", "tegra264": "11.0"}

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphics:
    """What is known of GPUs, driver, and what is wrong with them.

    Attributes:
        is_from_driver: True when the driver itself listed the GPUs.
    """

    gpus: Fact[tuple[Gpu, ...]]
    driver: Fact[Driver | None]
    problem: Fact[Refusal | None]
    is_from_driver: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where we look for GPUs.

    Attributes:
        container: kind of container that we are in, or None.
        machine: architecture of the hardware.
        root: where /proc, /sys, /dev and the libraries are.
    """

    system: System
    container: str | None
    wsl: bool
    machine: str
    root: Path = ROOT


def graphics(environ: Mapping[str, str], place: Place) -> Graphics:
    """The GPUs of this machine. Starts nothing where no driver and no tool of one is found; never waits for ever."""
    others = tuple(_pci_gpus(place)) if place.system == "linux" else tuple(_apple(place))
    seen = tuple(gpu for gpu in others if gpu.vendor == "nvidia")
    others = tuple(gpu for gpu in others if gpu.vendor != "nvidia")
    found = _nvidia(environ, place, seen)
    gpus = (*visible(found.gpus.value, environ), *others)
    source = found.gpus.source
    if others:
        source = f"{source}; {'/sys/bus/pci/devices' if place.system == 'linux' else 'machdep.cpu.brand_string'}"
    problem = found.problem
    if found.is_from_driver:
        listed = tuple(gpu for gpu in gpus if gpu.vendor == "nvidia")
        problem = next(_troubles(listed, found.gpus.source, environ, place), problem)
    return replace(found, gpus=Fact(value=gpus, source=source), problem=problem)


def _nvidia(environ: Mapping[str, str], place: Place, seen: tuple[Gpu, ...]) -> Graphics:
    failure: Refusal | None = None
    library = _library(environ, place)
    if library is not None:
        answer = _ask_nvml(environ, library)
        if isinstance(answer, Graphics):
            return answer
        failure = answer
    if failure is None or failure.code not in ("gpu-driver-mismatch", "gpu-unhealthy"):
        # A tool of the vendor may know a library that we do not; where NVML names the fault, it can only repeat it.
        told = _ask_smi(environ, place)
        if told is not None:
            return told
    return _without_library(place, seen, failure)


def _ask_nvml(environ: Mapping[str, str], library: Path) -> Graphics | Refusal:
    spec = find_spec("pynvml")
    if spec is None or spec.origin is None:
        return Refusal(code="gpu-no-driver", why="the module pynvml is missing from this tfprov")
    script = Path(__file__).with_name("nvml_query.py")
    argv = (sys.executable, "-I", script, Path(spec.origin).parent, library)
    try:
        ended = process.run(argv, env=process.clean_environment(environ), timeout=QUERY_TIMEOUT_S)
    except OSError as error:
        return Refusal(code="gpu-no-driver", why=f"NVML could not be asked: {error.strerror or error}")
    if ended.timed_out:
        return Refusal(code="gpu-unhealthy", why=f"the driver did not answer within {QUERY_TIMEOUT_S:g} s")
    try:
        document = json.loads(ended.stdout)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        how = ended.signal_name or f"status {ended.returncode}"
        last = ([line for line in ended.stderr.splitlines() if line.strip()] or ["nothing printed"])[-1]
        return Refusal(code="gpu-unhealthy", why=f"asking NVML ended with {how}: {last.strip()}")
    return parse_nvml(document, str(library))


def parse_nvml(document: Mapping[str, object], library: str) -> Graphics | Refusal:
    """What the document of nvml_query.py says; a refusal when NVML answered with an error."""
    error = document.get("error")
    if isinstance(error, dict):
        return _nvml_refusal(error.get("number"), error.get("text"), str(error.get("call", "NVML")))
    driver, cuda = document.get("driver"), document.get("cuda")
    entries = document.get("gpus")
    gpus = tuple(_nvml_gpu(entry) for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else ()
    source = "NVML" if document.get("loaded_by") == "name" else f"NVML ({library})"
    return Graphics(
        gpus=Fact(value=gpus, source=source),
        driver=Fact(
            value=Driver(version=str(driver), cuda=cuda_version(cuda) if isinstance(cuda, int) else None), source=source
        ),
        problem=Fact(value=None, source=source),
        is_from_driver=True,
    )


def cuda_version(number: int) -> str | None:
    """CUDA's number (12040) as its version (`12.4`); None for 0, which a driver gives that cannot tell."""
    return f"{number // 1000}.{number % 1000 // 10}" if number else None


def _nvml_refusal(number: object, text: object, call: str) -> Refusal:
    code, meaning = _NVML_CODES.get(number if isinstance(number, int) else -1, ("gpu-unhealthy", "NVML fails"))
    return Refusal(code=code, why=f"{meaning} ({call}: {text}, error {number})")


def _nvml_gpu(entry: Mapping[str, object]) -> Gpu:
    error = entry.get("error")
    faults = entry.get("faults")
    health = [str(fault) for fault in faults] if isinstance(faults, list) else []
    recovery, mig, told = entry.get("recovery"), _flag(entry.get("mig")), entry.get("slices")
    slices = tuple(_slice(part) for part in told if isinstance(part, dict)) if isinstance(told, list) else ()
    if isinstance(error, dict):
        health.append(_nvml_refusal(error.get("number"), error.get("text"), "nvmlDeviceGetHandleByIndex").why)
    if isinstance(recovery, int) and recovery:
        health.append(f"the driver asks for recovery: {_RECOVERIES.get(recovery, f'action {recovery}')}")
    capability, mode = entry.get("compute_capability"), entry.get("compute_mode")
    return Gpu(
        index=_whole(entry.get("index")) or 0,
        name=_word(entry.get("name")) or "unknown NVIDIA GPU",
        uuid=_word(entry.get("uuid")),
        pci=pci_address(_word(entry.get("pci"))),
        compute_capability=".".join(str(part) for part in capability) if isinstance(capability, list) else None,
        memory_total=_whole(entry.get("memory_total")),
        memory_used=_whole(entry.get("memory_used")),
        compute_mode=_COMPUTE_MODES.get(mode) if isinstance(mode, int) else None,
        mig=mig,
        ecc=_flag(entry.get("ecc")),
        persistence=_flag(entry.get("persistence")),
        usable=not isinstance(error, dict) and recovery not in _DEADLY and not (mig and not slices),
        health=tuple(health),
        slices=slices,
    )


def _slice(part: Mapping[str, object]) -> MigSlice:
    return MigSlice(
        uuid=_word(part.get("uuid")) or "",
        name=_word(part.get("name")) or "",
        memory_total=_whole(part.get("memory_total")),
    )


def pci_address(told: str | None) -> str | None:
    """A PCI address as the kernel writes it (`0000:1a:00.0`); the driver's has a longer domain and capital letters."""
    domain, _, rest = (told or "").lower().partition(":")
    return f"{domain[-4:]}:{rest}" if rest else None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: object) -> bool | None:
    return None if value is None else value == 1


def _ask_smi(environ: Mapping[str, str], place: Place) -> Graphics | None:
    folders = [entry for entry in environ.get("PATH", "").split(os.pathsep) if entry]
    tool = shutil.which("nvidia-smi", path=os.pathsep.join((*folders, str(place.root / _WSL_FOLDER))))
    if tool is None:
        return None
    env = process.clean_environment(environ, LC_ALL="C")
    # compute_cap is the last field: tools before driver 510 do not know it and then print nothing at all.
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
            cuda = re.search(r"CUDA Version:\s*(\d+\.\d+)", banner.stdout)
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
        if len(values) != len(fields) or not values[0].isdigit():
            continue
        row = {
            field: value
            for field, value in zip(fields, values, strict=True)
            if value and not value.startswith(("[", "N/A"))
        }
        driver = row.get("driver_version", driver)
        gpus.append(
            Gpu(
                index=int(values[0]),
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
            )
        )
    return tuple(gpus), driver


def _mebibytes(text: str | None) -> int | None:
    return int(text) << 20 if text is not None and text.isdigit() else None


def _enabled(text: str | None) -> bool | None:
    return None if text is None else text.lower() == "enabled"


def _without_library(place: Place, seen: tuple[Gpu, ...], failure: Refusal | None) -> Graphics:
    """What the kernel's own files tell when no library and no tool of the driver does."""
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
    problem: Refusal | None
    if gpus or version is not None or _has_device_files(place.root):
        problem = failure or _why_no_library(place, gpus, version)
        if failure is not None and place.container is not None:
            hidden = failure.code in ("gpu-no-driver", "gpu-no-device")
            why = f"{failure.why}; in a {place.container} container"
            if failure.code == "gpu-driver-mismatch":
                why = f"{why}: does its image bring driver libraries of its own?"
            problem = Refusal(code="docker-no-gpu" if hidden else failure.code, why=why)
    elif place.wsl or place.system == "windows" or not exists(place.root / "sys/bus/pci/devices"):
        # No bus to look at: the library is the only sign of a GPU.
        problem = failure
    else:
        # A library without a GPU is nothing to complain about: images carry it to run with and without one.
        problem = None
    return Graphics(
        gpus=Fact(value=gpus, source=source),
        driver=Fact(value=driver, source=source),
        problem=Fact(value=problem, source="NVML" if failure else source),
    )


def _why_no_library(place: Place, gpus: tuple[Gpu, ...], version: str | None) -> Refusal:
    names = ", ".join(dict.fromkeys(gpu.name for gpu in gpus)) or "an NVIDIA GPU"
    if place.container is not None:
        why = f"{names} is in this machine, but the {place.container} container has no {_LIBRARY}"
        return Refusal(code="docker-no-gpu", why=why)
    if version is not None:
        why = f"the kernel module {version} is loaded, but {_LIBRARY} is in none of the library folders"
        return Refusal(code="gpu-no-driver", why=why)
    for gpu in gpus:
        bound = _kernel_driver(place.root / "sys/bus/pci/devices" / (gpu.pci or ""))
        if bound is not None:
            return Refusal(
                code="gpu-no-driver", why=f"{names} is driven by the kernel's `{bound}`, not by NVIDIA's driver"
            )
    return Refusal(code="gpu-no-driver", why=f"{names} is in this machine, but it has no NVIDIA driver")


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
    for index, name in enumerate(_names(folder)):
        told = parse_information(read_text(folder / name / "information") or "")
        uuid = told.get("GPU UUID")
        # Until the driver has been used once, the file has question marks for an id.
        yield Gpu(
            index=index,
            name=told.get("Model", "unknown NVIDIA GPU"),
            uuid=uuid if uuid and "?" not in uuid else None,
            pci=told.get("Bus Location", name),
        )


def parse_information(text: str) -> dict[str, str]:
    """The lines `Key: value` of a file such as /proc/driver/nvidia/gpus/*/information."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.partition(":")
        if separator:
            found[key.strip()] = value.strip()
    return found


def _has_device_files(root: Path) -> bool:
    return exists(root / "dev/nvidia0") or exists(root / "dev/nvidiactl")


def _pci_gpus(place: Place) -> Iterator[Gpu]:
    """Display and compute devices on the PCI bus, by vendor."""
    folder = place.root / "sys/bus/pci/devices"
    counts: dict[str, int] = {}
    kinds: dict[str, str] | None = None
    for address in _names(folder):
        device = folder / address
        vendor = _VENDORS.get((read_text(device / "vendor") or "").strip())
        # 0x03: display; 0x1200: processing accelerator, as which AMD's compute cards show themselves.
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
            memory_total=_file_number(device / "mem_info_vram_total"),
            memory_used=_file_number(device / "mem_info_vram_used"),
        )


def _file_number(file: Path) -> int | None:
    text = (read_text(file) or "").strip()
    return int(text) if text.isdigit() else None


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
    """ISA (`gfx942`) of the GPUs that the compute driver knows, by PCI address."""
    found: dict[str, str] = {}
    nodes = root / "sys/class/kfd/kfd/topology/nodes"
    for node in _names(nodes):
        numbers = parse_numbers(read_text(nodes / node / "properties") or "")
        version, location = numbers.get("gfx_target_version", 0), numbers.get("location_id", 0)
        if version:
            domain = numbers.get("domain", 0)
            address = f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"
            found[address] = f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
    return found


def parse_numbers(text: str) -> dict[str, int]:
    """The lines `name number` of a properties file of the AMD compute driver."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _jetson(place: Place) -> Iterator[Gpu]:
    """The GPU inside NVIDIA's boards, which is on no bus."""
    compatible = read_text(place.root / "proc/device-tree/compatible") or ""
    for chip, capability in _JETSONS.items():
        if f"nvidia,{chip}" in compatible:
            model = (read_text(place.root / "proc/device-tree/model") or chip).strip("\0 \n")
            yield Gpu(index=0, name=model, compute_capability=capability)
            return


def _apple(place: Place) -> Iterator[Gpu]:
    if place.system == "macos" and place.machine == "arm64":
        yield Gpu(index=0, name=brand(place.system) or "Apple GPU", vendor="apple")


def _troubles(
    gpus: tuple[Gpu, ...], source: str, environ: Mapping[str, str], place: Place
) -> Iterator[Fact[Refusal | None]]:
    """Why the NVIDIA GPUs that the driver lists cannot be used by a CUDA program, the first cause first."""

    def trouble(code: str, why: str, source: str = source) -> Fact[Refusal | None]:
        return Fact(value=Refusal(code=code, why=why), source=source)

    if not gpus:
        code = "docker-no-gpu" if place.container else "gpu-no-device"
        where = f"the {place.container} container" if place.container else "this system"
        yield trouble(code, f"the driver is loaded, but shows no GPU to {where}")
    elif place.system == "linux" and _loaded_by_name(_CUDA_LIBRARY, environ, place.root) is None:
        refusal = _why_no_cuda(place)
        yield trouble(refusal.code, refusal.why, "LD_LIBRARY_PATH, /etc/ld.so.cache, library folders")
    shown = [gpu for gpu in gpus if gpu.visible]
    if gpus and not shown:
        value = environ.get("CUDA_VISIBLE_DEVICES", "")
        yield trouble("gpu-no-device", f"`CUDA_VISIBLE_DEVICES={value}` hides every GPU", "CUDA_VISIBLE_DEVICES")
    broken = [gpu for gpu in shown if not gpu.usable and not (gpu.mig and not gpu.slices)]
    if shown and not any(gpu.usable for gpu in shown):
        if broken:
            yield trouble("gpu-unhealthy", f"{broken[0].name}: {'; '.join(broken[0].health)}")
        yield trouble("gpu-no-device", "MIG mode is on, but no MIG device has been made: `nvidia-smi mig -cgi … -C`")
    if shown and all(gpu.compute_mode == "prohibited" for gpu in shown):
        yield trouble("gpu-no-device", "the compute mode of every GPU is `prohibited`: `nvidia-smi -c DEFAULT`")


def _why_no_cuda(place: Place) -> Refusal:
    if place.wsl and exists(place.root / _WSL_FOLDER / _CUDA_LIBRARY):
        why = f"{_CUDA_LIBRARY} is in /{_WSL_FOLDER}, where the loader does not look"
        return Refusal(code="wsl-libcuda", why=why)
    if place.container is not None:
        why = f"the container has {_LIBRARY} but no {_CUDA_LIBRARY}: NVIDIA_DRIVER_CAPABILITIES lacks `compute`"
        return Refusal(code="docker-no-gpu", why=why)
    why = f"{_LIBRARY} is installed, {_CUDA_LIBRARY} is not: the compute part of the driver is missing"
    return Refusal(code="gpu-no-driver", why=why)


def visible(gpus: tuple[Gpu, ...], environ: Mapping[str, str]) -> tuple[Gpu, ...]:
    """The GPUs with `visible` as CUDA_VISIBLE_DEVICES says. Numbers are taken in the order of the PCI bus."""
    value = environ.get("CUDA_VISIBLE_DEVICES")
    if value is None:
        return gpus
    chosen: set[int] = set()
    for word in (part.strip() for part in value.split(",")):
        position = _position(word, gpus)
        # CUDA reads up to the first entry that names nothing; a device named twice makes it see none.
        if position is None:
            break
        if position in chosen and not word.startswith("MIG-"):
            chosen.clear()
            break
        chosen.add(position)
    return tuple(replace(gpu, visible=position in chosen) for position, gpu in enumerate(gpus))


def ambiguous_numbers(gpus: tuple[Gpu, ...], environ: Mapping[str, str]) -> tuple[Hazard, ...]:
    """A hazard when the numbers in CUDA_VISIBLE_DEVICES do not mean what the driver's tools show beside them."""
    value, order = environ.get("CUDA_VISIBLE_DEVICES", ""), environ.get("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    names = {gpu.name for gpu in gpus if gpu.vendor == "nvidia"}
    if len(names) < 2 or order == "PCI_BUS_ID" or not re.search(r"(?:^|,)\s*\d", value):
        return ()
    why = "CUDA counts the fastest GPU first, the driver's tools count along the bus: set CUDA_DEVICE_ORDER=PCI_BUS_ID"
    return (Hazard(code="gpu-no-device", name="CUDA_VISIBLE_DEVICES", value=value, why=why),)


def _position(word: str, gpus: tuple[Gpu, ...]) -> int | None:
    if re.fullmatch(r"\d+", word):
        return int(word) if int(word) < len(gpus) else None
    for position, gpu in enumerate(gpus):
        if word.startswith("GPU-") and gpu.uuid is not None and gpu.uuid.startswith(word):
            return position
        if word.startswith("MIG-") and any(part.uuid.startswith(word) for part in gpu.slices):
            return position
    return None


def _library(environ: Mapping[str, str], place: Place) -> Path | None:
    """A file that NVML can be loaded from; None when there is none and nothing needs to be started."""
    if place.system == "windows":
        folders = (
            Path(environ.get("WINDIR") or environ.get("SYSTEMROOT") or "C:/Windows") / "System32",
            Path(environ.get("PROGRAMFILES") or "C:/Program Files") / "NVIDIA Corporation/NVSMI",
        )
        return next((folder / "nvml.dll" for folder in folders if exists(folder / "nvml.dll")), None)
    if place.system != "linux":
        return None
    return _loaded_by_name(_LIBRARY, environ, place.root) or next(_files(_LIBRARY, _OTHER_FOLDERS, place.root), None)


def _loaded_by_name(name: str, environ: Mapping[str, str], root: Path) -> Path | None:
    """The file that the loader would take for a library; None when it would find none."""
    for entry in environ.get("LD_LIBRARY_PATH", "").split(":"):
        if entry and exists(Path(entry) / name):
            return Path(entry) / name
    try:
        cached = re.search(
            rb"\0(/[^\0]*/" + re.escape(name.encode()) + rb")\0", (root / "etc/ld.so.cache").read_bytes()
        )
    except OSError:
        cached = None
    if cached is not None and exists(root / os.fsdecode(cached[1]).lstrip("/")):
        return root / os.fsdecode(cached[1]).lstrip("/")
    return next(_files(name, _LOADER_FOLDERS, root), None)


def _files(name: str, folders: Iterable[str], root: Path) -> Iterator[Path]:
    for pattern in folders:
        for folder in sorted(root.glob(pattern)):
            if exists(folder / name):
                yield folder / name


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except (OSError, ValueError):
        return []
