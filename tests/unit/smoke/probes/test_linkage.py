from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest

from probes import load
from sham import install

linkage = load("linkage")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CUDA wheels exist for Linux only")

SONAMES = (
    "libcudart.so.12",
    "libcublas.so.12",
    "libcublasLt.so.12",
    "libcufft.so.11",
    "libcusolver.so.11",
    "libcusparse.so.12",
    "libcudnn.so.9",
)


@pytest.fixture(scope="module")
def library() -> Path:
    """Any library that can be loaded: what is in it does not matter here."""
    found = sorted(Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("*.so"))
    if not found:
        pytest.skip("this Python has its extension modules built in")
    return found[0]


@pytest.fixture
def root(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packages of an environment with every library that TensorFlow opens, found by way of the library path."""
    folder = tmp_path / "packages"
    install(folder, "tensorflow", "2.99.0", {"tensorflow/__init__.py": ""})
    install(folder, "nvidia-cudnn-cu12", "9.5.0", {"nvidia/cuda/lib/__init__.py": ""})
    for name in SONAMES:
        shutil.copy(library, folder / "nvidia" / "cuda" / "lib" / name)
    monkeypatch.setattr("sys.path", [str(folder)])
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder / "nvidia" / "cuda" / "lib"))
    return folder


def test_every_library_that_tensorflow_opens_is_found_and_loaded(root: Path) -> None:
    assert linkage.wanted_libraries(linkage.wheels()) == f"loaded {', '.join(SONAMES)}"


def test_a_missing_library_is_named(root: Path) -> None:
    (root / "nvidia" / "cuda" / "lib" / "libcufft.so.11").unlink()
    with pytest.raises(Exception, match=r"libcufft\.so\.11") as caught:
        linkage.wanted_libraries(linkage.wheels())
    assert caught.value.code == "gpu-libs-missing"
    assert "libcudnn" not in caught.value.evidence


def test_a_library_that_is_none_is_named(root: Path) -> None:
    (root / "nvidia" / "cuda" / "lib" / "libcudnn.so.9").write_bytes(b"<html>log in first</html>")
    for leg in (lambda: linkage.wanted_libraries(linkage.wheels()), linkage.closure):
        with pytest.raises(Exception, match=r"libcudnn\.so\.9") as caught:
            leg()
        assert caught.value.code == "gpu-libs-missing"


@pytest.mark.parametrize(
    ("name", "code"), [("libcudnn.so.9", "cudnn-mismatch"), ("libcublas.so.12", "gpu-libs-foreign")]
)
def test_a_foreign_library_before_the_own_one_is_named(
    root: Path, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    shutil.copy(library, foreign / name)
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{foreign}:{root / 'nvidia' / 'cuda' / 'lib'}")
    with pytest.raises(Exception, match="before the environment's own") as caught:
        linkage.wanted_libraries(linkage.wheels())
    assert caught.value.code == code


def test_the_closure_counts_what_it_loaded(root: Path) -> None:
    assert linkage.closure() == f"{len(SONAMES)} of {len(SONAMES)} libraries were loaded"


def test_an_environment_without_these_libraries_skips_the_closure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(Exception, match="not in the environment") as caught:
        linkage.closure()
    assert type(caught.value).__name__ == "Skipped"


def test_the_compiler_of_xla_must_run(root: Path) -> None:
    with pytest.raises(Exception, match="no wheel of nvcc") as skipped:
        linkage.toolkit(linkage.wheels())
    assert type(skipped.value).__name__ == "Skipped"
    install(root, "nvidia-cuda-nvcc-cu12", "12.5", {"nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc": "bits"})
    ptxas = root / "nvidia" / "cuda_nvcc" / "bin" / "ptxas"
    with pytest.raises(Exception, match="is missing") as missing:
        linkage.toolkit(linkage.wheels())
    assert missing.value.code == "cuda-toolkit-file-missing"
    ptxas.parent.mkdir()
    ptxas.write_text("#!/bin/sh\necho ptxas: NVIDIA\necho Build 12.5\n")
    with pytest.raises(Exception, match="does not run"):
        linkage.toolkit(linkage.wheels())
    ptxas.chmod(0o755)
    assert linkage.toolkit(linkage.wheels()) == "Build 12.5"


def test_a_library_says_what_it_needs(library: Path) -> None:
    needed = {name for path in library.parent.glob("*.so") for name in linkage.read_elf(str(path))["needed"]}
    assert any(name.startswith("libc.") for name in needed)


def test_no_library_is_read_out_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="not a 64-bit ELF"):
        linkage.read_elf(str(tmp_path / "text"))


@pytest.mark.parametrize(
    ("paths", "wrong"),
    [
        ({"cudnn": {"/a/libcudnn.so.9"}, "cudart": {"/a/libcudart.so.12"}}, []),
        ({"cudnn": {"/a/libcudnn.so.8"}}, ["cudnn"]),
        ({"cudart": {"/a/libcudart.so.13.0.1"}, "cudnn": {"/a/libcudnn.so.9.1.0"}}, ["cudart"]),
        ({"cudnn": {"/a/libcudnn.so"}}, []),
        ({}, []),
    ],
)
def test_a_library_of_another_generation_than_the_build_is_named(paths: dict[str, set[str]], wrong: list[str]) -> None:
    found = linkage.mismatched(paths, {"cudnn_version": "9", "cuda_version": "12.5.1"})
    assert [name for name, _ in found] == wrong
    # A release that does not say what it was built with is no fault.
    assert linkage.mismatched(paths, {"is_cuda_build": True}) == []


def test_xla_flags_say_where_the_compiler_is(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a toolkit"
    monkeypatch.setenv("XLA_FLAGS", f"--other --xla_gpu_cuda_data_dir='{place}'")
    with pytest.raises(Exception, match="is missing"):
        linkage.toolkit(linkage.wheels())
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "ptxas").write_text("#!/bin/sh\necho Build 12.9\n")
    (place / "bin" / "ptxas").chmod(0o755)
    (place / "nvvm" / "libdevice").mkdir(parents=True)
    (place / "nvvm" / "libdevice" / "libdevice.10.bc").touch()
    assert linkage.toolkit(linkage.wheels()) == "Build 12.9"


def test_the_toolkit_of_newer_wheels_is_found(root: Path) -> None:
    install(root, "nvidia-cuda-nvcc", "13.0", {"nvidia/cu13/nvvm/libdevice/libdevice.10.bc": "bits"})
    ptxas = root / "nvidia" / "cu13" / "bin" / "ptxas"
    ptxas.parent.mkdir()
    ptxas.write_text("#!/bin/sh\necho Build 13.0\n")
    ptxas.chmod(0o755)
    assert linkage.toolkit(linkage.wheels()) == "Build 13.0"


MAPS = """\
7f00-7f01 r-xp 00000000 08:01 1 {cuda}
7f01-7f02 r-xp 00000000 08:01 2 {driver}
7f02-7f03 r-xp 00000000 08:01 3 /env/lib/libcudnn.so.9
7f03-7f04 r-xp 00000000 08:01 4 /env/lib/libfft.so.1
7f04-7f05 rw-p 00000000 00:00 0
7f05-7f06 rw-p 00000000 00:00 0 [heap]
"""


@pytest.mark.parametrize(
    ("cuda", "driver", "found"),
    [
        ("/usr/lib/wsl/lib/libcuda.so.1", "/usr/lib/wsl/drivers/nvmd.inf_amd64_1/libcuda.so.1.1", 1),
        ("/usr/lib/x86_64-linux-gnu/libcuda.so.550.54", "/opt/stubs/libcuda.so.1", 2),
    ],
)
def test_the_two_libcuda_of_wsl_are_one_and_others_are_not(cuda: str, driver: str, found: int) -> None:
    provided = linkage.provided(MAPS.format(cuda=cuda, driver=driver).splitlines(keepends=True))
    assert len(provided["cuda"]) == found
    assert provided["cudnn"] == {"/env/lib/libcudnn.so.9"}
    assert set(provided) == {"cuda", "cudnn"}


@pytest.mark.parametrize(
    ("accelerator", "must_link", "is_tried"), [("cpu", False, False), ("auto", False, True), ("cuda", True, True)]
)
def test_libraries_of_another_package_are_no_matter_of_a_tensorflow_for_the_cpu(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, must_link: bool, is_tried: bool
) -> None:
    monkeypatch.setattr(linkage, "wheels", lambda: {"nvidia-cudnn-cu13": "9.26"})
    legs: list[str] = []
    probe = SimpleNamespace(
        request={"accelerator": accelerator, "must_link": must_link}, leg=lambda _, name, *__: legs.append(name)
    )
    linkage.run(probe)
    assert bool(legs) is is_tried


def test_a_cudnn_is_found_in_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "[cuda]*"
    folder.mkdir()
    (folder / "libcudnn.so.8").touch()
    assert linkage.guess_cudnn([str(folder)]) == "libcudnn.so.8"
