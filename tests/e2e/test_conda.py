"""A conda environment with the real TensorFlow wheel: the channel is the tests' own, with a real Python in it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from channel import VERSION, text_package, write_channel
from command import tfprov

pytestmark = [
    pytest.mark.network,
    # tests/integration/test_conda.py makes such environments with a sham wheel, and test_up.py one of venv with the
    # real one.
    pytest.mark.nightly,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("rattler", "conda_lock")),
        reason="the extra `conda` is not installed",
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="the packages of the channel are for Linux"),
]


def test_a_conda_environment_with_the_real_tensorflow_proves_itself(tmp_path: Path) -> None:
    home = tmp_path / "hôme with spaces"
    write_channel(tmp_path / "channel", [text_package("hello", "1.0", dist="hello")])
    (tmp_path / "train.toml").write_text(
        'name = "train"\n[environment]\nkind = "conda"\n[tensorflow]\naccelerator = "cpu"\n'
        '[conda]\nchannels = ["./channel"]\npackages = ["hello"]\n[smoke]\nlevel = "quick"\n'
    )
    done = tfprov(home, "up", "train.toml", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"]["ok"] is True
    assert document["environment"]["kind"] == "conda"
    assert document["environment"]["python"] == VERSION
    shown = tfprov(
        home, "run", "train.toml", "--", "python", "-c", "import hello, tensorflow as tf; print(tf.__version__)"
    )
    assert shown.stdout.strip() == document["tensorflow"]["version"], shown.stderr
    recreated = json.loads(tfprov(home, "up", "train.toml", "--recreate", "--json").stdout)
    assert recreated["bytes_fetched"] == 0
    assert "install" not in [stage["name"] for stage in recreated["stages"]]
    doctor = tfprov(home, "doctor", "train.toml", "--json")
    assert doctor.returncode == 0, doctor.stdout
