"""Lines that show the course of a run: that it achieved something, that it reports an exception and goes on."""

from __future__ import annotations

from tfprov.diagnose.records import Rule
from tfprov.diagnose.view import ACHIEVED, ASSERTED, CHAINED, CLUE, RAISED_IN_TEST, REPORTED, VERDICT

_DEEDS = (
    *("saved", "wrote", "written", "exported", "uploaded", "downloaded", "created", "creating", "processed"),
    *("loaded", "converted", "trained", "deployed", "started", "served", "connected", "unpacked", "linked", "ingested"),
    *("finished", "completed", "succeeded", "migrated", "published", "recovered", "imported", "synced", "merged"),
    *("received", "rendered", "indexed", "crawled", "resumed", "submitted", "verified", "committed"),
)
"""What programs say that they did. What is done after a failure too is left out: closed, removed, stopped, retried."""
UNDONE = (
    r"\b(?:not?|never|none|nothing|cannot|can|could|would|should|must|may|might|will|if|when|until|unless|before|once|try"
    r"|please|make sure|unable|without|only|already|invalid|partially|be|being|which|that)\b|(?:do|does|did|is|was|has|could|would|should|wo)n't\b|(?<!\b0 )\b(?:fail|err(?:or)?s?\b|exception|warn|fatal"
    r"|crash|corrupt|missing|abort|kill|terminat|clean|shut|stopp|exit|cancel|giv(?:e|ing) up|retr(?:y|ies)|interrupt|timed? ?out|denied|refused|wrong|incompatib|unsupported|critical|traceback)"
)
"""Words with which a line says something else than that something was done."""
WITHOUT = r"\b(?:skipping|falling back to|disabled$|handling it as success|carrying on|continuing (?:with|anyway)|using (?:the )?CPU\b|(?:using|used) .{1,40} instead|using (?:the |a |an )?(?:copy|last|previous|default|backup)\b)"
"""Words with which a line says that something is done without what failed."""
_STATEMENT = rf"^(?!.*(?:{UNDONE}))(?!Successfully |File \"|at |E  |from |import |def |class |return |raise |\S+\(|[<>|`│├└╰*-]|[\w.]+ = )"

RULES: tuple[Rule, ...] = (
    Rule(
        name=ACHIEVED,
        code=CLUE,
        reads="",
        needs=(
            *_DEEDS,
            *(
                "skipping",
                "falling back",
                "instead",
                "disabled",
                "as success",
                "carrying on",
                "using ",
            ),
            *("continuing", "done", "success", "pass", "complete", "ready", "healthy", "info", "http/1"),
        ),
        pattern=rf"{_STATEMENT}(?P<is_achieved>(?:.{{0,60}}[\s:])?(?:all )?(?:done|success(?:ful(?:ly)?)?|pass(?:ed)?|complete|ready|healthy)[.! ✔✅]*$"
        rf"|.{{0,80}}(?<!-)\b(?<!download )(?:{'|'.join(_DEEDS)})\b(?! ?:$)|(?!INFO: ).{{0,60}}(?<!NCCL )(?-i:\bINFO\b)[\]/:| -]|.{{0,120}} HTTP/1\.\d\" [23]\d\d (?:\d|-))"
        rf"|^(?!\W)(?P<is_achieved__without>.{{0,120}}{WITHOUT})",
        examples=(
            "Done.",
            "saved model to out/",
            "2026-11-30 20:47:24,549 INFO root: processed 20 messages",
            "INFO:root:got 42",
            '127.0.0.1 - - [30/Nov/2026 20:47:26] "GET /a HTTP/1.1" 200 -',
        ),
        rank=0,
        latest=12,
    ),
    # What stands above the traceback of an exception that ends a task, a thread or a request, or that is logged.
    Rule(
        name=REPORTED,
        code=CLUE,
        reads="",
        needs=(
            "exception in ",
            "exception occurred ",
            "never retrieved",
            "exception ignored ",
            "future: <",
            "handle: <",
            "error",
        ),
        pattern=r"^(?P<is_reported>Exception (?:in (?:thread|callback)|occurred during processing|ignored) |future: <|handle: <|.{0,60}was never retrieved|(?!ERROR: (?:Exception:|\w+ \())\S?.{0,60}(?-i:(?:\b|_)ERROR\b)[\]:/| -])",
        examples=(
            "ERROR in app: Exception on /b [GET]",
            "asyncio: Task exception was never retrieved",
            "Exception in thread Thread-2 (w):",
            "[2026-11-30 20:47:26 +0000] [4711] [ERROR] Error handling request /bad",
        ),
        rank=0,
        latest=40,
    ),
    # Why a test failed: what it asserts is not so, or an exception.
    Rule(
        name=ASSERTED,
        code=CLUE,
        reads="",
        needs=("assert", "did not raise"),
        pattern=r"^(?P<is_asserted>(?:E {3,})?(?:AssertionError\b|assert\b|Failed: DID NOT RAISE))",
        examples=(
            "E       assert (2 + 2) == 5",
            "AssertionError: 1 != 2",
            "E   Failed: DID NOT RAISE <class 'OSError'>",
        ),
        rank=0,
        latest=40,
    ),
    Rule(
        name=RAISED_IN_TEST,
        code=CLUE,
        reads="",
        needs=("error", "exception", "timeout", "exit", "interrupt", "warning"),
        pattern=r"^E {3,}(?P<is_raised_in_test>(?!AssertionError)(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Timeout|Exit|Interrupt|Warning))(?:: |$)",
        examples=("E       OSError: [Errno 28] No space left on device",),
        rank=0,
        latest=40,
    ),
    Rule(
        name=CHAINED,
        code=CLUE,
        reads="",
        needs=("during handling of the above exception", "above exception was the direct cause"),
        pattern=r"^(?P<is_chained>During handling of the above exception|The above exception was the direct cause)",
        examples=("During handling of the above exception, another exception occurred:",),
        rank=0,
        latest=12,
    ),
    # How GitLab, Jenkins, CircleCI, Travis, Airflow, Slurm and PyCharm say that a whole run ended.
    Rule(
        name=VERDICT,
        code=CLUE,
        reads="",
        needs=(
            *("job succeeded", "job failed", "finished: ", "received exit code ", "build exited with "),
            *("marking task as ", "finished with exit code ", "(exit code "),
        ),
        pattern=r"^(?:ERROR: )?Job (?:succeeded$|failed\b)|^Finished: [A-Z]{4}|^CircleCI received exit code \d|\bMarking task as [A-Z]{4}"
        r"|^Done\. Your build exited with \d|^Process finished with exit code -?\d|^State: [A-Z]{4,20} \(exit code \d",
        examples=(
            "Job succeeded",
            "ERROR: Job failed: exit code 1",
            "Finished: FAILURE",
            "State: FAILED (exit code 2)",
        ),
        rank=0,
        latest=12,
    ),
)
