"""Try the first command in clean roots of Debian: `.bootstrap/*/bin/python tests/platforms/roots.py [ROOT …]`.

Root only, with mmdebstrap (apt-get install mmdebstrap) and the mirror that this machine's own apt is configured with.
Each root is made once below --cache and unpacked anew for each run. In it the commands run as a user without rights,
with an empty environment but HOME, PATH and what this machine needs to reach its package index (its certificates, a
proxy, the address of a configured index). Prints the rows of docs/platforms.md and ends with 1 when one is not as
expected.

Roots of other processors run under qemu (apt-get install qemu-user-static), as root of a user namespace. With --up
each root goes the whole way, with a real TensorFlow.

It is no part of the gate: all roots take half an hour where none was made before, and half of that later.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bootstrapping

CHECKOUT = bootstrapping.FILE.parent
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

# How the root is for one command: who runs it, what is mounted how, whether what was made before is deleted.
_SETTING = re.compile(r"\b(USER|READONLY|NOEXEC|EMPTY)=(?:'([^']*)'|(\S+)) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A system to try: release of Debian, packages beside the base system, and what the first command must say."""

    suite: str
    packages: tuple[str, ...] = ("python3", "ca-certificates")
    architecture: str = "amd64"
    status: int = 0
    says: str = r"done in \d+ s"


ROOTS = {
    "Debian 13, stock (no ensurepip, no pip)": Root(suite="trixie"),
    "Debian 13, python3-venv": Root(suite="trixie", packages=("python3-venv", "ca-certificates")),
    "Debian 12, stock": Root(suite="bookworm"),
    "Debian 12, python3-venv": Root(suite="bookworm", packages=("python3-venv", "ca-certificates")),
    "Debian 13, python3-minimal": Root(
        suite="trixie",
        packages=("python3-minimal", "ca-certificates"),
        status=10,
        says=r"lacks a part of its standard library",
    ),
    "Debian 11 (3.9 only)": Root(suite="bullseye", status=10, says=r"Python 3\.9\.2, and tfprov needs 3\.10 or newer"),
    "Debian unstable, stock": Root(suite="sid"),
    "Debian 12, i386": Root(suite="bookworm", architecture="i386", status=10, says=r"32-bit Python 3\.11\.\d+"),
    "Debian 12, armhf": Root(suite="bookworm", architecture="armhf", status=10, says=r"32-bit Python 3\.11\.\d+"),
    # Unpacked and not configured, it has no apt that could bring pip.
    "Debian 12, arm64, python3-venv": Root(
        suite="bookworm", packages=("python3-venv", "ca-certificates"), architecture="arm64"
    ),
}

# By what qemu calls it: the beginning of its programs (ELF class, byte order, kind, machine), and which bits count.
# The root of a foreign one is unpacked and not configured, which would take minutes under an emulator; its commands run
# as root of a user namespace, whose table of emulators is its own.
EMULATED = {
    "armhf": ("arm", "7f454c46010101000000000000000000 02002800"),
    "arm64": ("aarch64", "7f454c46020101000000000000000000 0200b700"),
}
_MASK = "ffffffffffffff00ffffffffffffffff feffffff"

# What is tried where the environment could be made: shell, expected status, expected words. They run in this order.
STEPS = {
    "`python3 bootstrap`": ("python3 bootstrap --version", 0, r"^tfprov [\d.]+$"),
    "another user": ("USER=4343 ./bootstrap --version", 0, r"^tfprov [\d.]+$"),
    "root read-only": ("READONLY=/ ./bootstrap --version", 0, r"^tfprov [\d.]+$"),
    "read-only checkout, nothing made yet": (
        "EMPTY=1 READONLY=/srv ./bootstrap --version; ls /home/user/.local/share/tfprov/bootstrap/*/lock",
        0,
        r"^tfprov [\d.]+\n/home/user",
    ),
    "checkout and home noexec": ("EMPTY=1 NOEXEC='/srv /home' python3 bootstrap --version", 14, "mounted noexec"),
    "no temporary folder": ("EMPTY=1 READONLY='/tmp /var/tmp' ./bootstrap --version", 0, r"^tfprov [\d.]+$"),
}

