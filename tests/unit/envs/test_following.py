from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from old_pythons import MINORS, old_python
from tfprov.envs import following
from tfprov.envs.layout import BINDING

ASK = """
import json, os, site, sys
held = [os.readlink("/proc/self/fd/" + each) for each in os.listdir("/proc/self/fd") if int(each) > 99]
packages = [path for path in sys.path if path.endswith("site-packages")]
import multiprocessing.spawn
print(json.dumps({
    "prefix": sys.prefix, "executable": sys.executable, "packages": packages, "held": held,
    "site": site.getsitepackages()[0], "worker": os.fsdecode(multiprocessing.spawn.get_executable()),
}))
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A='/x/train-1/generations/0005'", "A='/x/train-1/current'"),
        ("A=/x/it\\'s/train-1/generations/0005/bin", "A=/x/it\\'s/train-1/current/bin"),
        ("A=/x/train-1/generations/00051", "A=/x/train-1/generations/00051"),
        ("A=/x/train-2/generations/0005", "A=/x/train-2/generations/0005"),
    ],
)
def test_the_stable_path_stands_where_the_generation_was_named(text: str, expected: str) -> None:
    assert following.through_stable(text, Path("/x/train-1/generations/0005")) == expected


def test_what_lies_elsewhere_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "activate").write_text(f"VIRTUAL_ENV={tmp_path}\n")
    following.prepare(tmp_path)
    assert (tmp_path / "bin" / "activate").read_text() == f"VIRTUAL_ENV={tmp_path}\n"


def test_a_generation_that_binds_no_process_is_entered_by_its_own_path(tmp_path: Path) -> None:
    generation = tmp_path / "train-1" / "generations" / "0002"
    (generation / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    assert following.entrance(generation) == generation
    following.prepare(generation)
    assert following.entrance(generation) == tmp_path / "train-1" / "current"


@pytest.mark.skipif(shutil.which("tcsh") is None, reason="there is no tcsh")
@pytest.mark.parametrize(("own", "folder"), [(False, "a b"), (True, "a b"), (True, "it's prøject 日本")])
def test_tcsh_finds_commands_that_come_after_activation_and_is_left_as_it_was(
    tmp_path: Path, own: bool, folder: str
) -> None:
    generation = tmp_path / folder / "train-1" / "generations" / "0002"
    subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", "--no-seed", generation], check=True)
    following.prepare(generation)
    (tmp_path / folder / "train-1" / "current").symlink_to("generations/0002")
    late = generation / "bin" / "late"
    (tmp_path / "script").write_text(
        f"{'set autorehash' if own else ''}\nsource {shlex.quote(f'{generation}/bin/activate.csh')}\ntrue\n"
        f"cp '{shutil.which('echo')}' {shlex.quote(str(late))}\nlate found\n"
        "deactivate\necho $?autorehash $?_TFPROV_AUTOREHASH\n"
    )
    done = subprocess.run(["tcsh", "-f", tmp_path / "script"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"found\n{int(own)} 0\n", "")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="paths are text there")
def test_a_path_of_any_bytes_is_kept(tmp_path: Path) -> None:
    generation = Path(os.fsdecode(os.fsencode(tmp_path) + b"/n\xe4me/train-1/generations/0002"))
    (generation / "bin").mkdir(parents=True)
    (generation / "bin" / "activate").write_bytes(b"VIRTUAL_ENV='" + os.fsencode(generation) + b"'\n")
    following.prepare(generation)
    stable = os.fsencode(generation.parents[1]) + b"/current"
    assert (generation / "bin" / "activate").read_bytes().startswith(b"VIRTUAL_ENV='" + stable + b"'\n")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not show what is open in this way")
@pytest.mark.parametrize("minor", [*MINORS, "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_a_process_of_every_python_is_bound_to_its_generation(tmp_path: Path, minor: str) -> None:
    python, _ = old_python(minor)
    root = tmp_path / "a b" / "train-1"
    generation = root / "generations" / "0002"
    subprocess.run([python, "-m", "venv", "--without-pip", generation], check=True)
    following.prepare(generation)
    # It came after tfprov's own in order, and is processed before.
    (library,) = generation.glob("lib/python*/site-packages")
    (library / "nested").mkdir()
    (library / "other.pth").write_text("nested\n")
    # Python 3.18 reads this one only.
    assert [path.read_text() for path in library.glob("*.start")] == [f"{BINDING}:begin\n"]
    current, link = root / "current", tmp_path / ".venv"
    current.symlink_to("generations/0002")
    link.symlink_to(current)

    def told(place: Path, *options: str) -> dict[str, object]:
        command = [place / "bin" / "python", *options, "-c", ASK]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        found: dict[str, object] = json.loads(done.stdout)
        return found

    for place, executable in ((generation, current), (current, current), (link, link)):
        assert told(place) == {
            "prefix": str(generation),
            "executable": f"{executable}/bin/python",
            "packages": [str(library)],
            "held": [str(generation)],
            "site": str(library),
            "worker": f"{generation}/bin/python",
        }
    # uv keeps what it is told for the path that it asked.
    alone = told(link, "-I")
    assert (alone["prefix"], alone["executable"]) == (str(link), f"{link}/bin/python")
    assert alone["held"] == [str(generation)]
    # The generation is no longer what the link leads to.
    shutil.copytree(generation, root / "generations" / "0003", symlinks=True)
    _link_to(root, "generations/0003").replace(current)
    older = told(generation)
    assert (older["prefix"], older["executable"]) == (str(generation), f"{generation}/bin/python")


def _link_to(root: Path, target: str) -> Path:
    made = root / "new"
    made.symlink_to(target)
    return made
