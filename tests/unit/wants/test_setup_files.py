from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.profile.load import load
from wants_files import Read, texts

CFG = """\
[metadata]
name = mine
[options]
python_requires = >=3.9
install_requires =
    numpy>=1.2  # why
    # nothing
    tensorflow; python_version < "3.13"
[options.extras_require]
plot = matplotlib
"""


def test_a_setup_cfg_is_read(read_file: Read) -> None:
    found = read_file("setup.cfg", CFG, extras=("plot",))
    assert texts(found.requirements) == ["numpy>=1.2", 'tensorflow; python_version < "3.13"', "matplotlib"]
    assert texts(found.python) == [">=3.9"]
    assert found.problems == ()
    assert read_file("setup.cfg", CFG, extras=("plots",)).problems == (
        "setup.cfg: options.extras_require: there is no extra `plots`; did you mean `plot`?",
    )


def test_a_file_that_it_names_is_read(read_file: Read, tmp_path: Path) -> None:
    (tmp_path / "needs.txt").write_text("six\n")
    found = read_file("setup.cfg", "[options]\ninstall_requires = file: needs.txt, gone.txt\n")
    assert [(want.text, want.where) for want in found.requirements] == [("six", "needs.txt:1")]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("setup.cfg: options.install_requires: `gone.txt` cannot be read: ")


def test_a_setup_py_is_read_and_not_run(read_file: Read) -> None:
    found = read_file(
        "setup.py",
        """\
import setuptools
NEEDS = ["numpy", "six>=1"]
setuptools.setup(
    name="mine", install_requires=NEEDS, python_requires=">=3.9", extras_require={"plot": ["matplotlib"]}
)
raise SystemExit("it was run")
""",
        extras=("plot",),
    )
    assert [(want.text, want.where) for want in found.requirements] == [
        ("numpy", "setup.py:4"),
        ("six>=1", "setup.py:4"),
        ("matplotlib", "setup.py:4"),
    ]
    assert texts(found.python) == [">=3.9"]


_OF_PIP = """\
from setuptools import setup
try:
    from pip._internal.req import parse_requirements
except ImportError:
    from pip.req import parse_requirements
needs = [str(one.req) for one in parse_requirements("requirements.txt", session="hack")]
setup(name="mine", install_requires=needs)
"""
_NAMELESS = """\
from setuptools import setup
with open("requirements.txt") as file:
    setup(name=about["name"], install_requires=file.read().splitlines(), python_requires=">=3.9")
"""


_OF_ITSELF = """\
from setuptools import setup
from mine import __version__
with open("requirements.txt") as file:
    setup(name="mine", version=__version__, install_requires=file.read().split())
"""


@pytest.mark.parametrize("text", [_OF_PIP, _NAMELESS, _OF_ITSELF])
def test_the_list_that_a_setup_py_reads_is_read_where_its_build_cannot_be_asked(
    read_file: Read, tmp_path: Path, text: str
) -> None:
    (tmp_path / "requirements.txt").write_text("tensorflow>=2.2\nopencv-python\n")
    found = read_file("setup.py", text)
    assert [(want.text, want.where) for want in found.requirements] == [
        ("tensorflow>=2.2", "requirements.txt:1"),
        ("opencv-python", "requirements.txt:2"),
    ]
    assert found.notes == (
        "setup.py: what the project needs is read from `requirements.txt`: its build cannot be asked",
    )
    assert found.problems == ()


def test_what_a_setup_py_computes_its_build_is_asked_for(read_file: Read) -> None:
    text = 'from setuptools import setup\nsetup(\n    install_requires=open("requirements.txt").read().split(),\n'
    assert (
        read_file("setup.py", text + ")\n")
        .problems[0]
        .endswith("only the build of the project knows its name: list what it needs in a requirements file")
    )
    found = read_file("setup.py", text + '    name="mine",\n)\n', extras=("plot",))
    assert found.problems == ()
    assert texts(found.requirements) == ["mine[plot] @ file://${PROJECT_ROOT}/."]
    assert [(folder.name, folder.kind) for folder in found.folders] == [("mine", "dependencies")]
    assert read_file("setup.py", "print(1)\n").problems == ("setup.py: there is no call of `setup` in it",)
    assert read_file("setup.py", "def\n").problems[0].startswith("setup.py:1: it is not Python: ")


def written(*lines: str) -> str:
    return "\n".join(("from setuptools import setup", *lines, ""))


