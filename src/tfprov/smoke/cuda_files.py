"""What an environment has to cure itself with, asked of its own Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.events import ignore
from tfprov.smoke.group import probe_session, run_group
from tfprov.smoke.records import SmokeRequest

_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaFiles:
    """What could help.

    Attributes:
        libraries: CUDA libraries of the environment that TensorFlow opens, and what they need; relative to the folder
            of the packages, each behind those that it needs.
        crowding: folders on LD_LIBRARY_PATH that have a library of the same name.
        toolkits: folders with ptxas and libdevice: the environment's own relative to its packages, others absolute.
    """

    libraries: tuple[str, ...] = ()
    crowding: tuple[str, ...] = ()
    toolkits: tuple[str, ...] = ()


def cuda_files(python: Path, *, environ: Mapping[str, str]) -> CudaFiles:
    """What the environment of `python` has; nothing of what could not be found out.

    Raises:
        TfprovError: `python-broken` when the interpreter cannot be started.
    """
    with probe_session(python, SmokeRequest(timeout=_SECONDS), environ=environ, emit=ignore) as session:
        facts = run_group(session, "means").facts

    def texts(name: str) -> tuple[str, ...]:
        found = facts.get(name)
        return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()

    return CudaFiles(libraries=texts("libraries"), crowding=texts("crowding"), toolkits=texts("toolkits"))
