"""Reads requirements files in pip's format."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NoReturn

from packaging.utils import canonicalize_name

from tfprov.contents import content_of
from tfprov.index_address import path_in
from tfprov.paths import expanded, relative
from tfprov.redact import redact
from tfprov.wants.basket import Basket, Part
from tfprov.wants.links import with_variables
from tfprov.wants.names import OF_SYSTEM
from tfprov.wants.text import decoded
from tfprov.wants.unfit import BUILT_BY_CONDA, SourceFile

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")
_PINNED = re.compile(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?\s*(?:===?|@)")
_OPTION = re.compile(r"--?[A-Za-z]")
_SHOWN = 40  # characters of such a line in a message
_LONGEST = 1 << 16  # characters of a line; four hundred hashes have half as many
_MOST_LINES = 50_000  # a hundred times the requirements of the largest known project
_OWN = frozenset({"hash", "global_option", "config_settings"})
"""The options that a requirement may have on its line."""
_SHA256 = re.compile(r"^sha256:([0-9a-fA-F]{64})$")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


@cache
def _parser() -> _Parser:
    parser = _Parser(add_help=False)
    for flags in (
        ("-r", "--requirement"),
        ("-c", "--constraint"),
        ("-e", "--editable"),
        ("-i", "--index-url", "--pypi-url"),
        ("-f", "--find-links"),
        ("--extra-index-url",),
        ("--trusted-host",),
        ("--no-binary",),
        ("--only-binary",),
        ("--use-feature",),
        ("--hash",),
        ("--global-option",),
        ("-C", "--config-settings", "--config-setting"),
    ):
        # argparse appends to a copy of the default.
        parser.add_argument(*flags, action="append", default=[])
    for flag in ("--no-index", "--pre", "--require-hashes", "--prefer-binary"):
        parser.add_argument(flag, action="store_true")
    return parser


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementsLine:
    """One logical line of a requirements file.

    Attributes:
        number: of its first physical line, counted from 1.
        asked: the requirement; empty for a line of options.
        options: the words of the options, with their values.
    """

    number: int
    asked: str
    options: tuple[str, ...]


def lines(text: str) -> Iterator[RequirementsLine]:
    """The logical lines of a requirements file, split as in pip, without comments and blank lines.

    Raises:
        ValueError: a line is too long, there are too many lines, or the options of one cannot be split into words; the
            message begins with the line number.
    """
    count = 0
    for number, joined in _joined(text):
        line = _COMMENT.sub("", joined).strip()
        if not line:
            continue
        count += 1
        if count > _MOST_LINES:
            raise ValueError(f"{number}: no more than {_MOST_LINES:,} lines are read")
        if len(line) > _LONGEST:
            raise ValueError(f"{number}: `{redact(line[:_SHOWN])}…` has {len(line):,} characters")
        # Only the options go through shlex, because markers contain quotes of their own.
        words = line.split(" ")
        # A dash by itself is a list item, not an option.
        first = next((at for at, word in enumerate(words) if word.startswith("-") and word != "-"), len(words))
        try:
            options = shlex.split(" ".join(words[first:])) if words[first:] else []
        except ValueError as error:
            raise ValueError(f"{number}: `{redact(line)}`: {error}") from None
        yield RequirementsLine(number=number, asked=" ".join(words[:first]), options=tuple(options))


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first part; a backslash continues a line, except in a comment."""
    begun: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        first = first if begun else number
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            begun.append(line.strip("\\"))
            continue
        yield first, "".join((*begun, f" {line}" if is_comment else line))
        begun = []
    if begun:
        yield first, "".join(begun)


def read(text: str, basket: Basket, *, part: Part = "requirements") -> None:
    """Add what a requirements file requests, and the files that it includes, to the basket.

    Args:
        text: content of the file.
        basket: collects it.
        part: whether its lines are requirements, constraints or overrides.
    """
    Reader(basket, part).file(text)


def _of(found: Sequence[RequirementsLine], origin: SourceFile) -> SourceFile:
    """The file of these lines, with what they reveal together about the environment in which it was written."""
    asked = [line.asked for line in found if line.asked]
    is_freeze = bool(asked) and all(map(_PINNED.match, asked))
    is_of_system = is_freeze and any(
        canonicalize_name(re.split(r"[ =@\[]", text, maxsplit=1)[0]) in OF_SYSTEM for text in asked
    )
    is_of_conda = is_freeze and any(map(BUILT_BY_CONDA.search, asked))
    return replace(origin, is_freeze=is_freeze, is_of_system=is_of_system, is_of_conda=is_of_conda)


