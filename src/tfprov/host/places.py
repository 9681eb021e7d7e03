"""The places to search for interpreters: PATH, folders of systems and version managers, conda, the registry."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov import paths
from tfprov.errors import TfprovError
from tfprov.host.system import ROOT, System, exists, glob, home_folder, read_text, running_system, wsl

# In WSL, PATH also contains folders of Windows; a program that ends in .exe there is a Python for Windows.
_NAME = re.compile(r"^(?:python|pypy|graalpy)(?:\d+(?:\.\d+){0,2})?[tmu]*$")
_WINDOWS_NAME = re.compile(r"^(?:python|pypy|graalpy)(?:\d+(?:\.\d+){0,2})?t?\.exe$", re.IGNORECASE)
_CELLAR = re.compile(r"(?P<brew>.*)/Cellar/(?P<formula>python(?:@[\d.]+)?)/[^/]+/(?P<inner>.+)")
_WINDOWS_FOLDER = re.compile(r"^/mnt/[a-z](?:/|$)")
# Shims are links to the version manager itself, which chooses a Python at run time.
_MANAGERS = frozenset({"mise", "asdf", "rye", "uv", "volta", "proto", "vfox", "pyenv", "hatch", "pixi"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """A file that may be an interpreter.

    Attributes:
        path: links resolved, except when the last one leads to a file that is not named like a Python.
        found_by: see `Interpreter.found_by`.
    """

    path: Path
    found_by: str


def executables(environ: Mapping[str, str], *, system: System, root: Path = ROOT) -> Iterator[Executable]:
    """Executables named like a Python in all known places, most specific place first; may contain duplicates."""
    for found_by, folder in _places(environ, system, _drive(environ, system, root)):
        # A relative path depends on the working directory, and no version manager installs to one.
        if folder.is_absolute():
            yield from _pythons_in(folder, found_by)
    if system == "windows":
        yield from _registry(environ)
    if root == ROOT:
        # The Python that runs tfprov, or the one that tfprov's own environment was made from.
        own = getattr(sys, "_base_executable", None) or sys.executable
        if own:
            yield from _executable(Path(own), "running")


def _drive(environ: Mapping[str, str], system: System, root: Path) -> Path:
    """The root; on Windows that of the system drive, because `/` is not an absolute path there."""
    return Path(f"{environ.get('SYSTEMDRIVE') or 'C:'}/") if system == "windows" and root == ROOT else root


def _places(environ: Mapping[str, str], system: System, root: Path) -> Iterator[tuple[str, Path]]:
    """Folders that contain executables, and how they were found."""
    home = home_folder(environ, system)
    for found_by, installs in _managed(environ, system, home):
        for install in _children(installs):
            # uv and pyenv: <install>/bin; hatch: <install>/python/bin; rye: <install>/install/bin.
            for inner in (install, install / "python", install / "install", *_children(install / "envs")):
                yield found_by, _programs(inner, system)
    for prefix in conda_prefixes(environ, system=system, root=root):
        yield "conda", _programs(prefix, system)
    is_wsl = system == "linux" and wsl(environ, root=root).value
    for entry in environ.get("PATH", "").split(os.pathsep):
        # The drives of Windows are slow to list, and contain no Python for Linux.
        if Path(entry).name != "shims" and not (is_wsl and _WINDOWS_FOLDER.match(entry)):
            yield "PATH", Path(entry)
    for pattern in _FOLDERS[system]:
        yield from (("system", folder) for folder in glob(root, pattern))
    for variable in ("RUNNER_TOOL_CACHE", "AGENT_TOOLSDIRECTORY"):
        tools = glob(Path(environ[variable]), "Python/*/*") if environ.get(variable) else []
        yield from (("tool cache", _programs(folder, system)) for folder in tools)
    if home is not None:
        yield "user", home / ".local/bin"


def _programs(install: Path, system: System) -> Path:
    return install if system == "windows" else install / "bin"


_FOLDERS: dict[System, tuple[str, ...]] = {
    "linux": (
        "usr/bin",
        "usr/local/bin",
        "bin",
        "opt/bin",
        "opt/python/*/bin",
        "opt/python*/bin",
        "opt/hostedtoolcache/Python/*/*/bin",
        "opt/rh/*/*/usr/bin",  # Red Hat's Software Collections: each has a whole tree below one folder
        "usr/local/python*/bin",
        "home/linuxbrew/.linuxbrew/bin",
        "home/linuxbrew/.linuxbrew/opt/python@*/bin",
        "run/current-system/sw/bin",
    ),
    "macos": (
        "Library/Frameworks/Python.framework/Versions/*/bin",
        "opt/homebrew/bin",
        "opt/homebrew/opt/python@*/bin",
        "usr/local/bin",
        "usr/local/opt/python@*/bin",
        "opt/local/bin",
        "Library/Developer/CommandLineTools/usr/bin",
        "Applications/Xcode.app/Contents/Developer/usr/bin",
    ),
    "windows": ("Program Files/Python3*", "Program Files (x86)/Python3*", "Python3*"),
}


# Version manager, variable for its folder, default locations of that folder (`~` is the home directory, `$` any data
# folder), and the subfolder with its installs.
_MANAGER_FOLDERS = (
    ("pyenv", "PYENV_ROOT", ("~/.pyenv", "~/.pyenv/pyenv-win"), "versions"),
    ("uv", "UV_PYTHON_INSTALL_DIR", ("$/uv/python", "$/uv/data/python"), ""),
    ("asdf", "ASDF_DATA_DIR", ("~/.asdf",), "installs/python"),
    ("mise", "MISE_DATA_DIR", ("$/mise",), "installs/python"),
    ("rye", "RYE_HOME", ("~/.rye",), "py"),
    ("hatch", "HATCH_DATA_DIR", ("$/hatch",), "pythons"),
    ("pdm", "PDM_HOME", ("$/pdm",), "python"),
    ("pixi", "PIXI_HOME", ("~/.pixi",), "envs"),
)


def _managed(environ: Mapping[str, str], system: System, home: Path | None) -> Iterator[tuple[str, Path]]:
    """Folders with one subfolder per install, by version manager."""
    with contextlib.suppress(TfprovError, OSError):
        yield "tfprov", paths.home(environ).data / "pythons"
    data = [Path(environ[name]) for name in ("XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA") if environ.get(name)]
    if home is not None:
        data.append(home / ".local/share")
        if system == "macos":
            data.append(home / "Library/Application Support")
    for manager, variable, usual, below in _MANAGER_FOLDERS:
        if environ.get(variable):
            yield manager, Path(environ[variable]) / below
        for place in usual:
            for base in data if place.startswith("$") else [home]:
                if base is not None:
                    yield manager, base / place[2:] / below


def conda_prefixes(environ: Mapping[str, str], *, system: System, root: Path = ROOT) -> Iterator[Path]:
    """Roots and environments of conda, mamba and micromamba that exist; may contain duplicates."""
    home, root = home_folder(environ, system), _drive(environ, system, root)
    roots: list[Path] = []
    for variable in ("CONDA_ROOT", "CONDA_PREFIX_1", "CONDA_PREFIX", "MAMBA_ROOT_PREFIX"):
        if environ.get(variable):
            roots.append(Path(environ[variable]))
    for variable in ("CONDA_EXE", "CONDA_PYTHON_EXE"):
        if environ.get(variable):
            # <root>/bin/conda, <root>/condabin/conda, <root>/Scripts/conda.exe or <root>/python.exe
            parent = Path(environ[variable]).parent
            roots.append(parent.parent if parent.name in ("bin", "condabin", "Scripts") else parent)
    names = ["miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", "miniconda", "anaconda", "conda"]
    bases = [root / "opt", root / "usr/local", root / "usr/share", root / "ProgramData"]
    if home is not None:
        bases += [home, home / "opt", home / ".local/share", home / "AppData/Local"]
        names += [".conda", ".micromamba", "mamba"]
    for base in bases:
        roots.extend(base / name for name in names)
    for prefix in roots:
        if exists(prefix / "conda-meta") or exists(prefix / "envs"):
            yield prefix
            yield from _children(prefix / "envs")
    if home is not None:
        # conda appends every environment that it creates to this list, and keeps the entries of deleted ones.
        for line in (read_text(home / ".conda" / "environments.txt") or "").splitlines():
            prefix = Path(line.strip())
            if line.strip() and exists(prefix / "conda-meta"):
                yield prefix


def _registry(environ: Mapping[str, str]) -> Iterator[Executable]:
    from python_discovery import iter_interpreters

    for info in iter_interpreters(None, env=dict(environ)):
        executable = info.system_executable or info.executable
        if executable:
            yield from _executable(Path(executable), "registry")


def _children(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    except (OSError, ValueError):
        return []


def _pythons_in(folder: Path, found_by: str) -> Iterator[Executable]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if _is_named_like_a_python(entry.name))
    except (OSError, ValueError):
        return
    for name in names:
        if not _is_decoy(folder, name):
            yield from _executable(folder / name, found_by)


def _is_named_like_a_python(name: str) -> bool:
    return (_WINDOWS_NAME if os.name == "nt" else _NAME).match(name) is not None


def _is_decoy(folder: Path, name: str) -> bool:
    """Whether a file looks like an interpreter but opens an offer to install one."""
    if folder == Path("/usr/bin") and running_system().value == "macos":
        # Without Apple's developer tools it opens a dialog that offers them; with them, their own folder is searched.
        return True
    if folder.name == "WindowsApps":
        # The Store's alias is an empty file. So is that of an installed Python, but the registry knows that one.
        with contextlib.suppress(OSError):
            return (folder / name).lstat().st_size == 0
    return False


def _executable(path: Path, found_by: str) -> Iterator[Executable]:
    """The executable behind a path, or the interpreters that a virtual environment was made from; may be none."""
    try:
        base = base_of_environment(path)
        if base is not None:
            for executable in _pythons_in(base, found_by):
                # For an environment made from another environment, its own base is found as well.
                if base_of_environment(executable.path) is None:
                    yield executable
            return
        real = Path(os.path.realpath(path, strict=True))
        if not _is_named_like_a_python(real.name):
            if real.stem in _MANAGERS:
                return
            # A multi-call program or a wrapper acts according to the name that it is called by.
            real = Path(os.path.realpath(path.parent, strict=True)) / path.name
        if real.is_file() and os.access(real, os.X_OK):
            yield Executable(path=_lasting(real), found_by=found_by)
    except (OSError, ValueError):
        return


def _lasting(real: Path) -> Path:
    """The path of a Homebrew interpreter that survives upgrades, where that leads to the same file.

    An upgrade deletes `Cellar/python@3.12/3.12.4/…`; `opt/python@3.12` leads to the installed release.
    """
    found = _CELLAR.match(str(real))
    if found is None:
        return real
    lasting = Path(f"{found['brew']}/opt/{found['formula']}/{found['inner']}")
    with contextlib.suppress(OSError):
        if lasting.samefile(real):
            return lasting
    return real


def named_executable(path: Path) -> Executable:
    """The interpreter that the profile names; for a virtual environment the link, as its target is another Python."""
    with contextlib.suppress(OSError, ValueError):
        path = path.absolute()
        folder = Path(os.path.realpath(path.parent, strict=True))
        if base_of_environment(folder / path.name) is None:
            real = Path(os.path.realpath(path, strict=True))
            if _is_named_like_a_python(real.name):
                return Executable(path=_lasting(real), found_by="profile")
        return Executable(path=folder / path.name, found_by="profile")
    return Executable(path=path, found_by="profile")


def base_of_environment(executable: Path) -> Path | None:
    """Folder of the Python that a virtual environment was made from; None when it is not a virtual environment."""
    for folder in (executable.parent.parent, executable.parent):
        for line in (read_text(folder / "pyvenv.cfg") or "").splitlines():
            key, _, value = line.partition("=")
            # Python ignores a file without this key, too.
            if key.strip().lower() == "home" and value.strip():
                return Path(value.strip())
    return None


def file_identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file that a path leads to; None when it does not exist."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    # Windows has a file index, too (NTFS); where a file system has none, the path is used.
    return (status.st_dev, status.st_ino) if status.st_ino else (0, hash(str(path)))
