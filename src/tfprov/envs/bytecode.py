"""Finds bytecode files that cannot be loaded, by asking the Python that would import them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tfprov import process
from tfprov.envs.layout import python_in
from tfprov.structured import json_of

_SECONDS = 300.0

# Checks only files that Python would use: compiled by its own version, with the source's size and time in the header.
_LOOK = """
import importlib.util, json, marshal, os, sys
ending, magic, cut = f".{sys.implementation.cache_tag}.pyc", importlib.util.MAGIC_NUMBER, []
# Python 3.7 put a word in, which says whether a time or a hash follows (PEP 552).
length = 16 if sys.version_info >= (3, 7) else 12
for folder, _, names in os.walk(sys.argv[1]):
    if os.path.basename(folder) != "__pycache__":
        continue
    for name in names:
        if not name.endswith(ending):
            continue
        path = os.path.join(folder, name)
        if os.path.exists(path) and not os.path.isfile(path):
            # An import would wait for somebody to write to the pipe.
            cut.append(os.path.relpath(path, sys.argv[1]))
            continue
        try:
            with open(path, "rb") as stream:
                content = stream.read()
            source = os.stat(os.path.join(os.path.dirname(folder), name[: -len(ending)] + ".py"))
        except OSError:
            continue
        told = int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF
        if content[:4] != magic or len(content) < length:
            continue
        head = tuple(int.from_bytes(content[at : at + 4], "little") for at in (length - 8, length - 4))
        if not any(content[4 : length - 8]) and head != told:
            continue
        try:
            marshal.loads(memoryview(content)[length:])
        except Exception:
            cut.append(os.path.relpath(path, sys.argv[1]))
print(json.dumps(sorted(cut)))
"""


def settles(environment: Path) -> bool:
    """Whether the settings of an environment let its Python start, which waits for ever if they are a pipe."""
    settings = environment / "pyvenv.cfg"
    return settings.is_file() or not settings.exists()


def cut_bytecode(environment: Path, *, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Bytecode files that the environment's Python considers valid but cannot load, as relative paths.

    They are truncated, or pipes or devices. Files that Python would recompile anyway are left out. Empty if the
    environment's Python does not start.
    """
    if not settles(environment):
        return ()
    argv = (python_in(environment), "-I", "-S", "-B", "-c", _LOOK, str(environment))
    try:
        done = process.run(argv, env=process.clean_environment(environ), timeout=_SECONDS)
        found = json_of(done.stdout) if done.ok else []
    except (OSError, ValueError):
        return ()
    return tuple(found)
