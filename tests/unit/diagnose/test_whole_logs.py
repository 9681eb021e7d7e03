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


RATES = ("290.12it/s", " 6.38s/it", "41.70batch/s", " 3.02s/epoch", "12.9it/s, loss=0.3")


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("start", ["", "fold 2: ", "Epoch 3: ", "Training: "])
def test_a_bar_that_gets_full_is_work_and_one_that_is_drawn_again_below_a_traceback_is_not(
    start: str, rate: str
) -> None:
    full = f"{start}100%|██████████| 118/118 [00:01<00:00, {rate}]\n"
    cut = f"{start} 38%|###8      | 45/118 [00:01<00:02, {rate}]\n"
    begun = f"{start}  0%|          | 0/118 [00:00<?, ?it/s]\n"
    for line in CAUGHT:
        assert roles_of(diagnose_text(f"{line}\n{full}")) <= {"noise"}
        assert roles_of(diagnose_text(f"{line}\n{cut}")) & {"cause", "unknown"}
    assert roles_of(diagnose_text(f"{WARNING}\n{cut}")) == {"noise"}
    assert roles_of(diagnose_text(f"{WARNING}\n{begun}")) == {"cause"}


@pytest.mark.parametrize("rate", ["570kB/s", "2.10MB/s", "12.5GB/s"])
def test_a_bar_of_a_download_is_no_work(rate: str) -> None:
    text = f"{CAUGHT[0]}\nx.json: 100%|██████████| 570/570 [00:00<00:00, {rate}]\n"
    assert roles_of(diagnose_text(text)) == {"unknown"}


FAILED_OPERATION = (
    "W tensorflow/core/framework/op_kernel.cc:1816] OP_REQUIRES failed at gather_op.cc:158 : INVALID_ARGUMENT: "
    "indices[0,3] = 12 is not in [0, 10)\n"
)


def test_an_operation_that_failed_is_unknown_unless_the_program_goes_on() -> None:
    assert roles_of(diagnose_text(FAILED_OPERATION)) == {"unknown"}
    assert roles_of(diagnose_text(f"{FAILED_OPERATION}Epoch 2/9\n")) <= {"noise"}


@pytest.mark.parametrize(
    ("line", "root"),
    [
        ("AttributeError: module 'lib' has no attribute 'SSL_ST_INIT'", "python-broken"),
        ("AttributeError: module 'lib' has no attribute 'X509_V_FLAG_NOTIFY_POLICY'", "python-broken"),
        ("AttributeError: module 'lib' has no attribute 'OpenSSL_add_all_algorithms'", "python-broken"),
        ("AttributeError: module 'lib' has no attribute 'load_images'", None),
    ],
)
def test_names_of_openssl_that_are_gone_break_pip_and_other_names_do_not(line: str, root: str | None) -> None:
    frame = '  File "/usr/lib/python3/dist-packages/OpenSSL/SSL.py", line 194, in <module>\n'
    assert root_of(f"{frame if root else ''}{line}\n") == root


@pytest.mark.parametrize(
    ("line", "root"),
    [
        (WITHOUT_MODULE, "tf-not-in-env"),
        ("ModuleNotFoundError: No module named 'keras'", "keras-mismatch"),
        ("TypeError: Descriptors cannot be created directly.", "protobuf-mismatch"),
        ("AttributeError: _ARRAY_API not found", "numpy-abi"),
    ],
)
def test_an_import_that_fails_is_the_cause_only_if_no_later_run_works(line: str, root: str) -> None:
    work_of_another = "Epoch 1/2\n10/10 - 0s - 3ms/step - loss: 0.3\n"
    assert roles_of(diagnose_text(f"{line}\n{work_of_another}")) <= {"noise"}
    assert root_of(f"{work_of_another}{line}\n") == root
    assert root_of(f"{line}\n{work_of_another}{line}\n") == root


@pytest.mark.parametrize(
    "ending",
    [
        "train.service: Main process exited, code=exited, status=1/FAILURE",
        "[2026-01-01 10:00:47 +0000] [19155] [ERROR] Worker (pid:19186) exited with code 3.",
        "2026-01-01 10:00:47,123 INFO exited: train (exit status 1; not expected)",
        "srun: error: gpu014: task 0: Exited with exit code 1",
        "##[error]Process completed with exit code 1.",
    ],
)
def test_what_says_how_a_program_ended_does_not_hide_why(ending: str) -> None:
    assert root_of(f"ModuleNotFoundError: No module named 'frobnicator'\n{ending}\n") == "import-failed"
    assert root_of(f"No module named 'frobnicator'\nKeyError: 'loss'\n{ending}\n") is None


