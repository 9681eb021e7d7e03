from __future__ import annotations

import pytest

from tfprov.diagnose.about import _table, about
from tfprov.diagnose.diagnose import diagnose_text
from tfprov.errors import CODES
from tfprov.ladder.rungs import HELP
from tfprov.report.diagnosis import page


def test_the_table_names_codes_that_there_are() -> None:
    assert _table().keys() <= CODES.keys()


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_page(code: str) -> None:
    text = page(code)
    assert text.startswith(f"{code}: ")
    assert about(code).you in " ".join(text.split())
    for word in ("shows as", "tfprov", "you"):
        assert f"\n  {word}" in text


@pytest.mark.parametrize("code", CODES)
def test_what_tfprov_does_by_itself_does_not_contradict_the_strategies_that_it_tries(code: str) -> None:
    if HELP[code]:
        assert "stops" not in about(code).alone


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("tensorflwo", "tensorflow"),
        ("scikit-lern", "scikit-learn"),
        ("tensorflow-agent", "tf-agents"),
        ("gyn", "gym"),
        ("zzz", ""),
    ],
)
def test_a_misspelt_name_gets_a_proposal(asked: str, near: str) -> None:
    root = diagnose_text(f"  Because {asked} was not found in the package registry and you require {asked}, no\n").root
    assert root is not None
    assert root.remedy is not None
    assert root.remedy.text.startswith(f"did you mean `{near}`?") == bool(near)


def test_a_container_that_lost_its_devices_is_started_again() -> None:
    root = diagnose_text("Failed to initialize NVML: Unknown Error\n").root
    assert root is not None
    assert root.remedy is not None
    assert "start it again" in root.remedy.text
    assert "--gpus all" not in root.remedy.text


def test_a_limit_on_threads_is_told_from_one_on_files() -> None:
    commands = {}
    for text in ("RuntimeError: can't start new thread\n", "OSError: [Errno 24] Too many open files: '/x'\n"):
        root = diagnose_text(text).root
        assert root is not None
        assert root.code == "limit-reached"
        assert root.remedy is not None
        commands[text[:12]] = root.remedy.commands
    assert commands == {"RuntimeError": ("ulimit -u",), "OSError: [Er": ("ulimit -n", "ulimit -n 4096")}
