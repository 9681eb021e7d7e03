"""Writing a first profile for this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tfprov.errors import TfprovError
from tfprov.host.facts import gather
from tfprov.paths import home, write_atomic
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.profile.records import Profile
from tfprov.profile.template import profile_template


def init(path: Path, *, environ: Mapping[str, str]) -> str:
    """Write a commented profile that fits this machine; return its text.

    Args:
        path: the file to make.
        environ: variables of this process.

    Raises:
        TfprovError: `path-not-ours` when the file exists; what `decide` raises when nothing fits this machine.
    """
    # A link that leads nowhere is there, too.
    if os.path.lexists(path):
        raise TfprovError("path-not-ours", f"`{path}` exists", hint="choose another name; it is not overwritten")
    if not path.parent.is_dir():
        raise TfprovError("usage", f"there is no folder `{path.parent}`")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._") or "train"
    facts = gather(environ, cache=home(environ).cache / "interpreters.json")
    # No lock and no listing: the table that comes with tfprov is enough for a first guess, and works offline.
    decision = decide(Profile(name=name), facts, table(), None).decision
    # They come sorted, the newest first.
    usable = list(dict.fromkeys(one.version for one in facts.interpreters.value if one.problem is None))
    text = profile_template(
        name=name,
        file=path.name,
        python=f"Pythons on this machine: {', '.join(usable)}" if usable else "There is no Python on this machine",
        version=decision.tensorflow.version,
        accelerator=decision.tensorflow.accelerator,
        why=decision.tensorflow.why[0].upper() + decision.tensorflow.why[1:],
    )
    write_atomic(path, text.encode())
    return text