@pytest.mark.parametrize("bars", ["", "=" * 20])
def test_the_last_line_of_pytest_says_whether_all_is_well(bars: str) -> None:
    for summary in ("2 failed, 1 passed in 40.42s", "1 failed in 0.12s", "1 passed, 1 error in 3.00s"):
        assert "unknown" in roles_of(diagnose_text(f"E   KeyError: 'loss'\n{bars} {summary} {bars}\n"))
    for summary in ("3 passed in 40.42s", "1 passed, 1 skipped, 2 xfailed in 3.00s", "9 passed, 1 warning in 1.00s"):
        assert roles_of(diagnose_text(f"{WARNING}\n{bars} {summary} {bars}\n")) == {"noise"}


def test_lines_in_the_format_of_absl_say_by_their_letter_how_bad_it_is() -> None:
    note = "devices.cc:76] Number of eligible GPUs (core count >= 8): 0 (Note: TensorFlow was not compiled with CUDA)"
    assert root_of(f"I0000 00:00:1796020636.617738    4219 {note}\n") is None
    assert root_of(f"I tensorflow/core/grappler/{note}\n") is None
    assert root_of("ValueError: this TensorFlow was not compiled with CUDA\n") == "wheel-without-cuda"
    fatal = "16721 parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS: --xla_nonsense=1\n"
    assert roles_of(diagnose_text(f"F0000 00:00:1796020945.849021   {fatal}")) == {"unknown"}


@pytest.mark.parametrize(
    ("module", "root"),
    [("'keras.layers'", "keras-mismatch"), ("'keras'", "keras-mismatch"), ("None", None), ("'my_layers'", None)],
)
def test_a_class_of_a_program_is_not_missing_from_keras(module: str, root: str | None) -> None:
    text = (
        '  File "/x/site-packages/keras/src/saving/saving_lib.py", line 9, in deserialize_keras_object\n'
        "TypeError: Could not locate class 'Attend'. Make sure custom classes and functions are decorated with "
        "`@keras.saving.register_keras_serializable()`. If they are already decorated, make sure they are all imported "
        "so that the decorator is run before trying to load them. Full object config: "
        f"{{'module': {module}, 'class_name': 'Attend', 'config': {{'dtype': {{'module': 'keras', 'class_name': "
        "'DTypePolicy'}}, 'registered_name': 'Attend'}\n"
    )
    assert root_of(text) == root


def test_a_file_of_the_program_that_ends_in_the_middle_is_no_damage_to_a_package() -> None:
    said = '    """Trains\n    ^\nSyntaxError: unterminated triple-quoted string literal (detected at line 3)\n'
    assert root_of(f'  File "/x/site-packages/keras/src/models.py", line 3\n{said}') == "file-damaged"
    assert root_of(f'  File "/srv/train.py", line 3\n{said}') is None


def test_a_module_that_only_passes_a_question_on_is_not_who_asks() -> None:
    text = (
        'Traceback (most recent call last):\n  File "train.py", line 2, in <module>\n'
        "    tf.keras.utils.set_random_seed(3)\n"
        '  File "/x/site-packages/tensorflow_core/python/util/module_wrapper.py", line 193, in __getattr__\n'
        "AttributeError: module 'tensorflow.python.keras.api._v1.keras.utils' has no attribute 'set_random_seed'\n"
    )
    assert root_of(text) == "keras-mismatch"


def test_a_tensor_in_a_call_of_numpy_is_a_mistake_of_the_program_since_tensorflow_names_it_in_full() -> None:
    said = "NotImplementedError: Cannot convert a symbolic {} ({}:0) to a numpy array."
    assert root_of(said.format("Tensor", "lstm/strided_slice")) == "numpy-abi"
    assert root_of(said.format("tf.Tensor", "x")) is None


CANCELLED = "slurmstepd: error: *** JOB 871203 ON gpu012 CANCELLED AT 2024-11-03T04:12:55 DUE TO {} ***\n"


@pytest.mark.parametrize("reason", ["TIME LIMIT", "PREEMPTION", "NODE FAILURE"])
@pytest.mark.parametrize("before", ["", f"{WITHOUT_MODULE}\n", "KeyError: 'loss'\n"])
def test_of_several_jobs_in_one_log_the_last_one_counts(before: str, reason: str) -> None:
    cancelled = CANCELLED.format(reason)
    done = "Epoch 9/9\n10/10 - 0s - 3ms/step - loss: 0.3\n"
    assert root_of(f"{before}{done}{cancelled}") == "interrupted"
    assert roles_of(diagnose_text(f"{before}{done}{cancelled}{done}")) <= {"noise"}
    failed = f"{before}{done}{cancelled}{done}ValueError: no such checkpoint\n"
    assert "unknown" in roles_of(diagnose_text(failed))
    assert root_of(f"{done}{cancelled}{done}{cancelled}") == "interrupted"


