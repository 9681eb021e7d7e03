"""Conditions on the course of a log: whether what a line says was fatal, by what comes after it."""

from __future__ import annotations

import re

from tfprov.diagnose.found import EVIDENCE_LENGTH
from tfprov.diagnose.records import NOISE, Hit
from tfprov.diagnose.rules.course import WITHOUT
from tfprov.diagnose.view import COMMANDS, NO_INDEX, VERDICT, View, numbers
from tfprov.errors import Group


def goes_on(view: View, hit: Hit) -> bool:
    """After the line, the program computes, lists devices or serves, so that it works without what is missing.

    False where a GPU is requested or TensorFlow found one: then running without it is the failure.
    """
    if view.gpu_wanted or "has_gpu" in view.told:
        return False
    if any(line.number > hit.last and _VALUES.fullmatch(line.text) for line in view.tail):
        return True
    return max(view.last.get("is_working", 0), view.last.get("is_progressing", 0)) > hit.first


_VALUES = re.compile(
    r"(?!.*(?:gpu|cuda|nvidia|device|driver))(?:[a-z_][a-z_ .]{0,30}[ :=]{1,2})?[\[({]*-?\d[-+\d.,eE\s\[\](){}]*"
)
"""What a program prints that has computed something: a number, an array, a version."""


def dies_otherwise(view: View, hit: Hit) -> bool:
    """After the line, something fails that no rule explains and that does not name GPUs, and no GPU is requested.

    That includes a traceback at the end of the log that was cut before its exception.
    """
    if view.gpu_wanted or "has_gpu" in view.told:
        return False
    if any(line.number > hit.first and _OF_GPUS.search(line.text) for line in view.unaccounted):
        return False
    if any(line.number > hit.first for line in view.unaccounted):
        return True
    frame = view.frames[-1].number if view.frames else 0
    return frame > hit.last and all(other.last < frame for other in view.hits if other.rule.code != NOISE)


def ends_at_import(view: View, hit: Hit) -> bool:
    """After the line, the import of something else ends the program, and no GPU is requested."""
    if view.gpu_wanted or "has_gpu" in view.told:
        return False
    ends = (other for other in view.hits if other.rule.name in _OTHER_IMPORTS and other.last > hit.first)
    return any(raised_last(view, end) and not any(_OF_GPUS.search(line.text) for line in end.lines) for end in ends)


_OTHER_IMPORTS = frozenset({"import-unexplained", "import-advised", "attribute-of-package-missing", "version-check"})
_OF_GPUS = re.compile(r"\b(?:gpus?|cuda)\b", re.IGNORECASE)


def only_cudart(view: View, _hit: Hit) -> bool:
    """Only the CUDA runtime is missing, which any import looks for, and nothing else in the log is about GPUs."""
    if view.gpu_wanted is not None or "has_gpu" in view.told:
        return False
    missing = [hit for hit in view.hits if hit.rule.name in {"dso-loader", "dll-cuda"}]
    about_gpus = {"cannot-dlopen", "cuda-library-missing", "no-gpu-answered", "no-gpu-listed"}
    if about_gpus & {hit.rule.name for hit in view.hits}:
        return False
    return all("cudart" in line.text and _LOADER_WARNING.search(line.text) for hit in missing for line in hit.lines)


_LOADER_WARNING = re.compile(r"\bW (?:tensorflow|external)/")


def raised_last(view: View, hit: Hit) -> bool:
    """Nothing that a rule cannot explain is raised after it, and the program does not go on.

    That a supervisor, a scheduler or a server says how the program ended is no other failure.
    """
    worked = max(view.last.get("is_success", 0), view.last.get("is_working", 0))
    if worked >= hit.last or tensorflow_speaks(view, hit):
        return False
    return all(line.number <= hit.last for line in view.raised)


def overcome(view: View, hit: Hit) -> bool:
    """After the last such line, what was to be fetched or installed is there, as where another mirror has it.

    curl says nothing when it has it; but where it says that it will try again, and then not that it failed, it has.
    """
    if hit.last <= view.last.get("is_tried_again", 0) < view.end:
        return True
    return max(view.last.get("is_success", 0), view.last.get("is_fetched", 0)) > hit.last


def make_after_exception(view: View, hit: Hit) -> bool:
    """Make says the status of a program that ended with the exception just above, or of a check; nothing is built."""
    if "is_build" in view.told or not all(_OF_MAKE.search(line.text) for line in hit.lines):
        return False
    if all(_OWN_TARGET.search(line.text) for line in hit.lines):
        return True
    return any(0 < hit.first - line.number <= _ABOVE for line in view.raised)


