"""Bundles as they are opened, also on a server."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tfprov.bundle.opened import Remote, open_bundle
from tfprov.bundle.records import BundleFile, Manifest, identity, render
from tfprov.errors import TfprovError
from told import refusal

MANIFEST = Manifest(
    format=1,
    tfprov="0.1.0",
    name="x",
    profile="profile/x.toml",
    lock="profile/pylock.x.toml",
    served=(),
    tools=(),
    files=tuple(
        BundleFile(path=path, sha256="ab" * 32, size=3) for path in ("profile/pylock.x.toml", "profile/x.toml")
    ),
)


def test_an_address_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as caught:
        open_bundle("http://[::1", cwd=tmp_path, fetch=lambda _: b"")
    assert (caught.value.code.name, caught.value.what) == ("usage", "the address of the bundle cannot be read")


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("wheels/a-1.0-py3-none-any.whl", "wheels/a-1.0-py3-none-any.whl"),
        ("profile/my reqs#1.txt", "profile/my%20reqs%231.txt"),
        ("profile/100%25.txt", "profile/100%2525.txt"),
        ("profile/größe.txt", "profile/gr%C3%B6%C3%9Fe.txt"),
    ],
)
def test_a_file_on_a_server_has_an_address_whatever_its_name(path: str, address: str) -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return b"content"

    with Remote("https://example.org/b", fetch).open(path) as stream:
        assert stream.read() == b"content"
    assert asked == [f"https://example.org/b/{address}"]


def test_a_bundle_that_is_not_there_is_said_with_its_path(tmp_path: Path) -> None:
    words = ("bundle-missing", "there is no bundle `b.tar`", f"looked for `{tmp_path / 'b.tar'}`")
    assert refusal(lambda: open_bundle("b.tar", cwd=tmp_path))[:3] == words


def test_a_folder_of_something_else_is_not_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    words = ("bundle-invalid", "`b` is not a bundle", "there is no `bundle.json` in it")
    assert refusal(lambda: open_bundle("b", cwd=tmp_path))[:3] == words


def test_an_archive_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(b"not an archive at all")
    code, what, why, *_ = refusal(lambda: open_bundle("b.tar", cwd=tmp_path))
    assert (code, what) == ("bundle-invalid", f"`{tmp_path / 'b.tar'}` is not a readable tar archive")
    assert why.startswith("tarfile: ")


def test_an_address_is_not_asked_without_a_network(tmp_path: Path) -> None:
    words = ("usage", "`https://example.org/b` is an address; give a folder or an archive")
    assert refusal(lambda: open_bundle("https://example.org/b", cwd=tmp_path))[:2] == words


def delta(folder: Path, name: str, base: str = "") -> tuple[str, str]:
    """A bundle with one file that is elsewhere; its name and id."""
    there = BundleFile(path="wheels/six-1.0-py3-none-any.whl", sha256="b" * 64, size=7, here=False)
    (folder / name).mkdir()
    manifest = dataclasses.replace(MANIFEST, name=name, base=base, files=(*MANIFEST.files, there))
    raw = render(manifest)
    (folder / name / "bundle.json").write_bytes(raw)
    for file in manifest.files:
        if file.here:
            path = folder / name / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(file.size))
    return name, identity(raw)


def test_another_bundle_than_the_expected_one_is_refused(tmp_path: Path) -> None:
    name, found = delta(tmp_path, "b")
    assert refusal(lambda: open_bundle(f"{name}#sha256={'0' * 64}", cwd=tmp_path)) == (
        *("hash-mismatch", "`b` is not the expected bundle", f"expected id: {'0' * 64}", f"found id: {found}"),
        "check who publishes bundles there, or give the id that `tfprov bundle` printed",
    )


def test_a_delta_comes_before_what_it_was_made_against(tmp_path: Path) -> None:
    old, first = delta(tmp_path, "old")
    new, _ = delta(tmp_path, "new", first)
    newer = open_bundle(new, cwd=tmp_path)
    assert refusal(lambda: open_bundle(old, cwd=tmp_path, bases=[newer])) == (
        *("usage", "`new` is a delta of `old`, so it comes first"),
        "the first `--bundle` is the one to use; the others supply the files that it lacks",
        "write `--bundle new --bundle old`",
    )


def test_a_file_that_only_an_older_bundle_has_is_named(tmp_path: Path) -> None:
    _, first = delta(tmp_path, "old")
    new, _ = delta(tmp_path, "new", first)
    newer = open_bundle(new, cwd=tmp_path)
    entry = newer.manifest.files[-1]

    def read() -> None:
        with newer.stream(entry):
            pass

    assert refusal(read)[:3] == (
        *("bundle-incomplete", "`new` is a delta, and `six-1.0-py3-none-any.whl` is not in it"),
        f"it was made against the bundle {first[:12]}",
    )


def test_files_that_are_gone_are_counted(tmp_path: Path) -> None:
    name, _ = delta(tmp_path, "b")
    here = [file for file in MANIFEST.files if file.here]
    (tmp_path / name / here[0].path).unlink()
    assert refusal(lambda: open_bundle(name, cwd=tmp_path))[:3] == (
        "bundle-invalid",
        f"`b` is incomplete: 1 of {len(here)} files are missing or have the wrong size",
        f"`{here[0].path}` is missing",
    )
