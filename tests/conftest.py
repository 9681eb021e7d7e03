"""What holds for every test: none of them sees or writes the user's home, settings or environments."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import settings

from tfprov import secret

# The default of 200 ms for each example fails on a busy machine, and no test asserts a time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_SETTINGS = (
    *("TFPROV_HOME", "TFPROV_STORE", "TFPROV_CACHE_MAX", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH"),
    "PYTHONDONTWRITEBYTECODE",  # it triples the time of each import of TensorFlow
)

_SLOWEST = (
    *("integration/test_fleet.py", "e2e/test_simulated_gpus.py", "e2e/test_smoke.py", "integration/test_bundle.py"),
    *("integration/test_adopt.py", "integration/test_conda.py", "e2e/test_conda.py"),
)
"""The modules that take minutes, the slowest first."""
_MOST_PROCESSES = 9
"""Each needs up to 2 GB for TensorFlow, and half a minute to find the tests."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests, and no garbage meanwhile nor any of it later: nearly all that is made then stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what is not for every run of the gate, and forget the secrets of the test before.

    What one test calls a password is an ordinary word in the messages of another.
    """
    secret._known = ()
    if item.get_closest_marker("nightly") and "TFPROV_TEST_NIGHTLY" not in os.environ:
        pytest.skip("takes long: set TFPROV_TEST_NIGHTLY to run")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Test everything in several processes unless their number is given.

    The slow tests wait more than they work, so there is one process more than processors. They stand together, and with
    any other way to share them out than `worksteal` they would all be left to one.
    """
    from tfprov.overlapped import processors

    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # one of these processes, which would start as many again
    asked = config.option
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if not is_whole or asked.usepdb or not config.pluginmanager.hasplugin("xdist"):
        return
    if asked.numprocesses is None:
        asked.numprocesses = min(processors(), _MOST_PROCESSES - 1) + 1
    if asked.dist == "no":
        asked.dist = "worksteal"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the slow modules out to the processes of pytest-xdist, each of which gets an equal part of the list.

    The slow modules stand together, and a process that is done takes tests from the end of another's part. So each part
    begins with slow ones, whose tests stay together for the sake of what they share, and unit tests fill the rest.
    """
    parts = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if parts == 1:
        return
    here = Path(__file__).parent
    slow = [
        (module.relative_to(here).as_posix(), list(found))
        for module, found in groupby(items, attrgetter("path"))
        if module.is_relative_to(here) and not module.is_relative_to(here / "unit")
    ]
    slow.sort(key=lambda one: _SLOWEST.index(one[0]) if one[0] in _SLOWEST else len(_SLOWEST))
    dealt = [[item for _, found in slow[number::parts] for item in found] for number in range(parts)]
    taken = {id(item) for part in dealt for item in part}
    rest = [item for item in items if id(item) not in taken]
    done: list[pytest.Item] = []
    for number, part in enumerate(dealt):
        room = (len(items) - len(done)) // (parts - number) - len(part)
        done += part + rest[: max(0, room)]
        del rest[: max(0, room)]
    items[:] = done + rest


@pytest.fixture(autouse=True, scope="session")
def _away_from_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for tfprov of the session's own, and none of the variables that speak of the user's environments."""
    home = tmp_path_factory.mktemp("tfprov-home")
    with pytest.MonkeyPatch.context() as patch:
        for name in _SETTINGS:
            patch.delenv(name, raising=False)
        patch.setenv("TFPROV_HOME", str(home))
        yield home
