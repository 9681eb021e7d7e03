from __future__ import annotations

import pytest

from hosts import MAC_ARM, Host
from tfprov.conda.records import Virtual
from tfprov.conda.virtual import about_cuda, of_facts


def names(machine: str = "x86_64", flags: tuple[str, ...] = ("avx2",)) -> dict[str, str]:
    facts = Host(machine=machine, flags=flags).facts
    return {each.name: f"{each.version}={each.build}" for each in of_facts(facts)}


def test_without_cuda_it_is_taken_away_even_where_there_is_a_driver() -> None:
    assert [(each.name, each.version) for each in about_cuda("cpu", "12.8")] == [("__cuda", ""), ("__cuda_arch", "")]


def test_with_cuda_the_solver_is_told_what_the_driver_serves() -> None:
    assert about_cuda("cuda", "12.4") == (Virtual(name="__cuda", version="12.4"),)


@pytest.mark.parametrize(
    ("flags", "level"),
    [(("sse4_2",), "x86_64_v2"), (("avx2",), "x86_64_v3"), (("avx2", "avx512vl"), "x86_64_v4"), ((), "x86_64")],
)
def test_the_processor_of_another_machine_is_told_by_its_level(flags: tuple[str, ...], level: str) -> None:
    assert names(flags=flags)["__archspec"] == f"1={level}"


def test_another_machine_has_its_own_glibc_and_no_cuda_of_itself() -> None:
    found = names()
    assert "__glibc" in found
    assert "__cuda" not in found
    assert names(machine="aarch64")["__archspec"] == "1=aarch64"


def test_a_mac_is_told_by_its_version() -> None:
    assert of_facts(MAC_ARM.facts) == (
        Virtual(name="__unix", version="0"),
        Virtual(name="__osx", version="14.5"),
        Virtual(name="__archspec", version="1", build="m1"),
    )
