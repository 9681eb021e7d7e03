"""Detects the format of a file from its name and content, and reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tfprov.contents import content_of
from tfprov.structured import TomlError, toml_of
from tfprov.wants import python_files
from tfprov.wants.basket import Basket
from tfprov.wants.records import ProjectParts, System, Wants, together
from tfprov.wants.text import decoded
from tfprov.wants.unfit import SourceFile

Kind = Literal[
    "requirements", "pip-list", "conda-list", "pyproject", "pipfile", "setup-cfg", "setup-py", "script", "environment",
    "uv-lock", "poetry-lock", "pylock", "pipfile-lock", "conda-lock", "notebook", "program", "dockerfile", "shell",
    "workflow", "instructions", "model-file", "python-file",
]  # fmt: skip
PROJECTS = frozenset({"pyproject", "pipfile", "setup-cfg", "setup-py", "uv-lock", "poetry-lock", "pipfile-lock"})
"""Formats with extras or groups, in the file itself or in the project file beside it."""

_TABLE = re.compile(r"(?m)^\[\[?[\w.\"'-]+\]?\]\s*(?:#.*)?$")
_YAML_KEY = re.compile(r"(?m)^(?P<key>dependencies|package):(?:\s|$)")
_OF_MLFLOW = re.compile(r"(?m)^(?:python|build_dependencies):")
_OF_COG = (re.compile(r"(?m)^build:"), re.compile(r"(?m)^[ \t]+python_(?:version|packages|requirements):"))
_BESIDE = {"uv-lock": "pyproject.toml", "poetry-lock": "pyproject.toml", "pipfile-lock": "Pipfile"}
_NOTEBOOK = re.compile(r'^\s*\{[^{}]*"cells"\s*:|"nbformat"\s*:\s*\d')
_DOCKERFILE = re.compile(r"^(?:dockerfile|containerfile)(?:\..*)?$|.*\.(?:dockerfile|containerfile)$")
_BY_NAME: dict[str, Kind] = {
    "pipfile": "pipfile",
    "pipfile.lock": "pipfile-lock",
    "poetry.lock": "poetry-lock",
    "pyproject.toml": "pyproject",
    "setup.cfg": "setup-cfg",
    "setup.py": "setup-py",
    "uv.lock": "uv-lock",
    **dict.fromkeys(python_files.NAMES, "python-file"),
}


def read(files: Sequence[Path], folder: Path, parts: ProjectParts, system: System | None = None) -> Wants:
    """Read files, and merge what they request.

    Args:
        files: absolute paths, of any supported format.
        folder: of the profile; paths of local wheels are written relative to it.
        parts: extras and groups to include from project files.
        system: that the packages are for; None for the one that tfprov runs on.

    Returns:
        The wants of all files, in order. A file that cannot be parsed is among the problems.

    Raises:
        OSError: one of the files cannot be read.
    """
    problems: list[str] = []
    kinds = []
    found = []
    for path in files:
        try:
            text = decoded(content_of(path))
        except ValueError as error:
            problems.append(f"{path.name}: {error}")
            continue
        kinds.append(kind_of(path.name, text))
        try:
            origin = SourceFile(path=path, folder=folder, system=system or System())
            found.append(_read(kinds[-1], text, origin, parts))
        except RecursionError:
            problems.append(f"{path.name}: it is nested too deeply to be read")
    for key, names in (("extras", parts.extras), ("groups", parts.groups)):
        if names and len(kinds) == len(files) and not PROJECTS & set(kinds):
            words = f"{', '.join(f'`{name}`' for name in names)}: none of `packages.files` is the file of a project"
            problems.append(f"packages.{key}: {words}")
    return together((*found, Wants(problems=tuple(problems))))


def read_project(folder: Path, kind: Literal["wheel", "editable"], parts: ProjectParts) -> Wants:
    """The wants for the project in the folder of a profile.

    Args:
        folder: of the project and the profile.
        kind: how the project is installed.
        parts: the extras in it are included.
    """
    basket = Basket(SourceFile(path=folder / "pyproject.toml", folder=folder))
    basket.project(folder, "packages.project", kind=kind, extras=parts.extras)
    return basket.wants


def kind_of(name: str, text: str) -> Kind:
    """Detect the format of a file; a text that matches no other format is taken for requirements.

    Args:
        name: of the file, without its folder.
        text: its content.
    """
    from tfprov.wants import pasted, script

    name = name.lower()
    key = _YAML_KEY.search(text)
    kind: Kind = "requirements"
    if name in _BY_NAME:
        kind = _BY_NAME[name]
    elif name.endswith(".py") or script.has_block(text):
        kind = "script" if script.has_block(text) else "program"
    elif _DOCKERFILE.match(name):
        kind = "dockerfile"
    elif name.endswith((".sh", ".bat", ".cmd", ".ps1")):
        kind = "shell"
    elif name.endswith((".md", ".markdown", ".rst")):
        kind = "instructions"
    elif name.endswith(".ipynb") or (text.lstrip().startswith("{") and _NOTEBOOK.search(text)):
        kind = "notebook"
    elif text.lstrip().startswith("{"):
        kind = "pipfile-lock"
    elif name.endswith((".yml", ".yaml")) or key:
        kind = _kind_of_yaml(text, key["key"] if key else "")
    elif name.endswith(".toml") or _TABLE.search(text):
        kind = _kind_of_toml(text)
    elif pasted.is_of_commands(text):
        kind = "shell"
    elif pasted.is_conda_list(text):
        kind = "conda-list"
    elif pasted.is_pip_list(text):
        kind = "pip-list"
    return kind


def _kind_of_yaml(text: str, key: str) -> Kind:
    if key == "package":
        return "conda-lock"
    if key == "dependencies":
        return "model-file" if _OF_MLFLOW.search(text) else "environment"
    if all(each.search(text) for each in _OF_COG):
        return "model-file"
    from tfprov.wants import workflows

    return "workflow" if workflows.KEY.search(text) else "environment"


def _kind_of_toml(text: str) -> Kind:
    try:
        document = toml_of(text)
    except (TomlError, RecursionError):
        # The reader of that format reports the mistake.
        return "setup-cfg" if re.search(r"(?m)^\[(?:options|metadata)\]", text) else "pyproject"
    if "lock-version" in document:
        return "pylock"
    if "package" in document:
        return "poetry-lock" if "metadata" in document else "uv-lock"
    if "packages" in document or "dev-packages" in document:
        return "pipfile"
    return "pyproject"


def _read(kind: Kind, text: str, origin: SourceFile, parts: ProjectParts) -> Wants:
    """Read a file of a known format. The module of each format is imported only when needed."""
    basket = Basket(origin)
    bounding = False
    before = Wants()
    if kind in _BESIDE and (project := origin.path.parent / _BESIDE[kind]).is_file():
        before = read((project,), origin.folder, parts, origin.system)
        bounding = bool(before.requirements or before.problems)
    elif kind == "pyproject" and (beside := _of_setuptools(text, origin.path)):
        before = read((beside,), origin.folder, parts, origin.system)
        parts = ProjectParts()
    if basket.name.lower() == "tox.ini":
        words = "it says what the tests need: name the file of the project itself, such as `pyproject.toml`"
        basket.problem(basket.name, words)
    elif kind == "requirements":
        from tfprov.wants import requirements_file

        requirements_file.read(text, basket)
    elif kind in ("pip-list", "conda-list"):
        from tfprov.wants import pasted

        (pasted.read_pip_list if kind == "pip-list" else pasted.read_conda_list)(text, basket)
    elif kind == "environment":
        from tfprov.wants import conda_environment

        conda_environment.read(text, basket)
    elif kind in ("model-file", "python-file"):
        from tfprov.wants import model_files

        (model_files if kind == "model-file" else python_files).read(text, basket)
    elif kind in ("setup-cfg", "setup-py"):
        from tfprov.wants import setup_files

        (setup_files.read_setup_cfg if kind == "setup-cfg" else setup_files.read_setup_py)(text, basket, parts)
    elif kind in ("notebook", "program", "dockerfile", "shell", "workflow"):
        from tfprov.wants import commands

        commands.read(kind, text, basket)
    elif kind == "instructions":
        from tfprov.wants import instructions

        instructions.read(text, basket)
    elif kind in ("pyproject", "pipfile", "script"):
        _read_project(kind, text, basket, parts)
    else:
        from tfprov.wants import other_locks

        other_locks.read(kind, text, basket, "constraints" if bounding else "requirements")
        return together((before, other_locks.that_fit(basket.wants, before)))
    return together((before, basket.wants))


def _of_setuptools(text: str, path: Path) -> Path | None:
    """The `setup.py` or `setup.cfg` beside a `pyproject.toml` that has no project metadata; else None."""
    from tfprov.wants.pyproject import has_dependencies
    from tfprov.wants.tables import table

    try:
        document = toml_of(text)
    except (TomlError, RecursionError):
        return None
    if has_dependencies(document) or table(document, "project"):
        return None
    return next((beside for name in ("setup.py", "setup.cfg") if (beside := path.with_name(name)).is_file()), None)


def _read_project(kind: Kind, text: str, basket: Basket, parts: ProjectParts) -> None:
    """Add what a TOML document of a project or script requests to the basket."""
    try:
        if kind == "script":
            from tfprov.wants import script

            text = script.block(text)
        document = toml_of(text)
    except TomlError as error:
        basket.problem(basket.name, f"it is not TOML: {error}")
    except ValueError as error:
        basket.problem(basket.name, str(error))
    else:
        if kind == "pipfile":
            from tfprov.wants import pipfile

            pipfile.read(document, basket, parts)
            return
        from tfprov.wants import pyproject

        is_other = kind == "pyproject" and basket.name.lower() not in ("pyproject.toml", "hatch.toml")
        if is_other and not (document.get("project") or pyproject.has_dependencies(document)):
            basket.problem(
                basket.name, "nothing in it says what is needed: it has no `[project]`, nor another such table"
            )
            return
        if kind == "script":
            # A script has at the top level the keys that a project has in `[project]`.
            own = ("dependencies", "requires-python")
            document["project"] = {key: document[key] for key in own if key in document}
        pyproject.read(document, basket, parts)
