"""The answers of interpreters."""

from __future__ import annotations

import pytest

from tfprov.host.answers import parse_answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3.11.7",
        "tfprov-python\t3.11.7",
        "tfprov-python\t3.11.7\tcpython\t65\tx86_64\t0\t\t\t\t\t.",
        "tfprov-python\t3.11.7\tcpython\t64\tx86_64\t0\t\t\tzz\t\t.",
        "tfprov-python\t3.11.7\tcpython\t64\tx86_64\t0\t\t\t\t\t.\nmore",
        "Welcome!\ntfprov-python\t3.11.7\tcpython\t64\tx86_64\t0\t\t\t\t\t.",
    ],
)
def test_only_a_whole_answer_is_taken(text: str) -> None:
    assert parse_answer(text) is None


def test_a_whole_answer_is_read() -> None:
    answer = parse_answer("tfprov-python\t3.14.0rc2\tPyPy\t32\ti686\t1\tglibc 2.17\tzlib,_ctypes\t2f61\t2f62\t.\r\n")

    assert answer is not None
    assert (answer.version, answer.implementation, answer.bits) == ("3.14.0rc2", "pypy", 32)
    assert (answer.free_threaded, answer.glibc, answer.lacks) == (True, "2.17", ("zlib", "_ctypes"))
    assert (answer.executable, answer.library) == ("/a", "/b")
