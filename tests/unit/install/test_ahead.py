from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tfprov.install import compile_first
from tfprov.install.ahead import compiling

MODULES = {
    "tensorflow/__init__.py": "from tensorflow.python import used, other as o\nimport late_name, six as s\n",
    "tensorflow/python/__init__.py": "",
    "tensorflow/python/used.py": "from . import near\nfrom .deep.inner import (\n    value,  # why\n    more,\n)\n",
    "tensorflow/python/other.py": "try:\n    import guarded\nexcept ImportError:\n    pass\n",
    "tensorflow/python/near.py": "def later():\n    import never\n",
    "tensorflow/python/deep/__init__.py": "",
    "tensorflow/python/deep/inner.py": "from tensorflow.python.deep import *\nvalue = more = 1\n",
    "tensorflow/python/unused.py": "",
    "keras/_tf_keras/keras/__init__.py": "",
    "late_name.py": "print(",
    "guarded.py": "import tensorflow\n",
    "never.py": "",
    "six.py": "x = 1\n",
}
FOUND = {name for name in MODULES if name not in ("tensorflow/python/unused.py", "never.py", "late_name.py")}


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    root = tmp_path / "with space" / "umgebung-ü"
    venv.create(root, with_pip=False)
    return root


def library(environment: Path) -> Path:
    return next(environment.glob("lib/python*/site-packages"))


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "all-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in MODULES.items():
            archive.writestr(name, text)
    return path


def install(environment: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(library(environment))


def bytecode(environment: Path) -> set[str]:
    """The modules that have some, as members of a wheel."""
    root = library(environment)
    found = (path for path in root.rglob("*.pyc"))
    return {
        f"{path.parent.parent.relative_to(root).as_posix()}/{path.stem.split('.')[0]}.py".removeprefix("./")
        for path in found
    }


def test_what_the_imports_lead_to_is_compiled_and_python_takes_it(environment: Path, wheel: Path) -> None:
    python, root = environment / "bin" / "python", library(environment)
    modules = compile_first.Modules([str(wheel)])
    roots = ["tensorflow", "keras._tf_keras.keras"]
    found = list(compile_first.compiled(modules, roots, str(root), lambda: False))
    assert {member for member, _, _ in found} == FOUND
    assert found[0][0] == "tensorflow/__init__.py"
    install(environment, wheel)
    # A source that is another one than was compiled gets nothing.
    (root / "six.py").write_text("x = 2\n")
    assert compile_first.place(str(root), found) == len(FOUND) - 1
    assert bytecode(environment) == FOUND - {"six.py"}
    assert compile_first.place(str(root), found) == 0, "what is there already stays as it is"
    said = subprocess.run(
        [python, "-I", "-v", "-c", "import tensorflow.python.used"], capture_output=True, text=True, check=False
    ).stderr
    tag = sys.implementation.cache_tag
    assert f"used.{tag}.pyc matches" in said
    assert f"near.{tag}.pyc matches" in said
    assert f"wrote {str(root / 'tensorflow' / 'python')!r}" not in said


def test_a_member_that_leads_out_of_the_wheel_gets_no_bytecode_there(environment: Path, tmp_path: Path) -> None:
    outside = library(environment).parent / "victim.py"
    outside.write_text("x = 1\n")
    path = tmp_path / "evil-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tensorflow/__init__.py", "import tensorflow.......victim\n")
        for member in ("tensorflow/../../victim.py", "../victim.py", "/victim.py", "tensorflow/./x.py"):
            archive.writestr(member, "x = 1\n")
    assert list(compile_first.Modules([str(path)]).places) == ["tensorflow"]


def test_it_goes_on_until_it_is_over(environment: Path, wheel: Path) -> None:
    left = iter([False, False, True])
    modules = compile_first.Modules([str(wheel)])
    assert len(list(compile_first.compiled(modules, ["tensorflow"], "/x", lambda: next(left)))) == 2


def test_the_bytecode_that_it_tells_of_is_there_when_the_install_ends(
    environment: Path, wheel: Path, tmp_path: Path
) -> None:
    with compiling([wheel], python=environment / "bin" / "python", work=tmp_path, environ={}) as place:
        install(environment, wheel)
        count = place()
    # How far it comes is a matter of time.
    assert len(bytecode(environment)) == count
    assert bytecode(environment) <= FOUND


def test_without_an_installed_environment_nothing_is_written(environment: Path, wheel: Path, tmp_path: Path) -> None:
    install(environment, wheel)
    with (
        pytest.raises(RuntimeError, match="no space"),
        compiling([wheel], python=environment / "bin" / "python", work=tmp_path, environ={}),
    ):
        raise RuntimeError("no space")
    assert bytecode(environment) == set()


def test_a_broken_interpreter_or_wheel_costs_nothing_but_the_bytecode(
    environment: Path, wheel: Path, tmp_path: Path
) -> None:
    with compiling([wheel], python=tmp_path / "none", work=tmp_path, environ={}) as place:
        assert place() == 0
    (tmp_path / "second").mkdir()
    broken = tmp_path / "broken.whl"
    broken.write_bytes(b"PK")
    with compiling([broken], python=environment / "bin" / "python", work=tmp_path / "second", environ={}) as place:
        assert place() == 0
