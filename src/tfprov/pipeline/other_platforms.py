"""The decisions for the other platforms that a lock serves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tfprov.errors import TfprovError
from tfprov.host.records import Fact, Facts, Libc
from tfprov.lock.platforms import PLATFORMS, Platform
from tfprov.lock.resolve import is_tensorflow
from tfprov.plan.compat import Compat
from tfprov.plan.context import Elsewhere
from tfprov.plan.decide import decide, fitting_on
from tfprov.plan.records import Decision, Listing, Plan
from tfprov.plan.tags import architecture
from tfprov.profile.records import PlatformName, Profile

# Every release, including pre-releases: whether those count is decided for this machine.
_ANY = ">=0a0"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherPlatform:
    """The decision for another platform.

    Attributes:
        name: of the platform, as written in the profile.
        platform: its properties.
        facts: of a machine on that platform, as far as they are known: no GPU, no interpreter.
        decision: TensorFlow release and variant, and Python, for it.
    """

    name: PlatformName
    platform: Platform
    facts: Facts
    decision: Decision


def name_of(facts: Facts) -> PlatformName:
    """The name of a machine's platform in profiles.

    Raises:
        TfprovError: `platform-no-wheel` when `lock.platforms` has no name for it.
    """
    here = (facts.system.value, architecture(facts.machine.value))
    for name, platform in PLATFORMS.items():
        if (platform.system, architecture(platform.machine)) == here:
            return name
    raise TfprovError(
        "platform-no-wheel",
        f"no lock for several platforms can be made on {' '.join(here)}",
        evidence=(f"`lock.platforms` knows {', '.join(PLATFORMS)}",),
    )


def others(profile: Profile, facts: Facts) -> tuple[PlatformName, ...]:
    """The platforms in `lock.platforms` other than that of the facts; empty where the profile names none.

    Raises:
        TfprovError: as for `name_of`.
    """
    wanted = dict.fromkeys(profile.lock.platforms)
    if wanted:
        wanted.pop(name_of(facts), None)
    return tuple(wanted)


def decisions(
    profile: Profile, facts: Facts, here: Decision, *, python: str, table: Compat, listing: Listing | None
) -> Iterator[OtherPlatform]:
    """The decision for each other platform: the same release on the same Python, in the variant for that platform.

    Linux on x86-64 gets CUDA if the profile asks for it by name. All others get the CPU variant, because TensorFlow has
    no CUDA wheels there; so does every platform with `auto`, because what it would find on another machine is unknown.

    Args:
        profile: includes the lines of its requirements files in its requirements.
        facts: of this machine.
        here: the decision for this machine.
        python: minor version of the interpreter, `3.12`.
        table: properties of each release.
        listing: files on the index; None when it cannot be read.

    Raises:
        TfprovError: why the release is not available on one of the platforms; the message names it.
    """
    for name in others(profile, facts):
        platform = PLATFORMS[name]
        there = facts_on(name, facts)
        asked = _pinned(_asked(profile, name), here.tensorflow.version, python)
        # The release is that of the decision here, whatever the profile says of it.
        pinned = f'the profile asks for `tensorflow.version = "=={here.tensorflow.version}"`'
        try:
            plan = decide(asked, there, table, listing)
        except TfprovError as error:
            raise TfprovError(
                error.code.name,
                f"the lock cannot be made for {name}: {error.what}",
                evidence=(
                    *(line for line in error.evidence if line != pinned),
                    f"`lock.platforms` names {name}; this machine takes "
                    f"{here.tensorflow.package} {here.tensorflow.version} on Python {python}",
                ),
                hint="; ".join(filter(None, (error.hint, f"or take {name} out of `lock.platforms`"))),
            ) from error
        yield OtherPlatform(name=name, platform=platform, facts=there, decision=plan.decision)


def plan_for_all(profile: Profile, facts: Facts, table: Compat, listing: Listing | None) -> Plan:
    """The plan for a machine, with a release that the other platforms in `lock.platforms` can take too, if any can.

    Args:
        profile: as for `decisions`.
        facts: of this machine.
        table: properties of each release.
        listing: files on the index; None when it cannot be read.

    Raises:
        TfprovError: nothing fits this machine.
    """
    elsewhere: list[Elsewhere] = []
    # What is wrong on another platform, whatever the release, is for `decisions` to tell.
    with contextlib.suppress(TfprovError):
        for name in others(profile, facts):
            elsewhere.append(fitting_on(name, _asked(profile, name), facts_on(name, facts), table, listing))
    return decide(profile, facts, table, listing, elsewhere=elsewhere)


def _asked(profile: Profile, name: PlatformName) -> Profile:
    """What the profile asks for on another platform, with any release."""
    accelerator = "cuda" if name == "linux-x86_64" and profile.tensorflow.accelerator == "cuda" else "cpu"
    packages = profile.packages.model_copy(
        # Requirements on TensorFlow itself are already part of the decision for this machine.
        update={"requirements": tuple(each for each in profile.packages.requirements if not is_tensorflow(each))}
    )
    return profile.model_copy(
        update={
            "python": profile.python.model_copy(update={"path": None, "install": True}),
            "tensorflow": profile.tensorflow.model_copy(update={"version": _ANY, "accelerator": accelerator}),
            "packages": packages,
            "smoke": profile.smoke.model_copy(update={"require_gpus": 0, "gpu": "later"}),
        }
    )


def _pinned(profile: Profile, version: str, python: str) -> Profile:
    return profile.model_copy(
        update={
            "python": profile.python.model_copy(update={"version": f"=={python}.*"}),
            "tensorflow": profile.tensorflow.model_copy(update={"version": f"=={version}"}),
        }
    )


def facts_on(name: PlatformName, facts: Facts) -> Facts:
    """The facts of a machine on another platform, as far as they are known: no GPU, no interpreter.

    Args:
        name: the platform.
        facts: of this machine; everything that does not depend on the platform is copied from them.
    """
    platform = PLATFORMS[name]
    source = "`lock.platforms` of the profile"
    return replace(
        facts,
        system=Fact(value=platform.system, source=source),
        machine=Fact(value=platform.machine, source=source),
        os_version=Fact(value=platform.os_version, source=source),
        libc=Fact(value=Libc(kind="glibc", version=platform.glibc) if platform.glibc else None, source=source),
        cpu_flags=Fact(value=(), source=source),
        emulation=Fact(value=None, source=source),
        gpus=Fact(value=(), source=source),
        driver=Fact(value=None, source=source),
        gpu_problem=Fact(value=None, source=source),
        container=Fact(value=None, source=source),
        wsl=Fact(value=False, source=source),
        visible_devices=Fact(value={}, source=source),
        library_path=Fact(value=(), source=source),
        interpreters=Fact(value=(), source=source),
    )
