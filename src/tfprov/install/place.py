"""Installs unpacked wheels: places their files, writes commands and the records of what was installed.

The files themselves are linked from the trees. Only commands, which name the environment's interpreter, and the
metadata about the installation are written; pypa's `installer` knows their format.
"""

from __future__ import annotations

import configparser
import contextlib
import csv
import io
import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from installer.scripts import Script
from installer.utils import SCHEME_NAMES, get_launcher_kind, parse_entrypoints, parse_metadata_file
from packaging.utils import canonicalize_name

from tfprov import process, trees
from tfprov.errors import TfprovError
from tfprov.install.installers import OWN
from tfprov.paths import plain
from tfprov.record_rows import Row, row_of, rows_in, rows_of
from tfprov.structured import json_of
from tfprov.unpack.records import Tree, broken
from tfprov.writing import naming

# As in pip: in a virtual environment headers have a folder of their own.
_SCHEME = """
import json, os, sys, sysconfig
paths = sysconfig.get_paths()
if sys.prefix != sys.base_prefix:
    paths["include"] = os.path.join(sys.prefix, "include", "site", "python%d.%d" % sys.version_info[:2])
print(json.dumps({"purelib": paths["purelib"], "platlib": paths["platlib"], "headers": paths["include"],
                  "scripts": paths["scripts"], "data": paths["data"]}))
"""
_SECONDS = 60.0
_PYTHON = b"#!python"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedWheel:
    """A wheel to install.

    Attributes:
        name: normalised project name, as in the lock.
        filename: file name of the wheel, for messages.
        tree: its files.
    """

    name: str
    filename: str
    tree: Tree


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the files of one wheel go.

    Attributes:
        library: site-packages folder.
        metadata: name of its `.dist-info` folder.
        links: target of each file, by its path in the tree.
        scripts: the same for scripts that name an interpreter.
        record: rows of its RECORD by path, except those that this installation writes itself.
    """

    wheel: UnpackedWheel
    library: str
    metadata: str
    links: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    record: dict[str, Row] = field(default_factory=dict)


def place(
    wheels: Sequence[UnpackedWheel],
    *,
    python: Path,
    environ: Mapping[str, str],
    linked: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Install wheels into an environment. If two contain the same file, the later wheel's file is used.

    Args:
        wheels: the wheels; their trees are not changed.
        python: interpreter of the environment.
        environ: all environment variables of a child process.
        linked: called with the number of files that are in place, and their total.

    Raises:
        TfprovError: `cache-corrupt` for an invalid wheel; `python-broken`.
        OSError: the disk is full, or a tree is gone.
    """
    scheme = _scheme(python, environ)
    plans = [_plan(wheel, scheme) for wheel in wheels]
    for library in sorted({plan.library for plan in plans}):
        _remove_older(Path(library), {wheel.name for wheel in wheels}, environment=Path(scheme["data"]))
    _link(plans, linked)
    for plan in plans:
        _finish(plan, scheme, python)


