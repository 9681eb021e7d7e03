"""Finds the releases that fit with a variant, on which Pythons, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from packaging.version import Version

from tfprov.plan import explain, gpus, interpreters, versions
from tfprov.plan.builds import cuda_in
from tfprov.plan.compat import Bound, Cuda, Pair, within
from tfprov.plan.context import DecisionContext, Depth, Fit, Miss
from tfprov.plan.demands import Conflict, Demands, conflicts, project_of, ranges
from tfprov.plan.interpreters import Usable
from tfprov.plan.offers import Offer, OfferedRelease, is_before
from tfprov.plan.records import ACCELERATORS, Accelerator, LockedChoice, Refusal
from tfprov.plan.tags import marker_environment
from tfprov.structured import numbers_in
from tfprov.times import moment

_FEW = 3  # conflicts that are shown of one release
_GPU_DEPTHS = {"gpu-libs-missing": Depth.CUDA_LIBRARIES, "gpu-driver-too-old": Depth.DRIVER}


def evaluate(context: DecisionContext, accelerator: Accelerator) -> tuple[tuple[Fit, ...], tuple[Miss, ...]]:
    """Check every admitted release with a variant.

    Where nothing fits with wheels of the other packages alone, Pythons without such wheels count, if those packages may
    be built.

    Returns:
        The releases that fit and those that do not, newest first.
    """
    found = _evaluate(context, accelerator)
    may_build = context.profile.packages.build != "never" and context.profile.environment.kind != "conda"
    if not found[0] and may_build and context.demands.others and context.wheels_only:
        return _evaluate(replace(context, wheels_only=False), accelerator)
    return found


def _evaluate(context: DecisionContext, accelerator: Accelerator) -> tuple[tuple[Fit, ...], tuple[Miss, ...]]:
    fits: list[Fit] = []
    misses: list[Miss] = []
    for candidate in context.admitted:
        found = _try(context, candidate, accelerator)
        if isinstance(found, Fit):
            fits.append(found)
        else:
            misses.append(found)
    return tuple(fits), tuple(misses)


def _try(context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator) -> Fit | Miss:
    broken = _known_bad(context, candidate, accelerator)
    if broken is not None:
        return Miss(candidate=candidate, depth=Depth.KNOWN_BAD, refusal=broken)
    pair = _pair(context, candidate, accelerator)
    offer = _absent(context, candidate) or _offer(context, candidate, accelerator, pair)
    if isinstance(offer, Refusal):
        return Miss(candidate=candidate, depth=Depth.PLATFORM, refusal=offer)
    if not offer.has_platform(context.tags):
        return Miss(candidate=candidate, depth=Depth.LIBC, refusal=_too_old(context, offer), offer=offer)
    unfit = None if pair is None else _pair_refusal(context, candidate, pair)
    if unfit is not None:
        return Miss(candidate=candidate, depth=Depth.LIBC, refusal=unfit, offer=offer)
    unserved = _gpu_refusal(context, candidate, accelerator)
    if unserved is not None:
        depth = _GPU_DEPTHS.get(unserved.code, Depth.GPU)
        return Miss(candidate=candidate, depth=depth, refusal=unserved, offer=offer)
    return _with_python(context, candidate, accelerator, offer, pair)


def _known_bad(context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator) -> Refusal | None:
    for bad in context.table.bad(candidate.version, accelerator):
        if bad.pythons is None:
            return Refusal(code="known-bad-release", why=bad.why, remedy=f"take {bad.remedy}")
    return None


def _absent(context: DecisionContext, candidate: OfferedRelease) -> Refusal | None:
    """The reason why another platform that the lock must serve cannot take a release; None when all can."""
    for there in context.elsewhere:
        why = there.refused.get(candidate.version)
        if why is not None:
            return Refusal(code=why.code, why=f"on {there.name}, which `lock.platforms` names: {why.why}")
    return None


def _with_python(
    context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator, offer: Offer, pair: Pair | None
) -> Fit | Miss:
    usable, bringable = _pythons(context, candidate, accelerator, offer, pair)
    # The requirements of a release can depend on the Python: numpy 1.26 on 3.12, older ones on 3.11.
    minors = dict.fromkeys((*(each.minor for each in usable), *bringable)) or dict.fromkeys(offer.pythons[-1:])
    conflicts = _conflicts(context, candidate, accelerator, minors)
    if conflicts and len(conflicts) == len(minors):
        refusal = next(iter(conflicts.values()))
        return Miss(candidate=candidate, depth=Depth.REQUIREMENTS, refusal=refusal, offer=offer)
    usable = tuple(each for each in usable if each.minor not in conflicts)
    bringable = tuple(minor for minor in bringable if minor not in conflicts)
    if not usable and not bringable:
        refusal = _python_refusal(context, candidate, accelerator, offer)
        return Miss(candidate=candidate, depth=Depth.PYTHON, refusal=refusal, offer=offer)
    return Fit(
        candidate=candidate,
        offer=offer,
        accelerator=accelerator,
        usable=usable,
        bringable=bringable,
        conflicts=conflicts,
        pair=pair,
    )


def _pair(context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator) -> Pair | None:
    pairs = context.table.pairs if accelerator in ("metal", "rocm") else ()
    found = [
        pair
        for pair in pairs
        if pair.accelerator == accelerator
        and pair.platform == context.platform
        and within(candidate.version, pair.releases)
    ]
    return next((pair for pair in found if is_before(pair.uploaded, context.before)), next(iter(found), None))


def _pair_refusal(context: DecisionContext, candidate: OfferedRelease, pair: Pair) -> Refusal | None:
    """Why a plug-in or build for another accelerator cannot be used: it came out later, or the system is too old."""
    code = "metal-plugin-mismatch" if pair.accelerator == "metal" else "rocm"
    what, system = f"`{pair.package}` {pair.version}", context.facts.os_version.value
    if not is_before(pair.uploaded, context.before):
        why = f"{what} came out on {moment(pair.uploaded).date()}"
        return Refusal(code=code, why=why, remedy=_allowing(pair.uploaded, candidate))
    if pair.system is not None and numbers_in(system) < numbers_in(pair.system):
        why = f"{what} needs macOS {pair.system}; this is {system}"
        return Refusal(code=code, why=why, remedy="update the operating system")
    return None


def _allowing(uploaded: str, candidate: OfferedRelease) -> str:
    return f'`index.exclude-newer = "{moment(uploaded).date()}"` would allow TensorFlow {candidate.text}'


def _offer(
    context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator, pair: Pair | None
) -> Offer | Refusal:
    offers = candidate.offers
    if context.locked is not None:
        return _locked_offer(offers.get(context.locked.package), context.locked, accelerator)
    if accelerator in ("metal", "rocm") and pair is None:
        code = "metal-plugin-mismatch" if accelerator == "metal" else "rocm"
        return Refusal(code=code, why=f"no build for {ACCELERATORS[accelerator]} is known to work with it")
    full = offers.get("tensorflow")
    if accelerator == "cuda" and full is not None and full.kind != "cuda":
        apart = "; that of `tensorflow-gpu` needs CUDA libraries that are not available as wheels"
        is_apart = context.platform == "linux_x86_64" and full.build is None
        why = f"its wheel for this platform has no CUDA{apart if is_apart else ''}"
        return Refusal(code="wheel-without-cuda", why=why)
    if accelerator == "cpu" and (full is None or full.kind == "cuda"):
        # The CPU build is published for platforms where the wheel of `tensorflow` contains CUDA.
        small = offers.get("tensorflow-cpu")
        full = small if small is not None and (small.pythons or small.has_python("py3")) else full
    if full is None:
        return Refusal(code="platform-no-wheel", why=f"no wheel for {explain.platform(context.facts)}")
    if not full.interpreters and full.orphans:
        return Refusal(
            code="platform-no-wheel", why=f"its wheel is empty and depends on `{full.needs}`, which has no wheel"
        )
    return full


def _locked_offer(offer: Offer | None, locked: LockedChoice, accelerator: Accelerator) -> Offer | Refusal:
    if offer is None:
        return Refusal(code="platform-no-wheel", why=f"the lock holds `{locked.package}`, which has no wheel here")
    if accelerator == "cuda" and offer.kind != "cuda":
        return Refusal(code="wheel-without-cuda", why=f"the lock holds `{locked.package}`, which has no CUDA")
    return offer


def _too_old(context: DecisionContext, offer: Offer) -> Refusal:
    facts, tags = context.facts, sorted(offer.tags)
    libc = facts.libc.value
    if facts.system.value == "linux":
        needed = explain.glibc_of(tags)
        have = f"{libc.kind} {libc.version}" if libc else "none that is recognised"
        return Refusal(code="glibc-too-old", why=f"its wheel needs glibc {needed or '?'}; this system has {have}")
    needed = explain.macos_of(tags) if facts.system.value == "macos" else None
    return Refusal(
        code="platform-no-wheel",
        why=f"its wheel needs macOS {needed}; this is macOS {facts.os_version.value}"
        if needed
        else f"its wheel is for {', '.join(tags)}; this is {facts.os_version.value}",
    )


def cuda_of(context: DecisionContext, candidate: OfferedRelease) -> Cuda | None:
    """The CUDA properties of a release, from its wheel where that was looked into.

    A release that is not in the table is assumed to be built like the newest release in it.
    """
    like = (candidate.known or context.table.releases[0]).cuda
    full = candidate.offers.get("tensorflow")
    if full is None or full.build is None:
        return like
    like = like or context.table.releases[0].cuda
    return cuda_in(full.build, like) if full.build.is_cuda and like is not None else None


def _gpu_refusal(context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator) -> Refusal | None:
    if accelerator != "cuda" or isinstance(context.gpus, Refusal):
        return None
    cuda = cuda_of(context, candidate)
    if cuda is None:
        return Refusal(
            code="gpu-libs-missing",
            why="the CUDA libraries that it needs are not available as wheels, or not verified with it",
        )
    companions = (row for row in context.table.companions if within(candidate.version, row.releases))
    late = max((row.uploaded for row in companions if not is_before(row.uploaded, context.before)), default=None)
    if late is not None:
        return Refusal(
            code="gpu-libs-missing",
            why=f"the last of the wheels with its CUDA libraries came out on {moment(late).date()}",
            remedy=_allowing(late, candidate),
        )
    return gpus.refusal(cuda, context.gpus, context.table)


def _pythons(
    context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator, offer: Offer, pair: Pair | None
) -> tuple[tuple[Usable, ...], tuple[str, ...]]:
    conda = context.profile.environment.kind == "conda"
    usable = [] if conda else interpreters.fitting(offer, context.usable)
    bringable = [minor for minor in reversed(offer.pythons) if minor in context.bringable]
    locked = context.locked
    if locked is not None:
        usable = [each for each in usable if each.minor == locked.python_minor]
        bringable = [minor for minor in bringable if minor == locked.python_minor]

    def works(minor: str) -> bool:
        is_everywhere = all(minor in there.pythons.get(candidate.version, ()) for there in context.elsewhere)
        return is_everywhere and _is_sound(context, candidate, accelerator, pair, minor)

    return tuple(each for each in usable if works(each.minor)), tuple(minor for minor in bringable if works(minor))


def _is_sound(
    context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator, pair: Pair | None, minor: str
) -> bool:
    """Whether no problem is known with a release and variant on a Python that it has wheels for."""
    if pair is not None and minor not in pair.pythons:
        return False
    bad = context.table.bad(candidate.version, accelerator)
    return not any(row.concerns(candidate.version, accelerator, minor) for row in bad)


def pythons_of(context: DecisionContext, miss: Miss, accelerator: Accelerator) -> tuple[str, ...]:
    """The minor versions of Python, installed or not, on which a refused release would fit; oldest first."""
    candidate = miss.candidate
    pair = _pair(context, candidate, accelerator)
    sound = tuple(
        minor
        for minor in (miss.offer.pythons if miss.offer is not None else ())
        if _is_sound(context, candidate, accelerator, pair, minor)
    )
    # Pythons for which all packages have wheels are better than those for which some would be built.
    for asked in (context, replace(context, wheels_only=False)):
        contradicted = _conflicts(asked, candidate, accelerator, sound)
        if fitting := tuple(minor for minor in sound if minor not in contradicted):
            return fitting
    return sound


def _python_refusal(
    context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator, offer: Offer
) -> Refusal:
    minors = {each.minor for each in context.usable} & set(offer.pythons)
    for bad in context.table.bad(candidate.version, accelerator):
        if minors and all(bad.concerns(candidate.version, accelerator, minor) for minor in minors):
            return Refusal(code="known-bad-release", why=bad.why, remedy=f"take {bad.remedy}")
    for there in context.elsewhere:
        if minors and minors.isdisjoint(fitting := there.pythons.get(candidate.version, frozenset())):
            span = interpreters.span(tuple(fitting))
            why = f"on {there.name}, which `lock.platforms` names, it fits Python {span} only"
            return Refusal(code="python-unsupported", why=why)
    return Refusal(code="python-unsupported", why=f"it has wheels for Python {interpreters.span(offer.pythons)} only")


def bounds(context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator) -> Iterator[Bound]:
    """The table's bounds on other packages that apply to a release on this machine."""
    capabilities = []
    if accelerator == "cuda" and not isinstance(context.gpus, Refusal):
        capabilities = [
            Version(gpu.compute_capability) for gpu in context.gpus.usable if gpu.compute_capability is not None
        ]
    for bound in context.table.bounds:
        if bound.accelerator not in (None, accelerator) or not within(candidate.version, bound.releases):
            continue
        if bound.below is None or any(capability < Version(bound.below) for capability in capabilities):
            yield bound


