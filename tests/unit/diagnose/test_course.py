"""Laws of the course of a run: what it got over is no cause, whoever says it, and what ended it stays one."""

from __future__ import annotations

import json
from io import BytesIO

import pytest

from corpus_logs import Log, read
from log_variants import VARIANTS, last_lines
from tfprov.diagnose.diagnose import diagnose, diagnose_text
from tfprov.diagnose.records import LogContext
from tfprov.errors import CODES, Group

RAISED = {
    "disk-full": "OSError: [Errno 28] No space left on device",
    "net-refused": "ConnectionRefusedError: [Errno 111] Connection refused",
    "net-timeout": "TimeoutError: read timed out",
    "permission-denied": "PermissionError: [Errno 13] Permission denied: '/srv/data'",
    "import-failed": "ModuleNotFoundError: No module named 'psycopg2'",
}
GOT_OVER = {code for code in RAISED if CODES[code].group is Group.NETWORK}
"""Failures after which another try may have what was asked for; after others, a program has to say that it goes on."""
FRAMES = 'Traceback (most recent call last):\n  File "/srv/app.py", line 3, in handle\n    call()\n'
ENDED_WELL = (
    "done",
    "saved model to out/",
    "INFO:app:next run at 05:00",
    "3 pages crawled",
    "PASS",
    "Setting up was successful.",
)
REPORTS = (
    "ERROR in app: Exception on /orders [GET]",
    "2026-01-02 03:04:05,678 ERROR asyncio: Task exception was never retrieved\nfuture: <Task finished name='Task-2'>",
    "Exception in thread Thread-2 (work):",
    "Exception occurred during processing of request from ('127.0.0.1', 39752)",
    "[2026-01-02 03:04:05 +0000] [4711] [ERROR] Error handling request /orders",
    "Exception in callback main.<locals>.<lambda>() at app.py:5\nhandle: <TimerHandle when=1.0>",
    "Exception ignored in: <function Pool.__del__ at 0x7f40158bc0e0>",
    "ERROR:ingest:skipping orders.json",
)
QUIET = tuple(
    f"{report}\n{FRAMES}{raised}\n{well}\n"
    for report, raised, well in zip(REPORTS, [*RAISED.values()] * 2, [*ENDED_WELL] * 2, strict=False)
)
LOGS = tuple(log for log in read() if log.code and CODES[log.code].group in {Group.NETWORK, Group.MACHINE})[::9]
GIVEN_UP = tuple(
    log
    for log in read()
    if log.code
    and (
        CODES[log.code].group in {Group.RESOLVE, Group.INTERPRETER}
        or (CODES[log.code].group is Group.NETWORK and log.content.startswith((b"Looking in indexes", b"error: ")))
        or log.code in {"conda-http", "externally-managed", "oom-killed"}
    )
)[::6]
FAILED_ENDS = (
    "##[error]Process completed with exit code 1.",
    "exit status: 2",
    "srun: error: node1: task 0: Exited with exit code 1",
    'ERROR: process "/bin/sh -c python train.py" did not complete successfully: exit code: 1',
    "[pipeline] stage setup: failed",
    "2 passed, 1 error in 0.62s",
    "train.service: Main process exited, code=exited, status=1/FAILURE",
    "Task exited with return code 1",
)
PROMPTS = (
    "$ ls",
    "(tf) me@host:~/lab$ ls",
    "[me@host lab]$ ls",
    "me@mac ml % ls",
    "(base) C:\\ml>dir",
    "PS C:\\ml> ls",
)
ASSERTED = (
    "=================================== FAILURES ===================================\n"
    "    def test_a():\n>       assert load() == 5\nE       assert 4 == 5\n\ntest_a.py:16: AssertionError\n"
    "----------------------------- Captured stdout call -----------------------------\n{}\n"
    "=========================== short test summary info ============================\n"
    "FAILED test_a.py::test_a - assert 4 == 5\n1 failed in 0.10s\n"
)


def root_of(text: str) -> str | None:
    found = diagnose_text(text).root
    return found.code if found else None


@pytest.mark.parametrize("code", sorted(RAISED))
@pytest.mark.parametrize("well", ENDED_WELL)
def test_a_failure_before_what_the_program_achieved_is_none(well: str, code: str) -> None:
    assert root_of(f"{FRAMES}{RAISED[code]}\n") == code
    assert root_of(f"{FRAMES}{RAISED[code]}\n{well}\n") == (None if code in GOT_OVER else code)
    assert root_of(f"{well}\n{FRAMES}{RAISED[code]}\n") == code


@pytest.mark.parametrize(
    "words",
    [
        "not saved",
        "could not be written",
        "nothing was downloaded",
        "CRITICAL aborting",
        "cleaning up",
        "shutting down",
        "if it is not there, it is created",
        "0 successful operations.",
        "Make sure you have pipx installed.",
    ],
)
@pytest.mark.parametrize("code", sorted(RAISED))
def test_what_is_said_of_an_end_is_no_achievement(code: str, words: str) -> None:
    assert root_of(f"{FRAMES}{RAISED[code]}\n{words}\n") == code


