"""Specs for the solver, derived from the profile and the plan. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfprov.conda.records import Channel, Virtual
from tfprov.errors import TfprovError
from tfprov.wants.conda_specs import CondaSpec

TENSORFLOWS = frozenset(
    {
        "tensorflow",
        "tensorflow-base",
        "tensorflow-cpu",
        "tensorflow-gpu",
        "tensorflow-sse3",
        "tensorflow-avx2",
        "libtensorflow",
        "libtensorflow_cc",
        "libtensorflow_framework",
    }
)
"""Conda packages that are TensorFlow or a part of it."""


def of_python(minors: Sequence[str], wanted: str | None) -> CondaSpec:
    """The spec of the interpreter: one of the minor versions, within the profile's range."""
    version = "|".join(f"{minor}.*" for minor in minors)
    asked = of_pep440(wanted)
    if asked:
        version = f"({version}),{asked}" if len(minors) > 1 else f"{version},{asked}"
    return CondaSpec(name="python", version=version, where="python.version" if wanted else "")


def of_tensorflow(wanted: Sequence[SpecifierSet], accelerator: str) -> CondaSpec:
    """The spec of the channel's TensorFlow, with the accelerator's build string: CUDA never falls back to CPU."""
    version = ",".join(filter(None, (of_pep440(str(each)) for each in wanted)))
    build = "cuda*" if accelerator == "cuda" else "cpu*"
    return CondaSpec(name="tensorflow", version=version, build=build, where="tensorflow.version")


def of_pep440(specifier: str | None) -> str:
    """A PEP 440 range in conda's notation, which differs only in that `==2.19.*` is written `2.19.*`."""
    parts = []
    for each in sorted(SpecifierSet(specifier or ""), key=str):
        operator = {"===": "=="}.get(each.operator, each.operator)
        parts.append(each.version if operator == "==" and each.version.endswith("*") else f"{operator}{each.version}")
    return ",".join(parts)


def check_one_tensorflow(packages: Sequence[CondaSpec], source: str) -> None:
    """Refuse TensorFlow in `conda.packages`: only `tensorflow` and `conda.tensorflow` choose it.

    Raises:
        TfprovError: `several-tensorflows`.
    """
    for spec in packages:
        if spec.name in TENSORFLOWS:
            raise TfprovError(
                "several-tensorflows",
                f"`conda.packages` requests `{spec.plain}` in addition to the TensorFlow of the profile",
                evidence=(f'`conda.tensorflow = "{source}"`', "two builds overwrite each other's files"),
                hint='remove it; `conda.tensorflow = "conda"` uses the build of the channel'
                if source == "wheel"
                else "remove it; `tensorflow.version` and `tensorflow.accelerator` choose the build",
            )


def relaxations(
    specs: Sequence[CondaSpec], virtual: Sequence[Virtual], channels: Sequence[Channel], *, cuda: bool
) -> Iterator[Mapping[str, object]]:
    """Changes to try when there is no solution, the smallest first.

    First a newer driver; then each spec of the profile is taken from another channel, which priority rules out, tried
    without its build, without its version, and removed altogether.
    """
    if cuda:
        for each in virtual:
            if each.name == "__cuda":
                yield {
                    "virtual": {"name": "__cuda", "version": "99.0", "build": "0"},
                    "words": f"a driver that supports a newer CUDA than {each.version} would help, or "
                    '`tensorflow.accelerator = "cpu"`',
                    "about": "tensorflow",
                    "kind": "driver",
                }
    asked = [spec for spec in specs if spec.where]
    for spec in asked:
        if spec.channel or spec.name in ("python", "tensorflow"):
            continue
        for channel in channels[1:]:
            there = replace(spec, channel=channel.name)
            yield _change(spec, str(there), f"write `{there.plain}` to take it from there")
    for spec in asked:
        if spec.build and spec.version:
            loose = replace(spec, build="")
            yield _change(spec, str(loose), f"without the build `{spec.build}` of `{spec.name}` ({spec.where})")
    for spec in asked:
        if spec.version:
            loose = replace(spec, version="")
            yield _change(
                spec, str(loose), f"without the version of `{spec.plain}` (`{spec.where}`) there is a solution"
            )
    for spec in asked:
        if spec.name not in ("python", "tensorflow"):
            yield _change(spec, "", f"without `{spec.plain}` (`{spec.where}`) there is a solution")


def _change(spec: CondaSpec, instead: str, words: str) -> Mapping[str, object]:
    return {"spec": str(spec), "instead": instead, "words": words, "about": spec.name if instead else ""}


def projects(names: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Python projects that conda packages probably contain: versions by normalised name.

    Args:
        names: name and version of each conda package that depends on Python.
    """
    # Some names differ (`pytorch`, `torch`): packages are inspected before they are linked.
    return {canonicalize_name(name): version for name, version in names}
