"""The user's own files in an environment: what works elsewhere as it did here goes along, the rest is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.adopt.carry import Carried, carried, wrote
from tfprov.adopt.read import read
from tfprov.bundle.repack import packed

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the environments of these tests are laid out as on POSIX")


class Venv:
    """An environment of hand-written files, with one package: `owned`, and its command."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "with spaces é" / ".venv"
        self.library = self.root / "lib" / "python3.11" / "site-packages"
        self.file("../../../pyvenv.cfg", "home = /usr/bin\nversion = 3.11.7\n")
        self.file("owned/__init__.py", "")
        self.file("owned-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: owned\nVersion: 1.0\n")
        self.file(
            "owned-1.0.dist-info/RECORD", "owned/__init__.py,,\nowned-1.0.dist-info/METADATA,,\n../../../bin/own,,\n"
        )
        self.script("own", "#!/bin/sh\n")

    def file(self, path: str, content: str | bytes) -> None:
        target = self.library / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def script(self, name: str, content: str | bytes) -> None:
        self.file(f"../../../bin/{name}", content)
        (self.root / "bin" / name).chmod(0o755)

    def carried(self) -> Carried:
        return carried(read(self.root), "train")


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    return Venv(tmp_path)


def test_there_is_nothing_where_packages_own_everything(venv: Venv) -> None:
    assert venv.carried() == Carried(project="train-adopted-files")


@pytest.mark.parametrize(
    ("path", "content"),
    [("mine.py", "MINE = 1\n"), ("mine/__init__.py", ""), ("mine/data/größe.bin", b"\0\xff"), ("_own.py", "")],
)
def test_modules_go_along(venv: Venv, path: str, content: str | bytes) -> None:
    venv.file(path, content)
    venv.file("mine/__pycache__/x.cpython-311.pyc", b"\0")
    found = venv.carried()
    assert found.files == {path: content.encode() if isinstance(content, str) else content}
    assert found.left == {}


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("owned/more.py", "it is in the folder of a package"),
        ("tensorflow/__init__.py", "it has the name of a package"),
        ("keras/__init__.py", "it has the name of a package"),
        ("sitecustomize.py", "it runs at every start of Python"),
        ("usercustomize/__init__.py", "it runs at every start of Python"),
        ("fast/impl.cpython-311-x86_64-linux-gnu.so", "`fast/impl.cpython-311-x86_64-linux-gnu.so` is compiled"),
        ("old-1.0-py3.11.egg/old.py", "it is not a Python module"),
        ("notes.txt", "it is not a Python module"),
        ("__editable___x_1_0_finder.py", "it belongs to an editable project"),
        ("mine/line\nbreak.py", "the name of a file has unusual characters"),
    ],
)
def test_files_that_are_not_the_users_own_modules_are_named(venv: Venv, path: str, why: str) -> None:
    venv.file(path, "")
    found = venv.carried()
    assert (found.files, found.paths) == ({}, ())
    (told,) = found.left.values()
    assert told.startswith(why)


