"""Errors of the decision: why nothing fits, on what evidence, and what would fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.version import Version

from tfprov.distributions import BUILDS
from tfprov.errors import CODES, TfprovError
from tfprov.host.records import LOST_DEVICES, Facts, Gpu
from tfprov.plan import gpus, interpreters, ways
from tfprov.plan.compat import Release
from tfprov.plan.context import DecisionContext, Depth, Miss
from tfprov.plan.demands import METAL
from tfprov.plan.explain import closest, few, platform, releases
from tfprov.plan.fit import cuda_of, evaluate, pythons_of
from tfprov.plan.gpus import Gpus
from tfprov.plan.offers import uploaded_of
from tfprov.plan.records import ACCELERATORS, Accelerator, Listing, Refusal
from tfprov.plan.refuse_python import no_python
from tfprov.plan.tags import architecture
from tfprov.times import moment

_INTO_CONTAINER = {
    "docker": "start the container with `--gpus all` (NVIDIA Container Toolkit)",
    "podman": "start the container with `--device nvidia.com/gpu=all` (NVIDIA Container Toolkit)",
    "apptainer": "start the container with `--nv`",
    "kubernetes": "ask for `nvidia.com/gpu` in `resources.limits` of the pod",
}
_RESTART_CONTAINER = (
    "start the container again; to keep it from coming back, let Docker use the cgroup driver `cgroupfs`, or hand the "
    "device files over with `--device`"
)

_32_BITS = re.compile(r"i[3-6]86|armv[5-8]l")


def is_narrow(facts: Facts) -> bool:
    """Whether the system has 32 bits, for which nobody ever built TensorFlow."""
    return _32_BITS.fullmatch(architecture(facts.machine.value)) is not None


def lacks_avx(facts: Facts) -> bool:
    """Whether the processor is known to lack AVX, which every wheel for x86-64 needs."""
    flags = facts.cpu_flags.value
    return architecture(facts.machine.value) == "x86_64" and bool(flags) and "avx" not in flags


def no_such_release(context: DecisionContext) -> TfprovError:
    """The error when the profile allows no known release."""
    later = came_later(context)
    if later:
        return _too_early(context, later)
    # Releases newer than the time that the profile names are known all the same.
    known = [each for each in context.candidates if each.everywhere or context.before is not None]
    finals = [each.text for each in known if not each.version.is_prerelease]
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
        hint = "; ".join(_without_one_range(context)) or f"the newest release is {finals[0]}"
    return TfprovError(
        "version-not-available",
        "no TensorFlow release is within the range that the profile allows",
        evidence=tuple(evidence),
        hint=hint,
    )


def _without_one_range(context: DecisionContext) -> Iterator[str]:
    """Of several ranges that contradict each other: the newest release that the others allow, without each of them."""
    clauses = context.demands.clauses
    for clause in clauses if len(clauses) > 1 else ():
        demands = replace(context.demands, clauses=tuple(each for each in clauses if each is not clause))
        found = (each.text for each in context.candidates if each.everywhere and demands.admits(each.version))
        if (newest := next(found, None)) is not None:
            yield f"without `{clause.where}`, TensorFlow {newest} would be the newest"


def came_later(context: DecisionContext) -> list[Release]:
    """The releases that the profile would allow if they had been out at the time in `index.exclude-newer`."""
    return [
        row
        for row in context.table.releases
        if (at := uploaded_of(row)) is not None
        and context.before is not None
        and moment(at) >= context.before
        and context.demands.admits(Version(row.version))
    ]


def _first_for(context: DecisionContext) -> Release | None:
    """The first release with wheels for the platform; None where there is none, and where no time limits the choice."""
    rows = (row for row in reversed(context.table.releases) if context.before is not None)
    return next((row for row in rows if any(each.platform == context.platform for each in row.wheels)), None)


def _too_early(context: DecisionContext, later: Sequence[Release]) -> TfprovError:
    what = "no TensorFlow release within the range that the profile allows was out at that time"
    version, at = later[-1].version, uploaded_of(later[-1])
    return _before_all(context, version, at, what, f"TensorFlow {version} came out on {moment(at or '').date()}")


def _before_all(context: DecisionContext, version: str, at: str | None, what: str, out: str) -> TfprovError:
    asked = [f"the profile asks for `{clause.where}`" for clause in context.demands.clauses]
    return TfprovError(
        "version-not-available",
        what,
        evidence=(f'`index.exclude-newer = "{context.profile.index.exclude_newer}"`', out, *asked),
        hint=f'`index.exclude-newer = "{moment(at or "").date()}"` would allow TensorFlow {version}',
    )


def no_wheels(context: DecisionContext) -> TfprovError:
    """The error when no release has a wheel for the platform, or had one at the time in `index.exclude-newer`."""
    here, first = platform(context.facts), _first_for(context)
    if first is not None:
        out = f"TensorFlow {first.version} was the first with wheels for {here}"
        here_at = [each.uploaded for each in first.wheels if each.platform == context.platform and each.uploaded]
        at = min(here_at, default=uploaded_of(first))
        return _before_all(context, first.version, at, f"no TensorFlow had wheels for {here} at that time", out)
    return no_builds(context)


def no_builds(context: DecisionContext) -> TfprovError:
    """The error on a platform for which no TensorFlow was ever published, as a wheel or by conda-forge."""
    here = platform(context.facts)
    what = f"conda-forge has no TensorFlow for {here}" if context.from_conda else f"no TensorFlow has wheels for {here}"
    hint = "use another machine, or build TensorFlow from source"
    if context.from_conda and not is_narrow(context.facts):
        hint = f"name a channel that has it in `conda.channels`; else {hint}"
    if is_narrow(context.facts):
        hint = f"use a 64-bit system where the processor can run one; else {hint}"
    inside = next((row for row in context.table.releases if _is_for_linux_on_arm(context, row)), None)
    if context.platform == "windows_aarch64" and inside is not None:
        hint = f"run tfprov inside WSL2: TensorFlow {inside.version} has wheels for Linux on aarch64"
    return TfprovError(
        "platform-no-wheel",
        what,
        evidence=(f"this is {here} ({context.facts.machine.source})",),
        hint=hint,
    )


def _is_for_linux_on_arm(context: DecisionContext, release: Release) -> bool:
    """Whether the profile allows a release that has wheels for Linux on aarch64, where none has CUDA."""
    is_on_cpu = context.demands.accelerator in ("auto", "cpu") and not context.must_have_gpu
    has_wheels = any(each.platform == "linux_aarch64" for each in release.wheels)
    return is_on_cpu and has_wheels and context.demands.admits(Version(release.version))


def no_nightly(listing: Listing | None) -> TfprovError:
    """The error when nightly builds are requested, and the index has none or could not be read."""
    if listing is None:
        return TfprovError(
            "offline-missing",
            "only an index knows which nightly builds of TensorFlow exist, and it could not be read",
            hint="lock them where there is a network, or use a release",
        )
    return TfprovError(
        "version-not-available",
        "the index has no nightly build of TensorFlow",
        evidence=(f"{listing.source} lists no wheel of {' or '.join(f'`{name}`' for name in BUILDS['nightly'])}",),
        hint='use a release: `tensorflow.package = "tensorflow"`, and no `tf-nightly` among the requirements',
    )


def no_machine(context: DecisionContext) -> TfprovError | None:
    """The error when no release runs on this system, even on the CPU and with any profile; None when one does."""
    fits, misses = evaluate(ways.any_release(context), "cpu")
    if fits or not misses or closest(misses).depth > Depth.LIBC:
        return None
    return nothing_fits(ways.any_release(context), "cpu", misses)


def no_gpu(context: DecisionContext, refusal: Refusal) -> TfprovError:
    """The error when a GPU is demanded and none can work."""
    smoke = context.profile.smoke
    if context.demands.accelerator == "cuda":
        demand = '`tensorflow.accelerator = "cuda"`'
    else:
        demand = f"`smoke.require-gpus = {smoke.require_gpus}`"
    return TfprovError(
        refusal.code,
        f"CUDA cannot work on this machine: {refusal.why}",
        evidence=(f"the profile demands a GPU: {demand}", *_seen(context.facts)),
        hint=_told(_gpu_ways(context, refusal)),
    )


def _cuda_from_elsewhere(context: DecisionContext) -> Iterator[str]:
    if not context.from_conda:
        yield "name an index or a folder that has a wheel with CUDA under `index.extra` or `index.find-links`"
    yield "use NVIDIA's container for this platform"


def _told(ways: Iterable[str]) -> str | None:
    """Hints in one line; None without any. The last of several begins with `or`."""
    return "; ".join(dict.fromkeys(ways)).removeprefix("or ") or None


def _newer_driver(oldest: str | None, *, is_wsl: bool) -> str:
    wanted = f" of {oldest} or newer" if oldest else ""
    return (
        f"install the NVIDIA driver on Windows{wanted}, never one inside WSL2"
        if is_wsl
        else f"install an NVIDIA driver{wanted}"
    )


def _without_gpus(context: DecisionContext) -> str:
    """What a profile that requires GPUs must take back, for hints after which none is proved."""
    return " with `smoke.require-gpus = 0`" if context.profile.smoke.require_gpus else ""


def _gpu_ways(context: DecisionContext, refusal: Refusal) -> Iterator[str]:
    """Hints where CUDA can use no GPU: changes of the machine first, then of the profile."""
    if refusal.driver is not None:
        yield _newer_driver(refusal.driver, is_wsl=context.facts.wsl.value)
        yield from _last_branches(context.gpus.usable if isinstance(context.gpus, Gpus) else ())
    elif refusal.remedy is not None:
        yield refusal.remedy
    elif refusal.code == "windows-no-gpu":
        yield "run tfprov inside WSL2, where CUDA works"
    elif refusal.code == "wheel-without-cuda" and context.facts.system.value == "linux":
        yield from _cuda_from_elsewhere(context)
    elif refusal.code == "docker-no-gpu":
        yield into_container(context.facts.container.value, refusal.why)
    elif refusal.code == "gpu-no-driver":
        is_wsl = context.facts.wsl.value
        is_bare = not is_wsl and all(gpu.vendor != "nvidia" for gpu in context.facts.gpus.value)
        where = "on a machine with an NVIDIA GPU, " if is_bare else ""
        yield where + _newer_driver(ways.oldest_driver(context), is_wsl=is_wsl)
    elif refusal.code not in ("wheel-without-cuda", "gpu-arch-unsupported"):
        yield CODES[refusal.code].remedy
    if context.from_conda and isinstance(context.gpus, Gpus) and not lacks_avx(context.facts):
        wheel = ways.release_for(context, "cuda")
        if wheel is not None:
            release = f"TensorFlow {wheel.candidate.text}"
            yield f'use `conda.tensorflow = "wheel"`: {release} has a wheel for this GPU and driver'
    if refusal.code in ("docker-no-gpu", "gpu-no-driver") and not context.facts.wsl.value:
        later = 'set `smoke.gpu = "later"` and `tensorflow.accelerator = "cuda"`'
        yield f"to build here for another machine, {later}{_without_gpus(context)}"
    yield from ways.other_accelerators(context)
    yield f"or use the CPU{_without_gpus(context)}"


def into_container(kind: str | None, why: str) -> str:
    """How a container comes to its GPUs, as an instruction.

    Args:
        kind: of the container, as in the facts.
        why: what is known about the missing GPUs.
    """
    if LOST_DEVICES in why:
        return _RESTART_CONTAINER
    if "NVIDIA_DRIVER_CAPABILITIES" in why:
        return "start the container with `NVIDIA_DRIVER_CAPABILITIES=compute,utility`"
    anywhere = "give the container the device files of the GPU and the libraries of the driver"
    return _INTO_CONTAINER.get(kind or "", anywhere)


def _seen(facts: Facts) -> Iterator[str]:
    wsl = f", WSL{1 if gpus.is_wsl1(facts) else 2}" if facts.wsl.value else ""
    yield f"{platform(facts)}{wsl}"
    nvidia = ", ".join(gpus.describe(gpu) for gpu in facts.gpus.value) or "none"
    yield f"GPUs: {nvidia} ({facts.gpus.source})"
    driver = facts.driver.value
    yield f"driver: {driver.version if driver else 'none'} ({facts.driver.source})"


def nothing_fits(context: DecisionContext, accelerator: Accelerator, misses: Sequence[Miss]) -> TfprovError:
    """The error when no admitted release fits. Its code is that of the release that came closest."""
    nearest = closest(misses)
    if nearest.depth is Depth.PYTHON and nearest.refusal.code == "python-unsupported":
        return no_python(context, nearest, tuple(_evidence(context, misses)), accelerator)
    return TfprovError(
        nearest.refusal.code,
        _what(nearest, accelerator, misses),
        evidence=tuple(_evidence(context, misses, titled=nearest)),
        hint=_told(_hints(context, nearest, accelerator)),
    )


def _evidence(context: DecisionContext, misses: Sequence[Miss], *, titled: Miss | None = None) -> Iterator[str]:
    """Why each release was refused, and what the profile asks for; the miss in the title is not told again."""
    told = [miss for miss in misses if miss.depth is not Depth.KNOWN_BAD] or misses
    for each in releases(told):
        is_titled = titled is not None and each.why in (titled.refusal.why, titled.refusal.advice)
        if titled is None or not is_titled:
            yield f"{each.what}: {each.why}"
        elif each.what != f"tensorflow {titled.candidate.text}":
            yield f"{each.what}: the same"
    for clause in context.demands.clauses:
        yield f"the profile asks for `{clause.where}`"


def _what(nearest: Miss, accelerator: Accelerator, misses: Sequence[Miss]) -> str:
    why = nearest.refusal.why
    variant = f" with {ACCELERATORS[accelerator]}" if accelerator != "cpu" else ""
    release = f"TensorFlow {nearest.candidate.text}"
    if nearest.refusal.code == "known-bad-release":
        return f"{release}{variant} is known not to work: {why}"
    if nearest.refusal.code == "resolver-conflict":
        return f"{release} does not fit the profile: {why}"
    if len(misses) == 1:
        return f"{release}{variant} cannot run here: {why}"
    return f"no TensorFlow that the profile allows{variant} can run here: {why}"


def _hints(context: DecisionContext, nearest: Miss, accelerator: Accelerator) -> Iterator[str]:
    refusal = nearest.refusal
    if refusal.remedy is not None:
        yield refusal.remedy
    if nearest.depth in (Depth.CUDA_LIBRARIES, Depth.GPU, Depth.DRIVER):
        if not isinstance(context.gpus, Refusal):
            yield from _gpu_hints(context, context.gpus, nearest)
            if refusal.code != "gpu-driver-too-old":
                yield f"or use the CPU{_without_gpus(context)}"
        return
    if refusal.code == "glibc-too-old":
        older = ways.last_with(context, lambda offer: offer.has_platform(context.tags))
        if older is not None:
            yield f"TensorFlow {older} is the last for this C library"
        yield "use a newer system or a container"
    elif refusal.code == "platform-no-wheel":
        yield from _platform_hints(context, nearest)
    elif refusal.code == "resolver-conflict":
        yield from ways.without_one(context, accelerator)
    other = ways.another_release(context, accelerator)
    if other is not None and refusal.remedy is None:
        yield f"{other} would fit"
    elif accelerator in ("metal", "rocm") and refusal.code != "resolver-conflict":
        yield without_accelerator(context)
    if refusal.code == "wheel-without-cuda":
        yield f"or use the CPU{_without_gpus(context)}"


def without_accelerator(context: DecisionContext) -> str:
    """The hint to give up Metal or ROCm, by the key and the requirement that ask for it."""
    accelerator = context.demands.accelerator
    # Both mean Metal: the key, and the plug-in among the packages.
    by_name = accelerator == "metal" and any(Requirement(text).name == METAL for text in context.demands.wanted)
    by_key = context.profile.tensorflow.accelerator == accelerator
    auto = 'use `tensorflow.accelerator = "auto"`'
    return " and ".join((*[f"leave out `{METAL}`"] * by_name, *[auto] * by_key))


def _platform_hints(context: DecisionContext, nearest: Miss) -> Iterator[str]:
    here = platform(context.facts)
    if nearest.depth is Depth.LIBC:
        yield "update the operating system, or use another machine"
        return
    older = ways.last_with(context, lambda offer: bool(offer.interpreters) and offer.has_platform(context.tags))
    if older is None:
        first = next(ways.with_offer(reversed(context.candidates), lambda offer: bool(offer.interpreters)), None)
        if first is None:
            yield f"no release has wheels for {here}: use another machine, or build from source"
        else:
            yield f"TensorFlow {first} is the first with wheels for {here}"
            is_linux = context.facts.system.value == "linux"
            yield "and use a newer system or a container" if is_linux else "and update the operating system"
    elif older != ways.newest(context):
        yield f"TensorFlow {older} is the last with wheels for {here}"
    else:
        oldest = next(ways.with_offer(reversed(context.candidates), lambda offer: offer.has_platform(context.tags)))
        yield f"TensorFlow {oldest} is the first with wheels for {here}"


def ways_to_cuda(context: DecisionContext) -> Iterator[str]:
    """Notes on how to use the NVIDIA GPUs of this machine, where no admitted release can."""
    if isinstance(context.gpus, Refusal):
        is_linux, seen = context.facts.system.value == "linux", context.facts.gpus.value
        if context.gpus.code == "wheel-without-cuda" and is_linux and any(gpu.vendor == "nvidia" for gpu in seen):
            yield f"for CUDA: {_told(_cuda_from_elsewhere(context))}"
        return
    _, misses = evaluate(context, "cuda")
    told = [miss for miss in misses if miss.depth in (Depth.GPU, Depth.DRIVER, Depth.PYTHON)]
    if not told:
        bad = next((miss.refusal.remedy for miss in misses if miss.depth is Depth.KNOWN_BAD), None)
        if bad is not None:
            yield f"for CUDA: {bad}"
        elif not any(cuda_of(context, miss.candidate) for miss in misses) and (newest := ways.newest_served(context)):
            yield f"for CUDA: TensorFlow {newest} is the newest that this machine's GPU and driver can run"
        return
    nearest = closest(told)
    if nearest.depth is Depth.PYTHON:
        span = interpreters.span(pythons_of(context, nearest, "cuda"))
        yield f"for CUDA: TensorFlow {nearest.candidate.text} works here on Python {span}"
    elif hints := _told(_gpu_hints(context, context.gpus, nearest)):
        yield f"for CUDA: {hints}"


def _gpu_hints(context: DecisionContext, found: Gpus, nearest: Miss) -> Iterator[str]:
    table, version = context.table, nearest.candidate.version
    served = ways.newest_served(context)
    if served is not None:
        yield f"TensorFlow {served} is the newest that this machine's GPU and driver can run"
    cuda = cuda_of(context, nearest.candidate)
    driver = nearest.refusal.driver
    where = " on Windows" if found.wsl else ""
    if driver is not None and ways.helps(context, found, driver, version):
        yield f"driver {driver} or newer{where} would support {nearest.candidate.text}"
    if driver is not None and served is None:
        least = ways.least_driver(context, found)
        if least is not None and least[0] != driver:
            yield f"driver {least[0]} or newer{where} would support {least[1]}"
    if driver is not None:
        yield from _last_branches(found.usable)
    if nearest.refusal.code == "gpu-arch-unsupported":
        rows = (row for row in table.conda if row.platform == context.platform and row.accelerator == "cuda")
        built = next((row for row in rows if not gpus.conda_refusal(row, found, table)), None)
        if built is not None:
            yield f"conda-forge's TensorFlow {built.version} for CUDA {built.cuda} has code for this GPU"
        some = tuple(gpu for gpu in found.usable if cuda is not None and gpus.serves(cuda, gpu, table))
        is_enough = len(some) >= max(1, context.profile.smoke.require_gpus)
        if is_enough and cuda is not None and not gpus.refusal(cuda, replace(found, usable=some), table):
            yield f"`{gpus.showing(some)}` leaves the GPUs that it can run on"
        if any(gpus.is_newer(gpu, table) for gpu in found.usable):
            yield "use NVIDIA's TensorFlow container"


def _last_branches(devices: Sequence[Gpu]) -> Iterator[str]:
    """Where a driver is proposed: up to which branch one supports the GPUs."""
    branches = {gpu.name: branch for gpu in devices if (branch := gpus.last_branch(gpu)) is not None}
    for name, branch in branches.items():
        yield f"branch {branch} of the driver is the last for {name}"
