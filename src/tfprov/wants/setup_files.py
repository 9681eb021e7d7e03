"""Reads `setup.cfg`, and what a `setup.py` reveals without being run."""

from __future__ import annotations

import ast
import configparser
import contextlib
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement

from tfprov import project_folder
from tfprov.contents import content_of
from tfprov.wants.basket import Basket
from tfprov.wants.pyproject import read_lists
from tfprov.wants.records import ProjectParts
from tfprov.wants.tables import is_tensorflow, key_of, tell_unchosen, unknown
from tfprov.wants.text import decoded
from tfprov.wants.written_out import UnknownValueError, WrittenOut

_LIST = re.compile(r"^[\w./-]*requirements?[\w-]*\.(?:txt|in)$")
_READS = re.compile(r"^_?(?:open|read|load)(?:_|$)")
_READ = ("install_requires", "extras_require", "python_requires")


def read_setup_cfg(text: str, basket: Basket, parts: ProjectParts) -> None:
    """Add what a `setup.cfg` requests to the basket; `basket` and `parts` as in `pyproject.read`."""
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
        if (own := key_of(extra, known)) is not None:
            key = f"options.extras_require.{own}"
            _put(parser.get("options.extras_require", own), key, basket)
        else:
            unknown(basket, f"{name}: options.extras_require", "extra", extra, known)
    tell_unchosen(basket, "extra", {one: parser.get("options.extras_require", one).splitlines() for one in known})


def _read_beside(path: Path, basket: Basket, parts: ProjectParts) -> None:
    try:
        text = decoded(content_of(path))
    except (OSError, ValueError) as error:
        basket.problem(path.name, str(error))
    else:
        read_setup_cfg(text, basket.inside(replace(basket.origin, path=path)), parts)


def read_setup_py(text: str, basket: Basket, parts: ProjectParts) -> None:
    """Add what a `setup.py` requests to the basket, without running it.

    Arguments of `setup` that are not literal values are left to the build, or to a requirements file that the
    `setup.py` names; `basket` and `parts` as in `pyproject.read`.
    """
    name = basket.name
    tree = _parsed(text, basket)
    if tree is None:
        return
    call = next(
        (
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "setup"
        ),
        None,
    )
    if call is None:
        basket.problem(name, "there is no call of `setup` in it")
        return
    known = WrittenOut(tree)
    folder = basket.origin.path.parent
    has_name, is_whole = _has_name(folder), not any(_absent(tree, folder))
    given, asks_build = _arguments(call, known, basket, asks_begun=not (has_name and is_whole))
    beside = basket.origin.path.with_name("setup.cfg")
    if "install_requires" not in given and not asks_build and beside.is_file():
        _read_beside(beside, basket, parts)
        return
    for key, (value, line) in given.items():
        where = f"{name}:{line}"
        if isinstance(value, UnknownValueError):
            # Not for `python_requires` alone: if there is a build, the resolver learns it from that.
            asks_build = asks_build or key == "install_requires" or (key == "extras_require" and bool(parts.extras))
        elif key == "python_requires" and value:
            basket.python(str(value), where)
        elif key == "install_requires":
            _put_all(value, where, basket)
        elif key == "extras_require" and isinstance(value, dict):
            for extra in parts.extras:
                if (own := key_of(extra, (one for one in value if isinstance(one, str)))) is not None:
                    _put_all(value[own], where, basket)
                else:
                    unknown(basket, where, "extra", extra, tuple(map(str, value)))
            tell_unchosen(basket, "extra", {str(extra): _texts(lines) for extra, lines in value.items()})
    if asks_build:
        _ask_build(tree, basket, parts, can=has_name and is_whole and not _imports_more(tree, basket.origin.path))


def _has_name(folder: Path) -> bool:
    """Whether the name of a project is written out, and is one that an index could have."""
    try:
        Requirement(project_folder.name_of(folder) or "")
    except ValueError:
        return False
    return True


