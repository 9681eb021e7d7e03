"""Wheels made from installed distributions: tfprov's own, and its dependencies where no index has them.

tfprov's own wheel is always made from the files that are running, whether they were installed from a wheel or as an
editable checkout: without a build tool or a network, and never from another version.
"""

from __future__ import annotations

import configparser
import csv
import io
import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.errors import TfprovError
from tfprov.extras import incomplete
from tfprov.record_rows import row_of

# Written by installers; the installer of the new wheel writes them again.
_ADDED = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"})
_MOMENT = (1980, 1, 1, 0, 0, 0)


def closure(name: str) -> tuple[metadata.Distribution, ...]:
    """An installed distribution and all its dependencies on this interpreter, sorted by name.

    Raises:
        TfprovError: `extra-missing` when one of them is not installed.
    """
    found: dict[str, metadata.Distribution] = {}
    waiting = [Requirement(name)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        key = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if key in seen:
            continue
        seen.add(key)
        try:
            one = metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError as error:
            raise incomplete(f"`{wanted.name}` is not installed, and tfprov needs it") from error
        found[key[0]] = one
        for line in one.requires or ():
            need = Requirement(line)
            extras = wanted.extras or {""}
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(need)
    return tuple(found[each] for each in sorted(found))


def repack(one: metadata.Distribution, folder: Path, *, also: Mapping[str, Path] | None = None) -> Path:
    """Make a wheel of a distribution's installed files. The same files give the same bytes.

    Args:
        one: the installed distribution.
        folder: receives the wheel.
        also: files that replace those of the RECORD, by path in the wheel; for an editable install, whose RECORD does
            not list them.

    Raises:
        TfprovError: `extra-missing` when the installation has no record of its files.
    """
    files = dict(_files(one))
    files.update({path: source.read_bytes() for path, source in (also or {}).items()})
    info = _info(one)
    if f"{info}/WHEEL" not in files:
        raise _unrecorded(one)
    tags = _tags(files[f"{info}/WHEEL"].decode())
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{info.removesuffix('.dist-info')}-{tags}.whl"
    wheel.write_bytes(packed(files, info))
    return wheel


def packed(files: Mapping[str, bytes], info: str) -> bytes:
    """A wheel of these files. The same files give the same bytes.

    Args:
        files: content by path in the wheel, without a RECORD.
        info: name of its `.dist-info` folder.
    """
    record = f"{info}/RECORD"
    text = io.StringIO()
    rows = [row_of(path, data) for path, data in sorted(files.items())]
    csv.writer(text, lineterminator="\n").writerows([*rows, (record, "", "")])
    every = {**files, record: text.getvalue().encode()}
    stream = io.BytesIO()
    # RECORD comes last, as the standard recommends.
    order = sorted(every, key=lambda path: (path.startswith(f"{info}/"), path == record, path))
    # Level 1 takes less than half the time of the default level, and the wheels are 8 % larger.
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in order:
            member = zipfile.ZipInfo(path, date_time=_MOMENT)
            member.compress_type = zipfile.ZIP_DEFLATED
            mode = 0o755 if ".data/scripts/" in path else 0o644
            member.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(member, every[path], compresslevel=1)
    return stream.getvalue()


def package_files(package: Path, profiles: Path) -> dict[str, Path]:
    """The files of tfprov's own wheel, by path in it: the package and the shipped profiles.

    Args:
        package: folder of the package `tfprov`.
        profiles: folder of the shipped profiles.
    """
    found = {}
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package)
        if path.is_file() and "__pycache__" not in inside.parts and not inside.name.endswith(".pyc"):
            found[(PurePosixPath("tfprov") / inside.as_posix()).as_posix()] = path
    for path in sorted(profiles.glob("*.toml")):
        if not path.name.startswith("pylock."):
            found[f"tfprov/profiles/{path.name}"] = path
    return found


def _files(one: metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    info = _info(one)
    made = _made_scripts(one)
    for file in one.files or ():
        path = PurePosixPath(os.path.normpath(file.as_posix()).replace(os.sep, "/"))
        source = Path(str(file.locate()))
        if (
            path.suffix == ".pyc"
            or "__pycache__" in path.parts
            or path.name.startswith(("_editable_impl_", "__editable__"))
        ):
            continue
        if path.parts[0] == info and path.name in _ADDED:
            continue
        if ".." in path.parts:
            # Scripts are outside site-packages: those in the wheel, and those that installers make from entry points.
            if path.parts[-2] in ("bin", "Scripts") and path.name.removesuffix(".exe") not in made:
                yield f"{info.removesuffix('.dist-info')}.data/scripts/{path.name}", source.read_bytes()
            continue
        yield path.as_posix(), source.read_bytes()


def _made_scripts(one: metadata.Distribution) -> frozenset[str]:
    text = one.read_text("entry_points.txt") or ""
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names of programs keep their case
    parser.read_string(text)
    groups = ("console_scripts", "gui_scripts")
    return frozenset(name for group in groups if parser.has_section(group) for name in parser.options(group))


def _info(one: metadata.Distribution) -> str:
    for file in one.files or ():
        if file.parent.name.endswith(".dist-info") and file.name == "METADATA":
            return file.parent.name
    raise _unrecorded(one)


def _unrecorded(one: metadata.Distribution) -> TfprovError:
    return incomplete(f"the installation of `{one.name}` has no record of its files")


def _tags(wheel: str) -> str:
    """The compressed tag set of a WHEEL file: `py2.py3-none-any`."""
    found = [line.partition(":")[2].strip().split("-") for line in wheel.splitlines() if line.startswith("Tag:")]
    return "-".join(".".join(dict.fromkeys(parts)) for parts in zip(*found, strict=True))
