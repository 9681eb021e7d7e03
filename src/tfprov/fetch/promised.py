"""What an index said of wheels before they came (PEP 658), compared with what the wheels say of themselves.

A resolve believes the index. Metadata that leave out a dependency make a lock without it, in which every hash is right.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from packaging.metadata import parse_email
from packaging.requirements import Requirement

from tfprov import paths
from tfprov.errors import TfprovError
from tfprov.fetch.wheel_metadata import metadata_in
from tfprov.lock.records import LockedFile
from tfprov.redact import redact


class Promised:
    """The metadata that were read in place of wheels, each until its wheel has come.

    Layout: a file for each wheel, named by the SHA-256 of its address.
    """

    def __init__(self, folder: Path) -> None:
        """Keep them in this folder, which need not exist."""
        self._folder = folder

    def keep(self, url: str, content: bytes) -> None:
        """Remember what was said of the wheel at an address. Without room for it there is nothing to compare later."""
        with contextlib.suppress(OSError):
            paths.write_atomic(self._file(url), content)

    def check(self, file: LockedFile, wheel: Path) -> None:
        """Compare a wheel that has come with what was said of it.

        Raises:
            TfprovError: `metadata-mismatch`. What was said stays, so that the next run ends alike.
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
                f"`{file.filename}` requires something else than its index says",
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
    """What metadata make a resolver do, a line each."""
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
