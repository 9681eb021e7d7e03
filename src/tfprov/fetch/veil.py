"""Values of variables in addresses: what a resolver sees, and what locks hold, is the name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

_TEMPLATE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# As an address may have it: nothing in it is ever encoded in a path or a query.
_COVERED = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


class Veil:
    """Puts names in place of values in addresses, and back."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """Know these values by the names of their variables."""
        self._values = dict(values)

    def cover(self, path: str) -> str:
        """A path with its query, in which `$(NAME)` stands for each value."""
        path = _TEMPLATE.sub(r"$(\1)", path)
        for name, value in sorted(self._values.items(), key=lambda item: -len(item[1])):
            for spelling in {value, quote(value, safe="")} - {""}:
                path = re.sub(rf"(?<![A-Za-z0-9]){re.escape(spelling)}(?![A-Za-z0-9])", f"$({name})", path)
        return path

    def uncover(self, address: str) -> str:
        """An address with the values in it again; a name that is not known stays."""
        return _COVERED.sub(self._value, _TEMPLATE.sub(self._value, address))

    def is_in(self, body: bytes) -> bool:
        """Whether one of the values occurs in a body."""
        return any(value.encode() in body or quote(value, safe="").encode() in body for value in self._values.values())

    def _value(self, found: re.Match[str]) -> str:
        return self._values.get(found[1], found[0])


NOTHING = Veil({})


def names_in(texts: Iterable[str]) -> tuple[str, ...]:
    """The variables that these texts name."""
    return tuple(dict.fromkeys(name for text in texts for name in _TEMPLATE.findall(text)))


def behind_host(template: str) -> str:
    """The part of an address behind its host: what stands before it is a login, which goes elsewhere, or no secret."""
    return template.partition("://")[2].partition("/")[2]


def as_template(path: str) -> str:
    """A covered path as profiles and locks write it: `${NAME}`."""
    return _COVERED.sub(r"${\1}", path)
