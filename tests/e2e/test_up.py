"""The main job with the real TensorFlow from the index that this machine is configured with."""

from __future__ import annotations

import json

import pytest

from command import tfprov
from tensorflows import first_home

pytestmark = pytest.mark.network


def test_a_shipped_profile_becomes_a_verified_tensorflow(tmp_path_factory: pytest.TempPathFactory) -> None:
    home, document = first_home(tmp_path_factory)
    assert document["verdict"]["ok"] is True
    assert document["bytes_fetched"] > 200_000_000
    locked = document["tensorflow"]["version"]
    printed = tfprov(home, "run", "cpu", "--", "python", "-c", "import tensorflow as tf; print(tf.__version__)")
    assert printed.stdout.strip() == locked
    # The lock of a shipped profile lies with the environment, not in the installed package.
    assert list(home.glob("data/environments/cpu-*/pylock.cpu.toml"))
    again = json.loads(tfprov(home, "up", "cpu", "--json").stdout)
    assert again["already"] is True


# As test_the_same_environment_is_made_again_from_its_image in tests/integration/test_up.py, and
# test_a_fresh_environment_is_clean in tests/integration/test_doctor.py.
@pytest.mark.nightly
def test_it_is_made_again_from_its_image_and_every_file_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    home, _ = first_home(tmp_path_factory)
    recreated = json.loads(tfprov(home, "up", "cpu", "--recreate", "--json").stdout)
    assert recreated["bytes_fetched"] == 0
    assert "install" not in [stage["name"] for stage in recreated["stages"]]
    doctor = tfprov(home, "doctor", "cpu", "--json")
    assert doctor.returncode == 0, doctor.stdout
