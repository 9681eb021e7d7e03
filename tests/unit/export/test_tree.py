from __future__ import annotations

import os
import py_compile
from pathlib import Path

import pytest

from tfprov.export.tree import MOMENT, ExportedEnvironment, TreeMember, members

TIMESTAMP = py_compile.PycInvalidationMode.TIMESTAMP
pytestmark = pytest.mark.skipif(os.name != "posix", reason="only environments of Linux are exported")


def tree(
    root: Path, files: dict[str, str], *, python: Path | None = None, compiled: Path | None = None
) -> dict[str, TreeMember]:
    """The members of the tree of an environment, by path."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    exported = ExportedEnvironment(
        root=root,
        names=(str(root),),
        files=tuple(files),
        bytecode={"lib/__pycache__/a.cpython-312.pyc": compiled} if compiled else {},
        python=python,
        executable="bin/python3.12" if python else "/usr/bin/python3.12",
        version="3.12.1",
        prefix="/opt/train",
        notes={"pylock.toml": b"the lock"},
    )
    found = list(members(exported))
    assert [one.path for one in found] == sorted(one.path for one in found)
    return {one.path: one for one in found}


def test_a_script_names_the_place_where_it_will_lie(tmp_path: Path) -> None:
    found = tree(tmp_path, {"bin/tool": f"#!{tmp_path}/bin/python\n", "lib/a.py": f"x = '{tmp_path}'\n"})
    assert found["opt/train/bin/tool"].data == b"#!/opt/train/bin/python\n"
    assert found["opt/train/lib/a.py"].source == tmp_path / "lib/a.py"
    assert found["opt/train/share/tfprov/pylock.toml"].data == b"the lock"


def test_folders_come_before_their_content(tmp_path: Path) -> None:
    found = tree(tmp_path, {"lib/deep/a.py": ""})
    assert [path for path, one in found.items() if one.is_folder] == [
        "opt",
        "opt/train",
        "opt/train/bin",
        "opt/train/lib",
        "opt/train/lib/deep",
        "opt/train/share",
        "opt/train/share/tfprov",
    ]


def test_the_interpreter_is_that_of_the_target_or_comes_along(tmp_path: Path) -> None:
    found = tree(tmp_path / "env", {"bin/python3.12": "own", "pyvenv.cfg": "home = here\n"})
    assert found["opt/train/bin/python"].link == "/usr/bin/python3.12"
    assert found["opt/train/bin/python3.12"].link == "python"
    assert found["opt/train/pyvenv.cfg"].data.startswith(b"home = /usr/bin\n")
    python = tmp_path / "python"
    (python / "bin").mkdir(parents=True)
    (python / "bin" / "python3.12").write_text("an interpreter")
    (python / "bin" / "python3.12").chmod(0o755)
    found = tree(tmp_path / "env", {}, python=python)
    assert found["opt/train/bin/python"].link == "../interpreter/bin/python3.12"
    assert found["opt/train/interpreter/bin/python3.12"].executable
    assert found["opt/train/pyvenv.cfg"].data.startswith(b"home = /opt/train/interpreter/bin\n")


def test_bytecode_has_the_time_of_its_source_in_the_tree_unless_it_is_of_another_one(tmp_path: Path) -> None:
    source = tmp_path / "lib" / "a.py"
    source.parent.mkdir()
    source.write_text("x = 1\n")
    compiled = Path(py_compile.compile(str(source), str(tmp_path / "a.pyc"), doraise=True, invalidation_mode=TIMESTAMP))
    path = "opt/train/lib/__pycache__/a.cpython-312.pyc"
    content = compiled.read_bytes()
    moved = tree(tmp_path, {}, compiled=compiled)[path].data
    assert moved == content[:8] + MOMENT.to_bytes(4, "little") + content[12:]
    source.write_text("x = 1234\n")
    assert path not in tree(tmp_path, {}, compiled=compiled)
