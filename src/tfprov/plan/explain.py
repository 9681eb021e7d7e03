"""The reasons for a decision: why this release, and why not the others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from packaging.version import Version

from tfprov.host.records import Facts
from tfprov.plan import gpus, interpreters
from tfprov.plan.context import DecisionContext, Depth, Fit, Miss
from tfprov.plan.gpus import Gpus
from tfprov.plan.interpreters import Usable
from tfprov.plan.records import ACCELERATORS, Refusal, Refused
from tfprov.plan.tags import architecture
from tfprov.structured import numbers_in, whole_number

_SYSTEMS = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}
_MANYLINUX = re.compile(r"manylinux_2_(\d+)_")
_LEGACY_GLIBC = {"manylinux2014": 17, "manylinux2010": 12, "manylinux1": 5}
# Versions, and ranges and lists of them: `3.9 to 3.12`, `<2.2.0,>=1.26.0`, `6.0, 7.0 and 8.0`.
_NUMBERS = re.compile(r"[!<=>~]*\d[\w.*]*(?:(?:, ?| to | and )[!<=>~]*\d[\w.*]*)*")
_EXPLANATION = re.compile(r" \([^()]*\)")
_FEW = 4


def platform(facts: Facts) -> str:
    """Operating system and architecture, for messages: `macOS on Intel`, `Linux on aarch64`."""
    machine = architecture(facts.machine.value)
    names = {"x86_64": "Intel", "aarch64": "Apple silicon"} if facts.system.value == "macos" else {"x86_64": "x86-64"}
    return f"{_SYSTEMS[facts.system.value]} on {names.get(machine, machine)}"


def glibc_of(tags: Iterable[str]) -> str | None:
    """The oldest glibc that one of the platform tags allows, `2.27`; None when they do not say."""
    minors = []
    for tag in tags:
        found = _MANYLINUX.match(tag)
        if found:
            minors.append(whole_number(found[1]) or 0)
        else:
            minors += [minor for name, minor in _LEGACY_GLIBC.items() if tag.startswith(name + "_")]
    return f"2.{min(minors)}" if minors else None


def macos_of(tags: Iterable[str]) -> str | None:
    """The oldest macOS that one of the platform tags allows, `12.0`; None when they do not say."""
    found = [Version(f"{tag.split('_')[1]}.{tag.split('_')[2]}") for tag in tags if tag.startswith("macosx_")]
    return str(min(found)) if found else None


def few(texts: Sequence[str]) -> str:
    """A list of versions; when they are many, only the first and the last."""
    if len(texts) <= _FEW:
        return ", ".join(texts)
    return f"{texts[-1]} to {texts[0]}" if Version(texts[0]) > Version(texts[-1]) else f"{texts[0]} to {texts[-1]}"


def closest(misses: Sequence[Miss]) -> Miss:
    """The miss that passed the most checks; of equals, that of the newest release."""
    return max(misses, key=lambda miss: (miss.depth, miss.candidate.version))


def releases(misses: Sequence[Miss], suffix: str = "") -> list[Refused]:
    """The releases that did not fit, one line for each reason; releases known not to work come last.

    Reasons are the same if they differ in numbers and ranges only. Of several reasons against a release, one that is
    shared with others counts.
    """
    groups: list[tuple[str, set[str], list[Miss]]] = []
    for miss in sorted(misses, key=lambda miss: miss.depth is Depth.KNOWN_BAD):
        code, kinds = miss.refusal.code, set(map(_kind, _reasons(miss)))
        shared = next((group for group in groups if group[0] == code and not kinds.isdisjoint(group[1])), None)
        if shared is None:
            groups.append((code, kinds, [miss]))
        else:
            shared[1].intersection_update(kinds)
            shared[2].append(miss)
    return [
        Refused(
            what=f"tensorflow {few([miss.candidate.text for miss in group])}{suffix}",
            code=code,
            why=_group_why(group, kinds),
        )
        for code, kinds, group in groups
    ]


def _reasons(miss: Miss) -> list[str]:
    """The reasons against a release: of conflicts with the profile there may be several."""
    refusal = miss.refusal
    return refusal.why.split("; ") if refusal.code == "resolver-conflict" else [refusal.why]


def _kind(reason: str) -> str:
    """A reason without its numbers and ranges, and without what explains it."""
    return _NUMBERS.sub("", _EXPLANATION.sub("", reason))


def _group_why(group: Sequence[Miss], kinds: Collection[str]) -> str:
    newest, whys = group[0], {miss.refusal.advice for miss in group}
    if len(whys) == 1:
        return newest.refusal.advice
    shared = [reason for reason in _reasons(newest) if _kind(reason) in kinds]
    advice = "; ".join((*shared, *filter(None, (newest.refusal.remedy,))))
    return f"{advice} ({newest.candidate.text})"


def pythons(context: DecisionContext, chosen: Fit) -> list[Refused]:
    """The interpreters that were not chosen, with the reasons; those of virtual environments come last."""
    fitting = {each.interpreter.path for each in chosen.usable}
    refused = []
    span = interpreters.span(chosen.offer.pythons)
    for each in context.usable:
        if each.interpreter.path in fitting:
            continue
        refused.append(
            Refused(
                what=interpreters.name(each.interpreter),
                code="python-unsupported",
                why=_why_not_python(context, chosen, each.minor, each.interpreter.free_threaded, span),
            )
        )
    for each in chosen.usable[1:]:
        why = f"also compatible; {_why_better(chosen.usable[0], each)}"
        refused.append(Refused(what=interpreters.name(each.interpreter), code="python-passed-over", why=why))
    others = sorted(
        context.refused, key=lambda pair: (pair[0].virtual, [-number for number in numbers_in(pair[0].version)])
    )
    refused += [Refused(what=interpreters.name(one), code=reason.code, why=reason.why) for one, reason in others]
    return refused


def _why_better(best: Usable, other: Usable) -> str:
    if best.minor == other.minor and other.interpreter.externally_managed and not best.interpreter.externally_managed:
        return "using one that does not belong to the operating system"
    return "using the newest" if best.version != other.version else "using the same version that was found first"


def _why_not_python(context: DecisionContext, chosen: Fit, minor: str, free_threaded: bool, span: str) -> str:
    locked = context.locked
    if locked is not None and locked.python_minor != minor:
        return f"the lock was made for Python {locked.python_minor}"
    release = f"TensorFlow {chosen.candidate.text}"
    if (why := unsound(context, chosen, minor)) is not None:
        return f"{release} on Python {minor}: {why}"
    build = "ordinary builds of Python" if free_threaded else "Python"
    return f"{release} has wheels for {build} {span}"


def unsound(context: DecisionContext, chosen: Fit, minor: str) -> str | None:
    """Why a Python that the chosen release has wheels for does not do; None when it does, and without a wheel."""
    if minor not in chosen.offer.pythons:
        return None
    for bad in context.table.known_bad:
        if bad.concerns(chosen.candidate.version, chosen.accelerator, minor):
            return bad.why
    if minor in chosen.conflicts:
        return chosen.conflicts[minor].why
    if chosen.pair is not None and minor not in chosen.pair.pythons:
        return f"`{chosen.pair.package}` {chosen.pair.version} has wheels for {interpreters.span(chosen.pair.pythons)}"
    return None


def why_release(
    context: DecisionContext, chosen: Fit, fits: Sequence[Fit], misses: Sequence[Miss], no_cuda: Refusal | None
) -> str:
    """The reason for this release and this variant."""
    return f"{_why_version(context, chosen, fits, misses)}; {_why_accelerator(context, chosen, no_cuda)}"


def _why_version(context: DecisionContext, chosen: Fit, fits: Sequence[Fit], misses: Sequence[Miss]) -> str:
    if context.locked is not None:
        return "it is the one in the lock"
    newer = [miss for miss in misses if miss.candidate.version > chosen.candidate.version]
    bounds = f" within {context.demands.where}" if context.demands.clauses else ""
    what = "nightly build" if context.demands.nightly else "release"
    if needs_old_python(fits[0], chosen):
        return f"the newest {what}{bounds} for Python 3.9 or newer"
    if fits[0].candidate is not chosen.candidate:
        return f"the newest {what}{bounds} for a Python on this machine"
    if not newer:
        return f"the newest {what}{bounds}"
    return f"the newest {what} that fits{bounds}"


def needs_old_python(newest: Fit, chosen: Fit) -> bool:
    """Whether the newest release that fits was passed over because it runs only on a Python before 3.9."""
    return newest.candidate is not chosen.candidate and (bool(newest.usable) or not chosen.usable)


def _why_accelerator(context: DecisionContext, chosen: Fit, no_cuda: Refusal | None) -> str:
    accelerator, asked = chosen.accelerator, context.demands.accelerator
    if accelerator == "cuda" and not isinstance(context.gpus, Refusal):
        known, build = chosen.candidate.known, chosen.offer.build
        number = build.cuda if build else known.cuda.built_for if known and known.cuda else None
        return why_cuda(number, context.gpus)
    if accelerator == "cpu" and no_cuda is not None:
        return f"on the CPU, because {no_cuda.why}"
    if accelerator == "cpu" and asked != "cpu":
        return "on the CPU, as locked"
    return f"on {ACCELERATORS[accelerator]}, as requested"


def why_cuda(number: str | None, found: Gpus) -> str:
    """Why a build with CUDA was chosen: its CUDA release (None when unknown), the driver and the GPUs."""
    built = f"CUDA {number or ''}".rstrip()
    if found.driver is None:
        return f"with {built} for a GPU that will be there later"
    names = list(dict.fromkeys(gpus.describe(gpu) for gpu in found.usable))
    return f"with {built}, which driver {found.driver} serves on {', '.join(names)}"


def gpu_notes(context: DecisionContext, chosen: Fit) -> Iterator[str]:
    """Notes on the GPUs that will be used, and on those that will not."""
    found, known = context.gpus, chosen.candidate.known
    if isinstance(found, Refusal):
        return
    unused: dict[str, list[str]] = {}
    for gpu in context.facts.gpus.value:
        if gpu.vendor == "nvidia" and (why := gpus.why_not(gpu)) is not None:
            unused.setdefault(why, []).append(f"GPU {gpu.index} {gpu.name}")
    for why, names in unused.items():
        yield f"not used: {', '.join(names)} ({why})"
    for gpu in found.usable:
        for fault in gpu.health:
            yield f"GPU {gpu.index} {gpu.name} reports: {fault}"
    cuda = None if known is None else known.cuda
    if cuda is not None and any(
        gpu.compute_capability in cuda.mostly_ptx or _is_ptx(gpu.compute_capability, cuda.native)
        for gpu in found.usable
    ):
        yield "the first run is slow: the driver compiles most kernels for this GPU and caches them"
    if any(gpu.mig for gpu in found.usable):
        yield "MIG is on: a process can use one slice at a time"
    if context.facts.library_path.value:
        yield (
            f"the library path has another CUDA ({', '.join(context.facts.library_path.value)}), which programs "
            "find before that of TensorFlow"
        )
    yield from _held_back(context, chosen, found)


def _is_ptx(capability: str | None, native: Iterable[str]) -> bool:
    if capability is None:
        return False
    wanted = Version(capability)
    return not any(Version(text).major == wanted.major and Version(text) <= wanted for text in native)


def _held_back(context: DecisionContext, chosen: Fit, found: Gpus) -> Iterator[str]:
    # Every visible device must work, so one old GPU beside newer ones holds the whole machine to an old release.
    if len(found.usable) < 2 or found.driver is None or context.locked is not None:
        return
    for candidate in context.admitted:
        if candidate.version <= chosen.candidate.version or candidate.known is None:
            continue
        cuda = candidate.known.cuda
        if cuda is None:
            continue
        served = [gpu for gpu in found.usable if gpus.serves(cuda, gpu, context.table)]
        if max(1, context.profile.smoke.require_gpus) <= len(served) < len(found.usable) and not gpus.refusal(
            cuda, replace(found, usable=tuple(served)), context.table
        ):
            held = ", ".join(gpus.describe(gpu) for gpu in found.usable if gpu not in served)
            yield (
                f"{held} limits this machine to TensorFlow {chosen.candidate.text}; with "
                f"`{gpus.showing(served)}` it would be {candidate.text}"
            )
            return
