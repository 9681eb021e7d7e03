"""Selects the Pythons of a machine that may be used, and those that a release has wheels for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath, PurePosixPath, PureWindowsPath

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tfprov.distributions import OLDEST_PYTHON
from tfprov.host.records import Facts, Interpreter
from tfprov.plan.offers import Offer
from tfprov.plan.records import Refusal
from tfprov.plan.tags import architecture, major_minor, platform_tags
from tfprov.profile.records import Profile
from tfprov.structured import numbers_in

_OLDEST_BY_CHOICE = (3, 9)
# uv has no standalone builds of older versions.
_OLDEST_BROUGHT = (3, 8)
# uv's builds, and those of conda, need this glibc (python-build-standalone, "Runtime requirements") and this macOS
# (there, `targets.yml`: the oldest for Intel; no Mac with Apple silicon is that old); uv needs this Windows ("Platform
# support").
_OLDEST_GLIBC_BROUGHT = (2, 17)
_OLDEST_MACOS_BROUGHT = (10, 15)
_OLDEST_WINDOWS_BROUGHT = (10, 0)

# Patch numbers to try: a range such as `>=3.12.4` may be satisfied only by a later patch release of a minor version.
_PATCHES = range(40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """An interpreter that may be used.

    Attributes:
        minor: minor version, `3.12`.
        tag: `cp312`, `cp313t`.
        platforms: platform tags that it accepts.
    """

    interpreter: Interpreter
    version: Version
    minor: str
    tag: str
    platforms: frozenset[str]

    @property
    def preference(self) -> tuple[tuple[int, ...], bool, Version]:
        """Sort key, higher is better: newest minor version, not the operating system's own, newest patch release."""
        return self.version.release[:2], not self.interpreter.externally_managed, self.version


def name(interpreter: Interpreter) -> str:
    """Version and path, for messages: `Python 3.12.1 (/usr/bin/python3.12)`."""
    return f"Python {interpreter.version} ({interpreter.path})" if interpreter.version else interpreter.path


@lru_cache(maxsize=1024)
def admits(specifier: str | None, minor: str) -> bool:
    """Whether a range of Python versions allows some patch release of a minor version."""
    if specifier is None:
        return True
    wanted = SpecifierSet(specifier)
    return any(wanted.contains(f"{minor}.{patch}", prereleases=True) for patch in _PATCHES)


def is_named(interpreter: Interpreter, profile: Profile) -> bool:
    """Whether it is the one that the profile names; in the facts of another machine, only the path can tell."""
    if interpreter.found_by == "profile":
        return True
    named, path = profile.python.path, interpreter.path
    return named is not None and _of_its_system(named) == _of_its_system(path)


def _of_its_system(path: str) -> PurePath:
    """A path as its own system compares it: Windows takes both slashes, and makes no difference between cases."""
    windows = PureWindowsPath(path)
    return windows if windows.drive else PurePosixPath(path)


def sort_out(
    profile: Profile, facts: Facts, offers: Sequence[Offer]
) -> tuple[list[Usable], list[tuple[Interpreter, Refusal]]]:
    """Separate the interpreters that may be used from the others.

    Args:
        profile: names an interpreter, or limits the versions.
        facts: about the machine.
        offers: of all releases; an interpreter that none of them has a wheel for may not be used.

    Returns:
        The interpreters that may be used, best first, and the others, each with the reason.
    """
    usable: list[Usable] = []
    refused: list[tuple[Interpreter, Refusal]] = []
    system = frozenset(platform_tags(facts))
    installable = [offer for offer in offers if offer.has_platform(system)]
    for interpreter in facts.interpreters.value:
        why = _refusal(interpreter, profile, facts)
        if why is not None:
            refused.append((interpreter, why))
            continue
        version = Version(interpreter.version)
        own = interpreter.libc is not None and interpreter.libc != facts.libc.value
        found = Usable(
            interpreter=interpreter,
            version=version,
            minor=f"{version.major}.{version.minor}",
            tag=f"cp{version.major}{version.minor}{'t' if interpreter.free_threaded else ''}",
            platforms=frozenset(platform_tags(facts, interpreter.libc)) if own else system,
        )
        # Where no release has a wheel for the machine, that is the problem, not the interpreters.
        if installable and not any(fitting(offer, (found,)) for offer in installable):
            refused.append((interpreter, _without_wheels(found, profile, system)))
        else:
            usable.append(found)
    usable.sort(key=lambda each: each.preference, reverse=True)
    return usable, refused


def _without_wheels(found: Usable, profile: Profile, system: frozenset[str]) -> Refusal:
    libc = found.interpreter.libc
    what = f"Python {found.minor}"
    if found.interpreter.free_threaded:
        what = f"free-threaded builds of {what}"
    elif libc is not None and found.platforms != system:
        what = f"{what} on {libc.kind} {libc.version}"
    then = profile.index.exclude_newer
    until = f" up to {then}" if then is not None else ""
    return Refusal(code="python-unsupported", why=f"no TensorFlow{until} has wheels for {what}")


