"""The command line as its users start it: a process with arguments, two streams and a status."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import pytest

from fingerprints import here
from outcomes import with_python
from seals import TARGET, seal
from site_under_test import HOME, WINDOWS, needs_shell, needs_signals, of_the_system
from tfprov import __version__
from tfprov.cli import main
from tfprov.envs.generations import Environment, environment_id
from tfprov.envs.records import Generation, Owner
from tfprov.profile.finding import shipped

if sys.platform != "win32":
    import fcntl
    import pty
    import termios

needs_terminal = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of that kind")

COMMANDS = (
    "adopt",
    "explain",
    "report",
    "up", "plan", "lock", "facts", "smoke", "run", "shell", "list", "rollback", "doctor", "repair", "remove", "init",
    "schema", "log", "cache", "files", "gather", "bundle", "status", "kernel",
    "env", "activate", "export", "sbom", "audit",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, object]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


Inside: TypeAlias = Callable[..., Answer]
ENDING = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class Cli:
    """Starts tfprov in a folder with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            **of_the_system(),
            "PATH": os.environ.get("PATH", os.defpath),
            HOME: str(folder / "home"),
            "TFPROV_HOME": str(folder / "tfprov"),
        }
        (folder / "home").mkdir()

    def popen(self, *arguments: str, **changes: object) -> subprocess.Popen[str]:
        keywords: dict[str, object] = {
            "cwd": self.folder,
            "env": self.environ,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            # On Windows Python writes to a pipe in the code page.
            "encoding": "locale" if WINDOWS else "utf-8",
            **changes,
        }
        return subprocess.Popen([sys.executable, "-m", "tfprov", *arguments], **keywords)  # type: ignore[call-overload, no-any-return]

    def __call__(self, *arguments: str, environ: Mapping[str, str | None] | None = None) -> Answer:
        merged = {**self.environ, **(environ or {})}
        env = {name: value for name, value in merged.items() if value is not None}
        with self.popen(*arguments, env=env) as child:
            out, err = child.communicate()
        return Answer(child.returncode, out, err)

    def environment(self, name: str = "cpu") -> Environment:
        """The environment of a shipped profile, with two verified generations, the second in use."""
        (profile,) = (path for path in shipped() if path.stem == name)
        root = self.folder / "tfprov" / "data" / "environments" / environment_id(name, profile)
        found = Environment(root, owner=Owner(name=name, profile=str(profile)))
        found.claim()
        for _ in range(2):
            found.activate(self.generation(found))
        return found

    @staticmethod
    def generation(environment: Environment) -> Generation:
        generation = environment.begin()
        with_python(generation.path)
        proved = seal(
            target=replace(TARGET, package="tensorflow-cpu"),
            python=sys.executable,
            sealed_at="2026-01-01T00:00:00+00:00",
            proofs=(here(sys.executable),),
        )
        return environment.seal(generation, proved)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Inside]:
    """tfprov in this process, for what needs no process of its own: many times as fast."""
    before = {number: signal.getsignal(number) for number in ENDING}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path / "tfprov"))

    def call(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["tfprov", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return Answer(ended.value.code, *capsys.readouterr())

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


def no_traceback(answer: Answer) -> bool:
    return "Traceback" not in answer.err + answer.out


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_explains_itself(self, inside: Inside, command: str) -> None:
        answer = inside(command, "--help")
        assert (answer.status, answer.err) == (0, "")
        assert answer.out.startswith(f"Usage: tfprov {command} ")
        assert "[[" not in answer.out  # Typer puts its own brackets around what may be left out
        assert "\x1b" not in answer.out

    def test_the_commands_are_those_that_are_tested_here(self, cli: Cli) -> None:
        commands = re.findall(r"(?m)^  ([a-z]+)  ", cli("--help").out.partition("Commands:")[2])
        assert sorted(commands) == sorted(COMMANDS)

    @pytest.mark.parametrize("command", ["info", "verify", "prune", "clear"])
    def test_the_cache_can_be_looked_at_and_made_smaller(self, inside: Inside, command: str) -> None:
        answer = inside("cache", command, "--json")
        assert answer.status == 0
        document = json.loads(answer.out)
        assert (document["command"], document["ok"]) == (f"cache {command}", True)
        assert inside("cache", command).out.strip()

    def test_a_cap_that_is_no_size_is_a_usage_error(self, inside: Inside) -> None:
        assert inside("cache", "prune", "--max", "plenty").status == 2

    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("install", "up"),
            ("instal", "up"),
            ("upgrade", "up --upgrade"),
            ("verify", "smoke"),
            ("version", "--version"),
        ],
    )
    def test_a_command_of_another_tool_is_told_by_its_name_here(self, inside: Inside, typed: str, meant: str) -> None:
        answer = inside(typed, "tensorflow")
        assert (answer.status, answer.out) == (2, "")
        assert answer.err == f"error[usage]: No such command '{typed}'\n\nhint: `tfprov {meant}` does that here\n"
        assert inside(*meant.split(), "--help").status == 0

    @needs_terminal
    @pytest.mark.parametrize("columns", [40, 80])
    def test_a_page_fits_the_terminal_and_is_left_alone_in_a_file(self, cli: Cli, columns: int) -> None:
        def read(*arguments: str) -> list[str]:
            master, slave = pty.openpty()
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
            with cli.popen(*arguments, stdout=slave, stderr=slave) as child:
                os.close(slave)
                child.wait()
            seen = os.read(master, 65536).decode()
            os.close(master)
            # A path is left whole.
            return [line for line in re.sub(r"\x1b\[[0-9;]*m", "", seen).splitlines() if "/" not in line]

        for arguments in (["facts"], ["explain", "nothing.log"]):
            assert max(map(len, read(*arguments))) <= columns
        assert max(map(len, cli("facts").out.splitlines())) > 80

    def test_the_version_is_one_line(self, cli: Cli) -> None:
        assert cli("--version") == Answer(0, f"tfprov {__version__}\n", "")

    def test_without_arguments_it_says_what_to_do_next(self, cli: Cli) -> None:
        answer = cli()
        assert (answer.status, answer.err) == (0, "")
        assert "tfprov up cpu" in answer.out
        assert "`tfprov --help` lists all commands" in answer.out


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [("up", "--nonsense"), ("nonsense",), ("up", "cpu", "more"), ("log", "cpu", "--run", "0"),
         ("rollback", "cpu", "x"), ("smoke", "--level", "slow"), ("smoke", "cpu", "--python", "x"),
         *(("status", "--all", "--watch", seconds) for seconds in ("0", "-1", "nan", "inf", "1e300"))],
    )  # fmt: skip
    def test_a_wrong_command_line_ends_with_2_and_one_error(self, inside: Inside, arguments: tuple[str, ...]) -> None:
        answer = inside(*arguments)
        assert answer.status == 2
        assert answer.out == ""
        assert answer.err.startswith("error[usage]: ")
        assert no_traceback(answer)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("export", "cpu"), "`--output` is required\n\nhint: such as `-o train.tar`\n"),
            (("bundle", "cpu"), "`--output` is required\n\nhint: such as `-o train.tar`, or `-o train/`\n"),
            (
                ("bundle", "cpu", "-o", "x.tar", "--platform", "beos"),
                "`beos` is not a platform\n"
                "  evidence  known: linux-x86_64, linux-aarch64, windows-amd64, macos-arm64, macos-x86_64\n\n"
                "hint: see `tfprov --help`\n",
            ),
            (
                ("smoke", "--python", "x", "--attest", "y"),
                "`--attest` needs a lock, which an environment that tfprov did not make does not have\n\n"
                "hint: see `tfprov --help`\n",
            ),
        ],
    )
    def test_it_says_what_is_missing_or_wrong(self, inside: Inside, arguments: tuple[str, ...], message: str) -> None:
        assert inside(*arguments).err == f"error[usage]: {message}"

    def test_with_json_it_is_a_document_too(self, inside: Inside) -> None:
        answer = inside("up", "--nonsense", "--json")
        assert answer.status == 2
        assert list(answer.document) == ["schema", "command", "ok", "error"]
        assert answer.document["command"] == "up"
        assert answer.document["error"] == {
            "code": "usage",
            "group": "usage",
            "exit_code": 2,
            "what": "No such option: --nonsense",
            "evidence": [],
            "tried": [],
            "hint": "see `tfprov --help`",
        }

    @pytest.mark.parametrize("command", ["up", "plan", "lock", "smoke", "shell", "rollback", "remove", "log"])
    def test_an_unknown_profile_is_said_with_the_names_there_are(self, inside: Inside, command: str) -> None:
        answer = inside(command, "cudaa")
        assert answer.status == 2
        assert answer.out == ""
        names = ", ".join(path.stem for path in shipped())
        assert answer.err.endswith(
            "error[profile-missing]: there is no profile `cudaa`\n"
            f"  evidence  shipped profiles: {names}\n\nhint: did you mean `cuda`?\n"
        )

    def test_all_mistakes_of_a_profile_are_shown(self, inside: Inside) -> None:
        (Path.cwd() / "bad.toml").write_text('name = "x"\n' + "".join(f"key{number} = 1\n" for number in range(40)))
        answer = inside("lock", "bad.toml")
        assert answer.status == 2
        assert answer.err.count("unknown key") == 40

    def test_a_failure_is_a_document_with_json_and_words_besides(self, inside: Inside) -> None:
        answer = inside("plan", "nothing-like-it", "--json")
        assert answer.status == 2
        assert answer.document["ok"] is False
        error = answer.document["error"]
        assert isinstance(error, dict)
        assert error["code"] == "profile-missing"
        assert "error[profile-missing]: " in answer.err

    @pytest.mark.parametrize("command", [("run", "cpu", "--", "python"), ("shell", "cpu"), ("smoke", "cpu")])
    def test_an_environment_that_is_not_there_yet_says_how_to_make_it(
        self, inside: Inside, command: tuple[str, ...]
    ) -> None:
        answer = inside(*command)
        assert answer.status == 2
        assert answer.err.startswith("error[environment-missing]: `cpu` has no verified environment yet\n")
        assert "hint: run `tfprov up cpu`" in answer.err


