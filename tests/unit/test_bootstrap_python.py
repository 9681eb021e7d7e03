"""Which Python `./bootstrap` takes, and what it says of the others."""

from __future__ import annotations

import ast
import glob
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import bootstrapping
from tfprov.errors import CODES
from tfprov.paths import home

PYENV = "/".join([os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"), "versions"])
TOLD = {"version": [3, 12, 1], "level": "final", "bits": 64, "kind": "cpython", "lacks": [], "has": ["venv"]}


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delenv("TFPROV_PYTHON", raising=False)
    return bootstrapping.loaded()


def of_version(pattern: str) -> str:
    found = sorted(glob.glob(f"{PYENV}/{pattern}/bin/python"))
    return found[0] if found else pytest.skip(f"no Python {pattern} under pyenv")


def test_its_codes_have_the_exit_statuses_of_tfprov(bootstrap: ModuleType) -> None:
    own = {"interrupted": 130}
    assert {name: CODES[name].group.value for name in bootstrap.STATUSES if name not in own} | own == bootstrap.STATUSES
    assert {code for _, code in bootstrap.SAID} <= set(bootstrap.STATUSES)


@pytest.mark.skipif(os.name != "posix", reason="modes and owners of POSIX")
def test_its_environment_is_in_the_folder_that_tfprov_takes_for_its_own(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path))
    for mode in (0o700, 0o755, 0o775, 0o2775, 0o777, 0o1777, 0o555):
        tmp_path.chmod(mode)
        _, below = bootstrap.places()
        assert below.parents[1] == home({"TFPROV_HOME": str(tmp_path)}).data.parent
    if os.getuid() == 0:
        tmp_path.chmod(0o777)
        os.chown(tmp_path / "user-0", 1234, 1234)
        assert list(bootstrap.places()) == [bootstrap.HERE / ".bootstrap"]
    monkeypatch.delenv("TFPROV_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for mode in (0o755, 0o777):
        home({}).data.mkdir(parents=True, exist_ok=True)
        (tmp_path / "home/.local/share/tfprov").chmod(mode)
        _, below = bootstrap.places()
        assert below.parents[1] == home({}).data


@pytest.mark.parametrize("folder", ["C:\\R&D", "C:\\my files (x86)", "C:\\a^b", "C:\\plain-1.2_ü"])
def test_messages_on_windows_quote_its_path_where_a_shell_would_end_it(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setattr(bootstrap, "WINDOWS", True)
    monkeypatch.setattr(bootstrap, "HERE", Path(folder))
    word = str(Path(folder) / "bootstrap")
    assert bootstrap.typed() == (f"py {word}" if "plain" in folder else f'py "{word}"')


def test_the_oldest_python_is_that_of_the_project(bootstrap: ModuleType) -> None:
    project = (bootstrapping.FILE.parent / "pyproject.toml").read_text()
    told = re.search(r'requires-python = ">=(\d+)\.(\d+)"', project)
    assert told is not None
    assert (int(told[1]), int(told[2])) == bootstrap.OLDEST


def test_the_file_is_read_by_python_3_6_and_uses_the_standard_library_alone() -> None:
    tree = ast.parse(bootstrapping.FILE.read_text(encoding="ascii"), feature_version=(3, 6))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in modules} <= sys.stdlib_module_names


def test_python_2_gets_one_clean_word() -> None:
    ended = subprocess.run(
        [of_version("2.7*"), bootstrapping.FILE, "up"], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 10
    assert ended.stderr.startswith(
        "error[python-not-found]: this is Python 2.7, and bootstrap starts with 3.6 or newer\n"
    )
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"has": []}, None),
        ({"version": [3, 10, 0]}, None),
        ({"version": [3, 9, 2]}, "is Python 3.9.2, and tfprov needs 3.10 or newer"),
        ({"version": [2, 7, 18]}, "is Python 2.7.18, and tfprov needs 3.10 or newer"),
        (
            {"version": [3, 15, 0], "level": "alpha"},
            "is a pre-release of Python 3.15.0, for which packages have no wheels",
        ),
        ({"bits": 32}, "is a 32-bit Python 3.12.1, and TensorFlow has wheels for 64 bits only"),
        ({"kind": "pypy"}, "is pypy, and tfprov needs CPython"),
        ({"lacks": ["ssl", "zlib"]}, "is Python 3.12.1 without the module `ssl`, `zlib`"),
    ],
)
def test_a_python_is_refused_with_what_is_wrong(
    bootstrap: ModuleType, changes: dict[str, Any], why: str | None
) -> None:
    assert bootstrap.reason_not_to_take({**TOLD, **changes}) == why


