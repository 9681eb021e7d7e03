from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stubs
from fake_nvml import compiler
from sham import make_environment, site_packages
from tfprov.envs import cures
from tfprov.envs.images import Image
from tfprov.envs.integrity import foreign_files
from tfprov.envs.records import Cure
from tfprov.errors import TfprovError
from told import refusal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the sham environments are POSIX venvs")

ACTIVATE = "deactivate () {\n    unset VIRTUAL_ENV\n}\n\ndeactivate nondestructive\nexport VIRTUAL_ENV=/x\n"
XLA = Cure(name="xla-flags", code="cuda-toolkit-file-missing", what="told where", cuda="nvidia/cuda_nvcc")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "än environment"
    make_environment(folder)
    (folder / "bin" / "activate").write_text(ACTIVATE)
    return folder


def started(environment: Path, code: str, **variables: str) -> str:
    done = subprocess.run(
        [environment / "bin" / "python", "-I", "-c", code],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def contents(environment: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(environment)): path.read_bytes()
        for path in environment.rglob("*")
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts
    }


def test_an_interpreter_that_is_started_directly_has_the_cure(environment: Path) -> None:
    cures.apply(environment, (XLA,))
    flags = started(environment, "import os, tensorflow; print(os.environ['XLA_FLAGS'])")
    # A path with a space is quoted, as XLA reads it.
    assert flags == f"--xla_gpu_cuda_data_dir='{site_packages(environment)}/nvidia/cuda_nvcc'"


# What `site` of Python 3.15 does with `.start` files (PEP 829), once `sys.path` is complete; 3.18 reads nothing else.
AS_IN_3_18 = (
    "import os, pkgutil, sys; from pathlib import Path; library = {library!r}; sys.path.append(library); "
    "lines = [line for file in sorted(Path(library).glob('*.start')) for line in file.read_text().split()]; "
    "[pkgutil.resolve_name(line)() for line in lines]; import tensorflow; print(*lines, os.environ.get('XLA_FLAGS'))"
)


