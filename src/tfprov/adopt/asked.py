"""Infers from the contents of an environment what its user once asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfprov.adopt.judge import conflicts, tensorflow_of
from tfprov.adopt.read import SPEC_NAME
from tfprov.adopt.records import Ask, Asked, CondaSide, ForeignEnvironment, FoundDistribution
from tfprov.distributions import kind_of
from tfprov.envs.records import Defect
from tfprov.errors import TfprovError
from tfprov.plan.companions import breaks_in
from tfprov.redact import holds_password
from tfprov.requires_dist import applies, parsed, values_of
from tfprov.structured import minor_of, version_in
from tfprov.wants.names import OF_SYSTEM
from tfprov.words import count

# Installed by the tools that create environments; nobody asks for them.
_SEEDS = frozenset({"pip", "setuptools", "wheel", "distribute", "pkg-resources", "uv", "virtualenv"})
# These depend on the TensorFlow release, as parts of its files or as its CUDA libraries.
_PARTS = ("nvidia-", "tensorflow-io-gcs-filesystem", "tensorflow-estimator", "tensorrt")
# Released together with TensorFlow, under the same minor version.
_TWINS = ("tensorflow-estimator", "tensorboard", "tf-estimator-nightly")


def asked(found: ForeignEnvironment, *, loose: bool = False, index: str = "", folder: Path | None = None) -> Asked:
    """What a profile has to ask for so that the environment becomes what it was meant to be.

    Args:
        found: the environment.
        loose: whether the versions of the user's packages are preferences, like all others, and not pins.
        index: index that the environment's own pip is configured with; empty for none.
        folder: folder of the profile, whose own project may be among the packages; None for none.

    Raises:
        TfprovError: `tf-not-in-env` for an interpreter, such as the system's, without a trace of TensorFlow.
    """
    wanted = _of_conda(found.conda) if found.conda is not None else Asked()
    wanted = _with_tensorflow(wanted, found, loose=loose)
    # The RECORD of a project inside a conda package need not be right; conda packages are asked for by their own names.
    of_conda = found.conda is not None
    own = [one for one in found.distributions if not (of_conda and _is_of_conda(found, one))]
    packages, notes = _packages(own, loose=loose, folder=folder, python=found.python.version)
    wanted = replace(
        wanted,
        python=f"=={found.python.minor}.*" if found.python.minor else "",
        packages=packages,
        project=project_of(own, folder),
        wishes=tuple(
            (name, version.partition("+")[0])
            for name, version in found.versions.items()
            if version_in(version) is not None and name not in _SEEDS and kind_of(name) is None
        ),
        notes=(*wanted.notes, *notes),
    )
    if index:
        wanted = _with_index(wanted, index)
    return _without_conflicts(wanted, found)


def _is_of_conda(found: ForeignEnvironment, one: FoundDistribution) -> bool:
    return one.installer == "conda" or (
        not one.installer and one.name in dict(found.conda.versions if found.conda else ())
    )


def _with_tensorflow(wanted: Asked, found: ForeignEnvironment, *, loose: bool) -> Asked:
    """Ask for the environment's TensorFlow release or, if it is gone, for the one that its companions were made for."""
    chosen = tensorflow_of(found)
    if chosen is None and wanted.conda_tensorflow:
        chosen = next((one for one in found.distributions if canonicalize_name(one.name) == "tensorflow"), None)
    reasons: list[tuple[str, str]] = []
    notes: list[str] = []
    outside = next((one for one in found.outside if kind_of(one.name) == "release"), None)
    if chosen is None and outside is not None:
        notes.append(f"TensorFlow {outside.version} was found in `{outside.metadata.parent}`, outside the environment")
        chosen = outside
    if chosen is None or not chosen.version:
        minor = _minor_of_twins(found)
        if minor:
            notes.append(f"the TensorFlow release is unknown; what is left belongs to {minor}")
        elif found.kind == "interpreter" and not found.module:
            raise _without_tensorflow(found)
        elif found.distributions:
            notes.append("no TensorFlow is left in the environment: any release is accepted")
        return replace(wanted, tensorflow=f"=={minor}.*" if minor else "", notes=(*wanted.notes, *notes))
    version = version_in(chosen.version)
    if version is None:
        return wanted
    whole = next((one for one in found.distributions if _is_whole(one, chosen)), None)
    chosen = whole or chosen
    kind = kind_of(chosen.name)
    minor = f"{version.major}.{version.minor}"
    text = f"=={minor}.*" if loose else f"=={version.public}"
    if kind == "rival" or version.is_devrelease:
        text = f"=={minor}.*"
        why = f"`{chosen.project}` {chosen.version} is a separate build: using the TensorFlow release of that version"
        reasons.append((chosen.name, why))
    elif kind == "placeholder":
        reasons.append((chosen.name, f"`{chosen.project}` is no longer published: `tensorflow` replaces it"))
    is_for_cpu = "cpu" in chosen.name or chosen.name in ("intel-tensorflow", "tensorflow-intel")
    accelerator: Literal["auto", "cpu"] = "cpu" if is_for_cpu else "auto"
    for other in found.distributions:
        if kind_of(other.name) is not None and other.name != chosen.name and not _is_whole(chosen, other):
            reasons.append(
                (other.name, f"only one TensorFlow can be installed; keeping {chosen.project} {chosen.version}")
            )
    return replace(
        wanted,
        tensorflow=text,
        accelerator=accelerator,
        reasons=(*wanted.reasons, *reasons),
        notes=(*wanted.notes, *notes),
    )


