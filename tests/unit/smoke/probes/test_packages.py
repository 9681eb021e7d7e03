from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import probes
from tfprov.smoke.causes import Raised, of_exceptions


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("raise ValueError('You have tensorflow 2.20.0 and this requires tf-keras package.')\n", "keras-mismatch"),
        ("import pkg_resources_of_old.no\n", "import-failed"),
        ("raise ImportError('libGL.so.1: cannot open shared object file: No such file')\n", "system-library-missing"),
    ],
)
def test_a_command_that_cannot_start_has_the_code_of_what_was_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, code: str
) -> None:
    (tmp_path / "a_command_of.py").write_text(source)
    (tmp_path / "pkg_resources_of_old").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    packages = probes.load("packages")
    with pytest.raises(ImportError, match="its command `told` cannot start: ") as raised:
        packages.start("told", "a_command_of:main", {"a_command_of", "pkg_resources_of_old"})
    chain = [Raised(kind=type(one).__name__, message=str(one)) for one in (raised.value, raised.value.__cause__)]
    assert of_exceptions(chain, "import-failed") == code


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a display")
def test_what_connects_to_a_display_is_left_alone_where_there_is_none_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pystray.py").write_text("import os\nos.environ['DISPLAY']\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    packages = probes.load("packages")
    one = SimpleNamespace(name="pystray", version="1.0", root=str(tmp_path), folder="pystray-1.0.dist-info")
    with pytest.raises(sys.modules["tfprov_probe"].Skipped, match="connects to a display"):
        packages.imports(one, ["pystray"], set(), False)
    monkeypatch.setenv("DISPLAY", ":0")
    assert packages.imports(one, ["pystray"], set(), False) == "pystray 1.0: pystray"
