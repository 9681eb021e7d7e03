"""Profiles in a folder: written, and read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.profile.load import load


def write(folder: Path, text: str | bytes, name: str = "train.toml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def report(path: Path, *overrides: str) -> list[str]:
    """Head, evidence and hint of the refusal, with the folder shown as DIR."""
    with pytest.raises(TfprovError) as failure:
        load(path, overrides=overrides)
    error = failure.value
    lines = [f"{error.code.name}: {error.what}", *error.evidence, f"hint: {error.hint}"]
    return [line.replace(f"{path.parent}{os.sep}", "DIR/").replace(str(path.parent), "DIR") for line in lines]


def digest(path: Path, *overrides: str) -> str:
    return load(path, overrides=overrides).digest
