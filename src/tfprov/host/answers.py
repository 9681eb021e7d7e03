"""Queries Python interpreters for their properties, and caches the answers."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov import process, writing
from tfprov.host.system import exists, read_text
from tfprov.structured import json_of

PROBE_TIMEOUT_S = 10.0

_MARK = "tfprov-python"
# Runs on Python 2.7 and newer, so that an old interpreter is refused because of its version rather than as broken.
# Paths are printed as hexadecimal bytes: they may contain tabs, line ends and undecodable bytes.
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
_CACHE_SCHEMA = 1
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM})


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpreterAnswer:
    """The properties that an interpreter reports about itself.

    Attributes:
        glibc: version of the glibc that it runs on; empty for any other C library.
        lacks: modules that TensorFlow needs and this build does not have.
        executable: its own path, as it sees it; empty when it does not know.
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


def ask(path: Path, environ: Mapping[str, str], known: AnswerCache, *, is_last: bool) -> InterpreterAnswer:
    """The answer of the interpreter at a path, from the cache where its file is unchanged.

    Raises:
        CannotUseError: it is not an interpreter, or does not answer.
        ExhaustedError: the machine cannot start more processes now, and this is not the last try.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise CannotUseError(f"there is no file `{path}`") from None
    except (OSError, ValueError) as error:
        raise CannotUseError(f"it cannot be read: {_reason(error)}") from None
    if stat.S_ISDIR(status.st_mode):
        raise CannotUseError(f"`{path}` is a folder; name the executable in it")
    told = known.get(path, status)
    answer = None if told is None else parse_answer(told)
    if answer is None:
        try:
            answer, told = _ask(path, environ)
        except (OSError, ValueError, RuntimeError) as error:
            if isinstance(error, FileNotFoundError) and error.filename == str(path):
                # The file exists, so the kernel misses what it would start the file with.
                why = "it cannot be started: its loader, or the program in its first line, is missing"
                raise CannotUseError(why) from None
            if not is_last and (isinstance(error, RuntimeError) or getattr(error, "errno", None) in _EXHAUSTED):
                raise ExhaustedError from error
            raise CannotUseError(f"it cannot be started: {_reason(error)}") from None
        # A wrapper may start another interpreter tomorrow: only the answer of an executable about itself is cached.
        if answer.executable and same_file(path, answer.executable):
            known.put(path, status, told)
    return answer


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.strerror}: `{error.filename}`" if error.filename else error.strerror


class ExhaustedError(Exception):
    """The machine has too many processes, threads or open files for a query at this moment."""


class CannotUseError(Exception):
    """An executable is not a working Python; the message is the reason, in one line."""


def _ask(executable: Path, environ: Mapping[str, str]) -> tuple[InterpreterAnswer, str]:
    """The answer of an executable, parsed and as it was printed."""
    # -I would replace most of these options, but Python 2.7 does not know it. The script removes the working directory.
    argv = (executable, "-E", "-s", "-S", "-B", "-c", _PROBE)
    ended = process.run(argv, env=process.clean_environment(environ), timeout=PROBE_TIMEOUT_S)
    if ended.timed_out:
        raise CannotUseError(f"it did not answer within {PROBE_TIMEOUT_S:g} s")
    if not ended.ok:
        how = ended.signal_name if ended.returncode < 0 else f"status {ended.returncode}"
        raise CannotUseError(f"it ended with {how}: {_last_line(ended.stderr) or 'it printed nothing'}")
    answer = parse_answer(ended.stdout)
    if answer is None:
        seen = _last_line(ended.stdout) or _last_line(ended.stderr)
        raise CannotUseError(f"it does not behave like a Python: {seen or 'it printed nothing'}")
    return answer, ended.stdout


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "".join(character for character in lines[-1] if character.isprintable())[:200] if lines else ""


def parse_answer(text: str) -> InterpreterAnswer | None:
    """The answer in the output of the probe; None when the output is anything other than one complete answer."""
    fields = text.rstrip("\r\n").split("\t")
    if len(fields) != 11 or fields[0] != _MARK or fields[-1] != ".":
        return None
    _, version, implementation, bits, machine, threaded, libc, lacks, executable, library, _ = fields
    if not re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", version) or bits not in ("32", "64"):
        return None
    kind, _, glibc = libc.partition(" ")
    try:
        return InterpreterAnswer(
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


class AnswerCache:
    """Answers of interpreters, by path, time of change and size.

    Failures are not cached: they may be fixed outside the file (a missing library is installed). Nor are the answers of
    wrappers, which may start another interpreter later while their own file is unchanged.
    """

    def __init__(self, entries: dict[str, dict[str, object]]) -> None:
        self._entries = entries
        self._is_changed = False

    @classmethod
    def load(cls, file: Path | None) -> AnswerCache:
        """The answers cached in a file; none when it does not exist or is damaged."""
        text = None if file is None else read_text(file, 1 << 24)
        with contextlib.suppress(ValueError, KeyError, TypeError):
            document = json_of(text or "")
            if document["schema"] == _CACHE_SCHEMA and document["probe"] == _probe_id():
                return cls({str(path): dict(entry) for path, entry in document["answers"].items()})
        return cls({})

    def get(self, path: Path, status: os.stat_result) -> str | None:
        """The cached output of an interpreter; None when there is none or its file has changed."""
        entry = self._entries.get(str(path))
        if entry is None or (entry.get("mtime_ns"), entry.get("size")) != (status.st_mtime_ns, status.st_size):
            return None
        told = entry.get("told")
        return told if isinstance(told, str) else None

    def put(self, path: Path, status: os.stat_result, told: str) -> None:
        """Cache the output of an interpreter."""
        self._entries[str(path)] = {"mtime_ns": status.st_mtime_ns, "size": status.st_size, "told": told}
        self._is_changed = True

    def save(self, file: Path | None) -> None:
        """Write the file, if there are new answers."""
        if file is None or not self._is_changed:
            return
        answers = {path: entry for path, entry in self._entries.items() if exists(Path(path))}
        document = {"schema": _CACHE_SCHEMA, "probe": _probe_id(), "answers": answers}
        with contextlib.suppress(OSError):
            writing.write_atomic(file, json.dumps(document, indent=1).encode())


def _probe_id() -> str:
    # Answers to a different version of the probe are of no use.
    return hashlib.sha256(_PROBE.encode()).hexdigest()[:16]


def same_file(path: Path, other: str) -> bool:
    """Whether two paths lead to the same file; True when that cannot be determined."""
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return True
