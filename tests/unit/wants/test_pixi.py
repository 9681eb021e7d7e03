"""The tables of pixi."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.wants.as_wheels import as_wheels
from tfprov.wants.conda_specs import read
from tfprov.wants.records import System
from wants_files import Read, texts


@pytest.mark.parametrize(("name", "prefix"), [("pixi.toml", ""), ("pyproject.toml", "tool.pixi.")])
def test_the_tables_of_pixi_are_read(read_file: Read, name: str, prefix: str) -> None:
    text = f"""\
        [{prefix}workspace]
        channels = ["conda-forge"]
        platforms = ["linux-64"]
        [{prefix}dependencies]
        python = ">=3.10,<3.12"
        numpy = "*"
        scipy = {{ version = "1.11.*" }}
        [{prefix}pypi-dependencies]
        tensorflow = "==2.15.*"
        keras-cv = {{ version = "*", extras = ["x"] }}
        [{prefix}feature.test.dependencies]
        pytest = "*"
    """
    found = as_wheels(read_file(name, text, groups=("test",)))
    assert texts(found.requirements) == ["tensorflow==2.15.*", "keras-cv[x]", "numpy", "scipy==1.11.*", "pytest"]
    assert (texts(found.python), found.problems) == ([">=3.10,<3.12"], ())


def test_the_fields_and_platforms_of_pixi_are_kept(read_file: Read) -> None:
    found = read_file(
        "pixi.toml",
        """\
        [workspace]
        platforms = ["linux-64"]
        [dependencies]
        six = { version = ">=1", channel = "own", build = "py*", build-number = "1" }
        mine = { path = "." }
        [target.linux-64.dependencies]
        a = "1.*"
        [target.unix.pypi-dependencies]
        b = "*"
        [target.linux.dependencies]
        c = "*"
        [target.win.dependencies]
        d = "*"
        [target.osx-64.dependencies]
        e = "*"
        """,
        system=System(name="linux", machine="x86_64"),
    )
    assert [str(read(want.text)) for want in found.conda] == [
        "own::six[version='>=1',build='py*',build_number='1']",
        "a[version='1.*']",
        "c",
    ]
    assert texts(found.requirements) == ["b"]
    assert [problem.partition(", ")[0] for problem in found.problems] == [
        "pixi.toml: pixi.dependencies.mine: it comes from a `path`"
    ]


FEATURES = """\
[workspace]
channels = ["conda-forge"]
platforms = ["linux-64"]
[pypi-options]
index-url = "https://main.example/simple"
extra-index-urls = ["https://more.example/simple"]
find-links = [{ path = "wheels" }, { url = "https://links.example/" }]
[pypi-dependencies]
numpy = { version = "*", index = "https://own.example/simple" }
[feature.gpu.pypi-dependencies]
tensorflow = ">=2.15"
[feature.test.dependencies]
pytest = "*"
[feature.other.system-requirements]
cuda = "12"
[environments]
all = ["gpu", "test"]
more = { features = ["test", "other"], solve-group = "x" }
"""


def test_an_environment_of_pixi_is_its_features(read_file: Read) -> None:
    found = read_file("pixi.toml", FEATURES, groups=("all",))
    assert (texts(found.requirements), texts(found.conda)) == (["numpy", "tensorflow>=2.15"], ["pytest *"])
    assert (found.notes, found.problems) == ((), ())
    found = read_file("pixi.toml", FEATURES, groups=("more",))
    assert texts(found.conda) == ["pytest *"]
    assert [note.partition(":")[2].strip() for note in found.notes] == [
        "pixi.feature.other: `system-requirements` of pixi: left out; `[environment] variables` sets variables, and "
        "tfprov finds out about the machine itself",
        'only its group `gpu` asks for TensorFlow: `packages.groups = ["gpu"]` includes what it needs',
    ]


def test_the_indexes_of_pixi_are_kept(read_file: Read, tmp_path: Path) -> None:
    assert [(each.kind, each.url) for each in read_file("pixi.toml", FEATURES).addresses] == [
        ("index", "https://main.example/simple"),
        ("extra", "https://more.example/simple"),
        ("find-links", str(tmp_path / "wheels")),
        ("find-links", "https://links.example/"),
        ("only", "https://own.example/simple"),
    ]
