"""Lines that say that something failed, and not what: an exception's last line, `error:`, an exit status.

Where no rule accounts for such a line, the answer is that the cause is unknown, with the line, and not that all is noise.
"""

from __future__ import annotations

from tfprov.diagnose.records import Rule
from tfprov.diagnose.view import ADVICE, CLUE, PASSED_OVER, SIGN


def _sign(name: str, rank: int, needs: tuple[str, ...], pattern: str, *examples: str) -> Rule:
    return Rule(name=name, code=SIGN, reads="", needs=needs, pattern=pattern, examples=examples, rank=rank)


RULES: tuple[Rule, ...] = (
    _sign(
        "sign-exception",
        3,
        ("error", "exception", "failure", "fault", "timeout", "expired", "systemexit", "conflict", "notfound"),
        r"^(?:E\s+|\|\s*|Uncaught exception: ?|\[)?(?P<exception>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Failure|Fault|TimeoutExpired|Conflict|NotFound)|SystemExit)\]?(?:: |:?$)",
        "KeyError: 'loss'",
        "[AttributeError]: module 'x' has no attribute 'y'",
        "tensorflow.python.framework.errors_impl.InvalidArgumentError: indices = 5 is not in [0, 3)",
    ),
    _sign(
        "sign-exception-pasted",
        2,
        ("has no attribute",),
        r"^[\"'`\s]{0,4}(?:module|type object) '[\w.]{1,100}' has no attribute '\w{1,100}'[\"'`\s]{0,4}$",
        "module 'tensorflow' has no attribute 'frobnicate'",
        "\"module 'tensorflow' has no attribute 'frobnicate' \"",
    ),
    _sign(
        "sign-error",
        2,
        (
            "error",
            "fatal",
            "failed",
            *("panic: ", "panicked at"),
            "assertion",
            "e: unable to",
            "e: package",
            "e: unmet",
            "e: sub-process",
            "can't open file",
            "syntax error",
            "no such file or directory",
            "submit error",
            "check failed",
            "critical:",
            "lmod has detected",
            *("unknown flag", "flags parsing error"),
            "non-ok-status",
        ),
        r"^F(?:\d{4} [\d:.]+ +\d+)? \S+:\d+\] (?:Unknown flag|Non-OK-status)|^FATAL Flags parsing error: |^(?:[\w./-]{1,40}: )?(?:fatal error|[Ee]rror|ERROR|fatal|FATAL|Fatal)(?:\[[\w-]{1,40}\])? {0,3}(?:: {1,4}| - )\S|^(?:ERROR|CRITICAL):[\w.-]{1,60}:\s?\S|^error +\w+ \S|^E: (?:Unable to|Package|Unmet|Sub-process)|^\S{1,200}:\d+(?::\d+)?: (?:fatal )?error: |^panic: |\bpanicked at\b|^qsub: submit error |^Lmod has detected the following error: |\] Check failed: |: Assertion .{1,300} failed|^\S{1,200}: can't open file |^[\w./-]{1,40}: (?:line \d+: )?syntax error |^[\w./-]{1,40}: (?:(?:line )?\d+: )?\S{1,200}: No such file or directory$",
        "error: something that nobody knows",
        "panic: runtime error: index out of range [3] with length 3",
        "fatal: not a git repository (or any parent up to mount point /home)",
        "E: Unable to locate package something-9-0",
        "ERROR  : Failed to set something: Invalid argument",
        "FATAL:   container creation failed: mount error",
        "ERROR:spleeter:FFMPEG error: nothing was read",
        "bash: syntax error near unexpected token `$'",
        "python: can't open file '/srv/jobs/train.py': [Errno 2] No such file or directory",
        "/bin/sh: 1: ./train.sh: No such file or directory",
        "qsub: submit error (Job exceeds queue resource limits)",
        "F0000 00:00:1796020945.849021   16721 parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS: --xla_nonsense=1",
        "F tensorflow/x/driver.cc:1184] Check failed: PointerIsValid(gpu_dst) Destination pointer is not on the GPU",
    ),
    _sign(
        "sign-operation",
        2,
        ("op_requires failed at",),
        r"\bOP_REQUIRES failed at \S+ : \w",
        "W tensorflow/core/framework/op_kernel.cc:1816] OP_REQUIRES failed at gather_op.cc:158 : INVALID_ARGUMENT: indices[0,3] = 12 is not in [0, 10)",
    ),
    _sign(
        "sign-state",
        1,
        (
            "crashloopbackoff",
            "runcontainererror",
            "containererror",
            "containerconfigerror",
            "job_failed",
            "nonzeroexitcode",
            "has failed because",
            "backofflimitexceeded",
            "jobfailed",
            "unexpected error has occurred",
            "an error occurred: ",
            *("nox > session", "job failed", "push failed", "copy failed: ", "add failed: "),
            *(" failed, ", " failed in ", " error in ", " errors in "),
            *("failedcreate", "failedmount", "failedattachvolume", "failedscheduling"),
            "in use by another program",
            *(f"{part} " for part in ("stage", "step", "task", "phase")),
        ),
        r"\b(?:CrashLoopBackOff|RunContainerError|Create(?:Container|ContainerConfig)Error|NonZeroExitCode|JOB_FAILED|BackoffLimitExceeded|\w*JobFailed|Failed(?:Create\w*|Mount|AttachVolume|Scheduling))\b|\b[Jj]ob failed\b|\bPush failed$|^nox > Session \S+ failed\b|^(?:COPY|ADD) failed: |\bunexpected error has occurred|^An error occurred: \S|\bhas failed because |^Port \d+ is in use by another program\b|^=* ?(?:\d+ passed, )?\d+ (?:failed|errors?)(?:, \d+ \w+){0,5} in [\d.]+s|^\W?(?:[\w-]{1,40}\W{1,2})?(?:[Ss]tage|[Ss]tep|[Tt]ask|[Pp]hase) \S{1,60}:? failed\b",
        "tf-worker-0   0/1   CrashLoopBackOff   9   31m",
        "   JobState=FAILED Reason=NonZeroExitCode Dependency=(null)",
        "    Reason:                TFJobFailed",
        "COPY failed: no source files were specified",
        "2019-02-25 14:11:16 Failed - Training job failed",
        "type: 'Warning' reason: 'FailedCreatePod' Error creating: pods is forbidden",
        "An error occurred: 'NoneType' object is not iterable",
        "=================== 2 failed, 1 passed in 40.42s ===================",
        "nox > Session tests-3.12 failed.",
        "[pipeline] stage setup: failed",
        "2 passed, 1 error in 0.62s",
        "Port 7007 is in use by another program. Either identify and stop that program, or start the server with a different port.",
    ),
    _sign(
        "sign-status",
        1,
        ("exit", "non-zero", "command not found", "code="),
        r"\bcode=(?:exited|killed|dumped), status=(?!0\b)\d|(?:[Ee]xit(?:ed)?(?: with)?(?: a)?(?: error| return)?(?: status| code)?|non-zero (?:exit )?(?:status|code)(?: of)?|exitcode)[:= ]{1,3}(?!0\b)-?\d{1,10}\b|: command not found",
        "##[error]Process completed with exit code 1.",
        "subprocess.CalledProcessError: Command '['make']' returned non-zero exit status 2.",
        "The replica master 0 exited with a non-zero status of 1.",
        "train.service: Main process exited, code=exited, status=1/FAILURE",
        "Task exited with return code 1",
    ),
    # An exception that Python itself or its logging prints and passes over.
    Rule(
        name=PASSED_OVER,
        code=CLUE,
        reads="",
        needs=("exception ignored ", "logging error ---", "error in sitecustomize;", "error in usercustomize;"),
        pattern=r"^(?P<is_passed_over>Exception ignored (?:in|while)\b|--- Logging error ---|Error in (?:site|user)customize; )",
        examples=(
            "Exception ignored in: <function Pool.__del__ at 0x7f40158bc0e0>",
            "--- Logging error ---",
            "Error in sitecustomize; set PYTHONVERBOSE for traceback:",
        ),
        rank=0,
    ),
    # Another try, or another server, had what one did not have. It does not say that everything before it went well.
    Rule(
        name="fetched",
        code=CLUE,
        reads="",
        needs=(
            "saved [",
            " mib in ",
            "build completed successfully",
            "info: analyzed",
            *("saved ./", "saved /"),
            *("resolved ", "prepared ", "audited ", "checked "),
            *("transaction: ", "transaction finished", "extracting packages"),
            *("fetched ", "receiving objects: 100%", "resolving deltas: 100%"),
            *("download complete", "pull complete", "downloaded newer image"),
            *("installation succeeded", "writing lock file", "install ", "update "),
        ),
        pattern=r"(?P<is_fetched>saved \[\d+|^OK: \d+ MiB in \d+ packages|\bBuild completed successfully, \d+ total|^INFO: Analyzed (?:\d+ )?target"
        r"|^Saved (?:\.?/)\S+|^(?:#\d+ [\d.]+ )?(?:Resolved|Prepared|Audited|Checked) \d+ packages? in "
        r"|^(?:Preparing|Verifying|Executing) transaction: .{0,40}done|^Transaction finished|^Downloading and Extracting Packages: .{0,40}done"
        r"|^Fetched [\d.,]+ ?[kMG]?B in |^(?:Receiving objects|Resolving deltas): 100%|\bDownload complete: |\bPull complete$|\bDownloaded newer image\b"
        r"|\bInstallation Succeeded\b|^Writing lock file|✔ (?:Install|Update) \S+ .{0,80}successful)",
        examples=(
            "2024-05-01 10:00:01 (1.20 MB/s) - 'x.tar.gz' saved [10240/10240]",
            "OK: 12 MiB in 20 packages",
            "INFO: Build completed successfully, 812 total actions",
            "INFO: Analyzed 3 targets (4 packages loaded, 42616 targets configured).",
            "#9 12.31 Resolved 21 packages in 1.02s",
            "Executing transaction: ...working... done",
            "Fetched 12.3 MB in 2s (6,120 kB/s)",
            "Resolving deltas: 100% (12/12), done.",
            "  ✔ Install numpy 1.26.4 successful",
        ),
        rank=0,
    ),
    Rule(
        name="tried-again",
        code=CLUE,
        reads="",
        needs=("will retry in",),
        pattern=r"(?P<is_tried_again>\bWill retry in \d)",
        examples=("Warning: Problem : HTTP error. Will retry in 1 seconds. 5 retries left.",),
        rank=0,
    ),
    # Documents say what to do about an error; the program that prints one does not speak of it under a condition. The
    # article keeps TensorFlow's `If you experience issues, please turn them off` out.
    Rule(
        name=ADVICE,
        code=CLUE,
        reads="",
        needs=(
            "if you",
            "when you",
            "whenever you",
            "in case you",
            "**symptom",
            "# symptom",
            "**solution",
            "# solution",
            *("this article", "this guide", "this tutorial"),
        ),
        pattern=r"(?P<is_advice>\b(?:if|when|whenever|in case) you (?:are )?(?:get|see|hit|face|encounter|receive|experience|run into|getting|seeing|facing|faced with|running into|receiving|experiencing) (?:an?|the|this|these|such|following|similar|'|\").{0,80}?(?:error|exception|issue|problem|failure)|(?:\*\*|^#{1,6} )(?:Symptom|Solution)s?\b|\bThis (?:article|guide|tutorial) )",
        examples=(
            "If you run into this error on Windows, install the runtime",
            'If you get "ImportError: No module named x", install x',
            "**Symptoms**: `CUDA error: an illegal memory access was encountered`",
        ),
        rank=0,
    ),
)
