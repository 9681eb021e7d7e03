"""What becomes of rules that matched, by their ranks and by what they say of each other."""

from __future__ import annotations

import io

import pytest

from tfprov.diagnose.diagnose import diagnose_text
from tfprov.diagnose.judge import judge
from tfprov.diagnose.records import NOISE, NOTHING, Case, Diagnosis, LogContext, Rule
from tfprov.diagnose.scan import Scanner
from tfprov.errors import CODES


def rule(word: str, code: str, *, rank: int = 50, follows: tuple[str, ...] = (), cases: tuple[Case, ...] = ()) -> Rule:
    """A rule that matches its own word."""
    return Rule(
        name=word,
        code=code,
        reads="x",
        needs=(word,),
        pattern=word,
        examples=(word,),
        rank=rank,
        follows=follows,
        cases=cases,
    )


def read(text: str, *rules: Rule, context: LogContext | None = None) -> Diagnosis:
    return judge(Scanner(rules).scan(io.BytesIO(text.encode())), context or LogContext())


def roles(found: Diagnosis) -> list[tuple[str, str]]:
    return [(one.code, one.role) for one in found.findings]


LOW, HIGH = rule("alpha", "numpy-abi", rank=20), rule("omega", "glibc-too-old", rank=60)


@pytest.mark.parametrize("text", ["alpha\nomega\n", "omega\nalpha\n"])
def test_the_highest_rank_is_the_root_wherever_it_stands(text: str) -> None:
    assert roles(read(text, LOW, HIGH)) == [("glibc-too-old", "cause"), ("numpy-abi", "cause")]


def test_of_equal_ranks_the_first_line_is_the_root() -> None:
    one, other = rule("alpha", "numpy-abi"), rule("omega", "h5py-mismatch")
    assert roles(read("omega\nalpha\n", one, other))[0] == ("h5py-mismatch", "cause")


def test_a_rule_may_say_what_it_follows_from_whatever_the_ranks_are() -> None:
    follower = rule("omega", "cuda-toolkit-file-missing", rank=90, follows=("disk-full",))
    found = read("omega\nalpha\n", rule("alpha", "disk-full", rank=10), follower)
    assert roles(found) == [("disk-full", "cause"), ("cuda-toolkit-file-missing", "consequence")]
    assert found.findings[1].follows == "disk-full"
    assert found.findings[1].remedy is None


def test_a_rule_may_follow_from_a_whole_group() -> None:
    follower = rule("omega", "nccl-failed", follows=("machine",))
    assert roles(read("omega\nalpha\n", rule("alpha", "oom-killed"), follower))[1] == ("nccl-failed", "consequence")


def test_rules_that_follow_from_each_other_both_stay_and_the_higher_is_the_root() -> None:
    one = rule("alpha", "disk-full", rank=10, follows=("oom-killed",))
    other = rule("omega", "oom-killed", rank=20, follows=("disk-full",))
    assert roles(read("alpha\nomega\n", one, other)) == [("oom-killed", "cause"), ("disk-full", "consequence")]


def test_what_a_code_always_follows_from_needs_a_root_of_at_least_its_rank() -> None:
    vague = rule("alpha", "import-failed", rank=30)
    assert roles(read("alpha\nomega\n", vague, HIGH))[1] == ("import-failed", "consequence")
    assert roles(read("alpha\nomega\n", vague, rule("omega", "glibc-too-old", rank=29)))[1][1] == "cause"


def test_a_vaguer_reading_of_the_lines_of_the_cause_is_left_out() -> None:
    vague = rule("alpha", "import-failed", rank=30)
    assert roles(read("alpha omega\n", vague, HIGH)) == [("glibc-too-old", "cause")]


def test_the_first_case_that_holds_replaces_code_and_rank() -> None:
    cased = rule(
        "alpha",
        "gpu-no-driver",
        rank=10,
        cases=(Case(when="gpu-not-wanted", code=NOISE), Case(when="wsl", code="wsl-libcuda", rank=90)),
    )
    assert roles(read("alpha\nomega\n", cased, HIGH, context=LogContext(accelerator="cpu", wsl=True)))[-1][0] == NOISE
    assert roles(read("alpha\nomega\n", cased, HIGH, context=LogContext(wsl=True)))[0] == ("wsl-libcuda", "cause")