def test_real_pythons_are_asked(bootstrap: ModuleType, tmp_path: Path) -> None:
    found, why = bootstrap.examine(sys.executable)
    assert (found.path, found.has_venv, why) == (sys.executable, True, None)
    old = of_version("3.6*")
    assert re.search(r"is Python 3\.6\.\d+, and tfprov needs 3\.10", bootstrap.examine(old)[1])
    assert "is Python 2, and tfprov needs 3.10" in bootstrap.examine(of_version("2.7*"))[1]


@pytest.mark.skipif(os.name != "posix", reason="a shell script plays the interpreter")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("#!/bin/sh\necho cannot open shared object >&2\nexit 127\n", "is broken: cannot open shared object"),
        ("#!/bin/sh\nexit 3\n", "is broken: status 3"),
        ("#!/bin/sh\necho hello\n", "is broken: "),
        ("#!/nowhere/sh\n", "cannot be started: No such file or directory"),
        ("", "cannot be started: Exec format error"),
    ],
)
def test_a_broken_python_is_named_with_what_it_said(
    bootstrap: ModuleType, script: str, said: str, tmp_path: Path
) -> None:
    broken = bootstrapping.program(tmp_path / "python3", script)
    found, why = bootstrap.examine(str(broken))
    assert found is None
    assert f"`{broken}` {said}" in why


def test_a_warning_of_a_python_does_not_spoil_its_answer(bootstrap: ModuleType, tmp_path: Path) -> None:
    talking = bootstrapping.program(
        tmp_path / "python3", f'#!/bin/sh\necho Warning: odd >&2\n"{sys.executable}" "$@"\necho later >&2\n'
    )
    assert bootstrap.examine(str(talking))[0].path == str(talking)


def test_apples_stand_in_is_not_started_without_its_tools(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for status, is_needed in ((2, True), (0, False)):
        bootstrapping.program(tmp_path / "xcode-select", f"#!/bin/sh\nexit {status}\n")
        with monkeypatch.context() as patch:
            patch.setenv("PATH", str(tmp_path))
            patch.setattr("sys.platform", "darwin")
            assert bootstrap.needs_apples_tools("/usr/bin/python3") is is_needed
            assert not bootstrap.needs_apples_tools("/opt/homebrew/bin/python3")
            if is_needed:
                assert "Apple's developer tools are not installed" in bootstrap.examine("/usr/bin/python3")[1]


@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="no /usr/bin/python3")
def test_the_shell_does_not_start_apples_stand_in_either(tmp_path: Path) -> None:
    """`uname` says Darwin; PATH has /usr/bin/python3 first, which would open a dialog, and then another Python."""
    for name, script in (
        ("uname", "echo Darwin"),
        ("xcode-select", "exit 2"),
        ("python3.13", f'echo "started $3"; exec "{sys.executable}" -c "raise SystemExit(0)"'),
    ):
        bootstrapping.program(tmp_path / name, f"#!/bin/sh\n{script}\n")
    for alone in ("tail", "dirname"):
        (tmp_path / alone).symlink_to(f"/usr/bin/{alone}")
    environ = {"PATH": str(tmp_path), "TFPROV_PYTHON": "/usr/bin/python3"}

    ended = subprocess.run(
        ["/bin/sh", bootstrapping.FILE, "up"], env=environ, capture_output=True, text=True, check=False, timeout=60
    )

    assert ended.stdout.startswith("started ")


