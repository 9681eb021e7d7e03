"""Reads a bundle: a folder, an archive, or the address of a folder on a server."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast
from urllib.parse import quote

from tfprov.archives import damage_as
from tfprov.bundle.records import INDEX, MANIFEST, PROFILE, SUMS, WHEELS, BundleFile, Manifest, identity, parse, sums
from tfprov.contents import regular
from tfprov.digests import sha256_of_stream
from tfprov.errors import TfprovError
from tfprov.index_address import mistake_in

LARGEST_MANIFEST = 16 << 20


_WITH_ID = re.compile(r"(?P<source>.+)#sha256=(?P<id>[0-9a-f]{64})")


class BundleReader(Protocol):
    """Access to the files of a bundle."""

    def size(self, path: str) -> int | None:
        """Size of a file in bytes; None if it is missing or its size is not known."""

    def names(self) -> tuple[str, ...]:
        """Paths of all files in the bundle, whether the manifest lists them or not; empty if that cannot be asked."""

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open a file for reading; raises FileNotFoundError if it is missing."""


@dataclass(frozen=True, slots=True)
class BundleFolder:
    """A bundle in a folder."""

    root: Path

    def size(self, path: str) -> int | None:
        """See `BundleReader`."""
        try:
            return (self.root / path).stat().st_size
        except OSError:
            return None

    def names(self) -> tuple[str, ...]:
        """See `BundleReader`."""
        found = (path for path in self.root.rglob("*") if path.is_symlink() or not path.is_dir())
        return tuple(path.relative_to(self.root).as_posix() for path in found)

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """See `BundleReader`."""
        return regular(self.root / path)


class Archive:
    """A bundle in an uncompressed tar archive, read in place."""

    def __init__(self, path: Path) -> None:
        """List its members.

        Raises:
            TfprovError: `bundle-invalid` when it is not such an archive, or is truncated.
        """
        self._path = path
        with damage_as(self._refused), tarfile.open(path, "r:") as archive:
            members = [one for one in archive if one.isreg()]
        # All members are in one folder, so that unpacking by hand makes only that folder.
        self._members = {one.name.partition("/")[2]: one for one in members}

    def size(self, path: str) -> int | None:
        """See `BundleReader`."""
        found = self._members.get(path)
        return None if found is None else found.size

    def names(self) -> tuple[str, ...]:
        """See `BundleReader`."""
        return tuple(self._members)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """See `BundleReader`."""
        if path not in self._members:
            raise FileNotFoundError(path)
        with damage_as(self._refused), tarfile.open(self._path, "r:") as archive:
            yield cast("BinaryIO", archive.extractfile(self._members[path]))

    def _refused(self, why: str) -> TfprovError:
        what = f"`{self._path}` is not a readable tar archive"
        return TfprovError("bundle-invalid", what, evidence=(f"tarfile: {why}",))


