"""Who may read the value of a secret, as a test: a list of functions, each with what it needs it for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tfprov

SOURCE = Path(tfprov.__file__).parent

READERS = {
    "conda.channels.with_token": "the address of an archive, for the HTTP client",
    "fetch.addresses.expand": "an address or a variable of a child, as the profile wants it",
    "fetch.client._routed": "the proxy of the HTTP client",
    "fetch.credentials.Login": "an `Authorization` header, an address in the environment of a child",
    "fetch.relay.Relay": "the proxy of git, in the environment of uv",
    "fetch.routes.problem_with": "whether the address can be one",
    "fetch.sources.Network": "the proxies in the environment of a child",
    "fetch.veil.Veil": "putting the names in place of the values, and back",
    "pipeline.access.IndexAccess": "the proxy of git, in its environment",
}
"""Functions and classes that call `Secret.reveal`, by module, and why."""


def readers(source: Path) -> Iterator[str]:
    """The functions and classes that read the value of a secret, whichever way."""
    for path in sorted(source.rglob("*.py")):
        module = ".".join(path.relative_to(source).with_suffix("").parts)
        if module == "secret":
            continue
        for top in ast.parse(path.read_text(encoding="utf-8")).body:
            name = getattr(top, "name", "<module>")
            for node in ast.walk(top):
                named = node.attr if isinstance(node, ast.Attribute) else ""
                text = node.value if isinstance(node, ast.Constant) else ""
                if named == "reveal" or text == "reveal" or (named == "_value" and _is_of_another(node)):
                    yield f"{module}.{name}"


def _is_of_another(node: ast.AST) -> bool:
    """Whether an attribute is read from something else than `self`, which keeps what is its own."""
    owner = node.value if isinstance(node, ast.Attribute) else None
    return not (isinstance(owner, ast.Name) and owner.id == "self")


def test_only_those_who_need_the_value_of_a_secret_read_it() -> None:
    assert sorted(set(readers(SOURCE))) == sorted(READERS)


@pytest.mark.parametrize(
    "line", ["x.reveal()", "map(Secret.reveal, xs)", "getattr(x, 'reveal')()", "login.password._value"]
)
def test_every_way_to_read_one_is_seen(tmp_path: Path, line: str) -> None:
    (tmp_path / "room.py").write_text(f"def act(x, xs, login):\n    return {line}\n")
    assert list(readers(tmp_path)) == ["room.act"]
