"""Words about failures in the output of runs that went well, or whose program made a mistake of its own."""

from __future__ import annotations

import pytest

from tfprov.diagnose.diagnose import diagnose_text

FAULTS = {
    "disk-full": "OSError: [Errno 28] No space left on device",
    "net-refused": "ConnectionRefusedError: [Errno 111] Connection refused",
    "net-timeout": "TimeoutError: read timed out",
    "oom-killed": "Killed",
    "numpy-abi": "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96, got 88",
    "gpu-driver-too-old": "CUDA driver version is insufficient for CUDA runtime version",
}
PYTEST = "============================= test session starts ==============================\n"
PASSED = "=================== 2 passed, 3 skipped, 1 xfailed in 0.72s ====================\n"
FAILED = "=================== 1 failed, 2 passed in 0.72s ====================\n"
FRAME = (
    'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n    from models.unet import UNet3D\n'
)
NO_DRIVER = (
    "2026-01-02 03:04:05.678901: I external/local_tsl/tsl/cuda/cudart_stub.cc:31] Could not find cuda drivers on your "
    "machine, GPU will not be used.\n"
)


def root_of(text: str) -> str | None:
    found = diagnose_text(text).root
    return found.code if found else None


@pytest.mark.parametrize("code", sorted(FAULTS))
def test_what_tests_print_that_pass_is_no_fault(code: str) -> None:
    assert root_of(f"{PYTEST}collected 6 items\n\ntest_a.py::test_b \n{FAULTS[code]}\nPASSED\n\n{PASSED}") is None
    of_unittest = (
        f"test_a (t.T.test_a) ... ok\n{FAULTS[code]}\ntest_b (t.T.test_b) ... ok\n\nRan 2 tests in 0.1s\n\nOK\n"
    )
    assert root_of(of_unittest) is None


@pytest.mark.parametrize("code", sorted(FAULTS))
def test_what_tests_print_of_which_one_fails_is_a_fault(code: str) -> None:
    assert root_of(f"{PYTEST}collected 6 items\n\n{FAULTS[code]}\n{FAILED}") == code
    of_unittest = f"test_a (t.T.test_a) ... ok\n{FAULTS[code]}\nRan 2 tests in 0.1s\n\nFAILED (errors=1)\n"
    assert root_of(of_unittest) == code


@pytest.mark.parametrize("code", sorted(FAULTS))
def test_what_fails_before_or_after_tests_that_pass_is_a_fault(code: str) -> None:
    assert root_of(f"{PYTEST}collected 6 items\n\n{PASSED}{FAULTS[code]}\n") == code


@pytest.mark.parametrize("code", sorted(set(FAULTS) - {"oom-killed"}))
@pytest.mark.parametrize(
    "verdict",
    [
        "test_y.py::test_drv[{}] PASSED [ 60%]",
        "test_y.py::test_drv SKIPPED ({}) [ 60%]",
        "test_y.py::test_drv XFAIL ({}) [ 60%]",
        "SKIPPED [1] test_y.py:6: {}",
        "XFAIL test_y.py::test_abi - {}",
        "test_drv (t.T.test_drv) ... skipped '{}'",
        "ok 12 drv says {}",
    ],
)
def test_the_verdict_of_a_test_that_did_not_fail_is_no_fault(verdict: str, code: str) -> None:
    assert root_of(f"{PYTEST}{verdict.format(FAULTS[code])}\n{FAILED}") is None


@pytest.mark.parametrize("code", sorted(FAULTS))
@pytest.mark.parametrize(
    "line",
    ["2026-01-02 03:04:05,678 INFO etl: record {} ok", "episode {}: reward 3.5", "Trial {} Complete [00h 00m 03s]"],
)
def test_a_program_that_goes_on_counting_after_a_failure_has_survived_it(line: str, code: str) -> None:
    def counted(*numbers: int) -> str:
        return "".join(f"{line.format(number)}\n" for number in numbers)

    assert root_of(f"{counted(1, 2)}{FAULTS[code]}\n{counted(3, 4)}done\n") is None
    assert root_of(f"{counted(1, 2)}{FAULTS[code]}\n") == code
    # It began again, or something failed after it.
    assert root_of(f"{counted(7, 8)}{FAULTS[code]}\n{counted(1, 2)}{FAULTS[code]}\n") == code
    assert (
        root_of(f"{counted(1, 2)}{FAULTS[code]}\n{counted(3)}srun: error: node1: task 3: Exited with exit code 1\n")
        == code
    )


