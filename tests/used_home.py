"""A home of tfprov that earlier runs have left: what they found out about this machine, and a pip of four files.

Nearly half of what a first `up` of tiny wheels takes is to ask every Python of the machine what it is, and to write
pip's 500 files three times: to virtualenv's cache, to the environment and to its image.
"""

from __future__ import annotations

import atexit
import base64
import functools
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from wheels import rows_without

_KEPT = ("interpreters.json", "uv", "virtualenv")
"""What runs keep in `cache` about the machine, whatever they make."""


def lay_down(home: Path, make: Callable[[Path], Path]) -> None:
    """Write this home.

    Args:
        home: its place, where nothing is yet.
        make: brings up an environment in a folder and returns the home of the run; called once in each process.
    """
    shutil.copytree(_cache(make), home / "cache", symlinks=True)


@functools.cache
def _cache(make: Callable[[Path], Path]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tfprov-used-home-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    cache = make(folder) / "cache"
    for entry in cache.iterdir():
        if entry.name not in _KEPT:
            shutil.rmtree(entry)
    (seed,) = (path for path in cache.glob("virtualenv/wheel/*/image/*/*/pip-*") if path.is_dir())
    _lend(seed, folder / "lent")
    return cache


def _lend(seed: Path, lent: Path) -> None:
    """Keep the packages inside pip here; the pip that virtualenv copies into environments imports them from there."""
    lent.mkdir()
    inner = [path for path in (seed / "pip").iterdir() if path.is_dir()]
    for path in inner:
        path.rename(lent / path.name)
    start = seed / "pip" / "__init__.py"
    code = start.read_bytes() + f"\n__path__.append({str(lent)!r})\n".encode()
    start.write_bytes(code)
    digest = base64.urlsafe_b64encode(hashlib.sha256(code).digest()).decode().rstrip("=")
    (record,) = seed.glob("pip-*.dist-info/RECORD")
    gone = ("pip/__init__.py,", *(f"pip/{path.name}/" for path in inner))
    rows = rows_without(record.read_text(encoding="utf-8"), gone)
    record.write_text(f"{rows}pip/__init__.py,sha256={digest},{len(code)}\n", encoding="utf-8")
