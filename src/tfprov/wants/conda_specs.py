"""Parses conda match specs, in every form that conda documents. Pure.

Tools disagree about the short forms (`tensorflow=2.19=cuda*`), and the solver rejects some of them. So a spec is parsed
by conda's published rules, and written with an operator for each version and all other fields in brackets, a form that
all tools read alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CHANNEL = re.compile(r"^(?P<channel>[^\[]*)::(?P<rest>.*)$")
_SUBDIR = re.compile(r"noarch|(?:linux|osx|win|freebsd|emscripten|wasi|zos)-\w+")
_BRACKETS = re.compile(r"^(?P<before>[^\[\]]*)\[(?P<inside>.*)\]$")
_PAIR = re.compile(
    r"\s*(?P<key>\w+)\s*=\s*(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<bare>[^\s,'\"]+))\s*(?:,|\s|$)"
)
_NAME = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)\s*(?P<rest>(?:[\s=<>!~(*].*)?)$")
# The build follows the last space or `=` that is not part of a version operator.
_BUILD = re.compile(r"^(?P<version>.*[^=!|,<>~\s(])\s*(?:(?<![=!|,<>~\s])=|\s)\s*(?P<build>[^-=,|<>~!()\s]+)$")
_ATOM = re.compile(
    r"^(?P<operator>==|!=|<=|>=|~=|=|<|>)?(?P<version>\*|v?\d+(?:[!.+_-]?[0-9A-Za-z]+)*)(?P<any>(?:\.?\*)*)$"
)
_EXACT = re.compile(r"==(?P<version>[^,|()=<>!~*]+)")
_FOLDER = re.compile(r"[./~]|[A-Za-z]:[\\/]|\\\\")
_KEYS = ("build_number", "license", "license_family", "track_features", "fn", "url", "md5", "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaSpec:
    """A conda match spec.

    Attributes:
        name: of the package, in lower case.
        version: conda version range, with an operator or a wildcard for each version; empty for any.
        build: build string or glob; empty for any.
        channel: required channel, as written; empty for any.
        subdir: required platform (`linux-64`, `noarch`); empty for any.
        more: other fields with their values, such as `build_number`.
        where: key or place in a file that requests it, for messages; empty when there is none.
    """

    name: str
    version: str = ""
    build: str = ""
    channel: str = ""
    subdir: str = ""
    more: tuple[tuple[str, str], ...] = ()
    where: str = ""

    def __str__(self) -> str:
        return f"{self._prefix}{self._bracketed(self.version)}"

    @property
    def plain(self) -> str:
        """The short form that users write, and that conda reads from the history of an environment."""
        exact = _EXACT.fullmatch(self.version)
        if exact and self.build and "*" not in self.build and not self.build.startswith("^"):
            return f"{self._prefix}=={exact['version']}={self.build}{self._brackets(())}"
        if self.build or self.version.startswith("("):
            return str(self)
        loose = self.version and self.version[0] not in "<>=!~"
        return f"{self._prefix}{'=' if loose else ''}{self.version}{self._brackets(())}"

    @property
    def _prefix(self) -> str:
        return f"{f'{self.channel}::' if self.channel else ''}{self.name}"

    def _bracketed(self, version: str) -> str:
        return self._brackets(
            tuple((key, value) for key, value in (("version", version), ("build", self.build)) if value)
        )

    def _brackets(self, first: tuple[tuple[str, str], ...]) -> str:
        subdir = (("subdir", self.subdir),) if self.subdir else ()
        inside = [
            f'{key}="{value}"' if "'" in value else f"{key}='{value}'" for key, value in (*first, *subdir, *self.more)
        ]
        return f"[{','.join(inside)}]" if inside else ""


def is_folder(channel: str) -> bool:
    """Whether a channel is given by the path of a folder, also on a drive or a share of Windows."""
    return _FOLDER.match(channel) is not None


def read(text: str, *, where: str = "") -> CondaSpec:
    """Parse a match spec by conda's rules; comments are ignored.

    Raises:
        ValueError: it is not a match spec, or uses something that the solver does not support; says what to write
            instead.
    """
    whole = re.sub(r"(?:^|\s)#.*$", "", text).strip()
    found = _CHANNEL.match(whole)
    channel, rest = (found["channel"].strip(), found["rest"].strip()) if found else ("", whole)
    subdir = ""
    head, _, tail = channel.rpartition("/")
    if head and _SUBDIR.fullmatch(tail):
        channel, subdir = head, tail
    fields: dict[str, str] = {}
    bracketed = _BRACKETS.match(rest)
    if bracketed:
        rest = bracketed["before"].strip()
        fields = dict(_pairs(bracketed["inside"], text))
    named = _NAME.match(rest)
    if named is None:
        raise ValueError(
            f"`{text}` is not a conda package such as `ffmpeg`, `ffmpeg>=6`, `ffmpeg=6.1` or `ffmpeg=6.1=gpl*`"
        )
    version, build = _outside(named["rest"].strip())
    version = _range(fields.pop("version", version), text)
    channel, subdir = fields.pop("channel", channel), fields.pop("subdir", subdir)
    for key, digits in (("md5", 32), ("sha256", 64)):
        if key in fields and not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", fields[key]):
            raise ValueError(f"`{text}`: `{key}` is {digits} hexadecimal digits")
    if "url" in fields and "://" not in fields["url"]:
        raise ValueError(f"`{text}`: `url` is a whole address")
    return CondaSpec(
        name=named["name"].lower(),
        version="" if version == "*" else version,
        build=_build(fields.pop("build", fields.pop("build_string", build))),
        channel="" if channel == "*" else channel,
        subdir=subdir,
        more=tuple((key, fields[key]) for key in _KEYS if key in fields),
        where=where,
    )


def _pairs(inside: str, text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(inside.rstrip()):
        found = _PAIR.match(inside, position)
        if found is None:
            raise ValueError(f"`{text}`: brackets hold `key=value` and commas, a value with a comma in quotes")
        if found["key"] not in ("version", "build", "build_string", "channel", "subdir", *_KEYS):
            known = ", ".join(f"`{key}`" for key in ("version", "build", "channel", "subdir", *_KEYS))
            raise ValueError(f"`{text}`: the solver does not know the field `{found['key']}`: it knows {known}")
        yield found["key"], found["single"] or found["double"] or found["bare"] or ""
        position = found.end()


def _outside(text: str) -> tuple[str, str]:
    """Version and build in the text after the name, with a single `=` interpreted as in conda."""
    found = _BUILD.match(text)
    version, build = (found["version"], found["build"]) if found else (text, "")
    version = re.sub(r"\s*([,|()=<>!~])\s*", r"\1", version.strip())
    simple = not re.search(r"[=,|]", version[1:])
    if re.match(r"==(?![=<>!~]|$)", version) and not build:
        version = version[2:]
    elif re.match(r"=(?![=<>!~]|$)", version) and simple:
        # A single `=` matches a prefix (6.1 matches 6.1.0 and 6.1.9, not 6.10), but is exact where a build follows.
        version = version[1:] if build or version.endswith("*") else f"{version[1:]}.*"
    return version, build


def _range(version: str, text: str) -> str:
    version = re.sub(r"\s*([,|()])\s*", r"\1", version.strip())
    if not version:
        return ""
    if version.count("(") != version.count(")"):
        raise ValueError(f"`{text}`: a parenthesis is not closed")
    if re.search(r"^[,|)]|[,|(]$|[,|(][,|)]", version):
        raise ValueError(f"`{text}`: a range is missing beside `,` or `|`")
    parts = re.split(r"([,|()])", version)
    return "".join(part if part in (",", "|", "(", ")", "") else _atom(part, text) for part in parts)


def _atom(part: str, text: str) -> str:
    part = re.sub(r"(?<=[=<>!~])\s+", "", part.strip())
    if (part.startswith("^") and part.endswith("$")) or re.search(r"\*\.?[^.*]", part):
        raise ValueError(f"`{text}`: the solver knows no patterns in versions but a `*` at the end: write a range")
    if re.search(r"[\w*]\s*(?:[<>]=?|[!~]=)\s*[\d*]", part):
        raise ValueError(f"`{text}`: a comma must stand between two ranges, as in `>=1,<2`")
    found = _ATOM.match(part)
    operator, version = (found["operator"] or "", found["version"]) if found else ("", "")
    if found is None or (version == "*" and operator not in ("", "=", "==")):
        raise ValueError(f"`{text}`: `{part}` is not a version or a range such as `>=6,<8`")
    if version == "*":
        return "*"
    if operator in ("", "=") and (found["any"] or operator):
        return f"{version}.*"
    if operator == "!=" and found["any"]:
        return f"!={version}.*"
    return f"{operator or '=='}{version}"


def _build(text: str) -> str:
    return "" if text == "*" else text
