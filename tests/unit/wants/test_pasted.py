from __future__ import annotations

import sys

import pytest

from tfprov.wants.as_wheels import as_wheels
from wants_files import Read, texts


class TestPipList:
    @pytest.mark.parametrize(
        "text",
        [
            "Package    Version\n---------- -------\nabsl-py    2.1.0\nnumpy      1.26.4\n",
            "Package    Version   Editable project location\n---------- ------- ---\nabsl-py    2.1.0\nnumpy 1.26.4\n",
            "absl-py    2.1.0\nnumpy      1.26.4\n",
            "absl-py (2.1.0)\nnumpy (1.26.4)\n",
        ],
    )
    def test_each_line_is_a_pin_and_that_is_said(self, read_file: Read, text: str) -> None:
        found = read_file("requirements.txt", text)
        assert texts(found.requirements) == ["absl-py==2.1.0", "numpy==1.26.4"]
        assert found.notes == ("requirements.txt: it is what `pip list` prints: each package is read as a pin",)
        assert found.problems == ()

    def test_what_was_installed_from_a_folder_is_a_problem(self, read_file: Read) -> None:
        text = "Package Version Editable project location\n------- ---\nmine 1.0 /home/me/mine\nsix 1.0\n???\n"
        assert read_file("list.txt", text).problems == (
            "list.txt:3: `mine` was installed from `/home/me/mine`, which would be built from source, and tfprov "
            "installs wheels",
            "list.txt:5: `???` is not a line of `pip list`: write `name==version`",
        )


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