class TestHome:
    def test_an_empty_home_has_no_environments_and_stays_empty(self, cli: Cli) -> None:
        assert cli("list").out == "no environments yet: `tfprov up PROFILE` makes one\n"
        assert cli("list", "--json").document["environments"] == []
        assert not (cli.folder / "tfprov").exists()

    @pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
    @pytest.mark.parametrize("arguments", [("list",), ("--help",), ("up", "missing.toml"), ("no-such-command",)])
    def test_the_umask_is_restored_at_the_end(self, inside: Inside, arguments: tuple[str, ...]) -> None:
        before = os.umask(0o020)
        try:
            inside(*arguments)
        finally:
            after = os.umask(before)
        assert after == 0o020

    @pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can become an unknown user")
    @pytest.mark.parametrize("command", ["list", "facts"])
    def test_a_user_without_any_home_is_told_what_to_set_where_one_is_needed(self, cli: Cli, command: str) -> None:
        code = (
            "import os, sys\n"
            "from tfprov.cli.main import main\n"
            "import platformdirs\n"
            f"sys.argv = ['tfprov', '{command}']\n"
            # Once as a user with a home: whoever has none may be unable to read the modules.
            "try: platformdirs.user_data_path('x'); main()\n"
            "except SystemExit: pass\n"
            "os.environ.pop('HOME'); os.environ.pop('TFPROV_HOME'); os.setgid(54321); os.setuid(54321)\n"
            "main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=cli.environ, capture_output=True, text=True, check=False
        )
        if command == "facts":
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith("system ")
            assert "\nsystem " in done.stdout
            return
        assert done.returncode == 14, done.stderr
        assert done.stderr.startswith("error[permission-denied]: there is no home directory to keep environments in\n")
        assert "hint: set TFPROV_HOME to a folder that you may write to" in done.stderr

    @pytest.mark.skipif(sys.platform != "linux", reason="a read-only file system that every Linux has")
    def test_a_home_that_cannot_be_written_is_a_fault_of_the_machine(self, cli: Cli) -> None:
        home = cli.environ["TFPROV_HOME"] = "/sys/tfprov"
        assert cli("list").status == 0
        answer = cli("lock", "cpu")
        assert answer.status == 14, answer.err
        assert home in answer.err
        assert no_traceback(answer)


