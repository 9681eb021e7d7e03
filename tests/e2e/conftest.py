"""Environments with the real TensorFlow are deleted beside the next tests: it takes the disk half a minute for each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def delete_aside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], None]]:
    """Take a folder away at once, and delete it while the tests go on; at their end nothing of it is left."""
    rubbish = tmp_path_factory.mktemp("rubbish")
    begun: list[subprocess.Popen[bytes]] = []

    def delete(folder: Path) -> None:
        gone = folder.rename(rubbish / str(len(begun)))
        begun.append(subprocess.Popen(["rm", "-rf", gone]))

    yield delete
    for process in begun:
        process.wait()
    shutil.rmtree(rubbish)


@pytest.fixture
def tmp_path(tmp_path: Path, delete_aside: Callable[[Path], None], request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder that is kept after a failure, as pytest's own is."""
    failed = request.session.testsfailed
    yield tmp_path
    if os.name == "posix" and request.session.testsfailed == failed:
        delete_aside(tmp_path)
