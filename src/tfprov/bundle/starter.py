"""Starts tfprov from a bundle, with nothing but a Python 3.10 or newer: `./bootstrap up`, or any command of tfprov.

This file is copied into every bundle as `bootstrap`, after a few lines of shell that look for a Python. It uses
only the standard library. The wheels of tfprov are checked against `bundle.json` and unpacked, without pip and without
network access, into a folder of tfprov's own; a later run finds them there, checks every file, and restores missing or
altered files from the wheels.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

RECORD = "files.json"
"""Record beside the unpacked files: size, times and hash of each."""
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
    """Unpack tfprov if needed, then replace this process with it."""
    here = Path(__file__).resolve().parent
    try:
        launcher = unpacked(here)
    except StarterError as error:
        print(f"error[{error.code}]: {error}\n\nhint: {error.hint}", file=sys.stderr)
        return error.status
    if arguments[:1] == ["up"] and not any(word.split("=")[0] == "--bundle" for word in arguments):
        arguments = ["up", "--bundle", str(here), *arguments[1:]]
    # Messages must name a command that the user can type here.
    os.environ.setdefault("TFPROV_STARTED_AS", typed(str(here / "bootstrap")))
    command = [sys.executable, "-I", str(launcher), *arguments]
    if os.name == "posix":
        os.execv(command[0], command)  # noqa: S606 - the program to become, without a shell on purpose
    with subprocess.Popen(command) as child:
        while True:
            # Ctrl-C reaches all programs of the console: that one decides what it means.
            with contextlib.suppress(KeyboardInterrupt):
                return child.wait()


def typed(path: str, *, windows: bool = os.name == "nt") -> str:
    """How a user types this file, for the commands in messages."""
    return f'py "{path}"' if windows else shlex.quote(path)


def unpacked(here: Path) -> Path:
    """Path of the script that starts tfprov; unpacks its wheels first unless that has been done."""
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
    try:
        root.mkdir(parents=True, exist_ok=True)
        return Unpacked(here, root / key.hexdigest()[:16], [(path, hashes[path]) for path in wheels]).launcher()
    except OSError as error:
        raise failed(error, root) from error


class Unpacked:
    """tfprov unpacked in a folder of its own, with the wheels it came from."""

    def __init__(self, here: Path, folder: Path, wheels: list[tuple[str, dict[str, object]]]) -> None:
        self.here, self.folder, self.wheels = here, folder, wheels

    def launcher(self) -> Path:
        """The script that starts tfprov, after unpacking or restoring what it needs."""
        launcher = self.folder / "tfprov.py"
        try:
            bad = self.bad()
            if bad:
                self.heal(bad)
                bad = self.bad()
        except (OSError, ValueError, TypeError):
            # No folder, no record, or something in the way that cannot be repaired file by file.
            bad = {RECORD}
        if bad:
            self.renew()
        # `tfprov cache prune` deletes folders from which tfprov has not been started for a month.
        with contextlib.suppress(OSError):
            os.utime(self.folder / RECORD)
        return launcher

    def bad(self) -> set[str]:
        """The files that are missing or altered; files that do not belong there are deleted on the way.

        Raises:
            OSError: there is no record, or it cannot be read.
            ValueError: the folder is a link, or the record is damaged.
        """
        record = json.loads((self.folder / RECORD).read_bytes())
        if self.folder.is_symlink() or not isinstance(record, dict):
            raise ValueError
        bad, touched = set(), False
        there = self.there()
        for name, (times, sha256) in record.items():
            place = self.folder / name
            if name in there and there[name] == times:
                continue
            if name in there and place.is_file() and digest(place) == sha256:
                record[name], touched = [there[name], sha256], True
            else:
                bad.add(name)
        for name in set(there) - set(record):
            if name.startswith(RECORD):
                continue
            place = self.folder / name
            if "__pycache__" in name.split("/") and place.suffix == ".pyc" and not place.is_symlink():
                # Written by Python; from now on it must not change.
                record[name], touched = [there[name], digest(place)], True
            else:
                place.unlink()
        for name in [one for one in bad if "__pycache__" in one.split("/")]:
            (self.folder / name).unlink(missing_ok=True)
            del record[name]
            bad.discard(name)
            touched = True
        if touched and os.access(self.folder, os.W_OK):
            self.write_record(record)
        return bad

    def there(self) -> dict[str, list[int]]:
        """Size and times of every file, by its path; a link has no size."""
        found = {}
        for parent, folders, names in os.walk(self.folder):
            for name in (*names, *folders):
                place = Path(parent, name)
                status = place.lstat()
                if not stat.S_ISDIR(status.st_mode):
                    size = -1 if stat.S_ISLNK(status.st_mode) else status.st_size
                    path = place.relative_to(self.folder).as_posix()
                    found[path] = [size, status.st_mtime_ns, status.st_ctime_ns]
        return found

    def heal(self, bad: set[str]) -> None:
        """Restore files, each with one rename, so that a tfprov that runs from here can go on."""
        record = json.loads((self.folder / RECORD).read_bytes())
        with staging(self.folder.parent) as stage:
            self.unpack_into(stage, bad)
            for path in bad:
                place = self.folder / path
                if place.is_dir() and not place.is_symlink():
                    shutil.rmtree(place)
                place.parent.mkdir(parents=True, exist_ok=True)
                (stage / path).replace(place)
                # Bytecode may have been compiled from the altered file.
                for old in place.parent.glob(f"__pycache__/{place.stem}.*.pyc"):
                    old.unlink(missing_ok=True)
        there = self.there()
        for path in bad:
            record[path] = [there[path], digest(self.folder / path)]
        self.write_record({path: value for path, value in record.items() if path in there})

    def renew(self) -> None:
        """Unpack everything into a new folder, and put it in the place of the old one."""
        root = self.folder.parent
        sweep(root)
        with staging(root) as stage:
            self.unpack_into(stage, None)
            # mkdtemp makes a folder for its owner only; these files are not secret.
            stage.chmod(0o755)
            made = Unpacked(self.here, stage, self.wheels)
            made.write_record({name: [times, digest(stage / name)] for name, times in made.there().items()})
            for attempt in range(3):
                # Another process may have been faster; it made the same files and has started from them.
                with contextlib.suppress(OSError, ValueError, TypeError):
                    if not self.bad():
                        return
                if os.path.lexists(self.folder):
                    aside = root / f".old-{os.getpid()}-{attempt}-{stage.name.rpartition('-')[2]}"
                    with contextlib.suppress(FileNotFoundError):
                        self.folder.rename(aside)
                        shutil.rmtree(aside, ignore_errors=True)
                        if aside.is_symlink() or aside.is_file():
                            aside.unlink()
                with contextlib.suppress(OSError):
                    stage.rename(self.folder)
                    return
            raise OSError(errno.EEXIST, "something is in the way", str(self.folder))

    def unpack_into(self, stage: Path, only: set[str] | None) -> None:
        """Unpack the wheels and write the launcher; only the files in `only`, unless that is None."""
        for path, entry in self.wheels:
            unpack(self.here, path, entry, stage / "lib", only)
        (stage / "tfprov.py").write_text(LAUNCHER.format(folder=str(self.folder / "lib")), encoding="utf-8")

    def write_record(self, record: dict[str, object]) -> None:
        """Replace the record atomically."""
        new = self.folder / f"{RECORD}.{os.getpid()}"
        new.write_text(json.dumps(record), encoding="utf-8")
        new.replace(self.folder / RECORD)


@contextlib.contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A fresh folder to unpack into, deleted at the end if it is still there; locked, so that no `sweep` deletes it."""
    # Not with `tempfile`: on Windows it never ends where the folder refuses it.
    stage = root / f".new-{os.getpid()}-{os.urandom(4).hex()}"
    stage.mkdir(mode=0o700)
    held = os.open(stage, os.O_RDONLY) if os.name == "posix" else None
    try:
        if held is not None:
            locked(held)
        yield stage
    finally:
        if held is not None:
            os.close(held)
        shutil.rmtree(stage, ignore_errors=True)


