"""Which part of a damaged wheel is damaged: a wheel is a zip, and a zip carries checksums of its own."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tfprov.fetch.locate import locate
from tfprov.fetch.spans import Span, merge

_BUFFER = 256 * 1024
_OUTPUT = 1024 * 1024
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_TAIL = 64 * 1024
# Below this size a member is fetched again as it is; above, it pays to look where in it the damage is.
_BIG = 2 * 1024 * 1024
_BEFORE, _BEHIND = 64 * 1024, 448 * 1024
_SEARCH_SECONDS = 90.0
_THREADS = 4
_BZIP2 = b"BZh"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Where a file is damaged.

    Attributes:
        suspects: what to fetch again, in this order, until the damage has been found: each a set of spans without
            overlaps. Empty when nothing tells.
        whole: whether every checksum inside is right.
        evidence: one line for each finding, at most five.
    """

    suspects: tuple[tuple[Span, ...], ...]
    whole: bool
    evidence: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """How much is fetched again at most."""
        spans: list[Span] = []
        for span in (span for suspects in self.suspects for span in suspects):
            spans = merge(spans, span)
        return sum(end - start for start, end in spans)


@dataclass(frozen=True, slots=True)
class _Damage:
    """A damaged span, and where in it to look first (the same when nothing tells)."""

    span: Span
    first: Span
    evidence: str


@dataclass(frozen=True, slots=True)
class _Content:
    """What a member unpacks to.

    Attributes:
        stumbled: how many compressed bytes had been read when the decompressor refused; None when it never did.
    """

    crc: int
    size: int
    stumbled: int | None


