"""Reads `pyproject.toml`: dependencies, extras and groups of a project, and its settings for uv."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from packaging.markers import Marker, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov import project_folder
from tfprov.contents import content_of, is_readable
from tfprov.paths import is_trusted_above, relative
from tfprov.structured import toml_of
from tfprov.wants.basket import Basket, Part
from tfprov.wants.records import ProjectParts
from tfprov.wants.tables import (
    MUST_BE_TEXT,
    Choices,
    Table,
    key_of,
    put_choices,
    table,
    tell_unchosen,
    text_of,
    texts,
    unknown,
    with_source,
)
from tfprov.wants.text import decoded

if TYPE_CHECKING:
    from tfprov.wants.hatch import HatchEnvironment

_T = TypeVar("_T")

# Settings that change what uv resolves, and that tfprov ignores.
_LEFT_OUT = frozenset(
    {
        *("build-constraint-dependencies", "conflicts", "dependency-metadata", "environments", "exclude-newer"),
        *("fork-strategy", "index-strategy", "no-binary", "no-index", "required-environments", "resolution"),
    }
)
_CHOICES = Choices(
    no_binary=("no-binary-package",), only_binary=("no-build", "no-build-package"), prereleases={"prerelease": "allow"}
)


def has_dependencies(document: Table) -> bool:
    """Whether a `pyproject.toml` lists dependencies, rather than only the settings of tools."""
    project = table(document, "project")
    return bool(
        "dependencies" in project
        or "dependencies" in texts(document, "project", "dynamic")
        or table(project, "optional-dependencies")
        or table(document, "dependency-groups")
        or table(document, "tool", "poetry", "dependencies")
        or table(document, "tool", "flit", "metadata").get("requires")
        or table(document, "tool", "hatch", "envs")
        or pixi_of(document)
    )


def pixi_of(document: Table) -> Table:
    """The table of pixi in a document: the whole of a `pixi.toml`, else `[tool.pixi]`; empty when there is none."""
    is_its_own = table(document, "workspace") or "platforms" in table(document, "project")
    return document if is_its_own else table(document, "tool", "pixi")


def read(document: Table, basket: Basket, parts: ProjectParts) -> None:
    """Add what a project requests to the basket.

    Args:
        document: the parsed TOML document.
        basket: collects it.
        parts: extras and groups to include.
    """
    project = table(document, "project")
    flit = table(document, "tool", "flit", "metadata")
    is_poetry = bool(table(document, "tool", "poetry"))
    reader = _Reader(document, basket, parts)
    if flit and not (project or is_poetry):
        reader.flit(flit, parts)
        return
    if is_poetry:
        from tfprov.wants import poetry

        parts = poetry.read(document, basket, parts)
    if pixi := pixi_of(document):
        from tfprov.wants import pixi as of_pixi

        of_pixi.read(pixi, basket, parts)
        parts = replace(parts, groups=tuple(name for name in parts.groups if not of_pixi.has_group(pixi, name)))
    where = basket.place("project.requires-python")
    basket.python(text_of(project, "requires-python", where, basket), where)
    reader.put_list("project.dependencies")
    if "dependencies" in texts(project, "dynamic") and not is_poetry:
        reader.dynamic(table(document, "tool", "setuptools", "dynamic", "dependencies"), "dependencies")
    reader.extras((*parts.extras, *reader.features_of(parts.groups)))
    reader.groups(parts.groups)
    reader.uv()
    if table(document, "tool", "pdm") or table(document, "tool", "rye"):
        from tfprov.wants import pdm

        pdm.read(document, basket)


def read_lists(names: Sequence[str], basket: Basket, where: str) -> None:
    """Add the requirements files that setuptools reads the dependencies of a project from to the basket.

    Args:
        names: of the files, relative to the file that names them.
        basket: collects the requirements.
        where: the file and the key that name them, for messages.
    """
    from tfprov.wants import requirements_file

    for name in names:
        path = basket.origin.path.parent / name
        try:
            text = decoded(content_of(path))
        except (OSError, ValueError) as error:
            basket.problem(where, f"`{name}` cannot be read: {error}")
        else:
            requirements_file.read(text, basket.inside(replace(basket.origin, path=path)))


class _Reader:
    """Reads the tables of one document into a basket."""

    def __init__(self, document: Table, basket: Basket, parts: ProjectParts) -> None:
        self._document = document
        self._basket = basket
        self._parts = parts
        self._project = table(document, "project")
        # Poetry's entries say where the dependencies in `[project]` come from.
        is_listed = "dependencies" in table(document, "project")
        of_poetry = table(document, "tool", "poetry", "dependencies") if is_listed else {}
        self._sources = {
            canonicalize_name(name): source
            for name, source in {**of_poetry, **table(document, "tool", "uv", "sources")}.items()
        }
        listed: tuple[Table, ...] = self._list("tool.uv.index", dict)
        self._indexes = {str(index.get("name", f" {number}")): index for number, index in enumerate(listed)}

    def put(self, found: Sequence[str], key: str, part: Part = "requirements") -> None:
        """Add requirements, each with its source from `[tool.uv.sources]`."""
        for text in found:
            asked, source = self._sourced(text)
            # uv and Poetry have a word each for it.
            as_link = source.get("editable") is True or source.get("develop") is True
            self._basket.want(asked, self._where(key), part=part, as_link=as_link)

    def put_list(self, key: str, part: Part = "requirements") -> None:
        """Add the requirements in a list of the document."""
        self.put(self._list(key, str), key, part)

    def dynamic(self, found: Table, what: str) -> None:
        """Add dynamic dependencies: those in the files that setuptools reads, else those that the build reports."""
        where = self._where(f"tool.setuptools.dynamic.{what}")
        names = found.get("file")
        names = (names,) if isinstance(names, str) else names
        if not isinstance(names, Sequence):
            self._basket.dependencies_of(self._basket.origin.path.parent, self._where("project.dynamic"))
            return
        read_lists([str(name) for name in names], self._basket, where)

    def flit(self, found: Table, parts: ProjectParts) -> None:
        """Add what flit's own tables request, from before these were standardised."""
        key = "tool.flit.metadata"
        where = self._where(f"{key}.requires-python")
        self._basket.python(text_of(found, "requires-python", where, self._basket), where)
        self.put(texts(found, "requires"), f"{key}.requires")
        for name in parts.extras:
            extras = table(found, "requires-extra")
            if (own := key_of(name, extras)) is not None:
                self.put(texts(extras, own), f"{key}.requires-extra.{own}")
            else:
                unknown(self._basket, self._where(f"{key}.requires-extra"), "extra", name, tuple(extras))
        self.groups(parts.groups)

    def extras(self, wanted: Sequence[str], seen: frozenset[str] = frozenset()) -> None:
        """Add the requirements of extras, and of other extras of the project that they refer to.

        Args:
            wanted: names of the extras.
            seen: normalised names of the extras that are already being read.
        """
        known = {canonicalize_name(name): name for name in table(self._project, "optional-dependencies")}
        of_files = table(self._document, "tool", "setuptools", "dynamic", "optional-dependencies")
        for name in wanted:
            extra = canonicalize_name(name)
            if extra in seen:
                continue
            if extra not in known and (own_key := key_of(name, of_files)) is not None:
                self.dynamic(table(of_files, own_key), f"optional-dependencies.{own_key}")
                continue
            if extra not in known:
                unknown(self._basket, self._where("project.optional-dependencies"), "extra", name, tuple(known))
                continue
            key = f"project.optional-dependencies.{known[extra]}"
            found = self._list(key, str)
            own = [text for text in found if self._is_itself(text)]
            self.put([text for text in found if text not in own], key)
            for text in own:
                self.extras(sorted(Requirement(text).extras), seen | {extra})
        if not seen:
            optional = table(self._project, "optional-dependencies")
            tell_unchosen(self._basket, "extra", {name: texts(optional, name) for name in optional})

    def groups(self, wanted: Sequence[str]) -> None:
        """Add the requirements of dependency groups (PEP 735)."""
        # Tables of tools from before the standard, and Poetry's, which is still in use.
        of_uv = (
            *self._list("tool.uv.dev-dependencies", str),
            *texts(self._document, "tool", "rye", "dev-dependencies"),
        )
        of_pdm = table(self._document, "tool", "pdm", "dev-dependencies")
        of_poetry = _groups_of_poetry(self._document)
        groups = {
            **({"dev": list(of_uv)} if of_uv else {}),
            **{name: list(texts(of_pdm, name)) for name in of_pdm},
            **table(self._document, "dependency-groups"),
        }
        of_hatch = self._hatch()
        known = {canonicalize_name(name): name for name in (*of_hatch, *groups, *of_poetry)}
        for name in wanted:
            group = known.get(canonicalize_name(name))
            if group is None:
                key = "tool.poetry.group" if of_poetry and not groups else "dependency-groups"
                unknown(self._basket, self._where(key), "group", name, tuple(known.values()))
                continue
            if group in groups:
                self._group(group, groups)
            if group in of_poetry:
                from tfprov.wants import poetry

                poetry.put(table(of_poetry, group, "dependencies"), f"tool.poetry.group.{group}", self._basket)
            if group in of_hatch and group not in groups:
                self._environment(group, of_hatch[group], groups)
        of_others: dict[str, Iterable[str]] = {
            **{name: environment.dependencies for name, environment in of_hatch.items()},
            **{name: table(of_poetry, name, "dependencies") for name in of_poetry},
        }
        tell_unchosen(self._basket, "group", {**of_others, **{name: texts(groups, name) for name in groups}})

    def _group(self, name: str, groups: Table) -> None:
        # Imported late, because most profiles name no group.
        from packaging.dependency_groups import resolve_dependency_groups
        from packaging.errors import ExceptionGroup

        key = f"dependency-groups.{name}"
        try:
            self.put(resolve_dependency_groups(cast("dict[str, list[str]]", groups), name), key)
        except (ValueError, LookupError, TypeError, ExceptionGroup) as error:
            self._basket.problem(self._where(key), f"the group cannot be read: {_words(error)}")

    def features_of(self, groups: Sequence[str]) -> Iterator[str]:
        """The extras in the environments of Hatch that are chosen as groups."""
        environments = self._hatch() if groups else {}
        for name in groups:
            if (own := key_of(name, environments)) is not None:
                yield from environments[own].features

    def _hatch(self) -> dict[str, HatchEnvironment]:
        path = self._basket.origin.path
        if not table(self._document, "tool", "hatch") and not is_readable(path.with_name("hatch.toml")):
            return {}
        from tfprov.wants import hatch

        return hatch.environments(self._document, path)

    def _environment(self, name: str, found: HatchEnvironment, groups: Table) -> None:
        """Add what an environment of Hatch holds besides extras to the basket."""
        key = f"tool.hatch.envs.{name}"
        self.put(found.dependencies, f"{key}.dependencies")
        if found.python is None:
            self._basket.problem(self._where(key), f"`python` {MUST_BE_TEXT}")
        self._basket.python(found.python or "", self._where(f"{key}.python"))
        for group in found.groups:
            if (own := key_of(group, groups)) is not None:
                self._group(own, groups)
            else:
                unknown(self._basket, self._where(f"{key}.dependency-groups"), "group", group, tuple(groups))
        if found.has_matrix:
            self._basket.note(self._where(key), "its matrix is left out: what all its environments have is read")

    def uv(self) -> None:
        """Add the constraints, overrides, exclusions and indexes in `[tool.uv]`, and a note on ignored settings."""
        key = "tool.uv"
        uv = table(self._document, "tool", "uv")
        put_choices(self._basket, self._where(key), uv, _CHOICES)
        left = [f"`{name}`" for name in uv if name in _LEFT_OUT]
        if uv.get("prerelease") in ("disallow", "if-necessary", "explicit"):
            left.append("`prerelease`")
        if left:
            self._basket.note(self._where(key), f"{', '.join(left)} of uv: left out, tfprov has settings of its own")
        self.put_list(f"{key}.constraint-dependencies", "constraints")
        self.put_list(f"{key}.override-dependencies", "overrides")
        excluded = f"{key}.exclude-dependencies"
        self._basket.exclude(self._list(excluded, str), self._where(excluded))
        for name, source in self._sources.items():
            entry = next((each for each in _entries(source) if self._is_meant(each)), {})
            index = self._indexes.get(str(entry.get("index", "")), {})
            if isinstance(url := index.get("url"), str) and index.get("format") != "flat":
                self._basket.address("only", url, self._where(f"{key}.sources"), name)
        pages = {str(entry.get("index")) for source in self._sources.values() for entry in _entries(source)}
        for title, index in self._indexes.items():
            if index.get("explicit") is not True or (index.get("format") == "flat" and title in pages):
                self._index(index, "index" if index.get("default") is True else "extra", f"{key}.index")
        if isinstance(url := uv.get("index-url"), str):
            self._index({"url": url}, "index", f"{key}.index-url")
        for url in self._list(f"{key}.extra-index-url", str):
            self._index({"url": url}, "extra", f"{key}.extra-index-url")
        for link in self._list(f"{key}.find-links", str):
            self._basket.address("find-links", link, self._where(f"{key}.find-links"))

    def _index(self, index: Table, kind: Literal["index", "extra"], key: str) -> None:
        if isinstance(url := index.get("url"), str):
            place = "find-links" if index.get("format") == "flat" else kind
            self._basket.address(place, url, self._where(key))

    def _list(self, key: str, kind: type[_T]) -> tuple[_T, ...]:
        """The elements of a list in the document that have the given type; adds a problem if there are others."""
        *tables, last = key.split(".", maxsplit=2)
        found = table(self._document, *tables).get(last, [])
        fitting = tuple(one for one in found if isinstance(one, kind)) if isinstance(found, list) else ()
        if not isinstance(found, list) or len(fitting) != len(found):
            self._basket.problem(self._where(key), f"it must be a list of {'text' if kind is str else 'tables'}")
        return fitting

    def _where(self, key: str) -> str:
        return self._basket.place(key)

    def _is_itself(self, text: str) -> bool:
        name = self._project.get("name")
        try:
            return isinstance(name, str) and canonicalize_name(Requirement(text).name) == canonicalize_name(name)
        except ValueError:
            return False

    def _sourced(self, text: str) -> tuple[str, Table]:
        """A requirement with its address from `[tool.uv.sources]`, and that source; unchanged if it has no address.

        Of several sources, the first counts whose marker is true on this machine and whose extra or group is chosen.
        """
        try:
            requirement = Requirement(text)
        except ValueError:
            return text, {}
        found = self._sources.get(canonicalize_name(requirement.name))
        here = (one for one in _entries(found) if self._is_meant(one))
        entry = next((one for one in here if "index" not in one), None)
        if entry is not None and entry.get("workspace") is True:
            member = self._member(canonicalize_name(requirement.name))
            if member is None:
                words = "is a member of a uv workspace, and no `pyproject.toml` here or above lists it"
                self._basket.problem(self._where("tool.uv.sources"), f"`{requirement.name}` {words}")
                return text, {}
            entry = {"path": member, "editable": entry.get("editable", True)}
        return (text, {}) if entry is None else (with_source(requirement, entry), entry)

    def _is_meant(self, source: Table) -> bool:
        """Whether a source is for this machine and for what is chosen; a marker that cannot be read is true."""
        chosen = (("extra", self._parts.extras), ("group", self._parts.groups))
        if any(isinstance(name := source.get(key), str) and not key_of(name, names) for key, names in chosen):
            return False
        try:
            return not isinstance(marker := source.get("marker"), str) or Marker(marker).evaluate()
        except (ValueError, UndefinedEnvironmentName):
            return True

    def _member(self, name: str) -> str | None:
        """The folder of a member of uv's workspace, relative to the file; None if there is no such member."""
        here = self._basket.origin.path.parent
        root, workspace = self._workspace()
        folders = [root]  # The project of the workspace itself is a member.
        for pattern in texts(workspace, "members"):
            try:
                folders += sorted(root.glob(pattern))
            except (OSError, ValueError, NotImplementedError):
                words = f"`{pattern}` is not a pattern of folders below that of the file"
                self._basket.problem(self._where("tool.uv.workspace.members"), words)
        for folder in folders:
            if canonicalize_name(project_folder.name_of(folder) or "") == name:
                return f"./{relative(folder, here)}"
        return None

    def _workspace(self) -> tuple[Path, Table]:
        """The folder and the table of the workspace that the file belongs to; as in uv, the nearest one above.

        Its members are built, so that of another user does not count.
        """
        here = self._basket.origin.path.parent
        if own := table(self._document, "tool", "uv", "workspace"):
            return here, own
        for folder in here.parents:
            # A file that cannot be read is none of this project.
            with contextlib.suppress(OSError, ValueError, RecursionError):
                path = folder / "pyproject.toml"
                document = toml_of(decoded(content_of(path))) if is_trusted_above(path, here) else {}
                if found := table(document, "tool", "uv", "workspace"):
                    return folder, found
        return here, {}


def _groups_of_poetry(document: Table) -> Table:
    """The groups in Poetry's tables, with the development dependencies from before there were groups as `dev`."""
    groups = dict(table(document, "tool", "poetry", "group"))
    if older := table(document, "tool", "poetry", "dev-dependencies"):
        groups["dev"] = {"dependencies": {**older, **table(groups, "dev", "dependencies")}}
    return groups


def _entries(found: object) -> tuple[Table, ...]:
    """The entries of a source of uv: a table, or a list of them of which one is for this machine."""
    several = found if isinstance(found, Sequence) and not isinstance(found, str) else (found,)
    return tuple(each for each in several if isinstance(each, Mapping))


def _words(error: BaseException) -> str:
    """The message of an error, or the messages in an exception group."""
    inner = getattr(error, "exceptions", None)
    return str(error) if inner is None else "; ".join(map(_words, inner))
