"""What a whole log is read as: roots and consequences, facts, ways that consoles write."""

from __future__ import annotations

import io

import pytest

from tfprov.diagnose.diagnose import diagnose, diagnose_text, telling_lines
from tfprov.diagnose.records import LogContext, Remedy
from tfprov.errors import Group

LIBCUDA = (
    "W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'libcuda.so.1'; "
    "dlerror: libcuda.so.1: cannot open shared object file: No such file or directory"
)
NONE = "ERROR: Could not find a version that satisfies the requirement tensorflow (from versions: none)\n"


def _roles(text: str, context: LogContext | None = None) -> dict[str, str]:
    return {one.code: one.role for one in diagnose_text(text, context).findings}


class TestFacts:
    @pytest.mark.parametrize(
        ("context", "root"),
        [
            (LogContext(accelerator="cpu"), None),
            (LogContext(accelerator="cuda"), "gpu-no-driver"),
            (LogContext(accelerator="cuda", container="docker"), "docker-no-gpu"),
            (LogContext(accelerator="cuda", wsl=True), "wsl-libcuda"),
            (LogContext(gpu=False), None),
        ],
    )
    def test_a_missing_driver_library_is_noise_or_the_fault(self, context: LogContext, root: str | None) -> None:
        found = diagnose_text(LIBCUDA, context).root
        assert (found and found.code) == root

    @pytest.mark.parametrize(
        ("context", "root"),
        [
            (LogContext(libc="musl"), "musl-libc"),
            (LogContext(bits=32), "python-32bit"),
            (LogContext(python="3.14.0"), "python-unsupported"),
            (LogContext(python="3.12.1", system="linux", machine="x86_64", libc="glibc"), "package-name-wrong"),
            (LogContext(), "python-unsupported"),
        ],
    )
    def test_none_hides_what_the_facts_tell(self, context: LogContext, root: str) -> None:
        found = diagnose_text(NONE, context).root
        assert found is not None
        assert found.code == root

    def test_the_log_tells_what_nobody_gave(self) -> None:
        found = diagnose_text("#1 [1/2] FROM docker.io/library/python:3.11-alpine\n" + NONE)
        assert found.root is not None
        assert found.root.code == "musl-libc"
        assert (found.context.libc, found.context.python, found.context.container) == ("musl", "3.11", "docker")

    def test_what_was_given_is_not_overruled_by_the_log(self) -> None:
        assert diagnose_text("Python 3.8.1\n", LogContext(python="3.12.1")).context.python == "3.12.1"

    @pytest.mark.parametrize(("status", "code"), [(137, "oom-killed"), (-9, "oom-killed"), (132, "cpu-no-avx")])
    def test_a_signal_says_what_no_line_does(self, status: int, code: str) -> None:
        root = diagnose_text("Collecting tensorflow\n", LogContext(tool="pip install", returncode=status)).root
        assert root is not None
        assert (root.code, root.lines) == (code, ())

    def test_an_emulated_processor_lacks_nothing(self) -> None:
        root = diagnose_text("Illegal instruction (core dumped)", LogContext(emulated=True)).root
        assert root is not None
        assert root.code == "rosetta-qemu"


class TestRoots:
    def test_a_dead_proxy_explains_the_missing_distribution(self) -> None:
        text = "WARNING: Retrying (Retry(total=3)) after connection broken by 'ProxyError('No way.')'\n"
        assert _roles(text + NONE) == {"net-proxy": "cause", "python-unsupported": "consequence"}

    def test_a_failed_install_explains_the_missing_module(self) -> None:
        text = "ERROR: [Errno 28] voll\nModuleNotFoundError: No module named 'tensorflow'\n"
        assert _roles(text) == {"disk-full": "cause", "tf-not-in-env": "consequence"}

    def test_a_retry_that_helped_is_noise(self) -> None:
        text = (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'ConnectionResetError(104, 'x')': /simple/\n"
            "Successfully installed tensorflow-2.20.0\n"
        )
        assert set(_roles(text).values()) == {"noise"}

    def test_consequences_name_their_cause(self) -> None:
        found = diagnose_text("ERROR: [Errno 28] voll\nERROR: Failed building wheel for grpcio\n")
        (follower,) = [one for one in found.findings if one.role == "consequence"]
        assert (follower.code, follower.follows, follower.remedy) == ("sdist-build-failed", "disk-full", None)

    def test_nothing_known_is_said_with_the_last_lines(self) -> None:
        found = diagnose_text("a\n\nb\n")
        assert (found.findings, found.root, found.lines) == ((), None, 3)
        assert [(line.number, line.text) for line in found.tail] == [(1, "a"), (3, "b")]


