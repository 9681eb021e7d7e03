"""What doctor says to do; what it finds is tried on real environments in tests/integration/test_doctor.py."""

import dataclasses

import pytest

import hosts
from tfprov.host.records import Hazard
from tfprov.pipeline import doctor
from tfprov.words import quoted


@pytest.mark.parametrize("name", ["train", "C:\\t\\s\\train.toml", "\\g<0>\\1", "a b.toml"])
def test_a_fix_names_the_profile_as_it_was_typed_whatever_stands_in_it(name: str) -> None:
    fix = "`tfprov repair`, else `tfprov up --recreate`"
    assert doctor._typed(fix, name) == f"`tfprov repair {quoted(name)}`, else `tfprov up {quoted(name)} --recreate`"
    assert doctor._typed(fix, "") == fix


def test_what_windows_lacks_is_a_finding_only_where_nothing_was_verified() -> None:
    lacking = Hazard(code="windows-dll-load", name="vcruntime140_threads.dll", value="C:/W/x.dll", why="it is linked")
    leaking = Hazard(code="path-leak", name="PYTHONPATH", value="/opt", why="")
    host = dataclasses.replace(hosts.WINDOWS, hazards=(lacking, leaking))
    assert [found.path for found in doctor._leaks(host.facts)] == ["PYTHONPATH"]
    (found,) = doctor._absent_libraries(host.facts)
    assert (found.path, found.found) == ("vcruntime140_threads.dll", "missing")
    assert "`msvc-runtime`" in found.fix
