"""Detects requirements that cannot be installed, before a resolver sees them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from tfprov.distributions import kind_of
from tfprov.structured import version_in
from tfprov.wants import names
from tfprov.wants.records import System


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """The file that is being read, and where its content comes from.

    Attributes:
        path: of the file, absolute.
        folder: of the profile; paths of local wheels are written relative to it.
        system: that the packages are for.
        is_freeze: whether the file lists everything in an environment, so that parts of another system may be left out.
        is_of_system: whether that environment was the system's own.
        is_of_conda: whether it was a conda environment.
    """

    path: Path
    folder: Path
    system: System = field(default_factory=System)
    is_freeze: bool = False
    is_of_system: bool = False
    is_of_conda: bool = False

    @property
    def is_in_project(self) -> bool:
        """Whether the file is below the folder of the profile, or in the repository around it, after following links.

        Hidden files and folders of the repository, such as those in a home under version control, do not count.
        """
        path, folder = self.path.resolve(), self.folder.resolve()
        if path.is_relative_to(folder):
            return True
        for top in (folder, *folder.parents):
            if os.path.exists(top / ".git"):  # noqa: PTH110 - `Path` raises where this user may not look
                rest = path.relative_to(top).parts if path.is_relative_to(top) else (".",)
                return not any(part.startswith(".") for part in rest)
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Why a requirement cannot be installed.

    Attributes:
        words: the reason, for messages.
        may_go: whether it can be left out, which takes a note instead of a problem.
        is_misnamed: whether the reason is its name, which is not that of the package.
    """

    words: str
    may_go: bool = False
    is_misnamed: bool = False


BUILT_BY_CONDA = re.compile(
    r"(?i)/croot/|/conda-bld/|/feedstock_root/|/b/abs_|/tmp/build/[0-9a-f]{8}/|/ktietz/|/concourse/worker/|_\d{9,}/work|"
    r"^file:///(?:[a-z]:/)?(?:home/builder/|work/)?(?:ci|bld)(?:_\w+)?/"
)
"""Folders in which conda packages are built. `pip freeze` prints them as the origin of a package.

The pattern is strict: if a user's own folder matched, its project would be installed by name from an index, where
somebody else may have registered that name.
"""
# Conda's recipes of pure wheels, such as threadpoolctl's, install them from a folder that Python's `tempfile` made.
_TEMPORARY_OF_CONDA = re.compile(r"^file:///tmp/tmp[a-z0-9_]{8}/[^/]+\.whl$")
# TensorFlow's own storage: its instructions named wheels there for years, all of which the index has, too.
_STORED_RELEASE = re.compile(r"^https?://storage\.googleapis\.com/tensorflow/(?:\S*/)?(?P<wheel>[^/?]+\.whl)$")
_WITH_VERSION = re.compile(r"(?P<name>[A-Za-z][\w.-]*?)-(?P<version>\d+(?:\.\d+){1,3})")
_OF_SYSTEM = Unfit(words="it is a part of the system where the list was made", may_go=True)


def unfit(requirement: Requirement, origin: SourceFile) -> Unfit | None:
    """Why a requirement cannot be installed; None when there is no known reason."""
    name = canonicalize_name(requirement.name)
    if origin.is_freeze and name in names.OF_SYSTEM:
        return _OF_SYSTEM
    if origin.is_of_conda and name in names.OF_CONDA_ITSELF:
        return Unfit(words="it is a part of conda where the list was made", may_go=True)
    odd = [one.version for one in requirement.specifier if one.operator == "===" and version_in(one.version) is None]
    if odd:
        return Unfit(words=f"`{odd[0]}` is not a version: write one, as in `{requirement.name}==1.2.3`")
    if requirement.marker is not None:
        # The marker says already where it applies.
        return None
    return _misnamed(name, requirement) or _foreign(name, requirement, origin)


def was_built_by_conda(address: str, origin: SourceFile) -> bool:
    """Whether a `file:` address is that of a folder or a wheel on a machine where a conda package was built."""
    if BUILT_BY_CONDA.search(address.replace("\\", "/")):
        return True
    return origin.is_of_conda and _TEMPORARY_OF_CONDA.search(address) is not None


def release_at(address: str) -> str | None:
    """The requirement on the TensorFlow release of which an address is a wheel in TensorFlow's own storage.

    Args:
        address: without its fragment.

    Returns:
        None for every other address, and for builds that are no release.
    """
    if (stored := _STORED_RELEASE.match(address)) is None:
        return None
    try:
        name, version, *_ = parse_wheel_filename(unquote(stored["wheel"]))
    except ValueError:
        return None
    is_release = kind_of(name) in ("release", "placeholder", "part") and version.local is None
    return f"{name}=={version}" if is_release else None


def unusable(text: str) -> str:
    """Why a requirement that a reader has put together cannot be used; empty when it can."""
    if "@" not in text and ";" not in text:
        return ""  # it was parsed as it is
    try:
        marker = Requirement(text).marker
    except ValueError as error:
        return str(error).splitlines()[0]
    try:
        # Whatever its value here: some comparisons have none on any machine, such as `python_version ~= "3"`.
        _ = marker is not None and marker.evaluate()
    except (ValueError, UndefinedEnvironmentName):
        return f"`{marker}` compares what cannot be compared so"
    return ""


def _misnamed(name: str, requirement: Requirement) -> Unfit | None:
    """The reason if a name is not that of the intended package; None when there is no known reason."""
    version = str(requirement.specifier)
    module = None if version else names.outer_module(requirement.name)
    meant = names.MODULES.get(canonicalize_name(module) if module else name)
    if meant and version != "==0.0.0":
        return Unfit(words=f"that is the name of a module; the package is `{meant}`", is_misnamed=True)
    if not version and (joined := _WITH_VERSION.fullmatch(requirement.name)):
        words = f"a version stands behind `==`: write `{joined['name']}=={joined['version']}`"
        return Unfit(words=words, is_misnamed=True)
    if name in names.WRONG:
        return Unfit(words=f"the package is called `{names.WRONG[name]}`", is_misnamed=True)
    if not version and names.is_standard_module(module or requirement.name):
        return Unfit(words="it is a module of Python itself", may_go=True)
    if requirement.name in names.OF_PYTHON_2:
        return Unfit(words="that is a module of Python 2: remove the line", is_misnamed=True)
    return None


def _foreign(name: str, requirement: Requirement, origin: SourceFile) -> Unfit | None:
    """The reason if a requirement is for another system only; None when it is not."""
    version = str(requirement.specifier)
    if name == "pkg-resources":
        return Unfit(words="it is not a package; some releases of Debian's pip list it", may_go=True)
    of_system = re.search(r"\+(?:ubuntu|deb)", version)
    if origin.is_freeze and (of_system or (origin.is_of_system and name in names.BOUND_TO_SYSTEM)):
        return _OF_SYSTEM
    if name in names.OF_CONDA:
        words = "only conda has it; the CUDA libraries come by `tensorflow.accelerator`"
        return Unfit(words=words, may_go=True)
    system = names.system_of(name)
    if system is None or system == origin.system.name:
        return None
    words = f"it exists for {'Windows' if system == 'win32' else 'macOS'} only"
    if origin.is_freeze or name in names.OF_NO_USE_ELSEWHERE:
        return Unfit(words=words, may_go=True)
    return Unfit(words=f'{words}: write `{requirement}; sys_platform == "{system}"`')
