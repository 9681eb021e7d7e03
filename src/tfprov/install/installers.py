"""The two external installers. Both get the same wheels and hashes, and neither uses the network or resolves."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tfprov import process
from tfprov.errors import TfprovError
from tfprov.install.wheelhouse import Wheelhouse
from tfprov.ladder.classify import classify_text
from tfprov.process import clean_environment

OWN = "tfprov"
"""Name of tfprov's own installer (`place.py`), which links wheels from their trees; written to INSTALLER."""


class Installer(Protocol):
    """Installs a wheelhouse into an empty environment."""

    @property
    def name(self) -> str:
        """Its name in the journal."""

    def install(self, wheelhouse: Wheelhouse, *, python: Path, environ: Mapping[str, str], timeout: float) -> None:
        """Install every wheel.

        Args:
            wheelhouse: the wheels.
            python: interpreter of the environment.
            environ: all environment variables of the child process.
            timeout: seconds.

        Raises:
            TfprovError: the failure of the tool, with its output as evidence.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """uv: unpacks wheels once into its cache and links from there."""

    uv: Path
    cache: Path
    name: str = "uv"

    def install(self, wheelhouse: Wheelhouse, *, python: Path, environ: Mapping[str, str], timeout: float) -> None:
        """See `Installer`."""
        argv: list[str | Path] = [
            *(self.uv, "pip", "install", "--python", python, "--requirements", wheelhouse.requirements),
            *(*wheelhouse.options, "--offline", "--no-deps", "--require-hashes"),
            *("--no-config", "--no-progress", "--cache-dir", self.cache),
        ]
        _run("uv pip install", argv, environ=environ, timeout=timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pip:
    """The environment's own pip: slower, for file systems on which uv's links or renames fail."""

    name: str = "pip"

    def install(self, wheelhouse: Wheelhouse, *, python: Path, environ: Mapping[str, str], timeout: float) -> None:
        """See `Installer`."""
        argv: list[str | Path] = [
            *(python, "-I", "-m", "pip", "install", "--requirement", wheelhouse.requirements),
            *(*wheelhouse.options, "--no-deps", "--require-hashes"),
            *("--no-cache-dir", "--disable-pip-version-check", "--no-input", "--no-compile", "--progress-bar", "off"),
        ]
        _run("pip install", argv, environ=clean_environment(environ, PIP_CONFIG_FILE=os.devnull), timeout=timeout)


def _run(tool: str, argv: Sequence[str | Path], *, environ: Mapping[str, str], timeout: float) -> None:
    answer = process.run(argv, env=environ, timeout=timeout)
    if answer.ok:
        return
    said = answer.stderr + answer.stdout
    if answer.timed_out:
        raise TfprovError(
            "install-failed",
            f"`{tool}` did not finish in {timeout:.0f} s",
            evidence=(said.strip()[-2000:] or "it printed nothing",),
        )
    raise classify_text(tool, said, answer.returncode, what=f"`{tool}` could not install the locked wheels")
