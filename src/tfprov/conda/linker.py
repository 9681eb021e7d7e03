"""Inside the worker: links verified archives into a prefix with py-rattler, without network access.

The library unpacks into its cache and links from there. It is given a filled cache and addresses that do not answer,
because it does not check hashes of files from `file://` addresses, and never rechecks its cache.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rattler
from rattler.networking import Client
from rattler.package_streaming import extract

from tfprov.conda.prefix import is_unpacked, mark_unpacked
from tfprov.digests import sha256_of
from tfprov.renames import replace
from tfprov.structured import json_of
from tfprov.temporary import staged
from tfprov.trash import discard

_NOWHERE = "http://127.0.0.1:9/nowhere"
"""Nothing listens on the discard port, so a package that is not in the cache is an error and not a download."""


class DamagedError(Exception):
    """An archive whose hash is not the one in the lock."""


async def link(request: dict[str, Any], tell: Callable[[str], None]) -> dict[str, object]:
    """Link packages into an empty prefix.

    Request:
        prefix: an empty folder.
        cache: folder of unpacked packages.
        packages: list of {stem, filename, path, sha256, md5, size}; `path` may be empty if it has been unpacked
            already.

    Returns:
        The packages that were unpacked, and those whose unpacked copy was damaged.
    """
    cache, prefix = Path(request["cache"]), Path(request["prefix"])
    cache.mkdir(parents=True, exist_ok=True)
    packages = request["packages"]
    unpacked = [each["stem"] for each in packages if _unpack(each, cache)]
    healed: list[str] = []
    try:
        await _install(packages, cache, prefix)
    except Exception:
        # A program may have written into a hard-linked file of an environment, and so into the unpacked copy.
        healed = [each["stem"] for each in packages if not _is_as_locked(each, cache)]
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
        # Packages' link scripts are foreign code; the library skips them by default, too.
        execute_link_scripts=False,
        show_progress=False,
    )
    await asyncio.sleep(0)
    for each in packages:
        # Another process may have unpacked another package of that name in the meantime.
        if not is_unpacked(cache / each["stem"], each["sha256"]):
            raise DamagedError(f"`{each['filename']}` was replaced while it was linked")


def _record(package: dict[str, Any], cache: Path) -> rattler.RepoDataRecord:
    known = rattler.PackageRecord.from_index_json(
        cache / package["stem"] / "info" / "index.json", package["size"], package["sha256"], package["md5"] or None
    )
    return rattler.RepoDataRecord(known, package["filename"], f"{_NOWHERE}/{package['filename']}", _NOWHERE)


def _unpack(package: dict[str, Any], cache: Path) -> bool:
    """Unpack an archive unless that has been done; returns whether it was unpacked now."""
    target = cache / package["stem"]
    if is_unpacked(target, package["sha256"]):
        return False
    with staged(target, folder=True) as stage:
        sha256, _ = extract(package["path"], stage)
        if bytes(sha256).hex() != package["sha256"]:
            raise DamagedError(f"`{package['filename']}` is not the file that the lock names")
        _check_paths(stage, package["filename"])
        mark_unpacked(stage, package["sha256"])
        discard(target)
        try:
            replace(stage, target)
        except OSError:
            # Another process was first.
            if not is_unpacked(target, package["sha256"]):
                raise
    return True


def _check_paths(folder: Path, filename: str) -> None:
    """Make sure that all paths in a package's own list lie inside the package."""
    try:
        listed = json_of((folder / "info" / "paths.json").read_bytes())["paths"]
        names = [str(entry["_path"]) for entry in listed]
    except FileNotFoundError:
        return  # an old package without that list; the library reads another one
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"the list of files in `{filename}` cannot be read") from error
    for name in names:
        if name.startswith("/") or "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
            raise DamagedError(f"`{filename}` lists a file outside itself: {name!r}")


def _is_as_locked(package: dict[str, Any], cache: Path) -> bool:
    folder = cache / package["stem"]
    return is_unpacked(folder, package["sha256"]) and whole(folder)


def whole(folder: Path) -> bool:
    """Whether every file of an unpacked package has the hash in the package's metadata."""
    try:
        listed = json_of((folder / "info" / "paths.json").read_bytes())["paths"]
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
