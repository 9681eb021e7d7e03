from __future__ import annotations

from datetime import datetime, timezone

import pytest
from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag
from packaging.version import Version

from tfprov.plan.compat import table
from tfprov.plan.offers import OfferedRelease, can_take, candidates, newest_of
from tfprov.plan.records import IndexFile, Listing
from tfprov.times import moment

LINUX = "linux_x86_64"


def listing(*files: IndexFile | str, package: str = "tensorflow") -> Listing:
    found = tuple(each if isinstance(each, IndexFile) else IndexFile(filename=each) for each in files)
    return Listing(files={package: found}, source="test")


def one(version: str, found: tuple[OfferedRelease, ...]) -> OfferedRelease:
    return next(each for each in found if each.version == Version(version))


def test_the_table_alone_offers_every_release_newest_first() -> None:
    found = candidates(table(), None, LINUX)
    assert [each.text for each in found] == [row.version for row in table().releases]
    assert one("2.21.0", found).offers["tensorflow"].kind == "cuda"
    assert one("2.21.0", found).offers["tensorflow-cpu"].pythons == ("3.10", "3.11", "3.12", "3.13")


def test_a_release_without_wheels_for_the_platform_offers_nothing() -> None:
    found = one("2.17.0", candidates(table(), None, "macos_x86_64"))
    assert found.offers == {}
    assert found.everywhere


def test_files_of_the_index_take_the_place_of_the_tables_wheels() -> None:
    found = candidates(table(), listing("tensorflow-2.21.0-cp312-cp312-manylinux_2_28_x86_64.whl"), LINUX)
    offer = one("2.21.0", found).offers["tensorflow"]
    assert offer.pythons == ("3.12",)
    assert offer.tags == {"manylinux_2_28_x86_64"}
    assert offer.kind == "cuda"
    assert not one("2.20.0", found).everywhere


def test_files_for_other_platforms_are_no_offer_here() -> None:
    names = ("win_amd64", "macosx_12_0_arm64", "manylinux_2_27_aarch64", "macosx_10_15_x86_64", "linux_armv7l")
    found = candidates(table(), listing(*(f"tensorflow-2.21.0-cp312-cp312-{name}.whl" for name in names)), LINUX)
    assert one("2.21.0", found).offers == {}
    assert one("2.21.0", found).everywhere


def test_names_that_are_not_wheels_of_a_release_are_passed_over() -> None:
    names = (
        "tensorflow-2.23.0.tar.gz",
        "tensorflow-2.23.0-cp312-manylinux_2_27_x86_64.whl",
        "tensorflow-banana-cp312-cp312-manylinux_2_27_x86_64.whl",
        *(f"tensorflow-2.23.0-cp312-cp312-manylinux_2_27_x86_64-{label}.whl" for label in ("x8664v3", "any", "1any")),
        "tensorflow-2.23.0-1-cp312-cp312-manylinux_2_27_x86_64-any.whl",
        "tensorflow-2.23.0.dev1-cp312-cp312-manylinux_2_27_x86_64.whl",
        "tensorflow-1.14.0-cp37-cp37m-manylinux1_x86_64.whl",
    )
    found = candidates(table(), listing(*names), LINUX)
    assert not any(each.everywhere for each in found)
    assert len(found) == len(table().releases)


def test_withdrawn_files_do_not_count() -> None:
    name = "tensorflow-2.23.0-cp312-cp312-manylinux_2_27_x86_64.whl"
    found = candidates(table(), listing(IndexFile(filename=name, yanked=True)), LINUX)
    assert Version("2.23.0") not in {each.version for each in found}


def test_a_wheel_with_a_build_number_and_many_tags_is_read() -> None:
    name = "tensorflow-2.23.0-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    offer = one("2.23.0", candidates(table(), listing(name), LINUX)).offers["tensorflow"]
    assert offer.tags == {"manylinux_2_17_x86_64", "manylinux2014_x86_64"}


def test_a_free_threaded_wheel_is_for_free_threaded_pythons_only() -> None:
    name = "tensorflow-2.23.0-cp314-cp314t-manylinux_2_27_x86_64.whl"
    offer = one("2.23.0", candidates(table(), listing(name), LINUX)).offers["tensorflow"]
    assert offer.has_python("cp314t")
    assert not offer.has_python("cp314")
    assert offer.pythons == ()


def test_files_that_are_too_new_do_not_count() -> None:
    def wheel(minor: int, uploaded: str | None) -> IndexFile:
        name = f"tensorflow-2.21.0-cp3{minor}-cp3{minor}-manylinux_2_27_x86_64.whl"
        return IndexFile(filename=name, uploaded=uploaded)

    files = (wheel(10, None), wheel(11, "2026-03-05T23:59:59.9Z"), wheel(12, "2026-03-06T00:00:00Z"))
    found = candidates(table(), listing(*files), LINUX, moment("2026-03-05"))
    assert one("2.21.0", found).offers["tensorflow"].pythons == ("3.11",)
    # Where the index says nothing, the table knows: it came out on the 6th.
    found = candidates(table(), listing(*files), LINUX, moment("2026-03-06"))
    assert one("2.21.0", found).offers["tensorflow"].pythons == ("3.10", "3.11", "3.12")


