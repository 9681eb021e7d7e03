"""Writes a bundle: every byte is hashed as it is written, and the bundle appears complete or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tfprov.bundle.opened import LARGEST_MANIFEST
from tfprov.bundle.records import MANIFEST, STARTER, SUMS, BundleFile, Manifest, parse, render, sums
from tfprov.errors import TfprovError
from tfprov.events import Emit, Progress
from tfprov.paths import status_of
from tfprov.products import Product, check_place
from tfprov.renames import replace
from tfprov.temporary import staged
from tfprov.trees import put_in_place
from tfprov.writing import naming, write_back

_BUFFER = 1024 * 1024
_NAMED = 5
"""How many of the files in the way a message names."""
_EXECUTABLE = frozenset({STARTER})
# A time that every file system and zip tool supports. Hashes tell what is new in a bundle, not times.
_MOMENT = 315532800


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content of one file of a bundle.

    Attributes:
        sha256: expected hash.
        path: the file to copy; None if the content is in `data`.
        reader: opens the content if it is in neither; else None.
    """

    sha256: str
    size: int
    path: Path | None = None
    data: bytes = b""
    reader: Callable[[], AbstractContextManager[BinaryIO]] | None = None

    @classmethod
    def of(cls, data: bytes) -> Content:
        """Content from memory."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), size=len(data), data=data)

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Open it for reading."""
        if self.reader is not None:
            return self.reader()
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")


def entries(contents: Mapping[str, Content], *, known: frozenset[str] = frozenset()) -> tuple[BundleFile, ...]:
    """The entries of the manifest.

    Args:
        contents: by path relative to the bundle.
        known: hashes of the files in the older bundle that a delta is made against.
    """
    return tuple(
        BundleFile(path=path, sha256=one.sha256, size=one.size, here=one.sha256 not in known)
        for path, one in sorted(contents.items())
    )


def write(target: Path, manifest: Manifest, contents: Mapping[str, Content], *, wrote: Callable[[int], None]) -> bytes:
    """Write a bundle, as an archive if the name ends in `.tar`, else as a folder; returns its `bundle.json`.

    An existing bundle is replaced. The same content gives the same archive, byte for byte.

    Args:
        target: an absolute path.
        manifest: lists every file of `contents`.
        contents: by path relative to the bundle.
        wrote: called with the number of bytes of each chunk written.

    Raises:
        TfprovError: `path-not-ours` when something else is there, `hash-mismatch` when a file changed,
            `bundle-invalid` when a name in it cannot be used on every system.
    """
    raw = render(manifest)
    # Refuse here what another machine would refuse, such as a name that only this system allows.
    parse(raw, source=str(target))
    here = {entry.path: contents[entry.path] for entry in manifest.files if entry.here}
    # The manifest comes first, so that a reader of the stream knows what follows.
    everything = {MANIFEST: Content.of(raw), SUMS: Content.of(sums(manifest, raw)), **dict(sorted(here.items()))}
    check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with naming(target):
        if target.name.endswith(".tar"):
            _write_archive(target, f"{manifest.name}-bundle", everything, wrote)
        else:
            _write_folder(target, everything, wrote)
    return raw


def check_target(target: Path) -> None:
    """Make sure that a bundle may be written at a path.

    Raises:
        TfprovError: `path-not-ours` when something other than a bundle is there, or a folder with other files in it.
    """
    if target.name.endswith(".tar"):
        _ARCHIVE.check(target)
        return
    try:
        found = status_of(target)
    except NotADirectoryError:
        foreign: tuple[str, ...] = (f"`{target.parent}` is not a folder",)
    else:
        if found is None:
            check_place(target)
            return
        foreign = _foreign(target) if stat.S_ISDIR(found.st_mode) else ("it exists and is not a folder",)
    if foreign:
        raise TfprovError(
            "path-not-ours",
            f"`{target}` cannot become a bundle",
            evidence=foreign,
            hint="choose another place; tfprov replaces only a bundle with nothing else in it",
        )


