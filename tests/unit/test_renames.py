"""Renames on Windows, where whoever has a file open is in the way; what Windows says is played here."""

import ast
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tfprov import renames, writing


def held(number: int) -> PermissionError:
    """What Windows raises; other systems have no place for its number."""
    error = PermissionError(errno.EACCES, "Sharing violation")
    error.winerror = number  # type: ignore[attr-defined]
    return error


@pytest.fixture
def scanner(monkeypatch: pytest.MonkeyPatch) -> list[PermissionError]:
    """Errors that the next renames end with, one each."""
    left: list[PermissionError] = []
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if left:
            raise left.pop()
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    return left


@pytest.mark.parametrize("number", [5, 32, 33])
def test_a_file_that_is_held_for_a_moment_is_waited_for(
    tmp_path: Path, scanner: list[PermissionError], number: int
) -> None:
    scanner += [held(number)] * 4
    writing.write_atomic(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_stays_held_is_named(tmp_path: Path, scanner: list[PermissionError]) -> None:
    scanner += [held(32)] * 100
    with pytest.raises(PermissionError, match="Sharing violation"):
        writing.write_atomic(tmp_path / "file", b"content")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [None, 19])
def test_what_will_not_change_is_tried_once(tmp_path: Path, scanner: list[PermissionError], number: int | None) -> None:
    scanner += [held(32), held(number)] if number else [held(32), PermissionError(errno.EACCES, "denied")]
    with pytest.raises(PermissionError):
        renames.replace(tmp_path / "one", tmp_path / "two")
    assert len(scanner) == 1


@pytest.mark.parametrize("number", [5, 32, 33])
def test_a_file_that_is_just_being_replaced_is_read_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    left, real = [held(number)] * 4, renames.open_shared

    def open_shared(path: Path) -> int:
        if left:
            raise left.pop()
        return real(path)

    monkeypatch.setattr(renames, "open_shared", open_shared)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    assert renames.read(tmp_path / "file") == b"content"
    left += [PermissionError(errno.EACCES, "denied"), held(number)]
    with pytest.raises(PermissionError, match="denied"):
        renames.read(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        renames.read(tmp_path / "none")


@pytest.mark.parametrize("number", [5, 32, 33])
def test_a_file_that_is_just_being_read_is_deleted_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "file").touch()
    left, real = [held(number)] * 4, Path.unlink

    def unlink(self: Path, *, missing_ok: bool = False) -> None:
        if left:
            raise left.pop()
        real(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    renames.remove(tmp_path / "file")
    assert os.listdir(tmp_path) == []
    renames.remove(tmp_path / "file")
    left += [PermissionError(errno.EACCES, "denied"), held(number)]
    with pytest.raises(PermissionError, match="denied"):
        renames.remove(tmp_path / "file")


@pytest.mark.skipif(os.name != "nt", reason="elsewhere nobody is in the way")
def test_what_is_opened_to_be_shared_can_be_renamed_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"one")
    descriptor = renames.open_shared(tmp_path / "one")
    try:
        renames.replace(tmp_path / "one", tmp_path / "two")
        assert os.read(descriptor, 9) == b"one"
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (r"\\?\C:\data\current", r"C:\data\current"),
        (r"\\?\UNC\server\share\current", r"\\server\share\current"),
        (r"\??\C:\data", r"C:\data"),
        (r"C:\data", r"C:\data"),
        ("generations/0001", "generations/0001"),
    ],
)
def test_where_a_link_leads_is_said_as_users_write_it(said: str, meant: str) -> None:
    assert renames.plain(Path(said)) == Path(meant)


_RENAME_THEMSELVES = {
    "bundle/starter.py": "runs without tfprov",
    "envs/fronts.py": "a program that runs is renamed and not waited for",
    "envs/generations.py": "a generation that something runs from stays where it is",
    "envs/launchers.py": "not on Windows",
    "envs/links.py": "not on Windows",
    "export/oci.py": "not on Windows",
    "fetch/common.py": "not on Windows",
    "install/compile_first.py": "runs without tfprov",
    "renames.py": "waits",
    "temporary.py": "an empty folder that was made just now",
}


def renames_in(source: str) -> Iterator[int]:
    """Lines that call `rename`, or `replace` with one argument, which no text has."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_path = node.func.attr == "replace" and len(node.args) == 1 and not node.keywords
            of_system = ast.unparse(node.func) in ("os.replace", "os.rename")
            if of_path or of_system or node.func.attr == "rename":
                yield node.lineno


def test_whatever_was_just_written_is_renamed_with_patience() -> None:
    """A scanner opens it at that very moment."""
    source = Path(renames.__file__).parent
    found = {
        str(path.relative_to(source).as_posix())
        for path in source.rglob("*.py")
        if any(renames_in(path.read_text(encoding="utf-8")))
    }
    assert found == set(_RENAME_THEMSELVES)