@pytest.mark.parametrize("values", ["total 4.0", "[1.0, 0.5]", "[[1. 2.]]", "2.15.2", "0.8731"])
def test_a_program_that_prints_its_numbers_has_done_without_a_driver(values: str) -> None:
    assert root_of(f"{NO_DRIVER}{values}\n") is None
    assert root_of(f"{NO_DRIVER}Num GPUs Available: 0\n") == "gpu-no-driver"


@pytest.mark.parametrize(
    "raised",
    [
        "ValueError: Unrecognized keyword arguments passed to Dense: {'actvation': 'relu'}",
        "TypeError: ('Keyword argument not understood:', 'kernal_size')",
        "TypeError: Unrecognized keyword arguments: ['n_epochs']",
    ],
)
def test_an_argument_that_no_keras_has_is_a_mistake_in_the_program(raised: str) -> None:
    assert (
        root_of(f'Traceback (most recent call last):\n  File "/srv/t.py", line 2, in <module>\n    x()\n{raised}\n')
        is None
    )


@pytest.mark.parametrize(
    "raised",
    [
        "ValueError: Unrecognized keyword arguments passed to Dense: {'output_dim': 3, 'init': 'uniform'}",
        "ValueError: Unrecognized keyword arguments passed to LSTM: {'time_major': False}",
        "TypeError: ('Keyword argument not understood:', 'border_mode')",
        "TypeError: ('Keyword argument not understood:', 'mode')",
        "TypeError: TensorFlowTrainer.fit() got an unexpected keyword argument 'workers'",
        "TypeError: Model.fit() got an unexpected keyword argument 'nb_epoch'",
        "TypeError: TensorFlowTrainer.fit() got an unexpected keyword argument 'use_multiprocessing'",
        "ValueError: Argument(s) not recognized: {'lr': 0.001}",
    ],
)
def test_an_argument_that_another_keras_has_is_a_fault_between_versions(raised: str) -> None:
    text = f'Traceback (most recent call last):\n  File "/srv/t.py", line 2, in <module>\n    x()\n{raised}\n'
    assert root_of(text) == "keras-mismatch"


def test_a_model_file_that_is_not_there_is_no_broken_one() -> None:
    said = "File not found: filepath=best.keras. Please ensure the file is an accessible `.keras` zip file."
    assert root_of(f"ValueError: {said}\n") is None


@pytest.mark.parametrize(
    "warning", ["WARNING: Lockfile does not exist", "WARN: Lock file does not exist, trying to generate one..."]
)
def test_a_lock_that_is_made_now_is_not_missed(warning: str) -> None:
    assert root_of(f"{warning}\nUpdating the lock file...\n") is None


@pytest.mark.parametrize("path", ["./nowhere", "/srv/repo", "../lib.git"])
def test_a_folder_that_is_no_repository_is_no_server_that_does_not_answer(path: str) -> None:
    assert root_of(f"fatal: repository '{path}' does not exist\n") is None
    assert root_of("fatal: repository 'https://host.example/lib.git/' not found\n") == "source-unreachable"


@pytest.mark.parametrize("said", ["timeouts 0, connection resets 0", "broken pipes: 0, connection reset: 0 times"])
def test_a_count_of_failures_is_none(said: str) -> None:
    assert root_of(f"epoch 3: val error {said}\n") is None


@pytest.mark.parametrize(
    "text",
    [
        "--break-system-packages\n    Allow uv to modify an `EXTERNALLY-MANAGED` Python installation [env:\n",
        "  --break-system-packages     Allow pip to modify an EXTERNALLY-MANAGED Python\n    installation\n",
    ],
)
def test_what_an_option_is_for_is_no_fault(text: str) -> None:
    assert root_of(text) is None


def test_a_build_without_cuda_that_computes_lacks_nothing() -> None:
    built = "OrderedDict([('is_cuda_build', False), ('is_rocm_build', False)])\n"
    assert root_of(f"{built}[PhysicalDevice(name='/physical_device:CPU:0', device_type='CPU')]\n") is None
    assert root_of(built) == "wheel-without-cuda"


def test_an_index_that_pip_does_not_trust_is_ignored_and_the_name_is_not_wrong() -> None:
    host = "WARNING: The repository located at mirror.example is not a trusted or secure host and is being ignored.\n"
    none = "ERROR: Could not find a version that satisfies the requirement six (from versions: none)\n"
    assert root_of(f"{host}{none}ERROR: No matching distribution found for six\n") == "index-setting-invalid"


