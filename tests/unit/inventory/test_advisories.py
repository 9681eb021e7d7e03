from __future__ import annotations

import contextlib
import io
import json
import os
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from tfprov.errors import TfprovError
from tfprov.inventory import advisories
from tfprov.inventory.advisories import Audit, audit

INSTALLED = {"tensorflow-cpu": "2.20.0", "ml-dtypes": "0.5.1", "numpy": "2.1.0"}


def advisory(
    id_: str = "PYSEC-1", *, package: str = "numpy", events: list[dict[str, str]] | None = None, **more: Any
) -> Any:
    affected: dict[str, Any] = {"package": {"ecosystem": more.pop("ecosystem", "PyPI"), "name": package}}
    if events is not None:
        affected["ranges"] = [{"type": more.pop("type", "ECOSYSTEM"), "events": events}]
    if "versions" in more:
        affected["versions"] = more.pop("versions")
    return {"id": id_, "modified": "2026-05-01T00:00:00Z", "affected": [affected], **more}


def compared(
    tmp_path: Path, *entries: Any, installed: dict[str, str] | None = None, accepted: tuple[str, ...] = ()
) -> Audit:
    path = tmp_path / "advisories.json"
    path.write_text(json.dumps(list(entries)))
    return audit(installed or INSTALLED, [path], accepted=accepted)


def ids(found: Audit) -> list[str]:
    return [one.id for one in found.found]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([{"introduced": "0"}], True),
        ([{"introduced": "0"}, {"fixed": "2.1.0"}], False),
        ([{"introduced": "0"}, {"fixed": "2.1.1"}], True),
        ([{"introduced": "2.1.0"}, {"fixed": "2.2"}], True),
        ([{"introduced": "2.1.1"}], False),
        ([{"introduced": "0"}, {"last_affected": "2.1.0"}], True),
        ([{"introduced": "0"}, {"last_affected": "2.0.9"}], False),
        ([{"fixed": "1.5"}, {"introduced": "2.0"}, {"introduced": "0"}, {"fixed": "2.5"}], True),
        ([{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "3"}], False),
        ([{"introduced": "0"}, {"limit": "2.0"}], False),
        ([{"introduced": "0"}, {"limit": "*"}], True),
        ([{"introduced": "0"}, {"limit": "2.0"}, {"limit": "3.0"}], True),
        ([{"introduced": "0"}, {"limit": "1.0"}, {"limit": "2.0"}], False),
        ([{"introduced": "0"}, {"limit": "2.0"}, {"limit": "*"}], True),
        # As versions of Python packages are ordered, which text is not.
        ([{"introduced": "0"}, {"fixed": "2.1.0rc1"}], False),
        ([{"introduced": "0"}, {"fixed": "2.10"}], True),
    ],
)
def test_ranges_are_read_as_the_format_says(tmp_path: Path, events: list[dict[str, str]], expected: bool) -> None:
    assert ids(compared(tmp_path, advisory(events=events))) == (["PYSEC-1"] if expected else [])


@given(
    introduced=st.tuples(*[st.integers(0, 3)] * 2),
    length=st.tuples(*[st.integers(0, 3)] * 2),
    here=st.tuples(*[st.integers(0, 6)] * 2),
)
def test_a_range_holds_what_lies_between_its_events(
    tmp_path_factory: pytest.TempPathFactory,
    introduced: tuple[int, int],
    length: tuple[int, int],
    here: tuple[int, int],
) -> None:
    begin = Version(".".join(map(str, introduced)))
    end = Version(f"{introduced[0] + length[0]}.{introduced[1] + length[1]}")
    events = [{"fixed": str(end)}, {"introduced": str(begin)}]
    version = Version(".".join(map(str, here)))
    path = tmp_path_factory.getbasetemp() / "range.json"
    path.write_text(json.dumps(advisory(events=events)))
    found = audit({"numpy": str(version)}, [path])
    assert bool(found.found) == (begin <= version < end)


def test_versions_and_names_are_compared_as_versions_and_names(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        advisory("A", package="ml_dtypes", versions=["0.5.1.0"]),
        advisory("B", package="TensorFlow.CPU", versions=["v2.20"]),
        advisory("C", ecosystem="npm", versions=["2.1.0"]),
        advisory("D", package="numpy", type="GIT", events=[{"introduced": "0"}]),
        advisory("E", package="numpy", versions=["2.1.1"]),
    )
    assert ids(found) == ["A", "B"]


def test_a_local_build_is_its_release(tmp_path: Path) -> None:
    entry = advisory(events=[{"introduced": "0"}, {"last_affected": "2.1.0"}])
    assert ids(compared(tmp_path, entry, installed={"numpy": "2.1.0+site"})) == ["PYSEC-1"]


