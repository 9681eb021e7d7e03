from __future__ import annotations

import pytest

from wants_files import Read

SETUP_PY = """from setuptools import setup
setup(name='x', install_requires={0}, extras_require={{'gpu': {1}, 'doc': ['six']}})
"""
SETUP_CFG = "[options]\ninstall_requires =\n  {0}\n[options.extras_require]\ngpu = {1}\ndoc = six\n"
PROJECT = "[project]\nname = 'x'\ndependencies = {0}\n[project.optional-dependencies]\ngpu = {1}\ndoc = ['six']\n"
GROUPS = "[project]\nname = 'x'\ndependencies = {0}\n[dependency-groups]\ngpu = {1}\ndoc = ['six']\n"
POETRY = (
    "[tool.poetry.dependencies]\n{0}{1} = {{ version = '*', optional = true }}\n[tool.poetry.extras]\ngpu = ['{1}']\n"
)
POETRY_GROUPS = "[tool.poetry.dependencies]\nsix = '*'\n{0}[tool.poetry.group.gpu.dependencies]\n{1} = '*'\n"
FORMATS = {
    "setup.py": ("setup.py", SETUP_PY, "extra", "['{}']"),
    "setup.cfg": ("setup.cfg", SETUP_CFG, "extra", "{}"),
    "extras": ("pyproject.toml", PROJECT, "extra", "['{}']"),
    "groups": ("pyproject.toml", GROUPS, "group", "['{}']"),
    "Poetry's extras": ("pyproject.toml", POETRY, "extra", ""),
    "Poetry's groups": ("pyproject.toml", POETRY_GROUPS, "group", ""),
}


def written(template: str, form: str, main: str, part: str) -> str:
    """A project file with one requirement, and one in an extra or a group that is called `gpu`."""
    return template.format(form.format(main) if form else f"{main} = '*'\n", form.format(part) or part)


@pytest.mark.parametrize("shape", FORMATS)
@pytest.mark.parametrize("part", ["tensorflow", "tensorflow-gpu", "tf-nightly"])
def test_a_tensorflow_that_is_asked_for_in_a_part_that_nobody_chose_is_told(
    read_file: Read, shape: str, part: str
) -> None:
    name, template, kind, form = FORMATS[shape]
    text = written(template, form, "numpy", part)
    told = f'{name}: only its {kind} `gpu` asks for TensorFlow: `packages.{kind}s = ["gpu"]` includes what it needs'
    assert read_file(name, text).notes == (told,)
    chosen = read_file(name, text, extras=("gpu",)) if kind == "extra" else read_file(name, text, groups=("gpu",))
    assert not any("only its" in note for note in chosen.notes)
    assert not read_file(name, written(template, form, "tensorflow-cpu", "tensorflow")).notes
    assert not read_file(name, written(template, form, "numpy", "keras")).notes


@pytest.mark.parametrize(
    ("parts", "best"),
    [
        ({"tf": "tensorflow<2.13", "apple": "tensorflow-macos<2.13"}, "tf"),
        ({"apple": "tensorflow-macos", "tf": "tensorflow"}, "tf"),
        ({"tensorflow": "tensorflow>=1.14", "tensorflow_gpu": "tensorflow-gpu>=1.14"}, "tensorflow"),
        ({"gpu": "tensorflow-gpu", "cpu": "tensorflow-cpu"}, "cpu"),
        ({"rocm": "tensorflow-rocm", "nightly": "tf-nightly", "gpu": "tensorflow-gpu"}, "nightly"),
        ({"a": "tensorflow", "b": "tensorflow"}, "a"),
    ],
)
def test_of_several_parts_the_one_with_a_release_for_every_machine_is_named(
    read_file: Read, parts: dict[str, str], best: str
) -> None:
    lines = "".join(f"{name} = ['{line}']\n" for name, line in parts.items())
    text = f"[project]\nname = 'x'\ndependencies = []\n[project.optional-dependencies]\n{lines}"
    (note,) = read_file("pyproject.toml", text).notes
    assert f'`packages.extras = ["{best}"]`' in note
