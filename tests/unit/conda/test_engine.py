"""conda, mamba and micromamba as the user has them: which is used, and what they are refused for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.conda.engine import Engine, LinkPackage, find_engine
from tfprov.conda.records import Package
from told import refusal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="scripts for a POSIX shell")

ENV = {"PATH": os.defpath}
NAME = 'name one with `conda.executable`, or use `conda.engine = "library"`, which needs none'
HELLO = Package(
    name="hello",
    version="1.0",
    build="0",
    subdir="noarch",
    channel="https://h.example/c",
    url="https://h.example/c/noarch/hello-1.0-0.conda",
    sha256="a",
    md5="b",
)


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["conda", "mamba", "micromamba"])
def test_the_first_that_says_its_version_is_used(tmp_path: Path, name: str) -> None:
    broken = program(tmp_path / "first", "exit 1")
    works = program(tmp_path / name, "echo conda 24.1.0")
    found = find_engine(None, [str(broken), str(works)], environ=ENV)
    assert (found.path, found.version) == (works, "24.1.0")
    assert found.kind == name


def test_where_there_is_none_it_says_where_it_looked() -> None:
    looked = "looked in CONDA_EXE, MAMBA_EXE, PATH and the usual folders"
    assert refusal(lambda: find_engine(None, (), environ=ENV)) == (
        *("not-supported", "no usable conda, mamba or micromamba was found", looked, NAME),
    )


def test_each_that_does_not_start_is_named(tmp_path: Path) -> None:
    broken, gone = program(tmp_path / "conda", "exit 3"), tmp_path / "gone"
    gone.symlink_to("nowhere")
    what = "no usable conda, mamba or micromamba was found"
    said = f"`{broken} --version` ended with status 3"
    assert refusal(lambda: find_engine(broken, (), environ=ENV)) == ("not-supported", what, said, NAME)
    said = f"`{gone}`: No such file or directory"
    assert refusal(lambda: find_engine(gone, (), environ=ENV)) == ("not-supported", what, said, NAME)


def linked(folder: Path, script: str, archive: Path | None) -> tuple[str, ...]:
    engine = Engine(path=program(folder / "conda", script), kind="conda", version="24.1.0")
    target = folder / "target"
    target.mkdir()
    packages = [LinkPackage(package=HELLO, path=archive)]
    return refusal(lambda: engine.link(target, packages, cache=folder / "cache", environ=ENV, seconds=60))


def test_an_archive_that_is_gone_is_named_before_anything_starts(tmp_path: Path) -> None:
    assert linked(tmp_path, "exit 1", None) == (
        *("cache-corrupt", "`hello-1.0-0.conda` is not in the store", "hello-1.0-0.conda"),
        "run again; the broken file is dropped",
    )


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    found = linked(tmp_path, "echo first; echo gone wrong >&2; exit 7", tmp_path / "hello-1.0-0.conda")
    assert found[:4] == ("install-failed", f"`{tmp_path / 'conda'}` ended with status 7", "gone wrong", "first")


def test_a_program_that_links_something_else_is_not_believed(tmp_path: Path) -> None:
    assert linked(tmp_path, "exit 0", tmp_path / "hello-1.0-0.conda") == (
        *("package-drift", f"`{tmp_path / 'conda'}` did not link the packages of the lock"),
        *("missing: hello-1.0-0", "not in the lock: none", 'use `conda.engine = "library"`'),
    )
