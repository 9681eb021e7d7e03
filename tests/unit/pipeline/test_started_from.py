from __future__ import annotations

import pytest

from tfprov.errors import TfprovError
from tfprov.pipeline.started_from import shell_here

KNOWN = ("bash", "zsh", "sh", "fish", "tcsh", "powershell", "cmd")


@pytest.mark.parametrize(
    ("parents", "shell", "expected"),
    [
        (["python3.12", "fish", "bash"], "/bin/bash", "fish"),
        (["-zsh", "login"], "", "zsh"),
        (["pwsh.exe", "explorer.exe"], "", "powershell"),
        (["make", "tmux: server"], "/usr/bin/dash", "sh"),
    ],
)
def test_the_nearest_shell_above_is_the_one_that_asked(parents: list[str], shell: str, expected: str) -> None:
    assert shell_here({"SHELL": shell}, KNOWN, parents) == expected


@pytest.mark.parametrize(
    ("parents", "what", "hint"),
    [
        (
            ["nu", "bash"],
            "Nushell cannot evaluate what a command prints",
            "`tfprov env --format nu | from nuon | load-env`",
        ),
        (
            ["init"],
            "the shell that this was started from is not known",
            "pass `--shell`: bash, zsh, sh, fish, tcsh, powershell, cmd",
        ),
    ],
)
def test_no_shell_that_can_be_served_is_said(parents: list[str], what: str, hint: str) -> None:
    with pytest.raises(TfprovError) as raised:
        shell_here({}, KNOWN, parents)
    assert (raised.value.code.name, raised.value.what, raised.value.hint) == ("usage", what, hint)
