"""Decodes text files of any encoding in which users save them."""

from __future__ import annotations

import codecs
import contextlib
import re

from tfprov.contents import utf_16_of
from tfprov.secret import noticed

# UTF-32 before UTF-16, because its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Matched to the end of the line, so that a byte of a multi-byte character that looks like a backslash is included and
# cannot continue the line.
_COMMENT = re.compile(rb"(?m)(?:^|(?<=[ \t]))#[^\r\n]*")
# Where files were joined, the mark of the second one begins a line.
_MARK_INSIDE = re.compile(r"(?m)^\ufeff+")
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")

_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # those of `str.splitlines`
_MOST_LINES = 250_000
# A login whose password contains a space: most formats end the address there, and a message could show the rest alone.
_TORN_LOGIN = re.compile(r"://[^\s/@:]{0,80}:(?=[^\s/@])[^/@\n\"']{0,80}[ \t][^/@\n\"']{0,80}@(?=[\w\[])")


def decoded(raw: bytes) -> str:
    """Decode a file, without byte order marks and with line feeds as line ends.

    The encoding is that of the byte order mark, else the one that a comment in the first two lines names (PEP 263, as
    in pip), else UTF-8. UTF-16 without a mark is recognised by its zero bytes. In a file that is UTF-8 otherwise,
    comments in another encoding are dropped. Logins that contain a space are registered, so that messages hide them.

    Raises:
        ValueError: the encoding is unknown, or the text is not in it (names the offending byte and what to do), or has
            more lines than any list.
    """
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    if encoding is None:
        encoding = utf_16_of(raw[:200], share=0.1)
    if encoding is None:
        named = (_CODING.match(line) for line in raw.split(b"\n", 2)[:2])
        encoding = next((found[1].decode("ascii", "replace") for found in named if found), "utf-8")
    try:
        text = _text(raw, encoding)
    except LookupError:
        raise ValueError(f"`{encoding}` is not an encoding that Python knows: save the file as UTF-8") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"it is not {error.encoding.upper()}: line {line} has the byte 0x{raw[error.start]:02X}; "
            "save the file as UTF-8"
        ) from None
    if sum(map(text.count, _LINE_ENDS)) > _MOST_LINES:
        raise ValueError(f"it has more than {_MOST_LINES:,} lines")
    for login in _TORN_LOGIN.finditer(text):
        noticed(login[0])
    return _MARK_INSIDE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _text(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise
        with contextlib.suppress(UnicodeDecodeError):
            return _COMMENT.sub(_decodable, raw).decode(encoding)
        raise


def _decodable(comment: re.Match[bytes]) -> bytes:
    """A comment unchanged if it is UTF-8, else only its `#`."""
    try:
        comment[0].decode()
    except UnicodeDecodeError:
        return b"#"
    return comment[0]
