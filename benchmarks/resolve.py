"""What a resolve costs through the relay, and what a lock of a whole project costs, beside uv alone.

Needs an index with TensorFlow (or `--index`), and nothing else running for the seconds; processor seconds, processes and
requests say the same on a busy machine. Rounds are interleaved: uv alone, through the relay; cold (an empty cache of uv) and
warm (its cache of the cold one).

    python benchmarks/resolve.py --rounds 5
    python benchmarks/resolve.py --project 60 [--trace]

With `--project` tfprov makes a lock of that many packages from nothing (at most 60), cold and once more without the lock but
with its caches, and `uv pip compile` resolves the same lines for the Python that was taken.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from uv import find_uv_bin

from tfprov.events import ignore
from tfprov.fetch.relay import Relay
from tfprov.fetch.routes import DIRECT
from tfprov.fetch.sources import Network

# What stands beside TensorFlow in the projects of others, the most frequent first; all of it has wheels.
PACKAGES = (
    "numpy pandas scikit-learn matplotlib scipy jupyter seaborn tqdm pillow requests opencv-python-headless h5py pyyaml "
    "fastapi uvicorn boto3 transformers tensorflow-datasets nltk plotly flask statsmodels tensorboard keras-tuner gunicorn "
    "pydantic sqlalchemy pyarrow joblib ipykernel notebook pytest black mypy click rich python-dotenv beautifulsoup4 lxml "
    "openpyxl xgboost lightgbm optuna mlflow networkx sympy bokeh dask numba imageio scikit-image librosa spacy gensim "
    "redis psycopg2-binary celery httpx aiohttp prometheus-client"
).split()


def resolve(folder: Path, cache: Path, asked: str, network: Network, *, relayed: bool) -> tuple[float, str]:
    """Seconds of one resolve, and what came of it."""
    source = folder / "asked.in"
    source.write_text(f"{asked}\n")
    argv = [find_uv_bin(), "pip", "compile", str(source), "--format", "pylock.toml", "--no-header", "--no-config"]
    argv += ["--no-progress", "--cache-dir", str(cache), "--python", sys.executable, "--only-binary", ":all:"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **network.tool_environment(DIRECT)}
    started = time.perf_counter()
    if relayed:
        with Relay(network, emit=ignore) as relay:
            done = subprocess.run(argv, env={**environ, **relay.environment(DIRECT)}, capture_output=True, text=True)
    else:
        if network.index_url:
            environ["UV_DEFAULT_INDEX"] = network.index_url
        done = subprocess.run(argv, env=environ, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stderr)
    return seconds, done.stdout


def compare(network: Network, asked: str, rounds: int) -> None:
    """Pairs of resolves, through the relay and without it."""
    seen: dict[tuple[str, bool], list[float]] = {(kind, way): [] for kind in ("cold", "warm") for way in (False, True)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a run of tfprov the HTTP library is there already: the plan has asked the index.
        resolve(folder, folder / "first", asked, network, relayed=True)
        for turn in range(rounds):
            for relayed in (turn % 2 == 0, turn % 2 == 1):
                cache = folder / f"cache-{relayed}"
                shutil.rmtree(cache, ignore_errors=True)
                for kind in ("cold", "warm"):
                    seconds, _ = resolve(folder, cache, asked, network, relayed=relayed)
                    seen[kind, relayed].append(seconds)
            shown = (f"{kind} {'relay' if way else 'uv'} {runs[-1]:.2f} s" for (kind, way), runs in seen.items())
            print(f"{turn + 1}: {', '.join(shown)}", file=sys.stderr, flush=True)
    for kind in ("cold", "warm"):
        alone, through = seen[kind, False], seen[kind, True]
        ratio = statistics.median(b / a for a, b in zip(alone, through, strict=True))
        print(
            f"{kind}: uv alone {statistics.median(alone):.2f} s, through the relay {statistics.median(through):.2f} s, "
            f"{ratio:.2f} (median of {rounds} pairs)"
        )


def lock_project(lines: list[str], index: str | None, *, trace: bool) -> None:
    """A lock of a project by tfprov, and the same lines by uv alone; cold and warm."""
    with tempfile.TemporaryDirectory(prefix="tfprov-resolve-") as name:
        folder = Path(name)
        (folder / "requirements.txt").write_text("\n".join(["tensorflow", *lines]) + "\n", encoding="utf-8")
        text = 'name = "project"\n[tensorflow]\naccelerator = "cpu"\n[packages]\nfiles = ["requirements.txt"]\n'
        text += f'[index]\nurl = "{index}"\n' if index else ""
        (folder / "project.toml").write_text(text, encoding="utf-8")
        environ = {**os.environ, "TFPROV_HOME": str(folder / "home")}
        for kind in ("cold", "warm"):
            argv = [sys.executable, __file__, "--count", str(folder / "counted.json"), "lock", "project.toml"]
            wall, used = timed(argv, folder, environ)
            counted = json.loads((folder / "counted.json").read_text(encoding="utf-8"))
            lock = (folder / "pylock.project.toml").read_text(encoding="utf-8")
            print(
                f"{kind} tfprov: {wall:.1f} s, processor {used:.1f} s; uv: {len(counted['uv'])} processes, "
                f"{sum(each['processor'] for each in counted['uv']):.1f} s; requests: {counted['relay']} of uv, "
                f"{counted['sent']} sent; {lock.count('[[packages]]')} packages"
            )
            for each in counted["uv"] if trace else ():
                print(f"    {each['began']:6.1f} {each['wall']:6.1f} {each['processor']:6.1f}  {each['argv']}")
            (folder / "pylock.project.toml").unlink()
        # Which Python is right is what tfprov has found out by then.
        python = re.findall(r'(?m)^requires-python = ">=([\d.]+)"', lock)[0]
        environ = {**os.environ, **({"UV_DEFAULT_INDEX": index} if index else {})}
        for kind in ("cold", "warm"):
            argv = [find_uv_bin(), "pip", "compile", "requirements.txt", "--format", "pylock.toml", "--python", python]
            argv += ["--cache-dir", str(folder / "uv"), "--quiet", "--output-file", "pylock.uv.toml"]
            (folder / "pylock.uv.toml").unlink(missing_ok=True)
            wall, used = timed(argv, folder, environ)
            print(f"{kind} uv alone: {wall:.1f} s, processor {used:.1f} s", flush=True)


def timed(argv: list[str], folder: Path, environ: dict[str, str]) -> tuple[float, float]:
    """Seconds of a child: on the clock, and of processors with all its own children."""
    before, started = processor(), time.perf_counter()
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True)
    wall = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    return wall, processor() - before


def processor() -> float:
    """Processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def count(path: Path, arguments: list[str]) -> None:
    """Run tfprov here, and write down which uv it started and what was asked of servers."""
    import httpx

    from tfprov import process
    from tfprov.cli.main import main as tfprov
    from tfprov.fetch import relay

    began, seen = time.perf_counter(), []
    asked: Counter[str] = Counter()
    run, obtain, send = process.run, relay._Handler._obtain, httpx.Client.send

    def counted_run(argv, **settings):  # type: ignore[no-untyped-def]
        before, started = processor(), time.perf_counter()
        words, done = [os.fspath(each) for each in argv], None
        try:
            done = run(argv, **settings)
            return done
        finally:
            if Path(words[0]).name.startswith("uv"):
                at = {
                    "began": started - began,
                    "wall": time.perf_counter() - started,
                    "processor": processor() - before,
                }
                seen.append({**at, "argv": " ".join(words[1:]), "status": done and done.returncode})

    def counted_obtain(handler):  # type: ignore[no-untyped-def]
        asked["relay"] += 1
        return obtain(handler)

    def counted_send(client, request, **settings):  # type: ignore[no-untyped-def]
        asked["sent"] += 1
        return send(client, request, **settings)

    process.run, relay._Handler._obtain, httpx.Client.send = counted_run, counted_obtain, counted_send
    sys.argv = ["tfprov", *arguments]
    try:
        tfprov()
    finally:
        document = {"uv": seen, "relay": asked["relay"], "sent": asked["sent"]}
        path.write_text(json.dumps(document), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", help="default: that of this machine")
    parser.add_argument("--asked", default="tensorflow-cpu", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--project", type=int, metavar="PACKAGES")
    parser.add_argument("--trace", action="store_true", help="show each uv that a lock starts")
    parser.add_argument("--count", type=Path, nargs=1, help=argparse.SUPPRESS)
    arguments, rest = parser.parse_known_args()
    if arguments.count:
        count(arguments.count[0], rest)
        return 0
    index = arguments.index or os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL")
    if arguments.project is not None:
        lock_project(PACKAGES[: arguments.project], index, trace=arguments.trace)
    else:
        compare(Network(index_url=index), arguments.asked, arguments.rounds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
