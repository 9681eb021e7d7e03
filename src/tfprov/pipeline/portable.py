"""A profile and its lock as they go into a bundle: they mean the same without this machine's files and network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import tomlkit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.contents import text_of
from tfprov.lock import pylock
from tfprov.lock.records import Lock
from tfprov.pipeline.records import Locked
from tfprov.profile.records import Loaded


def without_links(locked: Locked) -> Locked:
    """The locked files with wheels of the projects that are linked here: the folders stay behind."""
    sources = tuple(replace(source, editable=False) for source in locked.lock.sources)
    return replace(locked, lock=replace(locked.lock, sources=sources))


def profile(loaded: Loaded, locked: Lock, scripts: Sequence[str]) -> str:
    """The profile in one file that means the same on a machine without network.

    Requirements files and overrides are written into it. What is about this machine or its network (a path of an
    interpreter, proxies, certificates, a relative place of the environment) is left out.

    Args:
        loaded: the profile.
        locked: with the wheels of the projects that lie in folders here.
        scripts: where its checks are now, relative to it.
    """
    document = loaded.profile.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    document.pop("network", None)
    document.get("python", {}).pop("path", None)
    place = document.get("environment", {}).get("path")
    if place is not None and not Path(place).expanduser().is_absolute():
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
    """The lock with the wheels that were built here in place of their sources: on the target nothing is built.

    Args:
        loaded: the profile.
        locked: with those wheels.
        folder: where they lie, relative to the lock.
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
    """The requirements, with the projects of folders by their names, in the versions that were built."""
    kinds = {folder.name: folder.kind for folder in loaded.folders}
    found = []
    for text in loaded.requirements:
        one = Requirement(text)
        name = canonicalize_name(one.name)
        if kinds.get(name) == "dependencies":
            # What they are is in the lock.
            continue
        if name in kinds:
            extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
            marker = f"; {one.marker}" if one.marker else ""
            found.append(f"{one.name}{extras}=={locked.version(name)}{marker}")
            continue
        found.append(text)
    return found
