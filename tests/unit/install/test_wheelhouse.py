from __future__ import annotations

from pathlib import Path

from tfprov.install.wheelhouse import wheelhouse
from tfprov.lock.records import LockedFile


def locked(name: str, version: str, sha256: str) -> LockedFile:
    filename = f"{name}-{version}-py3-none-any.whl"
    return LockedFile(name=name, version=version, filename=filename, url=f"https://h/{filename}", sha256=sha256)


def test_every_file_is_pinned_by_its_hash_and_searched_in_its_own_folder(tmp_path: Path) -> None:
    files = [locked("a", "1.0", "aa"), locked("b", "2.0+cpu", "bb")]
    paths = {file.sha256: tmp_path / "store" / file.sha256 / file.filename for file in files}
    found = wheelhouse(files, paths, tmp_path / "requirements.txt")
    assert (tmp_path / "requirements.txt").read_text() == "a==1.0 --hash=sha256:aa\nb==2.0+cpu --hash=sha256:bb\n"
    assert found.requirements == tmp_path / "requirements.txt"
    assert found.folders == (tmp_path / "store" / "aa", tmp_path / "store" / "bb")
    assert found.options == (
        "--no-index",
        *("--find-links", str(tmp_path / "store" / "aa")),
        *("--find-links", str(tmp_path / "store" / "bb")),
    )
