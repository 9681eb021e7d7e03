"""How long until there is a verified environment: tfprov beside uv and pip, on the real wheels of tensorflow-cpu.

    python benchmarks/speed.py --cache FOLDER                        # all cases, 3 rounds
    python benchmarks/speed.py --cache FOLDER --cases recreate,nothing --rounds 5 --tools tfprov,uv

The wheels are fetched once with pip into the cache folder; after that everything comes from an index on the loopback
that this program starts. In each round every tool does every case, one after the other and in turning order, so that a
busy machine slows all of them. Each tool has its own caches and a clean environment; PYTHONDONTWRITEBYTECODE is not
set, since with it each import of TensorFlow compiles everything again. Data is written back to the disk before a clock
starts, and in the cases with full caches what a tool has kept is read once: a virtual machine may take unused memory
back within a minute, and then whoever ran last would win.

tfprov is one command, `tfprov up`, at the smoke level `quick`. uv is what one types instead:

    uv venv && uv pip install tensorflow-cpu==V && python -c "a product and its gradient"

once as it is and once with `--compile-bytecode`; pip likewise with `python -m venv`. What an earlier environment of uv
or pip left is put aside before their clock starts; tfprov deletes its own within its time. Nothing else is deleted
before the end, because an ext4 without a journal makes new files many times slower for minutes after that: a round of
`cold` takes some 6 GB. A ratio is the median of tfprov over the median of the faster uv.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent.parent / "tests")]

from loopback import Faults, Index  # noqa: E402  # found through the line above
from wheels import build_wheel  # noqa: E402  # likewise

OPERATION = """
import tensorflow as tf
x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
with tf.GradientTape() as tape:
    tape.watch(x)
    y = tf.reduce_sum(tf.matmul(x, x))
print(tape.gradient(y, x).numpy().tolist())
"""
PACKAGE = "tensorflow-cpu"
TOOLS = ("tfprov", "uv", "uv-compile", "pip")
CASES = ("cold", "many", "recreate", "second", "shared", "nothing", "rollback", "doctor", "disk")
MANY = 8


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a case must reach.

    Attributes:
        what: the case in words.
        beside: what it is compared with: another tool, or another case of tfprov.
        ratio: at most so many times the other; None for no such bound.
        seconds: at most so many seconds; None for no such bound.
    """

    what: str
    beside: str
    ratio: float | None = None
    seconds: float | None = None


TARGETS = {
    "cold": Target(what="cold, verified", beside="uv", ratio=0.8),
    "many": Target(what=f"{MANY} `up` at once with one lock, cold", beside="cold", ratio=2.2),
    "recreate": Target(what="recreate a broken environment, verified", beside="uv", ratio=0.45),
    "second": Target(what="second environment with the same lock, verified", beside="uv", ratio=0.45),
    "shared": Target(what="another profile, one more package, verified", beside="uv", ratio=0.4),
    "nothing": Target(what="nothing to do", beside="import typer", ratio=3.0, seconds=0.3),
    "rollback": Target(what="rollback", beside="", seconds=0.5),
    "doctor": Target(what="doctor, full hash", beside="sha256sum", ratio=1.5),
}
MOST_EXTRA_DISK = 0.03
MOST_SHARED_DISK = 0.05
MOST_DISK = 1.3


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Bytes on disk.

    Attributes:
        first: of the first environment.
        wheels: of what it was made from.
        whole: of everything below TFPROV_HOME after it.
        second: that another environment with the same lock adds to that.
        shared: that one with one more package adds.
    """

    first: int
    wheels: int
    whole: int
    second: int
    shared: int


@dataclass
class Timings:
    """Seconds of every run by case and tool, and of tfprov's stages."""

    seconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    stages: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def add(self, case: str, tool: str, seconds: float) -> None:
        """Keep the time of a run, and say it."""
        self.seconds.setdefault(case, {}).setdefault(tool, []).append(seconds)
        print(f"  {case:<9} {tool:<12} {seconds:8.2f} s", file=sys.stderr, flush=True)

    def median(self, case: str, tool: str) -> float | None:
        """Median seconds; None when there was no run."""
        values = self.seconds.get(case, {}).get(tool)
        return statistics.median(values) if values else None


