"""The tables of pixi."""

from __future__ import annotations

import pytest

from tfprov.wants import pixi
from tfprov.wants.as_wheels import as_wheels
from tfprov.wants.conda_specs import read
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


def test_the_fields_and_platforms_of_pixi_are_kept(read_file: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixi, "conda_platform", lambda: "linux-64")
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
