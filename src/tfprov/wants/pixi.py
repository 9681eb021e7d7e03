"""Reads pixi's tables, in `pixi.toml` or under `[tool.pixi]`: conda packages, and packages from an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tfprov.structured import texts_of
from tfprov.wants.basket import Basket
from tfprov.wants.poetry import requirement
from tfprov.wants.records import ProjectParts, System
from tfprov.wants.tables import Choices, Table, is_tensorflow, put_choices, table, tell_unchosen, text_of, texts

_LEFT_OUT = ("system-requirements", "activation", "host-dependencies", "build-dependencies")
_CHOICES = Choices(no_binary=("no-binary",), only_binary=("no-build",), prereleases={"prerelease-mode": "allow"})
_FIELDS = ("build", "build-number", "channel", "subdir", "md5", "sha256", "url")


def read(document: Table, basket: Basket, parts: ProjectParts) -> None:
    """Add what a pixi workspace requests to the basket.

    Args:
        document: the table of pixi, `pyproject.pixi_of`.
        basket: collects it.
        parts: the groups in it are pixi features or environments, which consist of features; unknown ones are ignored.
    """
    basket.channels((*texts(document, "project", "channels"), *texts(document, "workspace", "channels")))
    features = table(document, "feature")
    chosen = dict.fromkeys(feature for name in parts.groups for feature in _features(document, name))
    for where, part in (("pixi", document), *((f"pixi.feature.{name}", features.get(name)) for name in chosen)):
        _read(table(part), where, basket)
        for selector, of_platform in table(part, "target").items():
            if _is_for(basket.origin.system, selector):
                _read(table(of_platform), f"{where}.target.{selector}", basket)
    of_features = {
        name: (*table(features, name, "dependencies"), *table(features, name, "pypi-dependencies")) for name in features
    }
    if not any(is_tensorflow(want.text.split(" ")[0]) for want in basket.wants.conda):
        tell_unchosen(basket, "group", of_features)


def has_group(document: Table, name: str) -> bool:
    """Whether a pixi workspace has a feature or an environment of that name."""
    return bool(_features(document, name))


def _features(document: Table, name: str) -> tuple[str, ...]:
    """The features that a name stands for: that of the same name, else those of the environment."""
    if name in table(document, "feature"):
        return (name,)
    environment = table(document, "environments").get(name)
    return texts(environment, "features") if isinstance(environment, Mapping) else texts_of(environment)


def _options(part: Table, where: str, basket: Basket) -> None:
    """Add the indexes in `pypi-options` to the basket, and a note on tables that have no effect."""
    options = table(part, "pypi-options")
    place = basket.place(f"{where}.pypi-options")
    if isinstance(url := options.get("index-url"), str):
        basket.address("index", url, place)
    for url in texts(options, "extra-index-urls"):
        basket.address("extra", url, place)
    links = options.get("find-links")
    for link in links if isinstance(links, Sequence) else ():
        if isinstance(text := table(link).get("url") or table(link).get("path"), str):
            basket.address("find-links", text, place)
    put_choices(basket, place, options, _CHOICES)
    if left := [f"`{key}`" for key in _LEFT_OUT if table(part, key)]:
        words = "left out; `[environment] variables` sets variables, and tfprov finds out about the machine itself"
        basket.note(basket.place(where), f"{', '.join(left)} of pixi: {words}")


def _read(part: Table, where: str, basket: Basket) -> None:
    _options(part, where, basket)
    for name, value in table(part, "dependencies").items():
        place = basket.place(f"{where}.dependencies.{name}")
        entry = value if isinstance(value, Mapping) else {"version": value}
        if elsewhere := [key for key in ("git", "path") if key in entry]:
            basket.problem(place, f"it comes from a `{elsewhere[0]}`, and conda packages are not built here")
            continue
        fields = [f"{key.replace('-', '_')}='{entry[key]}'" for key in _FIELDS if key in entry]
        version = text_of(entry, "version", place, basket) or "*"
        inside = ",".join((f"version='{version}'", *fields))
        basket.conda(f"{name}[{inside}]" if fields else f"{name} {version}", place)
    for name, value in table(part, "pypi-dependencies").items():
        place = basket.place(f"{where}.pypi-dependencies.{name}")
        entry = value if isinstance(value, Mapping) else {"version": value}
        version = text_of(entry, "version", place, basket)
        if isinstance(index := entry.get("index"), str):
            basket.address("only", index, place, name)
        try:
            asked = requirement(name, entry, "" if version == "*" else version)
            basket.want(asked, place, as_link=entry.get("editable") is True)
        except ValueError as error:
            basket.problem(place, str(error))


def _is_for(system: System, selector: str) -> bool:
    """Whether a table of `target` is for a system: `linux-64`, `linux`, or `unix` for all but Windows."""
    name = system.conda_name
    return name == selector or name.startswith(f"{selector}-") or (selector == "unix" and not name.startswith("win-"))
