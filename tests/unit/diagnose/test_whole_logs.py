"""What only whole logs show: several runs in one, thousands of lines of work, answers of tools that are just listed."""

from __future__ import annotations

import random

import pytest

from tfprov.diagnose.diagnose import diagnose_text
from tfprov.diagnose.records import Diagnosis
from tfprov.diagnose.scan import _MOST_CLUES

WARNING = "E tensorflow/cuda_driver.cc:318] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device"
CAUGHT = ("KeyError: 'loss'", "error: the frobnicator is not calibrated", "No module named 'frobnicator'")
WITHOUT_MODULE = "ModuleNotFoundError: No module named 'tensorflow'"


def root_of(text: str) -> str | None:
    found = diagnose_text(text).root
    return found.code if found else None


def roles_of(found: Diagnosis) -> set[str]:
    return {one.role for one in found.findings}


def work(epochs: int, chance: random.Random) -> str:
    """Lines of a training, no two of which have one shape."""
    words = ("".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(epochs))
    return "".join(f"Epoch {epoch}/{epochs} {word} loss: 0.{epoch}\n" for epoch, word in enumerate(words))


@pytest.mark.parametrize("epochs", [3, _MOST_CLUES - 1, _MOST_CLUES, _MOST_CLUES + 1, 20 * _MOST_CLUES])
@pytest.mark.parametrize("line", [WARNING, *CAUGHT])
def test_what_long_work_of_many_shapes_goes_on_after_is_harmless_however_long_it_is(line: str, epochs: int) -> None:
    chance = random.Random(epochs)
    assert roles_of(diagnose_text(f"{work(epochs, chance)}{line}\n{work(epochs, chance)}")) <= {"noise"}


@pytest.mark.parametrize("epochs", [3, 20 * _MOST_CLUES])
@pytest.mark.parametrize("line", CAUGHT[:2])
def test_what_ends_long_work_is_still_named(line: str, epochs: int) -> None:
    assert "unknown" in roles_of(diagnose_text(f"{work(epochs, random.Random(epochs))}{line}\n"))


@pytest.mark.parametrize(
    "own",
    [
        "2025-03-22 17:15: I tensorflow/core/platform/cpu_feature_guard.cc:182] This TensorFlow binary is optimized",
        "2025-03-22 17:15: E external/local_xla/xla/cuda_fft.cc:467] Unable to register cuFFT factory: one is there",
    ],
)
def test_a_missing_tensorflow_is_overcome_where_it_speaks_in_another_environment(own: str) -> None:
    assert root_of(f"$ python train.py\n{WITHOUT_MODULE}\n$ conda activate tf\n{own}\n") is None
    assert root_of(f"{own}\n$ conda deactivate\n{WITHOUT_MODULE}\n") == "tf-not-in-env"
    assert root_of(f"{WITHOUT_MODULE}\n{own}\n") == "tf-not-in-env"
    ended = f"{WITHOUT_MODULE}\n$ source venv/bin/activate\n{own}\nDataLossError: not an sstable\n"
    assert root_of(ended) is None
    assert "unknown" in roles_of(diagnose_text(ended))


@pytest.mark.parametrize("wanted", ["2.17", "2.28", "2.34", "2.35", "2.36", "2.100"])
@pytest.mark.parametrize("here", ["2.17", "2.31", "2.35"])
def test_a_virtual_package_that_conda_lists_is_the_cause_only_if_it_is_too_old(wanted: str, here: str) -> None:
    text = (
        "UnsatisfiableError: The following specifications were found to be incompatible with each other:\n"
        "Package numpy conflicts for:\nnumpy=1.25\nThe following specifications were found to be incompatible with "
        f"your system:\n  - feature:/linux-64::__glibc=={here}=0\n"
        f"  - numpy=1.25 -> libgcc-ng -> __glibc[version='>={wanted}']\n"
    )
    is_older = [int(part) for part in here.split(".")] < [int(part) for part in wanted.split(".")]
    assert root_of(text) == ("glibc-too-old" if is_older else "conda-unsatisfiable")


