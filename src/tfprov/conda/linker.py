"""Inside the worker: from verified archives to a prefix, by py-rattler, without the network.

The library unpacks into its cache and links from there. It is given a full cache and addresses at which nobody answers,
because it checks no hash of what it reads from a `file://` address, and what it took in once it takes for good.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rattler
from rattler.networking import Client
from rattler.package_streaming import extract

from tfprov.digests import sha256_of
from tfprov.paths import discard

_NOWHERE = "http://127.0.0.1:9/nowhere"
"""Nobody answers at the discard port: a package that is not in the cache is an error and not a download."""


class DamagedError(Exception):
    """An archive that is not the locked one."""


async def link(request: dict[str, Any], tell: Callable[[str], None]) -> dict[str, object]:
    """Fill an empty prefix.

    Request:
        prefix: an empty folder.
        cache: folder of unpacked packages.
        packages: list of {stem, filename, path, sha256, md5, size, channel, url}; `path` may be gone when unpacked.

    Returns:
        What was unpacked anew, and the packages whose unpacked copy had been written to.
    """
    cache, prefix = Path(request["cache"]), Path(request["prefix"])
    cache.mkdir(parents=True, exist_ok=True)
    _sweep(cache)
    packages = request["packages"]
    unpacked = [each["stem"] for each in packages if _unpack(each, cache)]
    healed: list[str] = []
    try:
        await _install(packages, cache, prefix)
    except Exception:
        # A program wrote into a file of an environment, and so into the copy that it is linked from.
        healed = [each["stem"] for each in packages if not whole(cache / each["stem"])]
        if not healed:
            raise
        tell(f"{len(healed)} unpacked packages were damaged: unpacking them again")
        for each in packages:
            if each["stem"] in healed:
                discard(cache / each["stem"])
                _unpack(each, cache)
        _empty(prefix)
        await _install(packages, cache, prefix)
    return {"unpacked": unpacked, "healed": healed}


async def _install(packages: list[dict[str, Any]], cache: Path, prefix: Path) -> None:
    records = [_record(each, cache) for each in packages]
    await rattler.install(
        records,
        prefix,
        package_cache=rattler.PackageCache.new_layered([cache], validation_mode=rattler.ValidationMode.full()),
        client=Client(),
        # Scripts of packages would run foreign code; the library leaves them out by default, and so does conda-forge.
        execute_link_scripts=False,
        show_progress=False,
    )
    await asyncio.sleep(0)


def _record(package: dict[str, Any], cache: Path) -> rattler.RepoDataRecord:
    known = rattler.PackageRecord.from_index_json(
        cache / package["stem"] / "info" / "index.json", package["size"], package["sha256"], package["md5"] or None
    )
    return rattler.RepoDataRecord(known, package["filename"], f"{_NOWHERE}/{package['filename']}", _NOWHERE)


def _unpack(package: dict[str, Any], cache: Path) -> bool:
    """Unpack an archive unless it is; whether that was done."""
    target = cache / package["stem"]
    if (target / "info" / "index.json").is_file():
        return False
    discard(target)
    temporary = cache / f".{package['stem']}.{os.getpid()}.new"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        sha256, _ = extract(package["path"], temporary)
        if bytes(sha256).hex() != package["sha256"]:
            raise DamagedError(f"`{package['filename']}` is not the file that the lock names")
        try:
            temporary.rename(target)
        except OSError:
            # Another run was first.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True


def whole(folder: Path) -> bool:
    """Whether every file of an unpacked package has the hash that the package gives it."""
    try:
        listed = json.loads((folder / "info" / "paths.json").read_bytes())["paths"]
        return all(
            sha256_of(folder / entry["_path"]) == entry["sha256"]
            for entry in listed
            if entry.get("path_type") == "hardlink" and entry.get("sha256")
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _sweep(cache: Path) -> None:
    """Delete what killed workers left half unpacked."""
    for left in cache.glob(".*.new"):
        maker = left.suffixes[-2][1:]
        if not maker.isdecimal() or not _alive(int(maker)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
