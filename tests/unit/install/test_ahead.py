from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tfprov.envs.layout import python_in, site_packages
from tfprov.install import ahead as ahead_module
from tfprov.install import compile_first
from tfprov.install.ahead import Ahead

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
    options = ["--quiet", "--no-seed", *(["--copies"] if os.name == "nt" else [])]  # where few users may make links
    subprocess.run([sys.executable, "-m", "virtualenv", *options, root], check=True)
    return root


def library(environment: Path) -> Path:
    return site_packages(environment)[0]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What a wheel is unpacked to."""
    root = tmp_path / "baum ü" / "tree"
    for name, text in MODULES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def install(environment: Path, tree: Path) -> None:
    shutil.copytree(tree, library(environment), dirs_exist_ok=True)


def bytecode(environment: Path) -> set[str]:
    """The modules that have some, as members of a wheel."""
    root = library(environment)
    found = (path for path in root.rglob("*.pyc") if not path.name.startswith("_virtualenv."))
    return {
        f"{path.parent.parent.relative_to(root).as_posix()}/{path.stem.split('.')[0]}.py".removeprefix("./")
        for path in found
    }


def compiled(
    landed: Path, batches: Sequence[tuple[Path, Sequence[str]]], library: Path, *, whole: bool = False
) -> list[tuple[str, bytes, bytes]]:
    """What is compiled when a batch lands at each look of the child; `whole` when it had all landed before."""
    left = iter([*batches, *[()] * 60])
    landed.touch()

    def over() -> bool:
        batch = next(left, None)
        if batch:
            with landed.open("a") as stream:
                stream.write(json.dumps([str(batch[0]), list(batch[1])]) + "\n")
        return batch is None

    if whole:
        while not over():
            pass

    roots = ["tensorflow", "keras._tf_keras.keras"]
    with landed.open("rb") as stream:
        modules = compile_first.Modules(stream)
        return list(
            compile_first.compiled(modules, roots, str(library), lambda: whole, (lambda: False) if whole else over)
        )


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_first, "_POLL_SECONDS", 0)


@pytest.fixture(autouse=True)
def bytecode_beside_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the child, which hears no variable."""
    monkeypatch.setattr(sys, "pycache_prefix", None)


def test_what_the_imports_lead_to_is_compiled_and_python_takes_it(
    environment: Path, tree: Path, tmp_path: Path
) -> None:
    python, root = python_in(environment), library(environment)
    found = compiled(tmp_path / "landed", [(tree, list(MODULES))], root)
    assert {path for path, _, _ in found} == FOUND
    assert found[0][0] == "tensorflow/__init__.py"
    install(environment, tree)
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


