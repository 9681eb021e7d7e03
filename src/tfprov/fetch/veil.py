"""Hides values of variables in URLs: resolvers and locks get the names of the variables instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlsplit

from tfprov.secret import Secret

_TEMPLATE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# The form used inside URLs: none of its characters is ever percent-encoded in a path or a query.
_COVERED = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


class Veil:
    """Replaces values of variables in URLs by their names, and back."""

    def __init__(self, values: Mapping[str, Secret], addresses: Iterable[str] = ()) -> None:
        """Use these values.

        Args:
            values: by the names of their variables.
            addresses: URLs of the run that name variables, or contain their values, after the host; see `is_due`.
        """
        self._values = dict(values)
        self._due = {(_server(address), name) for address in addresses for name in names_in((self.template(address),))}

    def cover(self, path: str) -> str:
        """A path with its query, with `$(NAME)` in place of each value."""
        path = _TEMPLATE.sub(r"$(\1)", path)
        values = ((name, secret.reveal()) for name, secret in self._values.items())
        for name, value in sorted(values, key=lambda item: -len(item[1])):
            for spelling in {value, quote(value, safe="")} - {""}:
                path = re.sub(rf"(?<![A-Za-z0-9]){re.escape(spelling)}(?![A-Za-z0-9])", f"$({name})", path)
        return path

    def template(self, address: str) -> str:
        """A URL as in profiles and locks, with `${NAME}` in place of each value after the host."""
        scheme, separator, rest = address.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}{separator}{host}{slash}{as_template(self.cover(path))}" if slash else address

    def uncover(self, address: str) -> str:
        """A URL with names replaced by values again; unknown names are kept."""
        return _COVERED.sub(self._value, _TEMPLATE.sub(self._value, address))

    def is_due(self, template: str) -> bool:
        """Whether the server of a URL is meant to get the variables named in it: an address of the run says so.

        An index, or the metadata of a package, could name any variable in a URL of any server.
        """
        return all((_server(template), name) in self._due for name in names_in((template,)))

    def is_in(self, body: bytes) -> bool:
        """Whether one of the values occurs in a body."""
        values = [secret.reveal() for secret in self._values.values()]
        return any(value.encode() in body or quote(value, safe="").encode() in body for value in values)

    def _value(self, found: re.Match[str]) -> str:
        secret = self._values.get(found[1])
        return found[0] if secret is None else secret.reveal()


def _server(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[2].lower()


NOTHING = Veil({})


def names_in(texts: Iterable[str]) -> tuple[str, ...]:
    """The names of variables in some texts."""
    return tuple(dict.fromkeys(name for text in texts for name in _TEMPLATE.findall(text)))


def behind_host(template: str) -> str:
    """The part of a URL after its host. A login before the host is handled elsewhere, and the host is not a secret."""
    return template.partition("://")[2].partition("/")[2]


def as_template(path: str) -> str:
    """A covered path as in profiles and locks, with `${NAME}`."""
    return _COVERED.sub(r"${\1}", path)
