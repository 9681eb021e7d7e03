"""Reads pixi's tables, in `pixi.toml` or under `[tool.pixi]`: conda packages, and packages from an index."""

from __future__ import annotations

from collections.abc import Mapping

from tfprov.wants.basket import Basket
from tfprov.wants.poetry import requirement
from tfprov.wants.records import ProjectParts
from tfprov.wants.tables import Table, table, texts


def read(document: Table, basket: Basket, parts: ProjectParts) -> None:
    """Add what a pixi workspace requests to the basket.

    Args:
        document: the table of pixi, `pyproject.pixi_of`.
        basket: collects it.
        parts: the groups in it are pixi features; unknown ones are ignored.
    """
    basket.channels((*texts(document, "project", "channels"), *texts(document, "workspace", "channels")))
    features = table(document, "feature")
    for where, part in (("pixi", document), *((f"pixi.feature.{name}", features.get(name)) for name in parts.groups)):
        for name, value in table(part, "dependencies").items():
            version = value.get("version", "*") if isinstance(value, Mapping) else value
            basket.conda(f"{name} {version}", basket.place(f"{where}.dependencies.{name}"))
        for name, value in table(part, "pypi-dependencies").items():
            place = basket.place(f"{where}.pypi-dependencies.{name}")
            entry = value if isinstance(value, Mapping) else {"version": value}
            version = str(entry.get("version", "*"))
            try:
                basket.want(requirement(name, entry, "" if version == "*" else version), place)
            except ValueError as error:
                basket.problem(place, str(error))
