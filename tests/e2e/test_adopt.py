"""Environments with the real TensorFlow that do not work any more, recreated where they stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from broken import state
from tfprov.pipeline.uv import uv_executable

large = pytest.mark.skipif("TFPROV_TEST_LARGE" not in os.environ, reason="set TFPROV_TEST_LARGE to run")
pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(sys.platform != "linux", reason="environments are compared file by file on Linux"),
]
PYTHONS = Path.home() / ".pyenv" / "versions"


def python(minor: str) -> Path:
    """An interpreter of pyenv; the test is skipped where there is none."""
    found = sorted(PYTHONS.glob(f"{minor}.*/bin/python{minor}"))
    if not found:
        pytest.skip(f"there is no Python {minor} of pyenv")
    return found[-1]


def uv(*arguments: str | Path, cwd: Path) -> None:
    done = subprocess.run([uv_executable(), *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def tfprov(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-m", "tfprov", *arguments],
        env={**os.environ, "TFPROV_HOME": str(cwd / "home")},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )


def imports(root: Path, *modules: str) -> subprocess.CompletedProcess[str]:
    code = "; ".join(f"import {name}" for name in modules)
    return subprocess.run([root / "bin" / "python", "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("minor", "installed", "then", "moved"),
    [
        # Nothing in the metadata of 2.10 says that it was built for NumPy 1.
        pytest.param("3.10", ("tensorflow-cpu==2.10.1", "numpy==2.2.6", "pandas"), (), {"numpy"}, marks=large),
        # As `newer_numpy` and `protobuf_clash` in tests/integration/test_adopt.py, which adopt a sham.
        pytest.param(
            *("3.11", ("tensorflow-cpu==2.15.1", "pandas"), ("numpy==2.2.6", "protobuf==6.33.0")),
            {"numpy", "protobuf"},
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_what_cannot_be_imported_any_more_works_again_with_the_same_release(
    tmp_path: Path, minor: str, installed: tuple[str, ...], then: tuple[str, ...], moved: set[str]
) -> None:
    venv = tmp_path / ".venv"
    uv("venv", "--python", python(minor), venv, cwd=tmp_path)
    for requirements in (installed, then):
        if requirements:
            uv("pip", "install", "--python", venv, *requirements, cwd=tmp_path)
    assert imports(venv, "tensorflow").returncode != 0
    before = state(venv)
    assert tfprov("doctor", "--python", ".venv", cwd=tmp_path).returncode == 16
    done = tfprov("adopt", ".venv", "--in-place", "--set", "smoke.level=quick", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["tensorflow"]["version"] == installed[0].partition("==")[2]
    assert moved <= {one["what"] for one in document["changes"] if one["before"] and one["after"]}
    works = imports(venv, "tensorflow", "pandas")
    assert works.returncode == 0, works.stderr
    assert tfprov("rollback", cwd=tmp_path).returncode == 0
    after = state(venv.resolve())
    # The first import wrote bytecode, before anything was compared.
    assert {path: told for path, told in after.items() if path in before} == before
