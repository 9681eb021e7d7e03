"""Finds dependency files that are used only if somebody names them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfprov.contents import content_of
from tfprov.distributions import TENSORFLOWS
from tfprov.words import quoted

if TYPE_CHECKING:
    from tfprov.wants.records import Want, Wants

_LISTS = r"[^/]*(?:requirement|reqs?\b|(?<![a-z])dep(?:s|endencies)\b)[^/]*\.(?:txt|in|pip|ya?ml)"
_LOCKS = r"pylock[^/]*\.toml|uv\.lock|poetry\.lock|pdm\.lock|pipfile\.lock"
_CONDA = r"[^/]*(?:env|conda)[^/]*\.ya?ml"
_OWN = r"pyproject\.toml|pipfile|pixi\.toml|setup\.(?:py|cfg)"
_DOCKER = r"[^/]*dockerfile[^/]*"
_OF_COMMANDS = rf"{_DOCKER}|[^/]*\.ipynb"
_SCRIPTS = r"(?:readme|install|setup)[^/]*\.(?:md|rst)|[^/]*\.(?:sh|bat|cmd|ps1)"
_CI = r"\.github/workflows/[^/]*\.ya?ml|\.gitlab-ci\.yml"

# The likeliest first. What is further from the project must ask for TensorFlow to count.
_HERE = tuple(re.compile(each, re.IGNORECASE) for each in (_LISTS, r"requirements/[^/]*\.(?:txt|in)", _LOCKS, _CONDA))
_BELOW = rf"[^/]+/(?:{_LISTS}|{_CONDA}|{_OWN}|{_LOCKS})"
_FAR = tuple(re.compile(each, re.IGNORECASE) for each in (_OF_COMMANDS, _BELOW, _SCRIPTS, _CI))
_OF_A_PROFILE = re.compile(r"(?P<folder>(?:.*/)?)pylock\.(?P<profile>[^/]+\.toml)")
# An environment of conda is often called like the project, as are the settings of many other tools.
_YAML = re.compile(r"[^/]*\.ya?ml", re.IGNORECASE)
_IS_CONDA = re.compile(rb"(?m)^dependencies:\s*$")
_MOST = 5
_MOST_NAMES = 5000
_MOST_READ = 40
_MOST_OTHERS = 10


def lists_under_other_names(folder: Path) -> tuple[str, ...]:
    """Files that list dependencies, but under a name that does not say for which purpose; the likeliest first.

    Args:
        folder: of the project; the paths are relative to it.

    Raises:
        OSError: the folder cannot be read.
    """
    names = sorted(_names(folder))
    # A lock beside the profile that it was made from is no list of its own.
    names = [name for name in names if not _is_of_a_profile(folder, name)]
    here = [name for pattern in _HERE for name in names if pattern.fullmatch(name)]
    here += [name for name in names if _YAML.fullmatch(name) and _is_of_conda(folder / name)]
    far = [name for pattern in _FAR for name in names if pattern.fullmatch(name)]
    asking = [(name, _asks(folder / name)) for name in dict.fromkeys([*here, *far][:_MOST_READ])]
    found = [name for name, asks in asking if asks == "tensorflow" or (asks and name in here)]
    return tuple(found[:_MOST])


def notes_on(path: Path, wants: Wants, *, stands_in: bool) -> tuple[str, ...]:
    """The notes on a list that is taken for a profile: how to get one, and which lists beside it say something else.

    Args:
        path: of the list.
        wants: what it requests.
        stands_in: whether it stands in for the profile of its folder; the others do not matter if it was named.
    """
    taken = f"`{path.name}` is taken for a profile; `tfprov init` writes one"
    others = _that_ask_otherwise(path, wants) if stands_in else ()
    if not others:
        return (taken,)
    first = quoted(others[0].split("`")[1])
    return (
        taken,
        f"also here, and not read: {', '.join(others)}; name the one that counts, as in `tfprov up {first}`",
    )


def _that_ask_otherwise(path: Path, wants: Wants) -> tuple[str, ...]:
    """The other lists in a folder that ask for another TensorFlow, each with what it asks for; the likeliest first."""
    from tfprov.wants.as_wheels import as_wheels
    from tfprov.wants.recognise import read
    from tfprov.wants.records import ProjectParts

    asked = _bounds(wants)
    found = []
    for name in _others(path):
        try:
            other = as_wheels(read((path.parent / name,), path.parent, ProjectParts()))
        except OSError:
            continue
        texts = [text for text, bounds in _bounds(other).items() if not _is_met(bounds, asked.values())]
        if texts:
            found.append(f"`{name}` (`{texts[0]}`)")
        elif not _asks_for_tensorflow(wants) and any(folder.kind == "dependencies" for folder in other.folders):
            found.append(f"`{name}` (made by a program)")
    return tuple(found[:_MOST])


def _others(path: Path) -> tuple[str, ...]:
    """The names of the other lists in the folder of a file, without locks and without what only runs commands."""
    names = sorted(each.name for each in islice(path.parent.iterdir(), _MOST_NAMES) if each.is_file())
    patterns = (re.compile(each, re.IGNORECASE) for each in (_OWN, _LISTS, _CONDA, _DOCKER))
    found = [name for pattern in patterns for name in names if pattern.fullmatch(name)]
    found += [name for name in names if _YAML.fullmatch(name) and _is_of_conda(path.with_name(name))]
    return tuple(name for name in dict.fromkeys(found) if name != path.name)[:_MOST_OTHERS]


def _is_of_conda(path: Path) -> bool:
    try:
        return _IS_CONDA.search(content_of(path)) is not None
    except OSError:
        return False


def _bounds(wants: Wants) -> dict[str, SpecifierSet]:
    """The versions of TensorFlow that are asked for, by the requirement; without those that any version meets."""
    asked = _tensorflows((*wants.requirements, *wants.constraints))
    return {f"{one.name}{one.specifier}": one.specifier for one in asked if one.specifier}


def _tensorflows(wants: Iterable[Want]) -> Iterator[Requirement]:
    """The requirements on TensorFlow, under any of its names; conda's own names need not be those of an index."""
    for want in wants:
        with contextlib.suppress(ValueError):
            requirement = Requirement(want.text)
            if canonicalize_name(requirement.name) in TENSORFLOWS:
                yield requirement


