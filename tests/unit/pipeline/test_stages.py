from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.lock.records import Target
from tfprov.pipeline.stages import smoke_request
from tfprov.profile.records import Loaded, Profile

TARGET = Target(
    package="tensorflow-cpu",
    version="2.21.0",
    extras=(),
    accelerator="cpu",
    python="3.13",
    platform="linux-x86_64-glibc",
)


def request_of(tmp_path: Path, setting: str, *requirements: str) -> object:
    profile = Profile.model_validate({"name": "plain", "smoke": {"packages": setting}})
    loaded = Loaded(profile=profile, path=tmp_path / "p.toml", shipped=False, digest="d", requirements=requirements)
    return smoke_request(loaded, TARGET)


@pytest.mark.parametrize("requirements", [(), ("tensorflow-cpu>=2.16",)])
def test_who_asks_for_tensorflow_alone_has_the_smoke_test_that_imports_no_packages(
    tmp_path: Path, requirements: tuple[str, ...]
) -> None:
    assert request_of(tmp_path, "requested", *requirements) == request_of(tmp_path, "off", *requirements)
    assert request_of(tmp_path, "requested", "pandas") != request_of(tmp_path, "off", "pandas")