def _conflicts(
    context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator, minors: Iterable[str]
) -> dict[str, Refusal]:
    """The minor versions of Python on which a release contradicts the profile, each with the reason."""
    if not context.demands.others or context.locked is not None:
        return {}
    needs = tuple(_needs(context, candidate, accelerator))
    whys = {bound.requirement: bound.why for bound in bounds(context, candidate, accelerator)}
    return {minor: found for minor in minors if (found := _conflict(context, candidate, needs, minor, whys))}


def _needs(context: DecisionContext, candidate: OfferedRelease, accelerator: Accelerator) -> Iterator[str]:
    """What goes into an environment with a release, as PEP 508 requirements; the first is the release itself."""
    yield f"tensorflow=={candidate.text}"
    yield from (bound.requirement for bound in bounds(context, candidate, accelerator))
    known, pair = candidate.known, _pair(context, candidate, accelerator)
    if known is not None:
        pins = known.cuda.pins if accelerator == "cuda" and known.cuda is not None else ()
        yield from _as_profile_says(context.demands, (*known.requires, *pins))
    if pair is not None and accelerator == "metal":
        yield f"{pair.package}=={pair.version}"


def _as_profile_says(demands: Demands, needs: tuple[str, ...]) -> Iterable[str]:
    """What a release requires, with the overrides and exclusions of the profile; an override itself is a demand."""
    if not demands.overridden and not demands.excluded:
        return needs
    named = ((project_of(text), text) for text in needs)
    return (name if name in demands.overridden else text for name, text in named if name not in demands.excluded)


