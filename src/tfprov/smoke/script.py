"""Runs the user's own checks, each as one leg."""

from __future__ import annotations

import re
import time
from pathlib import Path

from tfprov import process
from tfprov.redact import redact
from tfprov.smoke import causes
from tfprov.smoke.group import ProbeSession
from tfprov.smoke.records import Leg
from tfprov.smoke.surroundings import hiding


def run_script(session: ProbeSession, script: Path) -> Leg:
    """Run one script with the environment's Python; it passes if it ends with status 0.

    It runs in its own folder and can import modules from there, as it does when its author runs it. PYTHON* variables
    and the user site are left out, as for the probes.

    Raises:
        TfprovError: `python-broken` when the interpreter cannot be started.
    """
    name = f"script {script.name}"
    if not script.is_file():
        return Leg(leg=name, ok=False, seconds=0.0, code="user-check-failed", evidence=f"`{script}` is not a file")
    started = time.time() - session.epoch
    argv = (session.python, "-s", "-X", "faulthandler", "-u", script)
    try:
        finished = process.run(argv, env=session.env, cwd=script.parent, timeout=session.request.timeout)
    except OSError as error:
        raise causes.of_start(session.python, error) from error
    if finished.ok:
        words = redact(causes.last_words(finished.stdout, lines=3))
        return Leg(leg=name, ok=True, seconds=finished.seconds, evidence=words, started=started)
    words = redact(causes.last_words(f"{finished.stdout}\n{finished.stderr}"))
    code, evidence = "user-check-failed", f"exit status {finished.returncode}\n{words}"
    if finished.timed_out or finished.signal_name is not None:
        code, evidence = causes.of_death(finished)
    else:
        # The script's folder is first on sys.path. A file there that could shadow a module is reported only if the
        # output is about that module; otherwise it is not the cause.
        said = f"{finished.stdout}\n{finished.stderr}"
        found = hiding(script.parent).items()
        culprits = [f"`{path}` hides the environment's" for name, path in found if _speaks_of(said, name, path)]
        if culprits:
            code, evidence = "shadowed-module", "\n".join((*culprits, evidence))
    return Leg(leg=name, ok=False, seconds=finished.seconds, code=code, evidence=redact(evidence), started=started)


def _speaks_of(said: str, module: str, path: Path) -> bool:
    """Whether output is about a module: it contains the path of its file, or an error about a missing attribute."""
    name = re.escape(module.replace("/", "."))
    return str(path) in said or re.search(rf"(module|from) '{name}['.]|'{name}' is not a package", said) is not None
