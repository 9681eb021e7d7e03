"""Names in dependency lists that are not projects on an index: modules, system packages, conda packages."""

from __future__ import annotations

import platform
import re
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MODULES = {
    "absl": "absl-py",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "git": "GitPython",
    "magic": "python-magic",
    "matplotlib-pyplot": "matplotlib",
    "mpl-toolkits": "matplotlib",
    "mysqldb": "mysqlclient",
    "nacl": "PyNaCl",
    "openssl": "pyOpenSSL",
    "pil": "Pillow",
    "pkg-resources": "setuptools",
    "pywt": "PyWavelets",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skvideo": "sk-video",
    "tensorflow-keras": "tensorflow",
    "win32api": "pywin32",
    "wx": "wxPython",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
"""The project that contains a module, by the name of the module.

Only module names under which the index has no project, or an empty one.
"""

WRONG = {
    "google-protobuf": "protobuf",
    "keras-gpu": "keras",
    "opencv": "opencv-python",
    "opencv-python3": "opencv-python",
    "pyqt": "PyQt5",
    "python-opencv": "opencv-python",
    "python-yaml": "PyYAML",
    "pytorch": "torch",
    "tensorflow-base": "tensorflow",
    "torch-gpu": "torch",
}
"""The project that is meant by a wrong name, under which the index has no project, or an empty one."""


def stood_in_for(requirement: Requirement) -> tuple[str, str] | None:
    """The replacement for a distribution in a list from another environment that no index can provide.

    Returns:
        The requirement to use instead, and the reason, for messages; None when there is nothing to replace.
    """
    name, version = canonicalize_name(requirement.name), str(requirement.specifier)
    if name == "sklearn" and re.fullmatch(r"==0\.0(\.post\d+)?", version):
        return MODULES[name], "it was an empty package that asked for that one"
    if of_colab := re.fullmatch(r"(?P<release>===?[^+]+)\+zzzcolab\w*", version):
        return f"{requirement.name}{of_colab['release']}", "only Colab has that build of it"
    return None


# Modules of the standard library that also exist as projects on the index: backports.
_BACKPORTS = frozenset(
    {
        "argparse",
        "asyncio",
        "configparser",
        "contextvars",
        "dataclasses",
        "enum",
        "graphlib",
        "pathlib",
        "typing",
        "zoneinfo",
    }
)

OF_PYTHON_2 = frozenset(
    {"HTMLParser", "Queue", "StringIO", "Tkinter", "cPickle", "cStringIO", "httplib", "tkMessageBox", "urllib2"}
)
"""Modules of Python 2 only, under whose names the index has no project."""

_WINDOWS = frozenset(
    {"pypiwin32", "pywin32", "pywinpty", "win-inet-pton", "wincertstore", "windows-curses", "winshell"}
)
OF_NO_USE_ELSEWHERE = frozenset({"tensorflow-metal", "win-inet-pton", "wincertstore"})
"""Projects for one system that no program imports: they are of no use elsewhere, where they are left out."""
_MACOS = frozenset({"macfsevents", "pyobjc", "tensorflow-metal"})

OF_SYSTEM = frozenset(
    {
        "apturl",
        "brlapi",
        "cloud-init",
        "command-not-found",
        "cupshelpers",
        "defer",
        "distro-info",
        "google-colab",
        "hud",
        "language-selector",
        "louis",
        "pkg-resources",
        "python-apt",
        "screen-resolution-extra",
        "sos",
        "ssh-import-id",
        "system-service",
        "ubuntu-advantage-tools",
        "ubuntu-dev-tools",
        "ubuntu-drivers-common",
        "ubuntu-pro-client",
        "ufw",
        "unattended-upgrades",
        "usb-creator",
        "xkit",
    }
)
"""Parts of Debian, Ubuntu and Colab that `pip freeze` lists there, and that no index has."""

OF_CONDA = frozenset({"cudatoolkit", "cudnn"})
"""The CUDA libraries under their conda names, which occur in requirements files although no index has them."""

OF_CONDA_ITSELF = frozenset(
    {
        "anaconda-client",
        "anaconda-navigator",
        "anaconda-project",
        "conda",
        "conda-build",
        "conda-content-trust",
        "conda-pack",
        "conda-package-handling",
        "conda-package-streaming",
        "conda-repo-cli",
        "conda-token",
        "conda-verify",
        "libmambapy",
        "menuinst",
        "mkl-fft",
        "mkl-random",
        "mkl-service",
        "navigator-updater",
        "pycosat",
        "ruamel-yaml-conda",
    }
)
"""Parts of conda itself, and of the MKL build of its numpy, that `pip freeze` lists in a conda environment."""

BOUND_TO_SYSTEM = frozenset({"dbus-python", "pycairo", "pycups", "pygobject", "python-debian", "systemd-python"})
"""Distributions that Debian and Ubuntu build against system libraries; the index has them only as source."""

_WHEELS = {
    "abseil-cpp": None,
    "alsa-lib": None,
    "anaconda": None,
    "aom": None,
    "backports": None,
    "bazel": None,
    "binutils": None,
    "blas": None,
    "blosc": None,
    "boost": None,
    "boost-cpp": None,
    "brotli-bin": None,
    "bzip2": None,
    "c-ares": None,
    "c-blosc2": None,
    "ca-certificates": None,
    "cairo": None,
    "charls": None,
    "conda": None,
    "console-shortcut": None,
    "cpuonly": None,
    "cuda": None,
    "cuda-nvcc": None,
    "cuda-toolkit": None,
    "cudatoolkit": None,
    "cudatoolkit-dev": None,
    "cudnn": None,
    "curl": None,
    "dav1d": None,
    "dbus": None,
    "double-conversion": None,
    "eigen": None,
    "expat": None,
    "ffmpeg": None,
    "fontconfig": None,
    "freetype": None,
    "fribidi": None,
    "gcc": None,
    "gcc-linux-64": None,
    "gettext": None,
    "gflags": None,
    "giflib": None,
    "git": None,
    "glew": None,
    "glib": None,
    "glog": None,
    "gmp": None,
    "gnutls": None,
    "graphite2": None,
    "graphviz": None,
    "grpc-cpp": None,
    "gst-plugins-base": None,
    "gstreamer": None,
    "gxx": None,
    "gxx-linux-64": None,
    "harfbuzz": None,
    "hdf5": None,
    "icc-rt": None,
    "icu": None,
    "intel-openmp": None,
    "jasper": None,
    "java-jdk": None,
    "jpeg": None,
    "jpeg-turbo": None,
    "keras-gpu": "keras",
    "keyutils": None,
    "krb5": None,
    "lame": None,
    "ld-impl-linux-64": None,
    "leptonica": None,
    "lerc": None,
    "lz4-c": None,
    "lzo": None,
    "m4": None,
    "magma": None,
    "make": None,
    "matplotlib-base": "matplotlib",
    "mesalib": None,
    "mkl": None,
    "mkl-fft": None,
    "mkl-random": None,
    "mkl-service": None,
    "mpich": None,
    "msgpack-python": "msgpack",
    "msys2-conda-epoch": None,
    "mysql": None,
    "nb-conda": None,
    "nb-conda-kernels": None,
    "nccl": None,
    "ncurses": None,
    "nettle": None,
    "nodejs": None,
    "nspr": None,
    "nss": None,
    "openblas": None,
    "opencv": "opencv-python",
    "openh264": None,
    "openjdk": None,
    "openjpeg": None,
    "openmpi": None,
    "openssl": None,
    "p11-kit": None,
    "pandoc": None,
    "pango": None,
    "pcre": None,
    "pcre2": None,
    "perl": None,
    "pixman": None,
    "pkg-config": None,
    "poppler": None,
    "postgresql": None,
    "pthread-stubs": None,
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "pyqt": "PyQt5",
    "pytables": "tables",
    "python-abi": None,
    "python-flatbuffers": "flatbuffers",
    "python-graphviz": "graphviz",
    "python-lmdb": "lmdb",
    "pytorch": "torch",
    "pytorch-cuda": None,
    "pytorch-mutex": None,
    "qt": None,
    "qt-main": None,
    "r-base": None,
    "re2": None,
    "readline": None,
    "ruamel-yaml": "ruamel.yaml",
    "rust": None,
    "snappy": None,
    "sqlite": None,
    "svt-av1": None,
    "sysroot-linux-64": None,
    "tbb": None,
    "tensorflow-base": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-eigen": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "tesseract": None,
    "tk": None,
    "ucrt": None,
    "unixodbc": None,
    "vc": None,
    "vc14-runtime": None,
    "vim": None,
    "vs2015-runtime": None,
    "vswhere": None,
    "winpty": None,
    "x264": None,
    "x265": None,
    "xz": None,
    "yaml": None,
    "zfp": None,
    "zlib": None,
    "zstd": None,
}


def wheel_of(conda_name: str) -> str | None:
    """The project whose wheel has the content of a conda package; None when there is none.

    Libraries have none, because wheels bundle their own copies. A name that is not in the table is the same on both
    sides.
    """
    name = conda_name.lower()
    plain = name.replace("_", "-")
    if plain in _WHEELS:
        return _WHEELS[plain]
    return None if name.startswith(("_", "lib", "cuda-", "xorg-", "aws-c", "m2w64-", "r-")) else name


def system_of(name: str) -> str | None:
    """`win32` or `darwin` for a project that supports only that system; None for all others."""
    name = canonicalize_name(name)
    if name in _WINDOWS or name.startswith("winrt-"):
        return "win32"
    return "darwin" if name in _MACOS or name.startswith("pyobjc-") else None


def conda_platform() -> str:
    """The name that conda has for this platform: `linux-64`."""
    system = {"darwin": "osx", "win32": "win"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    return f"{system}-{'64' if machine in ('x86_64', 'amd64') else machine}"


def is_standard_module(name: str) -> bool:
    """Whether the name is a module of the standard library, and not also that of a backport."""
    return name in sys.stdlib_module_names and name not in _BACKPORTS


def outer_module(name: str) -> str | None:
    """The top-level module of a dotted name; None for a name without a dot, or when the module is not known.

    Known are the modules of the standard library, and those in `MODULES`.
    """
    outer, dot, _ = name.partition(".")
    is_known = dot and (canonicalize_name(outer) in MODULES or is_standard_module(outer))
    return outer if is_known else None
