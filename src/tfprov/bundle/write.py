"""Writing a bundle: every byte is hashed on its way out, and the result appears whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tfprov.bundle.opened import LARGEST_MANIFEST
from tfprov.bundle.records import MANIFEST, STARTER, SUMS, Entry, Manifest, parse, render, sums
from tfprov.errors import TfprovError
from tfprov.paths import Product

_BUFFER = 1024 * 1024
_EXECUTABLE = frozenset({STARTER})
# A moment that every file system and zip tool can hold. What is new in a bundle its hashes say.
_MOMENT = 315532800


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Content of a file that will be in the bundle.

    Attributes:
        sha256: what it must be.
        path: the file to copy; None when `data` holds the content.
        reader: opens the content where it is in neither; None otherwise.
    """

    sha256: str
    size: int
    path: Path | None = None
    data: bytes = b""
    reader: Callable[[], AbstractContextManager[BinaryIO]] | None = None

    @classmethod
    def of(cls, data: bytes) -> Source:
        """Content that is made here."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), size=len(data), data=data)

    def open(self) -> AbstractContextManager[BinaryIO]:
        """The content to read from."""
        if self.reader is not None:
            return self.reader()
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")


def entries(sources: Mapping[str, Source], *, known: frozenset[str] = frozenset()) -> tuple[Entry, ...]:
    """The files for the manifest.

    Args:
        sources: by path below the bundle.
        known: hashes of what the older bundle of a delta has.
    """
    return tuple(
        Entry(path=path, sha256=one.sha256, size=one.size, here=one.sha256 not in known)
        for path, one in sorted(sources.items())
    )


def write(target: Path, manifest: Manifest, sources: Mapping[str, Source], *, wrote: Callable[[int], None]) -> bytes:
    """Write a bundle: an archive where the name ends in `.tar`, else a folder; its `bundle.json`.

    A bundle that was there before is replaced. The same content gives the same archive, byte by byte.

    Args:
        target: an absolute path.
        manifest: names every file of `sources`.
        sources: content by path below the bundle.
        wrote: is told how many bytes were written, again and again.

    Raises:
        TfprovError: `path-not-ours` when something else is there, `hash-mismatch` when a source changed,
            `bundle-invalid` when a name in it cannot be used on every system.
    """
    raw = render(manifest)
    # What another machine would refuse, such as a name that only this system allows, is refused before it is written.
    parse(raw, source=str(target))
    here = {entry.path: sources[entry.path] for entry in manifest.files if entry.here}
    # The manifest comes first: who reads a stream knows what follows.
    content = {MANIFEST: Source.of(raw), SUMS: Source.of(sums(manifest, raw)), **dict(sorted(here.items()))}
    check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.name.endswith(".tar"):
        _write_archive(target, f"{manifest.name}-bundle", content, wrote)
    else:
        _write_folder(target, content, wrote)
    return raw


def check_target(target: Path) -> None:
    """Make sure that a bundle may be written at a path.

    Raises:
        TfprovError: `path-not-ours` when something else than a bundle is there, or a folder with files of others in it.
    """
    if target.name.endswith(".tar"):
        _ARCHIVE.check(target)
        return
    if not os.path.lexists(target):
        return
    foreign = _foreign(target) if target.is_dir() and not target.is_symlink() else ("it is there, and is not a folder",)
    if foreign:
        raise TfprovError(
            "path-not-ours",
            f"`{target}` cannot become a bundle",
            evidence=foreign[:5],
            hint="choose another place; tfprov replaces only a bundle with nothing else in it",
        )


def _foreign(folder: Path) -> tuple[str, ...]:
    """The files in a folder that belong to no bundle."""
    ours: set[str] = set()
    with contextlib.suppress(OSError, TfprovError), (folder / MANIFEST).open("rb") as stream:
        manifest = parse(stream.read(LARGEST_MANIFEST), source=str(folder))
        ours = {MANIFEST, SUMS, *(entry.path for entry in manifest.files)}
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    names = sorted(path.relative_to(folder).as_posix() for path in found)
    return tuple(f"`{name}` is not of a bundle" for name in names if name not in ours)


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


def _write_folder(target: Path, content: Mapping[str, Source], wrote: Callable[[int], None]) -> None:
    stage = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent))
    try:
        for path, source in content.items():
            place = stage / path
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as stream:
                for chunk in _checked(path, source):
                    stream.write(chunk)
                    wrote(len(chunk))
            if path in _EXECUTABLE:
                place.chmod(0o755)
        # mkdtemp makes a folder for its owner alone; a bundle is for a server to hand out.
        stage.chmod(0o755)
        old = stage.with_suffix(".old")
        if target.exists():
            target.rename(old)
        try:
            stage.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


def _write_archive(target: Path, top: str, content: Mapping[str, Source], wrote: Callable[[int], None]) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent)
    stage = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
                for path, source in content.items():
                    archive.addfile(_member(f"{top}/{path}", source.size), _Checked(path, source, wrote))
            stream.flush()
            os.fsync(stream.fileno())
        stage.chmod(0o644)
        stage.replace(target)
    except BaseException:
        stage.unlink(missing_ok=True)
        raise


def _member(path: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size = size
    member.mtime = _MOMENT
    member.mode = 0o755 if path.rpartition("/")[2] in _EXECUTABLE else 0o644
    return member


class _Checked(io.RawIOBase):
    """A source as the archive reads it; its end is reached only when the hash was right."""

    def __init__(self, path: str, source: Source, wrote: Callable[[int], None]) -> None:
        super().__init__()
        self._chunks = _checked(path, source)
        self._wrote = wrote
        self._buffer = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._buffer) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._buffer += chunk
        data, self._buffer = (self._buffer, b"") if size < 0 else (self._buffer[:size], self._buffer[size:])
        self._wrote(len(data))
        return data


def _checked(path: str, source: Source) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    # The last piece is held back until everything before it was found to be right.
    held: bytes | None = None
    with source.open() as stream:
        while chunk := stream.read(_BUFFER):
            digest.update(chunk)
            size += len(chunk)
            if held is not None:
                yield held
            held = chunk
    if digest.hexdigest() != source.sha256 or size != source.size:
        raise TfprovError(
            "hash-mismatch",
            f"`{path}` changed before it was in the bundle",
            evidence=(f"expected sha256 {source.sha256}", f"found sha256 {digest.hexdigest()}"),
            hint="run again; `tfprov cache verify` removes damaged wheels from the store",
        )
    if held is not None:
        yield held