FULL = "OSError: [Errno 28] Kein Platz"


class TestConsoles:
    @pytest.mark.parametrize(
        "raw",
        [
            FULL.encode(),
            FULL.encode() + b"\r\n",
            b"\xff\xfe" + FULL.encode("utf-16-le"),
            FULL.encode("utf-16-le"),
            b"\xef\xbb\xbf" + FULL.encode(),
            FULL.encode() + b" \xe9\xe8\xff",
            b"\x1b[31mOSEr\x1b[0mror: [Err\x1b[1mno 28]\x1b[0m",
            b" 10% |##   |\r 90% |#### |\r" + FULL.encode(),
            b"2024-05-06T07:08:09.1234567Z ##[error]" + FULL.encode(),
            b"2024-05-06T07:08:09.123456Z 00O " + FULL.encode(),
            b"[2024-05-06T07:08:09.123Z] " + FULL.encode(),
            b"#12 34.56 " + FULL.encode(),
            b"web-1  | " + FULL.encode(),
            b"2024-05-06T07:08:09.123456789Z stderr F " + FULL.encode(),
            b"> " + FULL.encode(),
        ],
    )
    def test_the_cause_is_found_however_a_console_wrote_it(self, raw: bytes) -> None:
        root = diagnose(io.BytesIO(raw)).root
        assert root is not None
        assert (root.code, root.lines) == ("disk-full", (1,))
        assert root.evidence[0].text.startswith("OSError: [Errno 28]")

    def test_messages_that_a_tool_wrapped_are_read_as_one(self) -> None:
        text = (
            "  \u00d7 No solution found when resolving dependencies:\n"
            "  ╰─▶ Because tensorflow==2.15.0 has no wheels with a matching Python\n"
            "      ABI tag (e.g., `cp313`) and you require tensorflow==2.15.0, we can conclude that your\n"
        )
        root = diagnose_text(text).root
        assert root is not None
        assert root.code == "version-not-available"

    def test_secrets_are_not_in_the_evidence(self) -> None:
        text = "ERROR: 403 Client Error: Forbidden for url: https://me:hunter2@index.example/x.whl"
        root = diagnose_text(text).root
        assert root is not None
        assert "hunter2" not in repr(root)


