"""Questions that are asked beside each other although their answers are wanted in order."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

from tfprov.process import endable

# More at a time would ask for what the answers before them make needless.
_MOST = 2

Q = TypeVar("Q")
A = TypeVar("A")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Beside(Generic[Q, A]):
    """Answers in the order of their questions, with the next question asked meanwhile. Use it as a context manager.

    With one processor they are asked one after the other. What nobody has waited for at the end is ended.
    """

    def __init__(self, ask: Callable[[Q], A], questions: Sequence[Q]) -> None:
        """Ask nothing yet.

        Args:
            ask: called from other threads, once a question; its answer depends on the question alone.
            questions: of which some may turn out to be needless.
        """
        self._ask = ask
        self._questions = questions
        self._most = min(_MOST, processors())
        self._pool = ThreadPoolExecutor(max_workers=self._most, thread_name_prefix="beside")
        self._asked: dict[int, tuple[Future[A], threading.Event]] = {}

    def __enter__(self) -> Beside[Q, A]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for index in self._asked:
            self.drop(index)
        self._pool.shutdown()

    def answer(self, index: int, *, then: int | None = None) -> A:
        """The answer to a question, waited for; whatever `ask` raises.

        Args:
            index: of the question.
            then: that of the question which will be asked next; None where that is not known.
        """
        if self._most == 1 or (then is None and index not in self._asked):
            return self._ask(self._questions[index])
        for each in (index, then):
            if each is not None and each not in self._asked:
                needless = threading.Event()
                self._asked[each] = self._pool.submit(self._work, self._questions[each], needless), needless
        return self._asked[index][0].result()

    def drop(self, index: int) -> None:
        """End a question if it is asked; its answer is not wanted."""
        if index in self._asked:
            future, needless = self._asked[index]
            needless.set()
            future.cancel()

    def _work(self, question: Q, needless: threading.Event) -> A:
        with endable(needless):
            return self._ask(question)
