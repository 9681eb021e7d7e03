"""Conda packages as wheels."""

from __future__ import annotations

import sys

import pytest

from tfprov.wants.as_wheels import as_wheels
from tfprov.wants.names import wheel_of
from wants_files import Read, texts


def test_a_pinned_python_means_its_minor_version(read_file: Read) -> None:
    found = as_wheels(read_file("e.yml", "dependencies:\n  - python==3.10.4\n  - python>=3.9\n"))
    assert texts(found.python) == ["==3.10.*", ">=3.9"]


def test_what_has_no_wheel_is_left_out_whatever_its_version_is_called(read_file: Read) -> None:
    specs = ("python=3.9", "openssl=1.1.1k", "jpeg=9e=h7f8727e_0", "ca-certificates=2021.7.5", "numpy=1.26")
    text = "".join(f"  - {spec}\n" for spec in specs)
    found = as_wheels(read_file("environment.yml", f"dependencies:\n{text}"))
    assert found.problems == ()
    assert texts(found.requirements) == ["numpy==1.26.*"]
    assert found.notes == (
        "environment.yml: left out, no wheel stands for what conda calls `openssl`, `jpeg`, `ca-certificates`",
    )


@pytest.mark.parametrize(
    ("name", "wheel"),
    [
        *(("numpy-base", "numpy"), ("matplotlib-base", "matplotlib"), ("tensorflow-base", "tensorflow")),
        *(("brotli-python", "brotli"), ("python-tzdata", "tzdata"), ("python-fastjsonschema", "fastjsonschema")),
        *(("nbconvert-core", "nbconvert"), ("pysoundfile", "soundfile"), ("python-dateutil", "python-dateutil")),
        *((name, None) for name in ("zeromq", "llvm-openmp", "gcc_impl_linux-64", "vs2019_win-64", "arrow-cpp")),
        *((name, None) for name in ("gst-plugins-base", "libwebp-base", "xcb-util-wm", "fonts-conda-forge", "mkl_fft")),
        *((name, None) for name in ("conda-package-handling", "anaconda-client", "kernel-headers_linux-64")),
        ("tensorflow-deps", None),
        *((name, name) for name in ("absl-py", "scikit-learn", "jupyter_core", "cmake", "base")),
    ],
)
def test_the_parts_of_packages_and_libraries_that_only_conda_has_are_known(name: str, wheel: str | None) -> None:
    assert wheel_of(name) == wheel


@pytest.mark.parametrize(
    ("of_conda", "of_python", "wheel"),
    [
        ("redis", "redis-py", "redis"),
        ("lmdb", "python-lmdb", "lmdb"),
        ("cdo", "python-cdo", "cdo"),
        ("nco", "pynco", "nco"),
        ("eccodes", "python-eccodes", "eccodes"),
        ("wget", "", ""),
        ("intelpython3_core", "", ""),
        ("tmux", "", ""),
    ],
)
def test_a_program_of_conda_is_not_the_project_of_that_name(of_conda: str, of_python: str, wheel: str) -> None:
    assert wheel_of(of_conda) is None
    assert (wheel_of(of_python) or "") == wheel


