from __future__ import annotations

import pytest

from tfprov.errors import TfprovError
from tfprov.pipeline.backends.venv.hints import _near, of_interest
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
    ("line", "near"),
    [
        ("tensorflow==1.7", ["tensorflow==1.15.*"]),
        ("tensorflow==1.12.0", ["tensorflow==1.15.*"]),
        ("tensorflow-gpu==1.4.1", ["tensorflow-gpu==1.15.*"]),
        ("tensorflow==1.14.0.*", ["tensorflow==1.15.*"]),
        ("tensorflow~=1.13.0", ["tensorflow==1.15.*"]),
        ("tensorflow==1.15.9", ["tensorflow==1.15.*"]),
        ("tensorflow==2.20.7", ["tensorflow==2.20.*"]),
        ("tensorflow==2.3.0rc0", ["tensorflow==2.3.*", "tensorflow>=2.0,<2.7"]),
        ("tensorflow==0.12.1", ["tensorflow==0.12.*"]),
        ("intel-tensorflow==2.12.0", ["tensorflow==2.12.0", "tensorflow==2.12.*", "tensorflow>=2.9,<2.16"]),
        (
            "tf-nightly-gpu==2.5.0.dev20201212",
            ["tensorflow==2.5.0.dev20201212", "tensorflow==2.5.*", "tensorflow>=2.2,<2.9"],
        ),
        ("nvidia-tensorflow", []),
        ("intel-tensorflow==1.13.1", ["tensorflow==1.15.*"]),
        ("tensorflow-cpu==2.8.*", ["tensorflow-cpu>=2.5,<2.12"]),
        ("tensorflow~=2.13.0", ["tensorflow==2.13.*", "tensorflow>=2.10,<2.17"]),
        ("tensorflow>=2.3", []),
        ("tensorflow", []),
    ],
)
def test_what_is_tried_in_place_of_a_release_that_cannot_be_had(line: str, near: list[str]) -> None:
    assert list(_near(line)) == near
