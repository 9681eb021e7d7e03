import os
from pathlib import Path

import pytest

from tfprov.envs import binding


def test_the_runtime_of_visual_c_that_a_package_brought_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(os, "add_dll_directory", shown.append, raising=False)
    binding._show_libraries(str(tmp_path))
    assert shown == []
    (tmp_path / "Scripts").mkdir()
    (tmp_path / "Scripts" / "msvcp140.dll").touch()
    binding._show_libraries(str(tmp_path))
    assert shown == [str(tmp_path / "Scripts")]
