from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tfprov import process
from tfprov.events import ignore
from tfprov.smoke.group import ProbeSession
from tfprov.smoke.records import SmokeRequest
from tfprov.smoke.script import run_script


@pytest.fixture
def session(tmp_path: Path) -> ProbeSession:
    return ProbeSession(
        python=Path(sys.executable),
        request=SmokeRequest(timeout=60),
        probes=tmp_path,
        scratch=tmp_path,
        env=process.clean_environment(os.environ),
        emit=ignore,
    )


def written(folder: Path, text: str) -> Path:
    path = folder / "check.py"
    path.write_text(text)
    return path


def test_a_script_that_ends_well_passes_and_its_last_lines_are_kept(session: ProbeSession, tmp_path: Path) -> None:
    leg = run_script(session, written(tmp_path, "print('accuracy 0.97')\n"))
    assert (leg.leg, leg.ok, leg.evidence) == ("script check.py", True, "accuracy 0.97")
    assert leg.started is not None


def test_a_script_may_use_what_lies_beside_it(session: ProbeSession, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("value = 3\n")
    (tmp_path / "data.txt").write_text("3")
    assert run_script(
        session, written(tmp_path, "import beside\nassert int(open('data.txt').read()) == beside.value\n")
    ).ok


def test_a_failed_assertion_is_a_failed_user_check(session: ProbeSession, tmp_path: Path) -> None:
    leg = run_script(session, written(tmp_path, "assert 0.2 > 0.9, 'accuracy too low'\n"))
    assert (leg.ok, leg.code) == (False, "user-check-failed")
    assert "accuracy too low" in leg.evidence


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_script_that_crashes_is_told_from_one_that_fails(session: ProbeSession, tmp_path: Path) -> None:
    leg = run_script(session, written(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"))
    assert leg.code == "probe-crashed"
    assert "SIGSEGV" in leg.evidence


def test_a_missing_script_is_no_success(session: ProbeSession, tmp_path: Path) -> None:
    leg = run_script(session, tmp_path / "gone.py")
    assert (leg.ok, leg.code) == (False, "user-check-failed")


def test_secrets_that_a_script_prints_do_not_reach_the_verdict(session: ProbeSession, tmp_path: Path) -> None:
    leg = run_script(session, written(tmp_path, "print('https://me:hunter2@host.example/x')\nraise SystemExit(4)\n"))
    assert "hunter2" not in leg.evidence
    assert "exit status 4" in leg.evidence


def test_a_module_beside_the_script_is_blamed_where_the_failure_speaks_of_it(
    session: ProbeSession, tmp_path: Path
) -> None:
    (tmp_path / "tensorflow.py").write_text("# notes\n")
    leg = run_script(session, written(tmp_path, "import tensorflow\ntensorflow.matmul\n"))
    assert leg.code == "shadowed-module"
    assert leg.evidence.startswith(f"`{tmp_path / 'tensorflow.py'}` hides the environment's")
    for blaming in ("from tensorflow import matmul\n", "import tensorflow.keras\n"):
        assert run_script(session, written(tmp_path, blaming)).code == "shadowed-module"


def test_a_module_beside_the_script_that_has_nothing_to_do_with_the_failure_is_not_blamed(
    session: ProbeSession, tmp_path: Path
) -> None:
    (tmp_path / "keras.py").write_text("# notes\n")
    assert run_script(session, written(tmp_path, "assert False, 'keras is slow'\n")).code == "user-check-failed"
