"""Generations on Windows, with real environments: what is started through the stable path, and after each switch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from outcomes import SEAL
from tfprov import process
from tfprov.envs import following, layout, venv
from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation, Owner
from tfprov.paths import home
from tfprov.pipeline.shell import interactive
from tfprov.pipeline.uv import uv_executable

pytestmark = pytest.mark.skipif(os.name != "nt", reason="elsewhere the stable path is a link")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return claimed(tmp_path / "it's ü")


def claimed(root: Path) -> Environment:
    root.mkdir()
    owner = Owner(name="train", profile=str(root / "train.toml"), link=str(root / ".venv"))
    found = Environment(root / "environments" / "train-12345678", owner=owner)
    found.claim()
    return found


def made(environment: Environment, word: str) -> Generation:
    generation = environment.begin()
    venv.create(
        generation.path,
        python=Path(sys.executable),
        version="{}.{}.{}".format(*sys.version_info[:3]),
        prompt="train",
        cache=environment.root.parent / "seeds",
        uv=uv_executable(),
        environ=os.environ,
    )
    following.prepare(generation.path)
    library = layout.site_packages(generation.path)[0]
    (library / "which.py").write_text(f"WORD = {word!r}\n", encoding="utf-8")
    return generation


def said(front: Path, *argv: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ran = subprocess.run(
        [str(layout.executables_in(front) / argv[0]), *argv[1:]], capture_output=True, text=True, env=clean, check=False
    )
    return (ran.stdout or ran.stderr).strip()


ASK = "import sys, which; print(which.WORD, sys.prefix, sys.executable, sep='|')"


def test_a_shell_of_cmd_is_activated_in_a_folder_with_parentheses(tmp_path: Path) -> None:
    # Letters of ASCII: Wine's cmd has no code page for the others in a script.
    environment = claimed(tmp_path / "my files (x86)")
    generation = environment.seal(made(environment, "one"), SEAL)
    environment.activate(generation)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    argv, changed = interactive(
        environment, generation, home=home({"TFPROV_HOME": str(tmp_path)}), environ={**environ, "SHELL": "cmd.exe"}
    )
    current = environment.root / "current"
    assert Path(argv[0]).is_absolute()
    assert argv[1:] == ["/k", "call", str(current / "Scripts" / "activate.bat")]
    assert changed["VIRTUAL_ENV"] == str(current)
    # `/c` ends where `/k` reads on. Without `changed`: only the script can have activated anything.
    line = process.command_line([argv[0], "/c", *argv[2:]]) + f' & python -c "{ASK}"'
    ran = subprocess.run(line, capture_output=True, text=True, env=environ, check=False)
    assert ran.stdout.splitlines()[-1:] == [f"one|{generation.path}|{current / 'Scripts' / 'python.exe'}"], ran


def test_what_is_started_through_the_stable_path_is_of_the_generation_in_use(environment: Environment) -> None:
    def check(generation: Generation, word: str) -> None:
        assert environment.active() == generation
        assert environment.settled(generation)
        for front in (environment.root / "current", environment.stable):
            found, prefix, executable = said(front, "python.exe", "-c", ASK).split("|")
            assert (found, prefix) == (word, str(generation.path))
            assert Path(executable) == front / "Scripts" / "python.exe"
        assert str(generation.path) in said(environment.stable, "pip.exe", "--version")

    first = environment.seal(made(environment, "one"), SEAL)
    environment.activate(first)
    check(first, "one")
    second = environment.seal(made(environment, "two"), SEAL)
    environment.activate(second)
    check(second, "two")
    environment.activate(first)  # a rollback
    environment.discard(second)
    check(first, "one")
    environment.remove()
    assert not environment.stable.exists()
    assert not environment.root.exists()
