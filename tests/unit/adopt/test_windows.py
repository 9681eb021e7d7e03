"""Environments laid out as on Windows, read on any system; nothing in them is started."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from founds import env, one
from tfprov.adopt import read as reading
from tfprov.adopt.find import environments_below
from tfprov.adopt.judge import findings
from tfprov.adopt.read import read
from tfprov.adopt.records import ForeignEnvironment
from tfprov.envs import fronts, layout
from tfprov.errors import TfprovError

SCRIPTS = ("python.exe", "pythonw.exe", "python_d.exe", "python3.13t.exe", "python3.dll", "python313.dll")
"""Of the interpreter; no RECORD lists them."""
MORE_SCRIPTS = ("vcruntime140.dll", "Activate.ps1", "activate.bat", "activate.nu", "deactivate.bat", "pydoc.bat")


def put(root: Path, *paths: str, text: str = "") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o755)


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules that look at a layout take this system for Windows."""
    here = SimpleNamespace(**{**vars(os), "name": "nt"})
    for module in (fronts, layout, reading):
        monkeypatch.setattr(module, "os", here)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """An interpreter as the installer of python.org lays it out."""
    folder = tmp_path / "Python313"
    put(folder, "python.exe", "Lib/os.py", "Scripts/pip.exe")
    return folder


@pytest.fixture
def venv(tmp_path: Path, base: Path) -> Path:
    """An environment of venv, with the commands of one package."""
    folder = tmp_path / ".venv"
    put(folder, *(f"Scripts/{name}" for name in (*SCRIPTS, *MORE_SCRIPTS)), "Scripts/pip.exe", "Scripts/pip3.13.exe")
    put(folder, "pyvenv.cfg", text=f"home = {base}\nversion = 3.13.2\n")
    put(folder, "Scripts/activate.bat", text=f'@echo off\nset "VIRTUAL_ENV={folder}"\n')
    put_package(folder, "helper", "../../Scripts/helper.exe,,\n")
    put(folder, "Scripts/helper.exe")
    return folder


def put_package(root: Path, name: str, record: str = "") -> None:
    info = root / "Lib" / "site-packages" / f"{name}-1.0.dist-info"
    put(info, "METADATA", text=f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    put(info, "RECORD", text=record)


def codes(found: ForeignEnvironment) -> list[tuple[str, str]]:
    return [(each.code, each.path) for each in findings(found)]


def test_nothing_is_wrong_with_one_that_works(venv: Path) -> None:
    found = read(venv)
    assert (found.kind, found.python.path, found.python.why) == ("venv", venv / "Scripts" / "python.exe", "")
    assert (found.beside, found.made_at, codes(found)) == ((), None, [])


def test_what_leads_to_an_environment_of_tfprov_is_one(tmp_path: Path, venv: Path) -> None:
    generation = tmp_path / "data" / "x-1" / "generations" / "0001"
    put(generation.parents[1], "owner.json")
    put_package(generation, "numpy")
    put(venv, "pyvenv.cfg", text=f"home = {tmp_path}\n{layout.LEADS_TO} = {generation}\n")
    for path in (venv, venv / "Scripts" / "python.exe"):
        with pytest.raises(TfprovError, match="is already an environment of tfprov"):
            read(path)
        assert [each.name for each in read(path, own=True).distributions] == ["numpy"]


def test_commands_of_the_user_are_seen_among_those_of_the_tools(venv: Path) -> None:
    put(venv, "Scripts/train.bat", "Scripts/mine.exe")
    assert [each.path for each in read(venv).beside] == ["Scripts/mine.exe", "Scripts/train.bat"]


def test_it_may_be_named_by_its_python(venv: Path) -> None:
    assert read(venv / "Scripts" / "python.exe").root == venv


def test_an_interpreter_may_be_named_by_its_python(base: Path) -> None:
    (base / "Lib" / "site-packages").mkdir()
    found = read(base / "python.exe")
    assert (found.root, found.kind, found.python.path) == (base, "interpreter", base / "python.exe")


def test_one_of_conda_has_its_python_in_its_own_folder(tmp_path: Path) -> None:
    root = tmp_path / "envs" / "tf"
    put(root, "python.exe", "Lib/os.py", "Scripts/helper.exe")
    record = {"name": "python", "version": "3.11.5", "build": "0", "files": ["python.exe", "Scripts/helper.exe"]}
    put(root, "conda-meta/python-3.11.5-0.json", text=json.dumps(record))
    (tmp_path / "envs" / "conda-meta").mkdir()
    found = read(root / "python.exe")
    assert (found.root, found.kind, found.python.path, found.python.why) == (root, "conda", root / "python.exe", "")
    assert (read(root), found.beside) == (found, ())


def test_an_interpreter_that_was_uninstalled_is_gone_though_its_folder_is_not(venv: Path, base: Path) -> None:
    (base / "python.exe").unlink()
    assert read(venv).python.why == f"it was made from a Python in `{base}`, which is gone"


def test_one_that_was_moved_is_told_by_its_batch_file(venv: Path) -> None:
    assert read(venv.rename(venv.with_name("moved"))).made_at == venv


@pytest.mark.parametrize(
    "line", ["", 'set "VIRTUAL_ENV=%~dp0.."', "set VIRTUAL_ENV={root}", '@set "VIRTUAL_ENV={root}"']
)
def test_one_whose_batch_file_names_no_other_place_has_not_moved(venv: Path, line: str) -> None:
    put(venv, "Scripts/activate.bat", text=f"{line.format(root=venv)}\n")
    assert read(venv).made_at is None


def test_packages_of_the_base_and_of_the_user_are_seen(tmp_path: Path, venv: Path, base: Path) -> None:
    put(venv, "pyvenv.cfg", text=f"home = {base}\nversion = 3.13.2\ninclude-system-site-packages = true\n")
    put_package(base, "of-base")
    store = tmp_path / "AppData/Local/Packages/PythonSoftwareFoundation.Python.3.13_qbz5n2kfra8p0/LocalCache"
    users = (tmp_path / "AppData/Roaming/Python/Python313", store / "local-packages/Python313")
    for folder in users:
        library = folder / "site-packages" / "numpy-1.0.dist-info"
        put(library, "METADATA", text="Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
        put(library, "RECORD")
    put_package(venv, "numpy")
    found = read(venv, home=tmp_path)
    assert [(each.name, each.in_user_site) for each in found.outside] == [
        ("numpy", True),
        ("numpy", True),
        ("of-base", False),
    ]
    newer = replace(found, distributions=(one("numpy", "2.0"),))
    leaks = [each.path for each in findings(newer, thorough=False) if each.code == "path-leak"][1:]
    assert leaks == [str(folder / "site-packages" / "numpy") for folder in users]


def test_interpreters_with_packages_are_found(base: Path, venv: Path) -> None:
    assert list(environments_below(base)) == []
    put_package(base, "numpy")
    assert list(environments_below(base.parent)) == [venv, base]


def test_a_build_for_32_bits_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    built = [one(name, "1.0", tags=(f"cp311-cp311-{name}",)) for name in ("win32", "win_amd64", "win_arm64")]
    found = [each.path for each in findings(env(*built), thorough=False) if each.code == "platform-no-wheel"]
    assert found == ["win32", "win_arm64"]
