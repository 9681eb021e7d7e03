from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.wants.links import file_of, is_link, project_of, without_marker
from tfprov.wants.unfit import SourceFile


@pytest.fixture
def origin(tmp_path: Path) -> SourceFile:
    (tmp_path / "libs").mkdir()
    (tmp_path / "numpy").mkdir()
    return SourceFile(path=tmp_path / "requirements.txt", folder=tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *("https://host/a-1.0.tar.gz", "git+ssh://git@host/a", "git@host:a/b.git", "file:a.whl", "hg+https://host/a"),
        *("./a", "/a", "~/a", r"C:\a", "C:/a", r"libs\a", "a-1.0.tar.gz", "libs/", "libs/../numpy", "./a[x]", ". ; x"),
    ],
)
def test_an_address_a_path_or_an_archive_is_a_link(origin: SourceFile, text: str) -> None:
    assert is_link(text, origin)


@pytest.mark.parametrize("text", ["numpy", "numpy[x]", "numpy==1.0", "a/b", "numpy ; sys_platform == './a'"])
def test_a_name_is_none_even_beside_a_folder_of_that_name(origin: SourceFile, text: str) -> None:
    assert not is_link(text, origin)


def test_a_path_is_relative_to_the_file_and_a_remote_address_is_none(origin: SourceFile) -> None:
    assert file_of("libs/a.whl", origin) == origin.folder / "libs/a.whl"
    assert file_of((origin.folder / "ä b.whl").as_uri(), origin) == origin.folder / "ä b.whl"
    assert file_of("https://host/a.whl", origin) is None


@pytest.mark.parametrize(
    ("filename", "project"),
    [
        ("A_b-1.0-py3-none-any.whl", "a-b"),
        ("a.b-1.0.tar.gz", "a-b"),
        ("a.whl", None),
        ("a.tar.gz", None),
        ("a.zip", None),
    ],
)
def test_the_project_is_in_the_name_of_an_archive(filename: str, project: str | None) -> None:
    assert project_of(filename) == project


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("./a ;python_version<'3'", ("./a", " ; python_version<'3'")),
        ("https://host/a;b", ("https://host/a;b", "")),
    ],
)
def test_a_marker_follows_a_space(text: str, parts: tuple[str, str]) -> None:
    assert without_marker(text) == parts
