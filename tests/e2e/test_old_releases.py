"""Releases before 2.10, on the Pythons of their time, from the index that this machine is configured with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from command import tfprov
from old_pythons import old_python

pytestmark = pytest.mark.network

LARGE = pytest.mark.skipif(
    "TFPROV_TEST_LARGE" not in os.environ, reason="fetches 300 MB for each release: set TFPROV_TEST_LARGE to run"
)


def verified(tmp_path: Path, version: str, python: str, level: str) -> None:
    profile = tmp_path / "old.toml"
    profile.write_text(
        f'name = "old"\n[python]\npath = "{python}"\n'
        f'[tensorflow]\nversion = "=={version}"\naccelerator = "cpu"\n[smoke]\nlevel = "{level}"\n'
    )
    done = tfprov(tmp_path / "home", "up", str(profile), "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"]["ok"] is True
    assert document["tensorflow"]["version"] == version
    # A release that needs a cure, and so a second smoke test, is one whose bounds are not in the table.
    assert [stage["name"] for stage in document["stages"]].count("smoke") == 1
    assert tfprov(tmp_path / "home", "doctor", str(profile)).returncode == 0


# On Python 3.7, tests/unit/envs/test_venv.py makes environments, tests/unit/install/test_place.py installs into them,
# and tests/unit/smoke/test_old_pythons.py runs the probes.
@pytest.mark.nightly
def test_a_release_for_python_3_7_is_verified(tmp_path: Path) -> None:
    python, _ = old_python("3.7")
    verified(tmp_path, "2.7.4", str(python), "quick")


@LARGE
@pytest.mark.parametrize(
    ("version", "minor"),
    [
        ("1.15.5", "3.7"),
        ("2.0.4", "3.6"),
        ("2.1.4", "3.7"),
        ("2.2.3", "3.6"),
        ("2.3.4", "3.8"),
        ("2.4.4", "3.6"),
        ("2.5.3", "3.8"),
        ("2.6.5", "3.7"),
        ("2.8.4", "3.8"),
        ("2.9.3", "3.8"),
    ],
)
def test_every_minor_release_is_verified(tmp_path: Path, version: str, minor: str) -> None:
    python, _ = old_python(minor)
    verified(tmp_path, version, str(python), "standard")
