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
    root = root_of(text, basket)
    if root is not None and not isinstance(root, yaml.MappingNode):
        basket.problem(f"{name}:{line_of(root)}", "it must have keys such as `dependencies:`, and packages below them")
    elif root is not None and "dependencies" not in dict(pairs(root)):
        basket.problem(name, "nothing in it says what is needed: it has no `dependencies`")
    for key, node in pairs(root):
        if key == "channels":
            basket.channels(one for one, _ in texts(node, basket) if one != "nodefaults")
        elif key == "dependencies":
            _dependencies(node, basket)
        elif key == "variables":
            basket.note(f"{name}:{line_of(node)}", "its variables are not set: name them in `[environment] variables`")


def _dependencies(node: yaml.Node, basket: Basket) -> None:
    if not isinstance(node, yaml.SequenceNode):
        if node.value:
            basket.problem(f"{basket.name}:{line_of(node)}", "`dependencies` must be a list, each line with a dash")
        return
    for one in node.value:
        where = f"{basket.name}:{line_of(one)}"
        if isinstance(one, yaml.ScalarNode):
            basket.conda(one.value.strip(), where)
            continue
        if isinstance(one, yaml.SequenceNode):
            basket.problem(where, _NOT_TEXT)
        for key, inner in pairs(one):
            if key != "pip":
                basket.problem(where, f"`{key}` is not known here: conda has packages and `pip`")
                continue
            listed = ((text, f"{basket.name}:{line}") for text, line in texts(inner, basket))
            requirements_file.Reader(basket, "requirements").listed(listed)


def root_of(text: str, basket: Basket) -> yaml.Node | None:
    """The root of a YAML text; None for an empty one, and for one that is not YAML, which becomes a problem."""
    try:
        # Composed, not loaded: nodes keep their line numbers, plain values do not.
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        basket.problem(basket.name, f"it is not YAML: {' '.join(str(error).split())}")
        return None


def pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """The keys of a mapping, each with its value; none for any other node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value


def texts(node: yaml.Node, basket: Basket) -> Iterator[tuple[str, int]]:
    """The lines of a list, or the only one where there is no list; anything but text is a problem."""
    for one in node.value if isinstance(node, yaml.SequenceNode) else (node,):
        if not isinstance(one, yaml.ScalarNode):
            basket.problem(f"{basket.name}:{line_of(one)}", _NOT_TEXT)
        elif one.value:
            yield one.value, line_of(one)


def line_of(node: yaml.Node) -> int:
    """The number of the line in which a node begins, from 1."""
    return int(node.start_mark.line) + 1
