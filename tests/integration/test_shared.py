"""Many `up` at once with one store: every file comes once, and owners that die hold up nobody."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import forks
import used_home
from loopback import Faults, Index, noise
from sham import MODULE
from site_under_test import HOME, LIBRARY, PYTHON, RELEASE, TAG, first_home, needs_signals, of_the_system, only_here
from wheels import build_wheel

MANY = {"fast": 6, "slow": 12}
"""Runs at once: more than this machine can serve, so that they meet; at the slow index all wait for the same bytes."""
WAITING = "another tfprov is making an environment of the same files"
pytestmark = only_here


@dataclass
class Shared:
    """An index on the loopback, and projects that share nothing but the store, or their home too.

    Attributes:
        command: how tfprov is started. A fork is not reached by the signals that its starter gets.
    """

    root: Path
    index: Index
    one_home: bool = False
    command: list[str] = field(default_factory=forks.command)

    def environ(self, number: int) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            **of_the_system(),
            HOME: str(self.root),
            "TFPROV_HOME": str(self.root / ("home" if self.one_home else f"home{number}")),
            "TFPROV_STORE": str(self.root / "store"),
            "PIP_CONFIG_FILE": os.devnull,
        }

    def start(self, number: int, *arguments: str) -> subprocess.Popen[str]:
        folder = self.root / f"project{number}"
        folder.mkdir(exist_ok=True)
        environ = self.environ(number)
        if not os.path.exists(environ["TFPROV_HOME"]):
            used_home.lay_down(Path(environ["TFPROV_HOME"]), first_home)
        (folder / "train.toml").write_text(
            f'name = "train"\n[python]\npath = "{PYTHON.as_posix()}"\n[index]\nurl = "{self.index.simple}"\n'
            '[packages]\nrequirements = ["big"]\n[smoke]\nlevel = "quick"\n'
        )
        return subprocess.Popen(
            [*self.command, "up", "train.toml", *arguments],
            env=environ,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def bytes_of_one(self) -> int:
        return sum(self.index.size(name) for name in self.index.files)

    def damaged(self) -> list[str]:
        """Files of the store whose content is not what they are called by."""
        return [
            str(path)
            for path in (self.root / "store" / "sha256").glob("*/*/*")
            if hashlib.sha256(path.read_bytes()).hexdigest() != path.parent.name
        ]


@pytest.fixture(params=["fast", "slow"])
def shared(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shared]:
    """Twelve wheels, 12 MB; the slow index gives everybody together 6 MB a second, so that all come while it sends."""
    built = [
        build_wheel(
            tmp_path / "built",
            "tensorflow-cpu",
            RELEASE,
            files={"tensorflow/__init__.py": MODULE.replace("2.99.0", RELEASE)},
            tag=TAG,
        )
    ]
    parts = [f"part{number}" for number in range(10)]
    for number, name in enumerate(parts):
        data = noise(900_000, seed=number).hex()
        built.append(build_wheel(tmp_path / "built", name, "1.0", files={f"{name}/data.txt": data}))
    built.append(build_wheel(tmp_path / "built", "big", "1.0", requires=parts))
    faults = Faults(metadata=True, total_rate=6e6 if request.param == "slow" else None)
    with Index({path.name: path for path in built}, faults) as index:
        yield Shared(tmp_path, index)


@pytest.fixture
def home(shared: Shared) -> Shared:
    """Projects of one user."""
    shared.one_home = True
    return shared


@pytest.fixture
def killable(shared: Shared) -> Shared:
    """Runs that signals reach."""
    shared.command = [sys.executable, "-I", "-m", "tfprov"]
    return shared


@pytest.mark.parametrize("shared", MANY, indirect=True)
def test_many_runs_at_once_fetch_every_file_once(shared: Shared, request: pytest.FixtureRequest) -> None:
    runs = [shared.start(number) for number in range(MANY[request.node.callspec.params["shared"]])]
    for run in runs:
        _, said = run.communicate(timeout=500)
        assert run.returncode == 0, said
    # Pages and metadata, which each run asks for by itself, count too.
    assert shared.index.sent + shared.index.answered <= 1.05 * shared.bytes_of_one
    files = [seen for seen in shared.index.requests(".whl") if seen.path.startswith("/files/")]
    begun = [seen.path for seen in files if seen.headers.get("range", "bytes=0-").startswith("bytes=0-")]
    assert sorted(begun) == sorted(f"/files/{name}" for name in shared.index.files)
    assert shared.damaged() == []


@needs_signals
@pytest.mark.parametrize("shared", ["slow"], indirect=True)
def test_owners_that_are_killed_hold_up_nobody_and_leave_no_damage(shared: Shared, killable: Shared) -> None:
    chance = random.Random(7)
    runs = {number: shared.start(number) for number in range(6)}
    killed = 0
    deadline = time.monotonic() + 400
    while killed < 8 and time.monotonic() < deadline:
        number, run = chance.choice(list(runs.items()))
        before = shared.index.sent
        # The moment is drawn by what the index has sent, not by time: the machine may be slow.
        wanted = before + chance.randrange(200_000, 1_200_000)
        while shared.index.sent < wanted and run.poll() is None and shared.index.sent < shared.bytes_of_one:
            time.sleep(0.002)
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            killed += 1
            runs[number] = shared.start(number)
        elif all(each.poll() is not None for each in runs.values()):
            break
    assert killed >= 2
    for run in runs.values():
        _, said = run.communicate(timeout=400)
        assert run.returncode == 0, said
    assert shared.damaged() == []
    # What a killed owner had is gone on with; only what it had not yet noted comes again.
    assert shared.index.sent <= 1.5 * shared.bytes_of_one


def ended(runs: Iterable[subprocess.Popen[str]]) -> list[str]:
    """What runs that must succeed have said, the words of each in one text."""
    said = [run.communicate(timeout=400)[1] for run in runs]
    assert [run.returncode for run in runs] == [0] * len(said), said
    return said


@pytest.mark.parametrize("shared", ["slow"], indirect=True)
def test_of_many_runs_of_one_user_one_installs_and_the_others_link_what_it_made(home: Shared) -> None:
    runs = [home.start(number, "-v") for number in range(6)]
    said = ended(runs)
    assert sum("> install" in each for each in said) == 1
    assert sum(WAITING in each for each in said) == 5
    libraries = {
        path.stat().st_ino
        for path in (home.root / "home").glob(f"data/environments/*/generations/*/{LIBRARY}/part3/*.txt")
    }
    assert len(libraries) == 1, "all are links to one file"


@needs_signals
@pytest.mark.parametrize("shared", ["slow"], indirect=True)
def test_who_waited_for_a_run_that_was_killed_goes_on_by_itself(home: Shared, killable: Shared) -> None:
    first = home.start(0)
    while not home.index.sent:
        time.sleep(0.01)
    # Or it could have ended before the others ask.
    os.killpg(first.pid, signal.SIGSTOP)
    others = [home.start(number, "-v") for number in (1, 2)]
    for other in others:
        assert other.stderr is not None
        while WAITING not in (line := other.stderr.readline()):
            assert line, "it ended without having waited"
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    ended(others)


@pytest.mark.parametrize("shared", ["slow"], indirect=True)
def test_who_waited_for_a_run_that_failed_says_the_same_reason(home: Shared) -> None:
    broken = MODULE.replace("2.99.0", RELEASE) + "\nraise ImportError('it never works')\n"
    name = next(name for name in home.index.files if name.startswith("tensorflow"))
    wheel = build_wheel(
        home.root / "broken", "tensorflow-cpu", RELEASE, files={"tensorflow/__init__.py": broken}, tag=TAG
    )
    home.index.files[name] = wheel
    runs = [home.start(number) for number in range(4)]
    said = [run.communicate(timeout=400)[1] for run in runs]
    assert [run.returncode for run in runs] == [runs[0].returncode] * 4, said
    assert runs[0].returncode != 0
    assert all("it never works" in each for each in said)
