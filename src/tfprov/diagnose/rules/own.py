"""What tfprov itself prints: the code of a failure is in the first line of its error."""

from __future__ import annotations

from tfprov.diagnose.certainty import DECIDED
from tfprov.diagnose.records import Rule
from tfprov.errors import CODES

RULES = tuple(
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
