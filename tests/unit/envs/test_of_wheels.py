from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.envs.of_wheels import contents
from tfprov.envs.survey import survey

LIBRARY = "lib/python3.12/site-packages"
OF_PACKAGES = (
    f"{LIBRARY}/thing/__init__.py",
    f"{LIBRARY}/thing/__pycache__/__init__.cpython-312.pyc",
    f"{LIBRARY}/thing-1.0.dist-info/RECORD",
    "bin/thing",
)
OF_THE_ENVIRONMENT = (
    "pyvenv.cfg",
    "tfprov.json",
    "tfprov.manifest",
    "tfprov.shells/4711",
    "bin/python3",
    "bin/activate.fish",
    "lib64/python3.12/site-packages/thing.py",
    f"{LIBRARY}/_tfprov_cures.pth",
    f"{LIBRARY}/__pycache__/_tfprov_cures.cpython-312.pyc",
    f"{LIBRARY}/thing/__pycache__/more.cpython-312.pyc.4711",
)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    for path in (*OF_PACKAGES, *OF_THE_ENVIRONMENT):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


def test_what_wheels_installed_is_all_but_the_environment_itself(environment: Path) -> None:
    assert sorted(contents(survey(environment))) == sorted(OF_PACKAGES)


@pytest.mark.skipif(os.name != "posix", reason="links, which few users of Windows may make")
def test_wheels_install_no_links(environment: Path) -> None:
    (environment / "bin" / "linked").symlink_to("thing")
    (environment / "bin" / "folder").symlink_to(environment / LIBRARY)
    assert sorted(contents(survey(environment))) == sorted(OF_PACKAGES)