@pytest.mark.parametrize(
    "lines",
    [
        ("NEEDS = {'run': ['numpy', 'six>=1']}", "setup(name='mine', install_requires=NEEDS['run'])"),
        ("BASE = ['numpy']", "setup(name='mine', install_requires=BASE + ['six>=1'])"),
        ("BASE = ('numpy',)", "setup(name='mine', install_requires=[*BASE, 'six>=1'])"),
        ("LEAST = '1'", "setup(name='mine', install_requires=['numpy', f'six>={LEAST}'])"),
        ("ARGUMENTS = dict(name='mine', install_requires=['numpy', 'six>=1'])", "setup(**ARGUMENTS)"),
        ("ARGUMENTS = dict(version=more(), name='mine', install_requires=['numpy', 'six>=1'])", "setup(**ARGUMENTS)"),
        (
            "A = {'name': 'mine', 'version': more()}",
            "B = dict(install_requires=['numpy', 'six>=1'], **A)",
            "setup(**B)",
        ),
        ("RUN = {'run': ['numpy', 'six>=1']}", "setup(name='mine', install_requires=dict(dev=[], **RUN)['run'])"),
        ("NEEDS: list = ['numpy', 'six>=1']", "setup(name='mine', install_requires=list(NEEDS))"),
        ("setup(name='mine', install_requires='numpy\\nsix>=1\\n')",),
    ],
)
def test_what_a_setup_py_writes_out_is_put_together(read_file: Read, lines: tuple[str, ...]) -> None:
    found = read_file("setup.py", written("import pip", *lines))
    assert (texts(found.requirements), found.problems, found.folders) == (["numpy", "six>=1"], (), ())


@pytest.mark.parametrize(
    "lines",
    [
        ("NEEDS = ['numpy']", "if more:", "    NEEDS.append('six')", "setup(name='mine', install_requires=NEEDS)"),
        ("NEEDS = ['numpy']", "NEEDS += more()", "setup(name='mine', install_requires=NEEDS)"),
        ("try:", "    n = 1", "except E:", "    n = 2", "setup(name='mine', install_requires=[f'six=={n}'])"),
        ("NEEDS = {}", "NEEDS['run'] = []", "setup(name='mine', install_requires=NEEDS['run'])"),
        ("NEEDS = NEEDS", "setup(name='mine', install_requires=NEEDS)"),
        ("setup(name='mine', **arguments())",),
        ("A = dict(**B)", "B = dict(name='mine', **A)", "setup(name='mine', **A, **arguments())"),
        ("NEEDS = {'run': ['numpy']}", "setup(name='mine', install_requires=NEEDS['run', 1])"),
        ("NEEDS = {'run': ['numpy']}", "setup(name='mine', install_requires=NEEDS[['run']])"),
    ],
)
def test_what_depends_on_a_run_is_never_read_from_a_setup_py(read_file: Read, lines: tuple[str, ...]) -> None:
    found = read_file("setup.py", written(*lines))
    assert texts(found.requirements) == ["mine @ file://${PROJECT_ROOT}/."]
    assert [(folder.name, folder.kind) for folder in found.folders] == [("mine", "dependencies")]


