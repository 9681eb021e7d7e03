"""Questions beside each other: what is started, and what is ended."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import CancelledError

import pytest

from tfprov import overlapped, process
from tfprov.overlapped import Overlapped

ENV = {"PATH": os.environ.get("PATH", os.defpath)}


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlapped, "processors", lambda: 2)


def test_the_next_question_is_asked_while_one_is_waited_for() -> None:
    both = threading.Barrier(2)

    def ask(question: str) -> str:
        both.wait()
        return question.upper()

    with Overlapped(ask, ("a", "b")) as questions:
        assert [questions.answer(0, then=1), questions.answer(1)] == ["A", "B"]


def test_without_a_next_question_nothing_is_asked_from_another_thread() -> None:
    with Overlapped(lambda _: threading.current_thread(), ("a",)) as questions:
        assert questions.answer(0) is threading.current_thread()


@pytest.mark.parametrize("is_dropped", [True, False])
def test_the_child_of_a_question_that_nobody_waits_for_is_ended(is_dropped: bool) -> None:
    started, ended = threading.Event(), list[type[BaseException]]()
    endless = [sys.executable, "-I", "-c", "print(1, flush=True); import time; time.sleep(3600)"]

    def ask(question: str) -> str:
        if question == "endless":
            try:
                process.run(endless, env=ENV, on_stdout=lambda _: started.set())
            except CancelledError as error:
                ended.append(type(error))
                raise
        started.wait()
        return question

    with Overlapped(ask, ("short", "endless")) as questions:
        assert questions.answer(0, then=1) == "short"
        if is_dropped:
            questions.drop(1)
    assert ended == [CancelledError]


def test_a_failure_is_that_of_its_question() -> None:
    def ask(question: str) -> str:
        raise ValueError(question)

    with Overlapped(ask, ("a", "b")) as questions:
        for index, text in enumerate("ab"):
            with pytest.raises(ValueError, match=text):
                questions.answer(index, then=1)
