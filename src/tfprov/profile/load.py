"""Reads a profile from TOML into frozen records, and reports all mistakes together."""

from __future__ import annotations

import codecs
import contextlib
import difflib
import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any, TypeAlias, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tfprov.contents import content_of, is_there
from tfprov.errors import TfprovError
from tfprov.profile.finding import is_stand_in
from tfprov.profile.merge import hashes_of, places_of, with_wants
from tfprov.profile.nearby import notes_on
from tfprov.profile.positions import Key, line_of, lines_of_keys
from tfprov.profile.records import Loaded, Profile
from tfprov.profile.source import NAMES_OF_FILES, Given, digest, given, named_files, wants_in
from tfprov.structured import TomlError, toml_of
from tfprov.wants.basket import Basket
from tfprov.wants.records import System, Wants
from tfprov.wants.unfit import SourceFile
from tfprov.words import shown

Document: TypeAlias = dict[str, Any]
"""A parsed but unchecked TOML document; it does not leave this module."""
Locate: TypeAlias = Callable[[Key], str]
"""Returns the place of a key: `train.toml:7`, or the override that set it."""
_ESCAPE = re.compile(r"Unescaped '\\'|hex value|Unicode scalar")
"""In a message of the parser: what follows a backslash is not an escape of TOML."""
_TOML = "strings need quotes; a table is `[name]`; a key may be given once"
_IN_SINGLE_QUOTES = (
    "between double quotes a backslash begins an escape: write a path between single quotes, or with `/`"
)


def load(
    path: Path,
    *,
    overrides: Sequence[str] = (),
    shipped: bool = False,
    content: bytes | None = None,
    system: System | None = None,
) -> Loaded:
    """Read and check a profile.

    Args:
        path: the file, absolute: a profile, or any other file that `given` accepts.
        overrides: `dotted.key=value` from the command line, later ones win.
        shipped: whether the profile is one of those that come with tfprov.
        content: used instead of the content of the file, which then need not exist.
        system: of another machine that the profile is for: `python.path` is a path there, and not checked here. None
            for this machine.

    Raises:
        TfprovError: `profile-invalid` with every mistake as a line of evidence; `profile-missing` when the file does
            not exist or cannot be read.
    """
    raw = _read(path) if content is None else content
    found, positions = _parsed(path, raw)
    document = found.document
    sources, problems = _overridden(document, overrides)
    place = _locator(path, found, positions, sources)
    profile: Profile | None = None
    try:
        profile = Profile.model_validate(document)
        problems += _contradictions(profile, place)
    except ValidationError as error:
        problems += [_problem(item, place) for item in error.errors(include_url=False)]
    unprintable = _unprintable_paths(document, place)
    problems += unprintable
    contents: list[bytes] = []
    wants = Wants()
    if not unprintable:
        # Skipped for such paths, because the errors of the operating system do not say which key is meant.
        missing, contents = _missing_files(document, path.parent, place, elsewhere=system is not None)
        problems += missing
        # `_missing_files` has reported a file that cannot be read.
        with contextlib.suppress(OSError):
            wants = wants_in(document, path.parent, system)
            problems += wants.problems
    own = Wants()
    if profile is not None:
        own = _own_wants(profile, path, place, system or System())
        profile, clashes = with_wants(profile, wants)
        problems += (*own.problems, *clashes)
    if profile is None or problems:
        absent = {*own.absent, *wants.absent}
        misnamed = {*own.misnamed, *wants.misnamed}
        raise _refusal(path, problems, misnamed=misnamed, absent=absent, is_profile=not found.is_implied)
    return _loaded(profile, path, found, own=own, wants=wants, shipped=shipped, overrides=overrides, contents=contents)


def _loaded(
    profile: Profile,
    path: Path,
    found: Given,
    *,
    own: Wants,
    wants: Wants,
    shipped: bool,
    overrides: Sequence[str],
    contents: Sequence[bytes],
) -> Loaded:
    """The record of a profile without mistakes, joined with what its own lists and the files that it names ask for."""
    implied = notes_on(path, wants, stands_in=is_stand_in(path)) if found.is_implied else ()
    requirements, constraints = (*own.requirements, *wants.requirements), (*own.constraints, *wants.constraints)
    folders = (*own.folders, *wants.folders)
    return Loaded(
        profile=profile,
        path=path,
        shipped=shipped,
        digest=digest(found.raw, overrides=overrides, wants=replace(wants, folders=folders), contents=contents),
        requirements=tuple(want.text for want in requirements),
        constraints=tuple(want.text for want in constraints),
        places={one.url: one.where for one in wants.addresses} | dict(places_of((*requirements, *constraints))),
        hashes=hashes_of((*requirements, *wants.constraints)),
        preferred=tuple(cast("tuple[str, str]", tuple(want.text.split("=="))) for want in wants.preferences),
        notes=(*implied, *own.notes, *wants.notes),
        folders=folders,
    )