def test_a_python_that_ignores_import_lines_has_the_cure_too(environment: Path) -> None:
    library = str(site_packages(environment))
    code = AS_IN_3_18.format(library=library)
    cures.apply(environment, (XLA,))
    done = subprocess.run(
        [environment / "bin" / "python", "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"_tfprov_cures:start --xla_gpu_cuda_data_dir='{library}/nvidia/cuda_nvcc'"
    assert "_tfprov_cures.start" not in str([*foreign_files(environment)])
    cures.apply(environment, ())
    assert not [*Path(library).glob("_tfprov*")]


def test_nothing_happens_before_tensorflow_is_imported(environment: Path) -> None:
    cures.apply(environment, (XLA,))
    assert started(environment, "import os, json; print(os.environ.get('XLA_FLAGS'))") == "None"


def test_flags_of_the_user_stay_and_win(environment: Path) -> None:
    cures.apply(environment, (XLA,))
    code = "import os, tensorflow; print(os.environ['XLA_FLAGS'])"
    assert started(environment, code, XLA_FLAGS="--a=1").startswith("--a=1 --xla_gpu_cuda_data_dir=")
    mine = "--xla_gpu_cuda_data_dir=/mine"
    assert started(environment, code, XLA_FLAGS=mine) == mine


def test_without_cures_an_environment_is_as_it_was(environment: Path) -> None:
    before = contents(environment)
    cures.apply(environment, (XLA, Cure(name="pin", code="numpy-abi", what="bound", constraint="numpy<2")))
    assert contents(environment) != before
    cures.apply(environment, ())
    assert contents(environment) == before
    cures.apply(environment, ())
    assert contents(environment) == before


def test_the_files_of_a_cure_are_not_foreign_and_not_part_of_an_image(environment: Path, tmp_path: Path) -> None:
    cures.apply(environment, (XLA,))
    started(environment, "import tensorflow")
    assert foreign_files(environment) == ()
    image = Image(tmp_path / "images" / "one")
    assert image.save(environment)
    assert not list((tmp_path / "images").rglob("*_tfprov_cures*"))


def test_a_protected_module_comes_from_the_environment(environment: Path, tmp_path: Path) -> None:
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    (hiding / "tensorflow.py").write_text("__version__ = 'hidden'\n")
    code = f"import sys; sys.path.insert(0, {str(hiding)!r}); import tensorflow; print(tensorflow.__version__)"
    assert started(environment, code) == "hidden"
    cures.apply(environment, (Cure(name="own-modules", code="x", what="y", modules=("tensorflow",)),))
    assert started(environment, code) == "2.99.0"


@pytest.mark.skipif(compiler() is None or sys.platform != "linux", reason="needs a C compiler and the loader of Linux")
def test_an_open_library_is_what_a_name_means_from_then_on(environment: Path, tmp_path: Path) -> None:
    root = site_packages(environment)
    inner = stubs.build(root / "nvidia/inner/lib/libinner.so.1")
    stubs.build(root / "nvidia/outer/lib/libouter.so.1", needs=(inner,))
    foreign = stubs.build(tmp_path / "foreign" / "libinner.so.1", answer=7).parent
    code = "import ctypes, tensorflow\nctypes.CDLL('libouter.so.1')\nprint(ctypes.CDLL('libinner.so.1').answer())\n"
    order = ("nvidia/inner/lib/libinner.so.1", "nvidia/gone.so", "nvidia/outer/lib/libouter.so.1")
    cures.apply(environment, (Cure(name="library-path", code="gpu-libs-missing", what="opened", libraries=order),))
    assert started(environment, code) == "1"
    assert started(environment, code, LD_LIBRARY_PATH=str(foreign)) == "1"


def test_a_relative_order_of_cures_is_kept_and_said_once(environment: Path) -> None:
    one = Cure(name="library-path", code="c", what="w", libraries=("a.so", "b.so"))
    cures.apply(environment, (one, XLA, one))
    told = started(environment, "import _tfprov_cures as c; print(c.active[0].libraries, len(c.active[0].told))")
    assert told == "('a.so', 'b.so') 3"


def test_variables_of_run_and_shell(environment: Path) -> None:
    cure = Cure(
        name="clean-library-path", code="c", what="w", libraries=("nvidia/a/lib/x", "nvidia/a/lib/y"), without=("/f",)
    )
    front = str(site_packages(environment) / "nvidia/a/lib")
    found = cures.variables(environment, (cure,), {"LD_LIBRARY_PATH": "/f:/g::/f", "A": "1"})
    assert found == {"LD_LIBRARY_PATH": f"{front}:/g", "A": "1"}
    assert cures.variables(environment, (cure,), found) == found
    only = Cure(name="clean-library-path", code="c", what="w", without=("/f",))
    assert cures.variables(environment, (only,), {"LD_LIBRARY_PATH": "/f"}) == {}
    assert cures.variables(environment, (), {"LD_LIBRARY_PATH": "/f"}) == {"LD_LIBRARY_PATH": "/f"}


def test_a_folder_that_is_no_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as caught:
        cures.apply(tmp_path, (XLA,))
    assert caught.value.code.name == "python-broken"


@pytest.mark.parametrize("before", ["", "/f", "/f:/g", "/g:/f", "/g:/f:/f:/h", "unset", "/it's here:/g:/it's here"])
@pytest.mark.parametrize("shell", ["bash", "sh", "zsh"])
def test_activation_and_its_end(environment: Path, before: str, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    cure = Cure(
        name="clean-library-path", code="c", what="w", libraries=("nvidia/a/lib/x",), without=("/f", "/it's here")
    )
    cures.apply(environment, (cure, XLA))
    script = (
        'set -eu; [ "$2" = unset ] || export LD_LIBRARY_PATH="$2"; . "$1"; . "$1"; echo "$LD_LIBRARY_PATH"; '
        'echo "$XLA_FLAGS"; deactivate; echo "${LD_LIBRARY_PATH-unset}"; echo "${XLA_FLAGS-unset}"'
    )
    environ = {name: value for name, value in os.environ.items() if name not in ("LD_LIBRARY_PATH", "XLA_FLAGS")}
    activate = environment / "bin" / "activate"
    done = subprocess.run(
        [shell, "-c", script, shell, activate, before], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    inside, flags, after, flags_after = done.stdout.splitlines()
    rest = [each for each in before.split(":") if each not in ("", "/f", "/it's here", "unset")]
    assert inside == ":".join([str(site_packages(environment) / "nvidia/a/lib"), *rest])
    assert flags.startswith("--xla_gpu_cuda_data_dir='")
    assert (after, flags_after) == (before, "unset")


def test_an_environment_without_packages_cannot_be_cured(tmp_path: Path) -> None:
    words = ("python-broken", f"`{tmp_path}` has no site-packages folder")
    assert refusal(lambda: cures.apply(tmp_path, ()))[:2] == words
