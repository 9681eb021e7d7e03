from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import often
from outcomes import SEAL
from tfprov.envs import documents
from tfprov.envs.records import Cure, Owner
from tfprov.host.records import Card, Fingerprint


def test_a_seal_comes_back_as_it_was() -> None:
    assert documents.seal(documents.dump(SEAL), root=Path()) == SEAL


def test_what_a_generation_was_given_comes_back() -> None:
    given = Cure(name="pin", code="numpy-abi", what="pins", libraries=("a.so", "b.so"), constraint="numpy<2")
    seal = replace(SEAL, cures=(given,), place="/some/where")
    assert documents.seal(documents.dump(seal), root=Path()) == seal


def test_the_machines_that_it_was_proved_on_come_back() -> None:
    card = Card(id="GPU-1", name="H100", capability="9.0", visible=False)
    proof = Fingerprint(vector_units=("avx", "avx2"), python_bytes=7, has_gpus=True, driver="550.1", cards=(card,))
    seal = replace(SEAL, proofs=(Fingerprint(libc="glibc 2.36"), proof))
    assert documents.seal(documents.dump(seal), root=Path()) == seal


def test_an_owner_comes_back_with_a_path_that_is_no_text() -> None:
    owner = Owner(name="train", profile="/home/\udce9/train.toml", link="", former=("/ä",))
    assert documents.owner(documents.dump(owner)) == owner


@pytest.mark.parametrize("text", ["ä\udce9", "\ud800", "\udfff\ud800", "😀\u2028\0\x7f"])
def test_any_text_comes_back(text: str) -> None:
    seal = replace(SEAL, why=text, verdict={"evidence": text})
    assert documents.seal(documents.dump(seal), root=Path()) == seal
    owner = Owner(name=text, profile=text, link=text)
    assert documents.owner(documents.dump(owner)) == owner


def test_what_an_older_release_wrote_with_bytes_that_are_no_text_is_read() -> None:
    content = b'{"name": "train", "profile": "/home/\xe9/\xc3\xa4.toml", "link": ""}'
    assert documents.owner(content) == Owner(name="train", profile="/home/\udce9/ä.toml", link="")


def test_what_another_release_wrote_besides_is_left_out_and_what_it_did_not_has_its_default() -> None:
    table = {**asdict(SEAL), "later": 1}
    del table["why"]
    assert documents.seal(json.dumps(table).encode(), root=Path()).why == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [("level", 1), ("bytes", "1"), ("bytes", True), ("verdict", []), ("target", None), ("target", {"package": "x"})],
)
def test_a_value_of_another_type_is_no_seal(key: str, value: object) -> None:
    with pytest.raises(ValueError, match="is"):
        documents.seal(json.dumps({**asdict(SEAL), key: value}).encode(), root=Path())


@pytest.mark.parametrize("text", ["a" * 5000, "a" * 256, "/".join(["a" * 99] * 99), "\0", "\ud800"])
@pytest.mark.parametrize("key", ["name", "profile", "link", "former"])
def test_an_owner_that_names_what_cannot_exist_is_unknown(tmp_path: Path, key: str, text: str) -> None:
    named = {"name": "train", "profile": "/train.toml", "link": "/.venv", "former": ["/venv"]}
    assert documents.read_owner(_written(tmp_path, named)) is not None
    odd = f"/{text}" if key != "name" else text
    assert documents.found_owner(_written(tmp_path, {**named, key: [odd] if key == "former" else odd})) == Owner(
        name=tmp_path.name, profile=""
    )


@often(40)
@given(text=st.text(max_size=300) | st.text("a/", min_size=250, max_size=300))
def test_whatever_an_owner_names_can_be_looked_at(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = _written(tmp_path_factory.getbasetemp(), {"name": text, "profile": text, "link": text})
    owner = documents.read_owner(root)
    for path in (f"{owner.name}.toml", owner.profile, owner.link) if owner else ():
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            (root / path).lstat()


def _written(root: Path, owner: dict[str, object]) -> Path:
    (root / documents.OWNER).write_text(json.dumps(owner), encoding="utf-8")
    return root


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"name": "x"}', b'{"name": "x", "profile": "y", "former": [1]}']
)
def test_a_file_that_is_none_of_ours_is_no_owner(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a table|missing|is not of type|Expecting"):
        documents.owner(content)


@pytest.mark.parametrize("kind", ["venv", "conda"])
def test_the_kind_of_a_seal_that_does_not_say_it_is_seen_on_disk(tmp_path: Path, kind: str) -> None:
    table = asdict(SEAL)
    del table["kind"]
    if kind == "conda":
        (tmp_path / "conda-meta").mkdir()
    assert documents.seal(json.dumps(table).encode(), root=tmp_path).kind == kind
