"""What `./bootstrap` sees of a profile before tfprov is there to read it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from bootstrapping import loaded


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    return loaded()


PROFILES = [
    ('[environment]\nkind = "conda"\n', "conda"),
    ("[environment]   # here\n  kind='conda' # yes\n", "conda"),
    ('environment = { path = "x", kind = "conda" }\n', "conda"),
    ('environment.kind = "conda"\n', "conda"),
    ('[environment]\nkind = "venv"\n', "venv"),
    ('[conda]\nkind = "conda"\n', ""),
    ('# [environment]\n# kind = "conda"\n', ""),
    ('[environment]\npath = "conda"\n', ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "kind"), PROFILES)
def test_the_kind_is_found_without_a_toml_parser(bootstrap: ModuleType, text: str, kind: str) -> None:
    assert bootstrap.setting_of(text, "environment.kind") == kind


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + '{"x" = ' * 100_000,
        "a." * 20_000 + "b = 1",
        "a = " + "9" * 100_000,
        "[" + " " * 100_000,
        "[" + "a" * 100_000,
        "environment" + " " * 100_000,
        "environment = " + "{," * 100_000,
        "\0[environment",
    ],
    ids=["nested", "tables", "dotted", "digits", "blanks", "name", "key", "commas", "nul"],
)
def test_a_profile_of_any_content_leaves_the_mistake_to_tfprov(
    bootstrap: ModuleType, text: str, tmp_path: Path
) -> None:
    profile = tmp_path / "p.toml"
    profile.write_text(f'{text}\n[environment]\nkind = "conda"\n')
    assert bootstrap.wants("conda", ["up", str(profile)])


def test_a_command_about_a_conda_profile_wants_the_extra(bootstrap: ModuleType, tmp_path: Path) -> None:
    profile = tmp_path / "p.toml"
    profile.write_text('[environment]\nkind = "conda"\n')
    assert bootstrap.wants("conda", ["up", str(profile)])
    assert bootstrap.wants("conda", ["up", "conda"])
    assert bootstrap.wants("conda", ["up", "cpu", "--set", "environment.kind=conda"])
    assert not bootstrap.wants("conda", ["up", str(profile), "--set=environment.kind=venv"])
    assert not bootstrap.wants("conda", ["up", "cpu"])
    assert not bootstrap.wants("conda", ["--help"])
    assert not bootstrap.wants("conda", [])


@pytest.mark.parametrize("named", [".", "bin/python"])
def test_the_adoption_of_a_conda_environment_wants_the_extra(bootstrap: ModuleType, tmp_path: Path, named: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    assert not bootstrap.wants("conda", ["adopt", str(tmp_path / named)])
    (tmp_path / "conda-meta").mkdir()
    assert bootstrap.wants("conda", ["adopt", str(tmp_path / named), "-o", "x.toml"])
    assert not bootstrap.wants("conda", ["adopt", str(tmp_path / named), "--set", "environment.kind=venv"])
    assert not bootstrap.wants("conda", ["smoke", "--python", str(tmp_path / named)])
    assert not bootstrap.wants("attestations", ["adopt", str(tmp_path / named)])


def test_a_profile_that_wants_attestations_wants_the_extra_for_them(bootstrap: ModuleType, tmp_path: Path) -> None:
    profile = tmp_path / "p.toml"
    profile.write_text('[index]\nattestations = "prefer"\n')
    assert bootstrap.wants("attestations", ["up", str(profile)])
    assert bootstrap.wants("attestations", ["up", "cpu", "--set", "index.attestations=require"])
    assert not bootstrap.wants("attestations", ["up", str(profile), "--set", "index.attestations=off"])
    assert not bootstrap.wants("conda", ["up", str(profile)])
