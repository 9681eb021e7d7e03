"""What became of an export, for people and for machines."""

from __future__ import annotations

from dataclasses import asdict

from tfprov.pipeline.exporting import Made
from tfprov.words import size


def made(what: Made, form: str) -> str:
    """A few lines: what it is, where it lies in it, what it needs."""
    lines = [f"{what.path}  {form}, {size(what.size)}", f"  place     {what.prefix}"]
    if what.digest:
        lines.append(f"  sha256    {what.digest}")
    if what.needs:
        lines.append(f"  needs     of the system, beside glibc: {', '.join(what.needs)}")
    if what.left:
        words = "set where it is used" if form == "modulefile" else "not in it, since they name variables of yours"
        lines.append(f"  left      {', '.join(what.left)}: {words}")
    return "\n".join(lines)


def document(what: Made) -> dict[str, object]:
    """The same for machines."""
    return {"export": asdict(what)}
