"""Reads pixi's tables, in `pixi.toml` or under `[tool.pixi]`: conda packages, and packages from an index."""

from __future__ import annotations

from collections.abc import Mapping

from tfprov.wants.basket import Basket
from tfprov.wants.names import conda_platform
from tfprov.wants.poetry import requirement
from tfprov.wants.records import ProjectParts
from tfprov.wants.tables import Table, table, texts

_FIELDS = ("build", "build-number", "channel", "subdir", "md5", "sha256", "url")


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
        _read(table(part), where, basket)
        for selector, of_platform in table(part, "target").items():
            if _is_here(selector):
                _read(table(of_platform), f"{where}.target.{selector}", basket)


def _read(part: Table, where: str, basket: Basket) -> None:
    for name, value in table(part, "dependencies").items():
        place = basket.place(f"{where}.dependencies.{name}")
        entry = value if isinstance(value, Mapping) else {"version": value}
        if elsewhere := [key for key in ("git", "path") if key in entry]:
            basket.problem(place, f"it comes from a `{elsewhere[0]}`, and conda packages are not built here")
            continue
        fields = [f"{key.replace('-', '_')}='{entry[key]}'" for key in _FIELDS if key in entry]
        version = entry.get("version", "*")
        inside = ",".join((f"version='{version}'", *fields))
        basket.conda(f"{name}[{inside}]" if fields else f"{name} {version}", place)
    for name, value in table(part, "pypi-dependencies").items():
        place = basket.place(f"{where}.pypi-dependencies.{name}")
        entry = value if isinstance(value, Mapping) else {"version": value}
        version = str(entry.get("version", "*"))
        try:
            basket.want(requirement(name, entry, "" if version == "*" else version), place)
        except ValueError as error:
            basket.problem(place, str(error))


def _is_here(selector: str) -> bool:
    """Whether a table of `target` is for this platform: `linux-64`, `linux`, or `unix` for all but Windows."""
    here = conda_platform()
    return here == selector or here.startswith(f"{selector}-") or (selector == "unix" and not here.startswith("win-"))
