"""Kernels go with their environment, whatever has become of their folders."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation, Owner
from tfprov.host.records import Fact
from tfprov.pipeline import kernels
from told import refusal


def test_a_kernel_that_was_moved_and_linked_is_removed_as_a_link(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "train-12345678", owner=Owner(name="train", profile="p.toml", link=""))
    environment.root.mkdir()
    moved, link = tmp_path / "moved", tmp_path / "kernel"
    moved.mkdir()
    document = {"display_name": "train", "metadata": {"tfprov": {"environment": environment.id}}}
    (moved / "kernel.json").write_text(json.dumps(document))
    link.symlink_to(moved)
    (environment.root / "kernels.json").write_text(json.dumps([str(link)]))
    assert [kernel.folder for kernel in kernels.drop(environment)] == [link]
    assert not link.is_symlink()
    assert (moved / "kernel.json").is_file()
    assert kernels.of(environment) == ()


def test_a_kernel_goes_where_jupyter_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "running_system", lambda: Fact(value="linux", source="test"))
    assert kernels._data_folder({"JUPYTER_DATA_DIR": "/j", "HOME": "/h"}) == Path("/j")
    assert kernels._data_folder({"XDG_DATA_HOME": "/x", "HOME": "/h"}) == Path("/x/jupyter")
    assert kernels._data_folder({"HOME": "/h"}) == Path("/h/.local/share/jupyter")
    monkeypatch.setattr(kernels, "home_folder", lambda _environ, _system: None)
    assert refusal(lambda: kernels._data_folder({})) == (
        *("usage", "there is no home folder to keep a kernel in", "set JUPYTER_DATA_DIR"),
    )


@pytest.mark.parametrize(
    ("system", "folder"), [("macos", "/h/Library/Jupyter"), ("windows", "/h/AppData/Roaming/jupyter")]
)
def test_other_systems_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch, system: str, folder: str) -> None:
    monkeypatch.setattr(kernels, "running_system", lambda: Fact(value=system, source="test"))
    monkeypatch.setattr(kernels, "home_folder", lambda _environ, _system: Path("/h"))
    assert kernels._data_folder({}) == Path(folder)


@pytest.mark.parametrize("prefix", [None, Path("prefix")])
def test_a_kernel_serves_from_any_folder_though_variables_and_prefix_are_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: Path | None
) -> None:
    environment = Environment(tmp_path / "train-12345678", owner=Owner(name="train", profile="p.toml", link=""))
    monkeypatch.setattr(kernels, "installed", lambda _: [SimpleNamespace(name="ipykernel")])
    monkeypatch.chdir(tmp_path)
    variables = {"TFPROV_HOME": "own", "JUPYTER_DATA_DIR": "jupyter"}
    generation = Generation(number=1, path=environment.root / "generations" / "0001", seal=None)
    made = kernels.add(environment, generation, profile="", environ=variables, prefix=prefix)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert kernels.of(environment) == (made,)
    document = json.loads((made.folder / "kernel.json").read_text())
    assert document["env"] == {"TFPROV_HOME": str(tmp_path / "own")}
    assert kernels.drop(environment) == (made,)
    assert not made.folder.exists()
