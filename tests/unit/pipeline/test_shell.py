from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tfprov import process
from tfprov.envs import venv
from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation, Owner
from tfprov.paths import home
from tfprov.pipeline.shell import interactive, shell_of
from tfprov.pipeline.uv import uv_executable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="shells of POSIX")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "train-1", owner=Owner(name="train", profile="/x"))


def started(environment: Environment, path: Path, **environ: str) -> tuple[list[str], dict[str, str]]:
    kept = home({"TFPROV_HOME": str(environment.root.parent / "home")})
    everything = {"PATH": os.environ.get("PATH", os.defpath), **environ}
    return interactive(environment, Generation(number=1, path=path), home=kept, environ=everything)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_in_bash_the_environment_comes_first_although_the_user_s_own_file_puts_another_there(
    tmp_path: Path, environment: Environment
) -> None:
    target = tmp_path / "it's an ënv"
    target.mkdir()
    version = "{}.{}.{}".format(*sys.version_info[:3])
    venv.create(
        target,
        python=Path(sys.executable),
        version=version,
        prompt="train",
        cache=tmp_path / "seeds",
        uv=uv_executable(),
        environ=os.environ,
    )
    (tmp_path / ".bashrc").write_text("export PATH=/elsewhere:$PATH MINE=1\n")
    bash = shutil.which("bash")
    argv, environ = started(environment, target, HOME=str(tmp_path), SHELL=str(bash))
    done = process.run(argv, env=environ, stdin='echo "$(command -v python)|$VIRTUAL_ENV|$MINE"\nexit\n')
    assert f"{target}/bin/python|{target}|1" in done.stdout.splitlines(), done


def test_zsh_reads_the_user_s_own_file_first_and_gets_its_folder_back(tmp_path: Path, environment: Environment) -> None:
    argv, environ = started(environment, tmp_path / "env", HOME="/h", SHELL="/bin/zsh")
    assert argv == ["/bin/zsh", "-i"]
    assert environ["TFPROV_ZDOTDIR"] == "/h"
    lines = (Path(environ["ZDOTDIR"]) / ".zshrc").read_text().splitlines()
    assert lines[0].startswith('ZDOTDIR="$TFPROV_ZDOTDIR"')
    assert ".zshrc" in lines[1]
    assert lines[2] == f". {tmp_path}/env/bin/activate"


@pytest.mark.parametrize(
    ("shell", "arguments"),
    [
        ("/usr/bin/fish", ["--init-command", "source ENV/bin/activate.fish"]),
        ("/usr/bin/pwsh", ["-NoExit", "-Command", "& 'ENV/bin/activate.ps1'"]),
        ("/bin/dash", ["-i"]),
    ],
)
def test_other_shells_are_started_their_own_way(
    tmp_path: Path, environment: Environment, shell: str, arguments: list[str]
) -> None:
    scripts = tmp_path / "env" / "bin"
    scripts.mkdir(parents=True, exist_ok=True)
    for name in ("activate.fish", "activate.ps1"):
        (scripts / name).touch()
    argv, environ = started(environment, tmp_path / "env", SHELL=shell)
    assert argv == [shell, *(text.replace("ENV", f"{tmp_path}/env") for text in arguments)]
    assert environ["VIRTUAL_ENV"] == f"{tmp_path}/env"
    assert environ["PATH"].startswith(f"{tmp_path}/env/bin:")


def test_without_a_shell_of_the_user_s_the_plain_one_is_taken(tmp_path: Path, environment: Environment) -> None:
    assert started(environment, tmp_path)[0] == ["/bin/sh", "-i"]


def test_on_windows_it_is_the_first_that_exists_and_never_one_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, system = tmp_path / "here", tmp_path / "System32"
    for folder in (here, system):
        folder.mkdir()
        for name in ("powershell", "cmd", "bash"):
            (folder / name).touch(0o755)
    monkeypatch.chdir(here)
    environ = {"PATH": str(system), "COMSPEC": str(system / "cmd")}
    assert shell_of({**environ, "SHELL": str(here / "bash")}, windows=True) == str(here / "bash")
    # As Cygwin has it: no program of Windows knows this path.
    assert shell_of({**environ, "SHELL": "/usr/nowhere/bash"}, windows=True) == str(system / "powershell")
    assert shell_of(environ, windows=True) == str(system / "powershell")
    (system / "powershell").unlink()
    assert shell_of(environ, windows=True) == str(system / "cmd")
    assert shell_of({"PATH": str(system)}, windows=True) == str(system / "cmd")


@pytest.mark.parametrize("folder", ["R&D", "my files (x86)", "50% & more", "O'Neil\u2019s"])
def test_the_shells_of_windows_get_a_script_in_a_folder_of_any_name(
    tmp_path: Path, environment: Environment, folder: str
) -> None:
    scripts = tmp_path / folder / "bin"
    scripts.mkdir(parents=True)
    for name in ("activate.bat", "activate.ps1"):
        (scripts / name).touch()
    argv, _ = started(environment, tmp_path / folder, SHELL="cmd.exe")
    # Without `call`, cmd takes off the first and the last quote of what follows `/k`.
    assert argv == ["cmd.exe", "/k", "call", str(scripts / "activate.bat")]
    assert process.command_line(argv) == f'cmd.exe /k call "{scripts / "activate.bat"}"'
    argv, _ = started(environment, tmp_path / folder, SHELL="pwsh")
    path = str(scripts / "activate.ps1").replace("'", "''").replace("\u2019", "\u2019\u2019")
    assert argv == ["pwsh", "-NoExit", "-Command", f"& '{path}'"]
