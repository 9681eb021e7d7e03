"""Named conditions of the rules: what the facts have to be for a line to mean what the rule says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tfprov.diagnose.records import Hit
from tfprov.diagnose.releases import newest_python, oldest_python, pythons_of
from tfprov.diagnose.view import View, numbers

Condition = Callable[[View, Hit], bool]

_FAMILY = re.compile(
    r"^(tensorflow|tf-nightly|tf_nightly|intel-tensorflow|tf-keras|keras|tensorboard|numpy|protobuf|h5py|nvidia-|jax|"
    r"torch|scipy|pandas|ml-dtypes|grpcio|absl|libclang|setuptools|wheel|pip$|opencv|scikit|matplotlib)"
)


def holds(name: str, view: View, hit: Hit) -> bool:
    """Whether a condition holds; `not NAME` turns it round, `A and B` needs both."""
    if " and " in name:
        return all(holds(part, view, hit) for part in name.split(" and "))
    if name.startswith("not "):
        return not CONDITIONS[name[4:]](view, hit)
    return CONDITIONS[name](view, hit)


def package_of(hit: Hit) -> str:
    """Name of the package that a message is about, normalised; empty when it names none."""
    found = re.match(r"[\w.-]+", hit.captures.get("package") or hit.captures.get("requirement") or "")
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def wanted_version(hit: Hit) -> tuple[int, ...] | None:
    """The version that a message asks for with `==`; None when it does not pin."""
    text = hit.captures.get("requirement") or ""
    found = re.search(r"={2,3}\s*([\d.]+)", text)
    return numbers(found[1]) if found else numbers(hit.captures.get("wanted"))


def _is_tensorflow(_view: View, hit: Hit) -> bool:
    return bool(re.match(r"(tensorflow|tf-nightly|intel-tensorflow)", package_of(hit)))


def _python_unfit(view: View, hit: Hit) -> bool:
    """The Python is known, and the release asked for (or every release) has no wheel for it."""
    python = view.python
    if python is None:
        return False
    wanted = wanted_version(hit)
    known = pythons_of(wanted) if wanted else None
    low, high = known or (oldest_python(), newest_python())
    return not low <= python[:2] <= high


def _misspelt(_view: View, hit: Hit) -> bool:
    name = package_of(hit)
    if not name or _FAMILY.match(name):
        return False
    near = difflib.get_close_matches(
        name, ("tensorflow", "tensorflow-gpu", "tensorflow-cpu", "keras"), n=1, cutoff=0.75
    )
    return bool(near)


def _unknown_name(_view: View, hit: Hit) -> bool:
    return bool(package_of(hit)) and not _FAMILY.match(package_of(hit))


def _placeholder(view: View, hit: Hit) -> bool:
    """tensorflow-gpu where it is only the placeholder: from 2.12 on, or unpinned on a Python newer than its wheels."""
    if package_of(hit) != "tensorflow-gpu":
        return False
    wanted = wanted_version(hit)
    if wanted is not None:
        return wanted >= (2, 12)
    python = view.python
    return python is not None and python[:2] >= (3, 11)


def _old_pip(view: View, _hit: Hit) -> bool:
    # Wheels tagged manylinux2010 and manylinux2014 need pip 19.0 and 19.3.
    pip = numbers(view.told.get("pip"))
    return pip is not None and pip < (19, 3)


def _pinned(_view: View, hit: Hit) -> bool:
    return wanted_version(hit) is not None


def _needs_newer_glibc(view: View, hit: Hit) -> bool:
    wanted, glibc = wanted_version(hit), numbers(view.told.get("glibc"))
    return wanted is not None and glibc is not None and wanted >= (2, 21) and glibc < (2, 27)


def _elsewhere(view: View, hit: Hit) -> bool:
    """A package of NVIDIA's for Linux, asked for on another system."""
    return package_of(hit).startswith("nvidia-") and view.context.system in {"windows", "macos"}


def _other_faults(view: View, hit: Hit) -> bool:
    """Something else in the log is a fault of its own."""
    silent = {"noise", "clue", "gpu-no-driver", "gpu-missing-in-tf", "gpu-libs-missing", "docker-no-gpu"}
    return any(other.rule.code not in silent and other.rule.rank >= 30 and other is not hit for other in view.hits)


CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {
        "gpu-wanted": lambda view, _: view.gpu_wanted is True,
        "gpu-not-wanted": lambda view, _: view.gpu_wanted is False,
        "no-gpu-here": lambda view, _: view.context.gpu is False and view.gpu_wanted is not True,
        "other-faults": _other_faults,
        "windows": lambda view, _: view.context.system == "windows",
        "macos": lambda view, _: view.context.system == "macos",
        "arm": lambda view, _: view.context.machine in {"aarch64", "arm64"},
        "musl": lambda view, _: view.context.libc == "musl",
        "32-bit": lambda view, _: view.context.bits == 32,
        "emulated": lambda view, _: bool(view.context.emulated),
        "container": lambda view, _: bool(view.context.container),
        "wsl": lambda view, _: bool(view.context.wsl),
        "gpu-present": lambda view, _: view.context.gpu is True,
        "tensorflow": _is_tensorflow,
        "pinned": _pinned,
        "python-unfit": _python_unfit,
        "misspelt": _misspelt,
        "unknown-name": _unknown_name,
        "placeholder": _placeholder,
        "old-pip": _old_pip,
        "needs-newer-glibc": _needs_newer_glibc,
        "elsewhere": _elsewhere,
    }
)
"""By name. Each looks at the facts and at the line that matched."""
