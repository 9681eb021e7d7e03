"""What TensorFlow asks for in its metadata and does not find. No failure by itself: often it works all the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.smoke.records import ShellHazard

_CODES = {
    "numpy": "numpy-abi",
    "protobuf": "protobuf-mismatch",
    "typing-extensions": "typing-extensions-mismatch",
    "keras": "keras-mismatch",
    "h5py": "h5py-mismatch",
}


def unmet(
    requires: Iterable[str], installed: Mapping[str, str], python: str | None, *, who: str = "TensorFlow"
) -> tuple[ShellHazard, ...]:
    """Requirements that the installed versions do not meet.

    Args:
        requires: lines of `Requires-Dist`.
        installed: versions by normalised project name.
        python: version of the environment's Python; None when it did not say.
        who: has the requirements.
    """
    if python is None:
        return ()
    environment = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python, "extra": ""}
    found = []
    for line in requires:
        try:
            requirement = Requirement(line)
        except ValueError:
            # Old metadata has spellings that the standard has dropped since.
            continue
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            continue
        name = canonicalize_name(requirement.name)
        version = installed.get(name)
        if version is not None and _fits(requirement, version):
            continue
        said = f"{name} {version} is installed" if version else f"{name} is not installed"
        found.append(
            ShellHazard(code=_CODES.get(name, "resolver-conflict"), evidence=f"{who} asks for `{requirement}`, {said}")
        )
    return tuple(found)


def _fits(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(version, prereleases=True)
    except ValueError:
        return True
