"""The file `bootstrap` as a module, and checkouts small enough to be built in a moment, without the network."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

FILE = Path(__file__).resolve().parents[1] / "bootstrap"

# A backend that asks no index for anything: the project is installed by one line in a .pth file.
_BACKEND = """
import os, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name, info = "tfprov-0.1-py3-none-any.whl", "tfprov-0.1.dist-info/"
    files = {
        "tfprov.pth": os.path.join(os.getcwd(), "src"),
        info + "METADATA": "Metadata-Version: 2.1\\nName: tfprov\\nVersion: 0.1\\nProvides-Extra: conda\\n",
        info + "WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files[info + "RECORD"] = "".join(path + ",,\\n" for path in (*files, info + "RECORD"))
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
"""
_PROJECT = """
[build-system]
requires = []  # tfprov itself has "uv>=0.13"
build-backend = "backend"
backend-path = ["."]
"""


def loaded() -> ModuleType:
    """A fresh module of the file; nothing runs."""
    loader = SourceFileLoader("bootstrap_under_test", str(FILE))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def checkout(folder: Path) -> Path:
    """A checkout whose tfprov prints its arguments; returns its bootstrap."""
    package = folder / "src/tfprov"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text("import sys\nprint('arguments', *sys.argv[1:])\n")
    (folder / "backend.py").write_text(_BACKEND)
    (folder / "pyproject.toml").write_text(_PROJECT)
    return Path(shutil.copy(FILE, folder / "bootstrap"))


def environ(home: Path, **more: str) -> dict[str, str]:
    """Variables for a bootstrap that finds this environment's uv on PATH, and keeps to `home`."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
    return {"PATH": path, "HOME": str(home), "TFPROV_HOME": str(home / "tfprov"), "UV_OFFLINE": "1", **more}


def start(
    bootstrap: Path, *arguments: str, env: Mapping[str, str], python: str = sys.executable, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, by a Python rather than by the shell."""
    command = [python, "-I", str(bootstrap), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, check=False)


def wheel_of_uv(program: bytes, *, name: str = "uv") -> bytes:
    """A wheel of uv whose program is this one."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"uv-1.data/scripts/{name}", program)
    return content.getvalue()


def program(path: Path, text: str) -> Path:
    """An executable file with this text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path
