"""Upgrades that are killed or run out of disk: what tfprov, pip and uv leave behind.

    python benchmarks/crash.py                              # a small round: 24 points of tfprov, 12 of pip and of uv
    python benchmarks/crash.py --points 500 --disk 60 --others 200 --jobs 2 --json crash.json
    python benchmarks/crash.py --wheels FOLDER --points 12  # real: the closures of two releases of tensorflow-cpu

Each point is one upgrade, v1 -> v2, v2 -> v3 or v3 -> v1, of an environment that tfprov manages. Half of the points
are kills at a boundary of a stage, at once or up to 30 ms later; half are kills at a random moment of the run. After
every third one something else is killed at a random moment: a recreation from the image, a repair, an `up` that heals
a file which somebody wrote into, a rollback. Three of four kill all processes, as a loss of power does; the fourth is
`kill -9` of tfprov alone, whose children end with it. Other points fill a small file system (root only: it is mounted)
when a stage begins, or before the run.

Afterwards must hold: the environment in use imports, holds exactly the old or exactly the new packages, each file as in
its RECORD; `tfprov smoke` is good; each file of the store has its hash; `tfprov list` names an active generation with a
verdict; the next `up` succeeds and fetches no file that was in the store. The wheels are small shams unless `--wheels`
is given; that changes how long the stages take, not what they do.

pip and uv do the same upgrade in place, in an environment that is made anew for each point, killed at a random moment.
Broken is: an import fails, a file is missing or altered against RECORD, a package is gone, half there, or there twice.
Green is: `pip check` or `uv pip check` ends with 0 all the same.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent.parent / "tests")]

from crashes import (  # noqa: E402  # found through the line above
    ACTIONS,
    PYTHON,
    STAGES,
    UPGRADES,
    Catalogue,
    Cut,
    Point,
    Releases,
    Site,
    State,
    action_point,
    command_of,
    full,
    full_disk_point,
    kill_point,
    small_disk,
    wrong_with,
)
from loopback import Faults, Index  # noqa: E402  # likewise

RATE = 12e6  # bytes a second: so slow that a kill can fall into a download
# The plan asks for the room that the real TensorFlow needs, whatever the wheels are.
DISK_MB = 6_000
DISK_LEFT = (0, 16 * 1024, 256 * 1024, 1 << 20, 4 << 20, 16 << 20)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What one worker does.

    Attributes:
        tool: `tfprov`, `pip` or `uv`.
        points: kills.
        disk: upgrades with a full disk.
        until: begin none after this moment, seconds since the epoch.
        wheels: folder with real wheels; None for shams.
    """

    tool: str
    points: int
    disk: int
    until: float
    seed: int
    folder: Path
    wheels: Path | None
    uv: Path


@dataclass(kw_only=True)
class Damage:
    """One upgrade in place that was cut short.

    Attributes:
        kind: `random` or `disk`.
        wrong: what is broken; empty when the environment is whole.
        green: whether the tool's own check was satisfied.
        finished: whether the upgrade ended well by itself before it was cut.
    """

    upgrade: str
    kind: str
    cut: str
    wrong: list[str] = field(default_factory=list)
    green: bool = True
    finished: bool = False


def work(task: Task) -> list[Point | Damage]:
    """Do a task in a folder of its own; what was found until its time was over or the harness itself failed."""
    root = Path(tempfile.mkdtemp(prefix=f"{task.tool}-", dir=task.folder))
    found: list[Point | Damage] = []
    try:
        with stocked(task, root) as (catalogue, index):
            if task.tool == "tfprov":
                # Full disks first: they are fewer, and no limit of time may leave them out.
                points = itertools.chain(full_disks(task, root, catalogue, index), kills(task, root, catalogue, index))
                found.extend(points)
            else:
                found.extend(in_place(task, root, catalogue, index))
    except Exception:
        traceback.print_exc()
    return found


