"""Reads Poetry's own tables in `pyproject.toml`.

Version ranges are translated to PEP 440 here rather than by poetry-core, whose import takes 0.26 s, longer than a
whole run that has nothing to do. The tests compare both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.wants.basket import Basket
from tfprov.wants.poetry_unions import union
from tfprov.wants.records import ProjectParts
from tfprov.wants.tables import Table, key_of, table, tell_unchosen, text_of, texts, unknown, with_source

_ONE_PRERELEASE = (
    "`allow-prereleases` is left out: pre-releases count where the version names one, or everywhere with "
    '`packages.prereleases = "all"`'
)
_CLAUSE = re.compile(r"\s*(\^|~=|~|===?|!=|>=|<=|>|<|=)?\s*([^\s,|^~=!<>]+)\s*")


def read(document: Table, basket: Basket, parts: ProjectParts) -> ProjectParts:
    """Add the dependencies and extras in Poetry's tables to the basket, with their sources.

    Where `[project]` lists the dependencies, Poetry's table only says which Pythons are locked for, and where some of
    the dependencies come from.

    Args:
        document: the parsed TOML document.
        basket: collects them.
        parts: extras and groups to include.

    Returns:
        The parts that are left to be read in the tables that other tools have, too: extras of `[project]`, and groups.
    """
    poetry = table(document, "tool", "poetry")
    project = table(document, "project")
    main = table(poetry, "dependencies")
    extras = table(poetry, "extras")
    wanted = set()
    left = []
    for name in parts.extras:
        if key_of(name, table(project, "optional-dependencies")) is not None or "dependencies" in project:
            left.append(name)
        elif (key := key_of(name, extras)) is not None:
            wanted |= {canonicalize_name(one.partition("[")[0]) for one in texts(extras, key)}
        else:
            unknown(basket, basket.place("tool.poetry.extras"), "extra", name, tuple(extras))
    needed = {
        name: value
        for name, value in main.items()
        if name == "python"
        or ("dependencies" not in project and (not _is_optional(value) or canonicalize_name(name) in wanted))
    }
    put(needed, "tool.poetry.dependencies", basket)
    if "dependencies" not in project:
        tell_unchosen(basket, "extra", {name: texts(extras, name) for name in extras})
    read_sources(poetry, basket)
    return replace(parts, extras=tuple(left))


def read_sources(poetry: Table, basket: Basket) -> None:
    """Add the package sources of a Poetry project to the basket, and the projects that must come from one of them."""
    where = basket.place("tool.poetry.source")
    found = poetry.get("source")
    sources = [each for each in found if isinstance(each, Mapping)] if isinstance(found, Sequence) else []
    urls = {str(each.get("name")).lower(): str(each["url"]) for each in sources if isinstance(each.get("url"), str)}
    for source in sources:
        priority = source.get("priority", "primary")
        if isinstance(url := source.get("url"), str) and priority != "explicit":
            basket.address("index" if priority in ("primary", "default") else "extra", url, where)
    groups = (table(group, "dependencies") for group in table(poetry, "group").values())
    for of_group in (table(poetry, "dependencies"), table(poetry, "dev-dependencies"), *groups):
        for name, value in of_group.items():
            for entry in value if isinstance(value, list) else (value,):
                if (source_name := str(table(entry).get("source", "")).lower()) in urls:
                    basket.address("only", urls[source_name], where, name)


def specifier(text: str) -> str:
    """Translate a version range of Poetry to PEP 440; empty for any version.

    Raises:
        ValueError: it is not a range, or PEP 440 cannot express it.
    """
    if "|" in text:
        return union(text, [specifier(one) for one in re.split(r"\|\|?", text)])
    if text.strip() in ("", "*"):
        return ""
    clauses, end = [], 0
    for found in _CLAUSE.finditer(text):
        if text[end : found.start()].strip(" ,"):
            break
        clauses.append(_clause(found[1] or "", found[2]))
        end = found.end()
    try:
        if not text[end:].strip(" ,"):
            SpecifierSet(",".join(clauses))
            return ",".join(clauses)
    except ValueError:
        pass
    raise ValueError(f"`{text}` is not a range of versions")


def _clause(operator: str, version: str) -> str:
    if operator in ("^", "~"):
        try:
            release = Version(version).release
        except ValueError:
            raise ValueError(f"`{operator}{version}` is not a range of versions") from None
        if operator == "~":
            kept = min(2, len(release))
        else:
            # `^` keeps everything up to and including the first part that is not zero.
            kept = next((at for at, part in enumerate(release, start=1) if part), len(release))
        above = ".".join(map(str, (*release[: kept - 1], release[kept - 1] + 1)))
        return f">={version},<{above}"
    if version.endswith(".*") and operator in (">=", ">", "<", "<="):
        return f"{operator}{version.removesuffix('.*')}"
    return f"{'==' if operator in ('', '=') else operator}{version}"


def _is_optional(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("optional") is True


def put(found: Table, key: str, basket: Basket) -> None:
    """Add dependencies to the basket; `key` is that of their table, for messages."""
    for name, value in found.items():
        where = basket.place(f"{key}.{name}")
        # A list holds alternatives, each with a marker.
        for one in value if isinstance(value, Sequence) and not isinstance(value, str) else (value,):
            entry = {"version": one} if isinstance(one, str) else one
            if not isinstance(entry, Mapping):
                basket.problem(where, "it is neither a range of versions nor a table")
                continue
            if any(entry.get(key) is True for key in ("allow-prereleases", "allows-prereleases")):
                basket.note(where, _ONE_PRERELEASE)
            try:
                bounds = specifier(text_of(entry, "version", where, basket))
                if name == "python":
                    basket.python(bounds, where)
                else:
                    basket.want(requirement(name, entry, bounds), where, as_link=entry.get("develop") is True)
            except ValueError as error:
                basket.problem(where, str(error))


def requirement(name: str, entry: Table, bounds: str) -> str:
    """The PEP 508 requirement for an entry of Poetry, pipenv or pixi.

    Args:
        name: of the project.
        entry: its table, with the markers, extras and address.
        bounds: PEP 440 range; empty for any version.

    Raises:
        ValueError: the entry is not valid.
    """
    markers = [f"({text})" for text in (entry.get("markers"),) if isinstance(text, str) and text]
    if isinstance(python := entry.get("python"), str):
        markers += [_python_marker(clause) for clause in specifier(python).split(",") if clause]
    for variable in ("sys_platform", "platform_system", "platform_machine", "os_name", "python_version"):
        if isinstance(test := entry.get(variable), str):
            markers.append(f"{variable} {test}")
    if isinstance(platform := entry.get("platform"), str):
        markers.append(f'sys_platform == "{platform}"')
    extras = f"[{','.join(texts(entry, 'extras'))}]" if texts(entry, "extras") else ""
    marker = f" ; {' and '.join(markers)}" if markers else ""
    try:
        asked = Requirement(f"{name}{extras}{bounds}{marker}")
    except ValueError as error:
        raise ValueError(f"`{name}{extras}{bounds}{marker}`: {str(error).splitlines()[0]}") from None
    return with_source(asked, entry)


def _python_marker(clause: str) -> str:
    found = re.match(r"([<>=!~]+)(.*)", clause)
    if found is None:
        raise ValueError(f"`{clause}` is not a range of Python versions")
    variable = "python_version" if found[2].removesuffix(".*").count(".") < 2 else "python_full_version"
    return f'{variable} {found[1]} "{found[2]}"'
