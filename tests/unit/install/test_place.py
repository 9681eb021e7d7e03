"""Unpacked and placed by tfprov, a wheel gives the tree that pip makes of it, file by file."""

from __future__ import annotations

import csv
import os
import stat
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from odd_wheels import KINDS, Odd
from old_pythons import old_python
from tfprov import process
from tfprov.digests import sha256_of
from tfprov.envs.integrity import bad_files, foreign_files, installed
from tfprov.envs.layout import python_in
from tfprov.errors import TfprovError
from tfprov.install import place as place_module
from tfprov.install.place import place
from tfprov.unpack.records import Wheel
from tfprov.unpack.store import TreeStore
from tfprov.unpack.unpacking import Unpacking

ENVIRON = {"PATH": os.environ.get("PATH", os.defpath)}
pytestmark = pytest.mark.skipif(os.name != "posix", reason="some of the names are for POSIX systems only")


def unpacked(folder: Path, wheels: list[Path]) -> list[place_module.UnpackedWheel]:
    store = TreeStore(folder, boot="this")
    with Unpacking(store, print) as unpacking:
        for wheel in wheels:
            unpacking.add(Wheel(path=wheel, sha256=sha256_of(wheel)))
        trees = unpacking.wait()
    return [
        place_module.UnpackedWheel(
            name=canonicalize_name(wheel.name.split("-")[0]), filename=wheel.name, tree=trees[sha256_of(wheel)]
        )
        for wheel in wheels
    ]


@dataclass
class Both:
    """Two environments with the same wheels.

    Attributes:
        pip: made by pip.
        ours: made by tfprov.
        names: folder of metadata by project.
    """

    pip: Path
    ours: Path


def make(folder: Path) -> Path:
    venv.EnvBuilder(symlinks=True).create(folder)
    return folder


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    top = tmp_path_factory.mktemp("both")
    wheels = [kind.write(top / "wheels", name) for name, kind in KINDS.items()]
    # Paths of the same length: scripts name their interpreter.
    found = Both(make(top / "env-of-pip"), make(top / "env-of-own"))
    options = ["--no-index", "--find-links", top / "wheels", "--no-deps", "--no-compile", "--disable-pip-version-check"]
    wanted = [f"{canonicalize_name(name)}=={kind.version}" for name, kind in KINDS.items()]
    argv = [sys.executable, "-m", "pip", "--python", python_in(found.pip), "install", *options, *wanted]
    done = process.run(argv, env=ENVIRON)
    assert done.ok, done.stderr
    place(unpacked(top / "trees", wheels), python=python_in(found.ours), environ=ENVIRON)
    return found


def library(environment: Path) -> Path:
    (found,) = environment.glob("lib/python*/site-packages")
    return found


def rows(environment: Path, name: str) -> dict[str, tuple[str, str]]:
    (record,) = library(environment).glob(f"{name}-*.dist-info/RECORD")
    with record.open(encoding="utf-8", newline="") as stream:
        return {path: (digest, size) for path, digest, size in csv.reader(stream)}


def files(environment: Path) -> dict[str, Path]:
    return {str(path.relative_to(environment)): path for path in environment.rglob("*") if path.is_file()}


def is_wrapper(path: str, name: str) -> bool:
    """Whether a file is the wrapper of an entry point, which every installer writes in its own words."""
    points = KINDS[name].points.decode()
    return path.startswith("../../../bin/") and any(
        line.partition("=")[0].strip() == Path(path).name for line in points.splitlines()
    )


def test_there_are_the_same_files_and_no_others(both: Both) -> None:
    assert sorted(files(both.ours)) == sorted(files(both.pip))


@pytest.mark.parametrize("name", KINDS)
def test_a_wheel_gives_the_tree_that_pip_makes_of_it(both: Both, name: str) -> None:
    theirs, ours = rows(both.pip, name), rows(both.ours, name)
    # pip keeps the row of a script that it leaves out, because it is declared too.
    assert sorted(ours) == sorted(path for path in theirs if (library(both.pip) / path).exists())
    for path, row in ours.items():
        one, two = library(both.ours) / path, library(both.pip) / path
        assert one.is_file() and not one.is_symlink(), path
        # pip leaves scripts without the bit where the archive was made without it, on Windows for instance.
        may_run = 0o111 if path.startswith("../../../bin/") else 0
        assert stat.S_IMODE(one.stat().st_mode) == stat.S_IMODE(two.stat().st_mode) | may_run, path
        if is_wrapper(path, name) or path.endswith(("/RECORD", "/INSTALLER")):
            continue
        assert one.read_bytes().replace(b"env-of-own", b"env-of-pip") == two.read_bytes(), path
        if not path.startswith("../../../bin/"):
            assert row == theirs[path], path


@pytest.mark.parametrize(
    "name", [name for name in KINDS if b"_scripts" in KINDS[name].metadata.get("entry_points.txt", b"")]
)
def test_the_commands_of_a_wheel_start(both: Both, name: str) -> None:
    commands = [path for path in rows(both.ours, name) if is_wrapper(path, name)]
    assert commands
    for path in commands:
        done = process.run([library(both.ours) / path], env=ENVIRON)
        assert (done.ok, done.stdout) == (True, "hello\n"), done.stderr