class Bench:
    """Folders, programs and the index of one run of the benchmark."""

    def __init__(self, root: Path, *, python: Path, tfprov: Path, uv: Path, index: str, version: str) -> None:
        self.root = root
        self.python = python
        self.tfprov = tfprov
        self.uv = uv
        self.index = index
        self.version = version
        self.home = root / "tfprov"
        self.project = root / "project"
        self.times = Timings()
        self._copies = 0
        self._aside = 0
        self.shared_disk = 0

    # -- children ------------------------------------------------------------------------------------------------------

    def environ(self, **extra: str) -> dict[str, str]:
        """Variables of a child, nothing of this process among them."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root),
            "LANG": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_NO_CONFIG": "1",
            **extra,
        }

    def call(self, argv: Sequence[str | Path], *, cwd: Path | None = None, **extra: str) -> str:
        """Run to a good end; standard output."""
        done = subprocess.run(
            argv, env=self.environ(**extra), cwd=cwd or self.root, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def timed(self, case: str, tool: str, action: Callable[[], object]) -> None:
        """Do it and keep how long it took."""
        os.sync()
        started = time.perf_counter()
        action()
        self.times.add(case, tool, time.perf_counter() - started)

    def put_aside(self, *folders: Path) -> None:
        """Make room for folders; they are deleted at the end."""
        for folder in folders:
            if folder.exists():
                self._aside += 1
                folder.rename(self.root / f"aside-{self._aside}")

    def read(self, kept: Path) -> None:
        """Have what a tool kept, and the interpreter, in memory."""
        library = self.python.parent.parent / "lib"
        self.call(["/bin/sh", "-c", 'find "$@" -type f -print0 | xargs -0 cat > /dev/null', "sh", kept, library])

    # -- tfprov --------------------------------------------------------------------------------------------------------

    def write_project(self, folder: Path, *, more: str = "") -> None:
        """A folder with the profile, which may ask for one more package."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "speed.toml").write_text(
            f'name = "speed"\n[python]\npath = "{self.python}"\n'
            f'[tensorflow]\nversion = "=={self.version}"\naccelerator = "cpu"\n'
            f'[index]\nurl = "{self.index}"\n[smoke]\nlevel = "quick"\n'
            + (f'[packages]\nrequirements = ["{more}"]\n' if more else ""),
            encoding="utf-8",
        )

    def ours(self, *arguments: str, project: Path | None = None, home: Path | None = None) -> dict[str, object]:
        """The JSON document of a command of tfprov, which must succeed."""
        home = home or self.home
        out = self.call(
            [self.tfprov, *arguments, "--json"], cwd=project or self.project, TFPROV_HOME=str(home), TMPDIR="/tmp"
        )
        document: dict[str, object] = json.loads(out)
        return document

    def up(self, case: str, *, project: Path | None = None, home: Path | None = None, already: bool = False) -> None:
        """A timed `up`, which must have had something to do, or nothing when `already`."""
        document: dict[str, object] = {}
        self.timed(case, "tfprov", lambda: document.update(self.ours("up", "speed.toml", project=project, home=home)))
        if document["already"] is not already:
            raise SystemExit(f"{case}: `already` is {document['already']}: this is not the case that was meant")
        stages = {one["name"]: one["seconds"] for one in document["stages"]}  # type: ignore[index, attr-defined] - JSON
        self.times.stages.setdefault(case, []).append(stages)

    def active(self) -> Path:
        """The generation in use of the project that stays."""
        (found,) = self.home.glob("data/environments/*/current")
        return found.resolve()

    @property
    def images(self) -> Path:
        """Where tfprov keeps what it makes environments from again."""
        return self.home / "data" / "images"

    def damage(self) -> None:
        """Delete five modules, as somebody's clean-up or a pip in the wrong environment does."""
        modules = sorted(self.active().glob("lib/python*/site-packages/tensorflow/**/*.py"))
        for module in modules[:: len(modules) // 5][:5]:
            module.unlink()

    # -- the others ----------------------------------------------------------------------------------------------------

    def with_uv(self, place: Path, cache: Path, *more: str, compiled: bool) -> None:
        """What one types instead, with uv."""
        python = place / "bin" / "python"
        variables = {"UV_CACHE_DIR": str(cache)}
        self.call([self.uv, "venv", "--quiet", "--python", self.python, place], **variables)
        argv = [self.uv, "pip", "install", "--quiet", "--python", python, "--index-url", self.index]
        extra = ["--compile-bytecode"] if compiled else []
        self.call([*argv, *extra, f"{PACKAGE}=={self.version}", *more], **variables)
        self.call([python, "-c", OPERATION])

    def with_pip(self, place: Path, cache: Path, *more: str) -> None:
        """What one types instead, with pip."""
        python = place / "bin" / "python"
        self.call([self.python, "-m", "venv", place])
        argv = [python, "-m", "pip", "install", "--quiet", "--index-url", self.index, "--cache-dir", cache]
        self.call([*argv, f"{PACKAGE}=={self.version}", *more])
        self.call([python, "-c", OPERATION])

    def other(self, case: str, tool: str, *more: str) -> None:
        """One of the other tools: from an empty cache in the case `cold`, else from a full one."""
        place = self.root / f"{tool}-environment"
        cache = self.root / f"{tool}-cache"
        self.put_aside(place, *((cache,) if case == "cold" else ()))
        if case != "cold":
            self.read(cache)
        if tool == "pip":
            self.timed(case, tool, lambda: self.with_pip(place, cache, *more))
        else:
            self.timed(case, tool, lambda: self.with_uv(place, cache, *more, compiled=tool == "uv-compile"))

    # -- cases ---------------------------------------------------------------------------------------------------------

    def cold(self, tool: str) -> None:
        """Nothing is there but the interpreter and the index."""
        if tool != "tfprov":
            self.other("cold", tool)
            return
        home, project = self.root / "tfprov-cold", self.root / "project-cold"
        self.put_aside(home, project)
        self.write_project(project)
        self.up("cold", project=project, home=home)

    def many(self, tool: str) -> None:
        """Eight checkouts of the project, with its lock, on a machine where nothing else is."""
        if tool != "tfprov":
            return
        home = self.root / "tfprov-many"
        self.put_aside(home)
        with contextlib.ExitStack() as stack:
            projects = [stack.enter_context(self.checkout(home=home)) for _ in range(MANY)]

            def all_at_once() -> None:
                with ThreadPoolExecutor(MANY) as pool:
                    list(pool.map(lambda project: self.ours("up", "speed.toml", project=project, home=home), projects))

            self.timed("many", "tfprov", all_at_once)

    def recreate(self, tool: str) -> None:
        """The environment is broken; the caches are full."""
        if tool != "tfprov":
            self.other("recreate", tool)
            return
        self.damage()
        self.read(self.images)
        self.up("recreate")

    def second(self, tool: str) -> None:
        """Another checkout of the same project, with its lock."""
        if tool != "tfprov":
            self.other("second", tool)
            return
        with self.checkout() as project:
            self.read(self.images)
            self.up("second", project=project)

    def shared(self, tool: str) -> None:
        """Another project, which has the same TensorFlow and one more package, and no lock yet."""
        # Of another version each time: what is kept from the round before must not be of use.
        version = f"another==1.{len(self.times.seconds.get('shared', {}).get(tool, ()))}"
        if tool != "tfprov":
            self.other("shared", tool, version)
            return
        project = self.root / f"project-{version}"
        self.write_project(project, more=version)
        self.read(self.images)
        before = occupied(self.home)
        self.up("shared", project=project)
        self.shared_disk = occupied(self.home) - before
        self.ours("remove", "speed.toml", "--yes", project=project)

    @contextlib.contextmanager
    def checkout(self, *, home: Path | None = None) -> Iterator[Path]:
        """A second folder with the profile and its lock; what came of it is removed at the end."""
        self._copies += 1
        project = self.root / f"checkout-{self._copies}"
        project.mkdir()
        for name in ("speed.toml", "pylock.speed.toml"):
            shutil.copy(self.project / name, project)
        yield project
        self.ours("remove", "speed.toml", "--yes", project=project, home=home)
        shutil.rmtree(project)

    def nothing(self, tool: str) -> None:
        """The environment is verified already; three times a round."""
        for _ in range(3):
            if tool == "tfprov":
                self.up("nothing", already=True)
            elif tool == "uv":
                self.timed("nothing", "import typer", self._import_typer)

    def _import_typer(self) -> None:
        self.call([self.tfprov.parent / "python", "-c", "import typer"])

    def rollback(self, tool: str) -> None:
        """To the generation before, and forth again."""
        if tool != "tfprov":
            return
        # A generation that an earlier case damaged is not gone back to: two good ones are needed, with other packages.
        for more in ('["another"]', "[]"):
            document = self.ours("up", "speed.toml", "--recreate", "--set", f"packages.requirements={more}")
        active = document["environment"]["generation"]  # type: ignore[index] - a JSON document
        self.timed("rollback", "tfprov", lambda: self.ours("rollback", "speed.toml"))
        self.timed("rollback", "tfprov", lambda: self.ours("rollback", "speed.toml", str(active)))

    def doctor(self, tool: str) -> None:
        """Every file against its hash."""
        cores = os.cpu_count() or 1
        self.read(self.active())
        if tool == "tfprov":
            self.timed("doctor", "tfprov", lambda: self.ours("doctor", "speed.toml"))
        elif tool == "uv":
            # Of the same files: bytecode has no hash in RECORD.
            hashes = f"find . -type f ! -name '*.pyc' -print0 | xargs -0 -P {cores} -n 64 sha256sum > /dev/null"
            place = self.active()
            self.timed("doctor", "sha256sum", lambda: self.call(["/bin/sh", "-c", hashes], cwd=place))

    def disk(self, whole: int) -> Disk:
        """What lies on the disk.

        Args:
            whole: bytes below TFPROV_HOME after the first environment.
        """
        before = occupied(self.home)
        with self.checkout() as project:
            self.ours("up", "speed.toml", project=project)
            second = occupied(self.home) - before
        wheels = sum(path.stat().st_size for path in self.home.rglob("*.whl") if "another" not in path.name)
        return Disk(first=occupied(self.active()), wheels=wheels, whole=whole, second=second, shared=self.shared_disk)

    def has(self, command: str) -> bool:
        """Whether this tfprov has the command."""
        done = subprocess.run([self.tfprov, command, "--help"], env=self.environ(), capture_output=True, check=False)
        return done.returncode == 0


def occupied(folder: Path) -> int:
    """Bytes that a folder occupies, every file once however many names it has."""
    seen: dict[tuple[int, int], int] = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


# -- wheels and their index --------------------------------------------------------------------------------------------


def wheels(cache: Path, python: Path, version: str | None) -> Path:
    """The folder with the closure of tensorflow-cpu, fetched with pip and its configuration unless it is there."""
    folder = cache / "wheels"
    wanted = f"{PACKAGE}=={version}" if version else PACKAGE
    pattern = f"{PACKAGE.replace('-', '_')}-{version or '*'}-*.whl"
    if not list(folder.glob(pattern)):
        folder.mkdir(parents=True, exist_ok=True)
        argv = [python, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", folder, wanted]
        subprocess.run(argv, check=True)
    return folder


def serve(folder: Path) -> None:
    """Child process: an index over the folder until stdin closes. Prints its address."""
    # So that two environments can differ.
    others = [build_wheel(folder.parent / "another", "another", f"1.{number}") for number in range(10)]
    with Index({path.name: path for path in (*folder.glob("*.whl"), *others)}, Faults(metadata=True)) as index:
        for name in index.files:
            index.sha256(name)
        print(index.simple, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    argv = [sys.executable, str(HERE), "--serve", str(folder)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        try:
            yield child.stdout.readline().strip()
        finally:
            child.stdin.close()


# -- results -----------------------------------------------------------------------------------------------------------


def rows(times: Timings) -> list[list[str]]:
    """The table: one row a case."""
    found = []
    for case, target in TARGETS.items():
        ours = times.median(case, "tfprov")
        if ours is None:
            continue
        if target.beside in TARGETS:
            others = [times.median(target.beside, "tfprov")]
        else:
            tools = ("uv", "uv-compile") if target.beside == "uv" else (target.beside,)
            others = [times.median(case, one) for one in tools]
        least = min((one for one in others if one is not None), default=None)
        ratio = ours / least if least else None
        met = [ratio is not None and ratio <= target.ratio] if target.ratio else []
        met += [ours <= target.seconds] if target.seconds else []
        bounds = [f"≤ {target.seconds} s"] if target.seconds else []
        bounds += [f"≤ {target.ratio} of {target.beside}"] if target.ratio else []
        cells = [number(ours), *(number(times.median(case, tool)) for tool in TOOLS[1:])]
        if target.beside not in ("uv", ""):
            cells[1] = f"{number(least)} ({target.beside})"
        found.append([target.what, *cells, number(ratio), ", ".join(bounds), "yes" if all(met) else "no"])
    return found


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in (header, *lines)) for column in range(len(header))]
    ruled = (header, ["-" * width for width in widths], *lines)
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in ruled
    )


def stage_table(times: Timings) -> str:
    """Median seconds of tfprov's stages by case; `rest` is what lies outside of them: start, imports, report."""
    names = list(dict.fromkeys(name for runs in times.stages.values() for run in runs for name in run))
    lines = []
    for case, runs in times.stages.items():
        cells = [number(statistics.median(run.get(name, 0.0) for run in runs)) for name in names]
        rest = [whole - sum(run.values()) for whole, run in zip(times.seconds[case]["tfprov"], runs, strict=True)]
        lines.append([case, *("" if cell == "0.00" else cell for cell in cells), number(statistics.median(rest))])
    return table(["case", *names, "rest"], lines)


def disk_rows(disk: Disk) -> Iterator[list[str]]:
    """The rows of the table that are bytes."""
    kept = disk.first + disk.wheels
    for what, found, beside, name, most in (
        ("extra disk of a second environment", disk.second, disk.first, "first", MOST_EXTRA_DISK),
        ("extra disk of one with one more package", disk.shared, disk.first, "first", MOST_SHARED_DISK),
        ("all disk after the first environment", disk.whole, kept, "it and its wheels", MOST_DISK),
    ):
        share = found / beside
        met = "yes" if share <= most else "no"
        cells = [f"{found / 1e6:.1f} MB", f"{beside / 1e6:.0f} MB ({name})", "", ""]
        yield [what, *cells, f"{share:.3f}", f"≤ {most}", met]


def show(times: Timings, disk: Disk | None) -> None:
    lines = [*rows(times), *(disk_rows(disk) if disk else ())]
    print(table(["case", "tfprov s", "uv s", "uv compiled s", "pip s", "ratio", "target", "met"], lines))
    print("\nseconds of tfprov's stages, medians\n")
    print(stage_table(times))
    print("\nall runs\n")
    for case, by_tool in times.seconds.items():
        for tool, values in by_tool.items():
            print(f"    {case:<9} {tool:<13} {' '.join(f'{value:.2f}' for value in values)}")


def measure(bench: Bench, cases: Sequence[str], tools: Sequence[str], rounds: int) -> Disk | None:
    bench.write_project(bench.project)
    # What the warm cases start from; and each program once for nothing, for its own bytecode and the page cache.
    bench.ours("up", "speed.toml")
    whole = occupied(bench.home) if "disk" in cases else 0
    for tool in tools:
        if tool != "tfprov" and any(case in cases for case in ("recreate", "second", "shared")) and "cold" not in cases:
            bench.other("warm-up", tool)
    timed: Mapping[str, Callable[[str], None]] = {
        "cold": bench.cold,
        "many": bench.many,
        "recreate": bench.recreate,
        "second": bench.second,
        "shared": bench.shared,
        "nothing": bench.nothing,
        "rollback": bench.rollback,
        "doctor": bench.doctor,
    }
    for number_of_round in range(rounds):
        print(f"round {number_of_round + 1}, load {os.getloadavg()[0]:.2f}", file=sys.stderr)
        turn = number_of_round % len(tools)
        for case, action in timed.items():
            if case not in cases:
                continue
            for tool in (*tools[turn:], *tools[:turn]):
                # pip is slow and nothing is judged by it: one round says enough.
                if tool != "pip" or number_of_round == 0:
                    action(tool)
    return bench.disk(whole) if "disk" in cases else None


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cache", type=Path, help="folder for the wheels and for the work; kept afterwards")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--cases", default=",".join(CASES))
    arguments.add_argument("--tools", default=",".join(TOOLS), help="pip runs in the first round only")
    arguments.add_argument("--version", help="of tensorflow-cpu; default: the newest")
    arguments.add_argument("--python", type=Path, help="interpreter for all environments; default: this one's base")
    arguments.add_argument("--tfprov", type=Path, default=Path(sys.executable).parent / "tfprov")
    arguments.add_argument("--uv", type=Path, default=Path(sys.executable).parent / "uv")
    arguments.add_argument("--json", type=Path, help="also write every run there")
    arguments.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.serve:
        serve(asked.serve)
        return
    if asked.cache is None:
        arguments.error("--cache is needed")
    cases, tools = asked.cases.split(","), asked.tools.split(",")
    unknown = [*(set(cases) - set(CASES)), *(set(tools) - set(TOOLS))]
    if unknown:
        arguments.error(f"unknown: {', '.join(unknown)}")
    major_minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    python = asked.python or Path(sys.base_prefix) / "bin" / f"python{major_minor}"
    cache = asked.cache.absolute()
    folder = wheels(cache, python, asked.version)
    (wheel,) = folder.glob(f"{PACKAGE.replace('-', '_')}-*.whl")
    version = wheel.name.split("-")[1]
    with serving(folder) as index, tempfile.TemporaryDirectory(prefix="speed-", dir=cache) as root:
        bench = Bench(
            Path(root),
            python=python,
            tfprov=asked.tfprov.absolute(),
            uv=asked.uv.absolute(),
            index=index,
            version=version,
        )
        if "doctor" in cases and not bench.has("doctor"):
            print("no command `tfprov doctor` here: left out", file=sys.stderr)
            cases.remove("doctor")
        print(
            f"{PACKAGE} {version}, {bench.call([python, '-VV']).strip()}, {bench.call([asked.uv, '--version']).strip()}"
        )
        print(f"{platform.platform()}, {os.cpu_count()} processors, load at the start {os.getloadavg()[0]:.2f}\n")
        disk = measure(bench, cases, tools, asked.rounds)
        print(f"load at the end {os.getloadavg()[0]:.2f}\n")
        show(bench.times, disk)
        if asked.json:
            document = {
                "seconds": bench.times.seconds,
                "stages": bench.times.stages,
                "disk": asdict(disk) if disk else None,
            }
            asked.json.write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