def test_where_no_build_can_be_asked_the_beginning_of_a_list_is_read(read_file: Read) -> None:
    lines = ("NEEDS = ['numpy']", "if more:", "    NEEDS.append('six')", "setup(name=what(), install_requires=NEEDS)")
    found = read_file("setup.py", written(*lines))
    assert texts(found.requirements) == ["numpy"]
    assert found.notes == ("setup.py:5: what is added to `NEEDS` later is not read: only a run tells it",)


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        (("setup(name='mine', install_requires=['numpy'] + more())",), ["numpy"]),
        (("setup(name='mine', install_requires=more() + ['numpy'] + ['six'])",), ["numpy", "six"]),
        (("N = ['numpy']", "N.append('six')", "setup(name='mine', install_requires=N)"), ["numpy"]),
        (
            (
                *("B = ['numpy']", "if a:", "    N = B + [url]", "else:", "    N = B + ['six']"),
                "setup(name='mine', install_requires=N)",
            ),
            ["numpy"],
        ),
    ],
)
@pytest.mark.parametrize(
    "reads",
    [
        "text = open('README.md').read()",
        "text = io.open(os.path.join(HERE, 'mine', 'version.py'), encoding='utf-8').read()",
        "text = read_file('VERSION')",
        "text = find_packages(where='src')",
    ],
)
def test_a_setup_py_alone_whose_other_files_are_not_here_is_read_as_far_as_it_is_written_out(
    read_file: Read, tmp_path: Path, reads: str, lines: tuple[str, ...], asked: list[str]
) -> None:
    found = read_file("setup.py", written(reads, *lines))
    assert (texts(found.requirements), found.folders) == (asked, ())
    assert "only a run tells" in found.notes[0]
    for name in ("README.md", "VERSION", "mine/version.py", "src/mine.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert [folder.kind for folder in read_file("setup.py", written(reads, *lines)).folders] == ["dependencies"]


def test_a_setup_py_without_arguments_means_the_setup_cfg_beside_it(read_file: Read, tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").write_text(CFG)
    found = read_file("setup.py", written("setup()"), extras=("plot",))
    assert texts(found.requirements) == ["numpy>=1.2", 'tensorflow; python_version < "3.13"', "matplotlib"]
    assert texts(read_file("setup.py", written("setup(install_requires=['six'])")).requirements) == ["six"]


def test_a_list_beside_it_that_is_not_text_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("from setuptools import setup\nsetup()\n")
    (tmp_path / "setup.cfg").write_bytes(b"[metadata]\nname = \xff\n")
    with pytest.raises(TfprovError) as caught:
        load(tmp_path / "setup.py")
    assert caught.value.code.name == "profile-invalid"
    assert "setup.cfg: it is not UTF-8" in str(caught.value.evidence)


def test_a_text_that_is_cut_into_a_list_is_written_out(read_file: Read) -> None:
    text = """\
from setuptools import setup
needs = '''
numpy>=1.2
six
'''.strip().split("\\n")
setup(name="mine", install_requires=needs + "tqdm scipy".split() + '''pandas'''.splitlines())
"""
    found = read_file("setup.py", text)
    assert texts(found.requirements) == ["numpy>=1.2", "six", "tqdm", "scipy", "pandas"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setup.cfg", "[options.extras_require]\nMy_GPU = cupy\n"),
        ("setup.py", "from setuptools import setup\nsetup(name='mine', extras_require={'My_GPU': ['cupy']})\n"),
        ("pyproject.toml", "[project]\noptional-dependencies.My_GPU = ['cupy']\n"),
        ("pyproject.toml", "[project]\n[tool.setuptools.dynamic.optional-dependencies]\nMy_GPU.file = 'cupy.txt'\n"),
        ("pyproject.toml", "[tool.poetry]\nextras.My_GPU = ['cupy']\ndependencies.cupy = {optional = true}\n"),
        ("pyproject.toml", "[tool.flit.metadata]\nrequires = []\nrequires-extra.My_GPU = ['cupy']\n"),
    ],
)
@pytest.mark.parametrize("extra", ["my-gpu", "My_GPU", "MY.GPU"])
def test_an_extra_is_found_however_it_is_written(
    read_file: Read, tmp_path: Path, name: str, text: str, extra: str
) -> None:
    (tmp_path / "cupy.txt").write_text("cupy\n")
    found = read_file(name, text, extras=(extra,))
    assert (texts(found.requirements), found.problems) == (["cupy"], ())


@pytest.mark.parametrize("text", [f"x = {'-' * 200_000}1\n", f"x = 1{'#' * 300}\nx = '\0'\n"])
def test_what_python_cannot_parse_is_a_mistake(read_file: Read, text: str) -> None:
    assert len(read_file("setup.py", text).problems) == 1


@pytest.mark.parametrize("name", ["", "name='Training toolbox', "])
@pytest.mark.parametrize("added", ["required.append({0!r})", "required += [{0!r}]", "required = [{0!r}] + required"])
def test_a_tensorflow_that_only_a_run_adds_is_told(read_file: Read, tmp_path: Path, name: str, added: str) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\n")
    found = read_file(
        "setup.py",
        "import sys\nfrom setuptools import setup\nrequired = open('requirements.txt').read().splitlines()\n"
        f"if sys.platform != 'darwin':\n    {added.format('tensorflow-gpu==2.3.0')}\n"
        f"setup({name}install_requires=required, extras_require={{'tf': ['tensorflow==2.1']}})\n",
    )
    assert texts(found.requirements) == ["numpy"]
    assert found.problems == ()
    assert found.notes[-1] == (
        "setup.py: what the project needs is read from `requirements.txt`: its build cannot be asked; "
        "`tensorflow-gpu==2.3.0` in it is left out, as only a run tells where it applies"
    )
