"""Alternatives to a refusal. Each is tested by a second decision first, because a hint is a claim."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from packaging.version import Version

from tfprov.plan import gpus, interpreters
from tfprov.plan.context import DecisionContext, Fit
from tfprov.plan.fit import cuda_of, evaluate, first
from tfprov.plan.gpus import Gpus
from tfprov.plan.offers import Offer, OfferedRelease
from tfprov.plan.records import Accelerator

_ANY_DRIVER = "9999"  # newer than all


def release_for(context: DecisionContext, accelerator: Accelerator) -> Fit | None:
    """The best release for a variant on this machine within the profile; None when nothing fits."""
    return first(evaluate(context, accelerator)[0])


def any_release(context: DecisionContext) -> DecisionContext:
    """The same context without the profile's bounds on the release."""
    return replace(context, demands=replace(context.demands, clauses=()))


def told(found: Fit) -> str:
    """Release and Python, for messages: `TensorFlow 2.15.1 on Python 3.11`."""
    python = found.usable[0].minor if found.usable else found.bringable[0]
    return f"TensorFlow {found.candidate.text} on Python {python}"


def another_release(context: DecisionContext, accelerator: Accelerator) -> str | None:
    """A release and Python that would fit without the profile's bounds on the release; None when none would."""
    if context.locked is not None or not context.demands.clauses:
        return None
    found = release_for(any_release(context), accelerator)
    return None if found is None else told(found)


def without_one(context: DecisionContext, accelerator: Accelerator) -> Iterator[str]:
    """Hints naming each requirement of the profile whose removal alone would make something fit."""
    for index, (requirement, _) in enumerate(context.demands.others):
        others = (*context.demands.others[:index], *context.demands.others[index + 1 :])
        wanted = tuple(text for text in context.demands.wanted if text != str(requirement))
        demands = replace(context.demands, others=others, wanted=wanted)
        found = release_for(replace(context, demands=demands), accelerator)
        if found is not None:
            yield f"without `{requirement}`, {told(found)} would fit"


def without_path(context: DecisionContext, accelerator: Accelerator) -> str | None:
    """Release and Python that would fit if the profile named no interpreter; None when none would."""
    python = context.profile.python.model_copy(update={"path": None})
    profile = context.profile.model_copy(update={"python": python})
    offers = [offer for candidate in context.candidates for offer in candidate.offers.values()]
    usable, _ = interpreters.sort_out(profile, context.facts, offers)
    found = release_for(replace(context, profile=profile, usable=tuple(usable)), accelerator)
    return None if found is None else told(found)


def other_accelerators(context: DecisionContext) -> Iterator[str]:
    """Hints naming the accelerator for the GPUs of this machine that are not NVIDIA's."""
    if context.from_conda:
        return
    if release_for(context, "metal") is not None:
        yield 'for the GPU of this Mac, set `tensorflow.accelerator = "metal"`'
    amd = next((gpu.name for gpu in context.facts.gpus.value if gpu.vendor == "amd"), None)
    if amd is not None and release_for(context, "rocm") is not None:
        yield f'for {amd}, set `tensorflow.accelerator = "rocm"`'


def newest_served(context: DecisionContext) -> str | None:
    """The newest release with CUDA that fits this machine, with any bounds on the release removed; None for none."""
    fits, _ = evaluate(any_release(context), "cuda")
    return fits[0].candidate.text if fits else None


def oldest_driver(context: DecisionContext) -> str | None:
    """The oldest driver for the release with CUDA that would be chosen if there were one; None when none would fit."""
    nvidia = (gpu for gpu in context.facts.gpus.value if gpu.vendor == "nvidia")
    usable = tuple(gpus.known(gpu, context.table) for gpu in nvidia)
    newest = Gpus(usable=usable, driver=_ANY_DRIVER, cuda=None, wsl=context.facts.wsl.value)
    found = first(evaluate(replace(context, gpus=newest), "cuda")[0])
    cuda = None if found is None else cuda_of(context, found.candidate)
    return None if cuda is None else gpus.driver_that_runs(cuda, newest, context.table)


def least_driver(context: DecisionContext, found: Gpus) -> tuple[str, str] | None:
    """The oldest driver that makes a release within the profile work, and that release; None when none does."""
    _, misses = evaluate(context, "cuda")
    drivers = {miss.refusal.driver for miss in misses if miss.refusal.driver is not None}
    for driver in sorted(drivers, key=gpus.driver_number):
        fits, _ = evaluate(_with_driver(context, found, driver), "cuda")
        if fits:
            return driver, fits[0].candidate.text
    return None


def helps(context: DecisionContext, found: Gpus, driver: str, version: Version) -> bool:
    """Whether a release would run on the GPUs of this machine with another driver."""
    _, misses = evaluate(_with_driver(context, found, driver), "cuda")
    return not any(miss.candidate.version == version and miss.refusal.code.startswith("gpu-") for miss in misses)


def _with_driver(context: DecisionContext, found: Gpus, driver: str) -> DecisionContext:
    cuda = gpus.cuda_of_driver(driver, context.table, windows=found.wsl)
    return replace(context, gpus=replace(found, driver=driver, cuda=cuda))


def newest(context: DecisionContext) -> str | None:
    """The newest release that is not a pre-release; None for none."""
    return next((each.text for each in context.candidates if not each.version.is_prerelease), None)


def last_with(context: DecisionContext, fits: Callable[[Offer], bool]) -> str | None:
    """The newest release with an offer that fits, pre-releases aside; None for none."""
    return next(with_offer(context.candidates, fits), None)


def with_offer(candidates: Iterable[OfferedRelease], fits: Callable[[Offer], bool]) -> Iterator[str]:
    """The releases with an offer that fits, in the order of the candidates and without pre-releases."""
    for candidate in candidates:
        if not candidate.version.is_prerelease and any(map(fits, candidate.offers.values())):
            yield candidate.text
