"""The operating system, its C library, the container or WSL around it, and the CI system."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tfprov.errors import TfprovError
from tfprov.host.records import Fact, Libc
from tfprov.structured import whole_number

System = Literal["linux", "macos", "windows"]

ROOT = Path("/")
"""Folder that contains /proc, /sys and /etc; tests use another one."""

_NAMES: dict[str, System] = {"linux": "linux", "darwin": "macos", "win32": "windows"}

_GLIBC = re.compile(rb"GNU C Library [^\n]{0,80}?version (\d+\.\d+)")
_GLIBC_FILES = (
    "lib/*-linux-gnu*/libc.so.6",
    "usr/lib/*-linux-gnu*/libc.so.6",
    "lib64/libc.so.6",
    "usr/lib64/libc.so.6",
    "usr/lib/libc.so.6",
    "lib/libc.so.6",
)
_MUSL_VERSION = re.compile(rb"\b(1\.[0-9]\.[0-9]{1,2})\0")

# The first match names the container; a pod also shows the signs of the runtime below it.
_CONTAINER_VARIABLES = (
    ("KUBERNETES_SERVICE_HOST", "kubernetes"),
    ("APPTAINER_CONTAINER", "apptainer"),
    ("SINGULARITY_CONTAINER", "apptainer"),
)
_CONTAINER_FILES = (
    ("run/secrets/kubernetes.io", "kubernetes"),
    (".dockerenv", "docker"),
    ("run/.containerenv", "podman"),
    (".singularity.d", "apptainer"),
)
# Control groups of containers, not of the services that run them (`docker.service`).
_CONTAINER_GROUPS = (
    (re.compile(r"/kubepods"), "kubernetes"),
    (re.compile(r"/docker/|/docker-[0-9a-f]+\.scope"), "docker"),
    (re.compile(r"/libpod-"), "podman"),
    (re.compile(r"/cri-containerd-|/containerd-[0-9a-f]+\.scope"), "containerd"),
    (re.compile(r"/crio-"), "cri-o"),
    (re.compile(r"/garden/"), "garden"),
    (re.compile(r"/lxc[/.]"), "lxc"),
)

# Systems that also set CI=true come before the generic variable.
_CI_VARIABLES = (
    ("GITHUB_ACTIONS", "github"),
    ("GITLAB_CI", "gitlab"),
    ("JENKINS_URL", "jenkins"),
    ("TF_BUILD", "azure"),
    ("CIRCLECI", "circleci"),
    ("BUILDKITE", "buildkite"),
    ("TRAVIS", "travis"),
    ("TEAMCITY_VERSION", "teamcity"),
    ("BITBUCKET_BUILD_NUMBER", "bitbucket"),
    ("CODEBUILD_BUILD_ID", "codebuild"),
    ("APPVEYOR", "appveyor"),
    ("DRONE", "drone"),
    ("CIRRUS_CI", "cirrus"),
)
_FALSE = frozenset({"", "0", "false", "no", "off"})


def running_system(platform: str = sys.platform) -> Fact[System]:
    """The operating system family.

    Raises:
        TfprovError: `platform-no-wheel` on systems that TensorFlow has never been built for.
    """
    for prefix, name in _NAMES.items():
        if platform.startswith(prefix):
            return Fact(value=name, source=f"sys.platform = {platform}")
    raise TfprovError(
        "platform-no-wheel",
        f"there is no TensorFlow for `{platform}`",
        evidence=("wheels exist for Linux (glibc), macOS and Windows",),
        hint="use a machine or a container with one of these systems",
    )


def home_folder(environ: Mapping[str, str], system: System) -> Path | None:
    """The user's home directory: from the environment, else from the user database; None when neither has one."""
    named = Path(environ.get("USERPROFILE" if system == "windows" else "HOME") or "")
    if named.is_absolute() or system == "windows":
        return named if named.parts else None
    if sys.platform != "win32":
        import pwd

        with contextlib.suppress(KeyError):
            return Path(pwd.getpwuid(os.getuid()).pw_dir)
    return None


def os_version(system: System, *, root: Path = ROOT) -> Fact[str]:
    """Release of the operating system: `debian 12`, `14.5` on macOS, `10.0.22631` on Windows."""
    import platform

    if system == "macos":
        file = root / "System/Library/CoreServices/SystemVersion.plist"
        found = re.search(r"<key>ProductVersion</key>\s*<string>([\d.]+)</string>", read_text(file) or "")
        # A program built with an old SDK, such as tfprov's Pythons, sees another file, and gets 10.16 from every call.
        if found is None or found[1] == "10.16":
            from tfprov import process

            with contextlib.suppress(OSError):
                asked = root / "usr/bin/sw_vers"
                said = process.run((asked, "-productVersion"), env={"SYSTEM_VERSION_COMPAT": "0"}, timeout=10).stdout
                if re.fullmatch(r"[\d.]+", said.strip()):
                    return Fact(value=said.strip(), source=str(asked))
        if found:
            return Fact(value=found[1], source=str(file))
        return Fact(value=platform.mac_ver()[0], source="platform.mac_ver")
    if system == "windows":
        return Fact(value=platform.version(), source="platform.version")
    for file in (root / "etc/os-release", root / "usr/lib/os-release"):
        text = read_text(file)
        if text is not None:
            release = parse_os_release(text)
            words = [release.get("ID", "linux"), release.get("VERSION_ID", "")]
            return Fact(value=" ".join(word for word in words if word), source=str(file))
    return Fact(value=platform.release(), source="uname")


