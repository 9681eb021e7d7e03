"""Whatever lies in a file or a page of others: a record comes out of it, or a failure with a code. Never a traceback.

`TFPROV_EXAMPLES` says how many texts each reader gets; the gate gives it a few.
"""

from __future__ import annotations

import configparser
import contextlib
import gzip
import io
import json
import os
import re
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.markers import default_environment
from packaging.tags import sys_tags

import tfprov
from tfprov.bundle import records as bundle_records
from tfprov.bundle.opened import open_bundle
from tfprov.conda import prefix
from tfprov.envs import documents, rollbacks
from tfprov.errors import TfprovError
from tfprov.fetch import index, record, wheel_metadata
from tfprov.host import facts, network
from tfprov.index_address import mistake_in
from tfprov.journal import read as read_journal
from tfprov.lock import pylock
from tfprov.profile.load import load
from tfprov.profile.source import glance
from tfprov.report import fleet
from tfprov.smoke import receipt
from tfprov.sources.unpack import unpack
from tfprov.structured import json_of, toml_of
from tfprov.unpack import archive
from tfprov.wants import basket

EXAMPLES = int(os.environ.get("TFPROV_EXAMPLES", "15"))
MOST_MEMORY = 300_000_000
few = settings(
    max_examples=EXAMPLES,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


# Texts that look like what is expected, with something wrong somewhere.
ODD = ["", "[", "]", "{", "\0", "\x1b", "\ud800", "é", "\r", "-1", "nan", "1e400", "1e999999999", "9" * 5000]
ODD += ["[" * 5000, '{"a":' * 3000, "a" * 3000, "http://[", "//[::1", "%2F..", "../..", "0000-00-00"]
ODD += ["<![foo[", "&#0;", "&#99999999999;"]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.sampled_from(ODD)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def broken(text: str) -> st.SearchStrategy[str]:
    """A good text with a piece of it replaced by something odd."""

    def put(at: int, length: int, odd: str) -> str:
        return text[:at] + odd + text[at + length :]

    return st.builds(put, st.integers(0, len(text)), st.integers(0, 12), st.sampled_from(ODD) | st.text(max_size=6))


def altered(good: object) -> st.SearchStrategy[object]:
    """A good document with one of its values, at any depth, replaced by another one."""
    places = list(_places(good, ()))

    return st.builds(_put, st.just(good), st.sampled_from(places), values)


def _put(good: object, place: tuple[str | int, ...], value: object) -> object:
    document = json.loads(json.dumps(good))
    if not place:
        return value
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return document


def _places(value: object, at: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _places(one, (*at, key))


def documents_like(good: object) -> st.SearchStrategy[bytes]:
    """JSON that is like a good document."""
    return altered(good).map(lambda value: json.dumps(value).encode()) | cut(json.dumps(good)) | st.binary(max_size=9)


def cut(text: str) -> st.SearchStrategy[bytes]:
    """A broken text as bytes."""
    return broken(text).map(lambda found: found.encode("utf-8", "surrogatepass"))


HASH = "0" * 64
PAGE = {
    "meta": {"api-version": "1.1"},
    "name": "x",
    "files": [
        {
            "filename": "x-1-py3-none-any.whl",
            "url": "x-1-py3-none-any.whl",
            "hashes": {"sha256": HASH},
            "requires-python": ">=3.9",
            "size": 3,
            "yanked": False,
            "upload-time": "2024-01-01T00:00:00Z",
            "core-metadata": {"sha256": HASH},
        }
    ],
}
HTML = (
    '<!DOCTYPE html><html><head><base href="http://h/"></head><body>'
    f'<a href="x-1-py3-none-any.whl#sha256={HASH}" data-requires-python="&gt;=3.9" data-yanked="">x</a></body></html>'
)
RESULT = {
    "schema": 1,
    "command": "rollout",
    "state": "verified",
    "error": {"code": "usage", "what": "x", "evidence": ["x"], "hint": "x"},
    "environment": {"generation": 1, "python": "3.12"},
    "tensorflow": {"version": "2.20"},
    "devices": [{"name": "cpu", "legs": [{"leg": "import", "ok": True, "evidence": "x"}]}],
}
RECEIPT = {
    "receipt": receipt.FORMAT,
    "made": "2024",
    "machine": {"a": "b"},
    "verdict": {"ok": True},
    "devices": [{"name": "cpu", "legs": [{"leg": "import", "ok": True, "seconds": 1.0}]}],
}
SEAL = {
    "target": {"package": "tensorflow", "version": "2.20", "accelerator": "cpu", "python": "3.12", "platform": "x"},
    "fingerprints": [{"cards": [{}]}],
    "bytes": 3,
}
MANIFEST = {
    "format": bundle_records.FORMAT,
    "tfprov": "1",
    "name": "train",
    "profile": "profile/train.toml",
    "lock": "profile/pylock.train.toml",
    "served": [],
    "tools": [],
    "files": [{"path": "profile/train.toml", "sha256": HASH, "size": 1}],
}
RECORD = {"boot": "x", "total": 3, "origin": ["http://x", None], "spans": [[0, 3]]}
LOCK = f"""lock-version = "1.0"
created-by = "tfprov"
requires-python = ">=3.9"
[[packages]]
name = "x"
version = "1"
marker = "python_version >= '3'"
[[packages.wheels]]
name = "x-1-py3-none-any.whl"
url = "http://h/x-1-py3-none-any.whl"
size = 3
hashes = {{ sha256 = "{HASH}" }}
[tool.tfprov]
request = "x"
[tool.tfprov.target]
package = "tensorflow"
version = "2.20.0"
"""
PROFILE = """name = "train"
[tensorflow]
version = "==2.20.*"
accelerator = "cpu"
[python]
version = ">=3.10"
[packages]
requirements = ["numpy<2", "x @ http://h/x-1-py3-none-any.whl"]
[index]
url = "http://h/simple"
exclude-newer = "2024-01-01"
[environment]
variables = { A = "${B}" }
[smoke]
timeout = "60 s"
"""
REQUIREMENTS = """# a comment
--index-url http://u:p@h/simple
numpy>=1,<2 ; python_version < "3.13"  # why
x @ http://h/x-1-py3-none-any.whl
-e ./lib[a] \\
--find-links ./wheels
git+https://h/r.git@main#egg=y
z==1 --hash=sha256:0000
"""
PIP = "[global]\nindex-url = http://h/simple\nextra-index-url =\n  http://a\n  http://b\n[install]\nfind-links = x\n"


PYPROJECT = """[project]
name = "x"
version = "1"
dependencies = ["numpy<2"]
[project.optional-dependencies]
a = ["b"]
[tool.uv.sources]
numpy = { index = "a" }
"""
UV_LOCK = """version = 1
requires-python = ">=3.10"
[[package]]
name = "x"
version = "1"
source = { registry = "http://h" }
"""
CONDA = "name: x\nchannels: [conda-forge]\ndependencies:\n  - python=3.12\n  - pip:\n    - numpy<2\n"
SCRIPT = '# /// script\n# dependencies = ["numpy<2"]\n# requires-python = ">=3.10"\n# ///\nimport numpy\n'
UV_TOML = 'index-url = "http://h"\n[[index]]\nname = "a"\nurl = "http://h"\n'
OF_CONDA = {"name": "x", "version": "1", "files": ["a"]}
FACTS = {"schema": 1, "command": "facts", "ok": True, "system": {}}


def _file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


Read: TypeAlias = Callable[[Path, bytes], object]


def of_file(name: str, read: Callable[[Path], object]) -> Read:
    """Reads a file of this name."""
    return lambda at, raw: read(_file(at, name, raw))


def of_text(read: Callable[[str], object]) -> Read:
    """Reads text."""
    return lambda _, raw: read(_text(raw))


def _told(path: Path) -> None:
    hosts = fleet.gather([path])
    fleet.describe(hosts)
    fleet.html(hosts, title="x", made=datetime.now(timezone.utc))
    fleet.loss(hosts)


def _compared(path: Path) -> None:
    found = receipt.read(path)
    receipt.compare(found, found)


def _locked(path: Path) -> None:
    pylock.check_ours(path)
    pylock.read_header(path)
    pylock.read(path, environment=default_environment(), tags=list(sys_tags()))


def _loaded(path: Path) -> None:
    glance(path, shipped=False)
    load(path)


def _pip_file(text: str) -> None:
    with contextlib.suppress(configparser.Error):  # becomes a hazard, as what uv says of its file
        network.parse_pip_file(text)


def _uv_file(text: str) -> None:
    with contextlib.suppress(ValueError):
        network.parse_uv_file(text)


def _of_conda(path: Path) -> None:
    folder = path.parent / "conda-meta"
    folder.mkdir(exist_ok=True)
    path.replace(folder / path.name)
    prefix.records(path.parent)


READERS: dict[str, tuple[st.SearchStrategy[bytes], Read]] = {
    "json page": (documents_like(PAGE), lambda _, raw: index.parse_json(raw, "http://h/simple/x/")),
    "html page": (cut(HTML), of_text(lambda text: index.parse_html(text, "http://h/"))),
    "result": (documents_like(RESULT), of_file("r.json", _told)),
    "receipt": (documents_like(RECEIPT), of_file("r.json", _compared)),
    "facts": (documents_like(FACTS), of_text(facts.load)),
    "manifest": (documents_like(MANIFEST), lambda _, raw: bundle_records.parse(raw, source="x")),
    "bundle": (documents_like(MANIFEST), of_file("bundle.json", lambda at: open_bundle(str(at), cwd=at.parent))),
    "lock": (cut(LOCK), of_file("pylock.x.toml", _locked)),
    "profile": (cut(PROFILE), of_file("train.toml", _loaded)),
    "requirements": (cut(REQUIREMENTS), of_file("requirements.txt", _loaded)),
    "conda list": (cut(CONDA), of_file("environment.yml", _loaded)),
    "pyproject": (cut(PYPROJECT), of_file("pyproject.toml", _loaded)),
    "Pipfile": (cut('[packages]\nnumpy = "<2"\nx = {version = "*", extras = ["a"]}\n'), of_file("Pipfile", _loaded)),
    "uv.lock": (cut(UV_LOCK), of_file("uv.lock", _loaded)),
    "setup.cfg": (cut("[metadata]\nname = x\n[options]\ninstall_requires =\n  a<2\n"), of_file("setup.cfg", _loaded)),
    "script": (cut(SCRIPT), of_file("script.py", _loaded)),
    "pip.conf": (cut(PIP), of_text(_pip_file)),
    "uv.toml": (cut(UV_TOML), of_text(_uv_file)),
    "address": (cut("https://user:p@host:8443/simple/?a=b#c"), of_text(mistake_in)),
    "journal": (documents_like({"at": "x", "event": "Note"}), of_file("j.jsonl", lambda at: list(read_journal(at)))),
    "record of a download": (documents_like(RECORD), of_file("x.written", record.parse)),
    "seal": (documents_like(SEAL), of_file("tfprov.json", lambda at: documents.read_seal(at.parent))),
    "rollback": (
        documents_like({"left": 1, "to": 2}),
        of_file("rollback.json", lambda at: rollbacks.read(at.parent, None)),
    ),
    "records of conda": (
        documents_like(OF_CONDA),
        of_file("x-1-0.json", _of_conda),
    ),
    "wheel": (st.binary(max_size=40), lambda _, raw: archive.directory(io.BytesIO(raw))),
}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_gives_a_record_or_a_failure_with_a_code(name: str, folder: Path) -> None:
    contents, read = READERS[name]
    place = folder / name.replace(" ", "-").replace(".", "-")
    place.mkdir(exist_ok=True)

    @few
    @given(contents)
    def check(raw: bytes) -> None:
        # `ArchiveError` and the like are what their callers make a code of.
        with contextlib.suppress(TfprovError, archive.RefusedError):
            read(place, raw)

    check()


@few
@given(st.text(max_size=40) | st.sampled_from(ODD))
def test_a_text_is_json_or_a_value_error(text: str) -> None:
    for of in (json_of, toml_of):
        with contextlib.suppress(ValueError):
            of(text)


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wheel_with_any_byte_wrong_is_refused_or_read(kind: int) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", kind) as writing:
        for name in ("x/__init__.py", "x-1.dist-info/METADATA", "x-1.dist-info/RECORD"):
            writing.writestr(name, "Name: x\n" * 9)
    good = made.getvalue()

    @few
    @given(st.integers(0, len(good) - 1), st.binary(min_size=1, max_size=8))
    def check(at: int, put: bytes) -> None:
        raw = good[:at] + put + good[at + len(put) :]
        with contextlib.suppress(archive.RefusedError):
            archive.directory(io.BytesIO(raw))
        with contextlib.suppress(TfprovError):
            wheel_metadata.metadata_in(io.BytesIO(raw), "http://h/x-1-py3-none-any.whl")

    check()


HUGE = b"\x80" + b"\xff" * 11
"""A size of 2**88 bytes, in the way of GNU tar."""


def test_a_source_with_any_byte_wrong_is_refused_or_unpacked(folder: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as writing:
        member = tarfile.TarInfo("x-1/setup.py")
        member.size = 9
        writing.addfile(member, io.BytesIO(b"import os"))
    good = made.getvalue()

    @few
    @given(
        st.integers(0, 1023), st.binary(min_size=1, max_size=12) | st.sampled_from([b"\x80" + b"\xff" * 11, b"S", b"L"])
    )
    def check(at: int, put: bytes) -> None:
        raw = good[:at] + put + good[at + len(put) :]
        path = _file(folder, "x-1.tar.gz", gzip.compress(raw, 1))
        with tempfile.TemporaryDirectory(dir=folder) as target, contextlib.suppress(TfprovError):
            unpack(path, Path(target))

    check()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "".join(f"p{number}\n" for number in range(5))),
        ("train.toml", 'name = "t"\n[packages]\nrequirements = ["p0", "p1", "p2", "p3", "p4"]\n'),
    ],
)
def test_requirements_without_end_are_a_mistake(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(text)
    monkeypatch.setattr(basket, "_MOST", 5)
    assert len(load(tmp_path / name).requirements) == 5
    monkeypatch.setattr(basket, "_MOST", 4)
    with pytest.raises(TfprovError) as caught:
        load(tmp_path / name)
    assert caught.value.code.name == "profile-invalid"
    (evidence,) = caught.value.evidence
    assert evidence.endswith(": no more than 4 requirements are read")


DOCUMENTS = {
    "json page": PAGE,
    "result": RESULT,
    "receipt": RECEIPT,
    "manifest": MANIFEST,
    "record of a download": RECORD,
    "seal": SEAL,
    "rollback": {"left": 1, "to": 2},
}
NUMBERS = [10**400, -(10**400), 2**70, float("inf"), float("nan"), 1e308, -1]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_number_at_any_place_of_a_document_is_too_much(name: str, tmp_path: Path) -> None:
    good = DOCUMENTS[name]
    for place in _places(good, ()):
        for number in NUMBERS if place else ():
            with contextlib.suppress(TfprovError):
                READERS[name][1](tmp_path, json.dumps(_put(good, place, number)).encode())


DIGITS = "9" * 5000
ENDLESS = {
    "requirements.txt": f"numpy<{DIGITS}\n",
    "marked/requirements.txt": f"numpy ; python_version < '{DIGITS}'\n",
    "pyproject.toml": f'[project]\nname = "x"\nrequires-python = ">={DIGITS}"\ndependencies = ["numpy"]\n',
    "environment.yml": f"name: x\ndependencies:\n  - numpy<{DIGITS}\n",
    "Pipfile": f'[packages]\nnumpy = "<{DIGITS}"\n',
    "uv.lock": UV_LOCK.replace("3.10", DIGITS),
    "train.toml": f'name = "t"\n[tensorflow]\nversion = "<{DIGITS}"\n',
    "python/train.toml": f'name = "t"\n[python]\nversion = "<{DIGITS}"\n',
    "packages/train.toml": f'name = "t"\n[packages]\nrequirements = ["numpy<{DIGITS}"]\n',
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_version_without_end_is_a_mistake_that_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(ENDLESS[name])
    with pytest.raises(TfprovError) as caught:
        load(path)
    assert caught.value.code.name == "profile-invalid"
    assert "has a number of hundreds of digits" in str(caught.value.evidence)
    assert DIGITS not in str(caught.value.evidence)


def test_whatever_is_wrong_with_a_version_or_a_requirement_is_caught() -> None:
    # Behind `InvalidVersion` and its like comes the plain `ValueError` of a number with 5,000 digits.
    narrow = re.compile(
        r"except .*\bInvalid(?:Version|Specifier|Requirement|Name|Marker|WheelFilename|SdistFilename)\b"
    )
    source = Path(str(tfprov.__file__)).parent
    found = [path for path in source.rglob("*.py") if narrow.search(path.read_text(encoding="utf-8"))]
    assert found == [], "catch `ValueError`"


MANY = b"[" + b".".join([b"a"] * 60_000) + b"]"
BOMBS: dict[str, Callable[[Path], object]] = {
    "deep JSON": lambda _: json_of("[" * 10_000_000),
    "a number of digits without end": lambda _: json_of("9" * 10_000_000),
    "a key of many parts": lambda _: toml_of("[" + ".".join("a" * 100_000) + "]"),
    "a dotted key of many parts": lambda _: toml_of("x = {" + ".".join("a" * 50_000) + " = 1}"),
    "deep TOML": lambda _: toml_of("x = " + "[" * 1_000_000),
    "a profile of many parts": lambda at: load(_file(at, "bomb.toml", b"[" + b".".join([b"a"] * 60_000) + b"]")),
    "a lock of many parts": lambda at: pylock.read_header(
        _file(at, "pylock.b.toml", b"[" + b".".join([b"a"] * 60_000) + b"]")
    ),
    "metadata that unfold": lambda _: wheel_metadata.metadata_in(_bomb("x-1.dist-info/METADATA"), "http://h/x.whl"),
    "aliases in YAML": lambda at: load(_file(at, "environment.yml", _laughs())),
    "an HTML page of nested tags": lambda _: index.parse_html("<a>" * 50_000, "http://h/"),
}


def _bomb(name: str) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as writing, writing.open(name, "w") as member:
        for _ in range(64):
            member.write(bytes(8 << 20))
    return made


def _laughs() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join([*lines, "dependencies: *a11"]).encode()


@pytest.mark.parametrize("name", BOMBS)
def test_no_text_takes_memory_without_end(name: str, folder: Path) -> None:
    with contextlib.suppress(TfprovError, ValueError):
        BOMBS[name](folder)  # what it prepares for itself does not count
    tracemalloc.start()
    try:
        with contextlib.suppress(TfprovError, ValueError):
            BOMBS[name](folder)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
