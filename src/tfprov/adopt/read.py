"""Reads an environment that somebody else made, from its files alone.

Nothing in it is started: its interpreter may be gone, hang, or be for another processor. The sources are what venv,
virtualenv, uv, pip and conda write: `pyvenv.cfg`, metadata folders, `conda-meta`, shebang lines of commands.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from configparser import ConfigParser, Error
from dataclasses import replace
from pathlib import Path

from tfprov.adopt.beside import beside
from tfprov.adopt.metadata import distributions_in
from tfprov.adopt.records import CondaSide, ForeignEnvironment, FoundDistribution, FoundPython, Kind
from tfprov.contents import content_of, regular
from tfprov.envs.fronts import followed
from tfprov.envs.layout import executables_in, is_conda, python_in, site_packages
from tfprov.envs.manifest import SEAL
from tfprov.errors import TfprovError
from tfprov.paths import expanded
from tfprov.structured import json_of

_LIBRARY = re.compile(r"^python(\d+\.\d+)t?$")
_SHEBANG = re.compile(rb"^#!\s*(?:/bin/sh\s*\n'''exec' \"?)?(/[^\n\" ]+)")
_PROGRAM = re.compile(r"python(\d+\.\d+)t?")
# Not a place that is found when the file runs, as in environments of uv that may be moved.
_SHELL_FILE = re.compile(r"""^[ \t]*(?:export )?VIRTUAL_ENV=(["']?)(?P<place>/[^"'$\n]+)\1[ \t]*$""", re.MULTILINE)
_BATCH_FILE = re.compile(r"""^@?set "?VIRTUAL_ENV=([^%"\r\n]+)"?\s*$""", re.MULTILINE | re.IGNORECASE)
_FROM_STORE = "PythonSoftwareFoundation.Python.*"
# ELF machine numbers of the processors that TensorFlow was ever built for.
_ELF = {62: "x86_64", 183: "aarch64", 3: "i686", 40: "armv7l", 21: "ppc64le", 243: "riscv64", 22: "s390x"}
_SAME = {"amd64": "x86_64", "arm64": "aarch64", "x64": "x86_64"}
_SPECS = re.compile(r"^#\s*(?P<what>update|install|create|remove|uninstall|neutered)\s+specs:\s*(?P<specs>.*)$")
_LONGEST_PATH = 4096
_UP = "`tfprov up`"
_NAME_ONE = "name the folder of an environment, or the Python in it"
SPEC_NAME = re.compile(r"^(?:[^:\s]+::)?(?P<name>[A-Za-z0-9_.-]+)")
"""Matches the package name at the start of a conda spec, after an optional channel."""


def read(path: Path, *, home: Path | None = None, own: bool = False) -> ForeignEnvironment:
    """Read an environment, given its folder or its interpreter.

    Args:
        path: absolute; a folder, or a Python in it.
        home: the user's home directory, whose packages an environment may see; None for none.
        own: whether environments of tfprov are allowed.

    Raises:
        TfprovError: `environment-missing` when there is none; `usage` when it is one of tfprov's own.
    """
    named = root_of(path)
    root = Path(followed(str(named)))
    settings = settings_of(root / "pyvenv.cfg")
    libraries = _libraries(root)
    of_conda = is_conda(root)
    # An adopted environment has no seal inside it.
    is_own = (root / SEAL).exists() or (root.parent.name == "generations" and (root.parents[1] / "owner.json").exists())
    if is_own and not own:
        is_copy = root.parent.name != "generations"
        raise TfprovError(
            "usage",
            f"`{named}` is {'a copy of' if is_copy else 'already'} an environment of tfprov",
            evidence=(f"it is `{root}`",),
            hint=f"move it away; {_UP} makes it again, for this place" if is_copy else f"use {_UP} to update it",
        )
    # All that remains of a venv may be its settings, or its packages.
    if not (settings or libraries or of_conda):
        raise TfprovError(
            "environment-missing",
            f"`{path}` is not an environment",
            evidence=(f"`{root}` has neither `pyvenv.cfg` nor `conda-meta` nor a site-packages folder",),
            hint=next((f"`{each}` is one: name that" for each in _inside(root)), _NAME_ONE),
        )
    conda = _conda_side(root) if of_conda else None
    python = _python(root, settings, libraries, dict(conda.versions) if conda else {})
    kind = _kind(root, settings, of_conda=of_conda)
    sees_system = sees_base(settings)
    found = tuple(one for library in libraries for one in distributions_in(library, root))
    outside = _outside(python, settings, home if sees_system or kind != "venv" else None, system=sees_system)
    return ForeignEnvironment(
        root=root,
        named=named,
        kind=kind,
        maker=_maker(settings, kind),
        python=python,
        libraries=libraries,
        distributions=tuple(sorted(found, key=lambda one: one.name)),
        outside=outside,
        sees_system=sees_system,
        made_at=_made_at(root, named),
        conda=conda,
        beside=beside(root, libraries, found, is_conda=of_conda) if kind != "interpreter" else (),
        module=any((library / "tensorflow").is_dir() for library in libraries),
    )


def settings_of(path: Path) -> dict[str, str]:
    """The keys of a `pyvenv.cfg`, in lower case; empty if it cannot be read."""
    try:
        lines = content_of(path).decode("utf-8", "replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines)
    return {key.strip().lower(): value.strip() for key, _, value in pairs if key.strip()}


def sees_base(settings: Mapping[str, str]) -> bool:
    """Whether the packages of the base interpreter are visible in an environment with this `pyvenv.cfg`."""
    return settings.get("include-system-site-packages", "false").lower() == "true"


def index_of(root: Path) -> str:
    """The index that the environment's own pip is configured with; empty for none."""
    settings = ConfigParser(interpolation=None)
    with contextlib.suppress(OSError, Error, UnicodeDecodeError):
        settings.read(root / ("pip.ini" if os.name == "nt" else "pip.conf"), encoding="utf-8")
        for section in ("install", "global"):
            if settings.has_option(section, "index-url"):
                return settings.get(section, "index-url").strip()
    return ""


def root_of(path: Path) -> Path:
    """The folder of an environment, from the folder or its interpreter; links are not resolved.

    Raises:
        TfprovError: `environment-missing`.
    """
    if path.is_dir():
        return path
    if path.is_symlink() or path.is_file():
        # For `.venv/bin/python` the folder `.venv` counts, not where the link leads.
        for above in (path.parent, path.parent.parent):
            if (above / "pyvenv.cfg").exists() or (above / "conda-meta").is_dir():
                return above
    what = f"there is no environment at `{path}`"
    if path.is_file() and (led := _led_to(path)) is not None:
        return led
    if path.is_file() and path.name == ".venv":
        what = f"`{path}` is a file, and its first line leads to no environment"
    elif path.is_file():
        folder = Path(os.path.realpath(path)).parent
        # The installer for Windows puts `python.exe` beside `Lib`, elsewhere it is in a folder of its own.
        return folder if (folder / "Lib" / "os.py").exists() else folder.parent
    raise TfprovError("environment-missing", what, hint=_NAME_ONE)


def _led_to(path: Path) -> Path | None:
    """The folder that the first line of a text file names, as `.venv` may; None for any other file.

    The line is a path, or the name of an environment of pipenv or virtualenvwrapper.
    """
    with contextlib.suppress(OSError, ValueError), regular(path) as stream:
        line = stream.read(_LONGEST_PATH).decode().partition("\n")[0].strip()
        places = (os.environ.get("WORKON_HOME", ""), "~/.local/share/virtualenvs", "~/.virtualenvs")
        for place in (path.parent, *(expanded(each) for each in places if each)):
            folder = Path(os.path.normpath(place / expanded(line)))
            if line and folder.is_dir():
                return folder
    return None


def _inside(folder: Path) -> Iterator[Path]:
    """Environments in a folder; `.venv` comes first, and names with a dot before others."""
    with contextlib.suppress(OSError):
        yield from sorted(path.parent for path in folder.glob("*/pyvenv.cfg"))


def _libraries(root: Path) -> tuple[Path, ...]:
    """The site-packages folders; Debian has others for the system's packages."""
    debian = [root / "lib" / "python3" / "dist-packages", *sorted(root.glob("local/lib/python3*/dist-packages"))]
    return (*site_packages(root), *(path for path in debian if path.is_dir()))


def _kind(root: Path, settings: dict[str, str], *, of_conda: bool) -> Kind:
    if of_conda:
        return "conda"
    has_standard_library = any(root.glob("lib/python3*/os.py")) or (root / "Lib" / "os.py").exists()
    return "interpreter" if has_standard_library and not settings else "venv"


def _maker(settings: dict[str, str], kind: Kind) -> str:
    if kind != "venv":
        return kind
    return next((name for name in ("uv", "virtualenv") if name in settings), "venv")


def _python(root: Path, settings: dict[str, str], libraries: tuple[Path, ...], conda: dict[str, str]) -> FoundPython:
    path = python_in(root)
    if not os.path.lexists(path) and os.path.lexists(path.with_name("python3")):
        path = path.with_name("python3")
    told = settings.get("version") or settings.get("version_info") or conda.get("python", "")
    numbers = re.match(r"\d+\.\d+(?:\.\d+)?", told)
    version = numbers[0] if numbers else ""
    if not version:
        minors = [found[1] for library in libraries if (found := _LIBRARY.match(library.parent.name))]
        version = max(minors, key=lambda minor: tuple(map(int, minor.split("."))), default="")
    target = Path(os.path.realpath(path))
    python = FoundPython(path=path, version=version, target=target, why=_wrong_with(path, target, settings))
    named = _PROGRAM.fullmatch(target.name)
    if python.works and version and named and named[1] != python.minor:
        # The link that it leads through, such as `/usr/bin/python3`, was changed by an upgrade of the system.
        return replace(python, why=f"it leads to `{target}`, which does not see packages for Python {python.minor}")
    return python


def _wrong_with(path: Path, target: Path, settings: dict[str, str]) -> str:
    """Why an interpreter cannot start; empty if no reason is found."""
    if not os.path.lexists(path):
        return "the environment has none"
    try:
        target.stat()
    except OSError as error:
        why = "which this user may not access" if isinstance(error, PermissionError) else "which is gone"
        return f"it leads to `{target}`, {why}"
    if not os.access(target, os.X_OK):
        return f"`{target}` is not executable"
    home = settings.get("home", "")
    # Where the Python is a program that starts another one: uninstalling that leaves its folder, with the packages.
    base = os.path.join(home, "python.exe") if os.name == "nt" else home  # noqa: PTH118 - any text may stand there
    if home and not os.path.exists(base):  # noqa: PTH110 - False, too, where this user may not look
        return f"it was made from a Python in `{home}`, which is gone"
    made_for, here = processor_of(target), _SAME.get(platform.machine().lower(), platform.machine().lower())
    if made_for and made_for != here:
        return f"it is a program for {made_for}, and this machine is {here}"
    return ""


def processor_of(program: Path) -> str:
    """The processor that a Linux program was built for; empty if it cannot be determined."""
    with contextlib.suppress(OSError), regular(program) as stream:
        head = stream.read(20)
        if head[:4] == b"\x7fELF" and len(head) == 20:
            return _ELF.get(int.from_bytes(head[18:20], "little" if head[5] == 1 else "big"), "another processor")
    return ""


def _outside(
    python: FoundPython, settings: dict[str, str], home: Path | None, *, system: bool
) -> tuple[FoundDistribution, ...]:
    """Distributions outside the environment that its Python finds."""
    of_user, of_base = [], []
    if home is not None and python.minor:
        of_windows = f"Python{python.minor.replace('.', '')}/site-packages"
        of_user = [
            home / ".local" / "lib" / f"python{python.minor}" / "site-packages",
            home / "Library" / "Python" / python.minor / "lib" / "python" / "site-packages",
            home / "AppData" / "Roaming" / "Python" / of_windows,
            # Of the Python from Microsoft's store.
            *(home / "AppData" / "Local" / "Packages").glob(f"{_FROM_STORE}/LocalCache/local-packages/{of_windows}"),
        ]
    if system and settings.get("home") and python.minor:
        folder = Path(settings["home"])
        of_base = [
            folder.parent / "lib" / f"python{python.minor}" / "site-packages",
            folder.parent / "lib" / "python3" / "dist-packages",
            folder / "Lib" / "site-packages",
        ]
    return (
        *(replace(one, in_user_site=True) for folder in of_user for one in distributions_in(folder, folder)),
        *(one for folder in of_base for one in distributions_in(folder, folder)),
    )


def _made_at(root: Path, named: Path) -> Path | None:
    """Where the environment was when its commands were written; None if it has not moved, or they do not tell."""
    here = {str(root), str(named)}
    counted = _named_by_scripts(executables_in(root))
    if not counted or any(place in here or followed(place) == str(root) for place in counted):
        return None
    # An environment of conda or an interpreter has commands of the system beside its own.
    likely = counted.most_common(1)[0][0]
    return None if likely in ("/usr", "/usr/local") else Path(likely)


def _named_by_scripts(folder: Path) -> Counter[str]:
    """The environments that its scripts in a folder belong to, by their own account, and how many name each."""
    if os.name == "nt":  # where commands are programs
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return Counter(_BATCH_FILE.findall(content_of(folder / "activate.bat").decode()))
    counted: Counter[str] = Counter()
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            with contextlib.suppress(OSError):
                if path.is_symlink() or not path.is_file():
                    continue
                with regular(path) as stream:
                    found = _SHEBANG.match(stream.read(600))
                program = os.fsdecode(found[1]) if found else ""
                if os.path.basename(program).startswith("python") and os.path.dirname(program).endswith("/bin"):  # noqa: PTH119, PTH120 - any text may stand there
                    counted[os.path.dirname(os.path.dirname(program))] += 1  # noqa: PTH120 - likewise
    if not counted:  # none of its packages has commands, as where uv made it and pip is missing
        with contextlib.suppress(OSError, UnicodeDecodeError):
            counted.update(found["place"] for found in _SHELL_FILE.finditer(content_of(folder / "activate").decode()))
    return counted


def _conda_side(root: Path) -> CondaSide:
    versions: dict[str, str] = {}
    channels: Counter[str] = Counter()
    for path in sorted((root / "conda-meta").glob("*.json")):
        try:
            told = json_of(content_of(path))
            versions[str(told["name"])] = str(told["version"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        channel = str(told.get("channel") or "")
        if channel:
            channels[_plain_channel(channel)] += 1
    is_base = (root / "condabin").is_dir() or (root / "pkgs").is_dir() or "conda" in versions
    return CondaSide(
        requested=_requested(root / "conda-meta" / "history"),
        versions=tuple(versions.items()),
        channels=tuple(name for name, _ in channels.most_common()),
        is_base=is_base,
    )


def _plain_channel(channel: str) -> str:
    """A channel as a profile names it: its address without the platform's folder."""
    from tfprov.redact import redact

    address = re.sub(r"/(?:noarch|(?:linux|osx|win)-[a-z0-9]+)/?$", "", redact(channel))
    return address.rstrip("/")


def _requested(history: Path) -> tuple[str, ...]:
    """The specs that the user asked conda for and has not removed; the last spec of each package counts."""
    wanted: dict[str, str] = {}
    try:
        lines = content_of(history).decode("utf-8", "replace").splitlines()
    except OSError:
        return ()
    for line in lines:
        found = _SPECS.match(line)
        if found is None:
            continue
        for spec in re.findall(r"""['"]([^'"]+)['"]""", found["specs"]):
            name = SPEC_NAME.match(spec)
            if name is None:
                continue
            if found["what"] in ("remove", "uninstall", "neutered"):
                wanted.pop(name["name"].lower(), None)
            else:
                wanted[name["name"].lower()] = spec
    return tuple(wanted.values())
