"""Reads `environment.yml`: conda packages, and the pip requirements among them."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from tfprov.wants import requirements_file
from tfprov.wants.basket import Basket

_NOT_TEXT = "each line of this list must be one text, such as `numpy==1.26`"


def read(text: str, basket: Basket) -> None:
    """Add what a conda environment file requests to the basket."""
    name = basket.name
    try:
        # Composed, not loaded: nodes keep their line numbers, plain values do not.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        basket.problem(name, f"it is not YAML: {' '.join(str(error).split())}")
        return
    if root is not None and not isinstance(root, yaml.MappingNode):
        basket.problem(f"{name}:{_line(root)}", "it must have keys such as `dependencies:`, and packages below them")
    elif root is not None and "dependencies" not in dict(_pairs(root)):
        basket.problem(name, "nothing in it says what is needed: it has no `dependencies`")
    for key, node in _pairs(root):
        if key == "channels":
            basket.channels(one for one, _ in _texts(node, basket) if one != "nodefaults")
        elif key == "dependencies":
            _dependencies(node, basket)
        elif key == "variables":
            basket.note(f"{name}:{_line(node)}", "its variables are not set: name them in `[environment] variables`")


def _dependencies(node: yaml.Node, basket: Basket) -> None:
    if not isinstance(node, yaml.SequenceNode):
        if node.value:
            basket.problem(f"{basket.name}:{_line(node)}", "`dependencies` must be a list, each line with a dash")
        return
    for one in node.value:
        where = f"{basket.name}:{_line(one)}"
        if isinstance(one, yaml.ScalarNode):
            basket.conda(one.value.strip(), where)
            continue
        if isinstance(one, yaml.SequenceNode):
            basket.problem(where, _NOT_TEXT)
        for key, inner in _pairs(one):
            if key != "pip":
                basket.problem(where, f"`{key}` is not known here: conda has packages and `pip`")
                continue
            listed = ((text, f"{basket.name}:{line}") for text, line in _texts(inner, basket))
            requirements_file.Reader(basket, "requirements").listed(listed)


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value


def _texts(node: yaml.Node, basket: Basket) -> Iterator[tuple[str, int]]:
    """The lines of a list, or the only one where there is no list; anything but text is a problem."""
    for one in node.value if isinstance(node, yaml.SequenceNode) else (node,):
        if not isinstance(one, yaml.ScalarNode):
            basket.problem(f"{basket.name}:{_line(one)}", _NOT_TEXT)
        elif one.value:
            yield one.value, _line(one)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
