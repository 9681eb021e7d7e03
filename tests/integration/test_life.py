"""The life of an environment on Windows, where it is not a link that leads to what is in use."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from site_under_test import OLDER, RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel

pytestmark = [
    *only_here,
    pytest.mark.skipif(os.name != "nt", reason="elsewhere each command has tests of its own, and takes a link"),
]


def test_an_environment_is_made_remade_taken_back_and_removed(tmp_path: Path) -> None:
    """One test, because each process takes seconds under Wine."""
    site = Site.make(tmp_path, is_new=True)
    site.offer(sham_wheel(site.root / "built", OLDER))
    site.write("[environment]\npath = 'envs\\.venv'\n")
    planned = site.run("plan", "train.toml", "--json")
    assert json.loads(planned.stdout)["decision"]["tensorflow"]["version"] == OLDER, planned.stderr
    site.up()
    # TensorFlow 2.21 needs a library that Windows may lack, and the plan then asks for the package that brings it.
    runtime = build_wheel(site.root / "built", "msvc-runtime", "14.51")
    site.offer(sham_wheel(site.root / "built", RELEASE), runtime)
    assert site.up("--upgrade")["tensorflow"]["version"] == RELEASE
    assert site.imported() == RELEASE
    assert site.up("--recreate")["already"] is False
    back = site.run("rollback", "train.toml")
    assert back.returncode == 0, back.stderr
    assert site.imported() == OLDER
    gone = site.run("remove", "train.toml", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert (site.generations(), (site.root / "envs" / ".venv").exists()) == ([], False)
