"""What holds for every test: none of them sees or writes the user's home, settings or environments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The default of 200 ms for each example fails on a busy machine, and no test asserts a time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_SETTINGS = (
    *("TFPROV_HOME", "TFPROV_STORE", "TFPROV_CACHE_MAX", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH"),
    "PYTHONDONTWRITEBYTECODE",  # it triples the time of each import of TensorFlow
)


@pytest.fixture(autouse=True, scope="session")
def _away_from_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for tfprov of the session's own, and none of the variables that speak of the user's environments."""
    home = tmp_path_factory.mktemp("tfprov-home")
    with pytest.MonkeyPatch.context() as patch:
        for name in _SETTINGS:
            patch.delenv(name, raising=False)
        patch.setenv("TFPROV_HOME", str(home))
        yield home


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test calls a password is an ordinary word in the messages of another."""
    monkeypatch.setattr("tfprov.secret._known", ())
