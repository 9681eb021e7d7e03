"""`./bootstrap` from the first start to the next one: real environments of a small project, made by uv or by pip."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import bootstrapping
from bootstrapping import checkout, environ, program, start
from loopback import Faults, Index

pytestmark = pytest.mark.skipif(os.name != "posix", reason="users, mounts and signals of POSIX")

MADE, AGAIN = "making tfprov's own environment", "tfprov's own environment is broken: making it anew"


def roots(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.is_dir())


def can_mount() -> bool:
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(
    shutil.which("unshare") is None or not can_mount(), reason="mounting needs root and unshare"
)


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def mounted(mounts: str, bootstrap: Path, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run it where these mounts were made first."""
    command = ["unshare", "--mount", "sh", "-ec", f'{mounts}\nexec "$0" -I "$@"', sys.executable, str(bootstrap)]
    return subprocess.run([*command, *arguments], env=env, capture_output=True, text=True, check=False, timeout=120)


def read_only(folder: Path) -> str:
    return f"mount --bind '{folder}' '{folder}'\nmount -o remount,bind,ro '{folder}'"


def noexec(folder: Path) -> str:
    return f"mount -t tmpfs -o noexec,mode=755 none '{folder}'"


def test_the_environment_is_made_once_and_used_by_every_python(tmp_path: Path) -> None:
    bootstrap, env = checkout(tmp_path / "a b"), environ(tmp_path)

    first = start(bootstrap, "up", "x", env=env)
    second = start(bootstrap, "up", env={**env, "PATH": os.defpath})
    shell = subprocess.run([str(bootstrap), "list"], env=env, capture_output=True, text=True, check=True, timeout=60)

    assert (first.returncode, first.stdout) == (0, "arguments up x\n"), first.stderr
    assert MADE in first.stderr
    assert (second.stdout, second.stderr) == ("arguments up\n", "")
    assert (shell.stdout, shell.stderr) == ("arguments list\n", "")
    assert len(roots(bootstrap.parent / ".bootstrap")) == 1


def test_another_python_that_is_asked_for_makes_another_environment(tmp_path: Path) -> None:
    others = [path for path in (os.path.realpath("/usr/bin/python3"),) if path != os.path.realpath(sys.executable)]
    if not others or not os.access(others[0], os.X_OK):
        pytest.skip("no second Python")
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path)
    start(bootstrap, env={**env, "TFPROV_PYTHON": sys.executable})

    asked = start(bootstrap, env={**env, "TFPROV_PYTHON": others[0]})
    again = start(bootstrap, env={**env, "TFPROV_PYTHON": others[0]})

    assert MADE.split(maxsplit=1)[0] in asked.stderr
    assert again.stderr == ""


@pytest.mark.parametrize("damage", ["file", "interpreter", "stamp"])
def test_a_broken_environment_is_made_anew(tmp_path: Path, damage: str) -> None:
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path)
    start(bootstrap, env=env)
    place = bootstrap.parent / ".bootstrap"
    root, stamp = place / roots(place)[0], next(place.glob("*.json"))
    if damage == "file":
        next(root.rglob("tfprov.pth")).unlink()
    elif damage == "interpreter":
        (root / "bin/python").unlink()
        (root / "bin/python").symlink_to("/usr/bin/env")
    else:
        stamp.write_text("{")

    ended = start(bootstrap, "up", env=env)

    assert ended.stdout == "arguments up\n"
    assert AGAIN in ended.stderr
    assert root.name not in roots(place)
    assert json.loads(stamp.read_text())["root"] == roots(place)[0]


def test_others_can_write_nowhere_and_what_they_could_write_to_is_made_anew(tmp_path: Path) -> None:
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path)
    before = os.umask(0)
    try:
        start(bootstrap, env=env)
    finally:
        os.umask(before)
    place = bootstrap.parent / ".bootstrap"
    assert writable_for_all(place) == []
    place.chmod(0o777)

    ended = start(bootstrap, "up", env=env)

    assert (ended.returncode, ended.stdout) == (0, "arguments up\n")
    assert MADE in ended.stderr
    assert writable_for_all(place) == []
    assert start(bootstrap, env=env).stderr == ""


