"""The manifest of a bundle, `bundle.json`. The layout is described in docs/bundle.md."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from tfprov.errors import TfprovError
from tfprov.paths import plain
from tfprov.profile.records import EnvironmentName, PlatformName
from tfprov.structured import first_mistake, json_of

FORMAT = 1
"""Incremented when an older tfprov would misread a bundle."""
MANIFEST = "bundle.json"
SUMS = "SHA256SUMS"
WHEELS = "wheels"
INDEX = "simple"
PROFILE = "profile"
PYTHONS = "python"
STARTER = "bootstrap"

_PACKED = ".tar.gz"


def _inside(path: str) -> str:
    # A manifest from elsewhere could name any file of this machine.
    for part in path.split("/"):
        plain(part)
    return path


def _packed(path: str) -> str:
    if not path.endswith(_PACKED):
        raise ValueError(f"`{path}` does not end in `{_PACKED}`")
    plain(_folder_of(path))
    return path


def _folder_of(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(_PACKED)


_Path = Annotated[str, AfterValidator(_inside)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Bytes = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFile:
    """One file of a bundle.

    Attributes:
        path: relative to the bundle, with `/`.
        sha256: lower-case hexadecimal.
        size: bytes.
        here: False in a delta for a file that only the older bundle contains.
    """

    path: _Path
    sha256: _Sha256
    size: _Bytes
    here: bool = True

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPlatform:
    """A platform for which the bundle has an environment.

    Attributes:
        python: minor version, `3.12`.
        package: project from which TensorFlow is installed on that platform.
        version: version of TensorFlow.
        accelerator: `cpu`, `cuda`, …
        wheels: hashes of the wheels that a machine of that platform may need.
    """

    platform: PlatformName
    python: str
    package: str
    version: str
    accelerator: str
    wheels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The wheels of tfprov itself for one platform and one minor version of Python.

    Attributes:
        python: minor version, `3.12`.
        wheels: paths of tfprov's own wheel and of all its dependencies.
    """

    platform: PlatformName
    python: str
    wheels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledPython:
    """An interpreter in a bundle.

    Attributes:
        version: full version.
        path: path of the archive, relative to the bundle.
        executable: path relative to the folder that the archive is unpacked into.
        needs: shared libraries that the target machine must have.
    """

    platform: PlatformName
    version: str
    path: Annotated[_Path, AfterValidator(_packed)]
    executable: _Path
    needs: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Name of the folder that the archive is unpacked into."""
        return _folder_of(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of a bundle.

    Attributes:
        format: version of the layout; this tfprov writes `FORMAT`.
        tfprov: version of tfprov that made the bundle and is in it.
        name: name of the profile.
        profile: path of the profile; the files that it names are beside it.
        lock: path of the lock.
        files: every file except the manifest and `SHA256SUMS`, by path.
        base: id of the bundle that a delta needs; empty for a full bundle.
        notes: what was requested but is not in the bundle, with reasons.
    """

    format: int
    tfprov: str
    name: EnvironmentName
    profile: str
    lock: str
    served: tuple[ServedPlatform, ...]
    tools: tuple[Tool, ...]
    pythons: tuple[BundledPython, ...] = ()
    files: tuple[BundleFile, ...] = ()
    base: str = ""
    notes: tuple[str, ...] = ()

    @property
    def platforms(self) -> tuple[PlatformName, ...]:
        """The platforms that have an environment in the bundle."""
        return tuple(one.platform for one in self.served)

    def entry(self, path: str) -> BundleFile | None:
        """The file at a path; None if there is none."""
        return next((one for one in self.files if one.path == path), None)

    @property
    def wheels(self) -> dict[str, BundleFile]:
        """The wheels by hash."""
        return {one.sha256: one for one in self.files if one.path.startswith(f"{WHEELS}/") and _is_wheel(one.path)}


def render(manifest: Manifest) -> bytes:
    """The content of `bundle.json`. The same manifest gives the same bytes."""
    return (json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n").encode()


def identity(raw: bytes) -> str:
    """Id of a bundle: the SHA-256 of its `bundle.json`, which contains the hash of every other file."""
    return hashlib.sha256(raw).hexdigest()


def parse(raw: bytes, *, source: str) -> Manifest:
    """Parse a `bundle.json`.

    Args:
        raw: content of the file.
        source: the bundle, for messages.

    Raises:
        TfprovError: `bundle-too-new` for a later format, `bundle-invalid` when it is not a manifest.
    """
    try:
        document = json_of(raw)
        number = document["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise _invalid(source, f"`{MANIFEST}` cannot be read: {type(error).__name__}: {error}") from error
    if isinstance(number, int) and number > FORMAT:
        raise TfprovError(
            "bundle-too-new",
            f"`{source}` has format {number}, and this tfprov reads formats up to {FORMAT}",
            evidence=(f"tfprov {document.get('tfprov', 'of an unknown version')} made it",),
        )
    try:
        found = TypeAdapter(Manifest).validate_json(raw)
    except ValidationError as error:
        where, what = first_mistake(error)
        raise _invalid(source, f"`{MANIFEST}`: `{where}`: {what.removeprefix('Value error, ')}") from error
    paths = [one.path for one in found.files]
    named = (
        found.profile,
        found.lock,
        *(one.path for one in found.pythons),
        *(w for t in found.tools for w in t.wheels),
    )
    lost = [path for path in named if path not in paths]
    if lost or len(paths) != len(set(paths)):
        raise _invalid(source, f"`{MANIFEST}` is inconsistent: {', '.join(lost) or 'a path occurs twice'}")
    return found


def sums(manifest: Manifest, raw: bytes) -> bytes:
    """The file `SHA256SUMS` for `sha256sum --check`, which works without tfprov."""
    lines = [f"{one.sha256}  {one.path}" for one in manifest.files if one.here]
    return ("\n".join([*lines, f"{identity(raw)}  {MANIFEST}"]) + "\n").encode()


def _invalid(source: str, evidence: str) -> TfprovError:
    return TfprovError("bundle-invalid", f"`{source}` is not a usable bundle", evidence=(evidence,))


def _is_wheel(path: str) -> bool:
    return path.endswith(".whl")
