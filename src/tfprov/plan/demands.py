"""The profile's demands on TensorFlow, gathered from all the places where a profile can state them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from urllib.parse import unquote, urlsplit

from packaging.markers import Environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from tfprov.distributions import OLDEST_PYTHON, Kind, is_small, kind_of
from tfprov.errors import TfprovError
from tfprov.host.records import Facts
from tfprov.plan.records import ACCELERATORS
from tfprov.plan.tags import marker_environment, platform_name
from tfprov.profile.records import Profile, SmokeTable
from tfprov.requires_dist import applies

# Minor versions of Python 3 for which a marker is evaluated: all that an environment could be made for.
_MINORS = range(OLDEST_PYTHON[1], 20)

_ALL_PRERELEASES = "pre-releases of TensorFlow and of all packages count, as `packages.prereleases` or `--pre` says"

METAL = "tensorflow-metal"
"""The plug-in for Metal; a profile that asks for it needs a TensorFlow that it works with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One version range, and its place in the profile.

    Attributes:
        where: for messages, such as `tensorflow.version = "==2.15.*"`.
    """

    specifier: SpecifierSet
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """The demands on TensorFlow.

    Attributes:
        clauses: ranges that must all contain the release.
        accelerator: from the profile, or implied by the names of its requirements.
        extras: extras of the project `tensorflow`, without those for CUDA.
        others: requirements and constraints on other projects, and those on TensorFlow that apply only on some Pythons,
            each with its place.
        wanted: those of `others` that are requirements; a constraint requests no package.
        overridden: normalized names of the projects for which the profile says what packages require of them.
        excluded: those that are not installed, whatever requires them.
        notes: how requirements were interpreted.
        asked_on: minor versions of the Pythons on which TensorFlow is requested, if a marker excludes some; else empty.
        nightly: whether a build of the development branch is requested instead of a release.
        any_prerelease: whether pre-releases count although no clause names one.
    """

    clauses: tuple[Clause, ...]
    accelerator: str
    extras: tuple[str, ...]
    others: tuple[tuple[Requirement, str], ...]
    wanted: tuple[str, ...]
    notes: tuple[str, ...]
    overridden: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    asked_on: frozenset[str] = frozenset()
    nightly: bool = False
    any_prerelease: bool = False

    @property
    def prereleases(self) -> bool:
        """Whether pre-releases count: a clause names one (as in PEP 440), nightly builds or all are requested."""
        return self.nightly or self.any_prerelease or any(clause.specifier.prereleases for clause in self.clauses)

    def admits(self, version: Version) -> bool:
        """Whether every clause allows the release."""
        if version.is_prerelease and not self.prereleases:
            return False
        return self.admits_if_named(version)

    def admits_if_named(self, version: Version) -> bool:
        """Whether the clauses would allow a pre-release if one of them named it."""
        return all(clause.specifier.contains(version, prereleases=True) for clause in self.clauses)

    def are_older_than(self, oldest: str) -> bool:
        """Whether one of the clauses allows only releases older than a version."""
        return any(_disjoint(clause.specifier, SpecifierSet(f">={oldest}")) for clause in self.clauses)

    @property
    def where(self) -> str:
        """The clauses, for messages; empty when there are none."""
        return " and ".join(f"`{clause.where}`" for clause in self.clauses)


def gather(profile: Profile, facts: Facts) -> Demands:
    """The demands of a profile on TensorFlow, for a machine.

    Args:
        profile: with the lines of its requirements files among its requirements.
        facts: about the machine: requirements whose marker is false there are ignored.

    Raises:
        TfprovError: `resolver-conflict` for a demand that contradicts another; `not-supported` for a TensorFlow by URL.
    """
    clauses = []
    if profile.tensorflow.version is not None:
        text = profile.tensorflow.version
        clauses.append(Clause(specifier=SpecifierSet(text), where=f'tensorflow.version = "{text}"'))
    accelerator: str = profile.tensorflow.accelerator
    nightly = wants_nightly(profile, facts)
    extras: set[str] = set()
    others: list[tuple[Requirement, str]] = []
    wanted: list[str] = []
    any_prerelease = profile.packages.prereleases == "all"
    notes = [*_notes_on_choices(profile)]
    asked_on: set[str] = set()
    for requirement, where, is_asked in _lines(profile):
        name, kind = canonicalize_name(requirement.name), kind_of(requirement.name)
        if kind is None:
            others.append((requirement, where))
            wanted += [str(requirement)] if is_asked else []
            continue
        holds = _where_marker_holds(requirement, facts)
        if not any(holds):
            continue
        by_name = nightly and profile.tensorflow.package == "tensorflow" and kind != "nightly"
        if kind == "nightly" and not nightly:
            continue  # a constraint on a package that is not requested
        if by_name or (kind == "rival" and not (name == "tensorflow-rocm" and accelerator == "rocm")):
            raise _same_files(requirement, where, next(_nightlies(profile, facts), None) if by_name else None)
        if requirement.url is not None:
            raise TfprovError(
                "not-supported",
                "TensorFlow from a URL is not supported",
                evidence=(f"{where} asks for `{requirement}`",),
                hint=f"{_by_name(requirement.url)}put the wheel into a folder and name that under `index.find-links`",
            )
        if is_asked:
            asked_on |= {f"3.{minor}" for minor, here in zip(_MINORS, holds, strict=True) if here}
        if not all(holds):
            others.append((requirement, where))
        elif str(requirement.specifier):
            clauses.append(Clause(specifier=requirement.specifier, where=f"{where}: {requirement}"))
        if is_small(name) and is_asked:
            accelerator = _on_cpu(str(requirement), where, accelerator, profile.smoke)
        extras |= _extras(requirement) - {"and-cuda"}
        notes += _notes(kind, requirement)
    if accelerator == "auto" and (metal := _metal(profile, facts)) is not None:
        accelerator = "metal"
        notes.append(f'`{metal}` among the packages means `tensorflow.accelerator = "metal"`')
    return Demands(
        clauses=tuple(dict.fromkeys(clauses)),
        accelerator=accelerator,
        extras=tuple(sorted(extras)),
        others=tuple(others),
        wanted=tuple(wanted),
        notes=tuple(dict.fromkeys(notes)),
        overridden=_overridden(profile),
        excluded=_excluded(profile),
        asked_on=frozenset(asked_on) if len(asked_on) < len(_MINORS) else frozenset(),
        nightly=nightly,
        any_prerelease=any_prerelease,
    )


def _same_files(requirement: Requirement, where: str, other: tuple[Requirement, str] | None) -> TfprovError:
    """The error for a requirement that owns the files of the TensorFlow to install, or of another requirement."""
    beside = f"`{other[0]}`" if other else "the TensorFlow that this environment is made for"
    return TfprovError(
        "resolver-conflict",
        f"`{requirement}` cannot be installed beside {beside}",
        evidence=(
            f"{where} asks for `{requirement}`",
            *((f"{other[1]} asks for `{other[0]}`",) if other else ()),
            "both own the same files",
        ),
        hint="remove it; `tensorflow.version` and `tensorflow.accelerator` say which TensorFlow is wanted",
    )


def _metal(profile: Profile, facts: Facts) -> Requirement | None:
    """The requirement on the plug-in for Metal; None without one, and where there is no Metal."""
    if platform_name(facts.system.value, facts.machine.value) != "macos_arm64":
        return None
    asked = (line for line, _, is_asked in _lines(profile) if is_asked and canonicalize_name(line.name) == METAL)
    return next((line for line in asked if any(_where_marker_holds(line, facts))), None)


def _by_name(url: str) -> str:
    """A proposal to request the release in the name of a wheel, if tfprov could install it; else empty."""
    try:
        version = parse_wheel_filename(unquote(urlsplit(url).path).rpartition("/")[2])[1]
    except ValueError:
        return ""
    is_public = not (version.local or version.is_prerelease)
    return f"write `tensorflow=={version}`, or " if is_public else ""


def wants_nightly(profile: Profile, facts: Facts) -> bool:
    """Whether a profile requests a build of the development branch, by its own key or by a requirement."""
    return profile.tensorflow.package == "tf-nightly" or any(_nightlies(profile, facts))


def _nightlies(profile: Profile, facts: Facts) -> Iterator[tuple[Requirement, str]]:
    """The requirements on a build of the development branch, each with its place."""
    for requirement, where, is_asked in _lines(profile):
        if is_asked and kind_of(requirement.name) == "nightly" and any(_where_marker_holds(requirement, facts)):
            yield requirement, where


def _where_marker_holds(requirement: Requirement, facts: Facts) -> list[bool]:
    """Value of the marker of a requirement for each Python that could be chosen."""
    if requirement.marker is None:
        return [True] * len(_MINORS)
    return [applies(requirement, marker_environment(f"3.{minor}", "cpython", facts)) for minor in _MINORS]


def _lines(profile: Profile) -> Iterator[tuple[Requirement, str, bool]]:
    """What counts of the requirements, overrides and constraints of a profile, with its place.

    The third value says whether the line requests a package. As in uv, an override takes the place of the requirements
    on its project, but constraints hold for it too.
    """
    packages, overridden, excluded = profile.packages, _overridden(profile), _excluded(profile)
    requested: set[str] = set()
    for text, line, name in _named(packages.requirements):
        requested.add(name)
        if name not in overridden | excluded:
            yield line, packages.place_of(text), True
    for text, line, name in _named(packages.overrides):
        if name not in excluded:
            yield line, packages.place_of(text, "packages.overrides"), name in requested
    for text, line, name in _named(packages.constraints):
        if name not in excluded:
            yield line, packages.place_of(text, "packages.constraints"), False


def _named(texts: Iterable[str]) -> Iterator[tuple[str, Requirement, str]]:
    """The lines with what they say and the normalized name of their project."""
    for text in texts:
        line = Requirement(text)
        yield text, line, canonicalize_name(line.name)


def _overridden(profile: Profile) -> frozenset[str]:
    return frozenset(name for _, _, name in _named(profile.packages.overrides))


def _excluded(profile: Profile) -> frozenset[str]:
    return frozenset(map(canonicalize_name, profile.packages.exclude))


def _extras(requirement: Requirement) -> set[str]:
    """Extras, normalised as in metadata: `and_cuda` is `and-cuda`."""
    return {canonicalize_name(extra) for extra in requirement.extras}


def _on_cpu(text: str, where: str, accelerator: str, smoke: SmokeTable) -> str:
    if accelerator == "auto" and smoke.require_gpus:
        raise TfprovError(
            "resolver-conflict",
            f"`{text}` is the CPU build, and the profile demands a GPU",
            evidence=(f"{where} asks for `{text}`", f"`smoke.require-gpus = {smoke.require_gpus}`"),
            hint=f"drop `smoke.require-gpus`, or `{text}`",
        )
    if accelerator in ("auto", "cpu"):
        return "cpu"
    raise TfprovError(
        "resolver-conflict",
        f"`{text}` is the CPU build, and the profile asks for {ACCELERATORS[accelerator]}",
        evidence=(f"{where} asks for `{text}`", f'`tensorflow.accelerator = "{accelerator}"`'),
        hint=f"ask for the CPU, or drop `{text}`",
    )


def _notes_on_choices(profile: Profile) -> Iterator[str]:
    """What the profile's choices between wheels, sources and pre-releases mean, where that may surprise."""
    if profile.packages.prereleases == "all":
        yield _ALL_PRERELEASES
    if profile.environment.kind == "conda" and profile.packages.no_binary:
        names = ", ".join(f"`{name}`" for name in profile.packages.no_binary)
        yield f"`packages.no-binary` (or `--no-binary`) has no effect on {names}: conda environments build nothing"


