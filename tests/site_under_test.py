"""A user's project on tiny wheels: a real index, uv, virtualenv, interpreter and probes; only TensorFlow is a sham."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import forks
import used_home
from sham import MODULE
from tfprov.envs.generations import environments
from wheels import build_wheel, simple_index

if TYPE_CHECKING:
    from typing_extensions import Self

RELEASE = "2.21.0"
OLDER = "2.20.0"
WINDOWS = os.name == "nt"
PYTHON = Path(sys.base_prefix) / ("python.exe" if WINDOWS else f"bin/python{sys.version_info[0]}.{sys.version_info[1]}")
TAG = f"cp3{sys.version_info[1]}-cp3{sys.version_info[1]}-{'win_amd64' if WINDOWS else 'manylinux_2_17_x86_64'}"
LIBRARY = "Lib/site-packages" if WINDOWS else "lib/python*/site-packages"
"""Pattern of the folder of packages in an environment."""
HOME = "USERPROFILE" if WINDOWS else "HOME"
"""Variable of the user's home."""
_NEEDED = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "PROCESSOR_ARCHITECTURE")

only_here = [
    pytest.mark.skipif(sys.platform not in ("linux", "win32"), reason="the tiny wheels are for Linux and Windows"),
    pytest.mark.skipif(not (3, 10) <= sys.version_info[:2] <= (3, 13), reason="TensorFlow 2.20 has no wheel for it"),
]
needs_two_processors = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="there is one processor, or a process cannot be held to one",
)
needs_signals = pytest.mark.skipif(WINDOWS, reason="signals of POSIX")
needs_shell = pytest.mark.skipif(WINDOWS, reason="a script for a POSIX shell")


def of_the_system() -> dict[str, str]:
    """Variables without which no program of Windows works; elsewhere none are needed."""
    return {name: os.environ[name] for name in _NEEDED if name in os.environ} if WINDOWS else {}


def sham_wheel(
    folder: Path,
    version: str,
    *,
    sabotage: str = "",
    package: str = "tensorflow-cpu",
    first: str = "",
    requires: tuple[str, ...] = (),
) -> Path:
    source = first + MODULE.replace("2.99.0", version) + sabotage
    return build_wheel(folder, package, version, files={"tensorflow/__init__.py": source}, tag=TAG, requires=requires)


@dataclass
class Site:
    """A user's project with an index beside it."""

    root: Path
    extra: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, *, is_new: bool = False) -> Self:
        """A project at a path that is hard to quote.

        Args:
            folder: where it is made.
            is_new: whether tfprov has never run here. Otherwise its home knows the Pythons of this machine, and the
                pip that environments get has few files of its own (`used_home`).
        """
        root = folder / "pröject with spaces"
        root.mkdir()
        site = cls(root)
        if not is_new:
            used_home.lay_down(site.home, first_home)
        return site

    @property
    def profile(self) -> Path:
        return self.root / "train.toml"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def lock(self) -> Path:
        return self.root / "pylock.train.toml"

    def environ(self) -> dict[str, str]:
        return {
            **of_the_system(),
            "PATH": os.environ["PATH"],
            HOME: str(self.root),
            "TFPROV_HOME": str(self.home),
            "PIP_CONFIG_FILE": os.devnull,
            **self.extra,
        }

    def offer(self, *wheels: Path) -> None:
        simple_index(self.root / "index", [*(self.root / "index").glob("*/*.whl"), *wheels])

    def write(self, body: str = "", *, smoke: str = 'level = "quick"') -> None:
        index = (self.root / "index").as_uri()
        self.profile.write_text(
            f'name = "train"\n[python]\npath = "{PYTHON.as_posix()}"\n[index]\nurl = "{index}"\n'
            f"[smoke]\n{smoke}\n{body}",
            encoding="utf-8",
        )

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-I", "-m", "tfprov", *arguments]

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        timeout = 1800 if WINDOWS else 300  # Wine takes seconds for each start
        return forks.run(arguments, env=self.environ(), cwd=cwd or self.root, timeout=timeout)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environ(),
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def up(self, *arguments: str) -> dict[str, object]:
        """`up --json`, which must succeed."""
        done = self.run("up", "train.toml", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        document: dict[str, object] = json.loads(done.stdout)
        assert document["ok"] is True
        return document

    def imported(self) -> str:
        """The version that the environment in use imports."""
        done = self.run("run", "train.toml", "--", "python", "-c", "import tensorflow; print(tensorflow.__version__)")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def in_use(self) -> Path:
        """The folder of the generation that the only environment has in use."""
        (environment,) = environments(self.home / "data" / "environments")
        generation = environment.active()
        assert generation is not None
        return generation.path

    def installed(self, name: str) -> Path:
        """What a package put into the environment in use."""
        (found,) = self.in_use().glob(f"{LIBRARY}/{name}")
        return found

    def generations(self) -> list[str]:
        return sorted(path.name for path in self.home.glob("data/environments/*/generations/*"))


def first_home(folder: Path) -> Path:
    """The home after the first environment in this folder, of a release that needs nothing else on Windows."""
    site = Site.make(folder, is_new=True)
    site.offer(sham_wheel(folder / "built", OLDER))
    site.write()
    site.up()
    return site.home
