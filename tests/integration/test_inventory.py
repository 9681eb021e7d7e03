"""`sbom` and `audit` of a real environment, judged by the library of CycloneDX."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from site_under_test import RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel

pytestmark = only_here


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("made")
    site = Site.make(folder)
    cuda = {"nvidia/cudnn/lib/libcudnn_ops.so.9": "library", "nvidia/cudnn/include/cudnn.h": "header"}
    site.offer(
        sham_wheel(folder / "built", RELEASE),
        build_wheel(folder / "built", "nvidia-cudnn-cu12", "9.3.0.75", files=cuda),
        build_wheel(folder / "built", "helper", "1.0", requires=("nvidia-cudnn-cu12>=9",)),
    )
    site.write('[packages]\nrequirements = ["helper"]\n')
    site.up()
    return site


def test_the_bill_of_materials_is_valid_and_the_same_each_time(site: Site, tmp_path: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    done = site.run("sbom", "train.toml")
    assert done.returncode == 0, done.stderr
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(done.stdout) is None
    assert site.run("sbom", "train.toml", "-o", str(tmp_path / "a.json")).returncode == 0
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == done.stdout
    # It replaces its own kind.
    assert site.run("sbom", "train.toml", "-o", str(tmp_path / "a.json")).returncode == 0
    document = json.loads(done.stdout)
    parts = {one["name"]: one for one in document["components"]}
    assert {"cpython", "helper", "nvidia-cudnn-cu12", "tensorflow-cpu"} <= set(parts)
    assert parts["tensorflow-cpu"]["purl"] == f"pkg:pypi/tensorflow-cpu@{RELEASE}"
    wheel = next((site.root / "index").glob("helper/*.whl"))
    assert parts["helper"]["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}]
    (library,) = parts["nvidia-cudnn-cu12"]["components"]
    assert (library["name"], library["version"]) == ("libcudnn_ops", "9.3.0.75")
    assert library["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"library").hexdigest()}]
    edges = {one["ref"]: one["dependsOn"] for one in document["dependencies"]}
    assert edges["pkg:pypi/helper@1.0"] == ["pkg:pypi/nvidia-cudnn-cu12@9.3.0.75"]
    assert str(site.root) not in done.stdout


def test_an_audit_has_an_exit_status_of_its_own(site: Site, tmp_path: Path) -> None:
    entry = {
        "id": "GHSA-1",
        "modified": "2026-05-01T00:00:00Z",
        "aliases": ["CVE-1"],
        "summary": "it leaks",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": "Helper"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
            }
        ],
    }
    path = tmp_path / "GHSA-1.json"
    path.write_text(json.dumps(entry))
    done = site.run("audit", "train.toml", "--advisories", str(path))
    assert done.returncode == 19
    lines = done.stdout.splitlines()
    assert lines[0] == "1 advisory of train"
    assert lines[2:] == ["  helper 1.0: GHSA-1 (CVE-1)", "    it leaks", "    fixed in 1.1"]
    assert done.stderr.splitlines()[:2] == [
        "error[advisory-found]: advisories affect `helper` in the environment of `train`",
        "  evidence  helper 1.0: GHSA-1 (CVE-1)",
    ]
    done = site.run("audit", "train.toml", "--advisories", str(path), "--accept", "CVE-1", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)["audit"]
    assert (found["found"], [one["id"] for one in found["accepted"]]) == ([], ["GHSA-1"])
    done = site.run("audit", "train.toml")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "error[usage]: name the advisories with `--advisories`",
    )
