"""Conditions on the tags of wheels, in their names and in what a tool says of a platform."""

from __future__ import annotations

import re

from tfprov.diagnose.course import wanted_version
from tfprov.diagnose.records import Hit
from tfprov.diagnose.releases import pythons_of
from tfprov.diagnose.view import View, numbers
from tfprov.structured import whole_number

_WHEEL = re.compile(r"-(?P<python>(?:cp|py)\d+)-(?P<abi>\w+)-(?P<platform>[\w.]+)\.whl$")
_SYSTEM_TAGS = {"linux": ("linux",), "windows": ("win",), "macos": ("macosx",)}


def wheel_of_other_platform(view: View, hit: Hit) -> bool:
    """The wheel is for another system or processor than those of the machine, as far as these are known."""
    found = _WHEEL.search(hit.captures.get("wheel", ""))
    if found is None or found["platform"] == "any":
        return False
    system, machine = view.context.system, view.context.machine
    if system in _SYSTEM_TAGS and not any(tag in found["platform"] for tag in _SYSTEM_TAGS[system]):
        return True
    is_arm = any(tag in found["platform"] for tag in ("aarch64", "arm64", "universal2"))
    return machine is not None and is_arm != (machine in {"aarch64", "arm64"}) and "universal2" not in found["platform"]


def wheel_of_other_python(view: View, hit: Hit) -> bool:
    """The wheel is for another Python than the one in use.

    If that is unknown, this is the more likely cause, unless the platform tag is a new one.
    """
    found = _WHEEL.search(hit.captures.get("wheel", ""))
    if found is None or found["abi"] in {"none", "abi3"}:
        return False
    digits = found["python"][2:]
    if view.python is not None:
        return (whole_number(digits[0]), whole_number(digits[1:]) or 0) != view.python[:2]
    return not re.search(r"manylinux_2_|manylinux20", found["platform"])


def wheel_of_plain_tags(_view: View, hit: Hit) -> bool:
    """The platform tag is one that every pip supports, so that an old pip cannot be the reason."""
    found = _WHEEL.search(hit.captures.get("wheel", ""))
    return found is not None and found["platform"].startswith(("linux_", "win"))


def older_manylinux(_view: View, hit: Hit) -> bool:
    """The machine's manylinux tag has an older glibc than the wheels for its processor need, so that is the reason."""
    own = re.search(r"manylinux_(\d+)_(\d+)_(\w+)", hit.captures.get("platform", ""))
    offered = re.findall(r"manylinux_(\d+)_(\d+)_(\w+)", hit.captures.get("platforms", ""))
    if own is None:
        return False
    here = numbers(f"{own[1]}.{own[2]}") or ()
    same = [numbers(f"{major}.{minor}") or () for major, minor, machine in offered if machine == own[3]]
    if same:
        return min(same) > here
    return here < (2, 27) and own[3] in {"x86_64", "aarch64"}


def old_pip(view: View, _hit: Hit) -> bool:
    """The log tells of a pip that supports no wheel of a newer release."""
    # Wheels with the tags manylinux2010 and manylinux2014 need pip 19.0 and 19.3.
    pip = numbers(view.told.get("pip"))
    return pip is not None and pip < (19, 3)


def lists_manylinux1(_view: View, hit: Hit) -> bool:
    """The versions listed end with the last that had a wheel with the tag manylinux1; pip 19.0 lists newer ones."""
    wanted = wanted_version(hit)
    oldest, _ = pythons_of(wanted) or ((2, 7), (3, 7))
    is_newer = wanted is None or wanted[:2] >= (1, 15)
    return is_newer and oldest <= (3, 7) and hit.captures.get("versions", "").endswith((" 1.14.0", " 2.0.0b1"))
