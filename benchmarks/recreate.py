"""Old releases today: TensorFlow from 2.10 on by `tfprov up`, and beside it by plain `uv pip install`.

    python benchmarks/recreate.py                    # every minor release that has a Python on this machine
    python benchmarks/recreate.py --only 2.15,2.16

For each minor release `tfprov up` makes an environment from a profile that names nothing but that release, the CPU,
and TensorBoard where the release does not bring it. Then uv installs the same exact version of the same package into a
fresh environment on the same Python; where TensorBoard was named, once without and once with it. All ask the same index
and get the same checks (recreate_check.py).
Prints one Markdown table, and the errors below it; progress goes to stderr.

Each release needs about 4 GB for as long as it is tested and fetches its wheels anew for each side: neither sees what
the other one, or an earlier run, has in a cache.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path

from packaging.version import Version
from uv import find_uv_bin

from tfprov import process
from tfprov.plan.compat import table

CHECK = Path(__file__).resolve().with_name("recreate_check.py")
CHECKS = {"import": "import", "fit": "Keras fit", "xla": "XLA", "save": "save, load", "tensorboard": "TensorBoard"}
WITHOUT_TENSORBOARD = Version("2.21")
"""From this release on TensorFlow does not bring TensorBoard."""
INSTALL_SECONDS = 3600.0
CHECK_SECONDS = 900.0


@dataclass(kw_only=True)
class Tried:
    """What came of one release with one tool.

    Attributes:
        problem: why there is no environment; None when there is one.
        seconds: wall time until the environment was there (with tfprov: and proved).
        results: what each check ended with: None for passed, else the first line of the error.
    """

    tool: str
    problem: str | None = None
    seconds: float = 0.0
    results: dict[str, str | None] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the environment is there and every check passed."""
        return self.problem is None and all(self.results.get(name, "") is None for name in CHECKS)


@dataclass(kw_only=True)
class Row:
    """One release.

    Attributes:
        package: that TensorFlow was installed from.
        also: what the profile names beside it.
        plain: `uv pip install` of the package alone.
        plain_also: the same with what the profile names; None when it names nothing.
    """

    package: str
    version: str
    python: str
    also: tuple[str, ...]
    tfprov: Tried
    plain: Tried
    plain_also: Tried | None = None

    @property
    def tries(self) -> tuple[Tried, ...]:
        """All that was tried."""
        return (self.tfprov, self.plain, *([self.plain_also] if self.plain_also else []))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", default="", help="minor or exact releases, separated by commas")
    arguments.add_argument("--keep", type=Path, help="folder to work in, and to leave everything in")
    asked = arguments.parse_args()
    releases = [name for name in asked.only.split(",") if name] or minors()
    with workplace(asked.keep) as root:
        rows = []
        for release in releases:
            folder = root / release
            folder.mkdir(parents=True)
            row = compare(release, folder)
            if row is not None:
                rows.append(row)
            if asked.keep is None:
                shutil.rmtree(folder)
    print(report(rows))


def minors() -> list[str]:
    """Every minor release that the compat table has a final release of, oldest first."""
    finals = [Version(each.version) for each in table().releases]
    return sorted({f"{one.major}.{one.minor}" for one in finals if not one.is_prerelease}, key=Version)


@contextmanager
def workplace(keep: Path | None) -> Iterator[Path]:
    """The folder to work in: the one to keep, or a temporary one that is deleted at the end."""
    if keep is not None:
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="recreate-") as folder:
        yield Path(folder)


def compare(release: str, folder: Path) -> Row | None:
    """Both tools on one release; None, with a word on stderr, when no Python here has a wheel of it."""
    exact = f"=={release}.*" if release.count(".") == 1 else f"=={release}"
    also = ("tensorboard",) if Version(release) >= WITHOUT_TENSORBOARD else ()
    profile = folder / "old.toml"
    profile.write_text(
        f'name = "old"\n\n[python]\ninstall = false\n\n[tensorflow]\nversion = "{exact}"\naccelerator = "cpu"\n\n'
        f'[packages]\nrequirements = {json.dumps(also)}\n\n[smoke]\nlevel = "standard"\n'
    )
    environ = {**environment(), "TFPROV_HOME": str(folder / "home")}
    tfprov = (sys.executable, "-I", "-m", "tfprov")
    say(f"{release}: plan")
    planned = process.run((*tfprov, "plan", profile, "--json"), env=environ, cwd=folder, timeout=INSTALL_SECONDS)
    document = json.loads(planned.stdout)
    if not document["ok"]:
        say(f"{release}: left out: {document['error']['code']}: {document['error']['what']}")
        return None
    chosen, python = document["decision"]["tensorflow"], document["decision"]["python"]

    say(f"{release}: tfprov up with {chosen['package']} {chosen['version']} on Python {python['version']}")
    made = process.run((*tfprov, "up", profile, "--json"), env=environ, cwd=folder, timeout=INSTALL_SECONDS)
    ours = Tried(tool="`tfprov up`", seconds=made.seconds)
    if made.ok:
        check(ours, (*tfprov, "run", profile, "--", "python", CHECK), environ, folder)
    else:
        error = json.loads(made.stdout)["error"]
        ours.problem = f"{error['code']}: {error['what']} ({'; '.join(error['evidence'])})"
    say_result(release, ours)

    exactly = f"{chosen['package']}=={chosen['version']}"
    plain = install(release, folder / "plain", python["path"], (exactly,))
    plain_also = install(release, folder / "plain-also", python["path"], (exactly, *also)) if also else None
    return Row(
        package=chosen["package"],
        version=chosen["version"],
        python=python["version"],
        also=also,
        tfprov=ours,
        plain=plain,
        plain_also=plain_also,
    )


