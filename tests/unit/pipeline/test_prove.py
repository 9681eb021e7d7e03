"""Cures that fail at each of their steps. The resolver, the installer and the smoke test are stand-ins."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from outcomes import PLAN, TARGET
from tfprov.envs.records import Cure, Generation
from tfprov.errors import TfprovError
from tfprov.events import Note
from tfprov.lock.records import Lock, LockedFile
from tfprov.pipeline import likely, prove
from tfprov.pipeline.records import Installation, Locked
from tfprov.smoke.records import Device, Leg, Verdict
from tfprov.smoke.verdict import UnprovedError

CODE = "numpy-abi"
BIND = Cure(name="pin", code=CODE, what="the lock is bound", constraint="numpy<2")
OTHER = Cure(name="library-path", code=CODE, what="a library is opened first")
FAILED = Verdict(
    level="quick",
    tensorflow="2.20.0",
    devices=(
        Device(name="environment", kind="environment", legs=(Leg(leg="import", ok=False, seconds=1.0, code=CODE),)),
    ),
)
PASSED = Verdict(level="quick", tensorflow="2.20.0", devices=())


class Run:
    """A run whose installation fails its smoke test until a cure named in `helps` is in place."""

    def __init__(self, folder: Path, *, helps: str, refuses: str) -> None:
        self.folder, self.helps, self.refuses = folder, helps, refuses
        self.path = folder / "pylock.train.toml"
        self.path.write_text("old")
        file = LockedFile(
            name="numpy", version="2.1", filename="numpy-2.1.whl", url="https://x/numpy-2.1.whl", sha256="a"
        )
        lock = Lock(path=self.path, digest="d", target=TARGET, files=(file,))
        self.locked = Locked(plan=PLAN, interpreter=SimpleNamespace(version="3.12.1"), lock=lock)  # type: ignore[arg-type]
        self.applied: tuple[Cure, ...] = ()
        self.events: list[object] = []
        self.made = 0

    def bind(self, context: object, machine: object, locked: Locked, bounds: object, path: Path) -> Locked:
        path.write_text("bound")
        files = (replace(locked.lock.files[0], version="1.26", sha256="b"),)
        return replace(locked, lock=replace(locked.lock, path=path, files=files))

    def install(self, locked: Locked) -> Installation:
        # A new generation begins with deleting the unfinished ones.
        for left in self.folder.glob("0*"):
            shutil.rmtree(left)
        self.made += 1
        if locked.lock.files[0].version == self.refuses:
            # Of a kind after which a further cure may help.
            raise TfprovError(CODE, "it cannot be installed")
        generation = Generation(number=self.made, path=self.folder / f"{self.made:04d}", seal=None)
        generation.path.mkdir()
        return Installation(locked=locked, generation=generation)

    def apply(self, folder: Path, cures: tuple[Cure, ...]) -> None:
        assert folder.is_dir()
        self.applied = tuple(cures)

    def test(self, context: object, installation: Installation) -> Verdict:
        assert installation.generation.path.is_dir()
        if self.helps in [one.name for one in self.applied]:
            return PASSED
        raise UnprovedError(FAILED, CODE, "NumPy does not fit", ())

    def told(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]

    def prove(self, monkeypatch: pytest.MonkeyPatch) -> prove.Proved:
        for name, value in {
            "smoke_test": self.test,
            "smoke_request": lambda *_: None,
            "cuda_files": lambda *_, **__: None,
        }.items():
            monkeypatch.setattr(prove, name, value)
        monkeypatch.setattr(prove.start_up, "apply", self.apply)
        monkeypatch.setattr(prove.known, "KNOWN", {"pin": lambda _: BIND, "library-path": lambda _: OTHER})
        monkeypatch.setattr(prove.known, "may_help", lambda _: True)
        context: Any = SimpleNamespace(
            emit=self.events.append,
            loaded=None,
            lock_path=self.path,
            backend=SimpleNamespace(bind=self.bind),
            deadline=None,
            skip=(),
            request=SimpleNamespace(environ={}),
        )
        machine: Any = SimpleNamespace(offers=None)
        monkeypatch.setattr(likely, "likely_bounds", lambda *_: ())
        return prove.prove(context, machine, self.install(self.locked), install=self.install)


def test_a_bound_whose_files_cannot_be_installed_is_not_kept_by_the_cure_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, helps="library-path", refuses="1.26")
    proved = run.prove(monkeypatch)
    assert proved.cures == (OTHER,)
    assert proved.installation.locked.lock.files[0].version == "2.1"
    assert run.path.read_text() == "old"
    assert run.told() == [
        "the smoke test failed (numpy-abi); trying a cure: the lock is bound",
        "the smoke test failed (numpy-abi); trying a cure: a library is opened first",
        "kept: a library is opened first",
    ]


def test_a_bound_that_helps_replaces_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path, helps="pin", refuses="")
    proved = run.prove(monkeypatch)
    assert (proved.cures, run.path.read_text()) == ((BIND,), "bound")
    assert proved.installation.locked.lock.files[0].version == "1.26"
    assert run.told() == [
        "the smoke test failed (numpy-abi); trying a cure: the lock is bound",
        "kept: the lock is bound",
        "`pylock.train.toml` was resolved again with `numpy<2`",
    ]


@pytest.mark.parametrize("refuses", ["", "1.26"])
def test_where_nothing_helps_the_first_failure_is_told_and_the_lock_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: str
) -> None:
    run = Run(tmp_path, helps="nothing", refuses=refuses)
    with pytest.raises(UnprovedError) as caught:
        run.prove(monkeypatch)
    assert caught.value.what == "NumPy does not fit"
    bound = "could not be applied: it cannot be installed" if refuses else "did not help, undone"
    assert caught.value.tried == (f"the lock is bound: {bound}", "a library is opened first: did not help, undone")
    assert run.told()[-1] == "no cure made the smoke test pass: all of them were undone"
    assert run.path.read_text() == "old"
