"""The interpreter that the plan chose."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import hosts
from tfprov.host.records import Interpreter
from tfprov.pipeline.backends.venv.interpreter import find_interpreter
from told import refusal

FACTS = hosts.Host().facts


def chosen(path: str | None, version: str) -> Any:
    return SimpleNamespace(decision=SimpleNamespace(python=SimpleNamespace(path=path, version=version)))


def test_one_of_this_machine_is_taken_with_what_is_known_of_it() -> None:
    known = FACTS.interpreters.value[0]
    machine: Any = SimpleNamespace(facts=FACTS, network=SimpleNamespace(offline=True))
    assert find_interpreter(SimpleNamespace(), machine, chosen(known.path, known.version)) is known  # type: ignore[arg-type]  # not looked at
    other = find_interpreter(SimpleNamespace(), machine, chosen("/opt/python", "3.12.1"))  # type: ignore[arg-type]  # likewise
    assert other == Interpreter(path="/opt/python", version="3.12.1")


def test_without_a_network_none_is_brought() -> None:
    machine: Any = SimpleNamespace(facts=FACTS, network=SimpleNamespace(offline=True))
    assert refusal(lambda: find_interpreter(SimpleNamespace(), machine, chosen(None, "3.12"))) == (  # type: ignore[arg-type]  # likewise
        *("python-not-found", "Python 3.12 is not on this machine, and the network may not be used"),
        "install Python 3.12, or make the bundle again with `--with-python`",
    )
