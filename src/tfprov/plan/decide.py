"""The decision: release, variant and interpreter, chosen together from profile, facts, table and index. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from packaging.version import Version

from tfprov.errors import TfprovError
from tfprov.host.records import Facts, Refusal
from tfprov.plan import explain, gpus, interpreters
from tfprov.plan.compat import Bound, Compat, Cuda, Pair, WheelKind
from tfprov.plan.conda import plan_of_conda
from tfprov.plan.interpreters import Usable
from tfprov.plan.offers import Candidate, Offer, candidates, moment
from tfprov.plan.question import Depth, Fit, Miss, Question
from tfprov.plan.records import (
    Accelerator,
    ChosenPython,
    ChosenTensorflow,
    Constraint,
    Decision,
    Listing,
    LockedChoice,
    Plan,
    Refused,
)
from tfprov.plan.tags import architecture, marker_environment, platform_name, platform_tags
from tfprov.plan.wanted import fight, gather
from tfprov.profile.records import Profile

# Bytecode of an environment, and a little more: 75 MB beside 1.46 GB for TensorFlow 2.21.0 on the CPU.
_BYTECODE = 80_000_000
_FALLBACKS = 3


def decide(
    profile: Profile, facts: Facts, table: Compat, listing: Listing | None, locked: LockedChoice | None = None
) -> Plan:
    """What will be installed on the machine of the facts, and everything that was refused.

    Reads nothing and starts nothing: it gives the same plan for a machine that is not this one.

    Args:
        profile: with the lines of its requirements files among its requirements.
        facts: of the machine to plan for.
        table: what is known of each release.
        listing: what the index has of `tensorflow` and `tensorflow-cpu`; None when it cannot be asked, and then the
            table alone decides.
        locked: what an existing lock holds; the decision is bound to it.

    Raises:
        TfprovError: nothing fits. The code is that of the refusal that came closest; the evidence names every reason,
            grouped; the hint says what would fit. `lock-unfit` when the lock's choice is what does not fit.
    """
    wanted = gather(profile)
    platform = platform_name(facts.system.value, facts.machine.value)
    _gate(profile, facts)
    usable, refused = interpreters.sort_out(profile, facts)
    later = profile.smoke.gpu == "later"
    newest = profile.index.exclude_newer
    question = Question(
        profile=profile,
        facts=facts,
        table=table,
        wanted=wanted,
        locked=locked,
        platform=platform,
        tags=frozenset(platform_tags(facts)),
        gpus=gpus.on_machine(facts, table, platform, later=later and wanted.accelerator == "cuda"),
        usable=tuple(usable),
        refused=tuple(refused),
        candidates=_with_locked(
            candidates(table, None if locked else listing, platform, moment(newest) if newest else None), locked
        ),
    )
    if profile.environment.kind == "conda" and profile.conda.tensorflow == "conda":
        return plan_of_conda(question)
    if locked is None:
        return _plan(question, listing)
    try:
        _check_lock(question, locked)
        return _plan(question, listing)
    except TfprovError as error:
        if error.code.name == "lock-unfit":
            raise
        raise TfprovError(
            "lock-unfit",
            f"the lock holds {locked.package} {locked.version} for Python {locked.python_minor}, which does not fit",
            evidence=(error.what, *error.evidence),
        ) from error


# --- what no release gets past ---------------------------------------------------------------------------------------


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
    if machine == "x86_64" and facts.emulation.value is not None:
        translator = {"rosetta": "Rosetta", "qemu": "qemu"}.get(facts.emulation.value, facts.emulation.value)
        native = "interpreter" if system == "macos" else "image"
        raise TfprovError(
            "rosetta-qemu",
            f"x86-64 is emulated here by {translator}, and the x86-64 builds of TensorFlow need AVX, which it lacks",
            evidence=(f"emulation: {facts.emulation.value} ({facts.emulation.source})",),
            hint=f"use a native arm64 {native}: TensorFlow has wheels for it",
        )
    from_conda = profile.environment.kind == "conda" and profile.conda.tensorflow == "conda"
    if machine == "x86_64" and flags and "avx" not in flags and not from_conda:
        raise TfprovError(
            "cpu-no-avx",
            "the processor has no AVX, and every TensorFlow wheel for x86-64 needs it",
            evidence=(f"no `avx` among {len(flags)} processor flags ({facts.cpu_flags.source})",),
            hint="use another machine, or the package `tensorflow-sse3` of conda-forge, which is built without AVX; "
            "in a virtual machine, pass the processor of the host through",
        )


# --- the choice ------------------------------------------------------------------------------------------------------


def _plan(question: Question, listing: Listing | None) -> Plan:
    _check_releases(question, listing)
    notes = [*question.wanted.notes]
    if listing is None and question.locked is None:
        notes.append(f"the index was not asked: the table of {question.table.generated} decides alone")
    if question.profile.index.exclude_newer is not None and question.locked is None and not _is_dated(listing):
        notes.append("nobody says when the releases were uploaded: `index.exclude-newer` took no part in choosing one")
    passed_over: list[tuple[Accelerator, tuple[Miss, ...]]] = []
    no_cuda: Refusal | None = None
    for accelerator in _variants(question):
        if accelerator == "cuda" and isinstance(question.gpus, Refusal):
            if _must_have_gpu(question):
                raise explain.no_gpu(question, question.gpus)
            no_cuda = question.gpus
            continue
        fits, misses = _evaluate(question, accelerator)
        chosen = _first(fits)
        if chosen is not None:
            _check_gpu_count(question, accelerator)
            return _assemble(
                question=question,
                chosen=chosen,
                fits=fits,
                misses=misses,
                passed_over=passed_over,
                no_cuda=no_cuda,
                notes=notes,
            )
        passed_over.append((accelerator, misses))
        if accelerator == "cuda" and _must_have_gpu(question):
            break
        if accelerator == "cuda":
            no_cuda = explain.closest(misses).refusal
    accelerator, misses = passed_over[-1]
    raise explain.nothing_fits(question, accelerator, misses, _alternative(question, accelerator))


def _is_dated(listing: Listing | None) -> bool:
    return listing is not None and any(file.uploaded for found in listing.files.values() for file in found)


def _variants(question: Question) -> tuple[Accelerator, ...]:
    locked, asked = question.locked, question.wanted.accelerator
    if asked == "auto":
        cpu_only = locked is not None and (locked.accelerator == "cpu" or locked.package == "tensorflow-cpu")
        return ("cpu",) if cpu_only else ("cuda", "cpu")
    for accelerator in ("cuda", "metal", "rocm"):
        if asked == accelerator:
            _check_vendor(question, accelerator)
            return (accelerator,)
    return ("cpu",)


def _check_vendor(question: Question, accelerator: str) -> None:
    facts = question.facts
    if accelerator == "metal" and question.platform != "macos_arm64":
        raise TfprovError(
            "metal-plugin-mismatch",
            "Metal is for Macs with Apple silicon",
            evidence=(f"this is {question.platform.replace('_', ' on ')}", '`tensorflow.accelerator = "metal"`'),
            hint='use `tensorflow.accelerator = "auto"`',
        )
    if accelerator == "rocm" and (
        question.platform != "linux_x86_64"
        or (question.profile.smoke.gpu == "now" and not any(gpu.vendor == "amd" for gpu in facts.gpus.value))
    ):
        raise TfprovError(
            "rocm",
            "there is no AMD GPU that ROCm could use",
            evidence=(f"GPUs: {', '.join(gpu.name for gpu in facts.gpus.value) or 'none'} ({facts.gpus.source})",),
            hint='use `tensorflow.accelerator = "auto"`',
        )


def _must_have_gpu(question: Question) -> bool:
    smoke = question.profile.smoke
    return question.wanted.accelerator == "cuda" or (smoke.require_gpus > 0 and smoke.gpu == "now")


def _check_gpu_count(question: Question, accelerator: Accelerator) -> None:
    smoke = question.profile.smoke
    if accelerator != "cuda" or smoke.gpu == "later" or isinstance(question.gpus, Refusal):
        return
    have = len(question.gpus.usable)
    if have < smoke.require_gpus:
        raise TfprovError(
            "gpu-no-device",
            f"the profile asks for {smoke.require_gpus} GPUs, and {have} can be used",
            evidence=tuple(gpus.describe(gpu) for gpu in question.gpus.usable),
            hint="lower `smoke.require-gpus`, or make more GPUs visible",
        )


def _check_releases(question: Question, listing: Listing | None) -> None:
    if listing is not None and question.locked is None and not any(each.everywhere for each in question.candidates):
        raise TfprovError(
            "package-name-wrong",
            "the index has no TensorFlow that could be used",
            evidence=(f"{listing.source} lists no wheel of `tensorflow` since 2.10",),
            hint="check `index.url`: is it a mirror of a part only?",
        )
    if not question.admitted:
        raise explain.no_such_release(question)


def _evaluate(question: Question, accelerator: Accelerator) -> tuple[tuple[Fit, ...], tuple[Miss, ...]]:
    """The admitted releases, newest first, sorted into those that fit and those that do not."""
    fits: list[Fit] = []
    misses: list[Miss] = []
    for candidate in question.admitted:
        found = _try(question, candidate, accelerator)
        if isinstance(found, Fit):
            fits.append(found)
        else:
            misses.append(found)
    return tuple(fits), tuple(misses)


def _try(question: Question, candidate: Candidate, accelerator: Accelerator) -> Fit | Miss:
    broken = _known_bad(question, candidate, accelerator)
    if broken is not None:
        return Miss(candidate=candidate, depth=Depth.KNOWN_BAD, refusal=broken)
    pair = _pair(question, candidate, accelerator)
    offer = _offer(question, candidate, accelerator, pair)
    if isinstance(offer, Refusal):
        return Miss(candidate=candidate, depth=Depth.PLATFORM, refusal=offer)
    if not offer.has_platform(question.tags):
        return Miss(candidate=candidate, depth=Depth.LIBC, refusal=_too_old(question, offer), offer=offer)
    unserved = _gpu_refusal(question, candidate, accelerator)
    if unserved is not None:
        return Miss(candidate=candidate, depth=Depth.GPU, refusal=unserved, offer=offer)
    return _with_python(question, candidate, accelerator, offer, pair)


def _known_bad(question: Question, candidate: Candidate, accelerator: Accelerator) -> Refusal | None:
    for bad in question.table.known_bad:
        if bad.concerns(candidate.version, accelerator):
            return Refusal(code="known-bad-release", why=f"{bad.why}; take {bad.remedy}")
    return None


def _with_python(
    question: Question, candidate: Candidate, accelerator: Accelerator, offer: Offer, pair: Pair | None
) -> Fit | Miss:
    usable, bringable = _pythons(question, candidate, accelerator, offer, pair)
    # What a release needs can depend on the Python: numpy 1.26 on 3.12, older ones on 3.11.
    minors = dict.fromkeys((*(each.minor for each in usable), *bringable)) or dict.fromkeys(offer.pythons[-1:])
    fights = {minor: found for minor in minors if (found := _fight(question, candidate, accelerator, minor))}
    if fights and len(fights) == len(minors):
        refusal = next(iter(fights.values()))
        return Miss(candidate=candidate, depth=Depth.REQUIREMENTS, refusal=refusal, offer=offer)
    usable = tuple(each for each in usable if each.minor not in fights)
    bringable = tuple(minor for minor in bringable if minor not in fights)
    if not usable and not bringable:
        refusal = _python_refusal(question, candidate, accelerator, offer)
        return Miss(candidate=candidate, depth=Depth.PYTHON, refusal=refusal, offer=offer)
    return Fit(
        candidate=candidate,
        offer=offer,
        accelerator=accelerator,
        usable=usable,
        bringable=bringable,
        fights=fights,
        pair=pair,
    )


def _pair(question: Question, candidate: Candidate, accelerator: Accelerator) -> Pair | None:
    if accelerator not in ("metal", "rocm"):
        return None
    for pair in question.table.pairs:
        if pair.accelerator != accelerator or pair.platform != question.platform:
            continue
        if explain.within(candidate.version, pair.releases):
            return pair
    return None


def _offer(question: Question, candidate: Candidate, accelerator: Accelerator, pair: Pair | None) -> Offer | Refusal:
    offers = candidate.offers
    if question.locked is not None:
        return _locked_offer(offers.get(question.locked.package), question.locked, accelerator)
    if accelerator in ("metal", "rocm") and pair is None:
        code = "metal-plugin-mismatch" if accelerator == "metal" else "rocm"
        return Refusal(code=code, why=f"no build for {accelerator} is known to go with it")
    full = offers.get("tensorflow")
    if accelerator == "cuda" and full is not None and full.kind != "cuda":
        return Refusal(code="wheel-without-cuda", why="its wheel for this platform has no CUDA")
    if accelerator == "cpu" and (full is None or full.kind == "cuda"):
        # The small build exists for the sake of the platforms where the other one carries CUDA.
        small = offers.get("tensorflow-cpu")
        full = small if small is not None and (small.pythons or small.has_python("py3")) else full
    if full is None:
        return Refusal(code="platform-no-wheel", why=f"no wheel for {explain.platform(question.facts)}")
    if not full.interpreters and full.orphans:
        return Refusal(
            code="platform-no-wheel", why=f"its wheel is an empty one for `{full.needs}`, which has no wheel"
        )
    return full


def _locked_offer(offer: Offer | None, locked: LockedChoice, accelerator: Accelerator) -> Offer | Refusal:
    if offer is None:
        return Refusal(code="platform-no-wheel", why=f"the lock holds `{locked.package}`, which has no wheel here")
    if accelerator == "cuda" and offer.kind != "cuda":
        return Refusal(code="wheel-without-cuda", why=f"the lock holds `{locked.package}`, which has no CUDA")
    return offer


def _too_old(question: Question, offer: Offer) -> Refusal:
    facts, tags = question.facts, sorted(offer.tags)
    libc = facts.libc.value
    if facts.system.value == "linux":
        needed = explain.glibc_of(tags)
        have = f"{libc.kind} {libc.version}" if libc else "none that is known"
        return Refusal(code="glibc-too-old", why=f"its wheel needs glibc {needed or '?'}; this system has {have}")
    needed = explain.macos_of(tags) if facts.system.value == "macos" else None
    return Refusal(
        code="platform-no-wheel",
        why=f"its wheel needs macOS {needed}; this is macOS {facts.os_version.value}"
        if needed
        else f"its wheel is for {', '.join(tags)}; this is {facts.os_version.value}",
    )


def _cuda(question: Question, candidate: Candidate) -> Cuda:
    if candidate.known is not None:
        return candidate.known.cuda
    # A release that nobody has looked into is taken to be built as the newest known one.
    return question.table.releases[0].cuda


def _gpu_refusal(question: Question, candidate: Candidate, accelerator: Accelerator) -> Refusal | None:
    if accelerator != "cuda" or isinstance(question.gpus, Refusal):
        return None
    known = candidate.known
    if question.wanted.accelerator == "auto" and known is not None and "and-cuda" not in known.extras:
        return Refusal(
            code="gpu-libs-missing",
            why='it does not bring the CUDA libraries; `tensorflow.accelerator = "cuda"` adds them',
        )
    return gpus.refusal(_cuda(question, candidate), question.gpus, question.table)


def _pythons(
    question: Question, candidate: Candidate, accelerator: Accelerator, offer: Offer, pair: Pair | None
) -> tuple[tuple[Usable, ...], tuple[str, ...]]:
    conda = question.profile.environment.kind == "conda"
    usable = [] if conda else interpreters.fitting(offer, question.usable)
    bringable = interpreters.bringable(offer, question.profile)
    locked = question.locked
    if locked is not None:
        usable = [each for each in usable if each.minor == locked.python_minor]
        bringable = tuple(minor for minor in bringable if minor == locked.python_minor)

    def works(minor: str) -> bool:
        if pair is not None and minor not in pair.pythons:
            return False
        return not any(bad.concerns(candidate.version, accelerator, minor) for bad in question.table.known_bad)

    return tuple(each for each in usable if works(each.minor)), tuple(minor for minor in bringable if works(minor))


def _python_refusal(question: Question, candidate: Candidate, accelerator: Accelerator, offer: Offer) -> Refusal:
    minors = {each.minor for each in question.usable} & set(offer.pythons)
    for bad in question.table.known_bad:
        if minors and all(bad.concerns(candidate.version, accelerator, minor) for minor in minors):
            return Refusal(code="known-bad-release", why=f"{bad.why}; take {bad.remedy}")
    return Refusal(code="python-unsupported", why=f"it has wheels for Python {interpreters.span(offer.pythons)} only")


def _bounds(question: Question, candidate: Candidate, accelerator: Accelerator) -> Iterator[Bound]:
    capabilities = []
    if accelerator == "cuda" and not isinstance(question.gpus, Refusal):
        capabilities = [
            Version(gpu.compute_capability) for gpu in question.gpus.usable if gpu.compute_capability is not None
        ]
    for bound in question.table.bounds:
        if bound.accelerator not in (None, accelerator) or not explain.within(candidate.version, bound.releases):
            continue
        if bound.below is None or any(capability < Version(bound.below) for capability in capabilities):
            yield bound


def _fight(question: Question, candidate: Candidate, accelerator: Accelerator, python: str) -> Refusal | None:
    if not question.wanted.others or question.locked is not None:
        return None
    needs = [bound.requirement for bound in _bounds(question, candidate, accelerator)]
    if candidate.known is not None:
        needs += candidate.known.requires
        needs += candidate.known.cuda.pins if accelerator == "cuda" else ()
    found = fight(question.wanted.others, needs, marker_environment(python, "cpython", question.facts))
    if found is None:
        return None
    return Refusal(code="resolver-conflict", why=f"it needs `{found.bound}`; {found.where} asks for `{found.asked}`")


def _first(fits: Sequence[Fit]) -> Fit | None:
    """The newest release with an interpreter that is here; the newest of all when there is none."""
    return next((fit for fit in fits if fit.usable), fits[0] if fits else None)


def _alternative(question: Question, accelerator: Accelerator) -> str | None:
    """What would fit if the profile did not bound the release, in words; None when nothing would."""
    if question.locked is not None or not (question.wanted.clauses or question.wanted.others):
        return None
    free = replace(question, wanted=replace(question.wanted, clauses=(), others=()))
    chosen = _first(_evaluate(free, accelerator)[0])
    if chosen is None:
        return None
    python = chosen.usable[0].minor if chosen.usable else chosen.bringable[0]
    return f"TensorFlow {chosen.candidate.text} on Python {python}"


# --- the lock --------------------------------------------------------------------------------------------------------


def _with_locked(found: tuple[Candidate, ...], locked: LockedChoice | None) -> tuple[Candidate, ...]:
    if locked is None:
        return found
    version = Version(locked.version)
    for candidate in found:
        if candidate.version == version and (candidate.known is None or locked.package in candidate.offers):
            return found
    known = next((candidate.known for candidate in found if candidate.version == version), None)
    if known is not None and locked.package in ("tensorflow", "tensorflow-cpu"):
        return found
    # Neither the table nor this decision knows that file: the lock names it, and its reader will check the tags.
    kind: WheelKind = "cuda" if locked.package == "tensorflow" and locked.accelerator != "cpu" else "cpu"
    offer = Offer(package=locked.package, interpreters=frozenset({"py3"}), tags=frozenset({"any"}), kind=kind)
    added = Candidate(version=version, known=known, offers={locked.package: offer})
    return (added, *(candidate for candidate in found if candidate.version != version))


def _check_lock(question: Question, locked: LockedChoice) -> None:
    version = Version(locked.version)
    evidence = []
    if not question.wanted.admits(version):
        evidence.append(f"it holds {locked.package} {locked.version}; the profile asks for {question.wanted.where}")
    asked = question.wanted.accelerator
    if asked == "cuda" and (locked.package == "tensorflow-cpu" or locked.accelerator == "cpu"):
        evidence.append(f"it holds {locked.package} for the CPU; the profile asks for CUDA")
    if not interpreters.admits(question.python, locked.python_minor):
        evidence.append(f"it was made for Python {locked.python_minor}; the profile asks for `{question.python}`")
    if evidence:
        raise TfprovError("lock-unfit", "the lock does not fit the profile any more", evidence=tuple(evidence))


# --- the result ------------------------------------------------------------------------------------------------------


def _assemble(
    *,
    question: Question,
    chosen: Fit,
    fits: Sequence[Fit],
    misses: Sequence[Miss],
    passed_over: Sequence[tuple[Accelerator, tuple[Miss, ...]]],
    no_cuda: Refusal | None,
    notes: list[str],
) -> Plan:
    decision = _decision(question, chosen, explain.why_release(question, chosen, fits, misses, no_cuda))
    refused: list[Refused] = []
    for accelerator, earlier in passed_over:
        refused += explain.releases(earlier, suffix=f" with {accelerator}")
    if no_cuda is not None and not passed_over:
        refused.append(Refused(what="cuda", code=no_cuda.code, why=no_cuda.why))
    newer = [miss for miss in misses if miss.candidate.version > chosen.candidate.version]
    refused += explain.releases(newer)
    refused += explain.pythons(question, chosen)
    notes += _notes(question, chosen, fits)
    closure = _closure(question.table, chosen)
    download, unpacked, files = closure if closure is not None else (None, None, None)
    return Plan(
        decision=decision,
        refused=tuple(refused),
        notes=tuple(dict.fromkeys(notes)),
        download_bytes=download,
        unpacked_bytes=unpacked,
        peak_disk_bytes=None if download is None or unpacked is None else download + unpacked + _BYTECODE,
        files=files,
        fallbacks=_fallbacks(question, chosen, fits),
    )


def _decision(question: Question, chosen: Fit, why: str) -> Decision:
    candidate, accelerator = chosen.candidate, chosen.accelerator
    known = candidate.known
    extras = set(question.wanted.extras)
    if accelerator == "cuda" and (known is None or "and-cuda" in known.extras):
        extras.add("and-cuda")
    package, version = chosen.offer.package, candidate.text
    also = [
        Constraint(requirement=row.requirement, why=row.why)
        for row in question.table.companions
        if row.accelerator == accelerator and explain.within(candidate.version, row.releases)
    ]
    if chosen.pair is not None and accelerator == "metal":
        also.append(
            Constraint(
                requirement=f"{chosen.pair.package}=={chosen.pair.version}", why="the Metal plug-in that goes with it"
            )
        )
    elif chosen.pair is not None:
        package, version = chosen.pair.package, chosen.pair.version
    return Decision(
        tensorflow=ChosenTensorflow(
            package=package,
            version=version,
            extras=tuple(sorted(extra for extra in extras if known is None or extra in known.extras)),
            accelerator=accelerator,
            why=why,
            verified=known is not None and accelerator != "rocm",
        ),
        python=_python(question, chosen),
        constraints=tuple(
            Constraint(requirement=bound.requirement, why=bound.why)
            for bound in _bounds(question, candidate, accelerator)
        ),
        also=tuple(also),
    )


def _python(question: Question, chosen: Fit) -> ChosenPython:
    span = interpreters.span(chosen.offer.pythons)
    wheels = f"has wheels for {span}" if span else "has wheels for any Python 3"
    release = f"TensorFlow {chosen.candidate.text}"
    if not chosen.usable:
        origin = "conda brings it" if question.profile.environment.kind == "conda" else "none on this machine will do"
        why = f"{origin}; {release} {wheels}"
        return ChosenPython(version=chosen.bringable[0], path=None, why=why, alternatives=chosen.bringable[1:])
    best = chosen.usable[0]
    why = f"the newest here that fits: {release} {wheels}"
    same = [each for each in chosen.usable[1:] if each.minor == best.minor]
    if any(each.interpreter.externally_managed for each in same) and not best.interpreter.externally_managed:
        why += "; preferred to the one of the operating system"
    if best.interpreter.found_by == "profile":
        why = f"named by the profile; {release} {wheels}"
    return ChosenPython(version=best.interpreter.version, path=best.interpreter.path, why=why)


def _notes(question: Question, chosen: Fit, fits: Sequence[Fit]) -> Iterator[str]:
    candidate = chosen.candidate
    if candidate.known is None:
        yield (
            f"TensorFlow {candidate.text} is newer than the table of {question.table.generated}: only the names of its "
            "wheels speak for it"
        )
    newest = fits[0]
    if newest is not chosen:
        yield (
            f"TensorFlow {newest.candidate.text} would need Python {newest.bringable[0]}, which is not on this "
            f"machine; {candidate.text} runs on one that is"
        )
    left_out = [
        each.text
        for each in question.candidates
        if each.everywhere
        and each.version > candidate.version
        and not each.version.is_prerelease
        and not question.wanted.admits(each.version)
    ]
    if left_out and question.locked is None:
        yield f"newer releases are outside {question.wanted.where}: {explain.few(left_out)}"
    if chosen.accelerator == "cuda":
        yield from explain.gpu_notes(question, chosen)
    if chosen.accelerator == "cpu" and question.wanted.accelerator == "auto" and question.locked is None:
        yield from explain.ways_to_cuda(question)
        if question.profile.smoke.gpu == "later" and isinstance(question.gpus, Refusal):
            yield 'to build for a GPU that is not here, `smoke.gpu = "later"` needs `tensorflow.accelerator = "cuda"`'
    if chosen.accelerator == "cuda" and any(
        explain.within(candidate.version, row.releases) for row in question.table.companions
    ):
        yield (
            f"TensorFlow {candidate.text} finds its CUDA libraries only on the library path: those of the `nvidia-` "
            "packages must be put there before Python starts"
        )
    if chosen.pair is not None and chosen.pair.needs is not None:
        yield f"`{chosen.pair.package}` {chosen.pair.version} needs {chosen.pair.needs} on this machine"
    if question.locked is not None and chosen.accelerator == "cpu" and question.wanted.accelerator == "auto":
        cuda = not isinstance(question.gpus, Refusal)
        if cuda and chosen.offer.package == "tensorflow-cpu":
            yield "the lock holds the CPU build although CUDA could work here: `tfprov lock --upgrade` decides anew"


def _fallbacks(question: Question, chosen: Fit, fits: Sequence[Fit]) -> tuple[Decision, ...]:
    if not question.profile.tensorflow.allow_fallback or question.locked is not None:
        return ()
    older = [fit for fit in fits if fit.candidate.version < chosen.candidate.version and fit.usable]
    # One release of each older minor version: a patch release seldom mends what failed.
    minors = [next(group) for _, group in groupby(older, key=lambda fit: fit.candidate.version.release[:2])]
    rest = [fit for fit in minors if fit.candidate.version.release[:2] != chosen.candidate.version.release[:2]]
    found = [_decision(question, fit, "an older release, if the first fails") for fit in rest[:_FALLBACKS]]
    if chosen.accelerator == "cuda" and question.wanted.accelerator == "auto" and not _must_have_gpu(question):
        on_cpu = _first(_evaluate(question, "cpu")[0])
        if on_cpu is not None:
            found.append(_decision(question, on_cpu, "the CPU, if CUDA fails"))
    return tuple(found)


def _closure(table: Compat, chosen: Fit) -> tuple[int, int, int | None] | None:
    """Download, unpacked bytes and files of the environment, measured on this release or its nearest sibling."""
    if not any("x86_64" in tag and "linux" in tag for tag in chosen.offer.tags):
        return None
    version = chosen.candidate.version
    rows = [row for row in table.closures if row.accelerator == chosen.accelerator]
    rows = [row for row in rows if row.package == chosen.offer.package]
    same = [row for row in rows if Version(row.version) == version]
    minor = [row for row in rows if Version(row.version).release[:2] == version.release[:2]]
    row = next(iter(same or minor), None)
    return None if row is None else (row.download, row.unpacked, row.files)


def refusals_grouped(refused: Iterable[Refused]) -> tuple[tuple[Refused, ...], ...]:
    """Refusals that share their code and reason, in the order in which each reason first appears."""
    groups: dict[tuple[str, str], list[Refused]] = {}
    for each in refused:
        groups.setdefault((each.code, each.why), []).append(each)
    return tuple(map(tuple, groups.values()))
