from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.smoke.surroundings import findings


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Interpreter of a venv that leaves the user site out."""
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("include-system-site-packages = false\n")
    return folder / "bin" / "python"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_a_clean_shell_has_no_findings(python: Path, empty: Path) -> None:
    assert findings(python, {"PYTHONPATH": str(empty), "HOME": str(empty)}, empty, "3.12.1") == ()


def test_a_second_tensorflow_on_pythonpath_is_a_path_leak(python: Path, empty: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / "tensorflow").mkdir(parents=True)
    (tmp_path / "other" / "tensorflow" / "__init__.py").touch()
    (finding,) = findings(python, {"PYTHONPATH": os.pathsep.join([str(empty), str(tmp_path / "other")])}, empty, "3.12")
    assert finding.code == "path-leak"
    assert str(tmp_path / "other" / "tensorflow" / "__init__.py") in finding.evidence


def test_a_file_named_tensorflow_in_the_working_directory_hides_the_package(python: Path, empty: Path) -> None:
    (empty / "tensorflow.py").touch()
    (finding,) = findings(python, {}, empty, "3.12.1")
    assert (finding.code, str(empty / "tensorflow.py") in finding.evidence) == ("shadowed-module", True)


def test_a_folder_named_tensorflow_without_a_module_hides_nothing(python: Path, empty: Path) -> None:
    (empty / "tensorflow").mkdir()
    (empty / "tensorflow" / "notes.txt").touch()
    assert findings(python, {}, empty, "3.12.1") == ()


def test_a_protobuf_on_pythonpath_counts_though_it_is_in_a_namespace(python: Path, empty: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / "google" / "protobuf").mkdir(parents=True)
    (tmp_path / "other" / "google" / "protobuf" / "__init__.py").touch()
    assert [one.code for one in findings(python, {"PYTHONPATH": str(tmp_path / "other")}, empty, None)] == ["path-leak"]


def test_pythonhome_is_a_path_leak(python: Path, empty: Path) -> None:
    assert [one.code for one in findings(python, {"PYTHONHOME": "/opt/python"}, empty, None)] == ["path-leak"]


@pytest.mark.skipif(os.name != "posix", reason="the user site of POSIX")
def test_the_user_site_counts_only_where_the_interpreter_looks_into_it(
    python: Path, empty: Path, tmp_path: Path
) -> None:
    site = tmp_path / "home" / ".local" / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (site / "numpy").mkdir()
    (site / "numpy" / "__init__.py").touch()
    environ = {"HOME": str(tmp_path / "home")}
    assert findings(python, environ, empty, "3.11.7") == ()
    conda = tmp_path / "conda" / "bin" / "python"
    assert [one.code for one in findings(conda, environ, empty, "3.11.7")] == ["path-leak"]
    assert findings(conda, environ, empty, "3.12.1") == ()
    assert findings(conda, {**environ, "PYTHONNOUSERSITE": "1"}, empty, "3.11.7") == ()


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONUSERBASE"])
@pytest.mark.parametrize("value", ["x" * 300, "/" + "x/" * 3000, "/dev/null/x", "\udcff"])
def test_a_variable_may_name_what_no_folder_is_called(empty: Path, name: str, value: str) -> None:
    assert findings(empty / "bin" / "python", {name: value}, empty, "3.12.1") == ()


@pytest.mark.parametrize("content", [b"\xff = 1\n", b"INCLUDE-system-site-packages = TRUE\n\xe9"])
def test_settings_in_another_encoding_are_read(python: Path, empty: Path, content: bytes) -> None:
    (python.parent.parent / "pyvenv.cfg").write_bytes(content)
    assert findings(python, {"PYTHONUSERBASE": str(empty)}, empty, "3.12.1") == ()