def _notes(kind: Kind, requirement: Requirement) -> Iterable[str]:
    if kind == "placeholder":
        yield f"`{requirement}` is a former name: it is read as `tensorflow{requirement.specifier}`"
    elif kind == "part":
        yield f"`{requirement}` is a part of TensorFlow: it is read as `tensorflow{requirement.specifier}`"
    elif kind in ("release", "nightly") and str(requirement.specifier):
        yield f"`{requirement}` among the packages narrows the choice of the release"
    if "and-cuda" in _extras(requirement):
        yield f"`{requirement}`: the CUDA libraries come by `tensorflow.accelerator`, not by the extra"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two requirements on one project that no version satisfies."""

    asked: str
    where: str
    bound: str


def conflicts(
    others: Iterable[tuple[Requirement, str]], bounds: Iterable[str], environment: Environment
) -> Iterator[Conflict]:
    """The contradictions between the demands of the profile and the bounds, at most one for each bound.

    Only ranges are compared. Whether a version exists within both is for the resolver to find out.

    Args:
        others: demands of the profile, each with its place.
        bounds: PEP 508 requirements of the release, and those of the profile that request a package.
        environment: marker values; demands whose marker is false are ignored.
    """
    asked: dict[str, list[tuple[Requirement, str]]] = {}
    for requirement, where in others:
        if applies(requirement, environment):
            asked.setdefault(_project(requirement.name), []).append((requirement, where))
    for text in bounds if asked else ():
        project, bound = _parsed(text)
        rivals = asked.get(project, ())
        if not rivals or not applies(bound, environment):
            continue
        for requirement, where in rivals:
            if _disjoint(requirement.specifier, bound.specifier):
                yield Conflict(asked=str(requirement), where=where, bound=str(bound))
                break


def contradictory(demands: Demands, environment: Environment, *, needed: Collection[str]) -> tuple[str, ...]:
    """Texts on the pairs of lines in the profile that no version satisfies both, whatever the TensorFlow release.

    Args:
        demands: all of the profile.
        environment: marker values; demands whose marker is false are ignored.
        needed: normalized names of the projects that every release needs, so that constraints on them count, too.
    """
    others = [each for each in demands.others if kind_of(each[0].name) is None]
    places = {str(requirement): where for requirement, where in reversed(others)}
    lines = dict.fromkeys((*(line for line in demands.wanted if line in places), *places))
    found: dict[frozenset[str], str] = {}
    for one in conflicts(
        others, (line for line in lines if line in demands.wanted or _parsed(line)[0] in needed), environment
    ):
        text = f"{one.where} asks for `{one.asked}`, and {places[one.bound]} for `{one.bound}`"
        found.setdefault(frozenset((one.asked, one.bound)), text)
    return tuple(found.values())


def ranges(
    others: Iterable[tuple[Requirement, str]], wanted: Iterable[str], bounds: Iterable[str], environment: Environment
) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """For each project in the demands: its name, the range that is left, and one of the demands with its place.

    A project that is only constrained counts where the release needs it.

    Args:
        others: demands of the profile, each with its place.
        wanted: those that are requirements.
        bounds: PEP 508 requirements of the release.
        environment: marker values; lines whose marker is false are ignored.
    """
    asked: dict[str, tuple[str, str]] = {}
    texts: dict[str, list[str]] = {}
    for requirement, where in others:
        if kind_of(requirement.name) is None and applies(requirement, environment):
            name = canonicalize_name(requirement.name)
            asked.setdefault(name, (str(requirement), where))
            texts.setdefault(name, []).append(str(requirement.specifier))
    needed = set(map(project_of, wanted)) if asked else set()
    for text in bounds if asked else ():
        project, bound = _parsed(text)
        if project in asked and applies(bound, environment):
            texts[project].append(str(bound.specifier))
            needed.add(project)
    for project, found in asked.items():
        if project in needed:
            yield project, ",".join(filter(None, texts[project])), found


def project_of(text: str) -> str:
    """The normalized name of the project of a PEP 508 requirement; `tensorflow` for all that install it."""
    return _parsed(text)[0]


def _project(name: str) -> str:
    # All names of TensorFlow mean the one release that will be installed.
    return canonicalize_name(name if kind_of(name) is None else "tensorflow")


@cache
def _parsed(text: str) -> tuple[str, Requirement]:
    # Cached, because releases in the table share requirements, and parsing takes most of a decision's time.
    requirement = Requirement(text)
    return _project(requirement.name), requirement


def _disjoint(one: SpecifierSet, other: SpecifierSet) -> bool:
    return _are_disjoint(str(one), str(other))


@lru_cache(maxsize=4096)
def _are_disjoint(first: str, second: str) -> bool:
    # Cached, because releases in the table share most of their bounds.
    one, other = SpecifierSet(first), SpecifierSet(second)
    try:
        return one.is_disjoint(other)
    except ValueError:
        # Only one side names pre-releases, or `===` is used.
        try:
            return SpecifierSet(first, prereleases=True).is_disjoint(SpecifierSet(second, prereleases=True))
        except ValueError:
            return False