def locked(opened: int) -> bool:
    """Lock an open folder until it is closed; False where another process has locked it, or there are no locks."""
    import fcntl

    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def sweep(root: Path) -> None:
    """Delete what killed starters left behind."""
    for left in (*root.glob(".new-*"), *root.glob(".old-*"), *root.glob("new-*")):
        maker = left.name.split("-")[1]
        # Windows is not asked for processes like this; a folder without a process id was left by an older tfprov.
        known = maker.isdecimal() and os.name == "posix"
        if known and (alive(int(maker)) or is_held(left)):
            continue
        with contextlib.suppress(OSError):
            if known or time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left, ignore_errors=True)


def is_held(folder: Path) -> bool:
    """Whether a process works in a folder, also one in another container, with process ids of its own (POSIX)."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        return not locked(opened)
    finally:
        os.close(opened)


def alive(process: int) -> bool:
    """Whether a process with this id exists (POSIX)."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            found.update(chunk)
    return found.hexdigest()


def failed(error: OSError, root: Path) -> StarterError:
    """An operating system error as one of tfprov's errors."""
    place = f"{error.strerror or error}: `{error.filename or root}`"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StarterError("disk-full", 14, place, "free some space there, or set TFPROV_HOME to a folder elsewhere")
    code = "read-only-fs" if error.errno == errno.EROFS else "permission-denied"
    return StarterError(code, 14, place, "set TFPROV_HOME to a folder that you may write to")


