"""The index, proxies and certificates that pip and uv are configured with on this machine."""

from __future__ import annotations

import configparser
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from tfprov.contents import is_readable
from tfprov.host.records import Fact, Hazard, IndexConfig, Proxies
from tfprov.host.system import ROOT, System, exists, home_folder, read_text
from tfprov.index_address import mistake_in
from tfprov.redact import redact
from tfprov.secret import noticed
from tfprov.structured import TomlError, toml_of

_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
_UV_VARIABLES = (
    ("url", ("UV_DEFAULT_INDEX", "UV_INDEX_URL")),
    ("extra", ("UV_INDEX", "UV_EXTRA_INDEX_URL")),
    ("find_links", ("UV_FIND_LINKS",)),
)
_PIP_KEYS = (("url", "index-url"), ("extra", "extra-index-url"), ("find_links", "find-links"))
_NAMED_INDEX = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)=(?P<url>.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A configured value, and the file or variable that sets it."""

    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """The network configuration of this machine.

    Attributes:
        pip: pip's own settings by option name (`index-url`), as `pip install` would see them.
    """

    index: Fact[IndexConfig]
    proxies: Fact[Proxies]
    certificates: Fact[str | None]
    pip: dict[str, Setting]
    hazards: tuple[Hazard, ...]


def network(environ: Mapping[str, str], *, system: System, root: Path = ROOT) -> NetworkSettings:
    """Read index, proxies and certificates from configuration files and variables, without using the network."""
    hazards: list[Hazard] = []
    layers = _pip_layers(environ, system=system, root=root, hazards=hazards)
    pip = {option: settings[0] for option, settings in layers.items()}
    uv = _uv_settings(environ, system=system, root=root, hazards=hazards)
    return NetworkSettings(
        index=_index(layers, uv, hazards),
        proxies=_proxies(environ, pip),
        certificates=_certificates(environ, pip, hazards),
        pip=pip,
        hazards=tuple(hazards),
    )


def _pip_layers(
    environ: Mapping[str, str], *, system: System, root: Path, hazards: list[Hazard]
) -> dict[str, tuple[Setting, ...]]:
    """Settings of `pip install` by option name, the effective one first, merged in pip's own order.

    Files from the widest scope to the narrowest, each key of a later file over that of an earlier one; then everything
    in `[install]` over everything in `[global]`; then variables over files.
    """
    merged: dict[str, tuple[Setting, ...]] = {}
    for file in _pip_files(environ, system, root):
        for key, setting in _pip_file(file, hazards).items():
            merged[key] = (setting, *merged.get(key, ()))
    found: dict[str, tuple[Setting, ...]] = {}
    for section in ("global", "install"):
        for key, settings in merged.items():
            if key.startswith(f"{section}."):
                option = key.partition(".")[2]
                found[option] = (*settings, *found.get(option, ()))
    for name, text in environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and text.strip():
            option = name[4:].lower().replace("_", "-")
            found[option] = (Setting(value=noticed(text), source=name), *found.get(option, ()))
    return found


def _pip_files(environ: Mapping[str, str], system: System, root: Path) -> list[Path]:
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        # pip's own way to disable all configuration files.
        return []
    home = home_folder(environ, system)
    file = "pip.ini" if system == "windows" else "pip.conf"
    # pip ignores the user's files when PIP_CONFIG_FILE names one.
    has_named = bool(named) and exists(Path(named or ""))
    found: list[Path] = []
    if system == "windows":
        found.append(Path(environ.get("PROGRAMDATA") or "C:/ProgramData") / "pip" / file)
    elif system == "macos":
        found.append(root / "Library/Application Support/pip" / file)
    else:
        found += [folder / "pip" / file for folder in _xdg_folders(environ, root)]
        found.append(root / "etc" / file)
    if home is not None and not has_named:
        found.append(home / ("pip" if system == "windows" else ".pip") / file)
        support = home / "Library/Application Support/pip"
        if system == "macos" and exists(support):
            found.append(support / file)
        elif system == "windows":
            found.append(Path(environ.get("APPDATA") or home / "AppData/Roaming") / "pip" / file)
        else:
            found.append(Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / file)
    # pip also reads a file in the environment that it runs in; only the active environment is known here.
    found += [Path(environ[name]) / file for name in ("CONDA_PREFIX", "VIRTUAL_ENV") if environ.get(name)]
    if named:
        found.append(Path(named))
    return found


def _notice_lines(text: str) -> None:
    """Redact the secrets in a file that cannot be parsed: the error message may quote a line of it."""
    for line in text.splitlines():
        noticed(line)


def _xdg_folders(environ: Mapping[str, str], root: Path) -> list[Path]:
    named = [Path(part) for part in environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep) if part]
    # The first has the highest priority, so it is read last.
    return list(reversed(named or [root / "etc/xdg"]))


def _pip_file(file: Path, hazards: list[Hazard]) -> dict[str, Setting]:
    text = read_text(file)
    if text is None:
        return {}
    try:
        return {key: Setting(value=noticed(value), source=str(file)) for key, value in parse_pip_file(text).items()}
    except configparser.Error as error:
        _notice_lines(text)
        first = str(error).splitlines()[0]
        why = "pip ends with an error on every command while it cannot read this file; tfprov reads nothing from it"
        hazards.append(Hazard(code="usage", name=str(file), value=redact(first), why=why))
        return {}


def parse_pip_file(text: str) -> dict[str, str]:
    """The settings in a pip.conf by `section.option`, options in pip's spelling (`index-url`)."""
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    found: dict[str, str] = {}
    for section in parser.sections():
        for name, value in parser.items(section):
            option = name.lower().replace("_", "-").removeprefix("--")
            found[f"{section}.{option}"] = value
    return found


def _uv_settings(
    environ: Mapping[str, str], *, system: System, root: Path, hazards: list[Hazard]
) -> dict[str, tuple[tuple[Setting, ...], ...]]:
    """Index settings of uv by tfprov's own names (url, extra, find_links), in layers, the effective one first."""
    found: dict[str, tuple[tuple[Setting, ...], ...]] = {}
    if environ.get("UV_NO_CONFIG", "").lower() not in ("1", "true", "yes", "on"):
        for file in _uv_files(environ, system, root):
            for key, told in _uv_file(file, hazards).items():
                known = tuple(replace(said, value=_with_login(said.value, environ)) for said in told)
                found[key] = (known, *found.get(key, ()))
    for key, variables in _UV_VARIABLES:
        named: list[Setting] = []
        for variable in variables:
            # Find-links locations are separated by commas, since a folder's name may contain blanks; indexes by blanks.
            parts = noticed(environ.get(variable, "")).split("," if key == "find_links" else None)
            words = [part.strip() for part in parts if part.strip()]
            named += [Setting(value=_with_login(word, environ), source=variable) for word in words]
            if named and key == "url":
                break
        if named:
            found[key] = (tuple(named), *found.get(key, ()))
    return found


def _uv_files(environ: Mapping[str, str], system: System, root: Path) -> list[Path]:
    if environ.get("UV_CONFIG_FILE"):
        return [Path(environ["UV_CONFIG_FILE"])]
    home = home_folder(environ, system)
    if system == "windows":
        found = [Path(environ.get("PROGRAMDATA") or "C:/ProgramData") / "uv/uv.toml"]
        user = environ.get("APPDATA") or (home and home / "AppData/Roaming")
    else:
        system_files = [folder / "uv/uv.toml" for folder in _xdg_folders(environ, root)]
        found = [*system_files, root / "etc/uv/uv.toml"]
        user = environ.get("XDG_CONFIG_HOME") or (home and home / ".config")
    return [*found, Path(user) / "uv/uv.toml"] if user else found


def _uv_file(file: Path, hazards: list[Hazard]) -> dict[str, tuple[Setting, ...]]:
    text = read_text(file)
    if text is None:
        return {}
    try:
        found = parse_uv_file(text)
    except TomlError as error:
        _notice_lines(text)
        why = "uv ends with an error on every command while it cannot read this file; tfprov reads nothing from it"
        hazards.append(Hazard(code="usage", name=str(file), value=redact(str(error)), why=why))
        return {}
    return {
        key: tuple(Setting(value=_beside(noticed(value), file), source=str(file)) for value in values)
        for key, values in found.items()
    }


def parse_uv_file(text: str) -> dict[str, tuple[str, ...]]:
    """The index settings in a uv.toml by tfprov's own names; the `[pip]` table has priority.

    A named index is returned as `name=URL`, as in uv's variables.

    Raises:
        ValueError: it is not TOML.
    """
    document = toml_of(text)
    found: dict[str, tuple[str, ...]] = {}
    for table in (document, document.get("pip")):
        if not isinstance(table, dict):
            continue
        defaults: list[str] = []
        others: list[str] = []
        indexes = table.get("index")
        for entry in indexes if isinstance(indexes, list) else ():
            # An explicit index serves only the packages that a project assigns to it.
            if isinstance(entry, dict) and isinstance(entry.get("url"), str) and entry.get("explicit") is not True:
                url, name = entry["url"], entry.get("name")
                told_as = f"{name}={url}" if isinstance(name, str) and "://" in url else url
                (defaults if entry.get("default") is True else others).append(told_as)
        told = {
            "url": (*defaults[:1], *_strings(table.get("index-url")))[:1],
            "extra": (*others, *_strings(table.get("extra-index-url"))),
            "find_links": _strings(table.get("find-links")),
        }
        found.update({key: values for key, values in told.items() if values})
    return found


def _strings(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(one for one in values if isinstance(one, str) and one)


def _beside(value: str, file: Path) -> str:
    """A relative path in a configuration file, resolved against its folder; a URL is returned unchanged."""
    return value if "://" in value or Path(value).is_absolute() else str(file.parent / value)


def _with_login(text: str, environ: Mapping[str, str]) -> str:
    """The URL in `name=URL`, with the user and password that uv reads from the variables for that name."""
    named = _NAMED_INDEX.match(text)
    if not named or "://" not in named["url"]:
        return text
    key = re.sub(r"[^A-Z0-9]", "_", named["name"].upper())
    user, password = (environ.get(f"UV_INDEX_{key}_{part}", "") for part in ("USERNAME", "PASSWORD"))
    try:
        parts = urlsplit(named["url"])
    except ValueError:
        return named["url"]
    if not (user or password) or "@" in parts.netloc:
        return named["url"]
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return noticed(urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}")))


def _index(
    pip: Mapping[str, tuple[Setting, ...]], uv: Mapping[str, tuple[tuple[Setting, ...], ...]], hazards: list[Hazard]
) -> Fact[IndexConfig]:
    chosen: dict[str, tuple[Setting, ...]] = {}
    # A file that cannot be parsed may have named the index; using another one would be wrong.
    invalid = [f"`{hazard.name}` cannot be read: {hazard.value}" for hazard in hazards]
    if pip.get("index-url") or uv.get("url"):
        invalid = []
    for key, option in _PIP_KEYS:
        of_pip = [tuple(replace(said, value=part) for part in said.value.split()) for said in pip.get(option, ())]
        chosen[key] = _first_meant((*uv.get(key, ()), *of_pip), key, hazards, invalid)
    of_uv = {said for told in uv.get("extra", ()) for said in told}
    sources = dict.fromkeys(setting.source for settings in chosen.values() for setting in settings)
    config = IndexConfig(
        url=chosen["url"][0].value if chosen["url"] else None,
        extra=tuple(setting.value for setting in chosen["extra"]),
        find_links=tuple(setting.value for setting in chosen["find_links"]),
        # Indexes from uv's settings are combined in uv's way; those that only pip's settings name, in pip's way.
        merged=bool(chosen["extra"]) and of_uv.isdisjoint(chosen["extra"]),
        invalid=tuple(dict.fromkeys(invalid)),
    )
    return Fact(value=config, source=", ".join(sources) or "neither uv nor pip is configured")


def _first_meant(
    layers: Iterable[tuple[Setting, ...]], key: str, hazards: list[Hazard], invalid: list[str]
) -> tuple[Setting, ...]:
    """The values of the first layer that has any. Invalid values become hazards, and no later layer replaces them."""
    for told in layers:
        kept: list[Setting] = []
        for said in told[: 1 if key == "url" else None]:
            wrong = _mistake(said.value, key)
            if wrong is None:
                kept.append(said)
                continue
            if key != "find_links" or "://" in said.value:
                invalid.append(f"`{said.source}`: {wrong}")
            why = f"{wrong}; no other setting is used instead, and pip and uv ignore it or fail"
            hazards.append(Hazard(code="index-setting-invalid", name=said.source, value=_shown(said.value), why=why))
        if told:
            return tuple(kept)
    return ()


def _shown(value: str) -> str:
    """An invalid value, as far as it can be shown: in an unparsable URL, the end of a password is unknown."""
    return f"{value.partition('://')[0]}://****" if "@" in value and "://" in value else redact(value)


def _mistake(value: str, key: str) -> str | None:
    """The reason why a value cannot be an index or a find-links location; None when it can."""
    if "://" in value:
        return mistake_in(value)
    # Both tools accept a folder instead of a URL; find-links also a page on disk.
    if exists(Path(value)) or (key == "find_links" and Path(value).is_absolute()):
        return None
    return "it is neither a URL nor a folder"


def _proxies(environ: Mapping[str, str], pip: Mapping[str, Setting]) -> Fact[Proxies]:
    values: dict[str, str] = {}
    sources: list[str] = []
    for field, name in (
        ("http", "http_proxy"),
        ("https", "https_proxy"),
        ("all", "all_proxy"),
        ("no_proxy", "no_proxy"),
    ):
        # The lower-case name wins in curl, requests and urllib alike. Windows does not distinguish the two.
        for variable in (name, name.upper()):
            text = environ.get(variable, "").strip()
            if text:
                values[field] = text if field == "no_proxy" else noticed(_with_scheme(text))
                sources.append(variable)
                break
    if not {"http", "https", "all"} & values.keys():
        told, source = _system_proxies()
        if not told and "proxy" in pip:
            told = {"http": pip["proxy"].value, "https": pip["proxy"].value}
            source = pip["proxy"].source
        for field in ("http", "https"):
            if told.get(field):
                values[field] = noticed(_with_scheme(told[field]))
        if told:
            sources.append(source)
    proxies = Proxies(
        http=values.get("http"), https=values.get("https"), all=values.get("all"), no_proxy=values.get("no_proxy")
    )
    return Fact(value=proxies, source=", ".join(sources) or "no variable or setting names a proxy")


def _with_scheme(text: str) -> str:
    # Many users write `host:port`, and every tool accepts it; the scheme is needed to recognise a password.
    return text if "://" in text else f"http://{text}"


def _system_proxies() -> tuple[dict[str, str], str]:
    """Proxies from the system's settings (macOS, Windows); empty elsewhere."""
    if sys.platform == "darwin":
        import urllib.request

        return urllib.request.getproxies_macosx_sysconf(), "system settings"
    if sys.platform == "win32":
        import urllib.request

        return urllib.request.getproxies_registry(), "registry"
    return {}, ""


def _certificates(environ: Mapping[str, str], pip: Mapping[str, Setting], hazards: list[Hazard]) -> Fact[str | None]:
    named = [Setting(value=environ[name], source=name) for name in _CERTIFICATE_VARIABLES if environ.get(name)]
    if "cert" in pip:
        named.append(pip["cert"])
    chosen: Setting | None = None
    for setting in dict.fromkeys(named):  # PIP_CERT is also one of pip's own settings
        if is_readable(setting.value):
            chosen = chosen or setting
        elif not os.path.isdir(setting.value):  # noqa: PTH112 - a path from outside, on which `Path` may raise
            # requests accepts a folder too, so that is not an error; but it is not passed on.
            why = "the file cannot be read: a tool that uses it trusts no server at all"
            hazards.append(Hazard(code="net-tls-cert", name=setting.source, value=setting.value, why=why))
    if chosen is not None:
        return Fact(value=chosen.value, source=chosen.source)
    return Fact(value=None, source="no variable or setting names a readable file")