def test_links_pipes_and_what_is_large_stay(venv: Venv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfprov.adopt.carry._MOST_BYTES", 100)
    for name in ("small", "large", "linking", "piped"):
        venv.file(f"{name}/__init__.py", "x" * 60)
    (venv.library / "large" / "more.py").write_text("x" * 60)
    (venv.library / "linking" / "elsewhere").symlink_to("/etc")
    os.mkfifo(venv.library / "piped" / "pipe")
    (venv.library / "linked").symlink_to("/etc")
    found = venv.carried()
    # In the order of their names, as long as there is room.
    assert {Path(path).name for path in found.left} == {"large", "linking", "piped", "linked"}
    assert list(found.files) == ["small/__init__.py"]


def test_what_an_interrupted_installation_left_makes_all_files_doubtful(venv: Venv, tmp_path: Path) -> None:
    venv.file("mine.py", "")
    venv.script("own-script", "#!/bin/sh\n")
    venv.file("source.pth", f"{tmp_path}\n")
    venv.file("~wned/__init__.py", "")
    found = venv.carried()
    assert [Path(path).name for path in found.paths] == ["source.pth"]
    assert {Path(path).name for path in found.left} == {"mine.py", "own-script"}


def test_folders_of_pth_files_go_along_as_one_file(venv: Venv, tmp_path: Path) -> None:
    (tmp_path / "söurce").mkdir()
    venv.file("a.pth", f"# mine\n\n{tmp_path}/söurce\n")
    venv.file("b.pth", f"\ufeff{os.path.relpath(tmp_path, venv.library)}\n{tmp_path}/söurce")
    found = venv.carried()
    assert found.files == {"train_adopted_files.pth": f"{tmp_path}/söurce\n{tmp_path}\n".encode()}
    assert [Path(path).name for path in found.paths] == ["a.pth", "b.pth"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import os\n", "it runs code"),
        ("/tmp\nimport sys; sys.path.append('/')\n", "it runs code"),
        ("/nonexistent/folder\n", "`/nonexistent/folder` is not a folder"),
        ("..\n", "`..` is inside the environment"),
        (b"\xff\xfe", "it is not UTF-8"),
    ],
)
def test_other_pth_files_stay_as_a_whole(venv: Venv, text: str | bytes, why: str) -> None:
    venv.file("x.pth", text)
    found = venv.carried()
    assert found.files == {}
    assert found.left[f"lib/{venv.library.parent.name}/site-packages/x.pth"].startswith(why)


def test_a_folder_in_which_packages_are_installed_is_not_added(venv: Venv, tmp_path: Path) -> None:
    (tmp_path / "other" / "thing-1.0.dist-info").mkdir(parents=True)
    venv.file("x.pth", f"{tmp_path}/other\n")
    assert venv.carried().files == {}


def test_scripts_go_along_and_name_the_new_python(venv: Venv) -> None:
    python = f"{venv.root}/bin/python3"
    venv.script("plain", "#!/usr/bin/env bash\necho ü\n")
    venv.script("spaces", f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\nprint(1)\n")
    files = venv.carried().files
    folder = "train_adopted_files-1.data/scripts"
    assert files == {
        f"{folder}/plain": "#!/usr/bin/env bash\necho ü\n".encode(),
        f"{folder}/spaces": b"#!python\nprint(1)\n",
    }


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x7fELF\x02\x01", "it is not a script"),
        ("echo no first line\n", "it is not a script"),
        ("#!/bin/sh\ncat '{root}/share/model'\n", "it contains paths of the environment"),
        ("#!/bin/sh\n'''exec' \"{root}/bin/tool\" \"$0\" \"$@\"\n' '''\n", "its first line starts `{root}/bin/tool`"),
        (
            "#!/usr/bin/python3\nimport re\nimport sys\nfrom gone.cli import main\n"
            "if __name__ == '__main__':\n    sys.argv[0] = re.sub(r'x', '', sys.argv[0])\n    sys.exit(main())\n",
            "it is the command of a package that is gone",
        ),
    ],
)
def test_other_commands_stay(venv: Venv, content: str | bytes, why: str) -> None:
    told = {"root": str(venv.root)}
    venv.script("tool", content.replace("{root}", told["root"]) if isinstance(content, str) else content)
    found = venv.carried()
    assert found.files == {}
    assert found.left["bin/tool"].startswith(why.format(**told))


def test_a_wheel_that_an_earlier_run_left_is_known_for_what_it_is(venv: Venv, tmp_path: Path) -> None:
    venv.file("mine.py", "MINE = 1\n")
    own = venv.carried()
    wheel = tmp_path / own.wheel
    assert not wrote(wheel, own)
    wheel.write_bytes(packed({"mine.py": b"other", **own.metadata}, own.info))
    assert wrote(wheel, own)
    for content in (
        b"",
        b"PK",
        wheel.read_bytes()[:-30],
        packed({f"{own.info}/WHEEL": b"Generator: other\n"}, own.info),
    ):
        wheel.write_bytes(content)
        assert not wrote(wheel, own)
