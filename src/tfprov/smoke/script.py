"""The user's own checks, each a leg of its own."""

from __future__ import annotations

import re
import time
from pathlib import Path

from tfprov import process
from tfprov.errors import TfprovError
from tfprov.redact import redact
from tfprov.smoke import causes
from tfprov.smoke.group import ProbeSession
from tfprov.smoke.records import Leg
from tfprov.smoke.surroundings import hiding


def run_script(session: ProbeSession, script: Path) -> Leg:
    """Run one script with the environment's Python; it passes when it ends with status 0.

    It runs in its own folder and may import what lies beside it: that is how its author runs it, too. Variables of the
    shell and the user site stay out, as in the probes.
    """
    name = f"script {script.name}"
    if not script.is_file():
        return Leg(leg=name, ok=False, seconds=0.0, code="user-check-failed", evidence=f"`{script}` is not a file")
    started = time.time() - session.epoch
    argv = (session.python, "-s", "-X", "faulthandler", "-u", script)
    try:
        finished = process.run(argv, env=session.env, cwd=script.parent, timeout=session.request.timeout)
    except OSError as error:
        raise TfprovError(
            "python-broken",
            f"the environment's Python `{session.python}` cannot be started",
            evidence=(str(error),),
        ) from error
    if finished.ok:
        words = redact(causes.last_words(finished.stdout, lines=3))
        return Leg(leg=name, ok=True, seconds=finished.seconds, evidence=words, started=started)
    words = redact(causes.last_words(f"{finished.stdout}\n{finished.stderr}"))
    code, evidence = "user-check-failed", f"exit status {finished.returncode}\n{words}"
    if finished.timed_out or finished.signal_name is not None:
        code, evidence = causes.of_death(finished)
    else:
        # Python puts the script's folder first. Only what its own output speaks of counts: a file of such a name that
        # has nothing to do with the failure is not a cause.
        said = f"{finished.stdout}\n{finished.stderr}"
        found = hiding(script.parent).items()
        culprits = [f"`{path}` hides the environment's" for name, path in found if _speaks_of(said, name, path)]
        if culprits:
            code, evidence = "shadowed-module", "\n".join((*culprits, evidence))
    return Leg(leg=name, ok=False, seconds=finished.seconds, code=code, evidence=redact(evidence), started=started)


def _speaks_of(said: str, module: str, path: Path) -> bool:
    """Whether an output blames a module: it names its file, or what the module lacks."""
    name = re.escape(module.replace("/", "."))
    return str(path) in said or re.search(rf"(module|from) '{name}['.]|'{name}' is not a package", said) is not None