def diagnose(path: Path, *, check: Callable[[], None] = lambda: None) -> Diagnosis:
    """The damaged parts of a wheel, the likeliest first.

    Reads and unpacks everything; for a damaged member of many megabytes it is also compressed again (`locate`).

    Args:
        path: the complete file.
        check: called several times a second; may raise.
    """
    length = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(len(_BZIP2)) == _BZIP2:
            # An older conda package: its checksums cannot be told apart without reading through all of it.
            return Diagnosis((((0, length),),), False, ("the archive is damaged somewhere",))
    try:
        with zipfile.ZipFile(path) as archive:
            directory = (archive.start_dir, length)
            entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
            ends = [entry.header_offset for entry in entries[1:]] + [archive.start_dir]
            # The biggest first, so that no thread is left with it at the end. zlib needs no interpreter.
            pairs = sorted(zip(entries, ends, strict=True), key=lambda pair: pair[0].file_size, reverse=True)

            def judge(pair: tuple[zipfile.ZipInfo, int]) -> list[_Damage]:
                check()
                with path.open("rb") as stream:
                    return _member(stream, *pair, directory, check)

            with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1), thread_name_prefix="diagnose") as pool:
                try:
                    found = [damage for damages in pool.map(judge, pairs) for damage in damages]
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
            return _ordered(sorted(found, key=lambda damage: damage.span), directory)
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError, EOFError) as error:
        # Without its directory nothing can be told apart. It is at the end: fetch the end again.
        tail = max(0, length - max(_TAIL, length // 64))
        return Diagnosis((((tail, length),),), False, (f"the directory of the archive cannot be read: {error}",))


def _ordered(found: Sequence[_Damage], directory: Span) -> Diagnosis:
    if not found:
        # What no checksum covers: dates, permissions and names, in the directory.
        return Diagnosis(((directory,),), True, ())
    first: list[Span] = []
    every: list[Span] = []
    for damage in found:
        first, every = merge(first, damage.first), merge(every, damage.span)
    last = merge(every, directory)  # the checksum that does not fit may itself be what is wrong
    rounds = [tuple(first), *([tuple(every)] if every != first else []), *([tuple(last)] if last != every else [])]
    return Diagnosis(tuple(rounds), False, tuple(damage.evidence for damage in found[:5]))


@dataclass(frozen=True, slots=True)
class _Header:
    """What stands before the data of a member.

    Attributes:
        begin: offset of the data.
        says: checksum and size of the content; None when they do not stand here.
    """

    begin: int
    says: tuple[int, int] | None


def _member(
    stream: BinaryIO, entry: zipfile.ZipInfo, follows: int, directory: Span, check: Callable[[], None]
) -> list[_Damage]:
    """What is wrong with one member; nothing when it is whole."""
    whole = (entry.header_offset, follows)
    header = _header(stream, entry, follows)
    if header is None:
        return [_damage(entry, whole, first=(entry.header_offset, min(follows, entry.header_offset + _TAIL)))]
    if header.begin + entry.compress_size > follows:
        return [_damage(entry, whole), _damage(entry, directory)]
    content = _unpacked(stream, header.begin, entry)
    if content is None:
        return []
    got = None if content.stumbled is not None else (content.crc, content.size)
    expected = (entry.CRC, entry.file_size)
    if got == expected:
        return [] if header.says in (None, expected) else [_damage(entry, (entry.header_offset, header.begin))]
    if got is not None and got == header.says:
        return [_damage(entry, directory)]
    # The damage is never behind the point where a decompressor stumbles.
    end = follows if content.stumbled is None else min(follows, header.begin + content.stumbled)
    first = _likeliest(stream, entry, header.begin, end, check)
    return [_damage(entry, (entry.header_offset, end), first=first)]


def _header(stream: BinaryIO, entry: zipfile.ZipInfo, follows: int) -> _Header | None:
    """The header of a member; None when it is not the one that the directory tells of."""
    stream.seek(entry.header_offset)
    raw = stream.read(_LOCAL_HEADER.size)
    if len(raw) < _LOCAL_HEADER.size:
        return None
    magic, _, flags, method, _, _, crc, _, size, name_length, extra_length = _LOCAL_HEADER.unpack(raw)
    name = stream.read(name_length)
    begin = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    expected = entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437", "replace")
    if magic != b"PK\x03\x04" or method != entry.compress_type or name != expected or begin > follows:
        return None
    # Written to a stream, it has no checksum (flag 8); the size of something huge stands elsewhere.
    return _Header(begin, None if flags & 0x08 or size == 0xFFFFFFFF else (crc, size))


def _likeliest(stream: BinaryIO, entry: zipfile.ZipInfo, begin: int, end: int, check: Callable[[], None]) -> Span:
    """Where in a damaged member to look first."""
    span = (entry.header_offset, end)
    if end - begin < _BIG or entry.compress_type != zipfile.ZIP_DEFLATED:
        return span
    length = min(end - begin, entry.compress_size)
    trace = locate(stream, begin, length, check=check, seconds=_SEARCH_SECONDS)
    if trace.suspect is None:
        return (begin + trace.cleared, end) if trace.cleared else span
    return (max(entry.header_offset, begin + trace.suspect - _BEFORE), min(end, begin + trace.suspect + _BEHIND))


def _damage(entry: zipfile.ZipInfo, span: Span, *, first: Span | None = None) -> _Damage:
    first = span if first is None else first
    where = f"bytes {span[0]:,} to {span[1]:,}"
    likely = "" if first == span else f", most likely in {first[0]:,} to {first[1]:,}"
    return _Damage(span, first, f"`{entry.filename}` is damaged in {where}{likely}")


def _unpacked(stream: BinaryIO, begin: int, entry: zipfile.ZipInfo) -> _Content | None:
    """Checksum and size of what a member unpacks to; None for a method that wheels do not use."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS) if entry.compress_type == zipfile.ZIP_DEFLATED else None
    if engine is None and entry.compress_type != zipfile.ZIP_STORED:
        return None
    stream.seek(begin)
    left, done, crc, size = entry.compress_size, 0, 0, 0
    while left > 0:
        chunk = stream.read(min(_BUFFER, left))
        if not chunk:
            return _Content(crc, size, done)
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
            return _Content(crc, size, done)
        if size > entry.file_size:
            return _Content(crc, size, done)
    return _Content(crc, size, None)
