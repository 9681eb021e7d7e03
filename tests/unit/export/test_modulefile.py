"""Modulefiles say the same in Tcl and in Lua, whatever is in a path."""

from __future__ import annotations

import pytest

from tfprov.export.modulefile import Module, lua, tcl

MODULE = Module(
    what='TensorFlow "2.21"',
    path=("/env/bin", "/env/tools"),
    values={"LD_LIBRARY_PATH": "/cuda/lib:/more", "PLAIN": "a$b", "DATA": "/home/me/data"},
    templates={"DATA": "${HOME}/data"},
)


def test_tcl_adds_folders_in_their_order_and_refers_to_the_users_variables() -> None:
    assert tcl(MODULE).splitlines() == [
        "#%Module1.0",
        r'module-whatis "TensorFlow \"2.21\""',
        r'proc ModulesHelp {} { puts stderr "TensorFlow \"2.21\"" }',
        'prepend-path PATH "/env/tools"',
        'prepend-path PATH "/env/bin"',
        'prepend-path LD_LIBRARY_PATH "/more"',
        'prepend-path LD_LIBRARY_PATH "/cuda/lib"',
        r'setenv PLAIN "a\$b"',
        'setenv DATA "$::env(HOME)/data"',
    ]


def test_lua_says_the_same() -> None:
    assert lua(MODULE).splitlines() == [
        r'whatis("TensorFlow \"2.21\"")',
        r'help("TensorFlow \"2.21\"")',
        'prepend_path("PATH", "/env/tools")',
        'prepend_path("PATH", "/env/bin")',
        'prepend_path("LD_LIBRARY_PATH", "/more")',
        'prepend_path("LD_LIBRARY_PATH", "/cuda/lib")',
        'setenv("PLAIN", "a$b")',
        'setenv("DATA", "" .. os.getenv("HOME") .. "/data")',
    ]


@pytest.mark.parametrize(
    ("text", "in_tcl", "in_lua"),
    [
        ("größe", r"gr\u00f6\u00dfe", "größe"),
        ("[x]{y}", r"\[x\]\{y\}", "[x]{y}"),
        ("a\tb", r"a\u0009b", r"a\tb"),
        ("a\x1fb", r"a\u001fb", r"a\u{001f}b"),
        # Four digits alone would leave the last one to stand behind another character.
        ("\N{SNAKE}", r"\U0001f40d", "\N{SNAKE}"),
        # A backslash of the text is no escape.
        (r"\u0041", r"\\u0041", r"\\u0041"),
    ],
)
def test_every_character_comes_out_as_it_is(text: str, in_tcl: str, in_lua: str) -> None:
    module = Module(what="x", path=(), values={"NAME": text}, templates={})
    assert tcl(module).splitlines()[-1] == f'setenv NAME "{in_tcl}"'
    assert lua(module).splitlines()[-1] == f'setenv("NAME", "{in_lua}")'
