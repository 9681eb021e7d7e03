"""A folder with a Python project: the name of the project, and digests that tell whether it changed."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from tfprov import contents
from tfprov.digests import bytes_of, sha256_of
from tfprov.structured import toml_of

_DESCRIPTIONS = ("pyproject.toml", "setup.py", "setup.cfg")
# Requirements files, which the metadata of a project is often computed from.
_LISTS = ("*.txt", "*.in", "requirements/*.txt", "requirements/*.in")
_REPOSITORY = re.compile(rb"\bgit(?:\+|\s*=)")
_NEVER = frozenset({"node_modules", "__pycache__"})
_OF_BUILDS = frozenset({"build", "dist"})


def is_project(folder: Path) -> bool:
    """Whether a folder holds a project that pip could build."""
    return any((folder / name).is_file() for name in ("pyproject.toml", "setup.py"))


def name_of(folder: Path) -> str | None:
    """The name in a project's own metadata; None where only a build would tell. No code of the project is run."""
    for read in (_name_in_pyproject, _name_in_setup_cfg, _name_in_setup_py):
        try:
            if name := read(folder):
                return name
        except (OSError, ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def state_of(folder: Path) -> str:
    """Digest of paths, sizes and times of a project's files; cheap, but also changes when a file is merely touched."""
    digest = hashlib.sha256()
    for path in files_of(folder):
        found = path.lstat()
        line = f"{path.relative_to(folder).as_posix()}\0{found.st_size}\0{found.st_mtime_ns}\0"
        digest.update(bytes_of(line))
    return digest.hexdigest()


def content_of(folder: Path) -> str:
    """Digest of paths and contents of a project's files, independent of where the folder is."""
    digest = hashlib.sha256()
    for path in files_of(folder):
        content = str(path.readlink()) if path.is_symlink() else sha256_of(path)
        digest.update(bytes_of(f"{path.relative_to(folder).as_posix()}\0{content}\0"))
    return digest.hexdigest()


def description_of(folder: Path) -> str:
    """Digest of the files that a project's metadata and requirements come from."""
    digest = hashlib.sha256()
    for path in _descriptions(folder):
        digest.update(bytes_of(f"{path.name}\0{sha256_of(path)}\0"))
    return digest.hexdigest()


def requires_repository(folder: Path) -> bool:
    """Whether a project may require something from a repository of Git, judged by the text of these files."""
    with contextlib.suppress(OSError, ValueError):
        return any(_REPOSITORY.search(contents.content_of(path)) for path in _descriptions(folder))
    return False


def files_of(folder: Path) -> Iterator[Path]:
    """The files and links of a project, in a fixed order, without what builds and tools leave, and environments."""
    for base, folders, names in os.walk(folder):
        here = Path(base)
        folders[:] = sorted(name for name in folders if not _is_left_out(here / name, is_top=here == folder))
        # A link to a folder is not followed: it counts as a file, whose content is its target.
        for name in sorted((*names, *(name for name in folders if (here / name).is_symlink()))):
            path = here / name
            if not name.endswith((".pyc", ".pyo")) and (path.is_symlink() or path.is_file()):
                yield path


def _descriptions(folder: Path) -> list[Path]:
    found = {path for pattern in (*_DESCRIPTIONS, *_LISTS) for path in folder.glob(pattern)}
    return sorted(path for path in found if path.is_file())


def traces_of_builds(folder: Path) -> frozenset[Path]:
    """The files and folders that builds have left in a folder: at its top level, and metadata beside the packages."""
    # setuptools puts its metadata where the packages are: at the top, or in `src` or a folder of another name.
    return frozenset((*folder.glob("build"), *folder.glob("*.egg-info"), *folder.glob("*/*.egg-info")))


def _is_left_out(folder: Path, *, is_top: bool) -> bool:
    name = folder.name
    if name.startswith(".") or name in _NEVER or name.endswith(".egg-info"):
        return True
    if is_top and name in _OF_BUILDS and not (folder / "__init__.py").is_file():
        return True
    is_venv = os.path.isfile(folder / "pyvenv.cfg")  # noqa: PTH113 - `Path` raises where this user may not look
    return is_venv or os.path.isdir(folder / "conda-meta")  # noqa: PTH112 - likewise


def _name_in_pyproject(folder: Path) -> str | None:
    document = toml_of(contents.content_of(folder / "pyproject.toml").decode("utf-8-sig"))
    tool = document.get("tool", {})
    poetry = tool.get("poetry", {}) if isinstance(tool, dict) else {}
    for table in (document.get("project"), poetry):
        if isinstance(table, dict) and isinstance(name := table.get("name"), str):
            return name
    return None


def _name_in_setup_cfg(folder: Path) -> str | None:
    import configparser  # deferred: most commands do not need it

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(contents.content_of(folder / "setup.cfg").decode("utf-8-sig"))
    except configparser.Error as error:
        raise ValueError(f"`setup.cfg` cannot be read: {error}") from error
    return parser.get("metadata", "name", fallback=None)


def _name_in_setup_py(folder: Path) -> str | None:
    tree = ast.parse(contents.content_of(folder / "setup.py").decode("utf-8-sig"))
    values = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "setup":
            for keyword in node.keywords:
                if keyword.arg == "name":
                    value = keyword.value
                    found = values.get(value.id, value) if isinstance(value, ast.Name) else value
                    name = ast.literal_eval(found)
                    return name if isinstance(name, str) else None
    return None
