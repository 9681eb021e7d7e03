"""What nothing accounts for is unknown, with its line; what a program goes on after is harmless."""

from __future__ import annotations

import pytest

from tfprov.diagnose.diagnose import diagnose_text, telling_lines
from tfprov.diagnose.records import LogContext

_LOADER = "2022-03-06 12:00:37.02: W tensorflow/default/dso_loader.cc:64] Could not load dynamic library"
GPU_WARNINGS = (
    f"{_LOADER} 'libcublas.so.11'; dlerror: libcublas.so.11: cannot open shared object file",
    f"{_LOADER} 'nvcuda.dll'; dlerror: nvcuda.dll not found",
    "2022-03-06 12:00:37.02: W tensorflow/cuda_driver.cc:269] failed call to cuInit: UNKNOWN ERROR (303)",
    "I cudart_stub.cc:32] Could not find cuda drivers on your machine, GPU will not be used.",
    "I cuda_diagnostics.cc:156] kernel driver does not appear to be running on this host (x): /proc/driver",
    f"{_LOADER} 'cudnn64_8.dll'; dlerror: cudnn64_8.dll not found",
    "2022-03-06 12:00:37.02: E tensorflow/cuda_driver.cc:271] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no device",
    "2022-03-06 12:00:37.02: E tensorflow/cuda_driver.cc:328] failed call to cuInit: CUDA_ERROR_UNKNOWN: unknown error",
)
WORK = (
    "Epoch 1/5",
    "train_loss: 0.0046",
    "[PhysicalDevice(name='/physical_device:CPU:0', device_type='CPU')]",
    "tf.Tensor(-245.6, shape=(), dtype=float32)",
    "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)",
    "Total time elapsed: 205.46 s",
    "1/1 ━━━━━━━━━━━━━━━━━━━━ 0s 26ms/step",
    "INFO:tensorflow:global_step/sec: 4.15",
    "iter 200: 512ms",
    "total images/sec: 812.5",
    "<tf.Tensor: shape=(), dtype=int32, numpy=4>",
    "I tensorflow/x.cc:116] None of the MLIR optimization passes are enabled (registered 2)",
    "INFO:tensorflow:Assets written to: model/assets",
)
ENDINGS = (
    "KeyError: 'loss'",
    "fatal: not a git repository (or any of the parent directories): .git",
    "error: the frobnicator is not calibrated",
    "##[error]Process completed with exit code 3.",
    "thread 'main' panicked at src/main.rs:4:10:",
)


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("warning", GPU_WARNINGS)
def test_a_warning_about_gpus_is_harmless_where_the_program_goes_on(warning: str, work: str) -> None:
    found = diagnose_text(f"{warning}\n{work}\n")
    assert {one.role for one in found.findings} == {"noise"}


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("warning", GPU_WARNINGS)
def test_it_is_the_cause_where_a_gpu_was_asked_for(warning: str, work: str) -> None:
    found = diagnose_text(f"{warning}\n{work}\n", LogContext(accelerator="cuda"))
    assert found.root is not None
    assert found.root.group is not None
    assert found.root.group.label == "gpu"


@pytest.mark.parametrize("warning", GPU_WARNINGS)
def test_it_is_harmless_before_a_traceback_that_was_cut(warning: str) -> None:
    traceback = 'Traceback (most recent call last):\n  File "/srv/predict.py", line 12, in <module>\n'
    for after in ("", "I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.\n"):
        assert {one.role for one in diagnose_text(warning + "\n" + traceback + after).findings} == {"noise"}
    whole = diagnose_text(f"{warning}\n{traceback}ImportError: libcudnn.so.8: cannot open shared object file\n").root
    assert whole is not None
    assert whole.code == "gpu-libs-missing"


@pytest.mark.parametrize("warning", GPU_WARNINGS)
def test_it_is_harmless_before_an_import_that_fails(warning: str) -> None:
    root = diagnose_text(f"{warning}\nModuleNotFoundError: No module named 'frobnicator'\n").root
    assert root is not None
    assert root.code == "import-failed"


@pytest.mark.parametrize("warning", GPU_WARNINGS)
def test_it_may_be_the_cause_where_nothing_comes_after_it(warning: str) -> None:
    root = diagnose_text(f"Epoch 1/5\nloss: 0.3\n{warning}\n").root
    assert root is not None
    assert root.certainty == "possible"
    assert "whether a GPU is wanted" in root.to_be_sure


