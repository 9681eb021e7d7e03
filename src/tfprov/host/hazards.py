"""Settings of this machine that break installs and imports; tfprov shields its own work from them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from tfprov import visual_cpp
from tfprov.host.disks import mount_of
from tfprov.host.limits import mounts
from tfprov.host.network import Setting
from tfprov.host.records import Hazard
from tfprov.host.system import ROOT, System, exists, glob, home_folder, names
from tfprov.paths import nearest_folder
from tfprov.redact import redact
from tfprov.words import listed, size

# Name, failure code, effect. Any value counts, except where `_SWITCHES` says that some values mean "off".
_VARIABLES = (
    ("PYTHONPATH", "path-leak", "modules of these folders hide those of every environment"),
    ("PYTHONHOME", "python-broken", "every Python looks for its standard library there and fails to start"),
    ("PYTHONSTARTUP", "path-leak", "its code runs in every interactive Python"),
    ("PYTHONUSERBASE", "path-leak", "packages of the user are looked for and installed there"),
    ("PYTHONPLATLIBDIR", "python-broken", "every Python looks for its compiled modules in a folder of that name"),
    (
        "PIP_USER",
        "install-failed",
        "pip installs outside the environment, and fails in one that hides the user's packages",
    ),
    ("PIP_TARGET", "tf-not-in-env", "pip installs into that folder instead of the environment"),
    ("PIP_PREFIX", "tf-not-in-env", "pip installs below that folder instead of the environment"),
    ("PIP_ROOT", "tf-not-in-env", "pip installs below that folder instead of the environment"),
    ("PIP_PYTHON", "tf-not-in-env", "pip works on that Python instead of its own"),
    ("PIP_REQUIRE_VIRTUALENV", "install-failed", "pip refuses to work outside a virtual environment"),
    ("PIP_NO_INDEX", "version-not-available", "pip uses no index and finds only local files"),
    ("PIP_NO_DEPS", "import-failed", "pip leaves out everything that a package needs"),
    ("PIP_NO_BINARY", "sdist-build-failed", "pip builds packages from source although they have a wheel"),
    ("PIP_CONSTRAINT", "resolver-conflict", "pip restricts every install to the versions in that file"),
    ("PIP_REQUIREMENT", "resolver-conflict", "pip adds the packages of that file to every install"),
    ("PIP_TRUSTED_HOST", "net-tls-cert", "pip does not check the certificate of this host; tfprov does"),
    ("UV_INSECURE_HOST", "net-tls-cert", "uv does not check the certificate of this host; tfprov does"),
    ("PIP_BREAK_SYSTEM_PACKAGES", "externally-managed", "pip writes into the Python of the operating system"),
    ("UV_PROJECT_ENVIRONMENT", "tf-not-in-env", "uv installs projects into that environment"),
    ("UV_SYSTEM_PYTHON", "tf-not-in-env", "uv installs into the system's Python instead of an environment"),
    ("UV_PYTHON", "tf-not-in-env", "uv uses that Python instead of the requested one"),
    ("UV_OFFLINE", "version-not-available", "uv uses no index and finds only what is in its cache"),
    ("UV_NO_INDEX", "version-not-available", "uv uses no index and finds only local files"),
    ("UV_NO_BINARY", "sdist-build-failed", "uv builds packages from source although they have a wheel"),
    ("UV_NO_BINARY_PACKAGE", "sdist-build-failed", "uv builds packages from source although they have a wheel"),
    ("UV_CONSTRAINT", "resolver-conflict", "uv restricts every install to the versions in that file"),
    ("UV_OVERRIDE", "resolver-conflict", "uv replaces requirements by those in that file"),
    ("UV_EXCLUDE_NEWER", "version-not-available", "uv does not see what was published later"),
    ("UV_RESOLUTION", "resolver-conflict", "uv does not choose the newest versions"),
    ("UV_PRERELEASE", "resolver-conflict", "uv may choose pre-releases"),
    ("UV_BREAK_SYSTEM_PACKAGES", "externally-managed", "uv writes into the Python of the operating system"),
    ("LD_PRELOAD", "import-failed", "the library is loaded into every process and may replace what TensorFlow calls"),
    ("DYLD_INSERT_LIBRARIES", "import-failed", "the library is loaded into every process"),
    ("XLA_FLAGS", "probe-crashed", "XLA ends the process on a flag that it does not know"),
    (
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION",
        "protobuf-mismatch",
        "protobuf is made to use another implementation than the one it was installed with",
    ),
)
_SWITCHES = re.compile(
    r"^(?:PIP_(?:USER|REQUIRE_VIRTUALENV|NO_INDEX|NO_DEPS|BREAK_SYSTEM_PACKAGES)"
    r"|UV_(?:SYSTEM_PYTHON|OFFLINE|NO_INDEX|NO_BINARY|BREAK_SYSTEM_PACKAGES))$"
)
_OFF = frozenset({"", "0", "false", "no", "off", "n", "f"})
# The same settings in pip's configuration files, which `env` does not show.
_PIP_OPTIONS = {
    name[4:].lower().replace("_", "-"): (name, code, why) for name, code, why in _VARIABLES if name.startswith("PIP_")
}

# On the loader's path, a library of one of these names wins over the one in a wheel. libcuda is not among them: it
# belongs to the driver, no wheel contains it, and container runtimes add its folder on purpose.
_FOREIGN = re.compile(r"^lib(?:cudart|cudnn\w*|cublas(?:Lt)?|cufft|cusolver|cusparse|nccl|nvrtc|nvinfer)\.so")
_SHADOWS = ("tensorflow", "keras", "tf_keras", "tensorboard", "numpy", "google", "h5py", "absl")
_USER_PACKAGES = re.compile(r"^(?:tensorflow|tf_|keras|numpy|protobuf|h5py|nvidia|google|ml_dtypes|absl|tensorboard)")
_TEMPORARY_BYTES = 2 << 30
_MAPPABLE_BYTES = 16 << 30
_FILE_BYTES = 3 << 30


def hazards(
    environ: Mapping[str, str],
    *,
    system: System,
    pip: Mapping[str, Setting],
    library_path: tuple[str, ...],
    cwd: Path | None,
    root: Path = ROOT,
) -> tuple[Hazard, ...]:
    """All hazards of this machine, variables first.

    Args:
        environ: environment variables of the user's shell.
        system: decides where the user's own packages are.
        pip: pip's settings, from the network facts.
        library_path: from `foreign_libraries`.
        cwd: working directory; None when it does not exist any more.
        root: folder that contains /proc and /tmp.
    """
    return (
        *of_variables(environ),
        *of_pip_files(pip),
        *of_environments(environ),
        *of_library_path(library_path),
        *of_keras(environ),
        *of_temporary_folder(environ, root=root),
        *of_user_site(environ, system=system),
        *of_limits(),
        *of_visual_cpp(environ, system=system),
        *of_working_directory(cwd),
    )


def of_variables(environ: Mapping[str, str]) -> Iterator[Hazard]:
    """Environment variables that redirect Python, installers and loaders."""
    for name, code, why in _VARIABLES:
        value = environ.get(name, "").strip()
        if value and not (_SWITCHES.match(name) and value.lower() in _OFF):
            yield Hazard(code=code, name=name, value=redact(value), why=why)
    if environ.get("PYTHONWARNINGS", "").lstrip().startswith("error"):
        why = "the first warning of any package ends the import"
        yield Hazard(code="import-failed", name="PYTHONWARNINGS", value=environ["PYTHONWARNINGS"], why=why)


def of_pip_files(pip: Mapping[str, Setting]) -> Iterator[Hazard]:
    """The same redirections in pip's configuration files."""
    for option, setting in pip.items():
        name, code, why = _PIP_OPTIONS.get(option, ("", "", ""))
        value = setting.value.strip()
        if not name or setting.source == name or (_SWITCHES.match(name) and value.lower() in _OFF):
            continue
        yield Hazard(code=code, name=f"{option} in {setting.source}", value=redact(value), why=why)


