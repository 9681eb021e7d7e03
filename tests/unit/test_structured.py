"""What others wrote: tables, lists and numbers; anything else reads as an empty one, or as none."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from hosts import H100, MAC_ARM, Host
from tfprov.diagnose.view import numbers
from tfprov.errors import TfprovError
from tfprov.fetch.routes import bypasses
from tfprov.host import facts
from tfprov.host.devices import parse_numbers
from tfprov.host.gpu import visible
from tfprov.host.limits import cores, memory
from tfprov.host.records import Gpu
from tfprov.host.smi import parse_smi
from tfprov.pipeline.access import IndexAccess
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.explain import glibc_of
from tfprov.plan.offers import _minors
from tfprov.plan.tags import major_minor
from tfprov.profile.records import Profile
from tfprov.smoke.cures import _bounds
from tfprov.smoke.group import renumbered
from tfprov.smoke.runner import _order
from tfprov.structured import list_of, mapping_of, mappings_of, minor_of, string_of, texts_of, version_in, whole_number

OTHERS = [None, True, 3, 1.5, "text", b"bytes", ("a",), {"a"}]


@pytest.mark.parametrize("value", [*OTHERS, ["a"]], ids=repr)
def test_what_is_not_a_table_reads_as_an_empty_one(value: object) -> None:
    assert mapping_of(value) == {}
    assert mapping_of({"key": value}) == {"key": value}


@pytest.mark.parametrize("value", [*OTHERS, {"a": 1}], ids=repr)
def test_what_is_not_a_list_reads_as_an_empty_one(value: object) -> None:
    assert (list_of(value), mappings_of(value), texts_of(value)) == ([], [], ())
    assert list_of([value]) == [value]


def test_what_is_not_a_text_reads_as_an_empty_one() -> None:
    assert {string_of(value) for value in (*OTHERS, ["a"], {"a": 1})} == {"", "text"}


def test_items_of_another_kind_are_left_out() -> None:
    value = [*OTHERS, {"a": 1}, "b", []]
    assert mappings_of(value) == [{"a": 1}]
    assert texts_of(value) == ("text", "b")


ODD = ["9" * 5000, "²", "٣", "-1", "", " 1", "1_0", "1e3", "0x1", "\N{FULLWIDTH DIGIT ONE}"]


@given(st.integers(min_value=0))
def test_digits_are_a_number(number: int) -> None:
    assert whole_number(str(number)) == number


@pytest.mark.parametrize("text", ODD)
def test_any_other_text_is_none(text: str) -> None:
    assert whole_number(text) is None


def _limits(folder: Path, text: str) -> None:
    for name in ("proc/meminfo", "sys/fs/cgroup/cpu.max", "sys/fs/cgroup/memory.max", "sys/fs/cgroup/cpu.cfs_quota_us"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"MemTotal: {text} kB\n" if name.startswith("proc") else f"{text} {text}\n")
    (folder / "proc/self").mkdir()
    (folder / "proc/self/mountinfo").write_text("29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (folder / "proc/self/cgroup").write_text("0::/\n")
    cores("linux", root=folder)
    memory("linux", root=folder)


READERS: dict[str, Callable[[Path, str], object]] = {
    "CUDA_VISIBLE_DEVICES": lambda _, text: visible((Gpu(index=0, name="a"),), {"CUDA_VISIBLE_DEVICES": text}),
    "GIT_CONFIG_COUNT": lambda _, text: IndexAccess._git_over_http(
        _WithGit,
        {"GIT_CONFIG_COUNT": text},  # type: ignore[arg-type]  # as far as it is used
    ),
    "NO_PROXY": lambda _, text: bypasses(f"index.example:{text}", "index.example", 443),
    "nvidia-smi": lambda _, text: parse_smi(f"{text}, {text}, a", ("index", "memory.total", "name")),
    "AMD's driver": lambda _, text: parse_numbers(f"simd_count {text}\n"),
    "limits of the machine": _limits,
    "tags of wheels": lambda _, text: (_minors(frozenset({f"cp3{text}"})), glibc_of([f"manylinux_2_{text}_x86_64"])),
    "version of glibc": lambda _, text: major_minor(f"2.{text}-13+deb11u5"),
    "version in a log": lambda _, text: numbers(f"2.{text}"),
    "version of a package": lambda _, text: _bounds("thing", f"{text}.{text}"),
    "name of a device": lambda _, text: (_order(f"GPU:{text}"), renumbered(f"/device:GPU:{text}", (0,))),
}


class _WithGit:
    _requirements = ("x @ git+http://index.example/x",)
    route = type("NoProxy", (), {"http": None})


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("name", READERS)
def test_no_number_in_the_words_of_others_is_too_odd(name: str, text: str, tmp_path: Path) -> None:
    READERS[name](tmp_path, text)


@pytest.mark.parametrize("text", [*ODD[:4], "x", "3.12.0rc1", "3.12.1+"])
@pytest.mark.parametrize(
    "host", [Host(), MAC_ARM, Host(driver="550.144.03", cuda="12.4", gpus=(H100,))], ids=["linux", "mac", "cuda"]
)
def test_no_version_in_the_facts_of_another_machine_is_too_odd_to_decide(host: Host, text: str) -> None:
    good = facts.dump(host.facts)
    # Every text of digits and dots in it, one at a time.
    for found in {each[0] for each in re.finditer(r'"[\d.]+"', good)}:
        with contextlib.suppress(TfprovError):
            decide(Profile(name="train"), facts.load(good.replace(found, json.dumps(text))), table(), None)


def test_the_minor_version_is_the_first_two_numbers() -> None:
    assert [minor_of(version) for version in ("3.12.1", "3.12", "3", "3.14.0rc1")] == ["3.12", "3.12", "3", "3.14"]


@pytest.mark.parametrize(
    ("text", "version"), [("2.16.1", Version("2.16.1")), ("", None), ("1.0-custom-build", None), ("9" * 5000, None)]
)
def test_what_is_no_version_has_none(text: str, version: Version | None) -> None:
    assert version_in(text) == version
