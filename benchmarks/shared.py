"""Many `tfprov up` at one moment with one store: what the index sends for all of them, against what one install needs.

    python benchmarks/shared.py FOLDER                      # 16 runs; FOLDER holds the wheels of TensorFlow
    python benchmarks/shared.py FOLDER --runs 16 --kill 5   # and five of them, drawn by chance, are killed and repeated

Each run has a home, a profile, a lock and an environment of its own; cache and store are one folder for all, as with
`XDG_CACHE_HOME` or `TFPROV_STORE` on a shared disk. The index is a server on the loopback that counts every byte:
files, pages and metadata. Each run ends with the quick smoke test; its environment is deleted at once, because sixteen
of them fill a small disk. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent.parent / "tests")]

from loopback import Faults, Index  # noqa: E402  # found through the line above


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument(
        "wheels", type=Path, help="folder with the wheels of an install, and what else an index would have"
    )
    arguments.add_argument("--runs", type=int, default=16)
    arguments.add_argument("--kill", type=int, default=0, help="so many runs are killed while they fetch")
    arguments.add_argument(
        "--rate", type=float, default=40.0, help="megabytes a second that the index gives all together"
    )
    arguments.add_argument("--python", default="3.12", help="minor version that the wheels are for")
    arguments.add_argument("--seed", type=int, default=1)
    asked = arguments.parse_args()
    files = {path.name: path for path in sorted(asked.wheels.glob("*.whl"))}
    with tempfile.TemporaryDirectory(prefix="tfprov-shared-") as name:
        root = Path(name)
        faults = Faults(metadata=True, total_rate=asked.rate * 1e6)
        with Index(files, faults) as index:
            for filename in files:
                index.sha256(filename)  # not while somebody waits
            together(root, index, asked)


def start(root: Path, index: Index, number: int, python: str) -> subprocess.Popen[bytes]:
    """One run, in a process group of its own."""
    folder = root / f"run{number}"
    folder.mkdir(exist_ok=True)
    (folder / "train.toml").write_text(
        f'name = "train"\n[python]\nversion = "=={python}.*"\n[index]\nurl = "{index.simple}"\n'
        '[tensorflow]\naccelerator = "cpu"\n[smoke]\nlevel = "quick"\ntimeout = 1800\n'
    )
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environ |= {
        "XDG_CACHE_HOME": str(root / "cache"),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_STATE_HOME": str(folder / "state"),
        "PIP_CONFIG_FILE": os.devnull,
    }
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-I", "-m", "tfprov", "up", "train.toml"],
            env=environ,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def together(root: Path, index: Index, asked: argparse.Namespace) -> None:
    chance = random.Random(asked.seed)
    biggest = max(index.size(name) for name in index.files)
    began = time.monotonic()
    runs = {number: start(root, index, number, asked.python) for number in range(asked.runs)}
    # The moments are drawn by what the index has sent: while somebody fetches.
    moments = sorted(chance.uniform(0.05, 0.95) * biggest for _ in range(asked.kill))
    status: dict[int, int] = {}
    fetched, sent, killed = 0.0, 0, 0
    while len(status) < asked.runs:
        if moments and index.sent >= moments[0]:
            moments.pop(0)
            number = chance.choice([each for each in runs if each not in status])
            with contextlib.suppress(ProcessLookupError):
                os.killpg(runs[number].pid, signal.SIGKILL)
            runs[number].wait()
            killed += 1
            runs[number] = start(root, index, number, asked.python)
        if index.sent != sent:
            sent, fetched = index.sent, time.monotonic() - began
        for number, run in runs.items():
            if number not in status and run.poll() is not None:
                status[number] = run.returncode
                if run.returncode:
                    print((root / f"run{number}" / "log").read_text()[-3000:], file=sys.stderr)
                shutil.rmtree(root / f"run{number}" / "data", ignore_errors=True)
                print(f"run {number} ended with {run.returncode}", file=sys.stderr, flush=True)
        time.sleep(0.05)
    seconds = time.monotonic() - began
    locked = (root / "run0" / "pylock.train.toml").read_text()
    one = sum(index.size(name) for name in index.files if f"/{name}" in locked)
    whole = Counter(
        seen.path
        for seen in index.requests(".whl")
        if seen.path.startswith("/files/") and seen.headers.get("range", "bytes=0-").startswith("bytes=0-")
    )
    store = root / "cache" / "tfprov" / "store" / "sha256"
    damaged = [path for path in store.glob("*/*/*") if digest(path) != path.parent.name]
    titles = (
        *("runs", "killed", "verified", "one install", "files sent", "pages and metadata", "ratio"),
        *("most beginnings of a file", "damaged", "seconds"),
    )
    print(f"| {' | '.join(titles)} |")
    print(f"| {' | '.join('---:' for _ in titles)} |")
    print(
        f"| {asked.runs} | {killed} | {sum(code == 0 for code in status.values())} | {one / 1e6:.1f} MB "
        f"| {index.sent / 1e6:.1f} MB | {index.answered / 1e6:.2f} MB | {(index.sent + index.answered) / one:.4f} "
        f"| {max(whole.values(), default=0)} | {len(damaged)} | {seconds:.0f}, {fetched:.0f} to fetch |"
    )


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


if __name__ == "__main__":
    main()
