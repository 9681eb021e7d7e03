"""The answers of NVML."""

from __future__ import annotations

import pytest

from tfprov.host.graphics import Graphics
from tfprov.host.nvml import cuda_version, parse_nvml


@pytest.mark.parametrize(
    ("number", "version"), [(12040, "12.4"), (11080, "11.8"), (13000, "13.0"), (9020, "9.2"), (0, None)]
)
def test_the_number_of_cuda_is_its_version(number: int, version: str | None) -> None:
    assert cuda_version(number) == version


def test_an_answer_of_nvml_with_holes_is_read() -> None:
    found = parse_nvml({"driver": "550.1", "cuda": None, "gpus": [{"index": 0}, "nonsense"]}, "/lib")

    assert isinstance(found, Graphics)
    assert [one.name for one in found.gpus.value] == ["unknown NVIDIA GPU"]
    assert found.driver.value is not None
    assert found.driver.value.cuda is None
