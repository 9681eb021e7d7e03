from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from packaging.specifiers import SpecifierSet

from tfprov.errors import TfprovError
from tfprov.pipeline import machine as module
from tfprov.pipeline.machine import Machine
from tfprov.plan.records import IndexFile, Listing

if TYPE_CHECKING:
    from tfprov.host.records import Facts
    from tfprov.pipeline.context import Context

FILES = {
    "settled": (IndexFile(filename="settled-1.0-py3-none-any.whl"), IndexFile(filename="settled-0.9-py3-none-any.whl")),
    "newer": (IndexFile(filename="newer-1.1-cp310-cp310-win_amd64.whl"),),
    "coming": (IndexFile(filename="coming-2.0rc1-py3-none-any.whl"), IndexFile(filename="nonsense.whl")),
    "withdrawn": (IndexFile(filename="withdrawn-2.0-py3-none-any.whl", yanked=True),),
    "absent": (),
}


@pytest.fixture
def machine() -> Machine:
    made = Machine(cast("Context", SimpleNamespace(emit=print, deadline=None)), cast("Facts", None))
    made.__dict__["network"] = SimpleNamespace(offline=False, index_url=None)
    return made


def test_a_newer_release_counts_that_is_whole_and_not_withdrawn(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "listing", lambda *_, **__: Listing(files=FILES, source=""))
    versions, any_version = dict.fromkeys(FILES, "1.0"), dict.fromkeys(FILES, SpecifierSet())
    assert machine.with_newer_wheels(versions, any_version) == {"newer"}
    assert machine.with_newer_wheels(versions, {**any_version, "newer": SpecifierSet("<1.1")}) == frozenset()
    assert machine.with_newer_wheels({}, {}) == frozenset()


def test_what_the_index_does_not_answer_may_be_newer(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Listing:
        raise TfprovError("net-dns", "no answer")

    monkeypatch.setattr(module, "listing", fail)
    assert machine.with_newer_wheels({"one": "1.0"}, {}) == {"one"}