def test_tests_that_are_quiet_and_pass_expect_what_they_print() -> None:
    assert root_of(f".{FAULTS['disk-full']}\n..\n3 passed in 0.08s\n") is None
    assert root_of(f".{FAULTS['disk-full']}\nF.\n1 failed, 2 passed in 0.08s\n") == "disk-full"


def test_a_row_of_numbers_is_no_fault() -> None:
    assert root_of("   disk full       0.95      0.97      0.96       301\n") is None
    assert root_of("connection reset         12    8.1%\n") is None
    assert root_of("disk full\n") == "disk-full"


def test_an_interpreter_that_uv_passes_over_is_not_missed() -> None:
    missing = "pyenv: python3.10: command not found\n"
    said = (
        "warning: Failed to inspect Python interpreter from search path at `/x/shims/python3.10`\n"
        "  cause: Querying Python at `/x/shims/python3.10` failed with exit status exit status: 127\n\n"
        f"         [stderr]\n         {missing}"
    )
    assert root_of(f"{said}cpython-3.11.7-linux-x86_64-gnu    /usr/bin/python3.11\n") is None
    assert root_of(missing) == "python-not-found"


def test_a_text_that_is_not_utf_8_is_no_broken_archive() -> None:
    assert (
        root_of("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9 in position 3: unexpected end of data\n")
        is None
    )


def test_the_status_of_a_time_limit_is_an_interruption() -> None:
    assert root_of("step 1\nexit code 124\n") == "interrupted"


def test_a_script_that_installs_something_after_a_failure_has_gone_on() -> None:
    failed = "+ pip install frobnicator\nERROR: No matching distribution found for frobnicator\n"
    assert root_of(f"{failed}+ echo skipped\nskipped\n+ pip install six\nSuccessfully installed six-1.17.0\n") is None
    assert root_of(f"{failed}+ python cleanup.py\nremoved 3 files\n") == "package-name-wrong"


@pytest.mark.parametrize("code", sorted(set(FAULTS) - {"numpy-abi"}))
@pytest.mark.parametrize(
    "line",
    [
        "E   AssertionError: assert 'ok' == '{}'",
        "FAILED test_a.py::test_b - AssertionError: assert '{}' == 'ok'",
        "AssertionError: '{}' != 'ok'",
        "E     - {}",
        '    Expected: "{}"',
        '    > 13 |   expect(text).toBe("{}");',
        "    io_test.go:12: {}: want nil error",
        '"{}": 5',
        "  - '{}' -> page",
        "{}         4",
        "0f38f71 Retry: {}",
        "* 0f38f71 (HEAD -> main) Retry: {}",
        "HEAD is now at 0f38f71 {}",
        "Date:   Mon Mar 2 16:52:01 2026 +0100\n\n    Retry: {}",
        "| {} | restart it |",
        "28 ENOSPC {}",
        "--on-failure=WORD         what to do after {}",
        'failures_total{{kind="{}"}} 3',
        'disk: "{}"',
        '- title: "{}"',
        "  Warning  Unhealthy  41s  kubelet  Readiness probe failed: Get http://10.8.1.4/: {}",
    ],
)
def test_a_failure_that_is_only_mentioned_is_none(line: str, code: str) -> None:
    message = FAULTS[code].partition(": ")[2] or FAULTS[code]
    message = message.partition("] ")[2] or message
    assert root_of(f"{line.format(message)}\ndone\n") is None


@pytest.mark.parametrize("code", ["disk-full", "net-refused", "net-timeout"])
@pytest.mark.parametrize(
    "line",
    [
        'raise OSError("{}")',
        'lib/store.py:12:    return "{}"',
        '   14  MESSAGES = {{28: "{}"}}',
        '>       assert message(28) == "{}"',
        '- match: "{}"',
        '+    raise OSError("{}")',
        '+    log.error("{}")',
    ],
)
def test_the_code_that_could_report_a_failure_does_not(line: str, code: str) -> None:
    assert root_of(f"{line.format(FAULTS[code].rpartition(': ')[2])}\n3 files\n") is None
    assert root_of(f"    {line.format('x')}\n{FAULTS[code]}\n") == code


@pytest.mark.parametrize("code", ["disk-full", "net-refused", "net-timeout"])
@pytest.mark.parametrize(
    "line",
    [
        "attempt 1/5: {}, trying again",
        "Retry 1 of 5 after {}",
        "{}; restarting the worker",
        "[{}] - retrying in 2 s",
        "upload: {}; skipped",
        "{}, using the cached value",
    ],
)
def test_a_failure_after_which_the_program_says_it_goes_on_is_none(line: str, code: str) -> None:
    said = f"{line.format(FAULTS[code])}\n"
    assert root_of(f"{said}connected\n") is None
    assert root_of(f"{said}{said}wrote report.csv\n") is None
    # It did not, or was not seen to.
    assert root_of(said) == code
    assert root_of(f"{said}me@host:~$ \n") == code
    assert root_of(f"{said}{FAULTS[code]}\n") == code
    assert root_of(f"{said}error: giving up\n") == code


