"""Records of the conda room: channels, packages, results of the solver, inputs of a lock."""

from __future__ import annotations

from dataclasses import dataclass

from tfprov.lock.records import Inputs, Lock, LockedFile
from tfprov.lock.target_records import Target
from tfprov.secret import Secret

ARCHIVES = (".conda", ".tar.bz2")
"""Endings of conda packages, the preferred one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel, with what the solver and the fetch stage need to reach it.

    Attributes:
        name: name or address without credentials, as in locks and messages.
        token: conda token that becomes part of the path of every request; None for none.
        login: user and password; None for none.
        mirrors: addresses with the same packages, without credentials.
    """

    name: str
    token: Secret | None = None
    login: tuple[Secret, Secret] | None = None
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Virtual:
    """A virtual package: a property of the machine, as the solver sees it (`__glibc 2.36`)."""

    name: str
    version: str
    build: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An exact conda package.

    Attributes:
        subdir: `linux-64`, `noarch`, …
        channel: address of the channel, without credentials.
        url: address of the file, without credentials.
        md5: lower-case hexadecimal; the lock format requires it.
        size: bytes; None if the channel does not say.
        depends: names of the packages that it requires.
        python: whether it depends on Python, so that it may contain a Python project.
    """

    name: str
    version: str
    build: str
    subdir: str
    channel: str
    url: str
    sha256: str
    md5: str
    size: int | None = None
    depends: tuple[str, ...] = ()
    python: bool = False

    @property
    def filename(self) -> str:
        """Name of its archive."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def stem(self) -> str:
        """Name of its archive without the ending, which is the folder it is unpacked into."""
        return next(self.filename[: -len(end)] for end in (*ARCHIVES, "") if self.filename.endswith(end))

    @property
    def file(self) -> LockedFile:
        """The package as a file for the fetch stage."""
        return LockedFile(
            name=self.name,
            version=self.version,
            filename=self.filename,
            url=self.url,
            sha256=self.sha256,
            size=self.size,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """The result of the solver.

    Attributes:
        packages: in linking order.
        virtual: virtual packages that were assumed.
    """

    packages: tuple[Package, ...]
    virtual: tuple[Virtual, ...]

    def named(self, name: str) -> Package | None:
        """The package with a name, or None."""
        return next((package for package in self.packages if package.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaInputs(Inputs):
    """The inputs of a conda lock, in addition to those of every lock.

    Attributes:
        channels: without credentials.
        conda_packages: specs of the profile.
        conda_tensorflow: `wheel` or `conda`.
        cuda: CUDA version of the target's driver according to the profile; empty if it does not say.
    """

    channels: tuple[str, ...] = ()
    conda_packages: tuple[str, ...] = ()
    conda_tensorflow: str = "wheel"
    cuda: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaHeader:
    """tfprov's own part of a conda lock."""

    inputs: CondaInputs
    target: Target
    virtual: tuple[Virtual, ...] = ()
    specs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPart:
    """The conda packages of a lock that was read.

    Attributes:
        header: tfprov's own part of the lock.
        packages: in linking order.
    """

    header: CondaHeader
    packages: tuple[Package, ...]

    @property
    def python(self) -> Package | None:
        """The locked interpreter."""
        return next((package for package in self.packages if package.name == "python"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaLock(Lock):
    """The files of a conda environment: conda packages, and wheels beside them.

    Attributes:
        part: the conda packages.
    """

    part: CondaPart


def file_name(profile: str) -> str:
    """Name of a profile's conda lock, with the ending by which conda-lock and micromamba recognise it."""
    return f"{profile}.conda-lock.yml"
