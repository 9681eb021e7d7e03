"""Reads lock files of other tools.

tfprov resolves again, for this machine and with the bounds that its table has for TensorFlow. The locked release of
TensorFlow is kept, and the other versions where they fit. If the project file is beside its lock, the requirements come
from that file; from a lock alone, every package in it is a requirement.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.default_index import is_default
from tfprov.distributions import kind_of
from tfprov.index_address import readable
from tfprov.structured import json_of, toml_of
from tfprov.wants.basket import Basket, Part
from tfprov.wants.records import Want, Wants
from tfprov.wants.tables import Table, is_tensorflow, table, texts, with_source

_LISTS = {
    **dict.fromkeys(("uv-lock", "poetry-lock", "conda-lock"), ("package",)),
    "pylock": ("packages",),
    "pipfile-lock": ("default", "develop"),
}
"""Where each format has its packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pin:
    """One locked package.

    Attributes:
        marker: empty when it is installed everywhere.
        place: address or path that it is installed from; empty for an index.
    """

    name: str
    version: str
    marker: str = ""
    place: str = ""


def read(kind: str, text: str, basket: Basket, part: Part) -> None:
    """Add the packages in a lock to the basket.

    Args:
        kind: format of the lock: `uv-lock`, `poetry-lock`, `pylock`, `pipfile-lock` or `conda-lock`.
        text: content of the lock.
        basket: collects them.
        part: what the main dependencies of the project are added as; optional and development dependencies, where the
            format tells them apart, are constraints or left out.
    """
    try:
        if kind == "pipfile-lock":
            document = json_of(text)
        elif kind == "conda-lock":
            document = _yaml(text)
        else:
            document = toml_of(text)
    except ValueError as error:
        basket.problem(basket.name, f"it cannot be read: {' '.join(str(error).split())}")
        return
    lists = (table(document).get(key) for key in _LISTS[kind])
    if not any(isinstance(each, Mapping if kind == "pipfile-lock" else list) for each in lists):
        shown = " or ".join(f"`{key}`" for key in _LISTS[kind])
        basket.problem(basket.name, f"nothing in it says what is needed: it has no list {shown}")
        return
    {
        "uv-lock": _uv,
        "poetry-lock": _poetry,
        "pylock": _pylock,
        "pipfile-lock": _pipfile,
        "conda-lock": _conda,
    }[kind](document, basket, part)
    basket.note(basket.name, "its versions are kept where they fit, its TensorFlow in any case: tfprov resolves again")


def _yaml(text: str) -> Any:
    """Parse a YAML document.

    Raises:
        ValueError: it is not YAML.
    """
    import yaml  # late, because the other formats need not wait for it

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def that_fit(lock: Wants, project: Wants) -> Wants:
    """What a lock asks for, without the TensorFlow in it if the project beside it now asks for another release.

    Args:
        lock: what it asks for.
        project: what the file beside it asks for.
    """
    asked = [want for want in project.requirements if is_tensorflow(want.text) and not Requirement(want.text).marker]

    def other(pin: Want) -> Want | None:
        """The requirement of the project that excludes a locked TensorFlow; None for any other pin."""
        if not is_tensorflow(pin.text):
            return None
        version = str(Requirement(pin.text).specifier).removeprefix("==")
        return next((want for want in asked if not Requirement(want.text).specifier.contains(version, True)), None)

    left = {pin: want for pin in lock.constraints if (want := other(pin)) is not None}
    notes = (
        f"{pin.where}: `{pin.text}` is left out: {want.where} asks for `{want.text}`, so the lock is out of date"
        for pin, want in left.items()
    )
    constraints = tuple(pin for pin in lock.constraints if pin not in left)
    return replace(lock, constraints=constraints, notes=(*lock.notes, *notes))


def _uv(document: Table, basket: Basket, part: Part) -> None:
    _bound(document.get("requires-python"), basket)
    # The project itself and the members of its workspace have no registry.
    own = ("virtual", "editable", "directory")
    locked = [one for one in _packages(document) if not any(kind in table(one, "source") for kind in own)]
    found = [str(table(one, "source").get("registry", "")) for one in locked]
    addresses = [url for url in dict.fromkeys(found) if re.match(r"https?://", url)]
    registries = [url for url in addresses if not (readable(url) and is_default(url))]
    is_alone = len({url for url in found if url}) == 1
    for url in registries:
        basket.address("index" if is_alone else "extra", url, basket.name)
    _put([replace(_pin(one), place=_place_of_uv(table(one, "source"))) for one in locked], basket, part)


def _place_of_uv(source: Table) -> str:
    place = with_source(Requirement("x"), source).partition(" @ ")[2]
    if "git" not in source:
        return place
    # `https://host/x.git?subdirectory=libs/x&rev=main#0123abc`, where the fragment is the commit.
    address, _, commit = place.partition("#")
    address, _, query = address.partition("?")
    folder = dict(parse_qsl(query)).get("subdirectory")
    return address + (f"@{commit}" if commit else "") + (f"#subdirectory={folder}" if folder else "")


