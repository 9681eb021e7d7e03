"""Named conditions on the facts, which decide what a line that a rule matched means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tfprov.diagnose.course import (
    dies_otherwise,
    ends_at_import,
    goes_on,
    make_after_exception,
    only_cudart,
    overcome,
    package_of,
    raised_last,
    tensorflow_speaks,
    wanted_version,
    without_index,
    worked_after,
    worked_on,
)
from tfprov.diagnose.quotes import any_quotes, plain
from tfprov.diagnose.records import NOISE, NOTHING, Hit
from tfprov.diagnose.releases import newest_python, oldest_python, pythons_of
from tfprov.diagnose.survived import argument_unknown
from tfprov.diagnose.view import ACHIEVED, View, asker, asking_frame, numbers
from tfprov.diagnose.wheel_tags import (
    lists_manylinux1,
    old_pip,
    older_manylinux,
    wheel_of_other_platform,
    wheel_of_other_python,
    wheel_of_plain_tags,
)
from tfprov.errors import CODES, Group

Condition = Callable[[View, Hit], bool]

# Whole names only: `numpy-stl`, `torchsummary` or `jaxtyping` are other people's projects, for any platform.
_FAMILY = re.compile(
    r"(?:intel-)?tensorflow(?:[-_.].*)?|tf[-_]nightly.*|tf-keras|tensorboard|numpy|scipy|pandas|matplotlib|protobuf|h5py"
    r"|keras(?:-(?:applications|cv|hub|nightly|nlp|preprocessing|tuner))?|ml-dtypes|grpcio(?:-(?:status|tools))?|absl-py"
    r"|libclang|pip|setuptools|wheel|nvidia-.*|jax(?:lib|-(?:cuda|rocm).*)?|torch(?:audio|data|text|vision)?"
    r"|opencv(?:-contrib)?-python(?:-headless)?|scikit-(?:image|learn)|tflite-(?:model-maker|runtime|support)(?:-nightly)?"
    r"|mediapipe(?:-model-maker)?|ai-edge-.*|onnx(?:runtime)?(?:-(?:directml|gpu))?"
)
_FOR_ANY_PLATFORM = frozenset({"absl-py", "keras", "pip", "setuptools", "tensorboard", "tf-keras", "wheel"})


def holds(name: str, view: View, hit: Hit) -> bool:
    """Whether a condition holds.

    Args:
        name: in `CONDITIONS`; `not NAME` negates it, `A and B` needs both.
        view: the facts from the log and its context.
        hit: of the rule that has the condition.
    """
    if " and " in name:
        return all(holds(part, view, hit) for part in name.split(" and "))
    if name.startswith("not "):
        return not CONDITIONS[name[4:]](view, hit)
    return CONDITIONS[name](view, hit)


# What is named so and belongs to TensorFlow; nobody has published another name that begins like it.
_TENSORFLOWS = re.compile(
    r"(?:intel-)?tensorflow(?:-(?:aarch64|addons|cloud|compression|cpu|cpu-aws|data-validation|datasets|decision-forests"
    r"|directml|directml-plugin|eigen|estimator|federated|gnn|gpu|graphics|hub|intel|io|io-gcs-filesystem|lattice|macos"
    r"|metadata|metal|model-analysis|model-optimization|privacy|probability|quantum|ranking|recommenders|rocm|serving-api"
    r"|similarity|text|transform|avx512|lite\S*))?|tf-nightly.*"
)


def _is_tensorflow(_view: View, hit: Hit) -> bool:
    return bool(_TENSORFLOWS.fullmatch(package_of(hit)))


def _needs_platform(_view: View, hit: Hit) -> bool:
    """Other projects of that family exist for some platforms only, but not names that only begin like TensorFlow's."""
    name = package_of(hit)
    is_other = name.startswith("tensorflow-") and not _TENSORFLOWS.fullmatch(name)
    return bool(_FAMILY.fullmatch(name)) and name not in _FOR_ANY_PLATFORM and not is_other


def _python_unfit(view: View, hit: Hit) -> bool:
    """The Python is known, and the pinned release has no wheel for it; without a pin, no release has."""
    python = view.python
    if python is None:
        return False
    wanted = wanted_version(hit)
    known = pythons_of(wanted) if wanted else None
    low, high = known or (oldest_python(), newest_python())
    return not low <= python[:2] <= high


