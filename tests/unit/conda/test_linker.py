"""What a conda package says of its files stays inside of it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("rattler") is None, reason="the extra `conda` is not installed"
)


def listed(folder: Path, content: object) -> Path:
    (folder / "info").mkdir()
    (folder / "info" / "paths.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("name", ["../other/lib/x", "/etc/passwd", "lib/../../x", "", "lib//x", "a\\b", "."])
def test_a_path_that_leads_out_of_the_package_is_refused(tmp_path: Path, name: str) -> None:
    from tfprov.conda.linker import DamagedError, _check_paths

    listed(tmp_path, {"paths": [{"_path": "lib/good"}, {"_path": name}]})
    with pytest.raises(DamagedError, match="outside itself"):
        _check_paths(tmp_path, "x.conda")


@pytest.mark.parametrize("content", [{}, [], {"paths": 3}, {"paths": [3]}, {"paths": [{}]}])
def test_a_list_of_another_shape_is_damage(tmp_path: Path, content: object) -> None:
    from tfprov.conda.linker import DamagedError, _check_paths

    with pytest.raises(DamagedError, match="cannot be read"):
        _check_paths(listed(tmp_path, content), "x.conda")


def test_good_packages_pass(tmp_path: Path) -> None:
    from tfprov.conda.linker import _check_paths

    _check_paths(tmp_path, "without a list")
    _check_paths(listed(tmp_path, {"paths": [{"_path": "lib/..x/y"}]}), "x.conda")
