"""Kill upgrades of a conda environment at random moments, and look at what is left.

    python benchmarks/crash_conda.py --points 60

A channel is made of the Python that runs this and of stand-in packages (tests/conda_site.py); TensorFlow is a sham.
Every point starts an upgrade of an environment that works and ends tfprov with SIGKILL. Afterwards what is in use
must import what it imported before, and no file of it may be missing or altered; the next run must succeed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from channel import text_package
from conda_site import CondaSite

VARIANTS = ('packages = ["hello"]', 'packages = ["hello", "other"]')


def main(points: int, seed: int) -> int:
    """Number of points after which something was broken."""
    chance = random.Random(seed)
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="crash-conda-") as name:
        site = CondaSite.ready(Path(name), text_package("other", "1.0", dist="other"))
        site.up()
        site.write(conda=VARIANTS[1])
        began = time.monotonic()
        site.up()
        whole = time.monotonic() - began
        version = site.imported()
        variant = 1
        for number in range(points):
            site.write(conda=VARIANTS[1 - variant])
            run = site.start("up", "train.toml", *(("--recreate",) if number % 3 == 0 else ()))
            moment = chance.uniform(0.0, whole)
            time.sleep(moment)
            over = run.poll() is not None
            run.kill()
            run.communicate()
            problems = []
            if site.imported() != version:
                problems.append("another version is imported")
            doctor = site.run("doctor", "train.toml", "--json")
            # The lock may be the new one already, so that the old environment drifts from it; its files must be whole.
            damage = [one for one in json.loads(doctor.stdout).get("findings", []) if one["code"] == "file-damaged"]
            if damage:
                problems.append(f"damaged: {damage[0]}")
            after = site.run("up", "train.toml", "--json")
            if after.returncode != 0:
                problems.append(f"the next run failed: {after.stderr[-400:]}")
            else:
                variant = 1 - variant
            found["over before the kill" if over else "killed"] += 1
            found["broken"] += bool(problems)
            print(f"{number + 1:3}  {moment:5.2f} s  {'; '.join(problems) or 'good'}", file=sys.stderr, flush=True)
    print(f"{found['killed']} killed, {found['over before the kill']} over before the kill, {found['broken']} broken")
    return found["broken"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    sys.exit(1 if main(asked.points, asked.seed) else 0)