@contextlib.contextmanager
def stocked(task: Task, root: Path) -> Iterator[tuple[Catalogue | Releases, Index]]:
    """The wheels of a task and an index with them."""
    catalogue = Releases(task.wheels) if task.wheels else Catalogue(root / "wheels")
    rate = None if task.wheels else RATE
    with Index(catalogue.files, Faults(metadata=True, total_rate=rate)) as index:
        yield catalogue, index


# -- tfprov ------------------------------------------------------------------------------------------------------------


def kills(task: Task, root: Path, catalogue: Catalogue | Releases, index: Index) -> Iterator[Point]:
    """Points of one site, half of them at boundaries and half at random moments."""
    if not task.points:
        return
    chance = random.Random(task.seed)
    # Every other site has its stable path in the project, the others in tfprov's own folder.
    site = Site(root / "site", catalogue, index, link=task.seed % 2 == 0)
    seconds = whole_lap(site)
    events = ("StageStarted", "StageEnded")
    actions = itertools.cycle(ACTIONS)
    boundaries = {name: shuffled([(stage, event) for stage in STAGES for event in events], chance) for name in UPGRADES}
    done = 0
    while done < task.points and time.time() < task.until:
        name = upgrade_of(site)
        tree = chance.random() < 0.75
        if done % 4 == 3:
            action = next(actions)
            moment = chance.uniform(0.0, seconds[action])
            point = action_point(site, action, Cut(after_s=moment, whole_tree=tree))
        elif chance.random() < 0.5:  # not in turn: every upgrade has a turn of three, too
            stage, event = boundaries[name].pop(0)
            late = chance.choice((0.0, chance.uniform(0.0, 0.03)))
            point = kill_point(site, Cut(stage=stage, event=event, after_s=late, whole_tree=tree), kind="boundary")
            if point is not None:
                # Round again. One that never comes, as `install` where there is an image, is not tried again.
                boundaries[name].append((stage, event))
        else:
            moment = chance.uniform(0.0, seconds[name])
            point = kill_point(site, Cut(after_s=moment, whole_tree=tree), kind="random")
        if point is not None:
            done += 1
            report(task, point.upgrade, point.cut, point.wrong)
            yield point
    left = site.leftovers()
    if left:
        print(f"tfprov left behind: {', '.join(left)}", file=sys.stderr)


def upgrade_of(site: Site) -> str:
    """The next upgrade by name, without beginning a lap."""
    return next(one for one in UPGRADES if one.startswith(site.state.name))


T = TypeVar("T")


def shuffled(things: Sequence[T], chance: random.Random) -> list[T]:
    """The same in another order."""
    return chance.sample(things, len(things))


def whole_lap(site: Site) -> dict[str, float]:
    """Make the first environment and go round once without harm; seconds by upgrade."""
    site.ask_for(site.state)
    wrong = site.finish(site.state)
    seconds = {}
    for name in UPGRADES:
        wanted = site.next_state()
        site.ask_for(wanted)
        started = time.monotonic()
        wrong += site.finish(wanted)
        seconds[name] = time.monotonic() - started
    for action in ACTIONS:
        if action in ("repair", "heal"):
            site.spoil()
        started = time.monotonic()
        done = site.run(*command_of(action))
        seconds[action] = time.monotonic() - started
        wrong += [f"{action} ended with {done.returncode}: {done.stderr}"] if done.returncode else []
        wrong += site.finish(site.state)
    if wrong:
        raise SystemExit(f"not even an upgrade in peace works: {wrong}")
    return seconds


def full_disks(task: Task, root: Path, catalogue: Catalogue | Releases, index: Index) -> Iterator[Point]:
    """Points of a site on a small file system."""
    if not task.disk:
        return
    try:
        with small_disk(root / "disk", megabytes=2 * DISK_MB if task.wheels else DISK_MB) as disk:
            site = Site(root / "on-disk", catalogue, index, disk=disk)
            whole_lap(site)
            chance = random.Random(task.seed)
            every = [(stage, left) for left in DISK_LEFT for stage in (None, *STAGES)]
            cases = {name: itertools.cycle(shuffled(every, chance)) for name in UPGRADES}
            for _ in range(task.disk):
                if time.time() > task.until:
                    return
                stage, left = next(cases[upgrade_of(site)])
                point = full_disk_point(site, stage=stage, leave=left)
                report(task, point.upgrade, point.cut, point.wrong)
                yield point
    except PermissionError as error:
        print(f"no full disks: {error}", file=sys.stderr)


