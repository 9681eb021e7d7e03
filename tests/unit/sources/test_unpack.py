from __future__ import annotations

import io
import os
import random
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.sources import unpack as unpacking
from tfprov.sources.unpack import unpack

LINKS = os.name == "posix"
makes_links = pytest.mark.skipif(not LINKS, reason="few users of Windows may make links")


@pytest.fixture(params=[LINKS, False], ids=["here", "without links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether symbolic links are made: where they can be, and as on a system where few users may."""
    monkeypatch.setattr(unpacking, "_MAKES_LINKS", request.param)
    return bool(request.param)


def packed(path: Path, *members: tuple[str, bytes, str]) -> Path:
    """An archive of members: name, type of tarfile, and content or target of a link."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                member.linkname = content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content.encode()))
    return path


def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_the_folder_of_the_project_is_given(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "x.py"
    source.write_text("x = 1\n")
    with tarfile.open(tmp_path / f"x-1.0.tar.{suffix}", f"w:{suffix}") as archive:  # type: ignore[call-overload]
        archive.add(source, "x-1.0/x.py")
    folder = unpack(tmp_path / f"x-1.0.tar.{suffix}", target(tmp_path))
    assert folder.name == "x-1.0"
    assert (folder / "x.py").read_text() == "x = 1\n"


def test_a_zip_is_unpacked_and_cannot_reach_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x-1.0.zip", "w") as archive:
        archive.writestr("x-1.0/x.py", "x = 1\n")
        archive.writestr("../out.py", "")
    folder = unpack(tmp_path / "x-1.0.zip", target(tmp_path))
    assert (folder / "x-1.0" / "x.py").is_file()
    assert not (tmp_path / "out.py").exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no permission to execute")
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_program_stays_one_in_every_kind_of_archive(tmp_path: Path, kind: str) -> None:
    project = tmp_path / "x-1.0"
    project.mkdir()
    for name in ("setup.py", "configure"):
        (project / name).touch(0o755 if name == "configure" else 0o644)
    format_of = {"zip": "zip", "tar": "tar", "tar.gz": "gztar"}
    archive = shutil.make_archive(str(project), format_of[kind], tmp_path, "x-1.0")
    folder = unpack(Path(archive), target(tmp_path))
    assert {path.name: path.stat().st_mode & 0o111 for path in folder.iterdir()} == {"setup.py": 0, "configure": 0o111}


@pytest.mark.parametrize("kind", ["w", "w:gz"])
def test_a_zip_file_at_the_end_of_an_archive_is_a_file_of_it(tmp_path: Path, kind: str) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("evil/setup.py", "")
    with tarfile.open(tmp_path / "x-1.0.tar", kind) as packed:  # type: ignore[call-overload]
        packed.add(tmp_path / "data.zip", "x-1.0/data.zip")
    folder = unpack(tmp_path / "x-1.0.tar", target(tmp_path))
    assert (folder.name, [path.name for path in folder.iterdir()]) == ("x-1.0", ["data.zip"])


@pytest.mark.usefixtures("links")
def test_links_inside_the_archive_are_kept_or_copied(tmp_path: Path) -> None:
    archive = packed(
        tmp_path / "x.tar.gz",
        ("x/a", tarfile.REGTYPE, "content"),
        ("x/b", tarfile.SYMTYPE, "a"),
        ("x/c", tarfile.LNKTYPE, "x/a"),
        ("x/d", tarfile.SYMTYPE, "sub/e"),
        ("x/sub/e", tarfile.SYMTYPE, "../b"),
        ("x/sub/f", tarfile.REGTYPE, ""),
    )
    folder = unpack(archive, target(tmp_path))
    found = [(folder / name).read_text() for name in ("a", "b", "c", "d", "sub/e")]
    assert found == ["content"] * 5


def test_links_that_lead_nowhere_have_no_content(tmp_path: Path, links: bool) -> None:
    names = {"nowhere": "none", "loop": "pool", "pool": "loop"}
    members = [(f"x/{name}", tarfile.SYMTYPE, end) for name, end in names.items()]
    folder = unpack(packed(tmp_path / "x.tar.gz", ("x/a", tarfile.REGTYPE, "a"), *members), target(tmp_path))
    assert sorted(path.name for path in folder.iterdir()) == sorted(["a", *(names if links else ())])


def test_a_link_to_a_folder_is_refused_where_it_cannot_be_made(tmp_path: Path, links: bool) -> None:
    archive = packed(tmp_path / "x.tar.gz", ("x/a", tarfile.DIRTYPE, ""), ("x/b", tarfile.SYMTYPE, "a"))
    if links:
        assert (unpack(archive, target(tmp_path)) / "b").is_dir()
        return
    with pytest.raises(TfprovError) as caught:
        unpack(archive, target(tmp_path))
    assert caught.value.what == "`x.tar.gz` cannot be unpacked"
    assert caught.value.evidence == ("`x/b` is a link to the folder `a`, and Windows lets few users make links",)


@pytest.mark.parametrize("first", [(tarfile.REGTYPE, "old"), (tarfile.SYMTYPE, "a"), (tarfile.SYMTYPE, "nowhere")])
@pytest.mark.parametrize("then", [(tarfile.REGTYPE, "new"), (tarfile.SYMTYPE, "b"), (tarfile.LNKTYPE, "x/b")])
def test_a_member_that_occurs_again_replaces_the_earlier_one(
    tmp_path: Path, first: tuple[bytes, str], then: tuple[bytes, str], links: bool
) -> None:
    members = [("x/a", tarfile.REGTYPE, "other"), ("x/b", tarfile.REGTYPE, "new"), ("x/c", *first), ("x/c", *then)]
    folder = unpack(packed(tmp_path / "x.tar.gz", *members), target(tmp_path))
    assert (folder / "c").read_text() == "new"
    assert (folder / "c").is_symlink() == (links and then[0] == tarfile.SYMTYPE)
    assert (folder / "a").read_text() == "other"


@pytest.mark.parametrize(
    "members",
    [
        [("x/a", tarfile.LNKTYPE, "x/none")],
        [("x/a", tarfile.DIRTYPE, ""), ("x/a", tarfile.REGTYPE, "x")],
        [("x/a", tarfile.REGTYPE, "x"), ("x/a", tarfile.DIRTYPE, "")],
        [("x/a", tarfile.REGTYPE, "x"), ("x/a/b", tarfile.REGTYPE, "x")],
        [("x/a", tarfile.REGTYPE, "x"), ("x/a/b/c", tarfile.REGTYPE, "x")],
    ],
)
def test_members_that_cannot_be_there_together_are_the_fault_of_the_archive(
    tmp_path: Path, members: list[tuple[str, bytes, str]]
) -> None:
    archive = packed(tmp_path / "x-1.0.tar.gz", *members)
    with pytest.raises(TfprovError, match=r"`x-1.0.tar.gz` cannot be unpacked") as caught:
        unpack(archive, target(tmp_path))
    assert caught.value.code.name == "build-failed"


def test_members_of_a_zip_that_cannot_be_there_together_are_its_fault(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x-1.0.zip", "w") as archive:
        archive.writestr("x/a", "x")
        archive.writestr("x/a/b", "x")
    with pytest.raises(TfprovError) as caught:
        unpack(tmp_path / "x-1.0.zip", target(tmp_path))
    assert caught.value.code.name == "build-failed"


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_damage_in_the_middle_is_the_fault_of_the_archive(tmp_path: Path, suffix: str) -> None:
    archive = tmp_path / f"x-1.0.tar.{suffix}"
    with tarfile.open(archive, f"w:{suffix}") as made:  # type: ignore[call-overload]
        member = tarfile.TarInfo("x/a")
        member.size = 4 << 20
        made.addfile(member, io.BytesIO(random.Random(1).randbytes(4 << 20)))
    content = bytearray(archive.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    archive.write_bytes(content)
    with pytest.raises(TfprovError) as caught:
        unpack(archive, target(tmp_path))
    assert caught.value.code.name == "build-failed"


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("../out", tarfile.REGTYPE, "x"),
        ("/tmp/tfprov-out", tarfile.REGTYPE, "x"),
        ("x/../../out", tarfile.REGTYPE, "x"),
        ("x/link", tarfile.SYMTYPE, "../../out"),
        ("x/link", tarfile.SYMTYPE, "/etc/passwd"),
        ("x/link", tarfile.LNKTYPE, "../out"),
        ("x/fifo", tarfile.FIFOTYPE, ""),
        ("x/device", tarfile.CHRTYPE, ""),
    ],
)
def test_an_archive_that_reaches_out_of_its_folder_is_refused(
    tmp_path: Path, name: str, kind: bytes, content: str
) -> None:
    archive = packed(tmp_path / "x-1.0.tar.gz", ("x/a", tarfile.REGTYPE, "a"), (name, kind, content))
    with pytest.raises(TfprovError) as failure:
        unpack(archive, target(tmp_path))
    assert failure.value.code.name == "build-failed"
    assert failure.value.what == "`x-1.0.tar.gz` contains a path outside its own folder"
    assert failure.value.what == "`x-1.0.tar.gz` contains a path outside its own folder"
    assert not (tmp_path / "out").exists()


def test_what_links_bring_counts_towards_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_MOST_BYTES", 10)
    copies = [(f"x/{number}", tarfile.LNKTYPE, "x/a") for number in range(3)]
    archive = packed(tmp_path / "x.tar.gz", ("x/a", tarfile.REGTYPE, "content"), *copies)
    with pytest.raises(TfprovError, match="unpacks to more than is allowed"):
        unpack(archive, target(tmp_path))


@makes_links
def test_a_file_below_a_link_that_leads_out_is_not_written(tmp_path: Path) -> None:
    folder = target(tmp_path)
    (folder / "x").mkdir()
    (folder / "x" / "away").symlink_to(tmp_path)
    archive = packed(tmp_path / "x.tar.gz", ("x/away/out", tarfile.REGTYPE, "x"))
    with pytest.raises(TfprovError, match="outside its own folder"):
        unpack(archive, folder)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00cut"])
def test_what_is_not_an_archive_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x-1.0.tar.gz").write_bytes(content)
    with pytest.raises(TfprovError, match="cannot be unpacked"):
        unpack(tmp_path / "x-1.0.tar.gz", target(tmp_path))


def test_a_small_archive_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfprov.sources.unpack._MOST_BYTES", 1 << 20)
    monkeypatch.setattr("tfprov.sources.unpack._MOST_MEMBERS", 10)
    bombs = [
        packed(tmp_path / "large.tar.gz", ("x/a", tarfile.REGTYPE, "0" * (2 << 20))),
        packed(tmp_path / "many.tar.gz", *((f"x/{number}", tarfile.REGTYPE, "") for number in range(20))),
    ]
    for name, members in (("large.zip", {"x/a": "0" * (2 << 20)}), ("many.zip", {f"x/{n}": "" for n in range(20)})):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in members.items():
                archive.writestr(path, content)
        bombs.append(tmp_path / name)
    for bomb in bombs:
        folder = tmp_path / f"target-{bomb.name}"
        folder.mkdir()
        with pytest.raises(TfprovError) as caught:
            unpack(bomb, folder)
        assert caught.value.code.name == "build-failed"
        assert caught.value.what == f"`{bomb.name}` unpacks to more than is allowed for a source distribution"
        assert " bytes so far; at most " in caught.value.evidence[0]
        assert "more than is allowed for a source distribution" in caught.value.what
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < (1 << 20)
