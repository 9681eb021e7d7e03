"""Imports that fail after the install: the likeliest bound is tried in a new generation, on an index of tiny wheels."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import sdists
from journals import events
from sham import MODULE
from site_under_test import OLDER, PYTHON, RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel

pytestmark = only_here

FOR_KERAS_2 = """\
import os
if os.environ.get("TF_USE_LEGACY_KERAS") != "1":
    raise ValueError("Your currently installed version of Keras is Keras 3, but this is not yet supported.")
import tf_keras
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site.make(tmp_path)
    wheels = tmp_path / "wheels"
    site.offer(
        sham_wheel(wheels, RELEASE),
        build_wheel(wheels, "companion", "1.5", files={"companion/__init__.py": "def old_name(): pass\n"}),
        build_wheel(wheels, "companion", "2.0", files={"companion/__init__.py": "def new_name(): pass\n"}),
        build_wheel(
            wheels,
            "needs-old",
            "1.0",
            requires=["companion"],
            files={"needs_old.py": "from companion import old_name\n"},
        ),
    )
    return site


def ask(site: Site, *requirements: str) -> None:
    lines = ", ".join(json.dumps(line) for line in requirements)
    site.write(f"[packages]\nrequirements = [{lines}]\n")


def kept(site: Site) -> list[str]:
    """The bounds of the cures that the generation in use has."""
    (environment,) = json.loads(site.run("list", "--json").stdout)["environments"]
    return [cure["constraint"] for cure in environment["generations"][-1]["cures"]]


def tried(site: Site) -> list[str]:
    """What the repair rung installed and tested, by the newest journal."""
    return [
        str(event["what"]).partition(":")[0]
        for event in events(site.home)
        if event["event"] == "Attempt" and event["rung"] == "repair" and event["number"]
    ]


def test_packages_that_need_older_companions_than_their_metadata_say_get_them(site: Site, tmp_path: Path) -> None:
    wheels = tmp_path / "more"
    site.offer(
        build_wheel(wheels, "other", "3.0"),
        build_wheel(wheels, "other", "2.0", files={"other.py": "name = 1\n"}),
        build_wheel(
            wheels, "needs-other", "1.0", requires=["other"], files={"needs_other.py": "from other import name\n"}
        ),
    )
    ask(site, "needs-old", "needs-other")
    document = site.up()
    assert document["verdict"]["cures"] == [  # type: ignore[index, call-overload] - a JSON document
        "import-failed: the lock is bound to `companion<2` "
        "(`needs-old` 1.0 does not find in `companion` 2.0 what it asks for)",
        "import-failed: the lock is bound to `other<3` "
        "(`needs-other` 1.0 does not find in `other` 3.0 what it asks for)",
    ]
    assert tried(site) == ["likely-bound", "second likely-bound"]
    assert kept(site) == ["companion<2", "other<3"]
    lock = site.lock.read_text()
    assert 'name = "companion"\nversion = "1.5"' in lock
    assert 'bounds = ["companion<2", "other<3"]' in lock
    assert site.up()["already"] is True


def test_a_lock_with_a_bound_still_says_where_the_users_folder_is(site: Site) -> None:
    folder = site.root / "own project"
    folder.mkdir()
    for name, text in sdists.project("mine", "1.0").items():
        (folder / name).write_text(text)
    (site.root / "needs.txt").write_text("mine @ ./own project\n")
    site.write('[packages]\nfiles = ["needs.txt"]\nrequirements = ["needs-old"]\n')
    site.up()
    assert kept(site) == ["companion<2"]
    assert 'directory = { path = "own project" }' in site.lock.read_text()
    assert site.up()["already"] is True
    assert site.up("--recreate")["ok"] is True


def test_a_bound_that_does_not_help_is_tried_once_and_leaves_the_lock_as_it_was(site: Site, tmp_path: Path) -> None:
    site.offer(build_wheel(tmp_path / "more", "companion", "1.9", files={"companion/__init__.py": "no = 0\n"}))
    ask(site, "needs-old")
    assert site.run("lock", "train.toml").returncode == 0
    before = site.lock.read_bytes()
    done = site.run("up", "train.toml", "--json")
    assert done.returncode == 16, done.stderr
    assert tried(site) == ["likely-bound"]
    (line,) = json.loads(done.stdout)["error"]["tried"]
    assert line.startswith("the lock is bound to `companion<2`")
    assert line.endswith("did not help, undone")
    assert site.lock.read_bytes() == before
    done = site.run("up", "train.toml", "--json", "--locked")
    assert done.returncode == 16, done.stderr
    assert tried(site) == []