class TestCondaList:
    EXPORT = (
        "# This file may be used to create an environment using:\n# platform: linux-64\n_libgcc_mutex=0.1=main\n"
        "ca-certificates=2024.1=h06a4308_0\nnumpy=1.21.5=py39h6c91a56_3\npython=3.9.18=h955ad1f_0\n"
        "tensorboard=2.8.0=pyhd8ed1ab_1\ntqdm=4.66=pypi_0\n"
    )

    def test_its_packages_are_those_of_conda(self, read_file: Read) -> None:
        found = read_file("requirements.txt", self.EXPORT)
        assert texts(found.conda)[2:4] == ["numpy=1.21.5=py39h6c91a56_3", "python=3.9.18=h955ad1f_0"]
        assert texts(found.requirements) == ["tqdm==4.66"]

    @pytest.mark.parametrize("sign", ["# $ conda create --name <env> --file <this file>\n", "python=3.9.18\n"])
    def test_builds_may_be_left_out_of_a_list_that_is_condas(self, read_file: Read, sign: str) -> None:
        found = as_wheels(read_file("requirements.txt", f"{sign}numpy=1.21.5\nlibblas=3.8.0\ntqdm=4.66=pypi_0\n"))
        assert texts(found.requirements) == ["tqdm==4.66", "numpy==1.21.5.*"]
        assert texts(found.python) == (["==3.9.*"] if "python" in sign else [])
        assert (found.problems, len(found.notes)) == ((), 1)
        # Where nothing says that, a single sign is a slip.
        assert len(read_file("requirements.txt", "numpy=1.21.5\ntqdm=4.66\n").problems) == 2

    def test_as_wheels_they_are_the_projects_for_python_alone(self, read_file: Read) -> None:
        found = as_wheels(read_file("requirements.txt", self.EXPORT))
        # Wheels have not always the versions that conda has: opencv 4.0.1 there is 4.0.1.24 here.
        assert texts(found.requirements) == ["tqdm==4.66", "numpy", "tensorboard"]
        assert texts(found.preferences) == ["numpy==1.21.5", "tensorboard==2.8.0"]
        assert texts(found.python) == ["==3.9.*"]
        assert found.notes == (
            "requirements.txt: left out, no wheel stands for what conda calls `_libgcc_mutex`, `ca-certificates`",
            "requirements.txt: the versions of conda's builds are kept where wheels have them, "
            "that of TensorFlow in any case",
        )

    @pytest.mark.skipif(sys.platform == "win32", reason="it asks for pywin32 there, too")
    def test_as_wheels_an_export_of_windows_asks_for_what_wheels_bring_here(self, read_file: Read) -> None:
        text = (
            "dependencies:\n- python=3.8.5=h5fd99cc_1\n- _tflow_select=2.3.0=mkl\n- blas=1.0=mkl\n- hdf5=1.10.4=h7_0\n"
            "- tensorflow=2.3.0=mkl_py38h8_0\n- tensorflow-base=2.3.0=eigen_py38h7_0\n- pywin32=227=py38he7_1\n"
            "- mkl_fft=1.2.0=py38h45dec08_0\n- mkl-service=2.3.0=py38h1_0\n- py-opencv=4.0.1=py38he44ac1e_0\n"
            "- m2w64-gcc-libs=5.3.0=7\n- typing_extensions=3.7.4.3=py_0\n- jpeg=9b=hb83a4c4_2\n- odd=9b.x=py38_0\n"
        )
        found = as_wheels(read_file("environment.yml", text))
        assert texts(found.requirements) == [
            "tensorflow==2.3.0", "tensorflow==2.3.0", "opencv-python", "typing_extensions", "odd",
        ]  # fmt: skip
        assert texts(found.preferences) == ["opencv-python==4.0.1", "typing-extensions==3.7.4.3"]
        assert (texts(found.python), found.problems) == (["==3.8.*"], ())

    def test_the_table_is_read_too(self, read_file: Read) -> None:
        text = (
            "# packages in environment at /opt/conda:\n#\n# Name   Version   Build  Channel\n"
            "_libgcc_mutex 0.1 conda_forge conda-forge\npython 3.11.9 h955ad1f_0_cpython conda-forge\n"
            "numpy   1.26.4  py311h64a7726_0   conda-forge\nsix     1.16.0  pypi_0    pypi\n"
        )
        found = read_file("requirements.txt", text)
        assert texts(found.conda) == [
            "_libgcc_mutex=0.1=conda_forge",
            "python=3.11.9=h955ad1f_0_cpython",
            "numpy=1.26.4=py311h64a7726_0",
        ]
        assert (texts(found.requirements), found.problems) == (["six==1.16.0"], ())

    def test_an_explicit_list_is_one_problem(self, read_file: Read) -> None:
        text = "# platform: linux-64\n@EXPLICIT\nhttps://host/numpy-1.26.4-py311_0.conda\nhttps://host/x.conda\n"
        assert len(read_file("spec.txt", text).problems) == 1
