"""A rollout by Ansible over several hosts, local ones, each with a home of its own; only TensorFlow is a sham.

A rollout takes Ansible a dozen seconds for each host. What the module for a host decides alone is tested without one.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import forks
import used_home
from site_under_test import OLDER, RELEASE, Site, first_home, only_here, sham_wheel
from tfprov.bundle.starter import RECORD, this_platform
from wheels import build_wheel

pytestmark = [*only_here, pytest.mark.skipif(sys.platform == "win32", reason="Ansible does not run on Windows")]

COLLECTIONS = Path(__file__).parents[2] / "ansible"
MODULES = COLLECTIONS / "ansible_collections/tfprov/fleet/plugins/modules"
HOSTS = ("ada", "bob", "cyd", "dan")
SETTINGS = """[defaults]
# Seconds. Otherwise Ansible looks a thousand times a second whether a task is done.
internal_poll_interval = 0.05
"""


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
            used_home.lay_down(self.folder / host / "tfprov", first_home)
        (self.folder / "ansible.cfg").write_text(SETTINGS)

    def connection(self) -> dict[str, object]:
        """How hosts are reached."""
        return {"ansible_connection": "local"}

    def roll_out(
        self,
        *hosts: str,
        variables: Mapping[str, object] | None = None,
        options: Sequence[str] = (),
        each: Mapping[str, Mapping[str, object]] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        everywhere = {
            **self.connection(),
            "ansible_python_interpreter": sys.executable,
            "environment_tfprov": forks.command(),
            "environment_home": f"{self.folder}/{{{{ inventory_hostname }}}}/tfprov",
            "environment_confirm_level": "quick",
            "environment_acceptance": [["test", "-e", f"{self.folder}/{{{{ inventory_hostname }}}}/model.bin"]],
        }
        # As on the command line of the user, where they are stronger than what a playbook says.
        extra = {
            "environment_profile": str(self.site.profile),
            "environment_results": str(self.results),
            "rollout_tfprov": forks.command(),
            **(variables or {}),
        }
        inventory = self.folder / "hosts.json"
        known = {host: dict((each or {}).get(host, {})) for host in hosts or HOSTS}
        inventory.write_text(json.dumps({"all": {"hosts": known, "vars": everywhere}}))
        return subprocess.run(
            [
                *(sys.executable, "-m", "ansible", "playbook", "tfprov.fleet.rollout"),
                *("-i", str(inventory), "-e", json.dumps(extra)),
                *options,
            ],
            env={
                **self.site.environ(),
                "PWD": str(self.folder),
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

    def bundled(self, port: int, **more: object) -> dict[str, object]:
        """Variables for a rollout in which the hosts take everything from the controller."""
        return {
            "rollout_bundle": "bundle",
            "environment_bundle": f"http://127.0.0.1:{port}",
            "environment_tfprov": ["there is no tfprov"],
            **more,
        }

    def states(self) -> dict[str, str]:
        return {path.stem: json.loads(path.read_text())["state"] for path in self.results.glob("*.json")}

    def result(self, host: str) -> dict[str, object]:
        found = json.loads((self.results / f"{host}.json").read_text())
        assert isinstance(found, dict)
        return found

    def list_of(self, host: str) -> list[dict[str, object]]:
        """The environments of a host."""
        self.site.extra["TFPROV_HOME"] = f"{self.folder}/{host}/tfprov"
        try:
            found = json.loads(self.site.run("list", "--json").stdout)["environments"]
        finally:
            del self.site.extra["TFPROV_HOME"]
        assert isinstance(found, list)
        return found


def changed(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """How many tasks changed something, by host."""
    return {host: int(number) for host, number in re.findall(r"(?m)^(\w+) +: ok=\d+ +changed=(\d+)", done.stdout)}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", OLDER))
    site.write()
    return Fleet(site)


def test_one_host_is_verified_and_the_broken_one_goes_back(fleet: Fleet) -> None:
    hosts = ("ada", "dan")
    first = fleet.roll_out(*hosts, variables={"rollout_batches": ["100%"]})
    assert first.returncode == 0, first.stdout + first.stderr
    assert fleet.states() == dict.fromkeys(hosts, "verified")

    fleet.site.offer(sham_wheel(fleet.site.root / "built", RELEASE))
    for lock in fleet.site.root.glob("pylock.*"):
        lock.unlink()
    (fleet.folder / "dan" / "model.bin").unlink()
    second = fleet.roll_out(*hosts, variables={"environment_set": [f"tensorflow.version==={RELEASE}"]})
    assert second.returncode != 0
    assert fleet.states() == {"ada": "verified", "dan": "rolled-back"}
    assert [fleet.result(host)["generation"] for host in hosts] == [2, 1]
    assert fleet.result("dan")["error"]["code"] == "user-check-failed"  # type: ignore[index] - a JSON document
    page = (fleet.results / "report.html").read_text(encoding="utf-8")
    assert "1 verified, 1 rolled-back" in page
    assert "model.bin" in page
    assert all(host in page for host in hosts)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_rollout_leaves_the_files_of_the_user_alone_and_a_host_without_tfprov_fails(fleet: Fleet) -> None:
    mine = fleet.folder / "mine"
    (mine / "thesis").mkdir(parents=True)
    (mine / "thesis" / "chapter.txt").write_text("mine")
    (mine / "settings.json").write_text("{}")
    (mine / "bob.json").write_text('{"about": "bob"}')
    before = files_of(mine)
    done = fleet.roll_out(
        *("ada", "bob", "cyd"),
        variables={"environment_results": str(mine), "rollout_batches": [3]},
        each={"cyd": {"environment_tfprov": ["no-such-tfprov"]}},
    )
    assert done.returncode != 0
    assert "[path-not-ours]" in done.stdout
    assert "ada: verified" in done.stdout
    assert "bob: no-result" in done.stdout
    after = files_of(mine)
    assert {path: after.get(path) for path in before} == before
    assert set(after) - set(before) == {str(mine / name) for name in ("ada.json", "cyd.json", "report.html")}
    assert json.loads((mine / "cyd.json").read_text())["state"] == "failed"


def test_a_first_batch_that_fails_is_the_last_and_results_of_an_earlier_rollout_are_not_reported(fleet: Fleet) -> None:
    fleet.results.mkdir()
    old = {"schema": 1, "command": "rollout", "state": "verified", "devices": []}
    for host in ("ada", "bob"):
        (fleet.results / f"{host}.json").write_text(json.dumps(old))
    (fleet.folder / "ada" / "model.bin").unlink()
    done = fleet.roll_out("ada", "bob")
    assert done.returncode != 0
    # That of an earlier rollout stays until its host sends another.
    assert fleet.states() == {"ada": "failed", "bob": "verified"}
    assert "bob: not-asked" in done.stdout
    assert fleet.list_of("bob") == []


def gone(port: int) -> None:
    """Wait until nothing listens any more."""
    deadline = time.monotonic() + 60
    while listens(port):
        assert time.monotonic() < deadline, "the server outlived the rollout"
        time.sleep(0.1)


def look(fleet: Fleet, changes: Mapping[str, bool], variables: Mapping[str, object]) -> None:
    """Ask with --check which of these hosts a rollout would change, which changes nothing."""

    def seen() -> tuple[dict[str, bytes], dict[str, bytes]]:
        of_hosts = {path: text for host in changes for path, text in files_of(fleet.folder / host).items()}
        # Each start of tfprov from a bundle records the bytecode that the start before has written.
        return {path: text for path, text in of_hosts.items() if Path(path).name != RECORD}, files_of(fleet.results)

    before = seen()
    done = fleet.roll_out(*changes, variables=variables, options=["--check"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert seen() == before
    assert {host: changed(done)[host] > 0 for host in changes} == changes, done.stdout


def test_hosts_without_tfprov_and_without_an_index_take_all_from_the_bundle_of_the_controller(fleet: Fleet) -> None:
    port = free_port()
    variables = fleet.bundled(port)
    # It does not exist yet, and there is nothing to compare with.
    look(fleet, {"ada": False}, variables)
    done = fleet.roll_out("ada", variables=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fleet.states() == {"ada": "verified"}
    assert fleet.result("ada")["tensorflow"] == OLDER
    gone(port)
    second = fleet.roll_out("ada", variables=variables)
    assert second.returncode == 0, second.stdout + second.stderr
    assert changed(second) == {"ada": 0, "localhost": 0}
    gone(port)

    look(fleet, {"ada": False}, variables)
    fleet.site.write(smoke='level = "standard"')
    assert fleet.site.run("bundle", "train.toml", "-o", str(fleet.folder / "bundle")).returncode == 0
    # A host with what the bundle before had, and one that has nothing yet.
    look(fleet, {"ada": True, "bob": True}, variables)


def test_a_server_that_cannot_listen_ends_the_rollout_before_a_host_takes_another_bundle(fleet: Fleet) -> None:
    fleet.results.mkdir()
    (fleet.results / "ada.json").write_text('{"command": "rollout"}')
    before = files_of(fleet.folder / "ada")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        done = fleet.roll_out("ada", variables=fleet.bundled(other.server_address[1]))
        other.shutdown()
    assert done.returncode != 0
    assert f"cannot be served on 127.0.0.1, port {other.server_address[1]}" in done.stdout
    assert files_of(fleet.folder / "ada") == before
    # What an earlier rollout found out stays.
    assert (fleet.results / "ada.json").read_text() == '{"command": "rollout"}'


def test_another_bundle_at_the_address_is_refused_by_the_host(fleet: Fleet) -> None:
    assert fleet.site.run("bundle", "train.toml", "-o", "theirs").returncode == 0
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(fleet.site.root / "theirs"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{other.server_address[1]}"
        done = fleet.roll_out("ada", variables={"environment_bundle": address, "environment_bundle_id": "0" * 64})
        other.shutdown()
    assert done.returncode != 0
    assert fleet.states() == {"ada": "failed"}
    assert fleet.result("ada")["error"]["code"] == "hash-mismatch"  # type: ignore[index] - a JSON document
    assert not (fleet.folder / "ada" / "tfprov" / "starter").exists()


@pytest.mark.parametrize("path", ["../outside", "/outside", "wheels/../../outside"])
def test_what_starts_tfprov_on_a_host_is_written_nowhere_else(tmp_path: Path, path: str) -> None:
    served, dest = tmp_path / "served", tmp_path / "host" / "starter"
    (served / "wheels").mkdir(parents=True)
    for place in (served / "bootstrap", tmp_path / "outside"):
        place.write_text("evil")
    files = [{"path": each, "sha256": hashlib.sha256(b"evil").hexdigest(), "size": 4} for each in ("bootstrap", path)]
    tools = [{"platform": this_platform(), "wheels": [path]}]
    (served / "bundle.json").write_text(json.dumps({"name": "x", "files": files, "tools": tools}))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told = {"url": f"http://127.0.0.1:{server.server_address[1]}", "dest": str(dest)}
        done = subprocess.run(
            [sys.executable, str(MODULES / "starter.py"), json.dumps({"ANSIBLE_MODULE_ARGS": told})],
            capture_output=True,
            text=True,
            check=False,
        )
        server.shutdown()
    assert "[bundle-invalid]" in json.loads(done.stdout)["msg"], done.stdout + done.stderr
    assert not dest.exists()


def test_the_lock_and_all_files_of_the_profile_go_along_and_check_tells_what_would_change(fleet: Fleet) -> None:
    site = fleet.site
    project = site.root / "project"
    (project / "conf").mkdir(parents=True)
    (project / "more.txt").write_text("-r sub/inner.txt\n")
    (project / "sub").mkdir()
    (project / "sub" / "inner.txt").write_text("wheely\n")
    (project / "conf" / "check.py").write_text("import wheely\n")
    site.offer(build_wheel(site.root / "built", "wheely", "1.0"))
    site.write()
    own = site.profile.read_text().replace('name = "train"', 'name = "resnet"')
    own = own.replace('level = "quick"', 'level = "quick"\nscripts = ["check.py"]')
    own += '[packages]\nfiles = ["../more.txt"]\n'
    (project / "conf" / "x.toml").write_text(own)
    assert site.run("lock", "conf/x.toml", cwd=project).returncode == 0
    # A newer release comes; the lock says the older one.
    site.offer(sham_wheel(site.root / "built", RELEASE))
    variables = {"environment_profile": os.path.relpath(project / "conf" / "x.toml", fleet.folder)}
    done = fleet.roll_out("ada", variables=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fleet.result("ada")["tensorflow"] == OLDER
    assert fleet.result("ada")["state"] == "verified"
    look(fleet, {"ada": False, "bob": True}, variables)
    again = fleet.roll_out("ada", variables=variables)
    assert changed(again) == {"ada": 0, "localhost": 0}
    (project / "conf" / "x.toml").write_text(own.replace('level = "quick"', 'level = "standard"'))
    look(fleet, {"ada": True}, variables)


def on_ada(fleet: Fleet, **options: object) -> dict[str, Any]:
    """What the module that brings an environment up answers on a host when it is started alone, as people debug one."""
    host = fleet.folder / "ada"
    told = {
        "profile": str(fleet.site.profile),
        "tfprov": forks.command(),
        "home": str(host / "tfprov"),
        "confirm_level": "quick",
        "acceptance": [["test", "-e", str(host / "model.bin")]],
        **options,
    }
    done = subprocess.run(
        [sys.executable, str(MODULES / "environment.py"), json.dumps({"ANSIBLE_MODULE_ARGS": told})],
        env=fleet.site.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_host_keeps_the_old_one_or_goes_back_to_it_and_another_environment_of_the_same_name_stays(
    fleet: Fleet,
) -> None:
    own = fleet.folder / "own.toml"
    own.write_text(fleet.site.profile.read_text())
    fleet.site.extra["TFPROV_HOME"] = str(fleet.folder / "ada" / "tfprov")
    made = fleet.site.run("up", str(own), "--json")
    del fleet.site.extra["TFPROV_HOME"]
    assert made.returncode == 0, made.stderr
    mine = json.loads(made.stdout)["environment"]
    assert on_ada(fleet)["result"]["state"] == "verified"

    # The new one cannot be made.
    kept = on_ada(fleet, set=["tensorflow.version===2.19.*"])
    assert kept["failed"]
    assert kept["msg"].startswith("kept: [")
    assert kept["result"]["state"] == "kept"
    assert kept["result"]["generation"] == 1

    # The new one does not work.
    (fleet.folder / "ada" / "model.bin").unlink()
    fleet.site.offer(sham_wheel(fleet.site.root / "built", RELEASE))
    for lock in fleet.site.root.glob("pylock.*"):
        lock.unlink()
    back = on_ada(fleet, set=[f"tensorflow.version==={RELEASE}"])
    assert back["failed"]
    assert back["result"]["state"] == "rolled-back"
    found = {one["id"]: one for one in fleet.list_of("ada")}
    assert len(found) == 2
    assert found[mine["id"]]["active"] == mine["generation"]


def test_a_batch_that_nobody_reaches_is_in_the_report_and_old_results_stay(fleet: Fleet) -> None:
    fleet.results.mkdir()
    old = json.dumps({"schema": 1, "command": "rollout", "state": "verified", "devices": []})
    (fleet.results / "ada.json").write_text(old)
    nobody = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": free_port()}
    done = fleet.roll_out("ada", "bob", each={"ada": nobody, "bob": nobody})
    assert done.returncode != 0
    assert "ada: no-result" in done.stdout
    assert "bob: not-asked" in done.stdout
    assert "1 not-asked, 1 no-result" in (fleet.results / "report.html").read_text(encoding="utf-8")
    assert (fleet.results / "ada.json").read_text() == old


SAID = {"command": "rollout", "state": "verified", "error": None, "generation": 1, "before": None, "devices": []}
"""What a module on a host says that it has done."""


LOCAL = {"rollout_batches": ["100%"], "environment_profile": "cpu", "rollout_max_fail_percentage": 100}
Hostile = Callable[[str, Mapping[str, object]], "dict[str, object]"]


@pytest.fixture
def hostile(fleet: Fleet) -> Hostile:
    """Makes a host that answers what it likes, whatever module it is asked to run."""

    def make(name: str, answer: Mapping[str, object]) -> dict[str, object]:
        said = {"changed": False, "dest": "/", **answer}
        program = fleet.folder / f"python-of-{name}"
        program.write_text(f"#!{sys.executable}\nprint({json.dumps(said)!r})\n")
        program.chmod(0o755)
        return {"ansible_python_interpreter": str(program)}

    return make


def test_a_host_chooses_nothing_that_the_controller_does(fleet: Fleet, hostile: Hostile) -> None:
    """What a host says of itself is not a setting of the controller, and not the name of another host."""
    stolen = fleet.folder / "stolen"
    commands = {"rollout_tfprov": ["touch", str(stolen)], "environment_controller": ["touch", str(stolen)]}
    places = {"environment_results": str(stolen), "rollout_results": str(stolen), "ansible_facts": {}}
    facts = {**commands, **places, "user_dir": str(fleet.folder), "environment_profile": "/etc/passwd"}
    said = {"result": SAID, "ansible_facts": {**facts, "inventory_hostname": "bob"}}
    done = fleet.roll_out("ada", "bob", variables=LOCAL, each={"ada": hostile("ada", said), "bob": hostile("bob", {})})
    assert done.returncode != 0
    assert not stolen.exists()
    assert fleet.states() == {"ada": "verified", "bob": "failed"}
    assert "1 verified, 1 failed" in done.stdout


def test_a_host_whose_answer_is_not_a_result_fails_alone(fleet: Fleet, hostile: Hostile) -> None:
    answers: dict[str, Mapping[str, object]] = {
        "ada": {"result": SAID},
        "list": {"result": [1]},
        "text": {"result": "verified"},
        "state": {"result": {**SAID, "state": "excellent"}},
        "unexplained": {"result": {**SAID, "state": "failed"}},
        "contradiction": {"result": {**SAID, "error": {"code": "internal", "what": "x", "hint": "y"}}},
        "huge": {"result": {**SAID, "more": "x" * (2 << 20)}},
        "long": {"failed": True, "msg": "m" * 100_000},
        "garbage": {"failed": True, "msg": {"a": []}},
    }
    each = {name: hostile(name, answer) for name, answer in answers.items()}
    done = fleet.roll_out(*answers, variables=LOCAL, each=each)
    assert done.returncode != 0
    assert fleet.states() == {**dict.fromkeys(answers, "failed"), "ada": "verified"}
    assert "1 verified, 8 failed" in done.stdout
    assert len(done.stdout) < 200_000


@pytest.mark.parametrize("name", ["../ada", "/ada"])
def test_no_host_has_a_name_that_leads_out_of_the_folder_of_results(fleet: Fleet, hostile: Hostile, name: str) -> None:
    before = files_of(fleet.folder)
    done = fleet.roll_out(name, variables=LOCAL, each={name: hostile("ada", {"result": SAID})})
    assert "leads out of the folder of results" in done.stdout
    assert not [path for path in files_of(fleet.folder) if path.endswith("ada.json") and path not in before]


def test_a_result_is_not_written_through_what_another_user_has_put_there(fleet: Fleet, hostile: Hostile) -> None:
    fleet.results.mkdir()
    (fleet.folder / "mine").write_text("mine")
    (fleet.results / "ada.json.part").symlink_to(fleet.folder / "mine")
    os.mkfifo(fleet.results / "bob.json.part")
    each = {name: hostile(name, {"result": SAID}) for name in ("ada", "bob")}
    done = fleet.roll_out(*each, variables=LOCAL, each=each)
    assert done.returncode == 0, done.stdout
    assert (fleet.folder / "mine").read_text() == "mine"
    assert fleet.states() == dict.fromkeys(each, "verified")


def sshd() -> str | None:
    """The program; None when it cannot run here."""
    found = os.environ.get("TFPROV_TEST_SSHD") or shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    return found if found and shutil.which("ssh") and shutil.which("ssh-keygen") else None


class SshFleet(Fleet):
    """Hosts that are reached over SSH: four users of this machine, each with a home of his own."""

    def __init__(self, site: Site, port: int) -> None:
        super().__init__(site)
        self.port = port
        self.key = site.root.parent / "key"

    def connection(self) -> dict[str, object]:
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ControlMaster=no"
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": "{{ inventory_hostname }}",
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": options,
        }


@pytest.fixture
def over_ssh(tmp_path: Path) -> Iterator[SshFleet]:
    """An sshd on the loopback, in a namespace in which four users are known whom the machine does not have."""
    if "TFPROV_TEST_SSH" not in os.environ:
        pytest.skip("takes minutes: set TFPROV_TEST_SSH to run")
    program = sshd()
    if program is None:
        pytest.skip("no sshd and ssh on this machine")
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can give an sshd users of its own")
    site = Site.make(tmp_path)
    site.offer(sham_wheel(site.root / "built", OLDER))
    site.write()
    fleet = SshFleet(site, free_port())
    for name in ("key", "host_key"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(argv, check=True, capture_output=True)
    users = [f"{host}:x:0:0::{fleet.folder / host}:/bin/sh" for host in HOSTS]
    here = Path("/etc/passwd").read_text().splitlines()
    (tmp_path / "passwd").write_text("\n".join([*here, "sshd:x:99:99::/run/sshd:/bin/false", *users, ""]))
    (tmp_path / "sshd_config").write_text(
        f"Port {fleet.port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host_key\nPermitRootLogin yes\nUsePAM no\n"
        f"AuthorizedKeysFile {tmp_path}/key.pub\nStrictModes no\nPasswordAuthentication no\n"
        "Subsystem sftp internal-sftp\nMaxStartups 50\nPidFile none\n"
    )
    start = (
        f"mount --bind '{tmp_path}/passwd' /etc/passwd && mount -t tmpfs none /run && mkdir -m 755 /run/sshd && "
        f"exec '{program}' -D -e -f '{tmp_path}/sshd_config'"
    )
    # The path of a socket has at most 107 characters.
    sockets = tempfile.mkdtemp(prefix="tfprov-")
    site.extra["ANSIBLE_SSH_CONTROL_PATH_DIR"] = sockets
    with (tmp_path / "sshd.log").open("wb") as log:
        server = subprocess.Popen(["unshare", "--mount", "sh", "-c", start], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while not listens(fleet.port):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"sshd does not run here: {(tmp_path / 'sshd.log').read_text()[-300:]}")
            time.sleep(0.05)
        yield fleet
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(sockets, ignore_errors=True)


def test_a_rollout_over_ssh(over_ssh: SshFleet) -> None:
    fleet, port = over_ssh, free_port()
    lost = {"cyd": {"ansible_port": free_port()}}
    variables = fleet.bundled(port, rollout_batches=[1, "100%"])
    first = fleet.roll_out(variables=variables)
    assert first.returncode == 0, first.stdout + first.stderr
    assert fleet.states() == dict.fromkeys(HOSTS, "verified")
    gone(port)

    second = fleet.roll_out(variables=variables)
    assert second.returncode == 0, second.stdout + second.stderr
    assert changed(second) == {**dict.fromkeys(HOSTS, 0), "localhost": 0}
    gone(port)
    looked = fleet.roll_out("ada", variables=variables, options=["--check"])
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert changed(looked)["ada"] == 0

    # Something else is handed out at the address.
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(fleet.folder / "bundle"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{other.server_address[1]}"
        theirs = {"environment_bundle": address, "environment_bundle_id": "0" * 64}
        refused = fleet.roll_out("ada", variables={**theirs, "environment_tfprov": ["there is no tfprov"]})
        other.shutdown()
    assert refused.returncode != 0
    assert fleet.result("ada")["error"]["code"] == "hash-mismatch"  # type: ignore[index] - a JSON document

    # A newer release; one host is broken on purpose, and one cannot be reached.
    fleet.site.offer(sham_wheel(fleet.site.root / "built", RELEASE))
    for lock in fleet.site.root.glob("pylock.*"):
        lock.unlink()
    (fleet.folder / "dan" / "model.bin").unlink()
    third = fleet.roll_out(variables=variables, each=lost)
    assert third.returncode != 0
    assert {host: fleet.result(host)["generation"] for host in ("ada", "bob", "dan")} == {"ada": 2, "bob": 2, "dan": 1}
    assert fleet.states() == {**dict.fromkeys(HOSTS, "verified"), "dan": "rolled-back"}
    assert "cyd: no-result" in third.stdout
    page = (fleet.results / "report.html").read_text(encoding="utf-8")
    assert "2 verified" in page
    assert "1 rolled-back" in page
    assert "1 no-result" in page
