"""Results of runs that never took place, for what shows them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from seals import seal
from tfprov.envs.generations import Environment
from tfprov.envs.layout import executables_in, python_in
from tfprov.envs.records import Generation, Owner
from tfprov.events import Attempt
from tfprov.lock.records import Lock, LockedFile
from tfprov.lock.target_records import Target
from tfprov.pipeline.records import Outcome
from tfprov.plan.records import ChosenPython, ChosenTensorflow, Constraint, Decision, Plan, Refused
from tfprov.smoke.records import Device, Leg, Verdict

TARGET = Target(
    package="tensorflow",
    version="2.20.0",
    extras=("and-cuda",),
    accelerator="cuda",
    python="3.12",
    platform="linux-x86_64-glibc",
)
DECISION = Decision(
    tensorflow=ChosenTensorflow(
        package="tensorflow",
        version="2.20.0",
        extras=("and-cuda",),
        accelerator="cuda",
        why="the newest release for driver 550.144",
    ),
    python=ChosenPython(version="3.12.1", path="/usr/bin/python3.12", why="the newest that the release has wheels for"),
    constraints=(Constraint(requirement="protobuf<7", why="2.20 was built for protobuf 6"),),
    also=(Constraint(requirement="tf-keras==2.20.*", why="asked for Keras 2"),),
)
REFUSED = (
    Refused(what="tensorflow 2.21.0", code="gpu-driver-too-old", why="needs driver 570, this is 550.144"),
    *(Refused(what=f"Python 3.{minor}", code="python-unsupported", why="no wheel for it") for minor in range(4, 10)),
)
PLAN = Plan(
    decision=DECISION, refused=REFUSED, notes=("the user site is ignored",), files=21, download_bytes=3_440_000_000
)
BARE_PLAN = Plan(
    decision=Decision(
        tensorflow=ChosenTensorflow(
            package="tensorflow-cpu", version="2.21.0", extras=(), accelerator="cpu", why="newest"
        ),
        python=ChosenPython(version="3.13", path=None, why="no Python on this machine fits"),
    )
)
GOOD = Verdict(
    level="quick",
    tensorflow="2.20.0",
    python="3.12.1",
    seconds=3.25,
    devices=(
        Device(
            name="environment", kind="environment", legs=(Leg(leg="import", ok=True, seconds=2.5, evidence="2.20.0"),)
        ),
        Device(
            name="GPU:0",
            kind="gpu",
            description="H100",
            legs=(
                Leg(leg="matmul", ok=True, seconds=0.25, evidence="largest error 1e-7"),
                Leg(leg="collective", ok=True, seconds=0.0, evidence="one GPU", skipped=True),
            ),
        ),
    ),
    packages=(("numpy", "2.1.0"),),
)
BAD = Verdict(
    level="quick",
    tensorflow="2.20.0",
    seconds=75.0,
    note="the GPU was not proved",
    devices=(
        Device(name="CPU:0", kind="cpu", legs=(Leg(leg="matmul", ok=True, seconds=0.25),)),
        Device(
            name="GPU:0",
            kind="gpu",
            legs=(
                Leg(leg="matmul", ok=False, seconds=61.0, code="wrong-number", evidence="expected 1.0\nfound 2.0"),
                Leg(leg="gradient", ok=False, seconds=0.0, code="probe-crashed"),
            ),
        ),
        Device(name="GPU:1", kind="gpu", legs=()),
    ),
)
SEAL = seal(
    target=TARGET,
    tensorflow="2.20.0",
    verdict={"verdict": {"ok": True, "level": "quick"}, "devices": []},
    why="the newest release for driver 550.144",
    sealed_at="2026-01-01T00:00:00+00:00",
    bytes=6_490_000_000,
)
ENVIRONMENT = Environment(
    Path("/home/me/.local/share/tfprov/environments/train-1"),
    owner=Owner(name="train", profile="/srv/train.toml", link="/srv/my envs/.venv"),
)
GENERATION = Generation(number=2, path=ENVIRONMENT.root / "generations" / "0002", seal=SEAL)
BUILT = Outcome(
    environment=ENVIRONMENT,
    generation=GENERATION,
    decision=DECISION,
    verdict=GOOD,
    stages=(("profile", 0.01), ("fetch", 61.0), ("smoke", 3.3)),
    bytes_fetched=3_440_000_000,
    bytes_reused=12_000,
    attempts=(
        Attempt(stage="fetch", rung="normal", number=0, code=None, what="passed over", seconds=0.0),
        Attempt(stage="fetch", rung="patient", number=1, code="net-reset", what="cut", seconds=1.23456),
    ),
    already=False,
)
ALREADY = Outcome(environment=ENVIRONMENT, generation=GENERATION, stages=(("profile", 0.01),), already=True)


def lock(*sizes: int | None, changes: tuple[str, ...] = ()) -> Lock:
    """A lock with files of these sizes."""
    files = tuple(
        LockedFile(
            name=f"p{number}",
            version="1.0",
            filename=f"p{number}-1.0-py3-none-any.whl",
            url=f"https://host/p{number}-1.0-py3-none-any.whl",
            sha256=f"{number:064}",
            size=size,
        )
        for number, size in enumerate(sizes)
    )
    return Lock(path=Path("/srv/pylock.train.toml"), digest="d", target=TARGET, files=files, changes=changes)


def with_settings(environment: Path) -> None:
    """Give a generation what a stable path of Windows is made of, without a byte; elsewhere that is a link."""
    if os.name == "nt":
        executables_in(environment).mkdir()
        (environment / "pyvenv.cfg").touch()


def with_python(environment: Path) -> None:
    """Put this interpreter where an environment has its own: as a link, on Windows as a copy."""
    python = python_in(environment)
    python.parent.mkdir(parents=True)
    shutil.copy(sys.executable, python) if os.name == "nt" else python.symlink_to(sys.executable)
    if os.name == "nt":
        (environment / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n", encoding="utf-8")