def _overridden(document: Document, overrides: Sequence[str]) -> tuple[dict[Key, str], list[str]]:
    """Apply overrides from the command line; returns the one that set each key, and the mistakes in others."""
    sources: dict[Key, str] = {}
    problems: list[str] = []
    for override in overrides:
        try:
            sources[_apply(document, override)] = f"--set '{override}'"
        except ValueError as error:
            problems.append(f"--set '{override}': {error}")
    return sources, problems


def _locator(path: Path, found: Given, positions: dict[Key, int], sources: Mapping[Key, str]) -> Locate:
    """A function that names the place of a key: its line in the file, or the override that set it."""

    def place(key: Key) -> str:
        for length in range(len(key), 0, -1):
            if key[:length] in sources:
                return sources[key[:length]]
        # An unknown table is reported by its own name, whichever of its keys an override set.
        for overridden, source in sources.items():
            if overridden[: len(key)] == key and key not in positions:
                return source
        line = line_of(positions, (*found.prefix, *key))
        return f"{path.name}:{found.first_line - 1 + line}" if line else path.name

    return place


def _parsed(path: Path, raw: bytes) -> tuple[Given, dict[Key, int]]:
    """The profile in a file, and the lines of its keys.

    Raises:
        TfprovError: `profile-invalid` when it cannot be decoded or parsed.
    """
    try:
        found = given(path, raw)
        return found, lines_of_keys(found.text)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        why = f"line {line} has the byte 0x{error.object[error.start]:02X}"
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            why = "it is UTF-16, which `>` writes in Windows PowerShell"
        raise TfprovError(
            "profile-invalid", f"`{path}` is not UTF-8", evidence=(why,), hint="save it as UTF-8"
        ) from error
    except TomlError as error:
        raise TfprovError(
            "profile-invalid",
            f"`{path}` is not valid TOML",
            evidence=(f"{path.name}: {error}",),
            hint=_IN_SINGLE_QUOTES if _ESCAPE.search(str(error)) else _TOML,
        ) from error
    except ValueError as error:
        raise TfprovError("profile-invalid", f"`{path}` is not a profile", evidence=(str(error),)) from error
    except RecursionError as error:
        evidence = ("it is nested too deeply to be read",)
        raise TfprovError("profile-invalid", f"`{path}` is not a profile", evidence=evidence) from error


def _refusal(
    path: Path, problems: Sequence[str], *, misnamed: Set[str], absent: Set[str], is_profile: bool
) -> TfprovError:
    """The error that reports all mistakes in a profile.

    Args:
        path: of the profile.
        problems: the mistakes.
        misnamed: those of them about the name of a package.
        absent: those of them about a missing file.
        is_profile: whether it is one, rather than a list of dependencies.
    """
    count = len(problems)
    is_own = any(problem.startswith((path.name, "--set")) for problem in problems)
    is_name = set(problems) <= misnamed
    return TfprovError(
        "package-name-wrong" if is_name else "profile-invalid",
        f"{'' if is_own else 'what is read by '}`{path}` has {'a mistake' if count == 1 else f'{count} mistakes'}",
        evidence=tuple(sorted(problems, key=partial(_by_line, path.name))),
        # The schema would not help with wrong names of packages and missing files: those problems say what to do.
        hint="`tfprov schema` prints the JSON Schema of profiles, for editors"
        if is_own and is_profile and not set(problems) <= {*misnamed, *absent}
        else None,
    )


def _own_wants(profile: Profile, path: Path, place: Locate, system: System) -> Wants:
    """The requirements and constraints in the profile itself, read like lines of a requirements file."""
    basket = Basket(SourceFile(path=path, folder=path.parent, system=system))
    for text in profile.packages.requirements:
        basket.want(text, place(("packages", "requirements")))
    for text in profile.packages.constraints:
        basket.want(text, place(("packages", "constraints")), part="constraints")
    return basket.wants