class Reader:
    """Reads the lines of a requirements file into a basket.

    Args:
        basket: collects what they request.
        part: whether the lines are requirements, constraints or overrides.
        seen: the files that were read so far, each with the part that it was read as; None at the start.
    """

    def __init__(self, basket: Basket, part: Part, seen: set[tuple[Path, Part]] | None = None) -> None:
        self._basket = basket
        self._part: Part = part
        self._seen = set() if seen is None else seen

    def file(self, text: str) -> None:
        """Add the whole file to the basket, unless it was read before as the same part."""
        path = self._basket.origin.path
        # A file may be included once as requirements and once as constraints.
        if (path.resolve(), self._part) in self._seen:
            return
        self._seen.add((path.resolve(), self._part))
        # Lists in several folders often have one name.
        name = relative(path, self._basket.origin.folder)
        name = name if name.startswith("../") else path.name
        try:
            found = tuple(lines(text))
        except ValueError as error:
            number, _, words = str(error).partition(": ")
            self._basket.problem(f"{name}:{number}", words)
            return
        self._basket = self._basket.inside(_of(found, self._basket.origin))
        for line in found:
            self.line(line, f"{name}:{line.number}")

    def listed(self, texts: Iterable[tuple[str, str]]) -> None:
        """Add the lines of a list inside another file to the basket, each given with its place, for messages."""
        found: list[tuple[RequirementsLine, str]] = []
        for text, where in texts:
            try:
                found += [(line, where) for line in lines(text)]
            except ValueError as error:
                self._basket.problem(where, str(error).partition(": ")[2])
        self._basket = self._basket.inside(_of([line for line, _ in found], self._basket.origin))
        for line, where in found:
            self.line(line, where)

    def line(self, line: RequirementsLine, where: str) -> None:
        """Add one line to the basket; `where` is its place, for messages."""
        if self._basket.is_hopeless:
            return
        if line.asked and not line.options:
            self._basket.want(line.asked, where, part=self._part)
            return
        if not line.asked and (marker := next((at for at, word in enumerate(line.options) if word[:1] == ";"), 0)):
            words = f"`{' '.join(line.options[marker:])}` behind an option has no effect, as in pip"
            self._basket.note(where, words)
            line = replace(line, options=line.options[:marker])
        try:
            given = _parser().parse_args([with_variables(word) for word in line.options])
        except ValueError as error:
            options = redact(" ".join(line.options))
            words = f"`{options}` is not an option of requirements files: {error}"
            if line.asked and not _OPTION.match(line.options[0]):
                behind = f"`{options}` after `{redact(line.asked.strip())}`"
                words = f"{behind} is not part of a requirement: a comment begins with ` #`"
            self._basket.problem(where, words)
            return
        if line.asked:
            self._requirement(line.asked, given, where)
            return
        for names, part in ((given.requirement, self._part), (given.constraint, "constraints")):
            for name in names:
                self._include(name, part, where)
        for place in given.editable:
            if place.startswith("git+"):
                self._basket.note(where, f"`-e {redact(place)}` is installed as a wheel of that commit")
                self._basket.want(place, where, part=self._part)
            else:
                self._basket.editable(place, where)
        self._addresses(given, where)
        self._choices(given, where)

    def _requirement(self, asked: str, given: argparse.Namespace, where: str) -> None:
        hashes = tuple(found[1].lower() for text in given.hash if (found := _SHA256.match(text)))
        wrong = [text for text in given.hash if text.startswith("sha256:") and not _SHA256.match(text)]
        if wrong or (given.hash and not hashes):
            words = f"`{wrong[0]}` is not a SHA-256 of 64 digits" if wrong else "only hashes by SHA-256 are checked"
            self._basket.problem(where, f"`{asked}`: {words}")
            return
        misplaced = [
            f"`--{name.replace('_', '-')}`" for name, value in vars(given).items() if value and name not in _OWN
        ]
        if misplaced:
            words = (
                f"{' and '.join(misplaced)} behind a requirement has no effect, as in pip: it needs a line of its own"
            )
            self._basket.note(where, f"`{asked}`: {words}")
        if given.global_option or given.config_settings:
            self._basket.note(where, f"`{asked}`: options of a build have no meaning for a wheel")
        self._basket.want(asked, where, part=self._part, hashes=hashes)

    def _include(self, name: str, part: Part, where: str) -> None:
        origin = self._basket.origin
        is_local = name.startswith("file:")
        if "://" in name and not is_local:
            words = f"`{redact(name)}` is not read from the network: put a copy beside `{origin.path.name}`"
            self._basket.problem(where, words)
            return
        try:
            path = origin.path.parent / ((path_in(name) or "") if is_local else expanded(name))
            text = decoded(content_of(path))
        except OSError as error:
            self._basket.problem(where, f"`{name}` cannot be read: {error.strerror}")
        except ValueError as error:
            self._basket.problem(where, f"`{name}` cannot be read: {error}")
        else:
            Reader(self._basket.inside(replace(origin, path=path)), part, self._seen).file(text)

    def _addresses(self, given: argparse.Namespace, where: str) -> None:
        for url in given.index_url:
            self._basket.address("index", url, where)
        for url in given.extra_index_url:
            self._basket.address("extra", url, where)
        for link in given.find_links:
            self._basket.address("find-links", link, where)
        if given.no_index:
            self._basket.problem(
                where, "`--no-index` is not supported in a file: run `tfprov up --offline` to use no network"
            )

    def _choices(self, given: argparse.Namespace, where: str) -> None:
        """Add the choices of an option line between wheels, sources and pre-releases, and notes about other options."""
        binaries = self._basket.binaries
        refused = [words for value in given.no_binary for words in binaries.add("--no-binary", value, where)]
        refused += [words for value in given.only_binary for words in binaries.add("--only-binary", value, where)]
        for words in refused:
            self._basket.problem(where, words)
        if given.pre:
            binaries.prereleases[where] = "--pre"
        for host in given.trusted_host:
            self._basket.note(
                where,
                f"`--trusted-host {host}` is left out, certificates are always checked; `network.ca-bundle` names one "
                "more to trust",
            )
        for name in given.use_feature:
            self._basket.note(where, f"`--use-feature {name}` is left out: it is about pip")
        if given.hash:
            self._basket.problem(where, "a hash must stand behind a requirement")
