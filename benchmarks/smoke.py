"""What the quick level costs beside the least that anybody would do: import TensorFlow and run one operation.

    python benchmarks/smoke.py ENVIRONMENT/bin/python [--rounds 7]

Both are started anew in each round, one after the other, so that a busy machine slows both. Prints medians and their
ratio.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from tfprov import process
from tfprov.events import ignore
from tfprov.smoke.records import SmokeRequest
from tfprov.smoke.runner import smoke

BARE = "import tensorflow as tf; print(tf.matmul([[1.0]], [[2.0]]))"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("python", type=Path)
    arguments.add_argument("--rounds", type=int, default=7)
    asked = arguments.parse_args()
    environment = process.clean_environment(os.environ)

    def bare() -> bool:
        return process.run((asked.python, "-c", BARE), env=environment).ok

    def quick() -> bool:
        return smoke(asked.python, SmokeRequest(level="quick"), environ=os.environ, emit=ignore).ok

    # Once for nothing: bytecode and page cache.
    if not (bare() and quick()):
        raise SystemExit("the environment does not pass; there is nothing to measure")
    times: dict[str, list[float]] = {"bare": [], "quick": []}
    for _ in range(asked.rounds):
        times["bare"].append(seconds(bare))
        times["quick"].append(seconds(quick))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"{name:<6} median {medians[name]:.2f} s, from {min(values):.2f} to {max(values):.2f} s")
    print(f"ratio  {medians['quick'] / medians['bare']:.2f}")


def seconds(action: Callable[[], bool]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
