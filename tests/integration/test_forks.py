"""A fork of tfprov, which most tests of this folder work with, is a start of tfprov."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import forks
from site_under_test import RELEASE, Site, needs_two_processors, only_here, sham_wheel
from tfprov.bundle import repack

pytestmark = only_here


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("explain", "--code", "disk-full"),
        ("nonsense",),
        ("status", "--json"),
        ("run", "train.toml", "--", "env"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_it_says_the_same_and_ends_in_the_same_way(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    site = Site.make(tmp_path)
    site.write()
    started, asked = (
        subprocess.run(argv, env=site.environ(), cwd=site.root, capture_output=True, text=True, check=False)
        for argv in (site.command(*arguments), [*forks.command(), *arguments])
    )
    forked = forks.run(arguments, env=site.environ(), cwd=site.root, timeout=300)
    assert forked.stdout == asked.stdout == started.stdout
    assert forked.stderr == asked.stderr == started.stderr
    assert forked.returncode == asked.returncode == started.returncode


RECORD = """
import os, sys

read = set()

class Recording(type(os.environ)):
    def __getitem__(self, name):
        read.add(name)
        return super().__getitem__(name)

os.environ.__class__ = Recording
sys.path.append(sys.argv[1])
import forks
forks.import_rooms()
print(*read)
"""


def test_a_variable_that_is_read_as_tfprov_is_imported_is_not_set_afterwards() -> None:
    argv = [sys.executable, "-I", "-c", RECORD, str(Path(forks.__file__).parent)]
    read = set(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split())
    assert len(read) > 3
    # sysconfig expands the folder of the user's packages, which an isolated Python does not use. Where temporary files
    # go is read once more in a fork.
    assert {name for name in read if not forks.is_early(name)} <= {"HOME", "TMPDIR"}


@pytest.mark.parametrize(
    "variables",
    [{"TOKEN": "secret"}, {"NO_COLOR": "1", "COLUMNS": "50"}, {"FORCE_COLOR": "1"}, {"GITHUB_ACTIONS": "true"}],
    ids="-".join,
)
def test_it_sees_the_variables_of_its_own(tmp_path: Path, variables: dict[str, str]) -> None:
    site = Site.make(tmp_path)
    site.write()
    site.extra = variables
    assert not any(map(forks.is_early, site.environ()))
    started = subprocess.run(
        site.command("status", "train.toml"),
        env=site.environ(),
        cwd=site.root,
        capture_output=True,
        text=True,
        check=False,
    )
    forked = forks.run(["status", "train.toml"], env=site.environ(), cwd=site.root, timeout=300)
    assert "environment-missing" in started.stderr
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def test_it_looks_for_temporary_files_where_the_variable_says(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.write()
    left = tmp_path / "temporary" / f"tfprov-lock-{2**22 + 1}-left"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    site.extra = {"TMPDIR": str(left.parent)}
    assert not any(map(forks.is_early, site.environ()))
    site.run("up", "train.toml")
    assert list(left.parent.iterdir()) == []


@needs_two_processors
def test_it_has_the_processors_of_its_caller(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", RELEASE))
    site.write()
    site.up()
    allowed = os.sched_getaffinity(0)
    found = []
    for processors in (set(list(allowed)[:1]), allowed):
        os.sched_setaffinity(0, processors)
        try:
            shown = site.run("run", "train.toml", "--", "python", "-c", "import os; print(*os.sched_getaffinity(0))")
        finally:
            os.sched_setaffinity(0, allowed)
        found.append(len(shown.stdout.split()))
    assert found == [1, len(allowed)]


def test_it_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        forks.run(["up", "--json"], env=site.environ(), cwd=site.root, timeout=0.001)


def test_what_the_first_run_packed_is_what_the_next_one_would_pack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repack, "repack", repack.repack)  # put back in the end
    distribution = metadata.distribution("installer")
    packed = repack.repack(distribution, tmp_path / "plain")
    (tmp_path / "kept").mkdir()
    forks.keep_packed(tmp_path / "kept")
    for run in ("first", "next"):
        wheel = repack.repack(distribution, tmp_path / run)
        assert wheel == tmp_path / run / packed.name
        assert wheel.read_bytes() == packed.read_bytes()
    assert [*tmp_path.glob("kept/*/*")] == [tmp_path / "kept" / "installer" / packed.name]
