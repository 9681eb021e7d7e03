from __future__ import annotations

import pytest

from tfprov.errors import TfprovError
from tfprov.pipeline.backends.venv.hints import _pinned, of_interest
from tfprov.profile.records import Profile


def test_lines_that_the_resolver_speaks_of_are_tried_first() -> None:
    lines = [
        "numpy==1.26.4",
        "keras_tuner==1.4.7",
        "dask==2024.12.1",
        "dask-ml",
        "Keras.Tuner.More",
        "distributed==2025.1.0",
    ]
    asked = Profile.model_validate({"name": "test", "packages": {"requirements": lines}})
    said = (
        "cause: Because distributed==2025.1.0 depends on dask==2025.1.0 and you require dask==2024.12.1 and keras-tuner"
    )
    error = TfprovError("resolver-conflict", "it cannot be resolved", evidence=(said,))
    assert of_interest(asked, error) == (
        "keras_tuner==1.4.7",
        "dask==2024.12.1",
        "distributed==2025.1.0",
        "numpy==1.26.4",
        "dask-ml",
        "Keras.Tuner.More",
    )


def test_without_words_of_the_resolver_the_order_is_that_of_the_file() -> None:
    asked = Profile.model_validate({"name": "test", "packages": {"requirements": ["numpy", "dask"]}})
    assert of_interest(asked, TfprovError("resolver-conflict", "it cannot be resolved")) == ("numpy", "dask")


@pytest.mark.parametrize(
    ("line", "pinned"),
    [
        ("numpy==1.15.4", ("numpy", "1.15.4")),
        ("numpy==1.15.4.*", ("numpy", "1.15.4")),
        ("Keras_Tuner==1.*", ("keras-tuner", "1")),
        ("numpy==1.15.4,!=2", None),
        ("numpy>=1.15.4", None),
        ("numpy", None),
        ("numpy @ https://host/numpy-1.15.4-py3-none-any.whl", None),
    ],
)
def test_a_pin_is_what_a_changed_list_keeps_where_it_can(line: str, pinned: tuple[str, str] | None) -> None:
    assert _pinned(line) == pinned
