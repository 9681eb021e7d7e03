"""The import rule, as a test: imports point one way, and a stage knows of another stage its records alone."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tfprov

SOURCE = Path(tfprov.__file__).parent

LAYERS = (
    (
        "archives",
        "default_index",
        "contents",
        "digests",
        "disk_space",
        "distributions",
        "errors",
        "events",
        "extras",
        "harmless",
        "index_address",
        "jobs",
        "overlapped",
        "paths",
        "process",
        "products",
        "project_folder",
        "record_rows",
        "redact",
        "secret",
        "renames",
        "requires_dist",
        "structured",
        "temporary",
        "times",
        "trash",
        "trees",
        "umask",
        "visual_cpp",
        "words",
        "writing",
    ),
    ("journal",),
    ("diagnose",),
    ("ladder",),
    ("locks",),
    ("wants",),
    ("profile",),
    ("host",),
    ("plan",),
    ("lock",),
    ("fetch",),
    ("unpack",),
    ("sources",),
    ("envs",),
    ("install",),
    ("conda",),
    ("smoke",),
    ("bundle",),
    ("export",),
    ("inventory",),
    ("adopt",),
    ("pipeline",),
    ("report",),
    ("cli",),
)
"""Rooms from the ground to the top. The modules of one layer may import each other."""
STAGES = frozenset(
    {
        "profile",
        "host",
        "plan",
        "lock",
        "fetch",
        "unpack",
        "sources",
        "envs",
        "install",
        "conda",
        "smoke",
        "bundle",
        "export",
    }
)
PROBES = "smoke.probes"

EXCEPTIONS: dict[tuple[str, str], str] = {}
"""Pairs of modules that may import although the rule says no, each with its reason. Unused ones fail the test."""


def broken_rules(source: Path, *, exceptions: frozenset[tuple[str, str]] = frozenset()) -> list[str]:
    """Every import below a package folder that breaks the rule, a line each.

    Args:
        source: the folder of the package `tfprov`.
        exceptions: pairs of modules, without the name of the package, that may import all the same.
    """
    found = []
    used = set()
    for path in sorted(source.rglob("*.py")):
        module = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        for line, target in _imports(path, source):
            problem = _problem(module, target)
            if problem and (module, target) in exceptions:
                used.add((module, target))
            elif problem:
                found.append(f"{path.relative_to(source)}:{line}: `{module}` imports `{target}`: {problem}")
    found += [f"the exception for {pair} is not needed" for pair in sorted(exceptions - used)]
    return found


def circle(source: Path) -> list[str]:
    """Modules that import each other in a circle, in order; an empty list where there is none.

    An import for a type alone does not count: a protocol and what implements it name each other.

    Args:
        source: the folder of the package `tfprov`.
    """
    imports: dict[str, set[str]] = {}
    for path in source.rglob("*.py"):
        module = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        imports[module] = {target for _, target in _imports(path, source, types=False) if target not in ("", module)}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _imports(path: Path, source: Path, *, types: bool = True) -> Iterator[tuple[int, str]]:
    """Line and name, without the package's own, of every import of the package, wherever in the file it stands.

    Args:
        path: the file.
        source: the folder of the package `tfprov`.
        types: whether what is imported for types alone counts.
    """
    package = ("tfprov", *path.relative_to(source).parent.parts)
    body = _parsed(path.read_text(encoding="utf-8")).body
    if not types:
        body = [node for node in body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))]
    for node in itertools.chain.from_iterable(map(ast.walk, body)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *(node.module.split(".") if node.module else ())))
            # `from tfprov.lock import pylock` names a module, `from tfprov.lock.records import Lock` does not.
            names = [_module_of(base, alias.name, source) for alias in node.names]
        for name in names:
            if name == "tfprov" or name.startswith("tfprov."):
                yield node.lineno, name.removeprefix("tfprov").removeprefix(".")


@functools.cache
def _parsed(source: str) -> ast.Module:
    """The source of a module as a tree, which nobody changes: several rules look at all modules."""
    return ast.parse(source)


def _module_of(base: str, name: str, source: Path) -> str:
    inside = source.joinpath(*base.split(".")[1:], name)
    return f"{base}.{name}" if inside.is_dir() or inside.with_suffix(".py").is_file() else base


def _problem(module: str, target: str) -> str | None:
    if module.startswith(PROBES):
        return "a probe runs inside an environment, where there is no tfprov"
    if target.startswith(PROBES):
        return "probes are started as scripts, never imported"
    if not target:
        # The package itself holds the version alone.
        return None
    here, there = _layer(module), _layer(target)
    if there is None:
        return "it belongs to no layer"
    if here is None:
        return "the importing module belongs to no layer"
    if there > here:
        return "imports point down"
    room, other = module.partition(".")[0], target.partition(".")[0]
    if room in STAGES and other in STAGES and room != other and not target.endswith("records"):
        return "a stage may use another stage's records, not its verbs"
    return None


def _layer(module: str) -> int | None:
    room = module.partition(".")[0]
    if room in ("", "__init__"):
        return 0
    if room == "__main__":
        return len(LAYERS)
    return next((number for number, rooms in enumerate(LAYERS) if room in rooms), None)


def test_imports_point_one_way_and_stages_know_only_records_of_each_other() -> None:
    assert broken_rules(SOURCE, exceptions=frozenset(EXCEPTIONS)) == []


def test_no_module_imports_itself_through_others(house: Path) -> None:
    assert circle(SOURCE) == []
    assert circle(house) == []
    (house / "errors.py").write_text("def f():\n    from tfprov.lock.pylock import read\n")
    (house / "lock" / "records.py").write_text("import tfprov.errors\n")
    assert {"errors", "lock.pylock", "lock.records"} <= set(circle(house))
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tfprov import errors\n"
    (house / "lock" / "records.py").write_text(types)
    assert circle(house) == []


def test_every_room_belongs_to_a_layer() -> None:
    rooms = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__", "__main__"} == {room for layer in LAYERS for room in layer}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small package in which every import is allowed."""
    files = {
        "__init__.py": "__version__ = '1'\n",
        "__main__.py": "from tfprov.cli import main\n",
        "errors.py": "",
        "paths.py": "from tfprov.errors import TfprovError\n",
        "ladder/climb.py": "from tfprov import errors\n",
        "lock/__init__.py": "",
        "lock/records.py": "",
        "lock/pylock.py": "from tfprov.lock.records import Lock\nfrom . import records\n",
        "fetch/index.py": "from tfprov.ladder.climb import climb\nfrom tfprov.lock.records import Lock\n",
        "smoke/records.py": "",
        "smoke/probes/probe.py": "import json\n",
        "pipeline/run.py": "from tfprov.lock import pylock\nfrom tfprov.fetch import index\n",
        "report/text.py": "from tfprov.pipeline.run import Run\nfrom tfprov import __version__\n",
        "cli/__init__.py": "from tfprov.report import text\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_house_in_order_has_nothing_to_say(house: Path) -> None:
    assert broken_rules(house) == []


@pytest.mark.parametrize(
    ("file", "line", "reason"),
    [
        ("errors.py", "import tfprov.ladder.climb", "imports point down"),
        ("errors.py", "def f():\n    from tfprov.ladder import climb", "imports point down"),
        (
            "ladder/climb.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tfprov.lock.records import Lock",
            "imports point down",
        ),
        ("lock/pylock.py", "from tfprov.fetch.records import Fetched", "imports point down"),
        ("lock/pylock.py", "from ..pipeline import run", "imports point down"),
        ("fetch/index.py", "from tfprov.lock import pylock", "a stage may use another stage's records"),
        ("fetch/index.py", "from tfprov.lock.pylock import read", "a stage may use another stage's records"),
        ("fetch/index.py", "from ..lock.pylock import read", "a stage may use another stage's records"),
        ("pipeline/run.py", "from tfprov.report import text", "imports point down"),
        ("pipeline/run.py", "from tfprov.smoke.probes import probe", "probes are started as scripts"),
        ("smoke/probes/probe.py", "from tfprov.errors import TfprovError", "a probe runs inside an environment"),
        ("smoke/probes/probe.py", "from . import core", "a probe runs inside an environment"),
        ("lock/pylock.py", "import tfprov.stranger", "it belongs to no layer"),
        ("stranger.py", "from tfprov.errors import TfprovError", "the importing module belongs to no layer"),
    ],
)
def test_a_broken_rule_is_found_wherever_it_stands(house: Path, file: str, line: str, reason: str) -> None:
    path = house / file
    path.write_text((path.read_text() if path.exists() else "") + line + "\n")
    (problem,) = broken_rules(house)
    assert problem.startswith(f"{file}:")
    assert reason in problem


def test_an_exception_counts_only_for_its_pair_and_only_while_it_is_needed(house: Path) -> None:
    allowed = frozenset({("fetch.index", "lock.pylock")})
    assert broken_rules(house, exceptions=allowed) == ["the exception for ('fetch.index', 'lock.pylock') is not needed"]
    (house / "fetch" / "index.py").write_text("from tfprov.lock import pylock\n")
    assert broken_rules(house, exceptions=allowed) == []
    (house / "fetch" / "other.py").write_text("from tfprov.lock import pylock\n")
    assert len(broken_rules(house, exceptions=allowed)) == 1


_OF_POSIX = frozenset({"curses", "fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"})


def test_every_module_can_be_imported_on_windows() -> None:
    """A test that needs POSIX is skipped there; one that cannot be imported ends the run of all others."""
    tests = Path(__file__).parent
    found = []
    # To parse all of them takes seconds; few have such a line.
    likely = re.compile(rf"^(?:import|from)\b.*\b(?:{'|'.join(_OF_POSIX)})\b", re.MULTILINE)
    texts = {path: path.read_text(encoding="utf-8") for path in (*SOURCE.rglob("*.py"), *tests.rglob("*.py"))}
    for path, text in texts.items():
        for node in _parsed(text).body if likely.search(text) else ():
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path.name}: {name}" for name in names if name in _OF_POSIX]
    assert found == []
