"""Removes secrets from text before it is shown or stored."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, urlsplit, urlunsplit

from tfprov.secret import SIGNING, hidden

# The patterns begin with a fixed text and do not search the same part twice, so that a text of any size takes a time in
# proportion to its length.
_BEGIN = r"://(?<=[a-zA-Z0-9+.-]://)"
# user:password@ or token@ in a URL. The user goes too: with token authentication it is the secret. Up to the last @ of
# the authority, because people forget to encode the one in a password.
_USERINFO = re.compile(_BEGIN + r"(?P<login>[^\s/?#\"'<>]+)@")
# A password with unencoded characters that end the authority. Digits that look like a port are one. A password with
# quotes or blanks is recognised only where something like a host follows it.
_ODD_USERINFO = re.compile(
    _BEGIN + r"(?=(?P<user>[^\s/?#@\"'<>]*?:(?!\d{1,5}(?:[/?#\s\"'<>`),;\]}]|$))))(?P=user)"
    r"(?:[^\s\"]{0,4096}|(?!\s)(?:(?!://)[^\n]){0,80})@(?=[\w\[*])"
)
# Conda's token channels: https://host/t/<token>/channel. A variable in place of the token is not a secret.
_PATH_TOKEN = re.compile(r"(?P<head>://[^\s/]+/t/)(?!\$\{)[^\s/\"'`<>]+")
# Signed download addresses: ...?X-Amz-Signature=...&token=...
_QUERY = re.compile(r"(?i)(?P<key>[?&;#]" + SIGNING + r"=)[^&\s\"']+")
# As a header, as a JSON member, or as the repr of a dictionary. The secret follows the scheme (`Bearer`, `token`, …).
_HEADER = re.compile(
    r"(?i)\b(?P<key>(?:(?:proxy-)?authorization|(?:private|job|deploy|auth)-token|x-api-key"
    r"|x-jfrog-art-api)[\"']?\s*[:=]\s*[\"']?)(?:[a-z][a-z0-9-]*[ \t]+)?[^\s\"',]+"
)
_COOKIE = re.compile(r"(?i)\b(?P<key>(?:set-)?cookie[\"']?:[ \t]*[\"']?)[^\r\n\"']+")
# Only a literal password; a variable in its place is fine.
_PASSWORD = re.compile(r"://(?=[^/@\s]+@)[^/@\s]*?:(?!\$\{)[^/@\s]")


def redact(text: str) -> str:
    """The text with credentials in URLs and headers as `****`, and each known secret as its placeholder."""
    text = hidden(text)
    text = _ODD_USERINFO.sub("://****@", _USERINFO.sub("://****@", text))
    text = _PATH_TOKEN.sub(r"\g<head>****", text)
    text = _QUERY.sub(r"\g<key>****", text)
    return _COOKIE.sub(r"\g<key>****", _HEADER.sub(r"\g<key>****", text))


def without_userinfo(url: str) -> str:
    """The URL without user and password, for files that others read (locks).

    The user of SSH stays: it is no secret, and without it (`git`) servers refuse everybody.
    """
    return _USERINFO.sub(_without_secrets, url)


def _without_secrets(found: re.Match[str]) -> str:
    user, end = found["login"].partition(":")[0].rstrip("@"), found.start()
    return f"://{user}@" if user and found.string[max(0, end - 3) : end].lower() == "ssh" else "://"


def without_signature(url: str) -> str:
    """The URL without its query when that contains a signature or token, which expires soon and works for anybody."""
    return urlunsplit(urlsplit(url)._replace(query="")) if _QUERY.search(url) else url


def holds_password(text: str) -> bool:
    """Whether a URL in the text contains a literal password; `${NAME}` does not count."""
    return bool(_PASSWORD.search(text))


def redact_all(value: object) -> object:
    """A JSON-like value with every string in it redacted. Tuples become lists."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_all(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_all(inner) for inner in value]
    return value