def _by_line(profile: str, problem: str) -> tuple[bool, str, int]:
    """Sort key of a problem: first those without a line, then the profile, then each other file by its lines."""
    found = re.match(r"([^:']+):(\d+):", problem)
    return (found[1] != profile, found[1], int(found[2])) if found else (False, "", 0)


def _read(path: Path) -> bytes:
    try:
        return content_of(path)
    except FileNotFoundError as error:
        raise TfprovError("profile-missing", f"there is no profile `{path}`") from error
    except OSError as error:
        raise TfprovError("profile-missing", f"`{path}` cannot be read", evidence=(str(error),)) from error


def _apply(document: Document, override: str) -> Key:
    """Set one `dotted.key=value` in the document, and return the key.

    Raises:
        ValueError: the override has no key or no equals sign, or part of its key is not a table.
    """
    dotted, equals, raw = override.partition("=")
    key = tuple(part.strip() for part in dotted.split("."))
    if not equals or not all(key):
        raise ValueError("write `key=value`, with a dotted key such as `tensorflow.version`")
    table = document
    for part in key[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            problem = f"`{part}` is not a table"
            raise ValueError(problem)  # noqa: TRY004 - a mistake of the user's, reported with the others
        table = inner
    table[key[-1]] = override_value(key, raw)
    return key


def override_value(key: Key, raw: str) -> object:
    """The value of `--set` in the type of its field: text stays text (`2.19` is not a number), all else is TOML."""
    wants = _field_types(key)
    try:
        value: object = toml_of(f"value = {raw}")["value"]
    except TomlError:
        value = raw
    if list in wants or tuple in wants:
        return value if isinstance(value, list) else [value if isinstance(value, str) else raw]
    if str in wants and not isinstance(value, str):
        return raw
    return value


def _field_types(key: Key) -> set[object]:
    """The plain types that a field of the profile accepts; empty for an unknown key."""
    model = _model_of(key[:-1])
    field = None if model is None else model.model_fields.get(key[-1].replace("-", "_"))
    return set() if field is None else _plain_types(field.annotation)


def _model_of(tables: Key) -> type[BaseModel] | None:
    """The model of a table of the profile; None when there is no such table."""
    model: type[BaseModel] = Profile
    for name in tables:
        field = model.model_fields.get(name.replace("-", "_"))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return None
        model = field.annotation
    return model


def _plain_types(annotation: object) -> set[object]:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return set().union(*(_plain_types(part) for part in get_args(annotation)))
    if origin is tuple:
        return {tuple}
    if hasattr(annotation, "__metadata__"):
        return _plain_types(get_args(annotation)[0])
    if get_args(annotation) and all(isinstance(part, str) for part in get_args(annotation)):
        return {str}
    return {annotation}


# Names that users know for values with another name here; the closest spelling to `gpu` would be `cpu`.
_ALIASES = {"gpu": "cuda", "nvidia": "cuda", "amd": "rocm", "none": "cpu", "virtualenv": "venv", "mps": "metal"}

_TYPE_WORDS = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": 'a number of seconds, or text such as `"90s"` or `"2h"`',
    "bool_type": "`true` or `false`",
    "tuple_type": 'a list such as `["…"]`',
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
}


def _problem(item: Mapping[str, Any], place: Locate) -> str:
    """A validation error as one line: its place, the dotted key, what is wrong, what would be right.

    Args:
        item: an element of `ValidationError.errors()`.
        place: returns the place of a key.
    """
    location: tuple[Any, ...] = item["loc"]
    key = tuple(str(part) for part in location if not isinstance(part, int))
    index = next((part for part in location if isinstance(part, int)), None)
    dotted = ".".join(key) + (f"[{index}]" if index is not None else "")
    kind = item["type"]
    if kind == "extra_forbidden":
        return f"{place(key)}: unknown key `{dotted}`{_suggestion(key)}"
    if kind == "missing":
        return f"{place(key)}: `{dotted}` is required"
    if kind in _TYPE_WORDS:
        return f"{place(key)}: `{dotted}` must be {_TYPE_WORDS[kind]}, not {shown(item['input'])}"
    if kind == "literal_error":
        allowed = item["ctx"]["expected"].replace("'", "`")
        values = re.findall(r"`([^`]+)`", allowed)
        meant = _ALIASES.get(str(item["input"]).lower())
        close = [meant] if meant in values else difflib.get_close_matches(str(item["input"]), values, n=1)
        tail = f"; did you mean `{close[0]}`?" if close else ""
        return f"{place(key)}: `{dotted}` must be {allowed}, not {shown(item['input'])}{tail}"
    if kind == "value_error":
        return f"{place(key)}: `{dotted}`: {item['ctx']['error']}"
    return f"{place(key)}: `{dotted}`: {item['msg'][0].lower()}{item['msg'][1:]}, not {shown(item['input'])}"