def test_what_packages_import_without_asking_for_it_is_brought(site: Site, tmp_path: Path) -> None:
    wheels, both = tmp_path / "more", {"setuptools/__init__.py": "", "pkg_resources/__init__.py": ""}
    keras = {"keras/__init__.py": "__version__ = '3.12.0'\n"}
    site.offer(
        build_wheel(wheels, "setuptools", "80.9", files=both),
        build_wheel(wheels, "setuptools", "82.0", files={"setuptools/__init__.py": ""}),
        build_wheel(wheels, "old-hub", "1.0", files={"old_hub.py": "import pkg_resources\n"}),
        build_wheel(wheels, "keras", "3.12.0", files=keras),
        build_wheel(wheels, "tf-keras", RELEASE, requires=[f"tensorflow-cpu=={RELEASE}"]),
        build_wheel(wheels, "for-keras", "1.0", requires=["keras"], files={"for_keras.py": FOR_KERAS_2}),
    )
    ask(site, "old-hub", "for-keras")
    site.up()
    assert sorted(kept(site)) == ["setuptools<81", "tf-keras"]
    done = site.run("run", "train.toml", "--", "python", "-c", "import for_keras; print('good')")
    assert done.stdout.strip() == "good", done.stderr
    # Where the lock is made anew for another reason, they are asked for again.
    ask(site, "old-hub", "for-keras", "companion")
    site.up()
    assert tried(site) == []
    assert 'name = "setuptools"\nversion = "80.9"' in site.lock.read_text()


def test_what_a_package_misses_in_this_tensorflow_is_looked_for_in_the_one_before(site: Site, tmp_path: Path) -> None:
    site.offer(
        sham_wheel(tmp_path / "more", OLDER, sabotage="\nestimator = 1\n"),
        build_wheel(tmp_path / "more", "ranks", "1.0", files={"ranks.py": "from tensorflow import estimator\n"}),
    )
    ask(site, "ranks")
    site.up()
    assert kept(site) == [f"tensorflow<{RELEASE.rpartition('.')[0]}"]
    assert site.imported() == OLDER
    assert site.up()["already"] is True


def test_what_python_removed_is_looked_for_in_the_python_before(site: Site, tmp_path: Path) -> None:
    minor = sys.version_info[1]
    before = next(Path(sys.base_prefix).parent.glob(f"3.{minor - 1}.*/bin/python3.{minor - 1}"), None)
    lost = {11: "import inspect\ninspect.getargspec\n", 12: "import asyncore\n", 13: "import telnetlib\n"}.get(minor)
    if before is None or lost is None:
        pytest.skip("beside this Python there is none that has a module which this one has lost")
    for each in (minor, minor - 1):
        tag = f"cp3{each}-cp3{each}-manylinux_2_17_x86_64"
        files = {"tensorflow/__init__.py": MODULE.replace("2.99.0", RELEASE)}
        site.offer(build_wheel(tmp_path / f"more-{each}", "tensorflow-cpu", RELEASE, files=files, tag=tag))
    site.offer(build_wheel(tmp_path / "more", "aged", "1.0", files={"aged.py": lost}))
    ask(site, "aged")
    text = site.profile.read_text().replace(
        f'path = "{PYTHON.as_posix()}"', f'version = ">=3.{minor - 1},<3.{minor + 1}"'
    )
    site.profile.write_text(text)
    site.extra["PATH"] = f"{PYTHON.parent}:{before.parent}:/usr/bin:/bin"
    document = site.up()
    assert kept(site) == [f"python<3.{minor}"]
    assert document["verdict"]["python"].startswith(f"3.{minor - 1}.")  # type: ignore[index, call-overload, union-attr] - a JSON document
    assert site.up()["already"] is True
