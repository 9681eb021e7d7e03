"""What is not tfprov's own is read as a regular file of limited size, and nothing else reads it."""

from __future__ import annotations

import ast
import codecs
import errno
import json
import os
import socket
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tfprov
from tfprov.cli.app import app
from tfprov.contents import MOST_CONTENT, content_of, given_text, regular, text_of
from tfprov.errors import TfprovError

SOURCE = Path(str(tfprov.__file__)).parent
# What these read without `contents` was written by tfprov, by what it started, or by the system, where no other user
# can have put anything; what they run in has only the standard library.
OWN = {
    "bundle/starting": "data of the package",
    "bundle/starter": "runs before tfprov is there, on files whose hashes it checks",
    "bundle/runpath": "an interpreter",
    "bundle/repack": "the installed tfprov",
    "bundle/interpreters": "an interpreter",
    "bundle/write": "writes",
    "cli/diagnose": "a log, which may be a pipe",
    "conda/client": "caches of its own",
    "conda/linker": "what it has unpacked",
    "contents": "the door itself",
    "envs": "environments that tfprov made",
    "export": "environments that tfprov made",
    "fetch/built": "the store",
    "fetch/common": "checks for itself what it has opened",
    "fetch/leases": "the store",
    "fetch/promised": "the store",
    "fetch/record": "the store",
    "fetch/store": "the store",
    "host": "the system's own files",
    "install": "environments and trees that tfprov made",
    "inventory/components": "environments that tfprov made",
    "ladder": "data of the package",
    "lock/resolve": "what uv has written",
    "pipeline/unpacked": "wheels of the store",
    "pipeline/own_wheels": "what uv has written",
    "pipeline/commands": "the beginning of a program that it starts",
    "plan": "data of the package",
    "diagnose": "data of the package",
    "products": "at most the beginning of a file that it has looked at",
    "report/ci": "writes",
    "smoke/probes": "runs inside environments",
    "smoke/attestation": "what the command that signs has written",
    "sources": "archives whose hash was checked",
    "trees": "links and copies",
    "unpack": "wheels, whose hash is checked",
}