@pytest.mark.parametrize(
    ("day", "newest"), [("2026-03-05", "2.20.0"), ("2026-03-06", "2.21.0"), ("2023-06-01", "2.12.0")]
)
def test_without_an_index_the_dates_of_the_table_count(day: str, newest: str) -> None:
    found = [each for each in candidates(table(), None, LINUX, moment(day)) if each.everywhere]
    assert next(each.text for each in found if not each.version.is_prerelease) == newest


def test_a_stub_for_something_that_does_not_exist_offers_no_python() -> None:
    names = tuple(f"tensorflow-2.11.1-cp3{minor}-cp3{minor}-manylinux2014_aarch64.whl" for minor in (9, 10))
    for found in (candidates(table(), None, "linux_aarch64"), candidates(table(), listing(*names), "linux_aarch64")):
        offer = one("2.11.1", found).offers["tensorflow"]
        assert offer.needs == "tensorflow-cpu-aws"
        assert offer.pythons == ()
        assert offer.orphans >= {"cp39", "cp310"}


def released(name: str, day: str = "", requires: str | None = None, *, yanked: bool = False) -> IndexFile:
    return IndexFile(
        filename=name, requires_python=requires, yanked=yanked, uploaded=f"{day}T00:00:00Z" if day else None
    )


NEW = released("p-2.0-py3-none-any.whl", "2026-01-01")


@pytest.mark.parametrize(
    ("files", "specifier", "newest"),
    [
        ((NEW, released("p-1.0-py3-none-any.whl")), "", "2.0"),
        ((NEW, released("p-1.0-py3-none-any.whl")), "<2", "1.0"),
        ((NEW, released("p-3.0-py3-none-any.whl", yanked=True)), "", "2.0"),
        ((NEW, released("p-3.0rc1-py3-none-any.whl")), "", "2.0"),
        ((NEW, released("p-3.0rc1-py3-none-any.whl")), ">=3.0rc1", "3.0rc1"),
        ((NEW, released("p-3.0-py3-none-any.whl", requires=">=3.13")), "", "2.0"),
        ((NEW, released("p-3.0-cp313-cp313-manylinux_2_17_x86_64.whl")), "", "2.0"),
        ((NEW, released("p-3.0-cp312-cp312-win_amd64.whl"), released("p-3.0.tar.gz")), "", "2.0"),
        (
            (NEW, released("nonsense"), released("p-4.whl"), released("p-3.0-py3-none-any.whl", requires=">=nonsense")),
            "",
            "2.0",
        ),
        # What is older than what is known is not looked at.
        ((released("p-0.9-py3-none-any.whl"),), "", None),
        ((NEW,), "<1.5", None),
        ((), "", None),
    ],
)
def test_the_newest_version_is_one_that_the_python_can_take(
    files: tuple[IndexFile, ...], specifier: str, newest: str | None
) -> None:
    tags = {*parse_tag("py3-none-any"), *parse_tag("cp312-cp312-manylinux_2_17_x86_64")}
    found = newest_of(files, SpecifierSet(specifier), least=Version("1.0"), python="3.12.1", tags=tags)
    assert (found and str(found[0])) == newest


def test_a_version_came_out_with_the_first_of_its_files() -> None:
    later = released("p-2.0-cp312-cp312-win_amd64.whl", "2025-06-01")
    found = newest_of((NEW, later), SpecifierSet(), least=Version("1"), python="3.12.1", tags=parse_tag("py3-none-any"))
    assert found == (Version("2.0"), datetime(2025, 6, 1, tzinfo=timezone.utc))


@pytest.mark.parametrize(
    ("file", "can"),
    [
        (released("p-2.0-py3-none-any.whl"), True),
        (released("p-2.1.tar.gz"), True),
        (released("p-1.9-py3-none-any.whl"), False),
        (released("p-2.0-cp312-cp312-win_amd64.whl"), False),
        (released("p-2.0.tar.gz", requires="<3.12"), False),
        (released("p-2.0-py3-none-any.whl", requires=">=3.13"), False),
        (released("p-2.0.tar.gz", yanked=True), False),
        (released("nonsense"), False),
    ],
)
def test_a_python_can_take_a_version_of_which_there_is_something_for_it(file: IndexFile, can: bool) -> None:
    assert can_take((file,), least=Version("2.0"), python="3.12.1", tags=parse_tag("py3-none-any")) is can


@pytest.mark.parametrize("tag", ["cp312-cp312-win_amd64", "cp313-cp313-manylinux_2_17_x86_64"])
def test_a_version_with_wheels_for_others_is_not_taken_from_its_source(tag: str) -> None:
    files = [released("p-2.0.tar.gz"), released(f"p-2.0-{tag}.whl")]
    for order in (files, files[::-1]):
        assert not can_take(order, least=Version("2.0"), python="3.12.1", tags=parse_tag("py3-none-any"))
    later = released("p-2.1.tar.gz")
    assert can_take((*files, later), least=Version("2.0"), python="3.12.1", tags=parse_tag("py3-none-any"))
