from __future__ import annotations

from pathlib import Path

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
