"""Compare the compat table with what the package index says today, and print the differences.

    python tools/compat_refresh.py            show what changed
    python tools/compat_refresh.py --write    put new wheel rows into the table

It reads file names and times: wheels by project, platform and Python. Of releases before 2.10, whose CUDA libraries
tfprov does not bring, it also reads requirements, sizes and kind from the wheels, by ranges: some 300 kB of each. Of later
ones what stands inside a wheel (CUDA, compute capabilities, requirements, sizes) is measured by hand and is never touched
here; where the metadata of the wheel contradicts it, or the table does not have the release, that is said.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from tfprov.fetch.sources import Network
from tfprov.plan.offers import moment
from tfprov.plan.records import Listing

if TYPE_CHECKING:
    import httpx

TABLE = Path(__file__).resolve().parents[1] / "src/tfprov/plan/data/compat.json"
PACKAGES = ("tensorflow", "tensorflow-cpu")
STUBBED = ("tensorflow-intel", "tensorflow-cpu-aws", "tensorflow-macos")
OTHERS = ("tensorflow-metal", "tensorflow-rocm")
OLDEST_MINOR = 6  # environments can be made for Python 3.6 and newer
OLDEST = Version("1.15")
READ_BELOW = Version("2.10")
"""Releases from `OLDEST` up to here get their whole row from the index."""

_EXTRAS = {"and-cuda", "gcs-filesystem"}
"""The extras that the table speaks of."""
_LEGACY_GLIBC = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}

_SYSTEMS: dict[str, Literal["linux", "macos", "windows"]] = {"darwin": "macos", "win32": "windows"}

Built = dict[tuple[str, str, str], tuple[set[int], set[str]]]
Dates = dict[tuple[str, str, str, int], str]
Open = Callable[[str], zipfile.ZipFile]
"""Opens a wheel of the index by its file name."""


def render(document: dict[str, object]) -> str:
    """The table as text: one line a row, so that a change is a line in a diff."""
    lines = ["{"]
    keys = list(document)
    for key, value in document.items():
        comma = "," if key != keys[-1] else ""
        if key == "releases":
            releases = ",\n".join(_release(row) for row in value)
            lines.append(f'  "releases": [\n{releases}\n  ]{comma}')
        elif isinstance(value, list):
            rows = ",\n".join(f"    {_line(row)}" for row in value)
            lines.append(f'  "{key}": [\n{rows}\n  ]{comma}')
        elif isinstance(value, dict):
            rows = ",\n".join(f"    {_line(name)}: {_line(text)}" for name, text in value.items())
            lines.append(f'  "{key}": {{\n{rows}\n  }}{comma}')
        else:
            lines.append(f'  "{key}": {_line(value)}{comma}')
    return "\n".join([*lines, "}"]) + "\n"


def _release(row: dict[str, object]) -> str:
    parts = []
    for key, value in row.items():
        if key == "wheels":
            wheels = ",\n".join(f"        {_line(each)}" for each in value)
            parts.append(f'      "wheels": [\n{wheels}\n      ]')
        else:
            parts.append(f'      "{key}": {_line(value)}')
    return "    {\n" + ",\n".join(parts) + "\n    }"


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def platform_of(tag: str) -> str | None:
    """The table's name for the platform of a wheel tag; None for one that it does not speak of."""
    if tag.startswith("manylinux") and tag.endswith(("x86_64", "aarch64")):
        return f"linux_{'x86_64' if tag.endswith('x86_64') else 'aarch64'}"
    if tag.startswith("macosx") and tag.endswith(("_x86_64", "_arm64")):
        return f"macos_{'arm64' if tag.endswith('arm64') else 'x86_64'}"
    return {"win_amd64": "windows_x86_64"}.get(tag)


def covered(filename: str) -> Iterable[tuple[tuple[str, str], int, str]]:
    """Version and platform, minor version of Python and platform tag of everything that a wheel is for."""
    try:
        _, version, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return
    for tag in tags:
        platform, minor = platform_of(tag.platform), tag.interpreter.removeprefix("cp3")
        if platform is not None and minor.isdigit() and int(minor) >= OLDEST_MINOR:
            yield (str(version), platform), int(minor), tag.platform


