from __future__ import annotations

import os
import shlex
import sys

import pytest

from tfprov import extras
from tfprov.errors import TfprovError
from told import told


@pytest.mark.skipif(os.name != "posix", reason="quotes of a POSIX shell")
@pytest.mark.parametrize("python", ["/usr/bin/python3", "/opt/my python/bin/python3", "/opt/it's/bin/python3"])
def test_the_command_that_installs_an_extra_can_be_pasted(monkeypatch: pytest.MonkeyPatch, python: str) -> None:
    monkeypatch.setattr(sys, "executable", python)
    with pytest.raises(TfprovError) as failure:
        extras.require("conda", ("not_installed_anywhere",), "conda environments")
    assert told(failure.value)[:3] == (
        *("extra-missing", "conda environments need libraries of the extra `conda`, which is not installed"),
        f"missing in `{sys.prefix}`: not_installed_anywhere",
    )
    end = "`, or start from a checkout with `./bootstrap`, which installs them for such profiles"
    assert failure.value.hint.endswith(end)
    words = shlex.split(failure.value.hint.split("`")[1])
    assert words[:4] == [python, "-m", "pip", "install"]
    assert [word.partition("<")[0] for word in words[4:]] == ["conda-lock", "py-rattler"]


def test_nothing_is_said_of_what_is_installed() -> None:
    extras.require("conda", ("pytest",), "conda environments")
