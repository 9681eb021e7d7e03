"""What is released: a source distribution, and the wheel that is built from it."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from tfprov import __version__
from tfprov.pipeline.uv import uv_executable

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.network  # the build backend comes from the index

installs = pytest.mark.skipif(
    not os.environ.get("TFPROV_TEST_INSTALL"), reason="TFPROV_TEST_INSTALL=1 installs tfprov with pip, pipx and uv"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution and the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([uv_executable(), "build", "--quiet", "--out-dir", folder, ROOT], check=True, capture_output=True)
    return folder


def tracked(*places: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", *places], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a checkout of git")
    # What was deleted and not committed yet is listed, too.
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def test_the_wheel_has_the_package_the_profiles_and_nothing_else(built: Path) -> None:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        found = Metadata.from_email(wheel.read(f"tfprov-{__version__}.dist-info/METADATA"), validate=True)
        assert f"tfprov-{__version__}.dist-info/licenses/LICENSE" in wheel.namelist()
    ours = {name.removeprefix("src/") for name in tracked("src")}
    assert ours <= names
    assert "tfprov/py.typed" in names
    assert {f"tfprov/{name}" for name in tracked("profiles")} <= names
    assert not [name for name in names if "__pycache__" in name]
    assert (found.name, str(found.version), found.license_expression) == ("tfprov", __version__, "Apache-2.0")


def test_the_source_distribution_has_what_is_tracked_but_for_the_gate(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {name for name in tracked() if name.partition("/")[0] not in (".ci", ".github", ".gitattributes")} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".bootstrap", "shared"))]


@installs
@pytest.mark.parametrize("tool", ["pip", "pipx", "uv"])
def test_it_installs_with_every_tool(built: Path, tmp_path: Path, tool: str) -> None:
    (wheel,) = built.glob("*.whl")
    commands = tmp_path / "bin"
    environ = os.environ | {
        "HOME": str(tmp_path),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(commands),
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(commands),
    }
    uv = str(uv_executable())
    if tool == "pip":
        subprocess.run([uv, "venv", "-q", "--seed", "--python", sys.executable, tmp_path / "venv"], check=True)
        commands = tmp_path / "venv" / "bin"
        argv = [str(commands / "python"), "-m", "pip", "install", "-q", str(wheel)]
    elif tool == "pipx":
        argv = [
            uv,
            "tool",
            "run",
            "-q",
            "--python",
            sys.executable,
            "pipx",
            "install",
            "--python",
            sys.executable,
            str(wheel),
        ]
    else:
        argv = [uv, "tool", "install", "-q", "--python", sys.executable, str(wheel)]
    done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    version, profile = (
        subprocess.run(
            [commands / "tfprov", *arguments], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        for arguments in (["--version"], ["init", "--json"])
    )
    assert version == f"tfprov {__version__}\n"
    assert '"ok": true' in profile


@installs
def test_a_zipapp_makes_plans_and_has_uv(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    environ = os.environ | {"HOME": str(tmp_path), "TFPROV_HOME": str(tmp_path / "tfprov")}
    archive = tmp_path / "tfprov.pyz"
    argv = [str(uv_executable()), "tool", "run", "-q", "--python", sys.executable, "--with", "pip", "shiv"]
    argv += ["-q", "-e", "tfprov.cli.main:main", "-o", str(archive), str(wheel)]
    done = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "a.toml").write_text('name = "a"\n[tensorflow]\naccelerator = "cpu"\n')
    locked = subprocess.run(
        [sys.executable, archive, "lock", "a.toml"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert locked.returncode == 0, locked.stderr
    assert (tmp_path / "pylock.a.toml").is_file()