def unpack(here: Path, path: str, entry: dict[str, object], target: Path, only: set[str] | None = None) -> None:
    """Check the hash of a wheel and unpack it into a folder, with scripts in its `bin`.

    Args:
        here: the bundle.
        path: path of the wheel.
        entry: its entry in the manifest.
        target: the folder, `lib`.
        only: paths of the files to unpack, starting with `lib/`; None for all.
    """
    try:
        data = (here / path).read_bytes()
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
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
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
            if only is not None and f"lib/{inside}" not in only:
                continue
            place = target / inside
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(archive.read(member))
            if executable:
                place.chmod(place.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def this_platform() -> str:
    """The name of this platform, as bundles use it."""
    system = {"linux": "linux", "darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    if system == "macos":
        return f"macos-{'arm64' if machine in ('arm64', 'aarch64') else machine}"
    names = {"amd64": "amd64", "x86_64": "amd64"} if system == "windows" else {"amd64": "x86_64", "arm64": "aarch64"}
    return f"{system}-{names.get(machine, machine)}"


def data_folder() -> Path:
    """Folder for tfprov's data, by the same rule as in tfprov itself."""
    try:
        home = os.environ.get("TFPROV_HOME")
        found = own_part(Path(home).expanduser().absolute()) / "data" if home else folder_of_system()
    except RuntimeError:
        found = Path()
    # There is neither HOME nor an entry in the user database, or HOME is a relative path.
    if not found.is_absolute():
        raise StarterError(
            "permission-denied",
            14,
            "there is no home directory to keep environments in",
            "set TFPROV_HOME to a folder that you may write to",
        )
    return found if home else own_part(found)


def own_part(root: Path) -> Path:
    """This user's folder in one that several users can write to, so that nothing is started that another put there."""
    try:
        status = root.stat()
        writable = os.access(root, os.W_OK)
    except OSError:
        return root
    if os.name != "posix" or not writable:
        return root
    passed_on = status.st_mode & stat.S_ISGID or status.st_uid != os.getuid()
    if not (status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and passed_on)):
        return root
    own = root / f"user-{os.getuid()}"
    with contextlib.suppress(OSError):
        own.mkdir(mode=0o700)
    with contextlib.suppress(FileNotFoundError):
        found = own.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise StarterError(
                "path-not-ours",
                2,
                f"`{own}` is not a folder that belongs to this user",
                "set TFPROV_HOME to a folder that only you may write to",
            )
    return own


def folder_of_system() -> Path:
    """This system's folder for programs' data; raises RuntimeError if there is no home directory."""
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
