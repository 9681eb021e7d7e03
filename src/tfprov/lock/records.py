"""The lock: the exact files of an environment, and what they were resolved from."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tfprov import project_folder
from tfprov.redact import without_userinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """One wheel that will be installed.

    Attributes:
        name: normalised project name.
        version: as in the lock.
        filename: wheel file name.
        url: without credentials; `file://` for a local file.
        sha256: lower-case hexadecimal.
        size: bytes, or None when not known yet.
        elsewhere: further addresses of the same file.
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
        """Whether it is a conda package, which no package index has."""
        return self.filename.endswith((".conda", ".tar.bz2"))

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel, and not a conda package or what a wheel is built from."""
        return self.filename.endswith(".whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedSource:
    """What a wheel has to be built from: an archive, a commit of a git repository, or a folder of this machine.

    Attributes:
        name: normalised project name.
        version: as the lock says it; empty where only the source itself knows.
        archive: a source distribution; None for a repository.
        repository: address of a git repository, without credentials; empty for an archive.
        commit: of the repository, in full.
        subdirectory: where the project lies in it; empty for its root.
        folder: absolute path of a folder; empty for the others.
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
        """The same for the same content, wherever it was found: a hash of the archive, of the commit, or of the folder.

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
        accelerator: as in the profile, `auto` included.
        python: version range in the profile.
        requirements: of the profile beside TensorFlow, lines of its requirements files included.
        constraints: of the profile.
        overrides: requirements that replace those of packages.
        exclude: projects that are not installed even if a package requires them.
        index: index of the profile, without credentials; empty when the machine's own is used.
        extra: further indexes of the profile, without credentials.
        find_links: as the profile names them.
        exclude_newer: date of the profile.
        platforms: further platforms that the lock must serve.
        build: which packages may be built, as the profile says it.
        folders: the projects that lie in folders here, each with a digest of what says what it needs.
    """

    profile: str
    tensorflow: str = ""
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
    folders: tuple[str, ...] = ()

    def changes_from(self, old: Inputs) -> tuple[str, ...]:
        """The differences from an older lock's inputs, one line each. Credentials are ignored."""
        before, now = _public(old), _public(self)
        return tuple(
            f"`{name.replace('_', '-')}` was {_shown(before[name])}, is {_shown(now[name])}"
            for name in now
            if before[name] != now[name]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target of a lock.

    Attributes:
        package: project that TensorFlow is installed from.
        version: exact version of it.
        extras: extras of it.
        accelerator: `cpu`, `cuda`, …
        python: minor version, `3.12`.
        platform: system, architecture and C library in a word: `linux-x86_64-glibc`.
        variables: that packages of the lock need in the environment, by name.
        breaks: what is known to break in it, and what it holds to for that, a line each.
    """

    package: str
    version: str
    extras: tuple[str, ...]
    accelerator: str
    python: str
    platform: str
    variables: dict[str, str] = field(default_factory=dict)
    breaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The own part of tfprov in a lock.

    Attributes:
        inputs: what it was resolved from.
        target: on the machine that made it.
        others: targets on the other platforms that it serves.
        bounds: constraints that tfprov added, because the smoke test failed without them.
        built: names of the packages that are built from their sources, because no wheel of them fits.
    """

    inputs: Inputs
    target: Target
    others: tuple[Target, ...] = ()
    bounds: tuple[str, ...] = ()
    built: tuple[str, ...] = ()

    def target_on(self, platform: str) -> Target | None:
        """The target on a platform; None when the lock was not made for it."""
        return next((each for each in (self.target, *self.others) if each.platform == platform), None)

    @property
    def platforms(self) -> str:
        """The platforms that the lock serves, for messages."""
        return ", ".join(each.platform for each in (self.target, *self.others))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The files for one interpreter on this machine, chosen from a lock file.

    Attributes:
        path: the lock file.
        digest: SHA-256 of its content.
        files: sorted by name.
        sources: what wheels have to be built from, sorted by name; empty once they are among the files.
        changes: why it was resolved in this run, one line each; empty when it was used as it was.
        from_folders: SHA-256 of the wheels among the files that were built from folders, sorted. The lock file names
            the folders only.
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
        """Hashes of all that it holds."""
        return (*(file.sha256 for file in self.files), *(source.identity for source in self.sources))

    def version(self, name: str) -> str | None:
        """The locked version of a project; None when the lock does not have it."""
        versions = {source.name: source.version for source in self.sources}
        versions.update((file.name, file.version) for file in self.files)
        return versions.get(name)


def file_name(profile: str) -> str:
    """Name of the lock file of a profile. The standard allows no dot inside its middle part.

    A name with a dot gets a part of its hash as well: `a.b` and `a-b` in one folder are two profiles.
    """
    mark = f"-{hashlib.sha256(profile.encode()).hexdigest()[:4]}" if "." in profile else ""
    return f"pylock.{profile.replace('.', '-')}{mark}.toml"


def _public(inputs: Inputs) -> dict[str, object]:
    """The inputs as a lock file holds them: without credentials in addresses."""
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
