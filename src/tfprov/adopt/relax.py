"""Asks for less when an environment's old versions are not available any more, step by step and with reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from packaging.utils import canonicalize_name

from tfprov.adopt.asked import loosen
from tfprov.adopt.records import Ask, Asked, VersionChange
from tfprov.errors import CODES, Group, TfprovError
from tfprov.structured import minor_of

_WORD = re.compile(r"[a-z0-9]+(?:[-_.]+[a-z0-9]+)*")
# Problems of the machine, the network or tfprov itself: no other version helps.
_HOPELESS = frozenset({Group.BUG, Group.NETWORK, Group.ARTIFACT, Group.MACHINE, Group.INTERRUPTED, Group.GPU})
_EXACT = re.compile(r"==(\d+\.\d+)(?:\.\d+)*(?:(?:rc|a|b)\d+)?")
_MINOR = re.compile(r"==(\d+\.\d+)\.\*")
_UNAVAILABLE = frozenset({"version-not-available", "sdist-build-failed", "build-failed", "build-tool-missing"})
_UNKNOWN = frozenset({"package-name-wrong", "profile-invalid"})
_ABOUT_PYTHON = frozenset({"python-not-found", "python-unsupported", "python-broken", "python-32bit"})


def relaxed(wanted: Asked, error: TfprovError) -> Asked | None:
    """The next weaker request after a failure; None if asking for less cannot help.

    First the requirements that the failure names are loosened, then all pins of packages, then the exact TensorFlow
    release, then Python.
    """
    code = error.code.name
    if error.code.group in _HOPELESS or (error.code.group is Group.USAGE and code not in _UNKNOWN):
        return None
    return next(_smaller(wanted, code, _named(error, wanted.packages), _why(error)), None)


def _smaller(wanted: Asked, code: str, named: tuple[str, ...], why: str) -> Iterator[Asked]:
    """Weaker requests to try, those that change least first."""
    if own := tuple(one.name for one in wanted.packages if one.is_carried and one.name in named):
        yield _without(wanted, own, why)
        return
    if code in _UNKNOWN:
        if named:
            yield _without(wanted, named, why)
        return
    if code in _ABOUT_PYTHON and wanted.python:
        yield _reasoned(replace(wanted, python=""), "python", why)
    pinned = tuple(one.name for one in wanted.packages if one.is_pinned and not one.text)
    if blamed := tuple(name for name in named if name in pinned) or pinned:
        yield loosen(wanted, blamed, why)
    # A package from an address that cannot be imported is no better from an index.
    fixed = tuple(one for one in wanted.packages if one.text and one.name in named)
    if fixed and CODES[code].group is Group.RESOLVE:
        yield loosen(replace(wanted, packages=_by_name(wanted.packages, fixed)), [one.name for one in fixed], why)
    if exact := _EXACT.fullmatch(wanted.tensorflow):
        yield _reasoned(replace(wanted, tensorflow=f"=={exact[1]}.*"), "tensorflow", why)
    if wanted.python:
        yield _reasoned(replace(wanted, python=""), "python", why)
    # Packages that are not available at all are left out before TensorFlow itself changes.
    if named and code in _UNAVAILABLE:
        yield _without(wanted, named, why)
    if minor := _MINOR.fullmatch(wanted.tensorflow):
        yield _reasoned(replace(wanted, tensorflow=f">={minor[1]}"), "tensorflow", why)


def changes(
    wanted: Asked, before: dict[str, str], after: dict[str, str], *, python: tuple[str, str], known: dict[str, str]
) -> tuple[VersionChange, ...]:
    """The differences between the versions that were found and those that are locked, with reasons.

    Args:
        wanted: the request that was resolved in the end.
        before: versions that were found, by normalised name.
        after: versions that are locked.
        python: full Python versions, found and chosen; the former may be a minor version, or empty.
        known: further reasons beside those of `wanted`, by normalised name.
    """
    reasons = {**known, **dict(wanted.reasons)}
    found = []
    was, now = python
    if was and not (now + ".").startswith(was + "."):
        same_minor = minor_of(was) == minor_of(now)
        why = (
            "the one on this machine"
            if same_minor
            else reasons.get("python", "the release has no wheel for the old one")
        )
        found.append(VersionChange(what="Python", before=was, after=now, why=why))
    asked = {one.name for one in wanted.packages}
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new or (old and new and old.partition("+")[0] == new):
            continue
        if new is None:
            why = "no requested package requires it"
        elif old is None:
            why = "a requested package requires it"
        elif name in asked:
            why = "its old version is incompatible with the rest"
        else:
            why = "its old version is incompatible with packages that require it"
        found.append(VersionChange(what=name, before=old, after=new, why=reasons.get(name, why)))
    return tuple(found)


def _by_name(packages: Sequence[Ask], fixed: Sequence[Ask]) -> tuple[Ask, ...]:
    """The packages, some of them without their addresses."""
    return tuple(replace(one, text="", is_pinned=False) if one in fixed else one for one in packages)


def _without(wanted: Asked, names: Sequence[str], why: str) -> Asked:
    kept = tuple(one for one in wanted.packages if one.name not in names)
    if len(kept) == len(wanted.packages):
        return wanted
    for name in names:
        wanted = _reasoned(wanted, name, f"it is left out: {why}")
    return replace(wanted, packages=kept)


def _reasoned(wanted: Asked, name: str, why: str) -> Asked:
    reasons = dict(wanted.reasons)
    reasons.setdefault(name, why)
    return replace(wanted, reasons=tuple(reasons.items()))


def _named(error: TfprovError, packages: Sequence[Ask]) -> tuple[str, ...]:
    """The packages that the text of a failure names, in their own order."""
    said = "\n".join((error.what, *error.evidence)).lower()
    words = {canonicalize_name(word) for word in _WORD.findall(said)}
    words |= {canonicalize_name(part) for word in words for part in re.split(r"[=<>~!]", word)}
    return tuple(one.name for one in packages if one.name in words)


def _why(error: TfprovError) -> str:
    lines = [line.strip() for text in error.evidence for line in text.splitlines() if line.strip()]
    return f"{error.what}: {lines[0]}" if lines else error.what
