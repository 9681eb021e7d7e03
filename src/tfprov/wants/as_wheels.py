"""Translates conda packages into requirements on wheels, for environments without conda."""

from __future__ import annotations

import re
from dataclasses import replace

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfprov.distributions import kind_of
from tfprov.wants.conda_specs import CondaSpec, read
from tfprov.wants.names import is_standard_module, system_of, wheel_of
from tfprov.wants.records import System, Want, Wants, together

# The build string of a Python package names its Python, or says that it suits every Python: `py39h6c91a56_3`,
# `pyhd8ed1ab_0`.
_PYTHON_BUILD = re.compile(r"py")
_TOOLS = frozenset({"pip", "setuptools", "wheel"})
"""Packages that every conda environment contains; distributions that need them declare it themselves."""


_EXPORTED = "the versions of conda's builds are kept where wheels have them, that of TensorFlow in any case"


def for_conda(wants: Wants, system: System | None = None) -> Wants:
    """The wants for a conda environment.

    The conda specs of Python and TensorFlow are translated as in `as_wheels`, because the profile decides about both.
    """

    def is_own(want: Want) -> bool:
        found = _read(want)
        return found is not None and (found.name == "python" or wheel_of(found.name) == "tensorflow")

    own = as_wheels(Wants(conda=tuple(want for want in wants.conda if is_own(want))), system)
    return together((replace(wants, conda=tuple(want for want in wants.conda if not is_own(want))), own))


def as_wheels(wants: Wants, system: System | None = None) -> Wants:
    """The wants with each conda spec replaced by a requirement on the project that publishes the package as a wheel.

    The version of an exact build, as in an exported environment, becomes a preference. A package without a wheel is
    left out with a note, and a spec that a requirement cannot express is a problem.

    Args:
        wants: of any files.
        system: that the environment is for; None for the one that tfprov runs on.
    """
    found: list[Want] = []
    preferences: list[Want] = []
    python: list[Want] = []
    left: dict[str, list[str]] = {}
    problems: list[str] = []
    for want in wants.conda:
        spec = _read(want)
        if spec is not None and _has_no_wheel(spec, system or System()):
            # Before the version is parsed, which may not follow PEP 440: `openssl=1.1.1k`.
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


def _has_no_wheel(spec: CondaSpec, system: System) -> bool:
    """Whether a conda package has no counterpart among wheels for a system, or needs none."""
    if spec.name == "python":
        return False
    is_of_system = bool(spec.build) and not _PYTHON_BUILD.search(spec.build)
    wheel = wheel_of(spec.name)
    is_foreign = wheel is not None and system_of(wheel) not in (None, system.name)
    return wheel is None or spec.name in _TOOLS or is_standard_module(spec.name) or is_of_system or is_foreign


def _is_exported(spec: CondaSpec) -> bool:
    """Whether a spec pins one exact build, as exports do. False for TensorFlow and Python, whose pins are kept."""
    is_exact = bool(spec.build) and re.fullmatch(r"==[^*,|]+", spec.version) is not None
    return is_exact and spec.name != "python" and kind_of(wheel_of(spec.name) or "") is None


def _read(want: Want) -> CondaSpec | None:
    try:
        return read(want.text)
    except ValueError:
        return None


def _bounds(version: str) -> str | None:
    """A conda version range in PEP 440 syntax; None if PEP 440 cannot express it."""
    # conda's `1.26.*` is `==1.26.*` in PEP 440, where a pre-release such as `3.1.3b2` has no further parts; everything
    # else is the same.
    version = re.sub(r"(?<=\d)((?:a|b|rc|\.?post|\.?dev)\d+)\.\*", r"\1", version)
    clauses = [f"=={clause}" if clause[:1].isalnum() else clause for clause in version.split(",")] if version else []
    try:
        SpecifierSet(",".join(clauses))
    except ValueError:
        return None
    return ",".join(clauses)


def minor_of(pin: str) -> str:
    """A pin of Python, relaxed to its minor version, because not every patch release is available."""
    return re.sub(r"^==(\d+\.\d+).*$", r"==\1.*", pin)
