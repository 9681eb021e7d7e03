"""Seals of generations that were verified, for the tests that need one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tfprov.envs.records import Cure, Generation, Seal
from tfprov.lock.target_records import Target

TARGET = Target(
    package="tensorflow", version="2.21.0", extras=(), accelerator="cpu", python="3.12", platform="linux-x86_64-glibc"
)
SEAL = Seal(
    profile_digest="p",
    lock_digest="l",
    target=TARGET,
    python="/usr/bin/python3.12",
    python_version="3.12.1",
    tensorflow="2.21.0",
    level="quick",
    smoke_digest="s",
)


def seal(**changes: Any) -> Seal:
    """The seal of a small verified environment, but for some fields."""
    return replace(SEAL, **changes)


def generation(number: int, image: str, *, cures: tuple[Cure, ...] = (), root: Path = Path("/")) -> Generation:
    """A generation of an image, which need not be on the disk."""
    return Generation(number=number, path=root / f"{number:04d}", seal=seal(image=image, cures=cures))
