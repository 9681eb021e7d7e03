"""Examining and repairing real environments; only TensorFlow is a sham."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from site_under_test import RELEASE, WINDOWS, Site, only_here, sham_wheel
from snapshots import Snapshot
from tfprov.envs import layout
from wheels import build_wheel

pytestmark = only_here
only_posix = pytest.mark.skipif(WINDOWS, reason="other scripts, no pipes among files, and other permissions")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Snapshot[Site]:
    found = Site.make(tmp_path_factory.mktemp("made"))
    found.offer(sham_wheel(found.root / "built", RELEASE), build_wheel(found.root / "built", "helper", "1.0"))
    found.write('[packages]\nrequirements = ["helper"]\n')
    found.up()
    return Snapshot(found)


@pytest.fixture
def site(made: Snapshot[Site]) -> Site:
    """An environment with `helper`."""
    return made.restore()


def findings(site: Site, *arguments: str) -> tuple[int, list[dict[str, str]]]:
    done = site.run("doctor", *(arguments or ("train.toml",)), "--json")
    return done.returncode, json.loads(done.stdout)["findings"]


def spoil(path: Path) -> None:
    """Change a file without changing its size or time, through every link to it."""
    before = path.stat()
    content = path.read_bytes()
    with path.open("r+b") as stream:
        stream.write(bytes([content[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_fresh_environment_is_clean(site: Site) -> None:
    assert findings(site) == (0, [])


def test_an_altered_file_that_keeps_its_size_and_time_is_found_and_repaired(site: Site) -> None:
    spoil(site.installed("helper.py"))
    status, found = findings(site)
    assert status == 16
    assert [one["code"] for one in found] == ["file-damaged"]
    assert found[0]["path"].endswith("/helper.py")
    assert site.run("doctor", "train.toml", "--fix").returncode == 0
    assert site.installed("helper.py").read_text() == "__version__ = '1.0'\n"
    assert findings(site) == (0, [])


def test_an_environment_that_is_not_damaged_is_not_made_again(site: Site) -> None:
    before = site.generations()
    done = site.run("repair", "train.toml")
    assert done.returncode == 0, done.stderr
    assert f"TensorFlow {RELEASE} on Python " in done.stdout
    assert " is not damaged: nothing to repair\n" in done.stdout
    assert site.generations() == before
    # No hash says what this file was, but its size does.
    (layout.executables_in(site.in_use()) / "activate").write_text("")
    assert json.loads(site.run("repair", "train.toml", "--json").stdout)["already"] is False
    assert site.generations() != before


def test_a_compiled_module_that_a_full_disk_cut_is_found_and_made_anew(site: Site) -> None:
    module = site.installed("helper.py")
    [compiled] = module.parent.glob("__pycache__/helper.*.pyc")
    whole = compiled.read_bytes()
    compiled.unlink()
    for length, is_bad in ((len(whole) - 1, True), (16, True), (15, False), (0, False)):
        compiled.write_bytes(whole[:length])
        status, found = findings(site)
        imported = site.run("run", "train.toml", "--", "python", "-B", "-c", "import helper")
        assert (status, imported.returncode) == ((16, 1) if is_bad else (0, 0)), found
    compiled.write_bytes(whole[:40])
    assert site.run("doctor", "train.toml", "--fix").returncode == 0
    [made] = site.installed("helper.py").parent.glob("__pycache__/helper.*.pyc")
    assert made.read_bytes() == whole
    assert findings(site) == (0, [])


def test_many_findings_are_told_once_and_by_the_name_of_the_environment(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", RELEASE))
    site.write()
    site.profile.rename(site.root / "tfprov.toml")
    assert site.run("up").returncode == 0
    for number in range(20):
        (site.installed("tensorflow") / f"foreign{number:02}.py").write_text("")
    done = site.run("doctor")
    assert done.returncode == 16
    failure = done.stderr[done.stderr.index("error[") :]
    assert failure.startswith("error[foreign-file]: `train` is not as it should be: ")
    assert failure.count("tensorflow/foreign") == 6
    assert "\n            and 14 more\n" in failure


def test_a_package_that_somebody_removed_or_added_is_drift(site: Site) -> None:
    for path in site.installed("helper.py").parent.glob("helper*"):
        path.unlink() if path.is_file() else [inner.unlink() for inner in path.iterdir()] + [path.rmdir()]
    extra = build_wheel(site.root / "built", "extra", "3.0")
    done = site.run("run", "train.toml", "--", "python", "-m", "pip", "install", "--no-index", str(extra))
    assert done.returncode == 0, done.stderr
    status, found = findings(site)
    assert status == 16
    assert {(one["code"], one["path"], one["found"]) for one in found} == {
        ("package-drift", "helper", "missing"),
        ("package-drift", "extra", "3.0"),
    }
    assert site.run("repair", "train.toml").returncode == 0
    assert findings(site) == (0, [])


def test_a_foreign_file_is_named(site: Site) -> None:
    (site.installed("helper.py").parent / "tensorflow.py").write_text("")
    status, found = findings(site)
    assert status == 16
    assert [one["code"] for one in found] == ["foreign-file"]


@pytest.mark.parametrize("name", ["tfprov.manifest", "bin/activate"])
@only_posix
def test_what_no_package_owns_is_as_up_has_it(site: Site, name: str) -> None:
    (site.in_use() / name).unlink()
    status, found = findings(site)
    assert (status, [(one["path"], one["found"]) for one in found]) == (16, [(name, "missing")])
    assert site.run("status", "train.toml").returncode == 16


@only_posix
def test_a_folder_that_root_alone_can_look_into_is_named(site: Site) -> None:
    folder = site.installed("helper.py").parent / "tensorflow"
    folder.chmod(0)
    status, found = findings(site)
    assert (status, found[0]["code"]) == (16, "file-damaged")
    assert folder.name in found[0]["path"]
    done = site.run("repair", "train.toml")
    assert done.returncode == 0, done.stderr
    assert findings(site) == (0, [])


def test_an_interpreter_that_is_gone_is_named(site: Site) -> None:
    python = layout.python_in(site.in_use())
    python.unlink()
    if not WINDOWS:
        python.symlink_to("/nonexistent/python3")
    status, found = findings(site)
    assert status == 10
    assert found[0]["code"] == "python-broken"
    assert WINDOWS or "/nonexistent/python3" in found[0]["expected"]
    done = site.run("up", "train.toml")
    assert done.returncode == 0, done.stderr
    assert findings(site) == (0, [])


@only_posix
def test_settings_that_python_would_wait_for_are_named(site: Site) -> None:
    settings = site.in_use() / "pyvenv.cfg"
    settings.unlink()
    os.mkfifo(settings)
    status, found = findings(site)
    assert status == 10
    assert found[0]["path"] == str(settings)
    assert found[0]["found"] == "a pipe or a device: Python waits for it"


def test_what_leaks_in_from_the_shell_is_advice_and_no_failure(site: Site) -> None:
    leak = site.root / "leak"
    leak.mkdir()
    site.extra = {"PYTHONPATH": str(leak)}
    status, found = findings(site)
    assert status == 0
    assert ("path-leak", "PYTHONPATH", "advice") in {(one["code"], one["path"], one["kind"]) for one in found}


def test_an_environment_that_tfprov_did_not_make_is_examined_and_not_changed(site: Site) -> None:
    (folder,) = site.home.glob("data/environments/*/current")
    spoil(site.installed("helper.py"))
    status, found = findings(site, "--python", str(layout.python_in(folder)))
    assert status == 16
    assert [one["code"] for one in found] == ["file-damaged"]
    assert site.run("doctor", "--python", str(folder), "--fix").returncode == 2
    assert site.run("doctor", "--python", str(site.root)).returncode == 2


def test_what_does_not_go_together_is_found_in_an_environment_of_others(site: Site) -> None:
    """`pip check` sees it, and so does the import; every file is as its package has it."""
    old = build_wheel(site.root / "built", "numpy", "2.4.6")
    needs = build_wheel(site.root / "built", "needs-numpy", "1.0", requires=("numpy<2",))
    python = str(layout.python_in(site.in_use()))
    done = site.run(
        "run", "train.toml", "--", python, "-m", "pip", "install", "--no-index", "--no-deps", str(old), str(needs)
    )
    assert done.returncode == 0, done.stderr
    status, found = findings(site, "--python", python)
    assert status == 16
    assert [(one["code"], one["path"], one["found"]) for one in found] == [
        ("numpy-abi", "needs-numpy", "numpy 2.4.6 is installed")
    ]
    assert "TensorFlow" not in found[0]["expected"]