def test_a_worker_that_was_ended_before_the_training_went_on_ended_nothing() -> None:
    ended = "worker 26460 died, exit code: -15\n"
    assert root_of(f"{ended}Epoch 2: loss 0.911\n") is None
    assert root_of(ended) == "interrupted"


def test_a_configured_build_does_without_a_driver() -> None:
    missing = "CMake Warning at CMakeLists.txt:9 (message):\n  building without GPU support: libcuda.so.1 not found\n"
    assert root_of(f"{missing}-- Build files have been written to: /srv/lib/build\n") is None


@pytest.mark.parametrize("target", ["Makefile:2: check", "Makefile:14: test", "lint"])
def test_a_check_that_make_starts_is_not_a_build(target: str) -> None:
    assert root_of(f"1c1\n< timeout 30\nmake: *** [{target}] Error 1\n") is None
    assert root_of("x.c:3: oops\nmake: *** [Makefile:9: lib/x.o] Error 1\n") == "sdist-build-failed"


def test_a_database_that_refuses_a_password_is_no_repository() -> None:
    refused = 'failed: FATAL:  password authentication failed for user "etl"'
    assert root_of(f"psycopg2.OperationalError: connection to server at 10.2.0.4, port 5432 {refused}\n") is None


@pytest.mark.parametrize("program", ["train.py", "trainer", "python -m trainer.main"])
def test_a_command_that_was_corrected_is_no_fault(program: str) -> None:
    refused = f"{program}: error: argument --epochs: invalid int value: 'ten'\n"
    assert root_of(f"{refused}$ {program} --epochs 10\nEpoch 1/10\nloss: 0.31\n") is None
    assert root_of(f"Epoch 1/10\nloss: 0.31\n{refused}") == "usage"


@pytest.mark.parametrize(
    "line",
    [
        "batch 512: {}",
        "2026-01-02 03:04:05.678901: W tensorflow/core/framework/op_kernel.cc:1827] OP_REQUIRES failed at a.h:7 : {}",
        "[tuner] {}, trying half of it",
    ],
)
def test_a_program_that_takes_less_memory_and_trains_has_survived(line: str) -> None:
    full = "RESOURCE_EXHAUSTED: OOM when allocating tensor with shape[512,64,112,112] on /device:GPU:0"
    raised = f"tensorflow.python.framework.errors_impl.ResourceExhaustedError: {full}\n"
    trained = "Epoch 1/2\nloss: 0.31\n"
    assert root_of(f"{line.format(full)}\n{trained}") is None
    assert root_of(f"{line.format(full)}\n") == "gpu-memory-in-use"
    assert root_of(f"{line.format(full)}\n{raised}{trained}") == "gpu-memory-in-use"
    assert root_of(f"{line.format(full)}\n[1,1]<stderr>:{raised}{trained}") == "gpu-memory-in-use"
    assert root_of(f"{trained}{line.format(full)}\n{raised}") == "gpu-memory-in-use"
    assert root_of(f"{line.format(full)}\nFinished: FAILURE\n{trained}Finished: SUCCESS\n") == "gpu-memory-in-use"


def test_a_warning_of_dpkg_is_no_fault() -> None:
    said = "dpkg: warning: unable to delete old directory '/usr/lib/x': Directory not empty\n"
    assert root_of(f"{said}Setting up libx (1.2-3) ...\n") is None


def test_a_lock_that_pipenv_updates_is_not_unfit() -> None:
    updated = "Pipfile.lock (16c839) out of date, updating to (1b0a2e)...\n"
    assert root_of(f"{updated}Locking [packages] dependencies...\nSuccess!\n") is None
    assert root_of("Pipfile.lock (16c839) out of date, run `pipenv lock`\n") == "lock-unfit"


@pytest.mark.parametrize("reason", ["No route to host", "Connection refused", "Connection timed out"])
def test_ranks_that_do_not_reach_each_other_fail_in_nccl(reason: str) -> None:
    warned = f"node2:91:91 [0] include/socket.h:390 NCCL WARN Connect to 10.13.1.12<41225> failed : {reason}\n"
    raised = "tensorflow.python.framework.errors_impl.UnknownError: ncclCommInitRank failed: unhandled system error\n"
    assert root_of(f"{warned}{raised}") == "nccl-failed"


