"""What the explanation of a log knows of the machine and of the wish, and the change of a profile that it proposes."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.contents import text_of
from tfprov.diagnose.records import Diagnosis, LogContext, ProfileChange
from tfprov.errors import TfprovError
from tfprov.profile.edit import difference, edited

if TYPE_CHECKING:
    from tfprov.host.records import Facts
    from tfprov.profile.records import Loaded


_FILES = frozenset({"network.ca-bundle", "python.path"})


def here(*, root: Path = Path("/")) -> LogContext:
    """What a look costs nothing for: for a log that was piped in, and so was printed on this machine."""
    names = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}
    system = names.get(platform.system())
    musl = system == "linux" and any((root / "lib").glob("ld-musl-*"))
    driver = system == "linux" and (root / "proc/driver/nvidia/version").exists()
    return LogContext(
        system=system,
        machine=platform.machine().lower().replace("amd64", "x86_64") or None,
        libc="musl" if musl else None,
        gpu=True if driver else None,
        container="docker" if (root / ".dockerenv").exists() else None,
        wsl=True if "microsoft" in platform.release().lower() else None,
    )


def with_facts(context: LogContext, facts: Facts) -> LogContext:
    """The context with all that the facts of a machine say."""
    libc, driver = facts.libc.value, facts.driver.value
    flags = facts.cpu_flags.value
    return replace(
        context,
        system=facts.system.value,
        machine=facts.machine.value,
        libc=libc.kind if libc else None,
        container=facts.container.value,
        wsl=facts.wsl.value,
        emulated=facts.emulation.value is not None,
        avx="avx" in flags if flags else None,
        gpu=any(gpu.vendor == "nvidia" for gpu in facts.gpus.value),
        driver=driver.version if driver else None,
    )


def with_profile(context: LogContext, loaded: Loaded) -> LogContext:
    """The context with what a profile asks for."""
    wish = loaded.profile.tensorflow
    accelerator = None if wish.accelerator == "auto" else wish.accelerator
    if loaded.profile.smoke.require_gpus and accelerator is None:
        accelerator = "cuda"
    return replace(
        context,
        accelerator=accelerator,
        profile=str(loaded.path),
        requested=str(wish.version) if wish.version is not None else None,
    )


def proposed(path: Path, found: Diagnosis) -> tuple[str, str]:
    """The profile as the remedy of the root cause would have it, and the difference; both empty without a change.

    Raises:
        TfprovError: `profile-missing`, `profile-invalid`.
    """
    root = found.root
    changes = [
        change
        for change in (root.remedy.changes if root and root.remedy else ())
        # The name of a file stands for one that only the user knows; a profile that names what is not there is refused.
        if change.key not in _FILES or (path.parent / str(change.value)).exists()
    ]
    if not changes:
        return "", ""
    try:
        before = text_of(path)
    except OSError as error:
        raise TfprovError("profile-missing", f"`{path}` cannot be read", evidence=(str(error),)) from error
    after = edited(before, as_mapping(changes))
    return after, difference(before, after, name=path.name)


def as_mapping(changes: Iterable[ProfileChange]) -> dict[str, str | bool | int | tuple[str, ...]]:
    """Changes by dotted key."""
    return {change.key: change.value for change in changes}
