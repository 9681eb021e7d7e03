"""The words of a decision: why this release, why not the others, and what would fit when nothing does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tfprov.errors import TfprovError
from tfprov.host.records import Facts, Interpreter, Refusal
from tfprov.plan import gpus, interpreters
from tfprov.plan.gpus import Gpus
from tfprov.plan.interpreters import Usable
from tfprov.plan.offers import Offer
from tfprov.plan.question import Depth, Fit, Miss, Question
from tfprov.plan.records import Accelerator, Refused
from tfprov.plan.tags import architecture

_SYSTEMS = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}
_MANYLINUX = re.compile(r"manylinux_2_(\d+)_")
_LEGACY_GLIBC = {"manylinux2014": 17, "manylinux2010": 12, "manylinux1": 5}
_FEW = 4


def within(version: Version, releases: str) -> bool:
    """Whether a release lies in a range of the table; release candidates count."""
    return SpecifierSet(releases).contains(version, prereleases=True)


def platform(facts: Facts) -> str:
    """`macOS on x86-64`, `Linux on aarch64`."""
    machine = architecture(facts.machine.value)
    names = {"x86_64": "Intel", "aarch64": "Apple silicon"} if facts.system.value == "macos" else {"x86_64": "x86-64"}
    return f"{_SYSTEMS[facts.system.value]} on {names.get(machine, machine)}"


def glibc_of(tags: Iterable[str]) -> str | None:
    """The oldest glibc that one of the platform tags allows, `2.27`; None when they do not say."""
    minors = []
    for tag in tags:
        found = _MANYLINUX.match(tag)
        if found:
            minors.append(int(found[1]))
        else:
            minors += [minor for name, minor in _LEGACY_GLIBC.items() if tag.startswith(name + "_")]
    return f"2.{min(minors)}" if minors else None


def macos_of(tags: Iterable[str]) -> str | None:
    """The oldest macOS that one of the platform tags allows, `12.0`; None when they do not say."""
    found = [Version(f"{tag.split('_')[1]}.{tag.split('_')[2]}") for tag in tags if tag.startswith("macosx_")]
    return str(min(found)) if found else None


def few(texts: Sequence[str]) -> str:
    """All of them when they are few, else the ends."""
    if len(texts) <= _FEW:
        return ", ".join(texts)
    return f"{texts[-1]} to {texts[0]}" if Version(texts[0]) > Version(texts[-1]) else f"{texts[0]} to {texts[-1]}"


def closest(misses: Sequence[Miss]) -> Miss:
    """The miss that came furthest; the newest of those."""
    return max(misses, key=lambda miss: (miss.depth, miss.candidate.version))


# --- what was passed over --------------------------------------------------------------------------------------------


def releases(misses: Sequence[Miss], suffix: str = "") -> list[Refused]:
    """Releases that did not fit, one line for each cause; those known not to work come last."""
    groups: dict[str, list[Miss]] = {}
    for miss in sorted(misses, key=lambda miss: miss.depth is Depth.KNOWN_BAD):
        groups.setdefault(miss.refusal.code, []).append(miss)
    return [
        Refused(
            what=f"tensorflow {few([miss.candidate.text for miss in group])}{suffix}", code=code, why=_group_why(group)
        )
        for code, group in groups.items()
    ]


def _group_why(group: Sequence[Miss]) -> str:
    newest, reasons = group[0], {miss.refusal.why for miss in group}
    return newest.refusal.why if len(reasons) == 1 else f"{newest.refusal.why} ({newest.candidate.text})"


def pythons(question: Question, chosen: Fit) -> list[Refused]:
    """Interpreters that were not taken, those of virtual environments last."""
    fitting = {each.interpreter.path for each in chosen.usable}
    refused = []
    span = interpreters.span(chosen.offer.pythons)
    for each in question.usable:
        if each.interpreter.path in fitting:
            continue
        refused.append(
            Refused(
                what=interpreters.name(each.interpreter),
                code="python-unsupported",
                why=_why_not_python(question, chosen, each.minor, each.interpreter.free_threaded, span),
            )
        )
    for each in chosen.usable[1:]:
        why = f"it would fit too; {_why_better(chosen.usable[0], each)}"
        refused.append(Refused(what=interpreters.name(each.interpreter), code="python-passed-over", why=why))
    others = sorted(question.refused, key=lambda pair: (pair[0].virtual, _reversed(pair[0])))
    refused += [Refused(what=interpreters.name(one), code=reason.code, why=reason.why) for one, reason in others]
    return refused


def _why_better(best: Usable, other: Usable) -> str:
    if best.minor != other.minor:
        return f"{best.minor} is newer"
    if other.interpreter.externally_managed and not best.interpreter.externally_managed:
        return "it belongs to the operating system"
    if best.version != other.version:
        return f"{best.version} is newer"
    return "the same version was found first elsewhere"


def _reversed(interpreter: Interpreter) -> tuple[int, ...]:
    return tuple(-int(part) for part in interpreter.version.split(".") if part.isdigit())


def _why_not_python(question: Question, chosen: Fit, minor: str, free_threaded: bool, span: str) -> str:
    locked = question.locked
    if locked is not None and locked.python_minor != minor:
        return f"the lock was made for Python {locked.python_minor}"
    release = f"TensorFlow {chosen.candidate.text}"
    for bad in question.table.known_bad:
        if minor in chosen.offer.pythons and bad.concerns(chosen.candidate.version, chosen.accelerator, minor):
            return f"{release}: {bad.why}"
    if minor in chosen.fights:
        return f"{release} on Python {minor}: {chosen.fights[minor].why}"
    if chosen.pair is not None and minor in chosen.offer.pythons:
        wheels = interpreters.span(chosen.pair.pythons)
        return f"`{chosen.pair.package}` {chosen.pair.version} has wheels for Python {wheels}"
    build = "ordinary builds of Python" if free_threaded else "Python"
    return f"{release} has wheels for {build} {span}"


def why_release(
    question: Question, chosen: Fit, fits: Sequence[Fit], misses: Sequence[Miss], no_cuda: Refusal | None
) -> str:
    """Why this release and this variant."""
    return f"{_why_version(question, chosen, fits, misses)}; {_why_accelerator(question, chosen, no_cuda)}"


def _why_version(question: Question, chosen: Fit, fits: Sequence[Fit], misses: Sequence[Miss]) -> str:
    if question.locked is not None:
        return "it is the one in the lock"
    newer = [miss for miss in misses if miss.candidate.version > chosen.candidate.version]
    bounds = f" within {question.wanted.where}" if question.wanted.clauses else ""
    if fits[0] is not chosen:
        return f"the newest release{bounds} for a Python that is here"
    if not newer:
        return f"the newest release{bounds}"
    return f"the newest release that fits{bounds}"


def _why_accelerator(question: Question, chosen: Fit, no_cuda: Refusal | None) -> str:
    accelerator, asked = chosen.accelerator, question.wanted.accelerator
    if accelerator == "cuda" and not isinstance(question.gpus, Refusal):
        return _why_cuda(chosen, question.gpus)
    if accelerator == "cpu" and no_cuda is not None:
        return f"on the CPU, because {no_cuda.why}"
    if accelerator == "cpu" and asked != "cpu":
        return "on the CPU, as locked"
    return f"on {'the CPU' if accelerator == 'cpu' else accelerator}, as asked"


def _why_cuda(chosen: Fit, found: Gpus) -> str:
    known = chosen.candidate.known
    built = f"CUDA {known.cuda.built_for}" if known else "CUDA"
    if found.driver is None:
        return f"with {built} for a GPU that will be there later"
    names = list(dict.fromkeys(gpus.describe(gpu) for gpu in found.usable))
    return f"with {built}, which driver {found.driver} serves on {', '.join(names)}"


def gpu_notes(question: Question, chosen: Fit) -> Iterator[str]:
    """What to know about the GPUs that will be used."""
    found, known = question.gpus, chosen.candidate.known
    if isinstance(found, Refusal):
        return
    hidden = [gpu for gpu in question.facts.gpus.value if gpu.vendor == "nvidia" and gpu not in found.usable]
    if hidden:
        yield f"not used: {', '.join(f'GPU {gpu.index} {gpu.name}' for gpu in hidden)} (hidden or prohibited)"
    for gpu in found.usable:
        for fault in gpu.health:
            yield f"GPU {gpu.index} {gpu.name} reports: {fault}"
    if known is not None and any(
        gpu.compute_capability in known.cuda.mostly_ptx or _is_ptx(gpu.compute_capability, known.cuda.native)
        for gpu in found.usable
    ):
        yield "the first run is slow: the driver compiles most kernels for this GPU and keeps them"
    if any(gpu.mig for gpu in found.usable):
        yield "MIG is on: a process can use one slice at a time"
    if question.facts.library_path.value:
        yield (
            f"the library path holds another CUDA ({', '.join(question.facts.library_path.value)}), which programs "
            "find before that of TensorFlow"
        )
    yield from _held_back(question, chosen, found)


def _is_ptx(capability: str | None, native: Iterable[str]) -> bool:
    if capability is None:
        return False
    wanted = Version(capability)
    return not any(Version(text).major == wanted.major and Version(text) <= wanted for text in native)


def _held_back(question: Question, chosen: Fit, found: Gpus) -> Iterator[str]:
    # One old GPU beside newer ones holds the whole machine to an old release: every visible device must work.
    if len(found.usable) < 2 or found.driver is None or question.locked is not None:
        return
    for candidate in question.admitted:
        if candidate.version <= chosen.candidate.version or candidate.known is None:
            continue
        cuda = candidate.known.cuda
        served = [gpu for gpu in found.usable if gpus.serves(cuda, gpu, found, question.table)]
        if (
            served
            and len(served) < len(found.usable)
            and not gpus.refusal(cuda, replace(found, usable=tuple(served)), question.table)
        ):
            held = ", ".join(gpus.describe(gpu) for gpu in found.usable if gpu not in served)
            devices = ",".join(str(gpu.index) for gpu in served)
            yield (
                f"{held} holds this machine to TensorFlow {chosen.candidate.text}; with "
                f"`CUDA_VISIBLE_DEVICES={devices}` it would be {candidate.text}"
            )
            return


# --- nothing fits ----------------------------------------------------------------------------------------------------


def no_such_release(question: Question) -> TfprovError:
    """No release is admitted by the profile."""
    finals = [each.text for each in question.candidates if each.everywhere and not each.version.is_prerelease]
    pre = [each.text for each in question.candidates if each.version.is_prerelease]
    evidence = [f"{question.wanted.where} allows none of the releases there are: {few(finals)}"]
    if pre:
        evidence.append(f"pre-releases count only when the range names one: {', '.join(pre)}")
    named = [text for text in pre if question.wanted.admits_if_named(Version(text))]
    return TfprovError(
        "version-not-available",
        "no TensorFlow release is within what the profile asks for",
        evidence=tuple(evidence),
        hint=f"`>={named[0]}` would allow the pre-release {named[0]}"
        if named
        else f"the newest release is {finals[0]}, the oldest that tfprov knows {finals[-1]}",
    )


def no_gpu(question: Question, refusal: Refusal) -> TfprovError:
    """A GPU is demanded where none can work."""
    smoke = question.profile.smoke
    if question.wanted.accelerator == "cuda":
        demand = '`tensorflow.accelerator = "cuda"`'
    else:
        demand = f"`smoke.require-gpus = {smoke.require_gpus}`"
    hints = {
        "windows-no-gpu": "run tfprov inside WSL2, where CUDA works, or use the CPU; "
        "TensorFlow 2.10 was the last with CUDA on native Windows, and needs CUDA 11.2 installed by hand",
        "wheel-without-cuda": 'use the CPU, or NVIDIA\'s container for this platform; on macOS `"metal"` uses the GPU',
        "docker-no-gpu": "start the container with `--gpus all` (NVIDIA Container Toolkit), "
        'or build now and prove later with `smoke.gpu = "later"`',
        "gpu-no-driver": "install an NVIDIA driver of 525.60.13 or newer; to build here for another machine, set "
        '`smoke.gpu = "later"`; else ask for the CPU',
    }
    if question.facts.wsl.value:
        hints["gpu-no-driver"] = "install the NVIDIA driver on Windows (528.33 or newer), never one inside WSL2"
    return TfprovError(
        refusal.code,
        f"CUDA cannot work on this machine: {refusal.why}",
        evidence=(f"the profile demands a GPU: {demand}", *_seen(question.facts)),
        hint=hints.get(refusal.code),
    )


def _seen(facts: Facts) -> Iterator[str]:
    yield f"{platform(facts)}{', WSL2' if facts.wsl.value else ''}"
    nvidia = ", ".join(gpus.describe(gpu) for gpu in facts.gpus.value) or "none"
    yield f"GPUs: {nvidia} ({facts.gpus.source})"
    driver = facts.driver.value
    yield f"driver: {driver.version if driver else 'none'} ({facts.driver.source})"


def nothing_fits(
    question: Question, accelerator: Accelerator, misses: Sequence[Miss], alternative: str | None
) -> TfprovError:
    """No admitted release fits. The code is that of the release that came closest."""
    nearest = closest(misses)
    if nearest.depth is Depth.PYTHON:
        return _no_python(question, nearest, misses, alternative)
    hint = _hint(question, nearest)
    if alternative and nearest.depth not in (Depth.GPU, Depth.KNOWN_BAD):
        hint = f"{hint}; {alternative} would fit" if hint else f"{alternative} would fit"
    return TfprovError(
        nearest.refusal.code,
        _what(nearest, accelerator, misses),
        evidence=tuple(_evidence(question, misses)),
        hint=hint,
    )


def _evidence(question: Question, misses: Sequence[Miss]) -> Iterator[str]:
    told = [miss for miss in misses if miss.depth is not Depth.KNOWN_BAD] or misses
    for each in releases(told):
        yield f"{each.what}: {each.why}"
    for clause in question.wanted.clauses:
        yield f"the profile asks for `{clause.where}`"


def _what(nearest: Miss, accelerator: Accelerator, misses: Sequence[Miss]) -> str:
    text, code = nearest.candidate.text, nearest.refusal.code
    if code == "known-bad-release":
        return f"TensorFlow {text} is known not to work: {nearest.refusal.why.split('; take')[0]}"
    if code == "resolver-conflict":
        return f"the profile contradicts TensorFlow {text}: {nearest.refusal.why}"
    only = f"TensorFlow {text}" if len(misses) == 1 else "any TensorFlow that the profile allows"
    variant = f" with {'CUDA' if accelerator == 'cuda' else accelerator}" if accelerator != "cpu" else ""
    return (
        f"{only}{variant} cannot run here: {nearest.refusal.why}"
        if len(misses) == 1
        else (f"no TensorFlow that the profile allows{variant} can run here: {nearest.refusal.why}")
    )


def _hint(question: Question, nearest: Miss) -> str | None:
    code = nearest.refusal.code
    if code == "known-bad-release":
        return f"take {nearest.refusal.why.rsplit('; take ', 1)[1]}"
    if code == "glibc-too-old":
        older = _last_with(question, lambda offer: offer.has_platform(question.tags))
        last = f"TensorFlow {older} is the last for this C library; " if older else ""
        return f"{last}use a newer system or a container, or conda, which brings its own C++ runtime"
    if code == "platform-no-wheel":
        return _platform_hint(question, nearest)
    if nearest.depth is Depth.GPU and not isinstance(question.gpus, Refusal):
        return _gpu_hint(question, question.gpus, nearest)
    return None


def _platform_hint(question: Question, nearest: Miss) -> str | None:
    if nearest.depth is Depth.LIBC:
        return "update the operating system, or use another machine"
    older = _last_with(question, lambda offer: bool(offer.interpreters) and offer.has_platform(question.tags))
    here = platform(question.facts)
    if older is None:
        return f"no release has wheels for {here}: use another machine, or build from source"
    return None if older == _newest(question) else f"TensorFlow {older} is the last with wheels for {here}"


def _newest(question: Question) -> str | None:
    return next((each.text for each in question.candidates if not each.version.is_prerelease), None)


def _last_with(question: Question, fits: Callable[[Offer], bool]) -> str | None:
    for candidate in question.candidates:
        if candidate.version.is_prerelease:
            continue
        for offer in candidate.offers.values():
            if fits(offer):
                return candidate.text
    return None


def ways_to_cuda(question: Question) -> Iterator[str]:
    """How CUDA could work after all, where GPU and driver are there and no release serves them."""
    if isinstance(question.gpus, Refusal):
        return
    for candidate in question.admitted:
        if candidate.known is None:
            continue
        found = gpus.refusal(candidate.known.cuda, question.gpus, question.table)
        if found is not None:
            nearest = Miss(candidate=candidate, depth=Depth.GPU, refusal=found)
            yield f"for CUDA: {_gpu_hint(question, question.gpus, nearest)}"
        return


def _gpu_hint(question: Question, found: Gpus, nearest: Miss) -> str:
    table = question.table
    parts = []
    serving = [
        row.version
        for row in table.releases
        if not Version(row.version).is_prerelease and gpus.refusal(row.cuda, found, table) is None
    ]
    if serving:
        parts.append(f"TensorFlow {serving[0]} is the newest that this machine's GPU and driver can run")
    known = nearest.candidate.known
    if nearest.refusal.code == "gpu-driver-too-old" and known is not None:
        lowest = known.cuda.driver_wsl if found.wsl else known.cuda.driver_linux
        ptx = gpus.driver_for(known.cuda.built_for, table, windows=found.wsl)
        compiles = "PTX" in nearest.refusal.why
        parts.append(f"driver {ptx if compiles and ptx else lowest} or newer would serve {nearest.candidate.text}")
    if nearest.refusal.code == "gpu-arch-unsupported":
        built = next(
            (
                row
                for row in table.conda
                if row.platform == question.platform and row.accelerator == "cuda" and gpus.conda_serves(row, found)
            ),
            None,
        )
        if built is not None:
            parts.append(f"conda-forge's TensorFlow {built.version} for CUDA {built.cuda} has code for this GPU")
        some = [gpu for gpu in found.usable if known is not None and gpus.serves(known.cuda, gpu, found, table)]
        if some:
            devices = ",".join(str(gpu.index) for gpu in some)
            parts.append(f"`CUDA_VISIBLE_DEVICES={devices}` leaves the GPUs that it can run on")
        parts.append("NVIDIA's TensorFlow container or the CPU are the other ways")
    return "; ".join(parts)


# --- no Python -------------------------------------------------------------------------------------------------------


def _no_python(question: Question, nearest: Miss, misses: Sequence[Miss], alternative: str | None) -> TfprovError:
    offer = nearest.offer
    span = interpreters.span(offer.pythons) if offer is not None else ""
    release = f"TensorFlow {nearest.candidate.text}"
    if nearest.refusal.code == "known-bad-release":
        return TfprovError(
            "known-bad-release",
            f"{release} is known not to work on the Pythons there are: {nearest.refusal.why.split('; take')[0]}",
            evidence=tuple(_evidence(question, misses)),
            hint=f"take {nearest.refusal.why.rsplit('; take ', 1)[1]}",
        )
    allowed = [minor for minor in offer.pythons if interpreters.admits(question.python, minor)] if offer else []
    evidence = [*_pythons_seen(question), *_evidence(question, misses)]
    code, what = _python_cause(question, release, allowed)
    hints = [f"{release} has wheels for Python {span}{_ends(question)}"]
    if alternative:
        hints.append(f"{alternative} would fit")
    if allowed and question.profile.python.path is None and not question.profile.python.install:
        hints.append(f"`python.install = true` would bring Python {allowed[-1]}")
    return TfprovError(code, what, evidence=tuple(dict.fromkeys(evidence)), hint="; ".join(hints))


def _python_cause(question: Question, release: str, allowed: Sequence[str]) -> tuple[str, str]:
    if question.profile.python.path is not None:
        return _named_python_cause(question, release, question.profile.python.path)
    if not allowed:
        return "python-unsupported", f"{release} has no wheel for any Python that the profile allows"
    if question.usable:
        return "python-unsupported", f"{release} has no wheel for any Python on this machine"
    codes = {refusal.code for interpreter, refusal in question.refused if not interpreter.virtual}
    if len(codes) == 1:
        return codes.pop(), f"no Python on this machine can run {release}"
    return "python-not-found", f"there is no Python on this machine that could run {release}"


def _named_python_cause(question: Question, release: str, path: str) -> tuple[str, str]:
    for interpreter, refusal in question.refused:
        if interpreter.found_by == "profile":
            return refusal.code, f"the interpreter that the profile names, `{path}`, cannot be used: {refusal.why}"
    if any(each.interpreter.found_by == "profile" for each in question.usable):
        return "python-unsupported", f"{release} has no wheel for the interpreter that the profile names, `{path}`"
    return "python-not-found", f"the interpreter that the profile names, `{path}`, was not found"


def _ends(question: Question) -> str:
    """`; 3.9 ends at 2.20.0`, for the Python versions that are there or that the profile allows."""
    here = {each.minor for each in question.usable}
    if not here and question.python is not None:
        known = {minor for each in question.candidates for offer in each.offers.values() for minor in offer.pythons}
        here = {minor for minor in known if interpreters.admits(question.python, minor)}
    texts = []
    for minor in sorted(here, key=Version):
        fits = _for_python(minor, question)
        last = _last_with(question, fits)
        if last is None:
            early = [each.text for each in question.candidates if any(map(fits, each.offers.values()))]
            texts += [f"{minor} begins with the pre-release {early[-1]}"] if early else []
        elif last != _newest(question):
            texts.append(f"{minor} ends at {last}")
    return f"; {', '.join(texts)}" if texts else ""


def _for_python(minor: str, question: Question) -> Callable[[Offer], bool]:
    def fits(offer: Offer) -> bool:
        return minor in offer.pythons and offer.has_platform(question.tags)

    return fits


def _pythons_seen(question: Question) -> Iterator[str]:
    """One line for each reason, not one for each interpreter."""
    if question.usable:
        versions = [each.interpreter.version for each in question.usable]
        yield f"Pythons that could be used: {', '.join(dict.fromkeys(versions))}"
    groups: dict[str, list[str]] = {}
    for interpreter, refusal in question.refused:
        groups.setdefault(refusal.why, []).append(interpreter.version or interpreter.path)
    for why, versions in groups.items():
        yield f"Python {', '.join(dict.fromkeys(versions))}: {why}"
    if not question.usable and not groups:
        yield f"no interpreters were found ({question.facts.interpreters.source})"