def test_noise_comes_last_and_nothing_is_not_told() -> None:
    silent = rule("beta", "gpu-no-driver", cases=(Case(when="windows", code=NOTHING),))
    found = read("gamma\nbeta\nomega\n", rule("gamma", NOISE), silent, HIGH, context=LogContext(system="windows"))
    assert roles(found) == [("glibc-too-old", "cause"), (NOISE, "noise")]


@pytest.mark.parametrize(
    ("status", "emulated", "code"),
    [
        (-9, False, "oom-killed"),
        (137, False, "oom-killed"),
        (-4, False, "cpu-no-avx"),
        (132, False, "cpu-no-avx"),
        (0xC000001D, False, "cpu-no-avx"),
        (0xC000001D - (1 << 32), False, "cpu-no-avx"),
        (-4, True, "rosetta-qemu"),
    ],
)
def test_a_status_that_says_how_a_process_was_killed_is_the_root(status: int, emulated: bool, code: str) -> None:
    found = read("alpha\n", LOW, context=LogContext(returncode=status, emulated=emulated))
    assert roles(found)[0] == (code, "cause")
    assert found.root is not None
    assert (found.root.lines, found.root.evidence) == ((), ())


@pytest.mark.parametrize("status", [None, 0, 1, -15, 2])
def test_other_statuses_say_nothing(status: int | None) -> None:
    assert roles(read("alpha\n", LOW, context=LogContext(returncode=status))) == [("numpy-abi", "cause")]


def test_a_full_disk_explains_a_kill_and_a_line_about_it_is_not_doubled() -> None:
    killed = LogContext(returncode=-9)
    assert roles(read("alpha\n", rule("alpha", "disk-full"), context=killed)) == [("disk-full", "cause")]
    assert roles(read("alpha\n", rule("alpha", "oom-killed"), context=killed)) == [("oom-killed", "cause")]


def test_a_kill_explains_the_words_that_it_left_behind() -> None:
    found = read("alpha\n", rule("alpha", "install-failed"), context=LogContext(returncode=-9))
    assert roles(found) == [("oom-killed", "cause"), ("install-failed", "consequence")]


RAISED = ("x.capi.NoSuchFile: [E] : 3 : NO_SUCHFILE : Load failed", "mylib.Stop", "StopIteration", "Cancelled: by hand")


@pytest.mark.parametrize("below", [(), ("    raise it",), ("    raise it", "    ^^^^^^^^")], ids=len)
@pytest.mark.parametrize("noise", [(), ("calm down",)], ids=["alone", "beside noise"])
@pytest.mark.parametrize("raised", RAISED)
def test_what_was_raised_last_is_unknown_whatever_it_is_called(
    raised: str, noise: tuple[str, ...], below: tuple[str, ...]
) -> None:
    calm = Rule(name="calm", code=NOISE, reads="calm", needs=("calm",), pattern="calm", examples=())
    lines = (*noise, "Traceback (most recent call last):", '  File "a.py", line 3, in <module>', *below, raised)

    def found(*text: str, status: int | None = None) -> list[str]:
        log = io.BytesIO("\n".join(text).encode())
        done = judge(Scanner([calm]).scan(log), LogContext(returncode=status))
        return [line.text for one in done.findings if one.role == "unknown" for line in one.evidence]

    assert found(*lines) == [raised]
    # What somebody caught is no failure, and neither is anything in a program that ended well.
    assert found(*lines, "and on it goes") == []
    assert found(*lines, status=0) == []


@pytest.mark.parametrize("code", CODES)
def test_the_code_that_tfprov_printed_is_the_cause_whatever_tools_printed(code: str) -> None:
    text = (
        f"> lock\nx lock  2.1 s  {code}\nerror[{code}]: what happened\n"
        "  evidence  ERROR: No matching distribution found for tensorflow==2.99\n"
        "            OSError: [Errno 28] No space left on device\n\n"
        f"hint: a hint\nmore: `tfprov explain --code {code}`\n"
    )
    cause = diagnose_text(text).findings[0]
    assert (cause.code, cause.role, cause.certainty, 3 in cause.lines) == (code, "cause", "certain", True)