class TestStreams:
    def test_a_reader_that_closes_early_is_no_failure_to_talk_about(self, cli: Cli) -> None:
        read, write = os.pipe()
        os.close(read)
        with cli.popen("schema", stdout=write) as child:
            os.close(write)
            _, err = child.communicate()
        assert err == ""

    def test_a_reader_that_closes_early_does_not_change_the_status_of_a_failure(self, cli: Cli) -> None:
        read, write = os.pipe()
        os.close(read)
        with cli.popen("plan", "nothing-like-it", "--json", stdout=write) as child:
            os.close(write)
            _, err = child.communicate()
        assert "Exception ignored" not in err
        assert child.returncode == 2

    @needs_shell
    @pytest.mark.parametrize("stream", [1, 2])
    def test_without_one_of_the_streams_it_works_as_well(self, cli: Cli, stream: int) -> None:
        shell = f'exec "$0" -m tfprov list --json {stream}>&-'
        done = subprocess.run(
            ["/bin/sh", "-c", shell, sys.executable], env=cli.environ, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert bool(done.stdout) == (stream == 2)

    @needs_shell
    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    def test_no_file_that_is_opened_becomes_a_stream_that_is_closed(
        self, cli: Cli, tmp_path: Path, closed: str
    ) -> None:
        code = (
            "import os, sys; from pathlib import Path; from tfprov.cli import main\n"
            "try: main()\n"
            "except SystemExit: Path(sys.argv[2]).write_text(str(os.open('.', os.O_RDONLY)))\n"
        )
        told = tmp_path / "told"
        shell = f'exec "$0" -c "$1" list "$2" {closed}'
        command = ["/bin/sh", "-c", shell, sys.executable, code, str(told)]
        subprocess.run(command, env=cli.environ, capture_output=True, check=True)
        assert int(told.read_text()) > 2

    def test_output_that_the_locale_cannot_spell_is_replaced(self, cli: Cli) -> None:
        environ = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        answer = cli("plan", "cüda", environ=environ)
        assert answer.status == 2
        assert re.search(r"`c\\(xfc|udcc3\\udcbc)da`", answer.err)
        assert no_traceback(answer)

    def talk(self, cli: Cli, *arguments: str, say: bytes = b"", **environ: str) -> tuple[int, str]:
        """What is seen on a terminal, and the status."""
        if sys.platform == "win32":
            pytest.skip("Windows has no pseudo-terminals of that kind")
        master, slave = pty.openpty()
        with cli.popen(
            *arguments, stdin=slave, stdout=slave, stderr=slave, env={**cli.environ, **environ}, start_new_session=True
        ) as child:
            os.close(slave)
            if say:
                os.write(master, say)
            seen = b""
            try:
                while part := os.read(master, 4096):
                    seen += part
            except OSError:
                pass  # Linux says so when the other end is closed.
            os.close(master)
        return child.returncode, seen.decode()

    def test_errors_have_colour_on_a_terminal_unless_no_color_says_otherwise(self, cli: Cli) -> None:
        status, seen = self.talk(cli, "up", "nothing-like-it", TERM="xterm")
        assert status == 2
        assert "\x1b[1;31merror[profile-missing]\x1b[0m: there is no profile" in seen
        assert "\x1b[3" not in self.talk(cli, "up", "nothing-like-it", TERM="xterm", NO_COLOR="1")[1]

    @pytest.mark.parametrize(("say", "status"), [(b"n\n", 1), (b"\x04", 130), (b"y\n", 0)])
    def test_deleting_asks_on_a_terminal(self, cli: Cli, say: bytes, status: int) -> None:
        environment = cli.environment()
        ended, seen = self.talk(cli, "remove", "cpu", say=say, TERM="dumb")
        assert ended == status, seen
        assert f"Delete {environment.root}?" in seen
        assert "internal" not in seen
        assert environment.root.exists() == bool(status)


class TestExistingEnvironments:
    def test_they_are_listed_with_the_one_in_use(self, cli: Cli) -> None:
        environment = cli.environment()
        assert cli("list").out == (
            f"cpu  {environment.stable}\n"
            f"  profile {environment.owner.profile}\n"
            "  * 2  TensorFlow 2.21.0 (cpu)  Python 3.12.1  "
            f"{environment.generations()[1].seal.bytes} B  verified 2026-01-01T00:00:00+00:00 (quick)\n"  # type: ignore[union-attr]
            "      the same packages\n"
            "    1  TensorFlow 2.21.0 (cpu)  Python 3.12.1  "
            f"{environment.generations()[0].seal.bytes} B  verified 2026-01-01T00:00:00+00:00 (quick)\n"  # type: ignore[union-attr]
        )

    def test_going_back_and_to_a_number(self, cli: Cli) -> None:
        environment = cli.environment()
        answer = cli("rollback", "cpu", "--json")
        assert answer.document["environment"] == {"name": "cpu", "path": str(environment.stable), "generation": 1}
        assert cli("rollback", "cpu").err.startswith("error[environment-missing]: `cpu` has no earlier generation\n")
        assert cli("rollback", "cpu", "2").out.startswith("cpu is at generation 2 again (TensorFlow 2.21.0)\n")
        assert cli("rollback", "cpu", "9").status == 2

    def test_a_command_runs_in_it_with_its_own_status(self, cli: Cli) -> None:
        environment = cli.environment()
        code = "import os, sys; print(os.environ['VIRTUAL_ENV']); sys.exit(9)"
        answer = cli("run", "cpu", "--", "python", "-c", code)
        assert answer == Answer(9, f"{environment.active().path}\n", "")  # type: ignore[union-attr]

    def test_options_of_the_command_are_its_own(self, cli: Cli) -> None:
        cli.environment()
        assert cli("run", "cpu", "python", "-c", "print(1)", "--json").out == "1\n"
        assert cli("run", "cpu", "--", "no-such-command").status == 2
        assert cli("run", "cpu", "--").status == 2
        for words in (["run"], ["run", "--check"], ["run", "cpu"]):
            assert cli(*words).err.startswith("error[usage]: Missing argument '-- COMMAND…'\n")

    def test_deleting_off_a_terminal_needs_a_yes(self, cli: Cli) -> None:
        environment = cli.environment()
        answer = cli("remove", "cpu")
        assert (answer.status, answer.out) == (2, "")
        assert answer.err == "error[usage]: nothing was deleted: not interactive\n\nhint: pass `--yes`\n"
        assert environment.root.exists()
        assert cli("remove", "cpu", "--yes", "--json").document["removed"] == {
            "name": "cpu",
            "path": str(environment.root),
            "in_use": [],
        }
        assert not environment.root.exists()
        again = cli("remove", "cpu", "--yes").err
        assert again.startswith("error[environment-missing]: `cpu` has no environment, so there is nothing to remove\n")
        assert "hint: `tfprov list` shows all environments" in again

    def test_one_whose_profile_is_gone_can_still_be_named(self, cli: Cli) -> None:
        root = cli.folder / "tfprov" / "data" / "environments" / "lost-1"
        Environment(root, owner=Owner(name="lost", profile="/gone/lost.toml")).claim()
        assert cli("remove", "lost", "--yes").out == "lost is removed\n"

    def test_one_without_journals_says_so(self, cli: Cli) -> None:
        cli.environment()
        answer = cli("log", "cpu")
        assert answer.status == 2
        assert answer.err.startswith("error[environment-missing]: `cpu` has 0 journals\n")

    def test_journals_are_printed_newest_first(self, cli: Cli) -> None:
        environment = cli.environment()
        folder = cli.folder / "tfprov" / "state" / "journals" / environment.id
        folder.mkdir(parents=True)
        (folder / "20260101T000000.000000Z-1.jsonl").write_text('{"event": "old"}\n{"event": "cut sho')
        (folder / "20260102T000000.000000Z-1.jsonl").write_text('{"event": "new"}\n')
        assert cli("log", "cpu").out == '{"event": "new"}\n'
        assert cli("log", "cpu", "--run", "2", "--json").document["events"] == [{"event": "old"}]
        assert cli("log", "cpu", "--run", "3").status == 2


def test_the_schema_is_printed_for_editors(cli: Cli) -> None:
    answer = cli("schema")
    assert answer.status == 0
    assert answer.document["title"] == "tfprov profile"
    assert cli("schema", "--json").document["json_schema"] == answer.document


@pytest.fixture
def heeded() -> Iterator[None]:
    """A job in the background ignores Ctrl-C, one under `nohup` a closed terminal, and so does whatever they start."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, *ENDING)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@needs_signals
@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, *ENDING])
def test_a_signal_is_an_orderly_end(cli: Cli, number: signal.Signals) -> None:
    environment = cli.environment()
    # While it waits for another tfprov, it is in the middle of a command.
    with environment.locked(), cli.popen("rollback", "cpu", stderr=subprocess.PIPE) as child:
        while not _waits(child.pid):
            time.sleep(0.01)
        child.send_signal(number)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert err == (
        "! another tfprov is working on `cpu`: waiting for it\n"
        "error[interrupted]: `tfprov rollback` was interrupted\n\n"
        "hint: run the same command again; what was downloaded is kept\n"
    )


@needs_signals
@pytest.mark.parametrize("number", ENDING)
def test_a_signal_that_is_ignored_stays_so(inside: Inside, number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    assert inside("--version").status == 0
    assert signal.getsignal(number) is signal.SIG_IGN


def _waits(pid: int) -> bool:
    """Whether the process sleeps between two looks at the lock: it has the file open for moments only."""
    try:
        return "nanosleep" in Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return False


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")
class TestStreamsThatTakeNothing:
    def test_a_result_that_cannot_be_written_is_a_full_disk(self, cli: Cli) -> None:
        for arguments in (("facts",), ("facts", "--json"), ("list",)):
            with FULL.open("w") as full, cli.popen(*arguments, stdout=full) as child:
                _, err = child.communicate()
            assert child.returncode == 14
            assert err.startswith("error[disk-full]")
            assert "Traceback" not in err

    def test_a_failure_keeps_its_status_when_nobody_can_be_told(self, cli: Cli) -> None:
        for stream in ("stdout", "stderr"):
            with FULL.open("w") as full, cli.popen("plan", "absent", "--json", **{stream: full}) as child:
                out, err = child.communicate()
            assert child.returncode == 2
            assert "Traceback" not in (out or "") + (err or "")

    @pytest.mark.parametrize("option", ["--help", "--version"])
    def test_the_help_of_a_full_disk_ends_without_a_traceback(self, cli: Cli, option: str) -> None:
        with FULL.open("w") as full, cli.popen(option, stdout=full) as child:
            _, err = child.communicate()
        assert (child.returncode, err) == (1, "")

    def test_progress_that_cannot_be_written_does_not_end_the_work(self, cli: Cli) -> None:
        with FULL.open("w") as full, cli.popen("plan", "cpu", "--json", stderr=full) as child:
            out, _ = child.communicate()
        assert json.loads(out)["command"] == "plan"
        assert child.returncode in {0, 10}

    @needs_shell
    def test_without_a_standard_error_words_do_not_land_on_standard_output(self, cli: Cli) -> None:
        command = f"'{sys.executable}' -m tfprov plan absent 2>&-"
        done = subprocess.run(
            ["sh", "-c", command], check=False, capture_output=True, text=True, env=cli.environ, cwd=cli.folder
        )
        assert (done.returncode, done.stdout) == (2, "")

    @pytest.mark.skipif(os.name == "nt", reason="Windows deletes no folder in use")
    @pytest.mark.parametrize("command", ["up", "plan", "remove cpu", "run cpu -- true"])
    def test_in_a_deleted_folder_it_says_so(self, cli: Cli, command: str) -> None:
        gone = cli.folder / "gone"
        gone.mkdir()
        script = f"rmdir '{gone}'; exec '{sys.executable}' -m tfprov {command}"
        done = subprocess.run(
            ["sh", "-c", script], check=False, capture_output=True, text=True, env=cli.environ, cwd=gone
        )
        assert done.returncode == 2
        assert "error[usage]: the working directory was deleted\n" in done.stderr


def test_messages_spell_commands_as_the_user_started_tfprov(cli: Cli) -> None:
    answer = cli("plan", "absent", environ={"TFPROV_STARTED_AS": "'../my place/bootstrap'"})
    assert "hint: make one with `'../my place/bootstrap' init`" in answer.err
    assert "hint: make one with `tfprov init`" in cli("plan", "absent").err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("adopt", "--all", "--loose"), "`--all` lists environments and changes none: it goes with PATH only"),
        (("adopt", ".venv", "--force"), "`--force` goes with `--in-place` only"),
        (("bundle", "cpu", "--check", "b"), "name a PROFILE, or a bundle with `--check` or `--merge`"),
        (("doctor", "cpu", "--python", "p"), "name either a PROFILE or an environment with `--python`"),
        (("doctor", "--python", "p", "--fix"), "only an environment that tfprov made can be repaired"),
        (("explain", "--apply", "a", "--profile", "b"), "`--apply` names the profile already; leave out `--profile`"),
        (("explain", "log", "--code", "rocm"), "`--code` explains a code; leave out the log"),
        (("explain", "--code", "nothing"), "there is no code `nothing`"),
        (("gather",), "name results, or with `--expect` the hosts that should have one"),
        (("remove", "cpu", "--all"), "name a profile or pass `--all`, not both"),
        (("run", "cpu", "--"), "name a command to run: `tfprov run PROFILE -- COMMAND`"),
        (("smoke", "cpu", "--python", "p"), "name either a PROFILE or an environment with `--python`"),
        (("status", "cpu", "--all"), "name either a PROFILE or `--all`"),
    ],
)
def test_what_does_not_go_together_is_said(inside: Inside, arguments: tuple[str, ...], words: str) -> None:
    answer = inside(*arguments)
    assert answer.status == 2
    assert f"error[usage]: {words}" in " ".join(answer.err.split())