@pytest.mark.skipif(os.name != "posix", reason="a script of sh")
@pytest.mark.parametrize(
    ("folder", "says", "times"),
    [
        ("pyenv/shims", "", 1),
        # It might set what this Python needs.
        ("bin", "", 2),
        # What it says may be anything.
        ("pyenv/shims", "echo odd >&2", 2),
    ],
)
def test_a_shim_looks_for_its_python_only_once(tmp_path: Path, folder: str, says: str, times: int) -> None:
    (tmp_path / folder).mkdir(parents=True)
    script = f'#!/bin/sh\necho called >>"{tmp_path}/log"\n{says}\nexec "{sys.executable}" "$@"\n'
    bootstrapping.program(tmp_path / folder / "python3", script)
    for_the_shell = bootstrapping.FILE.read_text(encoding="utf-8").partition("# From here on for Python")[0]
    started = tmp_path / "bootstrap"
    started.write_text(f"{for_the_shell}import sys\nprint(sys.executable, *sys.argv[1:])\n", encoding="utf-8")
    environ = {"PATH": os.pathsep.join([str(tmp_path / folder), os.defpath]), "HOME": str(tmp_path)}
    done = subprocess.run(
        ["/bin/sh", started, "up", "a b"], env=environ, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert done.stdout == f"{sys.executable} up a b\n"
    assert (tmp_path / "log").read_text() == "called\n" * times


def test_all_pythons_are_named_when_none_can_be_used(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = bootstrapping.program(tmp_path / "bin/python3", "#!/bin/sh\nexit 1\n")
    managed = bootstrapping.program(tmp_path / "pyenv/versions/3.9.0/bin/python3", "#!/bin/sh\nexit 2\n")
    newer = bootstrapping.program(tmp_path / "pyenv/versions/3.10.0/bin/python3", "#!/bin/sh\nexit 3\n")
    (tmp_path / "pyenv/shims").mkdir()
    bootstrapping.program(tmp_path / "pyenv/shims/python3", "#!/bin/sh\nexit 4\n")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "pyenv/shims"), str(old.parent)]))
    monkeypatch.setattr(bootstrap.sys, "executable", str(old))

    names = [path for path in bootstrap.pythons(tmp_path) if path.startswith(str(tmp_path))]

    assert names[0] == str(old)
    assert [path for path in names if "pyenv" in path] == [str(newer), str(managed)]


