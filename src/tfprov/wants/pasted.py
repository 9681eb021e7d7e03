"""Reads the output of `pip list` and `conda list`, which users save as a requirements file."""

from __future__ import annotations

import re

from tfprov.wants.basket import Basket

_PIP_HEADER = re.compile(r"^(?:Package|Library|Name)\s+Version(\s+.*)?$", re.IGNORECASE)
_RULE = re.compile(r"^[-\s]+$")
_COMMAND = re.compile(r"^(?:[!%$]\s*)?(?:sudo\s+)?(?:python[\d.]*\s+-m\s+)?(?:uv\s+)?pip[\d.]*\s+install\s")
_OTHER_COMMAND = re.compile(
    r"^(?:[!%$]\s*)?(?:sudo\s+)?(?:python[\d.]*\s+-m\s"
    r"|(?:conda|mamba|micromamba|cd|source|git|virtualenv|apt|apt-get|mkdir|export|uv)\s+[^=<>~])"
)
_CONDA_INSTALL = re.compile(r"^(?:[!%$]\s*)?(?:conda|mamba|micromamba)\s+(?:install|create)\s")
_TABLE_ROW = re.compile(r"^\|(?P<name>[^|]+)\|(?P<version>[^|]+)\|$")
_COLUMNS = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)\s+(?P<version>\d[\w.+!-]*)(?:\s+(?P<place>\S.*))?$")
_BRACKETS = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*) \((?P<version>\d[\w.+!-]*)(?:, (?P<place>.*))?\)$")
_EXPORTED = re.compile(r"^(?P<name>[A-Za-z0-9_][\w.-]*)=(?P<version>[^=\s]+)(?:=(?P<build>[\w.]+))?$")
_HEADER = "# $ conda create --name"
_OF_CONDA = re.compile(r"(?im)^python=\d")
_SHORTENED = re.compile(r"^[A-Za-z0-9_][\w.-]*(?:[<>=!~]=[\w.*]+)?$")
_CONDA_COLUMNS = re.compile(r"^(?P<name>[\w.-]+)\s+(?P<version>\S+)\s+(?P<build>\S+)(?:\s+\S+)?$")


def is_of_commands(text: str) -> bool:
    """Whether every line of a text is a command, and one installs something, as people save what they typed."""
    rows = _rows(text)
    installs = [row for row in rows if _COMMAND.match(row) or _CONDA_INSTALL.match(row)]
    return bool(installs) and all(row in installs or _OTHER_COMMAND.match(row) for row in rows)


def is_pip_list(text: str) -> bool:
    """Whether a text is output of `pip list`, with or without its header."""
    rows = _rows(text)
    if rows and _PIP_HEADER.match(rows[0]):
        return True
    return len(rows) > 1 and (all(map(_COLUMNS.match, rows)) or all(map(_BRACKETS.match, rows)))


def is_conda_list(text: str) -> bool:
    """Whether a text is output of `conda list`: a table, or with `--export`, without builds or with `--explicit`."""
    if re.search(r"(?m)^@EXPLICIT\s*$|^# packages in environment at ", text):
        return True
    rows = _rows(text)
    found = [_EXPORTED.match(row) for row in rows]
    if _HEADER in text:
        # Many shorten the list, but pip saves its own lists under these lines as well.
        return any(found) and all(one or _SHORTENED.match(row) for one, row in zip(found, rows, strict=True))
    # `name=version` without a build may as well be a mistyped requirement.
    may_lack_builds = _OF_CONDA.search(text) is not None
    return len(found) > 0 and all(one is not None and (may_lack_builds or one["build"]) for one in found)


def read_pip_list(text: str, basket: Basket) -> None:
    """Add the packages in output of `pip list` to the basket, each as a pin."""
    name = basket.name
    basket.note(name, "it is what `pip list` prints: each package is read as a pin")
    for number, line in enumerate(text.splitlines(), start=1):
        row = _plain(line)
        if not row or row.startswith("#") or _PIP_HEADER.match(row) or _RULE.match(row):
            continue
        where = f"{name}:{number}"
        found = _COLUMNS.match(row) or _BRACKETS.match(row)
        if found is None:
            basket.problem(where, f"`{row}` is not a line of `pip list`: write `name==version`")
        elif found["place"]:
            basket.problem(
                where,
                f"`{found['name']}` was installed from `{found['place']}`, which would be built from source, and "
                "tfprov installs wheels",
            )
        else:
            basket.want(f"{found['name']}=={found['version']}", where)


def read_conda_list(text: str, basket: Basket) -> None:
    """Add the packages in output of `conda list` to the basket as conda specs; those that pip installed, as pins."""
    name = basket.name
    if re.search(r"(?m)^@EXPLICIT\s*$", text):
        basket.problem(
            name,
            "it is a list of files for one platform (`conda list --explicit`): "
            'make one with `conda env export --from-history` and use it with `environment.kind = "conda"`',
        )
        return
    for number, line in enumerate(text.splitlines(), start=1):
        row = line.strip()
        where = f"{name}:{number}"
        found = _EXPORTED.match(row) or _CONDA_COLUMNS.match(row)
        if not row or row.startswith("#"):
            continue
        if found is None and _HEADER in text and _SHORTENED.match(row):
            basket.conda(row, where)
        elif found is None:
            basket.problem(where, f"`{row}` is not a line of `conda list`")
        elif (found["build"] or "").startswith("pypi_") or row.endswith(" pypi"):
            basket.want(f"{found['name']}=={found['version']}", where)
        else:
            build = f"={found['build']}" if found["build"] else ""
            basket.conda(f"{found['name']}={found['version']}{build}", where)


def _rows(text: str) -> list[str]:
    return [_plain(line) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _plain(line: str) -> str:
    """A line without its margins; the two columns of a Markdown table are separated by spaces."""
    row = line.strip()
    found = _TABLE_ROW.match(row)
    return row if found is None else f"{found['name'].strip()} {found['version'].strip()}"
