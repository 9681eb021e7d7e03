from __future__ import annotations

import pytest

from tfprov.wants.as_wheels import as_wheels
from tfprov.wants.records import System
from wants_files import Read, texts

LINUX = System(name="linux", machine="x86_64")


@pytest.mark.parametrize("before", ["", "!", "! ", "%", "$ ", "sudo ", "python3 -m ", "  "])
def test_a_list_of_commands_is_read_as_what_they_install(read_file: Read, before: str) -> None:
    text = f"# setup\n\n{before}pip install tensorflow==2.15.1\n{before}pip install -U numpy six  # why\n"
    found = read_file("requirements.txt", text)
    assert (texts(found.requirements), found.problems) == (["tensorflow==2.15.1", "numpy", "six"], ())


def test_other_commands_may_stand_between_them(read_file: Read) -> None:
    text = "$ conda create -n tf python=3.8\n$ conda activate tf\n$ cd nets\n$ python -m pip install six\n"
    found = read_file("install.txt", text)
    assert (texts(found.requirements), texts(found.conda), found.problems) == (["six"], ["python=3.8"], ())
    assert texts(read_file("requirements.txt", "git >= 1\npip >= 2\n").requirements) == ["pip >= 2"]


def test_a_command_among_requirements_is_a_mistake(read_file: Read) -> None:
    assert read_file("requirements.txt", "numpy\npip install six\n").problems == (
        "requirements.txt:2: `pip install six` is not a requirement: did you mean `six`?",
    )


HEADER = "# This file may be used to create an environment using:\n# $ conda create --name <env> --file <this file>\n"


@pytest.mark.parametrize(
    ("rows", "asked"),
    [
        ("cudatoolkit\nopencv\npython=3.8\nnumpy\n", ["opencv-python", "numpy"]),
        ("pytorch=1.6\ntqdm>=4\nPython=3.8\n", ["torch==1.6.*", "tqdm>=4"]),
        # What pip wrote under the same lines is a list of requirements.
        ("numpy==1.21.6\nopencv-python==4.6.0.66\n", ["numpy==1.21.6", "opencv-python==4.6.0.66"]),
    ],
)
def test_a_list_that_conda_made_may_be_shortened(read_file: Read, rows: str, asked: list[str]) -> None:
    found = as_wheels(read_file("requirements.txt", f"{HEADER}# platform: linux-64\n{rows}"))
    assert (texts(found.requirements), found.problems) == (asked, ())
    assert texts(found.python) == (["==3.8.*"] if "ython=3.8" in rows else [])


class TestPipList:
    @pytest.mark.parametrize(
        "text",
        [
            "Package    Version\n---------- -------\nabsl-py    2.1.0\nnumpy      1.26.4\n",
            "Package    Version   Editable project location\n---------- ------- ---\nabsl-py    2.1.0\nnumpy 1.26.4\n",
            "absl-py    2.1.0\nnumpy      1.26.4\n",
            "absl-py (2.1.0)\nnumpy (1.26.4)\n",
            "| Package | Version |\n|---------|---------|\n| absl-py | 2.1.0   |\n| numpy   | 1.26.4  |\n",
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

    def test_a_wheel_in_a_temporary_folder_is_of_conda_in_a_list_of_conda_only(self, read_file: Read) -> None:
        line = "threadpoolctl @ file:///tmp/tmp9twdgx9k/threadpoolctl-2.1.0-py3-none-any.whl\n"
        found = read_file("requirements.txt", f"six @ file:///C:/ci/six_1605187374963/work\n{line}")
        assert (texts(found.requirements), found.problems) == (["six", "threadpoolctl==2.1.0"], ())
        assert len(read_file("requirements.txt", f"six==1.16.0\n{line}").problems) == 1

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

    def test_what_is_of_use_on_windows_only_is_left_out_of_any_list(self, read_file: Read) -> None:
        found = read_file("requirements.txt", "numpy\nwincertstore==0.2\n", system=LINUX)
        assert (texts(found.requirements), found.problems) == (["numpy"], ())
        assert found.notes == ("requirements.txt:2: `wincertstore==0.2` is left out: it exists for Windows only",)

    @pytest.mark.parametrize("more", ["numpy", "numpy==1.26.4", "tensorflow-macos>=2.12"])
    def test_the_plug_in_for_macs_is_left_out_of_any_list(self, read_file: Read, more: str) -> None:
        found = read_file("requirements.txt", f"{more}\ntensorflow-metal>=0.8\n", system=LINUX)
        assert (texts(found.requirements), found.problems) == ([more], ())
        assert found.notes == ("requirements.txt:2: `tensorflow-metal>=0.8` is left out: it exists for macOS only",)

    def test_what_is_for_another_system_is_left_out_of_a_freeze(self, read_file: Read) -> None:
        found = read_file("requirements.txt", "numpy==1.26.4\npywin32==306\ntensorflow-intel==2.15.0\n", system=LINUX)
        assert texts(found.requirements) == ["numpy==1.26.4", "tensorflow-intel==2.15.0"]
        assert found.notes == ("requirements.txt:2: `pywin32==306` is left out: it exists for Windows only",)

    def test_in_a_list_that_somebody_wrote_all_of_it_is_named(self, read_file: Read) -> None:
        found = read_file(
            "requirements.txt", "numpy\npywin32==306\nwindows-curses\npywinpty; os_name == 'nt'\n", system=LINUX
        )
        assert texts(found.requirements) == ["numpy", "pywinpty; os_name == 'nt'"]
        assert found.problems == (
            "requirements.txt:2: `pywin32==306`: it exists for Windows only: write `pywin32==306; "
            'sys_platform == "win32"`',
            "requirements.txt:3: `windows-curses`: it exists for Windows only: write `windows-curses; "
            'sys_platform == "win32"`',
        )

    @pytest.mark.parametrize(("name", "machine"), [("linux", "x86_64"), ("win32", "amd64"), ("darwin", "arm64")])
    def test_what_exists_for_one_system_only_is_kept_in_a_list_for_that_system(
        self, read_file: Read, name: str, machine: str
    ) -> None:
        lines = {"win32": "pywin32==306", "darwin": "tensorflow-metal==1.1.0", "linux": "six==1.16.0"}
        system = System(name=name, machine=machine)
        found = read_file("requirements.txt", "\n".join(lines.values()), system=system)
        assert texts(found.requirements) == list(dict.fromkeys((lines[name], lines["linux"])))
        assert len(found.notes) == (2 if name == "linux" else 1)
        asked = read_file("environment.yml", "dependencies:\n- pywin32\n- numpy\n", system=system)
        assert texts(as_wheels(asked, system).requirements) == [*["pywin32"] * (name == "win32"), "numpy"]

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