def _refusal(interpreter: Interpreter, profile: Profile, facts: Facts) -> Refusal | None:
    is_other = not is_named(interpreter, profile)
    if profile.python.path is not None and is_other:
        return Refusal(code="python-unsupported", why=f"the profile names `{profile.python.path}`")
    problem = interpreter.problem
    if problem is not None:
        return Refusal(code=problem.code, why=problem.why)
    if interpreter.virtual and is_other:
        return Refusal(code="python-unsupported", why="it belongs to a virtual environment, which may be deleted")
    return _build(interpreter, facts) or _version(interpreter, profile)


def _build(interpreter: Interpreter, facts: Facts) -> Refusal | None:
    if interpreter.implementation != "cpython":
        return Refusal(
            code="python-unsupported",
            why=f"TensorFlow has wheels for CPython only; this is {interpreter.implementation}",
        )
    if interpreter.bits != 64:
        return Refusal(code="python-32bit", why=f"it is a {interpreter.bits}-bit build")
    return _architecture(interpreter, facts)


def _version(interpreter: Interpreter, profile: Profile) -> Refusal | None:
    try:
        version = Version(interpreter.version)
    except ValueError:
        return Refusal(code="python-broken", why=f"`{interpreter.version}` is not a version number")
    if version.release[:2] < OLDEST_PYTHON:
        return Refusal(code="python-unsupported", why="environments can be made for Python 3.6 and newer")
    wanted = None if profile.python.version is None else SpecifierSet(profile.python.version)
    if wanted is not None and (excluding := profile.python.excluding(version)):
        minor = f"{version.major}.{version.minor}"
        # The user may have meant any patch release.
        meant = f", which is {minor}.0 alone; `=={minor}.*` is any {minor}" if str(wanted) == f"=={minor}" else ""
        return Refusal(code="python-unsupported", why=f"outside {excluding}{meant}")
    if version.is_prerelease and not is_named(interpreter, profile) and not (wanted is not None and wanted.prereleases):
        return Refusal(code="python-unsupported", why="it is a pre-release; `python.path` can select it")
    return None


def _architecture(interpreter: Interpreter, facts: Facts) -> Refusal | None:
    own, machine = architecture(interpreter.machine), architecture(facts.machine.value)
    if not own or own == machine:
        return None
    if own == "x86_64" and machine == "aarch64":
        translator = "Rosetta" if facts.system.value == "macos" else "emulation"
        return Refusal(
            code="rosetta-qemu", why=f"it is an x86-64 build that runs under {translator} on {facts.machine.value}"
        )
    return Refusal(
        code="python-32bit" if own == "i686" else "python-unsupported",
        why=f"it was built for {interpreter.machine}, and this machine is {facts.machine.value}",
    )


def fitting(offer: Offer, usable: Iterable[Usable]) -> list[Usable]:
    """The interpreters that can install a wheel of the offer, best first."""
    return [each for each in usable if offer.has_python(each.tag) and offer.has_platform(each.platforms)]


def bringable(profile: Profile, facts: Facts, offers: Iterable[Offer]) -> frozenset[str]:
    """Minor versions of Python that could be installed for one of the offers; empty when none may be installed."""
    conda = profile.environment.kind == "conda"
    if not conda and (not profile.python.install or profile.python.path is not None or why_none_brought(facts)):
        return frozenset()
    minors = {minor for offer in offers for minor in offer.pythons}
    return frozenset(
        minor for minor in minors if (conda or can_be_brought(minor)) and admits(profile.python.version, minor)
    )


def can_be_brought(minor: str) -> bool:
    """Whether there are standalone builds of a minor version of Python."""
    return numbers_in(minor) >= _OLDEST_BROUGHT


def why_none_brought(facts: Facts) -> str | None:
    """The reason why no Python at all can be downloaded for a machine; None when one can."""
    system, libc, release = facts.system.value, facts.libc.value, facts.os_version.value
    if libc is not None and libc.kind == "glibc" and major_minor(libc.version) < _OLDEST_GLIBC_BROUGHT:
        return f"a downloaded Python needs glibc 2.17; this system has glibc {libc.version}"
    if system == "windows" and major_minor(release) < _OLDEST_WINDOWS_BROUGHT:
        return f"a downloaded Python needs Windows 10; this is Windows {release}"
    if system == "macos" and major_minor(release) < _OLDEST_MACOS_BROUGHT:
        return f"a downloaded Python needs macOS 10.15; this is macOS {release}"
    return None


def by_choice(minor: str) -> bool:
    """Whether a minor version of Python is used even if a newer one could be installed for a newer release."""
    return numbers_in(minor) >= _OLDEST_BY_CHOICE


@lru_cache(maxsize=1024)
def span(minors: tuple[str, ...]) -> str:
    """Minor versions, for messages: `3.10 to 3.13`, `3.11`, `3.9, 3.11`."""
    numbers = sorted({tuple(map(int, minor.split("."))) for minor in minors})
    texts = [".".join(map(str, number)) for number in numbers]
    if len(numbers) > 1 and numbers[-1][1] - numbers[0][1] == len(numbers) - 1:
        return f"{texts[0]} to {texts[-1]}"
    return ", ".join(texts)
