from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tfprov.bundle import starter
from tfprov.bundle.starting import bootstrap
from tfprov.host.facts import gather
from tfprov.paths import home
from tfprov.pipeline.other_platforms import name_of


def test_the_starter_has_the_name_of_this_platform_that_the_facts_have() -> None:
    assert starter.this_platform() == name_of(gather({"PATH": ""}))


def test_messages_name_the_file_as_the_shell_of_the_system_takes_it() -> None:
    assert starter.typed("/media/it's a bundle/bootstrap", windows=False) == "'/media/it'\"'\"'s a bundle/bootstrap'"
    assert starter.typed("E:\\R&D\\bootstrap", windows=True) == 'py "E:\\R&D\\bootstrap"'


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("linux", "x86_64", "linux-x86_64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("darwin", "arm64", "macos-arm64"),
        ("darwin", "x86_64", "macos-x86_64"),
        ("win32", "AMD64", "windows-amd64"),
    ],
)
def test_every_platform_has_the_name_that_profiles_use(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, name: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert starter.this_platform() == name


def test_the_starter_keeps_its_tools_where_tfprov_keeps_its_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path))
    for mode in (0o700, 0o755, 0o775, 0o2775, 0o777, 0o1777, 0o555):
        tmp_path.chmod(mode)
        assert starter.data_folder() == home({"TFPROV_HOME": str(tmp_path)}).data
    tmp_path.chmod(0o700)
    monkeypatch.delenv("TFPROV_HOME")
    assert starter.data_folder() == home({}).data
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    (folder := home({}).data).mkdir(parents=True)
    folder.chmod(0o777)
    assert starter.data_folder() == home({}).data