@pytest.mark.parametrize("code", sorted(RAISED))
@pytest.mark.parametrize(("end", "well"), [*zip(FAILED_ENDS, ENDED_WELL * 2, strict=False)])
def test_what_others_say_of_their_own_work_is_no_achievement_of_what_failed(end: str, well: str, code: str) -> None:
    assert root_of(f"{FRAMES}{RAISED[code]}\n{end}\n{well}\n") == code
    assert root_of(f"{FRAMES}{RAISED[code]}\n{well}\n{end}\n{well}\n") == code


@pytest.mark.parametrize("well", ENDED_WELL)
def test_a_run_that_was_cancelled_has_ended(well: str) -> None:
    cancelled = "slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-01-02T03:04:05 DUE TO TIME LIMIT ***"
    assert root_of(f"{cancelled}\n{well}\n") == "interrupted"


@pytest.mark.parametrize("code", sorted(RAISED))
@pytest.mark.parametrize(("prompt", "well"), [*zip(PROMPTS, ENDED_WELL, strict=True)])
def test_what_is_achieved_by_the_next_command_is_no_achievement_of_what_failed(
    prompt: str, well: str, code: str
) -> None:
    assert root_of(f"{FRAMES}{RAISED[code]}\n{prompt}\n{well}\n") == code
    assert root_of(f"{FRAMES}{RAISED[code]}\n{well}\n{prompt}\n") == (None if code in GOT_OVER else code)


@pytest.mark.parametrize("code", sorted(RAISED))
@pytest.mark.parametrize("well", ENDED_WELL)
def test_an_exception_that_nothing_caught_ended_its_program_though_another_goes_on(well: str, code: str) -> None:
    uncaught = f"{FRAMES.replace('in handle', 'in <module>')}{RAISED[code]}\n"
    assert root_of(f"{uncaught}{well}\n") == (None if code in GOT_OVER else code)
    assert root_of(f"{REPORTS[0]}\n{uncaught}{well}\n") is None
    # It says the like of what it said before, or that it does without.
    for said in ("processed {} files", "{} skipping the file"):
        assert root_of(f"{said.format(1)}\n{uncaught}{said.format(20)}\n") is None


@pytest.mark.parametrize("code", sorted(RAISED))
def test_a_scheduler_that_reports_an_exception_of_all_that_it_ran_reports_its_end(code: str) -> None:
    said = f"[2026-01-02, 03:04:05 UTC] {{task.py:9}} ERROR - Task failed with exception\n{FRAMES}{RAISED[code]}\n"
    told = "[2026-01-02, 03:04:05 UTC] {task.py:9} INFO - message sent"
    assert root_of(f"{said}{told}\nTask exited with return code 1\n") == code
    assert root_of(f"{said}{told}\n") is None


@pytest.mark.parametrize("code", sorted(RAISED))
@pytest.mark.parametrize("raised", [f"{FRAMES}KeyError: 'loss'", "panic: runtime error: index out of range\n"])
def test_what_the_program_got_over_is_not_what_ended_it_later(raised: str, code: str) -> None:
    said = f"{FRAMES}{RAISED[code]}\n"
    for end in FAILED_ENDS[:3]:
        assert root_of(f"{said}connected to peer\n{raised}\n{end}\n") is None
        assert root_of(f"{said}{end}\nlogs were saved\n{end}\n") == code


@pytest.mark.parametrize(("log", "well"), [*zip(GIVEN_UP, ENDED_WELL * 9, strict=False)])
def test_what_an_installer_gave_up_on_is_not_there_whatever_the_script_says_it_achieved(log: Log, well: str) -> None:
    text = log.content.decode("utf-8", "replace").rstrip("\n")
    assert root_of(f"INFO:setup:begin\n{text}\n{well}\n") == root_of(text)


@pytest.mark.parametrize("code", sorted(RAISED))
@pytest.mark.parametrize("report", REPORTS)
def test_an_exception_that_is_reported_ends_a_part_of_a_program(report: str, code: str) -> None:
    said = f"{report}\n{FRAMES}{RAISED[code]}\n"
    assert root_of(f"{said}tick 2\n") is None
    chained = f"{FRAMES}{RAISED[code]}\n\nDuring handling of the above exception, another exception occurred:\n\n"
    assert root_of(f"{report}\n{chained}{FRAMES}{RAISED[code]}\ntick 2\n") is None
    # A worker that could not start.
    assert root_of(f"{said}[7] [INFO] Worker exiting (pid: 7)\nWorker (pid:7) exited with code 3\ndone\n") == code
    # The last one was not reported.
    assert root_of(f"{said}tick 2\n{FRAMES}{RAISED[code]}\n") == code


