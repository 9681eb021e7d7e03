"""The operating system, its C library, and what is around it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.host.records import Libc
from tfprov.host.system import (
    ci,
    container,
    home_folder,
    libc,
    musl_of,
    os_version,
    parse_os_release,
    read_text,
    running_system,
    wsl,
)
from told import refusal


def write(file: Path, content: str | bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize(("platform", "name"), [("linux", "linux"), ("darwin", "macos"), ("win32", "windows")])
def test_the_family_is_named(platform: str, name: str) -> None:
    assert running_system(platform).value == name


@pytest.mark.parametrize("platform", ["freebsd14", "cygwin", "emscripten", "aix"])
def test_a_system_without_tensorflow_is_refused(platform: str) -> None:
    assert refusal(lambda: running_system(platform)) == (
        *("platform-no-wheel", f"there is no TensorFlow for `{platform}`"),
        "wheels exist for Linux (glibc), macOS and Windows",
        "use a machine or a container with one of these systems",
    )


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n', "debian 12"),
        ("ID=arch\n", "arch"),
        ("# nothing\n", "linux"),
    ],
)
def test_the_release_of_linux_is_read(text: str, version: str, tmp_path: Path) -> None:
    write(tmp_path / "usr/lib/os-release", text)

    assert os_version("linux", root=tmp_path).value == version


def test_a_linux_without_release_file_tells_its_kernel(tmp_path: Path) -> None:
    found = os_version("linux", root=tmp_path)

    assert found.source == "uname"
    assert found.value


def test_the_version_of_macos_is_the_true_one(tmp_path: Path) -> None:
    write(
        tmp_path / "System/Library/CoreServices/SystemVersion.plist",
        "<dict>\n<key>ProductName</key>\n<string>macOS</string>\n"
        "<key>ProductVersion</key>\n\t<string>14.5</string>\n</dict>",
    )

    assert os_version("macos", root=tmp_path).value == "14.5"


@pytest.mark.skipif(os.name != "posix", reason="a script for a POSIX shell")
@pytest.mark.parametrize("plist", ["<key>ProductVersion</key><string>10.16</string>", ""])
def test_the_version_that_old_programs_are_told_is_not_believed(tmp_path: Path, plist: str) -> None:
    write(tmp_path / "System/Library/CoreServices/SystemVersion.plist", plist)
    told = '#!/bin/sh\n[ "$SYSTEM_VERSION_COMPAT" = 0 ] && echo 15.1 || echo 10.16\n'
    write(tmp_path / "usr/bin/sw_vers", told)
    (tmp_path / "usr/bin/sw_vers").chmod(0o755)

    found = os_version("macos", root=tmp_path)

    assert (found.value, Path(found.source)) == ("15.1", tmp_path / "usr/bin/sw_vers")


def test_release_files_are_read_without_quotes() -> None:
    assert parse_os_release("A=\"b c\"\n#C=d\nE='f'\nnonsense\n") == {"A": "b c", "E": "f"}


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        (
            "lib/x86_64-linux-gnu/libc.so.6",
            b"\x7fELF\0GNU C Library (Debian GLIBC 2.36-9+deb12u4) stable release version 2.36.\nCopyright",
            Libc(kind="glibc", version="2.36"),
        ),
        (
            "lib64/libc.so.6",
            b"\x7fELF\0GNU C Library (GNU libc) stable release version 2.17, by Roland McGrath et al.\n",
            Libc(kind="glibc", version="2.17"),
        ),
        ("lib/ld-musl-x86_64.so.1", b"\x7fELF\0musl libc\0\x001.2.4\0", Libc(kind="musl", version="1.2.4")),
        ("lib/ld-musl-aarch64.so.1", b"\x7fELF", Libc(kind="musl", version="1.2")),
        ("system/lib64/libc.so", b"bionic", None),
    ],
)
def test_the_c_library_is_read_from_its_file(file: str, content: bytes, expected: Libc | None, tmp_path: Path) -> None:
    write(tmp_path / file, content)

    assert libc("linux", root=tmp_path).value == expected


def test_a_machine_with_both_has_glibc(tmp_path: Path) -> None:
    write(tmp_path / "lib/ld-musl-x86_64.so.1", b"1.2.4\0")
    write(tmp_path / "usr/lib64/libc.so.6", b"GNU C Library stable release version 2.34.\n")

    assert libc("linux", root=tmp_path).value == Libc(kind="glibc", version="2.34")


def test_other_systems_have_no_libc_to_speak_of(tmp_path: Path) -> None:
    assert libc("macos", root=tmp_path).value is None


@pytest.mark.parametrize(
    ("environ", "files", "kind"),
    [
        ({}, {}, None),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {".dockerenv": ""}, "kubernetes"),
        ({"APPTAINER_CONTAINER": "/image.sif"}, {}, "apptainer"),
        ({"container": "oci"}, {".dockerenv": ""}, "docker"),
        ({"container": "podman"}, {}, "podman"),
        ({"container": "systemd-nspawn"}, {}, "systemd-nspawn"),
        ({}, {".dockerenv": ""}, "docker"),
        ({}, {"run/.containerenv": ""}, "podman"),
        ({}, {"run/systemd/container": "lxc\n"}, "lxc"),
        ({}, {"proc/1/cgroup": "0::/kubepods.slice/kubepods-burstable.slice\n"}, "kubernetes"),
        ({}, {"proc/1/cgroup": "4:memory:/docker/0123456789\n"}, "docker"),
        ({}, {"proc/self/cgroup": "0::/machine.slice/libpod-0123.scope/container\n"}, "podman"),
        ({}, {"proc/1/cgroup": "4:memory:/lxc/100/ns\n"}, "lxc"),
        ({}, {"proc/1/cgroup": "0::/init.scope\n", "proc/self/cgroup": "0::/user.slice/user-1000.slice\n"}, None),
        ({}, {"proc/self/cgroup": "0::/system.slice/docker.service\n"}, None),
        ({}, {"proc/1/cgroup": "0::/init.scope\n", "proc/self/cgroup": "0::/system.slice/containerd.service\n"}, None),
        ({}, {"proc/vz/veinfo": ""}, "openvz"),
        ({}, {"proc/vz/veinfo": "", "proc/bc/0": ""}, None),
    ],
)
def test_containers_are_told_apart(
    environ: dict[str, str], files: dict[str, str], kind: str | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)

    assert container(environ, root=tmp_path).value == kind


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("5.15.153.1-microsoft-standard-WSL2", True),
        ("4.4.0-19041-Microsoft", True),
        ("6.1.0-18-amd64", False),
        (None, False),
    ],
)
def test_wsl_is_told_by_its_kernel(release: str | None, expected: bool, tmp_path: Path) -> None:
    if release is not None:
        write(tmp_path / "proc/sys/kernel/osrelease", f"{release}\n")

    assert wsl({}, root=tmp_path).value is expected


def test_wsl_with_a_kernel_of_ones_own_is_told_by_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "proc/sys/kernel/osrelease", "6.6.1-mine\n")
    (tmp_path / "run/WSL").mkdir(parents=True)

    assert wsl({"WSL_DISTRO_NAME": "Ubuntu"}, root=tmp_path).value
    assert not wsl({}, root=tmp_path).value


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, None),
        ({"CI": "true"}, "generic"),
        ({"CI": "false"}, None),
        ({"CI": ""}, None),
        ({"CI": "true", "GITHUB_ACTIONS": "true"}, "github"),
        ({"CI": "true", "GITLAB_CI": "true"}, "gitlab"),
        ({"JENKINS_URL": "http://ci.example/"}, "jenkins"),
        ({"TF_BUILD": "True"}, "azure"),
        ({"CI": "true", "CIRCLECI": "true"}, "circleci"),
        ({"CI": "true", "BUILDKITE": "true"}, "buildkite"),
        ({"CI": "true", "TRAVIS": "true"}, "travis"),
        ({"TEAMCITY_VERSION": "2024.03"}, "teamcity"),
        ({"CI": "true", "BITBUCKET_BUILD_NUMBER": "17"}, "bitbucket"),
        ({"GITHUB_ACTIONS": "false"}, None),
    ],
)
def test_ci_systems_are_named(environ: dict[str, str], name: str | None) -> None:
    assert ci(environ).value == name


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes with names")
    os.mkfifo(tmp_path / "pipe")

    assert read_text(tmp_path / "pipe") is None
    assert read_text(tmp_path) is None
    assert read_text(Path("/dev/zero")) is None


def test_the_loader_tells_which_programs_run_on_musl(tmp_path: Path) -> None:
    write(tmp_path / "musl", b"\x7fELF" + bytes(600) + b"/lib/ld-musl-x86_64.so.1\0")
    write(tmp_path / "glibc", b"\x7fELF" + bytes(600) + b"/lib64/ld-linux-x86-64.so.2\0")

    found = musl_of(tmp_path / "musl")

    assert found is not None
    assert found.kind == "musl"
    assert musl_of(tmp_path / "glibc") is None
    assert musl_of(tmp_path / "missing") is None


def test_a_relative_home_is_no_home() -> None:
    assert home_folder({"HOME": "relative"}, "linux") == home_folder({}, "linux")
    assert home_folder({"HOME": ""}, "linux") == home_folder({}, "linux")


def test_the_home_is_the_one_that_the_environment_names() -> None:
    # A whole path on every system that runs the test.
    home = str(Path("/home/me").absolute())
    environ = {"HOME": home, "USERPROFILE": "C:/Users/me"}

    assert home_folder(environ, "linux") == Path(home)
    assert home_folder(environ, "windows") == Path("C:/Users/me")


def test_without_a_variable_the_user_database_knows_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    pwd = pytest.importorskip("pwd")
    assert home_folder({}, "linux") is not None

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)

    assert home_folder({}, "linux") is None
