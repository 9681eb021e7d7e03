"""A conda channel made from what the machine has: real archives, a real Python, stand-in builds of TensorFlow.

The interpreter that runs the tests is packed as a conda package: its own files, with the text files that name its place
marked for prefix replacement and its libraries without what debuggers read, as conda's build tools do. Everything else
is a few lines of text.
"""

from __future__ import annotations

import bz2
import functools
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from loopback import Faults, Index, Seen, _Connection
from sham import MODULE
from wheels import rows_without

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
VERSION = f"{MINOR}.{sys.version_info[2]}"
SUBDIR = "linux-64"
PLACEHOLDER = "/opt/placehold_placehold_placehold_placehold"
"""What stands in text files for the place of the environment."""
_WORK_OF_PIP = ("pip/_internal/", "pip/_vendor/")
_LEFT_OUT = frozenset(
    {
        *("test", "tests", "idlelib", "idle_test", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data"),
        "__pycache__",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of a package.

    Attributes:
        content: bytes; the target of a symbolic link when `link`.
        placeholder: the path in a text file that the place of the environment is written over; empty for none.
    """

    path: str
    content: bytes
    mode: int = 0o644
    link: bool = False
    placeholder: str = ""
    binary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What a package says of itself.

    Attributes:
        noarch: `python` for files below `site-packages/` that fit every Python; empty for a package of `SUBDIR`.
    """

    name: str
    version: str
    build: str = "0"
    build_number: int = 0
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: Literal["", "python", "generic"] = ""
    files: tuple[Entry, ...] = ()

    @property
    def subdir(self) -> str:
        return "noarch" if self.noarch else SUBDIR

    @property
    def index(self) -> dict[str, object]:
        found: dict[str, object] = {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": self.build_number,
            "depends": list(self.depends),
            "constrains": list(self.constrains),
            "subdir": self.subdir,
            "timestamp": 1_700_000_000_000 + self.build_number,
        }
        if self.noarch:
            found["noarch"] = self.noarch
        else:
            found |= {"arch": "x86_64", "platform": "linux"}
        return found


def text_package(
    name: str,
    version: str,
    files: Mapping[str, str] | None = None,
    *,
    depends: Sequence[str] = ("python",),
    noarch: Literal["", "python", "generic"] = "python",
    build: str = "0",
    build_number: int = 0,
    constrains: Sequence[str] = (),
    dist: str | None = None,
) -> Package:
    """A small package.

    Args:
        name: of it.
        version: of it.
        files: text by path; `site-packages/…` for a noarch Python package. A module of its name when None.
        depends: conda specs.
        noarch: see `Package`.
        build: build string.
        build_number: of it.
        constrains: conda specs.
        dist: name of the Python project in it, whose metadata is added; None for none.
    """
    library = "site-packages" if noarch == "python" else f"lib/python{MINOR}/site-packages"
    given = {f"{library}/{name.replace('-', '_')}.py": f"__version__ = {version!r}\n"} if files is None else dict(files)
    if dist is not None:
        metadata = f"{library}/{dist.replace('-', '_')}-{version}.dist-info"
        given[f"{metadata}/METADATA"] = f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n"
        given[f"{metadata}/RECORD"] = ""
    return Package(
        name=name,
        version=version,
        build=build,
        build_number=build_number,
        depends=tuple(depends),
        constrains=tuple(constrains),
        noarch=noarch,
        files=tuple(
            Entry(
                path=path,
                content=text.encode(),
                mode=0o755 if path.startswith("bin/") else 0o644,
                placeholder=PLACEHOLDER if PLACEHOLDER in text else "",
            )
            for path, text in given.items()
        ),
    )


@functools.cache
def python_files() -> tuple[Entry, ...]:
    """The files of the Python that runs the tests, as a package of it would have them."""
    base = Path(sys.base_prefix)
    home = os.fsencode(base)
    found: list[Entry] = []
    library = base / "lib" / f"python{MINOR}"
    for path in _walk(library):
        relative = path.relative_to(library)
        if relative.parts[0] in ("site-packages", f"config-{MINOR}-x86_64-linux-gnu") or path.suffix in (".a", ".pyc"):
            continue
        found.append(_entry(path, f"lib/python{MINOR}/{relative.as_posix()}", home))
    # The folder of the packages has to be there.
    found.append(Entry(path=f"lib/python{MINOR}/site-packages/README.txt", content=b"packages\n"))
    for shared in sorted((base / "lib").glob("libpython*.so*")):
        found.append(_entry(shared, f"lib/{shared.name}", home))
    found.append(_entry((base / "bin" / f"python{MINOR}").resolve(), f"bin/python{MINOR}", home))
    found += [Entry(path=f"bin/{name}", content=f"python{MINOR}".encode(), link=True) for name in ("python", "python3")]
    return _stripped(found)


def _stripped(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The files, libraries without what debuggers read: of 48 MB of a Python built here, 26 are that."""
    strip = shutil.which("strip")
    libraries = {entry.path: entry for entry in entries if entry.content.startswith(b"\x7fELF")}
    if strip is None or not libraries:
        return tuple(entries)
    with tempfile.TemporaryDirectory() as folder:
        copies = {path: Path(folder, str(number)) for number, path in enumerate(libraries)}
        for path, copy in copies.items():
            copy.write_bytes(libraries[path].content)
        subprocess.run([strip, "--strip-debug", *copies.values()], check=True)
        small = {path: replace(libraries[path], content=copy.read_bytes()) for path, copy in copies.items()}
    return tuple(small.get(entry.path, entry) for entry in entries)


def python_package() -> Package:
    """The Python that runs the tests."""
    return Package(name="python", version=VERSION, build="h0_0_cpython", files=python_files())


@functools.cache
def pip_package() -> Package:
    """The pip that comes with this Python, as a noarch package, without the 500 files that do its work."""
    import ensurepip

    (wheel,) = Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if not name.startswith(_WORK_OF_PIP)}
    (record,) = (name for name in files if name.endswith(".dist-info/RECORD"))
    files[record] = rows_without(files[record].decode(), _WORK_OF_PIP).encode()
    return Package(
        name="pip",
        version=wheel.name.split("-")[1],
        build="pyh0_0",
        depends=("python >=3.8",),
        noarch="python",
        files=tuple(Entry(path=f"site-packages/{path}", content=content) for path, content in files.items()),
    )


def tensorflow_packages(version: str = "2.19.1") -> tuple[Package, ...]:
    """Stand-ins with the metadata of the real thing: a CPU and a CUDA build of `tensorflow`, chosen by `__cuda`."""
    source = {f"lib/python{MINOR}/site-packages/tensorflow/__init__.py": MODULE.replace("2.99.0", version)}
    tag = f"py{MINOR.replace('.', '')}h0"
    python = f"python >={MINOR},<{sys.version_info[0]}.{sys.version_info[1] + 1}.0a0"
    return (
        text_package(
            "tensorflow",
            version,
            {
                **{path: text.replace("CUDA_BUILD = True", "CUDA_BUILD = False") for path, text in source.items()},
                "etc/conda/activate.d/tensorflow.sh": 'export SHAM_ACTIVATED="$CONDA_PREFIX"\n',
                "etc/conda/deactivate.d/tensorflow.sh": "unset SHAM_ACTIVATED\n",
            },
            depends=(python,),
            noarch="",
            build=f"cpu_{tag}_3",
            build_number=3,
            dist="tensorflow",
        ),
        text_package(
            "tensorflow",
            version,
            source,
            depends=(python, "__cuda", "cuda-version >=12.8,<13"),
            noarch="",
            build=f"cuda128{tag}_203",
            build_number=203,
            dist="tensorflow",
        ),
        text_package(
            "cuda-version",
            "12.8",
            {"share/cuda-version": "12.8\n"},
            depends=(),
            noarch="generic",
            constrains=("__cuda >=12",),
        ),
    )


def archive(package: Package, kind: Literal[".conda", ".tar.bz2"] = ".conda") -> bytes:
    """The package as a file."""
    paths = []
    for entry in package.files:
        known: dict[str, object] = {
            "_path": entry.path,
            "path_type": "softlink" if entry.link else "hardlink",
            "sha256": hashlib.sha256(b"" if entry.link else entry.content).hexdigest(),
            "size_in_bytes": 0 if entry.link else len(entry.content),
        }
        if entry.placeholder:
            known |= {"prefix_placeholder": entry.placeholder, "file_mode": "binary" if entry.binary else "text"}
        paths.append(known)
    info = [
        Entry(path="info/index.json", content=json.dumps(package.index).encode()),
        Entry(path="info/paths.json", content=json.dumps({"paths": paths, "paths_version": 1}).encode()),
        Entry(path="info/files", content="".join(f"{entry.path}\n" for entry in package.files).encode()),
        *(
            [
                Entry(
                    path="info/link.json",
                    content=json.dumps({"noarch": {"type": "python"}, "package_metadata_version": 1}).encode(),
                )
            ]
            if package.noarch == "python"
            else []
        ),
    ]
    if kind == ".tar.bz2":
        return bz2.compress(_tar([*info, *package.files]), 1)
    stem = f"{package.name}-{package.version}-{package.build}"
    import zstandard  # of the extra `conda`

    compress = zstandard.ZstdCompressor(level=3).compress
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as whole:
        for name, content in (
            ("metadata.json", b'{"conda_pkg_format_version": 2}'),
            (f"pkg-{stem}.tar.zst", compress(_tar(package.files))),
            (f"info-{stem}.tar.zst", compress(_tar(info))),
        ):
            whole.writestr(zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0)), content)
    return out.getvalue()


@functools.cache
def python_archive() -> bytes:
    """The packed Python; made once a process."""
    return archive(python_package())


@functools.cache
def pip_archive() -> bytes:
    return archive(pip_package())


def write_channel(
    folder: Path,
    packages: Sequence[Package],
    *,
    kind: Literal[".conda", ".tar.bz2"] = ".conda",
    with_python: bool = True,
) -> Path:
    """A channel in a folder; `folder`. Packages that are there already stay.

    Args:
        folder: of the channel.
        packages: to add.
        kind: of their archives.
        with_python: whether the Python of the tests and its pip are in it.
    """
    made = [(package, archive(package, kind), kind) for package in packages]
    if with_python:
        made += [(python_package(), python_archive(), ".conda"), (pip_package(), pip_archive(), ".conda")]
    for subdir in (SUBDIR, "noarch"):
        where = folder / subdir
        where.mkdir(parents=True, exist_ok=True)
        index = where / "repodata.json"
        known = json.loads(index.read_text()) if index.exists() else _empty(subdir)
        for package, content, ending in made:
            if package.subdir != subdir:
                continue
            name = f"{package.name}-{package.version}-{package.build}{ending}"
            (where / name).write_bytes(content)
            known["packages.conda" if ending == ".conda" else "packages"][name] = {
                **package.index,
                "md5": hashlib.md5(content).hexdigest(),
                "sha256": hashlib.sha256(content).hexdigest(),
                "size": len(content),
            }
        index.write_text(json.dumps(known))
    return folder


_GOOD = Faults()


class ChannelServer(Index):
    """A channel on the loopback that misbehaves on request. Use it as a context manager.

    Attributes:
        only: what a path must end with for the faults to count; everything when empty.
        token: a conda token that has to stand in the path; None for none.
    """

    def __init__(
        self,
        folder: Path,
        faults: Faults = _GOOD,
        *,
        only: str = "",
        token: str | None = None,
    ) -> None:
        self._mine = threading.local()
        super().__init__(_served(folder), faults)
        self._all = faults
        self.only = only
        self.token = token

    def __enter__(self) -> ChannelServer:
        self.start()
        return self

    @property
    def channel(self) -> str:
        return f"{self.origin}/channel"

    @property
    def faults(self) -> Faults:  # type: ignore[override] - an attribute there; each connection has a thread of its own
        found: Faults = getattr(self._mine, "faults", Faults())
        return found

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._all = faults

    def _answer(self, state: _Connection, request: Seen) -> None:
        hit = urlsplit(request.path).path.endswith(self.only)
        self._mine.faults = self._all if hit else Faults(login=self._all.login)
        super()._answer(state, request)

    def _other(self, state: _Connection, request: Seen, path: str) -> None:
        head = "/channel/" if self.token is None else f"/t/{self.token}/channel/"
        if path.startswith(head):
            self._file(state, request, unquote(path[len(head) :]))
        else:
            self._send(state, request, 404 if self.token is None else 403, b"no such channel")


def _served(folder: Path) -> dict[str, bytes | Path]:
    """The files of a channel by their path below it."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _empty(subdir: str) -> dict[str, dict[str, object]]:
    return {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}, "removed": [], "repodata_version": 1}  # type: ignore[dict-item] - JSON


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_OUT:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def _entry(path: Path, relative: str, home: bytes) -> Entry:
    if path.is_symlink():
        return Entry(path=relative, content=os.readlink(path).encode(), link=True)
    content = path.read_bytes()
    text = b"\0" not in content[:4096] and home in content
    return Entry(
        path=relative,
        content=content,
        mode=path.stat().st_mode & 0o777,
        placeholder=os.fsdecode(home) if text else "",
    )


def _tar(entries: Sequence[Entry]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for entry in entries:
            known = tarfile.TarInfo(entry.path)
            known.mode = entry.mode
            known.mtime = 1_600_000_000
            if entry.link:
                known.type, known.linkname = tarfile.SYMTYPE, entry.content.decode()
                tar.addfile(known)
            else:
                known.size = len(entry.content)
                tar.addfile(known, io.BytesIO(entry.content))
    return out.getvalue()