def _scheme(python: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The folders of an environment by the names that wheels use for them."""
    asked = process.run((python, "-I", "-c", _SCHEME), env=environ, timeout=_SECONDS)
    try:
        found = json_of(asked.stdout)
        return {name: str(found[name]) for name in SCHEME_NAMES}
    except (ValueError, KeyError, TypeError) as error:
        said = (asked.stderr or asked.stdout).strip()[-500:]
        raise TfprovError("python-broken", f"`{python}` cannot be started", evidence=(said,)) from error


def _plan(wheel: UnpackedWheel, scheme: Mapping[str, str]) -> _Plan:
    metadata = _metadata_folder(wheel)
    data = metadata.removesuffix(".dist-info") + ".data"
    described = parse_metadata_file(_text(wheel, f"{metadata}/WHEEL"))
    if str(described["Wheel-Version"] or "").partition(".")[0] != "1":
        raise broken(wheel.filename, f"its Wheel-Version is `{described['Wheel-Version']}`")
    library = scheme["purelib" if str(described["Root-Is-Purelib"]).lower() == "true" else "platlib"]
    plan = _Plan(wheel, library, metadata)
    commands = {name for name, _ in _entry_points(wheel, metadata)}
    beside, record, within = f"{data}/", f"{metadata}/RECORD", f"{library}/"
    for path in wheel.tree.files:
        if not path.startswith(beside):
            if path != record:
                plan.links[path] = within + path
            continue
        kind, _, inner = path[len(beside) :].partition("/")
        if kind not in SCHEME_NAMES or not inner:
            raise broken(wheel.filename, f"`{path}` has no place in an environment")
        folder = f"{scheme[kind]}/{wheel.name}" if kind == "headers" else scheme[kind]
        if kind != "scripts":
            plan.links[path] = f"{folder}/{inner}"
        elif _stem(inner) not in commands:
            # A declared command is generated from its declaration.
            plan.scripts[path] = f"{folder}/{inner}"
    own = {f"{metadata}/{name}" for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")}
    files = frozenset(wheel.tree.files) - own
    # Files that the wheel does not contain are not installed, whatever its RECORD says.
    plan.record.update({row.path: row for row in rows_of(_text(wheel, f"{metadata}/RECORD")) if row.path in files})
    return plan


def _metadata_folder(wheel: UnpackedWheel) -> str:
    tops = {path.partition("/")[0] for path in wheel.tree.files if "/" in path}
    found = sorted(top for top in tops if top.endswith(".dist-info"))
    if len(found) != 1:
        raise broken(wheel.filename, f"it has {len(found)} `.dist-info` folders")
    name = canonicalize_name(found[0].removesuffix(".dist-info").rpartition("-")[0])
    if name != canonicalize_name(wheel.name):
        raise broken(wheel.filename, f"its metadata belongs to `{name}`")
    return found[0]


def _text(wheel: UnpackedWheel, path: str) -> str:
    try:
        return (wheel.tree.root / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise broken(wheel.filename, f"`{path}` cannot be read: {error}") from error


def _entry_points(wheel: UnpackedWheel, metadata: str) -> list[tuple[str, Script]]:
    """The commands that a wheel declares."""
    path = f"{metadata}/entry_points.txt"
    return commands_in(wheel.filename, path, _text(wheel, path)) if path in wheel.tree.files else []


def commands_in(wheel: str, path: str, text: str) -> list[tuple[str, Script]]:
    """The commands that an entry point file declares, by name.

    Args:
        wheel: file name of the wheel, for messages.
        path: path of the entry point file, for messages.
        text: its content.

    Raises:
        TfprovError: `cache-corrupt` when it cannot be parsed, or a name would be a path.
    """
    try:
        return [
            (plain(name), Script(name, module, attribute, section))
            for name, module, attribute, section in parse_entrypoints(text)
        ]
    except (ValueError, AssertionError, LookupError, configparser.Error) as error:
        raise broken(wheel, f"`{path}` cannot be read: {error}") from error


def _stem(script: str) -> str:
    for ending in (".exe", "-script.py", ".pya"):
        if script.lower().endswith(ending):
            return script[: -len(ending)]
    return script


def _remove_older(library: Path, names: set[str], *, environment: Path) -> None:
    """Remove installed versions of these projects: an environment comes with a pip, and the lock may name another.

    A conda package with any list of files may have installed them, so nothing outside the environment is deleted.
    """
    for metadata in library.glob("*.dist-info"):
        if canonicalize_name(metadata.name.removesuffix(".dist-info").rpartition("-")[0]) not in names:
            continue
        for row in rows_in(metadata):
            place = library / row.path
            if Path(os.path.realpath(place.parent)).is_relative_to(os.path.realpath(environment)):
                with contextlib.suppress(IsADirectoryError, PermissionError, NotADirectoryError):
                    place.unlink(missing_ok=True)
        shutil.rmtree(metadata, ignore_errors=True)


def _link(plans: Sequence[_Plan], linked: Callable[[int, int], None]) -> None:
    """Link every file to its place."""
    owner = {target: number for number, plan in enumerate(plans) for target in plan.links.values()}
    # Not by Path objects: for 17,000 files they would take longer than the links themselves.
    groups: dict[tuple[str, str], list[str]] = {}
    for number, plan in enumerate(plans):
        tree, library = f"{plan.wheel.tree.root}/", f"{plan.library}/"
        in_library = groups.setdefault((tree, library), [])
        for path, target in plan.links.items():
            if owner[target] != number:
                continue
            if target == library + path:
                in_library.append(path)
                continue
            # Linked files have the same relative path in both folders.
            inner = path.split("/", 2)[2]
            groups.setdefault((tree + path[: -len(inner)], target[: -len(inner)]), []).append(inner)
    done, total = 0, sum(map(len, groups.values()))
    for (root, folder), paths in groups.items():
        linked(done, total)
        _clear(Path(folder), paths)
        trees.bring_tree(Path(root), Path(folder), paths, ways=trees.ALL)
        done += len(paths)
    linked(done, total)


def _clear(target: Path, paths: Sequence[str]) -> None:
    """Delete files at these paths that were installed from elsewhere."""
    there = {top for top in {path.partition("/")[0] for path in paths} if os.path.lexists(target / top)}
    for path in paths:
        if path.partition("/")[0] in there:
            (target / path).unlink(missing_ok=True)


def _finish(plan: _Plan, scheme: Mapping[str, str], python: Path) -> None:
    """Write commands, and the records of what was installed."""
    rows: dict[str, tuple[str, str, str]] = {}
    within = f"{plan.library}/"
    for path, target in plan.links.items():
        relative = path if target == within + path else _relative(target, plan.library)
        _, digest, size = plan.record.get(path, ("", "", ""))
        rows[relative] = (relative, digest, size)
    for path, target in plan.scripts.items():
        content = (plan.wheel.tree.root / path).read_bytes()
        if content.startswith(_PYTHON):
            # Several lines, if the path of the interpreter is long or has spaces.
            _, own = Script("x", "x", "x", "console").generate(str(python), "posix")
            content = own.partition(b"# -*-")[0] + content.partition(b"\n")[2]
        rows.update([_write(Path(target), content, plan.library, executable=True)])
    for _, script in _entry_points(plan.wheel, plan.metadata):
        name, content = script.generate(str(python), get_launcher_kind())
        rows.update([_write(Path(scheme["scripts"]) / name, content, plan.library, executable=True)])
    for name, content in (("INSTALLER", f"{OWN}\n".encode()), ("REQUESTED", b"")):
        rows.update([_write(Path(plan.library) / plan.metadata / name, content, plan.library)])
    record = f"{plan.metadata}/RECORD"
    rows[record] = (record, "", "")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows.values()))
    _write(Path(plan.library) / record, text.getvalue().encode(), plan.library)


def _write(target: Path, content: bytes, library: str, *, executable: bool = False) -> tuple[str, tuple[str, str, str]]:
    """Write a new file; returns its row for RECORD, with its path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # replaced, never written to: it may be a link to a tree
    with naming(target):
        target.write_bytes(content)
    if executable:
        target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    relative = _relative(str(target), library)
    return relative, row_of(relative, content)


def _relative(target: str, library: str) -> str:
    """A path as RECORD has it: relative to site-packages."""
    if target.startswith(f"{library}/"):
        return target[len(library) + 1 :]
    return os.path.relpath(target, library).replace(os.sep, "/")