@pytest.mark.parametrize("seed", range(12))
def test_in_whatever_order_the_sources_land_all_that_is_needed_is_compiled_once(
    tree: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    names = list(MODULES)
    chance.shuffle(names)
    cuts = sorted(chance.sample(range(1, len(names)), chance.randint(1, 6)))
    batches = [(tree, names[start:end]) for start, end in pairwise([0, *cuts, len(names)])]
    # A folder whose wheel is whole by now, and so has another name; that is told later.
    batches.insert(chance.randint(0, len(batches)), (tmp_path / "gone", chance.sample(names, 5)))
    batches.append((tree, names))
    found = compiled(tmp_path / "landed", batches, tmp_path / "library")
    assert sorted(path for path, _, _ in found) == sorted(FOUND)


def test_after_the_install_all_that_is_left_is_compiled_but_for_what_the_import_compiled_itself(
    environment: Path, tree: Path, tmp_path: Path
) -> None:
    install(environment, tree)
    subprocess.run([python_in(environment), "-I", "-c", "import six, keras._tf_keras.keras"], check=True)
    by_the_import = bytecode(environment)
    assert by_the_import == {"six.py", "keras/_tf_keras/keras/__init__.py"}
    found = compiled(tmp_path / "landed", [(tree, list(MODULES))], library(environment), whole=True)
    assert {path for path, _, _ in found} == FOUND - by_the_import


def test_bytecode_appears_in_one_step(environment: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(environment, tree)
    root = library(environment)
    found = compiled(root.parent / "landed", [(tree, list(MODULES))], root)
    steps: list[tuple[str, str]] = []
    kept = os.replace

    def replace(source: str, target: str) -> None:
        assert not Path(target).exists()
        assert Path(source).stat().st_size > 16
        steps.append((source, target))
        kept(source, target)

    monkeypatch.setattr(os, "replace", replace)
    assert compile_first.place(str(root), found) == len(steps) == len(FOUND)
    assert not [path for path in root.rglob("__pycache__/*") if path.suffix != ".pyc"]


def test_the_packages_of_an_environment_lie_where_its_own_python_has_them(environment: Path) -> None:
    script = "import sysconfig; print(sysconfig.get_path('platlib'))"
    said = subprocess.run([python_in(environment), "-I", "-c", script], capture_output=True, text=True, check=True)
    assert compile_first.library_of(str(environment)) == said.stdout.strip()


def test_what_leads_out_of_the_folder_is_no_module(tmp_path: Path) -> None:
    landed = tmp_path / "landed"
    paths = ["tensorflow/__init__.py", "tensorflow/../../victim.py", "../victim.py", "/victim.py", "tensorflow/./x.py"]
    landed.write_text(json.dumps([str(tmp_path), [*paths, "x-1.data/purelib/x.py"]]) + "\n" + '["cut off')
    with landed.open("rb") as stream:
        assert compile_first.Modules(stream).look() == ["tensorflow"]


@pytest.mark.parametrize("text", ["x = (" + "(" * 5000, "x = " + "-" * 100_000 + "1", "x = '\0'", "\u00e9 = '\udc80'"])
def test_a_source_that_breaks_the_compiler_costs_its_own_bytecode_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow/__init__.py").write_text("import bad, good\n")
    (tmp_path / "bad.py").write_text(text, "utf-8", "surrogateescape")
    (tmp_path / "good.py").write_text("")
    found = compiled(tmp_path / "landed", [(tmp_path, ["tensorflow/__init__.py", "bad.py", "good.py"])], tmp_path)
    assert [path for path, _, _ in found] == ["tensorflow/__init__.py", "good.py"]


def test_what_is_too_big_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_first, "_BIGGEST", 1000)
    monkeypatch.setattr(compile_first, "_MOST", 2500)
    texts = {"big": "#" * 1001, "one": "#" * 1000, "two": "#" * 1000, "more": "#" * 1000, "little": "#" * 100}
    texts["tensorflow"] = "".join(f"import {name}\n" for name in texts)
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    found = compiled(tmp_path / "landed", [(tmp_path, [f"{name}.py" for name in texts])], tmp_path)
    assert [path for path, _, _ in found] == ["tensorflow.py", "one.py", "two.py", "little.py"]


def test_the_bytecode_that_it_tells_of_is_there_when_the_install_ends(
    environment: Path, tree: Path, tmp_path: Path
) -> None:
    with Ahead(work(tmp_path)) as ahead:
        ahead.landed(tree, [*MODULES, "tensorflow/no module.so"])
        ahead.start(python_in(environment), {})
        install(environment, tree)
        ahead.place()
        count = ahead.finish()
    # How far it comes is a matter of time.
    assert len(bytecode(environment)) == count
    assert bytecode(environment) <= FOUND


def test_what_the_install_left_is_compiled_beside_what_follows(environment: Path, tree: Path, tmp_path: Path) -> None:
    with Ahead(work(tmp_path)) as ahead:
        ahead.start(Path(getattr(sys, "_base_executable", sys.executable)), {}, environment=environment)
        install(environment, tree)
        ahead.place()
        ahead.landed(library(environment), MODULES)
        ends = time.monotonic() + 60
        while bytecode(environment) != FOUND and time.monotonic() < ends:
            time.sleep(0.01)
        assert ahead.finish() == len(FOUND)
    assert bytecode(environment) == FOUND


def test_without_an_installed_environment_nothing_is_written(environment: Path, tree: Path, tmp_path: Path) -> None:
    install(environment, tree)
    with pytest.raises(RuntimeError, match="no space"), Ahead(work(tmp_path)) as ahead:
        ahead.landed(tree, MODULES)
        ahead.start(python_in(environment), {})
        raise RuntimeError("no space")
    assert bytecode(environment) == set()


def test_a_broken_or_no_interpreter_costs_nothing_but_the_bytecode(tree: Path, tmp_path: Path) -> None:
    for python in (tmp_path / "none", None):
        with Ahead(work(tmp_path)) as ahead:
            if python is not None:
                ahead.start(python, {})
            ahead.landed(tree, MODULES)
            ahead.place()
            assert ahead.finish() == 0


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signal")
def test_a_child_that_is_stopped_costs_nothing_but_the_bytecode(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead_module, "_MOST_SLICES", 1)
    program, pid = tmp_path / "python", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > '{pid}'\nkill -STOP $$\n")
    program.chmod(0o755)
    with Ahead(work(tmp_path)) as ahead:
        ahead.start(program, {})
        while not pid.is_file() or not pid.read_text():
            time.sleep(0.01)
        ahead.landed(tree, MODULES)
        ahead.place()
        assert ahead.finish() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.skipif(os.name != "posix", reason="Windows ends it together with its starter")
def test_it_ends_also_if_its_starter_was_killed_before_it_looked(environment: Path, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    (tmp_path / "landed").touch()
    request = {"roots": ["tensorflow"], "environment": str(environment), "starter": gone.pid}
    places = {name: str(tmp_path / name) for name in ("landed", "installed", "stop")}
    (tmp_path / "ahead.json").write_text(json.dumps({**request, **places}), encoding="utf-8")
    argv = [sys.executable, "-I", compile_first.__file__, tmp_path / "ahead.json"]
    assert subprocess.run(argv, capture_output=True, timeout=60, check=True).stdout.split() == [b"0"]


def work(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))
