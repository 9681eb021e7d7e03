"""The examples for Kubernetes: held to its schemas and to the restricted policy; what their containers run is run."""

from __future__ import annotations

import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopback import authority
from runners import EXAMPLES, Runner
from site_under_test import RELEASE, only_here

pytestmark = only_here

BASES = EXAMPLES / "kubernetes"
Document = dict[str, Any]


def manifests(base: str) -> list[Document]:
    """What `kubectl kustomize` makes of a base; without kubectl the files that the base names."""
    if shutil.which("kubectl"):
        argv = ["kubectl", "kustomize", str(BASES / base)]
        text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    else:
        listed = yaml.safe_load((BASES / base / "kustomization.yaml").read_text())
        generated = [name for each in listed.get("configMapGenerator", ()) for name in each["files"]]
        assert all((BASES / base / name).is_file() for name in generated)
        text = "\n---\n".join((BASES / base / name).read_text() for name in listed["resources"])
    return [each for each in yaml.safe_load_all(text) if each]


def pods() -> list[tuple[str, Document]]:
    """The specification of every pod, with the name of its base."""
    found = []
    for base in ("provision", "init", "nodes"):
        for each in manifests(base):
            spec = each.get("spec", {})
            if "containers" in spec or "template" in spec:
                found.append((base, spec if "containers" in spec else spec["template"]["spec"]))
    assert len(found) == 3
    return found


def containers(spec: Document) -> list[Document]:
    return [*spec.get("initContainers", ()), *spec["containers"]]


@pytest.mark.parametrize("base", ["provision", "init", "nodes"])
def test_every_object_is_as_the_schema_of_kubernetes_wants_it(base: str) -> None:
    # It compiles grammars as it is imported, which took each process that collects the tests two seconds.
    import kubernetes_validate

    # Both ends of what is in use.
    for version in ("1.31", "1.34"):
        for each in manifests(base):
            kubernetes_validate.validate(each, version, strict=True)
    broken = {**manifests(base)[-1], "spek": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.34", strict=True)


def test_no_container_is_root_may_write_to_its_image_or_take_more_than_its_limits() -> None:
    for _, spec in pods():
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        volumes = {each["name"] for each in spec["volumes"]}
        for container in containers(spec):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"]
            assert not context["allowPrivilegeEscalation"]
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()
            mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
            assert {each["name"] for each in mounts.values()} <= volumes
            # Wherever tfprov writes there is a volume to write to.
            variables = {each["name"]: each.get("value", "") for each in container["env"]}
            for path in (variables["HOME"], variables["TFPROV_HOME"], "/tmp"):
                (mount,) = (each for place, each in mounts.items() if path == place or path.startswith(f"{place}/"))
                assert not mount.get("readOnly")


def command(base: str, name: str, root: Path) -> list[str]:
    """What a container runs, with its volumes below a folder."""
    (found,) = (each for kind, spec in pods() if kind == base for each in containers(spec) if each["name"] == name)
    for each in found["volumeMounts"]:
        (root / each["mountPath"][1:]).mkdir(parents=True, exist_ok=True)
    places = "|".join(each["mountPath"] for each in found["volumeMounts"])
    return [re.sub(rf"(?<!\S)(?={places})", str(root), part) for part in found["command"]]


@pytest.fixture(scope="module")
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Runner, Path]:
    """A runner, and the folder with the volumes, after the Job has run."""
    root = tmp_path_factory.mktemp("cluster")
    runner = Runner.make(root, "kubernetes/provision")
    volumes = root / "volumes"
    job = command("provision", "provision", volumes)
    profile = (runner.project / "train.toml").read_text()
    # The tiny index has no CUDA, and wheels for this Python.
    profile = profile.replace('"cuda"', '"cpu"').replace('gpu = "later"', 'level = "quick"')
    profile = profile.replace("==3.12.*", f"==3.{sys.version_info[1]}.*")
    (volumes / "profile" / "train.toml").write_text(profile)
    runner.run(shlex.join(job))
    # A ConfigMap cannot be written to.
    assert [path.name for path in (volumes / "profile").iterdir()] == ["train.toml"]
    shutil.rmtree(root / "home")
    runner.environ["PIP_INDEX_URL"] = "file:///nowhere"
    return runner, volumes


def test_the_pod_makes_its_environment_from_the_volume_that_the_job_filled(provisioned: tuple[Runner, Path]) -> None:
    runner, volumes = provisioned
    runner.run(shlex.join(command("init", "environment", volumes)))
    assert runner.run(shlex.join(command("init", "train", volumes))).stdout == f"{RELEASE}\n"


class Api(http.server.BaseHTTPRequestHandler):
    """The part of an API server that takes patches of nodes."""

    seen: list[tuple[str, str, Any]] = []  # noqa: RUF012 - one server at a time

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Content-Type"] == "application/strategic-merge-patch+json"
        self.seen.append((self.path, self.headers["Authorization"], body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def api(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of a pod that reaches a server with a certificate of its own authority."""
    signer = authority(tmp_path)
    signer.bundle.rename(tmp_path / "ca.crt")
    (tmp_path / "token").write_text("secret\n")
    server = http.server.HTTPServer(("127.0.0.1", 0), Api)
    server.socket = signer.server.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Api.seen.clear()
    yield {
        "SERVICE_ACCOUNT": str(tmp_path),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(server.server_address[1]),
        "NODE_NAME": "gpu-7",
    }
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_node_says_by_condition_and_label_what_came_of_it(
    provisioned: tuple[Runner, Path], api: dict[str, str]
) -> None:
    runner, volumes = provisioned
    python, _, *arguments, _, _ = command("nodes", "prove", volumes)
    script = BASES / "nodes" / "prove_node.py"
    for broken in (False, True):
        if broken:
            shutil.rmtree(volumes / "bundle" / "train" / "wheels")
        Api.seen.clear()
        runner.run(shlex.join([python, str(script), *arguments]), **api)
        (path, token, status), (node, _, labels) = Api.seen
        assert (path, node) == ("/api/v1/nodes/gpu-7/status", "/api/v1/nodes/gpu-7")
        assert token == "Bearer secret"
        (condition,) = status["status"]["conditions"]
        assert condition["type"] == "TensorFlowVerified"
        reason = "BundleInvalid" if broken else "Verified"
        assert (condition["status"], condition["reason"]) == (str(not broken), reason), condition
        assert labels == {"metadata": {"labels": {"tfprov/verified": str(not broken).lower()}}}


def test_what_the_network_does_says_nothing_about_the_node(tmp_path: Path, api: dict[str, str]) -> None:
    failure = {"ok": False, "error": {"code": "net-timeout", "what": "no answer"}}
    program = tmp_path / "bin" / "tfprov"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{json.dumps(failure)}'\nexit 12\n")
    program.chmod(0o755)
    script = BASES / "nodes" / "prove_node.py"
    environ = {**api, "PATH": f"{program.parent}:{os.defpath}"}
    subprocess.run([sys.executable, script, "--bundle", "/nowhere"], env=environ, check=True, capture_output=True)
    (_, _, status), (_, _, labels) = Api.seen
    assert status["status"]["conditions"][0]["status"] == "Unknown"
    assert labels == {"metadata": {"labels": {"tfprov/verified": None}}}
