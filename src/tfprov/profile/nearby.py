"""Finds dependency files that are used only if somebody names them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from packaging.utils import canonicalize_name

from tfprov.distributions import TENSORFLOWS

_LISTS = r"[^/]*(?:requirement|reqs?\b|(?<![a-z])dep(?:s|endencies)\b)[^/]*\.(?:txt|in|pip|ya?ml)"
_LOCKS = r"pylock[^/]*\.toml|uv\.lock|poetry\.lock|pdm\.lock|pipfile\.lock"
_CONDA = r"[^/]*(?:env|conda)[^/]*\.ya?ml"
_OWN = r"pyproject\.toml|pipfile|pixi\.toml|setup\.(?:py|cfg)"
_OF_COMMANDS = r"[^/]*dockerfile[^/]*|[^/]*\.ipynb"
_SCRIPTS = r"(?:readme|install|setup)[^/]*\.(?:md|rst)|[^/]*\.(?:sh|bat|cmd|ps1)"
_CI = r"\.github/workflows/[^/]*\.ya?ml|\.gitlab-ci\.yml"

# The likeliest first. What is further from the project must ask for TensorFlow to count.
_HERE = tuple(re.compile(each, re.IGNORECASE) for each in (_LISTS, r"requirements/[^/]*\.(?:txt|in)", _LOCKS, _CONDA))
_BELOW = rf"[^/]+/(?:{_LISTS}|{_CONDA}|{_OWN}|{_LOCKS})"
_FAR = tuple(re.compile(each, re.IGNORECASE) for each in (_OF_COMMANDS, _BELOW, _SCRIPTS, _CI))
_OF_A_PROFILE = re.compile(r"(?P<folder>(?:.*/)?)pylock\.(?P<profile>[^/]+\.toml)")
_MOST = 5
_MOST_NAMES = 5000
_MOST_READ = 40


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
    far = [name for pattern in _FAR for name in names if pattern.fullmatch(name)]
    asking = [(name, _asks(folder / name)) for name in dict.fromkeys([*here, *far][:_MOST_READ])]
    found = [name for name, asks in asking if asks == "tensorflow" or (asks and name in here)]
    return tuple(found[:_MOST])


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
