"""A rollout by Ansible over several hosts, local ones, each with a home of its own; only TensorFlow is a sham."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from site_under_test import OLDER, RELEASE, Site, only_here, sham_wheel

pytestmark = only_here

COLLECTIONS = Path(__file__).parents[2] / "ansible"
HOSTS = ("ada", "bob", "cyd", "dan")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


class Fleet:
    """A controller and its hosts."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.folder = site.root / "fleet"
        self.results = self.folder / "results"
        for host in HOSTS:
            (self.folder / host).mkdir(parents=True)
            (self.folder / host / "model.bin").touch()

    def roll_out(self, *hosts: str, variables: Mapping[str, object] | None = None) -> subprocess.CompletedProcess[str]:
        everywhere = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "environment_profile": str(self.site.profile),
            "environment_tfprov": self.site.command(),
            "environment_home": f"{self.folder}/{{{{ inventory_hostname }}}}/tfprov",
            "environment_confirm_level": "quick",
            "environment_acceptance": [["test", "-e", f"{self.folder}/{{{{ inventory_hostname }}}}/model.bin"]],
            "environment_results": str(self.results),
            "rollout_tfprov": self.site.command(),
            **(variables or {}),
        }
        inventory = self.folder / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": dict.fromkeys(hosts or HOSTS), "vars": everywhere}}))
        return subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), "tfprov.fleet.rollout"],
            env={
                **self.site.environ(),
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_FORKS": "2",
                "ANSIBLE_PIPELINING": "1",
                "LC_ALL": "C.UTF-8",
                "PYTHONWARNINGS": "ignore",
            },
            cwd=self.folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=500,
            check=False,
        )

    def states(self) -> dict[str, str]:
        return {path.stem: json.loads(path.read_text())["state"] for path in self.results.glob("*.json")}

    def result(self, host: str) -> dict[str, object]:
        found = json.loads((self.results / f"{host}.json").read_text())
        assert isinstance(found, dict)
        return found


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", OLDER))
    site.write()
    return Fleet(site)


def test_three_hosts_are_verified_and_the_broken_one_goes_back(fleet: Fleet) -> None:
    first = fleet.roll_out()
    assert first.returncode == 0, first.stdout + first.stderr
    assert fleet.states() == dict.fromkeys(HOSTS, "verified")

    fleet.site.offer(sham_wheel(fleet.site.root / "built", RELEASE))
    for lock in fleet.site.root.glob("pylock.*"):
        lock.unlink()
    (fleet.folder / "dan" / "model.bin").unlink()
    second = fleet.roll_out(variables={"environment_set": [f"tensorflow.version==={RELEASE}"]})
    assert second.returncode != 0
    assert fleet.states() == {**dict.fromkeys(HOSTS, "verified"), "dan": "rolled-back"}
    assert [fleet.result(host)["generation"] for host in HOSTS] == [2, 2, 2, 1]
    assert fleet.result("dan")["error"]["code"] == "user-check-failed"  # type: ignore[index] - a JSON document
    page = (fleet.results / "report.html").read_text(encoding="utf-8")
    assert "3 verified, 1 rolled-back" in page
    assert "model.bin" in page
    assert all(host in page for host in HOSTS)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_rollout_into_a_folder_of_the_user_leaves_his_files_alone(fleet: Fleet) -> None:
    mine = fleet.folder / "mine"
    (mine / "thesis").mkdir(parents=True)
    (mine / "thesis" / "chapter.txt").write_text("mine")
    (mine / "settings.json").write_text("{}")
    (mine / "bob.json").write_text('{"about": "bob"}')
    before = files_of(mine)
    done = fleet.roll_out("ada", "bob", variables={"environment_results": str(mine), "rollout_batches": [2]})
    assert done.returncode != 0
    assert "[path-not-ours]" in done.stdout
    assert "ada: verified" in done.stdout
    assert "bob: no-result" in done.stdout
    after = files_of(mine)
    assert {path: after.get(path) for path in before} == before
    assert set(after) - set(before) == {str(mine / "ada.json"), str(mine / "report.html")}


def test_the_result_of_an_earlier_rollout_stays_until_its_host_sends_another_and_is_not_reported(fleet: Fleet) -> None:
    fleet.results.mkdir()
    old = {"schema": 1, "command": "rollout", "state": "verified", "devices": []}
    for host in ("ada", "bob"):
        (fleet.results / f"{host}.json").write_text(json.dumps(old))
    (fleet.folder / "ada" / "model.bin").unlink()
    done = fleet.roll_out("ada", "bob")
    assert done.returncode != 0
    assert fleet.states() == {"ada": "failed", "bob": "verified"}
    assert "bob: no-result" in done.stdout


def test_a_host_that_cannot_make_the_new_one_keeps_the_old_one(fleet: Fleet) -> None:
    assert fleet.roll_out("ada").returncode == 0
    done = fleet.roll_out("ada", variables={"environment_set": ["tensorflow.version===2.19.*"]})
    assert done.returncode != 0
    assert fleet.result("ada")["state"] == "kept"
    assert fleet.result("ada")["generation"] == 1
    assert "kept" in done.stdout


def test_a_host_without_tfprov_fails_with_the_next_step(fleet: Fleet) -> None:
    done = fleet.roll_out("ada", variables={"environment_tfprov": ["no-such-tfprov"]})
    assert done.returncode != 0
    assert fleet.result("ada")["state"] == "failed"


def test_a_first_batch_that_fails_stops_the_rollout(fleet: Fleet) -> None:
    (fleet.folder / "ada" / "model.bin").unlink()
    done = fleet.roll_out("ada", "bob")
    assert done.returncode != 0
    assert fleet.states() == {"ada": "failed"}
    assert "bob: no-result" in done.stdout


def test_hosts_without_tfprov_and_without_an_index_take_all_from_the_bundle_of_the_controller(fleet: Fleet) -> None:
    port = free_port()
    bundled = {
        "rollout_bundle": str(fleet.folder / "bundle"),
        "rollout_port": port,
        "rollout_bind": "127.0.0.1",
        "environment_bundle": f"http://127.0.0.1:{port}",
        "environment_tfprov": ["there is no tfprov"],
    }
    done = fleet.roll_out("ada", "bob", variables=bundled)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fleet.states() == {"ada": "verified", "bob": "verified"}
    assert {fleet.result(host)["tensorflow"] for host in ("ada", "bob")} == {OLDER}
    deadline = time.monotonic() + 60
    while listens(port):
        assert time.monotonic() < deadline, "the server outlived the rollout"
        time.sleep(0.1)
