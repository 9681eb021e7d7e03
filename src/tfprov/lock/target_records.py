"""The target of a lock. Apart from the other records of a lock, because every seal contains it: it loads quickly."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The target of a lock.

    Attributes:
        package: distribution that provides TensorFlow.
        version: its exact version.
        extras: its extras.
        accelerator: `cpu`, `cuda`, …
        python: minor version, `3.12`.
        platform: system, architecture and C library in one word: `linux-x86_64-glibc`.
        variables: environment variables that packages of the lock need, by name.
        breaks: known incompatibilities and the versions chosen because of them, one line each.
    """

    package: str
    version: str
    extras: tuple[str, ...]
    accelerator: str
    python: str
    platform: str
    variables: dict[str, str] = field(default_factory=dict)
    breaks: tuple[str, ...] = ()