def test_the_one_that_is_asked_for_must_do(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TFPROV_PYTHON", sys.executable)
    assert bootstrap.base_python(tmp_path)[0].path == sys.executable
    monkeypatch.setenv("TFPROV_PYTHON", "/nowhere/python3")
    with pytest.raises(bootstrap.Problem) as caught:
        bootstrap.base_python(tmp_path)
    assert (caught.value.code, caught.value.status) == ("python-broken", 10)


@pytest.mark.parametrize(
    ("release", "system", "hint"),
    [
        ('ID=debian\nVERSION_ID="13"\n', "linux", "install one (apt-get install python3), or name"),
        (
            'PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nID=debian\nVERSION_ID="11"\n',
            "linux",
            "the Python of Debian GNU/Linux 11 (bullseye) is too old: install a newer one beside it, or name",
        ),
        (
            'ID=ubuntu\nVERSION_ID="20.04"\nPRETTY_NAME="Ubuntu 20.04.6 LTS"\n',
            "linux",
            "the Python of Ubuntu 20.04.6 LTS is",
        ),
        ('ID=ubuntu\nVERSION_ID="22.04"\n', "linux", "install one (apt-get install python3), or name"),
        ('ID="rocky"\nVERSION_ID="8.10"\n', "linux", "install one (dnf install python3.11), or name"),
        ('ID="rhel"\nVERSION_ID="7.9"\nPRETTY_NAME=RHEL\n', "linux", "the Python of RHEL is too old"),
        ("ID=arch\n", "linux", "install one (pacman -S python), or name"),
        ("ID=void\n", "linux", "install Python 3.10 or newer, or name"),
        ("", "linux", "install Python 3.10 or newer, or name"),
        ("", "darwin", "install one (brew install python), or name"),
        ("", "win32", "install one (winget install Python.Python.3.13), or name"),
    ],
)
def test_the_hint_is_for_this_distribution(bootstrap: ModuleType, release: str, system: str, hint: str) -> None:
    assert bootstrap.package_hint(release, system).startswith(hint)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("error: No space left on device (os error 28)", "disk-full"),
        ("OSError: [Errno 122] Disk quota exceeded", "disk-full"),
        ("error: failed to create directory `/x`: Read-only file system (os error 30)", "read-only-fs"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'",
            "permission-denied",
        ),
        ("ImportError: /x.so: failed to map segment from shared object", "permission-denied"),
        ("  cause: invalid peer certificate: UnknownIssuer", "net-tls-cert"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "net-tls-cert"),
        ("OSError: Tunnel connection failed: 407 Proxy Authentication Required", "net-proxy"),
        ("  cause: dns error\n  cause: failed to lookup address information: Name or service not known", "net-dns"),
        ("gaierror: [Errno -3] Temporary failure in name resolution", "net-dns"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "net-refused"),
        ("  cause: operation timed out", "net-timeout"),
        ("ReadTimeoutError: Read timed out. (read timeout=15)", "net-timeout"),
        ("ConnectionResetError: [Errno 104] Connection reset by peer", "net-reset"),
        ("error: Hash mismatch for `x==1`", "hash-mismatch"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "hash-mismatch"),
        ("HTTP status server error (503 Service Unavailable) for url", "mirror-http-error"),
        ("Because x was not found in the package registry", "package-name-wrong"),
        ("ERROR: No matching distribution found for hatchling>=1.27", "package-name-wrong"),
        ("  x No solution found when resolving dependencies:", "resolver-conflict"),
        ("memory allocation of 17606056 bytes failed\nnote: run with `RUST_BACKTRACE=1`", "oom-killed"),
        ("OSError: [Errno 12] Cannot allocate memory", "oom-killed"),
        ("error: failed to write `/x`: File too large (os error 27)", "limit-reached"),
        ("error: failed to open `/x`: Too many open files (os error 24)", "limit-reached"),
        ("something else", None),
    ],
)
def test_what_a_tool_says_has_a_code(bootstrap: ModuleType, text: str, code: str | None) -> None:
    assert bootstrap.code_of(text) == code


@pytest.mark.parametrize("code", ["oom-killed", "limit-reached", "disk-full"])
def test_a_hint_about_a_folder_is_for_what_a_folder_lacks(bootstrap: ModuleType, code: str) -> None:
    assert ("TFPROV_HOME" in bootstrap.Problem(code, "x").hint) is (code == "disk-full")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("signal", "code"), [("KILL", "oom-killed"), ("XFSZ", "limit-reached")])
def test_a_tool_that_is_killed_without_a_word_lacked_what_the_signal_says(
    bootstrap: ModuleType, tmp_path: Path, signal: str, code: str
) -> None:
    with pytest.raises(bootstrap.Problem) as caught:
        bootstrap.call(["/bin/sh", "-c", f"kill -{signal} $$"], tmp_path)
    assert caught.value.code == code


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_limit_on_the_size_of_files_is_told_with_what_it_broke(bootstrap: ModuleType) -> None:
    import resource

    assert bootstrap.limits() == []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, before[1]))
    try:
        assert bootstrap.limits() == ["files may have 1073741824 bytes (`ulimit -f`)"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_an_empty_path_is_told_where_nothing_is_found(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = bootstrap.Python("/usr/bin/python3", has_venv=True, has_ensurepip=False, has_pip=False)

    def find_uv(temporary: Path) -> None:
        raise bootstrap.NoUvError("no index is configured here")

    monkeypatch.setattr(bootstrap, "base_python", lambda place: (bare, []))
    monkeypatch.setattr(bootstrap, "find_uv", find_uv)
    for path, ends in (("", ["PATH is empty: only files whose place is known are found"]), ("/usr/bin", [])):
        monkeypatch.setenv("PATH", path)
        with pytest.raises(bootstrap.Problem) as caught:
            bootstrap.tool_and_base(tmp_path, tmp_path)
        told = ["uv: no index is configured here", "`/usr/bin/python3` has no `ensurepip` module"]
        assert list(caught.value.evidence) == told + ends
