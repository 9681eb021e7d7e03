"""Environments that somebody else made, in every state that they are found in; only TensorFlow is a sham."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import sdists
import used_home
from broken import Project, another_processor, state, stock
from site_under_test import OLDER, RELEASE, WINDOWS, first_home, needs_shell, needs_signals, only_here
from tfprov.envs.fronts import followed
from tfprov.envs.layout import executables_in, python_in
from wheels import build_wheel

pytestmark = only_here

TENSORFLOW = f"tensorflow-cpu=={OLDER}"
BASE = (TENSORFLOW, "helper", "payload==1.0")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stock(tmp_path_factory.mktemp("stock"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    used_home.lay_down(folder, first_home)
    return folder


@pytest.fixture
def project(tmp_path: Path, index: Path, home: Path) -> Project:
    root = tmp_path / "pröject with spaces"
    root.mkdir()
    return Project(root=root, index=index, home=home)


def codes(document: dict[str, Any]) -> set[str]:
    return {one["code"] for one in document["findings"]}


def changes(document: dict[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    assert all(one["why"] for one in document["changes"])
    return {one["what"]: (one["before"], one["after"]) for one in document["changes"]}


def whole(project: Project) -> None:
    project.make(*BASE)


def kept(document: dict[str, Any]) -> Path:
    """The folder in which the old environment is kept."""
    return Path(document["kept"])


def upgrade_killed_in_pip(project: Project) -> None:
    project.make(*BASE)
    assert project.killed_pip(100, "install", "payload==2.0") == -signal.SIGKILL
    assert (project.library / "~ayload").is_dir()


def upgrade_killed_in_uv(project: Project) -> None:
    for _ in range(20):
        shutil.rmtree(project.venv, ignore_errors=True)
        project.make(*BASE)
        record = project.library / "payload-1.0.dist-info" / "RECORD"
        project.killed_uv("payload==2.0", when_gone=record)
        if record.parent.is_dir() and not record.exists():
            return
    pytest.skip("uv was through before it could be killed, twenty times")


def files_deleted(project: Project) -> None:
    project.make(*BASE)
    shutil.rmtree(project.library / "payload")
    (project.library / "tensorflow" / "__init__.py").unlink()


def files_altered(project: Project) -> None:
    project.make(*BASE)
    (project.library / "helper.py").write_text("raise RuntimeError('edited')\n")


def interpreter_gone(project: Project) -> None:
    project.make(*BASE)
    for path in executables_in(project.venv).glob("python*"):
        path.unlink()
    if not WINDOWS:
        python_in(project.venv).symlink_to("/nonexistent/bin/python3")


def folder_moved(project: Project) -> None:
    project.make(*BASE, by_venv=True)
    for path in (project.venv / "bin").iterdir():
        if path.is_file() and not path.is_symlink():
            path.write_bytes(path.read_bytes().replace(os.fsencode(project.venv), b"/old/place/.venv"))


def newer_numpy(project: Project) -> None:
    project.make(*BASE)
    project.install("numpy==2.4.0")


def protobuf_clash(project: Project) -> None:
    project.make(*BASE)
    project.install("protobuf==3.20.3", pip=True)


def two_tensorflows(project: Project) -> None:
    project.make(*BASE)
    project.uv("pip", "install", "--python", project.venv, f"tensorflow=={RELEASE}")


def placeholder(project: Project) -> None:
    project.make(*BASE, "tensorflow-gpu==2.12.0")


def half_removed_folders(project: Project) -> None:
    project.make(*BASE)
    (project.library / "~ayload").mkdir()
    (project.library / "~ayload" / "m0.py").write_text("")
    (project.library / "~ayload-0.9.dist-info").mkdir()
    (project.library / "~ayload-0.9.dist-info" / "METADATA").write_text("Name: payload\nVersion: 0.9\n")


def tensorflow_half_removed(project: Project) -> None:
    project.make(*BASE)
    (folder,) = project.library.glob("tensorflow_cpu-*")
    folder.rename(project.library / f"~ensorflow_cpu-{OLDER}.dist-info")
    (project.library / "tensorflow").rename(project.library / "~ensorflow")


def system_packages(project: Project) -> None:
    project.make(*BASE)
    settings = project.venv / "pyvenv.cfg"
    text = settings.read_text().replace("include-system-site-packages = false", "include-system-site-packages = true")
    settings.write_text(text)


def user_site_shadows(project: Project) -> None:
    system_packages(project)
    if WINDOWS:
        users = f"AppData/Roaming/Python/Python3{sys.version_info[1]}"
    else:
        users = f".local/lib/{project.library.parent.name}"
    shadow = project.root / users / "site-packages"
    shutil.copytree(project.library / "helper-1.0.dist-info", shadow / "helper-9.0.dist-info")
    (shadow / "helper.py").write_text("raise ImportError('the one of the user site')\n")


def editable_project(project: Project) -> None:
    project.make(*BASE)
    for name, text in sdists.project("mine", "0.1", requires=("helper",)).items():
        (project.root / name).write_text(text)
    own = '[project]\nname = "mine"\nversion = "0.1"\ndependencies = ["helper"]\n'
    (project.root / "pyproject.toml").write_text(own + (project.root / "pyproject.toml").read_text())
    (project.root / "mine.py").write_text("MINE = 1\n")
    metadata = project.library / "mine-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 0.1\nRequires-Dist: helper\n")
    (metadata / "INSTALLER").write_text("pip\n")
    (metadata / "direct_url.json").write_text(
        json.dumps({"url": project.root.as_uri(), "dir_info": {"editable": True}})
    )
    (metadata / "RECORD").write_text("mine-0.1.dist-info/METADATA,,\n__editable__.mine-0.1.pth,,\n")
    (project.library / "__editable__.mine-0.1.pth").write_text(f"{project.root}\n")


def read_only(project: Project) -> None:
    project.make(*BASE)
    (project.library / "helper.py").write_text("")
    for path in [project.venv, *project.venv.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def wrong_processor(project: Project) -> None:
    project.make(*BASE)
    python = project.venv / "bin" / "python"
    target = project.venv / "bin" / "python-arm"
    another_processor(python, target)
    python.unlink()
    target.rename(python)
    for wheel in project.library.glob("payload-*/WHEEL"):
        other = "x86_64" if os.uname().machine == "aarch64" else "aarch64"
        wheel.write_text(wheel.read_text().replace("py3-none-any", f"cp311-cp311-manylinux_2_17_{other}"))


def old_keras(project: Project) -> None:
    project.make(*BASE)
    project.install("keras==2.15.0", pip=True)


def setuptools_without_pkg_resources(project: Project) -> None:
    project.make(*BASE, "tensorflow-hub", "setuptools==82.0.0")


def metadata_gone(project: Project) -> None:
    project.make(*BASE)
    for name in ("RECORD", "METADATA"):
        (next(iter(project.library.glob("helper-*"))) / name).unlink()


def packages_twice(project: Project) -> None:
    project.make(*BASE)
    (folder,) = project.library.glob("helper-1.0.dist-info")
    shutil.copytree(folder, folder.with_name("helper-0.9.dist-info"))
    (folder.with_name("helper-0.9.dist-info") / "RECORD").unlink()


def settings_gone(project: Project) -> None:
    project.make(*BASE)
    (project.venv / "pyvenv.cfg").unlink()
    shutil.rmtree(executables_in(project.venv))


def leads_to(project: Project) -> Path:
    """The generation that stands at the path now."""
    return Path(followed(str(project.venv)))


@dataclass(frozen=True)
class Case:
    """A broken environment, and what must come of it."""

    make: Callable[[Project], None]
    codes: set[str]
    changes: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    modules: tuple[str, ...] = ("helper", "payload")

    def __str__(self) -> str:
        return self.make.__name__


CASES = (
    Case(whole, set()),
    Case(upgrade_killed_in_pip, {"uninstall-metadata"}),
    Case(upgrade_killed_in_uv, {"uninstall-metadata"}),
    Case(files_deleted, {"file-damaged"}),
    Case(files_altered, {"file-damaged"}),
    Case(interpreter_gone, {"python-broken"}),
    Case(folder_moved, {"environment-moved"}),
    Case(newer_numpy, {"numpy-abi"}, {"numpy": ("2.4.0", "2.1.0")}),
    Case(protobuf_clash, {"protobuf-mismatch"}, {"protobuf": ("3.20.3", "5.29.0")}),
    Case(two_tensorflows, {"several-tensorflows"}, {"tensorflow": (RELEASE, None)}),
    Case(placeholder, {"tensorflow-gpu-package"}, {"tensorflow-gpu": ("2.12.0", None)}),
    Case(half_removed_folders, {"uninstall-metadata"}),
    Case(tensorflow_half_removed, {"uninstall-metadata"}),
    Case(system_packages, {"path-leak"}),
    Case(user_site_shadows, {"path-leak"}),
    Case(editable_project, set(), modules=("helper", "payload", "mine")),
    Case(read_only, {"file-damaged"}),
    Case(wrong_processor, {"python-broken", "platform-no-wheel"}),
    Case(old_keras, {"keras-mismatch"}, {"keras": ("2.15.0", "3.10.0")}),
    Case(
        setuptools_without_pkg_resources,
        {"setuptools-pkg-resources"},
        {"setuptools": ("82.0.0", "80.9.0")},
        ("helper", "payload", "tensorflow_hub"),
    ),
    Case(metadata_gone, {"uninstall-metadata"}),
    Case(packages_twice, {"uninstall-metadata"}),
    Case(settings_gone, {"python-broken"}),
)
OF_POSIX = (upgrade_killed_in_pip, folder_moved, read_only, wrong_processor)
"""They take signals, scripts as commands, permissions, and programs for Linux."""


@pytest.mark.parametrize("case", [case for case in CASES if not (WINDOWS and case.make in OF_POSIX)], ids=str)
def test_what_is_broken_is_recreated_in_its_place_and_comes_back_as_it_was(project: Project, case: Case) -> None:
    case.make(project)
    before = state(project.venv)
    status, document = project.adopt("--in-place")
    assert status == 0, document["error"]
    assert case.codes <= codes(document)
    assert case.codes or codes(document) == set()
    told = changes(document)
    assert case.changes.items() <= told.items()
    # What `pip freeze` shows is what was found, but for what was said.
    found = {one["name"].lower().replace("_", "-"): one["version"] for one in document["found"]["packages"]}
    found = {name: version for name, version in found.items() if name not in ("pip", "wheel")}
    expected = dict(found)
    for name, (_, after) in told.items():
        if after is None:
            expected.pop(name, None)
        elif name != "Python":
            expected[name] = after
    if "setuptools" not in told:
        expected.pop("setuptools", None)
    here = project.freeze()
    assert {name: version for name, version in here.items() if name in expected or name != "setuptools"} == expected
    project.imports(*case.modules)
    assert project.run("rollback").returncode == 0
    assert state(kept(document)) == before
    assert leads_to(project) == kept(document)


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_after_an_adoption_it_is_an_environment_like_any_other(project: Project, tmp_path: Path) -> None:
    project = dataclasses.replace(project, home=tmp_path / "home")
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    project.make(*BASE)
    assert project.adopt("--in-place")[0] == 0
    # The folder that was there ignored itself; a link cannot.
    ignored = subprocess.run(["git", "check-ignore", "-q", ".venv"], cwd=project.root, check=False)
    assert ignored.returncode == 0
    again = project.run("up")
    assert again.returncode == 0
    assert "already verified" in again.stdout
    assert project.run("rollback").returncode == 0
    assert leads_to(project).name == "0000"
    listed = project.run("list").stdout
    assert f"* 0  as it was found at {project.venv} on " in listed
    kept = leads_to(project)
    for which in ((), ("--all",)):
        refused = project.run("remove", *which, "--yes")
        assert refused.returncode == 2
        assert refused.stderr.splitlines()[-5:] == [
            "error[path-not-ours]: `project-with-spaces` keeps the environment that it replaced, "
            "and nothing was deleted",
            f"  evidence  `{project.venv}`, now in `{kept}`",
            "",
            f"hint: `tfprov remove {''.join(f'{one} ' for one in which)}--old` deletes what was replaced; "
            "with `--force` it goes along with the rest",
        ]
    refused = project.run("remove", "--old", "--yes")
    assert refused.returncode == 2
    assert "leads to the adopted environment" in refused.stderr
    again = project.run("adopt", ".venv", "--in-place")
    assert again.returncode == 2
    assert "is already an environment of tfprov" in again.stderr
    assert project.run("up", "--no-keep-rollback").returncode == 0
    project.imports("helper", "payload")
    # However often it changes: what was adopted is not among those that are counted.
    for number in range(4):
        done = project.run("up", "--set", f'environment.variables.ROUND="{number}"', "--recreate")
        assert done.returncode == 0, done.stderr
    assert (leads_to(project).parent / "0000").is_dir()
    assert project.run("remove", "--all", "--old", "--yes").stdout.endswith("replaced is removed\n")
    assert not (leads_to(project).parent / "0000").exists()
    project.imports("helper", "payload")
    gone = project.run("remove", "--old", "--yes")
    assert gone.returncode == 2
    assert "replaced no environment that is kept" in gone.stderr


@pytest.mark.parametrize("options", [(), ("--in-place",)])
def test_the_lock_that_is_written_says_where_the_project_is(project: Project, options: tuple[str, ...]) -> None:
    editable_project(project)
    assert project.adopt(*options)[0] == 0
    (lock,) = project.root.glob("pylock.*.toml")
    assert 'directory = { path = ".", editable = true }' in lock.read_text()
    for again in ((), ("--recreate",)):
        done = project.run("up", *again)
        assert done.returncode == 0, done.stderr


def test_a_profile_that_was_looked_at_and_changed_counts(project: Project) -> None:
    """`adopt`, a look, `adopt` again, a change, then `adopt --in-place`."""
    project.make(*BASE)
    before = state(project.venv)
    assert project.adopt()[0] == 0
    profile = project.root / "tfprov.toml"
    assert state(project.venv) == before
    written = state(project.root)
    assert project.adopt()[0] == 0
    assert state(project.root) == written
    profile.write_text(profile.read_text().replace("payload==1.0", "payload==2.0"))
    assert project.adopt()[1]["error"]["code"] == "path-not-ours"  # type: ignore[index]  # a JSON document
    status, document = project.adopt("--in-place")
    assert status == 0, document["error"]
    assert changes(document) == {"payload": ("1.0", "2.0")}
    assert project.freeze()["payload"] == "2.0"
    assert project.run("up").stdout.splitlines()[0].endswith("is already verified: nothing to do")


def test_a_profile_of_the_users_own_is_not_overwritten(project: Project) -> None:
    project.make(*BASE)
    (project.root / "tfprov.toml").write_text('name = "mine"\n')
    before = state(project.root)
    for options in ((), ("--in-place",)):
        status, document = project.adopt(*options)
        assert (status, document["error"]["code"]) == (2, "path-not-ours")  # type: ignore[index]  # a JSON document
    if not WINDOWS:
        status, document = project.adopt("--output", "/proc/train.toml")
        assert (status, document["error"]["code"]) == (14, "filesystem-feature")  # type: ignore[index]  # likewise
        assert document["error"]["hint"] == "choose another path"  # type: ignore[index]
    assert {path: told for path, told in state(project.root).items() if path in before} == before
    status, document = project.adopt("--in-place", "--output", "other.toml")
    assert status == 0, document["error"]
    project.imports("helper")


def test_what_does_not_work_any_more_leaves_everything_as_it_was(project: Project, tmp_path: Path) -> None:
    """A module of the user's own dies when it is imported, whatever is beside it."""
    project.home = tmp_path / "home"
    dead = build_wheel(tmp_path / "built", "dead", "1.0", files={"dead.py": "raise ImportError('never')\n"})
    project.make(*BASE, str(dead))
    before = state(project.venv)
    status, document = project.adopt("--in-place")
    error: Any = document["error"]
    assert (status, error["code"]) == (16, "import-failed")
    assert error["evidence"][-1] == f"nothing was changed in `{project.venv}`"
    assert state(project.venv) == before
    assert sorted(path.name for path in project.root.glob("*.toml")) == []
    assert "no environments yet" in project.run("list").stdout