class TestFreeze:
    def test_a_folder_of_condas_builders_is_read_as_the_bare_name(self, read_file: Read) -> None:
        found = read_file(
            "requirements.txt",
            "absl-py==1.4.0\n"
            "numpy @ file:///croot/numpy_and_numpy_base_16/work\n"
            "certifi @ file:///home/conda/feedstock_root/build_artifacts/certifi_1/work/certifi\n"
            "six @ file:///C:/ci/six_1/work ; python_version > '3'\n"
            "pandas @ file:///croot/pandas_1/work/dist/pandas-2.1.1-cp311-cp311-linux_x86_64.whl#sha256=0\n",
        )
        assert texts(found.requirements) == [
            "absl-py==1.4.0",
            "numpy",
            "certifi",
            "six ; python_version > '3'",
            "pandas==2.1.1",
        ]
        assert len(found.notes) == 4
        assert found.problems == ()

    @pytest.mark.parametrize(
        "place",
        [
            *(
                "/tmp/build/80754af9/six_1/work",
                "/opt/conda/conda-bld/six_1/work",
                "/Users/ktietz/demo/mc3/conda-bld/six_1",
            ),
            *("/opt/concourse/worker/volumes/live/x/volume/six_1", "/C:/ci_310/six_1", "/D:/bld/six_1/work"),
            *(
                "/home/builder/ci_310/six_1/work",
                "/".join(("", "work", "ci_py311", "six_1")),
                "/private/var/T/abs_x/croot/six_1/work",
            ),
            "/somewhere/six_1690024778131/work",
        ],
    )
    def test_so_is_each_of_them(self, read_file: Read, place: str) -> None:
        assert texts(read_file("requirements.txt", f"six @ file://{place}\n").requirements) == ["six"]

    @pytest.mark.parametrize("place", ["/home/me/work/mine", "/home/me/ci/mine", "/srv/bld/mine", "/tmp/build/mine"])
    def test_a_folder_of_somebodys_own_is_not_looked_for_on_an_index(self, read_file: Read, place: str) -> None:
        found = read_file("requirements.txt", f"mine @ file://{place}\n")
        assert (found.requirements, len(found.problems)) == ((), 1)

    def test_another_folder_that_is_not_here_is_a_problem(self, read_file: Read) -> None:
        found = read_file("requirements.txt", "mine @ file:///home/me/mine\n")
        assert found.problems == (
            "requirements.txt:1: `mine @ file:///home/me/mine`: there is no such file here; ask for the package by "
            "name",
        )

    def test_parts_of_the_system_are_left_out_with_a_note(self, read_file: Read) -> None:
        found = read_file(
            "requirements.txt",
            "numpy==1.26.4\npkg-resources==0.0.0\npython-apt==2.4.0+ubuntu1\nxkit==0.0.0\nPyGObject==3.42.0\n"
            "google-colab @ file:///colabtools/dist/google-colab-1.0.0.tar.gz#sha256=0\n",
        )
        assert texts(found.requirements) == ["numpy==1.26.4"]
        assert len(found.notes) == 5
        assert found.problems == ()

    @pytest.mark.skipif(sys.platform == "win32", reason="it is for Windows")
    def test_what_is_of_use_on_windows_only_is_left_out_of_any_list(self, read_file: Read) -> None:
        found = read_file("requirements.txt", "numpy\nwincertstore==0.2\n")
        assert (texts(found.requirements), found.problems) == (["numpy"], ())
        assert found.notes == ("requirements.txt:2: `wincertstore==0.2` is left out: it exists for Windows only",)

    @pytest.mark.skipif(sys.platform == "win32", reason="pywin32 is for Windows")
    def test_what_is_for_another_system_is_left_out_of_a_freeze(self, read_file: Read) -> None:
        found = read_file("requirements.txt", "numpy==1.26.4\npywin32==306\ntensorflow-intel==2.15.0\n")
        assert texts(found.requirements) == ["numpy==1.26.4", "tensorflow-intel==2.15.0"]
        assert found.notes == ("requirements.txt:2: `pywin32==306` is left out: it exists for Windows only",)

    @pytest.mark.skipif(sys.platform == "win32", reason="pywin32 is for Windows")
    def test_in_a_list_that_somebody_wrote_all_of_it_is_named(self, read_file: Read) -> None:
        found = read_file("requirements.txt", "numpy\npywin32==306\nwindows-curses\npywinpty; os_name == 'nt'\n")
        assert texts(found.requirements) == ["numpy", "pywinpty; os_name == 'nt'"]
        assert found.problems == (
            "requirements.txt:2: `pywin32==306`: it exists for Windows only: write `pywin32==306; "
            'sys_platform == "win32"`',
            "requirements.txt:3: `windows-curses`: it exists for Windows only: write `windows-curses; "
            'sys_platform == "win32"`',
        )

    def test_of_a_freeze_of_conda_its_own_parts_are_left_out(self, read_file: Read) -> None:
        text = (
            "certifi @ file:///C:/ci/certifi_1655968940823/work/certifi\nconda==4.10.3\nmkl-fft==1.3.1\n"
            "mkl-random @ file:///C:/ci/mkl_random_1626186184278/work\nmkl-service==2.4.0\ntensorflow==2.9.1\n"
        )
        found = read_file("requirements.txt", text)
        assert texts(found.requirements) == ["certifi", "tensorflow==2.9.1"]
        assert len([note for note in found.notes if "it is a part of conda where the list was made" in note]) == 4
        # Who asks for them has a use for them.
        asked = read_file("requirements.txt", text.replace("2.9.1", "2.9.*").replace("==2.9.*", ">=2.9"))
        assert "mkl-fft==1.3.1" in texts(asked.requirements)

    def test_names_of_modules_are_named_all_at_once(self, read_file: Read) -> None:
        found = read_file("requirements.txt", "tensorflow\nsklearn\ncv2>=4\nPIL\nyaml\nos\nargparse\n")
        assert texts(found.requirements) == ["tensorflow", "argparse"]
        assert [problem.rpartition(" ")[2] for problem in found.problems] == [
            "`scikit-learn`", "`opencv-python`", "`Pillow`", "`PyYAML`",
        ]  # fmt: skip
