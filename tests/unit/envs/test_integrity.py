from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sham import install
from tfprov.envs import manifest
from tfprov.envs.integrity import bad_files, foreign_files, installed, recorded, site_packages


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    library = tmp_path / "lib" / "python3.12" / "site-packages"
    install(library, "one-thing", "1.0", {"one/__init__.py": "one = 1\n", "one/data.bin": "x" * 3_000_000})
    install(library, "other", "2.0", {"other.py": "other = 2\n"})
    (tmp_path / "lib64").symlink_to("lib")
    return tmp_path


def test_packages_are_found_once_although_lib64_is_a_link(environment: Path) -> None:
    assert len(site_packages(environment)) == 1
    assert [(one.name, one.version) for one in installed(environment)] == [("one-thing", "1.0"), ("other", "2.0")]


def test_packages_have_one_name_although_conda_links_another_to_their_folder(environment: Path) -> None:
    (environment / "lib/python3.1").symlink_to("python3.12")
    manifest.write(environment)
    owned = set(recorded(environment))
    assert owned
    assert owned.issubset(manifest.listed(environment))
    assert foreign_files(environment) == ()


@pytest.mark.parametrize("workers", [1, 4])
def test_a_whole_environment_has_no_bad_files(environment: Path, workers: int) -> None:
    assert bad_files(environment, workers=workers) == ()


def test_a_file_changed_without_its_size_and_time_is_found_by_its_hash(environment: Path) -> None:
    path = environment / "lib/python3.12/site-packages/one/data.bin"
    before = path.stat()
    with path.open("r+b") as stream:
        stream.seek(2_500_000)
        stream.write(b"y")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (bad,) = bad_files(environment, workers=2)
    assert bad.path == "lib/python3.12/site-packages/one/data.bin"
    assert bad.project == "one-thing"
    assert bad.found.startswith("sha256=")
    assert bad.found != bad.expected


def test_a_missing_file_is_found_without_its_hash(environment: Path) -> None:
    (environment / "lib/python3.12/site-packages/other.py").unlink()
    (bad,) = bad_files(environment, workers=2)
    assert bad.project == "other"
    assert (bad.expected, bad.found) == ("the file", "missing")


def test_bytecode_is_neither_bad_nor_foreign(environment: Path) -> None:
    library = environment / "lib/python3.12/site-packages"
    (library / "one" / "__pycache__").mkdir()
    (library / "one" / "__pycache__" / f"__init__.cpython-{sys.version_info[1]}.pyc").write_bytes(b"x")
    (library / "_virtualenv.py").write_text("")
    assert bad_files(environment, workers=1) == ()
    assert foreign_files(environment) == ()


def test_a_file_that_no_package_owns_is_foreign(environment: Path) -> None:
    (environment / "lib/python3.12/site-packages/one/mine.py").write_text("")
    (environment / "lib/python3.12/site-packages/tensorflow.py").write_text("")
    assert foreign_files(environment) == (
        "lib/python3.12/site-packages/one/mine.py",
        "lib/python3.12/site-packages/tensorflow.py",
    )


def test_a_package_without_a_record_is_no_crash(environment: Path) -> None:
    (environment / "lib/python3.12/site-packages/other-2.0.dist-info/RECORD").unlink()
    assert bad_files(environment, workers=1) == ()
    assert "lib/python3.12/site-packages/other.py" in foreign_files(environment)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere there are no such files")
def test_no_list_of_files_leads_out_of_the_packages_or_to_what_has_no_end(environment: Path) -> None:
    library = environment / "lib/python3.12/site-packages"
    os.mkfifo(library / "pipe")
    (library / "device").symlink_to("/dev/zero")
    (environment / "outside").write_text("not ours")
    with (library / "other-2.0.dist-info/RECORD").open("a") as record:
        record.write("pipe,sha256=a,1\ndevice,sha256=a,1\nother/../../../../outside,sha256=a,1\nx\0y,sha256=a,1\n")
    found = {bad.path.rpartition("/")[2]: bad.found for bad in bad_files(environment, workers=1)}
    assert found == {"pipe": "not a regular file", "device": "not a regular file"}
