"""Build information in wheels that the compat table does not know. Pure."""

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
"""Path of the build information in a wheel."""
_SAID = re.compile(r"^build_info = collections\.OrderedDict\((.*)\)\s*$", re.MULTILINE)
_CAPABILITY = re.compile(r"(sm|compute)_(\d+)(\d)[af]?")
_MOST = 3


def build_info(text: str) -> BuildInfo | None:
    """Parse the build information; None for a module that TensorFlow's build did not write."""
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
    """The CUDA properties of a build; those that it does not state are copied from `like`."""
    found = [_CAPABILITY.fullmatch(each) for each in build.capabilities]
    numbers = [(each[1], f"{each[2]}.{each[3]}") for each in found if each is not None]
    own = replace(like, built_for=build.cuda or like.built_for, cudnn=build.cudnn or like.cudnn)
    if not numbers:
        return own
    # TensorFlow's build also makes machine code for each `compute_` capability.
    native = tuple(dict.fromkeys(number for _, number in numbers))
    ptx = tuple(number for kind, number in numbers if kind == "compute")
    return replace(own, native=native, ptx=ptx, mostly_ptx=(), capabilities_source="wheel")


def to_look_into(listing: Listing, table: Compat, platform: str) -> Iterator[IndexFile]:
    """The wheels whose build information to read: one for each of the newest versions for a platform.

    Args:
        listing: files on the index and from find-links.
        table: knows the public releases.
        platform: as in the table.
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
    """The listing, with the build information of one wheel applied to all wheels of its version and platform."""
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
    """A version number in the build information; empty for anything else."""
    text = str(value or "")
    return text if re.fullmatch(r"\d+(\.\d+)*", text) else ""
