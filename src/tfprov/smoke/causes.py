"""Determines the failure code of a leg from its exceptions, its signal or exit status, and TensorFlow's log.

Text is classified by `diagnose`, as in `tfprov explain`; the exit status is interpreted here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.errors import Group, TfprovError
from tfprov.ladder.classify import classify_exception
from tfprov.process import Finished

# Imported late, because the rules are needed only after a failure and take a fifth of a second to load.
if TYPE_CHECKING:
    from tfprov.diagnose.records import Finding, LogContext

# A leg runs offline in a finished environment: text about networks and resolvers cannot be the cause of its failure.
_OF_A_LEG = frozenset({Group.INTERPRETER, Group.PLATFORM, Group.MACHINE, Group.PYTHON_DEPS, Group.GPU, Group.SMOKE})
_OF_THE_MACHINE = frozenset({Group.MACHINE})
_OF_A_GPU = frozenset({Group.PLATFORM, Group.GPU})

# Lines that a process prints when it aborts: TensorFlow's fatal messages, in old and new format, and the C++ runtime's.
_FATAL = re.compile(r"^(?:\S+ \S+: F |F\d{4} |terminate called|\s+what\(\):)")
_RUN_OUT = frozenset({"limit-reached", "oom-killed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception in a chain.

    Attributes:
        kind: name of its class.
        message: its text.
    """

    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


def of_exceptions(chain: Sequence[Raised], otherwise: str, *, accelerator: str = "auto") -> str:
    """Failure code of an exception chain.

    The original exception takes precedence over those that wrap it, because TensorFlow and Keras wrap exceptions in
    longer and vaguer messages.

    Args:
        chain: outermost first.
        otherwise: the code when no exception in the chain is recognised.
        accelerator: `SmokeRequest.accelerator`.
    """
    from tfprov.diagnose.records import LogContext

    # Without `cpu` in the context, because an exception about GPUs is a failure even if none was requested.
    context = LogContext(accelerator=None if accelerator in ("auto", "cpu") else accelerator)
    for raised in reversed(chain):
        found = _cause(str(raised), context, _OF_A_LEG)
        if found is not None:
            return found.code
    return otherwise


def of_death(finished: Finished) -> tuple[str, str]:
    """Failure code and evidence for a probe that died, timed out or exited before its end."""
    from tfprov.diagnose.records import LogContext

    words = last_words(finished.stderr or finished.stdout)
    if finished.timed_out or _watchdog(finished):
        return "probe-timeout", _block(f"ended after {finished.seconds:.0f} s; where it stood:", words)
    status = finished.returncode & 0xFFFFFFFF
    code, head = "probe-failed", f"left with exit status {finished.returncode} in the middle"
    if finished.signal_name is not None:
        code, head = "probe-crashed", f"ended by {finished.signal_name}"
    elif finished.returncode < 0 and sys.platform != "win32":
        # A signal without a name, such as the real-time ones.
        code, head = "probe-crashed", f"ended by signal {-finished.returncode}"
    elif status >= 0xC0000000:
        code, head = "probe-crashed", f"ended by Windows with status 0x{status:08X}"
    said = "\n".join(line for line in finished.stderr.splitlines() if _FATAL.match(line))
    context = LogContext(returncode=finished.returncode)
    found = _cause(said, context, _OF_A_LEG)
    if found is None and finished.returncode == 1:
        # The exception that ended the probe itself, for instance because the disk is too full for its record.
        found = _cause(words.rpartition("\n")[2], context, _OF_THE_MACHINE)
    if found is not None:
        code, head = found.code, f"{head}: {found.evidence[0].text}" if found.evidence else found.what
    return code, _block(head, words)


def of_start(python: Path, error: OSError) -> TfprovError:
    """The failure to start an environment's Python: `python-broken`, or what the system has run out of."""
    failure = classify_exception(error)
    if failure.code.name in _RUN_OUT:
        return failure
    return TfprovError(
        "python-broken",
        f"the environment's Python `{python}` cannot be started",
        evidence=(str(error),),
        hint="make the environment anew: `tfprov up --recreate`",
    )


def of_missing_gpus(log: str, *, accelerator: str, cuda_build: bool | None, place: str = "") -> tuple[str, str]:
    """Failure code and evidence for GPUs that TensorFlow does not list.

    Args:
        log: stderr of the process, with TensorFlow's own messages.
        accelerator: `SmokeRequest.accelerator`.
        cuda_build: whether this is a CUDA build, according to `get_build_info`; None when that does not tell.
        place: `container` or `wsl` when it runs in one, where a missing driver has a different remedy; else empty.
    """
    if cuda_build is False:
        return "wheel-without-cuda", "`tf.sysconfig.get_build_info()` says that this build has no CUDA"
    from tfprov.diagnose.records import LogContext

    context = LogContext(
        accelerator="cuda" if accelerator == "auto" else accelerator,
        container=place if place == "container" else None,
        wsl=place == "wsl",
        gpus_missing=True,
    )
    found = _cause(log, context, _OF_A_GPU)
    if found is None:
        return "gpu-missing-in-tf", last_words(log) or "TensorFlow says nothing about it"
    return found.code, "\n".join(line.text for line in found.evidence[:4])


def package_for(evidence: str) -> str:
    """What to do about a system library that a leg did not find, such as the package to install; empty if unknown."""
    from tfprov.diagnose.records import LogContext

    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, "linux")
    found = _cause(evidence, LogContext(system=system), _OF_A_LEG)
    return found.remedy.text if found is not None and found.remedy is not None else ""


def last_words(text: str, lines: int = 25) -> str:
    """The last lines of a log, without harmless messages; at most `lines` of them."""
    from tfprov.diagnose.diagnose import telling_lines

    return "\n".join(telling_lines(text, lines))


def _cause(text: str, context: LogContext, groups: frozenset[Group]) -> Finding | None:
    """The cause of these groups in a text that is nearest to the root cause; None when none is recognised."""
    from tfprov.diagnose.diagnose import diagnose_text

    found = diagnose_text(text, context).findings
    return next((one for one in found if one.role == "cause" and one.group in groups), None)


def _watchdog(finished: Finished) -> bool:
    # faulthandler's watchdog prints this line and exits with status 1.
    return (
        finished.returncode == 1 and re.search(r"^Timeout \(\d+:\d\d:\d\d", finished.stderr, re.MULTILINE) is not None
    )


def _block(head: str, rest: str) -> str:
    return f"{head}\n{rest}" if rest else head
