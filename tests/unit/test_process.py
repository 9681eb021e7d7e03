from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from tfprov import process
from tfprov.errors import TfprovError
from tfprov.process import Finished, bare_environment, clean_environment, run

ENV = {"PATH": os.environ.get("PATH", os.defpath)}
posix = pytest.mark.skipif(os.name != "posix", reason="process groups and signals are POSIX")


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-c", code, *arguments]


def finished(returncode: int, *, timed_out: bool = False) -> Finished:
    return Finished(argv=("x",), returncode=returncode, stdout="", stderr="", seconds=0.0, timed_out=timed_out)


def wait_until_gone(pid: int) -> None:
    """Return when no process has that id; the test's own time limit ends a wait that is in vain."""
    while True:
        state = Path(f"/proc/{pid}/stat")
        try:
            # A killed orphan may stay as a zombie until its new parent looks at it.
            if state.parent.parent.joinpath("self").exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
                return
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return
        threading.Event().wait(0.01)


def test_both_outputs_and_the_status_are_kept() -> None:
    done = run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), env=ENV)
    assert (done.stdout.splitlines(), done.stderr.splitlines(), done.returncode) == (["out"], ["err"], 3)
    assert not done.ok
    assert not done.timed_out
    assert done.argv[0] == sys.executable


def test_output_that_is_not_utf_8_is_kept_with_replacement_characters() -> None:
    assert run(python("import sys; sys.stdout.buffer.write(b'a\\xffb')"), env=ENV).stdout == "a\ufffdb"


@posix
def test_a_child_that_makes_no_progress_is_ended_also_if_it_is_stopped() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    assert run(python(code), env=ENV, progress=lambda: 0, stuck=0.3).timed_out


def test_a_child_that_makes_progress_may_take_as_long_as_it_needs() -> None:
    counter = itertools.count()
    done = run(python("import time; time.sleep(1)"), env=ENV, progress=lambda: next(counter), stuck=0.3)
    assert (done.ok, next(counter) > 2) == (True, True)


def test_text_for_standard_input_arrives_whole() -> None:
    text = "grüße\n" * 50_000
    done = run(python("import sys; print(len(sys.stdin.buffer.read()))"), env=ENV, stdin=text)
    assert int(done.stdout) == len(text.encode())


def test_standard_input_is_empty_unless_given() -> None:
    assert run(python("import sys; print(repr(sys.stdin.read()))"), env=ENV).stdout.strip() == "''"


