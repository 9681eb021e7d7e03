from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from odd_names import ODD_NAMES
from sham import install
from tfprov.envs import integrity, manifest
from tfprov.envs.drift import drift
from tfprov.envs.survey import survey


def test_a_damaged_manifest_is_damage_or_drift_and_crashes_nothing(tmp_path: Path) -> None:
    chance = random.Random(3)
    install(tmp_path / "lib/python3.12/site-packages", "thing", "1.0", {"thing/__init__.py": "x = 1\n"})
    total = manifest.write(tmp_path)
    whole = (tmp_path / manifest.MANIFEST).read_bytes()
    for _ in range(1000):
        altered = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(altered))
            altered[at : at + chance.randrange(20)] = chance.choice(
                [b"", b" ", b"\n", b"-1", b"\xff", b"\0", b"9" * 30]
            )
        (tmp_path / manifest.MANIFEST).write_bytes(altered)
        found = manifest.damage(tmp_path, total=total)
        assert not found or str(found)
        assert str(drift(tmp_path)) is not None


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such names")
def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    library = tmp_path / "lib/python3.12/site-packages/odd"
    library.mkdir(parents=True)
    for number, name in enumerate(ODD_NAMES):
        (library / name).write_text(f"{number}\n")
    total = manifest.write(tmp_path)
    paths = {f"lib/python3.12/site-packages/odd/{name}" for name in ODD_NAMES}
    assert set(manifest.listed(tmp_path)) == paths
    assert not manifest.damage(tmp_path, total=total)
    for path in paths:
        os.utime(tmp_path / path, ns=(1, 1))
    assert not manifest.damage(tmp_path, total=total)
    for path in sorted(paths):
        (tmp_path / path).write_text("x\n")
        assert manifest.damage(tmp_path, total=total).altered == (path,)
        (tmp_path / path).unlink()
        assert manifest.damage(tmp_path, total=total).missing == (path,)
        (tmp_path / path).write_text(f"{ODD_NAMES.index(path.rpartition('/')[2])}\n")


def environment(root: Path) -> Path:
    """Two packages, a command, a link and files that no package owns."""
    library = root / "lib/python3.12/site-packages"
    for name in ("one", "two"):
        install(library, name, "1.0", {f"{name}/__init__.py": "x = 1\n", f"{name}/more.py": "y = 2\n"})
    for path in ("bin/one", "pyvenv.cfg", "lib/python3.12/site-packages/loose.py"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text("text\n")
    (root / "bin/python").symlink_to("/usr/bin/python3")
    return root


def _rewrite(path: Path) -> None:
    path.write_text("other\n" * 3)


def _edit_at_the_same_size(path: Path) -> None:
    path.write_bytes(path.read_bytes().swapcase())
    os.utime(path, ns=(1, 1))


def _replace(path: Path) -> None:
    status = path.stat()
    path.with_name("new").write_bytes(path.read_bytes().swapcase())
    os.utime(path.with_name("new"), ns=(status.st_atime_ns, status.st_mtime_ns))
    path.with_name("new").replace(path)


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


CHANGES = (_rewrite, _edit_at_the_same_size, _replace, _link, Path.unlink, lambda path: None)


@pytest.mark.skipif(os.name != "posix", reason="links, which few users of Windows may make")
def test_a_manifest_from_a_draft_is_the_one_without_it_whatever_changed_meanwhile(tmp_path: Path) -> None:
    chance = random.Random(11)
    for number in range(120):
        root = environment(tmp_path / str(number))
        before = manifest.draft(root, survey(root))
        for _ in range(chance.randint(0, 3)):
            files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
            chance.choice(CHANGES)(chance.choice(files))
        if chance.random() < 0.3:
            install(root / "lib/python3.12/site-packages", "late", "1.0", {"loose.py": "text\n"})
        total = manifest.write(root, before=before)
        drafted = (root / manifest.MANIFEST).read_bytes()
        assert manifest.write(root) == total
        assert (root / manifest.MANIFEST).read_bytes() == drafted


def test_what_did_not_change_since_the_draft_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = environment(tmp_path)
    before = manifest.draft(root, survey(root))
    (root / "pyvenv.cfg").write_text("home = /usr\n")
    read: list[str] = []

    def digests(_root: Path, paths: Sequence[str], *, workers: int) -> dict[str, str]:
        read.extend(paths)
        return dict.fromkeys(paths, "sha256=x")

    def recorded(_root: Path) -> dict[str, str]:
        raise AssertionError("no RECORD has changed")

    monkeypatch.setattr(integrity, "digests", digests)
    monkeypatch.setattr(integrity, "recorded", recorded)
    manifest.write(root, before=before)
    assert read == ["pyvenv.cfg"]


@pytest.mark.skipif(os.name != "posix", reason="links, which few users of Windows may make")
def test_a_record_behind_a_link_is_read_again(tmp_path: Path) -> None:
    root = environment(tmp_path / "root")
    metadata = root / "lib/python3.12/site-packages/one-1.0.dist-info"
    metadata.rename(tmp_path / "elsewhere")
    metadata.symlink_to(tmp_path / "elsewhere")
    before = manifest.draft(root, survey(root))
    (tmp_path / "elsewhere" / "RECORD").write_text("")
    manifest.write(root, before=before)
    drafted = (root / manifest.MANIFEST).read_bytes()
    manifest.write(root)
    assert (root / manifest.MANIFEST).read_bytes() == drafted


def test_what_could_not_be_read_for_the_draft_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = environment(tmp_path)

    def digests(_root: Path, paths: Sequence[str], *, workers: int) -> dict[str, str]:
        return dict.fromkeys(paths, "Too many open files")

    with monkeypatch.context() as short:
        short.setattr(integrity, "digests", digests)
        before = manifest.draft(root, survey(root))
    manifest.write(root, before=before)
    drafted = (root / manifest.MANIFEST).read_bytes()
    manifest.write(root)
    assert (root / manifest.MANIFEST).read_bytes() == drafted
