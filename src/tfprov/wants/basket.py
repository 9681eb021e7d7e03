"""Collects what readers find. Each requirement is parsed as it is added; one that cannot be used becomes a problem."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfprov import project_folder
from tfprov.contents import is_there
from tfprov.default_index import is_default
from tfprov.index_address import UNREADABLE, readable
from tfprov.paths import expanded, relative
from tfprov.redact import holds_password, redact
from tfprov.structured import has_endless_number, version_in
from tfprov.wants import names
from tfprov.wants.as_wheels import minor_of
from tfprov.wants.binaries import Binaries
from tfprov.wants.links import file_of, is_link, project_of, with_variables, without_marker
from tfprov.wants.mend import advice
from tfprov.wants.records import Address, AddressKind, LocalProject, Want, Wants
from tfprov.wants.repositories import repository_of, usual
from tfprov.wants.unfit import SourceFile, release_at, unfit, unusable, was_built_by_conda
from tfprov.words import quoted

Part = Literal["requirements", "constraints", "overrides"]

_SHOWN = 40  # characters shown of a text that is too long
_LONGEST = 8192  # characters of a requirement; the time that some patterns take grows with their square
_MOST = 20_000  # fifty times the requirements of the largest known project
_MOST_PROBLEMS = 100
_LINE = re.compile(r":\d+$")
_PATCH = re.compile(r"==\s*\d+\.\d+(?:\.\d+)?")
CARRIED = "-adopted-files"
"""Suffix of the project name of wheels that `tfprov adopt` makes from files that belong to no package."""
_BUILT_WHEEL = re.compile(r"/[\w.]+-(\d[\w.!]*)-[\w.-]+\.whl$")
_REPOSITORY = re.compile(r"^(?:git|hg|svn|bzr)\+|^git@|\.git(?:@|#|$)", re.IGNORECASE)
_SHA256 = re.compile(r"(?:^|&)sha256=([0-9a-fA-F]{64})")
_SUBDIRECTORY = re.compile(r"(?:^|&)(subdirectory=[^&]+)")
_EXTRAS = re.compile(r"\[[^\[\]/]*\]$")
_NAMED = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?P<extras>\[[^\]]*\])?\s*@\s*(?P<link>\S.*)$")
_IS_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[^\]]*\])?")


class Basket:
    """Collects the wants of files. No method raises for the content of a file: a mistake becomes a problem.

    Attributes:
        origin: the file that is being read.
        binaries: the choices between wheels, sources and pre-releases.
    """

    def __init__(self, origin: SourceFile) -> None:
        self.origin = origin
        self.binaries = Binaries()
        self._wants: dict[Part, list[Want]] = {"requirements": [], "constraints": [], "overrides": []}
        self._preferences: list[Want] = []
        self._excluded: list[Want] = []
        self._python: list[Want] = []
        self._conda: list[Want] = []
        self._channels: list[str] = []
        self._addresses: list[Address] = []
        self._folders: list[LocalProject] = []
        self._notes: list[str] = []
        self._problems: list[str] = []
        self._misnamed: list[str] = []
        self._absent: list[str] = []
        self._included: list[str] = []

    @property
    def name(self) -> str:
        """Name of the file, without its folder."""
        return self.origin.path.name

    def place(self, key: str) -> str:
        """The place of a key in the file, for messages."""
        return f"{self.name}: {key}"

    def inside(self, origin: SourceFile) -> Basket:
        """A view of the same basket for a file that the current one includes, which is noted as included."""
        other = copy(self)
        other.origin = origin
        self._included.append(os.path.normpath(origin.path))
        return other

    @property
    def wants(self) -> Wants:
        """Everything that was collected so far."""
        return Wants(
            requirements=tuple(self._wants["requirements"]),
            constraints=tuple(self._wants["constraints"]),
            preferences=tuple(self._preferences),
            overrides=tuple(self._wants["overrides"]),
            excluded=tuple(self._excluded),
            python=tuple(self._python),
            conda=tuple(self._conda),
            channels=tuple(self._channels),
            addresses=tuple(self._addresses),
            folders=tuple(self._folders),
            notes=tuple(self._notes),
            problems=tuple(self._problems),
            misnamed=tuple(self._misnamed),
            absent=tuple(self._absent),
            included=tuple(self._included),
            **self.binaries.wants,
        )

    def note(self, where: str, words: str) -> None:
        """Add a note about something that was left out or is interpreted differently from what the file says."""
        self._notes.append(f"{where}: {words}")

    def problem(self, where: str, words: str) -> None:
        """Add a problem, up to a limit; it shows nothing of a file outside of the project, which may be a secret."""
        if self.is_hopeless:
            return
        if not self.origin.is_in_project:
            path = self.origin.path.resolve()
            where = f"{path}{line[0]}" if (line := _LINE.search(where)) else str(path)
            shown = f"`tfprov plan {quoted(str(path))}`"
            words = f"it cannot be used, and is not shown, because it is outside of the project: {shown} shows it"
        self._problems.append(f"{where}: {words}")
        if self.is_hopeless:
            self._problems.append(
                f"{self.name}: there may be more mistakes: after {_MOST_PROBLEMS}, no more are listed"
            )

    @property
    def is_hopeless(self) -> bool:
        """Whether there are so many problems that nothing more needs to be read."""
        return len(self._problems) >= _MOST_PROBLEMS

    def _is_endless(self, text: str, where: str) -> bool:
        if not has_endless_number(text) and len(text) <= _LONGEST:
            return False
        why = "has a number of hundreds of digits" if len(text) <= _LONGEST else f"has {len(text):,} characters"
        self.problem(where, redact(f"`{text[:_SHOWN]}…` {why}"))
        return True

    def python(self, text: str, where: str) -> None:
        """Add a range of Python versions, in PEP 440 syntax; an empty one is ignored, a patch release relaxed."""
        if self._is_endless(text, where):
            return
        try:
            SpecifierSet(text)
        except ValueError:
            self.problem(where, f"`{text}` is not a range of Python versions such as `>=3.10,<3.13`")
        else:
            if _PATCH.fullmatch(text.strip()):
                exact, text = text.strip(), minor_of(text.replace(" ", ""))
                self.note(where, f"`{exact}` is read as `{text}`: not every patch release can be installed everywhere")
            if text.strip():
                self._python.append(Want(text=text, where=where))

    def prefer(self, name: str, version: str, where: str) -> None:
        """Add a preferred version, used where it fits the requirements. An invalid name or version is left out."""
        if self._is_endless(version, where):
            return
        if not _IS_NAME.fullmatch(name) or version_in(version) is None:
            self.note(where, f"`{redact(name)}` {redact(version)} is not preferred: that is not a name and a version")
            return
        self._preferences.append(Want(text=f"{name}=={version}", where=where))

    def exclude(self, names_: Iterable[str], where: str) -> None:
        """Add names of projects that must not be installed."""
        self._excluded += [Want(text=name, where=where) for name in names_]

    def conda(self, spec: str, where: str) -> None:
        """Add a conda spec as it is written, without parsing it."""
        if self._is_endless(spec, where):
            return
        self._conda.append(Want(text=spec, where=where))

    def channels(self, found: Iterable[str]) -> None:
        """Add conda channels, most important first."""
        self._channels += found

    def address(self, kind: AddressKind, url: str, where: str, project: str = "") -> None:
        """Add an index, for one project or for all, or a folder or page (find-links), relative to the file."""
        if not self._is_usable(url, url, where):
            return
        if kind in ("index", "extra") and is_default(url):
            # It stands for "the default index", which the settings of pip and uv on this machine may redirect.
            self.note(where, f"`{url}` is the public index: the one that this machine is set up with serves for it")
            return
        if "://" not in url:
            if kind != "find-links":
                self.problem(where, f"`{url}` is not the address of an index: it must begin with https:// or http://")
                return
            url = str((self.origin.path.parent / expanded(url)).absolute())
        self._addresses.append(Address(kind=kind, url=url, where=where, project=project))

    def want(
        self, text: str, where: str, *, part: Part = "requirements", hashes: tuple[str, ...] = (), as_link: bool = False
    ) -> None:
        """Add a requirement: PEP 508, or an address or path as pip accepts it.

        `hashes` are the SHA-256 of the files that may be installed for it, hexadecimal; empty when any file may.
        `as_link` makes a folder an editable install.
        """
        folders = len(self._folders)
        if self.is_hopeless:
            return
        if len(self._wants[part]) >= _MOST:
            if not self._problems:
                self.problem(where, f"no more than {_MOST:,} requirements are read")
            return
        if self._is_endless(text, where):
            return
        text = with_variables(text.strip())
        named = _NAMED.match(text)
        if named:
            found = self._linked(text, f"{named['name']}{named['extras'] or ''}", named["link"], where)
        elif is_link(text, self.origin):
            found = self._linked(text, "", text, where)
        else:
            found = self._named(text, where, part)
        if found is not None:
            self._add(replace(found, hashes=(*hashes, *found.hashes)), part)
        if as_link and len(self._folders) > folders:
            folder = self._folders[-1]
            state = project_folder.description_of(Path(folder.path))
            self._folders[-1] = replace(folder, kind="editable", state=state)

    def _add(self, found: Want | None, part: Part = "requirements") -> None:
        """Add what was found, unless it cannot be parsed or its marker cannot be evaluated."""
        if found is not None and (why := unusable(found.text)):
            self.problem(found.where, f"`{redact(found.text)}` is not a requirement: {why}")
        elif found is not None:
            self._wants[part].append(found)

    def _named(self, text: str, where: str, part: Part) -> Want | None:
        """A requirement by name, from an index; None after a note or a problem."""
        try:
            requirement = Requirement(text)
        except ValueError as error:
            words = advice(text) or str(error).splitlines()[0]
            self.problem(where, f"`{redact(text)}` is not a requirement: {words}")
            return None
        if canonicalize_name(requirement.name) == "python" and requirement.marker is None:
            bound = minor_of(str(requirement.specifier))
            self.note(where, f"`{text}` is read as a range of Python versions: no index has it as a package")
            self.python(bound, where)
            return None
        if part == "constraints" and requirement.extras:
            self.problem(where, f"`{text}`: a constraint cannot ask for extras; make it a requirement")
            return None
        if better := names.stood_in_for(requirement):
            self.note(where, f"`{text}` is read as `{better[0]}`: {better[1]}")
            return Want(text=better[0] + (f"; {requirement.marker}" if requirement.marker else ""), where=where)
        found = unfit(requirement, self.origin)
        if found is None:
            return Want(text=text, where=where)
        if found.may_go:
            self.note(where, f"`{text}` is left out: {found.words}")
        else:
            self.problem(where, f"`{text}`: {found.words}")
            if found.is_misnamed:
                self._misnamed.append(self._problems[-1])
        return None

    def _linked(self, text: str, name: str, link: str, where: str) -> Want | None:
        """A requirement with an address or a path; `name` includes extras, and is empty where it has none."""
        link, marker = without_marker(link)
        extras = "" if name else _EXTRAS.search(link)
        if extras:
            link, extras = link.removesuffix(extras[0]), extras[0]
        if not self._is_usable(link, text, where):
            return None
        if _REPOSITORY.search(link):
            return self._repository(text, f"{name}{extras or ''}", link, marker, where)
        address, _, fragment = link.partition("#")
        file = file_of(address, self.origin)
        if file is not None and not is_there(file):
            return self._elsewhere(text, name, address, marker, where)
        last = unquote(urlsplit(address).path.rsplit("/", 1)[-1]) if file is None else file.name
        if file is not None and file.is_dir():
            return self._folder(text, file, name=name, extras=extras or "", marker=marker, where=where, kind="wheel")
        project = project_of(last)
        if project is None and file is None and not name and (name := repository_of(address)):
            self._note_guess(text, name, where)
        if project is None and (last.endswith(".whl") or not name):
            kind = "a wheel" if last.endswith(".whl") else "a source distribution: write `NAME @` before it"
            self.problem(where, f"`{redact(text)}`: `{last}` is not named like {kind}")
            return None
        if file is not None:
            address = self._from_profile(file)
        inner = None if last.endswith(".whl") else _SUBDIRECTORY.search(fragment)
        link = f"{name or project}{extras or ''} @ {address}{f'#{inner[1]}' if inner else ''}"
        if release := release_at(address):
            self.note(where, f"`{address}` is read as `{release}`: the index has the wheels of that release, too")
        return Want(
            text=f"{release or link}{marker}",
            where=where,
            hashes=tuple(found.lower() for found in _SHA256.findall(fragment)),
        )

    def _is_usable(self, address: str, text: str, where: str) -> bool:
        """Whether an address or a path is well-formed and contains no password; adds a problem if not."""
        if holds_password(address):
            why = "the address holds a password: put it in a variable and write `${NAME}`, or use netrc"
        elif not readable(address):
            why = f"`{redact(text)}`: {UNREADABLE}"
        elif "\0" in address:
            why = f"`{redact(text)}`: it holds a zero byte"
        else:
            return True
        self.problem(where, why)
        return False

    def editable(self, text: str, where: str) -> None:
        """Add an editable install of the project in a folder: pip's `-e PATH`."""
        link, marker = without_marker(with_variables(text.strip()))
        if extras := _EXTRAS.search(link):
            link = link.removesuffix(extras[0])
        if not self._is_usable(link, text, where):
            return
        file = file_of(link, self.origin)
        if file is None or not is_there(file) or not file.is_dir():
            self.problem(where, f"`-e {redact(text)}`: there is no such folder here")
            return
        wanted = extras[0] if extras else ""
        self._add(self._folder(f"-e {text}", file, extras=wanted, marker=marker, where=where, kind="editable"))

    def dependencies_of(self, folder: Path, where: str, *, extras: Sequence[str] = ()) -> None:
        """Add the dependencies of a project, as its build reports them; the project itself is not installed."""
        wanted = f"[{','.join(extras)}]" if extras else ""
        found = self._folder(folder.name, folder, extras=wanted, where=where, kind="dependencies")
        if found is not None:
            self.note(where, "what the project needs is made by a program: its build is asked")
            self._add(found)

    def project(self, folder: Path, where: str, *, kind: Literal["wheel", "editable"], extras: Sequence[str]) -> None:
        """Add the project in a folder, installed from a wheel or as an editable."""
        wanted = f"[{','.join(extras)}]" if extras else ""
        self._add(self._folder(str(folder), folder, extras=wanted, where=where, kind=kind))

    def _folder(
        self,
        text: str,
        folder: Path,
        *,
        where: str,
        kind: Literal["wheel", "editable", "dependencies"],
        name: str = "",
        extras: str = "",
        marker: str = "",
    ) -> Want | None:
        """A requirement on the project in a folder; an empty `name` is read from the project's own files."""
        shown, folder = redact(text), Path(os.path.normpath(folder))
        if not project_folder.is_project(folder):
            words = "is a folder without a Python project: it has neither `pyproject.toml` nor `setup.py`"
            self.problem(where, f"`{shown}` {words}")
            return None
        if not name:
            name = project_folder.name_of(folder) or ""
        else:
            name, _, given = name.partition("[")
            extras = extras or (f"[{given}" if given else "")
        if not _IS_NAME.fullmatch(name):
            better = f"write `NAME @ {shown.removeprefix('-e ')}`"
            if kind == "dependencies":
                better = "list what it needs in a requirements file"
            self.problem(where, f"`{shown}`: only the build of the project knows its name: {better}")
            return None
        own = project_folder.name_of(folder)
        if own is not None and canonicalize_name(own) != canonicalize_name(name):
            self.problem(where, f"`{shown}`: the project in that folder is `{own}`, not `{name}`")
            return None
        state = project_folder.state_of(folder) if kind == "wheel" else project_folder.description_of(folder)
        self._folders.append(LocalProject(name=canonicalize_name(name), path=str(folder), kind=kind, state=state))
        return Want(text=f"{name}{extras} @ {self._from_profile(folder)}{marker}", where=where)

    def _from_profile(self, path: Path) -> str:
        """The same text on every machine: uv replaces the variable with the folder of the profile."""
        place = relative(path, self.origin.folder)
        return path.as_uri() if Path(place).is_absolute() else f"file://${{PROJECT_ROOT}}/{quote(place, safe='/+')}"

    def _repository(self, text: str, name: str, link: str, marker: str, where: str) -> Want | None:
        """A requirement on a repository; `name` includes extras, and is empty where the address has to provide it."""
        address, _, fragment = link.partition("#")
        told = dict(part.split("=", 1) for part in fragment.split("&") if "=" in part)
        if not address.startswith("git+"):
            kind = address.partition("+")[0]
            better = usual(f"git+{text if text.startswith('git@') else address}")[0]
            words = f"only git is supported, not {kind}" if kind in ("hg", "svn", "bzr") else f"write `{better}`"
            self.problem(where, f"`{redact(text)}` is a repository: {words}")
            return None
        address, why = usual(address)
        if why:
            self.note(where, f"`{redact(text)}` is read as `{redact(address)}`: {why}")
        name = name or unquote(told.get("egg", ""))
        if "egg" not in told and (not name or name.startswith("[")) and (guess := repository_of(address)):
            self._note_guess(text, guess, where)
            name = guess + name
        if not _IS_NAME.fullmatch(name):
            self.problem(where, f"`{redact(text)}` does not say which package it is: write `NAME @ {redact(link)}`")
            return None
        folder = f"#subdirectory={told['subdirectory']}" if "subdirectory" in told else ""
        return Want(text=f"{name} @ {address}{folder}{marker}", where=where)

    def _note_guess(self, text: str, name: str, where: str) -> None:
        """Note that a project is assumed to be named like its repository; the resolver checks that after download."""
        self.note(where, f"`{redact(text)}` is taken for the project `{name}`, as its repository is called")

    def _elsewhere(self, text: str, name: str, address: str, marker: str, where: str) -> Want | None:
        """A requirement on a file that does not exist here, as in lists from elsewhere: by name, if conda built it."""
        if name and canonicalize_name(name) in names.OF_SYSTEM:
            self.note(where, f"`{name}` is left out: it is a part of the system where the list was made")
        elif name and self.origin.is_of_conda and canonicalize_name(name) in names.OF_CONDA_ITSELF:
            self.note(where, f"`{name}` is left out: it is a part of conda where the list was made")
        elif name and was_built_by_conda(address, self.origin):
            built = _BUILT_WHEEL.search(address)
            pin = f"{name}=={built[1]}" if built else name
            self.note(where, f"`{pin}` is asked for by its name: `{address}` is a folder that conda built it in")
            return Want(text=pin + marker, where=where)
        else:
            way = "ask for the package by name"
            if canonicalize_name(name).endswith(CARRIED):
                way = "it held files of the adopted environment: `tfprov adopt` makes it again, or remove the line"
            self.problem(where, f"`{redact(text)}`: there is no such file here; {way}")
            self._absent.append(self._problems[-1])
        return None
