"""What hints of refusals tell to do, done: each known way of saying it, and what it changes of profile or machine."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from packaging.requirements import Requirement

import hosts
from hosts import Host, python
from tfprov.distributions import kind_of
from tfprov.errors import TfprovError
from tfprov.plan import gpus
from tfprov.plan.compat import table
from tfprov.plan.decide import decide
from tfprov.plan.records import Plan
from tfprov.profile.records import Profile

Try = tuple[Profile, Host]
_Act = Callable[[Profile, Host, "re.Match[str]"], Try]
_V = r"(\d+(?:\.\d+)+(?:rc\d+|\.post\d+)?)"


def change(profile: Profile, **tables: Any) -> Profile:
    """A profile with other values: `tensorflow={"version": None}`."""
    document = profile.model_dump(by_alias=True)
    for name, values in tables.items():
        document[name] = {**document[name], **values}
    return Profile.model_validate(document)


def release(profile: Profile, version: str | None) -> Profile:
    """A profile that asks for this release, wherever it spoke of releases before."""

    def free(texts: tuple[str, ...]) -> list[str]:
        return [
            text if (kind_of((one := Requirement(text)).name)) is None or one.marker else one.name + _extras(one)
            for text in texts
        ]

    return change(
        profile,
        tensorflow={"version": None if version is None else f"=={version}"},
        packages={
            "requirements": free(profile.packages.requirements),
            "constraints": [text for text in profile.packages.constraints if kind_of(Requirement(text).name) is None],
            "overrides": [text for text in profile.packages.overrides if kind_of(Requirement(text).name) is None],
        },
    )


def _extras(requirement: Requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""


def _without(profile: Profile, text: str) -> Profile:
    if text == "python.path":
        return change(profile, python={"path": None})
    wanted = str(Requirement(text))

    def rest(texts: tuple[str, ...]) -> list[str]:
        return [each for each in texts if str(Requirement(each)) != wanted]

    lines = {key: rest(getattr(profile.packages, key)) for key in ("requirements", "constraints", "overrides")}
    return change(profile, packages=lines)


def on_python(profile: Profile, minor: str) -> Profile:
    """A profile that asks for this Python."""
    return change(profile, python={"version": f"=={minor}.*", "path": None})


def with_python(host: Host, minor: str) -> Host:
    """The machine with one more Python."""
    patch = {"3.6": "3.6.15"}.get(minor, f"{minor}.9")
    return dataclasses.replace(host, pythons=(*host.pythons, python(patch, machine=host.machine, path=f"/new/{patch}")))


def on_cpu(profile: Profile) -> Profile:
    """A profile that wants no GPU."""
    return _on(profile, "cpu")


def _on(profile: Profile, accelerator: str) -> Profile:
    return change(profile, tensorflow={"accelerator": accelerator}, smoke={"require-gpus": 0})


def _later(profile: Profile) -> Profile:
    return change(profile, smoke={"gpu": "later"}, tensorflow={"accelerator": "cuda"})


def _elsewhere(profile: Profile, host: Host, found: re.Match[str]) -> Try:
    """The release and Python of a hint, on a machine that has this Python too."""
    return on_python(release(profile, found[2]), found[1]), with_python(host, found[1])


def _this_release(profile: Profile, host: Host, found: re.Match[str]) -> Try:
    return release(profile, found[1]), host


def _of_today(host: Host) -> Host:
    if host.system == "linux":
        return dataclasses.replace(host, libc=hosts.GLIBC)
    return dataclasses.replace(host, os_version="26.0")


def _native(host: Host) -> Host:
    machine = "arm64" if host.system == "macos" else "aarch64"
    return dataclasses.replace(host, machine=machine, emulation=None, flags=())


def _driver(version: str) -> Callable[[Host], Host]:
    def install(host: Host) -> Host:
        # A driver tells the capability of GPUs whose name alone was known, and cures what was wrong with an older one.
        known = [gpus.known(each, table()).compute_capability or "7.5" for each in host.gpus]
        there = tuple(
            dataclasses.replace(each, compute_capability=capability)
            for each, capability in zip(host.gpus, known, strict=True)
        )
        return dataclasses.replace(host, driver=version, cuda=None, problem=None, gpus=there or (hosts.T4,))

    return install


def _would_fit(profile: Profile, host: Host, found: re.Match[str]) -> Try:
    return on_python(release(profile, found[1]), found[2]), host


def _visible(host: Host, indexes: str) -> Host:
    wanted = {int(index) for index in indexes.split(",")}
    gpus = tuple(dataclasses.replace(each, visible=each.index in wanted and each.visible) for each in host.gpus)
    return dataclasses.replace(host, gpus=gpus, visible=(("CUDA_VISIBLE_DEVICES", indexes),))


def _machine(profile: Profile, host: Host, _: re.Match[str]) -> Try:
    return profile, dataclasses.replace(hosts.Host(), gpus=(hosts.A100,) * 2, driver="575.57.08")


def _from_conda(profile: Profile) -> Profile:
    return change(profile, environment={"kind": "conda"}, conda={"tensorflow": "conda"})


def _without_metal(profile: Profile) -> Profile:
    requirements = [text for text in profile.packages.requirements if Requirement(text).name != "tensorflow-metal"]
    return change(profile, packages={"requirements": requirements})


def _wheel(profile: Profile) -> Profile:
    return change(profile, conda={"tensorflow": "wheel"})


def _all_gpus(host: Host) -> Host:
    gpus = tuple(dataclasses.replace(each, visible=True, compute_mode="default") for each in host.gpus)
    return dataclasses.replace(host, gpus=gpus, visible=())


def _served(host: Host) -> Host:
    gpus = tuple(each for each in host.gpus if each.vendor != "nvidia")
    return dataclasses.replace(host, gpus=(*gpus, hosts.A100, hosts.A100), driver="575.57.08", problem=None)


def _healthy(host: Host) -> Host:
    gpus = tuple(dataclasses.replace(each, usable=True, health=()) for each in host.gpus)
    return dataclasses.replace(host, gpus=gpus, problem=None)


ACTS: tuple[tuple[str, _Act], ...] = (
    (rf"(?<!`, )(?<!s )TensorFlow {_V} on Python {_V} would fit", _would_fit),
    (
        rf"without `(.+?)`, TensorFlow {_V} on Python {_V} would fit",
        lambda p, h, m: (on_python(release(_without(p, m[1]), m[2]), m[3]), h),
    ),
    (rf"conda-forge's TensorFlow {_V} on Python {_V} would fit", _would_fit),
    (r"for the GPU of this Mac", lambda p, h, m: (_on(p, "metal"), h)),
    (r"`tensorflow\.accelerator = \"rocm\"`", lambda p, h, m: (_on(p, "rocm"), h)),
    (r"`python\.install = true` would install Python", lambda p, h, m: (change(p, python={"install": True}), h)),
    (
        rf"^TensorFlow {_V} has wheels for Python (?:.* to |.*, )?{_V}",
        lambda p, h, m: (on_python(release(p, m[1]), m[2]), with_python(h, m[2])),
    ),
    (rf"{_V} ends at {_V}", _elsewhere),
    (rf"{_V} begins with the pre-release {_V}", _elsewhere),
    (rf"`>={_V}` would allow the pre-release", _this_release),
    (rf"the newest release is {_V}", _this_release),
    (rf"without `[^`]+`, TensorFlow {_V} would be the newest", _this_release),
    (
        rf"`index\.exclude-newer = \"([\d-]+)\"` would allow TensorFlow {_V}",
        lambda p, h, m: (change(release(p, m[2]), index={"exclude-newer": m[1]}), h),
    ),
    (rf"tfprov installs TensorFlow {_V} and newer", _this_release),
    (rf"TensorFlow {_V} is the (?:last|first) (?:for this C library|with wheels for(?! [^;]+; and ))", _this_release),
    (
        rf"TensorFlow {_V} is the first with wheels for [^;]+; and (?:update the operating|use a newer) system",
        lambda p, h, m: (release(p, m[1]), _of_today(h)),
    ),
    (rf"TensorFlow {_V} is the newest that this machine's GPU and driver can run", _this_release),
    (
        rf"driver {_V} or newer(?: on Windows)? would support {_V}",
        lambda p, h, m: (release(p, m[2]), _driver(m[1])(h)),
    ),
    (rf"install an NVIDIA driver of {_V} or newer", lambda p, h, m: (p, _driver(m[1])(h))),
    (r"install an NVIDIA driver(?=;|$)", lambda p, h, m: (p, _driver("595.45.04")(h))),
    (rf"install the NVIDIA driver on Windows of {_V} or newer", lambda p, h, m: (p, _driver(m[1])(h))),
    (rf"take TensorFlow {_V} or newer", _this_release),
    (rf"take (?:Python .*, or )?TensorFlow {_V}", _this_release),
    (rf"take Python {_V}", lambda p, h, m: (on_python(p, m[1]), with_python(h, m[1]))),
    (r"(?:use|or|ask for) the CPU", lambda p, h, m: (on_cpu(p), h)),
    (r"drop `smoke\.require-gpus`", lambda p, h, m: (change(p, smoke={"require-gpus": 0}), h)),
    (r"drop `smoke\.require-gpus`, or `(.+?)`", lambda p, h, m: (_without(p, m[1]), h)),
    (r"or drop `(.+?)`", lambda p, h, m: (_without(p, m[1]), h)),
    (
        r"(?<!and use )`tensorflow\.accelerator = \"auto\"`",
        lambda p, h, m: (change(p, tensorflow={"accelerator": "auto"}), h),
    ),
    (r"`smoke\.gpu = \"later\"`", lambda p, h, m: (_later(p), h)),
    (r"lower `smoke\.require-gpus`", lambda p, h, m: (change(p, smoke={"require-gpus": 1}), h)),
    (r"use `conda\.tensorflow = \"wheel\"`", lambda p, h, m: (_wheel(p), h)),
    (r"`conda\.tensorflow = \"conda\"`", lambda p, h, m: (_from_conda(p), h)),
    (r"leave out `tensorflow-metal`(?! and)", lambda p, h, m: (_without_metal(p), h)),
    (
        r"leave out `tensorflow-metal` and use `tensorflow\.accelerator = \"auto\"`",
        lambda p, h, m: (change(_without_metal(p), tensorflow={"accelerator": "auto"}), h),
    ),
    (r"convert the distribution to WSL2", lambda p, h, m: (p, dataclasses.replace(h, os_version="5.15.0"))),
    (r"CUDA_VISIBLE_DEVICES=([\d,]+)` leaves", lambda p, h, m: (p, _visible(h, m[1]))),
    (r"unset `CUDA_VISIBLE_DEVICES`|make more GPUs visible", lambda p, h, m: (p, _all_gpus(h))),
    (r"check CUDA_VISIBLE_DEVICES and the scheduler", lambda p, h, m: (p, _served(h))),
    (r"install the NVIDIA driver on Windows, never", lambda p, h, m: (p, _driver("595.45.04")(h))),
    (r"`nvidia-smi -c DEFAULT`", lambda p, h, m: (p, _all_gpus(h))),
    (
        r"start the container with|ask for `nvidia.com/gpu`|give the container the device",
        lambda p, h, m: (p, _served(h)),
    ),
    (r"restart the machine|reset or replace|library path", lambda p, h, m: (p, _healthy(h))),
    (r"use an image with glibc", lambda p, h, m: (p, dataclasses.replace(h, libc=hosts.GLIBC))),
    (r"(?<!and )(?:use a newer|update the operating) system", lambda p, h, m: (p, _of_today(h))),
    (r"run tfprov inside WSL2", _machine),
    (r"use another machine", _machine),
    (r"pass the processor of the host through", lambda p, h, m: (p, dataclasses.replace(h, flags=hosts.AVX2))),
    (r"use a native arm64 (?:image|interpreter)", lambda p, h, m: (p, _native(h))),
    (
        rf"conda-forge's TensorFlow {_V} for CUDA",
        lambda p, h, m: (_from_conda(release(p, m[1])), h),
    ),
)
"""What a hint may say, and what it means. A hint that says none of them is general advice."""


def told(error: TfprovError) -> Iterator[tuple[str, _Act, re.Match[str]]]:
    """Everything that the hint of a refusal tells to do, as it stands there."""
    for pattern, act in ACTS:
        for found in re.finditer(pattern, error.hint):
            yield found[0], act, found


NOTHING_DOES = frozenset(
    {
        "relax one of those named",
        "update the operating system",
    }
)
"""General advice, where nothing that tfprov knows of does."""


def outcome(profile: Profile, host: Host) -> Plan | TfprovError:
    """The plan, or why there is none."""
    try:
        return decide(profile, host.facts, table(), None)
    except TfprovError as error:
        return error


def follow(profile: Profile, host: Host, draw: Random) -> None:
    """Does what the hints say, one of them at a time, until there is a plan, or nothing that tfprov knows of helps.

    Args:
        profile: what is asked for first.
        host: the machine.
        draw: chooses among several hints.

    Raises:
        AssertionError: there is no end, or a hint says nothing that can be done.
    """
    error = outcome(profile, host)
    seen: list[str] = []
    while isinstance(error, TfprovError):
        remedies = list(told(error))
        if not remedies:
            assert error.hint in NOTHING_DOES, error.hint
            return
        assert len(seen) < 8, seen
        text, act, found = draw.choice(remedies)
        seen.append(f"{error.code.name}: {text}")
        profile, host = act(profile, host, found)
        error = outcome(profile, host)
