"""However an archive is damaged, each reader of archives refuses it with an error of tfprov's own."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tfprov.archives import Seekable
from tfprov.bundle import index, interpreters
from tfprov.bundle.opened import Archive
from tfprov.errors import TfprovError
from tfprov.inventory.advisories import audit
from tfprov.pipeline.unpacked import check_wheels
from tfprov.sources.unpack import unpack
from tfprov.unpack.archive import RefusedError, directory

_NUMBER = itertools.count()


def packed(kind: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for name in ("top/bundle.json", "top/" + "x" * 120, "top/é.txt"):
            member = tarfile.TarInfo(name)
            member.size = 600
            archive.addfile(member, io.BytesIO(b"{}" * 300))
    return stream.getvalue()


def sparse() -> bytes:
    """Two sparse files in the formats of GNU tar, whose maps are text."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, headers in (
            ("top/a", b"1\n0\n5\n" + bytes(506) + b"hello", {"major": "1", "minor": "0", "realsize": "5"}),
            ("top/b", b"hello", {"map": "0,5", "size": "5"}),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.pax_headers = {f"GNU.sparse.{key}": value for key, value in headers.items()}
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def zipped(method: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("x/é.py", "x = 1\n" * 100)
        archive.writestr("x-1.dist-info/METADATA", "Name: x\nRequires-Python: >=3\n")
        archive.writestr("x-1.dist-info/entry_points.txt", "[console_scripts]\nx = x:main\n")
        archive.writestr("advisory.json", "{}")
    return stream.getvalue()


TARS = (packed(tarfile.PAX_FORMAT), packed(tarfile.GNU_FORMAT), sparse())
ZIPS = (zipped(zipfile.ZIP_DEFLATED), zipped(zipfile.ZIP_LZMA))
COMPRESSED = (gzip.compress(TARS[0]), bz2.compress(TARS[0]), lzma.compress(TARS[0]))


def damaged(content: bytes, chance: random.Random) -> bytes:
    altered = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(1, len(altered)), chance.choice((1, 512, chance.randint(1, 600)))
        match chance.randrange(4):
            case 0:
                altered[at] = chance.randrange(256)
            case 1:
                altered[at] = chance.choice(b"0 -9\0xgLKS")
            case 2:
                del altered[at : at + length]
                altered += bytes(2)
            case _:
                altered[at:at] = altered[chance.randrange(len(altered)) :][:length]
    return bytes(altered)


def as_bundle(path: Path) -> None:
    bundle = Archive(path)
    for name in bundle.names():
        with bundle.open(name) as stream:
            stream.read()


def as_interpreter(path: Path) -> None:
    with path.open("rb") as stream:
        interpreters.unpack(stream, path.with_name(f"python{next(_NUMBER)}"))


def as_damaged_inside(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes(), 1))
    as_interpreter(path)


def as_source(path: Path) -> None:
    target = path.with_name(f"source{next(_NUMBER)}")
    target.mkdir()
    unpack(path, target)


def as_list(path: Path) -> None:
    with path.open("rb") as stream:
        directory(stream)


def as_installed(path: Path) -> None:
    check_wheels([path])


def as_indexed(path: Path) -> None:
    _ = index.describe(path, "x-1-py3-none-any.whl", "0" * 64).requires_python


def as_advisories(path: Path) -> None:
    audit({"x": "1"}, [path])


@pytest.mark.parametrize(
    ("read", "archives"),
    [
        (as_bundle, TARS),
        (as_interpreter, COMPRESSED[:1]),
        (as_damaged_inside, TARS),
        (as_source, (*TARS, *ZIPS, *COMPRESSED)),
        *((read, ZIPS) for read in (as_list, as_installed, as_indexed, as_advisories)),
    ],
)
def test_a_damaged_archive_is_refused_and_crashes_nothing(
    tmp_path: Path, read: Callable[[Path], None], archives: tuple[bytes, ...]
) -> None:
    chance, path = random.Random(7), tmp_path / "archive"
    refused = 0
    for _ in range(600):
        path.write_bytes(damaged(chance.choice(archives), chance))
        try:
            read(path)
        except (TfprovError, RefusedError):
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("content", [b"", b"0123456789"])
def test_bytes_from_elsewhere_read_as_a_file_of_them_would(content: bytes) -> None:
    file, like = Seekable(lambda offset, count: content[offset : offset + count], len(content)), io.BytesIO(content)
    assert (file.readable(), file.seekable()) == (True, True)
    for offset, whence, count in ((3, 0, 4), (1, 1, 1), (-2, 2, 9), (20, 0, 1), (0, 0, -1)):
        if whence == io.SEEK_END and not content:
            continue
        assert file.seek(offset, whence) == like.seek(offset, whence) == file.tell()
        assert file.read(count) == like.read(count)
    with pytest.raises(OSError, match="before the first byte"):
        file.seek(-1)
