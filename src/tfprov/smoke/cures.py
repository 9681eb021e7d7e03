"""Which known cure could answer a failed smoke test. Pure: applying and proving it again is the pipeline's work."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tfprov.envs.records import Cure
from tfprov.ladder.climb import InapplicableError
from tfprov.smoke.means import Means
from tfprov.smoke.records import Request, Verdict
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What a cure is chosen from.

    Attributes:
        verdict: of the smoke test that failed last.
        request: what it was to prove.
        means: what the environment has.
        tried: bounds that were tried already.
    """

    verdict: Verdict
    request: Request
    means: Means
    tried: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A cure that is known.

    Attributes:
        codes: failures that it answers.
        choose: makes it concrete for a patient and the code that it has, or says why it cannot be had.
    """

    codes: frozenset[str]
    choose: Callable[[Patient, str], Cure]

    def __call__(self, patient: Patient) -> Cure:
        """The cure for this patient.

        Raises:
            InapplicableError: it answers another failure, or cannot be had.
        """
        code = next((code for code in failures(patient.verdict).values() if code in self.codes), None)
        if code is None:
            raise InapplicableError("it answers another failure")
        return self.choose(patient, code)


def failures(verdict: Verdict) -> dict[str, str]:
    """Failure codes of a verdict by `device leg`, in order."""
    return {
        f"{device.name} {leg.leg}": leg.code or "probe-failed"
        for device in verdict.devices
        for leg in device.legs
        if not leg.ok
    }


def pin(patient: Patient, code: str) -> Cure:
    """Another version of the package that TensorFlow breaks over: the lock is resolved anew with a bound.

    Raises:
        InapplicableError: all bounds were tried.
    """
    project = _PROJECTS[code]
    version = dict(patient.verdict.packages).get(project, "")
    for bound in _bounds(project, version):
        if bound not in patient.tried:
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


def own_modules(patient: Patient, code: str) -> Cure:
    """The environment's own modules come before those that hide them.

    Raises:
        InapplicableError: what hides them could not be found.
    """
    hidden: dict[str, str] = {}
    failed = failures(patient.verdict)
    for script in patient.request.scripts:
        if failed.get(f"environment script {script.name}") == code:
            hidden.update({name: str(path) for name, path in hiding(script.parent).items()})
    if {"environment distribution", "environment version", "environment import"} & failed.keys():
        evidence = next(leg.evidence for device in patient.verdict.devices for leg in device.legs if leg.code == code)
        named = re.search(r"`([^`]+)`", evidence)
        hidden["tensorflow"] = named[1] if named else "another module"
    # A namespace package has no one place to be taken from.
    modules = tuple(name for name in hidden if "/" not in name)
    if not modules:
        raise InapplicableError("what hides the environment's modules could not be found")
    listed = ", ".join(f"`{name}` (hidden by `{hidden[name]}`)" for name in modules)
    return Cure(name="own-modules", code=code, what=f"always taken from the environment: {listed}", modules=modules)


def clean_library_path(patient: Patient, code: str) -> Cure:
    """The environment's libraries are opened before foreign ones on LD_LIBRARY_PATH are found.

    Raises:
        InapplicableError: no foreign library is in the way.
    """
    folders = patient.means.crowding
    if not folders or not patient.means.libraries:
        raise InapplicableError("no folder of LD_LIBRARY_PATH has a library that the environment has, too")
    listed = ", ".join(f"`{folder}`" for folder in folders)
    what = f"the CUDA libraries of the environment are opened before those of LD_LIBRARY_PATH ({listed})"
    return Cure(name="clean-library-path", code=code, what=what, libraries=patient.means.libraries, without=folders)


def library_path(patient: Patient, code: str) -> Cure:
    """The CUDA libraries of the environment are opened by their path before TensorFlow looks for them by name.

    Raises:
        InapplicableError: the environment has none.
    """
    if not patient.means.libraries:
        raise InapplicableError("the environment has no CUDA libraries of its own")
    count = len(patient.means.libraries)
    what = f"the {count} CUDA libraries of the environment are opened before TensorFlow looks for them"
    return Cure(name="library-path", code=code, what=what, libraries=patient.means.libraries)


def xla_flags(patient: Patient, code: str) -> Cure:
    """XLA is told where ptxas and libdevice are.

    Raises:
        InapplicableError: they are nowhere.
    """
    if not patient.means.toolkits:
        raise InapplicableError("neither the environment nor the machine has a folder with both ptxas and libdevice")
    place = patient.means.toolkits[0]
    what = f"XLA_FLAGS says that ptxas and libdevice are in `{place}`"
    return Cure(name="xla-flags", code=code, what=what, cuda=place)


_PIN = Known(codes=frozenset(_PROJECTS), choose=pin)
KNOWN: Mapping[str, Known] = MappingProxyType(
    {
        "own-modules": Known(codes=frozenset({"shadowed-module"}), choose=own_modules),
        "pin": _PIN,
        "another pin": _PIN,
        "clean-library-path": Known(
            # A foreign library may lack what TensorFlow looks for in it, and that has many faces.
            codes=frozenset({"cudnn-mismatch", "gpu-libs-foreign", "cudnn-init-failed", "gpu-libs-missing"}),
            choose=clean_library_path,
        ),
        "library-path": Known(codes=frozenset({"gpu-libs-missing"}), choose=library_path),
        "xla-flags": Known(codes=frozenset({"cuda-toolkit-file-missing"}), choose=xla_flags),
    }
)
"""The cures in the order in which they are tried: what the import needs before what a device needs."""


def may_help(verdict: Verdict) -> bool:
    """Whether any cure is known against what a verdict says first."""
    first = verdict.first_failure
    return first is not None and any(first[1].code in known.codes for known in KNOWN.values())
