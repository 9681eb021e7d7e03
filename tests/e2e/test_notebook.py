"""A notebook, executed by Jupyter's own client through a kernel of an environment with the real TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from tensorflows import first_home

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(
        sys.platform == "win32", reason="on Windows a kernel is a child of `tfprov run`, which was not tried"
    ),
]

EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
source = "import os, sys, tensorflow as tf; print(tf.__version__, os.environ['GREETING'], sys.prefix)"
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
NotebookClient(notebook, kernel_name=sys.argv[1], timeout=300, startup_timeout=300).execute()
print("".join(output["text"] for output in notebook.cells[0].outputs if output.get("name") == "stdout"))
"""


def test_a_notebook_runs_in_the_environment(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    home, _ = first_home(tmp_path_factory)
    (tmp_path / "notebook.toml").write_text(
        'name = "notebook"\n[packages]\nrequirements = ["ipykernel"]\n[tensorflow]\naccelerator = "cpu"\n'
        '[environment]\nvariables = { GREETING = "hello" }\n[smoke]\nlevel = "quick"\n'
    )
    environ = {**os.environ, "TFPROV_HOME": str(home), "JUPYTER_DATA_DIR": str(tmp_path / "jupyter")}

    def tfprov(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "tfprov", *arguments],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    version = json.loads(tfprov("up", "notebook.toml", "--json"))["tensorflow"]["version"]
    name = json.loads(tfprov("kernel", "add", "notebook.toml", "--json"))["kernel"]["name"]
    client = [find_uv_bin(), "run", "--no-project", "--isolated", "--with", "nbclient", "python", "-c", EXECUTE, name]
    done = subprocess.run(client, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.strip().split(maxsplit=2)
    assert printed[:2] == [version, "hello"]
    assert Path(printed[2]).is_relative_to(next(home.glob("data/environments/notebook-*")))
