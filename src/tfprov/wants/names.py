"""Names in dependency lists that are not projects on an index: modules, system packages, conda packages."""

from __future__ import annotations

import re
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.wants.conda_programs import CONDA_PROGRAMS

MODULES = {
    "absl": "absl-py",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
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
    "skmisc": "scikit-misc",
    "skvideo": "sk-video",
    "tensorflow-keras": "tensorflow",
    "win32api": "pywin32",
    "wx": "wxPython",
    "yaml": "PyYAML",
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
    "pytables": "tables",
    "python-opencv": "opencv-python",
    "python-yaml": "PyYAML",
    "pytorch": "torch",
    "tensorflow-base": "tensorflow",
    "torch-gpu": "torch",
}
"""The project that is meant by a wrong name, under which the index has no project, or an empty one."""

_EMPTY = {"dotenv": "python-dotenv", "zmq": "pyzmq"}
"""The only requirement of an empty project, by the name of that project."""


def stood_in_for(requirement: Requirement) -> tuple[str, str] | None:
    """The replacement for a distribution in a list from another environment that no index can provide.

    Returns:
        The requirement to use instead, and the reason, for messages; None when there is nothing to replace.
    """
    name, version = canonicalize_name(requirement.name), str(requirement.specifier)
    # Poetry wrote `^0.0` for the version that it found.
    if name == "sklearn" and re.search(r"(?:==|>=|~=)0\.0(?:\.\*|\.post\d+)?(?:,|$)", version):
        return MODULES[name], "it was an empty package that asked for that one"
    if not version and name in _EMPTY:
        return _EMPTY[name], "it is an empty package that asks for that one"
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
    "arpack": None,
    "arrow-cpp": None,
    "attr": None,
    "aws-checksums": None,
    "aws-crt-cpp": None,
    "aws-sdk-cpp": None,
    "backports": None,
    "bazel": None,
    "binutils": None,
    "black-jupyter": "black",
    "blas": None,
    "blas-devel": None,
    "blosc": None,
    "boost": None,
    "boost-cpp": None,
    "brotli-bin": None,
    "brotli-python": "brotli",
    "bzip2": None,
    "c-ares": None,
    "c-blosc2": None,
    "ca-certificates": None,
    "cairo": None,
    "cfitsio": None,
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
    "dask-core": "dask",
    "dav1d": None,
    "dbus": None,
    "double-conversion": None,
    "eigen": None,
    "expat": None,
    "faiss": "faiss-cpu",
    "ffmpeg": None,
    "fftw": None,
    "fmt": None,
    "fontconfig": None,
    "freetype": None,
    "freexl": None,
    "fribidi": None,
    "gcc": None,
    "gcc-linux-64": None,
    "geos": None,
    "gettext": None,
    "gettext-tools": None,
    "gflags": None,
    "giflib": None,
    "git": None,
    "glew": None,
    "glib": None,
    "glib-tools": None,
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
    "hdf4": None,
    "hdf5": None,
    "icc-rt": None,
    "icu": None,
    "imath": None,
    "intel-openmp": None,
    "isl": None,
    "jasper": None,
    "java-jdk": None,
    "jpeg": None,
    "jpeg-turbo": None,
    "json-c": None,
    "keras-gpu": "keras",
    "kernel-headers-linux-64": None,
    "keyutils": None,
    "krb5": None,
    "lame": None,
    "lcms2": None,
    "ld-impl-linux-64": None,
    "leptonica": None,
    "lerc": None,
    "llvm-openmp": None,
    "lz4-c": None,
    "lzo": None,
    "m4": None,
    "magma": None,
    "make": None,
    "mesalib": None,
    "metis": None,
    "mkl": None,
    "mkl-devel": None,
    "mkl-fft": None,
    "mkl-include": None,
    "mkl-random": None,
    "mkl-service": None,
    "mpc": None,
    "mpfr": None,
    "mpich": None,
    "msgpack-python": "msgpack",
    "msys2-conda-epoch": None,
    "mysql": None,
    "mysql-common": None,
    "mysql-libs": None,
    "nb-conda": None,
    "nb-conda-kernels": None,
    "nbconvert-core": "nbconvert",
    "nbconvert-pandoc": "nbconvert",
    "nccl": None,
    "ncurses": None,
    "nettle": None,
    "nlohmann-json": None,
    "nodejs": None,
    "nspr": None,
    "nss": None,
    "ocl-icd": None,
    "ocl-icd-system": None,
    "openblas": None,
    "opencv": "opencv-python",
    "openexr": None,
    "openh264": None,
    "openjdk": None,
    "openjpeg": None,
    "openmpi": None,
    "openssl": None,
    "orc": None,
    "p11-kit": None,
    "pandoc": None,
    "pango": None,
    "pcre": None,
    "pcre2": None,
    "perl": None,
    "pixman": None,
    "pkg-config": None,
    "poppler": None,
    "poppler-data": None,
    "portaudio": None,
    "postgresql": None,
    "powershell-shortcut": None,
    "proj": None,
    "pthread-stubs": None,
    "pugixml": None,
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pyarrow-core": "pyarrow",
    "pybind11-abi": None,
    "pyqt": "PyQt5",
    "pynco": "nco",
    "pysoundfile": "soundfile",
    "pytables": "tables",
    "python-abi": None,
    "python-build": "build",
    "python-cdo": "cdo",
    "python-duckdb": "duckdb",
    "python-eccodes": "eccodes",
    "python-fastjsonschema": "fastjsonschema",
    "python-flatbuffers": "flatbuffers",
    "python-gil": None,
    "python-graphviz": "graphviz",
    "python-kaleido": "kaleido",
    "python-lmdb": "lmdb",
    "python-sounddevice": "sounddevice",
    "python-tzdata": "tzdata",
    "python-xxhash": "xxhash",
    "python.app": None,
    "pytorch": "torch",
    "pytorch-cuda": None,
    "pytorch-mutex": None,
    "qt": None,
    "qt-main": None,
    "qt-webengine": None,
    "qt6-main": None,
    "r-base": None,
    "ray-core": "ray",
    "ray-default": "ray",
    "rdma-core": None,
    "re2": None,
    "readline": None,
    "redis-py": "redis",
    "rhash": None,
    "ruamel-yaml": "ruamel.yaml",
    "rust": None,
    "s2n": None,
    "sleef": None,
    "snappy": None,
    "spdlog": None,
    "sqlite": None,
    "suitesparse": None,
    "svt-av1": None,
    "sysroot-linux-64": None,
    "tbb": None,
    "tensorflow-cpu": "tensorflow",
    "tensorflow-deps": None,  # Apple's: what TensorFlow itself depends on
    "tensorflow-eigen": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "tesseract": None,
    "tiledb": None,
    "tk": None,
    "ucrt": None,
    "ucx": None,
    "unixodbc": None,
    "utf8proc": None,
    "vc": None,
    "vc14-runtime": None,
    "vim": None,
    "vs2015-runtime": None,
    "vswhere": None,
    "wayland": None,
    "winpty": None,
    "x264": None,
    "x265": None,
    "xerces-c": None,
    "xz": None,
    "yaml": None,
    "zeromq": None,
    "zfp": None,
    "zlib": None,
    "zlib-ng": None,
    "zstd": None,
}


_PREFIXES = ("_", "lib", "cuda-", "xorg-", "xcb-", "aws-c-", "m2-", "m2w64-", "vs20", "font-ttf-", "fonts-conda-", "r-")


def wheel_of(conda_name: str) -> str | None:
    """The project whose wheel has the content of a conda package; None when there is none.

    Libraries have none, because wheels bundle their own copies, and conda's own parts have none. A name that is not in
    the table is the same on both sides.
    """
    name = conda_name.lower()
    plain = name.replace("_", "-")
    if plain in _WHEELS:
        return _WHEELS[plain]
    if name.startswith(_PREFIXES) or plain.endswith(("-cpp", "-linux-64", "-win-64")):
        return None
    if plain in OF_CONDA_ITSELF or plain in CONDA_PROGRAMS:
        return None
    # The part of a package that does the work: `numpy-base`, `matplotlib-base`.
    return wheel_of(name.removesuffix("-base")) if name.endswith("-base") else name


def system_of(name: str) -> str | None:
    """`win32` or `darwin` for a project that supports only that system; None for all others."""
    name = canonicalize_name(name)
    if name in _WINDOWS or name.startswith("winrt-"):
        return "win32"
    return "darwin" if name in _MACOS or name.startswith("pyobjc-") else None


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
