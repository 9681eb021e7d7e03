"""Finds the shell commands in the YAML files of CI services, under the keys that hold them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from tfprov.wants.command_lines import CommandLine, command_lines

_HOLDS_COMMANDS = "run|script|before_script|before_install|install|commands?|bash|pwsh|powershell"
KEY = re.compile(rf"(?m)^[ \t]*(?:-[ \t]+)?(?:{_HOLDS_COMMANDS})[ \t]*:")
_IS_KEY = re.compile(_HOLDS_COMMANDS)
_VALUES = frozenset({"env", "variables", "environment"})
_PYTHONS = frozenset({"python-version", "python"})
_PYTHON = re.compile(r"3\.\d+\b")
_EXPRESSION = re.compile(r"\$\{\{\s*(?:(?:env|vars)\.)?(?P<name>[\w.-]+)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """What a file of a CI service holds.

    Attributes:
        commands: in order. An expression such as `${{ matrix.tf }}` in one is a variable of the shell.
        values: of the variables that it sets for them; one with several values is left out.
        python: the only version of Python in it, as `3.10`; empty where there is none, or more than one.
    """

    commands: tuple[CommandLine, ...]
    values: Mapping[str, str]
    python: str


def of_workflow(text: str) -> Workflow:
    """Read a file of a CI service.

    Raises:
        ValueError: it is not YAML.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {' '.join(str(error).split())}") from None
    commands: list[CommandLine] = []
    values: dict[str, set[str]] = {}
    pythons: set[str] = set()
    for key, node in _keys(root):
        if _IS_KEY.fullmatch(key):
            commands += (line for scalar in _scalars(node) for line in _lines(scalar))
        elif key in _PYTHONS:
            pythons.update(found[0] for scalar in _scalars(node) if (found := _PYTHON.match(scalar.value)))
        elif key in _VALUES and isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                if isinstance(value, yaml.ScalarNode):
                    values.setdefault(str(name.value), set()).add(value.value)
    return Workflow(
        commands=tuple(commands),
        values={name: next(iter(found)) for name, found in values.items() if len(found) == 1},
        python=next(iter(pythons)) if len(pythons) == 1 else "",
    )


def _lines(scalar: yaml.ScalarNode) -> Iterator[CommandLine]:
    text = _EXPRESSION.sub(lambda found: f"${{{re.sub('[.-]', '_', found['name'])}}}", scalar.value)
    before = scalar.start_mark.line + (1 if scalar.style in ("|", ">") else 0)
    for line in command_lines(text):
        yield CommandLine(text=line.text, number=before + line.number, file=line.file)


def _keys(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """All keys of mappings at any depth, each with its value. A node that is used again is given once."""
    seen: set[int] = set()
    rest = [] if node is None else [node]
    while rest:
        one = rest.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, yaml.MappingNode):
            yield from ((str(key.value), value) for key, value in one.value)
            rest += (value for _, value in reversed(one.value))
        elif isinstance(one, yaml.SequenceNode):
            rest += reversed(one.value)


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    for one in node.value if isinstance(node, yaml.SequenceNode) else (node,):
        if isinstance(one, yaml.ScalarNode):
            yield one