@pytest.mark.skipif(os.name != "posix", reason="Windows asks the system for the folder")
@pytest.mark.parametrize(
    "variables",
    [{"HOME": "not absolute"}, {"HOME": "relative", "XDG_DATA_HOME": "x"}, {"TFPROV_HOME": "~nobody here/x"}],
)
def test_without_a_home_the_next_step_is_said(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in ("TFPROV_HOME", "XDG_DATA_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(starter.StarterError, match="no home directory") as failure:
        starter.data_folder()
    assert (failure.value.code, failure.value.status) == ("permission-denied", 14)
    assert "TFPROV_HOME" in failure.value.hint


def test_the_file_is_one_for_a_shell_and_for_python_and_imports_only_the_standard_library() -> None:
    text = bootstrap().decode()
    assert text.startswith("#!/bin/sh\n'''':\n")
    tree = ast.parse(text)
    compile(tree, "bootstrap", "exec")
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in modules} <= sys.stdlib_module_names


def small_bundle(folder: Path) -> Path:
    """A bundle whose tfprov is a few lines; it prints what it finds."""
    files = {
        "tfprov/__init__.py": "",
        "tfprov/cli.py": "from tfprov.words import WORD\ndef main():\n    print(WORD)\n",
        "tfprov/words.py": 'WORD = "started"\n',
        "small-1.data/scripts/tool": "#!/bin/sh\n",
    }
    wheel = folder / "wheels" / "small-1-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    path = "wheels/small-1-py3-none-any.whl"
    entry = {"path": path, "sha256": starter.digest(wheel), "here": True}
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    tool = {"platform": starter.this_platform(), "python": minor, "wheels": [path]}
    (folder / "bundle.json").write_text(json.dumps({"files": [entry], "tools": [tool]}))
    (folder / "bootstrap").write_bytes(bootstrap())
    return folder


def started(bundle: Path, home: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(bundle / "bootstrap"), "facts"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "TFPROV_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def _cache(lib: Path) -> Path:
    (found,) = (lib / "tfprov" / "__pycache__").glob("words.*.pyc")
    return found


def _backdated(path: Path, text: str) -> None:
    """Other content of the same size and time."""
    status = path.stat()
    assert len(text) == status.st_size
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a module is missing": lambda folder: (folder / "lib/tfprov/words.py").unlink(),
    "a module is cut": lambda folder: (folder / "lib/tfprov/cli.py").write_text("def"),
    "a module is empty": lambda folder: (folder / "lib/tfprov/words.py").write_bytes(b""),
    "another word, same size and time": lambda folder: _backdated(folder / "lib/tfprov/words.py", 'WORD = "st0rted"\n'),
    "the launcher is missing": lambda folder: (folder / "tfprov.py").unlink(),
    "the launcher is another": lambda folder: (folder / "tfprov.py").write_text("raise SystemExit(3)"),
    "a module hides the library": lambda folder: (folder / "lib/json.py").write_text("raise SystemExit(4)"),
    "a package is gone": lambda folder: shutil.rmtree(folder / "lib/tfprov"),
    "everything is gone": shutil.rmtree,
    "a file in place of the folder": lambda folder: (shutil.rmtree(folder), folder.write_text("")),
    "a folder in place of a module": lambda folder: (
        (folder / "lib/tfprov/words.py").unlink(),
        (folder / "lib/tfprov/words.py").mkdir(),
    ),
    "a link in place of a module": lambda folder: (
        (folder / "lib/tfprov/words.py").unlink(),
        (folder / "lib/tfprov/words.py").symlink_to("/dev/null"),
    ),
    "a file in place of a package": lambda folder: (
        shutil.rmtree(folder / "lib/tfprov"),
        (folder / "lib/tfprov").write_text(""),
    ),
    "the bytecode is cut": lambda folder: _cache(folder / "lib").write_bytes(_cache(folder / "lib").read_bytes()[:20]),
    "the record is missing": lambda folder: (folder / "files.json").unlink(),
    "the record is damaged": lambda folder: (folder / "files.json").write_text("[]"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_was_unpacked_heals_from_the_bundle(tmp_path: Path, damage: str) -> None:
    bundle, home_ = small_bundle(tmp_path / "bundle"), tmp_path / "home"
    for _ in range(2):  # the second time with bytecode
        assert started(bundle, home_).stdout == "started\n"
    (folder,) = (home_ / "data" / "tools").iterdir()
    assert started(bundle, home_).stdout == "started\n"  # that notes the bytecode
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.py")}
    DAMAGE[damage](folder)
    for _ in range(2):
        done = started(bundle, home_)
        assert (done.stdout, done.stderr) == ("started\n", "")
    assert [path.name for path in (home_ / "data" / "tools").iterdir()] == [folder.name]
    assert set(before) == set(folder.rglob("*.py"))
    assert not (folder / "lib" / "json.py").exists()


def test_what_is_whole_is_not_written_again(tmp_path: Path) -> None:
    bundle, home_ = small_bundle(tmp_path / "bundle"), tmp_path / "home"
    for _ in range(3):
        started(bundle, home_)
    (folder,) = (home_ / "data" / "tools").iterdir()
    # The time of the record says when it was last started.
    before = {path: path.stat().st_ctime_ns for path in folder.rglob("*") if path.name != starter.RECORD}
    last = (folder / starter.RECORD).stat().st_mtime_ns
    shutil.rmtree(bundle / "wheels")  # and no wheel is read
    assert started(bundle, home_).stdout == "started\n"
    assert {path: path.stat().st_ctime_ns for path in before} == before
    assert (folder / starter.RECORD).stat().st_mtime_ns > last


def test_a_file_that_was_only_touched_is_read_and_kept(tmp_path: Path) -> None:
    bundle, home_ = small_bundle(tmp_path / "bundle"), tmp_path / "home"
    started(bundle, home_)
    (folder,) = (home_ / "data" / "tools").iterdir()
    (folder / "lib" / "tfprov" / "words.py").touch()
    shutil.rmtree(bundle / "wheels")
    assert started(bundle, home_).stdout == "started\n"


def test_what_killed_starters_left_is_swept_when_something_is_unpacked(tmp_path: Path) -> None:
    bundle, home_ = small_bundle(tmp_path / "bundle"), tmp_path / "home"
    tools = home_ / "data" / "tools"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tools / f".new-{gone.pid}-abc").mkdir(parents=True)
    (tools / f".old-{gone.pid}-abc").mkdir()
    for left in tools.iterdir():
        os.utime(left, (1, 1))  # on Windows their age decides
    living = tools / f".new-{os.getpid()}-abc"
    living.mkdir()
    assert started(bundle, home_).stdout == "started\n"
    assert {path.name for path in tools.iterdir() if path.name.startswith(".")} == {living.name}


def test_on_windows_the_age_of_what_a_killed_starter_left_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (f".new-{os.getpid()}-old", f".new-{os.getpid()}-fresh"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / f".new-{os.getpid()}-old", (1, 1))
    monkeypatch.setattr(starter, "os", SimpleNamespace(**{**vars(os), "name": "nt"}))
    starter.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f".new-{os.getpid()}-fresh"]


@pytest.mark.skipif(os.name != "posix", reason="Windows deletes nothing that is open")
def test_what_a_starter_in_another_container_unpacks_stays(tmp_path: Path) -> None:
    """Its process id is that of nobody here."""
    bundle, home_ = small_bundle(tmp_path / "bundle"), tmp_path / "home"
    tools = home_ / "data" / "tools"
    tools.mkdir(parents=True)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with starter.staging(tools) as stage:
        theirs = stage.rename(tools / f".new-{gone.pid}-abc")
        assert started(bundle, home_).stdout == "started\n"
        assert theirs.is_dir()
    (next(path for path in tools.iterdir() if not path.name.startswith(".")) / "files.json").unlink()
    assert started(bundle, home_).stdout == "started\n"
    assert not theirs.exists()


def test_many_at_once_start_and_heal(tmp_path: Path) -> None:
    bundle, home_ = small_bundle(tmp_path / "bundle"), tmp_path / "home"
    for damage in (None, "a module is missing", "everything is gone"):
        if damage:
            (folder,) = (home_ / "data" / "tools").iterdir()
            DAMAGE[damage](folder)
        with ThreadPoolExecutor(6) as pool:
            done = list(pool.map(lambda _: started(bundle, home_), range(6)))
        assert {(one.stdout, one.stderr) for one in done} == {("started\n", "")}


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can be two users")
def test_two_users_of_one_folder_start_files_of_their_own(tmp_path: Path) -> None:
    place = Path(tempfile.mkdtemp(prefix="tfprov-two-", dir="/tmp"))  # where others may look in, and links lead to none
    try:
        bundle, home_ = small_bundle(place / "bundle"), place / "home"
        (home_ / "data" / "tools").mkdir(parents=True)
        for path in (place, *place.rglob("*")):
            path.chmod(0o777)
        python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
        if python is None:
            pytest.skip("no Python that another user may start")
        words = json.loads((bundle / "bundle.json").read_text())
        minor = subprocess.run(
            [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        words["tools"][0]["python"] = minor
        (bundle / "bundle.json").write_text(json.dumps(words))
        for user in (1234, 4321, 1234):
            done = subprocess.run(
                [python, "-I", str(bundle / "bootstrap"), "facts"],
                env={"PATH": os.environ["PATH"], "HOME": str(home_), "TFPROV_HOME": str(home_)},
                capture_output=True,
                text=True,
                check=False,
                user=user,
                group=user,
            )
            assert (done.stdout, done.stderr) == ("started\n", ""), user
        tools = {user: home_ / f"user-{user}" / "data" / "tools" for user in (1234, 4321)}
        assert {path.stat().st_uid for path in tools[1234].iterdir()} == {1234}
        assert {path.stat().st_uid for path in tools[4321].iterdir()} == {4321}
        shut = tools[1234]
        shutil.rmtree(shut)
        shut.mkdir(mode=0o700)
        refused = subprocess.run(
            [python, "-I", str(bundle / "bootstrap"), "facts"],
            env={"PATH": os.environ["PATH"], "HOME": str(home_), "TFPROV_HOME": str(home_)},
            capture_output=True,
            text=True,
            check=False,
            user=1234,
            group=1234,
        )
        assert refused.returncode == 14
        assert refused.stderr.startswith("error[permission-denied]: ")
        assert "hint: set TFPROV_HOME" in refused.stderr
    finally:
        shutil.rmtree(place)


@pytest.mark.skipif(os.name != "posix", reason="the shell part is for POSIX")
@pytest.mark.parametrize(
    "place",
    [
        *(".pyenv/versions/3.x/bin", ".local/share/uv/python/cpython-3.x/bin", ".asdf/installs/python/3.x/bin"),
        *(".local/share/mise/installs/python/3.x/bin", ".rye/py/cpython@3.x/bin", "miniconda3/bin", "miniforge3/bin"),
        *("anaconda3/envs/tf/bin", "micromamba/envs/tf/bin", ".pixi/envs/tf/bin", ".local/bin"),
        *(".local/share/hatch/pythons/3.x/python/bin", ".local/share/pdm/python/cpython@3.x/bin"),
    ],
)
def test_a_python_is_found_wherever_tfprov_itself_finds_one(tmp_path: Path, place: str) -> None:
    bundle, home_ = small_bundle(tmp_path / "bundle"), tmp_path / "a home"
    words = json.loads((bundle / "bundle.json").read_text())
    words["tools"][0]["python"] = "3.99"
    (bundle / "bundle.json").write_text(json.dumps(words))
    folder = home_ / place
    folder.mkdir(parents=True)
    # A stand-in of a version that no machine has; the real ones are all refused.
    (folder / "python3").write_text('#!/bin/sh\ncase "$*" in *import*) exit 0;; esac\necho "found $0"\n')
    (folder / "python3").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(bundle / "bootstrap"), "facts"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(home_), "TFPROV_HOME": str(tmp_path / "t")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"found {folder / 'python3'}\n", done.stderr


def _carrying(folder: Path) -> Path:
    """A bundle with an interpreter, a stand-in of a version that no machine has."""
    bundle = small_bundle(folder)
    words = json.loads((bundle / "bundle.json").read_text())
    words["tools"][0]["python"] = "3.99"
    (bundle / "bundle.json").write_text(json.dumps(words))
    stand_in = folder.parent / "stand-in"
    stand_in.write_text('#!/bin/sh\ncase "$*" in *import*) exit 0;; esac\necho "found $0"\n')
    stand_in.chmod(0o755)
    packed = bundle / "python" / "cpython-3.99.tar.gz"
    packed.parent.mkdir()
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(stand_in, "bin/python3")
    (bundle / "SHA256SUMS").write_text(f"{starter.digest(packed)}  python/{packed.name}\n")
    return bundle


def _in_shell(bundle: Path, programs: Path, *lacking: str, **scripts: str) -> subprocess.CompletedProcess[str]:
    """Start a bundle where PATH has only the programs that its shell part needs, some of them missing or replaced."""
    programs.mkdir()
    needed = {"dirname", "basename", "grep", "gzip", "id", "ls", "mkdir", "mv", "rm", "tar", "sha256sum", "shasum"}
    for name in needed - {*lacking}:
        if name in scripts:
            (programs / name).write_text(f"#!/bin/sh\n{scripts[name]}\n")
            (programs / name).chmod(0o755)
        elif place := shutil.which(name):
            (programs / name).symlink_to(place)
    return subprocess.run(
        ["/bin/sh", str(bundle / "bootstrap"), "facts"],
        env={"PATH": str(programs), "HOME": str(bundle.parent / "home"), "TFPROV_HOME": str(bundle.parent / "t")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.name != "posix", reason="the shell part is for POSIX")
@pytest.mark.parametrize("lacking", ["sha256sum", "shasum"])
def test_an_interpreter_that_came_along_is_checked_with_what_there_is(tmp_path: Path, lacking: str) -> None:
    if not shutil.which("shasum" if lacking == "sha256sum" else "sha256sum"):
        pytest.skip("this system has only the other program")
    bundle = _carrying(tmp_path / "bundle")
    python = tmp_path / "t/data/pythons/cpython-3.99/bin/python3"
    assert _in_shell(bundle, tmp_path / "programs", lacking).stdout == f"found {python}\n"
    (bundle / "SHA256SUMS").write_text("")
    shutil.rmtree(tmp_path / "t")
    done = _in_shell(bundle, tmp_path / "more", lacking)
    assert (done.returncode, "is damaged" in done.stderr) == (13, True)


@pytest.mark.skipif(os.name != "posix", reason="the shell part is for POSIX")
def test_an_interpreter_that_cannot_be_checked_is_not_called_damaged(tmp_path: Path) -> None:
    done = _in_shell(_carrying(tmp_path / "bundle"), tmp_path / "programs", "sha256sum", "shasum")
    assert (done.returncode, "neither sha256sum nor shasum" in done.stderr) == (13, True)


@pytest.mark.skipif(os.name != "posix", reason="the shell part is for POSIX")
def test_nothing_is_left_of_an_interpreter_that_could_not_be_unpacked_or_was_there_first(tmp_path: Path) -> None:
    bundle, pythons = _carrying(tmp_path / "bundle"), tmp_path / "t/data/pythons"
    assert _in_shell(bundle, tmp_path / "a", tar="exit 2").returncode == 14
    assert list(pythons.iterdir()) == []
    # Another process unpacks the same one meanwhile.
    tar = f'{shutil.which("tar")} "$@" && {shutil.which("cp")} -R "$4" {pythons}/cpython-3.99'
    assert _in_shell(bundle, tmp_path / "b", tar=tar).returncode == 0
    assert [path.name for path in pythons.rglob("*")] == ["cpython-3.99", "bin", "python3"]


@pytest.mark.skipif(os.name != "posix", reason="the shell part is for POSIX")
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o2775])
def test_no_interpreter_is_started_that_another_user_may_have_put_into_a_common_folder(
    tmp_path: Path, mode: int
) -> None:
    bundle = _carrying(tmp_path / "bundle")
    for planted in ("any", "cpython-3.99"):
        evil = tmp_path / f"t/data/pythons/{planted}/bin/python3"
        evil.parent.mkdir(parents=True)
        evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/evil\n")
        evil.chmod(0o755)
    (tmp_path / "t").chmod(mode)
    python = tmp_path / f"t/user-{os.getuid()}/data/pythons/cpython-3.99/bin/python3"
    assert _in_shell(bundle, tmp_path / "programs").stdout == f"found {python}\n"
    assert not (tmp_path / "evil").exists()
    assert (tmp_path / f"t/user-{os.getuid()}").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can make a folder of another user")
def test_a_folder_of_another_user_under_our_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, own = _carrying(tmp_path / "bundle"), tmp_path / "t/user-0"
    own.mkdir(parents=True)
    os.chown(own, 1234, 1234)
    (tmp_path / "t").chmod(0o777)
    done = _in_shell(bundle, tmp_path / "programs")
    assert (done.returncode, done.stderr) == (
        2,
        f"error[path-not-ours]: `{own}` is not a folder that belongs to this user\n\n"
        "hint: set TFPROV_HOME to a folder that only you may write to\n",
    )
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path / "t"))
    with pytest.raises(starter.StarterError) as failure:
        starter.data_folder()
    found = failure.value
    assert (found.code, found.status, str(found)) == (
        "path-not-ours",
        2,
        f"`{own}` is not a folder that belongs to this user",
    )
