"""Suggests a valid requirement for a line that is not one."""

from __future__ import annotations

import re
import unicodedata

from packaging.requirements import Requirement

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\s*\[[^\]]*\])?"
_VERSION = r"v?\d[A-Za-z0-9.*+!_-]*"
_MARKS = r"\s\"'\u2018\u2019\u201c\u201d"
_QUOTED = re.compile(rf"^(?:\d{{1,3}}[.)]\s|\[[ xX]\]\s|[{_MARKS}\u2022*\[+\u2013\u2014-])+|[{_MARKS}\],;]+$")
_INSTALL = re.compile(r"^(?:[!%$]\s*)?(?:python3?\s+-m\s+)?(?:pip3?|conda|uv pip)\s+install\s+(?:-\w+\s+)*")
_STEPS = (
    (_INSTALL, ""),
    (re.compile(r"^(?:import|from)\s+"), ""),
    (re.compile(rf"^({_NAME})\s+as\s+\w+$"), r"\1"),
    (re.compile(rf"^({_NAME})\s*=\s*['\"]\s*(?:\*$|(?=[<>=!~^]))"), r"\1"),  # of a Pipfile or of Poetry
    (re.compile(rf"({_VERSION})\.(?=\s*(?:,|$))"), r"\1"),  # 4.1.2.
    (re.compile(r"[\u2010-\u2014\u2212]"), "-"),
    (re.compile(rf"^({_NAME})\s*\(\s*(?:v|version:?\s)?\s*({_VERSION})\s*\)$"), r"\1==\2"),
    (re.compile(rf"^({_NAME})\s*\([^()<>=!~]*\s[^()<>=!~]*\)$"), r"\1"),  # a remark
    (re.compile(r"(\d[\w.*]*)\s+(?://|--|\()[^<>=]*$"), r"\1"),  # a remark without `#`
    (re.compile(r"\u2265"), ">="),
    (re.compile(r"\u2264"), "<="),
    (re.compile(r"~>"), "~="),
    (re.compile(r"\s+and\s+(?=[<>!~=])"), ","),
    (re.compile(rf"([=<>]\s*)['\"\u2018\u2019\u201c\u201d]({_VERSION})"), r"\1\2"),
    (re.compile(rf"^({_NAME})\s*['\"]\s*:\s*['\"]\s*({_VERSION})$"), r"\1==\2"),  # of JSON
    (re.compile(rf"^({_NAME})\s*[@:\s]\s*({_VERSION})\+$"), r"\1>=\2"),  # 2.4+
    (re.compile(r"(==\s*\d+),(\d+)$"), r"\1.\2"),
    (re.compile(r"=\s*([<>])(?!=)"), r"\1="),  # => and =<
    (re.compile(r"([<>!~=])\s+="), r"\1="),  # > =
    (re.compile(rf"^({_NAME})\s*[=>]?=\s*(?:\*|latest|newest|any)$", re.IGNORECASE), r"\1"),
    (re.compile(r"(\d\.)[xX]$"), r"\1*"),  # ==2.x
    (re.compile(rf"^({_NAME})\s*=\s*({_VERSION})\*$"), r"\1==\2*"),
    (re.compile(rf"^({_NAME})\s*=\s*({_VERSION})(?:=[\w.*]+)?$"), r"\1==\2.*"),  # conda's numpy=1.26
    (re.compile(rf"^({_NAME})\s*(?:@|:|\s)\s*\^?({_VERSION})$"), r"\1==\2"),  # a space, npm's @, YAML's colon
    (re.compile(rf"^({_NAME})\s*\^({_VERSION})$"), r"\1>=\2"),
    (re.compile(rf"^({_NAME})\s*~\s*(\d+\.\d+)$"), r"\1==\2.*"),  # Poetry's ~1.2 and ~1.2.3
    (re.compile(rf"^({_NAME})\s*~\s*(\d+(?:\.\d+){{2,}})$"), r"\1~=\2"),
    (re.compile(rf"({_VERSION})\s*(?=[<>!~=]=?)"), r"\1,"),  # a<2>=1
    (re.compile(r"~=\s*(\d+)(?=\s*(?:,|$))"), r"~=\1.0"),
    (re.compile(r"((?:>=|<=|>|<|~=)\s*[\d.]+)\+[\w.]+"), r"\1"),  # a build, >=1.10.0+cu113
    (re.compile(r"(>=|<=|>|<|~=)(\s*\d[\d.]*?)\.\*"), r"\1\2"),
    (re.compile(r",\s*(?=,|$)"), ""),
)
_NO_NAME = re.compile(r"[\d.]+|and|or|for|with|on|if|in|from")
_UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]")
_MERGE = re.compile(r"<{7}(?: .*)?|={7}|>{7}(?: .*)?|\|{7}(?: .*)?")
_BARE_MARKER = re.compile(r"([<>=!]=?)\s*([\d.]+|linux|win32|darwin|Windows|Linux|Darwin)\b(?!['\"])")


def mended(text: str) -> str | None:
    """A valid requirement that is close to an invalid one; None when no repair is known.

    Whether such a package exists is not looked up.
    """
    # Pasted text may contain non-breaking spaces, full-width letters and invisible characters.
    plain = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    asked, divider, marker = plain.partition("#")[0].partition(";")
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


def advice(text: str) -> str | None:
    """Advice on a line that is not a requirement, for messages; None when there is none."""
    if _MERGE.fullmatch(text):
        return "git left it of a merge: keep the lines of one side, and remove those with its marks"
    if better := mended(text):
        return f"did you mean `{better}`?"
    line = _INSTALL.sub("", text)
    several = [part for part in re.split(r"[\s,]+", line.partition("#")[0].strip("[](), ")) if part]
    parts = [one for part in several if not _NO_NAME.fullmatch(part) and (one := _whole(part))]
    # Words without a version or a comma may be prose.
    if 1 < len(parts) == len(several) and (line != text or re.search(r"[,=<>]", line)):
        return f"each requirement needs a line of its own: {', '.join(f'`{one}`' for one in parts)}"
    return None


def _whole(text: str) -> str | None:
    """The text as a valid requirement, repaired if needed; None when that is not possible."""
    try:
        Requirement(text)
    except ValueError:
        return mended(text)
    return text
