"""A lock without the network, from pages that an earlier run has read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loopback import Faults, Index
from site_under_test import RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel

pytestmark = only_here


def ask(site: Site, index: Index, *requirements: str) -> None:
    site.extra["SECTION"] = "simple"
    listed = ", ".join(f'"{each}"' for each in requirements)
    site.write(f"[packages]\nrequirements = [{listed}]\n")
    text = site.profile.read_text(encoding="utf-8")
    address = f"http://127.0.0.1:{index.port}/${{SECTION}}"
    site.profile.write_text(text.replace((site.root / "index").as_uri(), address), encoding="utf-8")


@pytest.mark.parametrize("metadata", [True, False], ids=["with copies of metadata", "without"])
def test_a_lock_is_made_again_without_the_network(tmp_path: Path, metadata: bool) -> None:
    site, made = Site.make(tmp_path), tmp_path / "wheels"
    wheels = [
        sham_wheel(made, RELEASE, requires=("alpha",)),
        *(build_wheel(made, name, "1.0") for name in ("alpha", "beta")),
    ]
    with Index({path.name: path for path in wheels}, Faults(metadata=metadata)) as index:
        ask(site, index)
        assert site.run("lock", "train.toml").returncode == 0
        first = site.lock.read_bytes()
        seen = len(index.seen)
        site.lock.unlink()
        done = site.run("lock", "train.toml", "--offline", "--verbose")
        assert done.returncode == 0, done.stderr
        assert site.lock.read_bytes() == first
        assert len(index.seen) == seen
        done = site.run("lock", "train.toml", "--offline", "--upgrade")
        assert done.returncode == 0, done.stderr
        assert site.lock.read_bytes() == first

        ask(site, index, "beta")
        done = site.run("lock", "train.toml", "--offline", "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (12, "offline-missing")
        assert json.loads(done.stdout)["error"]["what"] == ("a lock has to be made, but the network may not be used")
        assert site.lock.read_bytes() == first
        # What was read before has an answer, and it is no.
        ask(site, index, "alpha>1")
        done = site.run("lock", "train.toml", "--offline", "--json")
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"]) == (10, "version-not-available")
        assert error["evidence"][-1] == (
            "the network may not be used: only folders, and pages that were read before, were looked at"
        )
        site.extra.pop("SECTION")
        done = site.run("lock", "train.toml", "--offline", "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (12, "offline-missing")
        assert len(index.seen) == seen
