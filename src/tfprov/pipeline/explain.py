"""Gives the explanation of a log its context (machine, profile), and applies the profile change that it proposes."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov.contents import content_of, text_of
from tfprov.diagnose.records import Diagnosis, LogContext, ProfileChange
from tfprov.errors import TfprovError
from tfprov.profile.edit import difference, edited
from tfprov.profile.source import given

if TYPE_CHECKING:
    from tfprov.host.records import Facts
    from tfprov.profile.records import Loaded


_FILES = frozenset({"network.ca-bundle", "python.path"})


def here() -> LogContext:
    """Properties of this machine that are cheap to read, for a log that was piped in and so was printed here."""
    names = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}
    system = names.get(platform.system())
    musl = system == "linux" and any(Path("/lib").glob("ld-musl-*"))
    driver = system == "linux" and Path("/proc/driver/nvidia/version").exists()
    return LogContext(
        system=system,
        machine=platform.machine().lower().replace("amd64", "x86_64") or None,
        libc="musl" if musl else None,
        gpu=True if driver else None,
        container="docker" if Path("/.dockerenv").exists() else None,
        wsl=True if "microsoft" in platform.release().lower() else None,
    )


def with_facts(context: LogContext, facts: Facts) -> LogContext:
    """The context with everything that the facts of a machine say."""
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
    """Apply the remedy of the root cause to the text of a profile. Writes nothing.

    Returns:
        The new text and a diff; both empty if the remedy changes nothing in the profile, and for a file that has no
        keys of one (a list of requirements, a script).

    Raises:
        TfprovError: `profile-missing`, `profile-invalid`.
    """
    root = found.root
    changes = [
        change
        for change in (root.remedy.changes if root and root.remedy else ())
        # The file in such a change is a placeholder for one that only the user knows. It is left out unless it exists:
        # a profile that names a missing file is invalid.
        if change.key not in _FILES or (path.parent / str(change.value)).exists()
    ]
    if not changes:
        return "", ""
    try:
        profile, before = given(path, content_of(path)), text_of(path)
    except OSError as error:
        raise TfprovError("profile-missing", f"`{path}` cannot be read", evidence=(str(error),)) from error
    except ValueError as error:
        raise TfprovError("profile-invalid", f"`{path}` cannot be read", evidence=(str(error),)) from error
    if not profile.text or path.suffix == ".py":
        return "", ""
    wanted = {change.key: change.value for change in changes} | _without_gpu(changes, profile.document)
    after = edited(before, {".".join((*profile.prefix, key)): value for key, value in wanted.items()})
    return after, difference(before, after, name=path.name)


def _without_gpu(changes: Iterable[ProfileChange], document: Mapping[str, object]) -> dict[str, str | int]:
    """The demands for a GPU that a profile has to drop when it is changed to the CPU, because they contradict it."""
    smoke = document.get("smoke")
    if ProfileChange(key="tensorflow.accelerator", value="cpu") not in changes or not isinstance(smoke, dict):
        return {}
    found: dict[str, str | int] = {"smoke.require-gpus": 0} if smoke.get("require-gpus") else {}
    return {**found, "smoke.gpu": "now"} if smoke.get("gpu") == "later" else found
