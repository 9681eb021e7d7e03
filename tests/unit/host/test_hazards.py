"""What breaks installs and imports on a machine, found without running anything."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tfprov.errors import CODES
from tfprov.host import hazards
from tfprov.host.network import Setting
from tfprov.host.records import Hazard

posix = pytest.mark.skipif(os.name != "posix", reason="the files of this test are those of Linux")


def by_name(found: tuple[Hazard, ...]) -> dict[str, str]:
    return {hazard.name: hazard.code for hazard in found}


def look(environ: dict[str, str], tmp_path: Path, cwd: Path | None = None) -> tuple[Hazard, ...]:
    return hazards.hazards(
        {"HOME": str(tmp_path / "home"), **environ},
        system="linux",
        pip={},
        library_path=hazards.foreign_libraries(environ),
        cwd=cwd,
        root=tmp_path / "root",
    )


@posix
def test_a_clean_machine_has_none(tmp_path: Path) -> None:
    assert look({}, tmp_path, cwd=tmp_path) == ()


@posix
@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({"PYTHONPATH": "/opt/lib"}, "path-leak"),
        ({"PYTHONHOME": "/usr"}, "python-broken"),
        ({"PYTHONSTARTUP": "/home/me/.pythonrc"}, "path-leak"),
        ({"PYTHONWARNINGS": "error::DeprecationWarning"}, "import-failed"),
        ({"PIP_USER": "1"}, "install-failed"),
        ({"PIP_TARGET": "/opt/lib"}, "tf-not-in-env"),
        ({"PIP_PREFIX": "/opt"}, "tf-not-in-env"),
        ({"PIP_REQUIRE_VIRTUALENV": "true"}, "install-failed"),
        ({"PIP_NO_INDEX": "yes"}, "version-not-available"),
        ({"PIP_NO_BINARY": ":all:"}, "sdist-build-failed"),
        ({"PIP_TRUSTED_HOST": "packages.example"}, "net-tls-cert"),
        ({"UV_SYSTEM_PYTHON": "1"}, "tf-not-in-env"),
        ({"UV_PROJECT_ENVIRONMENT": "/opt/env"}, "tf-not-in-env"),
        ({"UV_OFFLINE": "true"}, "version-not-available"),
        ({"UV_EXCLUDE_NEWER": "2020-01-01"}, "version-not-available"),
        ({"VIRTUAL_ENV": "/home/me/env"}, "tf-not-in-env"),
        ({"LD_PRELOAD": "/usr/lib/libjemalloc.so"}, "import-failed"),
        ({"KERAS_BACKEND": "torch"}, "import-failed"),
        ({"TF_USE_LEGACY_KERAS": "1"}, "keras-mismatch"),
        ({"XLA_FLAGS": "--no_such_flag"}, "probe-crashed"),
        ({"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}, "protobuf-mismatch"),
    ],
)
def test_a_variable_is_told_with_what_it_leads_to(environ: dict[str, str], code: str, tmp_path: Path) -> None:
    (name,) = environ

    (found,) = look(environ, tmp_path)

    assert (found.name, found.code, found.value) == (name, code, environ[name])
    assert found.why


@posix
@pytest.mark.parametrize(
    "environ",
    [
        {"PYTHONPATH": ""},
        {"PIP_USER": "0"},
        {"PIP_USER": "False"},
        {"PIP_NO_INDEX": "off"},
        {"UV_OFFLINE": "0"},
        {"TF_USE_LEGACY_KERAS": "0"},
        {"KERAS_BACKEND": "tensorflow"},
        {"PYTHONWARNINGS": "ignore"},
        {"PIP_CACHE_DIR": "/tmp/pip", "UV_CACHE_DIR": "/tmp/uv"},
    ],
)
def test_a_variable_that_is_off_is_no_hazard(environ: dict[str, str], tmp_path: Path) -> None:
    assert look(environ, tmp_path) == ()


def test_every_hazard_leads_to_a_code_of_the_vocabulary() -> None:
    assert {code for _, code, _ in hazards._VARIABLES} <= CODES.keys()


@posix
def test_a_password_is_not_repeated(tmp_path: Path) -> None:
    (found,) = look({"PIP_CONSTRAINT": "https://me:secret@host.example/c.txt"}, tmp_path)

    assert "secret" not in found.value


def test_the_same_settings_in_files_of_pip_are_found() -> None:
    pip = {
        "user": Setting(value="yes", source="/etc/pip.conf"),
        "no-index": Setting(value="false", source="/etc/pip.conf"),
        "target": Setting(value="/opt/lib", source="PIP_TARGET"),
        "timeout": Setting(value="60", source="/etc/pip.conf"),
    }

    (found,) = hazards.of_pip_files(pip)

    assert (found.name, found.value, found.code) == ("user in /etc/pip.conf", "yes", "install-failed")


@posix
@pytest.mark.parametrize(("name", "words"), [("base", "base environment"), ("work", "this conda environment")])
def test_an_active_conda_is_told(name: str, words: str, tmp_path: Path) -> None:
    (found,) = look({"CONDA_PREFIX": "/opt/conda", "CONDA_DEFAULT_ENV": name}, tmp_path)

    assert (found.code, found.value) == ("conda-pip-mix", "/opt/conda")
    assert words in found.why


@posix
def test_foreign_libraries_on_the_path_of_the_loader_are_found(tmp_path: Path) -> None:
    for folder, file in (
        ("cuda/lib64", "libcudart.so.11.0"),
        ("cudnn", "libcudnn_ops_infer.so.8"),
        ("harmless", "libfoo.so"),
        ("alike", "libcudartool.so"),
        ("nvidia/lib64", "libcuda.so.1"),
        ("toolkit/stubs", "libcuda.so.1"),
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / file).touch()
    folders = ("cuda/lib64", "cudnn", "harmless", "alike", "missing", "cudnn", "nvidia/lib64", "toolkit/stubs")
    environ = {"LD_LIBRARY_PATH": ":".join(("", *(str(tmp_path / folder) for folder in folders)))}

    found = look(environ, tmp_path)

    assert [(one.name, one.code, one.value) for one in found] == [
        ("LD_LIBRARY_PATH", "cudnn-mismatch", str(tmp_path / "cuda/lib64")),
        ("LD_LIBRARY_PATH", "cudnn-mismatch", str(tmp_path / "cudnn")),
        ("LD_LIBRARY_PATH", "gpu-libs-foreign", str(tmp_path / "toolkit/stubs")),
    ]


@posix
@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["tensorflow.py"], ["tensorflow.py"]),
        (["tensorflow/__init__.py"], ["tensorflow"]),
        (["tensorflow/notes.txt"], ["tensorflow"]),
        (["numpy.py", "keras/__init__.py"], ["keras", "numpy.py"]),
        (["keras/notes.txt", "tensorflow-examples/a.py", "tensorflow"], []),
        (["train.py", "my_tensorflow.py"], []),
    ],
)
def test_files_that_hide_a_package_are_found(files: list[str], expected: list[str], tmp_path: Path) -> None:
    cwd = tmp_path / "work"
    for name in files:
        (cwd / name).parent.mkdir(parents=True, exist_ok=True)
        (cwd / name).touch()

    found = look({}, tmp_path, cwd=cwd)

    assert sorted(one.name for one in found) == expected
    assert {one.code for one in found} <= {"shadowed-module"}


@posix
def test_packages_of_the_user_are_counted(tmp_path: Path) -> None:
    site = tmp_path / "home/.local/lib/python3.11/site-packages"
    for name in ("numpy", "numpy-1.26.4.dist-info", "tensorflow", "keras", "google", "black"):
        (site / name).mkdir(parents=True)
    (tmp_path / "home/.local/lib/python3.12/site-packages/black").mkdir(parents=True)

    (found,) = look({}, tmp_path)

    assert (found.code, found.value) == ("path-leak", str(site))
    assert "google, keras, numpy and 1 more" in found.why


@posix
def test_a_temporary_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    (found,) = look({"TMPDIR": str(tmp_path / "gone")}, tmp_path)

    assert (found.name, found.code) == ("TMPDIR", "permission-denied")


@posix
@pytest.mark.parametrize(
    ("options", "free", "codes"),
    [
        ("rw,nosuid", 10 << 30, []),
        ("rw,noexec", 10 << 30, ["permission-denied"]),
        ("rw", 1 << 30, ["disk-full"]),
        ("rw,noexec", 1 << 30, ["permission-denied", "disk-full"]),
    ],
)
def test_a_small_or_noexec_temporary_folder_is_told(
    options: str, free: int, codes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = Path(os.path.realpath(tmp_path)) / "tmp"
    temporary.mkdir()
    mountinfo = tmp_path / "root/proc/self/mountinfo"
    mountinfo.parent.mkdir(parents=True)
    mountinfo.write_text(f"1 0 0:1 / {temporary} {options} - tmpfs tmpfs rw\n", encoding="utf-8")
    usage = shutil._ntuple_diskusage(free, 0, free)  # type: ignore[attr-defined]  # the type has no public name
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    found = look({"TMPDIR": str(temporary)}, tmp_path)

    assert [one.code for one in found] == codes
    if "disk-full" in codes:
        assert found[-1].why == "a tmpfs, which is memory, with 1.07 GB free: pip unpacks wheels of over 1 GB there"


@posix
@pytest.mark.parametrize(
    ("limit", "size", "name"), [("RLIMIT_AS", 4 << 30, "ulimit -v"), ("RLIMIT_FSIZE", 1 << 30, "ulimit -f")]
)
def test_limits_of_the_process_are_told(
    limit: str, size: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    number = getattr(resource, limit)
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (size, size) if which == number else unlimited)

    assert by_name(look({}, tmp_path)).keys() == {name}


@posix
def test_several_are_told_together(tmp_path: Path) -> None:
    environ = {"PYTHONPATH": "/a", "PIP_USER": "1", "VIRTUAL_ENV": "/e", "CONDA_PREFIX": "/c"}

    assert by_name(look(environ, tmp_path)) == {
        "PYTHONPATH": "path-leak",
        "PIP_USER": "install-failed",
        "VIRTUAL_ENV": "tf-not-in-env",
        "CONDA_PREFIX": "conda-pip-mix",
    }


def test_windows_without_a_part_of_the_runtime_of_visual_c_is_told(tmp_path: Path) -> None:
    def lacking() -> list[str]:
        found = tuple(hazards.of_visual_cpp({"SYSTEMROOT": str(tmp_path)}, system="windows"))
        assert {hazard.code for hazard in found} <= {"windows-dll-load"}
        return [hazard.name for hazard in found]

    assert lacking() == ["msvcp140.dll", "vcruntime140_threads.dll"]
    (tmp_path / "System32").mkdir()
    (tmp_path / "System32" / "MSVCP140.dll").touch()
    assert lacking() == ["vcruntime140_threads.dll"]
    (tmp_path / "System32" / "vcruntime140_threads.dll").touch()
    assert lacking() == []
    assert list(hazards.of_visual_cpp({"SYSTEMROOT": str(tmp_path / "other")}, system="linux")) == []
