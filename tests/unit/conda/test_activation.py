from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tfprov.conda.activation import script, variables

pytestmark = pytest.mark.skipif(os.name != "posix", reason="shells of POSIX")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    root = tmp_path / "it's an ënv"
    scripts = root / "etc" / "conda" / "activate.d"
    scripts.mkdir(parents=True)
    (scripts / "a.sh").write_text('export FIRST="$CONDA_PREFIX/x"\n')
    (scripts / "b.sh").write_text("export XLA_FLAGS='two words'\nunset GONE\nfalse\n")
    (root / "etc" / "conda" / "env_vars.d").mkdir()
    (root / "etc" / "conda" / "env_vars.d" / "p.json").write_text(json.dumps({"OF_PACKAGE": "1", "BOTH": "package"}))
    (root / "conda-meta").mkdir()
    (root / "conda-meta" / "state").write_text(json.dumps({"env_vars": {"BOTH": "person"}}))
    return root


def activated(environment: Path, **more: str) -> dict[str, str]:
    return variables(environment, "train", {"PATH": os.environ["PATH"], **more})


def test_variables_that_no_program_can_get_are_left_out(environment: Path) -> None:
    odd = {"": "1", "A=B": "1", "N\0": "1", "NUL": "a\0b", "GOOD": "=1"}
    (environment / "etc" / "conda" / "env_vars.d" / "odd.json").write_text(json.dumps(odd))
    assert activated(environment)["GOOD"] == "=1"
    for path in (environment / "etc" / "conda" / "activate.d").iterdir():
        path.unlink()
    found = activated(environment)
    assert subprocess.run(["env"], env=found, check=True).returncode == 0
    assert found["GOOD"] == "=1"


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_variables_of_the_user_stay_whatever_they_hold(environment: Path, tmp_path: Path, shell: str) -> None:
    odd = {"BYTES": "\udcff", "LINES": "a\r\nb\n", "ODD.NAME": "1", "\udcff": "2", "EMPTY": "", "PS1": "\udcfe"}
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in (shell, "env"):
        (programs / name).symlink_to(shutil.which(name) or name)
    found = variables(environment, "train", {"PATH": str(programs), **odd})
    assert {name: found[name] for name in odd} == odd
    assert found["FIRST"] == f"{environment}/x"
    assert not [name for name in found if "\ufffd" in name]


def test_scripts_of_packages_change_the_variables_and_may_fail(environment: Path) -> None:
    found = activated(environment, GONE="1", KEPT="kept", PYTHONHOME="/x")
    assert found["FIRST"] == f"{environment}/x"
    assert found["XLA_FLAGS"] == "two words"
    assert found["KEPT"] == "kept"
    assert "GONE" not in found
    assert "PYTHONHOME" not in found
    assert found["PATH"].startswith(f"{environment}/bin{os.pathsep}")
    assert (found["CONDA_PREFIX"], found["CONDA_DEFAULT_ENV"]) == (str(environment), "train")


def test_a_person_s_variables_come_after_those_of_packages(environment: Path) -> None:
    found = activated(environment)
    assert (found["OF_PACKAGE"], found["BOTH"]) == ("1", "person")


def test_what_a_shell_sets_by_itself_is_left_out(environment: Path) -> None:
    assert not {"SHLVL", "_"} & activated(environment).keys()


def test_a_shell_that_reads_the_script_is_in_the_environment(environment: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", script(environment, "train") + 'echo "$FIRST|$BOTH|$CONDA_PREFIX"'],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stdout.strip() == f"{environment}/x|person|{environment}"


@pytest.mark.parametrize("state", ['{"env_vars": {"BOTH": "***unset***"}}', "[]", '{"env_vars": []}', "3"])
def test_a_variable_that_the_user_has_removed_again_is_not_set(environment: Path, state: str) -> None:
    (environment / "conda-meta" / "state").write_text(state)
    assert activated(environment)["BOTH"] == "package"
    assert "unset***" not in script(environment, "train")


@pytest.mark.parametrize("name", ["A;touch {};B", "A\ntouch {}\nB", "$(touch {})", "A B", "é", "1A"])
def test_the_name_of_a_variable_of_a_package_is_never_a_command(environment: Path, tmp_path: Path, name: str) -> None:
    made = tmp_path / "made"
    odd = {name.format(made): "1", "GOOD": "1"}
    (environment / "etc" / "conda" / "env_vars.d" / "odd.json").write_text(json.dumps(odd))
    assert not set(activated(environment)) & {name.format(made)}
    subprocess.run(["sh", "-c", script(environment, "train")], env={"PATH": os.environ["PATH"]}, check=False)
    assert not made.exists()
