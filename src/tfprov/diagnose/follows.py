"""Which failures explain which others, whatever rules found them."""

from __future__ import annotations

from collections.abc import Sequence

from tfprov.diagnose.records import Hit
from tfprov.errors import CODES

Rows = Sequence[tuple[int, Hit]]
"""What was found of one failure: the rank of each match, and the match."""

_BEFORE_INSTALL = ("network", "artifact", "machine", "resolve", "interpreter", "platform")
# Codes and labels of groups that a code is a consequence of when both are found in a log, whichever rules found them.
_FOLLOWS: dict[str, tuple[str, ...]] = {
    # The final errors of an installer that could not reach its index, or of a program whose installation failed.
    "tf-not-in-env": _BEFORE_INSTALL,
    "install-failed": (*_BEFORE_INSTALL, "python-deps", "gpu"),
    "import-failed": ("python-deps", "gpu", "platform", "machine"),
    "probe-crashed": ("python-deps", "gpu", "platform", "machine", "python-broken"),
    "package-name-wrong": ("network", "python-unsupported", "musl-libc", "python-32bit", "tensorflow-gpu-package"),
    "python-unsupported": ("network", "musl-libc", "python-32bit", "tensorflow-gpu-package", "pip-too-old"),
    "version-not-available": ("network", "python-unsupported", "musl-libc", "python-32bit", "pip-too-old"),
    "platform-no-wheel": ("network", "musl-libc", "python-32bit"),
    "resolver-conflict": (
        "network",
        "python-unsupported",
        "version-not-available",
        "platform-no-wheel",
        "package-name-wrong",
        "tensorflow-gpu-package",
    ),
    "sdist-build-failed": (
        "network",
        "disk-full",
        "disk-quota",
        "filesystem-feature",
        "oom-killed",
        "read-only-fs",
        "permission-denied",
        "tensorflow-gpu-package",
        "windows-long-path",
        "file-in-use",
    ),
    "hash-mismatch": ("net-reset", "net-timeout", "net-portal"),
    "cache-corrupt": ("disk-full", "disk-quota", "net-reset", "net-timeout", "net-portal"),
    "conda-cache-corrupt": ("disk-full", "disk-quota", "windows-long-path", "permission-denied"),
    "conda-http": ("net-proxy", "net-tls-cert", "net-dns"),
    # Messages about the connection are vaguer than those about what refused it.
    "net-reset": ("net-proxy", "net-tls-cert", "net-dns"),
    "net-timeout": ("net-proxy", "net-dns"),
    "net-refused": ("net-proxy", "conda-http"),
    "gpu-missing-in-tf": ("gpu", "platform"),
    "gpu-libs-missing": ("wheel-without-cuda", "windows-no-gpu"),
    "gpu-no-device": ("gpu-driver-mismatch", "gpu-driver-too-old", "docker-no-gpu"),
    "gpu-no-driver": ("docker-no-gpu", "wsl-libcuda", "gpu-driver-mismatch", "rocm"),
    "cudnn-init-failed": ("cudnn-mismatch", "gpu-memory-in-use", "gpu-driver-too-old", "gpu-arch-unsupported"),
    "gpu-memory-in-use": ("gpu-arch-unsupported", "gpu-driver-mismatch"),
    "oom-killed": ("gpu-memory-in-use",),
}


def explains(cause: str, code: str, rows: Rows) -> bool:
    """Whether failures of `code` follow from `cause`: in general, or as the rule of the highest rank says."""
    return says_so(cause, rows) or bool(_names(cause) & set(_FOLLOWS.get(code, ())))


def says_so(cause: str, rows: Rows) -> bool:
    """Whether the rule of the highest rank says that its failure follows from `cause`."""
    _, deciding = max(rows, key=lambda row: row[0])
    return bool(_names(cause) & set(deciding.rule.follows))


def _names(code: str) -> set[str]:
    return {code, CODES[code].group.label}


def first_of(rows: Rows) -> int:
    """Number of the first line of a failure."""
    return min(hit.first for _, hit in rows)


def last_of(rows: Rows) -> int:
    """Number of the last line of a failure."""
    return max(hit.last for _, hit in rows)