class TestBigLogs:
    def test_line_numbers_hold_across_blocks(self) -> None:
        filler = b"".join(b"Requirement already satisfied: x in /y (%d)\n" % number for number in range(50_000))
        found = diagnose(io.BytesIO(filler + FULL.encode() + b"\n" + filler))
        assert found.root is not None
        assert found.root.lines == (50_001,)
        assert found.lines == 100_001

    def test_a_message_across_two_blocks_is_found(self) -> None:
        head = b"Because tensorflow==9 has no wheels with a matching Python\n"
        filler = b"x" * 99 + b"\n"
        # The head ends a block of 256 KiB, the rest begins the next one.
        before = filler * ((1 << 18) // len(filler) - 1)
        before += b"y" * ((1 << 18) - len(before) - len(head) - 1) + b"\n"
        found = diagnose(io.BytesIO(before + head + b"ABI tag (e.g., `cp313`) and you require tensorflow==9\n"))
        assert found.root is not None
        assert found.root.code == "version-not-available"

    def test_a_million_repetitions_are_one_finding(self) -> None:
        found = diagnose(io.BytesIO(LIBCUDA.encode().join([b"\n"] * 20_000)), LogContext(accelerator="cuda"))
        (only,) = found.findings
        assert only.code == "gpu-no-driver"
        assert len(only.evidence) <= 20

    def test_one_endless_line_is_read_in_parts(self) -> None:
        found = diagnose(io.BytesIO(b"#" * 3_000_000 + b" " + FULL.encode()))
        assert found.root is not None
        assert found.root.code == "disk-full"

    def test_the_last_of_many_errors_of_one_shape_counts(self) -> None:
        odd = b"".join(b"OSError: [Errno 17] File exists: 'x%d'\n" % number for number in range(5_000))
        found = diagnose(io.BytesIO(odd + b"OSError: [Errno 28] File exists: 'x12'\n"))
        assert found.root is not None
        assert found.root.code == "disk-full"


class TestOtherMirrors:
    @pytest.mark.parametrize(
        "failure",
        [
            "curl: (6) Could not resolve host: mirror.example",
            "wget: unable to resolve host address 'mirror.example'",
            "WARNING: fetching https://mirror.example/alpine/v3.19/main: DNS lookup error",
            "Could not fetch URL http://mirror.example/simple/x/: [Errno -2] Name or service not known - skipping",
            "error: tcp connect error: Connection refused (os error 111)",
            "fatal: unable to access 'https://mirror.example/x.git/': Operation timed out",
            "ConnectionResetError: [Errno 104] Connection reset by peer",
            "WARNING: Download from https://mirror.example/x failed: class HttpException GET returned 404 Not Found",
        ],
    )
    @pytest.mark.parametrize(
        "success",
        [
            "Successfully installed tensorflow-2.18.0",
            "Installed 48 packages in 210ms",
            "2024-05-01 10:00:01 (1.20 MB/s) - 'x.tar.gz' saved [10240/10240]",
            "OK: 12 MiB in 20 packages",
            "INFO: Build completed successfully, 812 total actions",
        ],
    )
    def test_a_server_that_another_stood_in_for_is_no_cause(self, failure: str, success: str) -> None:
        assert diagnose_text(f"{failure}\n{success}\n").root is None
        first = diagnose_text(f"{success}\n{failure}\n").root
        assert first is not None
        assert first.group is Group.NETWORK

    def test_what_fails_afterwards_is_not_explained_by_it(self) -> None:
        found = diagnose_text(f"curl: (6) Could not resolve host: a.example\nInstalled 2 packages in 1ms\n{FULL}")
        assert [(one.code, one.role) for one in found.findings] == [("disk-full", "cause"), ("noise", "noise")]


class TestRemedies:
    def test_a_pin_too_old_for_the_python_names_both_ways_out(self) -> None:
        text = (
            "ERROR: Could not find a version that satisfies the requirement tensorflow==2.4.0 (from versions: 2.16.1)"
        )
        root = diagnose_text(text, LogContext(python="3.12.1")).root
        assert root is not None
        assert root.remedy is not None
        assert "3.6 to 3.8" in root.remedy.text
        assert "2.21" in root.remedy.text
        assert [(one.key, one.value) for one in root.remedy.changes] == [("python.version", ">=3.6,<3.9")]

    def test_an_error_of_tfprov_keeps_its_own_hint(self) -> None:
        text = (
            "error[python-unsupported]: TensorFlow 2.21.0 has no wheel for any Python that the profile allows\n"
            '  evidence  Python 3.13.0: outside `python.version = "==3.9.*"`\n'
            "            tensorflow==2.21.0: it has wheels for Python 3.10 to 3.13 only\n"
            "\n"
            "hint: TensorFlow 2.20.0 on Python 3.9 would fit\n"
            "more: `tfprov explain --code python-unsupported`\n"
        )
        root = diagnose_text(text).root
        assert root is not None
        assert root.code == "python-unsupported"
        assert root.remedy == Remedy(text="TensorFlow 2.20.0 on Python 3.9 would fit")

    def test_a_hint_belongs_to_the_error_above_it(self) -> None:
        text = (
            "hint: a hint of uv, above\n"
            "error[version-not-available]: there is no such release\n"
            "error[lock-unfit]: the lock is older than the profile\n"
            "\n"
            "hint: renew it with `tfprov lock`\n"
        )
        remedies = {one.code: one.remedy for one in diagnose_text(text).findings}
        assert remedies["lock-unfit"] == Remedy(text="renew it with `tfprov lock`")
        without = remedies["version-not-available"]
        assert without is not None
        assert without.text.startswith("move the pin or the Python")

    def test_commands_are_those_of_the_system(self) -> None:
        root = diagnose_text(FULL, LogContext(system="windows")).root
        assert root is not None
        assert root.remedy is not None
        assert not any(command.startswith("df") for command in root.remedy.commands)

    def test_a_command_for_a_profile_needs_one(self) -> None:
        text = "ConnectionResetError: [Errno 104] x"
        without, named = (diagnose_text(text, LogContext(profile=name)).root for name in (None, "train.toml"))
        assert without is not None and without.remedy is not None
        assert named is not None and named.remedy is not None
        assert without.remedy.commands == ()
        assert named.remedy.commands == ("tfprov up train.toml",)

    def test_without_a_wish_a_missing_driver_may_be_harmless(self) -> None:
        root = diagnose_text(LIBCUDA).root
        assert root is not None
        assert root.remedy is not None
        assert root.remedy.text.startswith("harmless if no GPU is wanted")


class TestTellingLines:
    def test_harmless_and_blank_lines_are_left_out(self) -> None:
        noise = "I tensorflow/core/util/port.cc:153] oneDNN custom operations are on. You may see different results"
        assert telling_lines(f"first\n\n{noise}\n  {FULL}  \n{noise}\n", 5) == ("first", f"  {FULL}")

    def test_the_last_ones_are_given_in_order(self) -> None:
        assert telling_lines("\n".join("abcdef"), 3) == ("d", "e", "f")

    def test_a_text_of_noise_alone_tells_nothing(self) -> None:
        assert telling_lines("WARNING: All log messages before absl::InitializeLog() is called\n" * 9, 3) == ()


@pytest.mark.parametrize("file", ["cuda_driver.cc:266", "cuda/cuda_driver.cc:271"])
def test_a_stub_library_alone_is_noise_until_somebody_wants_a_gpu(file: str) -> None:
    """The linker's stub answers so on machines without a GPU as well, and the program computes on the processor."""
    line = f"E tensorflow/compiler/xla/stream_executor/{file}] failed call to cuInit: UNKNOWN ERROR (34)\n"
    assert diagnose_text(line).root is None
    wanted = diagnose_text(f"$ docker run --gpus all image\n{line}").root
    assert wanted is not None
    assert wanted.code == "gpu-libs-foreign"


@pytest.mark.parametrize("python", ["python >=3.9,<3.10.0a0", "python 3.9.*", "python_abi 3.9.* *_cp39", "scipy >=1.9"])
@pytest.mark.parametrize("after", ["", "The following packages are incompatible\n", "can be installed with none of\n"])
def test_a_tree_of_conda_is_a_conflict_of_conda_whatever_is_missing_at_its_end(python: str, after: str) -> None:
    text = (
        "Error:   x failed to solve the conda requirements of 'train' 'linux-64'\n"
        "  Cannot solve the request because of: nets ==2.0 cannot be installed because there are no viable options:\n"
        f"      └─ nets 2.0 would require\n         └─ {python}, for which no candidates were found.\n      {after}"
    )
    root = diagnose_text(text).root
    assert root is not None
    assert root.code == "conda-unsatisfiable"
