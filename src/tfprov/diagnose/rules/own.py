"""What tfprov itself prints: the code of a failure is in the first line of its error, the next step in a line below."""

from __future__ import annotations

from tfprov.diagnose.certainty import DECIDED
from tfprov.diagnose.records import Rule
from tfprov.diagnose.view import CLUE, HINT
from tfprov.errors import CODES

_ERRORS = tuple(
    Rule(
        name=f"tfprov-{code}",
        code=code,
        reads="tfprov: the first line of an error",
        needs=(f"error[{code}]:",),
        pattern=rf"^error\[{code}\]: ",
        examples=(f"error[{code}]: what happened",),
        rank=DECIDED,
    )
    for code in CODES
)

# uv prints its hints in the same form, so only one that stands below an error of tfprov counts.
_HINT = Rule(
    name=HINT,
    code=CLUE,
    reads="",
    needs=("hint: ",),
    pattern=r"^hint: (?P<hint>\S)",
    examples=("hint: TensorFlow 2.21.0 on Python 3.13 would fit",),
    rank=0,
)

RULES = (*_ERRORS, _HINT)

_NAMES = frozenset(rule.name for rule in _ERRORS)


def is_own(rule: Rule) -> bool:
    """Whether a rule recognises an error that tfprov printed."""
    return rule.name in _NAMES
