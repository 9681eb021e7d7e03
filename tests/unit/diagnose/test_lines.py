"""From bytes to lines, whatever a console put around the words."""

from __future__ import annotations

import codecs
import io

import pytest

from tfprov.diagnose.lines import blocks, clean, joined, without_colours

TEXT = "one\ntwo é\n\nthree and a longer one\nlast"


@pytest.mark.parametrize(
    "raw",
    [TEXT.encode(), TEXT.replace("\n", "\r\n").encode(), codecs.BOM_UTF8 + TEXT.encode()],
    ids=["lf", "crlf", "mark"],
)
def test_blocks_of_any_size_that_holds_a_line_have_the_same_text(raw: bytes) -> None:
    for size in range(max(map(len, TEXT.encode().split(b"\n"))) + 2, len(raw) + 2):
        assert b"".join(blocks(io.BytesIO(raw), size=size)).decode() == TEXT


def test_a_mark_that_comes_alone_does_not_end_the_log() -> None:
    assert b"".join(blocks(io.BytesIO(codecs.BOM_UTF8 + b"a\nb"), size=3)) == b"a\nb"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_wide_characters_become_utf_8(encoding: str) -> None:
    assert b"".join(blocks(io.BytesIO(TEXT.encode(encoding)))).decode() == TEXT


@pytest.mark.parametrize("hole", [b"\0", b"\0" * 21, b"\0" * 4096])
def test_a_hole_in_a_log_does_not_make_it_wide(hole: bytes) -> None:
    raw = hole + b"OSError: [Errno 28] No space left on device\n"
    assert b"".join(blocks(io.BytesIO(raw))) == raw


def test_a_block_ends_at_the_end_of_a_line() -> None:
    found = list(blocks(io.BytesIO(b"0123456789\n" * 10), size=25))
    assert len(found) > 1
    assert all(block.endswith(b"\n") for block in found)


def test_a_line_longer_than_a_block_is_cut_where_it_was_written_over() -> None:
    found = list(blocks(io.BytesIO(b" 10 %\r 20 %\r 30 %"), size=8))
    assert found[0] == b" 10 %\r"
    assert b"".join(found) == b" 10 %\r 20 %\r 30 %"


@pytest.mark.parametrize(
    "raw",
    [
        "2024-05-06T07:08:09.1234567Z ##[error]{}",
        "2024-05-06T07:08:09.123456Z 00O {}",
        "[2024-05-06T07:08:09.123Z] {}",
        "07:08:09 {}",
        "#12 34.56 {}",
        "34.56 {}",
        "web-1  | {}",
        "2024-05-06T07:08:09.123456789Z stderr F {}",
        "May  6 07:08:09 host app[12]: {}",
        "::error file=x,line=1::{}",
        "2024-05-06T07:08:09.1Z 2024-05-06T07:08:09.1Z stderr F 2024-05-06T07:08:09.1Z 01O web-1  | > ##[error]{}",
        "> {}",
        ">     {}",
        "\x1b[31m{}\x1b[0m",
        "^[[31m{}^[[0m",
        "   {}\t",
    ],
)
def test_prefixes_and_colours_are_taken_off(raw: str) -> None:
    assert clean(raw.format("ERROR: it failed").encode()) == "ERROR: it failed"


@pytest.mark.parametrize(
    "raw",
    [
        "web-1  | ",
        "#12 34.56 ",
        "2024-05-06T07:08:09.1234567Z ",
        "2024-05-06T07:08:09.123456789Z stderr F ",
        "May 16 07:08:09 host app[12]: ",
        "[07:08:09] ",
        "07:08:09.123 ",
        "Mon, 6 May 2024 07:08:09 GMT ",
        "> ",
    ],
)
def test_nothing_is_left_of_an_empty_line(raw: str) -> None:
    assert clean(raw.encode()) == ""
    assert clean(raw.rstrip().encode()) == ""


@pytest.mark.parametrize("said", ["[Errno 28] full", "1.2.3 is not a version", "E: x", "error: 12:30"])
def test_what_only_looks_like_a_prefix_stays(said: str) -> None:
    assert clean(said.encode()) == said


def test_colours_within_words_are_taken_off_and_lines_stay() -> None:
    assert without_colours(b"OSEr\x1b[0mror\n\x1b[1mx\x1b[0m\n") == b"OSError\nx\n"


def test_a_message_in_a_frame_is_joined_without_the_frame() -> None:
    assert joined(["╰─▶ Because x", "│   has no wheels"]) == "Because x has no wheels"
