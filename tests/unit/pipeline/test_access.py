from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tfprov.fetch.sources import Network
from tfprov.pipeline.access import IndexAccess

ENVIRON = {
    "PATH": "/bin",
    "AWS_SECRET_ACCESS_KEY": "s3cret",
    "CORPORATE": "s3cret",
    "TOKEN": "t0ken",
    "GIT_PASSWORD": "pw",
    "GIT_SSH": "ssh",
    "LD_LIBRARY_PATH": "/lib",
}


def access(*lines: str) -> IndexAccess:
    """Access without a relay, for these requirements."""
    context: Any = SimpleNamespace(
        request=SimpleNamespace(environ=ENVIRON), loaded=SimpleNamespace(folder=Path("/project"))
    )
    machine: Any = SimpleNamespace(network=Network(index_url="file:///index"))
    return IndexAccess(context, machine, None, lines)


@pytest.mark.parametrize("bare", [False, True])
def test_a_resolver_has_no_variable_that_a_package_could_name_but_no_requirement_does(bare: bool) -> None:
    found = access("thing").environment(bare=bare)
    assert "s3cret" not in found.values()
    assert not {"TOKEN", "GIT_PASSWORD"} & set(found)
    assert (found["PATH"], found["GIT_SSH"]) == ("/bin", "ssh")
    assert ("LD_LIBRARY_PATH" in found) is not bare


def test_a_resolver_has_the_variables_that_requirements_name_and_those_of_git_for_a_repository() -> None:
    found = access("thing @ git+https://${TOKEN}@git.example/thing").environment()
    assert (found["TOKEN"], found["GIT_PASSWORD"]) == ("t0ken", "pw")
    assert "s3cret" not in found.values()
