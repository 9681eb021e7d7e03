"""Where interpreters are looked for, with files that are not run."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from executables import answering
from tfprov.host import places
from tfprov.host.places import Executable, executables

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the executables of these tests are shell scripts")


@pytest.mark.parametrize(
    "below",
    [
        "usr/bin",
        "usr/local/bin",
        "opt/python/cp311-cp311/bin",
        "opt/hostedtoolcache/Python/3.11.7/x64/bin",
        "opt/rh/rh-python311/root/usr/bin",
        "home/linuxbrew/.linuxbrew/opt/python@3.11/bin",
    ],
)
def test_the_folders_of_linux_are_looked_into(below: str, environ: dict[str, str], root: Path) -> None:
    answering(root / below / "python3.11", "3.11.7")

    (found,) = executables(environ, system="linux", root=root)

    assert found == Executable(path=root / below / "python3.11", found_by="system")


@pytest.mark.parametrize(
    "below",
    [
        "opt/homebrew/opt/python@3.11/bin",
        "opt/homebrew/bin",
        "usr/local/opt/python@3.11/bin",
        "Library/Frameworks/Python.framework/Versions/3.11/bin",
        "Library/Developer/CommandLineTools/usr/bin",
        "opt/local/bin",
    ],
)
def test_the_folders_of_macos_are_looked_into(below: str, environ: dict[str, str], root: Path) -> None:
    answering(root / below / "python3.11", "3.11.7")

    (found,) = executables(environ, system="macos", root=root)

    assert found == Executable(path=root / below / "python3.11", found_by="system")


def test_the_places_of_windows_are_looked_into(
    environ: dict[str, str], home: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import python_discovery

    registered = answering(tmp_path / "Programs/Python311/python3.11", "3.11.7")
    managed = answering(home / "AppData/Roaming/uv/python/cpython-3.12.4/python3.12", "3.12.4")
    pyenv = answering(home / ".pyenv/pyenv-win/versions/3.9.13/python3.9", "3.9.13")
    conda = answering(root / "ProgramData/miniconda3/python3.10", "3.10.2")
    (conda.parent / "conda-meta").mkdir()
    known = SimpleNamespace(system_executable=str(registered), executable=None)
    monkeypatch.setattr(python_discovery, "iter_interpreters", lambda *_, **__: iter([known]))
    environ.update(USERPROFILE=str(home), APPDATA=str(home / "AppData/Roaming"))

    found = {(one.found_by, one.path) for one in executables(environ, system="windows", root=root)}

    assert found == {("registry", registered), ("uv", managed), ("pyenv", pyenv), ("conda", conda)}


def test_folders_of_windows_are_not_listed_under_wsl(
    environ: dict[str, str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "proc/sys/kernel").mkdir(parents=True)
    listed: list[str] = []
    monkeypatch.setattr(places, "_pythons_in", lambda folder, _: listed.append(str(folder)) or ())
    environ["PATH"] = "/mnt/c/Windows:/mnt/data/bin:/mnt/c"

    tuple(executables(environ, system="linux", root=root))
    assert {"/mnt/c/Windows", "/mnt/data/bin", "/mnt/c"} <= set(listed)

    listed.clear()
    (root / "proc/sys/kernel/osrelease").write_text("5.15.153.1-microsoft-standard-WSL2\n", encoding="utf-8")
    tuple(executables(environ, system="linux", root=root))
    assert {path for path in listed if path.startswith("/mnt")} == {"/mnt/data/bin"}
