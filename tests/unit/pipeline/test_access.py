from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tfprov.events import ignore
from tfprov.fetch.relay import Relay
from tfprov.fetch.routes import Route, proxy_at
from tfprov.fetch.sources import Network
from tfprov.fetch.ways import Ways
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


PROXY = proxy_at("http://me:pr0xy@proxy:3128")
NETWORK = Network(index_url="file:///index", routes=(Route(name="the proxy", http=PROXY, https=PROXY),))


def access(*lines: str, relay: Relay | None = None, folder: Path = Path("/project")) -> IndexAccess:
    """Access for these requirements, over a proxy with a login."""
    context: Any = SimpleNamespace(request=SimpleNamespace(environ=ENVIRON), loaded=SimpleNamespace(folder=folder))
    machine: Any = SimpleNamespace(network=NETWORK)
    return IndexAccess(context, machine, relay, lines)


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


@pytest.mark.parametrize("relayed", [False, True])
def test_what_is_built_sees_no_login_of_a_proxy_unless_git_needs_it(relayed: bool) -> None:
    lines = (("thing", False), ("thing @ https://host/thing.zip", False), ("a @ git+https://b/a", True))
    with Relay(Ways(network=NETWORK, emit=ignore)) as relay:
        for line, told in lines:
            found = access(line, relay=relay if relayed else None).environment(bare=True)
            assert any("pr0xy" in value for value in found.values()) is told
            assert found["https_proxy"] == ("http://me:pr0xy@proxy:3128" if told else "http://proxy:3128")
            assert ("tfprov:" in found["HTTP_PROXY"]) is relayed


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("pyproject.toml", '[project]\ndependencies = ["a @ git+https://host/a"]\n', True),
        ("pyproject.toml", '[tool.poetry.dependencies]\na = { git = "https://host/a" }\n', True),
        ("setup.py", 'setup(install_requires=["a @ git+https://host/a"])\n', True),
        ("pyproject.toml", '[project]\ndependencies = ["a", "digit"]\n', False),
    ],
)
def test_git_has_the_login_of_a_proxy_for_what_a_folder_requires(
    tmp_path: Path, name: str, text: str, told: bool
) -> None:
    (tmp_path / "my lib").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "my lib" / name).write_text(text)
    beside = "lib @ file://${PROJECT_ROOT}/../my%20lib ; os_name == 'nt'"
    for line in (f"lib @ {(tmp_path / 'my lib').as_uri()}", beside):
        found = access(line, folder=tmp_path / "project").environment(bare=True)
        assert any("pr0xy" in value for value in found.values()) is told
