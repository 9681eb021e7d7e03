from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints import here
from hosts import M2, RX7900, Host, nvidia
from tfprov.host import facts
from tfprov.host.fingerprint import Reading, changes, file_digest, of_facts, read
from tfprov.host.records import Card, Fingerprint, Libc, MigSlice, Problem

CARDS = (Card(id="GPU-a", name="A100", capability="8.0"), Card(id="GPU-b", name="A100", capability="8.0"))
PROVED = Fingerprint(
    taken_at="2026-01-01T00:00:00+00:00",
    vector_units=("avx", "avx2", "fma"),
    libc="glibc 2.36",
    python_bytes=1000,
    python_time=1_700_000_000,
    python_hash="h",
    has_gpus=True,
    driver="550.144.03",
    cards=CARDS,
)


def now(
    *, problem: Problem | None = None, container: str | None = None, python: str = "/gone", **changed: object
) -> Reading:
    fingerprint = replace(PROVED, taken_at="2026-02-02T00:00:00+00:00", python_hash="", required=0, **changed)  # type: ignore[arg-type]  # test data by name
    return Reading(fingerprint=fingerprint, python=python, problem=problem, container=container)


def hidden(*ids: str) -> tuple[Card, ...]:
    return tuple(replace(card, visible=card.id not in ids) for card in CARDS)


def test_the_same_machine_at_another_time_is_the_same() -> None:
    assert changes((PROVED,), now()) == ()


@pytest.mark.parametrize(
    ("proved", "reading", "code", "words"),
    [
        (PROVED, now(driver="560.35.03"), "gpu-driver-changed", "driver: 550.144.03 then, 560.35.03 now"),
        (PROVED, now(cards=CARDS[:1]), "gpu-changed", "GPUs: A100 (GPU-b) then, gone now"),
        (
            PROVED,
            now(cards=(*CARDS, Card(id="GPU-c", name="H100"))),
            "gpu-changed",
            "GPUs: not there then, H100 (GPU-c) now",
        ),
        (
            PROVED,
            now(cards=(CARDS[0], Card(id="GPU-c", name="H100"))),
            "gpu-changed",
            "GPUs: A100 (GPU-b) then, H100 (GPU-c) now",
        ),
        (
            replace(PROVED, cards=(Card(id="MIG-1", name="A100 1g.10gb"),)),
            now(cards=(Card(id="MIG-2", name="A100 2g.20gb"),)),
            "gpu-changed",
            "GPUs: A100 1g.10gb (MIG-1) then, A100 2g.20gb (MIG-2) now",
        ),
        (
            replace(PROVED, cards=hidden("GPU-b")),
            now(),
            "gpu-changed",
            "GPUs: A100 (GPU-b) hidden or not usable then, to be used now",
        ),
        (
            PROVED,
            now(cards=hidden("GPU-a", "GPU-b")),
            "gpu-no-device",
            "GPUs: A100 (GPU-a), A100 (GPU-b) with driver 550.144.03 then, none of them to be used now",
        ),
        (
            replace(PROVED, required=2),
            now(cards=hidden("GPU-a")),
            "gpu-no-device",
            "GPUs: A100 (GPU-a), A100 (GPU-b) with driver 550.144.03 then, 1 of them to be used now",
        ),
        (
            PROVED,
            now(problem=Problem(code="gpu-driver-mismatch", why="lost it"), cards=(), driver=""),
            "gpu-driver-mismatch",
            "GPUs: A100 (GPU-a), A100 (GPU-b) with driver 550.144.03 then, lost it now",
        ),
        (
            PROVED,
            now(cards=(), driver="", container="podman"),
            "docker-no-gpu",
            "GPUs: A100 (GPU-a), A100 (GPU-b) with driver 550.144.03 then, none in this podman container now",
        ),
        (
            PROVED,
            now(cards=(), driver=""),
            "gpu-no-driver",
            "GPUs: A100 (GPU-a), A100 (GPU-b) with driver 550.144.03 then, none, and no driver now",
        ),
        (
            PROVED,
            now(vector_units=()),
            "cpu-no-avx",
            "processor: with avx, avx2, fma then, without avx, avx2, fma now",
        ),
        (
            PROVED,
            now(vector_units=("avx", "avx2", "avx512f", "fma")),
            "verdict-stale",
            "processor: without avx512f then, with avx512f now",
        ),
        (
            PROVED,
            now(vector_units=("avx", "fma", "sse4a")),
            "verdict-stale",
            "processor: with avx2 then, with sse4a now",
        ),
        (PROVED, now(libc="glibc 2.31"), "verdict-stale", "C library: glibc 2.36 then, glibc 2.31 now"),
        (
            PROVED,
            now(python_bytes=1001),
            "verdict-stale",
            "interpreter: 1000 bytes of 2023-11-14 22:13:20 UTC then, 1001 bytes of 2023-11-14 22:13:20 UTC now",
        ),
        (
            PROVED,
            now(python_bytes=0, python_time=0),
            "verdict-stale",
            "interpreter: 1000 bytes of 2023-11-14 22:13:20 UTC then, gone now",
        ),
    ],
)
def test_what_changed_is_named_with_its_code(proved: Fingerprint, reading: Reading, code: str, words: str) -> None:
    (change,) = changes((proved,), reading)
    assert (change.code, str(change)) == (code, words)