def test_children_are_started_where_there_are_no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a chroot without `/dev`."""
    monkeypatch.setattr(os, "devnull", os.path.join(os.sep, "nothing", "null"))
    assert run(python("import sys; print(repr(sys.stdin.read()))"), env=ENV).stdout == "''\n"


def test_a_child_that_does_not_read_its_input_to_the_end_is_no_failure() -> None:
    assert run(python("pass"), env=ENV, stdin="x" * 1_000_000).ok


def test_a_child_that_never_reads_its_input_still_meets_its_time_limit() -> None:
    done = run(python("import time; time.sleep(600)"), env=ENV, stdin="x" * 1_000_000, timeout=0.2)
    assert done.timed_out


def test_huge_output_on_both_streams_does_not_block() -> None:
    code = "import sys\nfor _ in range(2000):\n    print('o' * 1000)\n    print('e' * 1000, file=sys.stderr)"
    done = run(python(code), env=ENV)
    assert len(done.stdout) == len(done.stderr) == 2000 * 1001


def test_of_endless_output_the_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_MOST_KEPT", 10_000)
    monkeypatch.setattr(process, "_LONGEST_LINE", 1_000)

    ended = run(python("print('x' * 50_000, end=''); [print('y' * 99) for _ in range(500)]; print('the end')"), env=ENV)

    assert len(ended.stdout) <= 10_000
    assert ended.stdout.endswith("y\nthe end\n")
    assert "x" not in ended.stdout


def test_lines_end_alike_on_every_system() -> None:
    code = "import sys; sys.stdout.buffer.write(b'a\\r\\nb\\rc\\n\\r\\n'); sys.stderr.buffer.write(b'd\\r\\n')"
    ended = run(python(code), env=ENV)
    assert (ended.stdout, ended.stderr) == ("a\nb\rc\n\n", "d\n")


def test_lines_are_handed_out_as_they_come_without_their_ends() -> None:
    out: list[str] = []
    code = "import sys; print('one'); print('two', end=''); print('three', file=sys.stderr)"
    done = run(python(code), env=ENV, on_stdout=out.append)
    assert (out, done.stderr) == (["one", "two"], "three\n")
    assert done.stdout.splitlines() == out


def test_the_child_has_exactly_the_given_environment() -> None:
    done = run(python("import os; print(sorted(os.environ))"), env={"ONLY": "this", **ENV})
    assert {"ONLY", "PATH"} <= set(eval(done.stdout)) <= {"ONLY", "PATH", "LC_CTYPE", "SYSTEMROOT"}


def test_the_end_of_a_child_with_a_time_limit_is_not_looked_for_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[float] = []
    monkeypatch.setattr(subprocess.time, "sleep", looks.append)  # type: ignore[attr-defined] - what it waits with
    assert run(python("import select; select.select([], [], [], 0.2)"), env=ENV, timeout=60).ok
    assert looks == []


@posix
def test_the_child_has_only_the_descriptors_that_it_inherits() -> None:
    ours, theirs = os.pipe()
    try:
        code = f"import os; os.write({theirs}, b'here'); os.fstat({ours})"
        done = run(python(code), env=ENV, inherited=(theirs,))
        assert os.read(ours, 10) == b"here"
        assert "Bad file descriptor" in done.stderr
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_child_works_in_the_given_folder(tmp_path: Path) -> None:
    done = run(python("import os; print(os.getcwd())"), env=ENV, cwd=tmp_path)
    assert Path(done.stdout.strip()).samefile(tmp_path)


def test_a_program_that_does_not_exist_raises_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run([tmp_path / "nothing"], env=ENV)


class Limit:
    """A time limit that is over as soon as the child has said its first line."""

    SECONDS = 12345.0

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._over = threading.Event()

    def heard(self, line: str) -> None:
        self.lines.append(line)
        self._over.set()

    def wait(self) -> None:
        self._over.wait()


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    found = Limit()
    wait = process._wait

    def wait_until_heard(child: subprocess.Popen[bytes], timeout: float | None, *more: Any) -> None:
        if timeout == Limit.SECONDS:
            found.wait()
            timeout = 0.0
        wait(child, timeout, *more)

    monkeypatch.setattr(process, "_wait", wait_until_heard)
    return found


@posix
def test_the_time_limit_ends_the_child_and_its_children(limit: Limit) -> None:
    code = (
        "import subprocess, sys, time\n"
        "inner = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(600)'])\n"
        "print(inner.pid, flush=True)\n"
        "time.sleep(600)"
    )
    done = run(python(code), env=ENV, timeout=limit.SECONDS, on_stdout=limit.heard)
    assert done.timed_out
    assert not done.ok
    assert done.signal_name == "SIGTERM"
    wait_until_gone(int(limit.lines[0]))


_STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


@posix
def test_a_child_that_ignores_the_polite_signal_is_killed(limit: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_END_SECONDS", 0.1)
    done = run(python(_STUBBORN), env=ENV, timeout=limit.SECONDS, on_stdout=limit.heard)
    assert done.timed_out
    assert done.stdout.strip() == "up"
    assert done.signal_name == "SIGKILL"


@posix
def test_a_child_that_the_kernel_does_not_let_go_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    # What waits for a broken driver takes no signal; here the signals get lost on the way.
    held: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(process, "_signal", lambda child, _: held.append(child))
    monkeypatch.setattr(process, "_END_SECONDS", 0.1)
    monkeypatch.setattr(process, "_DRAIN_SECONDS", 0.1)

    ended = run(python("import sys; sys.stdin.close(); import time; time.sleep(600)"), env=ENV, timeout=0.1)

    assert ended.timed_out
    assert ended.returncode == -signal.SIGKILL
    held[0].kill()
    held[0].wait()


@posix
def test_a_grandchild_that_ignores_the_polite_signal_is_killed_too(limit: Limit) -> None:
    code = (
        "import subprocess, sys, time\n"
        f"inner = subprocess.Popen([sys.executable, '-I', '-c', {_STUBBORN!r}], stdout=subprocess.PIPE)\n"
        "inner.stdout.readline(); print(inner.pid, flush=True); time.sleep(600)"
    )
    done = run(python(code), env=ENV, timeout=limit.SECONDS, on_stdout=limit.heard)
    assert done.signal_name == "SIGTERM"
    wait_until_gone(int(limit.lines[0]))


@posix
def test_a_daemon_that_holds_the_pipes_does_not_hold_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_DRAIN_SECONDS", 0.2)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # The daemon lives until somebody opens the pipe for writing.
    code = (
        "import subprocess, sys\n"
        "inner = subprocess.Popen([sys.executable, '-I', '-c', 'import sys; open(sys.argv[1]).read()', sys.argv[1]],"
        " start_new_session=True)\n"
        "print(inner.pid, flush=True)"
    )
    done = run(python(code, str(pipe)), env=ENV)
    assert done.ok
    pipe.write_text("")
    wait_until_gone(int(done.stdout))


@posix
@pytest.mark.parametrize("name", ["SIGKILL", "SIGABRT", "SIGILL", "SIGSEGV"])
def test_the_signal_that_ended_a_child_has_a_name(name: str) -> None:
    code = (
        "import os, resource, signal, sys\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "os.kill(os.getpid(), getattr(signal, sys.argv[1]))"
    )
    done = run(python(code, name), env=ENV)
    assert done.signal_name == name
    assert not done.ok


@posix
def test_a_shell_reports_signals_as_a_status_and_they_are_read_as_such() -> None:
    assert finished(137).signal_name == "SIGKILL"
    assert finished(132).signal_name == "SIGILL"
    assert [finished(status).signal_name for status in (0, 1, 127, 128, 255)] == [None] * 5


def test_a_child_that_was_ended_at_its_limit_is_not_ok_whatever_its_status() -> None:
    assert finished(0).ok
    assert not finished(0, timed_out=True).ok


_INTERRUPTED = """
import sys
from tfprov import process
child = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
try:
    process.run([sys.executable, "-I", "-c", child], env={}, on_stdout=lambda line: print(line, flush=True))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@contextlib.contextmanager
