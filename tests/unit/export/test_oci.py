"""An image to build on is somebody else's: whatever is in its documents, it is one or it is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.export.oci import _read_base

ODD = [None, 3, "x", [], ["x"], {}, {"digest": 3}, {"digest": "sha256:" + "é" * 64}, {"digest": "sha256:../x"}]
CONFIG = {"architecture": "amd64", "rootfs": {"diff_ids": []}}


def blob(layout: Path, document: object) -> dict[str, object]:
    """Write a document under its digest; how others name it."""
    content = json.dumps(document).encode()
    digest = hashlib.sha256(content).hexdigest()
    place = layout / "blobs" / "sha256" / digest
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def index(layout: Path, document: object) -> None:
    (layout / "index.json").write_text(json.dumps(document))


def test_an_image_without_layers_can_be_built_on(tmp_path: Path) -> None:
    index(tmp_path, {"manifests": [blob(tmp_path, {"config": blob(tmp_path, CONFIG), "layers": []})]})
    assert _read_base(tmp_path, "amd64", tmp_path).config == CONFIG


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_an_odd_document_is_refused_wherever_it_stands(tmp_path: Path, odd: object) -> None:
    good = blob(tmp_path, CONFIG)
    nested = {"mediaType": "application/vnd.oci.image.index.v1+json"}
    for manifests in (
        odd,
        [odd],
        [blob(tmp_path, odd)],
        [{**blob(tmp_path, odd), **nested}],
        [blob(tmp_path, {"config": odd, "layers": []})],
        [blob(tmp_path, {"config": blob(tmp_path, odd), "layers": []})],
        [blob(tmp_path, {"config": good, "layers": [odd]})],
        [blob(tmp_path, {"config": good, "layers": {"odd": odd}})],
    ):
        index(tmp_path, {"manifests": manifests})
        with pytest.raises(TfprovError) as caught:
            _read_base(tmp_path, "amd64", tmp_path)
        assert caught.value.code.name == "usage"
