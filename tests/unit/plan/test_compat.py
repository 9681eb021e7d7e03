from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from importlib.resources import files

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tfprov.plan.compat import KnownBad, read, table

TEXT = files("tfprov.plan").joinpath("data/compat.json").read_text("utf-8")


def cited(node: object) -> Iterator[str]:
    if dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            value = getattr(node, field.name)
            if field.name == "source" or field.name.endswith("_source"):
                yield value
            else:
                yield from cited(value)
    elif isinstance(node, tuple):
        for value in node:
            yield from cited(value)


def test_the_table_is_read_once() -> None:
    assert table() is table()


def test_releases_are_newest_first_and_complete() -> None:
    versions = [Version(row.version) for row in table().releases]
    assert versions == sorted(versions, reverse=True)
    assert {version.release[:2] for version in versions} == {(1, 15), *((2, minor) for minor in range(23))}


def test_every_row_cites_a_source_that_is_explained_and_none_is_idle() -> None:
    keys = list(cited(table()))
    assert len(keys) > 300
    assert set(keys) == set(table().sources)


def test_every_row_of_every_list_has_a_source() -> None:
    document = json.loads(TEXT)
    for name, rows in document.items():
        if isinstance(rows, list):
            for row in rows:
                assert any(key.endswith("source") for key in row), (name, row)


def test_requirements_and_ranges_can_be_read() -> None:
    compat = table()
    for row in compat.releases:
        for text in (*row.requires, *(row.cuda.pins if row.cuda else ())):
            Requirement(text)
    for rows in (compat.bounds, compat.companions, compat.known_bad, compat.pairs):
        for one in rows:
            SpecifierSet(one.releases)
    for bound in (*compat.bounds, *compat.companions):
        Requirement(bound.requirement)


def test_only_releases_with_cuda_pins_have_the_extra() -> None:
    for row in table().releases:
        assert bool(row.cuda and row.cuda.pins) == ("and-cuda" in row.extras), row.version


def test_every_release_is_for_a_python_and_a_system() -> None:
    for row in table().releases:
        here = [each for each in row.wheels if each.platform == "linux_x86_64"]
        assert here, row.version
        assert all(each.pythons for each in here), row.version


def test_stubs_name_what_they_stand_for_and_nothing_else_does() -> None:
    for row in table().releases:
        for wheels in row.wheels:
            assert (wheels.kind == "stub") == (wheels.needs is not None), (row.version, wheels)


def test_toolkits_and_their_drivers_rise_together() -> None:
    rows = table().toolkit_drivers
    assert [Version(row.cuda) for row in rows] == sorted(Version(row.cuda) for row in rows)
    assert [Version(row.linux) for row in rows] == sorted(Version(row.linux) for row in rows)


def test_generations_of_cuda_rise_with_their_drivers_and_hold_their_first_toolkit() -> None:
    rows = table().cuda_generations
    assert [row.cuda for row in rows] == ["11", "12", "13"]
    assert [Version(row.linux) for row in rows] == sorted(Version(row.linux) for row in rows)
    assert all(row.source in table().sources for row in (*rows, *table().toolkit_drivers))
    # Every major version since is one of them, so that no release falls back to the driver of its own toolkit.
    assert {row.cuda.split(".", maxsplit=1)[0] for row in table().toolkit_drivers} == {"8", "9", "10", "11", "12", "13"}
    assert {row.cuda.built_for.split(".", maxsplit=1)[0] for row in table().releases if row.cuda} <= {
        row.cuda for row in rows
    }


def test_models_of_gpus_have_a_source() -> None:
    assert all(row.source in table().sources for row in table().gpu_models)


def test_a_release_is_found_by_any_spelling_of_its_version() -> None:
    found = table().release("2.15.0-1")
    assert found is not None
    assert found.version == "2.15.0.post1"
    assert table().release("1.14.0") is None


def test_what_holds_for_some_pythons_needs_a_python() -> None:
    bad = KnownBad(releases="==2.14.*", accelerator="cuda", pythons=">=3.11", why="", remedy="", source="")
    version = Version("2.14.1")
    assert bad.concerns(version, "cuda", "3.11")
    assert not bad.concerns(version, "cuda", "3.10")
    assert not bad.concerns(version, "cuda")
    assert not bad.concerns(version, "cpu", "3.11")
    assert not bad.concerns(Version("2.15.1"), "cuda", "3.11")


def test_a_row_with_a_key_that_nobody_knows_is_a_mistake() -> None:
    document = json.loads(TEXT)
    document["bounds"][0]["reason"] = "?"
    with pytest.raises(TypeError, match="reason"):
        read(json.dumps(document))
