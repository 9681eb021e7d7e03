"""The script that proves a bundle on a machine with GPUs and no network, tried where there is neither."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from site_under_test import RELEASE, Site, only_here, sham_wheel

pytestmark = [
    *only_here,
    pytest.mark.skipif(sys.platform != "linux", reason="TensorFlow serves GPUs of NVIDIA on Linux alone"),
]
SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "hardware.py"
MIB = 1 << 20


def script() -> ModuleType:
    spec = spec_from_file_location("hardware", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    site = Site.make(folder)
    site.offer(sham_wheel(folder / "built", RELEASE))
    site.write()
    done = site.run("bundle", "train.toml", "-o", "bundle.tar")
    assert done.returncode == 0, done.stderr
    parts = folder / "parts with spaces"
    parts.mkdir()
    script().cut(site.root / "bundle.tar", parts, part_mib=4)
    return parts


def run(folder: Path, *levels: str) -> subprocess.CompletedProcess[str]:
    """The script on the other machine, without a network where a namespace can be made."""
    apart = ["unshare", "--net"] if os.getuid() == 0 and shutil.which("unshare") else []
    return subprocess.run(
        [*apart, sys.executable, "-I", str(folder / "hardware.py"), "run", *levels],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_parts_are_no_larger_than_asked_and_say_which_are_missing(packed: Path, tmp_path: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in sorted(packed.glob("part-*"))}
    assert len(sizes) > 2
    assert set(list(sizes.values())[:-1]) == {4 * MIB}
    assert list(sizes) == list(json.loads((packed / "parts.json").read_text()))
    folder = tmp_path / "carried"
    shutil.copytree(packed, folder)
    (folder / "part-0002").unlink()
    with (folder / "part-0001").open("r+b") as stream:
        stream.write(b"damaged")
    done = run(folder)
    assert (done.returncode, done.stderr) == (2, "missing or damaged: part-0001, part-0002\n")
    (folder / "parts.json").write_text("{")
    damaged = run(folder)
    (folder / "parts.json").unlink()
    missing = run(folder)
    for done in (damaged, missing):
        assert (done.returncode, done.stderr) == (2, "missing or damaged: parts.json\n")


def test_it_proves_each_level_and_packs_what_it_found(packed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "carried"
    shutil.copytree(packed, folder)
    # The sham passes at the quick level, and fails at the standard one: the others are run all the same.
    done = run(folder, "standard", "quick")
    lines = [line.split()[:3] for line in (folder / "results" / "summary.txt").read_text().splitlines()]
    ended = {name: int(status) for name, _, status in lines}
    assert list(ended) == ["facts", "up", "standard", "quick", "log", "status"]
    assert (ended["facts"], ended["up"], ended["quick"], ended["status"]) == (0, 0, 0, 0), done.stdout
    assert ended["standard"] != 0
    assert done.returncode == ended["standard"]
    receipt = json.loads((folder / "results" / "quick.receipt.json").read_text())
    assert receipt["verdict"]["ok"] is True
    with tarfile.open(folder / "results.tar.gz") as found:
        assert {"results/up.out", "results/quick.xml", "results/quick.html"} <= set(found.getnames())
    # Once more, on what is there: nothing is unpacked or built again.
    again = run(folder, "quick")
    assert again.returncode == 0, again.stdout
    assert json.loads((folder / "results" / "up.out").read_text())["already"] is True
