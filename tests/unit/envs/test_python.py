from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tfprov.envs.python import bring
from tfprov.errors import TfprovError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a script stands for uv")

FAKE = """#!{python} -I
import os, pathlib, sys
log = pathlib.Path({log!r})
with log.open("a") as stream:
    print(*sys.argv[1:], *(f"{{k}}={{v}}" for k, v in sorted(os.environ.items()) if k.startswith("UV_")), file=stream)
{body}
"""


def fake(folder: Path, body: str) -> Path:
    path = folder / "uv"
    path.write_text(FAKE.format(python=sys.executable, log=str(folder / "log"), body=body))
    path.chmod(0o755)
    return path


def brought(folder: Path, uv: Path) -> Path:
    environ = {"PATH": os.environ.get("PATH", os.defpath)}
    return bring("3.12", uv=uv, folder=folder / "pythons", cache=folder / "cache", environ=environ, timeout=60)


def test_the_path_of_what_uv_installed_is_returned(tmp_path: Path) -> None:
    python = tmp_path / "pythons" / "python3.12"
    body = (
        f"python = pathlib.Path({str(python)!r})\n"
        "if sys.argv[2] == 'find': print(python)\n"
        "else: python.parent.mkdir(); python.touch()"
    )
    assert brought(tmp_path, fake(tmp_path, body)) == python
    install, find = (tmp_path / "log").read_text().splitlines()
    assert install.startswith(f"python install 3.12 --install-dir {tmp_path / 'pythons'} --no-config --cache-dir")
    assert "--no-bin" in install
    assert find.startswith("python find 3.12 --managed-python --no-config --cache-dir")
    assert find.endswith(f"UV_PYTHON_DOWNLOADS=never UV_PYTHON_INSTALL_DIR={tmp_path / 'pythons'}")


@pytest.mark.parametrize(
    "body",
    [
        "print('error: https://me:pw@host is not reachable', file=sys.stderr); sys.exit(2)",
        "if sys.argv[2] == 'find': print('error: https://me:pw@host is not reachable', file=sys.stderr); sys.exit(1)",
        "print('/nowhere/python'); print('error: https://me:pw@host is not reachable', file=sys.stderr)",
    ],
    ids=["install fails", "find fails", "find names nothing"],
)
def test_a_python_that_cannot_be_had_is_said_with_the_words_of_uv(tmp_path: Path, body: str) -> None:
    with pytest.raises(TfprovError) as failure:
        brought(tmp_path, fake(tmp_path, body))
    error = failure.value
    assert error.code.name == "python-not-found"
    assert error.what == "Python `3.12` is not installed on this machine, and could not be downloaded"
    assert error.evidence == (
        "uv's download of a standalone Python failed",
        "error: https://****@host is not reachable",
    )
    assert "python.path" in error.hint


def test_only_the_last_words_are_shown(tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as failure:
        brought(tmp_path, fake(tmp_path, "[print(n, file=sys.stderr) for n in range(100)]; sys.exit(1)"))
    assert failure.value.evidence[1:] == ("95", "96", "97", "98", "99")
