"""Which known cure could answer a failed smoke test. Pure: applying and proving it again is the pipeline's work."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tfprov.envs.records import Cure
from tfprov.ladder.climb import InapplicableError
from tfprov.smoke.cuda_files import CudaFiles
from tfprov.smoke.records import Leg, SmokeRequest, Verdict
from tfprov.smoke.surroundings import hiding

# What the failure speaks of, where a bound on its version can help.
_PROJECTS = {
    "numpy-abi": "numpy",
    "protobuf-mismatch": "protobuf",
    "keras-mismatch": "keras",
    "h5py-mismatch": "h5py",
    "typing-extensions-mismatch": "typing-extensions",
    "setuptools-pkg-resources": "setuptools",
}
# The last one with pkg_resources is 81; it is not among the versions that a verdict names.
_SETUPTOOLS = "setuptools<81"
_PIN_TRIES = 2
_KERAS_2 = "tf-keras"


# Failures of an import that say what was missed, and not which version has it.
_OF_AN_IMPORT = frozenset({"import-failed", "companion-mismatch", "ml-dtypes-mismatch", "python-unsupported"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelyBound:
    """A bound with which an import that failed would most likely work.

    Attributes:
        requirement: PEP 508 line; one on `python` is on the interpreter.
        why: fit to stand in brackets behind it.
    """

    requirement: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedProof:
    """A smoke test that failed, and what a cure can be made of.

    Attributes:
        verdict: of the smoke test that failed last.
        request: what it was to prove.
        cuda_files: what the environment has.
        tried: bounds that were tried already.
        likely: what would most likely help the import that failed, the likeliest first.
    """

    verdict: Verdict
    request: SmokeRequest
    cuda_files: CudaFiles
    tried: Collection[str] = ()
    likely: tuple[LikelyBound, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCure:
    """A cure that is known.

    Attributes:
        codes: failures that it answers.
        choose: the cure for a failed proof and one of its codes; raises InapplicableError where it cannot be had.
    """

    codes: frozenset[str]
    choose: Callable[[FailedProof, str], Cure]

    def __call__(self, proof: FailedProof) -> Cure:
        """The cure for a failed proof.

        Raises:
            InapplicableError: it answers another failure, or cannot be had.
        """
        code = next((code for code in failures(proof.verdict).values() if code in self.codes), None)
        if code is None:
            raise InapplicableError("it answers another failure")
        return self.choose(proof, code)


def failures(verdict: Verdict) -> dict[str, str]:
    """Failure codes of a verdict by `device leg`, in order."""
    return {
        f"{device.name} {leg.leg}": leg.code or "probe-failed"
        for device in verdict.devices
        for leg in device.legs
        if not leg.ok
    }


def failed_import(verdict: Verdict) -> Leg | None:
    """The first failed import of which it is not known what it needs; None where there is none."""
    return next(
        (
            leg
            for device in verdict.devices
            for leg in device.legs
            if not leg.ok and leg.code in _OF_AN_IMPORT and leg.leg.startswith(("import", "package "))
        ),
        None,
    )


def likely_bound(proof: FailedProof, code: str) -> Cure:
    """The lock is resolved anew with the likeliest bound that was not tried yet.

    Raises:
        InapplicableError: none is left.
    """
    for bound in proof.likely:
        if bound.requirement not in proof.tried:
            what = f"the lock is bound to `{bound.requirement}` ({bound.why})"
            return Cure(name="likely-bound", code=code, what=what, constraint=bound.requirement)
    raise InapplicableError("neither the table of known breaks nor the metadata say what it would need")


def keras_2(proof: FailedProof, code: str) -> Cure:
    """The environment gets Keras 2 under the name of `tf.keras`.

    Raises:
        InapplicableError: it has Keras 2 already, or that was tried.
    """
    version = dict(proof.verdict.packages).get("keras", "")
    if not version.startswith("3.") or _KERAS_2 in proof.tried:
        raise InapplicableError("no Keras 3 is there that could give way")
    what = f"`tf-keras` is added and `TF_USE_LEGACY_KERAS=1` set, so that `tf.keras` is Keras 2 (keras {version} stays)"
    return Cure(name="keras-2", code=code, what=what, constraint=_KERAS_2)


def pin(proof: FailedProof, code: str) -> Cure:
    """Another version of the package that TensorFlow breaks over: the lock is resolved anew with a bound.

    Raises:
        InapplicableError: all bounds were tried.
    """
    project = _PROJECTS[code]
    version = dict(proof.verdict.packages).get(project, "")
    for bound in _bounds(project, version):
        if bound not in proof.tried:
            was = f" ({project} {version} was installed)" if version else ""
            return Cure(name="pin", code=code, what=f"the lock is bound to `{bound}`{was}", constraint=bound)
    raise InapplicableError(f"no other version of {project} is known to help")


def _bounds(project: str, version: str) -> list[str]:
    if project == "setuptools":
        return [_SETUPTOOLS]
    numbers = re.match(r"(\d+)(?:\.(\d+))?", version)
    if numbers is None:
        return []
    if project == "typing-extensions":
        # Only ever too old.
        return [f"{project}>{version}"]
    major, minor = int(numbers[1]), int(numbers[2] or 0)
    if project == "numpy" and major == 1:
        # The other way round: something was compiled for NumPy 2.
        return [f"{project}>=2"]
    if major == 0:
        return [f"{project}<0.{minor}"] if minor else []
    return [f"{project}<{bound}" for bound in range(major, max(major - _PIN_TRIES, 0), -1)]


def own_modules(proof: FailedProof, code: str) -> Cure:
    """The environment's own modules come before those that hide them.

    Raises:
        InapplicableError: what hides them could not be found.
    """
    hidden: dict[str, str] = {}
    failed = failures(proof.verdict)
    for script in proof.request.scripts:
        if failed.get(f"environment script {script.name}") == code:
            hidden.update({name: str(path) for name, path in hiding(script.parent).items()})
    if {"environment distribution", "environment version", "environment import"} & failed.keys():
        evidence = next(leg.evidence for device in proof.verdict.devices for leg in device.legs if leg.code == code)
        named = re.search(r"`([^`]+)`", evidence)
        hidden["tensorflow"] = named[1] if named else "another module"
    # A namespace package has no one place to be taken from.
    modules = tuple(name for name in hidden if "/" not in name)
    if not modules:
        raise InapplicableError("what hides the environment's modules could not be found")
    listed = ", ".join(f"`{name}` (hidden by `{hidden[name]}`)" for name in modules)
    return Cure(name="own-modules", code=code, what=f"always taken from the environment: {listed}", modules=modules)


def clean_library_path(proof: FailedProof, code: str) -> Cure:
    """The environment's libraries are opened before foreign ones on LD_LIBRARY_PATH are found.

    Raises:
        InapplicableError: no foreign library is in the way.
    """
    folders = proof.cuda_files.crowding
    if not folders or not proof.cuda_files.libraries:
        raise InapplicableError("no folder of LD_LIBRARY_PATH has a library that the environment has, too")
    listed = ", ".join(f"`{folder}`" for folder in folders)
    what = f"the CUDA libraries of the environment are opened before those of LD_LIBRARY_PATH ({listed})"
    return Cure(name="clean-library-path", code=code, what=what, libraries=proof.cuda_files.libraries, without=folders)


def library_path(proof: FailedProof, code: str) -> Cure:
    """The CUDA libraries of the environment are opened by their path before TensorFlow looks for them by name.

    Raises:
        InapplicableError: the environment has none.
    """
    if not proof.cuda_files.libraries:
        raise InapplicableError("the environment has no CUDA libraries of its own")
    count = len(proof.cuda_files.libraries)
    what = f"the {count} CUDA libraries of the environment are opened before TensorFlow looks for them"
    return Cure(name="library-path", code=code, what=what, libraries=proof.cuda_files.libraries)


def xla_flags(proof: FailedProof, code: str) -> Cure:
    """XLA is told where ptxas and libdevice are.

    Raises:
        InapplicableError: they are nowhere.
    """
    if not proof.cuda_files.toolkits:
        raise InapplicableError("neither the environment nor the machine has a folder with both ptxas and libdevice")
    place = proof.cuda_files.toolkits[0]
    what = f"XLA_FLAGS says that ptxas and libdevice are in `{place}`"
    return Cure(name="xla-flags", code=code, what=what, cuda=place)


_PIN = KnownCure(codes=frozenset(_PROJECTS), choose=pin)
_LIKELY = KnownCure(codes=_OF_AN_IMPORT, choose=likely_bound)
KNOWN: Mapping[str, KnownCure] = MappingProxyType(
    {
        "own-modules": KnownCure(codes=frozenset({"shadowed-module"}), choose=own_modules),
        "keras-2": KnownCure(codes=frozenset({"keras-mismatch"}), choose=keras_2),
        "pin": _PIN,
        "another pin": _PIN,
        "likely-bound": _LIKELY,
        "second likely-bound": _LIKELY,
        "third likely-bound": _LIKELY,
        "clean-library-path": KnownCure(
            # A foreign library may lack what TensorFlow looks for in it, and that has many faces.
            codes=frozenset({"cudnn-mismatch", "gpu-libs-foreign", "cudnn-init-failed", "gpu-libs-missing"}),
            choose=clean_library_path,
        ),
        "library-path": KnownCure(codes=frozenset({"gpu-libs-missing"}), choose=library_path),
        "xla-flags": KnownCure(codes=frozenset({"cuda-toolkit-file-missing"}), choose=xla_flags),
    }
)
"""The cures in the order in which they are tried: what the import needs before what a device needs."""


def may_help(verdict: Verdict) -> bool:
    """Whether any cure is known against what a verdict says first."""
    first = verdict.first_failure
    return first is not None and any(first[1].code in known.codes for known in KNOWN.values())
