from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tfprov.bundle.opened import open_bundle
from tfprov.bundle.records import Manifest
from tfprov.bundle.write import Content, check_target, entries, write
from tfprov.errors import TfprovError
from tfprov.pipeline.bundle_source import check
from tfprov.trash import to_trash
from told import told

SOURCES = {
    "profile/x.toml": Content.of(b"name = 'x'\n"),
    "profile/pylock.x.toml": Content.of(b"lock"),
    "bootstrap": Content.of(b"#!/bin/sh\n"),
    "wheels/a-1-py3-none-any.whl": Content.of(b"w" * 3_000_000),
    "empty": Content.of(b""),
}


def manifest_of(sources: Mapping[str, Content]) -> Manifest:
    return Manifest(
        format=1,
        tfprov="0",
        name="x",
        profile="profile/x.toml",
        lock="profile/pylock.x.toml",
        served=(),
        tools=(),
        files=entries(sources),
    )


def no_one(_count: int) -> None:
    pass


@pytest.mark.parametrize("name", ["out", "out.tar", "deep/er/out.tar", "ö u t"])
def test_what_was_written_can_be_opened_and_is_whole(tmp_path: Path, name: str) -> None:
    counts: list[int] = []
    write(tmp_path / name, manifest_of(SOURCES), SOURCES, wrote=counts.append)
    bundle = open_bundle(name, cwd=tmp_path)
    assert bundle.verify() == ()
    assert bundle.read("profile/x.toml") == b"name = 'x'\n"
    assert bundle.read("empty") == b""
    assert sum(counts) > 3_000_000
    assert not list(tmp_path.rglob("*.new"))


@pytest.mark.parametrize("name", ["out", "out.tar"])
def test_a_full_disk_is_named_by_the_bundle_that_found_no_space(tmp_path: Path, name: str) -> None:
    def full(_count: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left") as failure:
        write(tmp_path / name, manifest_of(SOURCES), SOURCES, wrote=full)
    assert failure.value.filename == str(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_starter_can_be_executed_in_both_forms(tmp_path: Path) -> None:
    write(tmp_path / "out", manifest_of(SOURCES), SOURCES, wrote=no_one)
    write(tmp_path / "out.tar", manifest_of(SOURCES), SOURCES, wrote=no_one)
    if os.name == "posix":
        assert (tmp_path / "out" / "bootstrap").stat().st_mode & stat.S_IXOTH
        assert (tmp_path / "out").stat().st_mode & stat.S_IROTH
    with tarfile.open(tmp_path / "out.tar") as archive:
        first, *members = archive.getmembers()
        assert first.name == "x-bundle/bundle.json"
        assert {member.name: member.mode for member in members}["x-bundle/bootstrap"] == 0o755
        assert {(member.uid, member.gid, member.mtime) for member in members} == {(0, 0, 315532800)}


@pytest.mark.parametrize("found", [b"w" * 2_499_999 + b"x", b"w" * 2_499_999, b"w" * 2_500_001, b""])
@pytest.mark.parametrize("name", ["out", "out.tar"])
def test_a_file_that_changed_leaves_the_old_bundle_as_it_was(tmp_path: Path, name: str, found: bytes) -> None:
    write(tmp_path / name, manifest_of(SOURCES), SOURCES, wrote=no_one)
    before = open_bundle(name, cwd=tmp_path).id
    file = tmp_path / "source"
    file.write_bytes(found)
    expected = Content(sha256=Content.of(b"w" * 2_500_000).sha256, size=2_500_000, path=file)
    changed = {**SOURCES, "wheels/a-1-py3-none-any.whl": expected}
    with pytest.raises(TfprovError) as caught:
        write(tmp_path / name, manifest_of(changed), changed, wrote=no_one)
    assert told(caught.value) == (
        *("hash-mismatch", "`wheels/a-1-py3-none-any.whl` changed while the bundle was written"),
        *(f"expected sha256 {expected.sha256}", f"found sha256 {Content.of(found).sha256}"),
        "run again; `tfprov cache verify` removes damaged wheels from the store",
    )
    after = open_bundle(name, cwd=tmp_path)
    assert (after.id, after.verify()) == (before, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "source"])


def test_a_newer_bundle_takes_the_place_of_an_older_one_and_of_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "out", manifest_of(SOURCES), SOURCES, wrote=no_one)
    fewer = {name: source for name, source in SOURCES.items() if name != "empty"}
    write(tmp_path / "out", manifest_of(fewer), fewer, wrote=no_one)
    assert not (tmp_path / "out" / "empty").exists()
    write(tmp_path / "out.tar", manifest_of(SOURCES), SOURCES, wrote=no_one)
    write(tmp_path / "out.tar", manifest_of(fewer), fewer, wrote=no_one)
    assert open_bundle("out.tar", cwd=tmp_path).manifest.entry("empty") is None
    (tmp_path / "free").mkdir()
    write(tmp_path / "free", manifest_of(fewer), fewer, wrote=no_one)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_run_that_ends_at_the_switch_leaves_the_old_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    write(tmp_path / "out", manifest_of(SOURCES), SOURCES, wrote=no_one)
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise error
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(error):
        write(tmp_path / "out", manifest_of(SOURCES), SOURCES, wrote=no_one)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert open_bundle("out", cwd=tmp_path).verify() == ()


