"""The tools that try companions: what they keep, the page that is made of it, and the search for a limit."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from packaging.version import Version

from tfprov.errors import CODES

ROOT = Path(__file__).resolve().parents[3]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Records with slots are looked up by the name of their module.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


companions, limit = load("companions"), load("companion_limit")


def test_the_page_is_what_was_found() -> None:
    text = companions.page(companions.results())
    assert (ROOT / "docs/companions.md").read_text("utf-8") == text


def test_every_cell_says_what_was_run_or_why_it_failed() -> None:
    for (companion, release), cell in companions.results().items():
        assert companion in companions.COMPANIONS
        assert release in companions.RELEASES
        if cell.code is None:
            assert cell.versions["tensorflow"].startswith(f"{release}.")
            assert {companion, "python"} <= set(cell.versions)
        else:
            assert cell.code in CODES
            assert cell.why
            assert "/" not in cell.why.replace(" / ", "")


ERROR = {
    "code": "keras-mismatch",
    "what": "the smoke test failed: `package old` on the environment",
    "evidence": [
        "ImportError: cannot import name 'ops' from 'keras' (/home/ada/envs/lib/keras/__init__.py)",
        '  File "/home/ada/x.py", line 1\n    from keras import ops',
    ],
}


def test_a_cell_has_the_error_itself_without_paths() -> None:
    lock = {
        "packages": [{"name": "Old", "version": "1.0"}],
        "tool": {
            "tfprov": {"target": {"version": "2.15.1", "python": "3.11", "breaks": ["`old` needs `numpy<2`: it is"]}}
        },
    }
    cell = companions._cell("old", "2.15", ERROR, lock, ["old", "new"])
    assert cell.code == "keras-mismatch"
    assert cell.why == "ImportError: cannot import name 'ops' from 'keras' (__init__.py)"
    assert cell.versions == {"old": "1.0", "tensorflow": "2.15.1", "python": "3.11"}
    assert cell.rows == ("`old` needs `numpy<2`",)
    assert cell.together == ("new",)


@pytest.mark.parametrize(
    ("works_from", "found"), [("1.2", ("1.1", "1.2")), ("1.0", (None, "1.0")), ("2.0", ("1.3", None))]
)
def test_the_limit_is_the_first_version_that_works(works_from: str, found: tuple[str | None, str | None]) -> None:
    def attempt(version: Version) -> object:
        outcome = "imports" if version >= Version(works_from) else "fails"
        return limit.Tried(version=version, outcome=outcome)

    versions = [Version(text) for text in ("1.0", "1.1", "1.2", "1.3")]
    bad, good = limit.border(versions, attempt)
    assert tuple(each and str(each.version) for each in (bad, good)) == found
