"""Evaluates literal values in a Python file without running it."""

from __future__ import annotations

import ast
import contextlib
from collections import Counter
from collections.abc import Iterator

# A foreign file may double a value with each line.
_MOST_STEPS = 100_000
_MOST_CHARACTERS = 1 << 20
_CHANGES = frozenset({"append", "extend", "insert", "remove", "pop", "clear", "update", "setdefault"})


class UnknownValueError(Exception):
    """The value is not literal: only running the file would reveal it."""


class WrittenOut:
    """The literal values of a module's names.

    A name that is assigned more than once or changed in place has no known value, because that depends on execution.

    Args:
        tree: the module.
    """

    def __init__(self, tree: ast.Module) -> None:
        given = [
            (target.id, node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else (node.target,))
            if isinstance(target, ast.Name)
        ]
        times = Counter(name for name, _ in given)
        once = {name: value for name, value in given if times[name] == 1}
        changed = set(_changed(tree))
        self._values = {name: value for name, value in once.items() if name not in changed}
        # Of a name with several values the first one: `given` is in their order.
        self._begun = {name: value for name, value in reversed(given) if times[name] > 1 or name in changed}
        self._asked: set[str] = set()
        self._steps = 0

    def of(self, node: ast.expr) -> object:
        """The value of an expression: text, numbers, and lists and dictionaries of them; tuples and sets become lists.

        Raises:
            UnknownValueError: it is not literal, or takes too long or becomes too long.
        """
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise UnknownValueError(f"more than {_MOST_STEPS:,} values")
        found = self._value(node)
        if isinstance(found, str) and len(found) > _MOST_CHARACTERS:
            raise UnknownValueError(f"more than {_MOST_CHARACTERS:,} characters")
        return found

    def _value(self, node: ast.expr) -> object:
        found: object
        match node:
            case ast.Constant(value=value):
                found = value
            case ast.Name(id=name) if name in self._values and name not in self._asked:
                self._asked.add(name)
                try:
                    found = self.of(self._values[name])
                finally:
                    self._asked.discard(name)
            case ast.List() | ast.Tuple() | ast.Set():
                found = [value for one in node.elts for value in self._elements(one)]
            case ast.Dict():
                found = self._dictionary(node)
            case ast.Call(func=ast.Name(id="dict"), args=[]):
                found = self._of_keywords(node.keywords)
            case ast.Call(func=ast.Name(id="list" | "tuple" | "set" | "sorted"), args=[inner], keywords=[]):
                found = self._sequence(inner)
            case ast.Call(
                func=ast.Attribute(value=inner, attr="split" | "splitlines" | "strip" as method), keywords=[]
            ):
                found = self._cut(self.of(inner), method, [self.of(argument) for argument in node.args])
            case ast.BinOp(op=ast.Add()):
                found = self._sum(self.of(node.left), self.of(node.right))
            case ast.Subscript():
                found = self._part(self.of(node.value), self.of(node.slice))
            case ast.JoinedStr():
                found = "".join(map(self._text, node.values))
            case _:
                raise UnknownValueError(ast.unparse(node))
        return found

    def keywords(self, call: ast.Call) -> Iterator[ast.keyword]:
        """The keyword arguments of a call. Those in a dictionary that is written out stand in place of its `**`."""
        for keyword in call.keywords:
            name = keyword.value.id if keyword.arg is None and isinstance(keyword.value, ast.Name) else ""
            if name in self._asked:
                continue
            self._asked.add(name)
            match self._values.get(name):
                case ast.Call(func=ast.Name(id="dict"), args=[]) as inner:
                    yield from self.keywords(inner)
                case ast.Dict(keys=keys, values=values) if all(isinstance(key, ast.Constant) for key in keys):
                    pairs = zip(keys, values, strict=True)
                    yield from (ast.keyword(str(ast.literal_eval(key)), value) for key, value in pairs if key)
                case _:
                    yield keyword
            self._asked.discard(name)

    def begun(self, node: ast.expr) -> object:
        """What is known of an expression: the first value of a name that changes later, and the known terms of a sum.

        Raises:
            UnknownValueError: nothing is known of it.
        """
        if isinstance(node, ast.Name) and node.id in self._begun and node.id not in self._asked:
            self._asked.add(node.id)
            try:
                return self._of_part(self._begun[node.id])
            finally:
                self._asked.discard(node.id)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            known: list[object] = []
            for side in (node.left, node.right):
                with contextlib.suppress(UnknownValueError):
                    known.append(self._of_part(side))
            if known:
                return self._sum(*known) if len(known) > 1 else known[0]
        raise UnknownValueError(ast.unparse(node))

    def _of_part(self, node: ast.expr) -> object:
        try:
            return self.of(node)
        except UnknownValueError:
            return self.begun(node)

    def _elements(self, node: ast.expr) -> list[object]:
        return self._sequence(node.value) if isinstance(node, ast.Starred) else [self.of(node)]

    def _sequence(self, node: ast.expr) -> list[object]:
        value = self.of(node)
        if isinstance(value, list):
            return value
        raise UnknownValueError(ast.unparse(node))

    def _dictionary(self, node: ast.Dict) -> dict[object, object]:
        found: dict[object, object] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                inner = self.of(value)
                if not isinstance(inner, dict):
                    raise UnknownValueError(ast.unparse(value))
                found |= inner
            else:
                name = self.of(key)
                if not isinstance(name, str | int):
                    raise UnknownValueError(ast.unparse(key))
                found[name] = self.of(value)
        return found

    def _of_keywords(self, keywords: list[ast.keyword]) -> dict[object, object]:
        found: dict[object, object] = {}
        for keyword in keywords:
            value = self.of(keyword.value)
            if keyword.arg is not None:
                found[keyword.arg] = value
            elif isinstance(value, dict):
                found |= value
            else:
                raise UnknownValueError(ast.unparse(keyword.value))
        return found

    def _text(self, node: ast.expr) -> str:
        if isinstance(node, ast.FormattedValue) and node.format_spec is None and node.conversion == -1:
            return str(self.of(node.value))
        return str(self.of(node))

    @staticmethod
    def _cut(text: object, method: str, arguments: list[object]) -> object:
        if not isinstance(text, str) or not all(isinstance(each, str) and each for each in arguments):
            raise UnknownValueError(method)
        try:
            return getattr(text, method)(*arguments)
        except TypeError:
            raise UnknownValueError(method) from None

    @staticmethod
    def _sum(left: object, right: object) -> object:
        if isinstance(left, list) and isinstance(right, list):
            return [*left, *right]
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        raise UnknownValueError("+")

    @staticmethod
    def _part(whole: object, key: object) -> object:
        if isinstance(whole, dict) and isinstance(key, str | int) and key in whole:
            return whole[key]
        if isinstance(whole, list) and isinstance(key, int) and -len(whole) <= key < len(whole):
            return whole[key]
        raise UnknownValueError(f"[{key!r}]")


def _changed(tree: ast.Module) -> Iterator[str]:
    """Names whose value changes in place: by an operator or a method, or by assigning or deleting an element."""
    for node in ast.walk(tree):
        places: list[ast.expr] = []
        match node:
            case ast.AugAssign(target=target) | ast.For(target=target) | ast.NamedExpr(target=target):
                places = [target]
            case ast.Assign(targets=targets) | ast.Delete(targets=targets):
                places = [each for each in targets if not isinstance(each, ast.Name)]
            case ast.Call(func=ast.Attribute(value=value, attr=method)) if method in _CHANGES:
                places = [value]
        for place in places:
            yield from (inner.id for inner in ast.walk(place) if isinstance(inner, ast.Name))
