"""Values that nobody may see: passwords, tokens, and what stands for a `${NAME}` in an address.

Whoever reads one makes a `Secret` of it. It shows itself as `****` or `${NAME}`, and one method only gives its value;
`tests/test_secret_use.py` keeps the list of those who may call that. From then on `hidden` takes the value out of every
text, however it is written there, so that what comes back from a server or a tool does not show it either.

pydantic's `SecretStr` is pickled and copied with its value, knows nothing of other texts, and costs its import.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import unquote

VEILED = "****"
# Shorter ones stand in too many words, and protect nothing.
_SHORTEST = 6
# From here on it is no word that happens to be in a text.
_LONG = 12
# What looks like a port is one, unless an `@` follows at once.
_USERINFO = re.compile(r"://(?P<user>[^:/?#]*)(?::(?!\d{1,5}[/?#\s])(?P<password>.*))?@", re.DOTALL)
_PATH_TOKEN = re.compile(r"://[^\s/]+/t/(?P<token>[^\s/]+)")
SIGNING = r"(?:sig|[^=\s&]*(?:token|signature|credential|password|secret|apikey|api_key)[^=\s&]*)"
"""Names of what signs an address in its query."""
_TELLING = re.compile(r"(?i)(?:^|_)(?:token|password|passwd|secret|credentials?|(?:api|access|private)_?key)(?:_|$)")
_QUERY = re.compile(rf"(?i)[?&]{SIGNING}=(?P<value>[^&\s\"'#]+)")
# As `html.escape` writes them; that module has a table of all entities, which every start of tfprov would load.
_IN_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_NEXT_ADDRESS = re.compile(r"[\s,]+(?=(?:[A-Za-z0-9_.-]+=)?[A-Za-z][A-Za-z0-9+.-]*://)")

_known: tuple[tuple[str, re.Pattern[str], str], ...] = ()
_remembering = threading.Lock()


class Secret:
    """A value that is not shown, copied into texts, pickled or written as JSON.

    Attributes:
        shown: what stands in its place: `****`, or `${NAME}` for what came from a variable.
    """

    __slots__ = ("_value", "shown")

    def __init__(self, value: str, *, shown: str = VEILED, everywhere: bool = True) -> None:
        """Keep a value.

        Args:
            value: the secret.
            shown: what to show in its place.
            everywhere: whether to take it out of all texts from now on; no for the user that belongs to a password.
        """
        self._value = value
        self.shown = shown
        if everywhere:
            _remember(value, shown)

    def reveal(self) -> str:
        """The value, for the one place that it is meant for."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Secret({self.shown!r})"

    def __str__(self) -> str:
        return self.shown

    def __format__(self, spec: str) -> str:
        return format(self.shown, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(("secret", self._value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled")


def looks_secret(name: str) -> bool:
    """Whether a variable of this name has a secret, as far as names tell."""
    return _TELLING.search(name) is not None


def noticed(text: str) -> str:
    """The same text, whose logins, tokens and signatures in addresses are hidden from now on.

    Args:
        text: an address, or several; they need not be valid.
    """
    for address in _NEXT_ADDRESS.split(text):
        for value in _secrets_in(address):
            _remember(value, VEILED)
    return text


def hidden(text: str) -> str:
    """The text with what stands for each known secret in its place."""
    for _, pattern, shown in _known:
        text = pattern.sub(shown, text)
    return text


def _secrets_in(address: str) -> Iterator[str]:
    login = _USERINFO.search(address)
    if login:
        # With token authentication the user is the secret.
        value = login["password"] or login["user"]
        yield from (value, *(word for word in value.split() if word != value))
    if found := _PATH_TOKEN.search(address):
        yield found["token"]
    yield from (found["value"] for found in _QUERY.finditer(address))


def _remember(value: str, shown: str) -> None:
    global _known  # noqa: PLW0603 - exchanged as a whole, so that other threads may read it meanwhile
    with _remembering:
        for spelling in {value, unquote(value)} - {known for known, _, _ in _known}:
            # A short word of small letters is one that occurs in other texts, too.
            is_word = shown == VEILED and spelling.isalpha() and spelling.islower() and len(spelling) < _LONG
            if len(spelling) < _SHORTEST or is_word or "${" in spelling:
                continue
            pattern = "".join(map(_any_spelling, spelling))
            if len(spelling) < _LONG:
                pattern = rf"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{{2}})){pattern}(?![A-Za-z0-9])"
            # Of two secrets one of which contains the other, the longer one goes first.
            more = (*_known, (spelling, re.compile(pattern), shown))
            _known = tuple(sorted(more, key=lambda each: -len(each[0])))


def _any_spelling(letter: str) -> str:
    """A pattern for a letter as addresses, JSON, HTML and Python write it."""
    if letter.isascii() and letter.isalnum():
        return letter
    encoded = "".join(f"%{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))
    in_html = letter.translate(_IN_HTML)
    spelled = {letter, encoded, encoded.upper(), json.dumps(letter)[1:-1], in_html, repr(letter)[1:-1]}
    if letter == " ":
        spelled.add("+")
    if letter in "'\"":
        spelled.add(f"\\{letter}")
    return f"(?:{'|'.join(re.escape(each) for each in sorted(spelled, key=len, reverse=True))})"
