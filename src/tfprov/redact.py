"""Taking secrets out of text before anybody sees or stores it."""

from __future__ import annotations

import re

# user:password@ or token@ in a URL. The user part goes too: with token authentication it is the secret.
# Up to the last @ of the authority: people forget to encode the one inside a password.
_USERINFO = re.compile(r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/?#\"'<>]+@")
# Conda's token channels: https://host/t/<token>/channel. The name of a variable in its place is no secret.
_PATH_TOKEN = re.compile(r"(?P<head>://[^\s/]+/t/)(?!\$\{)[^\s/]+(?=/)")
# Signed download addresses: ...?X-Amz-Signature=...&token=...
_QUERY = re.compile(
    r"(?i)(?P<key>[?&](?:sig|[^=\s&]*(?:token|signature|credential|password|secret|apikey|api_key)[^=\s&]*)=)"
    r"[^&\s\"']+"
)
# As a header, as a JSON member, as Python shows a dictionary. Behind a scheme (`Bearer`, `token`, …) stands the secret.
_HEADER = re.compile(
    r"(?i)\b(?P<key>(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)(?:[a-z][a-z0-9-]*[ \t]+)?[^\s\"',]+"
)
# Written out; a variable in its place is fine.
_PASSWORD = re.compile(r"://[^/@\s]*:(?!\$\{)[^/@\s]+@")


def redact(text: str) -> str:
    """The text with credentials in URLs and authorization headers replaced by `****`."""
    text = _USERINFO.sub(r"\g<scheme>****@", text)
    text = _PATH_TOKEN.sub(r"\g<head>****", text)
    text = _QUERY.sub(r"\g<key>****", text)
    return _HEADER.sub(r"\g<key>****", text)


def without_userinfo(url: str) -> str:
    """The URL with user and password left out, for files that others read (locks)."""
    return _USERINFO.sub(r"\g<scheme>", url)


def holds_password(text: str) -> bool:
    """Whether a URL in the text has a password written out; `${NAME}` is none."""
    return bool(_PASSWORD.search(text))


def redact_all(value: object) -> object:
    """A JSON-like value with every text in it redacted. Tuples become lists."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_all(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_all(inner) for inner in value]
    return value
