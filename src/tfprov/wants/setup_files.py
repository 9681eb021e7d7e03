"""`setup.cfg`, and what a `setup.py` says without being run."""

from __future__ import annotations

import ast
import configparser

from tfprov.wants.basket import Basket
from tfprov.wants.pyproject import read_lists, unknown
from tfprov.wants.records import ProjectParts


def read_setup_cfg(text: str, basket: Basket, parts: ProjectParts) -> None:
    """Put what a `setup.cfg` asks for into the basket; arguments as in `pyproject.read`."""
    name = basket.name
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        basket.problem(name, f"it is not a configuration file: {str(error).splitlines()[0]}")
        return
    if bound := parser.get("options", "python_requires", fallback=""):
        basket.python(bound, f"{name}: options.python_requires")
    _put(parser.get("options", "install_requires", fallback=""), "options.install_requires", basket)
    known = parser.options("options.extras_require") if parser.has_section("options.extras_require") else []
    for extra in parts.extras:
        if extra in known:
            key = f"options.extras_require.{extra}"
            _put(parser.get("options.extras_require", extra), key, basket)
        else:
            unknown(basket, f"{name}: options.extras_require", "extra", extra, known)


def read_setup_py(text: str, basket: Basket, parts: ProjectParts) -> None:
    """Put what a `setup.py` asks for into the basket, as far as it is written out; nothing of it is run."""
    name = basket.name
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        basket.problem(f"{name}:{error.lineno}", f"it is not Python: {error.msg}")
        return
    values = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    call = next(
        (
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "setup"
        ),
        None,
    )
    given = {keyword.arg: keyword.value for keyword in call.keywords} if call else {}
    asks_build = False
    for key in ("install_requires", "extras_require", "python_requires"):
        node = given.get(key)
        if node is None:
            continue
        where = f"{name}:{node.lineno}"
        try:
            value = ast.literal_eval(values.get(node.id, node) if isinstance(node, ast.Name) else node)
        except ValueError:
            # Which Pythons it may run on the resolver learns from the build, too.
            asks_build = asks_build or key == "install_requires" or (key == "extras_require" and bool(parts.extras))
            continue
        if key == "python_requires":
            basket.python(str(value), where)
            continue
        wanted = [value] if key == "install_requires" else []
        for extra in parts.extras if key == "extras_require" else ():
            if extra in value:
                wanted.append(value[extra])
            else:
                unknown(basket, where, "extra", extra, tuple(value))
        for texts in wanted:
            for line in texts.splitlines() if isinstance(texts, str) else texts:
                basket.want(str(line), where)
    if asks_build:
        basket.dependencies_of(basket.origin.path.parent, name, extras=parts.extras)
    if call is None:
        basket.problem(name, "there is no call of `setup` in it")


def _put(text: str, key: str, basket: Basket) -> None:
    for line in text.splitlines():
        asked = line.partition(" #")[0].strip()
        if asked.startswith("file:"):
            read_lists([one.strip() for one in asked.removeprefix("file:").split(",")], basket, basket.place(key))
        elif asked and not asked.startswith("#"):
            basket.want(asked, basket.place(f"{key}"))
