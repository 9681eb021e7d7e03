from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tfprov.errors import TfprovError
from tfprov.pipeline.backends.venv import hints
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


def several(monkeypatch: pytest.MonkeyPatch, lines: list[str], *, unbuildable: str = "") -> str | None:
    """The hint to change several lines, where only versions 2 go together, and one source may not be built."""

    def solved(_context: object, _machine: object, profile: Profile, *_: object, **__: object) -> object:
        asked = [Requirement(line) for line in profile.packages.requirements]
        if unbuildable in [each.name for each in asked]:
            raise TfprovError("build-failed", f"`{unbuildable}==1.0` has no wheel that fits")
        if any(not each.specifier.contains("2") for each in asked):
            raise TfprovError("resolver-conflict", "they do not go together")
        decision = SimpleNamespace(
            tensorflow=SimpleNamespace(version="2.9.3"), python=SimpleNamespace(version="3.10.13")
        )
        return SimpleNamespace(version=lambda _: "2", release=Version("2.9.3"), decision=decision, candidate=None)

    monkeypatch.setattr(hints, "solve_unbroken", solved)
    monkeypatch.setattr(hints, "_candidates", lambda *_: (None,))
    asked = Profile.model_validate({"name": "test", "packages": {"requirements": lines}})
    unused, machine = cast("Any", None), cast("Any", SimpleNamespace(missing_extras=set()))
    return hints._several(unused, machine, asked, {})


def test_a_change_to_most_lines_is_not_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    pins = [f"p{number}==1" for number in range(6)]
    pair = "TensorFlow 2.9.3 on Python 3.10.13"
    few = several(monkeypatch, [*pins[:3], "a==2", "b"])
    assert few == f"{', '.join(f'`{pin[:2]}==2` instead of `{pin}`' for pin in pins[:3])}: this resolves, with {pair}"
    told = several(monkeypatch, [*pins, "a==2", "b"])
    assert told == f"no small change resolves: 6 of the 8 lines would have to change, for {pair}"


def test_a_line_whose_source_cannot_be_built_is_left_out_with_the_other_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = several(monkeypatch, ["a==1", "b==2", "language-check"], unbuildable="language-check")
    assert told is not None
    assert told.startswith("without `language-check`, `a==2` instead of `a==1`: this resolves, with TensorFlow 2.9.3")