def _foreign(folder: Path) -> tuple[str, ...]:
    """Some of the files in a folder that do not belong to a bundle. The folder may contain millions of files."""
    ours: set[str] = set()
    with contextlib.suppress(OSError, TfprovError), (folder / MANIFEST).open("rb") as stream:
        manifest = parse(stream.read(LARGEST_MANIFEST), source=str(folder))
        ours = {MANIFEST, SUMS, *(entry.path for entry in manifest.files)}
    names = (path.relative_to(folder).as_posix() for path in _files(folder))
    found = itertools.islice((name for name in names if name not in ours), _NAMED)
    return tuple(f"`{name}` does not belong to a bundle" for name in sorted(found))


def _files(folder: Path) -> Iterator[Path]:
    """All files and links below a folder, starting at the top."""
    for top, folders, files in os.walk(folder):
        yield from (Path(top, name) for name in files)
        yield from (path for name in folders if (path := Path(top, name)).is_symlink())


def _is_archive(stream: BinaryIO) -> bool:
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            first = archive.next()
            content = archive.extractfile(first) if first is not None and first.isreg() else None
            if first is None or content is None or first.name.rpartition("/")[2] != MANIFEST:
                return False
            parse(content.read(LARGEST_MANIFEST), source=first.name)
    except (tarfile.TarError, OSError, ValueError, TfprovError):
        return False
    return True


_ARCHIVE = Product(what="a bundle", is_ours=_is_archive)


def _write_folder(target: Path, contents: Mapping[str, Content], wrote: Callable[[int], None]) -> None:
    with staged(target, folder=True) as stage:
        for path, one in contents.items():
            place = stage / path
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as stream, one.open() as opened:
                shutil.copyfileobj(_Checked(path, one, opened, wrote), stream, _BUFFER)
            if path in _EXECUTABLE:
                place.chmod(0o755)
        put_in_place(stage, target)


def _write_archive(target: Path, top: str, contents: Mapping[str, Content], wrote: Callable[[int], None]) -> None:
    with staged(target, folder=False) as stage:
        with stage.open("wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
                for path, one in contents.items():
                    with one.open() as opened:
                        checked = _Checked(path, one, opened, wrote)
                        archive.addfile(_member(f"{top}/{path}", one.size), checked)
                        checked.read()  # to its end, which the archive does not look for
            stream.flush()
            write_back(stream.fileno())
        replace(stage, target)


def _member(path: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size = size
    member.mtime = _MOMENT
    member.mode = 0o755 if path.rpartition("/")[2] in _EXECUTABLE else 0o644
    return member


class _Checked:
    """A stream that is hashed as it is copied, and compared with the expected hash at its end."""

    def __init__(self, path: str, content: Content, stream: BinaryIO, wrote: Callable[[int], None]) -> None:
        self._path, self._content, self._stream, self._wrote = path, content, stream, wrote
        self._digest = hashlib.sha256()
        self._size = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._digest.update(data)
        self._size += len(data)
        self._wrote(len(data))
        if size < 0 or len(data) < size:
            self._check()
        return data

    def _check(self) -> None:
        if self._digest.hexdigest() != self._content.sha256 or self._size != self._content.size:
            raise TfprovError(
                "hash-mismatch",
                f"`{self._path}` changed while the bundle was written",
                evidence=(f"expected sha256 {self._content.sha256}", f"found sha256 {self._digest.hexdigest()}"),
                hint="run again; `tfprov cache verify` removes damaged wheels from the store",
            )


def meter(emit: Emit, total: int) -> Callable[[int], None]:
    """What `write` calls with the bytes that it wrote, to show how far it is.

    Args:
        emit: receives the progress.
        total: bytes to be written.
    """
    done = 0

    def wrote(count: int) -> None:
        nonlocal done
        done += count
        emit(Progress(stage="write", what="bundle", done=min(done, total), total=total))

    return wrote
