from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcomes import ENVIRONMENT, GENERATION
from tfprov.fetch.index import parse_json
from tfprov.host.fingerprint import Reading, changes
from tfprov.host.records import Fingerprint
from tfprov.lock.renew import released_in
from tfprov.pipeline.status import Status
from tfprov.report.status import prometheus
from tfprov.times import is_moment, moment, shown

ODD = ["garbage", "2026-02-31", "24", "", "9" * 5000, "2026-01-01T25:00:00Z", "\N{SNOWMAN}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01", "2026-01-02T00:00:00+00:00"),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00+00:00"),
        ("2026-01-01 12:00", "2026-01-01T12:00:00+00:00"),
        ("2026-01-01T12:00:00+02:00", "2026-01-01T12:00:00+02:00"),
    ],
)
def test_moments_are_read_as_uv_reads_them(text: str, expected: str) -> None:
    assert moment(text).isoformat() == expected


@pytest.mark.parametrize("text", ["9999-12-31", "9999-12-31T23:59:59Z", "0001-01-01"])
def test_the_first_and_the_last_day_are_moments(text: str) -> None:
    assert moment(text).tzinfo is not None


@pytest.mark.parametrize("text", ODD)
def test_a_page_and_a_seal_with_an_odd_time_count_as_without_one(text: str) -> None:
    assert not is_moment(text)
    page = {"files": [{"filename": "a.whl", "url": "a.whl", "upload-time": text}]}
    (link,) = parse_json(json.dumps(page).encode(), "https://index.example/simple/a/")
    assert link.uploaded is None
    one = Status(
        environment=ENVIRONMENT,
        generation=GENERATION,
        state="verified",
        code=None,
        reasons=(),
        next_step="",
        verified_at=text,
        lock=Path("/srv/pylock.train.toml"),
    )
    now = datetime(2026, 3, 1, tzinfo=timezone.utc)
    assert b"verified_timestamp_seconds{" not in prometheus((one,), now=now)


def test_times_in_a_lock_may_lack_their_zone() -> None:
    wheels = "".join(f"{{ upload-time = {at} }}, " for at in ("2026-01-01T00:00:00Z", "2025-01-01T00:00:00"))
    lock = f'[[packages]]\nname = "a"\nversion = "1"\nwheels = [{wheels}]\n'
    assert released_in(lock)["a"].at == datetime(2025, 1, 1, tzinfo=timezone.utc)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63))
def test_every_time_of_a_file_can_be_shown(seconds: float) -> None:
    assert shown(seconds)
    proof = Fingerprint(python_bytes=1, python_time=int(seconds))
    changes((proof,), Reading(fingerprint=replace(proof, python_bytes=2), python="/gone"))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1970-01-01 00:00:00 UTC"),
        (-1, "1969-12-31 23:59:59 UTC"),
        (2**34, "2514-05-30 01:53:04 UTC"),
        (2**50, "1125899906842624 s after 1970"),
    ],
)
def test_a_time_is_a_date_as_far_as_there_are_dates(seconds: float, words: str) -> None:
    assert shown(seconds) == words
