"""Conda packages as wheels, for an environment that is not conda's."""

from __future__ import annotations

import re
from dataclasses import replace

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from tfprov.wants.names import is_standard_module, wheel_of
from tfprov.wants.records import Want, Wants, together

_SPEC = re.compile(r"^(?:[\w./:-]+::)?(?P<name>[\w.-]+)\s*(?:\[.*\]|(?P<version>[\s=<>!~*\d].*))?$")
_WITH_BUILD = re.compile(r"^==?(?P<version>[^=<>!,\s]+)[=\s]\s*(?P<build>\S+)$")
# Of a package for Python, the build names the Python or says that it serves each: `py39h6c91a56_3`, `pyhd8ed1ab_0`.
_PYTHON_BUILD = re.compile(r"py")
_TOOLS = frozenset({"pip", "setuptools", "wheel"})
"""They are in each environment of conda, and what needs them says so itself."""


def for_conda(wants: Wants) -> Wants:
    """The same wants for an environment of conda: Python and TensorFlow, which the profile is about, taken out."""

    def is_own(want: Want) -> bool:
        found = _SPEC.match(want.text)
        return found is not None and (found["name"] == "python" or wheel_of(found["name"]) == "tensorflow")

    own = as_wheels(Wants(conda=tuple(want for want in wants.conda if is_own(want))))
    return together((replace(wants, conda=tuple(want for want in wants.conda if not is_own(want))), own))


def as_wheels(wants: Wants) -> Wants:
    """The same wants with each conda package as the project that brings it as a wheel; what has none becomes a note."""
    found: list[Want] = []
    python: list[Want] = []
    left: dict[str, list[str]] = {}
    problems: list[str] = []
    for want in wants.conda:
        parsed = _SPEC.match(want.text)
        bounds, build = _bounds(parsed["version"] or "") if parsed else (None, "")
        if parsed is None or bounds is None:
            problems.append(
                f"{want.where}: `{want.text}` cannot be said of a wheel: write `name=version`, or use it with "
                '`environment.kind = "conda"`'
            )
            continue
        name = parsed["name"]
        project = wheel_of(name)
        if name == "python":
            if bounds:
                python.append(replace(want, text=_minor(bounds)))
        elif (
            project is None or name in _TOOLS or is_standard_module(name) or (build and not _PYTHON_BUILD.search(build))
        ):
            left.setdefault(want.where.partition(":")[0], []).append(name)
        else:
            found.append(replace(want, text=f"{project}{bounds}"))
    notes = tuple(
        f"{file}: left out, no wheel stands for what conda calls {', '.join(f'`{one}`' for one in names)}"
        for file, names in left.items()
    )
    own = Wants(requirements=tuple(found), python=tuple(python), notes=notes, problems=tuple(problems))
    return together((replace(wants, conda=(), channels=()), own))


def _bounds(text: str) -> tuple[str | None, str]:
    """A conda range as PEP 440 has it, and the build; None for a range that PEP 440 has no word for."""
    text = text.strip()
    built = _WITH_BUILD.match(text)
    build = built["build"] if built else ""
    if built:
        text = f"=={built['version']}"
    if text in ("", "*", "=*", "==*"):
        return "", build
    clauses = []
    for clause in text.replace(" ", "").split(","):
        one = re.match(r"^(==|=|>=|<=|!=|~=|<|>)?(.+)$", clause)
        if one is None or "|" in clause:
            return None, build
        operator, version = one[1] or "==", one[2]
        if operator == "=":
            # conda's `=1.26` is every 1.26.
            operator, version = "==", version if version.endswith("*") else f"{version}.*"
        version = re.sub(r"(?<=\d)\*$", ".*", version)
        clauses.append(f"{operator}{version.removesuffix('.*') if operator not in ('==', '!=') else version}")
    try:
        SpecifierSet(",".join(clauses))
    except InvalidSpecifier:
        return None, build
    return ",".join(clauses), build


def _minor(pin: str) -> str:
    """A pinned Python by its minor version: its patch release is not always to be had."""
    return re.sub(r"^==(\d+\.\d+).*$", r"==\1.*", pin)
