from __future__ import annotations

import ast
import random
from fractions import Fraction
from importlib import resources
from pathlib import Path

import pytest

from probes import load
from tfprov.distributions import TENSORFLOWS

core = load("core")


def test_the_product_is_exact_to_the_last_digit_that_a_float_holds() -> None:
    generator = random.Random(7)
    left, right = core.fresh(5, 40, generator), core.fresh(40, 3, generator)
    columns = list(zip(*right, strict=True))
    exact = [[float(sum(map(Fraction.__mul__, map(Fraction, row), map(Fraction, c)))) for c in columns] for row in left]
    assert core.product(left, right) == exact


def test_fresh_numbers_survive_float32() -> None:
    numbers = core.fresh(10, 10, random.Random(3))
    assert all((number * 2**20).is_integer() and abs(number) <= 1 for row in numbers for number in row)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 2.0])
def test_a_single_bad_number_fails_the_judgement(value: float) -> None:
    with pytest.raises(Exception, match="relative error") as caught:
        core.judged([[value, 1.0]], [[1.0, 1.0]], "x")
    assert caught.value.code == "wrong-number"


def test_an_error_within_the_limit_passes_and_one_beyond_does_not() -> None:
    assert "relative error 9e-06" in core.judged([[1 + 9e-6]], [[1.0]], "x")
    with pytest.raises(Exception, match=r"1\.1e-05"):
        core.judged([[1 + 1.1e-5]], [[1.0]], "x")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("tensorflow", True),
        ("tensorflow-cpu", True),
        ("tf-nightly-cpu", True),
        ("tensorflow-intel", True),
        ("tensorflow-rocm", True),
        ("tensorflow-estimator", False),
        ("tensorflow-io-gcs-filesystem", False),
        ("tensorflow-probability", False),
        ("tensorflow-metal", False),
        ("tensorflow-datasets", False),
    ],
)
def test_projects_that_bring_the_module_are_told_from_those_that_use_it(name: str, is_one: bool) -> None:
    assert bool(core.TENSORFLOWS.match(name)) is is_one


def test_the_probe_knows_every_name_of_tensorflow() -> None:
    assert [name for name in TENSORFLOWS if not core.TENSORFLOWS.match(name)] == []


def distribution(root: Path, record: str, installer: str = "uv") -> object:
    folder = root / "thing-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "RECORD").write_text(record)
    (folder / "INSTALLER").write_text(installer)
    return core.Distribution(str(root), folder.name)


def test_what_installers_rewrite_is_not_checked(tmp_path: Path) -> None:
    one = distribution(
        tmp_path,
        "thing/__init__.py,sha256=a,1\n"
        "thing/__pycache__/__init__.cpython-312.pyc,,\n"
        "../../../bin/thing,sha256=b,2\n"
        '"thing/with, comma.txt",sha256=c,3\n'
        "thing-1.0.dist-info/RECORD,,\n"
        "thing-1.0.dist-info/INSTALLER,sha256=d,4\n",
    )
    assert [Path(path).name for path, _, _ in core.checked_files(one)] == ["__init__.py", "with, comma.txt"]


def test_no_row_leads_out_of_the_packages_or_ends_the_probe(tmp_path: Path) -> None:
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing/a.py").write_text("1234")
    rows = ["/etc/passwd,sha256=a,1", "../x,,", "thing/../../x,sha256=a,1", "x\0y,,1", "thing/a.py,,4", "thing/a.py,,²"]
    one = distribution(tmp_path, "\n".join(rows) + "\n")
    assert {Path(path) for path, _, _ in core.checked_files(one)} == {tmp_path / "thing/a.py"}
    assert core.files_present([one]) == "2 files have the recorded size"
    huge = distribution(tmp_path / "huge", f"a.py,,{'9' * 5000}\n")
    (tmp_path / "huge/a.py").write_text("1234")
    with pytest.raises(Exception, match="has 4 bytes"):
        core.files_present([huge])


def test_conda_changes_files_after_their_record_was_made(tmp_path: Path) -> None:
    assert list(core.checked_files(distribution(tmp_path, "thing/__init__.py,sha256=a,1\n", "conda\n"))) == []


def test_a_name_with_dots_and_underscores_is_normalised(tmp_path: Path) -> None:
    assert core.Distribution(str(tmp_path), "Typing_Extensions-4.16.0.dist-info").name == "typing-extensions"
    assert core.Distribution(str(tmp_path), "zope.interface-5.0.dist-info").version == "5.0"


def test_probes_import_nothing_of_tfprov_and_parse_on_old_pythons() -> None:
    folder = resources.files("tfprov.smoke") / "probes"
    sources = {path.name: path.read_text() for path in folder.iterdir() if path.name.endswith(".py")}
    assert {"probe.py", "core.py", "linkage.py", "numerics.py"} <= set(sources)
    for name, source in sources.items():
        tree = ast.parse(source, filename=name, feature_version=(3, 7))
        for node in ast.walk(tree):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [module for module in modules if module.split(".")[0] == "tfprov"], name
