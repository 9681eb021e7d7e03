"""Gathers the facts about a machine, and reads and writes them as JSON."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import MISSING, asdict, fields, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from tfprov import process
from tfprov.errors import TfprovError
from tfprov.host import disks, gpu, hazards, interpreters, limits, network, places, processor, system
from tfprov.host.graphics import GpuHost
from tfprov.host.records import (
    Disk,
    Driver,
    Fact,
    Facts,
    Gpu,
    Hazard,
    IndexConfig,
    Interpreter,
    Libc,
    MigSlice,
    Problem,
    Proxies,
)
from tfprov.redact import redact, redact_all
from tfprov.structured import json_of
from tfprov.words import shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T")

_NO_FOLDERS: Mapping[str, Path] = MappingProxyType({})
_SCHEMA = 1
_ENVELOPE = frozenset({"schema", "command", "ok", "error"})
# Far below what any machine has: whoever wrote less meant another unit.
_LEAST_MEMORY = 1 << 20
_CONDA_TOOLS = ("conda", "mamba", "micromamba", "pixi")


def gather(
    environ: Mapping[str, str],
    *,
    folders: Mapping[str, Path] = _NO_FOLDERS,
    also: Path | None = None,
    cache: Path | None = None,
) -> Facts:
    """Gather the facts about this machine.

    Runs each interpreter once, and one more process where an NVIDIA driver is installed; writes nothing but `cache`.

    Args:
        environ: environment variables of the user's shell.
        folders: folders that will be written to, by purpose (`data`, `cache`, `target`, `temporary`); none of them
            needs to exist.
        also: an interpreter that the profile names.
        cache: file with earlier answers of interpreters, see `interpreters.discover`.

    Raises:
        TfprovError: `platform-no-wheel` on an operating system that TensorFlow has never been built for.
    """
    family = system.running_system()
    os_family = family.value
    container = system.container(environ)
    wsl = system.wsl(environ)
    machine, emulation = processor.architecture(os_family, environ)
    place = GpuHost(system=os_family, container=container.value, wsl=wsl.value, machine=machine.value)
    with ThreadPoolExecutor(max_workers=2) as pool:
        # These two wait for other processes; the other facts are read meanwhile.
        pythons = _begin(pool, partial(interpreters.discover, environ, also=also, cache=cache))
        graphics = _begin(pool, partial(gpu.graphics, environ, place))
        net = network.network(environ, system=os_family)
        library_path = hazards.foreign_libraries(environ)
        cwd = _working_directory()
        found = hazards.hazards(environ, system=os_family, pip=net.pip, library_path=library_path, cwd=cwd)
        return Facts(
            system=family,
            machine=machine,
            os_version=system.os_version(os_family),
            libc=system.libc(os_family),
            cpu_flags=processor.flags(os_family),
            emulation=emulation,
            cores=limits.cores(os_family),
            memory_bytes=limits.memory(os_family),
            disks=disks.free_space(folders),
            gpus=graphics.result().gpus,
            driver=graphics.result().driver,
            gpu_problem=graphics.result().problem,
            container=container,
            wsl=wsl,
            ci=system.ci(environ),
            visible_devices=_visible_devices(environ),
            library_path=Fact(value=library_path, source="LD_LIBRARY_PATH"),
            conda=_conda(environ, os_family),
            interpreters=Fact(value=pythons.result(), source="each interpreter itself"),
            index=net.index,
            proxies=net.proxies,
            certificates=net.certificates,
            hazards=Fact(
                value=(*found, *net.hazards, *gpu.ambiguous_numbers(graphics.result().gpus.value, environ)),
                source="variables, configuration files, folders",
            ),
        )


def _begin(pool: ThreadPoolExecutor, work: Callable[[], T]) -> Future[T]:
    """Run something in another thread; in this one where no thread can be started."""
    try:
        return pool.submit(work)
    except RuntimeError:
        done: Future[T] = Future()
        done.set_result(work())
        return done


def dump(facts: Facts) -> str:
    """The facts as a JSON document, each as `{value, source}`, without passwords."""
    text = json.dumps(redact_all(asdict(facts)), indent=2, ensure_ascii=False)
    # File names may contain undecodable bytes, which are written as JSON escapes.
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def load(text: str) -> Facts:
    """Parse a document of facts, written by `dump` or `tfprov facts --json` on any machine, and perhaps edited since.

    A GPU that `visible_devices` hides is not visible, also where only one of the two was edited. The version of Windows
    and macOS may begin with a name.

    Raises:
        TfprovError: `usage` when it is not such a document, naming every wrong key.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        document = _without_envelope(json_of(text))
        # pydantic rejects surrogates, which stand for undecodable bytes of a file name.
        written = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
        found = TypeAdapter(Facts).validate_json(written)
    except ValidationError as error:
        raise _no_facts(tuple(_mistake(detail) for detail in error.errors(include_url=False))) from error
    except (ValueError, RecursionError) as error:
        raise _no_facts((f"it is not valid JSON: {error}",)) from error
    if found.memory_bytes.value < _LEAST_MEMORY:
        raise _no_facts((f"`memory_bytes.value` is {found.memory_bytes.value}; it must be in bytes",))
    edited = _edited(found)
    if wrong := tuple(_not_numbers(asdict(edited))):
        raise _no_facts(wrong)
    return edited