def _absent(tree: ast.Module, folder: Path) -> Iterator[str]:
    """The files that a `setup.py` reads, and the folder of its packages, if they are not here."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = getattr(call.func, "id", getattr(call.func, "attr", ""))
        is_search = function in ("find_packages", "find_namespace_packages")
        where = [each.value for each in call.keywords if each.arg == "where"] if is_search else []
        if _READS.search(function) or where:
            first = (where or call.args or [ast.Constant(value=0)])[0]
            parts = [node.value for node in ast.walk(first) if isinstance(node, ast.Constant)]
            path = "/".join(part for part in parts if isinstance(part, str))
            if path and not (folder / path).exists():
                yield path


def _parsed(text: str, basket: Basket) -> ast.Module | None:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        basket.problem(f"{basket.name}:{error.lineno}", f"it is not Python: {error.msg}")
    except ValueError as error:
        basket.problem(basket.name, f"it is not Python: {error}")
    except (MemoryError, RecursionError):
        # The parser raises either for an expression that is too deep for it.
        basket.problem(basket.name, "it is nested too deeply to be read")
    return None


def _ask_build(tree: ast.Module, basket: Basket, parts: ProjectParts, *, can: bool) -> None:
    """Add the dependencies that the build reports; if it cannot run, those in the requirements file that is named.

    Without such a file, the build is tried all the same.

    Args:
        tree: of the `setup.py`.
        basket: collects them.
        parts: the extras in it are included.
        can: whether the build can be expected to run.
    """
    name, folder = basket.name, basket.origin.path.parent
    listed = None if can else _listed(tree, folder)
    if listed is None:
        basket.dependencies_of(folder, name, extras=parts.extras)
        return
    words = f"what the project needs is read from `{listed}`: its build cannot be asked"
    if left := _tensorflows(tree):
        words += f"; {', '.join(f'`{each}`' for each in left)} in it is left out, as only a run tells where it applies"
    basket.note(name, words)
    read_lists([listed], basket, name)


def _tensorflows(tree: ast.Module) -> tuple[str, ...]:
    """The requirements on TensorFlow that are written in a program, except for its extras."""
    extras = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "extras_require"]
    inside = {node for value in extras for node in ast.walk(value)}
    texts = dict.fromkeys(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside
    )
    return tuple(text for text in texts if is_tensorflow(text) and re.search("[=<>~]|-gpu$", text))


def _imports_more(tree: ast.Module, path: Path) -> bool:
    """Whether a `setup.py` imports modules that its build environment lacks: pip, its own package, or another one."""
    modules = (
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    )
    imported = {module.partition(".")[0] for module in modules} - {""}
    beside = path.with_name("pyproject.toml")
    if beside.is_file() and b"build-system" in content_of(beside):
        # `[build-system]` lists the packages in the build environment.
        return "pip" in imported
    return not imported <= sys.stdlib_module_names | {"distutils", "pkg_resources", "setuptools", "wheel"}


def _listed(tree: ast.Module, folder: Path) -> str | None:
    """The requirements file that a `setup.py` names, as written; None if it names none that exists.

    Of several, only `requirements.txt` is returned; None if it is not among them.
    """
    named = dict.fromkeys(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _LIST.search(node.value)
        if (folder / node.value).is_file()
    )
    return next((each for each in named if len(named) == 1 or Path(each).name == "requirements.txt"), None)


def _arguments(
    call: ast.Call, known: WrittenOut, basket: Basket, *, asks_begun: bool
) -> tuple[dict[str, tuple[object, int]], bool]:
    """The arguments of `setup` that name dependencies.

    Args:
        call: of `setup`.
        known: the literal values in the file.
        basket: for notes.
        asks_begun: whether to use the initial value of a list that is extended later, as the build cannot be asked.

    Returns:
        By name, the value and its line number, with an `UnknownValueError` as the value where it is not literal; and
        whether there may be further arguments that only running the file reveals.
    """
    found: dict[str, tuple[object, int]] = {}
    may_be_more = False
    for keyword in known.keywords(call):
        if keyword.arg is not None and keyword.arg not in _READ:
            continue
        line = keyword.value.lineno
        try:
            value = known.of(keyword.value)
        except UnknownValueError as error:
            if keyword.arg is None:
                may_be_more = True
                continue
            value = error
            if asks_begun:
                with contextlib.suppress(UnknownValueError):
                    value = known.begun(keyword.value)
                    words = f"what is added to `{ast.unparse(keyword.value)}` later is not read: only a run tells it"
                    if not isinstance(keyword.value, ast.Name):
                        words = f"only a part of `{keyword.arg}` is read: only a run tells the rest"
                    basket.note(f"{basket.name}:{line}", words)
        inside = value if keyword.arg is None and isinstance(value, dict) else {keyword.arg: value}
        found |= {key: (inside[key], line) for key in _READ if key in inside}
    return found, may_be_more


def _put_all(texts: object, where: str, basket: Basket) -> None:
    for text in filter(None, _texts(texts)):
        basket.want(text, where)


def _texts(value: object) -> list[str]:
    """The requirements in a value: a list, or a text with one in each line."""
    lines = value.splitlines() if isinstance(value, str) else value if isinstance(value, list) else ()
    return [str(line).strip() for line in lines]


def _put(text: str, key: str, basket: Basket) -> None:
    for line in text.splitlines():
        asked = line.partition(" #")[0].strip()
        if asked.startswith("file:"):
            read_lists([one.strip() for one in asked.removeprefix("file:").split(",")], basket, basket.place(key))
        elif asked and not asked.startswith("#"):
            basket.want(asked, basket.place(f"{key}"))
