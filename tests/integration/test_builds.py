"""A wheel of one's own on an index of one's own, planned for machines with GPUs: somebody looks into it first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hosts
from hosts import Host
from loopback import Index, noise
from site_under_test import RELEASE, Site, only_here, sham_wheel
from tfprov.host.facts import dump
from wheels import build_wheel

pytestmark = only_here

SAID = (
    "import collections\n\nbuild_info = collections.OrderedDict(["
    "('cuda_compute_capabilities', ['sm_90', 'compute_100']), ('cuda_version', '12.8'), "
    "('cudnn_version', '9'), ('is_cuda_build', True)])\n"
)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    files = {"tensorflow/python/platform/build_info.py": SAID, "tensorflow/big.so": noise(4 << 20)}
    tag = "cp312-cp312-manylinux_2_28_aarch64"
    return build_wheel(tmp_path / "wheels", "tensorflow", "2.21.0+own", files=files, tag=tag)


def plan(site: Site, host: Host, *arguments: str) -> dict[str, object]:
    (site.root / "host.json").write_text(dump(host.facts), encoding="utf-8")
    done = site.run("plan", "train.toml", "--host", "host.json", "--json", *arguments)
    document: dict[str, object] = json.loads(done.stdout)
    return document


def on_arm(gpu: object) -> Host:
    return Host(gpus=(gpu,), driver="575.57.08", machine="aarch64", flags=("fp", "asimd"))  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["extra", "find-links"])
def test_a_plan_for_a_machine_says_whether_the_wheel_has_code_for_its_gpu(
    tmp_path: Path, wheel: Path, place: str
) -> None:
    site = Site.make(tmp_path)
    site.offer(sham_wheel(tmp_path / "public", RELEASE))
    with Index({wheel.name: wheel}) as index:
        url = index.simple if place == "extra" else wheel.parent.as_uri()
        public = (site.root / "index").as_uri()
        site.profile.write_text(
            f'name = "train"\n[tensorflow]\naccelerator = "cuda"\n[index]\nurl = "{public}"\n{place} = ["{url}"]\n',
            encoding="utf-8",
        )
        good = plan(site, on_arm(hosts.H100))
        assert good["ok"], good
        assert good["decision"]["tensorflow"]["version"] == "2.21.0+own"  # type: ignore[index]
        assert any("CUDA 12.8 for sm_90, compute_100" in note for note in good["notes"])  # type: ignore[attr-defined]
        bad = plan(site, on_arm(hosts.A100))
        assert bad["error"]["code"] == "gpu-arch-unsupported"  # type: ignore[index]
        assert index.sent < 200_000
