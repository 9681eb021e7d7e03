"""Records of a lock: the exact files of an environment, and the inputs of its resolve."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from tfprov import project_folder
from tfprov.lock.target_records import Target
from tfprov.redact import without_userinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """One file to install: a wheel or a conda package.

    Attributes:
        name: normalised project name.
        version: as in the lock.
        filename: file name of the wheel.
        url: without credentials; `file://` for a local file.
        sha256: lower-case hexadecimal.
        size: bytes; None when unknown.
        elsewhere: further URLs of the same file.
    """

    name: str
    version: str
    filename: str
    url: str
    sha256: str
    size: int | None = None
    elsewhere: tuple[str, ...] = ()

    @property
    def is_of_conda(self) -> bool:
        """Whether it is a conda package, which a package index does not have."""
        return self.filename.endswith((".conda", ".tar.bz2"))

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel, rather than a conda package or a source."""
        return self.filename.endswith(".whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedSource:
    """A source to build a wheel from: an archive, a commit of a git repository, or a local folder.

    Attributes:
        name: normalised project name.
        version: as in the lock; empty where only a build would tell.
        archive: a source distribution; None for the other kinds.
        repository: URL of a git repository, without credentials; empty for the other kinds.
        commit: full hash of the commit in that repository.
        subdirectory: folder of the project in the source; empty for its root.
        folder: absolute path of a local folder; empty for the other kinds.
        editable: whether the environment gets a link to the folder instead of its content.
    """

    name: str
    version: str
    archive: LockedFile | None = None
    repository: str = ""
    commit: str = ""
    subdirectory: str = ""
    folder: str = ""
    editable: bool = False

    @property
    def identity(self) -> str:
        """A key for the content, wherever it was found: the hash of the archive, the commit, or a digest of the folder.

        Raises:
            OSError: the folder cannot be read.
        """
        if self.editable:
            return f"editable:{self.folder}:{project_folder.description_of(Path(self.folder))}"
        if self.folder:
            return f"folder:{project_folder.content_of(Path(self.folder))}"
        content = f"sha256:{self.archive.sha256}" if self.archive else f"git:{self.commit}"
        return f"{content}#{self.subdirectory}" if self.subdirectory else content

    @property
    def title(self) -> str:
        """Name and version, for messages."""
        return f"{self.name} {self.version or self.commit[:12]}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The inputs of a resolve. Kept in the lock: when the profile gives other inputs, the lock is out of date.

    Attributes:
        profile: name of the profile.
        tensorflow: version range in the profile; empty for any.
        package: project that TensorFlow is taken from, as in the profile.
        accelerator: as in the profile, including `auto`.
        python: version range in the profile.
        requirements: of the profile beside TensorFlow, including the lines of its requirements files.
        constraints: of the profile.
        overrides: requirements that replace those of packages.
        exclude: projects that are not installed even if a package requires them.
        index: index of the profile, without credentials; empty when the machine's own index is used.
        extra: further indexes of the profile, without credentials.
        find_links: as in the profile.
        exclude_newer: date in the profile.
        platforms: further platforms that the lock must serve.
        build: packages that may be built, as in the profile.
        attestations: how the attestations of publishers are treated, as in the profile.
        folders: projects in local folders, each with a digest of its metadata files.
        no_binary: projects that are built although they have wheels.
        only_binary: projects that are never built.
        prereleases: whether pre-releases count everywhere, as in the profile.
    """

    profile: str
    tensorflow: str = ""
    package: str = "tensorflow"
    accelerator: str = "auto"
    python: str = ""
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    index: str = ""
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    exclude_newer: str = ""
    platforms: tuple[str, ...] = ()
    build: str = "needed"
    attestations: str = "off"
    folders: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    only_binary: tuple[str, ...] = ()
    prereleases: str = "named"

    def changes_from(self, old: Inputs) -> tuple[str, ...]:
        """The differences from an older lock's inputs, one line each. Credentials are ignored."""
        before, now = _public(old), _public(self)
        return tuple(
            f"`{name.replace('_', '-')}` was {_shown(before[name])}, is {_shown(now[name])}"
            for name in now
            if before[name] != now[name]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """tfprov's own table in a lock.

    Attributes:
        inputs: of the resolve.
        target: on the machine where the lock was made.
        others: targets on the other platforms that it serves.
        bounds: constraints that tfprov added, because the smoke test failed without them.
        built: names of packages that are built from source, because none of their wheels fits.
        attested: SHA-256 of the files whose attestations were looked at when the lock was made.
    """

    inputs: Inputs
    target: Target
    others: tuple[Target, ...] = ()
    bounds: tuple[str, ...] = ()
    built: tuple[str, ...] = ()
    attested: tuple[str, ...] = ()

    def target_on(self, platform: str) -> Target | None:
        """The target on a platform; None when the lock was not made for it."""
        return next((each for each in (self.target, *self.others) if each.platform == platform), None)

    @property
    def platforms(self) -> str:
        """The platforms that the lock serves, for messages."""
        return ", ".join(each.platform for each in (self.target, *self.others))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The files for one interpreter on this machine, selected from a lock file.

    Attributes:
        path: the lock file.
        digest: SHA-256 of its content.
        files: sorted by name.
        sources: sources to build wheels from, sorted by name; empty once the wheels are among the files.
        changes: why it was resolved in this run, one line each; empty when it was used unchanged.
        from_folders: SHA-256 of those files that were built from local folders, sorted. The lock file itself names only
            the folders.
    """

    path: Path
    digest: str
    target: Target
    files: tuple[LockedFile, ...]
    sources: tuple[LockedSource, ...] = ()
    changes: tuple[str, ...] = ()
    from_folders: tuple[str, ...] = ()

    @property
    def content(self) -> tuple[str, ...]:
        """Hashes of everything in it."""
        return (*(file.sha256 for file in self.files), *(source.identity for source in self.sources))

    def version(self, name: str) -> str | None:
        """The locked version of a project; None when the lock does not contain it."""
        versions = {source.name: source.version for source in self.sources}
        versions.update((file.name, file.version) for file in self.files)
        return versions.get(name)


def file_name(profile: str) -> str:
    """Name of the lock file of a profile. The standard allows no dot in its middle part.

    A name with a dot also gets a part of its hash, because `a.b` and `a-b` in one folder are two profiles.
    """
    mark = f"-{hashlib.sha256(profile.encode()).hexdigest()[:4]}" if "." in profile else ""
    return f"pylock.{profile.replace('.', '-')}{mark}.toml"


def _public(inputs: Inputs) -> dict[str, object]:
    """The inputs as in a lock file: without credentials in URLs."""
    return {
        name: tuple(map(without_userinfo, value)) if isinstance(value, tuple) else without_userinfo(value)
        for name, value in asdict(inputs).items()
    }


def _shown(value: object) -> str:
    if not value:
        return "unset"
    if isinstance(value, (tuple, list)):
        return "`" + ", ".join(str(part) for part in value) + "`"
    return f"`{value}`"
