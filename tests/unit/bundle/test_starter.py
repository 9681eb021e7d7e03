from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tfprov.bundle import starter
from tfprov.bundle.starting import bootstrap
from tfprov.host.facts import gather
from tfprov.paths import home
from tfprov.pipeline.other_platforms import name_of


def test_the_starter_has_the_name_of_this_platform_that_the_facts_have() -> None:
    assert starter.this_platform() == name_of(gather({"PATH": ""}))


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("linux", "x86_64", "linux-x86_64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("darwin", "arm64", "macos-arm64"),
        ("darwin", "x86_64", "macos-x86_64"),
        ("win32", "AMD64", "windows-amd64"),
    ],
)
def test_every_platform_has_the_name_that_profiles_use(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, name: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert starter.this_platform() == name


def test_the_starter_keeps_its_tools_where_tfprov_keeps_its_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path))
    assert starter.data_folder() == home({"TFPROV_HOME": str(tmp_path)}).data
    monkeypatch.delenv("TFPROV_HOME")
    assert starter.data_folder() == home({}).data


def test_the_file_is_one_for_a_shell_and_for_python_and_imports_only_the_standard_library() -> None:
    text = bootstrap().decode()
    assert text.startswith("#!/bin/sh\n'''':\n")
    tree = ast.parse(text)
    compile(tree, "bootstrap", "exec")
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in modules} <= sys.stdlib_module_names
