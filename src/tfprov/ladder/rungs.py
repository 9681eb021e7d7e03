"""The rungs, which of them can help after which failure, and which failures are transient. Data for `climb`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from tfprov.errors import CODES, Group


class Rung(Enum):
    """One strategy. The values are those of `strategies.skip` and of the journal."""

    NORMAL = "normal"
    PATIENT = "patient"
    OTHER_ROUTE = "other-route"
    OTHER_SOURCE = "other-source"
    FRESH = "fresh"
    OTHER_INSTALLER = "other-installer"
    OTHER_RELEASE = "other-release"
    REPAIR = "repair"


_ROUTES = (Rung.OTHER_ROUTE, Rung.OTHER_SOURCE)
_NETWORK = (Rung.PATIENT, *_ROUTES)

_BY_GROUP: Mapping[Group, tuple[Rung, ...]] = {
    # Another release may have the wheel that this one lacks. It is only tried where the profile allows it.
    Group.INTERPRETER: (Rung.OTHER_RELEASE,),
    Group.PLATFORM: (Rung.OTHER_RELEASE,),
    Group.NETWORK: _NETWORK,
    Group.ARTIFACT: (Rung.OTHER_SOURCE, Rung.FRESH),
    # A limit of the machine affects every strategy. The rows below name the exceptions.
    Group.MACHINE: (),
    Group.RESOLVE: (Rung.OTHER_RELEASE,),
    Group.PYTHON_DEPS: (Rung.REPAIR, Rung.OTHER_RELEASE),
    Group.GPU: (Rung.REPAIR, Rung.OTHER_RELEASE),
    Group.SMOKE: (Rung.OTHER_RELEASE,),
}

_BY_CODE: Mapping[str, tuple[Rung, ...]] = {
    # An older Python still has the modules that were removed from newer ones.
    "python-unsupported": (Rung.REPAIR, Rung.OTHER_RELEASE),
    # A proxy that is down or requires a login stays so; a mirror inside the network needs no proxy.
    "net-proxy": _ROUTES,
    # An intercepting proxy, or the expired certificate of one mirror: take another route, never verify less.
    "net-tls-cert": _ROUTES,
    "net-portal": _ROUTES,
    "mirror-http-error": (*_NETWORK, Rung.FRESH),
    # Git honours proxies, and has no mirrors.
    "source-unreachable": (Rung.OTHER_ROUTE,),
    # The same source fails in the same way until something is installed.
    "build-failed": (),
    "build-tool-missing": (),
    "system-library-missing": (),
    "hash-mismatch": (Rung.OTHER_SOURCE, Rung.OTHER_ROUTE, Rung.FRESH),
    "cache-corrupt": (Rung.OTHER_SOURCE, Rung.FRESH, Rung.OTHER_INSTALLER),
    "conda-cache-corrupt": (Rung.FRESH,),
    # A stale index page hides the release that the lock names.
    "version-not-available": (Rung.OTHER_SOURCE, Rung.FRESH, Rung.OTHER_RELEASE),
    "package-name-wrong": (Rung.OTHER_SOURCE, Rung.FRESH),
    "platform-no-wheel": (Rung.OTHER_SOURCE, Rung.OTHER_RELEASE),
    "install-failed": (Rung.FRESH, Rung.OTHER_INSTALLER, Rung.OTHER_RELEASE),
    "uninstall-metadata": (Rung.FRESH, Rung.OTHER_INSTALLER),
    "file-in-use": (Rung.PATIENT, Rung.FRESH, Rung.OTHER_INSTALLER),
    "windows-long-path": (Rung.OTHER_INSTALLER,),
    "oom-killed": (Rung.PATIENT, Rung.OTHER_INSTALLER),
    "file-damaged": (Rung.FRESH, Rung.OTHER_INSTALLER),
    "pip-too-old": (Rung.OTHER_INSTALLER,),
    # A package may lack what the release before still had.
    "tf1-code": (Rung.REPAIR,),
    # Requested by name, or a property of machine or code: nothing that tfprov may change on its own would help.
    "tensorflow-gpu-package": (),
    "known-bad-release": (),
    "tensorflow-too-old": (),
    "user-check-failed": (),
    "python-32bit": (),
    "musl-libc": (),
    "rosetta-qemu": (),
}

HELP: Mapping[str, tuple[Rung, ...]] = MappingProxyType(
    {name: _BY_CODE.get(name, _BY_GROUP.get(code.group, ())) for name, code in CODES.items()}
)
"""The rungs that can help, for each failure code. When there are none, the climb ends at once."""

TRANSIENT = frozenset(
    {"net-timeout", "net-reset", "net-dns", "net-refused", "mirror-http-error", "conda-http", "file-in-use"}
)
"""Codes of transient failures, after which the same rung is worth another try."""

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524})
"""HTTP statuses of transient failures where a server answered: `mirror-http-error` can be a 503 as well as a 404."""


def may_pass(code: str, status: int | None = None) -> bool:
    """Whether a failure is transient, so that the same try may succeed a moment later.

    Args:
        code: failure code.
        status: HTTP status; None where no server answered, or where its answer was good.
    """
    return code in TRANSIENT and (status is None or status in TRANSIENT_STATUSES)


# From a failure on this machine to an answer of the right server. When several rungs failed in different ways, the
# failure that got furthest says most about the cause; a dead proxy on a detour says least.
_DISTANCE = (
    "net-proxy",
    "net-dns",
    "net-refused",
    "net-portal",
    "net-tls-cert",
    "net-timeout",
    "net-reset",
    "mirror-http-error",
    "source-unreachable",
    "conda-http",
)


def distance(code: str) -> int:
    """How far an exchange got before it failed; the failure with the higher value says more about the cause."""
    return _DISTANCE.index(code) if code in _DISTANCE else len(_DISTANCE)
