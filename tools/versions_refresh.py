"""Compare the table of versions with what the package index says today, and print the differences.

    python tools/versions_refresh.py            show what changed
    python tools/versions_refresh.py --write    write the table

It reads the names, dates and Python ranges of the files of some projects that TensorFlow needs or that often stand
beside it: which versions there are, since when, and for which Pythons each has a wheel. Of those that go with certain
releases of TensorFlow it also reads the metadata of new versions, by ranges: some 100 kB of each.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import difflib
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterable
from email.parser import HeaderParser
from functools import partial
from pathlib import Path

from compat_refresh import member, network_of, platform_of, wheel_opener
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from tfprov.plan.offers import moment
from tfprov.plan.records import IndexFile, Listing
from tfprov.plan.versions import PLATFORMS

TABLE = Path(__file__).resolve().parents[1] / "src/tfprov/plan/data/versions.json"
PROJECTS = (
    *("grpcio", "h5py", "jax", "jaxlib", "keras", "matplotlib", "ml-dtypes", "ml-metadata", "numba", "numpy"),
    *("opencv-python", "opencv-python-headless", "pandas", "pillow", "protobuf", "pyarrow", "scikit-learn", "scipy"),
    *("tensorboard", "tensorflow-addons", "tensorflow-compression", "tensorflow-data-validation"),
    *("tensorflow-datasets", "tensorflow-decision-forests", "tensorflow-federated", "tensorflow-graphics"),
    *("tensorflow-hub", "tensorflow-io", "tensorflow-io-gcs-filesystem", "tensorflow-lattice", "tensorflow-metadata"),
    *("tensorflow-model-analysis", "tensorflow-model-optimization", "tensorflow-privacy"),
    *("tensorflow-probability", "tensorflow-quantum", "tensorflow-ranking"),
    *("tensorflow-recommenders", "tensorflow-serving-api", "tensorflow-text", "tensorflow-transform", "tf-agents"),
    *("tf-keras", "tf-models-official", "tfx", "tfx-bsl", "torch", "typing-extensions", "wrapt"),
)
PAIRED = (
    *("tensorflow-compression", "tensorflow-data-validation", "tensorflow-decision-forests", "tensorflow-federated"),
    *("tensorflow-graphics", "tensorflow-io", "tensorflow-lattice", "tensorflow-model-analysis"),
    *("tensorflow-privacy", "tensorflow-probability", "tensorflow-quantum", "tensorflow-ranking"),
    *("tensorflow-recommenders", "tensorflow-serving-api", "tensorflow-text", "tensorflow-transform", "tf-agents"),
    *("tf-keras", "tf-models-official", "tfx", "tfx-bsl"),
)
"""Those whose versions go with certain releases of TensorFlow, by their metadata or by what their import checks."""
UNSAID = (
    # Keras 3 imports what TensorFlow has since 2.16, whose release notes say that it is the first with Keras 3.
    ("keras", ">=3", ">=2.16"),
    # By its release notes, 2.2.5 is the last one that works with TensorFlow 1 alone.
    ("keras", "<2.3", "<2"),
    # Its README ends with TensorFlow 2.15; with Keras 3 its import fails.
    ("tensorflow-addons", ">=0", "<2.16"),
    # Its operations are compiled for one minor version, and the first releases say `~=2.5` and `~=2.6`.
    ("tensorflow-decision-forests", "<0.1.9", "==2.5.*"),
    # Tried: their library can be loaded, and used, on one minor version more than the extra says.
    ("tensorflow-io", "==0.35.0", ">=2.14,<2.16"),
    ("tensorflow-io", "==0.37.1", ">=2.16,<2.18"),
    # They are Keras of the release with that number.
    ("tf-keras", "==2.14.*", "==2.14.*"),
    ("tf-keras", "==2.15.0", "==2.15.*"),
    ("tensorflow-decision-forests", ">=0.1.9,<0.2.1", "==2.6.*"),
)
"""Versions, and the releases of TensorFlow that they go with, where no metadata says it."""
SOURCE = "file names, upload times and Requires-Python on the package index; regenerate with tools/versions_refresh.py"
_MINORS = range(6, 31)
"""Of Python 3; the last of them stands for every later one."""


def covered(file: IndexFile) -> Iterable[tuple[str, int]]:
    """Platform and minor version of Python of everything that a wheel is for."""
    try:
        _, _, _, tags = parse_wheel_filename(file.filename)
        bounds = SpecifierSet(file.requires_python or "")
    except (InvalidWheelFilename, InvalidSpecifier):
        return
    for tag in tags:
        platforms = PLATFORMS if tag.platform == "any" else (platform_of(tag.platform),)
        if tag.platform.endswith("universal2"):
            platforms = ("macos_arm64", "macos_x86_64")
        for minor in _minors(tag.interpreter, tag.abi):
            # A later patch release may be what the range begins with.
            if bounds.contains(f"3.{minor}.99"):
                for platform in platforms:
                    if platform is not None:
                        yield platform, minor


def _minors(interpreter: str, abi: str) -> Iterable[int]:
    if interpreter == "py3":
        return _MINORS
    number = interpreter.removeprefix("cp3")
    if not number.isdigit() or abi.endswith("t"):
        return ()
    return range(int(number), _MINORS.stop) if abi == "abi3" else (int(number),)


def span(minors: set[int]) -> str:
    """`3.9-3.12`, `3.9-` without an end; ranges with a gap between them are joined by commas."""
    parts: list[str] = []
    for minor in sorted(minors):
        if minor - 1 in minors:
            continue
        end = minor
        while end + 1 in minors:
            end += 1
        parts.append(f"3.{minor}-" if end == _MINORS[-1] else f"3.{minor}-3.{end}" if end > minor else f"3.{minor}")
    return ",".join(parts)


def needs_of(archive: zipfile.ZipFile) -> str:
    """The range of TensorFlow releases that a wheel goes with; empty when it does not say."""
    metadata = HeaderParser().parsestr(member(archive, ".dist-info/METADATA"))
    # Old metadata holds lines of other projects that are not PEP 508.
    lines = [line for line in metadata.get_all("Requires-Dist", []) if re.match(r"tensorflow\b(?!-)", line)]
    # Some of tensorflow-model-analysis lack a comma: `!=2.2.*!=2.3.*`.
    lines = [re.sub(r"\*(?=[!<>=~])", "*,", line) for line in lines]
    for line in lines:
        if "extra" not in line:
            return str(Requirement(line).specifier)
    checks = (name for name in archive.namelist() if name.count("/") <= 2 and name.endswith("__init__.py"))
    for name in checks:
        found = re.search(r"""required_tensorflow_version\s*=\s*['"]([\d.]+)""", archive.read(name).decode("utf-8"))
        if found:
            return f">={found[1]}"
    # What it is compiled for may be asked for under an extra alone, because TensorFlow has many names.
    return str(Requirement(lines[0]).specifier) if lines else ""


def rows(files: Iterable[IndexFile], needs: Callable[[Version, str], str]) -> list[str]:
    """A line for each final version: number, when it came out, the Pythons of its wheels by platform, `src` and `tf=`.

    `src` stands for a source distribution.

    Args:
        files: of the project.
        needs: gives the range of TensorFlow releases for a version, by one of its wheels.
    """
    found: dict[Version, tuple[list[str], dict[str, set[int]]]] = {}
    wheels: dict[Version, str] = {}
    sources: set[Version] = set()
    for file in files:
        if file.filename.endswith((".tar.gz", ".zip")) and not file.yanked:
            with contextlib.suppress(InvalidSdistFilename):
                sources.add(parse_sdist_filename(file.filename)[1])
        if file.yanked or not file.filename.endswith(".whl"):
            continue
        version = Version(file.filename.split("-")[1])
        if version.is_prerelease or version.is_devrelease:
            continue
        wheels[version] = file.filename
        times, pythons = found.setdefault(version, ([], {}))
        # A file that lies in a folder beside the index has no time.
        times += [file.uploaded] if file.uploaded is not None else []
        for platform, minor in covered(file):
            if minor in _MINORS:
                pythons.setdefault(platform, set()).add(minor)
    lines = []
    for version, (times, pythons) in sorted(found.items()):
        spans: dict[str, list[str]] = {}
        for platform in PLATFORMS:
            if pythons.get(platform):
                spans.setdefault(span(pythons[platform]), []).append(platform)
        if spans and times:
            out = min(map(moment, times)).strftime("%Y-%m-%dT%H:%MZ")
            texts = (
                f"{'*' if len(names) == len(PLATFORMS) else '+'.join(names)}={text}" for text, names in spans.items()
            )
            tensorflow = needs(version, wheels[version])
            source = " src" if version in sources else ""
            lines.append(f"{version} {out} {' '.join(texts)}{source}{f' tf={tensorflow}' if tensorflow else ''}")
    return lines


def render(listing: Listing, today: str, needs: Callable[[str, Version, str], str]) -> str:
    """The table as text, one line a version."""
    projects = ",\n".join(
        f"  {json.dumps(name)}: [\n"
        + ",\n".join(f"    {json.dumps(line)}" for line in rows(files, partial(needs, name)))
        + "\n  ]"
        for name, files in sorted(listing.files.items())
    )
    return f'{{"generated": {json.dumps(today)}, "source": {json.dumps(SOURCE)}, "projects": {{\n{projects}\n}}}}\n'


def _known(text: str) -> dict[tuple[str, str], str]:
    """What the table says of TensorFlow releases, by project and version: it was read once, and does not change."""
    projects = json.loads(text)["projects"] if text else {}
    return {
        (name, line.split()[0]): line.partition(" tf=")[2]
        for name, lines in projects.items()
        for line in lines
        if name in PAIRED
    }


def main(arguments: Iterable[str] | None = None) -> int:
    """Print the differences; the exit status is 1 when there are any and they were not written."""
    from tfprov.fetch.index import listing

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the table")
    parser.add_argument("--index", help="package index to read; default: the one this machine is configured with")
    asked = parser.parse_args(arguments)
    network = network_of(asked.index)
    found = listing(PROJECTS, network, emit=lambda _: None, with_sources=True)
    before = TABLE.read_text("utf-8") if TABLE.exists() else ""
    known = _known(before)
    with network.client(network.ordered_routes()[0], connect_timeout=20, idle_timeout=60) as client:
        open_wheel = wheel_opener(network, client, PAIRED)

        def needs(project: str, version: Version, wheel: str) -> str:
            for name, versions, releases in UNSAID:
                if name == project and SpecifierSet(versions).contains(version):
                    return releases
            if project not in PAIRED:
                return ""
            said = known.get((project, str(version)))
            return needs_of(open_wheel(wheel)) if said is None else said

        after = render(found, datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(), needs)
    sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), after.splitlines(True), "table", "index", n=0))
    if asked.write:
        TABLE.write_text(after, "utf-8")
        return 0
    return 1 if before.splitlines()[1:] != after.splitlines()[1:] else 0


if __name__ == "__main__":
    raise SystemExit(main())
