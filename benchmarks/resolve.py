"""Time of a resolve through the relay, and of uv alone, on the index that this machine is configured with.

Needs an index with TensorFlow (or `--index`), and nothing else running. Rounds are interleaved: uv alone, through the
relay; cold (an empty cache of uv) and warm (its cache of the cold one).

    python benchmarks/resolve.py --rounds 5
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from uv import find_uv_bin

from tfprov.events import ignore
from tfprov.fetch.relay import Relay
from tfprov.fetch.routes import DIRECT
from tfprov.fetch.sources import Network


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", help="default: that of this machine")
    parser.add_argument("--asked", default="tensorflow-cpu", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    network = Network(index_url=arguments.index or os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL"))
    seen: dict[tuple[str, bool], list[float]] = {(kind, way): [] for kind in ("cold", "warm") for way in (False, True)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a run of tfprov the HTTP library is there already: the plan has asked the index.
        resolve(folder, folder / "first", arguments.asked, network, relayed=True)
        for turn in range(arguments.rounds):
            for relayed in (turn % 2 == 0, turn % 2 == 1):
                cache = folder / f"cache-{relayed}"
                shutil.rmtree(cache, ignore_errors=True)
                for kind in ("cold", "warm"):
                    seconds, _ = resolve(folder, cache, arguments.asked, network, relayed=relayed)
                    seen[kind, relayed].append(seconds)
            shown = (f"{kind} {'relay' if way else 'uv'} {runs[-1]:.2f} s" for (kind, way), runs in seen.items())
            print(f"{turn + 1}: {', '.join(shown)}", file=sys.stderr, flush=True)
    for kind in ("cold", "warm"):
        alone, through = seen[kind, False], seen[kind, True]
        ratio = statistics.median(b / a for a, b in zip(alone, through, strict=True))
        print(
            f"{kind}: uv alone {statistics.median(alone):.2f} s, through the relay {statistics.median(through):.2f} s, "
            f"{ratio:.2f} (median of {arguments.rounds} pairs)"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
