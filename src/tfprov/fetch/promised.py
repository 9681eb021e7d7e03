"""Compares the metadata that an index gave for wheels (PEP 658) with the metadata inside the wheels.

A resolve trusts the index. If its metadata omit a dependency, the lock is incomplete although every hash is right.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from packaging.metadata import parse_email
from packaging.requirements import Requirement

from tfprov import writing
from tfprov.errors import TfprovError
from tfprov.fetch.wheel_metadata import metadata_in
from tfprov.lock.records import LockedFile
from tfprov.redact import redact


class Promised:
    """The metadata that an index gave for wheels, each kept until its wheel was compared.

    Layout: one file per wheel, named by the SHA-256 of its URL.
    """

    def __init__(self, folder: Path) -> None:
        """Keep them in this folder, which need not exist."""
        self._folder = folder

    def keep(self, url: str, content: bytes) -> None:
        """Remember the metadata for the wheel at a URL. Best effort: on a full disk, nothing will be compared later."""
        with contextlib.suppress(OSError):
            writing.write_atomic(self._file(url), content)

    def check(self, file: LockedFile, wheel: Path) -> None:
        """Compare a downloaded wheel with the metadata that the index gave for it.

        Raises:
            TfprovError: `metadata-mismatch`. The metadata are kept, so that the next run fails in the same way.
        """
        path = self._file(file.url)
        try:
            said = path.read_bytes()
        except OSError:
            return
        with wheel.open("rb") as stream:
            own = metadata_in(stream, file.url)
        if said != own and _demands(said) != _demands(own):
            raise TfprovError(
                "metadata-mismatch",
                f"`{file.filename}` has other requirements than its index says",
                evidence=(
                    *(f"only in the wheel: `{line}`" for line in sorted(_demands(own) - _demands(said))),
                    *(f"only in the index: `{line}`" for line in sorted(_demands(said) - _demands(own))),
                    redact(f"{file.url}.metadata"),
                ),
            )
        path.unlink(missing_ok=True)

    def _file(self, url: str) -> Path:
        return self._folder / hashlib.sha256(url.encode()).hexdigest()


def _demands(content: bytes) -> frozenset[str]:
    """The lines of metadata that a resolver uses."""
    raw, _ = parse_email(content)
    lines = {f"Requires-Dist: {_normalised(line)}" for line in raw.get("requires_dist", ())}
    lines.update(f"Provides-Extra: {name}" for name in raw.get("provides_extra", ()))
    lines.update(f"{key}: {raw[key]}" for key in ("name", "version", "requires_python") if key in raw)
    return frozenset(lines)


def _normalised(line: str) -> str:
    try:
        return str(Requirement(line))
    except ValueError:
        return line.strip()
