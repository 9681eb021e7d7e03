from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Mapping

import pytest

from loopback import Faults, Index, wheel
from tfprov.errors import TfprovError
from tfprov.fetch.bounded import response_to
from tfprov.fetch.routes import DIRECT
from tfprov.fetch.sources import Network
from tfprov.fetch.wheel_metadata import WheelMetadata, _crowded, metadata_in, read_metadata

NAME = "thing-1.0-py3-none-any.whl"


def read(index: Index, conditions: Mapping[str, str] | None = None) -> WheelMetadata:
    url = index.url(NAME)
    with Network(index_url=None).client(DIRECT) as client:
        return read_metadata(
            url,
            lambda headers: response_to(client, url, headers=headers),
            conditions=conditions or {},
            receive=lambda chunks: io.BytesIO(b"".join(chunks)),
        )


def crowded(members: int, *, first: bool) -> bytes:
    """A wheel with many members, its METADATA before or behind all others."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        names = [f"thing/module_with_a_long_name_{number}.py" for number in range(members)]
        for name in ["thing-1.0.dist-info/METADATA", *names] if first else [*names, "thing-1.0.dist-info/METADATA"]:
            archive.writestr(name, f"Name: thing\n{'x' * 500 if name in names else ''}")
    return content.getvalue()


WHEELS = {
    "small": (wheel("thing", "1.0"), 1),
    "big": (wheel("thing", "1.0", size=900_000, members=3), 1),
    "crowded, metadata last": (crowded(2000, first=False), 3),
    "crowded, metadata first": (crowded(2000, first=True), 3),
}


def test_of_a_crowded_wheel_the_same_is_read_as_by_zipfile() -> None:
    for first in (True, False):
        content = crowded(3000, first=first)
        made = _crowded(io.BytesIO(content))
        assert made is not None
        with zipfile.ZipFile(io.BytesIO(content)) as whole, zipfile.ZipFile(made) as alone:
            assert alone.namelist() == ["thing-1.0.dist-info/METADATA"]
            assert alone.read(alone.namelist()[0]) == whole.read(alone.namelist()[0])
        # Damage is left for zipfile to name.
        for cut in (10, 200, 5000):
            assert metadata_or_error(content[:-cut]) == "hash-mismatch"
    assert _crowded(io.BytesIO(WHEELS["big"][0])) is None


def test_a_crowded_wheel_with_two_files_of_metadata_is_refused() -> None:
    content = io.BytesIO(crowded(100, first=True))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("other-1.0.dist-info/METADATA", "Name: other\n")
    assert metadata_or_error(content.getvalue()) == "hash-mismatch"


def metadata_or_error(content: bytes) -> str:
    try:
        return metadata_in(io.BytesIO(content), "https://index.example/thing-1.0-py3-none-any.whl").decode()
    except TfprovError as error:
        return error.code.name


@pytest.mark.parametrize("name", WHEELS)
def test_metadata_come_in_a_few_ranges(name: str) -> None:
    content, most = WHEELS[name]
    with Index({NAME: content}) as index:
        assert b"Name: thing" in read(index).content
        assert len(index.seen) <= most
        assert index.sent < max(400_000, 60_000)


@pytest.mark.parametrize("faults", [Faults(ignore_ranges=True), Faults(ignore_ranges=True, chunked=True)])
@pytest.mark.parametrize("name", WHEELS)
def test_a_server_without_ranges_sends_the_whole(name: str, faults: Faults) -> None:
    with Index({NAME: WHEELS[name][0]}, faults) as index:
        assert b"Name: thing" in read(index).content


def none(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a", content)
    return made.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"x" * 100, none(b"a"), WHEELS["big"][0][:-300], b"PK\x05\x06" + b"\xff" * 18]
)
def test_what_is_no_wheel_is_named(content: bytes) -> None:
    with Index({NAME: content}) as index, pytest.raises(TfprovError) as caught:
        read(index)
    assert caught.value.code.name in ("hash-mismatch", "mirror-http-error")
    with contextlib.suppress(AttributeError):
        assert NAME in caught.value.what
