"""Asks slow questions, such as resolves or probes, concurrently when their answers are needed in order."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from tfprov.process import endable

# With more at a time, earlier answers would make more of the work needless.
_MOST = 2

Q = TypeVar("Q")
A = TypeVar("A")


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Overlapped(Generic[Q, A]):
    """Answers questions in order, and asks the next one in a thread meanwhile. Use it as a context manager.

    With only one processor, questions are asked one after the other. On exit, questions still being asked are ended.
    """

    def __init__(self, ask: Callable[[Q], A], questions: Sequence[Q]) -> None:
        """Prepare; nothing is asked before the first call of `answer`.

        Args:
            ask: called once for each question that is needed, possibly in another thread; the answer must depend only
                on the question.
            questions: all of them; some may turn out not to be needed.
        """
        self._ask = ask
        self._questions = questions
        self._most = min(_MOST, processors())
        self._pool = ThreadPoolExecutor(max_workers=self._most, thread_name_prefix="overlapped")
        self._asked: dict[int, tuple[Future[A], threading.Event]] = {}

    def __enter__(self) -> Overlapped[Q, A]:
        return self

    def __exit__(self, *exc: object) -> None:
        for index in self._asked:
            self.drop(index)
        self._pool.shutdown()

    def answer(self, index: int, *, then: int | None = None) -> A:
        """Wait for the answer to a question. Raises whatever `ask` raises.

        Args:
            index: index of the question.
            then: index of a question to ask meanwhile, whose answer will probably be needed next; None for none.
        """
        if self._most == 1 or (then is None and index not in self._asked):
            return self._ask(self._questions[index])
        for each in (index, then):
            if each is not None and each not in self._asked:
                needless = threading.Event()
                self._asked[each] = self._pool.submit(self._work, self._questions[each], needless), needless
        return self._asked[index][0].result()

    def drop(self, index: int) -> None:
        """Stop asking a question whose answer is no longer needed."""
        if index in self._asked:
            future, needless = self._asked[index]
            needless.set()
            future.cancel()

    def _work(self, question: Q, needless: threading.Event) -> A:
        with endable(needless):
            return self._ask(question)