def writable_for_all(place: Path) -> list[str]:
    """Paths that anybody may write to, without the empty file that uv locks and makes so on purpose."""
    found = [path for path in (place, *place.rglob("*")) if path.name != ".lock" and not path.is_symlink()]
    return [str(path.relative_to(place)) for path in found if path.stat().st_mode & 0o002]


def test_two_at_a_time_build_once(tmp_path: Path) -> None:
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path)
    command = [sys.executable, "-I", str(bootstrap), "up"]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    ended = [(*child.communicate(timeout=120), child.returncode) for child in both]

    assert [(out, status) for out, _, status in ended] == [(b"arguments up\n", 0)] * 2
    assert sorted(MADE.encode() in err for _, err, _ in ended) == [False, True]


def test_an_environment_in_which_something_runs_stays_when_the_checkout_changes(tmp_path: Path) -> None:
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path)
    project, place = bootstrap.parent / "pyproject.toml", bootstrap.parent / ".bootstrap"
    program = bootstrap.parent / "src/tfprov/__main__.py"
    program.write_text("import sys\nprint('here', flush=True)\nsys.stdin.read()\nimport late\n")
    command = [sys.executable, "-I", str(bootstrap)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}

    def change() -> None:
        project.write_text(project.read_text() + "# changed\n")

    with subprocess.Popen(command, env=env, **pipes) as running:  # type: ignore[call-overload] - the pipes above
        assert running.stdout.readline() == "here\n"
        (old,) = roots(place)
        # Imported once another environment was made: it lies in the old one.
        (next((place / old).glob("lib/python*/site-packages")) / "late.py").write_text("print('late')\n")
        change()
        assert start(bootstrap, env=env).returncode != 0, "`late` is not in the new one"
        assert old in roots(place) and len(roots(place)) == 2
        assert running.communicate(timeout=60)[0] == "late\n"
    change()
    start(bootstrap, env=env)
    assert len(roots(place)) == 1


def test_without_locks_each_builds_for_itself_and_sweeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path)
    (bootstrap.parent / ".bootstrap/of-another").mkdir(parents=True)
    module = bootstrapping.loaded()
    monkeypatch.setattr(module, "HERE", bootstrap.parent)
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)

    assert module.environment(set()).exists()
    assert "of-another" in roots(bootstrap.parent / ".bootstrap")


@needs_mounts
def test_a_read_only_checkout_with_an_environment_uses_it(tmp_path: Path) -> None:
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path)
    start(bootstrap, env=env)

    ended = mounted(read_only(tmp_path), bootstrap, "up", env={**env, "PATH": os.defpath})

    assert (ended.stdout, ended.stderr) == ("arguments up\n", "")


@needs_mounts
def test_a_read_only_checkout_keeps_its_environment_with_the_users_data(tmp_path: Path) -> None:
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path / "home")
    (tmp_path / "home").mkdir()

    first = mounted(read_only(bootstrap.parent), bootstrap, "up", env=env)
    second = mounted(read_only(bootstrap.parent), bootstrap, "up", env=env)

    assert first.stdout == "arguments up\n", first.stderr
    assert (second.stdout, second.stderr) == ("arguments up\n", "")
    assert not (bootstrap.parent / ".bootstrap").exists()
    assert list((tmp_path / "home/tfprov/bootstrap").iterdir())