def test_a_package_that_no_index_has_is_left_out_and_told(project: Project) -> None:
    project.make(*BASE)
    folder = project.library / "secret_tool-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: secret-tool\nVersion: 1.0\n")
    (folder / "RECORD").write_text("")
    status, document = project.adopt("--in-place")
    assert status == 0, document["error"]
    assert changes(document) == {"secret-tool": ("1.0", None)}
    (change,) = document["changes"]  # type: ignore[misc]  # a JSON document
    assert change["why"].startswith("it is left out: ")


needs_scripts = pytest.mark.skipif(WINDOWS, reason="files are carried over on Linux and macOS")


def own_files(project: Project) -> None:
    """A module, a script, a folder of sources that a `.pth` file adds, and what cannot be carried over."""
    project.make(*BASE)
    sources = project.root / "söurces"
    sources.mkdir()
    (sources / "from_sources.py").write_text("WHERE = __file__\n")
    (project.library / "sources.pth").write_text(f"{sources}\n")
    (project.library / "mine.py").write_text("MINE = 'mine'\n")
    (project.library / "hook.pth").write_text("import os\n")
    script = project.venv / "bin" / "own"
    first = f"#!/bin/sh\n'''exec' \"{project.venv}/bin/python\" \"$0\" \"$@\"\n' '''\n"
    script.write_text(f"{first}import from_sources, mine, payload; print(mine.MINE, payload.__version__)\n")
    script.chmod(0o755)