def test_it_tells_how_many_files_are_in_their_place(tmp_path: Path) -> None:
    wheels = [kind.write(tmp_path / "wheels", name) for name, kind in list(KINDS.items())[:3]]
    told: list[tuple[int, int]] = []
    environment = make(tmp_path / "environment")
    before = len(files(environment))
    trees = unpacked(tmp_path / "trees", wheels)
    place(trees, python=python_in(environment), environ=ENVIRON, linked=lambda done, total: told.append((done, total)))
    (total,) = {total for _, total in told}
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert (told[0][0], told[-1][0]) == (0, total)
    # Commands and the records of the installation are written.
    assert 0 < total < len(files(environment)) - before


def test_the_records_prove_every_file(both: Both) -> None:
    assert bad_files(both.ours, workers=2) == ()
    assert {one.name for one in installed(both.ours)} == {canonicalize_name(name) for name in KINDS}


def test_pip_knows_what_is_installed_and_can_remove_it(tmp_path: Path) -> None:
    wheel = KINDS["console"].write(tmp_path / "wheels", "console")
    environment = make(tmp_path / "env")
    place(unpacked(tmp_path / "trees", [wheel]), python=python_in(environment), environ=ENVIRON)
    pip = [sys.executable, "-m", "pip", "--python", python_in(environment), "--disable-pip-version-check"]
    assert process.run([*pip, "list", "--format", "freeze"], env=ENVIRON).stdout.strip() == "console==1.0"
    assert process.run([*pip, "uninstall", "-y", "console"], env=ENVIRON).ok
    assert not [path for path in files(environment) if "console" in path]


def test_a_script_in_a_long_place_with_blanks_starts(tmp_path: Path) -> None:
    wheels = [KINDS[name].write(tmp_path / "wheels", name) for name in ("console", "data_script")]
    environment = make(tmp_path / ("a long place " * 12).strip() / "env")
    place(unpacked(tmp_path / "trees", wheels), python=python_in(environment), environ=ENVIRON)
    for command, said in (("console-one", "hello\n"), ("data-script", "here\n")):
        assert process.run([environment / "bin" / command], env=ENVIRON).stdout == said


def test_the_trees_stay_as_they_are_when_an_environment_is_changed_by_a_new_file(tmp_path: Path) -> None:
    wheel = KINDS["module"].write(tmp_path / "wheels", "module")
    (one,) = unpacked(tmp_path / "trees", [wheel])
    for name in ("first", "second"):
        place([one], python=python_in(make(tmp_path / name)), environ=ENVIRON)
    copies = [library(tmp_path / name) / "module_one.py" for name in ("first", "second")]
    assert len({path.stat().st_ino for path in (*copies, one.tree.root / "module_one.py")}) in (1, 3)


def test_what_the_environment_has_of_the_project_already_goes(tmp_path: Path) -> None:
    old, new = Odd({"thing_old.py": b"", "thing.py": b"1"}), Odd({"thing.py": b"2"}, version="2.0")
    environment = make(tmp_path / "env")
    for odd in (old, new):
        place(
            unpacked(tmp_path / "trees", [odd.write(tmp_path, "thing")]), python=python_in(environment), environ=ENVIRON
        )
    assert [(one.name, one.version) for one in installed(environment)] == [("thing", "2.0")]
    assert (library(environment) / "thing.py").read_bytes() == b"2"
    assert not (library(environment) / "thing_old.py").exists()
    assert bad_files(environment, workers=1) == foreign_files(environment) == ()


ROWS = [
    "odd.py",
    '"odd.py,sha256=a',
    "odd.py\0,sha256=a,1",
    "x" * 200_000 + ",,",
    "/etc/passwd,sha256=a,1",
    "odd.py,,²",
]


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_a_wheel_is_installed_whatever_else_its_list_of_files_says(tmp_path: Path, row: str) -> None:
    wheel = Odd({"odd.py": b"x = 1\n"}, record=lambda rows: [*rows[:1], ["ROW"], *rows[1:]]).write(tmp_path, "odd")
    (one,) = unpacked(tmp_path / "trees", [wheel])
    listed = one.tree.root / "odd-1.0.dist-info/RECORD"
    listed.write_text(listed.read_text().replace("ROW", row))
    environment = make(tmp_path / "env")
    place([one], python=python_in(environment), environ=ENVIRON)
    found = rows(environment, "odd")
    assert {"odd.py", "odd-1.0.dist-info/METADATA", "odd-1.0.dist-info/RECORD"} <= set(found)
    assert all((library(environment) / path).is_file() for path in found)
    assert not [path for path in found if path.startswith(("/", ".."))]


