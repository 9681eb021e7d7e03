from __future__ import annotations

import os
from pathlib import Path

import pytest

from sham import install
from tfprov.errors import TfprovError
from tfprov.pipeline.unpacked import Began, began, believe

pytestmark = pytest.mark.skipif(os.name != "posix", reason="hard links as POSIX counts them")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """What an installer has unpacked."""
    found = tmp_path / "cache"
    install(found, "thing", "1.0", {"thing.py": "x = 1\n"})
    return found


def linked(cache: Path, environment: Path) -> Path:
    """An environment whose files are links to what is unpacked; its module."""
    library = environment / "lib" / "python3.12" / "site-packages"
    for path in cache.rglob("*"):
        if path.is_file():
            target = library / path.relative_to(cache)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
    return library / "thing.py"


def spoil(module: Path) -> None:
    with module.open("r+") as stream:
        stream.write("x = 7\n")


def later(path: Path) -> Began:
    return Began(ns=path.stat().st_mtime_ns + 1)


def test_what_was_unpacked_in_this_run_is_believed_unread(tmp_path: Path, cache: Path) -> None:
    module = linked(cache, tmp_path / "env")
    spoil(module)
    believe(tmp_path / "env", Began(ns=0))


def test_what_was_unpacked_earlier_is_believed_when_it_is_as_recorded(tmp_path: Path, cache: Path) -> None:
    module = linked(cache, tmp_path / "env")
    believe(tmp_path / "env", later(module))


def test_what_was_unpacked_earlier_and_written_to_is_named(tmp_path: Path, cache: Path) -> None:
    module = linked(cache, tmp_path / "env")
    spoil(module)
    with pytest.raises(TfprovError) as failure:
        believe(tmp_path / "env", later(module))
    assert failure.value.code.name == "cache-corrupt"
    assert failure.value.evidence == ("`lib/python3.12/site-packages/thing.py`",)


def test_what_other_environments_link_to_is_read_however_new_it_is(tmp_path: Path, cache: Path) -> None:
    spoil(linked(cache, tmp_path / "other"))
    linked(cache, tmp_path / "env")
    with pytest.raises(TfprovError):
        believe(tmp_path / "env", Began(ns=0))


def test_what_nobody_else_links_to_is_believed(tmp_path: Path) -> None:
    library = tmp_path / "env" / "lib" / "python3.12" / "site-packages"
    install(library, "thing", "1.0", {"thing.py": "x = 1\n"})
    believe(tmp_path / "env", later(library / "thing.py"))


def test_the_moment_is_that_of_the_file_system_and_leaves_nothing(tmp_path: Path) -> None:
    cache = tmp_path / "not" / "there yet"
    before = began(cache)
    (cache / "unpacked").touch()
    assert (cache / "unpacked").stat().st_mtime_ns >= before.ns
    assert [path.name for path in cache.iterdir()] == ["unpacked"]