def test_withdrawn_ones_say_nothing_and_aliases_are_one(tmp_path: Path) -> None:
    events = [{"introduced": "0"}, {"fixed": "2.1.5"}]
    found = compared(
        tmp_path,
        advisory("GHSA-x", events=[{"introduced": "0"}, {"fixed": "2.2"}], aliases=["CVE-1"], summary="first\nmore"),
        advisory("PYSEC-9", events=events, aliases=["CVE-1"], database_specific={"severity": "HIGH"}),
        advisory("PYSEC-8", events=events, withdrawn="2026-01-01T00:00:00Z"),
    )
    (one,) = found.found
    assert (one.id, one.aliases, one.fixed) == ("GHSA-x", ("CVE-1", "PYSEC-9"), ("2.1.5", "2.2"))
    assert (one.summary, one.severity) == ("first", "high")
    assert (found.advisories, found.newest, found.packages) == (3, "2026-05-01T00:00:00Z", 3)


def test_what_is_accepted_is_named_by_any_of_its_names(tmp_path: Path) -> None:
    entry = advisory("GHSA-x", events=[{"introduced": "0"}], aliases=["CVE-1"])
    found = compared(tmp_path, entry, accepted=("CVE-1", "CVE-2"))
    assert (ids(found), [one.id for one in found.accepted], found.unused) == ([], ["GHSA-x"], ("CVE-2",))


def test_an_archive_and_a_folder_are_read_like_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "an export"
    (folder / "PyPI").mkdir(parents=True)
    (folder / "PyPI/A.json").write_text(json.dumps(advisory("A", events=[{"introduced": "0"}])))
    (folder / "README.md").write_text("not an advisory")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("B.json", json.dumps(advisory("B", events=[{"introduced": "0"}])))
    assert ids(audit(INSTALLED, [folder, tmp_path / "all.zip"])) == ["A", "B"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "it is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"[1]", "it lacks `id` or `modified`, which every OSV advisory has"),
        (b'{"id": "A"}', "it lacks `id` or `modified`, which every OSV advisory has"),
        (b'{"id": "A", "modified": "x", "affected": {}}', "its `affected` is not a list of packages"),
        (
            json.dumps(advisory(events=[{"introduced": "one"}])).encode(),
            "`one` is not a valid version",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_said(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "good.json").write_text(json.dumps(advisory(events=[{"introduced": "0"}])))
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(TfprovError) as raised:
        audit(INSTALLED, [tmp_path])
    assert raised.value.code.name == "advisory-invalid"
    assert raised.value.what == ("1 of the files cannot be read as advisories, so the environment cannot be checked")
    assert raised.value.evidence == (f"`{tmp_path / 'bad.json'}`: {why}",)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere there are no such files")
def test_advisories_from_a_pipe_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "all.zip")
    with pytest.raises(TfprovError, match="cannot be read"):
        audit(INSTALLED, [tmp_path / "all.zip"])


def test_an_archive_with_any_byte_wrong_is_read_or_said(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as writing:
        writing.writestr("a.json", json.dumps(advisory(events=[{"introduced": "0"}])))
    good = made.getvalue()
    for at in range(0, len(good), 3):
        (tmp_path / "all.zip").write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        with contextlib.suppress(TfprovError):
            audit(INSTALLED, [tmp_path / "all.zip"])


def test_an_advisory_without_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisories, "_LARGEST", 1 << 20)
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as writing:
        writing.writestr("a.json", bytes(64 << 20))
    with (tmp_path / "a.json").open("wb") as stream:
        stream.truncate(64 << 20)
    for place in ("all.zip", "a.json"):
        tracemalloc.start()
        try:
            with pytest.raises(TfprovError) as caught:
                audit(INSTALLED, [tmp_path / place])
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
        assert caught.value.evidence[0].endswith("it has more than 1 MiB")


def test_a_place_without_advisories_is_said(tmp_path: Path) -> None:
    for place, what in (
        (tmp_path, f"`{tmp_path}` has no advisories"),
        (tmp_path / "no", f"`{tmp_path / 'no'}` cannot be read"),
    ):
        with pytest.raises(TfprovError) as raised:
            audit(INSTALLED, [place])
        assert (raised.value.code.name, raised.value.what) == ("usage", what)
    (tmp_path / "cut.zip").write_bytes(b"PK\x05\x06" + b"\0" * 17)
    with pytest.raises(TfprovError) as raised:
        audit(INSTALLED, [tmp_path / "cut.zip"])
    assert raised.value.code.name == "advisory-invalid"


def test_a_version_that_is_not_one_of_python_is_compared_as_it_is_written(tmp_path: Path) -> None:
    entry = advisory("X-1", package="old", versions=["1.0-custom", "2.0-custom"])
    assert ids(compared(tmp_path, entry, installed={"old": "2.0-custom"})) == ["X-1"]
    assert ids(compared(tmp_path, entry, installed={"old": "3.0-custom"})) == []
