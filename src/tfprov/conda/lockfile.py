"""Inside the worker: locks in conda-lock's format, through conda-lock's own models."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from conda_lock.lockfile import parse_conda_lock_file, write_conda_lock_file
from conda_lock.lockfile.v1.models import HashModel, LockMeta
from conda_lock.lockfile.v2prelim.models import LockedDependency, Lockfile
from conda_lock.models.channel import Channel

OWN = "tfprov"
"""Key of tfprov's own part in `metadata.custom_metadata`."""


def write(request: dict[str, Any]) -> dict[str, object]:
    """Write a lock, and read it again: what `read` returns for it.

    Request:
        path: the file to write.
        subdir: platform.
        channels: names or addresses without credentials.
        packages: conda packages.
        wheels: list of {name, version, url, sha256}.
        own: text that `read` returns.
        source: name of the profile.
    """
    subdir = request["subdir"]
    locked = [
        LockedDependency(
            name=each["name"],
            version=each["version"],
            manager="conda",
            platform=subdir,
            # Names only: with versions, other tools install in a wrong order.
            dependencies=dict.fromkeys(each["depends"], ""),
            url=each["url"],
            hash=HashModel(md5=each["md5"], sha256=each["sha256"]),
            build=each["build"],
            categories={"main"},
        )
        for each in request["packages"]
    ]
    locked += [
        LockedDependency(
            name=each["name"],
            version=each["version"],
            manager="pip",
            platform=subdir,
            dependencies={},
            url=each["url"],
            hash=HashModel(sha256=each["sha256"]),
            categories={"main"},
        )
        for each in request["wheels"]
    ]
    digest = hashlib.sha256(request["own"].encode()).hexdigest()
    lock = Lockfile(
        package=locked,
        metadata=LockMeta(
            content_hash={subdir: digest},
            channels=[Channel(url=name, used_env_vars=()) for name in request["channels"]],
            platforms=[subdir],
            sources=[request["source"]],
            # conda's own reader of this format refuses a lock without `created_by`.
            custom_metadata={"created_by": "tfprov", OWN: request["own"]},
        ),
    )
    lock.toposort_inplace()
    write_conda_lock_file(lock, Path(request["path"]), metadata_choices=(), include_help_text=False)
    return read(request)


def read(request: dict[str, Any]) -> dict[str, object]:
    """The content of a lock for one platform: conda packages in linking order, then wheels.

    Request:
        path: the lock file.
        subdir: platform.
    """
    try:
        lock = parse_conda_lock_file(Path(request["path"]))
    except OSError:
        raise
    except Exception as error:  # whatever the parser raises, the file is the cause
        raise ValueError(f"{type(error).__name__}: {error}") from error
    lock.toposort_inplace()
    conda, wheels = [], []
    for each in lock.package:
        if each.platform != request["subdir"]:
            continue
        known = {"name": each.name, "version": each.version, "url": each.url, "sha256": each.hash.sha256 or ""}
        if each.manager == "conda":
            known |= {"md5": each.hash.md5, "build": each.build, "depends": sorted(each.dependencies)}
            conda.append(known)
        else:
            wheels.append(known)
    return {
        "own": (lock.metadata.custom_metadata or {}).get(OWN, ""),
        "platforms": list(lock.metadata.platforms),
        "packages": conda,
        "wheels": wheels,
    }