def test_a_supervisor_that_is_asked_to_stop_interrupts_nothing() -> None:
    stopped = (
        "2026-01-01 10:00:38,148 WARN received SIGTERM indicating exit request\n"
        "2026-01-01 10:00:39,176 WARN stopped: tf (terminated by SIGTERM)\n"
    )
    assert root_of(stopped) is None
    assert root_of(f"ModuleNotFoundError: No module named 'frobnicator'\n{stopped}") == "import-failed"
    assert root_of("rank 3 received SIGTERM\n") == "interrupted"


def test_memory_that_a_program_was_refused_and_did_without_is_no_cause() -> None:
    refused = (
        "ResourceExhaustedError: OOM when allocating tensor with shape[1099511] on device:CPU:0 by allocator cpu\n"
    )
    assert root_of(refused) == "oom-killed"
    assert root_of(f"Epoch 1/4\n{refused}") == "oom-killed"
    assert roles_of(diagnose_text(f"{refused}Epoch 1/4\n")) <= {"noise"}


@pytest.mark.parametrize("name", ["output_names", "fit_generator", "reset_states"])
def test_what_keras_3_took_from_models_is_a_mismatch_of_keras_and_other_names_are_not(name: str) -> None:
    assert root_of(f"AttributeError: 'Sequential' object has no attribute '{name}'\n") == "keras-mismatch"
    assert root_of(f"AttributeError: 'Sequential' object has no attribute 'my_{name}'\n") is None


def test_a_flag_that_a_program_does_not_know_is_unknown() -> None:
    text = (
        "FATAL Flags parsing error: Unknown command line flag 'epochs'\nPass --helpshort or --helpfull to see help.\n"
    )
    assert roles_of(diagnose_text(text)) == {"unknown"}


FAILED = {
    "net-refused": "Failed to establish a new connection: [Errno 111] Connection refused\n",
    "net-timeout": "ReadTimeoutError(\"HTTPSConnectionPool(host='index.example', port=443): Read timed out.\")\n",
    "net-reset": "ConnectionResetError: [Errno 104] Connection reset by peer\n",
    "mirror-http-error": "curl: (22) The requested URL returned error: 502\n",
    "net-dns": "curl: (6) Could not resolve host: files.example\n",
}
FETCHED = (
    "Successfully installed x-1.0",
    "Saved ./x-1.0-py3-none-any.whl",
    "Resolved 21 packages in 1.02s",
    "#9 8.31 Prepared 21 packages in 1.02s",
    "Executing transaction: ...working... done",
    "Fetched 12.3 MB in 2s (6,120 kB/s)",
    "Receiving objects: 100% (12/12), 1.2 MiB | 1.1 MiB/s, done.",
    "✔ Installation Succeeded",
)


@pytest.mark.parametrize("fetched", FETCHED)
@pytest.mark.parametrize("code", FAILED)
def test_a_server_that_failed_once_is_no_cause_where_another_try_works(code: str, fetched: str) -> None:
    assert root_of(FAILED[code]) == code
    assert root_of(f"{FAILED[code]}{fetched}\n") is None
    assert root_of(f"{FAILED[code]}{fetched}\nOSError: [Errno 28] No space left on device\n") == "disk-full"
    assert root_of(f"{FAILED[code]}{fetched}\n{FAILED[code]}") == code


NO_SUCH = (
    "ERROR: Could not find a version that satisfies the requirement frobnicator (from versions: none)\n"
    "ERROR: No matching distribution found for frobnicator\n"
)
ENDED = 'Traceback (most recent call last):\n  File "/srv/train.py", line 1, in <module>\n{}\n'


@pytest.mark.parametrize("ignored", ["make: [Makefile:2: all] Error 1 (ignored)", "+ true", "...ignoring"])
def test_a_failure_that_the_run_ignores_is_no_cause_unless_what_ends_it_follows_from_that(ignored: str) -> None:
    assert root_of(f"{NO_SUCH}{ignored}\necho done\n") is None
    assert "unknown" not in roles_of(diagnose_text(f"fatal: cannot change to 'x'\n{ignored}\necho done\n"))
    assert root_of(f"{NO_SUCH}{ignored}\nOSError: [Errno 28] No space left on device\n") == "disk-full"
    ended = diagnose_text(f"{NO_SUCH}{ignored}\n{ENDED.format('KeyError: 1')}")
    assert (ended.root, "unknown" in roles_of(ended)) == (None, True)
    lacking = "ModuleNotFoundError: No module named 'frobnicator'"
    assert root_of(f"{NO_SUCH}{ignored}\n{ENDED.format(lacking)}") == "package-name-wrong"


