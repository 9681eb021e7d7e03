"""Copies and archives of an interpreter of this machine, made only if a copy works in another place."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov import process
from tfprov.archives import damage_as
from tfprov.bundle.runpath import make_relative
from tfprov.errors import TfprovError
from tfprov.renames import replace
from tfprov.structured import json_of
from tfprov.temporary import staged, temporary
from tfprov.trees import copy_tree

_MOMENT = 315532800
_SECONDS = 60.0
# Not needed on a machine that runs TensorFlow, and half the size of a standard library.
_LEFT_OUT = frozenset({"__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "turtledemo"})
# On every glibc system; any other library that the interpreter loads is listed in the manifest.
_EVERYWHERE = ("ld-linux", "libc.so", "libm.so", "libdl.so", "libpthread.so", "librt.so", "libutil.so", "libgcc_s.so")
_MODULES = ("ssl", "hashlib", "ctypes", "sqlite3", "zlib", "bz2", "lzma", "socket", "select", "decimal", "pyexpat")
_ASK = """\
import importlib, json, os, sys
able = []
for name in sys.argv[1].split(","):
    try:
        importlib.import_module(name)
        able.append(name)
    except ImportError:
        pass
loaded = set()
try:
    with open("/proc/self/maps") as stream:
        loaded = {line.split(None, 5)[5].strip() for line in stream if ".so" in line}
except OSError:
    pass