_OF_MAKE = re.compile(r"\bmake(?:\[\d+\])?: \*\*\* ")
_OWN_TARGET = re.compile(r"\[(?:[^\]]*[: ])?(?:check|tests?|lint|format|run|train|evaluate|deploy)\] ")
_ABOVE = 5


def done_without(hit: Hit, group: Group) -> bool:
    """All lines say of themselves that something else is done instead, or that a package is done without."""
    instead = _WITHOUT if group is Group.PYTHON_DEPS else _INSTEAD
    return all(instead.search(line.text) for line in hit.lines)


_INSTEAD = re.compile(r"\bfall(?:ing|s)? back\b|\bfallback to\b", re.IGNORECASE)
_WITHOUT = re.compile(rf"{_INSTEAD.pattern}|{WITHOUT}", re.IGNORECASE)
_BEFORE_INSTALL = frozenset({"sdist-build-failed", "package-name-wrong", "version-not-available"})


def installed_later(view: View, hit: Hit) -> bool:
    """What could not be found or built is installed after all: by another command, or by `setup.py install`.

    Words of a build that do not name the package belong to those that do.
    """
    if hit.rule.code not in _BEFORE_INSTALL or not view.installed:
        return False
    names = {package_of(hit)} - {""}
    if not names and hit.rule.code == "sdist-build-failed":
        names = {package_of(other) for other in view.hits if other.rule.code == hit.rule.code} - {""}
    later = [line.text for line in view.installed if line.number > hit.last]
    return bool(names) and all(any(_lists(text, name) for text in later) for name in names)


def _lists(text: str, name: str) -> bool:
    """Whether a line of pip lists a package. A line that was cut is taken to do so."""
    is_cut = len(text) >= EVIDENCE_LENGTH
    return is_cut or bool(re.search(rf" {re.escape(name)}(?:-\d| |$)", re.sub(r"[-_.]+(?=\D)", "-", text).lower()))


def package_of(hit: Hit) -> str:
    """Name of the package that a message is about, normalised; empty when it names none."""
    found = re.match(r"[\w.-]+", hit.captures.get("package") or hit.captures.get("requirement") or "")
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def wanted_version(hit: Hit) -> tuple[int, ...] | None:
    """The version that the requirement in a message pins, as numbers; None when it pins none."""
    text = hit.captures.get("requirement") or ""
    found = re.search(r"={2,3}\s*([\d.]+)", text)
    return numbers(found[1]) if found else numbers(hit.captures.get("wanted"))


def ended_alone(view: View, hit: Hit) -> bool:
    """All lines are of small commands, whose failure ends no program that computes after them."""
    return all(_SMALL.match(line.text) for line in hit.lines) and worked_on(view, hit)


_SMALL = re.compile(r"(?:cp|ln|mv|rm|tar|chmod|chown|mkdir|rmdir|touch|rsync|unzip): ")


def worked_after(view: View, hit: Hit) -> bool:
    """After the last such line, a program computes or serves: another run has what this one lacked, or did without."""
    return view.last.get("is_working", 0) > hit.last


def worked_on(view: View, hit: Hit) -> bool:
    """After the last such line, a program computes or serves, and nothing is said to have ended as a failure."""
    if ended_well(view, hit.last) is False or any(end.number > hit.last for end in view.ends):
        return False
    return worked_after(view, hit)


def ended_well(view: View, number: int) -> bool | None:
    """Whether the first verdict on a whole run after a line is that it succeeded; None without one."""
    verdict = next((line for line in view.clues.get(VERDICT, ()) if line.number > number), None)
    return bool(_WELL.search(verdict.text)) if verdict is not None else None


_WELL = re.compile(r"succeeded|SUCCESS|\b(?:code|with) 0\b")


def tensorflow_speaks(view: View, hit: Hit) -> bool:
    """After the last such line, another environment is activated, in which TensorFlow writes lines of its own."""
    activated = view.last.get("is_activated", 0)
    if activated <= hit.last:
        return False
    lines = (line for other in view.hits for line in other.lines)
    return any(line.number > activated and _TENSORFLOWS_OWN.search(line.text) for line in lines)


_TENSORFLOWS_OWN = re.compile(r"\b[IWE] (?:tensorflow|external/(?:local_xla|org_tensorflow))/")


def without_index(view: View, hit: Hit) -> bool:
    """The command that printed the last such line may not ask an index, nor may any other where a variable says so."""
    if "is_never_online" in view.told:
        return True
    commands = [line.number for line in view.clues.get(COMMANDS, ()) if line.number <= hit.last]
    offline = [line.number for line in view.clues.get(NO_INDEX, ())]
    return any(max(commands, default=0) <= number and (not commands or number <= hit.last) for number in offline)
