"""Finding the environments of a machine."""

from __future__ import annotations

from pathlib import Path

from tfprov.adopt.find import environments_below


def put(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")


def test_every_kind_is_found_once_and_those_of_tfprov_are_not(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a/.venv/pyvenv.cfg",
        "a/.venv/lib/python3.11/site-packages/nested/pyvenv.cfg",
        "conda/conda-meta/history",
        "conda/envs/tf/conda-meta/history",
        "conda/pkgs/python/lib/python3.11/site-packages/x-1.dist-info/METADATA",
        "versions/3.11/bin/python",
        "versions/3.11/lib/python3.11/site-packages/x-1.dist-info/METADATA",
        "home/environments/x-1/owner.json",
        "home/environments/x-1/generations/0000/pyvenv.cfg",
        "home/images/1/manifest",
        "home/images/1/tree/pyvenv.cfg",
        "sealed/pyvenv.cfg",
        "sealed/tfprov.json",
        "project/bin/tool",
        "node_modules/x/pyvenv.cfg",
    )
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in environments_below(tmp_path)]
    assert found == ["a/.venv", "conda", "conda/envs/tf", "versions/3.11"]


def test_a_folder_that_is_one_is_found(tmp_path: Path) -> None:
    put(tmp_path, "pyvenv.cfg")
    assert list(environments_below(tmp_path)) == [tmp_path]
    assert list(environments_below(tmp_path / "nothing")) == []