@needs_mounts
def test_a_folder_mounted_noexec_is_passed_over_and_named_when_there_is_no_other(tmp_path: Path) -> None:
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path / "home")
    place = bootstrap.parent / ".bootstrap"
    place.mkdir()
    (tmp_path / "home/tfprov").mkdir(parents=True)

    elsewhere = mounted(noexec(place), bootstrap, "up", env=env)
    nowhere = mounted(f"{noexec(place)}\n{noexec(tmp_path / 'home/tfprov')}", bootstrap, "up", env=env)

    assert elsewhere.stdout == "arguments up\n", elsewhere.stderr
    assert (nowhere.returncode, nowhere.stdout) == (14, "")
    assert nowhere.stderr.startswith(
        "error[permission-denied]: there is no folder to keep tfprov's own environment in\n"
    )
    assert nowhere.stderr.count("mounted noexec") == 2
    assert MADE not in nowhere.stderr


@needs_mounts
def test_an_environment_that_became_noexec_is_not_used(tmp_path: Path) -> None:
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path / "home")
    (tmp_path / "home").mkdir()
    start(bootstrap, env=env)
    place = bootstrap.parent / ".bootstrap"

    ended = mounted(
        f"mount --bind '{place}' '{place}'\nmount -o remount,bind,noexec '{place}'", bootstrap, "up", env=env
    )

    assert ended.stdout == "arguments up\n", ended.stderr
    assert list((tmp_path / "home/tfprov/bootstrap").iterdir())


def test_no_temporary_folder_and_no_cache_are_needed(tmp_path: Path) -> None:
    bootstrap = checkout(tmp_path / "c")
    env = environ(tmp_path, TMPDIR="/nonexistent", XDG_CACHE_HOME="/proc/none")

    assert start(bootstrap, "up", env=env).stdout == "arguments up\n"
    assert not list((bootstrap.parent / ".bootstrap").glob("tmp-*"))


