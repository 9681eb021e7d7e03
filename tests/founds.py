"""Environments that were read, without any files behind them."""

from __future__ import annotations

from pathlib import Path

from tfprov.adopt.records import Asked, ForeignEnvironment, FoundDistribution, FoundPython


def one(name: str, version: str, *requires: str, folder: Path = Path("/x"), **more: object) -> FoundDistribution:
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    return FoundDistribution(name=name, project=name, version=version, metadata=metadata, requires=requires, **more)  # type: ignore[arg-type]


def env(*distributions: FoundDistribution, root: Path = Path("/x/.venv"), **more: object) -> ForeignEnvironment:
    python = FoundPython(path=root / "bin" / "python", version="3.11.7", target=Path("/usr/bin/python3"))
    values: dict[str, object] = {"kind": "venv", "maker": "venv", "python": python, **more}
    return ForeignEnvironment(root=root, named=root, distributions=distributions, **values)  # type: ignore[arg-type]


def lines(wanted: Asked) -> list[str]:
    """The requirements of a profile, as they are written in it."""
    return [str(each) for each in wanted.packages]