def parse_os_release(text: str) -> dict[str, str]:
    """The assignments in an os-release file, without quotes."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not name.startswith("#"):
            found[name] = value.strip().strip("\"'")
    return found


def libc(system: System, *, root: Path = ROOT) -> Fact[Libc | None]:
    """The C library of this machine, found without starting a process.

    A running process that uses glibc shows that the machine has it. One that does not shows nothing: a Python built for
    musl runs anywhere.
    """
    if system != "linux":
        return Fact(value=None, source=f"not Linux: {system}")
    own = _own_glibc() if root == ROOT else None
    if own is not None:
        return Fact(value=Libc(kind="glibc", version=own), source="confstr(CS_GNU_LIBC_VERSION)")
    for pattern in _GLIBC_FILES:
        for file in sorted(root.glob(pattern)):
            version = _search_file(file, _GLIBC)
            if version is not None:
                return Fact(value=Libc(kind="glibc", version=version), source=str(file))
    for file in sorted(root.glob("lib/ld-musl-*.so.1")):
        version = _search_file(file, _MUSL_VERSION)
        return Fact(value=Libc(kind="musl", version=version or "1.2"), source=str(file))
    return Fact(value=None, source="neither libc.so.6 nor ld-musl-*.so.1 in the usual folders")


def _own_glibc() -> str | None:
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):
        return None
    kind, _, version = (name or "").partition(" ")
    return version if kind == "glibc" and version else None


def musl_of(executable: Path) -> Libc | None:
    """The musl that a program names as its loader; None for a program that uses another C library."""
    try:
        with executable.open("rb") as stream:
            loader = re.search(rb"\0(/[^\0]*/ld-musl-[^\0/]+\.so\.1)\0", stream.read(4096))
    except OSError:
        return None
    if loader is None:
        return None
    return Libc(kind="musl", version=_search_file(Path(os.fsdecode(loader[1])), _MUSL_VERSION) or "1.2")


def _search_file(file: Path, pattern: re.Pattern[bytes]) -> str | None:
    try:
        found = pattern.search(file.read_bytes())
    except OSError:
        return None
    return found[1].decode() if found else None


def container(environ: Mapping[str, str], *, root: Path = ROOT) -> Fact[str | None]:
    """The kind of container that tfprov runs in, or None."""
    for variable, kind in _CONTAINER_VARIABLES:
        if environ.get(variable):
            return Fact(value=kind, source=variable)
    for name, kind in _CONTAINER_FILES:
        if exists(root / name):
            return Fact(value=kind, source=str(root / name))
    for file in (root / "proc/1/cgroup", root / "proc/self/cgroup"):
        text = read_text(file) or ""
        for mark, kind in _CONTAINER_GROUPS:
            if mark.search(text):
                return Fact(value=kind, source=str(file))
    # systemd's convention: podman, lxc, systemd-nspawn, flatpak and others set it for the first process.
    named = environ.get("container") or (read_text(root / "run/systemd/container") or "").strip()
    if named:
        return Fact(value="docker" if named == "oci" else named, source="container, /run/systemd/container")
    if exists(root / "proc/vz") and not exists(root / "proc/bc"):
        return Fact(value="openvz", source=str(root / "proc/vz"))
    return Fact(value=None, source="no sign of a container")


def wsl(environ: Mapping[str, str], *, root: Path = ROOT) -> Fact[bool]:
    """Whether the kernel is that of the Windows Subsystem for Linux (also inside a container on it)."""
    file = root / "proc/sys/kernel/osrelease"
    release = (read_text(file) or "").strip()
    if "microsoft" in release.lower():
        # The release tells WSL1 from WSL2.
        return Fact(value=True, source=f"{file}: {release}")
    if environ.get("WSL_DISTRO_NAME") and exists(root / "run/WSL"):
        # A custom kernel need not have that name.
        return Fact(value=True, source="WSL_DISTRO_NAME")
    return Fact(value=False, source=str(file))


def ci(environ: Mapping[str, str]) -> Fact[str | None]:
    """Name of the CI system: `github`, `gitlab`, …, `generic` when only CI is set, or None."""
    for variable, name in _CI_VARIABLES:
        if environ.get(variable, "").lower() not in _FALSE:
            return Fact(value=name, source=variable)
    if environ.get("CI", "").lower() not in _FALSE:
        return Fact(value="generic", source="CI")
    return Fact(value=None, source="no variable of a CI system")


def number_in(file: Path) -> int | None:
    """The number that a file consists of; None for any other content, and if it cannot be read."""
    return whole_number((read_text(file) or "").strip())


def read_text(file: Path, limit: int = 1 << 20) -> str | None:
    """The beginning of a file as text; None when it is not a regular file or cannot be read."""
    try:
        # O_NONBLOCK: a pipe or a terminal in place of a configuration file would block.
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            with os.fdopen(handle, "rb", closefd=False) as stream:
                return stream.read(limit).decode("utf-8", "replace")
        finally:
            os.close(handle)
    except (OSError, ValueError):
        return None


def exists(path: Path) -> bool:
    """Whether a path exists; False when that cannot be determined."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def names(folder: Path) -> list[str]:
    """Names of the entries of a folder, sorted; empty when it cannot be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except (OSError, ValueError):
        return []


def glob(base: Path, pattern: str) -> list[Path]:
    """Paths below a folder that match a pattern, sorted; empty when it cannot be read."""
    try:
        return sorted(base.glob(pattern))
    except (OSError, ValueError):
        return []
