"""Secret values: passwords, tokens, and the values of `${NAME}` variables in URLs.

Code that reads one wraps it in a `Secret`, which prints as `****` or `${NAME}` and reveals its value through a single
method; `tests/test_secret_use.py` keeps the list of callers allowed to use it. From then on `hidden` removes the value
from any text, in every spelling, so that the answers of servers and tools do not show it either.

pydantic's `SecretStr` is pickled and copied with its value, does not redact other texts, and is slow to import.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import unquote

VEILED = "****"
# Shorter values occur in too many words, and protect nothing.
_SHORTEST = 6
# A word of at least this length does not occur in a text by chance.
_LONG = 12
# Digits that look like a port are one, unless an `@` follows immediately.
_USERINFO = re.compile(r"\A.{0,300}?://(?P<user>[^:/?#]*)(?::(?!\d{1,5}[/?#\s])(?P<password>.*))?@", re.DOTALL)
_PATH_TOKEN = re.compile(r"://[^\s/]+/t/(?P<token>[^\s/]+)")
SIGNING = (
    r"(?:sig|key|key-pair-id|auth|jwt|pwd|pass|hmac|hdnts|sas|assertion|(?:(?<!;)|(?<=amp;))(?:code(?!=[1-5]\d\d(?![\w.-]))|otp|policy|sid)"
    r"|(?=[^=%\s&?;#]{0,40}?(?:token|signature|credential|passw(?:or)?d|passphrase|secret|session|ticket|saml"
    r"|(?:api|access|private)[_-]?key(?!id)))[^=%\s&?;#]{1,60})"
)
"""Names of query parameters that authorise a URL."""
_TELLING = re.compile(r"(?i)(?:^|_)(?:token|password|passwd|secret|credentials?|(?:api|access|private)_?key)(?:_|$)")
_QUERY = re.compile(rf"(?i)[?&;#]{SIGNING}=(?P<value>[^&\s\"'#]+)")
# The same as `html.escape`; its module has a table of all entities, which every start of tfprov would load.
_IN_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_NEXT_ADDRESS = re.compile(r"(?<![\s,])[\s,]+(?=(?:[A-Za-z0-9_.-]+=)?[A-Za-z][A-Za-z0-9+.-]*://)")

_known: tuple[tuple[str, re.Pattern[str], str], ...] = ()
_remembering = threading.Lock()


class Secret:
    """A value that is never shown, interpolated into text, pickled or written as JSON.

    Attributes:
        shown: placeholder: `****`, or `${NAME}` for a value that came from a variable.
    """

    __slots__ = ("_value", "shown")

    def __init__(self, value: str, *, shown: str = VEILED, everywhere: bool = True) -> None:
        """Keep a value.

        Args:
            value: the secret.
            shown: the placeholder to show.
            everywhere: whether `hidden` removes it from all texts from now on; False for the user name beside a
                password.
        """
        self._value = value
        self.shown = shown
        if everywhere:
            _remember(value, shown)

    def reveal(self) -> str:
        """The value, for the one place that needs it."""
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
    """Whether an environment variable holds a secret, judged by its name."""
    return _TELLING.search(name) is not None


def noticed(text: str) -> str:
    """The text, unchanged; `hidden` removes the logins, tokens and signatures of its URLs from all texts from now on.

    Args:
        text: one or more URLs, which need not be valid.
    """
    for address in _NEXT_ADDRESS.split(text):
        for value in _secrets_in(address):
            _remember(value, VEILED)
    return text


def hidden(text: str) -> str:
    """The text with each known secret replaced by its placeholder."""
    for _, pattern, shown in _known:
        text = pattern.sub(shown, text)
    return text


def _secrets_in(address: str) -> Iterator[str]:
    login = _USERINFO.search(address)
    if login:
        # With token authentication the user name is the secret.
        value = login["password"] or login["user"]
        yield from (value, *(word for word in value.split() if word != value))
    if found := _PATH_TOKEN.search(address):
        yield found["token"]
    yield from (found["value"] for found in _QUERY.finditer(address))


def _remember(value: str, shown: str) -> None:
    global _known  # noqa: PLW0603 - exchanged as a whole, so that other threads may read it meanwhile
    with _remembering:
        for spelling in {value, unquote(value)} - {known for known, _, _ in _known}:
            # A short word in lower case is likely to occur in other texts, too.
            is_word = shown == VEILED and spelling.isalpha() and spelling.islower() and len(spelling) < _LONG
            if len(spelling) < _SHORTEST or is_word or "${" in spelling:
                continue
            pattern = "".join(map(_any_spelling, spelling))
            if len(spelling) < _LONG:
                pattern = rf"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{{2}})){pattern}(?![A-Za-z0-9])"
            # Longest first, for a secret that contains another one.
            more = (*_known, (spelling, re.compile(pattern), shown))
            _known = tuple(sorted(more, key=lambda each: -len(each[0])))


def _any_spelling(letter: str) -> str:
    """A pattern for a character in any of the spellings of URLs, JSON, HTML and Python literals."""
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
