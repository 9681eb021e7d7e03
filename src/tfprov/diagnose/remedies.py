"""Adapts the advice for a failure code to the machine, the profile and what the log names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from tfprov.diagnose.about import about
from tfprov.diagnose.found import EVIDENCE_LENGTH
from tfprov.diagnose.records import Hit, ProfileChange, Remedy
from tfprov.diagnose.releases import newest_for, pythons_of
from tfprov.diagnose.rules.own import is_own
from tfprov.diagnose.system_libraries import providers
from tfprov.diagnose.view import View, numbers
from tfprov.distributions import OLDEST_PYTHON
from tfprov.errors import CODES

_UNIX_ONLY = re.compile(r"^(?:sudo|df|export|unset|date$|dmesg|rocminfo)\b|\$|source ")
_WINDOWS_ONLY = re.compile(r"^(?:winget|reg|wsl) ")
KNOWN_NAMES = (
    *("tensorflow", "tensorflow-cpu", "tensorflow-datasets", "tensorflow-hub", "tensorflow-io", "tensorflow-metal"),
    *("tensorflow-probability", "tensorflow-text", "tensorboard", "tf-keras", "tf-nightly", "keras", "keras-cv"),
    *("keras-hub", "keras-tuner", "numpy", "pandas", "scipy", "scikit-learn", "scikit-image", "matplotlib", "seaborn"),
    *("opencv-python", "opencv-python-headless", "pillow", "h5py", "protobuf", "grpcio", "jupyter", "jupyterlab"),
    *("ipykernel", "transformers", "jax", "torch", "requests", "tqdm", "pyyaml", "setuptools", "plotly", "xgboost"),
    *("tensorflow-addons", "tensorflow-decision-forests", "tensorflow-model-optimization", "tensorflow-ranking"),
    *("tensorflow-quantum", "tensorflow-recommenders", "tensorflow-serving-api", "tensorflow-transform", "tf-agents"),
    *("tf-models-official", "autokeras", "deepface", "gensim", "gym", "gymnasium", "imgaug", "librosa", "lightgbm"),
    *("mtcnn", "nltk", "numba", "onnx", "onnxruntime", "pyarrow", "pycocotools", "pygame", "resampy", "seqeval"),
    *("segmentation-models", "shapely", "spacy", "stable-baselines3", "statsmodels"),
)
"""Projects that are commonly installed with TensorFlow; suggested for a misspelt name that is close to one."""
_CAPTURES = (
    "requirement",
    "package",
    "library",
    "symbol",
    "attribute",
    "wheel",
    "path",
    "program",
    "url",
    "capability",
    "wants",
)


# The oldest release that tfprov supports: a profile that requests an older one is refused.
_OLDEST_RELEASE = (1, 15)


def what_happened(code: str, hit: Hit, captures: Mapping[str, str], view: View) -> str:
    """One line for messages: the meaning of the code, and the package, path or similar that the log names."""
    del hit, view
    named = next((captures[name] for name in _CAPTURES if captures.get(name)), "")
    return f"{CODES[code].meaning}: `{named.strip()[:160]}`" if named else CODES[code].meaning


def remedy(code: str, captures: Mapping[str, str], view: View, deciding: Hit | None = None) -> Remedy:
    """The next step for a cause: text, commands for the system of the log, keys of the profile, what to request.

    Args:
        code: failure code.
        captures: named groups of the rules that matched.
        view: the facts from the log and its context.
        deciding: of the rules that matched, the one that decides; None for a cause that no line tells.
    """
    known = about(code)
    general = Remedy(text=known.you, commands=_commands(known.commands, view), changes=known.changes, ask=known.ask)
    if deciding is not None and is_own(deciding.rule):
        return _of_own(general, deciding, view)
    special = _SPECIAL.get(code)
    return special(general, captures, view) if special else general


def _commands(commands: tuple[str, ...], view: View) -> tuple[str, ...]:
    profile, system = view.context.profile, view.context.system
    kept = []
    for command in commands:
        if "PROFILE" in command and profile is None:
            continue
        if system == "windows" and _UNIX_ONLY.search(command):
            continue
        # In WSL, Windows commands such as `wsl` are available.
        if system in {"linux", "macos"} and _WINDOWS_ONLY.search(command) and not view.context.wsl:
            continue
        kept.append(command.replace("PROFILE", profile or ""))
    return tuple(kept)


def _of_own(general: Remedy, deciding: Hit, view: View) -> Remedy:
    """For an error that tfprov printed: the hint below it, which was tried where it was printed."""
    errors = [
        line.number for hit in view.hits if is_own(hit.rule) for line in hit.lines if line.number > deciding.first
    ]
    end = min(errors, default=None)
    below = (line for line in view.hints if line.number > deciding.first and (end is None or line.number < end))
    hint = next(below, None)
    if hint is None:
        return general
    cut = "…" if len(hint.text) >= EVIDENCE_LENGTH else ""
    return Remedy(text=hint.text.removeprefix("hint: ") + cut)


def _of_pair(general: Remedy, captures: Mapping[str, str], view: View) -> Remedy:
    """For a Python and a TensorFlow release that do not fit: name the versions that do."""
    asked = captures.get("requirement") or captures.get("pin") or ""
    found = re.search(r"tensorflow\S*?={2,3}\s*([\d.]+)", asked)
    wanted = numbers(found[1]) if found else numbers(captures.get("wanted"))
    said, changes = [], []
    served = pythons_of(wanted)
    if served and wanted:
        low, high = (".".join(map(str, one)) for one in served)
        said.append(f"TensorFlow {'.'.join(map(str, wanted[:2]))} has wheels for Python {low} to {high}")
        if wanted >= _OLDEST_RELEASE and served[1] >= OLDEST_PYTHON:
            low = ".".join(map(str, max(served[0], OLDEST_PYTHON)))
            changes.append(ProfileChange(key="python.version", value=f">={low},<{served[1][0]}.{served[1][1] + 1}"))
    python = view.python
    if python:
        name, newest = ".".join(map(str, python[:2])), newest_for(python)
        if newest is None:
            said.append(f"no release has wheels for Python {name}")
        else:
            release = ".".join(map(str, newest))
            said.append(f"the newest with wheels for Python {name} is {release}")
            if not changes:
                changes.append(ProfileChange(key="tensorflow.version", value=f"=={release}.*"))
    text = f"{general.text} ({'; '.join(said)})" if said else general.text
    return replace(general, text=text, changes=tuple(changes))


def _of_gpu_wish(general: Remedy, _captures: Mapping[str, str], view: View) -> Remedy:
    """For missing GPUs: if it is not known whether a GPU is wanted, say that it is harmless without one.

    A profile that asks for the CPU is not changed.
    """
    if view.gpu_wanted is False:
        return replace(general, text=f"harmless for the CPU, which is asked for; else {general.text}", changes=())
    if view.gpu_wanted is None:
        return replace(general, text=f"harmless if no GPU is wanted; else {general.text}")
    return replace(general, changes=()) if view.gpu_wanted and view.context.accelerator is None else general


def _of_placeholder(general: Remedy, _captures: Mapping[str, str], view: View) -> Remedy:
    if view.context.system in {"windows", "macos"}:
        return replace(general, commands=("python -m pip install tensorflow",))
    return general


def _of_numpy(general: Remedy, _captures: Mapping[str, str], view: View) -> Remedy:
    release = view.tensorflow
    if release is not None and release >= (2, 18):
        text = "this TensorFlow runs with NumPy 2: raise the module that was built for NumPy 1, or hold `numpy<2`"
        return replace(general, text=text)
    return general


def _of_driver(general: Remedy, _captures: Mapping[str, str], view: View) -> Remedy:
    if view.context.driver:
        return replace(general, text=f"{general.text} (the driver is {view.context.driver})")
    return general


def _of_container(general: Remedy, captures: Mapping[str, str], _view: View) -> Remedy:
    """For a container: distinguish one that lost its GPU devices from one that never had them."""
    if "lost" not in captures:
        return general
    text = (
        "the container lost its device files, as after `systemctl daemon-reload` or an update: start it "
        "again; to keep it from coming back, let Docker use the cgroup driver `cgroupfs`, or hand the device "
        "files over with `--device`"
    )
    return replace(
        general, text=text, commands=("docker restart CONTAINER",), ask="the cgroup driver `cgroupfs` for Docker"
    )


def near_name(asked: str) -> str | None:
    """The known project whose name is closest to one that no index has; None when none is close."""
    name = re.sub(r"[-_.]+", "-", asked).lower()
    # Some projects of TensorFlow are called `tf-…`. One letter is a large part of a short name.
    names = (name, f"tf-{name.removeprefix('tensorflow-')}") if name.startswith("tensorflow-") else (name,)
    cutoff = 0.65 if len(name) < 5 else 0.75
    near = [(each, other) for each in names for other in difflib.get_close_matches(each, KNOWN_NAMES, 1, cutoff)]
    best = max(near, key=lambda pair: difflib.SequenceMatcher(None, *pair).ratio(), default=None)
    return None if best is None or best[1] == name else best[1]


def _of_name(general: Remedy, captures: Mapping[str, str], _view: View) -> Remedy:
    """For a misspelt name: suggest the known project that is closest."""
    asked = re.match(r"[\w.-]+", captures.get("requirement") or captures.get("package") or "")
    near = near_name(asked[0]) if asked else None
    return general if near is None else replace(general, text=f"did you mean `{near}`? else {general.text}")


def _of_library(general: Remedy, captures: Mapping[str, str], view: View) -> Remedy:
    """For a missing system library: name the packages that contain it, if it is in the table."""
    if program := captures.get("program"):
        shown = f"`head -1 {program}`, or `readelf -l {program}` where it is no script"
        return replace(general, text=f"install the interpreter or dynamic loader that `{program}` names ({shown})")
    library = captures.get("library", "")
    known = providers(library)
    if known is None or view.context.system in {"windows", "macos"}:
        return general
    names = f"`{known.debian}` on Debian and Ubuntu, `{known.fedora}` on Fedora and RHEL"
    text = f"install the package that brings `{library}`: {names}"
    if known.instead:
        text += f"; or take {known.instead}"
    return replace(general, text=text, ask=f"`{known.debian}` (Debian, Ubuntu) or `{known.fedora}` (Fedora, RHEL)")


def _of_limit(general: Remedy, captures: Mapping[str, str], _view: View) -> Remedy:
    """For a limit on threads: distinguish it from one on open files."""
    if "threads" not in captures:
        return general
    text = (
        "raise the limit on processes, which counts threads (`ulimit -u`; `--pids-limit` of a container), or start "
        "fewer threads (OMP_NUM_THREADS, OPENBLAS_NUM_THREADS); under `ulimit -v`, their stacks count as memory"
    )
    return replace(
        general, text=text, commands=("ulimit -u",), ask="a higher limit on processes (`nproc`; in a container `pids`)"
    )


_SPECIAL: dict[str, Callable[[Remedy, Mapping[str, str], View], Remedy]] = {
    "python-unsupported": _of_pair,
    "version-not-available": _of_pair,
    "gpu-no-driver": _of_gpu_wish,
    "gpu-libs-missing": _of_gpu_wish,
    "gpu-no-device": _of_gpu_wish,
    "tensorflow-gpu-package": _of_placeholder,
    "numpy-abi": _of_numpy,
    "gpu-driver-too-old": _of_driver,
    "system-library-missing": _of_library,
    "docker-no-gpu": _of_container,
    "limit-reached": _of_limit,
    "package-name-wrong": _of_name,
}
