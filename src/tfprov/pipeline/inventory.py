"""Takes inventory of the active generation: as a bill of materials, or to compare it with security advisories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tfprov.envs.generations import Environment
from tfprov.envs.integrity import installed
from tfprov.envs.records import Generation
from tfprov.inventory import advisories, cyclonedx
from tfprov.inventory.components import Component, InstalledPackage, components
from tfprov.pipeline.backends.choose import lock_of
from tfprov.pipeline.environments import find, verified


def bill_of_materials(profile: str, *, cwd: Path, environ: Mapping[str, str]) -> dict[str, object]:
    """The bill of materials of a profile's active generation, as a CycloneDX document.

    Raises:
        TfprovError: `environment-missing`, `environment-moved`, `lock-invalid`; what is wrong with the profile.
    """
    environment, generation = _in_use(profile, cwd, environ)
    seal = generation.sealed
    packages = [
        InstalledPackage(name=one.name, version=one.version, metadata=one.metadata)
        for one in installed(generation.path)
    ]
    found = components(packages, python_version=seal.python_version, wheels=_wheels(environment, seal.kind))
    subject = cyclonedx.DocumentSubject(
        name=environment.owner.name,
        version=seal.tensorflow,
        python=seal.python_version,
        lock=seal.lock_digest,
        made=seal.sealed_at,
    )
    return cyclonedx.document(subject, (*found, *_of_conda(generation)))


def audit(
    profile: str, places: Sequence[Path], *, accepted: Sequence[str], cwd: Path, environ: Mapping[str, str]
) -> tuple[str, advisories.Audit]:
    """Compare the packages of a profile's active generation with advisories.

    Args:
        profile: the profile as the user named it.
        places: zip archives, folders or JSON files with advisories, see `advisories.audit`.
        accepted: ids or aliases of advisories that are known and accepted.
        cwd: folder that relative paths are relative to.
        environ: variables of this process.

    Returns:
        Name of the environment, and the result.

    Raises:
        TfprovError: `environment-missing`, `environment-moved`, `usage`, `advisory-invalid`.
    """
    environment, generation = _in_use(profile, cwd, environ)
    versions = {one.name: one.version for one in installed(generation.path)}
    return environment.owner.name, advisories.audit(versions, places, accepted=accepted)


def _in_use(profile: str, cwd: Path, environ: Mapping[str, str]) -> tuple[Environment, Generation]:
    environment = find(profile, cwd=cwd, environ=environ)
    return environment, verified(environment, profile)


def _wheels(environment: Environment, kind: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """The wheels of the lock, see `pylock.wheels_of`; empty if the lock no longer exists or is one for conda."""
    lock = lock_of(environment, kind)
    if lock is None or kind != "venv":
        return {}
    from tfprov.lock.pylock import wheels_of

    return wheels_of(lock)


def _of_conda(generation: Generation) -> tuple[Component, ...]:
    if generation.seal is None or generation.seal.kind != "conda":
        return ()
    from tfprov.conda import prefix

    return tuple(Component(name=one.name, version=one.version, kind="conda") for one in prefix.records(generation.path))
