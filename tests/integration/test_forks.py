"""A fork of tfprov, which most tests of this folder work with, is a start of tfprov."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import forks
from site_under_test import Site, only_here

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
    started = subprocess.run(
        site.command(*arguments), env=site.environ(), cwd=site.root, capture_output=True, text=True, check=False
    )
    forked = forks.run(arguments, env=site.environ(), cwd=site.root, timeout=300)
    assert forked.stdout == started.stdout
    assert forked.stderr == started.stderr
    assert forked.returncode == started.returncode


def test_it_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        forks.run(["up", "--json"], env=site.environ(), cwd=site.root, timeout=0.001)
