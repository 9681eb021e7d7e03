"""A shell that was activated before an update sees the new environment after it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crashes import Catalogue, Site
from loopback import Faults, Index
from wheels import build_wheel

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the tiny wheels are tagged for Linux"),
    pytest.mark.skipif(not (3, 10) <= sys.version_info[:2] <= (3, 13), reason="TensorFlow 2.20 has no wheel for it"),
]

PAYLOAD = "python -c 'import payload; print(payload.__version__)'"
SHELLS = {
    "bash": (("--norc", "--noprofile"), "activate"),
    "dash": ((), "activate"),
    "zsh": (("-f",), "activate"),
    # It would read all of a pipe before it begins.
    "fish": (("--no-config", "-c", "while read --local line; eval $line; end"), "activate.fish"),
    "tcsh": (("-f",), "activate.csh"),
    "csh": (("-f",), "activate.csh"),
    "pwsh": (("-NoProfile", "-NonInteractive", "-Command", "-"), "activate.ps1"),
}


class Shell:
    """A shell that reads its commands from a pipe, and is asked for one line at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, command: str) -> str:
        """The line that a command prints; empty when it prints none in two minutes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        limit = threading.Timer(120, self.process.kill)
        limit.start()
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().rstrip("\n")
        limit.cancel()
        return line

    def end(self) -> None:
        """Let it read the end of its commands."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("made")
    catalogue = Catalogue(folder / "stock", modules=4, ballast=4_000)
    files = {
        "helper.py": "import sys\ndef main():\n    print('helped', sys.prefix)\n",
        "helper-1.0.dist-info/entry_points.txt": "[console_scripts]\nhelper-tool = helper:main\n",
    }
    helper = build_wheel(folder / "stock", "helper", "1.0", files=files)
    catalogue.files[helper.name] = helper
    with Index(catalogue.files, Faults(metadata=True)) as index:
        yield Site(folder / "a sité", catalogue, index)


@pytest.fixture
def site(made: Site) -> Iterator[Site]:
    with made.begun():
        yield made


@contextlib.contextmanager
def shell(site: Site, *command: str) -> Iterator[Shell]:
    with subprocess.Popen(
        command,
        env=site.environ(),
        cwd=site.project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield Shell(process)


def generation(site: Site) -> str:
    return os.path.realpath(site.stable)


@dataclass
class Followed:
    """What a shell said through updates and a rollback, and what it should have said.

    Attributes:
        kept: whether `remove` was refused for its sake.
    """

    said: list[str] = field(default_factory=list)
    meant: list[str] = field(default_factory=list)
    kept: bool = False


@pytest.fixture(scope="module")
def followed(made: Site) -> dict[str, Followed]:
    """All shells that are installed, open at once through the same updates."""
    names = [name for name in SHELLS if shutil.which(name)]
    told = {name: Followed() for name in names}
    with made.begun(), contextlib.ExitStack() as stack:
        shells = {name: stack.enter_context(shell(made, name, *SHELLS[name][0])) for name in names}

        def ask(command: str, meant: str) -> None:
            for name, opened in shells.items():
                script = SHELLS[name][1]
                source = "source" if script.endswith(("fish", "csh")) else "."
                activate = f"{source} '{made.stable / 'bin' / script}'"
                told[name].said.append(opened.ask(command.format(activate=activate)))
                told[name].meant.append(meant)

        # In one line: `source` of csh forgets what it has read of the pipe besides.
        ask(f"{{activate}}; {PAYLOAD}", "1.0")
        made.change(3)
        ask(PAYLOAD, made.payload)
        made.change(more=("helper",))
        ask("helper-tool", f"helped {generation(made)}")
        ask("python -c 'import sys; print(sys.prefix)'", generation(made))
        made.run("rollback", "train.toml")
        ask("python -c 'import sys; print(sys.prefix)'", generation(made))
        # A refusal names one of them.
        while shells:
            refused = made.run("remove", "train.toml", "--yes").stderr
            named = [name for name in shells if f"pid {shells[name].process.pid} ({name}" in refused]
            for name in named or list(shells):
                told[name].kept = name in named
                shells.pop(name).end()
    return told


@pytest.mark.parametrize("name", SHELLS)
def test_an_activated_shell_follows_every_update_with_python_and_all_commands(
    followed: dict[str, Followed], name: str
) -> None:
    if name not in followed:
        pytest.skip(f"{name} is not installed")
    assert followed[name].said == followed[name].meant
    assert followed[name].kept or name == "pwsh"


def test_a_shell_that_run_or_shell_has_started_follows_too(site: Site) -> None:
    for command in (("run", "train.toml", "--", "bash", "--norc"), ("shell", "train.toml")):
        with shell(site, *site.command(*command)) as opened:
            assert opened.ask(PAYLOAD) == site.payload
            site.change()
            assert opened.ask(PAYLOAD) == site.payload


def test_what_a_process_is_told_about_itself(site: Site) -> None:
    ask = (
        "import json, sys, sysconfig, site; print(json.dumps([sys.prefix, sys.executable, "
        "sysconfig.get_path('purelib'), site.getsitepackages()[0], [p for p in sys.path if p.endswith('-packages')]]))"
    )
    home = generation(site)
    current = Path(home).parents[1] / "current"
    library = f"{home}/lib/python3.{sys.version_info[1]}/site-packages"
    for python, executable in (
        (site.stable, site.stable),
        (current, current),
        # What is written down from there follows updates: a kernel, a service.
        (Path(home), current),
    ):
        done = subprocess.run(
            [python / "bin" / "python", "-c", ask], env=site.environ(), capture_output=True, text=True, check=True
        )
        told = json.loads(done.stdout)
        assert told == [home, f"{executable}/bin/python", library, library, [library]]
    site.change()
    older = subprocess.run(
        [f"{home}/bin/python", "-c", ask], env=site.environ(), capture_output=True, text=True, check=True
    )
    # It is no longer what the stable path leads to.
    assert json.loads(older.stdout) == [home, f"{home}/bin/python", library, library, [library]]


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_what_is_installed_by_hand_goes_into_the_generation_in_use(site: Site, tool: str) -> None:
    wheel = next(path for name, path in site.catalogue.files.items() if name.startswith("helper"))
    uv = shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv")
    if tool == "uv" and uv is None:
        pytest.skip("uv is not installed")
    program = "python -m pip --no-cache-dir" if tool == "pip" else f"'{uv}' pip --cache-dir '{site.root}/uv-cache'"
    quiet = "--quiet --no-warn-script-location" if tool == "pip" else "--quiet"
    again = "--force-reinstall" if tool == "pip" else "--reinstall"
    install = f"{program} install {quiet} {again} --no-index --no-deps '{wheel}'"
    with shell(site, "bash", "--norc") as opened:
        for _ in range(2):
            assert opened.ask(f". '{site.stable}/bin/activate'; {install}; helper-tool") == f"helped {generation(site)}"
            record = next(Path(generation(site)).glob("lib/*/site-packages/helper-1.0.dist-info/RECORD")).read_text()
            assert "../../../bin/helper-tool,sha256=" in record
            first = (Path(generation(site)) / "bin" / "helper-tool").read_text().splitlines()[:3]
            assert "generations" not in first[0] or generation(site) in " ".join(first)
            site.change()
            assert not (Path(generation(site)) / "bin" / "helper-tool").exists()
