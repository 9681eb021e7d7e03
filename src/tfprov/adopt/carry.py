"""Packs the user's own files into a wheel, which a profile can ask for like any other package.

Only files that work the same in another folder, and have no other effect there, are carried over: pure Python modules,
scripts, and folders that a `.pth` file adds to `sys.path`. Everything else is listed with the reason.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.utils import canonicalize_name

from tfprov.adopt.beside import PTH_CODE
from tfprov.adopt.metadata import LEFTOVER, recorded
from tfprov.adopt.records import Beside, ForeignEnvironment
from tfprov.archives import damage
from tfprov.contents import content_of, regular
from tfprov.distributions import kind_of
from tfprov.envs.layout import executables_in
from tfprov.wants.basket import CARRIED

_VERSION = "1"
_MOST_BYTES = 16 << 20
_MOST_FILES = 4000
_LARGEST_SCRIPT = 1 << 20
# These modules run at each start of Python, like code in a `.pth` file.
_AT_START = frozenset({"sitecustomize", "usercustomize"})
# Modules of TensorFlow and projects released with it: if no package owns them, they are remains of an installation.
_OF_TENSORFLOW = frozenset(
    {"keras", "tensorboard", "tensorflow", "tensorflow-core", "tensorflow-estimator", "tf-keras"}
)
_COMPILED = (".so", ".pyd", ".dll", ".dylib", ".a", ".lib")
_BYTECODE = (".pyc", ".pyo")
_EXEC = re.compile(rb"^#!/bin/sh\r?\n'''exec' \"?(?P<program>/[^\n\"]+?)\"? \"\$0\" \"\$@\"\r?\n' '''\r?\n")
_FIRST = re.compile(rb"^#![ \t]*(?P<program>[^\r\n \t]+)[ \t]*(?P<options>[^\r\n]*)\r?\n?")
# How installers write the commands that a package declares.
_GENERATED = re.compile(rb"^from [\w.]+ import \w+[\s\S]*sys\.exit\(\w+(?:\.\w+)*\(\)\)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The user's files that are carried over, and those that are not.

    Attributes:
        project: name of the wheel's project, normalised.
        files: content by path in the wheel, without its metadata; empty when nothing is carried over.
        paths: where those files are in the environment, as in `ForeignEnvironment.beside`.
        left: reason for each of the others, by path in the environment.
    """

    project: str
    files: dict[str, bytes] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    left: dict[str, str] = field(default_factory=dict)

    @property
    def info(self) -> str:
        """Name of the wheel's `.dist-info` folder."""
        return f"{self.project.replace('-', '_')}-{_VERSION}.dist-info"

    @property
    def wheel(self) -> str:
        """File name of the wheel."""
        return f"{self.info.removesuffix('.dist-info')}-py3-none-any.whl"

    @property
    def metadata(self) -> dict[str, bytes]:
        """The wheel's metadata files, by path in it, except its RECORD."""
        about = "Files that no package owned in the environment that tfprov adopt read"
        described = f"Metadata-Version: 2.1\nName: {self.project}\nVersion: {_VERSION}\nSummary: {about}\n"
        built = "Wheel-Version: 1.0\nGenerator: tfprov\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        return {f"{self.info}/METADATA": described.encode(), f"{self.info}/WHEEL": built.encode()}


def wrote(wheel: Path, own: Carried) -> bool:
    """Whether a file is a wheel of this kind, possibly left by a run that was killed; its files are not compared."""
    name = f"{own.info}/WHEEL"
    with contextlib.suppress(OSError, *damage()), regular(wheel) as stream, zipfile.ZipFile(stream) as archive:
        return archive.read(name) == own.metadata[name]
    return False


class _LeftError(Exception):
    """Raised for something that is not carried over; the message says why."""


def carried(found: ForeignEnvironment, name: str) -> Carried:
    """Collect those of an environment's own files that can be carried over to another one. Nothing is run.

    Args:
        found: the environment.
        name: name of the environment that gets them.
    """
    project = canonicalize_name(f"{name}{CARRIED}")
    stem = project.replace("-", "_")
    files: dict[str, bytes] = {}
    paths: list[str] = []
    left: dict[str, str] = {}
    added: list[str] = []
    for one in found.beside:
        if one.kind not in ("startup", "file", "command"):
            continue
        try:
            _check(found, one)
            if one.kind == "startup":
                added += [line for line in _added(found, one) if line not in added]
            elif one.kind == "file":
                files |= _module(found, one, room=_MOST_BYTES - sum(map(len, files.values())))
            else:
                files[f"{stem}-{_VERSION}.data/scripts/{Path(one.path).name}"] = _script(found, one)
        except _LeftError as why:
            left[one.path] = str(why)
        except OSError as error:
            left[one.path] = f"it cannot be read: {error.strerror}"
        else:
            paths.append(one.path)
    if added:
        files[f"{stem}.pth"] = "".join(f"{line}\n" for line in added).encode()
    return Carried(project=project, files=files, paths=tuple(paths), left=left)


