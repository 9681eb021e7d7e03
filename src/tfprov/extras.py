"""Parts of tfprov that are missing: of extras, which few profiles need, and of an installation that is incomplete."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys

from packaging.requirements import Requirement

from tfprov.errors import TfprovError
from tfprov.words import quoted


def missing_of(modules: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some modules that are not installed."""
    return tuple(name for name in modules if importlib.util.find_spec(name) is None)


def incomplete(what: str, *evidence: str) -> TfprovError:
    """The error for something that is missing although it is installed with tfprov.

    Args:
        what: what is missing.
        evidence: how that was found.
    """
    return TfprovError(
        "extra-missing",
        what,
        evidence=(f"tfprov runs in `{sys.prefix}`", *evidence),
        hint="install tfprov again; in a checkout, delete `.bootstrap`, which is then made anew",
    )


def require(extra: str, modules: tuple[str, ...], what: str) -> None:
    """Make sure that the libraries of an extra are installed.

    Args:
        extra: its name.
        modules: that it brings.
        what: needs them; the beginning of the message, in the plural.

    Raises:
        TfprovError: `extra-missing` with the command that installs them.
    """
    missing = missing_of(modules)
    if not missing:
        return
    wanted = [
        str(requirement.name) + str(requirement.specifier)
        for requirement in map(Requirement, importlib.metadata.requires("tfprov") or ())
        if requirement.marker is not None
        and requirement.marker.evaluate({"extra": extra})
        and not requirement.marker.evaluate({"extra": ""})
    ]
    command = (sys.executable, "-m", "pip", "install", *wanted)
    raise TfprovError(
        "extra-missing",
        f"{what} need libraries of the extra `{extra}`, which is not installed",
        evidence=(f"missing in `{sys.prefix}`: {', '.join(missing)}",),
        hint=f"run `{' '.join(map(quoted, command))}`, or start from a checkout "
        "with `./bootstrap`, which installs them for such profiles",
    )
