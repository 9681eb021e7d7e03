"""Reads files that install packages with commands: notebooks, shell scripts, Dockerfiles and instructions."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from tfprov.structured import json_of
from tfprov.wants.as_wheels import minor_of
from tfprov.wants.basket import Basket
from tfprov.wants.requirements_file import Reader, RequirementsLine
from tfprov.wants.variables import Kind, filled, unknown_in, values_in

_IMAGE = re.compile(
    r"^(?:docker\.io/)?(?:library/)?(?P<name>python|tensorflow/tensorflow):(?P<version>\d+(?:\.\d+)+\S*)?"
)
_RELEASE = re.compile(r"^\d+\.\d+(?:\.\d+)?(?:rc\d+)?")
_PIP = re.compile(r"^(?:.*/)?pip[\d.]*$")
_PYTHON = re.compile(r"^(?:(?:.*/)?python[\d.]*|\{sys\.executable\})$")
# Options such as `--mount=type=cache,target=DIR` stand before the command.
_RUN = re.compile(r"^\s*RUN\s+(?:--\S+\s+)*(?P<command>.*)$", re.IGNORECASE)
_HERE_DOCUMENT = re.compile(r"<<-?(?P<quote>['\"]?)(?P<end>\w+)(?P=quote)")
_OF_COLAB = re.compile(r"^tensorflow_version\s+(?P<major>[12])(?:\.x)?\b")
_REDIRECTED = re.compile(r"^\d*>+(?P<to>.*)$")
_BEFORE = re.compile(r"^(?:sudo|time|exec|env|if|then|else|elif|do|while|until|!|\{|-[HE]|[A-Za-z_]\w*=\S*)$")
# Everything before a comment, which begins with a `#` at the start of a word.
_UNCOMMENTED = re.compile(r"""(?:[^'"\\#]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|(?<=[^\s;&|(])#)*""", re.DOTALL)
_END = re.compile(r"^[;&|()]+$")
_CONDA = re.compile(r"^(?:.*/)?(?:conda|mamba|micromamba)$")
_RUNS = re.compile(rf"{_CONDA.pattern}|^(?:poetry|pipenv|uv|hatch|pdm)$")
_TAKE_A_VALUE_OF_CONDA = re.compile(r"^(?:-[ncpf]|--(?:name|channel|prefix|file|solver|platform|subdir))$")
# Of a notebook or a terminal, in commands that were copied from there.
_PROMPT = re.compile(r"^\s*(?:[!%]|\$\s)\s*")
# Also in a list or a quotation.
_FENCE = re.compile(r"^[\s>*+-]*(?:```|~~~)")
_INLINE = re.compile(r"(?<!`)(`{1,2})(?P<code>[^`]+)\1(?!`)")

# Options of `pip install` about how to install, or for which target; they do not change what is requested.
_FLAGS = re.compile(
    r"^(?:-[UqvIy]+|--(?:upgrade|quiet|verbose|user|no-cache-dir|no-cache|force-reinstall|ignore-installed|yes|system|"
    r"disable-pip-version-check|no-build-isolation|break-system-packages|no-warn-script-location|no-compile|no-deps|"
    r"no-input|no-dependencies|no-python-version-warning|ignore-requires-python|compile|debug|isolated|no-clean))$"
)
_VALUED = re.compile(
    r"^(?:-t|--(?:target|prefix|root|src|cache-dir|timeout|default-timeout|retries|progress-bar|proxy|log|cert|python|"
    r"client-cert|exists-action|upgrade-strategy|root-user-action|report|platform|python-version|implementation|abi|"
    r"use-deprecated))(?P<given>=.*)?$"
)
_TAKE_A_VALUE = re.compile(
    r"^(?:-[rcief]|--(?:requirement|constraint|editable|index-url|find-links|extra-index-url|trusted-host|no-binary|"
    r"only-binary|use-feature|config-settings?|global-option))$"
)


def read(kind: Kind, text: str, basket: Basket) -> None:
    """Add what the commands in a file install to the basket, without running any of them."""
    try:
        found = list({"notebook": _of_notebook, "dockerfile": _of_dockerfile, "shell": _of_shell}[kind](text))
        values = values_in(kind, (line for line, _ in _joined("\n".join(_cells(text)) if kind == "notebook" else text)))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        basket.problem(basket.name, f"it cannot be read: {error}")
        return
    is_any = kind == "dockerfile" and _images(text, basket, values)
    for written, place in found:
        command, where = filled(written, values), f"{basket.name}:{place}"
        if of_colab := _OF_COLAB.match(command):
            is_any = True
            basket.want(f"tensorflow=={of_colab['major']}.*", where)
            continue
        try:
            words = _words(command)
        except ValueError as error:
            if "install" in command:
                basket.problem(where, f"`{command}` cannot be divided into words: {error}")
            continue
        for spec in _conda_specs(words):
            is_any = True
            basket.conda(spec, where)
        for arguments in _installs(words):
            is_any = True
            for line in _lines(arguments, basket.origin.path.parent):
                if (variable := unknown_in(line.asked)) and not os.environ.get(variable.strip("${}")):
                    basket.problem(
                        where, f"`{line.asked}`: the value of `{variable}` is not in the file: write it there"
                    )
                else:
                    Reader(basket, "requirements").line(line, where)
    if not is_any:
        basket.problem(basket.name, "nothing in it says what is needed: it has no `pip install` or `conda install`")


def code_in(text: str) -> str:
    """The code in Markdown or reStructuredText: fenced, indented, or within a line. All other lines are blank."""
    found: list[str] = []
    is_fenced = False
    for line in text.splitlines():
        is_fence = _FENCE.match(line) is not None
        is_fenced = is_fenced != is_fence
        is_code = is_fenced or line.startswith(("    ", "\t"))
        within = "; ".join(each["code"] for each in _INLINE.finditer(line))
        found.append("" if is_fence else line if is_code else within)
    return "\n".join(found)


def _of_notebook(text: str) -> Iterator[tuple[str, str]]:
    """The shell commands and magics of a notebook, each with the number of its cell, counted from 1."""
    for number, code in enumerate(_cells(text), start=1):
        is_shell = code.lstrip().startswith(("%%bash", "%%sh", "%%shell"))
        for line, _ in _joined(code):
            if (own := line.lstrip())[:1] in ("!", "%") or is_shell:
                yield own.lstrip("!%"), f" cell {number}"


def _cells(text: str) -> Iterator[str]:
    """The code of each cell of a notebook; empty for a cell without code."""
    for cell in json_of(text)["cells"]:
        source = cell.get("source", "") if cell.get("cell_type") == "code" else ""
        yield source if isinstance(source, str) else "".join(source)


def _of_dockerfile(text: str) -> Iterator[tuple[str, str]]:
    end = ""
    for line, number in _joined(text):
        if end and line.strip() == end:
            end = ""
        elif end:
            yield line, str(number)
        elif found := _RUN.match(line):
            begun = _HERE_DOCUMENT.search(found["command"])
            end = begun["end"] if begun else ""
            yield _shell_form(found["command"]), str(number)


def _shell_form(command: str) -> str:
    """The command of a `RUN`: words in a list of JSON are joined; anything else is for a shell, as in Docker."""
    try:
        return shlex.join(json_of(command)) if command.startswith("[") else command
    except (ValueError, TypeError):
        return command


def _of_shell(text: str) -> Iterator[tuple[str, str]]:
    return ((_PROMPT.sub("", line), str(number)) for line, number in _joined(text))


def _joined(text: str) -> Iterator[tuple[str, int]]:
    """Lines joined where a backslash continues them, each with the number of its first part; comments are skipped."""
    begun, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            continue
        first = first if begun else number
        if line.rstrip().endswith("\\"):
            begun += line.rstrip().removesuffix("\\") + " "
            continue
        yield begun + line, first
        begun = ""
    if begun:
        yield begun, first


def _images(text: str, basket: Basket, values: Mapping[str, str]) -> bool:
    """Add what the base images of a Dockerfile imply, with the values of its variables.

    Returns:
        Whether one of them is an image of TensorFlow.
    """
    said: dict[str, tuple[str, str, int]] = {}
    for line, number in _joined(text):
        words = [word for word in filled(line, values).split() if not word.startswith("--")]
        if len(words) > 1 and words[0].upper() == "FROM" and (image := _IMAGE.match(words[1])):
            said[image["name"]] = (words[1], image["version"] or "", number)
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
    """The arguments of each `pip install` in the words of a shell command line."""
    for command in _commands(words):
        is_module = command and _PYTHON.match(command[0]) and command[1:2] == ["-m"]
        own = command[2 if is_module else 1 if command[:1] == ["uv"] else 0 :]
        # Options of pip itself may stand before the name of its command, as in `pip --no-cache-dir install`.
        at = 1
        while at < len(own) and own[at].startswith("-"):
            valued = _VALUED.match(own[at])
            at += 2 if valued is not None and valued["given"] is None else 1
        if at < len(own) and _PIP.match(own[0]) and own[at] == "install":
            yield [*own[1:at], *own[at + 1 :]]


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


def _lines(arguments: list[str], folder: Path) -> Iterator[RequirementsLine]:
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
            value = next(rest, "")
            if word in ("-r", "--requirement", "-c", "--constraint"):
                value = _beside(value, folder)
            yield RequirementsLine(number=0, asked="", options=(word, value))
        elif word.startswith("-"):
            yield RequirementsLine(number=0, asked="", options=(word,))
        else:
            yield RequirementsLine(number=0, asked=word, options=())


def _beside(name: str, folder: Path) -> str:
    """The path of a requirements file that a command names.

    A Dockerfile names the copy in the image; the original is then expected beside the Dockerfile, under the same name.
    """
    last = Path(name).name
    return last if not (folder / name).is_file() and (folder / last).is_file() else name
