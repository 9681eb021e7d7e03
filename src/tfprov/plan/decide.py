"""The decision: release, variant and interpreter, chosen together from profile, facts, table and index. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfprov.distributions import BUILDS, is_small, kind_of
from tfprov.errors import TfprovError
from tfprov.host.records import Facts, Gpu
from tfprov.plan import explain, gpus, interpreters, refuse, ways
from tfprov.plan.assemble import assemble
from tfprov.plan.compat import Compat, WheelKind
from tfprov.plan.conda import plan_of_conda
from tfprov.plan.context import DecisionContext, Elsewhere, Miss
from tfprov.plan.demands import contradictory, gather
from tfprov.plan.fit import evaluate, first
from tfprov.plan.offers import Offer, OfferedRelease, candidates, is_dated
from tfprov.plan.records import Accelerator, Listing, LockedChoice, Plan, Refusal
from tfprov.plan.tags import architecture, marker_environment, platform_name, platform_tags
from tfprov.profile.records import Profile
from tfprov.structured import numbers_in
from tfprov.times import moment

_ONLY_LOCKED = "tfprov can lock an environment of conda for Windows, but not make it there; one without conda it can"


def decide(
    profile: Profile,
    facts: Facts,
    table: Compat,
    listing: Listing | None,
    locked: LockedChoice | None = None,
    *,
    elsewhere: Sequence[Elsewhere] = (),
) -> Plan:
    """Decide for the machine that the facts describe.

    A pure function, so that it can plan for another machine.

    Args:
        profile: with the lines of its requirements files among its requirements.
        facts: about the machine to plan for.
        table: what is known about each release.
        listing: the files of `tensorflow` and `tensorflow-cpu` on the index; None when it cannot be read, and then only
            the table counts.
        locked: the choice in an existing lock, which the decision must keep; None for a free decision.
        elsewhere: the other platforms that a new lock must serve. Where no release serves all of them, they do not
            count: making the lock then reports what each of them lacks.

    Returns:
        Release, variant and interpreter, with everything that was refused and why.

    Raises:
        TfprovError: nothing fits. The code is that of the refusal that came closest; the evidence lists all reasons,
            grouped; the hint says what would fit. `lock-unfit` when the lock's choice does not fit.
    """
    context = _context(profile, facts, table, listing, locked)
    if context.from_conda:
        return plan_of_conda(context)
    found = context.candidates
    if locked is None and any(each.everywhere for each in found) and not any(each.offers for each in found):
        # A platform without any wheel is the first thing to report, whatever GPU it has and whatever the profile asks
        # for.
        raise refuse.no_wheels(context)
    if locked is None:
        with contextlib.suppress(TfprovError):
            if elsewhere:
                return _plan(replace(context, elsewhere=tuple(elsewhere)), listing)
        return _plan(context, listing)
    try:
        _check_lock(context, locked)
        return _plan(context, listing)
    except TfprovError as error:
        if error.code.name == "lock-unfit":
            raise
        try:
            decide(profile, facts, table, listing)
        except TfprovError as unbound:
            if unbound.code is error.code:
                # The machine is unfit, and a renewed lock would not fit it either.
                raise unbound from error
        raise TfprovError(
            "lock-unfit",
            f"the lock holds {locked.package} {locked.version} for Python {locked.python_minor}, which does not fit",
            evidence=(error.what, *error.evidence),
        ) from error


def fitting_on(name: str, profile: Profile, facts: Facts, table: Compat, listing: Listing | None) -> Elsewhere:
    """What fits on another platform that a lock must serve.

    Args:
        name: of the platform, as in `lock.platforms`.
        profile: with what is asked for there, and any release.
        facts: about a machine on that platform.
        table: what is known about each release.
        listing: as for `decide`.

    Raises:
        TfprovError: the profile cannot be met there at all.
    """
    context = _context(profile, facts, table, listing, None)
    fits, misses = evaluate(context, "cuda" if context.demands.accelerator == "cuda" else "cpu")
    return Elsewhere(
        name=name,
        pythons={
            fit.candidate.version: frozenset((*(each.minor for each in fit.usable), *fit.bringable)) for fit in fits
        },
        refused={miss.candidate.version: miss.refusal for miss in misses},
    )


def _context(
    profile: Profile, facts: Facts, table: Compat, listing: Listing | None, locked: LockedChoice | None
) -> DecisionContext:
    """The input of a decision; raises where no TensorFlow runs on the machine, whatever the release."""
    demands = gather(profile, facts)
    if profile.environment.kind == "conda" and facts.system.value == "windows":
        demands = replace(demands, notes=(*demands.notes, _ONLY_LOCKED))
    platform = platform_name(facts.system.value, facts.machine.value)
    _gate(profile, facts)
    later = profile.smoke.gpu == "later"
    before = moment(profile.index.exclude_newer) if profile.index.exclude_newer is not None and not locked else None
    known = candidates(table, None if locked else listing, platform, before, nightly=demands.nightly)
    found = _with_locked(known, locked)
    offers = [offer for candidate in found for offer in candidate.offers.values()]
    usable, refused = interpreters.sort_out(profile, facts, offers)
    return DecisionContext(
        profile=profile,
        facts=facts,
        table=table,
        demands=demands,
        locked=locked,
        platform=platform,
        tags=frozenset(platform_tags(facts)),
        gpus=gpus.on_machine(
            facts,
            table,
            platform,
            later=later and demands.accelerator == "cuda",
            has_cuda=any(offer.kind == "cuda" for offer in offers),
        ),
        usable=tuple(usable),
        bringable=interpreters.bringable(profile, facts, offers),
        refused=tuple(refused),
        candidates=found,
        before=before,
    )


def _gate(profile: Profile, facts: Facts) -> None:
    system, machine = facts.system.value, architecture(facts.machine.value)
    libc, flags = facts.libc.value, facts.cpu_flags.value
    if libc is not None and libc.kind == "musl":
        raise TfprovError(
            "musl-libc",
            f"TensorFlow has no wheels for musl {libc.version}, the C library of this system",
            evidence=(f"musl {libc.version} ({facts.libc.source})",),
            hint="use an image with glibc, such as a Debian or Ubuntu one",
        )
    unbrought = interpreters.why_none_brought(facts)
    if profile.environment.kind == "conda" and libc is not None and unbrought is not None:
        raise TfprovError(
            "glibc-too-old",
            f"conda has no Python for this system: {unbrought}",
            evidence=('`environment.kind = "conda"`', f"{libc.kind} {libc.version} ({facts.libc.source})"),
            hint="use a newer system or a container",
        )
    if machine == "x86_64" and facts.emulation.value is not None and "avx" not in flags:
        native = "interpreter" if system == "macos" else "image"
        raise TfprovError(
            "rosetta-qemu",
            f"x86-64 is emulated here by {_translator(facts)}, and the x86-64 builds of TensorFlow need AVX, which the "
            "emulated processor does not list",
            evidence=(
                f"emulation: {facts.emulation.value} ({facts.emulation.source})",
                f"no `avx` among {len(flags)} processor flags ({facts.cpu_flags.source})",
            ),
            hint=f"use a native arm64 {native}: TensorFlow has wheels for it",
        )
    from_conda = profile.environment.kind == "conda" and profile.conda.tensorflow == "conda"
    if refuse.lacks_avx(facts) and not from_conda:
        raise TfprovError(
            "cpu-no-avx",
            "the processor has no AVX, and every TensorFlow wheel for x86-64 needs it",
            evidence=(f"no `avx` among {len(flags)} processor flags ({facts.cpu_flags.source})",),
            hint="; ".join(_ways_without_avx(system)),
        )


def _ways_without_avx(system: str) -> Iterator[str]:
    yield "in a virtual machine, pass the processor of the host through"
    if system == "linux":
        yield (
            'else set `environment.kind = "conda"` and `conda.tensorflow = "conda"`: conda-forge has a build for '
            "processors without AVX"
        )
    yield "or use another machine"


def _translator(facts: Facts) -> str:
    return {"rosetta": "Rosetta"}.get(facts.emulation.value or "", facts.emulation.value or "")


def _plan(context: DecisionContext, listing: Listing | None) -> Plan:
    _check_releases(context, listing)
    notes = [*context.demands.notes]
    facts = context.facts
    if facts.system.value == "linux" and facts.emulation.value is not None:
        notes.append(
            f"{facts.machine.value} is emulated here by {_translator(facts)} ({facts.emulation.source}): TensorFlow "
            "works, but takes many times longer"
        )
    if listing is None and context.locked is None:
        notes.append(f"the index was not asked for releases: they are those in the table of {context.table.generated}")
    if context.before is not None and listing is not None and not is_dated(listing):
        notes.append(
            "the index gives no upload times: for `index.exclude-newer` those of the table of "
            f"{context.table.generated} count"
        )
    passed_over: list[tuple[Accelerator, tuple[Miss, ...]]] = []
    no_cuda: Refusal | None = None
    for accelerator in _variants(context):
        if accelerator == "cuda" and isinstance(context.gpus, Refusal):
            if context.must_have_gpu:
                raise refuse.no_machine(context) or refuse.no_gpu(context, context.gpus)
            no_cuda = context.gpus
            continue
        _check_gpu_count(context, accelerator)
        # After what the machine lacks, which no change of a line helps.
        _check_lines(context)
        fits, misses = evaluate(context, accelerator)
        chosen = first(fits)
        if chosen is not None:
            return assemble(
                context=context,
                chosen=chosen,
                fits=fits,
                misses=misses,
                passed_over=passed_over,
                no_cuda=no_cuda,
                notes=notes,
            )
        passed_over.append((accelerator, misses))
        if accelerator == "cuda" and context.must_have_gpu:
            break
        if accelerator == "cuda":
            no_cuda = explain.closest(misses).refusal
    accelerator, misses = passed_over[-1]
    raise refuse.nothing_fits(context, accelerator, misses)


def _check_lines(context: DecisionContext) -> None:
    if context.locked is not None or len(context.demands.others) < 2:
        return
    pythons = sorted({*(each.minor for each in context.usable), *context.bringable}, key=numbers_in, reverse=True)
    of_each = [_projects(each.known.requires) for each in context.candidates if each.known is not None]
    # What every known release needs: NumPy, protobuf, …
    needed = frozenset.intersection(*of_each) if of_each else frozenset()
    found = [
        contradictory(context.demands, marker_environment(each, "cpython", context.facts), needed=needed)
        for each in pythons
    ]
    # Lines with markers may contradict each other on some Pythons only.
    if found and all(found):
        hint = "; ".join(ways.without_one(context, _variants(context)[-1]))
        what = "lines of the profile exclude each other"
        raise TfprovError("resolver-conflict", what, evidence=found[0], hint=hint or None)


@cache
def _projects(requires: tuple[str, ...]) -> frozenset[str]:
    return frozenset(canonicalize_name(Requirement(line).name) for line in requires)


def _variants(context: DecisionContext) -> tuple[Accelerator, ...]:
    locked, asked = context.locked, context.demands.accelerator
    if asked == "auto":
        cpu_only = locked is not None and (locked.accelerator == "cpu" or is_small(locked.package))
        return ("cpu",) if cpu_only else ("cuda", "cpu")
    for accelerator in ("cuda", "metal", "rocm"):
        if asked == accelerator:
            _check_vendor(context, accelerator)
            return (accelerator,)
    return ("cpu",)


def _check_vendor(context: DecisionContext, accelerator: str) -> None:
    facts = context.facts
    if accelerator == "metal" and context.platform != "macos_arm64":
        raise TfprovError(
            "metal-plugin-mismatch",
            "tfprov supports Metal on Macs with Apple silicon only",
            evidence=(f"this is {explain.platform(facts)}", '`tensorflow.accelerator = "metal"`'),
            hint='use `tensorflow.accelerator = "auto"`',
        )
    if accelerator == "rocm" and context.platform != "linux_x86_64":
        raise TfprovError(
            "rocm",
            "TensorFlow for ROCm is built for Linux on x86-64 only",
            evidence=(f"this is {explain.platform(facts)}", '`tensorflow.accelerator = "rocm"`'),
            hint='use `tensorflow.accelerator = "auto"`',
        )
    is_later = context.profile.smoke.gpu == "later"
    if accelerator == "rocm" and not is_later and not any(gpu.vendor == "amd" for gpu in facts.gpus.value):
        raise TfprovError(
            "rocm",
            "no AMD GPU for ROCm was found",
            evidence=(f"GPUs: {', '.join(gpu.name for gpu in facts.gpus.value) or 'none'} ({facts.gpus.source})",),
            hint='use `tensorflow.accelerator = "auto"`',
        )


def _check_gpu_count(context: DecisionContext, accelerator: Accelerator) -> None:
    smoke = context.profile.smoke
    if smoke.gpu == "later":
        return
    there: Sequence[Gpu]
    others: dict[Gpu, str] = {}  # those of other vendors can be neither hidden nor prohibited
    if accelerator == "cuda" and not isinstance(context.gpus, Refusal):
        there = context.gpus.usable
        nvidia = (gpu for gpu in context.facts.gpus.value if gpu.vendor == "nvidia")
        others = {gpu: why for gpu in nvidia if (why := gpus.why_not(gpu)) is not None}
    elif accelerator in ("rocm", "metal"):
        vendor = "amd" if accelerator == "rocm" else "apple"
        there = [gpu for gpu in context.facts.gpus.value if gpu.vendor == vendor]
    else:
        return
    if len(there) < smoke.require_gpus:
        unusable = (f"{gpus.describe(gpu)} cannot be used: {why}" for gpu, why in others.items())
        raise TfprovError(
            "gpu-no-device",
            f"the profile asks for {smoke.require_gpus} GPUs, and {len(there)} can be used",
            evidence=(*gpus.described(there), *dict.fromkeys(unusable)),
            hint=", or ".join(_ways_to_more_gpus(smoke.require_gpus - len(there), tuple(others))),
        )


def _ways_to_more_gpus(lacking: int, others: Sequence[Gpu]) -> Iterator[str]:
    """Hints where some GPUs cannot be used, and so many are lacking."""
    yield "lower `smoke.require-gpus`"
    if sum(gpu.usable for gpu in others) >= lacking:
        yield "make more GPUs visible"
    lost = [gpu for gpu in others if gpu.visible and not gpu.usable and not gpu.mig]
    if len(lost) >= lacking:
        yield f"reset or replace {lost[0].name}" if len(lost) == 1 else "reset or replace those that cannot compute"


def _check_releases(context: DecisionContext, listing: Listing | None) -> None:
    is_empty = context.locked is None and not any(each.everywhere for each in context.candidates)
    if is_empty and context.demands.nightly:
        raise refuse.no_nightly(listing)
    if listing is not None and is_empty and not refuse.came_later(context):
        raise TfprovError(
            "package-name-wrong",
            "the index has no usable TensorFlow",
            evidence=(f"{listing.source} lists no wheel of `tensorflow` since 1.15",),
            hint="check `index.url`: it may be a partial mirror",
        )
    if not context.admitted:
        raise refuse.no_such_release(context)


def _with_locked(found: tuple[OfferedRelease, ...], locked: LockedChoice | None) -> tuple[OfferedRelease, ...]:
    if locked is None:
        return found
    version = Version(locked.version)
    for candidate in found:
        if candidate.version == version and (candidate.known is None or locked.package in candidate.offers):
            return found
    known = next((candidate.known for candidate in found if candidate.version == version), None)
    if known is not None and locked.package in BUILDS["release"]:
        return found
    # Neither the table nor the index has that file. Its tags are checked later, when the lock is read.
    full = locked.package in [full for full, _ in BUILDS.values()]
    kind: WheelKind = "cuda" if full and locked.accelerator != "cpu" else "cpu"
    offer = Offer(package=locked.package, interpreters=frozenset({"py3"}), tags=frozenset({"any"}), kind=kind)
    added = OfferedRelease(version=version, known=known, offers={locked.package: offer})
    return (added, *(candidate for candidate in found if candidate.version != version))


def _check_lock(context: DecisionContext, locked: LockedChoice) -> None:
    version = Version(locked.version)
    evidence = []
    if (kind_of(locked.package) == "nightly") is not context.demands.nightly:
        asked_for = "nightly builds" if context.demands.nightly else "releases"
        evidence.append(f"it holds {locked.package} {locked.version}; the profile asks for {asked_for}")
    elif not context.demands.admits(version):
        evidence.append(f"it holds {locked.package} {locked.version}; the profile asks for {context.demands.where}")
    asked = context.demands.accelerator
    if asked == "cuda" and (is_small(locked.package) or locked.accelerator == "cpu"):
        evidence.append(f"it holds {locked.package} for the CPU; the profile asks for CUDA")
    elif context.must_have_gpu and (is_small(locked.package) or locked.accelerator == "cpu"):
        demand = f"`smoke.require-gpus = {context.profile.smoke.require_gpus}`"
        evidence.append(f"it holds {locked.package} for the CPU; the profile demands a GPU: {demand}")
    if not interpreters.admits(context.python, locked.python_minor):
        evidence.append(f"it was made for Python {locked.python_minor}; the profile asks for `{context.python}`")
    if evidence:
        raise TfprovError("lock-unfit", "the lock no longer fits the profile", evidence=tuple(evidence))
