from __future__ import annotations

import os
from pathlib import Path

import pytest

from probes import load
from sham import install

files = load("files")
core = load("core")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path, "thing", "1.0", {"thing/a.py": "a = 1\n", "thing/lib.so.9": "machine code"})
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    return tmp_path


def test_files_as_they_were_installed_pass(root: Path) -> None:
    assert files.right_hashes(core, "deep") == "3 files have the recorded hash"
    assert files.right_hashes(core, "standard") == "1 files have the recorded hash"


def test_a_changed_byte_of_the_same_size_is_found(root: Path) -> None:
    (root / "thing" / "lib.so.9").write_text("machine cod3")
    with pytest.raises(Exception, match=r"lib\.so\.9") as caught:
        files.right_hashes(core, "standard")
    assert caught.value.code == "file-damaged"


def test_only_the_deep_level_hashes_what_is_no_machine_code(root: Path) -> None:
    (root / "thing" / "a.py").write_text("a = 2\n")
    assert files.right_hashes(core, "standard")
    with pytest.raises(Exception, match=r"a\.py"):
        files.right_hashes(core, "deep")


def test_a_missing_file_is_found(root: Path) -> None:
    (root / "thing" / "lib.so.9").unlink()
    with pytest.raises(Exception, match="cannot be read"):
        files.right_hashes(core, "standard")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere there are no such files")
def test_a_pipe_or_a_device_is_not_read(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "device").symlink_to("/dev/zero")
    assert files.hash_of(str(root / "pipe"), "sha256=a") is None
    assert files.hash_of(str(root / "device"), "sha256=a") is None
