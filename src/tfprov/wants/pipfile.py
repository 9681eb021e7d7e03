"""Reads `Pipfile`, the project file of pipenv. Its dev-packages are the group `dev`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from packaging.utils import canonicalize_name

from tfprov.wants.basket import Basket
from tfprov.wants.poetry import requirement
from tfprov.wants.records import ProjectParts
from tfprov.wants.tables import Choices, Table, key_of, put_choices, table, text_of, unknown

_UNNAMED = re.compile(r"[0-9a-f]{7}")
_CHOICES = Choices(prereleases={"allow_prereleases": True})
_OWN = frozenset({"packages", "source", "requires", "scripts", "pipenv"})


def read(document: Table, basket: Basket, parts: ProjectParts) -> None:
    """Add what a Pipfile requests to the basket; arguments as in `pyproject.read`."""
    name = basket.name
    groups = {"dev" if key == "dev-packages" else key: key for key in document if key not in _OWN}
    _put(table(document, "packages"), "packages", basket)
    for group in parts.groups:
        if (key := key_of(group, groups)) is not None:
            _put(table(document, groups[key]), groups[key], basket)
        else:
            unknown(basket, name, "group", group, tuple(groups))
    put_choices(basket, basket.place("pipenv"), table(document, "pipenv"), _CHOICES)
    requires = table(document, "requires")
    for key, end in (("python_version", ".*"), ("python_full_version", "")):
        where = f"{name}: requires.{key}"
        if (version := text_of(requires, key, where, basket)) not in ("", "*", "3"):
            basket.python(f"=={version}{end}", where)
    _read_sources(document, groups.values(), basket)


def _read_sources(document: Table, groups: Iterable[str], basket: Basket) -> None:
    """Add the sources, and the packages that must come from one of them, to the basket.

    As in pipenv, a source that packages name serves these only; the first one serves all others.
    """
    where = basket.place("source")
    found = document.get("source")
    sources = [each for each in found if isinstance(each, Mapping)] if isinstance(found, Sequence) else []
    urls = {str(each.get("name")): str(each["url"]) for each in sources if isinstance(each.get("url"), str)}
    entries = [entry for key in ("packages", *groups) for entry in table(document, key).items()]
    named = {package: str(table(entry).get("index")) for package, entry in entries if "index" in table(entry)}
    for number, source in enumerate(sources):
        if isinstance(url := source.get("url"), str) and not (number and source.get("name") in named.values()):
            basket.address("extra" if number else "index", url, where)
    for package, index in named.items():
        if index in urls:
            basket.address("only", urls[index], where, package)


def _put(found: Table, key: str, basket: Basket) -> None:
    for name, value in found.items():
        where = basket.place(f"{key}.{canonicalize_name(name)}")
        entry = {"version": value} if isinstance(value, str) else value
        if not isinstance(entry, Mapping):
            basket.problem(where, "it is neither a range of versions nor a table")
            continue
        place = entry.get("path") or (f"git+{entry['git']}" if isinstance(entry.get("git"), str) else None)
        if _UNNAMED.fullmatch(name) and isinstance(place, str):
            # pipenv names a package that was added without a name by the first digits of a hash.
            ref = f"@{entry['ref']}" if "git" in entry and "ref" in entry else ""
            if entry.get("editable") is True and "path" in entry:
                basket.editable(place, where)
            else:
                basket.want(f"{place if 'git' in entry else f'./{place}'}{ref}", where)
            continue
        version = text_of(entry, "version", where, basket).strip()
        try:
            bounds = "" if version in ("", "*") else version if version.startswith(tuple("<>=!~")) else f"=={version}"
            basket.want(requirement(name, entry, bounds), where, as_link=entry.get("editable") is True)
        except ValueError as error:
            basket.problem(where, str(error))