def read_wheels(listing: Listing) -> Built:
    """Minor versions of Python and platform tags by project, version and platform."""
    built: Built = {}
    for project, offered in listing.files.items():
        for file in offered:
            if file.yanked:
                continue
            for key, minor, tag in covered(file.filename):
                minors, platforms = built.setdefault((project, *key), (set(), set()))
                minors.add(minor)
                platforms.add(tag)
    return built


def read_dates(listing: Listing) -> Dates:
    """When the last wheel came, by project, version, platform and minor version of Python."""
    dates: Dates = {}
    for project, offered in listing.files.items():
        for file in offered:
            if file.yanked or file.uploaded is None:
                continue
            for key, minor, _ in covered(file.filename):
                place = (project, *key, minor)
                # To the minute, rounded up: a file counts for a moment only if it was there before.
                at = (moment(file.uploaded) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%MZ")
                dates[place] = max(at, dates.get(place, ""))
    return dates


def read_old(listing: Listing, built: Built, open_wheel: Open) -> list[dict[str, object]]:
    """The rows of the releases before 2.10, newest first, with everything that the table says of them."""
    wheels: dict[tuple[str, str, str], tuple[int, str, int]] = {}
    for project in PACKAGES:
        for file in listing.files[project]:
            for (version, platform), minor, _ in () if file.yanked else covered(file.filename):
                key = (project, version, platform)
                wheels[key] = max(wheels.get(key, (0, "", 0)), (minor, file.filename, file.size or 0))
    versions = {Version(version) for project, version, _ in wheels if project == "tensorflow"}
    old = (each for each in versions if OLDEST <= each < READ_BELOW and not each.is_prerelease)
    return [_read_release(str(version), wheels, built, open_wheel) for version in sorted(old, reverse=True)]


def _read_release(
    version: str, wheels: dict[tuple[str, str, str], tuple[int, str, int]], built: Built, open_wheel: Open
) -> dict[str, object]:
    rows: list[dict[str, object]] = []
    for key in sorted((key for key in wheels if key[1] == version), key=lambda key: (PACKAGES.index(key[0]), key[2])):
        project, _, platform = key
        minors, tags = built[key]
        # Since 2.1 tensorflow-cpu is the build without CUDA; before, the wheel itself says it.
        kind = (
            "cpu" if project == "tensorflow-cpu" or platform.startswith("macos") else _kind(open_wheel(wheels[key][1]))
        )
        pythons = [f"3.{minor}" for minor in sorted(minors)]
        row = {"package": project, "platform": platform, "pythons": pythons, "tags": sorted(tags), "kind": kind}
        rows.append({**row, "source": "index-files"})
    _, filename, size = wheels["tensorflow", version, "linux_x86_64"]
    archive = open_wheel(filename)
    metadata = HeaderParser().parsestr(member(archive, ".dist-info/METADATA"))
    tag = min(built["tensorflow", version, "linux_x86_64"][1])
    return {
        "version": version,
        "requires_python": metadata.get("Requires-Python") or "",
        "glibc": _LEGACY_GLIBC[tag.partition("_x86_64")[0]],
        "glibc_source": "wheel-tag",
        "extras": metadata.get_all("Provides-Extra", []),
        "extras_source": "wheel-metadata",
        "requires": sorted(
            str(Requirement(line)) for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line
        ),
        "requires_source": "wheel-metadata",
        "wheel_bytes": size,
        "unpacked_bytes": sum(each.file_size for each in archive.infolist()),
        "size_source": "wheel-index",
        "cuda": None,
        "wheels": rows,
    }


def contradictions(row: dict[str, object], archive: zipfile.ZipFile, size: int, python: str) -> list[str]:
    """What the row of a release says otherwise than its Linux x86-64 wheel for a Python (`3.13`).

    The row keeps those requirements that decisions rest on; the others of the wheel do not count.
    """
    metadata = HeaderParser().parsestr(member(archive, ".dist-info/METADATA"))
    requirements = list(map(Requirement, metadata.get_all("Requires-Dist", [])))
    plain = [one for one in requirements if "extra" not in str(one.marker)]
    cuda = [one for one in requirements if "and-cuda" in str(one.marker)]
    marks = {"python_version": python, "extra": ""}
    known = [one for one in map(Requirement, row["requires"]) if one.marker is None or one.marker.evaluate(marks)]
    plain = [one for one in plain if one.marker is None or one.marker.evaluate(marks)]
    pins = (row["cuda"] or {}).get("pins", [])
    unpacked = sum(each.file_size for each in archive.infolist())
    pairs = [
        ("requires_python", row["requires_python"], metadata.get("Requires-Python") or ""),
        ("extras", sorted(row["extras"]), sorted(set(metadata.get_all("Provides-Extra", [])) & _EXTRAS)),
        ("requires", _by_name(known), _by_name(plain, of=row["requires"])),
        ("cuda.pins", _by_name(map(Requirement, pins)), _by_name(cuda, of=pins)),
        # The wheels of a release for the other Pythons differ by less than that.
        *(
            (key, row[key], count)
            for key, count in (("wheel_bytes", size), ("unpacked_bytes", unpacked))
            if not _close(row[key], count)
        ),
    ]
    told = [
        f"tensorflow {row['version']}: `{key}` is {said}, the wheel says {found}"
        for key, said, found in pairs
        if said != found
    ]
    missing = sorted(
        {canonicalize_name(one.name) for one in cuda} - {canonicalize_name(Requirement(each).name) for each in pins}
    )
    return [*told, *(f"tensorflow {row['version']}: `cuda.pins` lacks {name}" for name in missing)]


def _close(said: object, found: int) -> bool:
    return said is None or abs(said - found) <= found // 50


def _by_name(requirements: Iterable[Requirement], of: Iterable[str] | None = None) -> dict[str, list[str]]:
    """Specifiers by project, for the projects that some requirements speak of."""
    wanted = None if of is None else {canonicalize_name(Requirement(text).name) for text in of}
    found: dict[str, list[str]] = {}
    for one in requirements:
        name = canonicalize_name(one.name)
        if wanted is None or name in wanted:
            found[name] = sorted([*found.get(name, []), str(one.specifier)])
    return found


def _kind(archive: zipfile.ZipFile) -> str:
    told = re.search(r"""is_cuda_build['"]?\s*[=:,]\s*(True|False)""", member(archive, "platform/build_info.py"))
    return "cuda" if told and told[1] == "True" else "cpu"


def member(archive: zipfile.ZipFile, end: str) -> str:
    return archive.read(next(name for name in archive.namelist() if name.endswith(end))).decode("utf-8")


def refresh(document: dict[str, object], built: Built, dates: Dates) -> list[str]:
    """Bring the wheel rows of the releases up to the index, in place; say what else needs a person."""
    notes: list[str] = []
    for release in document["releases"]:
        rows = []
        version = release["version"]
        old = {(row["package"], row["platform"]): row for row in release["wheels"]}
        found = sorted(key for key in built if key[0] in PACKAGES and key[1] == version)
        for project, _, platform in sorted(found, key=lambda key: (PACKAGES.index(key[0]), key[2])):
            minors, tags = built[project, version, platform]
            row = dict(old.get((project, platform), {"package": project, "platform": platform}))
            if "kind" not in row:
                notes.append(f"{project} {version} for {platform} is new: `kind` must be read from the wheel")
                row["kind"] = "cpu"
            needs = row.get("needs")
            have = built.get((needs, version, platform), (set(), set()))[0] if needs else minors
            row["pythons"] = [f"3.{minor}" for minor in sorted(minors & have)]
            row.pop("without", None)
            if minors - have:
                row["without"] = [f"3.{minor}" for minor in sorted(minors - have)]
            row["tags"], row["source"] = sorted(tags), "index-files"
            times = [
                dates.get((name, version, platform, minor), "")
                for name in (project, needs)
                for minor in (minors & have if name is not None else ())
            ]
            if any(times):
                row["uploaded"] = max(times)
            names = ("package", "platform", "pythons", "tags", "kind", "source", "needs", "without", "uploaded")
            rows.append({name: row[name] for name in names if name in row})
        release["wheels"] = rows
    known = {Version(release["version"]) for release in document["releases"]}
    versions = {Version(version) for project, version, _ in built if project == "tensorflow"}
    # Release candidates of what came out since are of no interest.
    for version in sorted(versions - known):
        newest_final = max(each for each in known if not each.is_prerelease)
        if version > newest_final or (version > min(known) and not version.is_prerelease):
            notes.append(f"tensorflow {version} is not in the table: its wheels must be measured")
    for project in OTHERS:
        newest = max((Version(version) for name, version, _ in built if name == project), default=None)
        paired = {Version(pair["version"]) for pair in document["pairs"] if pair["package"] == project}
        if newest is not None and newest > max(paired):
            notes.append(f"{project} {newest} is newer than the newest known pair ({max(paired)})")
    return notes


def network_of(index: str | None) -> Network:
    # The same reading as the stage's own, through whatever index this machine is configured with.
    from tfprov.host.network import network as configuration

    configured = configuration(os.environ, system=_SYSTEMS.get(sys.platform, "linux")).index.value
    return Network(
        index_url=index or configured.url,
        extra=() if index else configured.extra,
        merged=configured.merged and not index,
    )


def _listing(network: Network) -> Listing:
    from tfprov.fetch.index import listing

    return listing((*PACKAGES, *STUBBED, *OTHERS), network, emit=lambda _: None)


def wheel_opener(network: Network, client: httpx.Client, projects: Iterable[str] = PACKAGES) -> Open:
    """Opens the wheels of some projects, of which it fetches what is read."""
    from tfprov.fetch.index import parse_json
    from tfprov.fetch.wheel_metadata import remote_file

    links = {}
    for project in projects:
        page = client.get(
            f"{network.simple_url.rstrip('/')}/{project}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
        )
        links.update({link.filename: link for link in parse_json(page.content, str(page.url))})

    def open_wheel(filename: str) -> zipfile.ZipFile:
        link = links[filename]

        @contextlib.contextmanager
        def ask(headers: Mapping[str, str]) -> Iterator[httpx.Response]:
            for tries_left in reversed(range(5)):
                with client.stream("GET", link.url, headers={"Accept-Encoding": "identity", **headers}) as answer:
                    # A cache between here and the index may know the file, but not yet its ranges.
                    if answer.status_code == 206 or not tries_left:
                        yield answer
                        return

        return zipfile.ZipFile(remote_file(link.url, ask, link.size or 0))

    return open_wheel


def main(arguments: Iterable[str] | None = None) -> int:
    """Print the differences; the exit status is 1 when there are any and they were not written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the wheel rows into the table")
    parser.add_argument("--index", help="package index to read; default: the one this machine is configured with")
    asked = parser.parse_args(arguments)
    before = TABLE.read_text("utf-8")
    document = json.loads(before)
    network = network_of(asked.index)
    listing = _listing(network)
    if not listing.files["tensorflow"]:
        print("the index has no tensorflow", file=sys.stderr)
        return 2
    built = read_wheels(listing)
    newer = [row for row in document["releases"] if Version(row["version"]) >= READ_BELOW]
    wheels = {file.filename: file for file in listing.files["tensorflow"] if not file.yanked}
    notes: list[str] = []
    with network.client(network.ordered_routes()[0], connect_timeout=20, idle_timeout=60) as client:
        open_wheel = wheel_opener(network, client)
        old = read_old(listing, built, open_wheel)
        for row in newer:
            start = f"tensorflow-{row['version']}-"
            names = (name for name in wheels if name.startswith(start) and "manylinux" in name and "x86_64" in name)
            # One wheel speaks for all; sizes are those of the newest Python.
            name = max(names, key=lambda name: int(name.split("-")[2][3:]), default=None)
            if name is not None:
                minor = name.split("-")[2][3:]
                notes += contradictions(row, open_wheel(name), wheels[name].size or 0, f"3.{minor}")
    document["releases"] = [*newer, *old]
    notes += refresh(document, built, read_dates(listing))
    after = render(document)
    sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), after.splitlines(True), "table", "index", n=1))
    for note in notes:
        print(f"note: {note}")
    if asked.write and after != before:
        TABLE.write_text(after, "utf-8")
        return 0
    return 1 if after != before else 0


if __name__ == "__main__":
    raise SystemExit(main())
