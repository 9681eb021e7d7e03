"""The wheels of tfprov itself and of its dependencies, for bundles to machines without an index."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.pylock import PackageWheel, Pylock, PylockSelectError, PylockValidationError

from tfprov import process
from tfprov.bundle import repack
from tfprov.digests import sha256_of
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.ladder.classify import classify_text
from tfprov.lock import pylock
from tfprov.lock.platforms import PLATFORMS
from tfprov.lock.records import LockedFile
from tfprov.pipeline import other_platforms
from tfprov.pipeline.access import IndexAccess, fetch_into_store, index_access
from tfprov.pipeline.context import Context
from tfprov.pipeline.machine import Machine
from tfprov.pipeline.uv import uv_executable
from tfprov.plan.tags import marker_environment, supported_tags
from tfprov.profile.finding import shipped_folder
from tfprov.profile.records import PlatformName
from tfprov.structured import toml_of
from tfprov.temporary import temporary

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""Minor versions of Python on which a bundle can start tfprov."""
_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """The wheels that run tfprov on one platform with one minor version of Python.

    Attributes:
        platform: its name in profiles.
        python: minor version, `3.12`.
        files: path of each wheel by its SHA-256.
    """

    platform: PlatformName
    python: str
    files: dict[str, Path]


def own_wheel(folder: Path) -> Path:
    """Make a wheel of tfprov from its installed files.

    Args:
        folder: where to write it.

    Returns:
        The path of the wheel.
    """
    one = metadata.distribution("tfprov")
    package = Path(__file__).resolve().parents[1]
    return repack.repack(one, folder, also=repack.package_files(package, shipped_folder()))


def kits(
    context: Context, machine: Machine, platforms: Sequence[PlatformName], *, folder: Path, known: Mapping[str, Path]
) -> tuple[list[Kit], list[str]]:
    """The wheels for every platform and Python, and a line for each platform where some are not available.

    The wheel of tfprov itself is made from its installed files. Its dependencies come from the index, preferably in the
    versions that are installed here. Where the index does not have them, the installed distributions are repacked as
    wheels, which works for this platform and this Python only.

    Args:
        context: provides the store.
        machine: provides the network.
        platforms: where tfprov must start.
        folder: receives the wheels that are made here.
        known: wheels of the environment by hash. One of them replaces a repacked wheel with the same file name, because
            an index holds only one file of a name.
    """
    named = {path.name: (sha256, path) for sha256, path in known.items()}
    dependencies = [one for one in repack.closure("tfprov") if one.name != "tfprov"]
    installed = [f"{one.name}=={one.version}" for one in dependencies]
    own = own_wheel(folder)
    mine = {sha256_of(own): own}
    here = other_platforms.name_of(machine.facts)
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found: list[Kit] = []
    lost: list[str] = []
    for platform in platforms:
        resolved: dict[str, tuple[LockedFile, ...]] = {}
        problem = ""
        for python in PYTHONS:
            try:
                resolved[python] = _resolve(context, machine, platform, python, installed=installed)
            except TfprovError as error:
                problem = problem or f"{error.what}: {'; '.join(error.evidence)[:300]}"
        paths: dict[str, Path] = {}
        try:
            every = {file.sha256: file for files in resolved.values() for file in files}
            fetched = fetch_into_store(context, machine.network, tuple(every.values()))
            fetched.flusher.wait()
            paths = dict(fetched.paths)
        except TfprovError as error:
            resolved, problem = {}, error.what
        for python, files in resolved.items():
            chosen = {file.sha256: paths[file.sha256] for file in files}
            found.append(Kit(platform=platform, python=python, files={**mine, **chosen}))
        if platform == here and minor not in resolved:
            context.emit(
                Note(
                    text=f"the index lacks dependencies of tfprov: packing the installed ones, for Python {minor} only",
                    level="warning",
                )
            )
            packed = [repack.repack(one, folder) for one in dependencies]
            files_here = dict(named.get(path.name, (sha256_of(path), path)) for path in packed)
            found.append(Kit(platform=platform, python=minor, files={**mine, **files_here}))
        missing = [python for python in PYTHONS if python not in resolved and (platform, python) != (here, minor)]
        if missing:
            lost.append(f"tfprov cannot be started on {platform} with Python {', '.join(missing)}: {problem}")
    return found, lost


def _resolve(
    context: Context, machine: Machine, platform: PlatformName, python: str, *, installed: Sequence[str]
) -> tuple[LockedFile, ...]:
    """The wheels of tfprov's dependencies for a platform and a Python.

    Raises:
        TfprovError: the resolver's failure; `platform-no-wheel`.
    """
    with index_access(context, machine) as access:
        text = _ask(context, machine, access, platform, python, installed=installed)
    facts = other_platforms.facts_on(platform, machine.facts)
    try:
        chosen = Pylock.from_dict(toml_of(text)).select(
            environment=marker_environment(python, "cpython", facts), tags=supported_tags(python, False, facts)
        )
        wheels = ((package, wheel) for package, wheel in chosen if isinstance(wheel, PackageWheel))
        return tuple(pylock.locked_wheel(Path("pylock.toml"), package, wheel) for package, wheel in wheels)
    except (PylockSelectError, PylockValidationError) as error:
        raise TfprovError(
            "platform-no-wheel", "tfprov has a dependency without a wheel for it", evidence=(str(error),)
        ) from error


def _ask(
    context: Context,
    machine: Machine,
    access: IndexAccess,
    platform: PlatformName,
    python: str,
    *,
    installed: Sequence[str],
) -> str:
    """Resolve tfprov's dependencies, in the installed versions if possible; returns a PEP 751 document.

    Raises:
        TfprovError: the resolver's failure.
    """
    environ = {**access.environment(), "UV_PYTHON_DOWNLOADS": "never"}
    lines = [line for line in metadata.requires("tfprov") or () if "extra ==" not in line]
    with temporary("kit") as work:
        (work / "asked.in").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (work / "here.txt").write_text("\n".join(installed) + "\n", encoding="utf-8")
        # The versions installed here are tried first; one of them may have no wheel for another Python.
        for bounds in (("--constraints", str(work / "here.txt")), ()):
            argv = [
                *(str(uv_executable()), "pip", "compile", str(work / "asked.in"), *bounds),
                *("--format", "pylock.toml", "--output-file", str(work / "pylock.toml"), "--only-binary", ":all:"),
                # Without `--python`, uv would look for an interpreter of that version, and download it.
                *(
                    "--python",
                    sys.executable,
                    "--python-version",
                    python,
                    "--python-platform",
                    PLATFORMS[platform].triple,
                ),
                *("--no-header", "--no-config", "--no-progress", "--cache-dir", str(context.tool_caches / "uv")),
                *(("--index-strategy", "unsafe-best-match") if machine.network.merged else ()),
                *(part for link in access.find_links for part in ("--find-links", link)),
            ]
            answer = process.run(argv, env=environ, cwd=work, timeout=_SECONDS)
            if answer.ok:
                return access.truthful((work / "pylock.toml").read_text(encoding="utf-8"))
    said = access.truthful(answer.stderr + answer.stdout)
    what = "the dependencies of tfprov could not be resolved"
    raise access.failure() or classify_text("uv pip compile", said, answer.returncode, what=what)
