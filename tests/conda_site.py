"""A user's project with a conda channel beside it: real packages, Python and worker; only TensorFlow is a sham."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from channel import MINOR, Package, tensorflow_packages, text_package, write_channel
from site_under_test import RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel

with_conda = [
    *only_here,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("rattler", "conda_lock")),
        reason="the extra `conda` is not installed",
    ),
]


@dataclass
class CondaSite(Site):
    """A project whose profile asks for a conda environment."""

    @classmethod
    def ready(cls, folder: Path, *packages: Package) -> CondaSite:
        """With a channel, a sham TensorFlow as a wheel, and a profile for them."""
        site = cls.make(folder)
        site.offer(sham_wheel(site.root / "built", RELEASE), build_wheel(site.root / "built", "wheely", "1.0"))
        site.publish([*tensorflow_packages(), text_package("hello", "1.0", dist="hello"), *packages])
        site.write()
        return site

    @property
    def channel(self) -> Path:
        return self.root / "channel"

    @property
    def lock(self) -> Path:
        return self.root / "train.conda-lock.yml"

    def publish(self, packages: Sequence[Package], *, with_python: bool = True) -> None:
        write_channel(self.channel, packages, with_python=with_python)

    def write(
        self,
        body: str = "",
        *,
        smoke: str = 'level = "quick"',
        conda: str = 'packages = ["hello"]',
        channels: str = '["./channel"]',
    ) -> None:
        self.profile.write_text(
            f'name = "train"\n[environment]\nkind = "conda"\n[index]\nurl = "{(self.root / "index").as_uri()}"\n'
            f"[conda]\nchannels = {channels}\n{conda}\n[smoke]\n{smoke}\n{body}",
            encoding="utf-8",
        )

    @property
    def prefix(self) -> Path:
        """The environment in use."""
        (found,) = self.home.glob("data/environments/*/current")
        return found.resolve()

    @property
    def packages(self) -> Path:
        """Where the packages of the Python in use lie."""
        return self.prefix / "lib" / f"python{MINOR}" / "site-packages"

    def log(self) -> str:
        """The newest journal, as text."""
        return self.run("log", "train.toml").stdout
