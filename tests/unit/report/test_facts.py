"""What a machine is, on a screen."""

from __future__ import annotations

import pytest
from hypothesis import given

from hosts import MAC_ARM, WINDOWS, Host, nvidia, python
from machines import machines
from tfprov.report.facts import facts


def rows(host: Host) -> dict[str, list[str]]:
    """The texts of each row, by its label."""
    found: dict[str, list[str]] = {}
    for line in facts(host.facts).splitlines():
        if line.startswith("`") or not line:
            break
        label = line[:14].strip() or list(found)[-1]
        found.setdefault(label, []).append(line[14:])
    return found


def test_flags_are_summed_up_and_those_that_matter_are_named() -> None:
    flags = ("fpu", "sse2", "sse4_2", "avx", "avx2", *(f"other{number}" for number in range(90)))
    assert rows(Host(flags=flags))["processor"][0].endswith("with sse4_2 avx avx2 and 92 other flags")


def test_what_is_odd_about_a_python_is_said_and_nothing_of_the_others() -> None:
    host = Host(pythons=("3.13.0", python("3.12.1", externally_managed=True), python("3.13.1", free_threaded=True)))
    shown = rows(host)["pythons"]
    assert [line.partition(", ")[2] for line in shown] == ["", "belongs to the system", "free-threaded"]


def test_a_gpu_has_a_row_with_what_decides() -> None:
    gpu = nvidia("8.0", "A100", memory_total=40_000_000_000, visible=False, health=("a row remap is pending",))
    assert rows(Host(gpus=(gpu,)))["gpus"][0] == (
        "0: A100, capability 8.0, 40.00 GB, GPU-0, hidden by a variable or the container, a row remap is pending"
    )


@pytest.mark.parametrize("host", [MAC_ARM, WINDOWS], ids=["macos", "windows"])
def test_other_systems_have_the_same_rows(host: Host) -> None:
    assert list(rows(host)) == list(rows(Host()))


@given(machines())
def test_every_machine_fits_one_screen(host: Host) -> None:
    text = facts(host.facts)
    assert len(text.splitlines()) <= 20 + len(host.facts.gpus.value) + len(host.facts.interpreters.value)
    assert "None" not in text and "()" not in text
