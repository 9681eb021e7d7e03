"""Rewrites a profile and its lock for a bundle, so that they no longer need this machine's files and network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import tomlkit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.contents import text_of
from tfprov.lock import pylock
from tfprov.lock.records import Lock
from tfprov.paths import expanded
from tfprov.pipeline.records import Locked
from tfprov.profile.records import Loaded


def without_links(locked: Locked) -> Locked:
    """The lock with no editable projects: a bundle gets their wheels, because it does not contain their folders."""
    sources = tuple(replace(source, editable=False) for source in locked.lock.sources)
    return replace(locked, lock=replace(locked.lock, sources=sources))


def profile(loaded: Loaded, locked: Lock, scripts: Sequence[str]) -> str:
    """The profile as a single file that means the same on a machine without a network.

    The contents of requirements files and the overrides are written into it. Settings for this machine or its network
    (interpreter path, proxies, certificates, a relative environment path) are left out.

    Args:
        loaded: the profile.
        locked: includes the wheels of projects in local folders.
        scripts: paths of the smoke test scripts in the bundle, relative to the profile.

    Returns:
        TOML text.
    """
    document = loaded.profile.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    document.pop("network", None)
    document.get("python", {}).pop("path", None)
    place = document.get("environment", {}).get("path")
    if place is not None and not expanded(place).is_absolute():
        document["environment"].pop("path")
    packages = {
        "requirements": _requirements(loaded, locked),
        "constraints": list(loaded.constraints),
        "overrides": list(loaded.profile.packages.overrides),
        "exclude": list(loaded.profile.packages.exclude),
        "build": document.get("packages", {}).get("build"),
    }
    document["packages"] = {key: value for key, value in packages.items() if value}
    if scripts:
        document.setdefault("smoke", {})["scripts"] = list(scripts)
    kept = {key: value for key, value in document.items() if value != {}}
    return f"# Made by `tfprov bundle` from `{loaded.path.name}`.\n" + tomlkit.dumps(kept)


def lock(loaded: Loaded, locked: Lock, folder: str) -> str:
    """The lock with the wheels that were built here in place of their sources: nothing is built on the target.

    Args:
        loaded: the profile.
        locked: includes those wheels.
        folder: the folder of the wheels, relative to the lock.

    Returns:
        TOML text, a PEP 751 document.
    """
    text, header = text_of(locked.path), pylock.read_header(locked.path)
    built = {file.name: file for file in locked.files if header is not None and file.name in header.built}
    text = pylock.with_wheels(text, built, folder) if built else text
    if not loaded.folders:
        return text
    document = tomlkit.parse(text)
    inputs = document["tool"]["tfprov"]["inputs"]
    inputs["requirements"], inputs["folders"] = _requirements(loaded, locked), []
    return tomlkit.dumps(document)


def _requirements(loaded: Loaded, locked: Lock) -> list[str]:
    """The requirements, with each project in a local folder pinned to the version that was built."""
    kinds = {folder.name: folder.kind for folder in loaded.folders}
    found = []
    for text in loaded.requirements:
        one = Requirement(text)
        name = canonicalize_name(one.name)
        if kinds.get(name) == "dependencies":
            # The lock lists the dependencies of such a project.
            continue
        if name in kinds:
            extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
            marker = f"; {one.marker}" if one.marker else ""
            found.append(f"{one.name}{extras}=={locked.version(name)}{marker}")
            continue
        found.append(text)
    return found