@dataclass(frozen=True, slots=True)
class Remote:
    """A bundle folder on a server.

    Attributes:
        url: address of the folder, without a trailing slash.
        fetch: returns the body of an address.
    """

    url: str
    fetch: Callable[[str], bytes]

    def size(self, path: str) -> int | None:  # noqa: ARG002 - of the protocol; a server is not asked for sizes
        """None: sizes are not known before a file is fetched."""
        return None

    def names(self) -> tuple[str, ...]:
        """Empty: a server is not asked which other files it has."""
        return ()

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """See `BundleReader`. Meant for small files: the whole content is kept in memory."""
        return nullcontext(io.BytesIO(self.fetch(f"{self.url}/{quote(path)}")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An opened bundle. Everything that is read from it is checked against its manifest.

    Attributes:
        source: path or address as the user wrote it.
        id: SHA-256 of its manifest, which identifies its content.
        bases: older bundles that contain the files a delta lacks.
    """

    source: str
    place: BundleReader
    manifest: Manifest
    id: str
    bases: tuple[Bundle, ...] = ()

    @property
    def url(self) -> str | None:
        """Address of a bundle on a server; None for one on this machine."""
        return self.place.url if isinstance(self.place, Remote) else None

    def read(self, path: str) -> bytes:
        """The content of a small file, after checking its hash.

        Raises:
            TfprovError: `bundle-invalid` when it is damaged or missing.
        """
        entry = self.manifest.entry(path)
        if entry is None:
            raise TfprovError("bundle-invalid", f"`{self.source}` has no `{path}`")
        with self.stream(entry) as stream:
            data = stream.read()
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise self.damaged(entry, f"its SHA-256 is {hashlib.sha256(data).hexdigest()}, not {entry.sha256}")
        return data

    def has(self, entry: BundleFile) -> bool:
        """Whether this bundle or one of its bases has the file, by hash and size."""
        return self.holder(entry) is not None

    def holder(self, entry: BundleFile) -> tuple[BundleReader, str] | None:
        """The bundle that has the content of an entry, and the path of the file in it; None if no bundle has it."""
        if entry.here:
            return self.place, entry.path
        for base in self.bases:
            for known in base.manifest.files:
                if known.sha256 == entry.sha256 and known.size == entry.size:
                    found = base.holder(known)
                    if found is not None:
                        return found
        return None

    @contextmanager
    def stream(self, entry: BundleFile) -> Iterator[BinaryIO]:
        """The content of a file, not yet checked against its hash.

        Raises:
            TfprovError: `bundle-incomplete` when only an older bundle has it, `bundle-invalid` when it is missing.
        """
        found = self.holder(entry)
        if found is None:
            raise TfprovError(
                "bundle-incomplete",
                f"`{self.source}` is a delta, and `{entry.filename}` is not in it",
                evidence=(f"it was made against the bundle {self.manifest.base[:12]}",),
            )
        place, path = found
        try:
            with place.open(path) as stream:
                yield stream
        except FileNotFoundError as error:
            raise self.damaged(entry, "it is missing") from error

    def damaged(self, entry: BundleFile, how: str) -> TfprovError:
        """The error for a file that differs from the manifest."""
        return TfprovError("bundle-invalid", f"`{entry.path}` in `{self.source}` is damaged", evidence=(how,))

    def strays(self) -> tuple[str, ...]:
        """Files in folders that installers read but not in the manifest, and `SHA256SUMS` if it differs from it."""
        known = {entry.path for entry in self.manifest.files}
        names = self.place.names()
        found = [name for name in names if name.startswith((f"{WHEELS}/", f"{INDEX}/", f"{PROFILE}/"))]
        strays = [name for name in found if name not in known]
        if SUMS in names:
            with self.place.open(MANIFEST) as stream:
                raw = stream.read(LARGEST_MANIFEST)
            with self.place.open(SUMS) as stream:
                if stream.read(LARGEST_MANIFEST) != sums(self.manifest, raw):
                    strays.append(SUMS)
        return tuple(sorted(strays))

    def verify(self) -> tuple[BundleFile, ...]:
        """The files whose content differs from the manifest. Reads every file that is available."""
        bad = []
        for entry in self.manifest.files:
            if not entry.here and self.holder(entry) is None:
                continue
            try:
                with self.stream(entry) as stream:
                    is_good = sha256_of_stream(stream) == entry.sha256
            except (TfprovError, OSError):
                is_good = False
            if not is_good:
                bad.append(entry)
        return tuple(bad)


def open_bundle(
    source: str, *, cwd: Path, fetch: Callable[[str], bytes] | None = None, bases: Sequence[Bundle] = ()
) -> Bundle:
    """Open a bundle, and check that each of its files is present and has the right size.

    Args:
        source: path of a folder or archive, or address of a folder on a server; `#sha256=` and the id of the expected
            bundle may follow.
        cwd: base of a relative path.
        fetch: returns the body of an address; None if the network must not be used.
        bases: older bundles, for a delta.

    Raises:
        TfprovError: `bundle-missing`, `bundle-invalid`, `bundle-too-new`; `hash-mismatch` if it is not the expected
            bundle.
    """
    named = _WITH_ID.fullmatch(source)
    source, meant = (named["source"], named["id"]) if named else (source, "")
    place = _place(source, cwd, fetch)
    try:
        with place.open(MANIFEST) as stream:
            raw = stream.read(LARGEST_MANIFEST)
    except FileNotFoundError as error:
        raise TfprovError(
            "bundle-invalid", f"`{source}` is not a bundle", evidence=(f"there is no `{MANIFEST}` in it",)
        ) from error
    if meant and identity(raw) != meant:
        raise TfprovError(
            "hash-mismatch",
            f"`{source}` is not the expected bundle",
            evidence=(f"expected id: {meant}", f"found id: {identity(raw)}"),
            hint="check who publishes bundles there, or give the id that `tfprov bundle` printed",
        )
    found = Bundle(source=source, place=place, manifest=parse(raw, source=source), id=identity(raw), bases=tuple(bases))
    newer = next((base for base in bases if base.manifest.base == found.id), None)
    if newer is not None:
        raise TfprovError(
            "usage",
            f"`{newer.source}` is a delta of `{source}`, so it comes first",
            evidence=("the first `--bundle` is the one to use; the others supply the files that it lacks",),
            hint=f"write `--bundle {newer.source} --bundle {source}`",
        )
    if found.url is None:
        here = [(entry, place.size(entry.path)) for entry in found.manifest.files if entry.here]
        wrong = [(entry, size) for entry, size in here if size != entry.size]
        if wrong:
            raise TfprovError(
                "bundle-invalid",
                f"`{source}` is incomplete: {len(wrong)} of {len(here)} files are missing or have the wrong size",
                evidence=tuple(
                    f"`{entry.path}` {'is missing' if size is None else f'has {size} bytes instead of {entry.size}'}"
                    for entry, size in wrong[:5]
                ),
            )
    return found


def _place(source: str, cwd: Path, fetch: Callable[[str], bytes] | None) -> BundleReader:
    if source.startswith(("http://", "https://")):
        if (mistake := mistake_in(source)) is not None:
            raise TfprovError("usage", "the address of the bundle cannot be read", evidence=(mistake,))
        if fetch is None:
            raise TfprovError("usage", f"`{source}` is an address; give a folder or an archive")
        return Remote(source.removesuffix(MANIFEST).rstrip("/"), fetch)
    path = cwd / source
    if path.name == MANIFEST and path.is_file():
        path = path.parent
    if path.is_dir():
        return BundleFolder(path)
    if path.is_file():
        return Archive(path)
    raise TfprovError("bundle-missing", f"there is no bundle `{source}`", evidence=(f"looked for `{path}`",))
