"""The channels of a profile: names, addresses, folders, mirrors and credentials."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from tfprov.conda.records import Channel
from tfprov.errors import TfprovError
from tfprov.index_address import UNREADABLE
from tfprov.paths import expanded
from tfprov.profile.records import CondaTable
from tfprov.secret import Secret
from tfprov.wants.conda_specs import CondaSpec, is_folder

_DEFAULTS = ("main", "r")
"""The channels that conda's `defaults` stands for, except a third one whose packages are only for Windows."""
_TOKEN = re.compile(r"^/t/(?P<token>[^/]+)(?P<rest>/.*)?$")


def channels(table: CondaTable, folder: Path, expand: Callable[[str], str]) -> tuple[Channel, ...]:
    """The channels of a profile, the most important first.

    Args:
        table: `[conda]` of the profile.
        folder: base of relative paths.
        expand: replaces `${NAME}` by its value.

    Raises:
        TfprovError: `profile-invalid` when a variable is not set, or no channel is left.
    """
    found = []
    for text in table.channels:
        mirrors = tuple(parse(expand(each), folder)[0] for each in table.mirrors.get(text, ()))
        for each in () if text == "nodefaults" else _DEFAULTS if text == "defaults" else (text,):
            name, token, login = parse(expand(each), folder)
            found.append(Channel(name=name, token=token, login=login, mirrors=mirrors))
    if not found:
        raise TfprovError(
            "profile-invalid",
            "the profile names no channel",
            evidence=("`conda.channels` contains only `nodefaults`",),
            hint='name one: `channels = ["conda-forge"]`',
        )
    return tuple(found)


def of_specs(
    specs: Sequence[CondaSpec], known: Sequence[Channel], folder: Path, expand: Callable[[str], str]
) -> tuple[tuple[CondaSpec, ...], tuple[Channel, ...]]:
    """The specs with their channels named as the solver knows them, and all channels.

    As in conda, the last part of an address also names its channel, and a channel that only a spec names comes after
    the others.
    """
    found, named = list(known), []
    for spec in specs:
        channel = ""
        if spec.channel:
            name, token, login = parse(expand(spec.channel), folder)
            same = [each for each in found if each.name == name]
            same = same or [each for each in found if "://" in each.name and each.name.endswith(f"/{name}")]
            if not same:
                same = [Channel(name=name, token=token, login=login)]
                found += same
            channel = same[0].name
        named.append(replace(spec, channel=channel))
    return tuple(named), tuple(found)


def parse(text: str, folder: Path) -> tuple[str, Secret | None, tuple[Secret, Secret] | None]:
    """A channel's name or address without credentials; its token; its user and password.

    Raises:
        TfprovError: `profile-invalid` when the address cannot be parsed, as with a bracket in a password.
    """
    if "://" not in text:
        if is_folder(text):
            return (folder / expanded(text)).resolve().as_uri(), None, None
        return text, None, None
    try:
        parts = urlsplit(text)
    except ValueError:
        # The error may quote a password, and so would its cause.
        raise TfprovError(
            "profile-invalid", "the address of a channel cannot be read", evidence=(UNREADABLE,)
        ) from None
    login = None
    if parts.username:
        password = unquote(parts.password or "")
        login = (Secret(unquote(parts.username), everywhere=not password), Secret(password))
    path, token = parts.path, None
    found = _TOKEN.match(path)
    if found is not None:
        path, token = found["rest"] or "", Secret(found["token"])
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, path.rstrip("/"), "", "")), token, login


def without_token(url: str) -> str:
    """The address without user, password and token, as in locks."""
    return parse(url, Path.cwd())[0] if "://" in url else url


def with_token(url: str, found: Sequence[Channel]) -> str:
    """The address to fetch a file from, with the token of its channel if there is one."""
    for channel in found:
        if channel.token is not None and url.startswith(f"{channel.name}/"):
            parts = urlsplit(url)
            return urlunsplit((parts.scheme, parts.netloc, f"/t/{channel.token.reveal()}{parts.path}", "", ""))
    return url


def mirrored(url: str, found: Sequence[Channel], bases: Mapping[str, str]) -> tuple[str, ...]:
    """The addresses of a file on the mirrors of its channel.

    Args:
        url: address of the file, without credentials.
        found: channels of the profile.
        bases: addresses of channels by name, for channels that are known by name only.
    """
    for channel in found:
        base = bases.get(channel.name, channel.name)
        if url.startswith(f"{base}/"):
            return tuple(mirror + url[len(base) :] for mirror in channel.mirrors)
    return ()


def subdir(system: str, machine: str) -> str:
    """The conda name of a platform: `linux-64`.

    Args:
        system: as named in the facts.
        machine: normalised architecture.
    """
    family = {"linux": "linux", "macos": "osx", "windows": "win"}[system]
    architecture = {"x86_64": "64", "i686": "32", "aarch64": "arm64" if system != "linux" else "aarch64"}
    return f"{family}-{architecture.get(machine, machine)}"
