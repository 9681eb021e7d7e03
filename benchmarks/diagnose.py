"""How often the diagnosis is right on the corpus of tests/corpus, as it is and as other programs hand it on; how fast.

    python benchmarks/diagnose.py [--codes] [--misses] [--size 200] [--json] [--public]

Recall of a group: of the logs whose cause is in it, the share whose root was found in it. Precision: of the logs that
were said to be of the group, the share that are. A log with several right answers counts for each. False
alarms: logs without a fault in which a cause was found. Speed and memory are of processes of their own over a log of so
many megabytes: lines of builds and training runs that say nothing, with the whole corpus strewn in. Peak memory is what
such a process needs beyond one that reads an empty log. Speed is by the processor's time, which a busy machine does not
change much.

Exits with status 1 when a log of the corpus is judged wrongly.
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from corpus_logs import NONE, Log, faults, group_of, read, read_public, root_of  # noqa: E402  # found through the line above
from log_variants import TRUNCATIONS, VARIANTS, Variant, padding  # noqa: E402
from tfprov.diagnose.diagnose import diagnose  # noqa: E402

MEGABYTE = 1_000_000


@dataclass(slots=True)
class Score:
    """Counts for one group or code."""

    logs: int = 0
    found: int = 0
    said: int = 0
    rightly: int = 0

    @property
    def recall(self) -> float | None:
        """Share of the logs of this kind that were found; None without any."""
        return self.found / self.logs if self.logs else None

    @property
    def precision(self) -> float | None:
        """Share of what was said to be of this kind that is; None when nothing was."""
        return self.rightly / self.said if self.said else None


@dataclass(slots=True)
class Run:
    """What came out for all logs in one shape."""

    groups: dict[str, Score] = field(default_factory=lambda: collections.defaultdict(Score))
    codes: dict[str, Score] = field(default_factory=lambda: collections.defaultdict(Score))
    logs: int = 0
    right_code: int = 0
    right_group: int = 0
    clean: int = 0
    alarms: int = 0
    silent: int = 0
    misses: list[tuple[str, str]] = field(default_factory=list)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--codes", action="store_true", help="a row for each code too")
    arguments.add_argument("--misses", action="store_true", help="name the logs that are judged wrongly")
    arguments.add_argument("--size", type=int, default=200, help="megabytes of the big log; 0 leaves it out")
    arguments.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    arguments.add_argument("--public", action="store_true", help="the logs of tests/public instead of the corpus")
    asked = arguments.parse_args()
    logs = read_public() if asked.public else read()
    runs = {name: judge(logs, change) for name, change in {**VARIANTS, **TRUNCATIONS}.items()}
    big = measure(logs, asked.size) if asked.size else None
    if asked.json:
        print(json.dumps(document(logs, runs, big), indent=1))
    else:
        tables(logs, runs, big, codes=asked.codes, misses=asked.misses)
    sys.exit(1 if runs["plain"].misses else 0)


def judge(logs: Sequence[Log], change: Variant) -> Run:
    run = Run()
    for log in logs:
        found = diagnose(BytesIO(change(log.content)), log.context)
        wrong = faults(log, found)
        if wrong:
            run.misses.append((log.name, "; ".join(wrong)))
        root = root_of(found)
        group = group_of(root)
        run.logs += 1
        run.right_code += root in log.roots
        run.right_group += group in log.groups
        if log.code is None:
            run.clean += 1
            run.alarms += root not in log.roots
        else:
            run.silent += root is None and None not in log.accept
        for table, expected, said, right in (
            (run.groups, log.groups[0], group, group in log.groups),
            (run.codes, log.code or NONE, root or NONE, root in log.roots),
        ):
            table[expected].logs += 1
            table[expected].found += right
            table[said].said += 1
            table[said].rightly += right
    return run


_CHILD = """
import sys, time
from tfprov.diagnose.diagnose import diagnose
began, busy = time.perf_counter(), time.process_time()
with open(sys.argv[1], "rb") as stream:
    found = diagnose(stream)