@pytest.mark.parametrize("code", ["net-refused", "net-timeout"])
def test_a_service_that_is_healthy_again_has_survived(code: str) -> None:
    assert root_of(f"10:05 check: {FAULTS[code]}\n10:10 check: ok\nstate: healthy\n") is None


@pytest.mark.parametrize(
    "fault",
    [
        "tar: x: Cannot write: No space left on device",
        "curl: (6) Could not resolve host: files.example",
        "ERROR: No matching distribution found for frobnicator",
        "prepare.py: error: unrecognized arguments: --fast",
        "cp: cannot create regular file '/x': Permission denied",
        "Killed",
    ],
)
@pytest.mark.parametrize(
    ("well", "badly"),
    [
        ("Job succeeded", "ERROR: Job failed: exit code 1"),
        ("Finished: SUCCESS", "Finished: FAILURE"),
        ("CircleCI received exit code 0", "CircleCI received exit code 1"),
        ("Done. Your build exited with 0.", "Done. Your build exited with 1."),
        ("Marking task as SUCCESS. dag_id=fit", "Marking task as FAILED. dag_id=fit"),
        ("State: COMPLETED (exit code 0)", "State: FAILED (exit code 1)"),
        ("Process finished with exit code 0", "Process finished with exit code 1"),
    ],
)
def test_a_run_that_is_said_to_have_succeeded_has_survived(well: str, badly: str, fault: str) -> None:
    said = f"$ make\n{fault}\nnext step\n"
    assert root_of(f"{said}{well}\n") is None
    assert root_of(f"{said}{badly}\n") is not None
    assert root_of(f"{well}\n{said}") is not None
    # Two runs in one log.
    assert root_of(f"{said}{badly}\n$ make\n{well}\n") is not None


def test_a_run_that_succeeded_may_lack_what_tensorflow_does_without() -> None:
    missing = (
        "W tensorflow/core/common_runtime/gpu/gpu_device.cc:2343] Cannot dlopen some GPU libraries.\n"
        "Skipping registering GPU devices...\n"
    )
    assert root_of(f"{missing}no GPU, as I feared\nJob succeeded\n") == "gpu-libs-missing"


@pytest.mark.parametrize("command", ["rm", "rmdir", "cp", "tar", "mkdir"])
def test_a_small_command_ends_no_program_that_computes_after_it(command: str) -> None:
    said = f"{command}: cannot do that to '/srv/x': Permission denied\n"
    assert root_of(f"{said}Epoch 1/2\nloss: 0.31\n") is None
    assert root_of(f"{said}Epoch 1/2\nloss: 0.31\n{said}") == "permission-denied"
    assert root_of("PermissionError: [Errno 13] Permission denied: '/srv/x'\nEpoch 1/2\n") == "permission-denied"


@pytest.mark.parametrize("instead", ["export disabled", "skipping it", "falling back to numpy", "used numpy instead"])
def test_a_package_that_is_done_without_is_not_missed(instead: str) -> None:
    missing = "No module named 'pyarrow'"
    assert root_of(f"pyarrow: {missing}, {instead}\n") is None
    assert root_of(f"ModuleNotFoundError: {missing}\n") == "import-failed"


@pytest.mark.parametrize("path", ["/home/u/p/models/unet.py", "C:\\p\\unet.py", "models/unet.py"])
def test_a_name_that_a_file_of_ones_own_does_not_have_is_a_mistake_in_the_program(path: str) -> None:
    assert root_of(f"{FRAME}ImportError: cannot import name 'UNet3D' from 'models.unet' ({path})\n") is None


@pytest.mark.parametrize("folder", ["/v/lib/python3.11/site-packages", "/usr/lib/python3/dist-packages", "C:\\v\\Lib"])
def test_a_name_that_an_installed_package_does_not_have_is_a_fault(folder: str) -> None:
    assert (
        root_of(f"{FRAME}ImportError: cannot import name 'UNet3D' from 'models.unet' ({folder}/unet.py)\n") is not None
    )


@pytest.mark.parametrize("code", sorted(FAULTS))
@pytest.mark.parametrize("command", ["rm", "rmdir", "unlink"])
def test_a_command_that_cleans_up_is_no_cause_of_what_failed_before(command: str, code: str) -> None:
    cleaned = f"{command}: cannot remove '/srv/x': Permission denied\n"
    assert root_of(f"{FAULTS[code]}\n{cleaned}exit status 1\n") == code
    assert root_of(f"{cleaned}exit status 1\n") == "permission-denied"
