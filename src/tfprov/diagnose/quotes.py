# ruff: noqa: RUF001, RUF002  this module is about quotes that look alike
r"""Makes patterns match a message with any kind of quotes around its names, or without quotes.

CPython writes `'x'`, ld.so `` `x' ``, gcc `‘x’`, a shell that repeats a message `\'x\'`; Python 2 wrote none at all.
Pasting a message into a title, a chat or Markdown changes or removes them. So a pattern is written with the quotes of
its tool, and compiled to match any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OTHERS = '"`´‘’‚‛“”„‟«»′″＇＂'
_PLAIN = str.maketrans(dict.fromkeys(_OTHERS, "'"))
_ASCII = b"'\"`"
_MULTIBYTE = re.compile(b"|".join(re.escape(one.encode()) for one in _OTHERS if not one.isascii()))
_LOWER = bytes(range(256)).lower()


def plain(text: str) -> str:
    """Replace all quotes with `'`, and an escaped one with two; the length of the text does not change."""
    return text.translate(_PLAIN).replace("\\'", "''")


def bare(text: bytes) -> bytes:
    """A text in lower case without quotes; the number of lines does not change.

    The units of tqdm are spelled out, because a bar without a description has no other word.
    """
    if not text.isascii():
        text = _MULTIBYTE.sub(b"", text)
    if b"\\'" in text or b'\\"' in text:
        text = text.replace(b"\\'", b"").replace(b'\\"', b"")
    low = text.translate(_LOWER, _ASCII)
    return low.replace(b"it/s", b"iterations/s").replace(b"s/it", b"s/iteration")


def any_quotes(pattern: str) -> str:
    """Convert a pattern to one for `plain` texts, in which quotes around names may be doubled or missing.

    A missing quote still delimits the name: `'imp'` does not match in `importlib` or `imp.x`. Quotes stay mandatory
    around a part that can match anything, and where one ends an alternative; two in a row mean an empty text.
    """
    return "".join(_read(_SET_OF_QUOTES.sub("'", pattern)))


_SET_OF_QUOTES = re.compile(r"""\[(?:\\?['"`])+\]""")
_PARTS = re.compile(
    r"""
    (?P<set> \[\^?\]? (?:\\.|[^\]\\])* \])
    | (?P<empty> (?P<one>\\?['"`])(?P=one))
    | (?P<maybe> \\?['"`]\?)
    | (?P<apostrophe> (?<=(?<!\\)[a-z]) ' (?=[a-z]))
    | (?P<opens> (?: (?<![^ |(^:=\[{,>]) | (?<=\?)(?=.[A-Za-z(]) ) \\?['"`])
    | (?P<closes> \\?['"`])
    | \\. | [^\\]
    """,
    re.VERBOSE | re.DOTALL,
)
"""Splits a pattern into quotes by their role, sets, and single characters."""
_ANYTHING_OR_END = re.compile(r"(?:\(\?(?:P<\w+>|:))?(?:\\S|\.|\[\^)|[|)]|\Z")


def _read(pattern: str) -> Iterator[str]:
    ends = r"(?:'{1,2}|(?![.-]?\w))"
    closing = ends
    for part in _PARTS.finditer(pattern):
        match part.lastgroup:
            case "set":
                yield plain(part[0])
            case "empty":
                yield "''"
            case "maybe":
                yield "'{0,2}"
            case "apostrophe":
                yield "'?"
            case "opens":
                stays = _ANYTHING_OR_END.match(pattern, part.end())
                closing = "'{1,2}" if stays else ends
                yield "'{1,2}" if stays else r"(?:'{1,2}|(?<![\w']))"
            case "closes":
                yield closing
            case _:
                yield part[0]
