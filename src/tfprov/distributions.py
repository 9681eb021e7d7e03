"""The names under which TensorFlow is distributed on package indexes, and the kind of each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from packaging.utils import canonicalize_name

Kind = Literal["release", "nightly", "placeholder", "part", "rival"]

TENSORFLOWS: Mapping[str, Kind] = MappingProxyType(
    {
        "tensorflow": "release",
        "tensorflow-cpu": "release",
        "tensorflow-gpu": "placeholder",
        "tensorflow-aarch64": "part",
        "tensorflow-cpu-aws": "part",
        "tensorflow-intel": "part",
        "tensorflow-macos": "part",
        "intel-tensorflow": "rival",
        "intel-tensorflow-avx512": "rival",
        "nvidia-tensorflow": "rival",
        "tensorflow-directml": "rival",
        "tensorflow-rocm": "rival",
        "tf-nightly": "nightly",
        "tf-nightly-cpu": "nightly",
        "tf-nightly-gpu": "rival",
        "tf-nightly-intel": "rival",
        "tf-nightly-macos": "rival",
        "tf-nightly-rocm": "rival",
    }
)
"""Distributions that install the package `tensorflow`, by normalised name.

`release` is what tfprov installs, and `nightly` a build of its development branch, which is installed only on request.
`placeholder` was removed from the index and stands for a release. `part` contains the files of a release for one
platform, where the wheel of the release is empty and only depends on it. `rival` is a separate build whose files
overwrite those of a release.

`smoke/probes/core.py` has the same names as a pattern, because a probe runs where tfprov is not installed.
"""


BUILDS: Mapping[Kind, tuple[str, str]] = MappingProxyType(
    {"release": ("tensorflow", "tensorflow-cpu"), "nightly": ("tf-nightly", "tf-nightly-cpu")}
)
"""The projects that are installed: the full build, and the one without CUDA."""


OLDEST_PYTHON = (3, 6)
"""The oldest Python that environments are made for: no release since 2.4 has wheels for an older one."""


def is_small(name: str) -> bool:
    """Whether a project is the build without CUDA."""
    return any(name == small for _, small in BUILDS.values())


@lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind | None:
    """The kind of a distribution, by any spelling of its name; None when it is not TensorFlow itself."""
    return TENSORFLOWS.get(canonicalize_name(name))
