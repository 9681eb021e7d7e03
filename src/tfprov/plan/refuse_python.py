"""The error of a decision for which no interpreter serves: which there are, why none was taken, and what would fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from packaging.version import Version

from tfprov.errors import TfprovError
from tfprov.plan import interpreters, ways
from tfprov.plan.context import DecisionContext, Miss
from tfprov.plan.fit import pythons_of
from tfprov.plan.offers import Offer
from tfprov.plan.records import Accelerator


def no_python(
    context: DecisionContext, nearest: Miss, evidence: Sequence[str], accelerator: Accelerator
) -> TfprovError:
    """The error when a release fits, but no interpreter for it.

    Args:
        context: of the decision.
        nearest: the miss of the release that came closest.
        evidence: why each release was refused.
        accelerator: variant that was to be chosen.
    """
    minors = pythons_of(context, nearest, accelerator)
    release = f"TensorFlow {nearest.candidate.text}"
    allowed = [minor for minor in minors if interpreters.admits(context.python, minor)]
    seen = [*_pythons_seen(context), *evidence]
    unbrought = interpreters.why_none_brought(context.facts)
    if unbrought is not None and context.profile.python.install:
        seen.append(unbrought)
    code, what = _python_cause(context, release, allowed)
    ends = _ends(context) if accelerator in ("cpu", "cuda") else ""
    hints = [f"{release} has wheels for Python {interpreters.span(minors)}{ends}"]
    alternative = ways.another_release(context, accelerator)
    if alternative is not None:
        hints.append(f"{alternative} would fit")
    if context.profile.python.path is not None and (instead := ways.without_path(context, accelerator)) is not None:
        hints.append(f"without `python.path`, {instead} would fit")
    brought = [minor for minor in allowed if unbrought is None and interpreters.can_be_brought(minor)]
    if brought and context.profile.python.path is None and not context.profile.python.install:
        hints.append(f"`python.install = true` would install Python {brought[-1]}")
    if context.usable and allowed and unbrought is None and context.profile.python.path is None and not brought:
        hints.insert(1, f"install Python {allowed[-1]} first, which cannot be downloaded")
    return TfprovError(code, what, evidence=tuple(dict.fromkeys(seen)), hint="; ".join(hints))


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
    """`; 3.9 ends at 2.20.0` and the like, for the Python versions on this machine or those that the profile allows."""
    here = {each.minor for each in context.usable}
    if not here and context.python is not None:
        known = {minor for each in context.candidates for offer in each.offers.values() for minor in offer.pythons}
        here = {minor for minor in known if interpreters.admits(context.python, minor)}
    texts = []
    for minor in sorted(here, key=Version):
        fits = _for_python(minor, context)
        last = ways.last_with(context, fits)
        if last is None:
            early = [each.text for each in context.candidates if any(map(fits, each.offers.values()))]
            texts += [f"{minor} begins with the pre-release {early[-1]}"] if early else []
        elif last != ways.newest(context):
            texts.append(f"{minor} ends at {last}")
    if here and not context.usable and not any(map(interpreters.can_be_brought, here)):
        texts.append(f"install Python {interpreters.span(tuple(here))} first, which cannot be downloaded")
    return f"; {', '.join(texts)}" if texts else ""


def _for_python(minor: str, context: DecisionContext) -> Callable[[Offer], bool]:
    def fits(offer: Offer) -> bool:
        return minor in offer.pythons and offer.has_platform(context.tags)

    return fits


def _pythons_seen(context: DecisionContext) -> Iterator[str]:
    """One line for each reason, with all interpreters that it applies to."""
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
