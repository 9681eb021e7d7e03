from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

import hosts
from hosts import Host, python
from profiles import write
from tfprov.host.records import Interpreter, Libc, Problem
from tfprov.plan.interpreters import admits, bringable, fitting, is_named, name, sort_out, span, why_none_brought
from tfprov.plan.offers import Offer
from tfprov.plan.records import Refusal
from tfprov.profile.load import load
from tfprov.profile.records import Profile


def profile(**tables: Any) -> Profile:
    return Profile.model_validate({"name": "test", **tables})


def refused(interpreter: Interpreter, host: Host | None = None, **tables: Any) -> Refusal | None:
    place = host or Host()
    changed = Host(system=place.system, machine=place.machine, libc=place.libc, pythons=(interpreter,))
    usable, others = sort_out(profile(**tables), changed.facts, ())
    assert len(usable) + len(others) == 1
    return others[0][1] if others else None


def offer(*interpreters: str, tags: tuple[str, ...] = ("manylinux_2_27_x86_64",)) -> Offer:
    return Offer(package="tensorflow", interpreters=frozenset(interpreters), tags=frozenset(tags), kind="cpu")


@pytest.mark.parametrize(
    ("interpreter", "code", "said"),
    [
        (python("3.12.1"), None, ""),
        (python("3.13.0rc2"), "python-unsupported", "pre-release"),
        (python("3.13.0rc2", found_by="profile"), None, ""),
        (python("3.5.10"), "python-unsupported", "3.6 and newer"),
        (python("3.6.15"), None, ""),
        (python("3.12.1", bits=32), "python-32bit", "32-bit"),
        (python("3.12.1", machine="i686"), "python-32bit", "i686"),
        (python("3.12.1", machine="aarch64"), "python-unsupported", "built for aarch64"),
        (python("3.12.1", machine=""), None, ""),
        (python("3.12.1", machine="AMD64"), None, ""),
        (python("3.11.0", implementation="pypy"), "python-unsupported", "pypy"),
        (python("3.12.1", virtual=True), "python-unsupported", "virtual environment"),
        (python("3.12.1", virtual=True, found_by="profile"), None, ""),
        (python("3.12.1", externally_managed=True), None, ""),
        (python("", problem=Problem(code="python-broken", why="exit status 127")), "python-broken", "127"),
        (python("three"), "python-broken", "three"),
    ],
)
def test_which_interpreters_may_be_taken(interpreter: Interpreter, code: str | None, said: str) -> None:
    found = refused(interpreter)
    assert (found.code if found else None) == code
    assert found is None or said in found.why


def test_an_intel_python_on_an_arm_mac_is_refused_as_emulated() -> None:
    found = refused(python("3.12.1", machine="x86_64"), hosts.MAC_ARM)
    assert found is not None
    assert (found.code, "Rosetta" in found.why) == ("rosetta-qemu", True)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (">=3.13", 'outside `python.version = ">=3.13"`'),
        ("==3.11", 'outside `python.version = "==3.11"`'),
        ("== 3.12", 'outside `python.version = "== 3.12"`, which is 3.12.0 alone; `==3.12.*` is any 3.12'),
    ],
)
def test_a_range_of_the_profile_refuses_the_others(wanted: str, why: str) -> None:
    found = refused(python("3.12.1"), python={"version": wanted})
    assert found is not None
    assert found.why == why


def test_a_range_that_files_ask_for_is_told_with_its_place(tmp_path: Path) -> None:
    write(tmp_path, '[project]\nname = "x"\nrequires-python = ">=3.9"\ndependencies = []\n', "pyproject.toml")
    write(tmp_path, "3.10\n", ".python-version")
    loaded = load(tmp_path / "pyproject.toml").profile.python
    assert loaded.excluding(Version("3.10.13")) == ""
    assert loaded.excluding(Version("3.12.1")) == "`==3.10.*` (.python-version)"
    assert loaded.excluding(Version("3.8.1")) == (
        "`>=3.9` (pyproject.toml: project.requires-python) and `==3.10.*` (.python-version)"
    )
    text = 'name = "x"\n[python]\nversion = "<3.12"\n[packages]\nfiles = ["pyproject.toml"]\n'
    both = load(write(tmp_path, text)).profile.python
    assert both.excluding(Version("3.12.1")) == '`python.version = "<3.12"`'
    assert both.excluding(Version("3.8.1")) == "`>=3.9` (pyproject.toml: project.requires-python)"


def test_a_named_interpreter_leaves_out_the_others() -> None:
    assert refused(python("3.12.1"), python={"path": "bin/python"}) is not None
    assert refused(python("3.12.1", found_by="profile"), python={"path": "bin/python"}) is None


@pytest.mark.parametrize(
    ("interpreter", "said"),
    [
        (python("3.14.0"), "no TensorFlow has wheels for Python 3.14"),
        (python("3.13.0", free_threaded=True), "no TensorFlow has wheels for free-threaded builds of Python 3.13"),
        (
            python("3.12.1", libc=Libc(kind="musl", version="1.2")),
            "no TensorFlow has wheels for Python 3.12 on musl 1.2",
        ),
        # The C library is not to blame where it is that of the system.
        (python("3.14.0", libc=hosts.GLIBC), "no TensorFlow has wheels for Python 3.14"),
        (python("3.12.1"), None),
    ],
)
def test_an_interpreter_that_no_release_has_a_wheel_for_is_refused(interpreter: Interpreter, said: str | None) -> None:
    facts = Host(pythons=(interpreter,)).facts
    usable, others = sort_out(profile(), facts, (offer("cp312"), offer("cp313")))
    assert [why.why for _, why in others] == ([] if said is None else [said])
    # Where nothing is for the machine at all, the interpreters are not to blame.
    usable, others = sort_out(profile(), facts, (offer("cp312", tags=("win_amd64",)),))
    assert (len(usable), others) == (1, [])


