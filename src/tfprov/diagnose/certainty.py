"""Rates how certain a cause is, and says how to become certain."""

from __future__ import annotations

from dataclasses import dataclass

from tfprov.diagnose.records import Certainty, Hit
from tfprov.diagnose.view import View

_OWN_WORDS = 56
"""Rules of this rank or above match a message of the cause itself; below it, one that several causes share."""
_OUTER_WORDS = 40
"""Rules below this rank match the surroundings of a cause, or a mere hint at one."""

DECIDED = 99
"""Rank of rules for a code that tfprov found, with all facts, and printed."""

KERNEL_TELLS = "look at what the kernel says of it: `dmesg | tail`"

_GPU_WISH = frozenset({"gpu-no-driver", "gpu-no-device", "gpu-libs-missing", "gpu-missing-in-tf", "wheel-without-cuda"})
_BY_PYTHON = frozenset({"python-unsupported", "version-not-available"})
_BY_ENDING = frozenset({"oom-killed", "cpu-no-avx", "probe-crashed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sureness:
    """The certainty of a cause.

    Attributes:
        level: `certain`, `likely` or `possible`.
        by: what to do to be certain, as an imperative; empty when it is certain already.
    """

    level: Certainty
    by: str = ""


def sureness(code: str, rank: int, hit: Hit, view: View) -> Sureness:
    """Rate how certain it is that a code is the cause.

    Args:
        code: failure code.
        rank: of its deciding rule, after the cases of that rule.
        hit: of that rule.
        view: the facts from the log and its context.
    """
    lacks = _lacking_fact(code, hit, view)
    if lacks is not None and rank < DECIDED:
        return lacks
    if rank >= _OWN_WORDS:
        return Sureness(level="certain")
    if rank >= _OUTER_WORDS:
        return Sureness(level="likely", by="read the lines around it; give them too, if the log was cut")
    return Sureness(level="possible", by="give the whole log, from the command on")


def _lacking_fact(code: str, hit: Hit, view: View) -> Sureness | None:
    if code in _GPU_WISH and view.gpu_wanted is None:
        return Sureness(level="possible", by="say whether a GPU is wanted: `--profile PROFILE`")
    if code in _BY_PYTHON and view.python is None:
        return Sureness(level="likely", by="look at the version of that Python: `python --version`")
    if code in _BY_ENDING and hit.rule.name in {"killed", "illegal-instruction", "segfault"}:
        return Sureness(level="likely", by=KERNEL_TELLS)
    return None
