"""A law of the diagnosis over chains of variants: whatever programs hand a log on, its cause stays.

python tests/log_chains.py 100000      tries so many chains, and names those that break the law
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from io import BytesIO

from corpus_logs import Log, read, read_public, root_of
from log_variants import VARIANTS, Variant, last_lines, padding
from tfprov.diagnose.diagnose import diagnose

# UTF-16 ends a chain: what comes after it would have to know of it. The wide padding is tried in its own place.
_INNER = tuple(name for name in VARIANTS if name not in {"plain", "utf-16", "padded", "latin-1"})
_LONGEST = 3
_PADDING = padding(4_000, seed=3)


def chain(seed: int) -> tuple[tuple[str, ...], Variant]:
    """A chain of variants by its number: their names, and all of them in one."""
    chooser = random.Random(seed)
    names = tuple(chooser.sample(_INNER, chooser.randint(1, _LONGEST)))
    is_cut, is_padded = chooser.random() < 0.3, chooser.random() < 0.5

    def change(content: bytes) -> bytes:
        content = last_lines(30)(content) if is_cut else content
        content = _PADDING + content.rstrip(b"\n") + b"\n" + _PADDING if is_padded else content
        for name in names:
            content = VARIANTS[name](content)
        return content

    return (*(["last 30 lines"] if is_cut else []), *(["padding"] if is_padded else []), *names), change


def broken(logs: Sequence[Log], seed: int) -> str:
    """What breaks the law in a chain of that number over one of the logs; empty when nothing does."""
    log = logs[seed % len(logs)]
    names, change = chain(seed)
    root = root_of(diagnose(BytesIO(change(log.content)), log.context))
    if root in log.roots or root == root_of(diagnose(BytesIO(log.content), log.context)):
        return ""
    return f"{seed}: {log.name} through {', '.join(names)}: {root or 'nothing'}"


def main(count: int) -> int:
    logs = (*read(), *read_public())
    wrong = 0
    for seed in range(count):
        told = broken(logs, seed)
        if told:
            wrong += 1
            print(told)
    print(f"{count} chains, {wrong} broken")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
