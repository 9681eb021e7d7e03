from __future__ import annotations

from typing import Any

import pytest

from decisions import THIRTY_TWO, plan, profile, wheel
from hosts import Host, python
from tfprov.errors import TfprovError
from tfprov.host.records import Problem
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import IndexFile, Listing


def test_a_release_without_wheels_for_the_only_allowed_python_says_what_would_fit() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile("==2.21.*", python={"version": "==3.9.*"}), Host())
    error = caught.value
    assert (error.code.name, error.exit_code) == ("python-unsupported", 10)
    assert error.hint.startswith("TensorFlow 2.21.0 has wheels for Python 3.10 to 3.13; 3.9 ends at 2.20.0")
    assert any("Python 3.10.13, 3.11.7, 3.12.1, 3.13.0: outside" in line for line in error.evidence)


def test_a_message_lists_no_interpreter_that_no_release_could_use() -> None:
    pythons = (
        "3.9.18",
        "3.14.0",
        python("3.13.0", free_threaded=True),
        python("3.12.1", bits=32),
        python("3.12.2", machine="aarch64"),
        python("3.11.0", implementation="pypy"),
        "3.13.0rc2",
    )
    with pytest.raises(TfprovError) as caught:
        plan(profile("==2.21.*", python={"install": False}), Host(pythons=pythons))
    assert caught.value.evidence[0] == "Pythons that other releases run on: 3.14.0, 3.9.18"
    listing = Listing(files={"tensorflow": (IndexFile(filename=wheel("2.21.0", 12)),)}, source="test")
    with pytest.raises(TfprovError) as caught:
        decide(profile(python={"install": False}), Host(pythons=pythons).facts, table(), listing)
    assert not any("other releases" in line for line in caught.value.evidence)


@pytest.mark.parametrize(
    ("interpreter", "code"),
    [
        (python("3.12.1", found_by="profile", bits=32), "python-32bit"),
        (python("", found_by="profile", problem=Problem(code="python-broken", why="exit status 1")), "python-broken"),
        (python("3.12.1", found_by="profile", implementation="pypy"), "python-unsupported"),
        (python("3.5.10", found_by="profile"), "python-unsupported"),
        (python("3.14.0", found_by="profile"), "python-unsupported"),
        (python("3.13.0", found_by="profile", free_threaded=True), "python-unsupported"),
        (python("3.13.0"), "python-not-found"),
    ],
)
def test_a_named_interpreter_that_cannot_be_used_is_the_error(interpreter: Any, code: str) -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(python={"path": "bin/python"}), Host(pythons=(interpreter,)))
    assert caught.value.code.name == code
    assert "`bin/python`" in caught.value.what


@pytest.mark.parametrize(
    ("pythons", "code"),
    [
        ((), "python-not-found"),
        (("3.5.10",), "python-unsupported"),
        (THIRTY_TWO.pythons, "python-32bit"),
        ((python("", problem=Problem(code="python-broken", why="it does not start")),), "python-broken"),
        (("3.5.10", python("3.12.1", bits=32)), "python-not-found"),
    ],
)
def test_without_a_usable_python_the_error_says_why_none_will_do(pythons: Any, code: str) -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile(python={"install": False}), Host(pythons=pythons))
    assert caught.value.code.name == code
    assert "`python.install = true` would install Python 3.13" in caught.value.hint


def test_no_hint_promises_to_bring_a_python_that_nobody_builds() -> None:
    with pytest.raises(TfprovError) as caught:
        plan(profile("==2.1.4", python={"install": False}), Host())
    assert caught.value.code.name == "python-unsupported"
    assert caught.value.hint == (
        "TensorFlow 2.1.4 has wheels for Python 3.6 to 3.7; 3.9 ends at 2.20.0; "
        "install Python 3.7 first, which cannot be downloaded; TensorFlow 2.21.0 on Python 3.13 would fit"
    )