def of_environments(environ: Mapping[str, str]) -> Iterator[Hazard]:
    """Environments that are active in this shell."""
    if environ.get("VIRTUAL_ENV"):
        why = "this virtual environment is active: pip and uv called by hand work on it"
        yield Hazard(code="tf-not-in-env", name="VIRTUAL_ENV", value=environ["VIRTUAL_ENV"], why=why)
    if environ.get("CONDA_PREFIX"):
        is_base = environ.get("CONDA_DEFAULT_ENV") == "base"
        what = "conda's base environment" if is_base else "this conda environment"
        why = f"{what} is active: its programs come first, and pip called by hand may replace conda's packages"
        yield Hazard(code="conda-pip-mix", name="CONDA_PREFIX", value=environ["CONDA_PREFIX"], why=why)


def of_library_path(library_path: tuple[str, ...]) -> Iterator[Hazard]:
    """Folders on the loader's path that contain another CUDA or cuDNN."""
    for entry in library_path:
        if Path(entry).name == "stubs":
            why = "its libcuda.so.1 is the toolkit's stub for the linker: it hides the driver's, and no GPU is seen"
            yield Hazard(code="gpu-libs-foreign", name="LD_LIBRARY_PATH", value=entry, why=why)
            continue
        why = "its CUDA libraries are loaded before those in TensorFlow's wheels"
        yield Hazard(code="cudnn-mismatch", name="LD_LIBRARY_PATH", value=entry, why=why)


