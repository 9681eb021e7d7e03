from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("rattler", reason="the extra `conda` is not installed")

from tfprov.conda.solver import _package


@pytest.mark.parametrize("form", ["$(TOKEN)", "${TOKEN}"])
@pytest.mark.parametrize("base", ["http://tfprov.invalid/channel/https/own.example", "https://evil.example"])
def test_a_channel_names_no_variable_in_the_address_of_a_package(base: str, form: str) -> None:
    record = SimpleNamespace(
        channel=base,
        url=f"{base}/{form}/x-1-0.conda",
        name=SimpleNamespace(normalized="x"),
        **{"version": "1", "build": "0", "subdir": "noarch", "size": 1, "depends": (), "sha256": b"", "md5": b""},
    )
    found = _package(record, {"http://tfprov.invalid/channel/https/own.example": "https://own.example"})  # type: ignore[arg-type]  # as far as it is used
    own = base.replace("http://tfprov.invalid/channel/https/", "https://")
    assert found["url"] == f"{own}/%24{form[1:]}/x-1-0.conda"
