"""Writes images in the OCI image layout, without a daemon and without root.

One layer contains the environment and its interpreter. It stands alone (for `COPY --from` and for volumes made from
images), or on top of the layers of a base image, which must be an OCI layout, too.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov.contents import regular
from tfprov.errors import TfprovError
from tfprov.export import archive
from tfprov.export.tree import TreeMember
from tfprov.structured import json_of, list_of, mapping_of

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_CREATED = "1980-01-01T00:00:00Z"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LARGEST = 64 << 20
_MARK = "oci-layout"
_NAMES = frozenset({_MARK, "index.json", "blobs"})
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The configuration of an image.

    Attributes:
        name: tag by which tools find it.
        machine: processor, as `uname -m` names it.
        path: folders that come first on PATH.
        variables: the other variables.
        command: default command.
        labels: labels of the image.
    """

    name: str
    machine: str
    path: tuple[str, ...]
    variables: Mapping[str, str]
    command: tuple[str, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    config: Mapping[str, object]
    layers: Sequence[Mapping[str, object]]


def write(folder: Path, tree: Iterable[TreeMember], described: Described, *, base: Path | None) -> str:
    """Write an image into an empty folder.

    Args:
        folder: an empty folder.
        tree: members of the layer.
        described: configuration of the image.
        base: layout of the base image; None for none.

    Returns:
        Digest of the image's manifest.

    Raises:
        TfprovError: `usage` when the base is not such an image.
        OSError: the disk is full.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    below = _read_base(base, _ARCHITECTURES.get(described.machine, described.machine), blobs) if base else None
    digest, size = archive.write(folder / "layer", tree)
    (folder / "layer").rename(blobs / digest)
    layer = {"mediaType": _LAYER, "digest": f"sha256:{digest}", "size": size}
    config = _blob(blobs, _config(described, below, layer["digest"]), _CONFIG)
    manifest = _blob(
        blobs,
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": config,
            "layers": [*(below.layers if below else ()), layer],
        },
        _MANIFEST,
    )
    tagged = {**manifest, "annotations": {"org.opencontainers.image.ref.name": described.name}}
    (folder / "index.json").write_bytes(_canonical({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [tagged]}))
    (folder / _MARK).write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    return str(manifest["digest"])


def foreign(folder: Path) -> tuple[str, ...]:
    """The names in a folder that do not belong to an image in OCI layout; all names where it is not one."""
    names = {path.name for path in folder.iterdir()}
    return tuple(sorted(names - _NAMES if _MARK in names else names))


def _config(described: Described, below: _Base | None, layer: object) -> dict[str, object]:
    base = dict(below.config) if below else {}
    inner = mapping_of(base.get("config"))
    before = dict(str(each).partition("=")[::2] for each in list_of(inner.get("Env")))
    variables = {**before, **described.variables}
    variables["PATH"] = ":".join((*described.path, before.get("PATH") or _PATH))
    root = mapping_of(base.get("rootfs"))
    made = {"created": _CREATED, "created_by": "tfprov export", "comment": "TensorFlow environment"}
    return {
        **base,
        "created": _CREATED,
        "architecture": _ARCHITECTURES.get(described.machine, described.machine),
        "os": "linux",
        "config": {
            **inner,
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Cmd": list(described.command),
            "Labels": {**mapping_of(inner.get("Labels")), **described.labels},
        },
        "rootfs": {"type": "layers", "diff_ids": [*list_of(root.get("diff_ids")), layer]},
        "history": [*list_of(base.get("history")), made],
    }


def _read_base(layout: Path, architecture: str, blobs: Path) -> _Base:
    """The image in a layout, with its layers copied to `blobs` and compared with their digests."""
    try:
        index = _json(layout / "index.json")
        chosen = _chosen(layout, index, architecture)
        manifest = mapping_of(json_of(_content(layout, chosen)))
        config = mapping_of(json_of(_content(layout, mapping_of(manifest["config"]))))
        layers = _layers(manifest)
        if config.get("architecture") != architecture:
            raise _refused(
                layout, f"it is for `{config.get('architecture')}`, and this environment for `{architecture}`"
            )
        for layer in layers:
            _bring(layout, layer, blobs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refused(layout, f"{type(error).__name__}: {error}") from error
    return _Base(config=config, layers=layers)


def _layers(manifest: Mapping[str, object]) -> list[Mapping[str, object]]:
    found = manifest["layers"]
    if not isinstance(found, list):
        raise TypeError("`layers` is not a list")
    return [mapping_of(each) for each in found]


def _chosen(layout: Path, index: Mapping[str, object], architecture: str) -> Mapping[str, object]:
    found = [mapping_of(each) for each in list_of(index.get("manifests"))]
    fitting = [
        one for one in found if mapping_of(one.get("platform")).get("architecture", architecture) == architecture
    ]
    if len(fitting) != 1:
        raise _refused(layout, f"it has {len(fitting)} images for `{architecture}`, but must have exactly one")
    if fitting[0].get("mediaType") == _INDEX:
        return _chosen(layout, mapping_of(json_of(_content(layout, fitting[0]))), architecture)
    return fitting[0]


def _content(layout: Path, described: Mapping[str, object]) -> bytes:
    with regular(_place(layout, described)) as stream:
        content = stream.read(_LARGEST)
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != described["digest"]:
        raise ValueError(f"`{described['digest']}` is damaged")
    return content


def _bring(layout: Path, layer: Mapping[str, object], blobs: Path) -> None:
    digest = hashlib.sha256()
    source = _place(layout, layer)
    with regular(source) as read, (blobs / source.name).open("wb") as write_:
        while data := read.read(1 << 20):
            digest.update(data)
            write_.write(data)
    if digest.hexdigest() != source.name:
        raise ValueError(f"`{layer['digest']}` is damaged")
    shutil.copystat(source, blobs / source.name)


def _place(layout: Path, described: Mapping[str, object]) -> Path:
    kind, _, value = str(described["digest"]).partition(":")
    if kind != "sha256" or len(value) != 64 or not value.isalnum():
        raise ValueError(f"`{described['digest']}` is not a SHA-256 digest")
    return layout / "blobs" / kind / value


def _json(path: Path) -> Mapping[str, object]:
    with regular(path) as stream:
        return mapping_of(json_of(stream.read(_LARGEST)))


def _blob(blobs: Path, document: Mapping[str, object], kind: str) -> dict[str, object]:
    content = _canonical(document)
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


def _canonical(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _refused(layout: Path, why: str) -> TfprovError:
    return TfprovError(
        "usage",
        f"`{layout}` cannot be used as a base image",
        evidence=(why,),
        hint="name a folder with an image in OCI layout, as `skopeo copy docker://debian:12 oci:FOLDER` makes it",
    )
