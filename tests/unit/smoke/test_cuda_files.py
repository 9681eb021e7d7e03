from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import stubs
from fake_nvml import compiler
from sham import make_environment, site_packages
from tfprov.smoke.cuda_files import CudaFiles, cuda_files

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="CUDA wheels exist for Linux only"),
    pytest.mark.skipif(compiler() is None, reason="there is no C compiler"),
]


def found(python: Path, **variables: str) -> CudaFiles:
    environ = {name: value for name, value in os.environ.items() if name not in ("LD_LIBRARY_PATH", "CUDA_HOME")}
    return cuda_files(python, environ={**environ, **variables})


def test_libraries_stand_behind_what_they_need_and_strangers_are_left_out(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "ä b")
    root = site_packages(tmp_path / "ä b")
    cudart = stubs.build(root / "nvidia/z_runtime/lib/libcudart.so.12")
    helper = stubs.build(root / "nvidia/z_helper/lib/libnvhelper.so.1", needs=(cudart,))
    stubs.build(root / "nvidia/a_cublas/lib/libcublas.so.12", needs=(helper,))
    stubs.build(root / "nvidia/fabric/lib/libnvshmem_host.so.3")
    (root / "nvidia/a_cublas/lib/libcufft.so.11").write_text("no library")
    assert found(python).libraries == (
        "nvidia/z_runtime/lib/libcudart.so.12",
        "nvidia/z_helper/lib/libnvhelper.so.1",
        "nvidia/a_cublas/lib/libcublas.so.12",
    )


def test_only_folders_with_a_library_of_the_same_name_are_in_the_way(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e")
    own = stubs.build(site_packages(tmp_path / "e") / "nvidia/cudnn/lib/libcudnn_ops.so.9")
    foreign = stubs.build(tmp_path / "foreign" / own.name).parent
    (tmp_path / "other").mkdir()
    given = found(python, LD_LIBRARY_PATH=f"{own.parent}:{tmp_path / 'other'}:{foreign}::{foreign}")
    assert given.crowding == (str(foreign),)
    # It is opened by another library and not by TensorFlow; with a foreign one in the way it must come first, too.
    assert given.libraries == ("nvidia/cudnn/lib/libcudnn_ops.so.9",)
    assert found(python).libraries == ()


def test_toolkits_need_both_of_their_parts(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "e")
    root = site_packages(tmp_path / "e")
    for folder in (root / "nvidia" / "cuda_nvcc", tmp_path / "cuda", tmp_path / "half"):
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "ptxas").write_text("#!/bin/sh\n")
        (folder / "bin" / "ptxas").chmod(0o755)
        if folder.name != "half":
            (folder / "nvvm" / "libdevice").mkdir(parents=True)
            (folder / "nvvm" / "libdevice" / "libdevice.10.bc").touch()
    whole = found(python, CUDA_HOME=str(tmp_path / "cuda")).toolkits
    assert whole[:2] == ("nvidia/cuda_nvcc", str(tmp_path / "cuda"))
    assert str(tmp_path / "half") not in found(python, CUDA_HOME=str(tmp_path / "half")).toolkits


def test_an_interpreter_that_says_nothing_has_nothing(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 7\n")
    python.chmod(0o755)
    assert cuda_files(python, environ=os.environ) == CudaFiles()
