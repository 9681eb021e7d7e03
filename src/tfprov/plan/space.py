"""Checks that the disks and the memory of a machine are large enough for a plan."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tfprov import words
from tfprov.errors import TfprovError
from tfprov.host.records import Disk, Facts
from tfprov.plan.compat import Compat
from tfprov.plan.records import Plan

# Size of an environment's bytecode with some reserve: 75 MB beside 1.46 GB for TensorFlow 2.21.0 on the CPU.
BYTECODE = 80_000_000
# Importing TensorFlow 2.21 takes 0.5 GB; with less than half of that, nothing is started.
_LEAST_MEMORY = 256_000_000
_ENOUGH_MEMORY = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    """Bytes and files that will be written to one file system, with their purposes."""

    disk: Disk
    size: int
    files: int
    purposes: tuple[str, ...]


def shortage(plan: Plan, facts: Facts, table: Compat) -> TfprovError | None:
    """The error for a lack of memory or disk space; None when there is enough, and where sizes are unknown.

    The store is assumed to be empty, because its content is not known here.

    Args:
        plan: with its sizes.
        facts: about the machine; only the disks in them are checked.
        table: has sizes on Linux x86-64; those of CPU builds are similar elsewhere.
    """
    needs = tuple(_needs(plan, facts, table))
    if 0 < facts.memory_bytes.value < _LEAST_MEMORY:
        return TfprovError(
            "oom-killed",
            f"TensorFlow cannot be imported in {words.size(facts.memory_bytes.value)} of memory",
            evidence=(
                f"memory: {words.size(facts.memory_bytes.value)} ({facts.memory_bytes.source})",
                f"importing TensorFlow takes about {words.size(2 * _LEAST_MEMORY)}",
            ),
            hint="give the machine or the container more memory",
        )
    short = [need for need in needs if need.size > need.disk.free_bytes]
    if short:
        return TfprovError(
            "disk-full",
            "there is not enough disk space for the environment",
            evidence=tuple(
                f"`{need.disk.path}`: {words.size(need.size)} needed for {' and '.join(need.purposes)}, "
                f"{words.size(need.disk.free_bytes)} free ({facts.disks.source})"
                for need in short
            ),
            hint="free some space, or move tfprov's folders with TFPROV_HOME",
        )
    few = [need for need in needs if need.disk.free_files is not None and need.files > need.disk.free_files]
    if few:
        return TfprovError(
            "disk-full",
            "the file system does not have enough inodes for the environment",
            evidence=tuple(
                f"`{need.disk.path}`: {need.files} files needed for {' and '.join(need.purposes)}, "
                f"{need.disk.free_files} can be made ({facts.disks.source})"
                for need in few
            ),
            hint="remove files that are not needed, or move tfprov's folders with TFPROV_HOME",
        )
    return None


def with_room(plan: Plan, facts: Facts, table: Compat, on_cpu: Callable[[], Plan]) -> Plan:
    """The plan, if the machine has room for it.

    Args:
        plan: for a machine of which only the facts are known.
        facts: about the machine.
        table: has sizes.
        on_cpu: gives the plan without CUDA; called only where CUDA does not fit.

    Raises:
        TfprovError: `disk-full` or `oom-killed`; where the CPU build has room, the hint says so.
    """
    error = shortage(plan, facts, table)
    if error is None:
        return plan
    if plan.decision.tensorflow.accelerator == "cuda":
        with contextlib.suppress(TfprovError):
            small = on_cpu()
            if shortage(small, facts, table) is None and small.peak_disk_bytes is not None:
                files = f" and {small.files} files" if small.files is not None else ""
                error.hint += f"; for the CPU, {words.size(small.peak_disk_bytes)}{files} are enough"
    raise error


def notes(plan: Plan, facts: Facts, table: Compat) -> Iterator[str]:
    """Notes on scarce disk space and memory, where files that are here already may help."""
    found = shortage(plan, facts, table)
    if found is not None:
        yield f"{found.what}, unless most of it is here already: {'; '.join(found.evidence)}"
    elif 0 < facts.memory_bytes.value < _ENOUGH_MEMORY:
        yield f"{words.size(facts.memory_bytes.value)} of memory is little: importing TensorFlow takes half a GB"


def _needs(plan: Plan, facts: Facts, table: Compat) -> Iterator[_Need]:
    download, unpacked, files = plan.download_bytes, plan.unpacked_bytes, plan.files
    if unpacked is None and plan.decision.tensorflow.accelerator == "cpu":
        # For conda this may be a range, or text that leaves the version to the channel.
        minor = plan.decision.tensorflow.version.split(".")[:2]
        like = [row for row in table.closures if row.accelerator == "cpu" and row.version.split(".")[:2] == minor]
        if like:
            download, unpacked, files = like[0].download, like[0].unpacked, like[0].files
    disks = {disk.purpose: disk for disk in reversed(facts.disks.value)}
    target = disks.get("target") or disks.get("data")
    cache = disks.get("cache") or target
    if download is None or unpacked is None or target is None or cache is None:
        return
    if cache.device == target.device:
        # Files are hard-linked from where they were unpacked, so they count once.
        purposes = ("the wheels", "the environment")
        yield _Need(disk=target, size=download + unpacked + BYTECODE, files=files or 0, purposes=purposes)
        return
    yield _Need(disk=cache, size=download + unpacked, files=files or 0, purposes=("the wheels", "their unpacked files"))
    yield _Need(disk=target, size=unpacked + BYTECODE, files=files or 0, purposes=("the environment",))
