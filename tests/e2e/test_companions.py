"""Thirteen common companions in one environment, on whatever release they all go with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from command import tfprov

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif("TFPROV_TEST_LARGE" not in os.environ, reason="fetches 1 GB: set TFPROV_TEST_LARGE to run"),
]
COMPANIONS = (
    *("tensorflow-hub", "tensorflow-text", "tensorflow-probability", "tensorflow-datasets", "tensorflow-addons"),
    *("tf-keras", "keras-cv", "keras-tuner", "imgaug", "segmentation-models", "opencv-python-headless"),
    *("scikit-image", "tensorflow-model-optimization"),
)
PROFILE = f"""\
name = "companions"
[tensorflow]
accelerator = "cpu"
[packages]
requirements = {json.dumps(list(COMPANIONS))}
[smoke]
level = "quick"
[strategies]
skip = ["repair"]
"""


def test_thirteen_companions_are_all_imported_after_one_up(tmp_path: Path) -> None:
    profile = tmp_path / "companions.toml"
    profile.write_text(PROFILE)
    done = tfprov(tmp_path / "home", "up", str(profile), "--json")
    assert done.returncode == 0, done.stderr
    legs = [leg for device in json.loads(done.stdout)["devices"] for leg in device["legs"]]
    assert {f"package {name}" for name in COMPANIONS} <= {
        leg["leg"] for leg in legs if leg["ok"] and not leg["skipped"]
    }
