"""What somebody probably meant who wrote something that is not a requirement."""

from __future__ import annotations

import re

from packaging.requirements import Requirement

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\s*\[[^\]]*\])?"
_VERSION = r"v?\d[A-Za-z0-9.*+!_-]*"
_QUOTED = re.compile(r"^[\s\"'\u2018\u2019\u201c\u201d\[-]+|[\s\"'\u2018\u2019\u201c\u201d\],;]+$")
_STEPS = (
    (re.compile(r"^(?:[!%$]\s*)?(?:python3?\s+-m\s+)?(?:pip3?|conda|uv pip)\s+install\s+(?:-\w+\s+)*"), ""),
    (re.compile(r"^import\s+"), ""),
    (re.compile(r"[\u2010-\u2014\u2212]"), "-"),
    (re.compile(r"=\s*([<>])(?!=)"), r"\1="),  # => and =<
    (re.compile(r"([<>!~=])\s+="), r"\1="),  # > =
    (re.compile(rf"^({_NAME})\s*==?\s*\*$"), r"\1"),
    (re.compile(rf"^({_NAME})\s*=\s*({_VERSION})\*$"), r"\1==\2*"),
    (re.compile(rf"^({_NAME})\s*=\s*({_VERSION})(?:=[\w.*]+)?$"), r"\1==\2.*"),  # conda's numpy=1.26
    (re.compile(rf"^({_NAME})\s*(?:@|:|\s)\s*\^?({_VERSION})$"), r"\1==\2"),  # a space, npm's @, YAML's colon
    (re.compile(rf"^({_NAME})\s*\^({_VERSION})$"), r"\1>=\2"),
    (re.compile(rf"({_VERSION})\s*(?=[<>!~=]=?)"), r"\1,"),  # a<2>=1
    (re.compile(r"~=\s*(\d+)(?=\s*(?:,|$))"), r"~=\1.0"),
    (re.compile(r"(>=|<=|>|<|~=)(\s*\d[\d.]*?)\.\*"), r"\1\2"),
    (re.compile(r",\s*(?=,|$)"), ""),
)
_BARE_MARKER = re.compile(r"([<>=!]=?)\s*([\d.]+|linux|win32|darwin|Windows|Linux|Darwin)\b(?!['\"])")


def mended(text: str) -> str | None:
    """A requirement that is close to a text which is not one; None when none is known.

    What it gives is a requirement; whether such a package exists is not looked up.
    """
    asked, divider, marker = text.partition(";")
    asked = _QUOTED.sub("", asked)
    for pattern, put in _STEPS:
        asked = pattern.sub(put, asked)
    better = asked.strip()
    if divider and marker.strip(" \"'"):
        better += "; " + _BARE_MARKER.sub(r'\1 "\2"', marker.strip())
    try:
        Requirement(better)
    except ValueError:
        return None
    return better if better != text else None