def _index_is_empty(view: View, hit: Hit) -> bool:
    """Wheels exist for this machine and Python, so that it is the index that lacks them."""
    context, python = view.context, view.python
    if (
        python is None
        or "is_pypy" in view.told
        or context.system != "linux"
        or context.libc != "glibc"
        or context.machine != "x86_64"
    ):
        return False
    return not _python_unfit(view, hit)


def _misspelt(_view: View, hit: Hit) -> bool:
    name = package_of(hit)
    if not name or _FAMILY.fullmatch(name):
        return False
    near = difflib.get_close_matches(
        name, ("tensorflow", "tensorflow-gpu", "tensorflow-cpu", "keras"), n=1, cutoff=0.75
    )
    return bool(near)


_PAGE_OF_PROJECT = re.compile(
    r"Could not fetch URL \S+?/(?P<project>[\w.-]+)/?: 404 Client Error"
    r"|404 Client Error: Not Found for url: \S+/simple/(?P<project__simple>[\w.-]+)/?(?:$| )"
)


def _no_such_project(_view: View, hit: Hit) -> bool:
    """An index answers so for each project that it does not have. Those of TensorFlow's family are on every index."""
    pages = [_PAGE_OF_PROJECT.search(line.text) for line in hit.lines]
    names = [one and (one["project"] or one["project__simple"]) for one in pages]
    return all(name and not _FAMILY.fullmatch(name.lower()) for name in names)


def _placeholder(view: View, hit: Hit) -> bool:
    """The message is about tensorflow-gpu as a placeholder: from 2.12 on, or unpinned with Python 3.11 or newer."""
    if package_of(hit) != "tensorflow-gpu":
        return False
    wanted = wanted_version(hit)
    if wanted is not None:
        return wanted >= (2, 12)
    python = view.python
    return python is not None and python[:2] >= (3, 11)


def _pinned(_view: View, hit: Hit) -> bool:
    return wanted_version(hit) is not None


def _needs_newer_glibc(view: View, hit: Hit) -> bool:
    wanted, glibc = wanted_version(hit), numbers(view.told.get("glibc"))
    return wanted is not None and glibc is not None and wanted >= (2, 21) and glibc < (2, 27)


def _elsewhere(view: View, hit: Hit) -> bool:
    """A package of NVIDIA for Linux is requested on another system."""
    return package_of(hit).startswith("nvidia-") and view.context.system in {"windows", "macos"}


_WANTED_GLIBC = re.compile(r"__glibc\[version='>=(\d+\.\d+)")


def _glibc_suffices(view: View, hit: Hit) -> bool:
    """Each virtual package that takes part in a conflict is in the list of conda, also one that is new enough."""
    glibc = numbers(view.told.get("glibc"))
    wanted = [_WANTED_GLIBC.search(line.text) for line in hit.lines]
    return glibc is not None and all(one is not None and (numbers(one[1]) or ()) <= glibc for one in wanted)


_QUIET = frozenset(
    {
        NOISE,
        "clue",
        "gpu-no-driver",
        "gpu-missing-in-tf",
        "gpu-libs-missing",
        "docker-no-gpu",
        "wsl-libcuda",
        "path-leak",
    }
)


def _other_faults(view: View, hit: Hit) -> bool:
    """Another hit in the log is a failure in itself."""
    return any(
        other is not hit and other.rule.code not in _QUIET and other.rule.rank >= 30
        for other in view.hits
        if not _is_case_noise(view, other)
    )


def _fatal_faults(view: View, hit: Hit) -> bool:
    """Another hit is a fatal failure, outside the group of GPUs, whose missing libraries TensorFlow can run without."""
    return any(
        other is not hit
        and other.rule.code not in _QUIET
        and other.rule.rank >= 44
        and CODES[other.rule.code].group is not Group.GPU
        for other in view.hits
        if other.rule.code in CODES
    )


def _is_case_noise(view: View, hit: Hit) -> bool:
    cases = (case for case in hit.rule.cases if "faults" not in case.when)
    return any(case.code in {NOISE, NOTHING} and holds(case.when, view, hit) for case in cases)


def _says(pattern: str) -> Condition:
    """A condition that the first matching line contains a pattern."""
    compiled = re.compile(any_quotes(pattern), re.IGNORECASE)

    def condition(_view: View, hit: Hit) -> bool:
        return any(compiled.search(plain(line.text)) for line in hit.lines[:1])

    return condition


