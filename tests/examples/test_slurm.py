"""The examples for Slurm under the real Slurm: three nodes on this machine, each with a disk of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loopback import Faults, Index
from runners import EXAMPLES
from site_under_test import PYTHON, RELEASE, only_here, sham_wheel

pytestmark = [
    *only_here,
    pytest.mark.skipif("TFPROV_TEST_SLURM" not in os.environ, reason="takes minutes: set TFPROV_TEST_SLURM to run"),
    pytest.mark.skipif(shutil.which("slurmctld") is None, reason="Slurm is not installed"),
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="starts the daemons of Slurm, as root"),
]

TASKS = 20
_PATIENCE_S = 400.0

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SlurmctldPort={ports[0]}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/controller.pid
SlurmdPidFile={root}/%n.pid
SlurmctldLogFile={root}/controller.log
SlurmdLogFile={root}/%n.log
SlurmdParameters=config_overrides
ReturnToService=0
Prolog={root}/prolog
PrologFlags=Alloc
HealthCheckProgram={root}/health
HealthCheckInterval=5
HealthCheckNodeState=ANY
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 State=UNKNOWN
NodeName=n3 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Cluster:
    """Three nodes, and the user's folder that all of them see."""

    def __init__(self, root: Path, index: Index) -> None:
        self.root, self.index = root, index
        self.project = root / "project"
        shutil.copytree(EXAMPLES / "slurm", self.project)
        (self.project / "train.toml").write_text(
            f'name = "train"\n[python]\npath = "{PYTHON}"\n[index]\nurl = "{index.simple}"\n[smoke]\nlevel = "quick"\n'
        )
        self.program("bin/tfprov", f'exec "{sys.executable}" -I -m tfprov "$@"')
        self.environ = {
            "PATH": f"{root / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(root / "user"),
            "USER": "ada",
            "SLURM_CONF": str(root / "slurm.conf"),
            "TFPROV_SHARED": str(root / "shared store"),
            "PIP_CONFIG_FILE": os.devnull,
        }
        (root / "user").mkdir()
        (root / "state").mkdir()
        # What each slurmd gives to a prolog is next to nothing; here the nodes share a machine, so each gets a folder.
        settings = (
            f'export TFPROV_BIN="{root}/bin" TFPROV_HOME="{root}/disk-$SLURMD_NODENAME" HOME="{root}/user"\n'
            f'export TFPROV_STORE="{root}/shared store" TFPROV_LOG="{root}/prolog-$SLURMD_NODENAME.log"\n'
            f'export TFPROV_PROFILE="{self.project}/train.toml" SLURM_CONF="{root}/slurm.conf"\n'
            f'[ ! -e "{root}/broken-$SLURMD_NODENAME" ] || export TFPROV_PROFILE=/nowhere.toml\n'
        )
        self.program("prolog", f'{settings}exec "{EXAMPLES}/watch/slurm-prolog"')
        self.program("health", f'{settings}exec "{EXAMPLES}/watch/slurm-health-check"')
        host = socket.gethostname().partition(".")[0]
        (root / "slurm.conf").write_text(CONFIGURATION.format(host=host, root=root, ports=free_ports(4)))

    def program(self, name: str, body: str) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        daemons = [["slurmctld", "-D", "-c"], *(["slurmd", "-D", "-N", f"n{number}"] for number in (1, 2, 3))]
        started = []
        try:
            for words in daemons:
                with (self.root / f"{words[-1]}.out").open("wb") as out:
                    started.append(subprocess.Popen(words, env=self.environ, stdout=out, stderr=out))
            self.wait(lambda: self.states() == {"n1": "idle", "n2": "idle", "n3": "idle"})
            yield
        finally:
            for one in started[::-1]:
                one.terminate()
            for one in started:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    one.wait(60)
                one.kill()

    def run(self, *words: str) -> str:
        done = subprocess.run(words, env=self.environ, cwd=self.project, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def states(self) -> dict[str, str]:
        lines = self.run("sinfo", "-N", "-h", "-o", "%N %t").splitlines()
        return {name: state.rstrip("*") for name, state in (line.split() for line in lines)}

    def reason(self, node: str) -> str:
        found = re.search(r"Reason=(.*?)( \[|$)", self.run("scontrol", "show", "node", node), re.MULTILINE)
        return found[1] if found else ""

    def wait(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not condition():
            if time.monotonic() > end:
                logs = "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in sorted(self.root.glob("*.log")))
                raise AssertionError(f"{self.states()}\n{self.run('squeue')}\n{logs}")
            time.sleep(0.3)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    root = tmp_path_factory.mktemp("cluster")
    wheels = [sham_wheel(root / "built", RELEASE, package=name) for name in ("tensorflow", "tensorflow-cpu")]
    with Index({wheel.name: wheel for wheel in wheels}, Faults(metadata=True)) as index:
        cluster = Cluster(root, index)
        cluster.run("tfprov", "lock", "train.toml")
        # Each node is made ready once, as its administrator would; all but the first take the wheel from the store.
        for number in (1, 2, 3):
            home = str(root / f"disk-n{number}")
            cluster.environ["TFPROV_HOME"] = home
            cluster.environ["TFPROV_STORE"] = cluster.environ["TFPROV_SHARED"]
            cluster.run("tfprov", "up", "train.toml", "--locked")
        del cluster.environ["TFPROV_HOME"]
        with cluster.running():
            yield cluster


def test_a_job_array_proves_each_node_and_downloads_once(cluster: Cluster) -> None:
    script = cluster.project / "array.sbatch"
    text = script.read_text()
    # Three nodes on one machine have one disk: each gets a folder of its own.
    text = text.replace("${TFPROV_LOCAL:-/var/tmp/tfprov-$USER}", f"{cluster.root}/tasks-$SLURMD_NODENAME")
    script.write_text(text)
    cluster.run("sbatch", "array.sbatch")
    cluster.wait(lambda: cluster.run("squeue", "-h") == "")
    logs = [cluster.project / f"train-{task}.log" for task in range(TASKS)]
    for task, log in enumerate(logs):
        assert f"task {task} TensorFlow {RELEASE} in " in log.read_text(), log.read_text()
    used = {re.search(r"tasks-(n\d)", log.read_text())[1] for log in logs}  # type: ignore[index]
    assert len(used) > 1
    for node in used:
        generations = list(cluster.root.glob(f"tasks-{node}/data/environments/*/generations/*"))
        assert [path.name for path in generations] == ["0001"]
    seen = [(one.method, one.headers.get("range", "")) for one in cluster.index.seen if one.path.endswith(".whl")]
    # To plan, its size is asked (HEAD).
    assert [method for method, _ in seen if method == "GET"] == ["GET"], seen


def test_a_node_whose_prolog_fails_is_drained_and_the_job_runs_elsewhere(cluster: Cluster) -> None:
    (cluster.root / "broken-n2").touch()
    cluster.run("sbatch", "-w", "n2", "--output=two.log", "--wrap", "echo ran on $SLURMD_NODENAME")
    cluster.wait(lambda: cluster.states()["n2"].startswith("drain"))
    assert cluster.reason("n2").startswith("Prolog error")
    assert "error[profile-missing]" in (cluster.root / "prolog-n2.log").read_text()
    cluster.run("scancel", "-u", "root")
    (cluster.root / "broken-n2").unlink()
    cluster.run("scontrol", "update", "NodeName=n2", "State=RESUME")
    cluster.wait(lambda: cluster.states()["n2"] == "idle")


def test_the_health_check_drains_a_node_with_the_reason(cluster: Cluster) -> None:
    (path,) = cluster.root.glob("disk-n3/data/environments/*/generations/*/tfprov.json")
    before = path.read_text()
    seal = json.loads(before)
    for proof in seal["proofs"]:
        proof["vector_units"] = ["avx"]
    path.write_text(json.dumps(seal))
    cluster.wait(lambda: cluster.states()["n3"].startswith("drain"))
    assert cluster.reason("n3") == "error[verdict-stale]: `train` is not verified on this machine as it is now"
    assert not cluster.states()["n1"].startswith("drain")
    path.write_text(before)
