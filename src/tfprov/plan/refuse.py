"""Errors of the decision: why nothing fits, on what evidence, and what would fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from packaging.version import Version

from tfprov.errors import TfprovError
from tfprov.host.records import LOST_DEVICES, Facts
from tfprov.plan import gpus, interpreters
from tfprov.plan.context import DecisionContext, Depth, Miss
from tfprov.plan.explain import closest, few, platform, releases
from tfprov.plan.gpus import Gpus
from tfprov.plan.offers import Offer
from tfprov.plan.records import Accelerator, Refusal

RESTART_CONTAINER = (
    "start the container again; to keep it from coming back, let Docker use the cgroup driver `cgroupfs`, or hand the "
    "device files over with `--device`"
)


def no_such_release(context: DecisionContext) -> TfprovError:
    """No release is admitted by the profile."""
    finals = [each.text for each in context.candidates if each.everywhere and not each.version.is_prerelease]
    pre = [each.text for each in context.candidates if each.version.is_prerelease]
    verb = "allows" if len(context.demands.clauses) == 1 else "together allow"
    evidence = [f"{context.demands.where} {verb} none of the known releases: {few(finals)}"]
    named = [text for text in pre if context.demands.admits_if_named(Version(text))]
    if named:
        evidence.append(f"pre-releases count only when the range names one: {', '.join(named)}")
        hint = f"`>={named[0]}` would allow the pre-release {named[0]}"
    elif context.demands.are_older_than(finals[-1]):
        hint = f"tfprov installs TensorFlow {finals[-1]} and newer"
    else:
        hint = f"the newest release is {finals[0]}"
    return TfprovError(
        "version-not-available",
        "no TensorFlow release is within what the profile asks for",
        evidence=tuple(evidence),
        hint=hint,
    )


def no_gpu(context: DecisionContext, refusal: Refusal) -> TfprovError:
    """A GPU is demanded where none can work."""
    smoke = context.profile.smoke
    if context.demands.accelerator == "cuda":
        demand = '`tensorflow.accelerator = "cuda"`'
    else:
        demand = f"`smoke.require-gpus = {smoke.require_gpus}`"
    hints = {
        "windows-no-gpu": "run tfprov inside WSL2, where CUDA works, or use the CPU; "
        "TensorFlow 2.10 was the last with CUDA on native Windows, and needs CUDA 11.2 installed by hand",
        "wheel-without-cuda": 'use the CPU, or NVIDIA\'s container for this platform; on macOS `"metal"` uses the GPU',
        "docker-no-gpu": "start the container with `--gpus all` (NVIDIA Container Toolkit), "
        'or build now and prove later with `smoke.gpu = "later"`',
        "gpu-no-driver": f"install an NVIDIA driver{_oldest_driver(context)}; to build here for another machine, set "
        '`smoke.gpu = "later"`; else ask for the CPU',
    }
    if LOST_DEVICES in refusal.why:
        hints["docker-no-gpu"] = f'{RESTART_CONTAINER}; or build now and prove later with `smoke.gpu = "later"`'
    hint = refusal.remedy
    if refusal.driver is not None:
        hint = f"install an NVIDIA driver of {refusal.driver} or newer"
    if context.facts.wsl.value:
        driver = f"the NVIDIA driver on Windows{_oldest_driver(context)}"
        hints["gpu-no-driver"] = f"install {driver}, never one inside WSL2"
    return TfprovError(
        refusal.code,
        f"CUDA cannot work on this machine: {refusal.why}",
        evidence=(f"the profile demands a GPU: {demand}", *_seen(context.facts)),
        hint=hint or hints.get(refusal.code),
    )


def _oldest_driver(context: DecisionContext) -> str:
    """` of 525.60.13 or newer`: what the newest release that the profile allows needs; empty when it is not known."""
    known = next((each.known for each in context.admitted if each.known is not None), None)
    if known is None or known.cuda is None:
        return ""
    return f" of {known.cuda.driver_wsl if context.facts.wsl.value else known.cuda.driver_linux} or newer"


def _seen(facts: Facts) -> Iterator[str]:
    yield f"{platform(facts)}{', WSL2' if facts.wsl.value else ''}"
    nvidia = ", ".join(gpus.describe(gpu) for gpu in facts.gpus.value) or "none"
    yield f"GPUs: {nvidia} ({facts.gpus.source})"
    driver = facts.driver.value
    yield f"driver: {driver.version if driver else 'none'} ({facts.driver.source})"


def nothing_fits(
    context: DecisionContext, accelerator: Accelerator, misses: Sequence[Miss], alternative: str | None
) -> TfprovError:
    """No admitted release fits. The code is that of the release that came closest."""
    nearest = closest(misses)
    if nearest.depth is Depth.PYTHON and nearest.refusal.code == "python-unsupported":
        return _no_python(context, nearest, misses, alternative)
    hint = _hint(context, nearest)
    if alternative and nearest.depth is not Depth.GPU and nearest.refusal.remedy is None:
        hint = f"{hint}; {alternative} would fit" if hint else f"{alternative} would fit"
    return TfprovError(
        nearest.refusal.code,
        _what(nearest, accelerator, misses),
        evidence=tuple(_evidence(context, misses)),
        hint=hint,
    )


def _evidence(context: DecisionContext, misses: Sequence[Miss]) -> Iterator[str]:
    told = [miss for miss in misses if miss.depth is not Depth.KNOWN_BAD] or misses
    for each in releases(told):
        yield f"{each.what}: {each.why}"
    for clause in context.demands.clauses:
        yield f"the profile asks for `{clause.where}`"


def _what(nearest: Miss, accelerator: Accelerator, misses: Sequence[Miss]) -> str:
    why = nearest.refusal.why
    variant = f" with {'CUDA' if accelerator == 'cuda' else accelerator}" if accelerator != "cpu" else ""
    release = f"TensorFlow {nearest.candidate.text}"
    if nearest.refusal.code == "known-bad-release":
        return f"{release}{variant} is known not to work: {why}"
    if nearest.refusal.code == "resolver-conflict":
        return f"{release} does not fit the profile: {why}"
    if len(misses) == 1:
        return f"{release}{variant} cannot run here: {why}"
    return f"no TensorFlow that the profile allows{variant} can run here: {why}"


def _hint(context: DecisionContext, nearest: Miss) -> str | None:
    code = nearest.refusal.code
    if nearest.refusal.remedy is not None:
        return nearest.refusal.remedy
    if code == "glibc-too-old":
        older = _last_with(context, lambda offer: offer.has_platform(context.tags))
        last = f"TensorFlow {older} is the last for this C library; " if older else ""
        return f"{last}use a newer system or a container, or conda, which brings its own C++ runtime"
    if code == "platform-no-wheel":
        return _platform_hint(context, nearest)
    if nearest.depth is Depth.GPU and not isinstance(context.gpus, Refusal):
        return _gpu_hint(context, context.gpus, nearest)
    return None


def _platform_hint(context: DecisionContext, nearest: Miss) -> str | None:
    if nearest.depth is Depth.LIBC:
        return "update the operating system, or use another machine"
    older = _last_with(context, lambda offer: bool(offer.interpreters) and offer.has_platform(context.tags))
    here = platform(context.facts)
    if older is None:
        return f"no release has wheels for {here}: use another machine, or build from source"
    return None if older == _newest(context) else f"TensorFlow {older} is the last with wheels for {here}"


def _newest(context: DecisionContext) -> str | None:
    return next((each.text for each in context.candidates if not each.version.is_prerelease), None)


def _last_with(context: DecisionContext, fits: Callable[[Offer], bool]) -> str | None:
    for candidate in context.candidates:
        if candidate.version.is_prerelease:
            continue
        for offer in candidate.offers.values():
            if fits(offer):
                return candidate.text
    return None


def ways_to_cuda(context: DecisionContext) -> Iterator[str]:
    """Notes on ways to CUDA where GPU and driver are there and no admitted release serves them."""
    if isinstance(context.gpus, Refusal):
        return
    for candidate in context.admitted:
        if candidate.known is None or candidate.known.cuda is None:
            continue
        found = gpus.refusal(candidate.known.cuda, context.gpus, context.table)
        if found is not None:
            nearest = Miss(candidate=candidate, depth=Depth.GPU, refusal=found)
            yield f"for CUDA: {_gpu_hint(context, context.gpus, nearest)}"
        return


def _gpu_hint(context: DecisionContext, found: Gpus, nearest: Miss) -> str:
    table = context.table
    parts = []
    serving = [
        row.version
        for row in table.releases
        if row.cuda is not None
        and not Version(row.version).is_prerelease
        and gpus.refusal(row.cuda, found, table) is None
    ]
    if serving:
        parts.append(f"TensorFlow {serving[0]} is the newest that this machine's GPU and driver can run")
    known = nearest.candidate.known
    cuda = None if known is None else known.cuda
    if nearest.refusal.driver is not None:
        parts.append(f"driver {nearest.refusal.driver} or newer would serve {nearest.candidate.text}")
    if nearest.refusal.code == "gpu-arch-unsupported":
        built = next(
            (
                row
                for row in table.conda
                if row.platform == context.platform
                and row.accelerator == "cuda"
                and not gpus.conda_refusal(row, found, table)
            ),
            None,
        )
        if built is not None:
            parts.append(f"conda-forge's TensorFlow {built.version} for CUDA {built.cuda} has code for this GPU")
        some = tuple(gpu for gpu in found.usable if cuda is not None and gpus.serves(cuda, gpu, table))
        if some and cuda is not None and not gpus.refusal(cuda, replace(found, usable=some), table):
            devices = ",".join(str(gpu.index) for gpu in some)
            parts.append(f"`CUDA_VISIBLE_DEVICES={devices}` leaves the GPUs that it can run on")
        parts.append("NVIDIA's TensorFlow container or the CPU are the other ways")
    return "; ".join(parts)


def _no_python(context: DecisionContext, nearest: Miss, misses: Sequence[Miss], alternative: str | None) -> TfprovError:
    offer = nearest.offer
    span = interpreters.span(offer.pythons) if offer is not None else ""
    release = f"TensorFlow {nearest.candidate.text}"
    allowed = [minor for minor in offer.pythons if interpreters.admits(context.python, minor)] if offer else []
    evidence = [*_pythons_seen(context), *_evidence(context, misses)]
    code, what = _python_cause(context, release, allowed)
    hints = [f"{release} has wheels for Python {span}{_ends(context)}"]
    if alternative:
        hints.append(f"{alternative} would fit")
    brought = [minor for minor in allowed if interpreters.can_be_brought(minor)]
    if brought and context.profile.python.path is None and not context.profile.python.install:
        hints.append(f"`python.install = true` would bring Python {brought[-1]}")
    return TfprovError(code, what, evidence=tuple(dict.fromkeys(evidence)), hint="; ".join(hints))


def _python_cause(context: DecisionContext, release: str, allowed: Sequence[str]) -> tuple[str, str]:
    if context.profile.python.path is not None:
        return _named_python_cause(context, release, context.profile.python.path)
    if not allowed:
        return "python-unsupported", f"{release} has no wheel for any Python that the profile allows"
    if context.usable:
        return "python-unsupported", f"{release} has no wheel for any Python on this machine"
    codes = {refusal.code for interpreter, refusal in context.refused if not interpreter.virtual}
    if len(codes) == 1:
        return codes.pop(), f"no Python on this machine can run {release}"
    return "python-not-found", f"no suitable Python for {release} was found on this machine"


def _named_python_cause(context: DecisionContext, release: str, path: str) -> tuple[str, str]:
    for interpreter, refusal in context.refused:
        if interpreters.is_named(interpreter, context.profile):
            return refusal.code, f"the interpreter that the profile names, `{path}`, cannot be used: {refusal.why}"
    if context.usable:
        return "python-unsupported", f"{release} has no wheel for the interpreter that the profile names, `{path}`"
    return "python-not-found", f"the interpreter that the profile names, `{path}`, was not found"


def _ends(context: DecisionContext) -> str:
    """`; 3.9 ends at 2.20.0`, for the Python versions that are there or that the profile allows."""
    here = {each.minor for each in context.usable}
    if not here and context.python is not None:
        known = {minor for each in context.candidates for offer in each.offers.values() for minor in offer.pythons}
        here = {minor for minor in known if interpreters.admits(context.python, minor)}
    texts = []
    for minor in sorted(here, key=Version):
        fits = _for_python(minor, context)
        last = _last_with(context, fits)
        if last is None:
            early = [each.text for each in context.candidates if any(map(fits, each.offers.values()))]
            texts += [f"{minor} begins with the pre-release {early[-1]}"] if early else []
        elif last != _newest(context):
            texts.append(f"{minor} ends at {last}")
    return f"; {', '.join(texts)}" if texts else ""


def _for_python(minor: str, context: DecisionContext) -> Callable[[Offer], bool]:
    def fits(offer: Offer) -> bool:
        return minor in offer.pythons and offer.has_platform(context.tags)

    return fits


def _pythons_seen(context: DecisionContext) -> Iterator[str]:
    """One line for each reason, not one for each interpreter."""
    if context.usable:
        versions = [each.interpreter.version for each in context.usable]
        yield f"Pythons that other releases run on: {', '.join(dict.fromkeys(versions))}"
    groups: dict[str, list[str]] = {}
    for interpreter, refusal in context.refused:
        groups.setdefault(refusal.why, []).append(interpreter.version or interpreter.path)
    for why, versions in groups.items():
        yield f"Python {', '.join(dict.fromkeys(versions))}: {why}"
    if not context.usable and not groups:
        yield f"no interpreters were found ({context.facts.interpreters.source})"
