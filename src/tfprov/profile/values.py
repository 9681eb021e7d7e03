"""Types of the values in a profile. Each validator explains what is wrong with an invalid text."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import datetime
from typing import Annotated, TypeVar

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from tfprov.index_address import mistake_in
from tfprov.paths import plain
from tfprov.redact import holds_password
from tfprov.structured import has_endless_number
from tfprov.wants import conda_specs
from tfprov.wants.mend import mended

_DURATION = re.compile(r"^\s*(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>s|m|h|d)?\s*$")
_UNIT_SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHORTEST, _LONGEST = 0.001, 7 * 86400.0
_MOMENT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?$"
_ACTIVATION = frozenset({"CONDA_PREFIX", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "VIRTUAL_ENV"})
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def _listed(value: object) -> object:
    """A list of TOML as a tuple, because strict validation accepts nothing else for a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _specifier(text: str) -> str:
    _refuse_endless(text)
    # Users tend to write a bare version at first; PEP 440 requires an operator, so the message shows it with one.
    try:
        is_empty = SpecifierSet(text).is_unsatisfiable()
    except ValueError:
        try:
            Version(text.rstrip(".*"))
        except ValueError:
            raise ValueError(f"`{text}` is not a PEP 440 version range such as `>=2.16,<3`") from None
        fixed = f"=={text}" if re.search(r"\*|\..*\.|[a-z]", text) else f"=={text}.*"
        raise ValueError(f"`{text}` has no operator: write `{fixed}`") from None
    if is_empty:
        raise ValueError(f"no version can be in `{text}`")
    return text


def _refuse_endless(text: str) -> None:
    if has_endless_number(text):
        raise ValueError(f"`{text[:40]}…` has a number of hundreds of digits")


def _requirement(text: str) -> str:
    _refuse_endless(text)
    try:
        Requirement(text)
    except ValueError as error:
        better = mended(text)
        words = f"did you mean `{better}`?" if better else str(error).splitlines()[0]
        raise ValueError(f"`{text}` is not a PEP 508 requirement: {words}") from None
    return _no_password(text)


def _project(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"`{text}` is not the name of a project such as `jax`")
    return text


def _moment(text: str) -> str:
    if re.match(_MOMENT, text):
        # The pattern would accept 31 February. `fromisoformat` of Python 3.10 does not accept `Z`.
        with contextlib.suppress(ValueError):
            datetime.fromisoformat(text.replace("Z", "+00:00"))
            return text
    raise ValueError(f"`{text}` is not a date such as `2026-01-31` or `2026-01-31T12:00:00Z`")


def _seconds(value: object) -> object:
    """Seconds from `90`, `1.5`, `"90s"` or `"2h"`; anything but text is left to the next validator."""
    if isinstance(value, str):
        found = _DURATION.match(value)
        if not found:
            raise ValueError(f"`{value}` is not a duration such as `90s`, `15m` or `2h`")
        return float(found["count"]) * _UNIT_SECONDS[found["unit"]]
    return value


def _bounded(seconds: float) -> float:
    # Outside these limits, timers of some systems round to zero or overflow; there is room for three times the value.
    if seconds > _LONGEST:
        raise ValueError(f"{seconds:g} seconds are more than a week, the longest time that can be waited for")
    if 0 < seconds < _SHORTEST:
        raise ValueError(f"{seconds:g} seconds are less than a millisecond, the shortest time that can be waited for")
    return seconds


def _no_password(url: str) -> str:
    if holds_password(url):
        raise ValueError("a password stands in the URL: put it in a variable and write `${NAME}`, or use netrc")
    return url


def _no_space(url: str) -> None:
    # White space would also hide a password from the check for one.
    if re.search(r"\s", url):
        raise ValueError("there is white space in the address: write it as `%20`")


def _http_url(url: str) -> str:
    _no_space(url)
    _no_password(url)
    if not re.match(r"^(https?|file)://", url):
        raise ValueError(f"`{url}` is not an address: it must begin with https://, http:// or file://")
    if (mistake := mistake_in(url)) is not None:
        raise ValueError(f"this is not the address of an index: {mistake}")
    return url


def _proxy(text: str) -> str:
    if text in ("profile-proxy", "environment", "system", "direct"):
        return text
    _no_space(text)
    _no_password(text)
    if not re.match(r"^(https?|socks5h?|socks4a?)://", text):
        raise ValueError(
            f"`{text}` is neither `environment`, `system`, `direct` nor a proxy address such as http://host:port"
        )
    return text


def _channel(text: str) -> str:
    if conda_specs.is_folder(text):
        return text
    if re.search(r"\s", text) or not text:
        raise ValueError(f"`{text}` is neither the name nor the address of a channel")
    _no_password(text)
    if re.search(r"/t/(?!\$\{)[^/]+(/|$)", text) and "://" in text:
        raise ValueError("a token stands in the address: put it in a variable and write `/t/${NAME}/`")
    if "://" in text and not re.match(r"^(https?|file)://", text):
        raise ValueError(f"`{text}` is not an address: it must begin with https://, http:// or file://")
    return text


def _conda_spec(text: str) -> str:
    conda_specs.read(text)
    return text


def _variable(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueError(f"`{text}` is not the name of a variable")
    # Windows does not tell `Path` from `PATH`, and Python spells all its variables in capitals.
    name = text.upper() if os.name == "nt" else text
    if name in _ACTIVATION:
        raise ValueError(f"`{text}` is set by the activation of the environment")
    return name


def _variable_text(text: str) -> str:
    if "\0" in text or "\n" in text:
        raise ValueError("a variable is one line of text")
    return text


def environment_name(value: str) -> str:
    """Check that a text can name an environment, and return it.

    Raises:
        ValueError: it is too long, or has other characters than those allowed.
    """
    if not _NAME.fullmatch(value) or len(value) > 64:
        raise ValueError(f"`{value}` cannot name an environment: use at most 64 letters, digits, `.`, `_` and `-`")
    return plain(value)


_Item = TypeVar("_Item")
Many = Annotated[tuple[_Item, ...], BeforeValidator(_listed)]
Route = Annotated[str, AfterValidator(_proxy)]
Specifier = Annotated[str, AfterValidator(_specifier)]
Pep508 = Annotated[str, AfterValidator(_requirement)]
VariableName = Annotated[str, AfterValidator(_variable)]
VariableText = Annotated[str, AfterValidator(_variable_text)]
ProjectName = Annotated[str, AfterValidator(_project)]
ChannelText = Annotated[str, AfterValidator(_channel)]
CondaSpec = Annotated[str, AfterValidator(_conda_spec)]
IndexUrl = Annotated[str, AfterValidator(_http_url)]
Moment = Annotated[str, AfterValidator(_moment), WithJsonSchema({"type": "string", "pattern": _MOMENT})]
FileOrUrl = Annotated[str, AfterValidator(_no_password)]
Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(gt=0, allow_inf_nan=False),
    AfterValidator(_bounded),
    # Without named groups, because patterns in JSON Schema follow JavaScript's syntax.
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": _SHORTEST, "maximum": _LONGEST},
                {"type": "string", "pattern": re.sub(r"\?P<\w+>", "", _DURATION.pattern)},
            ]
        }
    ),
]
