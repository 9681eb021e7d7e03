"""Kernels of Jupyter: made of an environment, started as Jupyter starts them, and gone with the environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from site_under_test import HOME, OLDER, PYTHON, RELEASE, WINDOWS, Site, of_the_system, only_here, sham_wheel
from wheels import build_wheel

pytestmark = only_here

DATA, OF_JUPYTER = ("APPDATA", "AppData/Roaming") if WINDOWS else ("XDG_DATA_HOME", ".local/share")
# Says where it runs, in place of a kernel.
LAUNCHER = (
    "import json, os, sys, tensorflow\n"
    "told = {'prefix': sys.prefix, 'arguments': sys.argv[1:], 'greeting': os.environ.get('GREETING'),"
    " 'tensorflow': tensorflow.__version__}\n"
    "print(json.dumps(told))\n"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("made")
    site = Site.make(folder)
    launcher = build_wheel(folder / "built", "ipykernel", "7.0", files={"ipykernel_launcher.py": LAUNCHER})
    site.offer(*(sham_wheel(folder / "built", version) for version in (OLDER, RELEASE)), launcher)
    site.write(
        f'[tensorflow]\nversion = "=={OLDER}"\n[packages]\nrequirements = ["ipykernel"]\n'
        '[environment]\nvariables = { GREETING = "${WHO} at home" }\n'
    )
    site.extra = {"WHO": "Ada"}
    site.up()
    return site


@pytest.fixture
def site(made: Site) -> Iterator[Site]:
    yield made
    made.run("kernel", "remove", "train.toml")


def kernels(site: Site, *arguments: str) -> list[dict[str, str]]:
    done = site.run("kernel", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    found: list[dict[str, str]] = next(document[key] for key in ("kernels", "removed", "kernel") if key in document)
    return found if isinstance(found, list) else [found]


def started(folder: Path) -> dict[str, object]:
    """What a kernel says that is started as Jupyter starts it: by its specification, from some folder."""
    specification = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
    argv = [word.replace("{connection_file}", "/run/kernel.json") for word in specification["argv"]]
    environ = {**of_the_system(), "PATH": os.defpath, HOME: str(folder), "WHO": "Ada", **specification["env"]}
    done = subprocess.run(argv, env=environ, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_a_kernel_starts_in_the_generation_in_use_with_the_variables_of_the_profile(site: Site) -> None:
    (kernel,) = kernels(site, "add", "train.toml")
    folder = Path(kernel["folder"])
    assert folder.parent == site.root / OF_JUPYTER / "jupyter/kernels"
    told = started(folder)
    assert told["arguments"] == ["-f", "/run/kernel.json"]
    assert (told["greeting"], told["tensorflow"]) == ("Ada at home", OLDER)
    assert [one["name"] for one in kernels(site, "list")] == [kernel["name"]]


def test_it_follows_updates_and_rollbacks_and_goes_with_the_environment(tmp_path: Path, made: Site) -> None:
    site = Site.make(tmp_path)
    shutil.copytree(made.root / "index", site.root / "index")
    site.write(f'[tensorflow]\nversion = "=={OLDER}"\n[packages]\nrequirements = ["ipykernel"]\n')
    site.up()
    (kernel,) = kernels(site, "add", "train.toml")
    folder = Path(kernel["folder"])
    site.write('[packages]\nrequirements = ["ipykernel"]\n')
    site.up("--upgrade")
    assert started(folder)["tensorflow"] == RELEASE
    assert site.run("rollback", "train.toml").returncode == 0
    assert started(folder)["tensorflow"] == OLDER
    assert site.run("remove", "train.toml", "--yes").returncode == 0
    assert not folder.exists()
    assert kernels(site, "list") == []


def test_a_kernel_that_a_zipapp_adds_is_started_by_it(site: Site, tmp_path: Path) -> None:
    archive = tmp_path / "tfprov.pyz"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("__main__.py", "from tfprov.cli.main import main\nmain()\n")
    argv = [sys.executable, "-I", "tfprov.pyz", "kernel", "add", str(site.profile), "--json"]
    done = subprocess.run(argv, cwd=tmp_path, env=site.environ(), capture_output=True, text=True, check=True)
    folder = Path(json.loads(done.stdout)["kernel"]["folder"])
    argv = json.loads((folder / "kernel.json").read_text())["argv"]
    assert argv[:3] == [sys.executable, "-I", str(archive)]
    assert started(folder)["tensorflow"] == OLDER


def test_a_kernel_for_others_lies_where_it_was_asked_for_and_is_removed_from_there(site: Site, tmp_path: Path) -> None:
    (kernel,) = kernels(site, "add", "train.toml", "--prefix", str(tmp_path / "hub"))
    folder = Path(kernel["folder"])
    assert folder.parent == tmp_path / "hub/share/jupyter/kernels"
    assert [one["folder"] for one in kernels(site, "remove", "train.toml")] == [str(folder)]
    assert not folder.exists()
    assert site.run("kernel", "remove", "train.toml").stdout == "`train` has no kernel\n"


def test_the_folder_of_jupyter_is_found_as_jupyter_finds_it(site: Site, tmp_path: Path) -> None:
    for name, expected in (("JUPYTER_DATA_DIR", tmp_path / "j"), (DATA, tmp_path / DATA[0].lower())):
        site.extra = {"WHO": "Ada", name: str(tmp_path / name[0].lower())}
        (kernel,) = kernels(site, "add", "train.toml")
        data = expected if name.startswith("J") else expected / "jupyter"
        assert Path(kernel["folder"]).parent == data / "kernels"
    site.extra = {"WHO": "Ada"}
    assert len(kernels(site, "list")) == 2


def test_what_another_program_made_is_left_alone(site: Site) -> None:
    (kernel,) = kernels(site, "add", "train.toml")
    path = Path(kernel["folder"]) / "kernel.json"
    path.write_text('{"argv": ["python"], "display_name": "mine", "language": "python"}')
    refused = site.run("kernel", "add", "train.toml")
    assert (refused.returncode, refused.stderr.partition("]")[0]) == (2, "error[path-not-ours")
    assert kernels(site, "list") == []
    assert site.run("kernel", "remove", "train.toml").returncode == 0
    assert path.exists()
    shutil.rmtree(path.parent)


def test_without_a_profile_it_is_the_list_of_the_folder_that_lacks_ipykernel(tmp_path: Path, made: Site) -> None:
    site = Site.make(tmp_path)
    index = (made.root / "index").as_uri()
    (site.root / "requirements.txt").write_text(f"-i {index}\ntensorflow\n")
    assert site.run("up", "--set", f"python.path={PYTHON.as_posix()}", "--set", "smoke.level=quick").returncode == 0
    done = site.run("kernel", "add")
    assert done.stderr.startswith("error[usage]: the environment of `project-with-spaces` has no ipykernel, which a ")
    assert "hint: add `ipykernel` to `requirements.txt` and run `tfprov up`" in done.stderr


def test_an_environment_without_ipykernel_says_what_to_add(tmp_path: Path, made: Site) -> None:
    site = Site.make(tmp_path)
    shutil.copytree(made.root / "index", site.root / "index")
    site.write()
    assert site.run("kernel", "add", "train.toml").stderr.startswith("error[environment-missing]")
    site.up()
    done = site.run("kernel", "add", "train.toml")
    assert done.returncode == 2
    advice = "hint: add `ipykernel` to `packages.requirements` in `train.toml` and run `tfprov up train.toml`"
    assert advice in done.stderr
    # The hint holds.
    site.write('[packages]\nrequirements = ["ipykernel"]\n')
    site.up()
    (kernel,) = kernels(site, "add", "train.toml")
    # It goes with all environments, too.
    assert site.run("remove", "--all", "--yes").returncode == 0
    assert not Path(kernel["folder"]).exists()
