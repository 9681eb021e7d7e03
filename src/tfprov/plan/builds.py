"""What wheels of others say of how the TensorFlow in them was built; the table knows the public ones. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from packaging.version import Version

from tfprov.distributions import BUILDS
from tfprov.plan.compat import Compat, Cuda
from tfprov.plan.offers import is_wheel_for, version_of
from tfprov.plan.records import BuildInfo, IndexFile, Listing

MEMBER = "tensorflow/python/platform/build_info.py"
"""Where a wheel says it."""
_SAID = re.compile(r"^build_info = collections\.OrderedDict\((.*)\)\s*$", re.MULTILINE)
_CAPABILITY = re.compile(r"(sm|compute)_(\d+)(\d)[af]?")
_MOST = 3


def build_info(text: str) -> BuildInfo | None:
    """What the module says; None for one that TensorFlow's build did not write."""
    found = _SAID.search(text)
    try:
        said = dict(ast.literal_eval(found[1])) if found else {}
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if "is_cuda_build" not in said:
        return None
    named = said.get("cuda_compute_capabilities") or ()
    return BuildInfo(
        is_cuda=said["is_cuda_build"] is True,
        cuda=_number(said.get("cuda_version")),
        cudnn=_number(said.get("cudnn_version")),
        capabilities=tuple(str(each) for each in named if _CAPABILITY.fullmatch(str(each))),
    )


def cuda_in(build: BuildInfo, like: Cuda) -> Cuda:
    """The CUDA side of such a build; what it does not say is as in another one."""
    found = [_CAPABILITY.fullmatch(each) for each in build.capabilities]
    numbers = [(each[1], f"{each[2]}.{each[3]}") for each in found if each is not None]
    own = replace(like, built_for=build.cuda or like.built_for, cudnn=build.cudnn or like.cudnn)
    if not numbers:
        return own
    # TensorFlow's build makes machine code for a `compute_` as well.
    native = tuple(dict.fromkeys(number for _, number in numbers))
    ptx = tuple(number for kind, number in numbers if kind == "compute")
    return replace(own, native=native, ptx=ptx, mostly_ptx=(), capabilities_source="wheel")


def to_look_into(listing: Listing, table: Compat, platform: str) -> Iterator[IndexFile]:
    """The wheels for a platform that are worth a look: one of each version, the newest versions.

    Args:
        listing: what the index and find-links have.
        table: knows the public releases.
        platform: as the table names it.
    """
    known = {row.version for row in table.releases}
    for package in (name for names in BUILDS.values() for name in names):
        versions: dict[Version, IndexFile] = {}
        for file in listing.files.get(package, ()):
            version = version_of(file)
            if version is not None and is_wheel_for(file, platform) and (file.is_own or str(version) not in known):
                versions.setdefault(version, file)
        for version in sorted(versions, reverse=True)[:_MOST]:
            yield versions[version]


def with_builds(listing: Listing, found: Iterable[tuple[IndexFile, BuildInfo]]) -> Listing:
    """A listing in which each wheel of a version and a platform says what one of them was found to be."""
    builds = {_release(file): (file, build) for file, build in found}

    def told(file: IndexFile) -> IndexFile:
        looked = builds.get(_release(file))
        if looked is None or looked[0].is_own is not file.is_own:
            return file
        # A version may have a wheel with CUDA for one platform and one without for another.
        return replace(file, build=looked[1]) if _platform(file) == _platform(looked[0]) else file

    return replace(listing, files={name: tuple(map(told, files)) for name, files in listing.files.items()})


def _release(file: IndexFile) -> tuple[str, ...]:
    return tuple(file.filename.split("-")[:2])


def _platform(file: IndexFile) -> str:
    return file.filename.removesuffix(".whl").rpartition("-")[2]


def _number(value: object) -> str:
    """A version out of the module, as it says it; empty for anything else."""
    text = str(value or "")
    return text if re.fullmatch(r"\d+(\.\d+)*", text) else ""