def test_nothing_outside_of_the_environment_goes_with_what_it_has_of_a_project(tmp_path: Path) -> None:
    environment = make(tmp_path / "env")
    outside, linked = tmp_path / "outside.txt", tmp_path / "linked"
    linked.mkdir()
    for path in (outside, linked / "file"):
        path.write_text("somebody's")
    (library(environment) / "way").symlink_to(linked)
    older = library(environment) / "thing-0.1.dist-info"
    (older / "licenses").mkdir(parents=True)
    (older / "RECORD").write_text(f"{outside},,\n../../../../{outside.name},,\nway/file,,\nthing.py,,\nlicenses,,\n")
    (library(environment) / "thing.py").write_text("old")
    wheel = Odd({"thing_new.py": b""}).write(tmp_path, "thing")
    place(unpacked(tmp_path / "trees", [wheel]), python=python_in(environment), environ=ENVIRON)
    assert outside.exists()
    assert (linked / "file").exists()
    assert not (library(environment) / "thing.py").exists()
    assert not older.exists()


def test_the_last_of_two_wheels_with_the_same_file_wins_and_no_tree_changes(tmp_path: Path) -> None:
    odds = {"one": Odd({"same.py": b"1", "dir/a": b"1"}), "two": Odd({"same.py": b"2", "dir/b": b"2"})}
    both = unpacked(tmp_path / "trees", [odd.write(tmp_path, name) for name, odd in odds.items()])
    environment = make(tmp_path / "env")
    place(both, python=python_in(environment), environ=ENVIRON)
    assert (library(environment) / "same.py").read_bytes() == b"2"
    assert [(one.tree.root / "same.py").read_bytes() for one in both] == [b"1", b"2"]


BROKEN: dict[str, tuple[Odd, str]] = {
    "no_metadata_name": (Odd({"other-1.0.dist-info/METADATA": b""}), "2 `.dist-info` folders"),
    "data_kind": (Odd({"{data}/nonsense/x": b""}), "has no place in an environment"),
    "data_top": (Odd({"{data}/x": b""}), "has no place in an environment"),
    "points_escape": (Odd({}, {"entry_points.txt": b"[console_scripts]\n../../x = a:b\n"}), "entry_points.txt"),
    "points_nonsense": (Odd({}, {"entry_points.txt": b"[console_scripts]\nx = (\n"}), "entry_points.txt"),
    "points_no_ini": (Odd({}, {"entry_points.txt": b"nonsense\n"}), "entry_points.txt"),
    "wheel_new": (Odd({}, {"WHEEL": b"Wheel-Version: 2.0\nRoot-Is-Purelib: true\n"}), "Wheel-Version"),
    "wheel_bytes": (Odd({}, {"WHEEL": b"\xff\xfe"}), "cannot be read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_wheel_without_what_a_wheel_must_have_is_refused(tmp_path: Path, name: str) -> None:
    odd, why = BROKEN[name]
    one = unpacked(tmp_path / "trees", [odd.write(tmp_path, name)])
    environment = make(tmp_path / "env")
    before = sorted(files(environment))
    with pytest.raises(TfprovError) as failure:
        place(one, python=python_in(environment), environ=ENVIRON)
    assert failure.value.code.name == "cache-corrupt"
    assert why in failure.value.evidence[0]
    assert sorted(files(environment)) == before


def test_a_wheel_of_another_project_is_refused(tmp_path: Path) -> None:
    (one,) = unpacked(tmp_path / "trees", [KINDS["module"].write(tmp_path, "module")])
    wrong = place_module.UnpackedWheel(name="other", filename=one.filename, tree=one.tree)
    with pytest.raises(TfprovError, match="cannot be unpacked"):
        place([wrong], python=python_in(make(tmp_path / "env")), environ=ENVIRON)


def test_an_interpreter_that_does_not_start_is_named(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho broken >&2; exit 3\n")
    python.chmod(0o755)
    with pytest.raises(TfprovError) as failure:
        place([], python=python, environ=ENVIRON)
    assert (failure.value.code.name, failure.value.evidence) == ("python-broken", ("broken",))


@pytest.mark.parametrize("minor", ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_one_tree_serves_the_environments_of_every_python(tmp_path: Path, minor: str) -> None:
    base, version = old_python(minor)
    environment = tmp_path / "env"
    assert process.run([base, "-m", "venv", "--without-pip", environment], env=ENVIRON).ok
    names = ("console", "data_script", "headers", "data_share", "platlib", "names_umlaut")
    place(
        unpacked(tmp_path / "trees", [KINDS[name].write(tmp_path / "wheels", name) for name in names]),
        python=python_in(environment),
        environ=ENVIRON,
    )
    assert library(environment).parent.name == f"python{minor}"
    assert bad_files(environment, workers=1) == ()
    assert (environment / f"include/site/python{minor}/headers/one.h").is_file()
    for command, said in (("console-one", "hello\n"), ("data-script", "here\n")):
        assert process.run([environment / "bin" / command], env=ENVIRON).stdout == said
    assert version.startswith(minor)


@pytest.mark.skipif(os.name != "posix", reason="modes as POSIX has them")
def test_a_umask_is_kept(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        (one,) = unpacked(tmp_path / "trees", [KINDS["executable"].write(tmp_path, "executable")])
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE((one.tree.root / path).stat().st_mode) for path in one.tree.files}
    assert (modes["exec_one/tool"], modes["exec_one/x.so"]) == (0o750, 0o640)
