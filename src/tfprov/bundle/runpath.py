"""Makes the library search path of a program relative, so that the program works wherever it is put."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_MAGIC = b"\x7fELF\x02\x01"
"""Header of 64-bit little-endian ELF programs and libraries: x86-64 and aarch64."""
_LOADED, _DYNAMIC = 1, 2
_STRINGS, _RPATH, _RUNPATH = 5, 15, 29


def make_relative(file: Path, old: Path) -> bool:
    """Make a program or library look below its own folder for libraries that it looked for below another folder.

    Only its search path changes, in place: the relative path must not be longer than the old one, or it is not written.

    Args:
        file: a copy that may be written to; files that are not such programs are left unchanged.
        old: prefix of the folders in the search path; the parent of `file`'s folder is a copy of it.

    Returns:
        Whether the file was changed.

    Raises:
        OSError: it cannot be read or written.
    """
    content = bytearray(file.read_bytes())
    changed = False
    for start, path in _search_paths(bytes(content)):
        entries = [_relative(each, str(old)) for each in path.split(":")]
        new = ":".join(dict.fromkeys(entries)).encode()
        if new.decode() != path and len(new) <= len(path.encode()):
            content[start : start + len(path.encode())] = new.ljust(len(path.encode()), b"\0")
            changed = True
    if changed:
        mode = file.stat().st_mode
        file.chmod(mode | 0o200)
        file.write_bytes(content)
        file.chmod(mode)
    return changed


def _relative(entry: str, old: str) -> str:
    return f"$ORIGIN/..{entry[len(old) :]}" if entry == old or entry.startswith(old + "/") else entry


def _search_paths(content: bytes) -> Iterator[tuple[int, str]]:
    """Offset and text of each search path in the file; none if the file is damaged."""
    if not content.startswith(_MAGIC):
        return
    try:
        (table,) = struct.unpack_from("<Q", content, 32)
        size, number = struct.unpack_from("<HH", content, 54)
        headers = [struct.unpack_from("<IIQQQQQQ", content, table + size * index) for index in range(number)]
        loaded = [(address, offset, length) for kind, _, offset, address, _, length, *_ in headers if kind == _LOADED]
        entries: dict[int, int] = {}
        for kind, _, offset, _, _, length, *_ in headers:
            if kind == _DYNAMIC:
                entries = dict(struct.iter_unpack("<QQ", content[offset : offset + length // 16 * 16]))
        strings = next(
            offset + entries[_STRINGS] - address
            for address, offset, length in loaded
            if address <= entries[_STRINGS] < address + length
        )
        for tag in (_RPATH, _RUNPATH):
            if tag in entries:
                start = strings + entries[tag]
                yield start, content[start : content.index(b"\0", start)].decode()
    except (struct.error, OverflowError, KeyError, StopIteration, ValueError):
        return