def _place_of_poetry(source: Table) -> str:
    url, kind = str(source.get("url", "")), source.get("type")
    folder = {"subdirectory": source["subdirectory"]} if "subdirectory" in source else {}
    if kind == "git":
        found: Table = {"git": url, "rev": source.get("resolved_reference") or source.get("reference"), **folder}
    elif kind == "url":
        found = {"url": url, **folder}
    else:
        found = {"path": f"./{url}"} if kind in ("file", "directory") else {}
    return with_source(Requirement("x"), found).partition(" @ ")[2]


def _poetry(document: Table, basket: Basket, part: Part) -> None:
    _bound(table(document, "metadata").get("python-versions"), basket)
    main: list[_Pin] = []
    rest: list[_Pin] = []
    for package in _packages(document):
        groups = texts(package, "groups") or (str(package.get("category", "main")),)
        # PDM calls the group `default`, and the marker as it is called elsewhere.
        is_main = not {"main", "default"}.isdisjoint(groups) and package.get("optional") is not True
        pin = replace(
            _pin(package, "markers" if "markers" in package else "marker"),
            place=_place_of_poetry(table(package, "source")),
        )
        (main if is_main else rest).append(pin)
    _put(main, basket, part)
    _put(rest, basket, "constraints")


def _pylock(document: Table, basket: Basket, part: Part) -> None:
    _bound(document.get("requires-python"), basket)
    found = document.get("packages")
    for package in found if isinstance(found, list) else ():
        if "version" not in table(package):
            basket.problem(
                basket.place(f"packages.{table(package).get('name')}"),
                "it is locked without a version, from a repository or a folder, and tfprov installs wheels",
            )
    _put([_pin(one, "marker") for one in _packages(document, "packages")], basket, part)


def _pipfile(document: Table, basket: Basket, part: Part) -> None:
    sections: tuple[tuple[str, Part], ...] = (("default", part), ("develop", "constraints"))
    for section, into in sections:
        pins = []
        for name, entry in table(document, section).items():
            if "version" in table(entry):
                pins.append(_pin({"name": name, **table(entry)}, "markers"))
            elif into == part:
                basket.problem(
                    basket.place(f"{section}.{name}"),
                    "it is locked from a repository or a folder, and tfprov installs wheels",
                )
        _put(pins, basket, into)


def _conda(document: Table, basket: Basket, part: Part) -> None:
    channels = table(document, "metadata").get("channels")
    for one in channels if isinstance(channels, list) else ():
        basket.channels((str(table(one).get("url", one)),))
    pins = []
    locked = [one for one in _packages(document) if one.get("category", "main") == "main"]
    platforms = [one.get("platform") for one in locked]
    # It lists the packages of each platform by themselves.
    here = basket.origin.system.conda_name
    chosen = here if here in platforms else next(iter(platforms), None)
    for package in locked:
        if package.get("platform") != chosen:
            continue
        if package.get("manager") == "pip":
            pins.append(_pin(package))
        elif not str(package["name"]).startswith("_"):
            basket.conda(f"{package['name']}=={package['version']}", basket.place(f"package.{package['name']}"))
    _put(pins, basket, part)


def _pin(package: Table, marker: str = "") -> _Pin:
    """The pin of a locked package.

    Args:
        package: its table.
        marker: key of the marker in the table; empty for a format without one.
    """
    found = package.get(marker)
    return _Pin(
        name=str(package["name"]),
        version=str(package["version"]).removeprefix("=="),
        marker=found if isinstance(found, str) else "",
    )


def _bound(found: object, basket: Basket) -> None:
    if isinstance(found, str):
        from tfprov.wants.poetry import specifier

        try:
            basket.python(specifier(found), basket.name)
        except ValueError as error:
            basket.problem(basket.name, str(error))


def _packages(document: Table, key: str = "package") -> Iterator[Table]:
    found = table(document).get(key)
    for package in found if isinstance(found, Sequence) else ():
        if isinstance(package, Mapping) and "name" in package and "version" in package:
            yield package


def _put(pins: Iterable[_Pin], basket: Basket, part: Part) -> None:
    """Add locked packages: TensorFlow with its pin, all others with their version as a preference."""
    by_name: defaultdict[str, dict[_Pin, None]] = defaultdict(dict)
    for pin in pins:
        by_name[canonicalize_name(pin.name)][pin] = None
    for name, found in by_name.items():
        where = basket.place(name)
        if kind_of(name) == "part":
            # The wheel of the release depends on it, on the platforms that need it.
            continue
        if len(found) > 1 and not all(pin.marker for pin in found):
            versions = ", ".join(dict.fromkeys(pin.version for pin in found))
            basket.note(
                where, f"it is locked at {versions}, each for another platform or Python: none of them is preferred"
            )
            if part == "requirements":
                basket.want(name, where)
            continue
        for pin in found:
            marker = f" ; {pin.marker}" if pin.marker else ""
            if pin.place:
                # An index may have another project of that name.
                if part == "requirements":
                    basket.want(f"{pin.name} @ {pin.place}{marker}", where)
                continue
            if kind_of(name) is not None:
                basket.want(f"{pin.name}=={pin.version}{marker}", where, part=part)
                continue
            basket.prefer(name, pin.version, where)
            if part == "requirements":
                basket.want(f"{pin.name}{marker}", where)
