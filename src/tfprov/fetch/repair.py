"""Which part of a damaged wheel is damaged: a wheel is a zip, and a zip carries checksums of its own."""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tfprov.fetch.partial import Span, merge

_BUFFER = 256 * 1024
_OUTPUT = 1024 * 1024
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_TAIL = 64 * 1024


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Where a file is damaged.

    Attributes:
        spans: what to fetch again, without overlaps; empty when every checksum inside is right.
        evidence: one line for each finding, at most five.
    """

    spans: tuple[Span, ...]
    evidence: tuple[str, ...]


def diagnose(path: Path) -> Diagnosis:
    """The damaged parts of a wheel.

    A member has one checksum, at its end: which of its bytes is wrong, only fetching them again can tell.

    Args:
        path: the complete file.
    """
    length = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
            directory = archive.start_dir
            entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
            spans: list[Span] = []
            evidence: list[str] = []
            for position, entry in enumerate(entries):
                follows = entries[position + 1].header_offset if position + 1 < len(entries) else directory
                found = _member(stream, entry, follows)
                if found is not None:
                    spans = merge(spans, found)
                    evidence.append(f"`{entry.filename}` is damaged in bytes {found[0]:,} to {found[1]:,}")
            return Diagnosis(tuple(spans), tuple(evidence[:5]))
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError, EOFError) as error:
        # Without its directory nothing can be told apart. It is at the end: fetch the end again.
        tail = max(0, length - max(_TAIL, length // 64))
        return Diagnosis(((tail, length),), (f"the directory of the archive cannot be read: {error}",))


def _member(stream: BinaryIO, entry: zipfile.ZipInfo, follows: int) -> Span | None:
    """The damaged span of one member, or None when it is whole."""
    stream.seek(entry.header_offset)
    header = stream.read(_LOCAL_HEADER.size)
    whole = (entry.header_offset, follows)
    if len(header) < _LOCAL_HEADER.size:
        return whole
    magic, _, _, method, _, _, _, _, _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    name = stream.read(name_length)
    expected = entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437", "replace")
    if magic != b"PK\x03\x04" or method != entry.compress_type or name != expected:
        return whole
    begin = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    end = begin + entry.compress_size
    if end > follows:
        return whole
    stream.seek(begin)
    stumbled = _checked(stream, entry)
    if stumbled is None:
        return None
    # A decompressor gets back into step after a flipped byte and stumbles over the consequences much later: the damage
    # is anywhere before that point, and never behind it.
    return (entry.header_offset, min(follows, begin + stumbled))


def _checked(stream: BinaryIO, entry: zipfile.ZipInfo) -> int | None:
    """None for a whole member, else how many compressed bytes had been read when the damage showed."""
    left, crc, size = entry.compress_size, 0, 0
    engine = zlib.decompressobj(-zlib.MAX_WBITS) if entry.compress_type == zipfile.ZIP_DEFLATED else None
    if engine is None and entry.compress_type != zipfile.ZIP_STORED:
        return None  # a method that wheels do not use; its checksum is not ours to judge
    done = 0
    while left > 0:
        chunk = stream.read(min(_BUFFER, left))
        if not chunk:
            return done
        left -= len(chunk)
        done += len(chunk)
        if engine is None:
            crc, size = zlib.crc32(chunk, crc), size + len(chunk)
            continue
        try:
            while chunk and not engine.eof:
                output = engine.decompress(chunk, _OUTPUT)
                crc, size = zlib.crc32(output, crc), size + len(output)
                chunk = engine.unconsumed_tail
        except zlib.error:
            return done
        if size > entry.file_size:
            return done
    if crc == entry.CRC and size == entry.file_size:
        return None
    return entry.compress_size
