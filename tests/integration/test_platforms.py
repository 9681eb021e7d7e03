"""`tfprov lock` for several platforms, with the real uv: tiny wheels, and once the real TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.pylock import Pylock

import forks
from hosts import WINDOWS, Host
from tfprov.host.facts import dump
from tfprov.lock.pylock import read_header
from tfprov.plan.tags import marker_environment, supported_tags
from wheels import build_wheel, simple_index

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CP = f"cp{sys.version_info[0]}{sys.version_info[1]}"
PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the machine that makes the lock is a Linux one")


def tfprov(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "TFPROV_HOME": str(folder / "home")}
    return forks.run(arguments, env={**own, **environ}, cwd=folder, timeout=500)


def selected(lock: Path, host: Host, python: str) -> dict[str, str]:
    """What an installer that follows the standard takes on a machine: SHA-256 by project."""
    found = Pylock.from_dict(tomllib.loads(lock.read_text())).select(
        environment=marker_environment(python, "cpython", host.facts),
        tags=supported_tags(python, False, host.facts),
    )
    return {str(package.name): source.hashes["sha256"] for package, source in found}  # type: ignore[union-attr]  # every source here is a wheel


@pytest.mark.skipif(not (3, 10) <= sys.version_info[:2] <= (3, 13), reason="TensorFlow 2.21 has no wheel for it")
def test_a_lock_for_several_platforms_holds_the_packages_of_each(tmp_path: Path) -> None:
    source, linux, windows = tmp_path / "source", f"{CP}-{CP}-manylinux_2_17_x86_64", f"{CP}-{CP}-win_amd64"
    index = simple_index(
        tmp_path / "index",
        [
            build_wheel(source, "tensorflow-cpu", "2.21.0", tag=linux, requires=["dep"]),
            build_wheel(source, "tensorflow", "2.21.0", tag=linux, requires=["dep"]),
            build_wheel(source, "tensorflow", "2.21.0", tag=windows, requires=["tensorflow-intel==2.21.0"]),
            build_wheel(source, "tensorflow-intel", "2.21.0", tag=windows, requires=["dep"]),
            build_wheel(source, "dep", "1.0"),
        ],
    )
    profile = tmp_path / "x.toml"
    alone = f'name = "x"\n[python]\npath = "{PYTHON}"\n[index]\nurl = "{index.as_uri()}"\n'
    profile.write_text(alone)
    assert tfprov(tmp_path, "lock", "x.toml", PIP_CONFIG_FILE=os.devnull).returncode == 0
    lock, full = tmp_path / "pylock.x.toml", ".".join(map(str, sys.version_info[:3]))
    before = selected(lock, Host(), full)
    assert sorted(before) == ["dep", "tensorflow-cpu"]

    # Another list of platforms is another lock.
    profile.write_text(alone + '[lock]\nplatforms = ["windows-amd64"]\n')
    refused = tfprov(tmp_path, "lock", "x.toml", "--locked", PIP_CONFIG_FILE=os.devnull)
    assert "`platforms` was unset, is `windows-amd64`" in refused.stderr
    done = tfprov(tmp_path, "lock", "x.toml", PIP_CONFIG_FILE=os.devnull)
    assert done.returncode == 0, done.stderr
    assert selected(lock, Host(), full) == before
    assert sorted(selected(lock, WINDOWS, full)) == ["dep", "tensorflow", "tensorflow-intel"]
    header = read_header(lock)
    assert header is not None
    assert header.platforms == "linux-x86_64-glibc, windows-x86_64"
    there = header.target_on("windows-x86_64")
    assert there is not None
    assert (there.package, there.accelerator) == ("tensorflow", "cpu")
    assert header.target_on("macos-arm64") is None

    assert tfprov(tmp_path, "lock", "x.toml", "--locked", PIP_CONFIG_FILE=os.devnull).returncode == 0


def test_a_plan_is_refused_where_the_lock_would_be(tmp_path: Path) -> None:
    host = Host(pythons=("3.12.1",))
    (tmp_path / "host.json").write_text(dump(host.facts))
    (tmp_path / "x.toml").write_text('name = "x"\n[lock]\nplatforms = ["windows-amd64", "macos-x86_64"]\n')
    # The newest release that all platforms can take, …
    done = tfprov(tmp_path, "plan", "x.toml", "--host", "host.json", "--json")
    assert json.loads(done.stdout)["decision"]["tensorflow"]["version"] == "2.16.2"
    # … and where the profile leaves none, the one that is missing somewhere.
    newer = ("--set", "tensorflow.version=>=2.17")
    done = tfprov(tmp_path, "plan", "x.toml", "--host", "host.json", "--json", *newer)
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "platform-no-wheel"
    assert error["hint"].startswith("TensorFlow 2.16.2 is the last with wheels for macOS on Intel; ")
    assert not any("tensorflow.version" in line for line in error["evidence"])


def test_a_platform_that_has_no_name_is_a_mistake_in_the_profile(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('name = "x"\n[lock]\nplatforms = ["windows-x86_64"]\n')
    done = tfprov(tmp_path, "lock", "x.toml")
    assert "lock.platforms[0]" in done.stderr
    assert "windows-amd64" in done.stderr


@pytest.mark.network
def test_the_real_stub_for_windows_is_not_lost(tmp_path: Path) -> None:
    pinned = '[tensorflow]\nversion = "==2.15.1"\naccelerator = "cpu"\n[python]\nversion = "==3.11.*"\n'
    (tmp_path / "alone.toml").write_text(f'name = "alone"\n{pinned}')
    (tmp_path / "both.toml").write_text(
        f'name = "both"\n{pinned}[lock]\nplatforms = ["linux-x86_64", "windows-amd64"]\n'
    )
    for name in ("alone", "both"):
        # Where packages come from is what the machine says; only the home is another one.
        done = tfprov(tmp_path, "lock", f"{name}.toml", **{**os.environ, "TFPROV_HOME": str(tmp_path / "home")})
        assert done.returncode == 0, done.stderr
    lock = tmp_path / "pylock.both.toml"
    python = tomllib.loads(lock.read_text())["requires-python"].split(",")[0].removeprefix(">=")
    assert selected(lock, Host(), python) == selected(tmp_path / "pylock.alone.toml", Host(), python)
    windows = selected(lock, WINDOWS, python)
    assert {"tensorflow", "tensorflow-intel"} <= set(windows)
    assert "tensorflow-cpu" not in windows