def test_several_changes_are_all_named() -> None:
    found = changes((PROVED,), now(driver="560.1", libc="glibc 2.31", vector_units=("avx",)))
    assert [change.what for change in found] == ["driver", "processor", "C library"]


def test_a_processor_that_the_system_does_not_show_is_not_called_one_without_avx() -> None:
    """As in a chroot without `/proc`."""
    (change,) = changes((PROVED,), replace(now(vector_units=()), shows_processor=False))
    assert (change.code, str(change)) == (
        "verdict-stale",
        "processor: with avx, avx2, fma then, not shown by the system now",
    )
    unknown = replace(PROVED, vector_units=())
    assert changes((PROVED, unknown), replace(now(vector_units=()), shows_processor=False)) == ()


@pytest.mark.parametrize("flags", [(), ("avx",)])
def test_a_machine_is_asked_whether_it_shows_its_processor(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    monkeypatch.setattr("tfprov.host.processor.flags", lambda _: SimpleNamespace(value=flags))
    assert read(os.environ, python=sys.executable, has_gpus=False).shows_processor is bool(flags)


def test_an_older_seal_counts_as_another_machine() -> None:
    (change,) = changes((), now())
    assert change.code == "verdict-stale"
    assert str(change) == "machine: not written down by the older tfprov that proved it"


def test_what_was_proved_on_cpus_does_not_ask_for_gpus() -> None:
    proved = replace(PROVED, has_gpus=False, driver="", cards=())
    assert changes((proved,), now(driver="560.1", cards=CARDS[:1])) == ()


def test_hiding_some_of_the_gpus_hides_nothing_of_the_proof() -> None:
    assert changes((PROVED,), now(cards=hidden("GPU-b"))) == ()


def test_each_machine_that_it_was_proved_on_counts_and_else_the_nearest_is_compared() -> None:
    other = replace(PROVED, driver="470.1", libc="glibc 2.31", cards=(Card(id="GPU-z"),))
    assert changes((PROVED, other), now()) == ()
    assert changes((other, PROVED), now()) == ()
    (change,) = changes((PROVED, other), now(driver="560.1"))
    assert change.what == "driver"
    (change,) = changes((PROVED, replace(PROVED, cards=CARDS[:1])), now(cards=hidden("GPU-a", "GPU-b")))
    assert change.code == "gpu-no-device"


@given(st.lists(st.sampled_from(["driver", "libc", "vector_units", "cards", "python_bytes"]), min_size=1, unique=True))
def test_each_part_counts_by_itself_and_with_any_others(parts: list[str]) -> None:
    others: dict[str, object] = {
        "driver": "1.2",
        "libc": "musl 1.2",
        "vector_units": ("avx",),
        "cards": CARDS[1:],
        "python_bytes": 5,
    }
    assert len(changes((PROVED,), now(**{part: others[part] for part in parts}))) == len(parts)


def test_an_interpreter_that_was_only_copied_is_the_same(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_bytes(b"x" * 1000)
    proved = replace(PROVED, python_hash=file_digest(str(python)))
    os.utime(python, (1, 1))
    reading = now(python=str(python), python_time=1)
    assert changes((proved,), reading) == ()
    python.write_bytes(b"y" * 1000)
    (change,) = changes((proved,), reading)
    assert change.what == "interpreter"


def test_this_machine_is_the_same_by_its_facts_and_when_it_is_read_again() -> None:
    python = os.path.realpath(sys.executable)
    proved = of_facts(facts.gather({"PATH": ""}), python=python, vendor=None, required=0)
    assert changes((proved,), read({"PATH": ""}, python=python, has_gpus=False)) == ()
    assert proved == replace(here(python), taken_at=proved.taken_at)


def test_an_interpreter_that_is_replaced_in_its_place_is_seen(tmp_path: Path) -> None:
    python = tmp_path / "python"
    shutil.copy2(os.path.realpath(sys.executable), python)
    proved = here(str(python))
    assert changes((proved,), read(os.environ, python=str(python), has_gpus=False)) == ()
    with python.open("ab") as stream:
        stream.write(b"patched")
    (change,) = changes((proved,), read(os.environ, python=str(python), has_gpus=False))
    assert change.what == "interpreter"


def test_an_interpreter_that_is_part_of_the_environment_is_not_looked_at() -> None:
    proved = here("conda")
    assert (proved.python_bytes, proved.python_hash) == (0, "")
    assert changes((proved,), read(os.environ, python="conda", has_gpus=False)) == ()


def test_the_devices_of_a_gpu_in_mig_mode_count_and_not_the_gpu() -> None:
    slices = (MigSlice(uuid="MIG-1", name="1g.10gb"), MigSlice(uuid="MIG-2", name="1g.10gb"))
    machine = Host(gpus=(nvidia("8.0", name="A100", mig=True, slices=slices),), driver="550.1")
    found = of_facts(machine.facts, python="", vendor="nvidia", required=0)
    assert [str(card) for card in found.cards] == ["A100 1g.10gb (MIG-1)", "A100 1g.10gb (MIG-2)"]


def test_a_gpu_that_cannot_be_used_is_there_and_not_to_be_used() -> None:
    gpus = (nvidia("8.0", usable=False), nvidia("8.0", uuid=None, pci="0000:1b:00.0", compute_mode="prohibited"))
    found = of_facts(Host(gpus=gpus, driver="550.1").facts, python="", vendor="nvidia", required=0)
    assert [(card.id, card.visible) for card in found.cards] == [("GPU-0", False), ("0000:1b:00.0", False)]


AMD = Card(id="0000:03:00.0", name="Instinct MI300X (gfx942)", vendor="amd")
APPLE = Card(id="Apple M2", name="Apple M2", vendor="apple")


@pytest.mark.parametrize(
    ("proved", "cards", "told"),
    [
        ((AMD,), (AMD,), []),
        # Those of others are not what the environment is for, nor is their driver.
        ((AMD,), (*CARDS, AMD), []),
        (CARDS, (*CARDS, AMD), []),
        ((APPLE,), (APPLE,), []),
        ((AMD,), (), [("gpu-no-device", "GPUs: Instinct MI300X (gfx942) (0000:03:00.0) then, none now")]),
        (
            (AMD,),
            (replace(AMD, name="Radeon RX 7900 XTX (gfx1100)"),),
            [
                (
                    "gpu-changed",
                    "GPUs: Instinct MI300X (gfx942) (0000:03:00.0) then, "
                    "Radeon RX 7900 XTX (gfx1100) (0000:03:00.0) now",
                )
            ],
        ),
        (
            (APPLE,),
            (replace(APPLE, id="Apple M4", name="Apple M4"),),
            [("gpu-changed", "GPUs: Apple M2 then, Apple M4 now")],
        ),
    ],
)
def test_gpus_of_every_vendor_count_for_what_was_proved_on_them(
    proved: tuple[Card, ...], cards: tuple[Card, ...], told: list[tuple[str, str]]
) -> None:
    driver = PROVED.driver if proved == CARDS else ""
    proof = replace(PROVED, cards=proved, driver=driver)
    here_ = now(cards=cards, driver=PROVED.driver if set(CARDS) & set(cards) else "")
    assert [(change.code, str(change)) for change in changes((proof,), here_)] == told


def test_a_proof_holds_the_gpus_of_the_vendor_that_it_is_for() -> None:
    machine = Host(gpus=(nvidia("8.0"), RX7900, M2), driver="550.1").facts
    found = {vendor: of_facts(machine, python="", vendor=vendor, required=0) for vendor in ("nvidia", "amd", "apple")}
    assert {vendor: [card.vendor for card in each.cards] for vendor, each in found.items()} == {
        vendor: [vendor] for vendor in found
    }
    assert {vendor: each.driver for vendor, each in found.items()} == {"nvidia": "550.1", "amd": "", "apple": ""}
    assert [card.id for card in found["apple"].cards] == ["Apple M2"]


def test_a_machine_without_a_known_c_library_has_none() -> None:
    assert of_facts(Host(libc=None).facts, python="", vendor=None, required=0).libc == ""
    musl = Host(libc=Libc(kind="musl", version="1.2.4"))
    assert of_facts(musl.facts, python="", vendor=None, required=0).libc == "musl 1.2.4"
