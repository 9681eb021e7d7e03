from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tfprov.bundle.records import (
    BundledPython,
    BundleFile,
    Manifest,
    ServedPlatform,
    Tool,
    identity,
    parse,
    render,
    sums,
)
from tfprov.errors import TfprovError
from told import refusal

HASH = "ab" * 32
MANIFEST = Manifest(
    format=1,
    tfprov="0.1.0",
    name="x",
    profile="profile/x.toml",
    lock="profile/pylock.x.toml",
    served=(
        ServedPlatform(
            platform="linux-x86_64",
            python="3.12",
            package="tensorflow-cpu",
            version="2.21.0",
            accelerator="cpu",
            wheels=(HASH,),
        ),
    ),
    tools=(Tool(platform="linux-x86_64", python="3.12", wheels=("wheels/a-1-py3-none-any.whl",)),),
    files=tuple(
        BundleFile(path=path, sha256=HASH, size=3)
        for path in ("profile/pylock.x.toml", "profile/x.toml", "wheels/a-1-py3-none-any.whl", "wheels/a.whl.metadata")
    ),
)


PYTHON = BundledPython(
    platform="linux-x86_64", version="3.12.1", path="python/cpython-3.12.1.tar.gz", executable="bin/python3"
)


def with_python(python: BundledPython) -> Manifest:
    entry = BundleFile(path=python.path, sha256=HASH, size=1)
    return replace(MANIFEST, pythons=(python,), files=(*MANIFEST.files, entry))


def test_a_manifest_comes_back_as_it_was_written() -> None:
    assert parse(render(MANIFEST), source="x") == MANIFEST
    assert list(MANIFEST.wheels) == [HASH]
    assert "macos-arm64" not in MANIFEST.platforms


def test_the_sums_are_those_that_sha256sum_reads_and_leave_out_what_is_elsewhere() -> None:
    raw = render(MANIFEST)
    delta = replace(MANIFEST, files=(replace(MANIFEST.files[0], here=False), *MANIFEST.files[1:]))
    lines = sums(delta, raw).decode().splitlines()
    assert lines[0] == f"{HASH}  profile/x.toml"
    assert lines[-1] == f"{identity(raw)}  bundle.json"


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x", "a/../../x", "a//b", "", ".", "a\\b", "C:x", "a/./b", "wheels/..", "x\0y", "a/NUL.txt"],
)
@pytest.mark.parametrize("place", ["file", "executable"])
def test_a_path_that_leads_out_of_the_bundle_is_refused(path: str, place: str) -> None:
    if place == "file":
        bad = replace(MANIFEST, files=(*MANIFEST.files, BundleFile(path=path, sha256=HASH, size=1)))
    else:
        bad = with_python(replace(PYTHON, executable=path))
    with pytest.raises(TfprovError) as caught:
        parse(render(bad), source="x")
    assert caught.value.code.name == "bundle-invalid"


@pytest.mark.parametrize(
    "name", ["/etc/x", "../x", "a/b", "..", "", "x\n", "x\0", "con", "nul.x", "trailing.", "a" * 65, "a\\b", "-x"]
)
def test_a_name_that_no_profile_may_have_is_refused(name: str) -> None:
    with pytest.raises(TfprovError) as caught:
        parse(render(replace(MANIFEST, name=name)), source="x")
    assert caught.value.code.name == "bundle-invalid"
    assert "`name`" in caught.value.evidence[0]


@pytest.mark.parametrize("filename", [".tar.gz", "..tar.gz", "...tar.gz", "con.tar.gz", "python.zip"])
def test_an_interpreter_is_unpacked_to_a_folder_of_a_plain_name(filename: str) -> None:
    with pytest.raises(TfprovError) as caught:
        parse(render(with_python(replace(PYTHON, path=f"python/{filename}"))), source="x")
    assert caught.value.code.name == "bundle-invalid"
    assert parse(render(with_python(PYTHON)), source="x").pythons[0].folder == "cpython-3.12.1"


@pytest.mark.parametrize(
    "change",
    [
        {"files": []},
        {"files": [{"path": "a", "sha256": "zz", "size": 1, "here": True}]},
        {"files": [{"path": "a", "sha256": HASH, "size": -1, "here": True}]},
        {"served": [{"platform": "amiga"}]},
        {"format": "one"},
        {"name": 7},
        {"profile": "profile/other.toml"},
    ],
)
def test_what_is_no_manifest_is_refused(change: dict[str, object]) -> None:
    document = {**json.loads(render(MANIFEST)), **change}
    with pytest.raises(TfprovError) as caught:
        parse(json.dumps(document).encode(), source="x")
    assert caught.value.code.name == "bundle-invalid"


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"null", b"{}", b"[" * 100_000])
def test_what_is_no_document_at_all_is_refused(raw: bytes) -> None:
    code, what, why, *_ = refusal(lambda: parse(raw, source="x"))
    assert (code, what) == ("bundle-invalid", "`x` is not a usable bundle")
    assert why.startswith("`bundle.json` cannot be read: ")


def test_a_later_format_is_told_apart_from_damage() -> None:
    raw = json.dumps({"format": 2, "tfprov": "3.0", "unknown": 1}).encode()
    what = "`x` has format 2, and this tfprov reads formats up to 1"
    assert refusal(lambda: parse(raw, source="x"))[:3] == ("bundle-too-new", what, "tfprov 3.0 made it")
    raw = json.dumps({"format": 2}).encode()
    assert refusal(lambda: parse(raw, source="x"))[2] == "tfprov of an unknown version made it"
