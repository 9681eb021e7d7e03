"""Finds what no profile can ask for: the user's own files in an environment, and remains of interrupted work."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from tfprov.adopt.metadata import LEFTOVER, editable_of
from tfprov.adopt.records import Beside, FoundDistribution
from tfprov.conda.prefix import owned_files
from tfprov.contents import content_of
from tfprov.envs.integrity import foreign_files
from tfprov.envs.layout import executables_in

# Commands that venv, virtualenv, uv and their seed packages install and no RECORD lists.
_STOCK = re.compile(
    r"^(?:python[\d.]*t?|pypy[\d.]*|[Aa]ctivate(?:[._].*)?|deactivate(?:\..*)?|pydoc(?:\.bat)?|wheel[\d.-]*|"
    r"pip[\d.-]*|easy_install[\d.-]*|\.gitignore|.*\.pyc|"
    r"pythonw?[\d.]*t?(?:_d)?\.exe|(?:python|vcruntime)[\w.]*\.dll|(?:wheel|pip|easy_install)(?:-?[\d.]+)?\.exe)$"
)
PTH_CODE = re.compile(r"^import[ \t]")
"""Matches a line of a `.pth` file that Python runs when it starts."""
_RUNS_CODE = "runs code when Python starts"


def beside(
    root: Path, libraries: Sequence[Path], distributions: Sequence[FoundDistribution], *, is_conda: bool
) -> tuple[Beside, ...]:
    """Everything in an environment that does not come from a package of an index or a channel."""
    return (
        *_local(root, distributions),
        *_leftovers(root, libraries),
        *_files(root, distributions, is_conda=is_conda),
        *_commands(root, distributions, is_conda=is_conda),
    )


def _local(root: Path, distributions: Sequence[FoundDistribution]) -> Iterator[Beside]:
    for one in distributions:
        if one.origin is None or one.origin.path is None:
            continue
        there = "" if one.origin.path.exists() else ", which is gone"
        what = f"{one.project} {one.version}".strip() + f" from `{one.origin.path}`{there}"
        kind: Literal["editable", "local"] = "editable" if one.origin.is_editable else "local"
        yield Beside(kind=kind, path=_inside(root, one.metadata), what=what)


def _leftovers(root: Path, libraries: Sequence[Path]) -> Iterator[Beside]:
    for library in libraries:
        with contextlib.suppress(OSError):
            for path in sorted(library.iterdir()):
                if LEFTOVER.match(path.name):
                    what = "files that pip renamed and could not remove"
                    yield Beside(kind="leftover", path=_inside(root, path), what=what)
                elif path.is_dir() and path.name != "__pycache__" and _is_shell(path):
                    what = "compiled files of a package that is gone: it was removed, or its upgrade was interrupted"
                    yield Beside(kind="leftover", path=_inside(root, path), what=what)


def _is_shell(folder: Path) -> bool:
    """Whether a folder contains bytecode and nothing else."""
    is_empty = True
    for _, _, names in os.walk(folder):
        if not all(name.endswith(".pyc") for name in names):
            return False
        is_empty = is_empty and not names
    return not is_empty


def _files(root: Path, distributions: Sequence[FoundDistribution], *, is_conda: bool) -> Iterator[Beside]:
    """Files in site-packages that no package owns; each top-level folder of such files is one entry."""
    owned = owned_files(root) if is_conda else frozenset()
    # `setup.py install` leaves no list of files: the module with the project's name is taken for its own.
    old = {one.name for one in distributions if not one.metadata.name.endswith(".dist-info")}
    editable = {one.name for one in distributions if one.origin is not None and one.origin.is_editable}
    counted: Counter[str] = Counter()
    for path in foreign_files(root):
        if path in owned:
            continue
        library, _, inner = path.partition("-packages/")
        top = inner.partition("/")[0]
        if LEFTOVER.match(top) or ".egg-info" in top or top.endswith((".egg-link", "easy-install.pth")):
            continue
        if top.endswith(".dist-info") or top.partition(".")[0].lower().replace("_", "-") in old:
            continue
        if top.endswith(".pth"):
            if editable_of(top) not in editable:
                yield Beside(kind="startup", path=path, what=_pth(root / path))
            continue
        if top.endswith(".start"):
            yield Beside(kind="startup", path=path, what=_RUNS_CODE)
            continue
        counted[f"{library}-packages/{top}"] += 1
    for path, number in counted.items():
        is_folder = (root / path).is_dir()
        yield Beside(kind="file", path=f"{path}/" if is_folder else path, what=f"{number} files" if is_folder else "")


def _pth(path: Path) -> str:
    """What a `.pth` file does at each start of Python."""
    try:
        lines = content_of(path).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    code = any(PTH_CODE.match(line) for line in lines)
    paths = [line.strip() for line in lines if line.strip() and not line.startswith("#") and not PTH_CODE.match(line)]
    told = [_RUNS_CODE] if code else []
    if paths:
        told.append("adds " + ", ".join(f"`{each}`" for each in paths[:3]) + " to `sys.path`")
    return "; ".join(told)


def _commands(root: Path, distributions: Sequence[FoundDistribution], *, is_conda: bool) -> Iterator[Beside]:
    known = {path for one in distributions for path in one.commands}
    # conda packages install programs of all kinds; conda's records list them.
    known |= owned_files(root) if is_conda else frozenset()
    if any(one.lacks for one in distributions):
        # Without its RECORD nothing tells which commands belong to a distribution.
        return
    folder = executables_in(root)
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            inside = _inside(root, path)
            if inside not in known and not _STOCK.match(path.name) and (path.is_symlink() or path.is_file()):
                what = f"a link to `{os.readlink(path)}`" if path.is_symlink() else ""  # noqa: PTH115 - shown as it is
                yield Beside(kind="command", path=inside, what=what)


def _inside(root: Path, path: Path) -> str:
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return str(path)
