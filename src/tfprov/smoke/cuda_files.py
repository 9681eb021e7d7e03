"""Lists the CUDA files that cures can use, as the environment's own Python finds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfprov.events import ignore
from tfprov.smoke.group import probe_session, run_group
from tfprov.smoke.records import SmokeRequest
from tfprov.structured import texts_of

_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaFiles:
    """CUDA files that cures can use.

    Attributes:
        libraries: CUDA libraries in the environment that TensorFlow opens, and those that they depend on; relative to
            site-packages, each after its dependencies.
        crowding: folders on LD_LIBRARY_PATH that contain a library of the same name.
        toolkits: folders with ptxas and libdevice: in the environment relative to site-packages, others absolute.
    """

    libraries: tuple[str, ...] = ()
    crowding: tuple[str, ...] = ()
    toolkits: tuple[str, ...] = ()


def cuda_files(python: Path, *, environ: Mapping[str, str]) -> CudaFiles:
    """Find the CUDA files for an environment; what could not be determined stays empty.

    Args:
        python: interpreter of the environment.
        environ: environment variables of the user.

    Raises:
        TfprovError: `python-broken` when the interpreter cannot be started.
    """
    with probe_session(python, SmokeRequest(timeout=_SECONDS), environ=environ, emit=ignore) as session:
        facts = run_group(session, "means").facts
    return CudaFiles(
        libraries=texts_of(facts.get("libraries")),
        crowding=texts_of(facts.get("crowding")),
        toolkits=texts_of(facts.get("toolkits")),
    )
