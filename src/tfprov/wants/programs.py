"""Finds the shell commands in Python code: in the cells of notebooks, in their exports, and in programs."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from collections.abc import Iterator

from tfprov.structured import json_of
from tfprov.wants.command_lines import CommandLine, command_lines

_OF_SHELL = re.compile(r"^\s*%%(?:bash|sh|shell|script\s+(?:ba|z)?sh)\b")
_TO_FILE = re.compile(r"^\s*%%(?:writefile|file)\s+(?:-\w+\s+)*['\"]?(?P<to>[^\s'\"]+)")
# `!pip`, `%pip`, `found = !pip`, and `pip install` alone, which IPython takes for a magic.
_MAGIC = re.compile(
    r"^(?P<margin>\s*)(?!\s)"
    r"(?:(?:[\w, ]+=\s*)?(?P<mark>!!?|%%?)|(?=(?:pip3?|conda|mamba|uv pip) install\s))(?P<command>.*)"
)
_COMMENTED = re.compile(r"^\s*#\s*(?:MAGIC\s+)?(?P<command>[!%](?:\S*pip[\d.]*|conda|mamba|uv pip)\s+install\s.*)")
_STARTS = frozenset({"run", "call", "check_call", "check_output", "Popen", "getoutput", "getstatusoutput"})


def of_cell(code: str) -> Iterator[CommandLine]:
    """The commands in a cell of a notebook, in order: magics, shell escapes, and calls that start a command."""
    rest = code.lstrip("\n")
    first, _, body = rest.partition("\n")
    if written := _TO_FILE.match(first):
        yield CommandLine(text=body, number=1, file=written["to"])
        return
    if _OF_SHELL.match(first):
        yield from command_lines(body)
        return
    lines = [(line.number, _MAGIC.match(line.text)) for line in command_lines(code)]
    magics = [(number, found) for number, found in lines if found is not None]
    yield from (CommandLine(text=found["command"], number=number) for number, found in magics)
    yield from _of_calls(code)


def of_program(text: str) -> tuple[tuple[CommandLine, ...], bool]:
    """The commands in a program, and whether they stand in comments.

    Tools that export a notebook either keep its magics, make calls of them, or comment them out. A comment counts only
    where there is nothing else, because in all other exports it was one in the notebook, too.
    """
    if live := tuple(of_cell(text)):
        return live, False
    lines = enumerate(text.splitlines(), start=1)
    found = ((number, _COMMENTED.match(line)) for number, line in lines)
    return tuple(CommandLine(text=one["command"].lstrip("!%"), number=number) for number, one in found if one), True


def cells_of(text: str) -> Iterator[str]:
    """The code of each cell of a notebook; empty for a cell without code.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: the text is not a notebook.
    """
    for cell in json_of(text)["cells"]:
        source = cell.get("source", "") if cell.get("cell_type") == "code" else ""
        yield source if isinstance(source, str) else "".join(source)


def without_magics(code: str) -> str:
    """The code of a cell with a `pass` in place of each line that is for IPython, with the same margin."""
    plain, is_continued = [], False
    for line in code.splitlines():
        found = _MAGIC.match(line)
        is_magic = is_continued or found is not None
        plain.append(f"{found['margin']}pass" if found else "" if is_continued else line)
        # A magic may continue on further lines.
        is_continued = is_magic and line.rstrip().endswith("\\")
    return "\n".join(plain)


def _of_calls(code: str) -> Iterator[CommandLine]:
    """The commands that calls start: `os.system`, `subprocess`, `get_ipython()`, and pip's own `main`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(without_magics(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda each: (each.lineno, each.col_offset)):
        for command in _started(call):
            yield CommandLine(text=command, number=call.lineno)


def _started(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    words = [_text(argument) for argument in call.args]
    if name in ("system", "getoutput", *_STARTS) and words and words[0] is not None:
        yield words[0]
    elif name in _STARTS and call.args and isinstance(call.args[0], ast.List | ast.Tuple):
        parts = [_text(each) for each in call.args[0].elts]
        if None not in parts:
            yield shlex.join(filter(None, parts))
    elif name in ("main", "pipmain") and call.args and isinstance(call.args[0], ast.List):
        parts = [_text(each) for each in call.args[0].elts]
        if parts[:1] == ["install"] and None not in parts:
            yield shlex.join(["pip", *filter(None, parts)])
    elif name == "run_line_magic" and len(words) > 1 and None not in words:
        yield " ".join(filter(None, words))
    elif name == "run_cell_magic" and len(words) > 2 and words[0] in ("bash", "sh", "shell", "script"):
        yield from (line.text for line in command_lines(words[2] or ""))


def _text(node: ast.expr) -> str | None:
    """The text of a literal, with `{NAME}` for each variable in it; None for anything else."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            parts = [
                f"{{{each.value.id}}}"
                if isinstance(each, ast.FormattedValue) and isinstance(each.value, ast.Name)
                else _text(each)
                for each in values
            ]
            return None if None in parts else "".join(filter(None, parts))
        case ast.Attribute(value=ast.Name(id="sys"), attr="executable"):
            return "python"
    return None
