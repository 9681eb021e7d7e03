"""The user's own checks, each a leg of its own."""

from __future__ import annotations

import time
from pathlib import Path

from tfprov import process
from tfprov.errors import TfprovError
from tfprov.redact import redact
from tfprov.smoke import causes
from tfprov.smoke.group import Bench
from tfprov.smoke.records import Leg


def run_script(bench: Bench, script: Path) -> Leg:
    """Run one script with the environment's Python; it passes when it ends with status 0.

    It runs in its own folder and may import what lies beside it: that is how its author runs it, too. Variables of the
    shell and the user site stay out, as in the probes.
    """
    name = f"script {script.name}"
    if not script.is_file():
        return Leg(leg=name, ok=False, seconds=0.0, code="user-check-failed", evidence=f"`{script}` is not a file")
    started = time.time() - bench.epoch
    argv = (bench.python, "-s", "-X", "faulthandler", "-u", script)
    try:
        finished = process.run(argv, env=bench.env, cwd=script.parent, timeout=bench.request.timeout)
    except OSError as error:
        raise TfprovError(
            "python-broken",
            f"the environment's Python `{bench.python}` cannot be started",
            evidence=(str(error),),
        ) from error
    if finished.ok:
        words = redact(causes.last_words(finished.stdout, lines=3))
        return Leg(leg=name, ok=True, seconds=finished.seconds, evidence=words, started=started)
    words = redact(causes.last_words(f"{finished.stdout}\n{finished.stderr}"))
    code, evidence = "user-check-failed", f"exit status {finished.returncode}\n{words}"
    if finished.timed_out or finished.signal_name is not None:
        code, evidence = causes.of_death(finished)
    return Leg(leg=name, ok=False, seconds=finished.seconds, code=code, evidence=redact(evidence), started=started)
