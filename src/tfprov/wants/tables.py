"""Access to the tables of a parsed document, and keys that several tools share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.distributions import Kind, kind_of
from tfprov.structured import texts_of
from tfprov.wants.basket import Basket

Table = Mapping[str, object]
MUST_BE_TEXT = "must be text: put it in quotes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a tool calls its choices between wheels, sources and pre-releases.

    Attributes:
        no_binary: keys of lists of projects to build.
        only_binary: keys of lists of projects not to build, or of a truth for all.
        prereleases: keys with the value that lets pre-releases count everywhere.
    """

    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    prereleases: Mapping[str, object]


_KINDS: tuple[Kind, ...] = get_args(Kind)
_NONE = len(_KINDS)


def table(document: object, *keys: str) -> Table:
    """The table under nested keys of a document; empty when there is none."""
    for key in keys:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document if isinstance(document, Mapping) else {}


def texts(document: object, *keys: str) -> tuple[str, ...]:
    """The strings in the list under nested keys of a document; empty when there is no list."""
    *tables, last = keys
    return texts_of(table(document, *tables).get(last))


def text_of(found: Table, key: str, where: str, basket: Basket) -> str:
    """The text under a key; empty where there is none. A value of another kind is a problem: `3.10` would be 3.1."""
    value = found.get(key, "")
    if isinstance(value, str):
        return value
    basket.problem(where, f"`{key}` {MUST_BE_TEXT}")
    return ""


def key_of(name: str, known: Iterable[str]) -> str | None:
    """The one of the known names that stands for an extra or a group, compared normalised; None when none does."""
    wanted = canonicalize_name(name)
    return next((one for one in known if canonicalize_name(one) == wanted), None)


def unknown(basket: Basket, where: str, kind: Literal["extra", "group"], name: str, known: Sequence[str]) -> None:
    """Add a problem: the project has no such extra or group. Suggests the closest of the known names."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"it has {', '.join(f'`{one}`' for one in known) or 'none'}"
    basket.problem(where, f"there is no {kind} `{name}`; {hint}")


def tell_unchosen(basket: Basket, kind: Literal["extra", "group"], parts: Mapping[str, Iterable[str]]) -> None:
    """Add a note on the extras or groups that ask for TensorFlow, if nothing that was read before does.

    Args:
        basket: contains what was chosen.
        kind: what the parts are.
        parts: the requirements of each, by name.
    """
    if any(is_tensorflow(want.text) for want in basket.wants.requirements):
        return
    ranks = {name: min((_rank(line) for line in lines), default=_NONE) for name, lines in parts.items()}
    if names := [name for name, rank in ranks.items() if rank < _NONE]:
        shown = ", ".join(f"`{name}`" for name in names)
        each = f"{kind} {shown} asks" if len(names) == 1 else f"{kind}s {shown} ask"
        best = min(names, key=lambda name: ranks[name])
        words = f'only its {each} for TensorFlow: `packages.{kind}s = ["{best}"]` includes what it needs'
        basket.note(basket.name, words)


def is_tensorflow(text: str) -> bool:
    """Whether a text is a requirement on TensorFlow, under any of its names."""
    return _rank(text) < _NONE


def _rank(text: str) -> int:
    """The place of a requirement's kind of TensorFlow in `Kind`, releases first; the last for any other text."""
    try:
        kind = kind_of(Requirement(text).name)
    except ValueError:
        return _NONE
    return _NONE if kind is None else _KINDS.index(kind)


def put_choices(basket: Basket, where: str, found: Table, keys: Choices) -> None:
    """Add the choices of a tool between wheels, sources and pre-releases to the basket.

    Args:
        basket: collects them.
        where: the place of the table.
        found: the settings of the tool.
        keys: what the tool calls them.
    """
    for key in keys.no_binary:
        for name in texts_of(found.get(key)):
            _refuse(basket, where, basket.binaries.add("--no-binary", name, where, said=key))
    for key in keys.only_binary:
        for name in (":all:",) if found.get(key) is True else texts_of(found.get(key)):
            _refuse(basket, where, basket.binaries.add("--only-binary", name, where, said=key))
    for key, value in keys.prereleases.items():
        if found.get(key) == value:
            basket.binaries.prereleases[where] = key


def _refuse(basket: Basket, where: str, words: Iterable[str]) -> None:
    for each in words:
        basket.problem(where, each)


def with_source(requirement: Requirement, source: Table) -> str:
    """A requirement with the address or path in a table's `git`, `url`, `path` or `file`; unchanged without any."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    place = source.get("url") or source.get("file") or source.get("path")
    if isinstance(git := source.get("git"), str):
        ref = source.get("rev") or source.get("tag") or source.get("branch") or source.get("ref")
        place = f"git+{git}" + (f"@{ref}" if ref else "")
    if place and isinstance(folder := source.get("subdirectory"), str):
        place = f"{place}{'&' if '#' in str(place) else '#'}subdirectory={folder}"
    return f"{requirement.name}{extras} @ {place}{marker}" if place else str(requirement)
