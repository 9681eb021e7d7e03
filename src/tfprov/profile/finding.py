"""Finds the file of a profile: by its path, by the name of a shipped one, or from the folder of a project."""

from __future__ import annotations

import re
from pathlib import Path

from tfprov.contents import content_of
from tfprov.errors import TfprovError
from tfprov.paths import expanded, is_trusted_above
from tfprov.structured import toml_of
from tfprov.wants.python_files import NAMES as PYTHON_FILES
from tfprov.words import quoted

PROFILE = "tfprov.toml"
_TABLES = frozenset({"environment", "packages", "smoke", "tensorflow"})
_MOST_FILES = 50
_LARGEST = 1 << 20
_LISTS = (
    *("pyproject.toml", "requirements.txt", "environment.yml", "environment.yaml"),
    *("Pipfile", "pixi.toml", "setup.cfg", "setup.py"),
)


# The locks that tools make of a file, each with its tool, and the files whose tools also read which Python to use.
_LOCKS = {
    "pyproject.toml": {"uv": "uv.lock", "poetry": "poetry.lock", "pdm": "pdm.lock"},
    "Pipfile": {"pipenv": "Pipfile.lock"},
}
_WITH_PYTHON = frozenset({"pyproject.toml", "requirements.txt", "setup.cfg", "setup.py"})


def is_stand_in(path: Path) -> bool:
    """Whether a dependency file stands in for the profile of its folder, because that has none."""
    return path.name in _LISTS and nearest(path.parent) == path and not _has_own_table(path)


def shipped_folder() -> Path:
    """The folder of the profiles that come with tfprov: in the installed package, or at the top of a checkout."""
    # Imported late, because a profile that is given by its path does not need it.
    from importlib import resources

    package = Path(str(resources.files("tfprov")))
    installed = package / "profiles"
    return installed if installed.is_dir() else package.parents[1] / "profiles"


def shipped() -> tuple[Path, ...]:
    """Paths of the shipped profiles, sorted by name."""
    # In a checkout, locks of these profiles may be in the same folder.
    return tuple(sorted(path for path in shipped_folder().glob("*.toml") if not path.name.startswith("pylock.")))


def nearest(cwd: Path) -> Path | None:
    """The profile for a folder: `tfprov.toml` or `[tool.tfprov]` in `pyproject.toml`, there or in a folder above.

    Without either, a dependency file in the folder itself; None when there is none of these. In a folder above, a file
    counts only if it is of this user, of root, or of whoever owns the folder itself or the one above that it is in:
    anybody may put one into `/tmp`.

    Raises:
        OSError: a `pyproject.toml` or `setup.cfg` cannot be read.
    """
    for folder in (cwd, *cwd.parents):
        for path in (folder / PROFILE, folder / "pyproject.toml"):
            is_ours = path.is_file() and (folder == cwd or is_trusted_above(path, cwd))
            if is_ours and (path.name == PROFILE or _has_own_table(path)):
                return path
    return next(iter(lists(cwd)), None)


def _has_own_table(path: Path) -> bool:
    """Whether a file is a `pyproject.toml` that contains a profile."""
    is_project = path.name == "pyproject.toml" and path.is_file()
    return is_project and re.search(rb"(?m)^\[tool\.tfprov[\].]", content_of(path)) is not None


def lists(folder: Path) -> tuple[Path, ...]:
    """The dependency files in a folder, in the order of preference.

    Raises:
        OSError: a `pyproject.toml` or `setup.cfg` cannot be read.
    """
    return tuple(path for name in _LISTS if (path := folder / name).is_file() and _says_needs(path))


def with_companions(path: Path) -> tuple[str, ...]:
    """The names of a dependency file and of what belongs to it beside it: its lock, and a file that names the Python.

    Args:
        path: one of `lists`.

    Raises:
        OSError: a file cannot be read.
    """
    locks = {tool: name for tool, name in _LOCKS.get(path.name, {}).items() if path.with_name(name).is_file()}
    if len(locks) > 1:
        # Left over from another tool, unless it is that of the tables.
        tables = set(re.findall(r"(?m)^\[+tool\.(\w+)", content_of(path).decode("utf-8", "replace")))
        locks = {tool: name for tool, name in locks.items() if tool in tables} or locks
    lock = next(iter(locks.values()), None)
    python = python_file(path.parent) if path.name in _WITH_PYTHON else None
    return tuple(name for name in (path.name, lock, python) if name is not None)