# -- pip and uv --------------------------------------------------------------------------------------------------------


class InPlace:
    """An environment that pip or uv upgrades in place, made anew from a copy for every point."""

    def __init__(self, task: Task, root: Path, index: Index, *, place: Path) -> None:
        self.tool, self.uv, self.index, self.root = task.tool, task.uv, index, root
        self.place = place
        self.links = task.wheels is not None
        self.python = place / "bin" / "python"

    def environ(self) -> dict[str, str]:
        """Variables of the children."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": str(self.root / "uv-cache"),
        }

    def install(self, state: State) -> list[str]:
        """The command that brings the packages of a state in."""
        if self.tool == "uv":
            tool = [str(self.uv), "pip", "install", "--python", str(self.python)]
        else:
            tool = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check"]
        return [*tool, "--upgrade", "--index-url", self.index.simple, *state.wanted]

    def check(self) -> bool:
        """Whether the tool says that the environment is good."""
        if self.tool == "uv":
            argv = [str(self.uv), "pip", "check", "--python", str(self.python)]
        else:
            argv = [str(self.python), "-m", "pip", "check", "--disable-pip-version-check"]
        return self.run(argv).returncode == 0

    def run(self, argv: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """To its end."""
        return subprocess.run(argv, env=self.environ(), capture_output=True, check=False)

    def make(self, state: State) -> None:
        """A fresh environment in that state."""
        subprocess.run([PYTHON, "-m", "venv", self.place], env=self.environ(), check=True)
        done = self.run(self.install(state))
        if done.returncode:
            raise SystemExit(done.stderr.decode())

    def keep(self, copy: Path) -> None:
        """Keep the environment as it is now."""
        shutil.rmtree(copy, ignore_errors=True)
        self._copy(self.place, copy)

    def restore(self, copy: Path) -> None:
        """The environment as it was kept."""
        shutil.rmtree(self.place)
        self._copy(copy, self.place)

    def _copy(self, source: Path, target: Path) -> None:
        # Of real wheels, links: 1.2 GB would take longer than the upgrade. Both tools replace files.
        shutil.copytree(source, target, symlinks=True, copy_function=os.link if self.links else shutil.copy2)


def in_place(task: Task, root: Path, catalogue: Catalogue | Releases, index: Index) -> Iterator[Damage]:
    """Points of pip or uv."""
    chance = random.Random(task.seed)
    per_upgrade = [task.points // 3 + (1 if one < task.points % 3 else 0) for one in range(3)]
    states = [catalogue.state(name, 1) for name in ("v1", "v2", "v3", "v1")]
    # The present files, since the catalogue makes wheels on demand.
    index.files.update(catalogue.files)
    env = InPlace(task, root, index, place=root / "environment")
    for (old, new), count in zip(itertools.pairwise(states), per_upgrade, strict=True):
        shutil.rmtree(env.place, ignore_errors=True)
        env.make(old)
        env.keep(root / "copy")
        duration = statistics.median(peaceful(env, new, root / "copy") for _ in range(1 if task.wheels else 3))
        for _ in range(count):
            env.restore(root / "copy")
            moment = chance.uniform(0.0, duration)
            process = subprocess.Popen(
                env.install(new),
                env=env.environ(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            finished = True
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                finished = False
                os.killpg(process.pid, 9)
                process.wait()
            yield judged(
                task, env, old, new, Damage(upgrade="", kind="random", cut=f"{moment:.3f} s", finished=finished)
            )
    yield from in_place_full(task, root, states, index, chance)


def peaceful(env: InPlace, new: State, copy: Path) -> float:
    """Seconds of an upgrade that nobody disturbs."""
    env.restore(copy)
    started = time.monotonic()
    done = env.run(env.install(new))
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    return time.monotonic() - started


def in_place_full(
    task: Task, root: Path, states: Sequence[State], index: Index, chance: random.Random
) -> Iterator[Damage]:
    """The same upgrades on a file system with less room than they need; the tools' caches are elsewhere."""
    if not task.disk:
        return
    try:
        with small_disk(root / "disk", megabytes=DISK_MB) as disk:
            env = InPlace(task, root, index, place=disk / "environment")
            env.links = False
            for position in range(3):
                old, new = states[position], states[position + 1]
                shutil.rmtree(env.place, ignore_errors=True)
                env.make(old)
                env.keep(root / "copy-full")
                needed = sum(index.size(name) for name in index.files if needs(name, new)) * 2
                for _ in range(task.disk // 3):
                    env.restore(root / "copy-full")
                    left = int(chance.uniform(0, needed))
                    with full(disk, leave=left):
                        finished = env.run(env.install(new)).returncode == 0
                        damage = Damage(upgrade="", kind="disk", cut=f"{left // 1024} KiB left", finished=finished)
                        yield judged(task, env, old, new, damage)
    except PermissionError as error:
        print(f"no full disks: {error}", file=sys.stderr)


def needs(filename: str, state: State) -> bool:
    """Whether a wheel is one of those that the state names."""
    name, version = filename.split("-")[:2]
    return any(one == f"{name.replace('_', '-')}=={version}" for one in state.wanted)


def judged(task: Task, env: InPlace, old: State, new: State, damage: Damage) -> Damage:
    """What the cut left, and what the tool says of it."""
    damage.upgrade = f"{old.name} -> {new.name}"
    mixed = State(name="mixed", tensorflow="", requirements=(), versions=tuple(mix(old, new)))
    damage.wrong = wrong_with(env.place, (old, new, mixed), environ=env.environ())
    damage.green = env.check()
    report(task, damage.upgrade, damage.cut, damage.wrong)
    return damage


def mix(old: State, new: State) -> Iterator[tuple[str, str]]:
    """One package old, the other new: unfinished, but whole, and not counted as broken."""
    for (module, before), (_, after) in zip(old.versions, new.versions, strict=True):
        yield module, after if module == "tensorflow" else before


# -- results -----------------------------------------------------------------------------------------------------------


def report(task: Task, upgrade: str, cut: str, wrong: Sequence[str]) -> None:
    """One line as it happens."""
    print(f"{task.tool:<7} {upgrade}  {cut:<44} {'; '.join(wrong)[:160] or 'good'}", file=sys.stderr, flush=True)


def show_tfprov(points: Sequence[Point]) -> None:
    """What held, by upgrade and kind; then how the points spread over the stages."""
    print("tfprov: upgrades cut short, and how many were not as they must be afterwards\n")
    lines = []
    for kind in ("boundary", "random", "disk"):
        for upgrade in UPGRADES:
            of = [one for one in points if (one.kind, one.upgrade) == (kind, upgrade)]
            lines.append([kind, upgrade, str(len(of)), str(sum(bool(one.wrong) for one in of))])
    for action in ACTIONS:
        of = [one for one in points if one.upgrade == action]
        lines.append(["random", action, str(len(of)), str(sum(bool(one.wrong) for one in of))])
    lines.append(["all", "", str(len(points)), str(sum(bool(one.wrong) for one in points))])
    print(table(["cut", "upgrade", "points", "not as they must be"], lines))
    print("\nin which stage the run was cut\n")
    stages = ("start", "profile", *STAGES)
    counts = Counter((one.kind, one.reached) for one in points)
    lines = [
        [kind, *(str(counts[kind, stage]) for stage in stages)] for kind in ("boundary", "random", "action", "disk")
    ]
    print(table(["cut", *stages], lines))
    for one in points:
        if one.wrong:
            print(f"\n    {one.upgrade}, {one.cut}, in {one.reached}: {'; '.join(one.wrong)}")
    codes = Counter(one.code for one in points if one.kind == "disk")
    if codes:
        print(
            f"\nhow runs with a full disk ended: {', '.join(f'{code}: {count}' for code, count in codes.most_common())}"
        )


def show_others(found: dict[str, list[Damage]]) -> None:
    """How often an upgrade in place left a broken environment, and how often the check saw it."""
    print("\nupgrades in place, cut short\n")
    lines = []
    for tool, damages in found.items():
        for kind in ("random", "disk"):
            of = [one for one in damages if one.kind == kind and not one.finished]
            broken = [one for one in of if one.wrong]
            green = sum(one.green for one in broken)
            if of:
                share = f"{100 * len(broken) / len(of):.0f} %"
                lines.append([tool, kind, str(len(of)), str(len(broken)), share, str(green)])
    print(table(["tool", "cut", "points", "broken", "share", "broken, and the check is green"], lines))


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    widths = [max(len(line[column]) for line in (header, *lines)) for column in range(len(header))]
    ruled = (header, ["-" * width for width in widths], *lines)
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in ruled
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--points", type=int, default=24, help="kills of tfprov")
    arguments.add_argument("--disk", type=int, default=6, help="upgrades with a full disk, of each tool")
    arguments.add_argument("--others", type=int, default=12, help="kills of pip and of uv each")
    arguments.add_argument("--tools", default="tfprov,pip,uv")
    arguments.add_argument("--jobs", type=int, default=1, help="sites at the same time")
    arguments.add_argument("--seconds", type=float, default=86400, help="begin no kill of tfprov after so long")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--wheels", type=Path, help="folder with the closures of two releases of tensorflow-cpu")
    arguments.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    arguments.add_argument("--uv", type=Path, default=Path(sys.executable).parent / "uv")
    arguments.add_argument("--json", type=Path, help="also write every point there")
    asked = arguments.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash-", dir=asked.folder, ignore_cleanup_errors=True) as folder:

        def task(tool: str, points: int, disk: int, seed: int) -> Task:
            return Task(
                tool=tool,
                points=points,
                disk=disk,
                until=time.time() + asked.seconds,
                seed=seed,
                folder=Path(folder),
                wheels=asked.wheels.absolute() if asked.wheels else None,
                uv=asked.uv.absolute(),
            )

        tasks = [
            task("tfprov", points, disk, asked.seed + number)
            for number, (points, disk) in enumerate(
                zip(shares(asked.points, asked.jobs), shares(asked.disk, asked.jobs), strict=True)
            )
        ]
        tools = asked.tools.split(",")
        tasks = tasks if "tfprov" in tools else []
        if asked.others:
            tasks += [task(tool, asked.others, asked.disk, asked.seed) for tool in ("pip", "uv") if tool in tools]
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(asked.jobs, mp_context=spawn) as pool:
            results = list(zip(tasks, pool.map(work, tasks), strict=True))
    points = [one for _, found in results for one in found if isinstance(one, Point)]
    others = {
        task_.tool: [one for one in found if isinstance(one, Damage)]
        for task_, found in results
        if task_.tool != "tfprov"
    }
    if points:
        show_tfprov(points)
    if others:
        show_others(others)
    print(f"\n{time.monotonic() - started:.0f} s")
    if asked.json:
        document = {
            "tfprov": [asdict(one) for one in points],
            **{tool: [asdict(one) for one in found] for tool, found in others.items()},
        }
        asked.json.write_text(json.dumps(document, indent=1))
    if any(one.wrong for one in points):
        raise SystemExit(1)


def shares(total: int, jobs: int) -> list[int]:
    """A number in as many parts as even as can be."""
    return [total // jobs + (1 if one < total % jobs else 0) for one in range(jobs)]


if __name__ == "__main__":
    main()
