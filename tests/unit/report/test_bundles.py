"""What is said of a bundle."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tfprov.bundle.records import BundledPython, BundleFile, Manifest, ServedPlatform, Tool
from tfprov.report import bundles

BASE = "c" * 64
PYTHON = BundledPython(
    platform="linux-x86_64",
    version="3.12.1",
    path="python/cpython-3.12.1.tar.gz",
    executable="bin/python3",
    needs=("libcrypt.so.1",),
)


def manifest(base: str = "") -> Manifest:
    """With two files here, and one that is left out of a delta."""
    return Manifest(
        format=1,
        tfprov="0.1.0",
        name="train",
        profile="profile/train.toml",
        lock="profile/pylock.train.toml",
        served=(
            ServedPlatform(
                platform="linux-x86_64",
                python="3.12",
                package="tensorflow-cpu",
                version="2.21.0",
                accelerator="cpu",
                wheels=(),
            ),
        ),
        tools=(Tool(platform="linux-x86_64", python="3.12", wheels=()),),
        files=tuple(
            BundleFile(path=path, sha256="a" * 64, size=3, here=not (base and path.startswith("wheels")))
            for path in ("profile/train.toml", "profile/pylock.train.toml", "wheels/six-1.0-py3-none-any.whl")
        ),
        pythons=(PYTHON,),
        notes=("a note",),
        base=base,
    )


CONTENT = [
    "  id        0123",
    "  for       linux-x86_64: tensorflow-cpu 2.21.0, cpu, on Python 3.12",
    "  tfprov    0.1.0, starts on linux-x86_64 with Python 3.12",
    "  python    3.12.1 for linux-x86_64; the target must have libcrypt.so.1",
    "  ! note    a note",
]


@pytest.mark.parametrize(
    ("name", "base", "count", "last"),
    [
        (
            *("b.tar", "", "3 files"),
            [
                "  use       tfprov up --bundle b.tar",
                "            without tfprov: tar -xf b.tar && train-bundle/bootstrap up",
            ],
        ),
        (
            *("b", "", "3 files"),
            ["  use       tfprov up --bundle b", "            without tfprov: b/bootstrap up"],
        ),
        (
            *("b.tar", BASE, "2 files"),
            [
                f"  delta     1 file left out: the bundle {BASE[:12]} has them",
                "  use       tfprov up --bundle b.tar --bundle OLD",
            ],
        ),
    ],
)
def test_a_bundle_comes_with_the_command_that_uses_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, base: str, count: str, last: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path.cwd() / name
    found: Any = SimpleNamespace(manifest=manifest(base), path=path, id="0123", bytes=2_000_000, bytes_fetched=0)
    assert bundles.made(found).splitlines() == [
        *(f"wrote {path}: {count}, 2 MB", *CONTENT, "  bytes     0 B fetched for it"),
        *last,
    ]


def test_a_bundle_that_is_whole_says_what_an_older_one_has() -> None:
    found: Any = SimpleNamespace(source="b", manifest=manifest(BASE), id="0123", has=lambda entry: entry.here)
    assert bundles.checked(found).splitlines() == [
        "b: 2 files, all hashes match",
        *CONTENT,
        f"  delta     1 file only in the bundle {BASE[:12]}",
    ]


def test_the_document_counts_files_in_place_of_their_list() -> None:
    found = bundles.document(manifest(BASE), id_="0123", path="b")["bundle"]
    assert isinstance(found, dict)
    assert {key: found[key] for key in ("path", "id", "name", "files", "files_here")} == {
        **{"path": "b", "id": "0123", "name": "train"},
        **{"files": 3, "files_here": 2},
    }
