from __future__ import annotations

import pytest

from tfprov.conda.records import Package, file_name


@pytest.mark.parametrize("ending", [".conda", ".tar.bz2"])
def test_a_package_is_unpacked_into_a_folder_of_its_name(ending: str) -> None:
    url = f"https://h.example/c/noarch/a-b-1.0-py_0{ending}"
    package = Package(
        name="a-b", version="1.0", build="py_0", subdir="noarch", channel="c", url=url, sha256="s", md5="m", size=3
    )
    assert package.stem == "a-b-1.0-py_0"
    assert package.file.filename == f"a-b-1.0-py_0{ending}"
    assert not package.file.is_wheel


def test_the_name_of_the_lock_is_known_to_conda_lock_and_micromamba() -> None:
    # The one looks for the ending `conda-lock.yml`, the other for `-lock.yml`.
    assert file_name("train").endswith("conda-lock.yml")
