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

    def code(self, *codes: str) -> str | None:
        """The first of its failures that is one of these; None when there is none."""
        return next((code for code in failures(self.verdict).values() if code in codes), None)


def failures(verdict: Verdict) -> dict[str, str]:
    """Failure codes of a verdict by `device leg`, in order."""
    return {
        f"{device.name} {leg.leg}": leg.code or "probe-failed"
        for device in verdict.devices
        for leg in device.legs
        if not leg.ok
    }


def pin(patient: Patient) -> Cure:
    """Another version of the package that TensorFlow breaks over: the lock is resolved anew with a bound.

    Raises:
        InapplicableError: no failure is of that kind, or all bounds were tried.
    """
    code = _asked(patient, *_PROJECTS)
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


def own_modules(patient: Patient) -> Cure:
    """The environment's own modules come before those that hide them.

    Raises:
        InapplicableError: nothing is hidden.
    """
    code = _asked(patient, "shadowed-module")
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


def clean_library_path(patient: Patient) -> Cure:
    """The environment's libraries are opened before foreign ones on LD_LIBRARY_PATH are found.

    Raises:
        InapplicableError: no foreign library is in the way.
    """
    # A foreign library may be missing what TensorFlow looks for in it, and that has many faces.
    code = _asked(patient, "cudnn-mismatch", "gpu-libs-foreign", "cudnn-init-failed", "gpu-libs-missing")
    folders = patient.means.crowding
    if not folders or not patient.means.libraries:
        raise InapplicableError("no folder of LD_LIBRARY_PATH has a library that the environment has, too")
    listed = ", ".join(f"`{folder}`" for folder in folders)
    what = f"the CUDA libraries of the environment are opened before those of LD_LIBRARY_PATH ({listed})"
    return Cure(name="clean-library-path", code=code, what=what, libraries=patient.means.libraries, without=folders)


def library_path(patient: Patient) -> Cure:
    """The CUDA libraries of the environment are opened by their path before TensorFlow looks for them by name.

    Raises:
        InapplicableError: the environment has none, or none is missing.
    """
    code = _asked(patient, "gpu-libs-missing")
    if not patient.means.libraries:
        raise InapplicableError("the environment has no CUDA libraries of its own")
    count = len(patient.means.libraries)
    what = f"the {count} CUDA libraries of the environment are opened before TensorFlow looks for them"
    return Cure(name="library-path", code=code, what=what, libraries=patient.means.libraries)


def xla_flags(patient: Patient) -> Cure:
    """XLA is told where ptxas and libdevice are.

    Raises:
        InapplicableError: they are nowhere, or nobody misses them.
    """
    code = _asked(patient, "cuda-toolkit-file-missing")
    if not patient.means.toolkits:
        raise InapplicableError("neither the environment nor the machine has a folder with both ptxas and libdevice")
    place = patient.means.toolkits[0]
    what = f"XLA_FLAGS says that ptxas and libdevice are in `{place}`"
    return Cure(name="xla-flags", code=code, what=what, cuda=place)


def _asked(patient: Patient, *codes: str) -> str:
    code = patient.code(*codes)
    if code is None:
        raise InapplicableError("it answers another failure")
    return code


KNOWN: Mapping[str, Callable[[Patient], Cure]] = MappingProxyType(
    {
        "own-modules": own_modules,
        "pin": pin,
        "another pin": pin,
        "clean-library-path": clean_library_path,
        "library-path": library_path,
        "xla-flags": xla_flags,
    }
)
"""The cures in the order in which they are tried: what the import needs before what a device needs."""

_ANSWERED = frozenset(
    {
        *_PROJECTS,
        *("shadowed-module", "cudnn-mismatch", "gpu-libs-foreign", "cudnn-init-failed", "gpu-libs-missing"),
        "cuda-toolkit-file-missing",
    }
)


def may_help(verdict: Verdict) -> bool:
    """Whether any cure is known against what a verdict says first."""
    first = verdict.first_failure
    return first is not None and first[1].code in _ANSWERED
