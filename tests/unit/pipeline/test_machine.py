from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from packaging.tags import Tag

from hosts import Host
from tfprov.errors import TfprovError
from tfprov.host.records import Libc
from tfprov.pipeline import machine as module
from tfprov.pipeline.machine import Machine
from tfprov.plan.records import IndexFile, Listing

if TYPE_CHECKING:
    from tfprov.host.records import Facts
    from tfprov.pipeline.context import Context


@pytest.fixture
def machine() -> Machine:
    profile = SimpleNamespace(index=SimpleNamespace(exclude_newer=None))
    context = SimpleNamespace(emit=print, deadline=None, loaded=SimpleNamespace(profile=profile))
    made = Machine(cast("Context", context), cast("Facts", SimpleNamespace(system=SimpleNamespace(value="linux"))))
    made.__dict__["network"] = SimpleNamespace(offline=False, index_url=None)
    return made


def test_the_files_of_several_projects_are_asked_for_together(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"one": (IndexFile(filename="one-1.0-py3-none-any.whl"),), "two": ()}
    monkeypatch.setattr(module, "listing", lambda *_, **__: Listing(files=files, source=""))
    assert machine.files_of(("one", "two")) == files
    assert machine.files_of(()) == {}


def test_of_what_the_index_does_not_answer_the_files_are_not_known(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Listing:
        raise TfprovError("net-dns", "no answer")

    monkeypatch.setattr(module, "listing", fail)
    assert machine.files_of(("one",)) is None
    machine.__dict__["network"] = SimpleNamespace(offline=True, index_url=None)
    assert machine.files_of(("one",)) is None


def file(name: str, day: str = "2024-01-01", *, yanked: bool = False) -> IndexFile:
    return IndexFile(filename=name, uploaded=f"{day}T00:00:00Z", yanked=yanked)


@pytest.mark.parametrize(
    ("files", "newest"),
    [
        ((file("p-1.0.tar.gz"), file("p-1.1.zip")), "1.1"),
        # A wheel of years ago does not make the newest release one that need not be built.
        ((file("p-0.1-py3-none-any.whl"), file("p-1.0.tar.gz"), file("p-0.1.tar.gz")), "1.0"),
        ((file("p-1.0-cp39-cp39-manylinux_2_17_x86_64.whl"), file("p-1.0.tar.gz")), None),
        # Nobody gets a wheel of another system.
        ((file("p-1.0-cp39-cp39-win_amd64.whl"), file("p-1.0.tar.gz")), "1.0"),
        ((file("p-1.0-py2-none-any.whl"), file("p-1.0.tar.gz")), "1.0"),
        ((file("p-1.0.tar.gz"), file("p-2.0rc1.tar.gz"), file("p-3.0.tar.gz", yanked=True)), "1.0"),
        ((file("p-1.0.tar.gz"), file("p-2.0.tar.gz", "2025-06-01")), "1.0"),
        ((file("nonsense.tar.gz"), file("p.exe")), None),
        ((), None),
    ],
)
def test_the_newest_version_counts_as_a_source_where_no_python_has_a_wheel_of_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, files: tuple[IndexFile, ...], newest: str | None
) -> None:
    asked: list[tuple[str, ...]] = []

    def listed(projects: tuple[str, ...], *_: object, **__: object) -> Listing:
        asked.append(projects)
        return Listing(files={"p": files}, source="")

    monkeypatch.setattr(module, "listing", listed)
    machine._context.loaded.profile.index.exclude_newer = "2025-01-01"  # type: ignore[misc]
    assert machine.newest_source("P") == newest
    assert machine.has_wheels("p") == any(
        "py3-" in each.filename or "cp39-manylinux" in each.filename for each in files
    )
    assert len(asked) == 1


LINUX = frozenset({Tag("py3", "none", "any"), Tag("cp39", "cp39", "manylinux_2_17_x86_64")})


@pytest.mark.parametrize(
    ("names", "lacking"),
    [
        (("p-1.0.tar.gz",), True),
        (("p-1.0.tar.gz", "p-2.0-cp39-cp39-win_amd64.whl", "p-2.0-cp310-cp310-manylinux_2_17_x86_64.whl"), True),
        (("p-2.0.tar.gz", "p-1.0-py3-none-any.whl"), False),
        (("p-2.0-cp39-cp39-manylinux_2_17_x86_64.whl", "p-2.0.tar.gz"), False),
        # Nothing of it can be built.
        (("p-2.0-cp39-cp39-win_amd64.whl",), False),
        ((), False),
    ],
)
def test_a_project_lacks_wheels_where_only_its_sources_can_serve_a_python(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], lacking: bool
) -> None:
    monkeypatch.setattr(module, "listing", lambda *_, **__: Listing(files={"p": tuple(map(file, names))}, source=""))
    assert machine.lacks_wheels("P", python="3.9.18", tags=LINUX) is lacking


@pytest.mark.parametrize(
    ("names", "only_sources"),
    [
        (("p-1.0.tar.gz", "p-2.0-py3-none-any.whl"), True),
        (("p-1.0.tar.gz", "p-1.0-cp27-cp27m-win_amd64.whl", "p-2.0-py3-none-any.whl"), True),
        (("p-1.0.tar.gz", "p-1.0-cp36-cp36m-manylinux1_x86_64.whl"), False),
        (("p-1.0.tar.gz", "p-1.0-cp36-cp36m-win_amd64.whl"), True),
        (("p-2.0.tar.gz", "not a name.tar.gz"), False),
        ((), False),
    ],
)
def test_a_version_has_only_sources_where_no_python_3_has_a_wheel_of_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], only_sources: bool
) -> None:
    monkeypatch.setattr(module, "listing", lambda *_, **__: Listing(files={"p": tuple(map(file, names))}, source=""))
    assert machine.only_sources("P", "1.0") is only_sources


def test_of_what_cannot_be_asked_the_newest_is_not_known(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.__dict__["network"] = SimpleNamespace(offline=True, index_url=None)
    assert machine.newest_source("p") is None
    assert machine.has_wheels("p")
    assert not machine.only_sources("p", "1.0")
    assert machine.lacks_wheels("p", python="3.9.18", tags=LINUX)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (Host(libc=Libc(kind="glibc", version="2.39")), "x86_64-manylinux_2_28"),
        (Host(libc=Libc(kind="glibc", version="2.17")), "x86_64-manylinux_2_17"),
        (Host(machine="aarch64", libc=Libc(kind="glibc", version="2.28")), "aarch64-manylinux_2_28"),
        (Host(libc=Libc(kind="musl", version="1.2")), None),
        (Host(system="windows", machine="AMD64", libc=None), "x86_64-pc-windows-msvc"),
        (Host(system="macos", machine="arm64", libc=None), "aarch64-apple-darwin"),
        (Host(machine="riscv64"), None),
    ],
)
def test_the_resolver_is_told_the_platform_of_another_machine_only(host: Host, name: str | None) -> None:
    for path, told in ((Path("host.json"), name), (None, None)):
        context = SimpleNamespace(request=SimpleNamespace(host=path))
        assert Machine(cast("Context", context), host.facts).uv_platform == told
