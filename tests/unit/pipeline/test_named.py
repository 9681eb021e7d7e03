"""Environments by what users call them."""

from __future__ import annotations

from pathlib import Path

from tfprov.envs.generations import Environment
from tfprov.envs.records import Owner
from tfprov.pipeline.named import one_of
from told import refusal


def test_of_several_with_one_name_each_is_shown(tmp_path: Path) -> None:
    both = [
        Environment(tmp_path / f"train-{each}", owner=Owner(name="train", profile=f"/{each}/train.toml"))
        for each in ("1", "2")
    ]
    assert refusal(lambda: one_of("train", both)) == (
        *("environment-missing", "several environments are called `train`"),
        *("train-1: /1/train.toml", "train-2: /2/train.toml", "name one by its id or its profile"),
    )
    assert one_of("train", both[:1]) is both[0]