def python_file(folder: Path) -> str | None:
    """The name of the file in a folder that names the Python for all that is there; None without one."""
    return next((name for name in PYTHON_FILES if (folder / name).is_file()), None)


def _says_needs(path: Path) -> bool:
    """Whether a file lists dependencies, rather than only settings of tools; False for tfprov's own checkout."""
    if path.name == "pyproject.toml":
        from tfprov.wants.pyproject import has_dependencies
        from tfprov.wants.tables import table

        try:
            document = toml_of(content_of(path).decode("utf-8-sig"))
        except ValueError:
            return True  # its reader reports the mistake
        return has_dependencies(document) and table(document, "project").get("name") != "tfprov"
    return path.name != "setup.cfg" or b"install_requires" in content_of(path)


def namesakes(path: Path, name: str) -> tuple[str, ...]:
    """The other profiles in the folder of a profile that have its name, in any case: their locks are one file.

    Args:
        path: the profile.
        name: its name.
    """
    found = []
    for other in sorted(path.parent.glob("*.toml"))[:_MOST_FILES]:
        if other.name == path.name or other.name.startswith("pylock."):
            continue
        try:
            document = toml_of(content_of(other, most=_LARGEST).decode("utf-8-sig"))
        except (OSError, ValueError):
            continue  # no profile, or one on which `up` fails
        # Other tools write a `name` at the top of their files, too.
        if str(document.get("name", "")).casefold() == name.casefold() and not _TABLES.isdisjoint(document):
            found.append(other.name)
    return tuple(found)


def find(name: str, *, cwd: Path) -> tuple[Path, bool]:
    """The file that a PROFILE argument refers to, and whether it is a shipped profile.

    Args:
        name: a path, or the name of a shipped profile; a file takes precedence, so that a shipped profile never hides
            it. Empty for the profile of the folder.
        cwd: the folder, to which a path is relative.

    Raises:
        TfprovError: `profile-missing`.
        OSError: as in `nearest`.
    """
    if not name:
        here = nearest(cwd)
        if here is None:
            raise _none_here(cwd)
        return here, False
    path = cwd / expanded(name)
    if path.is_file():
        return path.absolute(), False
    if path.is_symlink() and not path.exists():
        raise TfprovError(
            "profile-missing",
            f"`{name}` is a link to `{path.readlink()}`, and there is nothing",
            hint="correct the link, or name the file itself",
        )
    names = {file.stem: file for file in shipped()}
    if name in names:
        return names[name], True
    if path.is_dir():
        raise TfprovError("profile-missing", f"`{name}` is a folder, not a profile")
    if path.exists():
        raise TfprovError("profile-missing", f"`{name}` is not a regular file", hint="a profile is a TOML file")
    import difflib

    close = difflib.get_close_matches(name, names, n=1)
    nearby = sorted(file.name for file in cwd.glob("*.toml") if file.name != "pyproject.toml")[:5]
    evidence = [f"shipped profiles: {', '.join(names)}"]
    if nearby:
        evidence.append(f"files here: {', '.join(nearby)}")
    raise TfprovError(
        "profile-missing",
        f"there is no profile `{name}`",
        evidence=tuple(evidence),
        hint=f"did you mean `{close[0]}`?" if close else "make one with `tfprov init`, or name a shipped profile",
    )


def _none_here(cwd: Path) -> TfprovError:
    """The error for a folder without a profile, with what may be meant instead."""
    from tfprov.profile.nearby import lists_under_other_names

    evidence = [
        "neither `tfprov.toml` nor `[tool.tfprov]` in `pyproject.toml`, here or in a folder above",
        "no file here that says what a project needs, such as `requirements.txt`",
    ]
    hint = "make one with `tfprov init`, or name a profile"
    if there := lists_under_other_names(cwd):
        evidence.append(f"files that may say it: {', '.join(f'`{each}`' for each in there)}")
        hint = f"name the file that says what is needed, as in `tfprov up {quoted(there[0])}`"
    elif any(next(cwd.glob(each), None) for each in ("*.py", "*.ipynb")):
        hint = "`tfprov init` writes one with the packages that the Python files here import"
    if foreign := next((path for folder in cwd.parents if (path := folder / PROFILE).is_file()), None):
        evidence[0] = f"`{foreign}` belongs to another user, and counts only if you name it"
        hint = f"if you trust it, name it: `tfprov up {quoted(str(foreign))}`"
    return TfprovError("profile-missing", f"`{cwd}` has no profile", evidence=tuple(evidence), hint=hint)
