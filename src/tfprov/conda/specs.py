"""Specs for the solver, from the profile and the plan. Pure.

Only the bracketed form of specs is written, because readers disagree about what `tensorflow=2.19=cuda*` means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfprov.conda.records import Virtual
from tfprov.errors import TfprovError
from tfprov.profile.records import CONDA_SPEC

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A match spec and its origin.

    Attributes:
        name: of the package.
        version: conda version range; empty for any.
        build: glob; empty for any.
        channel: required channel; empty for any.
        where: key in the profile, for messages; empty when it is not from the profile.
    """

    name: str
    version: str = ""
    build: str = ""
    channel: str = ""
    where: str = ""

    def __str__(self) -> str:
        inside = [f"{key}='{value}'" for key, value in (("version", self.version), ("build", self.build)) if value]
        brackets = f"[{','.join(inside)}]" if inside else ""
        return f"{f'{self.channel}::' if self.channel else ''}{self.name}{brackets}"

    @property
    def plain(self) -> str:
        """The short form, as users write it and as in conda's history."""
        version = self.version if not self.version or self.version[0] in "<>=!~" else f"={self.version}"
        return f"{self.name}{version or ('=*' if self.build else '')}{f'={self.build}' if self.build else ''}"


def parse(text: str, *, where: str) -> Spec:
    """A spec of a profile."""
    found = CONDA_SPEC.match(text)
    if found is None:
        raise TfprovError("profile-invalid", f"`{text}` is not a conda package", evidence=(f"in `{where}`",))
    version = (found["version"] or "").replace(" ", "")
    if version.startswith("==") and "," not in version:
        version = version[2:]
    elif version.startswith("=") and not version.startswith("=="):
        # One `=` is a prefix: 6.1 is 6.1.0 and 6.1.9, and not 6.10.
        version = version[1:] if version.endswith("*") else f"{version[1:]}.*"
    return Spec(
        name=found["name"].lower(),
        version="" if version == "*" else version,
        build=found["build"] or "",
        channel=found["channel"] or "",
        where=where,
    )


def of_python(minors: Sequence[str], wanted: str | None) -> Spec:
    """The interpreter: one of the minor versions, within the range of the profile."""
    version = "|".join(f"{minor}.*" for minor in minors)
    asked = of_pep440(wanted)
    if asked:
        version = f"({version}),{asked}" if len(minors) > 1 else f"{version},{asked}"
    return Spec(name="python", version=version, where="python.version" if wanted else "")


def of_tensorflow(wanted: Sequence[SpecifierSet], accelerator: str) -> Spec:
    """The TensorFlow of the channel for an accelerator, by its build string, so that CUDA never falls back to CPU."""
    version = ",".join(filter(None, (of_pep440(str(each)) for each in wanted)))
    build = "cuda*" if accelerator == "cuda" else "cpu*"
    return Spec(name="tensorflow", version=version, build=build, where="tensorflow.version")


def of_pep440(specifier: str | None) -> str:
    """A PEP 440 range in conda's notation: the same but for `==`, which is omitted."""
    parts = []
    for each in sorted(SpecifierSet(specifier or ""), key=str):
        if each.operator in ("==", "==="):
            parts.append(each.version)
        else:
            parts.append(f"{each.operator}{each.version}")
    return ",".join(parts)


def check_one_tensorflow(packages: Sequence[Spec], source: str) -> None:
    """Refuse TensorFlow in `conda.packages`: only `tensorflow` and `conda.tensorflow` choose it.

    Raises:
        TfprovError: `several-tensorflows`.
    """
    for spec in packages:
        if spec.name in TENSORFLOWS:
            raise TfprovError(
                "several-tensorflows",
                f"`conda.packages` requests `{spec.plain}` in addition to the TensorFlow of the profile",
                evidence=(
                    f'`conda.tensorflow = "{source}"`',
                    "two builds overwrite each other's files",
                ),
                hint='remove it; `conda.tensorflow = "conda"` uses the build of the channel'
                if source == "wheel"
                else "remove it; `tensorflow.version` and `tensorflow.accelerator` choose the build",
            )


def relaxations(specs: Sequence[Spec], virtual: Sequence[Virtual], *, cuda: bool) -> Iterator[Mapping[str, object]]:
    """Changes to try when there is no solution, the smallest first.

    A newer driver; then each spec of the profile without its build, without its version, and removed altogether.
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
        if spec.build and spec.version:
            loose = Spec(name=spec.name, version=spec.version, channel=spec.channel)
            yield _change(spec, str(loose), f"without the build `{spec.build}` of `{spec.name}` ({spec.where})")
    for spec in asked:
        if spec.version:
            loose = Spec(name=spec.name, build=spec.build, channel=spec.channel)
            yield _change(spec, str(loose), f"without the version of `{spec.plain}` (`{spec.where}`) it can be solved")
    for spec in asked:
        if spec.name not in ("python", "tensorflow"):
            yield _change(spec, "", f"without `{spec.plain}` (`{spec.where}`) it can be solved")


def _change(spec: Spec, instead: str, words: str) -> Mapping[str, object]:
    return {"spec": str(spec), "instead": instead, "words": words, "about": spec.name if instead else ""}


def projects(names: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Python projects that conda packages probably contain: versions by normalised name.

    Args:
        names: name and version of each conda package that depends on Python.
    """
    # Names differ in a few cases (`pytorch`, `torch`): the content of a package is checked before it is linked.
    return {canonicalize_name(name): version for name, version in names}
