from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfprov.wants.text import decoded

_ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-32",
    "latin-1",
    "cp1252",
    "cp1251",
    "gbk",
    "shift_jis",
    "euc-kr",
    "big5",
)
_COMMENTS = ("réseau", "данные", "深度学习框架", "表", "画像処理", "학습", "plain")


def said(text: str) -> list[str]:
    """What a text says without its comments."""
    return [line.partition("#")[0].rstrip() for line in text.splitlines()]


@given(
    lines=st.lists(st.tuples(st.sampled_from(["", "numpy==1.23.5", "six  "]), st.sampled_from(_COMMENTS)), min_size=1),
    encoding=st.sampled_from(_ENCODINGS),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_encoding_a_comment_is_in_the_lines_say_the_same(
    lines: list[tuple[str, str]], encoding: str, end: str
) -> None:
    text = "".join(f"{asked} # {comment}{end}" for asked, comment in lines)
    try:
        raw = text.encode(encoding)
    except UnicodeEncodeError:
        return
    assert said(decoded(raw)) == said(text)


@pytest.mark.parametrize("text", ["numpy\nré==1 # é\n", "numpy\nx#é\n", "a # ok\n\xff\n"])
def test_a_letter_in_another_encoding_outside_a_comment_is_named_by_its_line(text: str) -> None:
    with pytest.raises(ValueError, match="line 2 has the byte 0x"):
        decoded(text.encode("latin-1"))


def test_comments_in_utf_8_are_kept_beside_one_that_is_not() -> None:
    assert decoded("# ok é\n".encode() + b"six # \xe9\n") == "# ok é\nsix #\n"


@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff\ufeff"])
def test_the_mark_of_a_file_that_was_joined_to_another_is_dropped(mark: str) -> None:
    assert decoded(f"{mark}six\r\n{mark}-r more.txt\n{mark}\n".encode()) == "six\n-r more.txt\n\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["six", "numpy==1.26.4\n", "# \u6df1\u5ea6\u5b66\u4e60\nsix\n"])
def test_utf_16_without_a_mark_is_told_by_its_zeros(text: str, encoding: str) -> None:
    assert decoded(text.encode(encoding)) == text


@pytest.mark.parametrize("raw", [b"six\0", b"\0six", b"num\0py\n", b"a\0b", b"\0" * 8 + b"six", b"six\n" + b"\0" * 40])
def test_zeros_in_utf_8_do_not_make_it_utf_16(raw: bytes) -> None:
    assert decoded(raw) == raw.decode()