def readers() -> Iterator[str]:
    """Modules that open or read files by themselves."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in {"read_bytes", "read_text"} or (name == "open" and _opens_a_path(node)):
                yield path.relative_to(SOURCE).with_suffix("").as_posix()
                break


def _opens_a_path(node: ast.Call) -> bool:
    """Whether it is `open(…)` or `path.open("rb")`, and neither `os.open` nor a method of an archive."""
    if isinstance(node.func, ast.Name):
        return True
    modes = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return modes[:1] in (["rb"], ["r"])


def test_only_these_modules_read_files_by_themselves() -> None:
    found = set(readers())
    unknown = {name for name in found if not any(name == own or name.startswith(f"{own}/") for own in OWN)}
    assert unknown == set(), "read through `tfprov.contents`, or say why not"
    unused = {own for own in OWN if not any(name == own or name.startswith(f"{own}/") for name in found)}
    assert unused <= {"report/ci", "bundle/write", "products", "fetch/common", "contents", "trees"}


def test_only_one_module_parses_documents() -> None:
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "loads" and getattr(node.value, "id", "") != "self":
                found.add(path.relative_to(SOURCE).with_suffix("").as_posix())
    # The starter runs before tfprov is there; what runs inside of environments has the standard library alone.
    others = {name for name in found if not name.startswith("smoke/probes/")}
    assert others - {"bundle/starter", "install/compile_first", "envs/binding", "envs/startup"} == {"structured"}


def a_pipe(place: Path) -> None:
    os.mkfifo(place)


def a_device(place: Path) -> None:
    place.symlink_to("/dev/zero")


def a_socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(place.name)  # the whole path may be too long


def a_folder(place: Path) -> None:
    place.mkdir()


def a_loop(place: Path) -> None:
    place.symlink_to(place.name)


SPECIAL = [a_pipe, a_device, a_socket, a_folder, a_loop]
posix = pytest.mark.skipif(os.name != "posix", reason="elsewhere there are no such files")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@posix
@pytest.mark.parametrize("make", SPECIAL)
@pytest.mark.parametrize("read", [content_of, text_of, regular])
def test_only_a_regular_file_is_read(
    make: Callable[[Path], None], read: Callable[[Path], object], folder: Path
) -> None:
    make(folder / "it")
    with pytest.raises(OSError, match=r"\[Errno \d+\] "):
        read(folder / "it")


def test_a_file_that_grows_while_it_is_read_is_not_read_without_end(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"12345")
    assert content_of(tmp_path / "it", most=5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes") as caught:
        content_of(tmp_path / "it", most=4)
    assert caught.value.errno == errno.EFBIG


# Every option and argument that names a file which is read, with `it` in its place.
NAMED = [
    ("plan", "it"),
    ("plan", "cpu", "--host", "it"),
    ("plan", "it.toml"),
    ("plan", "requirements-it.txt"),
    ("lock", "cpu", "--host", "it"),
    ("explain", "log.txt", "--host", "it"),
    ("explain", "log.txt", "--profile", "it"),
    ("gather", "it"),
    ("smoke", "cpu", "--against", "it"),
    ("report", "--yes", "--log", "it"),
    ("bundle", "--check", "it"),
    ("up", "--bundle", "it"),
    ("adopt", "it"),
    ("init", "--from", "it"),
]
# Every key of a profile that names one.
KEYS = [
    'packages.files = ["it"]',
    'packages.constraints = ["it"]',
    'smoke.scripts = ["it"]',
    'index.find-links = ["it"]',
    'network.ca-bundle = "it"',
    'conda.executable = "it"',
    'python.path = "it"',
    'packages.requirements = ["x @ ./it"]',
    'index.url = "file://FOLDER/it"',
]


def ended(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """The error of a command that must end by itself; with an empty code where it had none."""
    capsys.readouterr()
    with pytest.raises(SystemExit):
        app([*words, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    error = document.get("error") or {"code": ""}
    assert isinstance(error, dict)
    return error


@posix
@pytest.mark.parametrize("make", [a_pipe, a_device])
@pytest.mark.parametrize("words", NAMED, ids=" ".join)
def test_no_option_waits_for_a_pipe_or_reads_a_device(
    words: tuple[str, ...], make: Callable[[Path], None], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "log.txt").write_text("nothing\n")
    for name in {word for word in words if "it" in word and word not in {"init", "--against"}}:
        make(folder / name)
    assert ended(words, capsys)["code"] != "internal"


@posix
@pytest.mark.parametrize("make", [a_pipe, a_device])
@pytest.mark.parametrize("key", KEYS)
def test_no_key_of_a_profile_does_either(
    key: str, make: Callable[[Path], None], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(folder / "it")
    python = "" if key.startswith("python.") else f'python.path = "{sys.executable}"\n'
    index = "" if key.startswith("index.") else f'index.url = "{(folder / "none").as_uri()}"\n'
    text = f'name = "train"\n{python}{index}{key}\n'.replace("FOLDER", str(folder))
    (folder / "train.toml").write_text(text)
    assert ended(("plan", "train.toml"), capsys)["code"] != "internal"


def test_a_small_file_takes_no_more_memory_than_it_has(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"12345")
    tracemalloc.start()
    try:
        assert content_of(tmp_path / "it") == b"12345"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are no such files")
def test_a_file_of_the_system_that_says_it_is_empty_is_read() -> None:
    assert content_of(Path("/proc/self/status")).startswith(b"Name:")


def test_the_error_of_a_file_that_is_not_text_says_where(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"abc\xff")
    with pytest.raises(OSError, match="not UTF-8: invalid start byte at byte 3"):
        text_of(tmp_path / "it")


def test_errors_of_reading_have_a_code_of_their_own(tmp_path: Path) -> None:
    from tfprov.host.facts import load

    with pytest.raises(TfprovError) as caught:
        load('{"a":' * 100_000)
    assert caught.value.code.name == "usage"


def test_a_file_larger_than_anything_that_is_meant_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    with path.open("wb") as stream:
        stream.truncate(MOST_CONTENT + 1)
    with pytest.raises(OSError, match="larger than"):
        content_of(path)
    assert content_of(path, most=MOST_CONTENT + 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_a_file_of_the_command_line_is_read_in_the_encoding_of_its_mark(tmp_path: Path, encoding: str) -> None:
    """`tfprov facts --json > facts.json` writes UTF-16 in Windows PowerShell."""
    file = tmp_path / "facts.json"
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    file.write_bytes(mark + '{"é": 1}\r\n'.encode(encoding))
    assert given_text(file) == '{"é": 1}\r\n'


def test_a_file_of_the_command_line_that_is_cut_in_the_middle_of_a_letter_is_said_to_be_no_text(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_bytes(codecs.BOM_UTF16_LE + b"{\0}")
    with pytest.raises(TfprovError) as refused:
        given_text(file)
    assert refused.value.evidence == (f"[Errno 22] not UTF-16: truncated data at byte 4: '{file}'",)


@pytest.mark.parametrize("system", ["posix", "nt"])
def test_a_folder_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    if system == "nt":  # which opens no folders

        def refuse(path: Path, *_: int) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(PermissionError):
            regular(tmp_path / "file")
    with pytest.raises(IsADirectoryError) as caught:
        regular(tmp_path)
    assert caught.value.filename == str(tmp_path)