def _asks_for_tensorflow(wants: Wants) -> bool:
    return any(True for _ in _tensorflows(wants.requirements))


def _is_met(bounds: SpecifierSet, asked: Iterable[SpecifierSet]) -> bool:
    """Whether one of the ranges that are asked for is the same, or a version within it."""
    for each in asked:
        pins = [one.version for one in each if one.operator == "==" and "*" not in one.version]
        if each == bounds or any(bounds.contains(pin, prereleases=True) for pin in pins):
            return True
    return False


def _is_of_a_profile(folder: Path, name: str) -> bool:
    found = _OF_A_PROFILE.fullmatch(name)
    return found is not None and (folder / f"{found['folder']}{found['profile']}").is_file()


def _names(folder: Path) -> Iterator[str]:
    """The files in a folder and in those directly in it, and those of its GitHub workflows."""
    paths = chain.from_iterable(folder.glob(each) for each in (".github/workflows/*", "*", "*/*"))
    for path in islice(paths, _MOST_NAMES):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _asks(path: Path) -> str:
    """`tensorflow` if a file asks for it, `something` if it asks for other packages, otherwise nothing."""
    from tfprov.wants.recognise import read
    from tfprov.wants.records import ProjectParts

    try:
        wants = read((path,), path.parent, ProjectParts())
    except OSError:
        return ""
    asked = [want.text for want in (*wants.requirements, *wants.conda)]
    names = {canonicalize_name(re.split(r"[^\w.-]", text.rpartition("::")[2], maxsplit=1)[0]) for text in asked}
    return "tensorflow" if names & TENSORFLOWS.keys() else "something" if names else ""