elapsed, busy = time.perf_counter() - began, time.process_time() - busy
# Not ru_maxrss: a child inherits what its parent had before it became this program.
memory = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(elapsed, busy, memory, found.lines)
"""


def measure(logs: Sequence[Log], megabytes: int) -> dict[str, float]:
    """Speed and memory over a big log, and over one without line ends, which must not grow either."""
    with tempfile.TemporaryDirectory(prefix="diagnose-") as name:
        folder = Path(name)
        block = padding(MEGABYTE)
        piece = max(1, megabytes * MEGABYTE // len(block))
        step = max(1, piece // len(logs))
        with (folder / "big.log").open("wb") as stream:
            for number in range(piece):
                stream.write(block)
                if number % step == 0:
                    stream.write(logs[number // step % len(logs)].content)
        with (folder / "one-line.log").open("wb") as stream:
            for _ in range(piece):
                stream.write(block.replace(b"\n", b" "))
        (folder / "empty.log").write_bytes(b"")
        seconds, busy, memory, lines = _child(folder / "big.log")
        _, one_busy, one_memory, _ = _child(folder / "one-line.log")
        _, _, base, _ = _child(folder / "empty.log")
        size = (folder / "big.log").stat().st_size / MEGABYTE
        one_size = (folder / "one-line.log").stat().st_size / MEGABYTE
    return {
        "megabytes": round(size, 1),
        "lines": lines,
        "seconds": round(seconds, 2),
        "processor_seconds": round(busy, 2),
        "megabytes_per_second": round(size / busy, 1),
        "extra_memory_mib": round((memory - base) / 1024, 1),
        "one_line_megabytes_per_second": round(one_size / one_busy, 1),
        "one_line_extra_memory_mib": round((one_memory - base) / 1024, 1),
    }


def _child(path: Path) -> tuple[float, float, float, float]:
    argv = [sys.executable, "-c", _CHILD, str(path)]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
    return float(told[0]), float(told[1]), float(told[2]), float(told[3])


def tables(
    logs: Sequence[Log], runs: dict[str, Run], big: dict[str, float] | None, *, codes: bool, misses: bool
) -> None:
    plain = runs["plain"]
    provoked = sum(log.made == "provoked" for log in logs)
    print(f"{len(logs)} logs, {provoked} of them provoked, {plain.clean} without a fault\n")
    for title, scores in (("group", plain.groups), ("code", plain.codes))[: 2 if codes else 1]:
        print(f"{title:30} {'logs':>5} {'recall':>7} {'precision':>9}")
        for name, score in sorted(scores.items()):
            print(f"{name:30} {score.logs:5} {_share(score.recall):>7} {_share(score.precision):>9}")
        print()
    print(f"{'variant':12} {'code':>7} {'group':>7} {'false alarms':>13} {'fault unseen':>13}")
    for name, run in runs.items():
        code, group = _share(run.right_code / run.logs), _share(run.right_group / run.logs)
        unseen = f"{run.silent}/{run.logs - run.clean}"
        print(f"{name:12} {code:>7} {group:>7} {f'{run.alarms}/{run.clean}':>13} {unseen:>13}")
    if big:
        print("\nbig log:     {megabytes} MB, {lines:.0f} lines, {megabytes_per_second} MB/s".format(**big))
        print("             {processor_seconds} s of the processor, {seconds} s by the clock".format(**big))
        print(f"             {big['extra_memory_mib']} MiB beyond a process that reads an empty log")
        print("one line:    {one_line_megabytes_per_second} MB/s, {one_line_extra_memory_mib} MiB".format(**big))
    if misses:
        shown = dict(plain.misses)
        for name, why in plain.misses:
            print(f"\n{name}: {why}", end="")
        for variant, run in runs.items():
            if variant not in TRUNCATIONS:
                for name, why in run.misses:
                    if name not in shown:
                        print(f"\n{name} ({variant}): {why}", end="")
        print()


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def document(logs: Sequence[Log], runs: dict[str, Run], big: dict[str, float] | None) -> dict[str, object]:
    def rows(scores: dict[str, Score]) -> dict[str, object]:
        return {
            name: {"logs": score.logs, "recall": score.recall, "precision": score.precision}
            for name, score in sorted(scores.items())
        }

    plain = runs["plain"]
    return {
        "logs": len(logs),
        "provoked": sum(log.made == "provoked" for log in logs),
        "groups": rows(plain.groups),
        "codes": rows(plain.codes),
        "variants": {
            name: {
                "right_code": run.right_code / run.logs,
                "right_group": run.right_group / run.logs,
                "clean": run.clean,
                "false_alarms": run.alarms,
                "faults_unseen": run.silent,
            }
            for name, run in runs.items()
        },
        "misses": dict(plain.misses),
        "big": big,
    }


if __name__ == "__main__":
    main()
