from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from uv import find_uv_bin

from sdists import project
from tfprov.errors import TfprovError
from tfprov.lock.records import LockedFile, LockedSource
from tfprov.sources.build import build
from tfprov.sources.records import Bench
from wheels import build_wheel

Make = Callable[[dict[str, str]], Path]
SOURCE = LockedSource(
    name="own",
    version="1.0",
    archive=LockedFile(name="own", version="1.0", filename="own-1.0.tar.gz", url="file:///own", sha256="0" * 64),
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    return Bench(
        uv=Path(find_uv_bin()),
        python=Path(sys.executable),
        index=environ,
        options=("--no-index", "--no-config", "--cache-dir", str(tmp_path / "cache")),
        environ=environ,
        variables={},
        memory=None,
        timeout=60,
    )


def built(tmp_path: Path, bench: Bench, files: dict[str, str], source: LockedSource = SOURCE) -> Path:
    tree, work = tmp_path / "tree", tmp_path / "work"
    tree.mkdir()
    work.mkdir()
    for name, text in files.items():
        (tree / name).write_text(text)
    return build(source, tree, bench, work=work, log=tmp_path / "own.log")


def refusal(tmp_path: Path, bench: Bench, files: dict[str, str]) -> TfprovError:
    with pytest.raises(TfprovError) as failure:
        built(tmp_path, bench, files)
    return failure.value


def test_the_same_source_gives_the_same_wheel(tmp_path: Path, bench: Bench) -> None:
    files = project("own", "1.0", in_build="files['moment.py'] = os.environ['SOURCE_DATE_EPOCH'].encode()")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = built(tmp_path / "one", bench, files), built(tmp_path / "two", bench, files)
    assert one.name == "own-1.0-py3-none-any.whl"
    assert one.read_bytes() == two.read_bytes()


def test_a_build_that_does_not_end_is_stopped(tmp_path: Path, bench: Bench) -> None:
    files = project("own", "1.0", in_build="import time; time.sleep(60)")
    error = refusal(tmp_path, replace(bench, timeout=3), files)
    assert error.code.name == "build-failed"
    assert any("it did not finish in 3 s and was stopped" in line for line in error.evidence)


@pytest.mark.parametrize(("name", "version"), [("other", "1.0"), ("own", "1.1")])
def test_a_source_that_gives_another_wheel_than_the_lock_names_is_refused(
    tmp_path: Path, bench: Bench, name: str, version: str
) -> None:
    error = refusal(tmp_path, bench, project(name, version))
    assert error.what == "the source of `own 1.0` builds a different wheel than the lock names"


def test_an_old_source_gets_an_older_setuptools_the_second_time(tmp_path: Path, bench: Bench) -> None:
    check = "import pathlib\nif pathlib.Path.cwd().name == 'tree':\n    import pkg_resources"
    files = project("own", "1.0", in_build=check)
    wheel = built(tmp_path, bench, files)
    assert wheel.parent.parent.name == "second"
    assert (wheel.parent.parent / "bounds.txt").read_text() == "setuptools<82\n"


def test_a_build_system_that_cannot_be_read_is_a_failed_build(tmp_path: Path, bench: Bench) -> None:
    error = refusal(tmp_path, bench, {**project("own", "1.0"), "pyproject.toml": "[build-system\n"})
    assert error.code.name == "build-failed"
    assert str(tmp_path / "own.log") in error.evidence[-1]


def test_requirements_that_cannot_be_had_say_so(tmp_path: Path, bench: Bench) -> None:
    error = refusal(tmp_path, bench, project("own", "1.0", build_requires=["nowhere"]))
    assert error.what == "the build requirements of `own` cannot be installed"
    assert any("nowhere" in line for line in error.evidence)


def test_the_log_has_no_password_of_a_requirement(tmp_path: Path, bench: Bench) -> None:
    refusal(tmp_path, bench, project("own", "1.0", build_requires=["x @ http://user:hunter2@127.0.0.1:x/x.whl"]))
    log = (tmp_path / "own.log").read_text()
    assert "x @ http://****@127.0.0.1:x/x.whl" in log
    assert "hunter2" not in log


@pytest.mark.parametrize("asked", ["build_requires", "more"])
def test_what_a_build_requires_is_no_option_of_the_installer(tmp_path: Path, bench: Bench, asked: str) -> None:
    planted = tmp_path / "planted"
    wheel = build_wheel(tmp_path / "built", "thing", "1.0")
    wanted = [f"--target={planted}", f"thing @ {wheel.as_uri()}"]
    error = refusal(tmp_path, bench, project("own", "1.0", **{asked: wanted}))  # type: ignore[arg-type]  # by name
    assert error.code.name == "build-failed"
    assert f"`--target={planted}` is not a requirement" in (tmp_path / "own.log").read_text()
    assert not planted.exists()


def test_what_a_build_requires_gets_no_variable(tmp_path: Path, bench: Bench) -> None:
    wanted = ["x @ http://127.0.0.1:1/${HTTPS_PROXY}/x-1-py3-none-any.whl"]
    index = {**bench.index, "HTTPS_PROXY": "s3cret", "UV_HTTP_RETRIES": "0"}
    refusal(tmp_path, replace(bench, index=index), project("own", "1.0", more=wanted))
    assert "s3cret" not in (tmp_path / "own.log").read_text()


def test_a_wheel_with_an_invalid_name_is_a_failed_build(tmp_path: Path, bench: Bench) -> None:
    error = refusal(tmp_path, bench, project("own", "unknown version"))
    assert (error.code.name, error.what) == (
        "build-failed",
        "the source of `own 1.0` builds a wheel with an invalid name",
    )


@pytest.mark.parametrize("place", [".", "src", "python"])
def test_a_folder_of_the_user_is_left_as_it_was(tmp_path: Path, bench: Bench, place: str) -> None:
    """As setuptools leaves it: with its metadata beside the packages."""
    traces = f"for each in ('build', {place!r} + '/own.egg-info'):\n    pathlib.Path(each).mkdir(parents=True)"
    tree = tmp_path / "tree"
    (tmp_path / "work").mkdir()
    for kept in ("mine/mine.egg-info", "src", "python"):
        (tree / kept).mkdir(parents=True, exist_ok=True)
    for name, text in project("own", "1.0", in_build=traces).items():
        (tree / name).write_text(text)
    before = sorted(path for path in tree.rglob("*") if "__pycache__" not in path.parts)
    source = LockedSource(name="own", version="1.0", folder=str(tree))
    build(source, tree, bench, work=tmp_path / "work", log=tmp_path / "own.log")
    assert sorted(path for path in tree.rglob("*") if "__pycache__" not in path.parts) == before
