"""How long `tfprov plan --host` takes for every machine that the tests of the decision know, without network.

    python benchmarks/plan.py [--rounds 3]

Each plan is a process of its own, in a network name space without any interface where this user may make one (Linux, as
root). It must decide what the tests expect of that machine. Prints median and slowest of each machine's best time, by
the clock and by what was used of the processor, which a busy machine does not change much; exits with status 1 when a
decision is another one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from tfprov import process
from tfprov.host.facts import dump

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from hosts import Host  # noqa: E402  # found through the line above


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    machines = canned()
    offline = without_network()
    clock: dict[str, float] = {}
    processor: dict[str, float] = {}
    wrong = []
    with tempfile.TemporaryDirectory(prefix="plan-") as name:
        folder = Path(name)
        environ = {**process.clean_environment(os.environ), "TFPROV_HOME": str(folder / "home")}
        for number, (machine, (host, version, accelerator, expected)) in enumerate(machines.items()):
            facts, profile = folder / f"{number}.json", folder / f"{number}.toml"
            facts.write_text(dump(host.facts), encoding="utf-8")
            release = f'version = "{version}"\n' if version else ""
            profile.write_text(f'name = "x"\n[tensorflow]\naccelerator = "{accelerator}"\n{release}')
            argv = (
                *offline,
                sys.executable,
                "-I",
                "-m",
                "tfprov",
                "plan",
                str(profile),
                "--host",
                str(facts),
                "--json",
            )
            for _ in range(asked.rounds):
                before = used()
                done = process.run(argv, env=environ, cwd=folder)
                clock[machine] = min(done.seconds, clock.get(machine, math.inf))
                processor[machine] = min(used() - before, processor.get(machine, math.inf))
            decided = outcome(json.loads(done.stdout))
            if decided != expected:
                wrong.append(f"{machine}: {decided} instead of {expected}")
    network = "no network" if offline else "network not cut off"
    print(f"{len(clock)} machines, {network}, best of {asked.rounds}, {os.getloadavg()[0]:.0f} processes waiting")
    for kind, times in (("clock", clock), ("processor", processor)):
        slowest = max(times, key=lambda each: times[each])
        late = sum(seconds >= 1 for seconds in times.values())
        print(
            f"{kind:<9}  median {statistics.median(times.values()):.2f} s, slowest {times[slowest]:.2f} s ({slowest}), "
            f"{late} of 1 s or more"
        )
    print("\n".join(wrong) or "every decision is the one that the tests expect")
    raise SystemExit(bool(wrong))


def canned() -> dict[str, tuple[Host, str | None, str, str]]:
    """The machines of the tests: host, release, accelerator, what is decided."""
    found: ModuleType = load(TESTS / "unit" / "plan" / "test_decide.py")
    return dict(found.HOSTS)


def load(path: Path) -> ModuleType:
    """A module from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outcome(document: dict[str, dict[str, dict[str, str | list[str] | None]]]) -> str:
    """The decision in the words of the tests, or the failure code."""
    if document["error"]:
        return str(document["error"]["code"])
    tensorflow, python = document["decision"]["tensorflow"], document["decision"]["python"]
    extras = f"[{','.join(tensorflow['extras'] or ())}]" if tensorflow["extras"] else ""
    version = python["version"] if python["path"] else f"({python['version']})"
    return f"{tensorflow['package']}{extras}=={tensorflow['version']} {tensorflow['accelerator']} {version}"


def used() -> float:
    """Seconds of processor time that the children have used so far."""
    found = os.times()
    return found.children_user + found.children_system


def without_network() -> tuple[str, ...]:
    """What to put before a command so that it has no network; empty when that cannot be done here."""
    unshare = shutil.which("unshare")
    argv = (unshare or "", "--net", "--")
    return argv if unshare and process.run((*argv, "true"), env=os.environ).ok else ()


if __name__ == "__main__":
    main()
