"""Which Pythons are really there: every place that installers use is looked at, and every executable is asked.

Shims lie: pyenv's `python3.9` exits with 127 when that version is not selected, and mise's is a link to mise itself.
So the folders of the version managers are read instead of their shims, and what an interpreter says of itself counts.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tfprov import paths, process
from tfprov.errors import TfprovError
from tfprov.host.records import Interpreter, Libc, Refusal
from tfprov.host.system import ROOT, System, exists, home_folder, musl_of, read_text, running_system, wsl

PROBE_TIMEOUT_S = 10.0

_MARK = "tfprov-python"
# Runs on Python 2.7 and everything newer, so that an old interpreter is refused by its version and not by its silence.
# A path is printed as the hexadecimal of its bytes: it may hold tabs, line ends and bytes of no encoding.
_PROBE = """\
import sys
sys.path[:] = [p for p in sys.path if p]
import os
def bare(p):
    p = p or ''
    if not isinstance(p, bytes):
        p = os.fsencode(p)
    return ''.join(['%02x' % c for c in bytearray(p)])
v = sys.version_info
version = '%d.%d.%d' % tuple(v[:3])
if v[3] != 'final':
    version += {'alpha': 'a', 'beta': 'b'}.get(v[3], 'rc') + str(v[4])
if hasattr(sys, 'implementation'):
    name = sys.implementation.name
else:
    name = 'pypy' if '__pypy__' in sys.builtin_module_names else 'cpython'
if hasattr(os, 'uname'):
    machine = os.uname()[4]
else:
    machine = 'arm64' if 'ARM64' in sys.version else 'x86_64' if 'AMD64' in sys.version else 'x86'
threaded = 't' in getattr(sys, 'abiflags', '') or 'free-threading build' in sys.version
try:
    libc = os.confstr('CS_GNU_LIBC_VERSION') or ''
except Exception:
    libc = ''
lacks = []
for module in ('zlib', '_ctypes'):
    try:
        __import__(module)
    except ImportError:
        lacks.append(module)
