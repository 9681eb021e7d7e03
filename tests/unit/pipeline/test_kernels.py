"""Kernels go with their environment, whatever has become of their folders."""

from __future__ import annotations

import json
from pathlib import Path

from tfprov.envs.generations import Environment
from tfprov.envs.records import Owner
from tfprov.pipeline import kernels


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
