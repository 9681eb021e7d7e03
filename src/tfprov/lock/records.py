"""The lock: the exact files of an environment, and what they were resolved from."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from tfprov.redact import without_userinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """One wheel that will be installed.

    Attributes:
        name: normalised project name.
        version: as the lock says it.
        filename: wheel file name.
        url: where the resolver found it, without credentials; `file://` for a local one.
        sha256: lower-case hexadecimal.
        size: bytes, or None when nobody has said yet.
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
    def is_wheel(self) -> bool:
        """Whether an installer of wheels takes it; else it is a conda package."""
        return self.filename.endswith(".whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a resolve depends on. Kept in the lock: when the profile gives other inputs, the lock is out of date.

    Attributes:
        profile: name of the profile.
        tensorflow: version range that the profile asks for; empty when it asks for none.
        accelerator: what the profile asks for, `auto` included.
        python: version range that the profile asks for.
        requirements: what the profile wants beside TensorFlow, lines of its requirements files included.
        constraints: bounds that the profile gives.
        overrides: taken instead of what packages ask for.
        exclude: projects that are not installed although something asks for them.
        index: index of the profile, without credentials; empty when the machine's own is used.
        extra: further indexes of the profile, without credentials.
        find_links: as the profile names them.
        exclude_newer: date of the profile.
        platforms: what the lock must serve beside the platform that it was made on.
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

    def changes_from(self, old: Inputs) -> tuple[str, ...]:
        """What is different here from an older lock's inputs, a line each. Credentials make no difference."""
        before, now = _public(old), _public(self)
        return tuple(
            f"`{name.replace('_', '-')}` was {_shown(before[name])}, is {_shown(now[name])}"
            for name in now
            if before[name] != now[name]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a lock was resolved for.

    Attributes:
        package: project that TensorFlow is installed from.
        version: exact version of it.
        extras: extras of it.
        accelerator: `cpu`, `cuda`, …
        python: minor version, `3.12`.
        platform: system, architecture and C library in a word: `linux-x86_64-glibc`.
    """

    package: str
    version: str
    extras: tuple[str, ...]
    accelerator: str
    python: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What tfprov keeps in a lock beside the files.

    Attributes:
        target: what it was resolved for on the machine that made it.
        others: the same for the other platforms that it serves.
        bounds: constraints that nobody asked for, without which the smoke test did not pass.
    """

    inputs: Inputs
    target: Target
    others: tuple[Target, ...] = ()
    bounds: tuple[str, ...] = ()

    def target_on(self, platform: str) -> Target | None:
        """What the lock holds for a platform; None when it was not made for it."""
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
        changes: why it was resolved in this run, a line each; empty when it was reused as it was.
    """

    path: Path
    digest: str
    target: Target
    files: tuple[LockedFile, ...]
    changes: tuple[str, ...] = ()

    def version(self, name: str) -> str | None:
        """The locked version of a project, or None when the lock does not have it."""
        return next((file.version for file in self.files if file.name == name), None)


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