@pytest.mark.parametrize(
    "command", ["+ python x.py", "++ venv/bin/pip list", "##[group]Run python train.py", "##[section]Starting: Test"]
)
def test_a_failure_before_another_command_is_no_cause_where_that_command_fails(command: str) -> None:
    assert root_of(f"+ pip install frobnicator\n{NO_SUCH}{command}\n{ENDED.format('KeyError: 1')}") is None
    assert root_of(f"+ pip install frobnicator\n{NO_SUCH}{command}\nOSError: [Errno 28] full\n") == "disk-full"
    assert root_of(f"+ pip install frobnicator\n{NO_SUCH}{command}\nx 1.0\n") == "package-name-wrong"


@pytest.mark.parametrize("code", FAILED)
def test_what_another_package_comes_from_does_not_take_back_that_a_server_failed(code: str) -> None:
    assert root_of(f"{FAILED[code]}  Downloading markdown-3.9-py3-none-any.whl (107 kB)\n") == code


@pytest.mark.parametrize("later", ["installed six-1.17.0 frobnicator-1.0", "downloaded six frobnicator"])
def test_a_name_that_another_try_finds_is_right(later: str) -> None:
    assert root_of(f"{NO_SUCH}attempt 1 failed\nSuccessfully {later}\n") is None
    assert root_of(f"{NO_SUCH}Successfully {later.replace('frobnicator', 'frobnicators')}\n") == "package-name-wrong"


def test_make_that_runs_a_program_of_the_user_builds_nothing() -> None:
    ended = "make: *** [Makefile:3: all] Error 1\n"
    assert "unknown" in roles_of(diagnose_text(f"python train.py\n{ENDED.format('KeyError: 1')}{ended}"))
    assert root_of(f"gcc x.c\n{ended}") == "sdist-build-failed"
    assert root_of(f"running bdist_wheel\n{ENDED.format('KeyError: 1')}{ended}") == "sdist-build-failed"


def test_a_part_of_a_run_that_is_successful_does_not_take_back_that_another_one_failed() -> None:
    failed = f"{ENDED.format('KeyError: 1')}nox > Session t failed.\nnox > Session u was successful.\n"
    assert "unknown" in roles_of(diagnose_text(f"{failed}nox > * t: failed\nnox > * u: success\n"))
    assert root_of(f"{failed}nox > Session v failed: Python interpreter 3.4 not found\n") == "python-not-found"
    passed = f"{ENDED.format('KeyError: 1')}nox > Session u was successful.\n"
    assert "unknown" not in roles_of(diagnose_text(f"{passed}nox > * u: success\n"))


def test_pipenv_says_of_a_name_that_does_not_exist_that_it_conflicts() -> None:
    caused = "The conflict is caused by:\n    The user requested frobnicator\n"
    assert root_of(f"ERROR: No matching distribution found for frobnicator\n\n{caused}") == "package-name-wrong"
    assert root_of(f"ERROR: ResolutionImpossible: for help visit the documentation\n\n{caused}") == "resolver-conflict"


RETRY = "curl: (22) The requested URL returned error: 502\nWarning: Problem : HTTP error. Will retry in 1 seconds.\n"
METER = "  0    11    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0\n"


def test_curl_that_will_try_again_and_says_no_more_has_what_it_wants() -> None:
    assert root_of(f"{RETRY}{METER}{RETRY}{METER}unpacking\n") is None
    for cut in (RETRY, f"{RETRY}{METER}", f"{RETRY}{METER}{RETRY.splitlines()[0]}\nunpacking\n"):
        assert root_of(cut) == "mirror-http-error"


@pytest.mark.parametrize(
    "line",
    [
        "DEBUG Failed to reflink `/c/x.py` to `/v/x.py`: Operation not supported (os error 95), falling back",
        "WARN Read timed out after 3 s; falling back to the next mirror",
    ],
)
def test_what_is_done_in_another_way_is_no_failure(line: str) -> None:
    assert root_of(line) is None
    assert root_of(line.replace("falling back", "giving up")) is not None


def test_a_warning_of_python_that_tells_of_a_module_is_no_failure() -> None:
    assert root_of("skipping: No module named 'x'\n") is None
    assert root_of("train.py:2: UserWarning: could not load x: No module named 'x'\n  warnings.warn(x)\n") is None
    assert root_of("could not load x: No module named 'x'\n") == "import-failed"
