"""The result of an export, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict

from tfprov.harmless import lined
from tfprov.pipeline.exporting import Made
from tfprov.words import size


def made(what: Made, form: str) -> str:
    """An export in a few lines: file, path inside it, checksum, requirements on the system."""
    lines = [f"{what.path}  {form}, {size(what.size)}", f"  place     {what.prefix}"]
    if what.digest:
        lines.append(f"  sha256    {what.digest}")
    if what.needs:
        lines.append(f"  needs     from the system, besides glibc: {', '.join(what.needs)}")
    if what.left:
        words = "set where it is used" if form == "modulefile" else "not included, since they refer to your variables"
        lines.append(f"  left      {', '.join(what.left)}: {words}")
    return lined(lines)


def document(what: Made) -> dict[str, object]:
    """An export as a JSON document."""
    return {"export": asdict(what)}