# Home directories: /home/NAME, /Users/NAME, C:\Users\NAME, with single or double backslashes, and in JSON, where a
# letter may be `\u00e9`. Between backslashes, a name may have spaces.
_HOMES = re.compile(
    r"(?i)(?P<head>(?:/home/|/Users/|\b[a-z]:(?:\\{1,2}|/)Users(?:\\{1,2}|/)))"
    r"(?P<name>(?<=\\)(?:[^/\\\"':;,<>|\r\n]|\\u[0-9a-f]{4}){1,64}(?=\\)|(?:[^\s/\\\"':;,<>|]|\\u[0-9a-f]{4})+)"
)
_HOST = re.compile(_BEGIN + r"(?<!(?<![a-zA-Z0-9+.-])(?i:file)://)(?P<user>\*{4}@)?(?P<host>[^\s/:?#\"'<>\]),*]+)")
# A variable that is a secret by its name, in TOML, shell scripts or JSON. `${NAME}` as its value is not one.
_SECRET_VARIABLE = re.compile(
    r"\b(?=(?:[A-Z0-9]*_)*(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|KEY|APIKEY)(?![A-Z0-9]))"
    r"(?P<head>[A-Z0-9_]+[\"']?\s*[=:]\s*)(?!\s|[\"']?\$)(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"',;}\]]+)"
)
_MAIL = re.compile(r"(?<![\w.+-])(?P<head>[.+-]*)\w[\w.+-]*@[\w-]+(?:\.[\w-]+)+\b")
_SHARED = frozenset({"runner", "root", "user", "public", "shared", "default"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[", "0.0.0.0"})  # noqa: S104 - text to recognise, nothing listens


class Anonymiser:
    """Removes user names, host names, mail addresses, home directories and credentials from text.

    A host gets the same number everywhere, so that a reader can still see which addresses share it.
    """

    def __init__(self, *, user: str = "", host: str = "", home: str = "") -> None:
        self._hosts: dict[str, str] = {}
        # Names of one or two letters occur within too many words.
        named = [(home, "~"), (host, "HOST"), (host.partition(".")[0], "HOST"), (user, "USER")]
        self._names = [
            (_pattern(name), put) for name, put in named if len(name) > 2 and name.lower() not in _SHARED | _LOOPBACK
        ]

    def __call__(self, text: str) -> str:
        """The text without personal names, host names and secrets."""
        text = _SECRET_VARIABLE.sub(r'\g<head>"****"', redact(text))
        for pattern, put in self._names:
            text = pattern.sub(put, text)
        text = _HOMES.sub(
            lambda found: found["head"] + ("USER" if self._is_person(found["name"]) else found["name"]), text
        )
        text = _HOST.sub(self._host, text)
        return _MAIL.sub(r"\g<head>NAME@MAIL", text)

    def _host(self, found: re.Match[str]) -> str:
        host = found["host"].lower()
        if host in _LOOPBACK or host.startswith(("$", "{", "[::1")):
            return found[0]
        put = self._hosts.setdefault(host, f"host-{len(self._hosts) + 1}")
        return f"://{found['user'] or ''}{put}"

    @staticmethod
    def _is_person(name: str) -> bool:
        return name.lower() not in _SHARED


def _pattern(name: str) -> re.Pattern[str]:
    """A pattern for a name or a path as plain text, in JSON and in a URL; a path of Windows in any case."""
    escaped = json.dumps(name)[1:-1]
    slashed = name.replace("\\", "/")
    spelled = {name, escaped, json.dumps(name, ensure_ascii=False)[1:-1], slashed, quote(slashed, safe="/:")}
    either = "|".join(map(re.escape, sorted(spelled, key=len, reverse=True)))
    return re.compile(rf"(?<![A-Za-z0-9_])(?:{either})(?![A-Za-z0-9_])", re.IGNORECASE if "\\" in name else 0)