@needs_scripts
def test_files_of_the_users_own_go_along_and_stay(project: Project) -> None:
    own_files(project)
    before = state(project.venv)
    status, document = project.adopt("--in-place")
    assert status == 0, document["error"]
    told: Any = document["carried"]
    assert [Path(path).name for path in told["paths"]] == ["sources.pth", "mine.py", "own"]
    assert {Path(path).name for path in told["left"]} == {"hook.pth"}
    assert Path(told["wheel"]).parent == project.root
    assert changes(document) == {"project-with-spaces-adopted-files": (None, "1")}
    # They are a package as any other: the next generation has them, too.
    profile = project.root / "tfprov.toml"
    profile.write_text(profile.read_text().replace("payload==1.0", "payload==2.0"))
    assert project.run("up").returncode == 0
    done = subprocess.run([project.venv / "bin" / "own"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("mine 2.0\n", "")
    assert project.run("doctor").returncode == 0
    assert project.run("rollback", "tfprov.toml", "0").returncode == 0
    assert state(leads_to(project)) == before


@needs_scripts
def test_a_module_of_the_users_own_that_is_broken_is_named_and_costs_nothing_else(project: Project) -> None:
    own_files(project)
    (project.library / "mine.py").write_text("raise ImportError('never')\n")
    status, document = project.adopt("--in-place")
    assert status == 0, document["error"]
    told: Any = document["carried"]
    assert (told["wheel"], told["paths"]) == (None, [])
    (why,) = {why for path, why in told["left"].items() if not path.endswith("hook.pth")}
    assert why.startswith("it is left out: ")
    assert "never" in why
    assert changes(document) == {}
    assert not list(project.root.glob("*.whl"))
    project.imports("helper", "payload")


@needs_scripts
def test_of_two_at_once_the_second_waits_and_finds_it_done(project: Project) -> None:
    own_files(project)
    with ThreadPoolExecutor(2) as pool:
        ended = sorted(pool.map(lambda _: project.adopt("--in-place"), range(2)), key=lambda each: each[0])
    (first, _), (second, document) = ended
    error: Any = document["error"]
    assert (first, second, error["code"]) == (0, 2, "usage")
    assert "is already an environment of tfprov" in error["what"]
    project.imports("helper", "mine")


JOB = "import time, helper; print('ready', flush=True); time.sleep(300); import payload"


@pytest.mark.parametrize("how", ["by its path", "in an activated shell"])
def test_it_is_not_taken_away_under_a_job(project: Project, how: str) -> None:
    project.make(*BASE)
    before = state(project.venv)
    argv = [str(python_in(project.venv)), "-c", JOB]
    environ = project.environ()
    if how != "by its path":
        argv[0] = "python"
        folder = executables_in(project.venv)
        environ |= {"PATH": f"{folder}{os.pathsep}{environ['PATH']}", "VIRTUAL_ENV": str(project.venv)}
    with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True) as job:
        try:
            assert job.stdout is not None
            assert job.stdout.readline() == "ready\n"
            status, document = project.adopt("--in-place")
            error: Any = document["error"]
            assert (status, error["code"]) == (2, "environment-in-use")
            assert error["evidence"][0].startswith(f"process {job.pid}: ")
            assert state(project.venv) == before
            assert project.adopt("--in-place", "--force")[0] == 0
        finally:
            job.kill()


@needs_shell
def test_a_shell_in_which_it_is_active_goes_on_with_the_new_one(project: Project) -> None:
    project.make(*BASE)
    project.install("numpy==2.4.0")
    lines = ". .venv/bin/activate; echo ready; read line; python -c 'import numpy; print(numpy.__version__)'"
    with subprocess.Popen(
        ["bash", "--norc", "-c", lines],
        cwd=project.root,
        env=project.environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == "ready\n"
        status, document = project.adopt("--in-place")
        assert status == 0, document["error"]
        assert shell.communicate("\n")[0] == "2.1.0\n"


def test_all_lists_what_is_there_and_changes_nothing(project: Project) -> None:
    project.make(*BASE)
    project.install("numpy==2.4.0")
    other = project.root / "plain"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    before = state(project.root / ".venv")
    done = project.run("adopt", "--all", project.root, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["environments"]
    assert (found["tensorflow"], found["in_place"]) == (f"tensorflow-cpu {OLDER}", True)
    assert [one["code"] for one in found["findings"]] == ["numpy-abi"]
    assert "wrong: numpy-abi" in project.run("adopt", "--all", project.root).stdout
    assert state(project.root / ".venv") == before
    assert project.run("adopt", "--all", "--in-place").returncode == 2


def test_an_interpreter_is_read_and_never_replaced(project: Project) -> None:
    done = project.run("adopt", sys.base_prefix, "--in-place", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "not-supported"


@needs_signals
@pytest.mark.parametrize("where", ["profile", "exchange"])
def test_killed_before_the_switch_the_same_command_goes_on(project: Project, where: str) -> None:
    project.make(*BASE)
    before = state(project.venv)
    # Ends itself when it is about to write the profile, or to change the names.
    code = (
        "import os, signal, sys\n"
        "from tfprov.envs import takeover\n"
        "from tfprov.pipeline import in_place\n"
        "def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{'in_place.write_through' if where == 'profile' else 'takeover.exchange'} = die\n"
        "from tfprov.cli import main\n"
        "main()\n"
    )
    argv = [sys.executable, "-I", "-c", code, "adopt", ".venv", "--in-place", "--set", "smoke.level=quick"]
    killed = subprocess.run(argv, cwd=project.root, env=project.environ(), capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert state(project.venv) == before
    if where == "exchange":
        refused = project.run("up")
        assert refused.returncode == 2
        assert f"`tfprov adopt '{project.venv}' --in-place` takes it over" in refused.stderr
    status, document = project.adopt("--in-place")
    assert status == 0, document["error"]
    project.imports("helper", "payload")
    assert project.run("rollback").returncode == 0
    assert state(leads_to(project)) == before


# Ends itself before its nth change to a folder, or its nth line of tfprov's own, counted from the moment at which the
# profile is written. Lines that look through processes are not counted: there is another number of those each time.
_AT_POINT = """
import itertools, os, signal, sys
from tfprov.envs import takeover
from tfprov.pipeline import in_place
kind, nth, armed = sys.argv.pop(1), int(sys.argv.pop(1)), []
count = {"change": 0, "line": 0}
write, exchange = in_place.write_through, takeover.exchange
def point(which="change"):
    if armed:
        count[which] += 1
        if (which, count[which]) == (kind, nth):
            os.kill(os.getpid(), signal.SIGKILL)
def trace(frame, event, _):
    file = frame.f_code.co_filename
    if "tfprov" not in file or file.endswith("holders.py"):
        return None
    if event == "line":
        point("line")
    return trace
def hook(event, arguments):
    changes = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate")
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if writes or event in changes:
        point()
def begin(*arguments, **more):
    armed.append(True)
    point()
    sys.settrace(trace)
    return write(*arguments, **more)
def exchanged(*arguments):
    point()
    exchange(*arguments)
    point()
in_place.write_through, takeover.exchange = begin, exchanged
sys.addaudithook(hook)
from tfprov.cli import main
try:
    main()
finally:
    armed.clear()
    print("points:", count["change"], count["line"], file=sys.stderr)
"""


# They take some six seconds each.
KILLED_PARTS = 6


@pytest.mark.skipif(
    "TFPROV_TEST_KILLS" not in os.environ, reason="takes minutes; TFPROV_TEST_KILLS says at how many points"
)
@pytest.mark.parametrize("part", range(KILLED_PARTS))
def test_killed_at_any_point_of_the_switch_a_whole_environment_is_at_the_path(
    project: Project, tmp_path: Path, part: int
) -> None:
    """Before every change, and for the rest of the points that are wanted between two lines."""
    project = dataclasses.replace(project, home=project.root / "home")
    project.make(*BASE)
    before = state(project.venv)

    def adopt(kind: str, nth: int) -> subprocess.CompletedProcess[str]:
        argv = [
            sys.executable,
            "-I",
            "-c",
            _AT_POINT,
            kind,
            str(nth),
            "adopt",
            ".venv",
            "--in-place",
            "--set",
            "smoke.level=quick",
        ]
        return subprocess.run(
            argv, cwd=project.root, env=project.environ(), capture_output=True, text=True, check=False
        )

    # Everything is built, and nothing of the switch is done.
    assert adopt("change", 1).returncode == -signal.SIGKILL
    saved = tmp_path / "saved"
    project.root.rename(saved)

    def again() -> None:
        shutil.rmtree(project.root, ignore_errors=True)
        shutil.copytree(saved, project.root, symlinks=True)

    again()
    whole = adopt("change", 0)
    assert whole.returncode == 0, whole.stderr
    changes, lines = map(int, whole.stderr.rpartition("points: ")[2].split())
    more = max(0, int(os.environ["TFPROV_TEST_KILLS"]) - changes)
    points = [("change", 1 + number) for number in range(changes)]
    points += [("line", 1 + number * lines // more) for number in range(more)]
    told: dict[str, int] = {"old": 0, "new": 0}
    for kind, nth in points[part::KILLED_PARTS]:
        again()
        killed = adopt(kind, nth)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        if project.venv.is_symlink():
            told["new"] += 1
            project.imports("helper", "payload")
        else:
            told["old"] += 1
            assert state(project.venv) == before
        status, document = (0, {}) if project.venv.is_symlink() else project.adopt("--in-place")
        assert status == 0, document
        done = project.run("up")
        assert done.returncode == 0, done.stderr
        project.imports("helper", "payload")
        assert project.run("rollback", "tfprov.toml", "0").returncode == 0
        assert state(leads_to(project)) == before
    print(f"{sum(told.values())} of {len(points)} points, {changes} of them changes: {told}")
    assert sum(told.values()) == len(points[part::KILLED_PARTS])