def test_a_damaged_cache_of_uv_is_done_without(tmp_path: Path) -> None:
    bootstrap = checkout(tmp_path / "c")
    env = environ(tmp_path, UV_CACHE_DIR=str(tmp_path / "cache"))
    assert start(bootstrap, "up", env=env).returncode == 0
    parts = [part for part in (tmp_path / "cache").iterdir() if part.is_dir()]
    assert parts
    done_without = 0
    for part in parts:
        # What should be a folder is none.
        kept = part.rename(tmp_path / part.name)
        part.write_bytes(b"")
        shutil.rmtree(bootstrap.parent / ".bootstrap")

        ended = start(bootstrap, "up", env=env)

        assert (ended.returncode, ended.stdout) == (0, "arguments up\n"), ended.stderr
        done_without += "once more, without uv's cache" in ended.stderr
        part.unlink(missing_ok=True)
        kept.rename(part)
    assert done_without


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_what_a_killed_bootstrap_started_ends_and_its_folder_is_not_used_again(tmp_path: Path, how: str) -> None:
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path)
    program(
        tmp_path / "slow/uv",
        '#!/bin/sh\ncase "$1" in --version) echo uv 99.0;; *)\n'
        f'for last in "$@"; do :; done; mkdir -p "$last"; sleep 300 & echo $! $$ "$last" > {tmp_path}/new\n'
        f"mv {tmp_path}/new {tmp_path}/pids; wait;; esac\n",
    )
    command = [sys.executable, "-I", str(bootstrap), "up"]
    slow = {**env, "PATH": f"{tmp_path / 'slow'}:{os.defpath}"}
    # A job in the background of a script is started with Ctrl-C ignored, and would hand that down.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    child = subprocess.Popen(command, env=slow, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    signal.signal(signal.SIGINT, inherited)
    deadline = time.monotonic() + 60
    while not (tmp_path / "pids").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    *pids, folder = (tmp_path / "pids").read_text().split()
    child.send_signal(getattr(signal, how))
    child.wait(timeout=60)
    while any(_runs(int(pid)) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert not [pid for pid in pids if _runs(int(pid))]
    assert start(bootstrap, "up", env=env).stdout == "arguments up\n"
    assert not Path(folder).exists()
    assert len(roots(bootstrap.parent / ".bootstrap")) == 1


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_failed_build_ends_with_the_status_of_its_cause_and_leaves_nothing(tmp_path: Path) -> None:
    bootstrap = checkout(tmp_path / "c")
    program(
        tmp_path / "bin/uv",
        '#!/bin/sh\ncase "$1" in --version) echo uv 99.0;;\n'
        'venv) for last in "$@"; do :; done; mkdir -p "$last/bin";; *)\n'
        "echo 'error: failed to write to http://me:secret@index.invalid: No space left on device (os error 28)' >&2\n"
        "exit 2;; esac\n",
    )

    ended = start(bootstrap, "up", env={**environ(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.defpath}"})

    assert (ended.returncode, ended.stdout) == (14, "")
    assert "error[disk-full]: `pip install --quiet` ended with status 2\n" in ended.stderr
    assert "No space left on device" in ended.stderr
    assert "secret" not in ended.stderr
    assert roots(bootstrap.parent / ".bootstrap") == []


def test_pip_builds_where_uv_cannot_be_had(tmp_path: Path) -> None:
    """pip is told to use no index; the small project needs none."""
    bootstrap = checkout(tmp_path / "c")
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").write_text("[global]\nno-index = yes\n")

    ended = start(bootstrap, "up", env={**environ(tmp_path), "PATH": os.defpath})

    assert ended.stdout == "arguments up\n", ended.stderr
    assert next((bootstrap.parent / ".bootstrap").glob("*/lib/python*/site-packages/pip"))


@pytest.mark.network
def test_tfprov_itself_is_made_with_uv_from_the_configured_index(tmp_path: Path) -> None:
    folder = tmp_path / "tfprov"
    folder.mkdir()
    for name in ("bootstrap", "pyproject.toml", "README.md"):
        shutil.copy(bootstrapping.FILE.parent / name, folder)
    for name in ("src", "profiles"):
        shutil.copytree(bootstrapping.FILE.parent / name, folder / name)
    env = {name: value for name, value in os.environ.items() if name != "TFPROV_HOME"}

    ended = start(folder / "bootstrap", "--version", env={**env, "PATH": os.defpath}, timeout=300)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("tfprov ")
    assert not list((folder / ".bootstrap").glob("*/lib/python*/site-packages/pip"))


@pytest.mark.parametrize("reached", [True, False])
def test_uv_brings_a_python_where_none_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    """The download is played: a place that Pythons come from is not in reach of every machine that runs this."""
    bootstrap, env = checkout(tmp_path / "c"), environ(tmp_path)
    broken = program(tmp_path / "old/python3", "#!/bin/sh\necho too bad >&2\nexit 1\n")
    real = shutil.which("uv", path=env["PATH"])
    bring = f'mkdir -p "$6/cpython/bin"; ln -s "{sys.executable}" "$6/cpython/bin/python3"'
    fail = "echo 'error: dns error' >&2; exit 1"
    script = f'#!/bin/sh\nif [ "$1" = python ]; then {bring if reached else fail}; else exec "{real}" "$@"; fi\n'
    program(tmp_path / "bin/uv", script)
    module = bootstrapping.loaded()
    monkeypatch.setattr(module, "HERE", bootstrap.parent)
    monkeypatch.setattr(module, "pythons", lambda place: [str(broken), *map(str, place.glob("pythons/*/bin/python3"))])
    for name, value in {**env, "PATH": f"{tmp_path / 'bin'}:{os.defpath}"}.items():
        monkeypatch.setenv(name, value)

    if reached:
        python = module.environment(set())
        assert subprocess.run([python, "-m", "tfprov"], capture_output=True, check=True).stdout == b"arguments\n"
        return
    with pytest.raises(module.Problem) as caught:
        module.environment(set())
    assert (caught.value.code, caught.value.status) == ("python-not-found", 10)
    assert caught.value.evidence == (f"`{broken}` is broken: too bad", "uv cannot bring one:", "error: dns error")


@pytest.mark.parametrize(("python", "status", "code"), [("with pip", 0, ""), ("without pip", 12, "mirror-http-error")])
def test_an_index_that_refuses_is_left_to_pip_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str, status: int, code: str
) -> None:
    """pip may have a keyring for it. The small project itself needs no index."""
    bootstrap = checkout(tmp_path / "c")
    module = bootstrapping.loaded()
    base = module.Python(sys.executable, True, python == "with pip", False)
    with Index({}, Faults(login="me:secret")) as index:
        for name, value in {**environ(tmp_path), "PATH": os.defpath, "PIP_INDEX_URL": index.simple}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(module, "HERE", bootstrap.parent)
        monkeypatch.setattr(module, "base_python", lambda place: (base, []))
        if not status:
            assert isinstance(module.tool_and_base(tmp_path, tmp_path)[0], module.Pip)
            return
        with pytest.raises(module.Problem) as caught:
            module.tool_and_base(tmp_path, tmp_path)
    assert (caught.value.code, caught.value.status) == (code, status)
    assert "401" in caught.value.evidence[0]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_not_a_file_of_ours(tmp_path: Path, closed: str) -> None:
    bootstrap = checkout(tmp_path)
    told = tmp_path / "told"
    (tmp_path / "src/tfprov/__main__.py").write_text(
        "import os, sys\nprint('arguments')\nprint('words', file=sys.stderr)\nsys.stdout.flush()\n"
        f"open({str(told)!r}, 'w').write(' '.join(os.readlink(f'/proc/self/fd/{{each}}') for each in range(3)))\n"
    )
    command = f'"$0" -I "$1" {closed}'
    for _ in range(2):  # makes the environment, and uses it
        done = subprocess.run(
            ["sh", "-c", command, sys.executable, str(bootstrap)],
            env=environ(tmp_path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done
        assert str(tmp_path) not in told.read_text()


@pytest.mark.parametrize("full", ["2>&-", pytest.param("2>/dev/full", marks=needs_full)])
def test_a_failure_that_cannot_be_told_has_its_status(tmp_path: Path, full: str) -> None:
    bootstrap = checkout(tmp_path)
    script = f'"$0" -I "$1" {full}'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, str(bootstrap)],
        env={**environ(tmp_path), "TFPROV_PYTHON": "/nowhere/python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 10, done


def test_where_a_program_cannot_be_replaced_it_decides_what_ctrl_c_means(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where bootstrap waits for tfprov, and that for an interactive Python."""
    bootstrap = bootstrapping.loaded()
    monkeypatch.setattr(bootstrap, "WINDOWS", True)
    handles_it = "import os, signal, sys, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(1); sys.exit(7)"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert bootstrap.become([sys.executable, "-c", handles_it]) == 7
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_python_without_its_whole_standard_library_is_passed_over(tmp_path: Path) -> None:
    """As in Debian's python3-minimal."""
    bootstrap = checkout(tmp_path)
    stub = tmp_path / "bin" / "python3"
    stub.parent.mkdir()
    no_module = "echo \"ModuleNotFoundError: No module named 'shlex'\" >&2; exit 1"
    stub.write_text(f'#!/bin/sh\ncase "$*" in *shlex*|*bootstrap*) {no_module} ;; esac\n')
    stub.chmod(0o755)
    own = environ(tmp_path)
    path = os.pathsep.join([str(stub.parent), own["PATH"]])
    done = subprocess.run([bootstrap], env={**own, "PATH": path}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "arguments\n"), done.stderr


def test_a_python_that_lacks_a_module_says_which(tmp_path: Path) -> None:
    bootstrap = checkout(tmp_path)
    code = "import runpy, sys; sys.modules['shlex'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, bootstrap],
        env=environ(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 10
    assert done.stderr.startswith("error[python-broken]: this Python lacks a part of its standard library\n")
    assert "shlex" in done.stderr
    assert "Traceback" not in done.stderr