def _without_tensorflow(found: ForeignEnvironment) -> TfprovError:
    """The error about an interpreter, such as the system's, whose packages hold no trace of TensorFlow."""
    return TfprovError(
        "tf-not-in-env",
        f"`{found.named}` is not an environment but a whole Python, and has no TensorFlow",
        evidence=(f"{count(len(found.distributions), 'package')}, none of them from TensorFlow",),
        hint="name the folder of the environment that has, or had, TensorFlow",
    )


def _is_whole(release: FoundDistribution, part: FoundDistribution) -> bool:
    """Whether one distribution is the release that the other contains the files of, for one platform."""
    return (kind_of(release.name), kind_of(part.name)) == ("release", "part") and release.version == part.version


def _minor_of_twins(found: ForeignEnvironment) -> str:
    """Minor release of a TensorFlow that is gone, from pip's leftovers or from projects released together with it."""
    for each in found.beside:
        if each.kind == "leftover" and "ensorflow" in each.path and each.path.endswith(".dist-info"):
            version = each.path.removesuffix(".dist-info").rpartition("-")[2]
            return minor_of(version)
    versions = found.versions
    return next((minor_of(versions[name]) for name in _TWINS if name in versions), "")


def project_of(distributions: Sequence[FoundDistribution], folder: Path | None) -> Literal["no", "wheel", "editable"]:
    """How the project in the profile's folder is installed; `no` if it is not among the distributions."""
    for one in distributions:
        if _is_project_of(one, folder):
            return "editable" if one.origin is not None and one.origin.is_editable else "wheel"
    return "no"


def _is_project_of(one: FoundDistribution, folder: Path | None) -> bool:
    path = one.origin.path if one.origin else None
    return path is not None and folder is not None and path.is_dir() and path.resolve() == folder.resolve()


def _needed(distributions: Sequence[FoundDistribution], python: str) -> frozenset[str]:
    """Names of packages that others require here; an extra's requirements count only if somebody asks for the extra."""
    requirements = {one.metadata: tuple(parsed(one.requires)) for one in distributions}
    extras: dict[str, set[str]] = {}
    for each in (requirement for lines in requirements.values() for requirement in lines):
        extras.setdefault(canonicalize_name(each.name), set()).update(each.extras)
    here = values_of(python) if python else {}
    return frozenset(
        canonicalize_name(each.name)
        for one in distributions
        for each in requirements[one.metadata]
        if canonicalize_name(each.name) != one.name
        and any(applies(each, {**here, "extra": extra}) for extra in ("", *extras.get(one.name, ())))
    )


def _packages(
    distributions: Sequence[FoundDistribution], *, loose: bool, folder: Path | None, python: str
) -> tuple[tuple[Ask, ...], tuple[str, ...]]:
    """The packages that the user named or that no other package requires, and notes about them."""
    needed = _needed(distributions, python)
    # uv marks everything it installs as requested, and so does pip for a list that names everything.
    telling = {one.installer for one in distributions if not one.is_requested and one.name in needed}
    packages: dict[str, Ask] = {}
    notes: list[str] = []
    for one in distributions:
        if one.name in _SEEDS or kind_of(one.name) is not None or one.name.startswith(_PARTS):
            continue
        if one.name in OF_SYSTEM or _is_project_of(one, folder):
            continue
        origin = one.origin
        if origin is not None and origin.path is not None and not origin.path.exists():
            notes.append(f"`{one.project}` was installed from `{origin.path}`, which is gone")
            if origin.is_editable or not origin.path.suffix:
                # A local project, which no index has: only its dependencies can be asked for.
                for line in _dependencies(one):
                    packages.setdefault(_name(line), Ask(name=_name(line), project=_name(line), text=line))
                continue
        elif origin is not None and origin.path is not None and origin.is_editable:
            notes.append(
                f"`{one.project}` was an editable install of `{origin.path}` and becomes a wheel; "
                "use `-e` in a requirements file under `packages.files` to keep it editable"
            )
        if (one.is_requested and one.installer in telling) or one.name not in needed:
            packages[one.name] = ask_for(one, loose=loose)
    return tuple(packages[name] for name in sorted(packages)), tuple(notes)


