"""Removes secrets from text before it is shown or stored."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from tfprov.secret import SIGNING, hidden

# The patterns begin with a fixed text and do not search the same part twice, so that a text of any size takes a time in
# proportion to its length.
_BEGIN = r"://(?<=[a-zA-Z0-9+.-]://)"
# user:password@ or token@ in a URL. The user goes too: with token authentication it is the secret. Up to the last @ of
# the authority, because people forget to encode the one in a password. `git` is no secret, nor a name before a hash.
_USERINFO = re.compile(_BEGIN + r"(?!git@)(?P<login>[^\s/?#\"'<>]+)@(?!sha256:[0-9a-f]{8})")
# A password with unencoded characters that end the authority. Digits that look like a port are one. A password with
# quotes or blanks is recognised only where something like a host follows it.
_ODD_USERINFO = re.compile(
    _BEGIN + r"(?=(?P<user>[^\s/?#@\"'<>]*?:(?!\d{1,5}(?:[/?#\s\"'<>`),;\]}]|$))))(?P=user)"
    r"(?:[^\s\"]{0,4096}|(?!\s)(?:(?!://)[^\n]){0,80})@(?=[\w\[*])"
)
# Conda's token channels: https://host/t/<token>/channel. A variable in place of the token is not a secret, nor is the
# title of a thread in a forum, which its number follows.
_PATH_TOKEN = re.compile(r"(?P<key>://[^\s/]+/t/)(?!\$\{|[a-z-]+/\d)[^\s/\"'`<>]+")
# Signed download addresses: ...?X-Amz-Signature=...&token=..., also where JSON or another address quotes them.
_QUERY = re.compile(
    r"(?P<key>[?&;#\\%](?i:(?:(?<=[?&;#])|(?<=\\)u0026|(?<=%)(?:3f|26))" + SIGNING + r"(?:=|%3d)))[^&\s\"']+"
)
_QUERY_PART = re.compile(r"(?P<key>[?&;][^=\s&?;#\"']{1,80}=)(?P<value>[A-Za-z0-9_+/%~-]{20,}=*)(?![\w.])")
_QUOTED_USERINFO = re.compile(r"(?i)(?P<key>%3a%2f%2f)(?:(?!%2f|%3a%2f)[^\s&\"'])+(?=%40)")
_SLASHED_USERINFO = re.compile(r"(?P<key>:\\/\\/)[^\s/?#\"'<>\\]+(?=@)")
# As a header, as a JSON member, or as the repr of a dictionary. The secret follows the scheme (`Bearer`, `token`, …);
# with some schemes it is one of several parameters.
_HEADER = re.compile(
    r"(?i)(?P<key>(?:\b(?:proxy-)?authorization|(?<=[a-z]-)(?:token|secret|(?:api|access|auth|subscription)-key|art-api))"
    r"[\"']?\s*[:=]\s*[\"']?)(?!(?:none|read|required|write|[<>=!~^]*\d+\.\d[\w.]*)(?:[\s\"',;]|$))"
    r"(?:[a-z][a-z0-9-]*[ \t]+)?[^\s\"',]+"
    r"(?:\"(?![,:}\]])[^\s\"]*\")?(?:,[ \t]?\w+=(?:\\?\"[^\"\\\n]*\\?\"|[^\s\"',]+))*"
)
_COOKIE = re.compile(r"(?i)\b(?P<key>(?:set-)?cookie[\"']?:[ \t]*[\"']?)(?!\s|null\b)[^\r\n\"']+")
# What is known by its beginning: tokens of GitLab, GitHub, package indexes, Slack, clouds and vaults; JSON Web Tokens;
# private keys.
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?P<key>gl(?:pat|oas|dt|rtr?|cbt|ptt|ft|imt|agent|wt|soat|ffct)-|github_pat_|pypi-Ag"
    r"|xox[a-z]-|xapp-|(?:gh[pousr]|npm|rubygems|hf)_(?=[A-Za-z0-9]{16})|sk-(?=[a-z0-9-]{0,60}[A-Z])|AKCp|AIza"
    r"|ya29\.|hvs\.|SG\.|dckr_[op]at_|do[op]_v1_|A[KS]IA|hooks\.slack\.com/services/)"
    r"(?=[A-Za-z_/-]{0,60}[0-9])[A-Za-z0-9_/-]{16,}[\w.=/-]*"
)
_WEB_TOKEN = re.compile(r"(?P<key>eyJ(?<![\w-]eyJ))[\w-]{8,}\.[\w.-]{8,}")
_PRIVATE_KEY = re.compile(r"(?P<key>-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)[^-]+")
# By the name of a setting (INI, JSON, XML, forms) or of an option. A word, a number or code behind such a name is not
# one, except for a password.
_SETTING = re.compile(
    r"(?i)(?P<key>(?:(?P<certain>passw(?:or)?d|passphrase)|token|secret|credentials?"
    r"|(?<=_)(?:auth|pass|pwd)|(?<=[\"'])auth(?=[\"'])|(?:api|access|account)[_-]?key)"
    r"(?:[_-]?(?:access[_-]?)?key|_\d+)?(?:\\?[\"']?[ \t]{0,8}=[ \t]{0,8}|\\?[\"'][ \t]?:[ \t]{0,8}))"
    r"(?P<value>\"(?:[^\"\\\n]|\\.)*\"|\\?\"[^\"\n]*\"|'[^'\n]*'|[\"']?[^\s\"',;&)}\]<`]+)"
)
# Of a variable in YAML, and where its name and its value are two members.
_VARIABLE = re.compile(
    r"(?im)(?P<key>^[ \t-]{0,40}[\w.-]{0,60}"
    r"(?:(?P<certain>(?!))|token|secret|(?:api|access)[_-]?key|_pass|_pwd):[ \t]+)"
    r"(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s\"']+)(?=[ \t]*$)"
)
_MEMBER = re.compile(
    r"(?i)(?P<key>\b(?:name|key)[\"']?[ \t]?[:=][ \t]?[\"']?[\w.-]{0,60}?"
    r"(?:(?P<certain>passw(?:or)?d|passphrase)|token|secret|api_?key)[\w.-]{0,20}[\"']?,?\s{0,40}[\"']?value[\"']?"
    r"[ \t]?[:=][ \t]?)(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s\"',;}<]+)"
)
# The next of some arguments, in a shell or in a list.
_NEXT = r"(?:[ \t]+|=|[\"'],[ \t]*(?=[\"']))[\"']?"
_WORD = r"(?:(?<=\")[^\"\n]+|(?<=')[^'\n]+|[^\s\"'`,;<]+)"
_OPTION = re.compile(
    r"(?i)(?P<key>(?:(?<![\w-])--?(?=\w)[\w-]{0,40}"
    r"(?:token|secret|(?<!cache-)(?<!public-)(?<!recv-)(?<!restore-)(?<!sort-)key"
    rf"|(?P<certain>passw(?:or)?d|passphrase|storepass|keypass|(?<=-)pass)){_NEXT}|\bbearer[ \t]+))"
    rf"(?P<value>(?!-|(?<![\"'])(?-i:[a-z]+\b|[A-Z]+\b)){_WORD})"
)
_LOGIN = re.compile(
    r"(?im)(?P<key>\b(?:sshpass|twine[ \t]+upload|(?:docker|podman|az|oc)[ \t]+login)\b"
    rf"[^\n|;]{{0,200}}?[ \t\"']-p(?:{_NEXT})?|\bredis-cli\b[^\n|;]{{0,200}}?[ \t\"']-a{_NEXT}"
    r"|\b(?:mysql(?:dump|admin|import)?|mariadb)\b[^\n|;]{0,200}?[ \t\"']-p[\"']?(?=[^\s\"',;])"
    rf"|-pass(?:in|out)?{_NEXT}pass:"
    r"|\blogin[ \t]+\S{1,80}[ \t]+password[ \t]+"
    rf"|\bcurl\b[^\n|;]{{0,200}}?[ \t\"'](?:-u|--user)(?:{_NEXT})?[^\s:\"']{{1,80}}:"
    r"|(?:password|passphrase):[ \t]+(?!(?:none|null|true|false|yes|no|required)\b)(?=\S+[ \t]*$)"
    r"|(?:password|passphrase|token|secret|(?:api|access|secret)[_-]?key)>(?=[^<\s]{1,200}</))"
    rf"{_WORD}"
)
_AFTER_KEY = (_PATH_TOKEN, _QUERY, _QUOTED_USERINFO, _SLASHED_USERINFO, _TOKEN, _WEB_TOKEN, _PRIVATE_KEY)
# Without one of these words, the patterns that ignore case, which are slow, find nothing.
_TELLING = (
    *("pass", "_pwd", "token", "secret", "credential", "key", "auth", "art-api", "cookie", "bearer"),
    *("twine", "curl", "login", "mysql", "mariadb", "redis-cli"),
)
_PLACEHOLDER = re.compile(r"(?i)[$*%<{\[(]|(?:none|null|true|false|0x\w+|\d{1,5})$|[a-z_][\w.]*[(\[]")
_VERSION = r"(?:[<>=!~^]=?=?[ ]?)?v?\d{1,6}(?:\.\d{1,6})+(?:\.?(?:a|b|rc|dev|post)\d{1,6})*(?:\.\*)?"
# Behind the name of a package, with the build of conda; an attribute in a traceback; a file.
_PLAIN = re.compile(
    rf"{_VERSION}(?:,[ ]?{_VERSION})*(?:=[\w*]+)?$|\d{{4}}-\d\d-\d\d|(?:self|cls|args|config|os|settings)\.[a-z_]"
    r"|[A-Za-z]+(?:[_-][A-Za-z]+)+(?:[_-]?\d{1,3})?$"
    r"|[/.~][\w./~ -]*\.(?:cfg|ini|json|pem|toml|txt|ya?ml)$|/(?:var/)?run/secrets/[\w./-]+$"
)
_MARK = re.compile(r"\\?[\"']")
_MARK_OF_KEY = re.compile(r"\\?\"(?=:\s*$)")
_SHORTEST_TOKEN = 6
_DIGITS_INSIDE = re.compile(r"(?<=[A-Za-z])\d+(?=[A-Za-z])")
_GROUPS_OF_DIGITS = 2
# Only a literal password; a variable in its place is fine.
_PASSWORD = re.compile(r"://(?=[^/@\s]+@)[^/@\s]*?:(?!\$\{)[^/@\s]")


def redact(text: str) -> str:
    """The text with credentials as `****`, and each known secret as its placeholder.

    Credentials are found in URLs, headers, settings and options by the names before them, and tokens by their shape.
    """
    text = hidden(text)
    text = _ODD_USERINFO.sub("://****@", _USERINFO.sub("://****@", text))
    for pattern in _AFTER_KEY:
        text = pattern.sub(r"\g<key>****", text)
    if _is_telling(text):
        lines = _MEMBER.sub(_without_value, _HEADER.sub(r"\g<key>****", text)).split("\n")
        text = "\n".join(_without_named(line) if _is_telling(line) else line for line in lines)
    return _QUERY_PART.sub(lambda found: f"{found['key']}****" if _is_random(found["value"]) else found[0], text)


def _is_telling(text: str) -> bool:
    text = text.lower()
    return any(word in text for word in _TELLING)


def _without_named(line: str) -> str:
    """A line without the secrets that it names."""
    for pattern in (_COOKIE, _LOGIN):
        line = pattern.sub(r"\g<key>****", line)
    for pattern in (_SETTING, _VARIABLE, _OPTION):
        line = pattern.sub(_without_value, line)
    return line


def _without_value(found: re.Match[str]) -> str:
    """A setting with `****` as its value, unless that is a placeholder, or too plain for what is not a password.

    Quotes stay, so that a document of JSON or TOML is still one; JSON gets them for a number.
    """
    value = found["value"].strip("\\\"'")
    is_secret = found["certain"] or (
        len(value) >= _SHORTEST_TOKEN and any(map(str.isdigit, value)) and not _PLAIN.match(value)
    )
    if not value or not is_secret or _PLACEHOLDER.match(value):
        return found[0]
    mark = _MARK.match(found["value"]) or _MARK_OF_KEY.search(found["key"])
    return f"{found['key']}{mark[0]}****{mark[0]}" if mark else f"{found['key']}****"


def _is_random(value: str) -> bool:
    """Whether a text mixes small letters, capitals and digits as a random one does, not as names and versions do."""
    value = unquote(value)
    kinds = any(map(str.islower, value)) and any(map(str.isupper, value))
    return kinds and len(_DIGITS_INSIDE.findall(value)) >= _GROUPS_OF_DIGITS


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
