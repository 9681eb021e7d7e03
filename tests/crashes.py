"""Upgrades that are cut short: killed, or out of disk; and what must hold afterwards.

A `Site` is a project with its own index on the loopback and three states of its environment, each with another lock:
v1, v2 and v3. Going from one to the next is an upgrade. The wheels of v2 and v3 are new in every lap, so that every
stage has something to do; v1 comes back as it was, and is made from its image.

What is cut short runs as a user runs it: `python -m tfprov up` in a process of its own. The rest runs in forks.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

import forks
from loopback import Index
from sham import MODULE
from tfprov.fetch.store import Store
from tfprov.paths import home
from wheels import build_wheel

PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
TAG = f"cp3{sys.version_info[1]}-cp3{sys.version_info[1]}-manylinux_2_17_x86_64"
STAGES = ("facts", "plan", "interpreter", "lock", "fetch", "build", "install", "smoke", "activate")
UPGRADES = ("v1 -> v2", "v2 -> v3", "v3 -> v1")
# What is done to an environment besides: `heal` is `up` after somebody wrote into an installed file.
ACTIONS = ("recreate", "repair", "heal", "rollback")
_LIMIT_S = 300
# tfprov, sending itself SIGSTOP before its nth change to a folder; at its end it says how many there were.
_STOPPING = """
import itertools, os, signal, sys

nth, counter, changes = int(sys.argv.pop(1)), itertools.count(1), []

def hook(event, arguments):
    if event in ("os.remove", "os.rmdir", "os.rename", "os.link", "os.mkdir"):
        changes.append(next(counter))
        if changes[-1] == nth:
            os.kill(os.getpid(), signal.SIGSTOP)

sys.addaudithook(hook)
from tfprov.cli import main
try:
    main()
finally:
    print("changes:", len(changes), file=sys.stderr)
