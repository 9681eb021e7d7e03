"""Packages that were asked for have to be importable; each that is not is named, and nothing is verified then."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import probes
from site_under_test import RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel

pytestmark = only_here

DEADLY = "import faulthandler\nfaulthandler._sigsegv()\n"
SLOW = "import time\ntime.sleep(600)\n"
BROKEN = "import not_there_at_all\n"
GREEDY = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
SETUPTOOLS = "import pkg_resources\n"
# As tkinter says it where there is no screen, which the variables of the probe cannot help.
WINDOW = "import tkinter\nraise tkinter.TclError('no display name and no $DISPLAY environment variable')\n"
LIBRARY = "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')\n"
NUMPY_1 = "raise ImportError('numpy.core.multiarray failed to import (auto-generated because you did not call it)')\n"
# As TensorFlow Probability does it: what needs TensorFlow is only loaded where that was imported before.
LAZY = "import sys\nif 'tensorflow' in sys.modules:\n    import not_there_at_all\n"
BEAM = {"beamed_cli.py": "import apache_beam\n"}
TOOL = {"tool": "tool:main", "with-extra": "tool.not_there:main [extra]"}


def commands(scripts: dict[str, str], name: str = "tool") -> dict[str, str]:
    lines = "".join(f"{command} = {target}\n" for command, target in scripts.items())
    return {f"{name}-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{lines}"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site.make(tmp_path)
    wheels = tmp_path / "wheels"
    site.offer(
        sham_wheel(wheels, RELEASE),
        build_wheel(wheels, "good", "1.0"),
        build_wheel(wheels, "broken", "1.0", files={"broken/__init__.py": BROKEN}),
        build_wheel(wheels, "deadly", "1.0", files={"deadly.py": DEADLY}),
        build_wheel(wheels, "greedy", "1.0", files={"greedy.py": GREEDY}),
        build_wheel(wheels, "slow", "1.0", files={"slow.py": SLOW}),
        build_wheel(wheels, "forking", "1.0", files={"forking.py": "import os\nos.fork()\n"}),
        build_wheel(wheels, "old-hub", "1.0", files={"old_hub/__init__.py": SETUPTOOLS}),
        build_wheel(wheels, "space-one", "1.0", files={"space/one/__init__.py": BROKEN}),
        build_wheel(wheels, "only-data", "1.0", files={"share/data.txt": "x"}),
        build_wheel(wheels, "window", "1.0", files={"window.py": WINDOW}),
        build_wheel(wheels, "no-library", "1.0", files={"no_library.py": LIBRARY}),
        build_wheel(wheels, "numpy-one", "1.0", files={"numpy_one.py": NUMPY_1}),
        build_wheel(wheels, "leaving", "1.0", files={"leaving.py": "import sys\nsys.exit(0)\n"}),
        build_wheel(wheels, "tool", "1.0", files={"tool.py": "def main(): raise SystemExit(9)\n", **commands(TOOL)}),
        build_wheel(
            wheels, "beamed", "1.0", files={"beamed.py": "", **commands({"beam": "beamed_cli:main"}, "beamed"), **BEAM}
        ),
        build_wheel(wheels, "lame", "1.0", files={"lame.py": "", **commands({"lame": "lame.cli:main"}, "lame")}),
        build_wheel(wheels, "needs-broken", "1.0", requires=["broken"]),
        build_wheel(wheels, "lazy", "1.0", files={"lazy.py": LAZY}, requires=['tensorflow>=1; extra == "tf"']),
        build_wheel(
            wheels, "templates", "1.0", files={"templates/__init__.py": "", "templates/new/{x}/__init__.py": "("}
        ),
    )
    return site


def ask(site: Site, *requirements: str, smoke: str = "") -> None:
    lines = ", ".join(json.dumps(line) for line in requirements)
    site.write(f"[packages]\nrequirements = [{lines}]\n", smoke=f'level = "quick"\n{smoke}')


def legs(site: Site, *, status: int = 0) -> dict[str, tuple[bool, str | None, str]]:
    """Ok, code and evidence of each leg about a package."""
    done = site.run("up", "train.toml", "--json")
    assert done.returncode == status, done.stderr
    if status:
        done = site.run("log", "train.toml")
        lines = [line for line in done.stdout.splitlines() if "smoke: package " in line]
        found = {}
        for line in lines:
            _, _, text = json.loads(line)["text"].partition("package ")
            name, _, rest = text.partition(" on environment: ")
            code = rest.partition(",")[0]
            found[name] = (code == "ok", None if code == "ok" else code, text)
        return found
    devices = json.loads(done.stdout)["devices"]
    every = (leg for device in devices for leg in device["legs"] if leg["leg"].startswith("package "))
    return {leg["leg"].removeprefix("package "): (leg["ok"], leg["code"], leg["evidence"]) for leg in every}


def test_what_was_asked_for_and_can_be_imported_is_a_leg(site: Site) -> None:
    ask(site, "good", "templates", "only-data")
    found = legs(site)
    assert found["good"] == (True, None, "good 1.0: good")
    assert found["templates"][0]
    assert found["only-data"] == (True, None, "it has no module to import")


def test_each_package_that_cannot_be_imported_is_named_and_none_hides_the_others(site: Site) -> None:
    ask(site, "broken", "deadly", "old-hub", "space-one", "slow", "good", smoke='timeout = "5s"\n')
    found = legs(site, status=16)
    assert found["good"][0]
    assert found["broken"][1] == "import-failed"
    assert found["deadly"][1] == "probe-crashed"
    assert found["slow"][1] == "probe-timeout"
    assert found["old-hub"][1] == "setuptools-pkg-resources"
    assert found["space-one"][1] == "import-failed"


def test_what_may_ask_for_tensorflow_is_imported_as_its_users_do_behind_that(site: Site) -> None:
    ask(site, "lazy", "good")
    found = legs(site, status=16)
    assert found["lazy"][1] == "import-failed"
    assert found["good"][0]


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_package_that_leaves_no_file_to_open_does_not_make_the_next_one_pass(site: Site) -> None:
    ask(site, "greedy", "broken")
    found = legs(site, status=14)
    assert found["greedy"][0]
    assert not found["broken"][0]


def test_the_environment_in_use_stays_when_a_new_package_cannot_be_imported(site: Site) -> None:
    ask(site, "good")
    legs(site)
    ask(site, "good", "broken")
    error = json.loads(site.run("up", "train.toml", "--json").stdout)["error"]
    assert error["code"] == "import-failed"
    assert "broken" in error["what"] + " ".join(error["evidence"])
    assert site.imported() == RELEASE


@pytest.mark.parametrize("smoke", ['packages = "off"', 'skip-imports = ["broken"]'])
def test_a_package_can_be_left_out_with_a_reason(site: Site, smoke: str) -> None:
    ask(site, "broken", "good", smoke=smoke)
    found = legs(site)
    if "off" in smoke:
        assert found == {}
    else:
        assert found["broken"] == (True, None, "left out by `smoke.skip-imports`")
        assert found["good"][0]


def test_what_a_package_brings_counts_only_when_all_do(site: Site) -> None:
    ask(site, "needs-broken")
    assert set(legs(site)) == {"needs-broken"}
    ask(site, "needs-broken", smoke='packages = "all"')
    assert legs(site, status=16)["broken"][1] == "import-failed"


def test_a_marker_decides_whether_a_package_may_be_missing(site: Site) -> None:
    ask(site, 'good; python_version < "3"')
    assert legs(site) == {
        "good": (
            True,
            None,
            "it is not meant for this system or Python, or left out for another package with its modules",
        )
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_module_that_forks_leaves_no_second_process_with_the_legs(site: Site) -> None:
    ask(site, "forking", "good")
    assert set(legs(site)) == {"forking", "good"}
    lines = site.run("log", "train.toml").stdout.splitlines()
    assert sum("smoke: package good on environment" in line for line in lines) == 1
    assert sum("smoke: package forking on environment" in line for line in lines) == 1


def test_sabotages_are_each_named_by_their_cause_and_none_passes(site: Site) -> None:
    ask(site, "window", "no-library", "numpy-one", "leaving", "good")
    found = legs(site, status=16)
    assert found["good"][0]
    assert not found["window"][0]
    assert found["no-library"][1] == "system-library-missing"
    assert found["numpy-one"][1] == "numpy-abi"
    assert not found["leaving"][0]


def test_a_command_that_could_not_start_is_a_failure_and_one_that_could_is_not_called(site: Site) -> None:
    ask(site, "tool")
    assert legs(site)["tool"] == (True, None, "tool 1.0: tool; commands: tool")
    ask(site, "beamed", smoke='skip-imports = ["beamed-cli"]')
    told = "beam (cannot start without `apache_beam`, which is not installed)"
    assert legs(site)["beamed"] == (True, None, f"beamed 1.0: beamed; commands: {told}")
    ask(site, "lame")
    assert legs(site, status=16)["lame"][1] == "import-failed"
    error = json.loads(site.run("up", "train.toml", "--json").stdout)["error"]
    said = "its command `lame` cannot start: ModuleNotFoundError: No module named 'lame.cli'; 'lame' is not a package"
    assert said in " ".join(error["evidence"])
    ask(site, "lame", smoke='skip-imports = ["lame"]')
    assert legs(site)["lame"] == (True, None, "left out by `smoke.skip-imports`")


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        ({"bare.py": ""}, ["bare"]),
        ({"bare/__init__.py": ""}, ["bare"]),
        ({"bare/data.txt": ""}, []),
        ({"other.py": "", "bare-1.0.dist-info/top_level.txt": "other\n"}, ["other"]),
    ],
)
def test_what_has_no_record_is_imported_by_what_else_names_its_modules(
    tmp_path: Path, files: dict[str, str], modules: list[str]
) -> None:
    """In the probe itself: installers of others leave such distributions behind."""
    (tmp_path / "bare-1.0.dist-info").mkdir()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    packages, core = probes.load("packages"), probes.load("core")
    one = core.Distribution(str(tmp_path), "bare-1.0.dist-info")
    assert packages.modules_of(one) == modules
    if not modules:
        with pytest.raises(sys.modules["tfprov_probe"].Skipped, match="nothing says which modules it has: no RECORD"):
            packages.imports(one, modules, set(), may_lack=False)
