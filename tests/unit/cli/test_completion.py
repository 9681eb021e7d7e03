"""What a shell is offered: asked as bash asks, through the variables of its completion script."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from outcomes import SEAL, with_settings
from tfprov.envs.generations import Environment, environment_id
from tfprov.envs.records import Owner


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with two profiles, and an environment of one of them with two generations."""
    project = tmp_path / "project"
    project.mkdir()
    profile = project / "train.toml"
    profile.write_text('name = "train"\n')
    (project / "tfprov.toml").write_text("not = a profile yet")
    (project / "settings.toml").write_text("[tool]\nx = 1\n")
    (project / "pyproject.toml").write_text('[project]\nname = "p"\n')
    root = tmp_path / "home" / "data" / "environments" / environment_id("train", profile)
    environment = Environment(root, owner=Owner(name="train", profile=str(profile)))
    environment.claim()
    for version in ("2.20.0", "2.21.0"):
        generation = environment.begin()
        with_settings(generation.path)
        environment.activate(environment.seal(generation, replace(SEAL, tensorflow=version)))
    return project


def offered(folder: Path, line: str) -> list[str]:
    """The words that bash would show for a line whose last word is not finished."""
    words = line.split(" ")
    environ = {
        **os.environ,
        "TFPROV_HOME": str(folder.parent / "home"),
        "_TFPROV_COMPLETE": "complete_bash",
        "COMP_WORDS": line.replace(" ", "\n"),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-I", "-m", "tfprov"], env=environ, cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tfprov up t", ["tfprov.toml", "train", "train.toml"]),
        ("tfprov status tr", ["train", "train.toml"]),
        ("tfprov plan cu", ["cuda"]),
        ("tfprov run train.", ["train.toml"]),
        ("tfprov plan zz", []),
        ("tfprov smoke tr", ["train", "train.toml"]),
        ("tfprov bundle tr", ["train", "train.toml"]),
        ("tfprov report tr", ["train", "train.toml"]),
        ("tfprov explain --apply tr", ["train", "train.toml"]),
        ("tfprov rollback train.toml ", ["2", "1"]),
        ("tfprov rollback train 2", ["2"]),
        ("tfprov rollback nothing ", []),
        ("tfprov explain --code verdict", ["verdict-stale"]),
        ("tfprov explain --code gpu-dr", ["gpu-driver-too-old", "gpu-driver-mismatch", "gpu-driver-changed"]),
    ],
)
def test_these_words_are_offered(folder: Path, line: str, expected: list[str]) -> None:
    assert offered(folder, line) == expected


def test_a_folder_without_anything_offers_what_is_shipped(tmp_path: Path) -> None:
    assert {"cpu", "cuda", "auto"} <= set(offered(tmp_path, "tfprov up "))
