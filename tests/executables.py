"""Executables that answer as a Python does, or do not."""

from __future__ import annotations

import os
from pathlib import Path


def script(path: Path, body: str) -> Path:
    """An executable shell script; the shell is named, since these tests empty PATH."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def answering(path: Path, version: str, **fields: str) -> Path:
    """An executable that answers like a Python of that version which believes to be this very file."""
    told = {
        "implementation": "cpython",
        "bits": "64",
        "machine": "x86_64",
        "threaded": "0",
        "libc": "glibc 2.31",
        "lacks": "",
        "executable": os.fsencode(path).hex(),
        "library": os.fsencode(path.parent.parent / "lib").hex(),
        **fields,
    }
    line = "\t".join(("tfprov-python", version, *told.values(), "."))
    return script(path, f"printf '%s\\n' '{line}'")