def _conflict(
    context: DecisionContext, candidate: OfferedRelease, needs: tuple[str, ...], python: str, whys: Mapping[str, str]
) -> Refusal | None:
    others = context.demands.others
    asked_on = context.demands.asked_on
    if asked_on and python not in asked_on and any(each.minor in asked_on for each in context.usable):
        # The ranges for the other Pythons say what the project works with; here there would be none.
        return Refusal(code="resolver-conflict", why=f"the profile does not ask for TensorFlow on Python {python}")
    environment = marker_environment(python, "cpython", context.facts)
    wanted = context.demands.wanted
    if found := tuple(conflicts(others, (*needs, *wanted), environment)):

        def why(one: Conflict) -> str:
            # What the release itself declares needs no reason; what the table adds to that does.
            reason = f" ({whys[one.bound]})" if one.bound in whys else ""
            needs_it = "" if one.bound == needs[0] else f"it needs `{one.bound}`{reason}, and "
            if one.bound in wanted:
                needs_it = f"the profile asks for `{one.bound}` too, and "
            return f"{needs_it}{one.where} asks for `{one.asked}`"

        more = f", and {len(found) - _FEW} more" if len(found) > _FEW else ""
        return Refusal(code="resolver-conflict", why="; ".join(map(why, found[:_FEW])) + more)
    place = versions.VersionContext(
        release=candidate.version,
        platform=context.platform,
        minor=int(python.split(".")[1]),
        before=context.before,
        released=candidate.released,
    )
    # Only for releases in the table: newer versions of these packages may support a newer release.
    known = candidate.known is not None
    for project, specifier, asked in ranges(others, wanted, needs, environment) if known else ():
        missing = versions.missing(project, specifier, place)
        if missing is not None and (missing.ever or context.wheels_only):
            return Refusal(code="resolver-conflict", why=f"{missing.why}, and {asked[1]} asks for `{asked[0]}`")
    return None


def first(fits: Sequence[Fit]) -> Fit | None:
    """The newest release with an interpreter on this machine; if there is none, the newest of all.

    An interpreter before 3.9 counts only where no newer one can be installed that would run a newer release: many
    systems have a Python 3.6 for their own use.
    """
    here = next((fit for fit in fits if any(interpreters.by_choice(each.minor) for each in fit.usable)), None)
    brought = next((fit for fit in fits if any(map(interpreters.by_choice, fit.bringable))), None)
    old = next((fit for fit in fits if fit.usable), None)
    if here is None and brought is not None and (old is None or brought.candidate.version > old.candidate.version):
        return brought
    return here or old or next(iter(fits), None)
