"""What uv says where it cannot resolve."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from packaging.utils import canonicalize_name

from tfprov.errors import Group, TfprovError
from tfprov.ladder.builds import build_failure, source_failure
from tfprov.ladder.classify import classify_text
from tfprov.lock.question import Answer

_NO_WHEEL = re.compile(r"Wheels are required for `([^`]+)` because building from source is disabled")
# A name may have extras in brackets and a marker in braces. The limits are there because an index chooses the words.
_PINNED = r"(?<![\w.-])(?P<name>[\w.-]{1,200})(?:\[[^\]]{0,500}\])?(?:\{[^}]{0,500}\})?==(?P<version>[\w.!+]{1,200})"
_PIN = re.compile(_PINNED)
_UNUSABLE = re.compile(rf"(?:{_PINNED}\s{{1,200}}){{1,200}}ha(?:s|ve)\s+no\s+usable\s+wheels")
_FAILED_BUILD = re.compile(
    r"Failed to (?:download and )?build `(?P<what>[^`]+)`|Failed to resolve requirements from `(?:build-system|setup)"
)
_OF_BACKEND = "The build backend returned an error"
_FAILED_GIT = re.compile(r"Git operation failed|git(?:\+|:)\S+.*Git executable not found", re.DOTALL)
_GIT_ADDRESS = re.compile(r"git\+(?P<address>[^\s`]+)")


class NoWheelsError(TfprovError):
    """Some projects have only source distributions that fit, and these may not be built.

    Attributes:
        names: of the projects, normalised.
        versions: those of their versions that the resolver names one by one, by normalised name; of several, the
            newest.
        others: the same failures on other Pythons.
    """

    def __init__(
        self, names: tuple[str, ...], failure: TfprovError, versions: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(failure.code.name, failure.what, evidence=failure.evidence, hint=failure.hint)
        self.names = names
        self.versions = versions
        self.others: tuple[NoWheelsError, ...] = ()


def failure_of(answer: Answer) -> TfprovError:
    """The classified failure of a run of uv; a `NoWheelsError` where only a build could give a solution."""
    said = answer.stderr + answer.stdout
    if _FAILED_GIT.search(said):
        address = _GIT_ADDRESS.search(said)
        return source_failure(address["address"] if address else "the repository", said)
    error = classify_text("uv pip compile", said, answer.returncode, what="the requirements could not be resolved")
    if names := tuple(dict.fromkeys(canonicalize_name(name) for name in _NO_WHEEL.findall(said))):
        pins = (pin for found in _UNUSABLE.finditer(said) for pin in _PIN.finditer(found[0]))
        unusable: dict[str, str] = {canonicalize_name(pin["name"]): pin["version"] for pin in pins}
        return NoWheelsError(names, error, unusable)
    # The output of a source whose metadata build needs the network looks like that of an unreachable index.
    is_build = error.code.name == "sdist-build-failed" or (error.code.group is Group.NETWORK and _OF_BACKEND in said)
    if is_build and (failed := _FAILED_BUILD.search(said)):
        what = f"`{failed['what']}`" if failed["what"] else "a source distribution"
        return build_failure(f"{what} has no wheel that fits, and its source does not provide metadata", said)
    return error
