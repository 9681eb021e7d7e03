"""What Windows lacks is said before anything is fetched; its folders are played here."""

from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.pipeline import windows


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Windows with the runtime that TensorFlow 2.20 needs, and a Python, all in a folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("System32/MSVCP140.dll", "System32/vcruntime140.dll", "python/VCRUNTIME140_1.dll"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def refusal(
    machine: Path, tensorflow: str, *, locked: tuple[str, ...] = (), folder: Path = Path("C"), kind: str = "venv"
) -> str:
    """The whole message of the refusal; empty where there is none."""
    try:
        windows.check(
            kind=kind,
            folders=(Path("D"), folder),
            python=machine / "python" / "python.exe",
            tensorflow=tensorflow,
            locked=locked,
            environ={"SYSTEMROOT": str(machine)},
        )
    except TfprovError as error:
        text = "\n".join((f"{error.code.name}: {error.what}", *error.evidence, f"hint: {error.hint}"))
        return text.replace(str(machine), "W:")
    return ""


def test_a_runtime_that_is_there_is_enough(machine: Path) -> None:
    assert refusal(machine, "2.20.0") == ""


def test_an_environment_of_conda_is_refused(machine: Path) -> None:
    assert refusal(machine, "2.20.0", kind="conda") == (
        "not-supported: tfprov cannot make an environment of conda on Windows\n"
        '`environment.kind = "conda"`\n'
        "hint: leave `environment.kind` out: a virtual environment has TensorFlow from the package index"
    )


def test_a_newer_library_of_the_runtime_is_named(machine: Path) -> None:
    assert refusal(machine, "2.21.0").replace("\\", "/") == (
        "windows-dll-load: TensorFlow 2.21.0 could not be loaded here: "
        "the runtime of Visual C++ is missing or too old\n"
        "`vcruntime140_threads.dll` is neither in `W:/System32` nor beside the interpreter\n"
        "hint: install it with `winget install Microsoft.VCRedist.2015+.x64`; or, without an administrator, add "
        "`msvc-runtime` to `packages.requirements`, which brings it for this environment alone"
    )
    (machine / "python" / "vcruntime140_threads.dll").touch()
    assert refusal(machine, "2.21.0") == ""


def test_a_lock_with_the_runtime_in_it_is_left_to_the_smoke_test(machine: Path) -> None:
    assert refusal(machine, "2.21.0", locked=("tensorflow", "msvc-runtime")) == ""


def test_paths_that_would_be_too_long_are_refused(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "long_paths", lambda folder: False)
    assert refusal(machine, "2.20.0", folder=Path("x" * 95)) == ""
    assert refusal(machine, "2.20.0", folder=Path("x" * 96)) == (
        f"windows-long-path: paths below `{'x' * 96}` would be too long for this Windows\n"
        "that folder has 96 characters, the longest path in TensorFlow 163; 259 are allowed\n"
        "a longer path could not be made: LongPathsEnabled is not set\n"
        "hint: turn long paths on, as administrator: `reg add HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem "
        "/v LongPathsEnabled /t REG_DWORD /d 1 /f`; or set TFPROV_HOME to a short folder, such as `C:\\tf`"
    )


def test_whether_long_paths_can_be_made_is_tried_and_leaves_nothing(tmp_path: Path) -> None:
    assert windows.long_paths(tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_takes_no_long_path_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkdir(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert not windows.long_paths(tmp_path)