# What is tried where each command takes minutes.
FOREIGN_STEPS = {
    "facts": r"aarch64",
    "plan cpu": r"^  chosen +tensorflow 2\.",
    "lock profiles/cpu.toml": r"pylock\.cpu\.toml",
}

# The whole way, where --up asks for it: 2 GB and some minutes in each root, most of an hour under an emulator.
UP_STEPS = {
    "up": ("up profiles/cpu.toml", r"verified"),
    "up, again": ("up profiles/cpu.toml", r"is already verified: nothing to do"),
    "doctor": ("doctor cpu", r""),
    "run": ("run cpu -- python -c 'import tensorflow; print(tensorflow.__version__)'", r"^2\."),
}


def mirror() -> str:
    """The mirror of Debian that apt is configured with, where it is configured with one."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(file.read_text() for file in files if file.suffix in (".list", ".sources") and file.is_file())
    found = re.search(r"(?m)^(?:URIs:|deb (?:\[[^\]]*\] )?)\s*(\S+/debian/?)(?:\s|$)", text)
    if found is None:
        sys.exit("apt is not configured with a mirror of Debian here")
    return found[1]


def made(root: Root, cache: Path) -> Path:
    """The archive of a root."""
    name = f"{root.suite}-{root.architecture}-{'-'.join(root.packages)}.tar"
    if not (cache / name).exists():
        foreign = root.architecture in EMULATED
        packages = (*root.packages, *(("dash", "coreutils", "libstdc++6") if foreign else ()))
        options = [
            f"--variant={'extract' if foreign else 'apt'}",
            f"--include={','.join(packages)}",
            f"--architectures={root.architecture}",
            # A mirror that is behind has an index of Debian unstable whose time is over; its signature holds.
            "--aptopt=Acquire::Check-Valid-Until false",
        ]
        command = [
            "mmdebstrap",
            "--quiet",
            *options,
            root.suite,
            str(cache / f"new-{name}"),
            f"deb {mirror()} {root.suite} main",
        ]
        subprocess.run(command, check=True, timeout=1200)
        (cache / f"new-{name}").rename(cache / name)
    return cache / name


def unpacked(archive: Path, folder: Path, *, owner: str = "4242") -> Path:
    """The root, with a checkout in /srv/tfprov and a home, both of one user."""
    folder.mkdir()
    subprocess.run(["tar", "-C", str(folder), "-xf", str(archive)], check=True)
    (folder / "etc").mkdir(exist_ok=True)
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
    certificates = next(iter(bootstrapping.loaded().settings().certificates), "/etc/ssl/certs/ca-certificates.crt")
    (folder / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
    (folder / "etc/ssl/certs/ca-certificates.crt").unlink(missing_ok=True)
    shutil.copy(certificates, folder / "etc/ssl/certs/ca-certificates.crt")
    for name in ("dev", "proc", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    (folder / "home/user").mkdir(parents=True)
    for name in ("bootstrap", "pyproject.toml", "README.md", "src", "profiles"):
        source, target = CHECKOUT / name, folder / "srv/tfprov" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    subprocess.run(["chown", "-R", f"{owner}:{owner}", str(folder / "srv"), str(folder / "home/user")], check=True)
    return folder


def inside(folder: Path, step: str, *, architecture: str = "") -> tuple[int, str, float]:
    """Status, output and seconds of a command in the root. Words in capitals before it say how the root is then."""
    settings = {name: quoted or plain for name, quoted, plain in _SETTING.findall(step)}
    command = _SETTING.sub("", step)
    user = settings.get("USER", "4242")
    lines = ['cd "$0"', "mount --bind . .", "cd $PWD", "mount --rbind /dev dev", "mount -t proc none proc"]
    namespace = ["--mount"]
    if architecture in EMULATED:
        name, magic = EMULATED[architecture]
        magic, mask = (r"\x" + bytes.fromhex(text).hex(" ").replace(" ", r"\x") for text in (magic, _MASK))
        namespace = ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc"]
        table = "/proc/sys/fs/binfmt_misc"
        lines.insert(0, f"printf '%s' ':q:M::{magic}:{mask}:/usr/bin/qemu-{name}-static:F' >{table}/register")
        lines.insert(0, f"mount -t binfmt_misc none {table}")
        lines.append("ln -sfn dash bin/sh")
        user = ""
    if "EMPTY" in settings:
        lines += ["rm -rf srv/tfprov/.bootstrap home/user/.local"]
    for path in settings.get("NOEXEC", "").split():
        lines += [f"mount --bind .{path} .{path}", f"mount -o remount,bind,noexec .{path}"]
    for path in settings.get("READONLY", "").split():
        lines += ["mount -o remount,bind,ro ." if path == "/" else f"mount --bind .{path} .{path}"]
        lines += [] if path == "/" else [f"mount -o remount,bind,ro .{path}"]
    variables = {
        "PATH": os.defpath,
        "HOME": "/home/user",
        **{name: os.environ[name] for name in PROXIES if name in os.environ},
    }
    index = bootstrapping.loaded().settings().url
    variables.update({"PIP_INDEX_URL": index} if index else {})
    root = f"chroot --userspec={user}:{user} ." if user else "chroot ."
    lines.append(f'exec {root} /usr/bin/env -i "$@" sh -c "cd /srv/tfprov; $COMMAND"')
    started = time.monotonic()
    ended = subprocess.run(
        [
            "unshare",
            *namespace,
            "sh",
            "-ec",
            "\n".join(lines),
            str(folder),
            *(f"{name}={value}" for name, value in variables.items()),
        ],
        env={**os.environ, "COMMAND": command},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=7200 if architecture in EMULATED else 900,
    )
    return ended.returncode, ended.stdout, time.monotonic() - started


def main() -> int:
    """Try the roots that are named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", nargs="*", metavar="ROOT", help="part of the name of a root; without one, all")
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "tfprov-roots", help="where roots are kept"
    )
    parser.add_argument(
        "--up", action="store_true", help="go the whole way in each root: `up`, twice, `doctor` and `run`"
    )
    parser.add_argument("--log", type=Path, help="a file for all that the commands print")
    parser.add_argument(
        "--command", help="a further command to run in each root, such as `./bootstrap up profiles/cpu.toml`"
    )
    arguments = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("mmdebstrap") or not shutil.which("unshare"):
        print("skipped: this needs root, mmdebstrap and unshare")
        return 0
    arguments.cache.mkdir(parents=True, exist_ok=True)
    failed = 0
    print("| system | step | result | seconds |\n|---|---|---|---|")
    for name, root in ROOTS.items():
        emulator = f"qemu-{EMULATED[root.architecture][0]}-static" if root.architecture in EMULATED else ""
        if emulator and shutil.which(emulator) is None:
            print(f"| {name} | all | not tried: needs {emulator} (apt-get install qemu-user-static) | |", flush=True)
            continue
        if arguments.roots and not any(part in name for part in arguments.roots):
            continue
        try:
            archive = made(root, arguments.cache)
        except subprocess.CalledProcessError as error:
            print(f"| {name} | all | not tried: mmdebstrap ended with {error.returncode} | |", flush=True)
            continue
        with tempfile.TemporaryDirectory(dir=arguments.cache) as scratch:
            folder = unpacked(archive, Path(scratch) / "root", owner="0" if emulator else "4242")
            steps = {"`./bootstrap`": ("./bootstrap --version", root.status, root.says)}
            if root.status:
                steps["`python3 bootstrap`"] = ("python3 bootstrap", root.status, root.says)
            elif emulator:
                steps |= {f"`{name}`": (f"./bootstrap {name}", 0, says) for name, says in FOREIGN_STEPS.items()}
            else:
                steps |= STEPS
            if arguments.up and not root.status:
                steps |= {step: (f"./bootstrap {command}", 0, says) for step, (command, says) in UP_STEPS.items()}
            if arguments.command:
                steps[f"`{arguments.command}`"] = (arguments.command, root.status, "")
            for step, (command, status, says) in steps.items():
                got, output, seconds = inside(folder, command, architecture=root.architecture)
                if arguments.log:
                    with arguments.log.open("a", encoding="utf-8") as log:
                        log.write(f"== {name}: {command}\n{output}\n")
                is_right = got == status and re.search(says, output, re.M) is not None
                failed += not is_right
                print(
                    f"| {name} | {step} | {'as expected' if is_right else 'WRONG'}: {got} | {seconds:.0f} |", flush=True
                )
                if not is_right:
                    print(output, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
