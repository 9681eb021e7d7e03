"""Conda packages as wheels, for an environment that is not conda's."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfprov.distributions import kind_of
from tfprov.wants.conda_specs import CondaSpec, read
from tfprov.wants.names import is_standard_module, system_of, wheel_of
from tfprov.wants.records import Want, Wants, together

# Of a package for Python, the build names the Python or says that it serves each: `py39h6c91a56_3`, `pyhd8ed1ab_0`.
_PYTHON_BUILD = re.compile(r"py")
_TOOLS = frozenset({"pip", "setuptools", "wheel"})
"""They are in each environment of conda, and what needs them says so itself."""


_EXPORTED = "the versions of conda's builds are kept where wheels have them, that of TensorFlow in any case"


def for_conda(wants: Wants) -> Wants:
    """The same wants for an environment of conda: Python and TensorFlow, which the profile is about, taken out."""

    def is_own(want: Want) -> bool:
        found = _read(want)
        return found is not None and (found.name == "python" or wheel_of(found.name) == "tensorflow")

    own = as_wheels(Wants(conda=tuple(want for want in wants.conda if is_own(want))))
    return together((replace(wants, conda=tuple(want for want in wants.conda if not is_own(want))), own))


def as_wheels(wants: Wants) -> Wants:
    """The same wants with each conda package as the project that brings it as a wheel; what has none becomes a note."""
    found: list[Want] = []
    preferences: list[Want] = []
    python: list[Want] = []
    left: dict[str, list[str]] = {}
    problems: list[str] = []
    for want in wants.conda:
        spec = _read(want)
        if spec is not None and _has_no_wheel(spec):
            # Whatever its version is called: `openssl=1.1.1k`.
            left.setdefault(want.where.partition(":")[0], []).append(spec.name)
            continue
        bounds = _bounds(spec.version) if spec else None
        if spec is not None and _is_exported(spec):
            wheel = wheel_of(spec.name) or ""
            found.append(replace(want, text=wheel))
            if bounds:
                preferences.append(replace(want, text=f"{canonicalize_name(wheel)}{bounds}"))
            continue
        if spec is None or bounds is None:
            problems.append(
                f"{want.where}: `{want.text}` cannot be said of a wheel: write `name=version`, or use it with "
                '`environment.kind = "conda"`'
            )
            continue
        if spec.name != "python":
            found.append(replace(want, text=f"{wheel_of(spec.name)}{bounds}"))
        elif bounds:
            python.append(replace(want, text=minor_of(bounds)))
    notes = tuple(
        f"{file}: left out, no wheel stands for what conda calls {', '.join(f'`{one}`' for one in names)}"
        for file, names in left.items()
    )
    files = dict.fromkeys(want.where.partition(":")[0] for want in preferences)
    own = Wants(
        requirements=tuple(found),
        preferences=tuple(preferences),
        python=tuple(python),
        notes=(*notes, *(f"{file}: {_EXPORTED}" for file in files)),
        problems=tuple(problems),
    )
    return together((replace(wants, conda=(), channels=()), own))


def _has_no_wheel(spec: CondaSpec) -> bool:
    """Whether no wheel stands for a conda package, or none is needed."""
    if spec.name == "python":
        return False
    is_of_system = bool(spec.build) and not _PYTHON_BUILD.search(spec.build)
    wheel = wheel_of(spec.name)
    is_foreign = wheel is not None and system_of(wheel) not in (None, sys.platform)
    return wheel is None or spec.name in _TOOLS or is_standard_module(spec.name) or is_of_system or is_foreign


def _is_exported(spec: CondaSpec) -> bool:
    """Whether a spec is the very build of a package that somebody had. TensorFlow and Python stay pinned."""
    is_exact = bool(spec.build) and re.fullmatch(r"==[^*,|]+", spec.version) is not None
    return is_exact and spec.name != "python" and kind_of(wheel_of(spec.name) or "") is None


def _read(want: Want) -> CondaSpec | None:
    try:
        return read(want.text)
    except ValueError:
        return None


def _bounds(version: str) -> str | None:
    """A conda range as PEP 440 has it; None for a range that PEP 440 has no word for."""
    # conda's `1.26.*` is `==1.26.*` there; everything else is the same.
    clauses = [f"=={clause}" if clause[:1].isalnum() else clause for clause in version.split(",")] if version else []
    try:
        SpecifierSet(",".join(clauses))
    except ValueError:
        return None
    return ",".join(clauses)


def minor_of(pin: str) -> str:
    """A pinned Python by its minor version: its patch release is not always to be had."""
    return re.sub(r"^==(\d+\.\d+).*$", r"==\1.*", pin)