def of_keras(environ: Mapping[str, str]) -> Iterator[Hazard]:
    """Environment variables that make Keras use another backend or version."""
    backend = environ.get("KERAS_BACKEND", "")
    if backend not in ("", "tensorflow"):
        why = "Keras loads this backend instead of TensorFlow, and cannot be imported where it is missing"
        yield Hazard(code="import-failed", name="KERAS_BACKEND", value=backend, why=why)
    legacy = environ.get("TF_USE_LEGACY_KERAS", "")
    if legacy.lower() not in _OFF:
        why = "TensorFlow takes Keras 2 from the package tf-keras, and fails where it is missing"
        yield Hazard(code="keras-mismatch", name="TF_USE_LEGACY_KERAS", value=legacy, why=why)


def of_temporary_folder(environ: Mapping[str, str], *, root: Path = ROOT) -> Iterator[Hazard]:
    """A folder for temporary files that is missing, read-only, nearly full, or mounted noexec."""
    name = next((name for name in ("TMPDIR", "TEMP", "TMP") if environ.get(name)), None)
    folder = Path(environ[name]) if name else root / "tmp"
    shown = name or "temporary folder"
    if not exists(folder):
        if name:
            why = "this folder does not exist: tools fall back to another one or fail"
            yield Hazard(code="permission-denied", name=shown, value=str(folder), why=why)
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        why = "this folder cannot be written to: tools fall back to another one or fail"
        yield Hazard(code="permission-denied", name=shown, value=str(folder), why=why)
        return
    mount = mount_of(nearest_folder(folder), mounts(root))
    if mount is not None and "noexec" in mount.options:
        why = f"`{mount.point}` is mounted noexec: packages cannot be built or loaded from there"
        yield Hazard(code="permission-denied", name=shown, value=str(folder), why=why)
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    if free < _TEMPORARY_BYTES:
        kind = "a tmpfs, which is memory, " if mount is not None and mount.kind == "tmpfs" else ""
        why = f"{kind}with {size(free)} free: pip unpacks wheels of over 1 GB there"
        yield Hazard(code="disk-full", name=shown, value=str(folder), why=why)