def test_what_a_killed_run_displaced_goes_when_there_is_a_bundle_again(tmp_path: Path) -> None:
    write(tmp_path / "out", manifest_of(SOURCES), SOURCES, wrote=no_one)
    displaced = to_trash(tmp_path / "out")
    mine = tmp_path / ".other.1-12345678.trash"
    mine.mkdir()
    wrong = {**SOURCES, "empty": Content(sha256="0" * 64, size=1)}
    with pytest.raises(TfprovError):
        write(tmp_path / "out", manifest_of(wrong), wrong, wrote=no_one)
    assert displaced.exists()
    write(tmp_path / "out", manifest_of(SOURCES), SOURCES, wrote=no_one)
    assert sorted(tmp_path.iterdir()) == [mine, tmp_path / "out"]


def others(folder: Path) -> Mapping[str, Path]:
    """A file of somebody else's in each place, by the name of the bundle that would take it away."""
    write(folder / "shared", manifest_of(SOURCES), SOURCES, wrote=no_one)
    write(folder / "real.tar", manifest_of(SOURCES), SOURCES, wrote=no_one)
    if os.name == "posix":
        (folder / "link.tar").symlink_to("real.tar")
        (folder / "link").symlink_to("shared")
    found = {
        "mine": folder / "mine" / "thesis",
        "shared": folder / "shared" / "wheels" / "left over.whl",
        "other": folder / "other" / "bundle.json",
        "file": folder / "file",
        "thesis.tar": folder / "thesis.tar",
        "folder.tar": folder / "folder.tar" / "x",
        "backup.tar": folder / "backup.tar",
    }
    for path in found.values():
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"name": "x", "format": 1}')
    with tarfile.open(found["backup.tar"], "w") as archive:
        archive.add(found["other"], "backup/bundle.json")
    return {**found, "link.tar": folder / "link.tar", "link": folder / "link"}


@pytest.mark.parametrize(
    "name",
    [
        *("mine", "shared", "other", "file", "thesis.tar", "folder.tar", "backup.tar"),
        *(("link.tar", "link") if os.name == "posix" else ()),
    ],
)
def test_a_bundle_takes_the_place_of_nothing_else(tmp_path: Path, name: str) -> None:
    theirs = others(tmp_path)[name]
    before = (theirs.is_symlink(), theirs.is_dir() or theirs.read_bytes())
    with pytest.raises(TfprovError) as caught:
        write(tmp_path / name, manifest_of(SOURCES), SOURCES, wrote=no_one)
    assert caught.value.code.name == "path-not-ours"
    if not name.endswith(".tar"):
        assert caught.value.what == f"`{tmp_path / name}` cannot become a bundle"
        words = "choose another place; tfprov replaces only a bundle with nothing else in it"
        assert caught.value.hint == words
    assert (theirs.is_symlink(), theirs.is_dir() or theirs.read_bytes()) == before


@pytest.mark.parametrize("name", ["out", "out.tar"])
def test_a_place_below_a_file_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TfprovError) as caught:
        check_target(tmp_path / "file" / name)
    assert (caught.value.code.name, caught.value.evidence) == (
        "path-not-ours",
        (f"`{tmp_path / 'file'}` is not a folder",),
    )


def test_of_a_folder_of_somebody_else_only_some_files_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        (tmp_path / str(number)).touch()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x").touch()
    walk = os.walk
    looked: list[str] = []

    def counted(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for one in walk(top):
            looked.append(one[0])
            yield one

    with monkeypatch.context() as patch, pytest.raises(TfprovError) as caught:
        patch.setattr(os, "walk", counted)
        check_target(tmp_path)
    assert len(caught.value.evidence) == 5
    assert looked == [str(tmp_path)]


def plant(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"planted")


@pytest.mark.parametrize("name", ["wheels/evil-1-py3-none-any.whl", "simple/evil/index.html", "profile/more.toml"])
def test_what_the_manifest_does_not_have_is_no_part_of_a_bundle(tmp_path: Path, name: str) -> None:
    write(tmp_path / "out", manifest_of(SOURCES), SOURCES, wrote=no_one)
    assert open_bundle("out", cwd=tmp_path).strays() == ()
    plant(tmp_path / "out", name)
    assert open_bundle("out", cwd=tmp_path).strays() == (name,)
    with pytest.raises(TfprovError) as caught:
        check(["out"], cwd=tmp_path, environ={})
    assert (caught.value.code.name, caught.value.evidence) == ("bundle-invalid", (f"`{name}`",))


def test_a_list_of_sums_of_other_files_is_no_part_of_a_bundle_either(tmp_path: Path) -> None:
    write(tmp_path / "out", manifest_of(SOURCES), SOURCES, wrote=no_one)
    (tmp_path / "out" / "SHA256SUMS").write_text(f"{'0' * 64}  wheels/a-1-py3-none-any.whl\n")
    assert open_bundle("out", cwd=tmp_path).strays() == ("SHA256SUMS",)


def test_what_lies_beside_in_a_folder_is_nobodys_business(tmp_path: Path) -> None:
    write(tmp_path / "out", manifest_of(SOURCES), SOURCES, wrote=no_one)
    plant(tmp_path / "out", "notes.txt")
    assert check(["out"], cwd=tmp_path, environ={}).strays() == ()


def test_an_archive_has_no_strays_that_it_was_not_packed_with(tmp_path: Path) -> None:
    write(tmp_path / "out.tar", manifest_of(SOURCES), SOURCES, wrote=no_one)
    assert open_bundle("out.tar", cwd=tmp_path).strays() == ()