def _suggestion(key: Key) -> str:
    model = _model_of(key[:-1])
    if model is None:
        return ""
    known = [name.replace("_", "-") for name in model.model_fields]
    wrong = key[-1].replace("_", "-")
    close = difflib.get_close_matches(wrong, known, n=1)
    if close:
        return f"; did you mean `{'.'.join((*key[:-1], close[0]))}`?"
    # A valid key in the wrong table is as common as a mistyped one.
    for table in Profile.model_fields:
        inner = _model_of((table,))
        if inner is not None and wrong.replace("-", "_") in inner.model_fields:
            return f"; `{wrong}` belongs in `[{table}]`"
    return f"; known here: {', '.join(known)}"


def _contradictions(profile: Profile, place: Locate) -> list[str]:
    """Problems with values that are valid by themselves but contradict each other."""
    problems = []
    accelerator = profile.tensorflow.accelerator
    if profile.smoke.require_gpus and accelerator == "cpu":
        problems.append(
            f"{place(('smoke', 'require-gpus'))}: `smoke.require-gpus` is {profile.smoke.require_gpus}, "
            "but `tensorflow.accelerator` is `cpu`"
        )
    if profile.smoke.gpu == "later" and accelerator == "cpu":
        problems.append(
            f"{place(('smoke', 'gpu'))}: `smoke.gpu` is `later`, but `tensorflow.accelerator` is `cpu`: "
            "there is nothing to prove later"
        )
    if profile.smoke.gpu == "later" and profile.smoke.require_gpus:
        problems.append(
            f'{place(("smoke", "gpu"))}: `smoke.gpu = "later"` proves no GPU, '
            f"but `smoke.require-gpus` is {profile.smoke.require_gpus}: set it to 0"
        )
    if profile.conda.packages and profile.environment.kind != "conda":
        problems.append(f'{place(("conda", "packages"))}: `conda.packages` needs `environment.kind = "conda"`')
    if profile.index.attestations != "off" and profile.environment.kind == "conda":
        problems.append(f'{place(("index", "attestations"))}: `index.attestations` needs `environment.kind = "venv"`')
    return problems


def _unprintable_paths(document: Document, place: Locate) -> list[str]:
    """Problems with paths that contain control characters, which file systems and terminals may not handle."""
    problems = []
    for table, key in (*(key for key, _ in NAMES_OF_FILES), ("environment", "path")):
        given = document.get(table)
        value = given.get(key) if isinstance(given, dict) else None
        for name in value if isinstance(value, list) else [value]:
            bad = next((each for each in str(name) if ord(each) < 32 or ord(each) == 127), None)
            if isinstance(name, str) and bad is not None:
                # `\b`, `\t`, `\n`, `\f` and `\r`, as in a path of Windows between double quotes.
                why = f": {_IN_SINGLE_QUOTES}" if bad in "\b\t\n\f\r" else ""
                problems.append(
                    f"{place((table, key))}: `{table}.{key}` holds a control character (U+{ord(bad):04X}){why}"
                )
    return problems


def _missing_files(
    document: Document, folder: Path, place: Locate, *, elsewhere: bool
) -> tuple[list[str], list[bytes]]:
    """Check the files that the document names.

    Works on the unchecked document, so that a missing file is reported together with a mistyped key.

    Returns:
        Problems with files that do not exist or cannot be read; and the content of those files whose bytes are part of
        the digest.
    """
    problems = []
    contents = []
    for file in named_files(document, folder):
        dotted = ".".join(file.key)
        if elsewhere and file.key == ("python", "path"):
            continue
        if not is_there(file.path):
            problems.append(f"{place(file.key)}: `{dotted}`: there is no `{file.name}` ({file.path})")
        elif file.content != "none":
            try:
                raw = content_of(file.path)
                if file.content == "whole":
                    contents.append(raw)
            except OSError as error:
                problems.append(f"{place(file.key)}: `{dotted}`: `{file.name}` cannot be read: {error.strerror}")
    return problems, contents
