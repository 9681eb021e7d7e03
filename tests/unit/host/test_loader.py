"""Where the dynamic loader finds a library: first the variable, then its cache, then its folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.host.loader import CUDA_LIBRARY, loaded_by_name

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the loader of Linux")


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_each_place_gives_way_to_the_one_before_it(tmp_path: Path) -> None:
    environ = {"LD_LIBRARY_PATH": f":{tmp_path / 'empty'}:{tmp_path / 'own'}"}
    assert loaded_by_name(CUDA_LIBRARY, environ, tmp_path) is None
    folder = put(tmp_path / "usr" / "lib" / "x86_64-linux-gnu" / CUDA_LIBRARY)
    assert loaded_by_name(CUDA_LIBRARY, environ, tmp_path) == folder
    cached = put(tmp_path / "opt" / "driver" / CUDA_LIBRARY)
    cache = put(tmp_path / "etc" / "ld.so.cache")
    cache.write_bytes(b"glibc-ld.so.cache1.1\0libcuda.so.1\0/opt/driver/libcuda.so.1\0")
    assert loaded_by_name(CUDA_LIBRARY, environ, tmp_path) == cached
    own = put(tmp_path / "own" / CUDA_LIBRARY)
    assert loaded_by_name(CUDA_LIBRARY, environ, tmp_path) == own


def test_a_cache_that_names_what_is_gone_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "etc" / "ld.so.cache").write_bytes(b"\0/opt/driver/libcuda.so.1\0")
    assert loaded_by_name(CUDA_LIBRARY, {}, tmp_path) is None
    folder = put(tmp_path / "lib64" / CUDA_LIBRARY)
    assert loaded_by_name(CUDA_LIBRARY, {}, tmp_path) == folder


def test_a_library_whose_name_begins_alike_is_another(tmp_path: Path) -> None:
    put(tmp_path / "opt" / "libcuda.so.12")
    put(tmp_path / "etc" / "ld.so.cache").write_bytes(b"\0/opt/libcuda.so.12\0")
    assert loaded_by_name(CUDA_LIBRARY, {}, tmp_path) is None