"""


@dataclass(frozen=True, kw_only=True)
class State:
    """What an environment should hold.

    Attributes:
        name: `v1`, `v2` or `v3`.
        tensorflow: version of it.
        requirements: further packages.
        versions: what `__version__` of each module must say.
    """

    name: str
    tensorflow: str
    requirements: tuple[str, ...]
    versions: tuple[tuple[str, str], ...]

    @property
    def wanted(self) -> tuple[str, ...]:
        """What one tells pip or uv to get the same."""
        return (f"tensorflow-cpu=={self.tensorflow}", *self.requirements)


class Catalogue:
    """Small wheels: a TensorFlow that can do what the quick smoke test asks for, and a package with many files.

    Args:
        folder: where the wheels are made.
        modules: of the package with many files.
        ballast: bytes in it that do not compress.
    """

    def __init__(self, folder: Path, *, modules: int = 400, ballast: int = 2_000_000) -> None:
        self.folder = folder
        self.files: dict[str, Path] = {}
        self._modules = modules
        self._ballast = ballast
        for version in ("2.20.0", "2.21.0"):
            source = MODULE.replace("2.99.0", version)
            self._add(build_wheel(folder, "tensorflow-cpu", version, files={"tensorflow/__init__.py": source}, tag=TAG))
        self._payload(1)

    def state(self, name: str, lap: int) -> State:
        """The state of that name in a lap; makes its wheels."""
        number = {"v1": 1, "v2": 2 * lap, "v3": 2 * lap + 1}[name]
        self._payload(number)
        tensorflow = "2.20.0" if name == "v1" else "2.21.0"
        return State(
            name=name,
            tensorflow=tensorflow,
            requirements=(f"payload=={number}.0",),
            versions=(("tensorflow", tensorflow), ("payload", f"{number}.0")),
        )

    def _payload(self, number: int) -> None:
        name = f"payload-{number}.0-py3-none-any.whl"
        if name in self.files:
            return
        version = f"{number}.0"
        # Digits of a seeded generator: they compress to half at best, and each version has others.
        ballast = random.Random(number).randbytes(self._ballast // 2).hex()
        files = {"payload/__init__.py": f"from payload import m0\n__version__ = {version!r}\n"}
        files |= {f"payload/m{one}.py": f"VERSION = {version!r}\nNUMBER = {one}\n" * 50 for one in range(self._modules)}
        self._add(build_wheel(self.folder, "payload", version, files={**files, "payload/ballast.txt": ballast}))

    def _add(self, wheel: Path) -> None:
        self.files[wheel.name] = wheel


class Releases:
    """Real wheels from a folder that holds the closures of two releases of tensorflow-cpu."""

    def __init__(self, folder: Path) -> None:
        self.files = {path.name: path for path in folder.glob("*.whl")}
        found = sorted(path.name.split("-")[1] for path in folder.glob("tensorflow_cpu-*.whl"))
        if len(found) < 2:
            raise SystemExit(f"`{folder}` holds no two releases of tensorflow-cpu")
        self._old, self._new = found[0], found[-1]

    def state(self, name: str, lap: int) -> State:
        """The state of that name; real wheels are the same in every lap."""
        version = self._old if name == "v1" else self._new
        # The third differs from the second by a package more, so that its lock is another one.
        more = ("wheel",) if name == "v3" else ()
        return State(name=name, tensorflow=version, requirements=more, versions=(("tensorflow", version),))


class Site:
    """A project whose environment is upgraded again and again.

    Attributes:
        disk: folder that holds the project and everything that tfprov keeps.
        state: what the environment in use should hold.
    """

    def __init__(
        self, root: Path, catalogue: Catalogue | Releases, index: Index, *, disk: Path | None = None, link: bool = True
    ) -> None:
        self.root = root
        self.disk = disk or root
        self.project = self.disk / "project"
        self.temporary = root / "tmp"
        self.temporary.mkdir(parents=True)
        self.project.mkdir(parents=True)
        self.said = root / "said.json"
        self.catalogue = catalogue
        self.index = index
        self.link = link
        self.lap = 1
        self.state = catalogue.state("v1", self.lap)
        self.earlier: list[State] = []

    def environ(self) -> dict[str, str]:
        """Variables of the children; everything of theirs stays below the site."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.root),
            "TMPDIR": str(self.temporary),
            "LANG": "C.UTF-8",
            "TFPROV_HOME": str(self.disk / "home"),
            "PIP_CONFIG_FILE": os.devnull,
        }

    def next_state(self) -> State:
        """What comes after the present one."""
        name = {"v1": "v2", "v2": "v3", "v3": "v1"}[self.state.name]
        if name == "v2":
            self.lap += 1
        return self.catalogue.state(name, self.lap)

    def ask_for(self, state: State) -> None:
        """Write the profile of a state."""
        self.index.files.update(self.catalogue.files)
        link = 'path = ".venv"\n' if self.link else ""
        (self.project / "train.toml").write_text(
            f'name = "train"\n[python]\npath = "{PYTHON}"\n[environment]\nkeep = 3\n{link}'
            f'[tensorflow]\nversion = "=={state.tensorflow}"\naccelerator = "cpu"\n'
            f"[packages]\nrequirements = {json.dumps(list(state.requirements))}\n"
            f'[index]\nurl = "{self.index.simple}"\n[smoke]\nlevel = "quick"\n',
            encoding="utf-8",
        )

    @contextlib.contextmanager
    def begun(self) -> Iterator[Site]:
        """With one generation, which holds version 1.0 of the payload; it is removed at the end."""
        self.state = self.catalogue.state("v1", self.lap)
        self.ask_for(self.state)
        assert self.finish(self.state) == []
        yield self
        self.run("remove", "train.toml", "--yes", "--force")

    def change(self, times: int = 1, *, more: tuple[str, ...] = ()) -> list[str]:
        """Change the profile so often and bring the environment up to it; what the last `up` said.

        Args:
            times: how often.
            more: requirements beside those of the state.
        """
        for _ in range(times):
            self.state = self.next_state()
            self.ask_for(replace(self.state, requirements=(*self.state.requirements, *more)))
            done = self.run("up", "train.toml")
            assert done.returncode == 0, done.stderr
        return done.stderr.splitlines()

    @property
    def payload(self) -> str:
        """Version of the payload that the environment should hold."""
        return dict(self.state.versions)["payload"]

    def command(self, *arguments: str) -> list[str]:
        """How tfprov is started."""
        return [sys.executable, "-I", "-m", "tfprov", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of tfprov, to its end."""
        # A fork has the locale of the tests.
        environ = {name: value for name, value in self.environ().items() if name != "LANG"}
        return forks.run(arguments, env=environ, cwd=self.project, timeout=_LIMIT_S)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """`up`, or another command, on its way; what it says goes to `said`."""
        with self.said.open("wb") as stream:
            return subprocess.Popen(
                self.command(*(arguments or ("up", "train.toml")), "--json"),
                env=self.environ(),
                cwd=self.project,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.DEVNULL,
            )

    def changes(self, *arguments: str) -> int:
        """How many changes to folders a command of tfprov makes, for `stopped`."""
        with self.stopped(0, *arguments) as process:
            process.wait(_LIMIT_S)
        return int(self.said.read_text(encoding="utf-8").rpartition("changes: ")[2])

    @contextlib.contextmanager
    def stopped(self, nth: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A command of tfprov, stopped before its nth change to a folder, or ended without; it goes on at the end.

        The place is the same on every machine, however fast it deletes. What it prints goes to `said`.
        """
        with self.said.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _STOPPING, str(nth), *arguments],
                env=self.environ(),
                cwd=self.project,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.wait(_LIMIT_S)

    def outcome(self) -> str:
        """How the last run that was started ended by itself: `verified`, or its failure code."""
        try:
            document = json.loads(self.said.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            return "no document"
        return "verified" if document["ok"] else str(document["error"]["code"])

    def journals(self) -> set[Path]:
        """Journals of all runs so far."""
        return set((self.disk / "home" / "state" / "journals").glob("*/*.jsonl"))

    @property
    def stable(self) -> Path:
        """The path that never points at anything unverified."""
        if self.link:
            return self.project / ".venv"
        return next((self.disk / "home" / "data" / "environments").glob("*/current"))

    def stored(self) -> set[str]:
        """Names of the whole wheels in the store."""
        return {one.path.name for one in Store(home(self.environ()).store).files()}

    # -- what must hold ------------------------------------------------------------------------------------------------

    def wrong(self, *expected: State) -> list[str]:
        """What does not hold of the environment in use, the store and `list`; empty when all is well.

        Sets `state` to the one that the environment is in.

        Args:
            expected: the states that it may be in.
        """
        found = wrong_with(self.stable, expected, environ=self.environ())
        for one in expected:
            if not wrong_with(self.stable, (one,), environ=self.environ()):
                self.state = one
        smoked = self.run("smoke", "train.toml", "--level", "quick")
        if smoked.returncode:
            found.append(f"smoke ended with {smoked.returncode}: {_last(smoked.stderr)}")
        damaged = Store(home(self.environ()).store).verify(remove=False)
        found += [f"in the store: `{one.path.name}` does not have its hash" for one in damaged]
        listed = self.run("list", "--json")
        if listed.returncode:
            found.append(f"list ended with {listed.returncode}: {_last(listed.stderr)}")
        else:
            found += _wrong_list(json.loads(listed.stdout))
        return found

    def finish(self, wanted: State) -> list[str]:
        """Run `up` again; what does not hold of that. Afterwards the environment is in the wanted state."""
        stored = self.stored()
        seen = len(self.index.seen)
        # What was rolled back goes forward again; for all else that says nothing.
        done = self.run("up", "train.toml", "--no-keep-rollback", "--json")
        if done.returncode:
            return [f"the next up ended with {done.returncode}: {_last(done.stderr)}"]
        # Asking for metadata or sizes moves no file.
        moved = {one.path.rpartition("/")[2] for one in self.index.seen[seen:] if one.method == "GET"}
        found = [f"`{name}` was in the store and was fetched again" for name in sorted(stored & moved)]
        found += wrong_with(self.stable, (wanted,), environ=self.environ())
        # Each wanted state has a generation now, also one that a cut after the next switch makes `state` pass over.
        self.earlier = [*self.earlier, self.state, wanted][-8:]
        self.state = wanted
        return found

    def spoil(self) -> str:
        """Write into an installed file in place, keeping its size; its path relative to the packages."""
        relative = "payload/m1.py"
        (packages,) = self.stable.glob("lib/python*/site-packages")
        target = packages / relative
        if not target.exists():
            relative, target = "tensorflow/__init__.py", packages / "tensorflow" / "__init__.py"
        with target.open("r+b") as stream:
            # The last character is a line end or a blank to Python in either case.
            stream.seek(-1, os.SEEK_END)
            stream.write(b" ")
        return relative

    def leftovers(self) -> list[str]:
        """What unfinished runs left behind that nothing needs, relative to the site."""
        kept = home(self.environ())
        found = [path for path in kept.environments.glob("*/generations/*") if not (path / "tfprov.json").exists()]
        for pattern in (
            "data/images/*.new",
            "data/environments/*/scratch",
            "cache/install-*",
            "cache/store/partial/*",
            "data/**/.*.tmp",
        ):
            found += (self.disk / "home").glob(pattern)
        found += self.temporary.iterdir()
        return sorted(str(path.relative_to(self.disk if self.disk in path.parents else self.root)) for path in found)


def _wrong_list(document: dict[str, list[dict[str, object]]]) -> list[str]:
    found = []
    (environment,) = document["environments"]
    generations: list[dict[str, object]] = environment["generations"]  # type: ignore[assignment] - a JSON document
    if environment["active"] not in [one["number"] for one in generations]:
        found.append(f"list: active is {environment['active']}, there are {[one['number'] for one in generations]}")
    found += [f"list: generation {one['number']} has no verdict" for one in generations if not one.get("verdict")]
    return found


def _last(text: str) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[-6:])


