"""Starts tfprov from a bundle, with nothing but a Python 3.10 or newer: `./bootstrap up`, or any command of tfprov.

This file is copied into every bundle as `bootstrap`, after a few lines of shell that look for a Python. It uses
only the standard library. The wheels of tfprov are checked against `bundle.json` and unpacked, without pip and without
the network, into a folder of tfprov's own; a second run finds them there.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

LAUNCHER = """\
import sys
sys.path.insert(0, {folder!r})
from tfprov.cli import main
main()
"""


class StarterError(Exception):
    """Why tfprov cannot be started: code, exit status, message and hint."""

    def __init__(self, code: str, status: int, what: str, hint: str) -> None:
        super().__init__(what)
        self.code, self.status, self.hint = code, status, hint


def main(arguments: list[str]) -> int:
    """Unpack tfprov if needed, then replace this process by it."""
    here = Path(__file__).resolve().parent
    try:
        launcher = unpacked(here)
    except StarterError as error:
        print(f"error[{error.code}]: {error}\n\nhint: {error.hint}", file=sys.stderr)
        return error.status
    if arguments[:1] == ["up"] and not any(word.split("=")[0] == "--bundle" for word in arguments):
        arguments = ["up", "--bundle", str(here), *arguments[1:]]
    # Messages must name a command that the user can type here.
    os.environ.setdefault("TFPROV_STARTED_AS", shlex.quote(str(here / "bootstrap")))
    command = [sys.executable, "-I", str(launcher), *arguments]
    if os.name == "posix":
        os.execv(command[0], command)  # noqa: S606 - the program to become, without a shell on purpose
    return subprocess.call(command)


def unpacked(here: Path) -> Path:
    """Path of the file that starts tfprov; its wheels are unpacked first, unless that was done before."""
    try:
        manifest = json.loads((here / "bundle.json").read_bytes())
        hashes = {one["path"]: one for one in manifest["files"]}
        tools = [(one["platform"], one["python"], one["wheels"]) for one in manifest["tools"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StarterError(
            "bundle-invalid", 13, f"`{here / 'bundle.json'}` cannot be read: {error}", "copy the bundle again"
        ) from error
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    wheels = next((w for name, minor, w in tools if (name, minor) == (this_platform(), python)), None)
    if wheels is None:
        known = ", ".join(f"{name} with Python {minor}" for name, minor, _ in tools)
        raise StarterError(
            "bundle-unfit",
            11,
            f"this bundle cannot start tfprov on {this_platform()} with Python {python}; it can on {known}",
            "start it with one of those Pythons: TFPROV_PYTHON=/path/to/python ./bootstrap up",
        )
    key = hashlib.sha256("\n".join(hashes[path]["sha256"] for path in wheels).encode() + python.encode())
    root = data_folder() / "tools"
    folder = root / key.hexdigest()[:16]
    launcher = folder / "tfprov.py"
    if launcher.is_file():
        return launcher
    try:
        root.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix="new-", dir=root))
    except OSError as error:
        raise StarterError(
            "permission-denied", 14, str(error), "set TFPROV_HOME to a folder that you may write to"
        ) from error
    try:
        for path in wheels:
            unpack(here, path, hashes[path], stage / "lib")
        (stage / "tfprov.py").write_text(LAUNCHER.format(folder=str(folder / "lib")), encoding="utf-8")
        try:
            stage.rename(folder)
        except OSError:
            # Another process was faster; its files are the same.
            if not launcher.is_file():
                raise
    except OSError as error:
        raise StarterError("disk-full", 14, str(error), "free some space, or set TFPROV_HOME") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return launcher


def unpack(here: Path, path: str, entry: dict[str, object], target: Path) -> None:
    """Check the hash of a wheel and unpack it into a folder, programs into its `bin`."""
    try:
        with (here / path).open("rb") as stream:
            data = stream.read()
    except FileNotFoundError as error:
        if not entry["here"]:
            raise StarterError(
                "bundle-incomplete",
                2,
                f"this bundle is a delta, and `{path}` is only in the older one",
                "start tfprov from the older bundle: OLD/bootstrap up --bundle NEW --bundle OLD",
            ) from error
        raise StarterError("bundle-invalid", 13, f"`{path}` is missing", "copy the bundle again") from error
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise StarterError("bundle-invalid", 13, f"`{path}` is damaged", "copy the bundle again")
    with zipfile.ZipFile(here / path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            inside = member.filename
            head, _, rest = inside.partition("/")
            executable = head.endswith(".data") and rest.startswith("scripts/")
            if executable:
                inside = "bin/" + rest.removeprefix("scripts/")
            elif head.endswith(".data"):
                kind, _, inner = rest.partition("/")
                if kind not in ("purelib", "platlib"):
                    continue
                inside = inner
            place = target / inside
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(archive.read(member))
            if executable:
                place.chmod(place.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def this_platform() -> str:
    """The name of this platform in bundles."""
    system = {"linux": "linux", "darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    if system == "macos":
        return f"macos-{'arm64' if machine in ('arm64', 'aarch64') else machine}"
    names = {"amd64": "amd64", "x86_64": "amd64"} if system == "windows" else {"amd64": "x86_64", "arm64": "aarch64"}
    return f"{system}-{names.get(machine, machine)}"


def data_folder() -> Path:
    """Where tfprov keeps its data, by the same rule as tfprov itself."""
    home = os.environ.get("TFPROV_HOME")
    if home:
        return Path(home).expanduser().absolute() / "data"
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "tfprov"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "tfprov"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "tfprov"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