def _every_line_says(pattern: str) -> Condition:
    """A condition that all matching lines that were kept contain a pattern."""
    compiled = re.compile(any_quotes(pattern), re.IGNORECASE)

    def condition(_view: View, hit: Hit) -> bool:
        return all(compiled.search(plain(line.text)) for line in hit.lines)

    return condition


def _told(name: str) -> Condition:
    """A condition that the log has a clue."""
    return lambda view, _: name in view.told


_WARNING = r"^\S+:\d+: \w*Warning: |^(?:WARNING|W |\d+-\d+-\d+ \S+ W |W\d{4} )|: W tensorflow| W tensorflow"


def _uv_pinned(_view: View, hit: Hit) -> bool:
    """The conclusion of uv shows that the version was requested; before it, uv names any version that it considered."""
    return "pin" in hit.captures


def _python_too_new(view: View, _hit: Hit) -> bool:
    return view.python is not None and view.python[:2] > newest_python()


def _only_driver_library(view: View, _hit: Hit) -> bool:
    """The only missing library that the log names is that of the driver."""
    names = {hit.rule.name for hit in view.hits}
    return bool(names & {"libcuda-missing", "cuinit-303"}) and "dso-loader" not in names


def _other_driver_library(view: View, _hit: Hit) -> bool:
    """The driver's library and kernel module differ in version, as after an update without a restart."""
    library, module = numbers(view.told.get("libcuda")), numbers(view.context.driver)
    return library is not None and module is not None and library[:2] != module[:2]


def _capability_too_new(view: View, hit: Hit) -> bool:
    capability = numbers(hit.captures.get("capability") or hit.captures.get("cc") or view.told.get("capability"))
    return "is_blackwell" in view.told or (capability is not None and capability >= (10, 0))


_NAME_OF_NEWER = re.compile(r"(?<!initialized )module '?tensorflow'? has no attribute '?(?:keras|io|compat)\b")


def _older_than_name(view: View, hit: Hit) -> bool:
    """TensorFlow 1 is known to be in use, and a name is missing that its early releases did not have."""
    old = view.tensorflow is not None and view.tensorflow < (2,)
    old = old or (view.python is not None and view.python < (3, 5))
    return old and any(_NAME_OF_NEWER.search(plain(line.text)) for line in hit.lines[:1])


def _second_gpu(view: View, _hit: Hit) -> bool:
    """Another GPU is in use, so that ignoring a weak one is not a failure."""
    return "has_gpu" in view.told and not view.context.gpus_missing


def _asked_by_package(view: View, hit: Hit) -> bool:
    """An installed package that is neither TensorFlow nor Keras nor a command of Colab asked for what is missing."""
    return (
        bool(asker(view, hit)) and not _asked_by_tensorflow(view, hit) and asker(view, hit) not in {*_KERAS, "google"}
    )


def _asked_by_tensorflow(view: View, hit: Hit) -> bool:
    """TensorFlow itself asked for what it does not have: it consists of two releases, or of a part of one."""
    return asker(view, hit) in {"tensorflow", "tensorflow_core"}


_KERAS = frozenset({"keras", "tf_keras"})


def _read_otherwise(view: View, hit: Hit) -> bool:
    """A rule of a higher rank accounts for one of the lines."""
    own = {line.number for line in hit.lines}
    nearer = (other for other in view.hits if other.rule.rank > hit.rule.rank)
    return any(own & {line.number for line in other.lines} and not _is_case_noise(view, other) for other in nearer)


_ZSH = _says(r"^zsh: ")
_NAME_TOO_LONG = _every_line_says(r"\[Errno (?:36|63)\]|File name too long")

CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {
        "gpu-wanted": lambda view, _: view.gpu_wanted is True,
        "gpu-not-wanted": lambda view, _: view.gpu_wanted is False,
        "no-gpu-here": lambda view, _: view.context.gpu is False and view.gpu_wanted is not True,
        "windows": lambda view, _: view.context.system == "windows",
        "macos": lambda view, _: view.context.system == "macos",
        "unix": lambda view, _: view.context.system in {"linux", "macos"},
        "arm": lambda view, _: view.context.machine in {"aarch64", "arm64"},
        "musl": lambda view, _: view.context.libc == "musl",
        "32-bit": lambda view, _: view.context.bits == 32,
        "emulated": lambda view, _: bool(view.context.emulated),
        "container": lambda view, _: bool(view.context.container),
        "wsl": lambda view, _: bool(view.context.wsl),
        # zsh is the shell of Macs: if nothing else is known, an Intel program under Rosetta is the more likely cause.
        "zsh-alone": lambda view, hit: view.context.system is None and _ZSH(view, hit),
        "intel-mac": lambda view, _: (
            "is_intel_mac" in view.told or (view.context.system == "macos" and view.context.machine == "x86_64")
        ),
        "odd-machine": lambda view, _: (
            "is_odd" in view.told or view.context.machine in {"armv7l", "armv6l", "ppc64le", "s390x", "riscv64"}
        ),
        "in-build": _told("is_build"),
        "sources-only": _told("is_sources_only"),
        "no-index": without_index,
        "in-environment": lambda view, _: "is_environment" in view.told or "is_conda" in view.told,
        "conda-seen": _told("is_conda"),
        "hidden-on-purpose": _told("is_hidden"),
        "rocm-seen": lambda view, _: "is_rocm" in view.told or view.context.accelerator == "rocm",
        "other-faults": _other_faults,
        "fatal-faults": _fatal_faults,
        "tensorflow": _is_tensorflow,
        "pinned": _pinned,
        "uv-pinned": _uv_pinned,
        "python-unfit": _python_unfit,
        "python-too-new": _python_too_new,
        "misspelt": _misspelt,
        "no-such-project": _no_such_project,
        "needs-platform": _needs_platform,
        "placeholder": _placeholder,
        "old-pip": old_pip,
        "lists-manylinux1": lists_manylinux1,
        "needs-newer-glibc": _needs_newer_glibc,
        "glibc-suffices": _glibc_suffices,
        "older-manylinux": older_manylinux,
        "elsewhere": _elsewhere,
        "wheel-of-other-platform": wheel_of_other_platform,
        "wheel-of-other-python": wheel_of_other_python,
        "wheel-of-plain-tags": wheel_of_plain_tags,
        "build-tool": lambda _, hit: (
            package_of(hit) in {"setuptools", "wheel", "cython", "pip", "ninja", "cmake", "hatchling"}
        ),
        "driver-library": lambda _, hit: hit.captures.get("library", "").startswith("libcuda."),
        "only-driver-library": _only_driver_library,
        "capability-too-new": _capability_too_new,
        "other-driver-library": _other_driver_library,
        "second-gpu": _second_gpu,
        "older-than-name": _older_than_name,
        "retry-line": _every_line_says(
            r"Retrying \(Retry\(total=[1-9]|Retrying in [\d.]+ s|\bretrying\b(?! \(Retry)|\bWill retry\b"
        ),
        # A library that is loaded at run time has a version after `.so`; without it, the name is used by the linker.
        "linked-in-build": _says(r"libhdf5\.so: |Unable to load dependency"),
        "warning-line": _says(_WARNING),
        "warning-lines": _every_line_says(_WARNING),
        "informational-line": _every_line_says(
            r"(?:^| )[IW](?:\d{4} [\d:.]+ +\d+)? (?:tensorflow|external|\S+\.cc:)"
            r"|The caller indicates that this is not a failure"
        ),
        "noise-of-lock": _says(r"waiting for lock|acquire lock"),
        "io-fault": _every_line_says(r"Input/output error"),
        "rocm-device": _every_line_says(r"/dev/kfd"),
        "side-file": _every_line_says(r"log ?file|/proc/|/sys/|debconf"),
        "has-http-status": lambda view, _: any(other.rule.name == "http-status" for other in view.hits),
        "host-memory": _every_line_says(r"device:CPU|allocator cpu|mklcpu|allocator (?:mkl)?cpu|by allocator cpu"),
        "no-failure": _every_line_says(r"The caller indicates that this is not a failure"),
        "succeeded": lambda view, _: "is_success" in view.told or view.context.returncode == 0,
        "failed-build": lambda view, _: any(hit.rule.name in {"build-failed", "uv-build-failed"} for hit in view.hits),
        "local-file": _says(
            r"cannot import name '\w+' from '(\w+)' \((?!.*(?:site|dist)-packages)"
            r"(?![^)]*[/\\][Ll]ib[/\\](?:python\d[\w.]*[/\\])?\1\.py)[^)]*[/\\]\1\.py\)"
        ),
        "index-is-empty": _index_is_empty,
        # Python 3.12 and newer have no distutils, and NumPy no part for it.
        "numpy-distutils": _every_line_says(r"numpy\.distutils'"),
        "numpy-import": _says(r"_multiarray_umath"),
        "own-module-missing": _every_line_says(r"No module named '_pywrap"),
        "local-numpy": _says(r"source directory"),
        "numpy-is-file": lambda view, _: any(
            "'numpy' is not a package" in line.text for hit in view.hits for line in hit.lines
        ),
        "ignored-exception": _every_line_says(r"'MessageFactory' object has no attribute"),
        "deep-import": _says(r"site-packages.{0,200}circular import|circular import\) \(.*(?:site|dist)-packages"),
        # Only what loads a library of operations names its failure so.
        "loads-operations": _says(r"NotFoundError: "),
        "of-own-file": _every_line_says(
            r"cannot import name .{1,80} \((?!.*(?:-packages|\blib(?:64)?[/\\]))[^()]+\.py\)$"
        ),
        "of-display": _every_line_says(r"\binit server\b"),
        "driver-compiles": lambda view, _: any(other.rule.name == "tf-ptxas-driver" for other in view.hits),
        "tool-missing": _every_line_says(r"nvidia-smi: (?:command )?not found"),
        "driver-not-running": lambda view, _: any(hit.rule.name == "kernel-driver-not-running" for hit in view.hits),
        "of-start": _every_line_says(r"failed call to cuInit: "),
        "goes-on": goes_on,
        "dies-otherwise": dies_otherwise,
        "ends-at-import": ends_at_import,
        "import-fails": lambda view, hit: any(
            other.rule.code == "import-failed" and other.last > hit.first for other in view.hits
        ),
        "only-cudart": only_cudart,
        "of-memory": _says(r"Killed|\bsignal 9\b|Error 137\b"),
        "model-is-read": _told("is_model_read"),
        "in-companion": _told("companion"),
        "asked-by-pip": lambda view, hit: asker(view, hit) == "pip",
        "asked-by-keras": lambda view, hit: asker(view, hit) in _KERAS,
        "asked-by-generated": lambda view, hit: "_pb2.py" in (asking_frame(view, hit) or ""),
        "asked-by-package": _asked_by_package,
        "asked-by-tensorflow": _asked_by_tensorflow,
        "raised-last": raised_last,
        "make-after-exception": make_after_exception,
        "overcome": overcome,
        "says-conflict-alone": _every_line_says(r"^\s*(?:ERROR: )?The conflict is caused by:?$"),
        "skipped": _every_line_says(r"skip"),
        "tensorflow-speaks": tensorflow_speaks,
        "worked-after": worked_after,
        "worked-on": worked_on,
        "achieved-after": lambda view, hit: view.after(hit.last, ACHIEVED) is not None,
        "read-otherwise": _read_otherwise,
        "name-too-long": lambda view, hit: view.context.system != "windows" and _NAME_TOO_LONG(view, hit),
        # Anywhere but on a machine of Google's, TensorFlow asks in vain for a token that public files do not need.
        "token-of-google": _every_line_says(r"Google authentication bearer token"),
        "of-scheduler": _every_line_says(r"slurmstepd|\bsrun:|MESSAGE_TASK_EXIT"),
        "not-raised": _every_line_says(
            r"^(?!.*\bF(?: \w+/|\d{4} )|(?:E +|.{0,60}[>\])|:] ?)?(?:[\w.]*(?:Error|Exception)\b|ResourceExhausted))"
        ),
        "of-tensorflow-itself": _says(
            r"(?:site|dist)-packages[/\\]tensorflow(?:_core)?[/\\][^:]*: undefined symbol|_pywrap_tensorflow"
        ),
        "of-text": _every_line_says(r"codec can't decode"),
        "argument-unknown": argument_unknown,
        "ptxas-only": _every_line_says(r"^(?!.*(?:OP_REQUIRES|libdevice|Error:|UNAVAILABLE)).*ptxas"),
        "relying-on-driver": _every_line_says(r"Relying on driver|You are using ptxas"),
    }
)
"""The conditions by name. Each is evaluated on the facts and on the matching lines of its rule."""
