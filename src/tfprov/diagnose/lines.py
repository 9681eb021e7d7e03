"""Reads a log in blocks of bounded size, decodes it, and strips lines of colours and prefixes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from tfprov.contents import utf_16_of

BLOCK_BYTES = 1 << 18
LINE_LENGTH = 2000
"""Maximum length of a line that rules see: no message about a cause is longer, but minified pages are."""

_LEAST_WIDE = 20
"""Fewer bytes do not tell UTF-16 without a mark."""
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)?|\x1b[@-_=>]|[\x00\x07\x08\x0f\x0e]"
)
# Escape sequences written out, in logs that were copied from a pager.
_SHOWN_ESCAPES = re.compile(
    r"\^\[\[[0-9;]*[A-Za-z]|(?:\\x1b|\\033|\\u001b)\[[0-9;]*m|(?<![\w\]])\[[0-9]{1,2}(?:;[0-9]{1,3})*m"
)
_PREFIX = re.compile(
    r"(?:"
    # GitHub, GitLab (`2024-01-01T00:00:00.0Z 00O `), kubernetes, Azure, journald in ISO form, log frameworks.
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?\s?(?:Z|UTC|[+-]\d\d:?\d\d)?\]?:?(?: \d\d[OE]\+?)?(?:\s+|$)"
    r"|\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?(?:\s+|$)"
    # The date format of HTTP.
    r"|[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|UTC|[+-]\d{4})(?:\s+|$)"
    # docker buildx: `#12 34.56 `, and `34.56 ` in the block that repeats the failed step.
    r"|#\d+ (?:\d+\.\d+(?: |$))?|\d{1,5}\.\d{1,3} (?=\S)"
    # docker compose: `name-1  | `.
    r"|[\w.-]{1,60}\s+\|(?: |$)"
    # Lines of containers in the log files of kubernetes.
    r"|(?:stdout|stderr) [FP](?: |$)"
    # Azure and GitHub commands, journald and syslog.
    r"|##\[[a-z]+\]|::(?:error|warning|notice|debug)[^:]{0,200}::"
    r"|[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d [\w.-]+ [\w./-]+(?:\[\d+\])?:(?: |$)"
    # A quotation in Markdown, as in an issue.
    r"|>(?:\s|$)"
    r")"
)
_MOST_PREFIXES = 8
"""More programs do not hand a line on, and each may put two prefixes before it."""
_EMPHASIS = re.compile(r"([*_`~]{1,3})(?=\S)(?P<text>.+?)(?<=\S)\1")
"""Markdown emphasis around a whole line."""
_COLOURS = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]{0,500}(?:\x07|\x1b\\)?|\x1b[@-_=>]")
_BOX = re.compile(r"[─-▟]+[>▶]?")


def blocks(stream: BinaryIO, *, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The stream as UTF-8 without a byte-order mark, in blocks of whole lines that end with LF.

    Only a line that is longer than a block is split between blocks, at a carriage return if it has one. Memory use is
    limited to a few blocks.
    """
    held = b""
    for chunk in _utf8(stream, size):
        # Replaced after joining, because a CR at the end of the previous chunk may be half of a CRLF.
        held += chunk
        if b"\r\n" in held:
            held = held.replace(b"\r\n", b"\n")
        cut = held.rfind(b"\n") + 1
        if not cut and len(held) >= size:
            cut = held.rfind(b"\r", 0, len(held) - 1) + 1 or len(held)
        if cut:
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


def _utf8(stream: BinaryIO, size: int) -> Iterator[bytes]:
    first = stream.read(size)
    encoding = _encoding(first)
    if encoding is None:
        yield first.removeprefix(codecs.BOM_UTF8)
        while chunk := stream.read(size):
            yield chunk
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    chunk = first
    while chunk:
        yield decoder.decode(chunk).encode("utf-8", "replace")
        chunk = stream.read(size)
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _encoding(head: bytes) -> str | None:
    """The codec for UTF-16, as Windows consoles write it, detected by mark or zero bytes; None for anything else."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = head[:400]
    return utf_16_of(sample, share=0.35) if len(sample) >= _LEAST_WIDE else None


def without_colours(block: bytes) -> bytes:
    """A block without escape sequences, which may occur within words; the number of lines does not change."""
    return _COLOURS.sub(b"", block) if b"\x1b" in block else block


def clean(raw: bytes) -> str:
    """The text of a line without colours, timestamps and prefixes of CI systems, emphasis and surrounding blanks."""
    text = raw[:LINE_LENGTH].decode("utf-8", "replace")
    if "\x1b" in text or "\x08" in text or "\x00" in text:
        text = _ESCAPES.sub("", text)
    if "[" in text:
        text = _SHOWN_ESCAPES.sub("", text)
    text = text.strip()
    for _ in range(_MOST_PREFIXES):
        match = _PREFIX.match(text)
        if match is None or match.end() == 0:
            break
        text = text[match.end() :].lstrip()
    if text[:1] in {"*", "_", "`", "~"} and (match := _EMPHASIS.fullmatch(text)):
        text = match["text"]
    return text


def is_quoted(raw: bytes) -> bool:
    """Whether a line is indented as an example in a text is, stands behind the `>` of a quotation, or is JSON."""
    return raw.startswith((b"    ", b"> ", b"\t", b"{"))


def joined(texts: list[str]) -> str:
    """Join lines that a tool wrapped, without the frames that pip, uv and rich draw around them."""
    return " ".join(" ".join(_BOX.sub(" ", text) for text in texts).split())


def windows(raw: bytes) -> Iterator[bytes]:
    """The parts of a line between carriage returns, as with progress bars; long parts in overlapping windows."""
    for part in raw.split(b"\r"):
        if len(part) <= LINE_LENGTH:
            yield part
            continue
        for start in range(0, min(len(part), 200 * LINE_LENGTH), LINE_LENGTH - 400):
            yield part[start : start + LINE_LENGTH]


def following_lines(lines: list[bytes], index: int, following: bytes, count: int) -> list[str]:
    """The cleaned lines after a line.

    Args:
        lines: of the block.
        index: of the line in it.
        following: the next block, which provides lines at the end of this one.
        count: how many lines to return; fewer at the end of the log.
    """
    after = lines[index + 1 : index + 1 + count]
    if len(after) < count and following:
        after = [*after, *following[: 4 * LINE_LENGTH].split(b"\n")[: count - len(after)]]
    return [clean(raw) for raw in after]
