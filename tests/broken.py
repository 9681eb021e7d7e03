"""Environments as people have them: made by real tools from tiny wheels, then broken as it happens to people."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import forks
from sham import MODULE
from site_under_test import HOME, LIBRARY, OLDER, PYTHON, RELEASE, TAG, WINDOWS, of_the_system
from tfprov.envs.layout import python_in
from tfprov.pipeline.uv import uv_executable
from wheels import build_wheel, simple_index

# pip, which sends itself SIGKILL before its nth change to a folder.
_KILLED_PIP = """
import itertools, os, runpy, signal, sys
nth, counter = int(sys.argv.pop(1)), itertools.count(1)
def hook(event, arguments):
    if event in ("os.remove", "os.rename", "shutil.move") and next(counter) == nth:
        os.kill(os.getpid(), signal.SIGKILL)
sys.path.insert(0, sys.argv.pop(1))
import pip
sys.addaudithook(hook)
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def stock(folder: Path) -> Path:
    """An index of tiny wheels: two releases of a sham TensorFlow and what people have beside it; its folder."""
    built = folder / "built"
    wheels = []
    for package in ("tensorflow", "tensorflow-cpu"):
        for version in (OLDER, RELEASE):
            wheels.append(
                build_wheel(
                    built,
                    package,
                    version,
                    files={"tensorflow/__init__.py": MODULE.replace("2.99.0", version), "tensorflow/why.py": package},
                    tag=TAG,
                    requires=("numpy>=1.26,<2.2", "keras>=3", "protobuf>=5.28,<7"),
                )
            )
    for name, versions in {
        "numpy": ("1.26.4", "2.1.0", "2.4.0"),
        "keras": ("2.15.0", "3.10.0"),
        "protobuf": ("3.20.3", "5.29.0"),
        "helper": ("1.0",),
        "setuptools": ("80.9.0", "82.0.0"),
    }.items():
        wheels += [build_wheel(built, name, version) for version in versions]
    wheels.append(build_wheel(built, "tensorflow-hub", "0.16.1", requires=("numpy",)))
    wheels.append(build_wheel(built, "tensorflow-gpu", "2.12.0", files={"tensorflow_gpu-2.12.0.data/data/x": ""}))
    for version in ("1.0", "2.0"):
        files = {f"payload/m{one}.py": f"VERSION = {version!r}\n" * 20 for one in range(300)}
        files |= {"payload/__init__.py": f"from payload import m0\n__version__ = {version!r}\n"}
        wheels.append(build_wheel(built, "payload", version, files=files))
    return simple_index(folder / "index", wheels)


@dataclass
class Project:
    """A folder with a `.venv` that somebody else made.

    Attributes:
        root: the folder.
        index: of tiny wheels.
        home: of tfprov.
    """

    root: Path
    index: Path
    home: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def library(self) -> Path:
        (found,) = self.venv.glob(LIBRARY)
        return found

    def environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            **of_the_system(),
            HOME: str(self.root),
            "TFPROV_HOME": str(self.home),
            "PIP_CONFIG_FILE": os.devnull,
            "UV_DEFAULT_INDEX": self.index.as_uri(),
            "UV_PYTHON_DOWNLOADS": "never",
            **self.extra,
        }

    def uv(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        argv = [str(uv_executable()), *map(str, arguments), "--no-config", "--cache-dir", str(self.root / "uv-cache")]
        done = subprocess.run(argv, env=self.environ(), cwd=self.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done

    def make(self, *requirements: str, by_venv: bool = False) -> None:
        """An environment of uv, or of venv with its pip; everything in it compiled, as after its first use."""
        if by_venv:
            subprocess.run([PYTHON, "-m", "venv", self.venv], env=self.environ(), check=True)
        else:
            self.uv("venv", "--python", PYTHON, self.venv)
        self.install(*requirements)
        subprocess.run([python_in(self.venv), "-m", "compileall", "-q", self.library], check=True)

    def install(self, *requirements: str, pip: bool = False) -> None:
        if pip:
            argv = (*("pip", "--python", str(python_in(self.venv)), "install", "-q"), *requirements)
            options = ("--index-url", self.index.as_uri(), "--disable-pip-version-check", "--no-warn-conflicts")
            subprocess.run([sys.executable, "-m", *argv, *options], env=self.environ(), check=True, capture_output=True)
        else:
            self.uv("pip", "install", "--python", self.venv, *requirements)

    def killed_pip(self, nth: int, *arguments: str) -> int:
        """pip in the environment, killed before its nth change; its exit status."""
        site = Path(__import__("pip").__file__).parents[1]
        alone = self.root / "pip"
        if not alone.is_dir():
            alone.mkdir()
            (alone / "pip").symlink_to(site / "pip")
        # -B: bytecode that pip's own modules lack would count as changes.
        argv = [python_in(self.venv), "-B", "-c", _KILLED_PIP, str(nth), str(alone), *arguments]
        options = ["--index-url", self.index.as_uri(), "--disable-pip-version-check"]
        return subprocess.run([*argv, *options], env=self.environ(), capture_output=True, check=False).returncode

    def killed_uv(self, *requirements: str, when_gone: Path) -> None:
        """uv in the environment, killed as soon as something is gone."""
        argv = [uv_executable(), "pip", "install", "--python", self.venv, *requirements, "--no-config"]
        argv += ["--cache-dir", self.root / "uv-cache"]
        with subprocess.Popen(argv, env=self.environ(), cwd=self.root, stderr=subprocess.DEVNULL) as running:
            while running.poll() is None and when_gone.exists():
                pass
            running.kill()

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        timeout = 1800 if WINDOWS else 300  # Wine takes seconds for each start
        return forks.run([*map(str, arguments)], env=self.environ(), cwd=self.root, timeout=timeout)

    def adopt(self, *arguments: str | Path) -> tuple[int, dict[str, object]]:
        """`adopt .venv --json` with a quick smoke test; status and document."""
        done = self.run("adopt", ".venv", "--json", "--set", "smoke.level=quick", *arguments)
        assert done.stdout, done.stderr
        document: dict[str, object] = json.loads(done.stdout)
        return done.returncode, document

    def imports(self, *modules: str) -> None:
        """Each module can be imported in what stands at the path now."""
        code = "; ".join(f"import {name}" for name in ("tensorflow", *modules))
        done = subprocess.run([python_in(self.venv), "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def freeze(self) -> dict[str, str]:
        """Versions by name of what stands at the path, as its own Python sees them."""
        code = (
            "import importlib.metadata as m, json; "
            "print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}))"
        )
        done = subprocess.run([python_in(self.venv), "-I", "-c", code], capture_output=True, text=True, check=True)
        found: dict[str, str] = json.loads(done.stdout)
        return {name: version for name, version in found.items() if name not in ("pip", "wheel")}


def state(root: Path) -> dict[str, str]:
    """Every file of a folder: its kind, mode, time and content."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            told = f"link {os.readlink(path)}"
        elif path.is_dir():
            told = "folder"
        else:
            told = f"{hashlib.sha256(path.read_bytes()).hexdigest()} {status.st_mtime_ns}"
        found[str(path.relative_to(root))] = f"{stat.filemode(status.st_mode)} {told}"
    return found


def another_processor(python: Path, target: Path) -> None:
    """A program of a processor that this machine has not: the head of an ELF file says which."""
    shutil.copy2(python.resolve(), target)
    here = target.read_bytes()[18:20]
    with target.open("r+b") as stream:
        stream.seek(18)
        stream.write(b"\xb7\x00" if here != b"\xb7\x00" else b"\x3e\x00")
