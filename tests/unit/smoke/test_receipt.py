from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.smoke.receipt import Difference, Receipt, compare, make, read, write
from tfprov.smoke.records import Device, Leg, Verdict
from told import refusal

NOW = datetime(2031, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
IMPORT = Leg(leg="import", ok=True, seconds=2.5, evidence="from https://me:hunter2@host.example/")
MATMUL = Leg(leg="matmul", ok=True, seconds=0.1)
VERDICT = Verdict(
    level="quick",
    devices=(
        Device(name="environment", kind="environment", legs=(IMPORT,)),
        Device(name="GPU:0", kind="gpu", legs=(MATMUL,), description="Sham 0"),
    ),
    tensorflow="2.21.0",
    python="3.12.1",
    packages=(("numpy", "2.1.0"),),
)


def receipt(verdict: Verdict = VERDICT, lock: str | None = "a" * 64) -> Receipt:
    return make(verdict, now=NOW, version="0.1", lock=lock, machine={"driver": "550.1"})


def with_leg(leg: Leg) -> Verdict:
    return replace(VERDICT, devices=(VERDICT.devices[0], replace(VERDICT.devices[1], legs=(leg,))))


def test_a_receipt_comes_back_as_it_was_written(tmp_path: Path) -> None:
    made = receipt()
    write(tmp_path / "receipt.json", made)
    again = read(tmp_path / "receipt.json")
    assert (again.made, again.lock, again.machine) == ("2031-02-03T04:05:06+00:00", "a" * 64, {"driver": "550.1"})
    assert again.facts == made.facts
    assert compare(made, again) == ()


def test_a_receipt_keeps_no_secret(tmp_path: Path) -> None:
    write(tmp_path / "receipt.json", receipt())
    assert "hunter2" not in (tmp_path / "receipt.json").read_text()


def test_the_moment_is_no_difference() -> None:
    assert compare(receipt(), replace(receipt(), made="later", tfprov="0.2")) == ()


def test_another_machine_is_told_last_and_is_not_worse() -> None:
    elsewhere = replace(receipt(replace(VERDICT, python="3.12.4")), machine={"driver": "535.2"})
    assert compare(receipt(), elsewhere) == (
        Difference(what="python", was="3.12.1", now="3.12.4"),
        Difference(what="machine: driver", was="550.1", now="535.2"),
    )
    assert receipt().facts != elsewhere.facts


def test_a_leg_that_fails_now_is_worse_and_comes_first() -> None:
    now = replace(with_leg(replace(MATMUL, ok=False, code="wrong-number")), packages=(("numpy", "2.2.0"),))
    assert compare(receipt(), receipt(now)) == (
        Difference(what="GPU:0 matmul", was="ok", now="wrong-number", worse=True),
        Difference(what="numpy", was="2.1.0", now="2.2.0"),
    )


def test_a_leg_that_is_mended_is_a_difference_and_not_worse() -> None:
    broken = with_leg(replace(MATMUL, ok=False, code="wrong-number"))
    assert compare(receipt(broken), receipt()) == (Difference(what="GPU:0 matmul", was="wrong-number", now="ok"),)


def test_a_device_that_is_gone_is_worse_even_at_another_level() -> None:
    fewer = replace(VERDICT, level="standard", devices=VERDICT.devices[:1])
    found = compare(receipt(), receipt(fewer))
    assert Difference(what="GPU:0 matmul", was="ok", now="", worse=True) in found
    assert Difference(what="level", was="quick", now="standard") in found


def test_legs_of_another_level_are_no_difference() -> None:
    more = replace(
        VERDICT,
        level="standard",
        devices=(replace(VERDICT.devices[0], legs=(IMPORT, replace(MATMUL, leg="hashes"))), VERDICT.devices[1]),
    )
    assert [one.what for one in compare(receipt(), receipt(more))] == ["level"]


def test_only_a_leg_that_takes_much_longer_is_called_slower() -> None:
    assert compare(receipt(), receipt(with_leg(replace(MATMUL, seconds=1.9)))) == ()
    (slower,) = compare(receipt(), receipt(with_leg(replace(MATMUL, seconds=2.1))))
    assert (slower.what, slower.was, slower.now, slower.worse) == ("GPU:0 matmul time", "0.1 s", "2.1 s", False)


def test_a_cure_that_is_needed_here_and_not_there_is_a_difference() -> None:
    (found,) = compare(receipt(), receipt(replace(VERDICT, cures=("numpy-abi: bound",))))
    assert (found.what, found.was, found.now, found.worse) == ("cures", "", "numpy-abi: bound", False)


def test_another_lock_is_a_difference() -> None:
    (difference,) = compare(receipt(), receipt(lock="b" * 64))
    assert (difference.what, difference.now) == ("lock", "b" * 12)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", json.dumps({"receipt": 2}), json.dumps({"receipt": 1, "verdict": 3})]
)
def test_a_file_that_is_no_receipt_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    code, what, *_, hint = refusal(lambda: read(path))
    assert (code, hint) == ("usage", "name a file that `tfprov smoke --receipt FILE` wrote")
    assert what == f"`{path}` {'is not a receipt of format 1' if content else 'cannot be read as a receipt'}"


def test_a_missing_receipt_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as caught:
        read(tmp_path / "none.json")
    assert caught.value.exit_code == 2
