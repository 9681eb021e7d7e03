"""The files of an environment and its interpreter, moved to another folder. Every export gives the same tree."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.structured import minor_of

MOMENT = 315532800
"""Time of every file (1980), which every archive format can store. Bytecode records it as the time of its source."""
INTERPRETER = "interpreter"
"""Folder of the interpreter, relative to that of the environment."""
NOTES = "share/tfprov"
"""Folder of the files that describe the environment: its receipt, its lock."""
_LARGEST_SCRIPT = 1 << 20
_OWN_PYTHON = re.compile(r"(bin)/python[0-9.]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeMember:
    """A file, folder or link of a tree.

    Attributes:
        path: relative to the root of the tree, with forward slashes.
        source: file with the content; None if that is in `data`.
        data: content of a file that does not exist on disk.
        link: target of a symbolic link; empty for none.
        is_folder: whether it is a folder.
        executable: whether it is executable.
    """

    path: str
    source: Path | None = None
    data: bytes = b""
    link: str = ""
    is_folder: bool = False
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedEnvironment:
    """An environment to export, as it is on this machine.

    Attributes:
        root: folder of the generation.
        names: the paths by which its own files name it, the longest first.
        files: paths of its files relative to it, without bytecode.
        bytecode: bytecode files, by their path relative to it.
        python: folder of a relocatable interpreter; None if the target has the same one.
        executable: the interpreter, relative to that folder, or absolute on the target.
        version: full version of the interpreter.
        prefix: absolute path of the environment on the target.
        notes: files that describe it, by name.
    """

    root: Path
    names: tuple[str, ...]
    files: tuple[str, ...]
    bytecode: Mapping[str, Path]
    python: Path | None
    executable: str
    version: str
    prefix: str
    notes: Mapping[str, bytes]


def members(environment: ExportedEnvironment) -> Iterator[TreeMember]:
    """All members of the tree, in the order of their paths, folders before their content."""
    found = {member.path: member for member in _all(environment)}
    for path in list(found):
        parent = path.rpartition("/")[0]
        while parent and parent not in found:
            found[parent] = TreeMember(path=parent, is_folder=True)
            parent = parent.rpartition("/")[0]
    yield from (found[path] for path in sorted(found))


def _all(environment: ExportedEnvironment) -> Iterator[TreeMember]:
    base = environment.prefix.strip("/")
    for path in environment.files:
        if not _OWN_PYTHON.fullmatch(path) and path != "pyvenv.cfg":
            yield _member(environment, path, f"{base}/{path}")
    for path, file in environment.bytecode.items():
        folder, _, name = path.rpartition("/")
        source = environment.root / folder.rpartition("/")[0] / f"{name.partition('.')[0]}.py"
        content = _timeless(file, source)
        if content is not None:
            yield TreeMember(path=f"{base}/{path}", data=content)
    yield from _interpreter(environment, base)
    for name, content in environment.notes.items():
        yield TreeMember(path=f"{base}/{NOTES}/{name}", data=content)


def _interpreter(environment: ExportedEnvironment, base: str) -> Iterator[TreeMember]:
    minor = minor_of(environment.version)
    home = os.path.dirname(environment.executable)  # noqa: PTH120 - of a path on another machine
    leads = environment.executable
    if environment.python is not None:
        home, leads = f"{environment.prefix}/{INTERPRETER}/{home}", f"../{INTERPRETER}/{environment.executable}"
        for path in sorted(environment.python.rglob("*")):
            relative = path.relative_to(environment.python).as_posix()
            if path.is_symlink() or path.is_file():
                yield _plain(path, f"{base}/{INTERPRETER}/{relative}")
    yield TreeMember(path=f"{base}/bin/python", link=leads)
    for name in ("python3", f"python{minor}"):
        yield TreeMember(path=f"{base}/bin/{name}", link="python")
    lines = (f"home = {home}", "include-system-site-packages = false", f"version = {environment.version}", "")
    yield TreeMember(path=f"{base}/pyvenv.cfg", data="\n".join(lines).encode())


def _member(environment: ExportedEnvironment, path: str, target: str) -> TreeMember:
    file = environment.root / path
    if path.startswith("bin/") and not file.is_symlink() and file.stat().st_size <= _LARGEST_SCRIPT:
        content = file.read_bytes()
        if b"\0" not in content:
            return TreeMember(path=target, data=_renamed(content, environment), executable=_may_run(file))
    found = _plain(file, target)
    if found.link.startswith("/"):
        inside = _renamed(os.fsencode(found.link), environment)
        return TreeMember(path=target, link=os.fsdecode(inside))
    return found


def _plain(file: Path, target: str) -> TreeMember:
    if file.is_symlink():
        return TreeMember(path=target, link=os.fspath(file.readlink()))
    return TreeMember(path=target, source=file, executable=_may_run(file))


def _may_run(file: Path) -> bool:
    return bool(file.stat().st_mode & 0o100)


def _renamed(content: bytes, environment: ExportedEnvironment) -> bytes:
    """A script in which the environment's path is replaced, also where a shell has quoted an apostrophe in it."""
    for name in environment.names:
        for spelled in dict.fromkeys((name, name.replace("'", "'\"'\"'"))):
            content = content.replace(os.fsencode(spelled), environment.prefix.encode())
    return content


def _timeless(file: Path, source: Path) -> bytes | None:
    """Bytecode with the time that its source has in the tree; None if it was compiled from another source."""
    try:
        content, status = file.read_bytes(), source.stat()
        flags, moment, size = struct.unpack_from("<III", content, 4)
    except (OSError, struct.error):
        return None
    if flags:
        return content
    if (moment, size) != (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF):
        return None
    return content[:8] + struct.pack("<I", MOMENT) + content[12:]
