from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tfprov.conda.prefix import (
    bad_files,
    check_projects,
    for_executable,
    is_unpacked,
    mark_unpacked,
    own,
    owned_files,
    records,
    write_history,
)
from tfprov.conda.records import Package
from told import refusal

LINKS = os.name == "posix"
"""On Windows few users may make them, and packages have none."""
DIGEST = hashlib.sha256(b"a").hexdigest()


def package(name: str = "hello", **more: str) -> Package:
    url = f"https://h.example/c/noarch/{name}-1.0-0.conda"
    return Package(
        name=name,
        version="1.0",
        build="0",
        subdir="noarch",
        channel="https://h.example/c",
        url=url,
        sha256="a",
        md5="b",
    )


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A conda environment with one package: a file, a link and bytecode."""
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_text("a")
    paths = [{"_path": "lib/a.py", "path_type": "hardlink", "sha256": "0" * 64, "sha256_in_prefix": DIGEST}]
    if LINKS:
        (tmp_path / "lib" / "link").symlink_to("a.py")
        paths.append({"_path": "lib/link", "path_type": "softlink", "sha256": "1" * 64})
    record = {
        "name": "hello",
        "version": "1.0",
        "build": "0",
        "url": "http://127.0.0.1:9/nowhere/hello-1.0-0.conda",
        "channel": "http://127.0.0.1:9/nowhere",
        "files": [*(path["_path"] for path in paths), "lib/__pycache__/a.pyc"],
        "paths_data": {"paths": paths},
    }
    (tmp_path / "conda-meta" / "hello-1.0-0.json").write_text(json.dumps(record))
    return tmp_path


def test_whole_files_links_and_bytecode_are_no_damage(environment: Path) -> None:
    assert bad_files(environment) == ()
    links = {"lib/link"} if LINKS else set()
    assert {"lib/a.py", "conda-meta/hello-1.0-0.json"} | links <= owned_files(environment)


def test_an_altered_file_and_a_missing_link_are_damage(environment: Path) -> None:
    (environment / "lib" / "a.py").write_text("b")
    (environment / "lib" / "link").unlink(missing_ok=not LINKS)
    assert [(bad.path, bad.package) for bad in bad_files(environment)] == [
        ("lib/a.py", "hello-1.0-0"),
        *([("lib/link", "hello-1.0-0")] if LINKS else []),
    ]


def test_a_record_that_cannot_be_read_counts_as_absent(environment: Path) -> None:
    (environment / "conda-meta" / "cut-1-0.json").write_text("{")
    assert [one.name for one in records(environment)] == ["hello"]


def test_the_records_get_the_true_addresses(environment: Path) -> None:
    own(environment, [package()])
    record = json.loads((environment / "conda-meta" / "hello-1.0-0.json").read_text())
    assert (record["url"], record["channel"]) == (package().url, "https://h.example/c")


def test_the_history_ends_with_the_specs_as_conda_writes_them(environment: Path) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    write_history(environment, [package()], ["python=3.12.*", "hello"], now=moment)
    assert (environment / "conda-meta" / "history").read_text().splitlines() == [
        "==> 2026-01-02 03:04:05 <==",
        "# cmd: tfprov up",
        "# conda version: 24.1.0",
        "+https://h.example/c/noarch::hello-1.0-0",
        "# update specs: ['python=3.12.*', 'hello']",
    ]


@pytest.mark.parametrize(("project", "code"), [("tensorflow-cpu", "several-tensorflows"), ("wheely", "conda-pip-mix")])
def test_a_wheel_over_a_project_of_conda_is_refused(tmp_path: Path, project: str, code: str) -> None:
    info = tmp_path / "hello-1.0-0" / "info"
    info.mkdir(parents=True)
    path = f"site-packages/{project.replace('-', '_')}-1.0.dist-info/METADATA"
    (info / "paths.json").write_text(json.dumps({"paths": [{"_path": path}]}))
    assert refusal(lambda: check_projects([package()], tmp_path, {project: "2.0"})) == (
        *(code, f"`{project}` would be installed from conda and from a wheel, into the same files"),
        *("conda package `hello-1.0-0`", f"wheel {project} 2.0"),
        "request it in one place: `conda.packages` or `packages.requirements`",
    )
    check_projects([package()], tmp_path, {"other": "2.0"})


def test_an_explicit_file_names_archives_with_their_checksum(tmp_path: Path) -> None:
    listed = for_executable(tmp_path / "e.txt", [(package(), tmp_path / "hello-1.0-0.conda")])
    assert listed.read_text().splitlines()[1:] == ["@EXPLICIT", f"{(tmp_path / 'hello-1.0-0.conda').as_uri()}#b"]


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"name": "x"},
        {"name": "x", "version": "1", "build": "0", "paths_data": {"paths": ["a"]}},
        {"name": "x", "version": "1", "build": "0", "paths_data": {"paths": [None]}},
        {"name": "x", "version": "1", "build": "0", "paths_data": {"paths": 3}},
        {"name": "x", "version": "1", "build": "0", "paths_data": {"paths": [{}]}},
    ],
)
def test_a_record_of_another_shape_is_skipped(environment: Path, document: object) -> None:
    (environment / "conda-meta" / "other.json").write_text(json.dumps(document))
    assert [record.name for record in records(environment)] == ["hello"]


def test_an_unpacked_package_is_known_by_the_hash_of_its_archive(tmp_path: Path) -> None:
    assert not is_unpacked(tmp_path / "none", "a" * 64)
    (tmp_path / "elsewhere").write_text("kept")
    if LINKS:
        (tmp_path / ".tfprov.sha256").symlink_to("elsewhere")  # of the package itself
    mark_unpacked(tmp_path, "a" * 64)
    assert is_unpacked(tmp_path, "a" * 64)
    assert not is_unpacked(tmp_path, "b" * 64)
    assert (tmp_path / "elsewhere").read_text() == "kept"
