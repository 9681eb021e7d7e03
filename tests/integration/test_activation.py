"""`env` and `activate`, evaluated by the real shells and tools: all of them end with the same variables."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from site_under_test import OLDER, RELEASE, Site, needs_shell, only_here, sham_wheel
from tfprov.envs import layout

pytestmark = only_here

ODD = 'it\'s \\ 100% "odd" $HOME `id`  * !x {{ y }} {% z %} é'
SHELLS = {
    "bash": ("--norc", "--noprofile"),
    "dash": (),
    "zsh": ("-f",),
    "fish": ("--no-config",),
    "tcsh": ("-f",),
}
EVALUATED = {
    "bash": 'eval "$(TFPROV {command})"',
    "dash": 'eval "$(TFPROV {command})"',
    "zsh": 'eval "$(TFPROV {command})"',
    "fish": "TFPROV {command} | source",
    "tcsh": 'eval "`TFPROV {command}`"',
}
FORM = {"bash": "sh", "dash": "sh", "zsh": "sh", "fish": "fish", "tcsh": "csh"}
SHOWN = "python -c 'import json, os, sys; print(json.dumps([dict(os.environ), sys.prefix, sys.executable]))'"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("made")
    site = Site.make(folder)
    site.offer(*(sham_wheel(folder / "built", version) for version in (OLDER, RELEASE)))
    site.write(f'[environment]\nvariables = {{ GREETING = "${{WHO}} at home", ODD = {json.dumps(ODD)} }}\n')
    site.extra = {"WHO": "Ada 'L'"}
    site.up()
    starter = site.root / "bin with spaces" / "TFPROV"
    starter.parent.mkdir()
    command = " ".join(f"'{word}'" for word in site.command())
    starter.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    starter.chmod(0o755)
    return site


LOOKING = (
    *("activate --shell bash", "env", "list", "status", "plan", "doctor", "log", "files", "sbom", "facts", "schema"),
    *("cache info", "cache dir", "cache key", "kernel list", "explain --code net-proxy", "--help", "--version"),
)
WITHOUT_A_STDOUT = """
import os, sys
from tfprov.cli.main import main
for words in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        os.close(1)
        sys.stdout, sys.argv = None, ["tfprov", *words.split()]
        main()
    print(words, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def environ(site: Site, **more: str) -> dict[str, str]:
    starters = site.root / "bin with spaces"
    # Without a locale, fish takes each byte of a variable for a letter.
    return {**site.environ(), "LANG": "C.UTF-8", "PATH": f"{starters}:{os.environ['PATH']}", **more}


def evaluate(site: Site, argv: list[str], script: str, **more: str) -> tuple[dict[str, str], str, str]:
    done = subprocess.run(
        [*argv], input=script, env=environ(site, **more), cwd=site.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    found: tuple[dict[str, str], str, str] = json.loads(lines[-1])
    return found


def check(site: Site, found: tuple[dict[str, str], str, str]) -> None:
    variables, prefix, executable = found
    (stable,) = site.home.glob("data/environments/*/current")
    assert (variables["GREETING"], variables["ODD"]) == ("Ada 'L' at home", ODD)
    assert variables["VIRTUAL_ENV"] == str(stable)
    assert variables["PATH"].split(":")[0] == f"{stable}/bin"
    assert variables["PATH"].count(f"{stable}/bin") == 1
    assert "PYTHONHOME" not in variables
    assert prefix == os.path.realpath(stable)
    assert executable == f"{stable}/bin/python"


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize("way", ["env", "activate"])
def test_a_shell_that_evaluates_it_has_the_environment_active(site: Site, name: str, way: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    command = {"env": f"env train.toml --format {FORM[name]}", "activate": "activate train.toml"}[way]
    line = EVALUATED[name].format(command=command)
    # SHELL is the shell of the user, not the one that asks.
    check(site, evaluate(site, [name, *SHELLS[name]], f"{line}\n{SHOWN}\n", SHELL="/bin/false"))


@needs_shell
def test_what_activate_prints_can_be_taken_back(site: Site) -> None:
    line = EVALUATED["bash"].format(command="activate --shell bash train.toml")
    script = (
        f'before="$PATH"\n{line}\ndeactivate\n[ "$before" = "$PATH" ] && [ -z "${{VIRTUAL_ENV-}}" ] && echo \'"yes"\''
    )
    assert evaluate(site, ["bash", "--norc"], script) == "yes"


@needs_shell
def test_it_follows_updates_and_rollbacks(site: Site) -> None:
    printed = site.run("env", "train.toml", "--format", "sh").stdout
    text = site.profile.read_text(encoding="utf-8")
    site.profile.write_text(text + f'[tensorflow]\nversion = "=={OLDER}"\n', encoding="utf-8")
    site.up()
    asked = "\npython -c 'import json, tensorflow; print(json.dumps(tensorflow.__version__))'\n"
    assert evaluate(site, ["bash"], printed + asked) == OLDER
    assert site.run("rollback", "train.toml").returncode == 0
    site.profile.write_text(text, encoding="utf-8")
    assert evaluate(site, ["bash"], printed + asked) == RELEASE
    assert site.run("env", "train.toml", "--format", "sh").stdout == printed
    site.up()  # verified again, for the tests that follow


def test_direnv_takes_the_line_that_is_made_for_it(site: Site, tmp_path: Path) -> None:
    if shutil.which("direnv") is None:
        pytest.skip("direnv is not installed")
    printed = site.run("env", "train.toml", "--format", "direnv").stdout
    assert "Ada" not in printed
    (tmp_path / ".envrc").write_text(printed, encoding="utf-8")
    allowed = environ(site, HOME=str(tmp_path))
    subprocess.run(["direnv", "allow", str(tmp_path)], env=allowed, capture_output=True, check=True)
    done = subprocess.run(
        ["direnv", "exec", str(tmp_path), "sh", "-c", SHOWN], env=allowed, capture_output=True, text=True, check=True
    )
    check(site, json.loads(done.stdout))


@needs_shell
def test_a_dotenv_file_means_to_a_shell_what_it_says(site: Site, tmp_path: Path) -> None:
    printed = site.run("env", "train.toml", "--format", "dotenv").stdout
    assert "Ada" not in printed
    (tmp_path / ".env").write_text(printed, encoding="utf-8")
    check(site, evaluate(site, ["sh"], f"set -a\n. '{tmp_path}/.env'\n{SHOWN}\n"))


def test_mise_and_nu_get_what_they_parse(site: Site) -> None:
    import tomlkit

    (stable,) = site.home.glob("data/environments/*/current")
    commands = str(layout.executables_in(stable))
    mise = tomlkit.parse(site.run("env", "train.toml", "--format", "mise").stdout).unwrap()["env"]
    assert mise["_"] == {"path": [commands]}
    assert mise["GREETING"] == "{{ env.WHO }} at home"
    assert mise["ODD"].replace("{{ '{' }}", "{") == ODD
    assert not re.search(r"\{[{%#]", mise["ODD"].replace("{{ '{' }}", ""))
    # NUON is a superset of JSON.
    nu = json.loads(site.run("env", "train.toml", "--format", "nu").stdout)
    assert (nu["ODD"], nu["PATH"][0]) == (ODD, commands)
    document = json.loads(site.run("env", "train.toml", "--format", "json").stdout)
    assert document["path"] == [commands]
    assert document["set"] == {"VIRTUAL_ENV": str(stable), "GREETING": "Ada 'L' at home", "ODD": ODD}
    assert document["unset"] == []


def test_what_is_in_the_way_is_said(site: Site, tmp_path: Path) -> None:
    site.extra = {}
    try:
        done = site.run("env", "train.toml")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(
            "error[profile-invalid]: `${WHO} at home` needs the variable `WHO`, which is not set\n"
        )
    finally:
        site.extra = {"WHO": "Ada 'L'"}
    other = Site.make(tmp_path)
    other.write()
    done = other.run("activate", "train.toml", "--shell", "bash")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error[environment-missing]: `train` has no verified environment yet\n")


@pytest.mark.skipif(os.name == "nt", reason="it forks")
def test_without_a_stdout_every_command_that_looks_ends_well(site: Site) -> None:
    # The profile of the folder, so that no command has to name one.
    default = site.root / "tfprov.toml"
    default.symlink_to(site.profile.name)
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", WITHOUT_A_STDOUT, *LOOKING],
            env=environ(site),
            cwd=site.root,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        default.unlink()
    assert done.stdout.splitlines() == [f"{words} 0" for words in LOOKING], done.stderr