@pytest.mark.parametrize("library", ["libcudart.so.11.0", "cudart64_110.dll"])
def test_a_runtime_that_an_import_looks_for_on_every_machine_is_harmless_alone(library: str) -> None:
    alone = f"{_LOADER} '{library}'; dlerror: {library} not found\n"
    assert diagnose_text(alone).root is None
    for more in (
        "Cannot dlopen some GPU libraries.",
        "name: GeForce GTX 1050",
        ">>> tf.test.is_gpu_available()\nFalse",
    ):
        assert diagnose_text(f"{alone}{more}\n").root is not None


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "before", ["", *GPU_WARNINGS[:2], "[notice] A new release of pip is available: 23.0.1 -> 24.0"]
)
def test_a_failure_that_no_rule_knows_is_unknown_with_its_line(before: str, ending: str) -> None:
    found = diagnose_text(f"{before}\nsome words\n{ending}\n")
    assert found.root is None
    first = found.findings[0]
    assert (first.code, first.role, first.lines) == ("unknown", "unknown", (3,))
    assert first.evidence[0].text.endswith(ending.removeprefix("##[error]"))


@pytest.mark.parametrize("ending", ENDINGS)
def test_words_of_failure_before_the_work_was_done_are_no_failure(ending: str) -> None:
    for done in ("Successfully installed tensorflow-2.18.0", "Epoch 5/5"):
        assert diagnose_text(f"{ending}\n{done}\n").findings == ()
    assert diagnose_text(f"{ending}\n", LogContext(returncode=0)).findings == ()


def test_of_exceptions_the_last_is_named_first_and_of_other_words_the_first() -> None:
    text = "ValueError: one\nKeyError: 'two'\nerror: three\nerror: four\nexit code 1\n"
    (found,) = diagnose_text(text).findings
    assert [line.number for line in found.evidence] == [2, 1, 3, 4, 5]


def test_a_known_cause_leaves_nothing_unknown() -> None:
    found = diagnose_text("OSError: [Errno 28] No space left on device\nKeyError: 'x'\n")
    assert [one.role for one in found.findings] == ["cause"]


def test_lines_that_tell_of_a_failure_are_kept_among_the_telling_ones() -> None:
    assert telling_lines("KeyError: 'x'\n", 3) == ("KeyError: 'x'",)


@pytest.mark.parametrize(
    ("text", "certainty"),
    [
        ("OSError: [Errno 28] No space left on device", "certain"),
        ("Killed", "likely"),
        ("ERROR: No matching distribution found for tensorflow", "likely"),
        ("Could not fetch URL https://index.example/simple/x/: connection error", "possible"),
    ],
)
def test_a_cause_says_how_sure_it_is_and_what_would_make_it_sure(text: str, certainty: str) -> None:
    root = diagnose_text(f"{text}\n").root
    assert root is not None
    assert root.certainty == certainty
    assert bool(root.to_be_sure) == (certainty != "certain")


def test_a_line_that_a_rule_says_nothing_of_is_what_the_program_died_of() -> None:
    text = (
        "I tensorflow/tsl/cuda/cudart_stub.cc:28] Could not find cuda drivers on your machine, GPU will not be used.\n"
        "AttributeError: module 'tensorflow' has no attribute 'frobnicate'\n"
    )
    assert [one.role for one in diagnose_text(text).findings] == ["unknown", "noise"]


@pytest.mark.parametrize(
    "said",
    [
        "Exception ignored in: <function Pool.__del__ at 0x7f40158bc0e0>",
        "Exception ignored while calling deallocator <function Pool.__del__ at 0x7f40158bc0e0>:",
        "--- Logging error ---",
        "Error in sitecustomize; set PYTHONVERBOSE for traceback:",
    ],
)
def test_an_exception_that_python_passes_over_is_no_failure(said: str) -> None:
    traceback = "Traceback (most recent call last):\n  File \"/srv/pool.py\", line 3, in close\nKeyError: 'loss'\n"
    assert diagnose_text(f"{said}\n{traceback}").root is None
    assert diagnose_text(f"{said}\n{traceback}").findings == ()
    for text in (f"{traceback}{said}\n{traceback}", f"{said}\n{traceback}{traceback}"):
        assert [one.role for one in diagnose_text(text).findings] == ["unknown"]


@pytest.mark.parametrize("line", ["multiprocessing.context.TimeoutError", "TimeoutError: timed out after 100 s."])
def test_waiting_too_long_for_a_result_is_not_the_network(line: str) -> None:
    raising = '    raise TimeoutError(f"timed out after {timeout} s.")\n'
    assert [one.role for one in diagnose_text(f"{raising}{line}\n").findings] == ["unknown"]


def test_the_name_of_a_saved_layer_hides_no_module() -> None:
    said = "WARNING:absl:<keras.layers.recurrent.LSTMCell object> has the same name 'LSTMCell' as a built-in Keras "
    text = f"{said}object. Consider renaming <class 'keras.layers.recurrent.LSTMCell'> to avoid naming conflicts\n"
    assert diagnose_text(text).root is None
    own = "AttributeError: module 'x' has no attribute 'y' (consider renaming '/srv/x.py' since it has the same name)\n"
    root = diagnose_text(own).root
    assert root is not None
    assert root.code == "shadowed-module"