def test_a_range_that_names_a_pre_release_admits_it() -> None:
    assert refused(python("3.13.0rc2"), python={"version": ">=3.13.0rc1"}) is None


def test_the_named_interpreter_of_another_machine_is_known_by_its_path() -> None:
    path = "/srv/python/bin/python3.12"
    found = python("3.12.1", path=path, found_by="PATH", virtual=True)
    assert refused(found, python={"path": path}) is None


def test_the_best_comes_first() -> None:
    system = python("3.12.9", externally_managed=True)
    pythons = (python("3.11.9"), system, python("3.12.1"), python("3.12.4"))
    usable, _ = sort_out(profile(), Host(pythons=pythons).facts, ())
    assert [each.interpreter.version for each in usable] == ["3.12.4", "3.12.1", "3.12.9", "3.11.9"]


def test_an_interpreter_fits_by_its_tag_and_its_own_libc() -> None:
    old = python("3.12.1", libc=Libc(kind="glibc", version="2.17"), path="/old/bin/python")
    free = python("3.12.1", free_threaded=True, path="/free/bin/python")
    usable, _ = sort_out(profile(), Host(pythons=(old, free, "3.12.1", "3.11.7")).facts, ())
    assert [each.interpreter.path for each in fitting(offer("cp312"), usable)] == ["/opt/python/3.12.1/bin/python"]
    everywhere = offer("py3", tags=("any",))
    assert len(fitting(everywhere, usable)) == 4


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({}, ("3.12", "3.8")),
        ({"python": {"install": False}}, ()),
        ({"python": {"path": "bin/python"}}, ()),
        ({"python": {"version": ">=3.12.4"}}, ("3.12",)),
        ({"python": {"version": "<3.8"}}, ()),
        ({"environment": {"kind": "conda"}, "python": {"install": False}}, ("3.12", "3.8", "3.7")),
    ],
)
def test_which_pythons_could_be_brought(tables: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert bringable(profile(**tables), Host().facts, [offer("cp37", "cp38", "cp312")]) == set(expected)


@pytest.mark.parametrize(
    ("host", "why"),
    [
        (Host(libc=Libc(kind="glibc", version="2.12")), "glibc 2.17; this system has glibc 2.12"),
        (Host(libc=Libc(kind="glibc", version="2.17")), None),
        (Host(libc=Libc(kind="glibc", version="2.31-13+deb11u5")), None),
        (Host(libc=None), None),
        (dataclasses.replace(hosts.WINDOWS, os_version="6.3.9600"), "Windows 10; this is Windows 6.3.9600"),
        (dataclasses.replace(hosts.WINDOWS, os_version="10.0.14393"), None),
        (hosts.MAC_INTEL, None),
        (dataclasses.replace(hosts.MAC_INTEL, os_version="10.14.6"), "macOS 10.15; this is macOS 10.14.6"),
        (dataclasses.replace(hosts.MAC_INTEL, os_version="10.15.7"), None),
        (dataclasses.replace(hosts.MAC_ARM, os_version="11.7"), None),
    ],
)
def test_where_no_python_can_be_brought(host: Host, why: str | None) -> None:
    assert (why_none_brought(host.facts) or "").endswith(why or "")
    assert (why_none_brought(host.facts) is None) is (why is None)
    assert bool(bringable(profile(), host.facts, [offer("cp312")])) is (why is None)


def test_a_range_admits_a_minor_version_if_some_patch_release_is_in_it() -> None:
    assert admits(">=3.12.4,<3.12.6", "3.12")
    assert not admits(">=3.12.4", "3.11")
    assert admits(None, "3.1")


def test_spans_are_short() -> None:
    assert span(("3.9", "3.10", "3.11")) == "3.9 to 3.11"
    assert span(("3.11", "3.9")) == "3.9, 3.11"
    assert span(("3.12",)) == "3.12"
    assert span(()) == ""


def test_an_interpreter_that_could_not_be_asked_is_named_by_its_path() -> None:
    assert name(python("3.12.1")) == "Python 3.12.1 (/opt/python/3.12.1/bin/python)"
    assert name(python("", path="/x/python")) == "/x/python"


@pytest.mark.parametrize(
    ("there", "named", "is_it"),
    [
        (r"C:\Python313\python.exe", "C:/Python313/python.exe", True),
        (r"C:\Python313\python.exe", "c:/python313/PYTHON.exe", True),
        (r"C:\Python313\python.exe", "D:/Python313/python.exe", False),
        ("/opt/python/bin/python", "/opt/python/bin/python", True),
        ("/opt/python/bin/python", "/opt//python/./bin/python", True),
        ("/opt/python/bin/python", "/opt/Python/bin/python", False),
        ("", "/opt/python/bin/python", False),
    ],
)
def test_a_path_is_compared_as_its_own_system_does(there: str, named: str, is_it: bool) -> None:
    found = python("3.13.1", path=there)
    assert is_named(found, profile(python={"path": named})) is is_it
