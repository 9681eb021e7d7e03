from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.harmless import harmless
from tfprov.profile.load import load
from tfprov.profile.template import profile_template


def template() -> str:
    return profile_template(
        name="train",
        file="train.toml",
        python="there are Pythons 3.12.1",
        version="2.21.0",
        why="there is no NVIDIA driver",
    )


def test_the_template_loads_and_leaves_the_accelerator_to_each_machine(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text(template())
    assert load(path).profile.tensorflow.accelerator == "auto"


def test_every_line_that_is_commented_out_is_valid_too(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    lines = []
    for line in template().splitlines():
        # What is commented out is a table or an assignment; prose begins with a capital letter or has no `=`.
        inner = line.removeprefix("# ")
        lines.append(inner if line.startswith("# [") or (line.startswith("# ") and " = " in inner) else line)
    text = "\n".join(lines).replace("/opt/python3.12/bin/python3.12", path.as_posix())
    # The group in the template is one of a project.
    text = text.replace('"requirements.txt"', '"requirements.txt", "pyproject.toml"')
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "own"\n[dependency-groups]\ntest = ["pytest"]\n')
    for name in ("requirements.txt", "checks/model.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    path.write_text(text)
    loaded = load(path).profile
    assert loaded.tensorflow.version == ">=2.21"
    assert loaded.index.mirrors == ("https://mirror.example/simple",)
    assert loaded.smoke.require_gpus == 1
    assert (loaded.packages.project, loaded.packages.groups) == ("editable", ("test",))


@pytest.mark.parametrize("odd", ["a\n[environment]\npath = 'x'\n#", "a\rb", "\x1b[2J", "`\u202e"])
def test_what_comes_from_files_of_the_project_stays_in_its_comment(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "train.toml"
    path.write_text(
        profile_template(name="train", file=odd, python=odd, version="2.21.0", why=odd, bounds=[odd], old=odd)
    )
    found = load(path).profile
    assert found.environment.path is None
    assert harmless(path.read_text()) == path.read_text()
