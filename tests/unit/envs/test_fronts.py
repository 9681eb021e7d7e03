"""Fronts, which stand for links on Windows: made here with this system's Python, and started for real."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tfprov.envs import binding, fronts, layout


def generation(root: Path, number: int, word: str) -> Path:
    """An environment with a package that says which one it is, as `Lib\\site-packages` has it on Windows."""
    folder = root / "generations" / f"{number:04d}"
    commands = layout.executables_in(folder)
    commands.mkdir(parents=True)
    library = folder / "Lib" / "site-packages"
    library.mkdir(parents=True)
    (library / "which.py").write_text(f"WORD = {word!r}\n", encoding="utf-8")
    (library / "added.pth").write_text("import sys; sys.added = True\n", encoding="utf-8")
    (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix)}\nversion = 3\n", encoding="utf-8")
    (commands / "tool").write_text(f"#!{layout.python_in(folder)}\nimport which\n", encoding="utf-8")
    (commands / "activate").write_text("VIRTUAL_ENV=current\n", encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "it's ä place" / "cpu-12345678"


def test_a_front_says_what_it_leads_to(root: Path) -> None:
    first, second = generation(root, 1, "one"), generation(root, 2, "two")
    current, stable = root / "current", root.parent / ".venv"
    fronts.write(current, first.relative_to(root), first)
    fronts.write(stable, current, first)
    assert fronts.target(current) == Path("generations/0001")
    assert fronts.target(stable) == current
    fronts.write(current, second.relative_to(root), second)
    assert fronts.target(current) == Path("generations/0002")
    assert fronts.is_current(current, Path("generations/0002"), second)
    assert not fronts.is_current(current, Path("generations/0001"), first)


@pytest.mark.parametrize("made", ["nothing", "a folder", "settings of another environment", "a file"])
def test_what_was_not_made_as_a_front_is_none(tmp_path: Path, made: str) -> None:
    place = tmp_path / "place"
    if made == "a file":
        place.write_text("tfprov-leads-to = generations/0001\n", encoding="utf-8")
    elif made != "nothing":
        place.mkdir()
    if made.startswith("settings"):
        (place / "pyvenv.cfg").write_text("home = /usr\n# tfprov-leads-to = x\n", encoding="utf-8")
    assert fronts.target(place) is None


def test_commands_of_a_front_run_by_its_own_interpreter_and_follow_what_comes_and_goes(root: Path) -> None:
    first, second = generation(root, 1, "one"), generation(root, 2, "two")
    layout.executables_in(first).joinpath("gone").write_text("#!/usr/bin/env true\n", encoding="utf-8")
    layout.executables_in(second).joinpath("come").write_text("#!/usr/bin/env true\n", encoding="utf-8")
    current = root / "current"
    folder = layout.executables_in(current)
    fronts.write(current, Path("generations/0001"), first)
    assert sorted(os.listdir(folder)) == ["activate", "gone", "tool"]
    assert (folder / "tool").read_text(encoding="utf-8") == f"#!{layout.python_in(current)}\nimport which\n"
    fronts.write(current, Path("generations/0002"), second)
    assert sorted(os.listdir(folder)) == ["activate", "come", "tool"]


def test_a_command_that_is_named_like_a_python_follows_the_switch_too(root: Path) -> None:
    first, second = generation(root, 1, "one"), generation(root, 2, "two")
    for made in (first, second):
        folder = layout.executables_in(made)
        (folder / "python-check.py").write_text(f"#!{layout.python_in(made)}\nimport which\n", encoding="utf-8")
        (folder / "python3x.dll").write_bytes(b"MZ of the interpreter")
    current = root / "current"
    for made in (first, second):
        fronts.write(current, made.relative_to(root), made)
        written = layout.executables_in(current) / "python-check.py"
        assert written.read_text(encoding="utf-8") == f"#!{layout.python_in(current)}\nimport which\n"
        assert (layout.executables_in(current) / "python3x.dll").read_bytes() == b"MZ of the interpreter"


def test_the_switch_is_the_last_step(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = generation(root, 1, "one"), generation(root, 2, "two")
    current = root / "current"
    fronts.write(current, Path("generations/0001"), first)

    def cut(path: Path, content: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fronts, "write_atomic", cut)
    with pytest.raises(KeyboardInterrupt):
        fronts.write(current, Path("generations/0002"), second)
    assert fronts.target(current) == Path("generations/0001")
    with pytest.raises(KeyboardInterrupt):
        fronts.write(root / "other", Path("generations/0002"), second)
    assert sorted(path.name for path in root.iterdir()) == ["current", "generations"]


def test_a_front_goes_as_a_whole(root: Path) -> None:
    current = root / "current"
    fronts.write(current, Path("generations/0001"), generation(root, 1, "one"))
    (current / "left by somebody").touch()
    fronts.remove(current)
    assert [path.name for path in root.iterdir()] == ["generations"]


def begun(front: Path) -> str:
    """What `binding` makes of a process that begins in a front; played by this Python, which has other folders."""
    script = (
        "import os, sys\n"
        f"front = {str(front)!r}\n"
        "sys.prefix = front\n"
        "library = os.path.join(front, 'Lib', 'site-packages')\n"
        "sys.path.append(library)\n"
        "import importlib\n"
        "binding = importlib.import_module('zzz_tfprov_binding')\n"
        "binding._root_of = lambda file: front\n"
        "binding.begin()\n"
        "import which\n"
        "print(which.WORD, os.path.basename(sys.prefix), sys.added, library in sys.path, sep='|')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def test_a_process_that_begins_in_a_front_goes_on_in_the_generation(root: Path) -> None:
    first, second = generation(root, 1, "one"), generation(root, 2, "two")
    current, stable = root / "current", root.parent / ".venv"
    fronts.write(current, first.relative_to(root), first)
    fronts.write(stable, current, first)
    assert [begun(current), begun(stable)] == ["one|0001|True|False"] * 2
    fronts.write(current, second.relative_to(root), second)
    assert [begun(current), begun(stable)] == ["two|0002|True|False"] * 2


def test_settings_that_are_just_being_replaced_are_read_a_moment_later(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = generation(root, 1, "one")
    fronts.write(root / "current", first.relative_to(root), first)
    real, refusals, waited = open, [PermissionError(13, "Permission denied")] * 3, []

    def refusing(*arguments: Any, **named: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return real(*arguments, **named)

    monkeypatch.setattr(binding, "open", refusing, raising=False)
    monkeypatch.setattr(binding, "_TRIES", 4)
    monkeypatch.setattr(time, "sleep", waited.append)
    assert binding._led_to(str(root / "current")) == os.path.realpath(first)
    assert waited == [0.05] * 3
    refusals += [PermissionError(13, "Permission denied")] * 4
    assert binding._setting(str(root / "current"), layout.LEADS_TO) == ""


@pytest.mark.parametrize(
    "where", ["", "pyvenv.cfg", "bin" if os.name == "posix" else "Scripts", "Lib", "Lib/site-packages"]
)
def test_a_folder_with_links_is_no_front(tmp_path: Path, where: str) -> None:
    """It came with a project: what is written to it, and what a switch deletes in it, would be elsewhere."""
    for folder in (tmp_path / "front", tmp_path / "elsewhere"):
        for name in ("bin", "Scripts", "Lib/site-packages"):
            (folder / name).mkdir(parents=True)
        (folder / "pyvenv.cfg").write_text(f"{layout.LEADS_TO} = gone/current\n")
    assert fronts.target(tmp_path / "front") == Path("gone/current")
    if where:
        (tmp_path / "front" / where).rename(tmp_path / "moved")
        (tmp_path / "front" / where).symlink_to(tmp_path / "elsewhere" / where)
        assert fronts.target(tmp_path / "front") is None