def ask_for(one: FoundDistribution, *, loose: bool = False) -> Ask:
    """The requirement that installs a distribution again: from its origin if that can be used, else by version."""
    origin = one.origin
    text = ""
    is_here = origin is not None and origin.path is not None and origin.path.exists()
    if origin is not None and not holds_password(origin.url):
        if origin.commit and origin.url.startswith("git+"):
            folder = f"#subdirectory={origin.subdirectory}" if origin.subdirectory else ""
            text = f"{one.project} @ {origin.url}@{origin.commit}{folder}"
        elif is_here or (origin.path is None and origin.url.partition("#")[0].endswith(".whl")):
            text = f"{one.project} @ {origin.url}"
    return Ask(name=one.name, project=one.project, version=one.version, text=text, is_pinned=not loose)


def _dependencies(one: FoundDistribution) -> Iterator[str]:
    """Requirements of a local project, without those of extras and without TensorFlow, which has its own table."""
    for requirement in parsed(one.requires):
        if requirement.marker is not None and "extra" in str(requirement.marker):
            continue
        if requirement.url is None and kind_of(requirement.name) is None:
            yield str(requirement)


def _name(line: str) -> str:
    return canonicalize_name(Requirement(line).name)


def _with_index(wanted: Asked, index: str) -> Asked:
    if holds_password(index) or "@" in index.partition("://")[2].partition("/")[0]:
        return replace(
            wanted,
            notes=(*wanted.notes, "its `pip.conf` names an index with credentials: set it up for pip or uv yourself"),
        )
    return replace(wanted, index=index)


def _without_conflicts(wanted: Asked, found: ForeignEnvironment) -> Asked:
    """The same without pins that contradict other installed versions; TensorFlow's own requirements come first."""
    for each in conflicts(found):
        wanted = _loosened(wanted, each, found)
    versions = found.versions
    for row in breaks_in(versions):
        if row.leaves_out or row.instead:
            kept = tuple(one for one in wanted.packages if one.name != row.package)
            why = f"{row.package} is left out beside {row.beside}: {row.why}"
            wanted = replace(wanted, packages=kept, reasons=(*wanted.reasons, (row.package, why)))
            continue
        name = _name(row.requires)
        if name in versions:
            why = f"{row.package} {versions[row.package]} needs `{row.requires}`: {row.why}"
            wanted = loosen(wanted, (name,), why)
    return wanted


def _loosened(wanted: Asked, finding: Defect, found: ForeignEnvironment) -> Asked:
    needed = finding.expected.partition("`")[2].partition("`")[0]
    name = _name(needed)
    if name not in found.versions:
        return wanted  # it is missing, and is installed with what needs it
    asker = finding.expected.rpartition("(required by ")[2].removesuffix(")")
    if kind_of(name) is not None:
        # TensorFlow stays: a package that needs another one has to change.
        return loosen(wanted, (finding.path,), f"it requires `{needed}`, and TensorFlow is kept as it is")
    return loosen(wanted, (name,), f"{asker} requires `{needed}`")


def loosen(wanted: Asked, names: Sequence[str], why: str) -> Asked:
    """The same without the pins of some packages; their versions remain preferences."""
    reasons = dict(wanted.reasons)
    for name in names:
        reasons.setdefault(name, why)
    packages = tuple(
        replace(one, is_pinned=False) if one.name in names and not one.text else one for one in wanted.packages
    )
    return replace(wanted, packages=packages, reasons=tuple(reasons.items()))


def _of_conda(conda: CondaSide) -> Asked:
    """The specs that the user gave to conda, with the installed versions."""
    versions = dict(conda.versions)
    specs, has_tensorflow = [], False
    for match in map(SPEC_NAME.match, conda.requested):
        name = match["name"].lower() if match else ""
        if not name or name in ("python", "pip", "conda") or name not in versions:
            continue
        if name.startswith("tensorflow"):
            has_tensorflow = True
            continue
        specs.append(f"{name}={versions[name]}")
    short = "conda-forge"
    channels = tuple(short if channel.endswith(f"/{short}") else channel for channel in conda.channels)
    return Asked(
        kind="conda",
        conda=tuple(sorted(specs)),
        channels=channels,
        conda_tensorflow=has_tensorflow or "tensorflow" in versions or "tensorflow-base" in versions,
    )