def _check(found: ForeignEnvironment, one: Beside) -> None:
    """Refuse a file if the environment, its name or an interrupted installation leaves doubts about its owner."""
    if found.kind != "venv" or os.name != "posix":
        raise _LeftError("files are carried over only from a virtual environment on Linux or macOS")
    name = Path(one.path).name
    if not name.isprintable() or "\\" in name:
        raise _LeftError("its name has unusual characters")
    if (found.root / one.path).is_symlink():
        raise _LeftError("it is a link")
    half_done = any(each.lacks for each in found.distributions) or any(
        each.kind == "leftover" and LEFTOVER.match(Path(each.path).name) for each in found.beside
    )
    if half_done and one.kind != "startup":
        raise _LeftError("an interrupted installation left files here, so nothing says which package owns it")


def _added(found: ForeignEnvironment, one: Beside) -> Iterator[str]:
    """The folders that a `.pth` file adds to `sys.path`, absolute."""
    path = found.root / one.path
    try:
        lines = [line.strip() for line in content_of(path, most=_LARGEST_SCRIPT).decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise _LeftError("it is not UTF-8") from error
    for line in lines:
        if not line or line.startswith("#"):
            continue
        if PTH_CODE.match(line):
            raise _LeftError("it runs code at every start of Python")
        folder = Path(os.path.realpath(path.parent / line))
        if not folder.is_dir():
            raise _LeftError(f"`{line}` is not a folder")
        if folder == found.root or found.root in folder.parents:
            raise _LeftError(f"`{line}` is inside the environment")
        if any(folder.glob("*.dist-info")) or any((folder / name).exists() for name in ("tensorflow", "tensorflow.py")):
            raise _LeftError(f"packages are installed in `{line}`")
        if not str(folder).isprintable():
            raise _LeftError("the name of a folder has unusual characters")
        yield str(folder)


def _module(found: ForeignEnvironment, one: Beside, *, room: int) -> dict[str, bytes]:
    """The files of a module, by path in a wheel."""
    path = found.root / one.path.rstrip("/")
    name = path.stem if path.is_file() else path.name
    if not name.isidentifier() or (path.is_file() and path.suffix != ".py"):
        raise _LeftError("it is not a Python module")
    if name in _AT_START:
        raise _LeftError("it runs at every start of Python")
    if name.startswith("__editable__"):
        raise _LeftError("it belongs to an editable project")
    if path.is_dir() and path.name in _tops(found):
        raise _LeftError("it is in the folder of a package")
    normal = canonicalize_name(name)
    if normal in _OF_TENSORFLOW or kind_of(normal) or any(normal == each.name for each in found.distributions):
        raise _LeftError("it has the name of a package")
    files: dict[str, bytes] = {}
    for each in (path, *sorted(path.rglob("*"))) if path.is_dir() else (path,):
        inside = each.relative_to(path.parent).as_posix()
        mode = each.lstat().st_mode
        if stat.S_ISDIR(mode) or each.suffix in _BYTECODE:
            continue
        if not stat.S_ISREG(mode):
            raise _LeftError(f"`{inside}` is not a regular file")
        if each.name.endswith(_COMPILED) or ".so." in each.name:
            raise _LeftError(f"`{inside}` is compiled for one Python version")
        if not inside.isprintable() or "\\" in inside:
            raise _LeftError("the name of a file has unusual characters")
        room -= each.stat().st_size
        if room < 0 or len(files) >= _MOST_FILES:
            raise _LeftError("it is too large")
        files[inside] = content_of(each, most=_MOST_BYTES)
    return files


def _tops(found: ForeignEnvironment) -> frozenset[str]:
    """Top-level folders of site-packages in which a package has files."""
    return frozenset(
        path.partition("/")[0]
        for one in found.distributions
        for path in (recorded(one.metadata) if one.metadata.is_dir() else ())
    )


def _script(found: ForeignEnvironment, one: Beside) -> bytes:
    """A script for the wheel: a shebang line that names the environment's Python becomes `#!python`."""
    path = found.root / one.path
    if not os.access(path, os.X_OK):
        raise _LeftError("it is not executable")
    content = content_of(path, most=_LARGEST_SCRIPT)
    with contextlib.suppress(UnicodeDecodeError):
        content.decode("utf-8")
        line = _EXEC.match(content) or _FIRST.match(content)
        if line is None:
            raise _LeftError("it is not a script")
        rest = content[line.end() :]
        if _GENERATED.search(rest):
            raise _LeftError("it is the command of a package that is gone")
        program = os.fsdecode(line["program"])
        places = {str(each) for each in (found.root, found.named, found.made_at) if each is not None}
        inside = next((place for place in places if program.startswith(f"{place}/")), None)
        # The new environment may take the old one's path, so that this stays right; but the old one's files are gone.
        if any(os.fsencode(f"{place}/") in rest for place in places):
            raise _LeftError("it contains paths of the environment")
        if inside is None:
            return content
        name = os.path.basename(program)  # noqa: PTH119 - any text may stand there
        own = os.path.dirname(program) == str(executables_in(Path(inside)))  # noqa: PTH120 - likewise
        options = line.groupdict().get("options") or b""
        if not own or not re.fullmatch(r"python[\d.]*", name) or options.strip():
            raise _LeftError(f"its first line starts `{program}` in an unusual way")
        return b"#!python\n" + rest
    raise _LeftError("it is not a script")