sys.stdout.write('\\t'.join([
    '%MARK%', version, name, sys.maxsize > 2 ** 32 and '64' or '32', machine, threaded and '1' or '0', libc,
    ','.join(lacks), bare(sys.executable), bare(os.path.dirname(os.__file__)), '.\\n',
]))
""".replace("%MARK%", _MARK)

# Under WSL, the folders of Windows are on PATH as well: what ends in .exe there is a Python of another system.
_NAME = re.compile(r"^(?:python|pypy|graalpy)(?:\d+(?:\.\d+){0,2})?[tmu]*$")
_WINDOWS_NAME = re.compile(r"^(?:python|pypy|graalpy)(?:\d+(?:\.\d+){0,2})?t?\.exe$", re.IGNORECASE)
_WINDOWS_FOLDER = re.compile(r"^/mnt/[a-z](?:/|$)")
# Programs that stand in for a Python: the link's target is the version manager, which decides at run time.
_MANAGERS = frozenset({"mise", "asdf", "rye", "uv", "volta", "proto", "vfox", "pyenv", "hatch", "pixi"})
_CACHE_SCHEMA = 1
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file that may be an interpreter.

    Attributes:
        path: links resolved, except when the last one leads to a file that is not named like a Python.
        found_by: see `Interpreter.found_by`.
    """

    path: Path
    found_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an interpreter says of itself.

    Attributes:
        glibc: version of the glibc that it runs on; empty for any other C library.
        lacks: modules without which TensorFlow cannot work, that this build does not have.
        executable: its own idea of its path; empty when it has none.
        library: folder of its standard library.
    """

    version: str
    implementation: str
    bits: int
    machine: str
    free_threaded: bool
    glibc: str
    lacks: tuple[str, ...]
    executable: str
    library: str


def discover(
    environ: Mapping[str, str],
    *,
    also: Path | None = None,
    cache: Path | None = None,
    root: Path = ROOT,
) -> tuple[Interpreter, ...]:
    """Every interpreter on this machine, newest first; those that cannot be used come last and say why.

    Runs each of them once (a few at a time, each with a time limit), except those that `cache` knows. Interpreters of
    virtual environments are left out: what they were made from is listed instead.

    Args:
        environ: its PATH and the variables of the version managers say where to look.
        also: an interpreter that the user names; probed too, listed first, even when it cannot be used.
        cache: file of earlier answers, by path, time of change and size. Read and rewritten; a damaged file or one
            that cannot be written does no harm.
        root: where the system's own folders are.
    """
    system = running_system().value
    found: dict[str, Candidate] = {}
    files: set[tuple[int, int]] = set()
    for candidate in candidates(environ, system=system, root=root):
        identity = _identity(candidate.path)
        if str(candidate.path) not in found and identity is not None and identity not in files:
            files.add(identity)
            found[str(candidate.path)] = candidate
    # The one that the profile names is asked on its own terms: a shim or a link may be what the user means.
    named = None if also is None else _named(also)
    if named is not None:
        found.pop(str(named.path), None)
    known = _Memory.load(cache)
    told = _ask_all([*([named] if named else []), *found.values()], environ, known)
    known.save(cache)
    first = told[: 1 if named else 0]
    rest: dict[str, Interpreter] = {}
    for interpreter in told[len(first) :]:
        if not interpreter.virtual and interpreter.path not in {one.path for one in first}:
            rest.setdefault(interpreter.path, interpreter)
    return (*first, *sorted(rest.values(), key=_newest_first))


def _ask_all(asked: list[Candidate], environ: Mapping[str, str], known: _Memory) -> list[Interpreter]:
    def ask(candidate: Candidate) -> Interpreter | None:
        try:
            return _interpreter(candidate, environ, known)
        except _ExhaustedError:
            return None

    told: list[Interpreter | None] = [None for _ in asked]
    # Starting a Python is mostly waiting for the disk and the kernel: four at a time even on two processors.
    # A RuntimeError says that no thread may be started.
    with contextlib.suppress(RuntimeError), ThreadPoolExecutor(max_workers=4) as pool:
        told = list(pool.map(ask, asked))
    # What failed for want of processes, files or memory is asked once more, alone: it is not the interpreter's fault.
    return [
        _interpreter(candidate, environ, known, is_last=True) if one is None else one
        for candidate, one in zip(asked, told, strict=True)
    ]


def probe(path: Path, *, found_by: str, environ: Mapping[str, str]) -> Interpreter:
    """One interpreter, asked now. A path that cannot be used gives an interpreter whose `problem` says why."""
    return _interpreter(replace(_named(path), found_by=found_by), environ, _Memory({}), is_last=True)


def candidates(environ: Mapping[str, str], *, system: System, root: Path = ROOT) -> Iterator[Candidate]:
    """Executables named like a Python in every place that is known, most telling place first; repeats included."""
    for found_by, folder in _places(environ, system, _drive(environ, system, root)):
        # What a relative path means depends on where one stands: no manager keeps its installs at one.
        if folder.is_absolute():
            yield from _pythons_in(folder, found_by)
    if system == "windows":
        yield from _registry(environ)
    if root == ROOT:
        # The Python that runs tfprov, or that its own environment was made from.
        own = getattr(sys, "_base_executable", None) or sys.executable
        if own:
            yield from _candidate(Path(own), "running")


def _drive(environ: Mapping[str, str], system: System, root: Path) -> Path:
    """The root, and on Windows the root of the disk that it was installed on: there, `/` is no absolute path."""
    return Path(f"{environ.get('SYSTEMDRIVE') or 'C:'}/") if system == "windows" and root == ROOT else root


def _places(environ: Mapping[str, str], system: System, root: Path) -> Iterator[tuple[str, Path]]:
    """Folders that hold executables, and how they were found."""
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
        # The disks of Windows are slow to list, and hold no Python for Linux.
        if Path(entry).name != "shims" and not (is_wsl and _WINDOWS_FOLDER.match(entry)):
            yield "PATH", Path(entry)
    for pattern in _FOLDERS[system]:
        yield from (("system", folder) for folder in _glob(root, pattern))
    for variable in ("RUNNER_TOOL_CACHE", "AGENT_TOOLSDIRECTORY"):
        tools = _glob(Path(environ[variable]), "Python/*/*") if environ.get(variable) else []
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
        "opt/rh/*/root/usr/bin",
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


# Manager, variable of its folder, usual places of that folder (`~` is the home, `$` any folder for data), and where the
# installs lie below it.
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
    """Folders whose children are installs, by version manager."""
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
    """Roots and environments of conda, mamba and micromamba; repeats included, existing folders only."""
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
        # conda writes every environment that it makes into this list; the entries of deleted ones stay.
        for line in (read_text(home / ".conda" / "environments.txt") or "").splitlines():
            prefix = Path(line.strip())
            if line.strip() and exists(prefix / "conda-meta"):
                yield prefix


def _registry(environ: Mapping[str, str]) -> Iterator[Candidate]:
    from python_discovery import iter_interpreters

    for info in iter_interpreters(None, env=dict(environ)):
        executable = info.system_executable or info.executable
        if executable:
            yield from _candidate(Path(executable), "registry")


def _children(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    except (OSError, ValueError):
        return []


def _glob(base: Path, pattern: str) -> list[Path]:
    try:
        return sorted(base.glob(pattern))
    except (OSError, ValueError):
        return []


def _pythons_in(folder: Path, found_by: str) -> Iterator[Candidate]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if _is_named_like_a_python(entry.name))
    except (OSError, ValueError):
        return
    for name in names:
        if not _is_decoy(folder, name):
            yield from _candidate(folder / name, found_by)


def _is_named_like_a_python(name: str) -> bool:
    return (_WINDOWS_NAME if os.name == "nt" else _NAME).match(name) is not None


def _is_decoy(folder: Path, name: str) -> bool:
    """Files that open a shop window instead of an interpreter when they are run."""
    if folder == Path("/usr/bin") and running_system().value == "macos":
        # Without Apple's developer tools it opens a dialog that offers them; with them, their own folder is looked at.
        return True
    if folder.name == "WindowsApps":
        # The empty file of the Store's alias; an installed Python has the same size, but the registry knows it.
        with contextlib.suppress(OSError):
            return (folder / name).lstat().st_size == 0
    return False


def _candidate(path: Path, found_by: str) -> Iterator[Candidate]:
    """The file behind a path, or what a virtual environment was made from; nothing when there is no program."""
    try:
        base = _base_of_environment(path)
        if base is not None:
            for candidate in _pythons_in(base, found_by):
                # An environment made from an environment leads on to its own base.
                if _base_of_environment(candidate.path) is None:
                    yield candidate
            return
        real = Path(os.path.realpath(path, strict=True))
        if not _is_named_like_a_python(real.name):
            if real.stem in _MANAGERS:
                return
            # A multi-call program or a wrapper chooses what it is by the name it is called by.
            real = Path(os.path.realpath(path.parent, strict=True)) / path.name
        if real.is_file() and os.access(real, os.X_OK):
            yield Candidate(path=real, found_by=found_by)
    except (OSError, ValueError):
        return


def _named(path: Path) -> Candidate:
    """The interpreter of the profile: of a virtual environment keep the link, or it would be another Python."""
    with contextlib.suppress(OSError, ValueError):
        path = path.absolute()
        folder = Path(os.path.realpath(path.parent, strict=True))
        if _base_of_environment(folder / path.name) is None:
            real = Path(os.path.realpath(path, strict=True))
            if _is_named_like_a_python(real.name):
                return Candidate(path=real, found_by="profile")
        return Candidate(path=folder / path.name, found_by="profile")
    return Candidate(path=path, found_by="profile")


def _base_of_environment(executable: Path) -> Path | None:
    """Folder of the Python that a virtual environment was made from; None when it is no virtual environment."""
    for folder in (executable.parent.parent, executable.parent):
        for line in (read_text(folder / "pyvenv.cfg") or "").splitlines():
            key, _, value = line.partition("=")
            # Without this key the file means nothing to Python either.
            if key.strip().lower() == "home" and value.strip():
                return Path(value.strip())
    return None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    # Windows gives every file an index too (NTFS); where a file system has none, the path has to do.
    return (status.st_dev, status.st_ino) if status.st_ino else (0, hash(str(path)))


def _interpreter(
    candidate: Candidate, environ: Mapping[str, str], known: _Memory, *, is_last: bool = False
) -> Interpreter:
    """What is known of a candidate.

    Raises:
        _ExhaustedError: this machine cannot start one more process now; only unless `is_last`.
    """
    try:
        answer = _answer(candidate.path, environ, known, is_last=is_last)
    except _CannotUseError as error:
        return Interpreter(
            path=str(candidate.path),
            version="",
            found_by=candidate.found_by,
            problem=Refusal(code="python-broken", why=str(error)),
        )
    path = candidate.path
    if answer.executable and not _same_file(path, answer.executable):
        # A wrapper or a shim: what it started is the interpreter.
        path = Path(os.path.realpath(answer.executable))
    virtual = _base_of_environment(path) is not None
    interpreter = Interpreter(
        path=str(path),
        version=answer.version,
        implementation=answer.implementation,
        bits=answer.bits,
        machine=answer.machine,
        free_threaded=answer.free_threaded,
        virtual=virtual,
        externally_managed=not virtual and exists(Path(answer.library) / "EXTERNALLY-MANAGED"),
        found_by=candidate.found_by,
        libc=Libc(kind="glibc", version=answer.glibc) if answer.glibc else musl_of(path),
    )
    if answer.lacks:
        lacks = " and ".join(f"`{name}`" for name in answer.lacks)
        why = f"it was built without {lacks}, which TensorFlow needs"
        return replace(interpreter, problem=Refusal(code="python-broken", why=why))
    return interpreter


def _answer(path: Path, environ: Mapping[str, str], known: _Memory, *, is_last: bool) -> Answer:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise _CannotUseError(f"there is no file `{path}`") from None
    except (OSError, ValueError) as error:
        raise _CannotUseError(f"it cannot be looked at: {_reason(error)}") from None
    if stat.S_ISDIR(status.st_mode):
        raise _CannotUseError(f"`{path}` is a folder; name the executable in it")
    answer = known.get(path, status)
    if answer is None:
        try:
            answer = _ask(path, environ)
        except (OSError, ValueError, RuntimeError) as error:
            if isinstance(error, FileNotFoundError) and error.filename == str(path):
                # The file is there, so it is what the kernel starts it with that is not.
                why = "it cannot be started: its loader or the program of its first line is missing"
                raise _CannotUseError(why) from None
            if not is_last and (isinstance(error, RuntimeError) or getattr(error, "errno", None) in _EXHAUSTED):
                raise _ExhaustedError from error
            raise _CannotUseError(f"it cannot be started: {_reason(error)}") from None
        known.put(path, status, answer)
    return answer


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.strerror}: `{error.filename}`" if error.filename else error.strerror


def _same_file(path: Path, other: str) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return True


class _ExhaustedError(Exception):
    """There are too many processes, threads or open files to ask at this moment."""


class _CannotUseError(Exception):
    """Why an executable is not a Python that works, in a line."""


def _ask(executable: Path, environ: Mapping[str, str]) -> Answer:
    # -I would say all of this in one letter, but Python 2.7 does not know it. The script drops the working directory.
    argv = (executable, "-E", "-s", "-S", "-B", "-c", _PROBE)
    ended = process.run(argv, env=process.clean_environment(environ), timeout=PROBE_TIMEOUT_S)
    if ended.timed_out:
        raise _CannotUseError(f"it did not answer within {PROBE_TIMEOUT_S:g} s")
    if not ended.ok:
        how = ended.signal_name if ended.returncode < 0 else f"status {ended.returncode}"
        raise _CannotUseError(f"it ended with {how}: {_last_line(ended.stderr) or 'it printed nothing'}")
    answer = parse_answer(ended.stdout)
    if answer is None:
        seen = _last_line(ended.stdout) or _last_line(ended.stderr)
        raise _CannotUseError(f"it does not answer like a Python: {seen or 'it printed nothing'}")
    return answer


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "".join(character for character in lines[-1] if character.isprintable())[:200] if lines else ""


def parse_answer(text: str) -> Answer | None:
    """What the probe printed, or None when it is anything else than one whole answer."""
    fields = text.rstrip("\r\n").split("\t")
    if len(fields) != 11 or fields[0] != _MARK or fields[-1] != ".":
        return None
    _, version, implementation, bits, machine, threaded, libc, lacks, executable, library, _ = fields
    if not re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", version) or bits not in ("32", "64"):
        return None
    kind, _, glibc = libc.partition(" ")
    try:
        return Answer(
            version=version,
            implementation=implementation.lower(),
            bits=int(bits),
            machine=machine,
            free_threaded=threaded == "1",
            glibc=glibc if kind == "glibc" else "",
            lacks=tuple(name for name in lacks.split(",") if name),
            executable=os.fsdecode(bytes.fromhex(executable)),
            library=os.fsdecode(bytes.fromhex(library)),
        )
    except ValueError:
        return None


def _newest_first(interpreter: Interpreter) -> tuple[bool, tuple[int, ...], bool, bool, bool, int, str]:
    numbers = tuple(-int(number) for number in re.findall(r"\d+", interpreter.version)[:3])
    return (
        interpreter.problem is not None,
        numbers,
        # A finished release before the release candidate of the same number.
        not re.fullmatch(r"[\d.]*", interpreter.version),
        interpreter.implementation != "cpython",
        interpreter.free_threaded,
        -interpreter.bits,
        interpreter.path,
    )


class _Memory:
    """Answers by path, time of change and size.

    Only whole answers are kept. A failure may be cured outside the file (a missing library comes back), and what a
    wrapper starts may change while the wrapper stays the same.
    """

    def __init__(self, entries: dict[str, dict[str, object]]) -> None:
        self._entries = entries
        self._is_changed = False

    @classmethod
    def load(cls, file: Path | None) -> _Memory:
        text = None if file is None else read_text(file, 1 << 24)
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            document = json.loads(text or "")
            if document["schema"] == _CACHE_SCHEMA and document["probe"] == _probe_id():
                return cls({str(path): dict(entry) for path, entry in document["answers"].items()})
        return cls({})

    def get(self, path: Path, status: os.stat_result) -> Answer | None:
        entry = self._entries.get(str(path))
        if entry is None or (entry.get("mtime_ns"), entry.get("size")) != (status.st_mtime_ns, status.st_size):
            return None
        told = entry.get("told")
        return parse_answer(told) if isinstance(told, str) else None

    def put(self, path: Path, status: os.stat_result, answer: Answer) -> None:
        if not answer.executable or not _same_file(path, answer.executable):
            return
        told = "\t".join(
            (
                _MARK,
                answer.version,
                answer.implementation,
                str(answer.bits),
                answer.machine,
                "1" if answer.free_threaded else "0",
                f"glibc {answer.glibc}" if answer.glibc else "",
                ",".join(answer.lacks),
                os.fsencode(answer.executable).hex(),
                os.fsencode(answer.library).hex(),
                ".",
            )
        )
        self._entries[str(path)] = {"mtime_ns": status.st_mtime_ns, "size": status.st_size, "told": told}
        self._is_changed = True

    def save(self, file: Path | None) -> None:
        if file is None or not self._is_changed:
            return
        answers = {path: entry for path, entry in self._entries.items() if exists(Path(path))}
        document = {"schema": _CACHE_SCHEMA, "probe": _probe_id(), "answers": answers}
        with contextlib.suppress(OSError):
            paths.write_atomic(file, json.dumps(document, indent=1).encode())


def _probe_id() -> str:
    # An answer to another question is no answer to this one.
    return hashlib.sha256(_PROBE.encode()).hexdigest()[:16]
