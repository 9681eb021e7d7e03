"""Compare the compat table with what the package index says today, and print the differences.

    python tools/compat_refresh.py            show what changed
    python tools/compat_refresh.py --write    put new wheel rows into the table

It reads file names only: wheels by project, platform and Python. What stands inside a wheel (CUDA, compute
capabilities, requirements, sizes) is measured by hand and is never touched here; a release that the table does not have
is reported, because it needs those measurements.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from tfprov.plan.records import Listing

TABLE = Path(__file__).resolve().parents[1] / "src/tfprov/plan/data/compat.json"
PACKAGES = ("tensorflow", "tensorflow-cpu")
STUBBED = ("tensorflow-intel", "tensorflow-cpu-aws", "tensorflow-macos")
OTHERS = ("tensorflow-metal", "tensorflow-rocm")
OLDEST_MINOR = 9  # environments can be made for Python 3.9 and newer

_SYSTEMS: dict[str, Literal["linux", "macos", "windows"]] = {"darwin": "macos", "win32": "windows"}

Built = dict[tuple[str, str, str], tuple[set[int], set[str]]]


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


def read_wheels(listing: Listing) -> Built:
    """Minor versions of Python and platform tags by project, version and platform."""
    built: Built = {}
    for project, offered in listing.files.items():
        for file in offered:
            if file.yanked:
                continue
            try:
                _, version, _, tags = parse_wheel_filename(file.filename)
            except InvalidWheelFilename:
                continue
            for tag in tags:
                platform, minor = platform_of(tag.platform), tag.interpreter.removeprefix("cp3")
                if platform is None or not minor.isdigit() or int(minor) < OLDEST_MINOR:
                    continue
                minors, platforms = built.setdefault((project, str(version), platform), (set(), set()))
                minors.add(int(minor))
                platforms.add(tag.platform)
    return built


def refresh(document: dict[str, object], built: Built) -> list[str]:
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
            names = ("package", "platform", "pythons", "tags", "kind", "source", "needs", "without")
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


def _listing(index: str | None) -> Listing:
    # The same reading as the stage's own, through whatever index this machine is configured with.
    from tfprov.fetch.index import listing
    from tfprov.fetch.sources import Network
    from tfprov.host.network import network as configuration

    configured = configuration(os.environ, system=_SYSTEMS.get(sys.platform, "linux")).index.value
    network = Network(
        index_url=index or configured.url,
        extra=() if index else configured.extra,
        merged=configured.merged and not index,
    )
    return listing((*PACKAGES, *STUBBED, *OTHERS), network, emit=lambda _: None)


def main(arguments: Iterable[str] | None = None) -> int:
    """Print the differences; the exit status is 1 when there are any and they were not written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the wheel rows into the table")
    parser.add_argument("--index", help="package index to read; default: the one this machine is configured with")
    asked = parser.parse_args(arguments)
    before = TABLE.read_text("utf-8")
    document = json.loads(before)
    listing = _listing(asked.index)
    if not listing.files["tensorflow"]:
        print("the index has no tensorflow", file=sys.stderr)
        return 2
    notes = refresh(document, read_wheels(listing))
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