def _edited(facts: Facts) -> Facts:
    """The facts as `gather` would have put them."""
    nvidia = tuple(each for each in facts.gpus.value if each.vendor == "nvidia")
    chosen = gpu.visible(nvidia, facts.visible_devices.value)
    seen = iter(replace(each, visible=each.visible and now.visible) for each, now in zip(nvidia, chosen, strict=True))
    gpus = tuple(next(seen) if each.vendor == "nvidia" else each for each in facts.gpus.value)
    version = facts.os_version
    if facts.system.value != "linux":
        version = replace(version, value=version.value.lstrip(string.ascii_letters + " "))
    return replace(facts, gpus=replace(facts.gpus, value=gpus), os_version=version)


def _not_numbers(value: object, key: str = "") -> Iterator[str]:
    """What is wrong with the versions and compute capabilities in a document: decisions compare their numbers."""
    name = key.rpartition(".")[2]
    if isinstance(value, (dict, tuple)):
        for part, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _not_numbers(each, f"{key}.{part}".lstrip("."))
    elif name == "compute_capability" and value and not re.fullmatch(r"\d{1,2}\.\d", str(value)):
        yield f"`{key}` must be a number such as `7.5`, not {redact(shown(value))}"
    elif name in ("version", "cuda") and value and not re.match(r"\d+(\.\d|$)", str(value)):
        yield f"`{key}` must be a version such as `12.4`, not {redact(shown(value))}"


def _without_envelope(document: object) -> object:
    """The facts alone, without the keys that every `--json` document begins with."""
    if not isinstance(document, dict) or "schema" not in document:
        return document
    if document["schema"] != _SCHEMA or document.get("command") != "facts" or document.get("ok") is not True:
        said = ", ".join(f"`{key}` is {json.dumps(document.get(key))}" for key in ("schema", "command", "ok"))
        raise _no_facts((f"it is another document: {said}",))
    return {key: value for key, value in document.items() if key not in _ENVELOPE}


def _no_facts(mistakes: tuple[str, ...]) -> TfprovError:
    return TfprovError(
        "usage",
        "this is not a facts document",
        evidence=mistakes,
        hint="correct it, or create it on that machine with `tfprov facts --json` of this version",
    )


_FORMS = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "bool_type": "`true` or `false`",
    "tuple_type": "a list, between `[` and `]`",
}
_RECORDS = (Facts, Fact, Libc, Problem, Interpreter, MigSlice, Gpu, Driver, Disk, IndexConfig, Proxies, Hazard)
_RECORDS_BY_NAME = {each.__name__: each for each in _RECORDS}
# What people call a fact, where the name of its key is unlike it.
_ALIASES = {"os": "system", "ram": "memory_bytes", "arch": "machine", "cpu": "machine", "python": "interpreters"}


def _mistake(detail: ErrorDetails) -> str:
    key, kind = ".".join(str(part) for part in detail["loc"]), detail["type"]
    if kind == "missing":
        return f"`{key}`: is missing"
    if kind == "unexpected_keyword_argument":
        return f"`{key}`: is not a key of the facts{_meant(str(detail['loc'][-1]))}"
    form = _FORMS.get(kind) or detail["msg"].removeprefix("Input should be ").replace("'", "`")
    if kind == "int_type" and key.endswith(("memory_bytes.value", "_bytes", "memory_total", "memory_used")):
        form = f"{form} of bytes"
    elif key and kind == "dataclass_type" and (record := _RECORDS_BY_NAME.get(detail["ctx"]["class_name"])):
        needed = (each.name for each in fields(record) if each.default is MISSING)
        form = f"an object with {', '.join(f'`{name}`' for name in needed)}"
    return f"{f'`{key}`' if key else 'the document'} must be {form}, not {redact(shown(detail['input']))}"


def _meant(wrong: str) -> str:
    """The key that a wrong one stands for, for messages; empty when none is like it."""
    known = {each.name for record in _RECORDS for each in fields(record)}
    meant = _ALIASES.get(wrong) or next(iter(get_close_matches(wrong, sorted(known), 1, 0.7)), wrong)
    return f"; did you mean `{meant}`?" if meant != wrong else ""


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:
        return None


def _visible_devices(environ: Mapping[str, str]) -> Fact[dict[str, str]]:
    # An empty variable counts: it hides every device.
    found = {name: environ[name] for name in gpu.VISIBILITY_VARIABLES if name in environ}
    return Fact(value=found, source=", ".join(found) or "none of the variables is set")


def _conda(environ: Mapping[str, str], os_family: system.System) -> Fact[tuple[str, ...]]:
    found: list[str] = []
    for variable in ("CONDA_EXE", "MAMBA_EXE"):
        if environ.get(variable) and system.exists(Path(environ[variable])):
            found.append(environ[variable])
    for name in _CONDA_TOOLS:
        path = process.program(name, environ)
        if path is not None:
            found.append(path)
    for prefix in places.conda_prefixes(environ, system=os_family):
        # A root prefix has its own programs; the environments below `envs` do not.
        if system.exists(prefix / "condabin") or system.exists(prefix / "envs"):
            found.append(str(prefix))
    return Fact(value=tuple(dict.fromkeys(found)), source="CONDA_EXE, MAMBA_EXE, PATH, usual folders")