def install(release: str, folder: Path, python: str, wanted: tuple[str, ...]) -> Tried:
    """What a person does without tfprov: a virtual environment, and uv."""
    say(f"{release}: uv pip install {' '.join(wanted)}")
    tried = Tried(tool=f"`uv pip install {' '.join(wanted)}`")
    environ = {**environment(), "UV_CACHE_DIR": str(folder / "cache")}
    inside = folder / "venv" / "bin" / "python"
    folder.mkdir()
    started = time.monotonic()
    for step in (
        (find_uv_bin(), "venv", "--python", python, str(folder / "venv")),
        (find_uv_bin(), "pip", "install", "--python", str(inside), *wanted),
    ):
        done = process.run(step, env=environ, cwd=folder, timeout=INSTALL_SECONDS)
        if not done.ok:
            tried.problem = " ".join(done.stderr.split())[-500:]
            break
    tried.seconds = time.monotonic() - started
    if tried.problem is None:
        check(tried, (inside, CHECK), environ, folder)
    say_result(release, tried)
    return tried


def environment() -> dict[str, str]:
    """Variables for both tools.

    tfprov would take indexes from pip's configuration, which uv does not read: both shall ask the same one. Without
    bytecode TensorFlow takes longer to import; that is not what is measured.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull}


def check(tried: Tried, argv: tuple[str | Path, ...], environ: Mapping[str, str], folder: Path) -> None:
    """Run the check script and keep what it says of each check."""
    # TensorFlow leaves generated code in the temporary folder when its process ends at once.
    environ = {**environ, "TMPDIR": str(folder)}
    finished = process.run(argv, env=environ, cwd=folder, timeout=CHECK_SECONDS)
    for line in finished.stdout.splitlines():
        if line.startswith('{"check"'):
            found = json.loads(line)
            tried.results[found["check"]] = None if found["ok"] else found["words"]
    last = (finished.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
    died = finished.signal_name or ("timeout" if finished.timed_out else f"status {finished.returncode}")
    for name in CHECKS:
        # A process that died in a check says nothing of it, nor of those behind it.
        tried.results.setdefault(name, f"{died}: {last}")


def report(rows: list[Row]) -> str:
    """The table, the errors below it, and a summary."""
    lines = [
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{first_line(find_uv_bin(), '--version')}",
        "",
        f"| release | Python | with | {' | '.join(CHECKS.values())} | seconds |",
        f"| --- | --- | --- |{' --- |' * len(CHECKS)} --- |",
    ]
    lines += [
        f"| {row.version} | {row.python} | {tried.tool} | {' | '.join(cell(tried, name) for name in CHECKS)} "
        f"| {tried.seconds:.0f} |"
        for row in rows
        for tried in row.tries
    ]
    lines += ["", "Errors, the first line of each:", ""]
    lines += [line for row in rows for tried in row.tries for line in errors(row, tried)]
    ours, plain = sum(row.tfprov.passed for row in rows), sum(row.plain.passed for row in rows)
    lines += [
        "",
        f"All checks pass: `tfprov up` {ours} of {len(rows)} releases, `uv pip install` {plain} of {len(rows)}",
    ]
    also = [row.version for row in rows if row.plain_also and row.plain_also.passed]
    lines[-1] += f"; with TensorBoard named: {', '.join(also)}." if also else "."
    return "\n".join(lines)


def cell(tried: Tried, name: str) -> str:
    """`ok`, `FAIL`, or `-` where there is no environment."""
    if tried.problem is not None:
        return "-"
    return "ok" if tried.results[name] is None else "FAIL"


def errors(row: Row, tried: Tried) -> list[str]:
    """A line for each error, checks that ended with the same one together."""
    if tried.problem is not None:
        return [f"- {row.version}, {tried.tool}: no environment: {tried.problem}"]
    failed = [(name, words) for name, words in tried.results.items() if words is not None]
    return [
        f"- {row.version}, {tried.tool}, {' and '.join(CHECKS[name] for name, _ in group)}: `{words}`"
        for words, group in groupby(sorted(failed, key=lambda one: str(one[1])), key=lambda one: one[1])
    ]


def say_result(release: str, tried: Tried) -> None:
    """Tell what came of one tool."""
    words = tried.problem or ", ".join(f"{name} {cell(tried, name)}" for name in CHECKS)
    say(f"{release}: {tried.tool}: {words} ({tried.seconds:.0f} s)")


def say(words: str) -> None:
    """Progress."""
    print(f"{datetime.now():%H:%M:%S} {words}", file=sys.stderr, flush=True)


def first_line(*argv: str) -> str:
    """What a tool prints first, such as its version."""
    return re.split(r"\n| \(", process.run(argv, env=os.environ).stdout)[0]


if __name__ == "__main__":
    main()