managed = os.path.join(os.path.dirname(os.__file__), "EXTERNALLY-MANAGED")
print(json.dumps({
    "prefix": sys.base_prefix, "library": os.path.dirname(os.__file__),
    "version": "%d.%d.%d" % sys.version_info[:3], "able": able, "loaded": sorted(loaded),
    "managed": os.path.exists(managed),
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """An archive of an interpreter.

    Attributes:
        path: the archive (tar, gzip).
        version: full version.
        executable: path relative to the folder that it is unpacked into.
        needs: shared libraries that the target machine must have.
    """

    path: Path
    version: str
    executable: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What an interpreter reports about itself.

    Attributes:
        library: folder of its standard library.
        able: those of the requested modules that it can import.
        loaded: shared libraries that are loaded afterwards; empty outside Linux.
        managed: whether it belongs to the operating system.
    """

    prefix: Path
    library: Path
    version: str
    able: tuple[str, ...]
    loaded: tuple[str, ...]
    managed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A copy of an interpreter that works wherever it is put.

    Attributes:
        version: full version.
        executable: path relative to the folder of the copy.
        needs: shared libraries that the target machine must have.
    """

    version: str
    executable: str
    needs: tuple[str, ...]


def archive(python: Path, target: Path, *, environ: Mapping[str, str]) -> Archived:
    """Make an archive of an interpreter, once a copy of it has worked in another place.

    Args:
        python: the real executable, not that of a virtual environment.
        target: the archive to write.
        environ: variables of this process.

    Raises:
        TfprovError: `python-not-movable` with the reason.
    """
    with temporary("python") as scratch:
        # A different depth, and a space in the path: both have broken copies before.
        root = scratch / "moved elsewhere"
        moved = copy(python, root, environ=environ)
        _pack(root, target)
    return Archived(path=target, version=moved.version, executable=moved.executable, needs=moved.needs)


def copy(python: Path, root: Path, *, environ: Mapping[str, str]) -> Moved:
    """Copy the parts of an interpreter that programs need, and check that the copy works.

    Args:
        python: the real executable, not that of a virtual environment.
        root: a folder that does not exist yet.
        environ: variables of this process.

    Raises:
        TfprovError: `python-not-movable` with the reason.
    """
    here = _ask(python, environ)
    prefix, library = here.prefix, here.library
    if os.name != "posix":
        raise _refused(python, "only interpreters on Linux and macOS can be moved")
    if here.managed or prefix == Path("/usr"):
        raise _refused(python, "it belongs to the operating system and shares its folders with other programs")
    if prefix not in library.parents:
        raise _refused(python, f"its library `{library}` is not below its prefix `{prefix}`")
    executable = f"bin/{python.name}"
    _copy(python, root / executable, library, prefix, root)
    there = _ask(root / executable, environ)
    if there.prefix.resolve() != root.resolve():
        raise _refused(python, f"a copy of it still uses the library in `{there.prefix}`")
    lost = [name for name in here.able if name not in there.able]
    if lost:
        raise _refused(python, f"a copy of it cannot import {', '.join(lost)}")
    back = [path for path in there.loaded if prefix in Path(path).parents]
    if back:
        raise _refused(python, f"a copy of it still loads `{back[0]}`")
    inside = root.resolve()
    needs = {Path(path).name for path in there.loaded if inside not in Path(path).resolve().parents}
    return Moved(
        version=here.version,
        executable=executable,
        needs=tuple(sorted(name for name in needs if not name.startswith(_EVERYWHERE))),
    )


def unpack(data: io.BufferedIOBase, target: Path) -> None:
    """Unpack an archive, whose hash has been checked, into a new folder, which appears complete or not at all.

    Raises:
        TfprovError: `bundle-invalid` when the archive reaches outside the folder.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        damage_as(_unreadable),
        staged(target, folder=True) as stage,
        tarfile.open(fileobj=data, mode="r:gz") as archived,
    ):
        for member in archived:
            place = (stage / member.name).resolve()
            if stage.resolve() not in place.parents or not (member.isreg() or member.issym()):
                raise TfprovError("bundle-invalid", f"the archive of the interpreter contains `{member.name}`")
            place.parent.mkdir(parents=True, exist_ok=True)
            if member.issym():
                if "/" in member.linkname:
                    raise TfprovError(
                        "bundle-invalid", f"the archive of the interpreter contains a link to `{member.linkname}`"
                    )
                place.symlink_to(member.linkname)
                continue
            source = archived.extractfile(member)
            if source is not None:
                with place.open("wb") as stream:
                    shutil.copyfileobj(source, stream)
                place.chmod(member.mode & 0o755)
        try:
            replace(stage, target)
        except OSError:
            if not target.is_dir():
                raise


def _unreadable(why: str) -> TfprovError:
    return TfprovError("bundle-invalid", "the archive of the interpreter cannot be read", evidence=(why,))


def _ask(python: Path, environ: Mapping[str, str]) -> _Answer:
    argv: list[str | Path] = [python, "-I", "-B", "-c", _ASK, ",".join(_MODULES)]
    try:
        answer = process.run(argv, env=process.clean_environment(environ), timeout=_SECONDS)
    except OSError as error:
        # It may be the copy that the file system does not let start.
        raise _refused(python, f"it does not start: {error.strerror}") from error
    try:
        said = json_of(answer.stdout)
        return _Answer(
            prefix=Path(said["prefix"]),
            library=Path(said["library"]),
            version=said["version"],
            able=tuple(said["able"]),
            loaded=tuple(said["loaded"]),
            managed=said["managed"],
        )
    except (ValueError, KeyError, TypeError):
        words = (answer.stderr or answer.stdout).strip().splitlines()
        raise _refused(python, f"it does not start: {words[-1] if words else answer.returncode}") from None


def _copy(python: Path, executable: Path, library: Path, prefix: Path, root: Path) -> None:
    executable.parent.mkdir(parents=True)
    shutil.copy2(python, executable)
    for name in {"python3", "python"} - {executable.name}:
        (executable.parent / name).symlink_to(executable.name)

    def unwanted(folder: str, names: list[str]) -> set[str]:
        # A folder `test` inside a package may be needed by that package.
        top = Path(folder) == library
        left = {name for name in names if name in _LEFT_OUT and (top or name == "__pycache__")}
        # Needed only by programs that embed an interpreter; half the size of a build with a static library.
        return left | {name for name in names if top and name.startswith("config-")}

    copy_tree(library, root / library.relative_to(prefix), ignore=unwanted, symlinks=False)
    for shared in sorted((prefix / "lib").glob("libpython*")):
        if (shared.is_file() and ".so" in shared.name) or shared.suffix == ".dylib":
            is_beside = shared.is_symlink() and not shared.readlink().parent.name
            shutil.copy2(shared, root / "lib" / shared.name, follow_symlinks=not is_beside)
    # pyenv builds them with the absolute path of the folder in which they look for their own library.
    for program in (executable, *sorted((root / "lib").glob("libpython*.so*"))):
        make_relative(program, prefix)


def _pack(root: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as packed,
    ):
        for path in sorted(each for each in root.rglob("*") if each.is_symlink() or each.is_file()):
            member = tarfile.TarInfo(path.relative_to(root).as_posix())
            member.mtime = _MOMENT
            if path.is_symlink():
                member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
                packed.addfile(member)
                continue
            member.size = path.stat().st_size
            member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                packed.addfile(member, content)


def _refused(python: Path, why: str) -> TfprovError:
    return TfprovError("python-not-movable", f"`{python}` cannot be moved to another place", evidence=(why,))
