from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import pytest

from outcomes import SEAL
from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation, Owner
from tfprov.pipeline.backends.choose import BACKENDS, Backend, backend_at, backend_of, lock_of
from tfprov.pipeline.environments import backend_for

METHODS = [name for name, _ in inspect.getmembers(Backend, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize("name", METHODS)
def test_each_backend_has_every_method_of_the_protocol_with_its_arguments(kind: str, name: str) -> None:
    wanted = list(inspect.signature(getattr(Backend, name)).parameters)
    assert list(inspect.signature(getattr(type(backend_of(kind)), name)).parameters) == wanted


def test_an_unknown_kind_is_left_to_the_check_of_the_profile() -> None:
    assert backend_of("amiga") is backend_of("venv")


def test_an_environment_that_somebody_else_made_is_known_by_its_records(tmp_path: Path) -> None:
    assert backend_at(tmp_path) is backend_of("venv")
    (tmp_path / "conda-meta").mkdir()
    assert backend_at(tmp_path) is backend_of("conda")


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_generation_is_known_by_its_seal(tmp_path: Path, kind: str) -> None:
    sealed = Generation(number=1, path=tmp_path, seal=replace(SEAL, kind=kind))
    assert backend_for(sealed) is backend_of(kind)


@pytest.mark.parametrize(("kind", "name"), [("venv", "pylock.train.toml"), ("conda", "train.conda-lock.yml")])
def test_the_lock_lies_beside_the_profile_or_with_the_environment(tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / "root").mkdir()
    environment = Environment(tmp_path / "root", owner=Owner(name="train", profile=str(tmp_path / "train.toml")))
    assert lock_of(environment, kind) is None
    (tmp_path / "root" / name).touch()
    assert lock_of(environment, kind) == tmp_path / "root" / name
    (tmp_path / name).touch()
    assert lock_of(environment, kind) == tmp_path / name


def test_an_activated_virtual_environment_comes_first_on_the_path(tmp_path: Path) -> None:
    found = backend_of("venv").activated(tmp_path, "train", {"PATH": "/bin", "PYTHONHOME": "/x", "KEPT": "1"})
    assert found["PATH"].startswith(str(tmp_path))
    assert found["PATH"].endswith("/bin")
    assert found["VIRTUAL_ENV"] == str(tmp_path)
    assert found["KEPT"] == "1"
    assert "PYTHONHOME" not in found
