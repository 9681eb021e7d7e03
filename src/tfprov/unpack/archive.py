"""Reads the members of a wheel from its central directory, and refuses archives that must not be unpacked.

Checks what `zipfile` takes on trust: a member must stay inside the folder, be a regular file, occur once, not overlap
with another, and have the same name in its local header as in the central directory.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Iterable, Sequence
from typing import BinaryIO, NamedTuple

from tfprov.archives import damage_as
from tfprov.paths import plain
from tfprov.unpack.records import ArchiveMember

LOCAL = struct.Struct("<4s5H3L2H")
"""The fixed part of a local header (APPNOTE.TXT, 4.3.7)."""
_SIGNATURE = b"PK\x03\x04"
_ZIP64 = 0xFFFFFFFF
_ENCRYPTED = 0x1 | 0x40
_PATCHED = 0x20
_AT_THE_END = 0x8
_UTF8 = 0x800
_METHODS = {zipfile.ZIP_STORED: False, zipfile.ZIP_DEFLATED: True}


class RefusedError(Exception):
    """The archive must not be unpacked; the message says why."""


class UnusualError(RefusedError):
    """The archive uses a format that is not supported here, but may be by other installers."""


class Local(NamedTuple):
    """A local header.

    Attributes:
        name: undecoded.
        flags: general purpose bit flags.
        method: compression method.
        crc: 0 if it follows the data.
        packed: compressed size in bytes; 0 if it follows the data.
        size: uncompressed size in bytes; 0 if it follows the data.
        data: offset of the data, relative to the header.
    """

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    data: int

    @property
    def complete(self) -> bool:
        """Whether sizes and CRC are in the header, and do not follow the data."""
        return not self.flags & _AT_THE_END


class Directory(NamedTuple):
    """The central directory of an archive.

    Attributes:
        members: its files, in the order of their offsets. Folders are left out, and made as needed.
        starts: offset of the central directory, which follows all members.
    """

    members: tuple[ArchiveMember, ...]
    starts: int


def directory(stream: BinaryIO) -> Directory:
    """Read the central directory of an archive.

    Raises:
        RefusedError: it is not an archive, or must not be unpacked.
    """
    with (
        damage_as(lambda why: RefusedError(f"it is not a complete archive: {why}")),
        zipfile.ZipFile(stream) as archive,
    ):
        found = archive.infolist()
        end = archive.start_dir
    listed = [_member(one) for one in found if not _is_folder(one)]
    for one in found:
        if _is_folder(one):
            check_name(one.orig_filename.rstrip("/"))
    ordered = sorted(listed, key=lambda member: member.offset)
    check_names([member.name for member in ordered])
    for member, behind in zip(ordered, [*(each.offset for each in ordered), end][1:], strict=True):
        if member.offset < 0 or member.offset + LOCAL.size + len(member.name) + member.packed > behind:
            raise RefusedError(f"`{member.name}` overlaps with what follows it")
    return Directory(tuple(ordered), end)


def local_header(head: bytes) -> Local | None:
    """The local header at the start of `head`; None if more bytes are needed.

    Raises:
        RefusedError: there is no local header.
    """
    if len(head) < LOCAL.size:
        return None
    signature, _, flags, method, _, _, crc, packed, size, named, more = LOCAL.unpack_from(head)
    if signature != _SIGNATURE:
        raise RefusedError("there is no member at the expected offset")
    data = LOCAL.size + named + more
    if len(head) < data:
        return None
    name = head[LOCAL.size : LOCAL.size + named]
    if _ZIP64 in (packed, size):
        packed, size = _long_sizes(head[LOCAL.size + named : data], packed, size)
    return Local(name, flags, method, crc, packed, size, data)


def rest_of_header(head: bytes) -> int:
    """Length in bytes of the variable part of a local header."""
    *_, named, more = LOCAL.unpack_from(head)
    return int(named) + int(more)


def check_local(local: Local, member: ArchiveMember) -> None:
    """Make sure that a local header agrees with the central directory.

    Raises:
        RefusedError: it does not.
    """
    if local.flags & (_ENCRYPTED | _PATCHED):
        raise RefusedError(f"`{member.name}` is encrypted")
    if decoded(local) != member.name:
        raise RefusedError(f"`{member.name}` has a different name in its local header")
    same = (_METHODS.get(local.method), local.crc, local.packed, local.size)
    listed = (member.deflated, member.crc, member.packed, member.size)
    if same[0] is not member.deflated or (local.complete and same != listed):
        raise contradiction(member)


def contradiction(member: ArchiveMember) -> RefusedError:
    """The refusal of a member whose local header and entry in the central directory do not agree."""
    return RefusedError(f"`{member.name}` has a local header that contradicts the central directory")


def decoded(local: Local) -> str:
    """The name in a local header.

    Raises:
        RefusedError: it is not text.
    """
    try:
        return local.name.decode("utf-8" if local.flags & _UTF8 else "cp437")
    except UnicodeDecodeError as error:
        raise RefusedError("a name is not UTF-8") from error


def from_local(local: Local, offset: int) -> ArchiveMember:
    """A member as described by its local header alone; the name of a folder ends with a slash.

    Raises:
        RefusedError: it must not be unpacked.
    """
    if local.flags & (_ENCRYPTED | _PATCHED):
        raise RefusedError("a member is encrypted")
    name = decoded(local)
    check_name(name.removesuffix("/"))
    return ArchiveMember(name, offset, _is_deflated(name, local.method), local.crc, local.packed, local.size)


def _is_deflated(name: str, method: int) -> bool:
    if method not in _METHODS:
        raise UnusualError(f"`{name}` uses a compression method that wheels do not use")
    return _METHODS[method]


def check_name(name: str) -> None:
    """Make sure that a path stays inside the folder that it is unpacked into.

    Raises:
        RefusedError: it does not, or is not a valid path here.
    """
    parts = name.split("/")
    # The lists of files in trees, images and environments have one line a file.
    if "\0" in name or "\n" in name or "\\" in name or any(part in ("", ".", "..") for part in parts):
        raise RefusedError(f"{name!r} leads outside the folder, or is not a path")
    if os.name == "nt":
        try:
            for part in parts:
                plain(part)
        except ValueError as error:
            raise RefusedError(str(error)) from error


def check_names(names: Sequence[str]) -> None:
    """Make sure that files at these paths can coexist.

    Raises:
        RefusedError: a path occurs twice, or is both a file and a folder.
    """
    files = set[str]()
    for name in names:
        if name in files:
            raise RefusedError(f"`{name}` occurs twice")
        files.add(name)
    folders = set(_folders(names))
    if both := files & folders:
        raise RefusedError(f"`{min(both)}` is both a file and a folder")


def _folders(names: Iterable[str]) -> Iterable[str]:
    seen = {""}
    for name in names:
        folder = name.rpartition("/")[0]
        while folder not in seen:
            seen.add(folder)
            yield folder
            folder = folder.rpartition("/")[0]


def _is_folder(one: zipfile.ZipInfo) -> bool:
    return one.orig_filename.endswith("/")


def _member(one: zipfile.ZipInfo) -> ArchiveMember:
    # Not `filename`, which ends at a null byte and is changed on Windows.
    name = one.orig_filename
    check_name(name)
    if one.flag_bits & (_ENCRYPTED | _PATCHED):
        raise RefusedError(f"`{name}` is encrypted")
    deflated = _is_deflated(name, one.compress_type)
    mode = one.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise RefusedError(f"`{name}` is a link or a device")
    executable = stat.S_ISREG(mode) and bool(mode & 0o111)
    return ArchiveMember(name, one.header_offset, deflated, one.CRC, one.compress_size, one.file_size, executable)


def _long_sizes(extra: bytes, packed: int, size: int) -> tuple[int, int]:
    """64-bit sizes from the extra field of a local header (APPNOTE.TXT, 4.5.3)."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == 1 and len(body) >= 16:
            long_size, long_packed = struct.unpack_from("<QQ", body)
            return (long_packed if packed == _ZIP64 else packed, long_size if size == _ZIP64 else size)
    return packed, size