@pytest.mark.parametrize("code", sorted(RAISED))
def test_what_was_captured_of_a_test_that_fails_by_what_it_asserts_is_no_fault(code: str) -> None:
    assert root_of(ASSERTED.format(RAISED[code])) is None
    assert root_of(ASSERTED.format(f"{FRAMES}{RAISED[code]}")) is None
    # Another test fails by an exception, or something fails after the tests.
    raised = f"E       {RAISED[code]}\n\nx.py:3: {RAISED[code].partition(':')[0]}\n"
    if code != "import-failed":
        assert root_of(ASSERTED.format("x").replace("E       assert 4 == 5\n", raised)) == code
    assert root_of(f"{ASSERTED.format('x')}{FRAMES}{RAISED[code]}\n") == code


@pytest.mark.parametrize("code", sorted(RAISED))
def test_what_the_program_asserts_in_its_own_words_is_its_own_failure(code: str) -> None:
    own = f"AssertionError: status was {{'last': {RAISED[code]!r}}}"
    assert root_of(f"{FRAMES}{own}\n") is None
    assert root_of(f"{FRAMES}{RAISED[code]}\n") == code


@pytest.mark.parametrize("code", ["disk-full", "net-refused"])
@pytest.mark.parametrize(
    "row", ["12  a1  host  {}  3", "0,17,a1,{},3", '{{"ts": 17, "label": "{}", "support": 3}}', '  "text": "{}",']
)
def test_a_row_of_data_is_no_fault(row: str, code: str) -> None:
    message = RAISED[code].rpartition("] ")[2]
    assert root_of(f"{row.format(message)}\nnext\n") is None
    assert root_of(f'{{"level": "error", "message": "{RAISED[code]}"}}\n') == code


@pytest.mark.parametrize(
    "record",
    [
        "WARNING:root:retrying after {}",
        "[WARNING] app: {}",
        "fetch WARNING {}",
        "I0102 03:04:05.000001 140 peer.cc:55] {}",
    ],
)
def test_a_record_that_warns_of_a_system_is_not_how_a_program_ends(record: str) -> None:
    said = f"{record.format('Connection reset by peer')}\n"
    assert root_of(f"{said}{FRAMES}ZeroDivisionError: division by zero\n") is None
    assert root_of(said) == "net-reset"
    assert root_of(f"{said}{FRAMES}ConnectionResetError: [Errno 104] Connection reset by peer\n") == "net-reset"


def test_what_was_installed_after_a_mistake_was_mended_is_an_achievement() -> None:
    mistaken = "error: Failed to read `--find-links` directory: /nonexistent-links\n"
    assert root_of(mistaken) == "usage"
    assert root_of(f"{mistaken}Installed 1 package in 7ms\n + idna==3.20\n") is None


def test_what_a_script_or_a_program_needs_to_start_is_missing() -> None:
    found = diagnose_text("bash: line 1: ./train.sh: cannot execute: required file not found\n").root
    assert found is not None
    assert found.remedy is not None
    assert (found.code, found.remedy.text) == (
        "system-library-missing",
        "install the interpreter or dynamic loader that `./train.sh` names (`head -1 ./train.sh`, or "
        "`readelf -l ./train.sh` where it is no script)",
    )


def test_a_text_that_lists_failures_reports_none() -> None:
    listed = "\n\n".join(f"{number}. {RAISED[code]}" for number, code in enumerate(["disk-full", "net-refused"], 1))
    abi = "ImportError: numpy.core.multiarray failed to import"
    assert root_of(f"{listed}\n\n3. {abi}\n") is None
    assert root_of(f"{abi}\n") == "numpy-abi"


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name not in {"plain", "latin-1", "padded"}])
def test_a_quiet_log_stays_quiet_whoever_hands_it_on(variant: str) -> None:
    for text in QUIET:
        assert diagnose(BytesIO(VARIANTS[variant](text.encode())), LogContext()).root is None
        assert root_of(last_lines(30)(text.encode()).decode()) is None


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_a_log_that_is_quoted_in_a_run_that_ended_well_is_none(log: Log) -> None:
    text = log.content.decode("utf-8", "replace").rstrip("\n")
    lines = text.split("\n")
    for quoted in (
        "\n".join(f"> {line}" for line in lines),
        "\n".join(f"    {line}" for line in lines),
        json.dumps({"sample": text}),
        f"For example:\n\n```\n{text}\n```\n",
    ):
        assert root_of(f"reading samples\n{quoted}\nall 12 samples processed\ndone\n") is None


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_what_a_test_that_passes_has_captured_is_none(log: Log) -> None:
    text = log.content.decode("utf-8", "replace").rstrip("\n")
    captured = f"---------- Captured stdout call ----------\n{text}\n========== short test summary info =========="
    assert (
        root_of(f"========== test session starts ==========\n{captured}\n========== 2 passed in 0.10s ==========\n")
        is None
    )


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_a_log_stays_what_it_is_below_quiet_ones(log: Log) -> None:
    text = log.content.decode("utf-8", "replace")
    alone = root_of(text)
    for quiet in QUIET:
        assert root_of(f"{quiet}{text}") == alone