# -- looking at environments -------------------------------------------------------------------------------------------


def wrong_with(environment: Path, expected: Sequence[State], *, environ: dict[str, str]) -> list[str]:
    """What is wrong with an environment: imports that fail, versions of no expected state, files not as in RECORD."""
    modules = [module for module, _ in expected[0].versions]
    code = f"import {', '.join(modules)}; print(*({', '.join(f'{module}.__version__' for module in modules)},))"
    python = environment / "bin" / "python"
    try:
        done = subprocess.run(
            [python, "-I", "-c", code], env=environ, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except OSError as error:
        return [f"the interpreter does not start: {error}"]
    found = []
    if done.returncode:
        found.append(f"the import fails: {_last(done.stderr)}")
    elif done.stdout.split() not in [[version for _, version in one.versions] for one in expected]:
        found.append(f"imported {done.stdout.strip()}")
    return found + not_as_recorded(environment)


def not_as_recorded(environment: Path) -> list[str]:
    """Files that are not as their RECORD has them, packages without RECORD, packages that are there twice."""
    found = []
    names: list[str] = []
    for packages in environment.glob("lib/python*/site-packages"):
        # What pip is removing it first calls `~name`; in itself that is litter and no damage.
        for metadata in packages.glob("[!~]*.dist-info"):
            names.append(metadata.name.split("-")[0])
            record = metadata / "RECORD"
            if not record.exists():
                found.append(f"{metadata.name} has no RECORD")
                continue
            for path, digest, _ in csv.reader(record.read_text(encoding="utf-8").splitlines()):
                if digest and digest != _digest(packages / path, digest.partition("=")[0]):
                    found.append(f"`{path}` of {metadata.name} is missing or altered")
    found += [f"{name} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    return found


def _digest(path: Path, algorithm: str) -> str | None:
    try:
        digest = hashlib.new(algorithm, path.read_bytes()).digest()
    except OSError:
        return None
    return f"{algorithm}={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


# -- cutting runs short ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Cut:
    """When and how a run is ended from outside.

    Attributes:
        stage: at the boundary of this stage; None for a moment on the clock.
        event: `StageStarted` or `StageEnded`.
        after_s: seconds after that boundary, or after the start.
        whole_tree: kill all its children as well, as a loss of power does; else `kill -9` of the one process.
    """

    stage: str | None = None
    event: str = "StageStarted"
    after_s: float = 0.0
    whole_tree: bool = True

    def __str__(self) -> str:
        where = f"{self.event} {self.stage}" if self.stage else "clock"
        return f"{where} + {self.after_s:.3f} s{'' if self.whole_tree else ', parent only'}"


@dataclass(kw_only=True)
class Point:
    """One upgrade that was cut short.

    Attributes:
        upgrade: from where to where.
        cut: where it was cut, in words.
        kind: `boundary`, `random` or `disk`.
        reached: the stage that was on its way.
        wrong: what did not hold; empty when all did.
        code: how the run ended, where it ended by itself.
    """

    upgrade: str
    cut: str
    kind: str
    reached: str = ""
    wrong: list[str] = field(default_factory=list)
    code: str = ""


def cut_short(site: Site, cut: Cut, *arguments: str) -> bool:
    """Start `up`, or another command, and kill it; False when it was faster."""
    before = site.journals()
    process = site.start(*arguments)
    try:
        if cut.stage is not None and not _wait_for(site, process, before, cut):
            return False
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(cut.after_s)
            return False
        _kill(process, whole_tree=cut.whole_tree)
        return True
    finally:
        if process.poll() is None:
            _kill(process, whole_tree=True)
        process.wait()


def _wait_for(site: Site, process: subprocess.Popen[bytes], before: set[Path], cut: Cut) -> bool:
    """Wait for a line of the journal; False when the run ended without it."""
    wanted = (f'"event": "{cut.event}"', f'"stage": "{cut.stage}"')
    return _until(process, lambda: any(all(one in line for one in wanted) for line in _new_lines(site, before)))


def _until(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.002)
    return False


def _new_lines(site: Site, before: set[Path]) -> Iterator[str]:
    for journal in site.journals() - before:
        yield from journal.read_text(encoding="utf-8").splitlines()


def reached(site: Site, before: set[Path]) -> str:
    """The last stage that the newest run began."""
    stages = [json.loads(line)["stage"] for line in _new_lines(site, before) if '"StageStarted"' in line]
    return stages[-1] if stages else "start"


def _kill(process: subprocess.Popen[bytes], *, whole_tree: bool) -> None:
    """SIGKILL. For a whole tree everybody is stopped first, so that nobody starts another one meanwhile."""
    family: list[psutil.Process] = []
    if whole_tree:
        # The parent is stopped before its children are asked for: afterwards nobody can say whose they were.
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [psutil.Process(process.pid)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.suspend()
                family += [child for child in one.children() if child not in family]
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


def kill_point(site: Site, cut: Cut, *, kind: str) -> Point | None:
    """One upgrade, killed, examined, and brought to its end; None when the run was faster than the killer."""
    old, new = site.state, site.next_state()
    site.ask_for(new)
    before = site.journals()
    point = Point(upgrade=f"{old.name} -> {new.name}", cut=str(cut), kind=kind)
    killed = cut_short(site, cut)
    point.reached = reached(site, before)
    if killed:
        point.wrong = site.wrong(old, new)
    point.wrong += site.finish(new)
    return point if killed or point.wrong else None


def command_of(action: str) -> tuple[str, ...]:
    """What carries an action out."""
    more = ("--recreate",) if action == "recreate" else ()
    return ({"recreate": "up", "heal": "up"}.get(action, action), "train.toml", *more)


def action_point(site: Site, action: str, cut: Cut) -> Point | None:
    """Something else than an upgrade, killed, examined, and brought to its end; None when it was faster than that.

    Where a file was damaged before, it may still be so afterwards, and nothing else may be; the next `up` heals it.
    """
    state = site.state
    site.ask_for(state)
    spoilt = site.spoil() if action in ("repair", "heal") else None
    before = site.journals()
    point = Point(upgrade=action, cut=str(cut), kind="action")
    killed = cut_short(site, cut, *command_of(action))
    point.reached = reached(site, before)
    if killed:
        wrong = site.wrong(state, *(site.earlier if action == "rollback" else ()))
        point.wrong = [one for one in wrong if spoilt is None or f"`{spoilt}`" not in one]
    point.wrong += site.finish(state)
    return point if killed or point.wrong else None


# -- a disk that is full -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path]:
    """A file system of that size in memory. Only root may mount.

    Raises:
        PermissionError: this user may not.
    """
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        raise PermissionError(mounted.stderr.strip() or "mount is not possible")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def full(disk: Path, *, leave: int) -> Iterator[None]:
    """Take the room of a small disk away until about `leave` bytes are free; afterwards it has its size again."""
    total = shutil.disk_usage(disk).total
    try:
        # The children of a process that was stopped may write meanwhile, and no size below what is used is accepted.
        assert any(_resize(disk, shutil.disk_usage(disk).used + leave) for _ in range(50))
        yield
    finally:
        assert _resize(disk, total)


def _resize(disk: Path, size: int) -> bool:
    """Whether a small disk has a new size now, in whole pages, since the kernel rounds so."""
    pages = (size + 4095) // 4096 * 4096
    return subprocess.run(["mount", "-o", f"remount,size={pages}", str(disk)], check=False).returncode == 0


def full_disk_point(site: Site, *, stage: str | None, leave: int) -> Point:
    """One upgrade whose disk becomes full, examined while it still is, and brought to its end with room again.

    Args:
        site: its `disk` is a small file system.
        stage: when this stage begins; None for before the start.
        leave: bytes that stay free.
    """
    old, new = site.state, site.next_state()
    site.ask_for(new)
    before = site.journals()
    point = Point(
        upgrade=f"{old.name} -> {new.name}", cut=f"{leave // 1024} KiB left at {stage or 'start'}", kind="disk"
    )
    with contextlib.ExitStack() as filled:
        if stage is None:
            filled.enter_context(full(site.disk, leave=leave))
            process = site.start()
        else:
            process = site.start()
            if _wait_for(site, process, before, Cut(stage=stage)):
                process.send_signal(signal.SIGSTOP)
                filled.enter_context(full(site.disk, leave=leave))
                process.send_signal(signal.SIGCONT)
        process.wait(_LIMIT_S)
        point.code = site.outcome()
        point.reached = reached(site, before)
        point.wrong = site.wrong(old, new)
    point.wrong += site.finish(new)
    return point
