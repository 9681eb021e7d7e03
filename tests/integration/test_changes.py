"""`plan` and `up` name what an update changes, with the bytes that are really moved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from site_under_test import RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel

pytestmark = only_here
BIG = "x" * 50_000


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site.make(tmp_path)
    helpers = [build_wheel(found.root / "built", "helper", version) for version in ("1.0", "2.0")]
    other = build_wheel(found.root / "built", "other", "3.1", files={"other.py": f"X = {BIG!r}"})
    found.offer(sham_wheel(found.root / "built", RELEASE), *helpers, other)
    found.write('[packages]\nrequirements = ["helper<2"]\n')
    return found


def planned(site: Site, *arguments: str) -> dict[str, object]:
    done = site.run("plan", "train.toml", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    document: dict[str, object] = json.loads(done.stdout)
    return document


def test_a_plan_names_what_an_update_changes_and_moves(site: Site) -> None:
    first = planned(site)
    assert first["changes"] is None
    site.up()
    nothing = planned(site)
    assert (nothing["changes"], nothing["fetch_bytes"]) == ([], 0)
    site.write('[packages]\nrequirements = ["helper>=2", "other"]\n')
    update = planned(site)
    assert update["changes"] == ["helper 1.0 -> 2.0", "+ other 3.1"]
    there = {path.name for path in site.home.glob("cache/store/**/*.whl")}
    lacking = [path for path in (site.root / "index").glob("*/*.whl") if path.name not in there]
    assert update["fetch_bytes"] in (None, sum(path.stat().st_size for path in lacking))
    words = site.run("plan", "train.toml").stdout
    assert "  changes   helper 1.0 -> 2.0, + other 3.1" in words.splitlines()
    made = site.run("up", "train.toml")
    assert "  changes   helper 1.0 -> 2.0, + other 3.1" in made.stdout.splitlines()
    site.write('[packages]\nrequirements = ["helper>=2"]\n')
    assert planned(site)["changes"] == ["- other 3.1"]
    assert site.up()["changes"] == ["- other 3.1"]
    # Both were locked, fetched and unpacked before.
    site.write('[packages]\nrequirements = ["helper>=2", "other"]\n')
    assert planned(site)["fetch_bytes"] == 0


def test_a_plan_for_another_machine_holds_to_the_lock(site: Site) -> None:
    site.write('[tensorflow]\naccelerator = "cpu"\n[packages]\nrequirements = ["helper<2"]\n')
    site.up()
    site.offer(sham_wheel(site.root / "newer", "2.21.1"))
    facts = site.run("facts", "--json").stdout
    (site.root / "host.json").write_text(facts)
    there = planned(site, "--host", "host.json")
    assert there["decision"]["tensorflow"]["version"] == RELEASE  # type: ignore[index]  # a JSON document
    assert there["changes"] is None
    not_resolved = "the other packages were not resolved: that machine may take another release or Python for them"
    assert not_resolved not in there["notes"]  # type: ignore[operator]  # a JSON document
    other = json.loads(facts)
    assert other["machine"]["value"] == "x86_64"
    other["machine"]["value"] = "aarch64"
    for one in other["interpreters"]["value"]:
        one["machine"] = "aarch64" if "machine" in one else None
    (site.root / "other.json").write_text(json.dumps(other))
    done = site.run("plan", "train.toml", "--host", "other.json")
    assert "does not serve linux-aarch64-glibc" in done.stdout + done.stderr
    # The index has no TensorFlow for that machine.
    assert f"{not_resolved} (cause: Because tensorflow" in " ".join(done.stdout.split())
    site.write('[tensorflow]\naccelerator = "cpu"\n')
    assert not_resolved not in planned(site, "--host", "other.json")["notes"]  # type: ignore[operator]  # likewise
