from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seals import TARGET
from tfprov.pipeline.stages import smoke_request
from tfprov.profile.records import Loaded, Profile


def request_of(tmp_path: Path, setting: str, *requirements: str) -> object:
    profile = Profile.model_validate({"name": "plain", "smoke": {"packages": setting}})
    loaded = Loaded(profile=profile, path=tmp_path / "p.toml", shipped=False, digest="d", requirements=requirements)
    return smoke_request(loaded, replace(TARGET, package="tensorflow-cpu"))


@pytest.mark.parametrize("requirements", [(), ("tensorflow-cpu>=2.16",)])
def test_who_asks_for_tensorflow_alone_has_the_smoke_test_that_imports_no_packages(
    tmp_path: Path, requirements: tuple[str, ...]
) -> None:
    assert request_of(tmp_path, "requested", *requirements) == request_of(tmp_path, "off", *requirements)
    assert request_of(tmp_path, "requested", "pandas") != request_of(tmp_path, "off", "pandas")
