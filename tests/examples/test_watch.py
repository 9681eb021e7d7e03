"""The examples for those who watch machines: each is run, on a machine that is as it was and on one that is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runners import EXAMPLES, Runner
from site_under_test import RELEASE, only_here

pytestmark = only_here
WATCH = EXAMPLES / "watch"


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    runner = Runner.make(tmp_path_factory.mktemp("machine"), "watch")
    runner.run("tfprov up train.toml")
    runner.shim("hostname", "echo node7")
    runner.shim("scontrol", f'echo "$*" >> "{runner.root}/drained"')
    runner.environ |= {
        "TFPROV_BIN": str(runner.root / "bin"),
        "TFPROV_PROFILE": str(runner.project / "train.toml"),
        "TFPROV_LOG": str(runner.root / "log"),
    }
    return runner


def move_to_another_machine(runner: Runner) -> None:
    """Let the verdict be about another processor."""
    (path,) = (runner.root / "home").glob("data/environments/*/generations/*/tfprov.json")
    seal = json.loads(path.read_text())
    for proof in seal["proofs"]:
        proof["vector_units"] = ["avx"]
    path.write_text(json.dumps(seal))


def test_the_prolog_proves_again_what_was_proved_elsewhere(runner: Runner) -> None:
    log = runner.root / "log"
    assert "already verified" in runner.run("./slurm-prolog").stdout + log.read_text()
    move_to_another_machine(runner)
    runner.run("./slurm-prolog")
    assert "is verified (quick)" in log.read_text()
    assert (runner.root / "home").exists()


def test_the_prolog_fails_where_the_environment_cannot_be_proved(runner: Runner) -> None:
    with pytest.raises(AssertionError):
        runner.run("./slurm-prolog", TFPROV_PROFILE="/nowhere.toml")
    assert "error[profile-missing]" in (runner.root / "log").read_text()


def test_the_health_check_drains_a_node_with_the_reason(runner: Runner) -> None:
    drained = runner.root / "drained"
    runner.run("./slurm-health-check")
    assert not drained.exists()
    move_to_another_machine(runner)
    runner.run("./slurm-health-check")
    assert drained.read_text() == (
        "update NodeName=node7 State=DRAIN "
        "Reason=error[verdict-stale]: `train` is not verified on this machine as it is now\n"
    )
    drained.unlink()
    runner.run("tfprov up train.toml")


def test_the_entry_point_proves_before_it_starts_the_command(runner: Runner) -> None:
    command = "./entrypoint python -c 'import tensorflow; print(tensorflow.__version__)'"
    assert runner.run(command).stdout == f"{RELEASE}\n"
    move_to_another_machine(runner)
    again = runner.run(command)
    assert again.stdout == f"{RELEASE}\n"
    assert "is verified (quick)" in again.stderr


def test_the_line_of_cron_is_silent_while_all_is_well(runner: Runner) -> None:
    (line,) = [line for line in (WATCH / "crontab").read_text().splitlines() if line.startswith("*")]
    command = line.split(maxsplit=5)[5]
    quiet = runner.run(command, shell=("sh", "-c"))
    assert (quiet.stdout, quiet.stderr) == ("", "")
    assert (runner.root / "user" / "tfprov-status.txt").read_text().startswith("train  verified")


def test_the_unit_of_systemd_is_in_order_and_its_command_runs(runner: Runner, tmp_path: Path) -> None:
    unit = (WATCH / "tfprov-status.service").read_text()
    command = unit.partition("ExecStart=")[2].splitlines()[0]
    metrics = tmp_path / "tfprov.prom"
    runner.run(command, METRICS=str(metrics))
    assert "tfprov_environment_verified{" in metrics.read_text()
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze")
    for name in ("tfprov-status.service", "tfprov-status.timer"):
        shutil.copy2(WATCH / name, tmp_path)
    done = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / "tfprov-status.timer"), str(tmp_path / "tfprov-status.service")],
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "tfprov-status" not in done.stderr
