"""The facts about a machine for people: on one screen, without details that no decision depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tfprov.harmless import lined
from tfprov.host.records import Disk, Facts, Gpu, IndexConfig, Interpreter, Proxies
from tfprov.redact import redact
from tfprov.words import count, size

_LABEL = 14
_SHOWN_FLAGS = ("sse4_1", "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "amx_tile", "asimd", "sve")
"""CPU flags that builds of TensorFlow differ in."""


def facts(found: Facts) -> str:
    """The facts, in one or a few rows each."""
    rows = (
        ("system", [_system(found)]),
        ("processor", [_processor(found)]),
        ("memory", [size(found.memory_bytes.value)]),
        ("disks", _disks(found.disks.value)),
        ("gpus", _gpus(found)),
        ("driver", [_driver(found)]),
        ("container", [found.container.value or "none"]),
        ("ci", [found.ci.value or "none"]),
        ("conda", found.conda.value or ["none"]),
        ("pythons", _pythons(found.interpreters.value)),
        ("index", _index(found.index.value)),
        ("proxies", _proxies(found.proxies.value)),
        ("certificates", [found.certificates.value or "those of the system"]),
        ("library-path", found.library_path.value or ["none"]),
        ("hazards", [f"{one.name}: {one.why}" for one in found.hazards.value] or ["none"]),
    )
    lines = [
        f"{label if number == 0 else '':<{_LABEL}}{text}" for label, texts in rows for number, text in enumerate(texts)
    ]
    return redact(lined([*lines, "", "`tfprov facts --json` has all of it, each with its source"]))


def _system(found: Facts) -> str:
    libc = found.libc.value
    parts = [f"{found.system.value}, {found.os_version.value}", found.machine.value]
    parts += [f"{libc.kind} {libc.version}"] if libc else []
    parts += ["WSL2"] if found.wsl.value else []
    return ", ".join(parts)


def _processor(found: Facts) -> str:
    flags = found.cpu_flags.value
    shown = [flag for flag in _SHOWN_FLAGS if flag in flags]
    text = count(found.cores.value, "core")
    if shown:
        text += f", with {' '.join(shown)}"
    if others := len(flags) - len(shown):
        text += f" and {count(others, 'other flag')}"
    return f"{text}, emulated by {found.emulation.value}" if found.emulation.value else text


def _disks(disks: Iterable[Disk]) -> list[str]:
    """The file systems, each with the folders of tfprov that are on it."""
    by_device: dict[str, list[Disk]] = {}
    for disk in disks:
        by_device.setdefault(disk.device, []).append(disk)
    lines = []
    for group in by_device.values():
        files = group[0].free_files
        room = f"{size(group[0].free_bytes)} free" + (f", {files} files" if files is not None else "")
        lines.append(f"{room}: {', '.join(f'{disk.purpose} in {disk.path}' for disk in group)}")
    return lines or ["not known"]


def _gpus(found: Facts) -> list[str]:
    lines = [_gpu(one) for one in found.gpus.value] or ["none"]
    problem = found.gpu_problem.value
    return [*lines, problem.why] if problem else lines


def _gpu(gpu: Gpu) -> str:
    parts = [f"{gpu.index}: {gpu.name}"]
    parts += [f"capability {gpu.compute_capability}"] if gpu.compute_capability else []
    if gpu.memory_total:
        used = f", {size(gpu.memory_used)} used" if gpu.memory_used else ""
        parts.append(f"{size(gpu.memory_total)}{used}")
    parts += [one for one in (gpu.pci, gpu.uuid) if one]
    parts += [] if gpu.visible else ["hidden by a variable or the container"]
    parts += [] if gpu.usable else ["not usable"]
    parts += [f"{count(len(gpu.slices), 'MIG device')}"] if gpu.slices else []
    return ", ".join((*parts, *gpu.health))


def _driver(found: Facts) -> str:
    driver = found.driver.value
    if driver is None:
        return "none"
    return f"{driver.version}, for CUDA up to {driver.cuda}" if driver.cuda else driver.version


def _pythons(interpreters: Sequence[Interpreter]) -> list[str]:
    width = max((len(one.version) for one in interpreters), default=0)
    return [f"{one.version:<{width}}  {', '.join((one.path, *_oddities(one)))}" for one in interpreters] or ["none"]


def _oddities(python: Interpreter) -> list[str]:
    """Properties of an interpreter that are unusual."""
    found = [
        python.implementation if python.implementation != "cpython" else "",
        f"{python.bits} bits" if python.bits != 64 else "",
        "free-threaded" if python.free_threaded else "",
        "a virtual environment" if python.virtual else "",
        "belongs to the system" if python.externally_managed else "",
        python.problem.why if python.problem else "",
    ]
    return [text for text in found if text]


def _index(index: IndexConfig) -> list[str]:
    lines = [index.url or "the default one", *(f"{url}, too" for url in index.extra)]
    lines += ["the newest version of all of them counts"] if index.merged and index.extra else []
    lines += [f"links in {place}" for place in index.find_links]
    return [*lines, *(f"not readable: {text}" for text in index.invalid)]


def _proxies(proxies: Proxies) -> list[str]:
    named = (("http", proxies.http), ("https", proxies.https), ("all", proxies.all), ("not for", proxies.no_proxy))
    return [f"{name}: {value}" for name, value in named if value] or ["none"]