def of_user_site(environ: Mapping[str, str], *, system: System) -> Iterator[Hazard]:
    """Packages in the user's own site folders that every Python without isolation would import."""
    home = home_folder(environ, system)
    named = environ.get("PYTHONUSERBASE") or (home and home / ".local")
    bases = [Path(named)] if named else []
    patterns = ["lib/python*/site-packages"]
    if system == "macos" and home:
        bases.append(home / "Library/Python")
        patterns.append("*/lib/python/site-packages")
    if system == "windows":
        roaming = environ.get("APPDATA")
        bases, patterns = ([Path(roaming) / "Python"] if roaming else []), ["Python*/site-packages"]
    for base in bases:
        for pattern in patterns:
            for folder in glob(base, pattern):
                found = [name for name in names(folder) if _USER_PACKAGES.match(name) and "-info" not in name]
                if found:
                    why = f"the user's own {listed(found, 3)} can be imported by every Python that is not isolated"
                    yield Hazard(code="path-leak", name="user site", value=str(folder), why=why)


def of_limits() -> Iterator[Hazard]:
    """Limits of this process (ulimit) that are too low for TensorFlow."""
    try:
        import resource
    except ImportError:
        return
    mappable, _ = resource.getrlimit(resource.RLIMIT_AS)
    if mappable not in (resource.RLIM_INFINITY, -1) and mappable < _MAPPABLE_BYTES:
        why = "TensorFlow reserves far more address space than it uses"
        yield Hazard(code="oom-killed", name="ulimit -v", value=f"{mappable} bytes", why=why)
    size, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if size not in (resource.RLIM_INFINITY, -1) and size < _FILE_BYTES:
        why = "TensorFlow's libraries are larger than that limit"
        yield Hazard(code="disk-full", name="ulimit -f", value=f"{size} bytes", why=why)


def of_visual_cpp(environ: Mapping[str, str], *, system: System) -> Iterator[Hazard]:
    """Libraries of Visual C++ that neither Windows nor any CPython has."""
    if system != "windows":
        return
    folder = visual_cpp.system_folder(environ)
    for name in visual_cpp.missing(visual_cpp.NOT_OF_PYTHON, (folder,)):
        why = f"`{folder}` lacks this part of the runtime of Visual C++, and what is linked with it cannot be loaded"
        yield Hazard(code="windows-dll-load", name=name, value=str(folder / name), why=why)


def of_working_directory(cwd: Path | None) -> Iterator[Hazard]:
    """Files and folders in the working directory that Python would import instead of an installed package."""
    if cwd is None:
        return
    here = set(names(cwd))
    for module in _SHADOWS:
        if f"{module}.py" in here:
            why = f"a Python that runs here imports this file as `{module}`"
            yield Hazard(code="shadowed-module", name=f"{module}.py", value=str(cwd / f"{module}.py"), why=why)
        elif module in here and exists(cwd / module / "__init__.py"):
            why = f"a Python that runs here imports this folder as `{module}`"
            yield Hazard(code="shadowed-module", name=module, value=str(cwd / module), why=why)
        elif module == "tensorflow" and module in here and (cwd / module).is_dir():
            why = "a Python without TensorFlow that runs here imports this folder as an empty `tensorflow`"
            yield Hazard(code="shadowed-module", name=module, value=str(cwd / module), why=why)


def foreign_libraries(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Entries of LD_LIBRARY_PATH with a CUDA or cuDNN library."""
    found: list[str] = []
    for entry in environ.get("LD_LIBRARY_PATH", "").split(":"):
        if not entry or entry in found:
            continue
        libraries = names(Path(entry))
        # The toolkit's stubs are for linking only; the stub of the driver returns an error from every call.
        is_stub = Path(entry).name == "stubs" and "libcuda.so.1" in libraries
        if is_stub or any(_FOREIGN.match(name) for name in libraries):
            found.append(entry)
    return tuple(found)
