"""An environment that a profile has made, without a run."""

from __future__ import annotations

from pathlib import Path

from outcomes import SEAL, with_python
from tfprov.envs.generations import Environment, environment_id
from tfprov.envs.records import Owner


def made(home: Path, name: str, profile: Path, generations: int = 0, folder: str | None = None) -> Environment:
    root = home / "data" / "environments" / (folder or environment_id(name, profile))
    environment = Environment(root, owner=Owner(name=name, profile=str(profile)))
    environment.claim()
    for _ in range(generations):
        generation = environment.begin()
        with_python(generation.path)
        (generation.path / "module.py").write_text("x = 1\n")
        environment.activate(environment.seal(generation, SEAL))
    return environment