def _running(code: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        try:
            yield parent
        finally:
            parent.kill()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """A job in the background ignores Ctrl-C, and so does whatever it starts, unless it stops ignoring it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@posix
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_the_child_and_goes_on_as_keyboard_interrupt() -> None:
    with _running(_INTERRUPTED) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGINT)
        assert parent.stdout.read() == "interrupted\n"
        assert parent.wait() == 0
    wait_until_gone(child)


@posix
@pytest.mark.usefixtures("ctrl_c")
def test_a_second_ctrl_c_kills_a_child_that_does_not_want_to_end() -> None:
    stubborn = _INTERRUPTED.replace(
        "import os, time; ",
        "import os, signal, time; signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True)); ",
    ).replace("time.sleep(600)", "[time.sleep(600) for _ in range(9)]")
    with _running(stubborn) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGINT)
        assert parent.stdout.readline() == "no\n"
        parent.send_signal(signal.SIGINT)
        assert parent.stdout.read() == "interrupted\n"
    wait_until_gone(child)


def test_variables_that_redirect_pythons_and_installers_do_not_reach_a_child() -> None:
    hostile = {
        "PYTHONPATH": "/x",
        "PYTHONHOME": "/x",
        "PIP_TARGET": "/x",
        "PIP_USER": "1",
        "UV_INDEX_URL": "http://x",
        "VIRTUALENV_SYSTEM_SITE_PACKAGES": "1",
        "VIRTUAL_ENV": "/x",
        "CONDA_PREFIX": "/x",
        "MAMBA_ROOT_PREFIX": "/x",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_FLAGS": "--x",
        "PYENV_VERSION": "2.7",
        "__PYVENV_LAUNCHER__": "/x",
    }
    kept = {
        "PATH": "/bin",
        "HOME": "/h",
        "LANG": "C",
        "HTTPS_PROXY": "http://p",
        "TMPDIR": "/t",
        "LD_LIBRARY_PATH": "/l",
    }
    assert clean_environment({**hostile, **kept}) == kept


def test_what_tfprov_adds_for_a_child_stands_whatever_its_name() -> None:
    assert clean_environment({"UV_OFFLINE": "0", "A": "b"}, UV_OFFLINE="1") == {"A": "b", "UV_OFFLINE": "1"}


@posix
def test_replacing_the_process_passes_arguments_and_status_on(tmp_path: Path) -> None:
    code = (
        "import sys; from tfprov.process import replace_process\n"
        "code = 'import os, sys; print(os.environ[chr(65)], sys.argv[1:]); sys.exit(7)'\n"
        "replace_process([sys.executable, '-I', '-c', code, 'a b', '*'], env={'A': 'x'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("x ['a b', '*']", 7)


def taken_apart(line: str) -> list[str]:
    """The words of a command line as a program on Windows gets them."""
    words: list[str] = []
    word: str | None = None
    is_quoted = False
    for found in re.finditer(r'(\\*)"|\s+|\\+|[^\\"\s]+', line):
        if found[0].endswith('"'):
            word = (word or "") + found[1][: len(found[1]) // 2]
            if len(found[1]) % 2:
                word += '"'
            else:
                is_quoted = not is_quoted
        elif found[0].isspace() and not is_quoted:
            words += [word] if word is not None else []
            word = None
        else:
            word = (word or "") + found[0]
    return [*words, word] if word is not None else words


WORDS = (
    "",
    "a",
    "a b",
    "R&D (x86)\\activate.bat",
    "a&b",
    "a^b",
    "a;b,c",
    "x>=2|3",
    "C:\\",
    "C:\\my dir\\",
    "\\\\host\\a b\\\\",
)
WORDS += ('say "x"', '"', 'a\\"b&c', "Müller & Søn", "tab\there", "50% off!", "(", "it's")


@pytest.mark.parametrize("word", WORDS)
def test_a_word_of_a_command_arrives_on_windows_as_it_was(word: str) -> None:
    line = process.command_line(["program", word, "last one"])
    assert taken_apart(line) == ["program", word, "last one"]
    if '"' not in word:
        assert not re.search(r"[&|<>^();,]", re.sub(r'"[^"]*"', "", line)), "cmd would take it for the end of a word"
    if os.name == "nt":
        shows = [sys.executable, "-I", "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", word, "last one"]
        shown = subprocess.run(process.command_line(shows), capture_output=True, check=True)
        assert json.loads(shown.stdout) == [word, "last one"]


KILLED = """
import sys, threading
from tfprov.process import run
child = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
# From a thread, with others before it that have ended: whatever ends the child may not hang on who started it.
run([sys.executable, "-c", ""], env={})
asked = [sys.executable, "-I", "-c", child, sys.argv[1]]
starter = threading.Thread(target=run, args=(asked,), kwargs={"env": {}})
starter.start()
starter.join()
"""


@posix
def test_a_child_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", KILLED, str(told)])
    while not (told.exists() and told.read_text()):
        assert parent.poll() is None
        threading.Event().wait(0.01)
    child = int(told.read_text())
    os.kill(child, 0)
    parent.kill()
    parent.wait()
    wait_until_gone(child)


@posix
def test_a_grandchild_does_not_outlive_it_either(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[2], sys.argv[1]])"
    grandchild = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    script = (
        f"from tfprov.process import run; import sys; run([sys.executable, '-c', {code!r}, *sys.argv[1:]], env={{}})"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(told), grandchild])
    while not (told.exists() and told.read_text()):
        assert parent.poll() is None
        threading.Event().wait(0.01)
    parent.kill()
    parent.wait()
    wait_until_gone(int(told.read_text()))


@posix
def test_a_child_that_has_ended_is_forgotten() -> None:
    """Its number may be somebody else's by the time that we die."""
    script = (
        "import os, sys\nfrom tfprov.process import _mourner\n_mourner.ready()\n"
        "for sign, pid in (('+', sys.argv[1]), ('+', '999999'), ('-', sys.argv[1]), ('-', '999999')):\n"
        "    _mourner.tell(sign, int(pid))\nprint(_mourner.shell, flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    bystander = subprocess.Popen(python("import sys; sys.stdin.read()"), stdin=subprocess.PIPE, start_new_session=True)
    try:
        killed = subprocess.run([sys.executable, "-c", script, str(bystander.pid)], check=False, capture_output=True)
        wait_until_gone(int(killed.stdout))
        assert bystander.poll() is None
    finally:
        bystander.communicate()
    assert bystander.returncode == 0


@posix
def test_where_there_is_no_shell_children_run_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    started = subprocess.Popen

    def no_shell(argv: list[str], **how: object) -> subprocess.Popen[bytes]:
        if argv[0] == "/bin/sh":
            raise FileNotFoundError(2, "no such file")
        return started(argv, **how)  # type: ignore[call-overload,no-any-return]  # handed on as they are

    monkeypatch.setattr(process, "_mourner", process._Mourner())
    monkeypatch.setattr(subprocess, "Popen", no_shell)
    assert run(python("print(1)"), env=ENV).stdout == "1\n"


@pytest.mark.parametrize("first", ["#!/nowhere/python\n", "no program\n"])
def test_a_program_that_cannot_be_started_is_no_bug_of_ours(tmp_path: Path, first: str) -> None:
    program = tmp_path / "program"
    program.write_text(first)
    program.chmod(0o755)
    with pytest.raises(TfprovError) as failure:
        process.replace_process([str(program)], env=ENV)
    assert failure.value.code.name == "usage"
    assert failure.value.what == f"`{program}` cannot be started"


def test_foreign_code_gets_no_variable_that_the_user_set_for_others() -> None:
    environ = {
        "PATH": "/usr/bin",
        "HOME": "/home/me",
        "LC_ALL": "C",
        "TOKEN": "x",
        "PIP_INDEX_URL": "x",
        "SSH_AUTH_SOCK": "x",
    }
    assert bare_environment(environ) == {"PATH": "/usr/bin", "HOME": "/home/me", "LC_ALL": "C"}


def test_foreign_code_finds_the_compiler_of_windows_and_knows_its_processor() -> None:
    """setuptools and CMake look for Visual C++ there, and `platform_machine` of a marker is that variable."""
    environ = {
        "PROGRAMFILES": r"C:\Program Files",
        "PROGRAMFILES(X86)": r"C:\Program Files (x86)",
        "PROGRAMDATA": r"C:\ProgramData",
        "PROCESSOR_ARCHITECTURE": "AMD64",
        "NUMBER_OF_PROCESSORS": "8",
    }
    assert bare_environment({**environ, "TOKEN": "x"}) == environ


@pytest.mark.skipif(os.name != "posix", reason="programs of a shell")
@pytest.mark.parametrize("path", [".", "", "bin", "./bin:", ":", "..:bin"])
def test_what_lies_in_the_working_directory_is_no_program(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path, tmp_path / "bin"):
        folder.mkdir(exist_ok=True)
        (folder / "nvidia-smi").write_text("#!/bin/sh\n")
        (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert process.program("nvidia-smi", {"PATH": path}) is None
    assert process.program("nvidia-smi", {}) is None
    assert process.program("nvidia-smi", {"PATH": f"{path}:{tmp_path}"}) == str(tmp_path / "nvidia-smi")


def test_what_lies_in_the_working_directory_is_no_program_on_windows_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There `shutil.which` looks for a bare name in the working directory first, whatever PATH it is given."""
    suffix = ".exe" if os.name == "nt" else ""
    for folder in (tmp_path / "here", tmp_path / "bin"):
        folder.mkdir()
        (folder / f"git{suffix}").touch(0o755)
    monkeypatch.chdir(tmp_path / "here")
    which = shutil.which

    def as_on_windows(name: str, path: str | None = None) -> str | None:
        return which(name, path=path) if Path(name).is_absolute() else f".{os.sep}{name}"

    monkeypatch.setattr(shutil, "which", as_on_windows)
    environ = {"PATH": str(tmp_path / "bin"), "PATHEXT": ".COM;.EXE"}
    found = process.program("git", environ)
    assert found is not None
    assert Path(found).parent == tmp_path / "bin"
    assert process.program("other", environ) is None


def test_a_child_that_nobody_needs_any_more_is_ended_by_another_thread() -> None:
    needless, pids = threading.Event(), list[str]()

    def heard(line: str) -> None:
        pids.append(line)
        needless.set()

    endless = "import os, sys; print(os.getpid(), flush=True); import time; time.sleep(3600)"
    with process.endable(needless), pytest.raises(CancelledError):
        run(python(endless), env=ENV, on_stdout=heard)
    wait_until_gone(int(pids[0]))
    with process.endable(needless), pytest.raises(CancelledError):
        run(python("print(1)"), env=ENV)
    assert run(python("print(1)"), env=ENV).ok


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signal")
def test_a_child_that_is_stopped_is_asked_to_end_like_any_other() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    done = run(python(code), env=ENV, timeout=0.5)
    assert (done.timed_out, done.signal_name) == (True, "SIGTERM")


def test_a_time_limit_holds_for_a_child_that_could_be_ended_otherwise() -> None:
    with process.endable(threading.Event()):
        assert run(python("import time; time.sleep(3600)"), env=ENV, timeout=0.1).timed_out
        assert run(python("print(1)"), env=ENV, timeout=60).stdout.split() == ["1"]


def test_what_a_listener_raises_neither_breaks_the_child_nor_is_lost(tmp_path: Path) -> None:
    done = tmp_path / "done"
    code = f"for number in range(100_000): print(number)\nopen({str(done)!r}, 'w').close()"

    def refuse(_line: str) -> None:
        raise BrokenPipeError(32, "the terminal is gone")

    with pytest.raises(BrokenPipeError, match="the terminal is gone"):
        run(python(code), env=ENV, on_stdout=refuse)
    assert done.exists()


def test_a_text_that_cannot_be_sent_starts_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    with pytest.raises(UnicodeEncodeError):
        run(python("pass"), env=ENV, stdin="\udc80")
