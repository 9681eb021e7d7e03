"""Requirements in TensorFlow's metadata that are not met: only a warning, because it often works all the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.utils import canonicalize_name

from tfprov.requires_dist import applies, is_met, parsed, values_of
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
        requires: values of `Requires-Dist`.
        installed: versions by normalised project name.
        python: version of the environment's Python; None when unknown, and then nothing is checked.
        who: distribution that has the requirements, for messages.
    """
    if python is None:
        return ()
    environment = values_of(python)
    found = []
    for requirement in parsed(requires):
        if not applies(requirement, environment):
            continue
        name = canonicalize_name(requirement.name)
        version = installed.get(name)
        if version is not None and is_met(requirement, version):
            continue
        said = f"{name} {version} is installed" if version else f"{name} is not installed"
        found.append(
            ShellHazard(code=_CODES.get(name, "resolver-conflict"), evidence=f"{who} asks for `{requirement}`, {said}")
        )
    return tuple(found)
