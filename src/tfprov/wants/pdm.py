"""Reads what PDM and Rye keep in tables of their own besides groups: sources, overrides, exclusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from packaging.requirements import Requirement

from tfprov.wants.basket import Basket
from tfprov.wants.tables import Choices, Table, put_choices, table, text_of, texts, with_source

_READ = frozenset({"allow-prereleases", "excludes", "overrides"})
_CHOICES = Choices(prereleases={"allow-prereleases": True})
_REPLACES = frozenset({"pypi", "default"})
"""Names of sources that replace the public index: PDM's and Rye's."""


def read(document: Table, basket: Basket) -> None:
    """Add the sources, overrides and exclusions of PDM and Rye to the basket, and a note on settings left out."""
    for key, tool in (("tool.pdm.source", "pdm"), ("tool.rye.sources", "rye")):
        found = table(document, "tool", tool).get(key.rpartition(".")[2])
        for source in found if isinstance(found, Sequence) else ():
            if isinstance(source, Mapping) and isinstance(url := source.get("url"), str):
                is_page = source.get("type") in ("find_links", "find-links")
                is_main = source.get("name") in _REPLACES
                basket.address("find-links" if is_page else "index" if is_main else "extra", url, basket.place(key))
                _for_projects(source, url, basket.place(key), basket)
    resolution = table(document, "tool", "pdm", "resolution")
    where = basket.place("tool.pdm.resolution")
    put_choices(basket, where, resolution, _CHOICES)
    for name, value in table(resolution, "overrides").items():
        place = basket.place(f"tool.pdm.resolution.overrides.{name}")
        entry = value if isinstance(value, Mapping) else {"version": value}
        basket.want(_override(name, entry, text_of(entry, "version", place, basket)), place, part="overrides")
    basket.exclude(texts(resolution, "excludes"), where)
    basket.exclude(texts(document, "tool", "rye", "excluded-dependencies"), basket.place("tool.rye"))
    if left := [f"`{name}`" for name in resolution if name not in _READ]:
        basket.note(where, f"{', '.join(left)} of PDM: left out, tfprov has settings of its own")


def _for_projects(source: Table, url: str, where: str, basket: Basket) -> None:
    """Add the projects that must come from a source to the basket; a note tells which patterns have no effect."""
    patterns = texts(source, "include_packages")
    for pattern in patterns:
        if "*" not in pattern:
            basket.address("only", url, where, pattern)
    left = [f"`{each}`" for each in (*(each for each in patterns if "*" in each), *texts(source, "exclude_packages"))]
    if left:
        basket.note(where, f"{', '.join(left)}: left out; name single projects in `index.only`")


def _override(name: str, entry: Table, version: str) -> str:
    """The requirement of an override; `version` is a version, a range or an address."""
    if "://" in version:
        return f"{name} @ {version}"
    text = version.strip()
    bounds = f"=={text}" if text[:1].isdigit() else "" if text == "*" else text
    return with_source(Requirement(f"{name}{bounds}"), entry)
