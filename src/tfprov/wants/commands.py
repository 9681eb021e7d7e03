"""Reads files that install packages with commands, from notebooks and shell scripts to instructions."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from tfprov.contents import is_readable
from tfprov.structured import json_of
from tfprov.wants.as_wheels import minor_of
from tfprov.wants.basket import Basket
from tfprov.wants.command_lines import CommandLine, command_lines
from tfprov.wants.poetry import requirement, specifier
from tfprov.wants.programs import cells_of, of_cell, of_program
from tfprov.wants.requirements_file import Reader, RequirementsLine
from tfprov.wants.script import NO_BLOCK
from tfprov.wants.variables import Kind, filled, unknown_in, values_in

_IMAGE = re.compile(
    r"^(?:docker\.io/)?(?:library/)?(?P<name>python|tensorflow/tensorflow):(?P<version>\d+(?:\.\d+)+\S*)?"
)
_RELEASE = re.compile(r"^\d+\.\d+(?:\.\d+)?(?:rc\d+)?")
_PIP = re.compile(r"^(?:.*/)?pip[\d.]*$")
_PYTHON = re.compile(r"^(?:(?:.*/)?python[\d.]*|\{sys\.executable\})$")
# Options such as `--mount=type=cache,target=DIR` stand before the command.
_RUN = re.compile(r"^\s*RUN\s+(?:--\S+\s+)*(?P<command>.*)$", re.IGNORECASE)
_OF_COLAB = re.compile(r"^tensorflow_version\s+(?P<major>[12])(?:\.x)?\b")
_REDIRECTED = re.compile(r"^\d*>+(?P<to>.*)$")
_BEFORE = re.compile(
    r"^(?:@?[Cc][Aa][Ll][Ll]|sudo|time|exec|env|if|then|else|elif|do|while|until|!|\{|-[HE]|[A-Za-z_]\w*=\S*)$"
)
# Everything before a comment, which begins with a `#` at the start of a word.
_UNCOMMENTED = re.compile(r"""(?:[^'"\\#]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|(?<=[^\s;&|(])#)*""", re.DOTALL)
_MAKES_WHEELS = re.compile(r"\bpip[\d.]*\s+(?:-\S+\s+)*(?:wheel|download)\s")
_WHEELS = re.compile(r"\*\.whl$|/\*$")
_FROM_WHEELS = re.compile(r"^(?:--no-index|-f|--find-links(?:=.*)?)$")
_COPIED = re.compile(r"^\s*(?:COPY|ADD)\s+(?:--\S+\s+)*(?P<source>[^\s*\[]+)\s+(?P<to>\S+)\s*$", re.IGNORECASE)
_END = re.compile(r"^[;&|()]+$")
_CONDA = re.compile(r"^(?:.*/)?(?:conda|mamba|micromamba)$")
_RUNS = re.compile(rf"{_CONDA.pattern}|^(?:poetry|pipenv|uv|hatch|pdm)$")
_ADDS = {"uv": "add", "pdm": "add", "poetry": "add", "pipenv": "install"}
_TAKE_A_VALUE_OF_ADD = re.compile(
    r"^(?:-[a-zA-Z]*[GE]|-[ir]|--(?:group|optional|extra|extras|index|default-index|source|package|python|project|categories|tag|rev|"
    r"branch|requirements|constraints|markers|marker))$"
)
_OF_POETRY = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)@(?P<range>[\w.^~*<>=!,]+)$")
_INSTALLS = re.compile(r"\bpip[\d.]*\s(?:.*\s)?install\b")
_FILES = {"pipenv": "Pipfile", "pixi": "pixi.toml"} | dict.fromkeys(("poetry", "uv", "pdm", "hatch"), "pyproject.toml")
# Commands that install what a file of the project names.
_OF_FILES = (
    re.compile(r"(?:\S*/)?(?:poetry|pdm) (?:install|sync|update)\b|uv sync\b|pixi install\b|hatch env create\b"),
    re.compile(r"(?:\S*/)?pipenv (?:sync|install)(?: -\S+)*$"),
    re.compile(r"(?:\S*/)?(?:conda|mamba|micromamba) env (?:create|update)\b(?:.* (?:-f|--file)[ =]?(?P<file>\S+))?"),
    re.compile(r"(?:\S*/)?(?:conda|mamba|micromamba) (?:install|create)\b.* (?:-f|--file)[ =](?P<file>\S+)"),
)
_TAKE_A_VALUE_OF_CONDA = re.compile(r"^(?:-[ncpf]|--(?:name|channel|prefix|file|solver|platform|subdir))$")
# Of a notebook or a terminal, in commands that were copied from there.
_PROMPT = re.compile(r"^\s*(?:[!%]|\$\s)\s*")

# Options of `pip install` about how to install, or for which target; they do not change what is requested.
_FLAGS = re.compile(
    r"^(?:-[UqvIy]+|--(?:upgrade|quiet|verbose|user|no-cache-dir|no-cache|force-reinstall|ignore-installed|yes|system|"
    r"disable-pip-version-check|no-build-isolation|break-system-packages|no-warn-script-location|no-compile|no-deps|"
    r"no-input|no-dependencies|no-python-version-warning|ignore-requires-python|compile|debug|isolated|no-clean))$"
)
_VALUED = re.compile(
    r"^(?:-[twd]|--(?:wheel-dir|dest|target|prefix|root|src|cache-dir|timeout|default-timeout|retries|progress-bar|proxy|log|cert|python|"
    r"client-cert|exists-action|upgrade-strategy|root-user-action|report|platform|python-version|implementation|abi|"
    r"use-deprecated))(?P<given>=.*)?$"
)
_TAKE_A_VALUE = re.compile(
    r"^(?:-[rcief]|--(?:requirement|constraint|editable|index-url|find-links|extra-index-url|trusted-host|no-binary|"
    r"only-binary|use-feature|config-settings?|global-option))$"
)

_NOTHING = "nothing in it says what is needed: it has no `pip install` or `conda install`"
_NOTHING_IN_NOTEBOOK = f"{_NOTHING}; `tfprov init --from FILE` writes a profile with what it imports"


def read(kind: Kind, text: str, basket: Basket, *, is_all: bool = True) -> bool:
    """Add what the commands in a file install to the basket, without running any of them.

    Args:
        kind: of the file.
        text: of the file, or the code in it.
        basket: that is filled.
        is_all: whether nothing but commands can say what the file needs, so that it is a problem to find none.

    Returns:
        Whether one of them installs something.
    """
    try:
        found, values = _commands_in(kind, text, basket)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        basket.problem(basket.name, f"it cannot be read: {error}")
        return False
    is_any = kind == "dockerfile" and _images(found, basket, values)
    reader = _Commands(basket, _copied(found) if kind == "dockerfile" else {})
    for line, place in found:
        if line.file:
            reader.written[_name_of(line.file)] = line.text
        elif kind != "dockerfile":
            reader.read(filled(line.text, values), f"{basket.name}:{place}")
        elif run := _RUN.match(line.text):
            reader.read(filled(_shell_form(run["command"]), values), f"{basket.name}:{place}")
    is_any |= reader.is_any
    for where, words in reader.elsewhere:
        (basket.note if is_any or not is_all else basket.problem)(where, words)
    if is_all and not is_any and not reader.elsewhere:
        texts = {"program": NO_BLOCK, "notebook": _NOTHING_IN_NOTEBOOK}
        basket.problem(basket.name, texts.get(kind, _NOTHING))
    return is_any


def _commands_in(kind: Kind, text: str, basket: Basket) -> tuple[list[tuple[CommandLine, str]], dict[str, str]]:
    """The command lines of a file, each with its place in it, and the variables that have one value there."""
    own: dict[str, str] = {}
    if kind == "notebook":
        cells = list(cells_of(text))
        found = [(line, f" cell {number}") for number, code in enumerate(cells, start=1) for line in of_cell(code)]
        return found, values_in(kind, (line for code in cells for line in code.splitlines()))
    if kind == "program":
        commands, are_comments = of_program(text)
        if commands and are_comments:
            words = "commands in comments are read, as a notebook had them that was exported"
            basket.note(f"{basket.name}:{commands[0].number}", words)
        own = values_in(kind, text.splitlines())
    elif kind == "workflow":
        from tfprov.wants.workflows import of_workflow

        workflow = of_workflow(text)
        commands, own = workflow.commands, dict(workflow.values)
        basket.python(f"=={workflow.python}.*" if workflow.python else "", basket.name)
    else:
        commands = tuple(command_lines(text, is_dockerfile=kind == "dockerfile"))
        own = values_in(kind, (line.text for line in commands if not line.file))
    return [(line, str(line.number)) for line in commands], own


class _Commands:
    """Reads commands in their order, each of which may write a file that a later one names.

    Attributes:
        written: contents of the files that commands write, by name.
        is_any: whether one of the commands read so far installs something.
        elsewhere: what is installed from files that are not read here: the place of the command, and what to name.
    """

    def __init__(self, basket: Basket, copied: Mapping[str, str]) -> None:
        self.written: dict[str, str] = {}
        self.is_any = False
        self.elsewhere: list[tuple[str, str]] = []
        self._basket = basket
        self._copied = copied
        # Whether a command made wheels, which a later one installs by their folder.
        self._has_wheels = False

    def read(self, text: str, where: str) -> None:
        """Add what one command line installs to the basket; `where` is its place, for messages."""
        command = _PROMPT.sub("", text)
        if of_colab := _OF_COLAB.match(command):
            self.is_any = True
            self._basket.want(f"tensorflow=={of_colab['major']}.*", where)
            return
        try:
            words = _words(command)
        except ValueError as error:
            if "install" in command:
                self._basket.problem(where, f"`{command}` cannot be divided into words: {error}")
            return
        self._has_wheels |= _MAKES_WHEELS.search(command) is not None
        for spec in _conda_specs(words):
            self.is_any = True
            self._basket.conda(spec, where)
        for arguments in _installs(words):
            self.is_any = True
            for line in _lines(arguments):
                self._line(line, where)
        for own in _commands(words):
            if named := _from_elsewhere(own):
                self.elsewhere.append((where, f"`{shlex.join(own)}` is not followed: {named}"))

    def _line(self, line: RequirementsLine, where: str) -> None:
        """Add one argument of `pip install` to the basket."""
        if line.asked == "$" or "`" in line.asked:
            words = "what a command prints is not known here: write the packages, or name their file with `-r`"
            self._basket.problem(where, f"`pip install $(…)`: {words}")
            return
        if (variable := unknown_in(line.asked)) and not os.environ.get(variable.strip("${}")):
            words = f"`{line.asked}`: the value of `{variable}` is not in the file: write it there"
            self._basket.problem(where, words)
            return
        if self._has_wheels and (_WHEELS.search(line.asked) or _FROM_WHEELS.match("".join(line.options[:1]))):
            return
        reader = Reader(self._basket, "requirements")
        if line.options[:1] in (("-r",), ("--requirement",), ("-c",), ("--constraint",)):
            option, name = line.options
            last = _name_of(name)
            if last in self.written and option in ("-r", "--requirement"):
                reader.listed([(self.written[last], where)])
                return
            origin = self._basket.origin
            # A Dockerfile names the copy in the image. The original is in the folder that it is built from: that of the
            # Dockerfile, or the project's, in which commands of CI run, too.
            here = (origin.path.parent, origin.folder)
            copied = [each for each in (self._copied.get(last),) if each]
            names = [str(folder / each) for each in (*copied, *map(_name_of, copied), name, last) for folder in here]
            line = replace(line, options=(option, next((each for each in names if is_readable(each)), name)))
        reader.line(line, where)


def _name_of(path: str) -> str:
    return path.rpartition("/")[2]


def _copied(found: Iterable[tuple[CommandLine, str]]) -> dict[str, str]:
    """The paths of the single files that a Dockerfile copies under another name, by the name in the image."""
    copies = (_COPIED.match(line.text) for line, _ in found)
    return {_name_of(each["to"]): each["source"] for each in copies if each and not each["to"].endswith("/")}


def _shell_form(command: str) -> str:
    """The command of a `RUN`: words in a list of JSON are joined; anything else is for a shell, as in Docker."""
    try:
        return shlex.join(json_of(command)) if command.startswith("[") else command
    except (ValueError, TypeError):
        return command


def _images(found: Iterable[tuple[CommandLine, str]], basket: Basket, values: Mapping[str, str]) -> bool:
    """Add what the base images of a Dockerfile imply, with the values of its variables.

    Returns:
        Whether one of them is an image of TensorFlow.
    """
    said: dict[str, tuple[str, str, int]] = {}
    for line, _ in found:
        words = [word for word in filled(line.text, values).split() if not word.startswith("--")]
        if len(words) < 2 or words[0].upper() != "FROM":
            continue
        if image := _IMAGE.match(words[1]):
            said[image["name"]] = (words[1], image["version"] or "", line.number)
        elif "tensorflow" in words[1]:
            words_of_it = f"the image `{words[1]}` may have a TensorFlow, of a release that its name does not say"
            basket.note(f"{basket.name}:{line.number}", f"{words_of_it}: name it in `tensorflow.version`")
    for name, (image_name, version, number) in said.items():
        where = f"{basket.name}:{number}"
        release = _RELEASE.match(version)
        if name == "python":
            basket.python(minor_of(f"=={release[0]}") if release else "", where)
        else:
            asked = f"tensorflow=={release[0]}" if release else "tensorflow"
            basket.note(where, f"the image `{image_name}` is read as `{asked}`")
            basket.want(asked, where)
    return "tensorflow/tensorflow" in said


def _words(command: str) -> list[str]:
    found = _UNCOMMENTED.match(command)
    if found is not None and command[found.end() :].startswith("#"):
        command = found[0]
    lexer = shlex.shlex(command, posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    # It would cut words at `#`, which an address may contain.
    lexer.commenters = ""
    return list(lexer)


def _commands(words: list[str]) -> Iterator[list[str]]:
    """The single commands in the words of a shell command line, without what stands before the program."""
    own: list[str] = []
    for word in [*words, ";"]:
        if not _END.match(word):
            own.append(word)
            continue
        while own and _BEFORE.match(own[0]):
            own.pop(0)
        yield _inside_run(own)
        own = []


def _inside_run(own: list[str]) -> list[str]:
    """The command that `conda run -n ENV`, `poetry run` and the like start; any other command as it is."""
    if len(own) < 2 or not _RUNS.match(own[0]) or own[1] != "run":
        return own
    at = 2
    while at < len(own) and own[at].startswith("-"):
        at += 2 if _TAKE_A_VALUE_OF_CONDA.match(own[at]) else 1
    return own[at:]


def _installs(words: list[str]) -> Iterator[list[str]]:
    """The arguments of each `pip install`, or of a command like it, in the words of a shell command line."""
    for command in _commands(words):
        is_module = command and _PYTHON.match(command[0]) and command[1:2] == ["-m"]
        own = command[2 if is_module else 1 if command[:1] == ["uv"] else 0 :]
        # Options of pip itself may stand before the name of its command, as in `pip --no-cache-dir install`.
        at = 1
        while at < len(own) and own[at].startswith("-"):
            valued = _VALUED.match(own[at])
            at += 2 if valued is not None and valued["given"] is None else 1
        verb = own[at] if at < len(own) and _PIP.match(own[0]) else ""
        if verb in ("install", "wheel", "download"):
            yield [*own[1:at], *own[at + 1 :]]
        elif verb == "sync" or (own and _name_of(own[0]) == "pip-sync"):
            files = [word for word in own[at + 1 if verb else 1 :] if not word.startswith("-")]
            yield [word for file in files or ["requirements.txt"] for word in ("-r", file)]
        elif added := list(_added(command)):
            yield added


def _added(own: list[str]) -> Iterator[str]:
    """The requirements in `uv add`, `pdm add`, `poetry add` and `pipenv install`, which change the project's file."""
    if not own or own[1:2] != [_ADDS.get(_name_of(own[0]))]:
        return
    rest = iter(own[2:])
    for word in rest:
        if _TAKE_A_VALUE_OF_ADD.match(word):
            next(rest, None)
        elif own[0] == "poetry" and (pair := _OF_POETRY.match(word)):
            try:
                yield requirement(pair["name"], {}, "" if pair["range"] == "latest" else specifier(pair["range"]))
            except ValueError:
                yield word
        elif not word.startswith("-") and word != ".":
            yield word


def _from_elsewhere(own: list[str]) -> str | None:
    """What to do about a command that installs what a file names; None for any other command."""
    text = shlex.join(own)
    if text.startswith("xargs ") and _INSTALLS.search(text):
        return "name the file that its packages come from in `packages.files`"
    found = next((each for each in (pattern.match(text) for pattern in _OF_FILES) if each), None)
    if found is None:
        return None
    file = found.groupdict().get("file") or _FILES.get(_name_of(own[0]), "environment.yml")
    return f"add `{file}` to `packages.files`"


def _conda_specs(words: list[str]) -> Iterator[str]:
    """The packages in each `conda install` and `conda create` in the words of a shell command line."""
    for own in _commands(words):
        if len(own) < 2 or not _CONDA.match(own[0]) or own[1] not in ("install", "create"):
            continue
        rest = iter(own[2:])
        for word in rest:
            if _TAKE_A_VALUE_OF_CONDA.match(word):
                next(rest, None)
            elif not word.startswith("-") and not unknown_in(word):
                yield word


def _lines(arguments: list[str]) -> Iterator[RequirementsLine]:
    """Translate the arguments of `pip install` into lines of a requirements file."""
    rest = iter(arguments)
    for word in rest:
        if _FLAGS.match(word):
            continue
        if redirected := _REDIRECTED.match(word):
            if not redirected["to"]:
                next(rest, None)
        elif valued := _VALUED.match(word):
            if valued["given"] is None:
                next(rest, None)
        elif _TAKE_A_VALUE.match(word):
            yield RequirementsLine(number=0, asked="", options=(word, next(rest, "")))
        elif word.startswith("-"):
            yield RequirementsLine(number=0, asked="", options=(word,))
        else:
            yield RequirementsLine(number=0, asked=word, options=())
