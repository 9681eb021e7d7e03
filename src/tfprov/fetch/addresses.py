"""URLs in profiles and locks: variables, folders, origins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from tfprov.errors import TfprovError
from tfprov.lock.records import LockedFile
from tfprov.paths import expanded
from tfprov.redact import redact
from tfprov.secret import Secret, looks_secret, noticed

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")
_HOST = re.compile(r"://(?:[^/]*@)?(?P<host>[^/]*)")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def expand(text: str, environ: Mapping[str, str]) -> str:
    """The text with `${NAME}` replaced by the values of environment variables.

    From now on, output shows the name instead of the value of each variable that is used in a URL outside its host, or
    whose name suggests a secret.

    Raises:
        TfprovError: `profile-invalid` when a variable is not set.
    """
    host = _HOST.search(text)

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in environ:
            raise TfprovError(
                "profile-invalid",
                f"`{redact(text)}` needs the variable `{name}`, which is not set",
                hint=f"set `{name}` in the environment of this command",
            )
        in_host = host is not None and host.start("host") <= match.start() < host.end("host")
        if looks_secret(name) or (host is not None and not in_host):
            return variable(name, environ).reveal()
        return noticed(environ[name])

    return _VARIABLE.sub(value, text)


def variable(name: str, environ: Mapping[str, str]) -> Secret:
    """The value of a variable that is set, as a secret that is shown as `${NAME}`."""
    return Secret(environ[name], shown=f"${{{name}}}")


def expand_all(variables: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Variables of a profile with `${NAME}` replaced in each; errors as for `expand`."""
    found = {name: expand(text, environ) for name, text in variables.items()}
    for name, text in found.items():
        if looks_secret(name):
            Secret(text, shown=variables[name])
    return found


def with_values(files: Sequence[LockedFile], environ: Mapping[str, str]) -> tuple[LockedFile, ...]:
    """Locked files with `${NAME}` replaced in their URLs; errors as for `expand`."""
    return tuple(
        replace(file, url=expand(file.url, environ)) if file.url.startswith("http") and "${" in file.url else file
        for file in files
    )


def place(entry: str, folder: Path) -> str:
    """An entry of find-links: a URL unchanged, a folder as an absolute path."""
    if re.match(r"^[a-z]+://", entry):
        return entry
    return str((folder / expanded(entry)).absolute())


def server_of(url: str) -> str:
    """Host and port of a URL, as they are written in it; empty for a path and for a `file:` without a host."""
    return urlsplit(url).netloc.rpartition("@")[2]


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL: the scope of credentials."""
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"