@pytest.mark.parametrize(
    ("project", "root"),
    [("frobnicator", "package-name-wrong"), ("my-project", "package-name-wrong"), ("tensorflow", "mirror-http-error")],
)
@pytest.mark.parametrize(
    "answer",
    [
        "Could not fetch URL https://index.example/simple/{0}/: 404 Client Error: Not Found for url: "
        "https://index.example/simple/{0}/ - skipping",
        "2025-01-17T00:20:36,461 Could not fetch URL https://index.example/pypi/{0}/: 404 Client Error: Not Found",
    ],
)
def test_an_index_answers_404_for_a_project_that_it_does_not_have(answer: str, project: str, root: str) -> None:
    text = (
        f"{answer.format(project)}\n"
        f"ERROR: Could not find a version that satisfies the requirement {project} (from versions: none)\n"
        f"ERROR: No matching distribution found for {project}\n"
    )
    assert root_of(text) == root


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/home/me/venv/lib/python3.5/site-packages/tensorflow", "import-failed"),
        (r"C:\Users\me\venv\Lib\site-packages\tensorflow", "windows-dll-load"),
    ],
)
@pytest.mark.parametrize("after", ["", "env.sh: line 105: nvidia-smi: command not found\n"])
def test_a_native_part_that_is_not_found_needs_the_runtime_of_windows_only_there(
    path: str, root: str, after: str
) -> None:
    text = (
        f'  File "{path}/python/pywrap_tensorflow_internal.py", line 20, in swig_import_helper\n'
        "    import _pywrap_tensorflow_internal\nImportError: No module named '_pywrap_tensorflow_internal'\n"
    )
    assert root_of(text + after) == root


@pytest.mark.parametrize("ending", ["RuntimeError: this needs a GPU", "ValueError: no CUDA here"])
def test_a_warning_about_gpus_is_the_cause_where_the_program_ends_for_want_of_one(ending: str) -> None:
    assert root_of(f"{WARNING}\n{ending}\n") == "gpu-no-device"
    assert root_of(f"{WARNING}\nKeyError: 'loss'\n") is None


@pytest.mark.parametrize("asked", ["#SBATCH --gres=gpu:9", "srun --gpus=9 nvidia-smi", "srun --gres gpu:h100:9 true"])
def test_a_job_that_no_node_fits_lacks_gpus_if_it_asks_for_some(asked: str) -> None:
    refused = "srun: error: Unable to allocate resources: Requested node configuration is not available\n"
    assert root_of(f"{asked}\n{refused}") == "gpu-no-device"
    assert root_of(f"srun -n 4096 true\n{refused}") is None


DENIED = "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/usr/lib/x'\n"
REFUSED = (
    "(Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f>: "
    "Failed to establish a new connection: [Errno 111] Connection refused'))\n"
)


@pytest.mark.parametrize(
    ("harmless", "line", "root"),
    [
        ("WARNING: could not write /x/y: Permission denied\n", DENIED, "permission-denied"),
        ("sh: 1: cannot create /proc/sys/x: Permission denied\n", DENIED, "permission-denied"),
        ("(app:4034): dconf-CRITICAL **: cannot create '/run/x': Permission denied.\n", DENIED, "permission-denied"),
        ("Unable to init server: Could not connect: Connection refused\n", REFUSED, "net-refused"),
    ],
)
def test_a_harmless_line_does_not_hide_a_later_one_of_the_same_kind(harmless: str, line: str, root: str) -> None:
    assert root_of(harmless) is None
    for text in (harmless + line, line + harmless, 3 * harmless + line):
        assert root_of(text) == root


def test_a_port_that_another_program_has_is_not_passed_over() -> None:
    text = "Address already in use\nPort 7007 is in use by another program. Either identify and stop that program.\n"
    assert roles_of(diagnose_text(text)) == {"unknown"}
