"""Linking with an installed conda, mamba or micromamba. It is given an explicit file and never solves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfprov import process
from tfprov.conda import prefix
from tfprov.conda.client import LinkPackage
from tfprov.errors import TfprovError
from tfprov.redact import redact
from tfprov.temporary import temporary

NAMES = ("micromamba", "mamba", "conda")
_PROBE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A program that links packages.

    Attributes:
        path: absolute.
        kind: `conda`, `mamba` or `micromamba`.
        version: as it reports itself.
    """

    path: Path
    kind: str
    version: str

    def link(
        self, target: Path, packages: Sequence[LinkPackage], *, cache: Path, environ: Mapping[str, str], seconds: float
    ) -> None:
        """Make an environment of exactly these packages, from the store, without network access.

        Args:
            target: an empty folder.
            packages: each with its archive.
            cache: parent of the program's own cache of unpacked packages.
            environ: environment variables of the program.
            seconds: time limit.

        Raises:
            TfprovError: `cache-corrupt` when an archive is missing; `install-failed` with the program's output.
        """
        absent = [one.package.filename for one in packages if one.path is None]
        if absent:
            raise TfprovError("cache-corrupt", f"`{absent[0]}` is not in the store", evidence=tuple(absent[:5]))
        archives = [(one.package, one.path) for one in packages if one.path is not None]
        own = cache / self.kind
        settings = {
            **environ,
            "CONDA_PKGS_DIRS": str(own / "packages"),
            "MAMBA_ROOT_PREFIX": str(own / "root"),
            # The user's channels, defaults and pinned packages must not change what the lock specifies.
            "CONDARC": os.devnull,
            "MAMBARC": os.devnull,
            "CONDA_OFFLINE": "1",
        }
        target.rmdir()
        with temporary("conda") as folder:
            listed = prefix.for_executable(folder / "explicit.txt", archives)
            argv: list[str | Path] = [self.path, "create", "--yes", "--offline", "--prefix", target, "--file", listed]
            answer = process.run(argv, env=settings, timeout=seconds)
        target.mkdir(parents=True, exist_ok=True)
        said = tuple(line for line in redact(answer.stderr + answer.stdout).splitlines() if line.strip())[-8:]
        if not answer.ok:
            words = "did not finish in time" if answer.timed_out else f"ended with status {answer.returncode}"
            raise TfprovError("install-failed", f"`{self.path}` {words}", evidence=said)
        linked = {f"{one.name}-{one.version}-{one.build}" for one in prefix.records(target)}
        wanted = {one.package.stem for one in packages}
        if linked != wanted:
            raise TfprovError(
                "package-drift",
                f"`{self.path}` did not link the packages of the lock",
                evidence=(
                    f"missing: {', '.join(sorted(wanted - linked)) or 'none'}",
                    f"not in the lock: {', '.join(sorted(linked - wanted)) or 'none'}",
                ),
                hint='use `conda.engine = "library"`',
            )


def find_engine(named: Path | None, found: Sequence[str], *, environ: Mapping[str, str]) -> Engine:
    """The program that the profile names, or else the first usable one on the machine.

    Args:
        named: path in the profile; None to look among `found`.
        found: programs and installation folders from the facts.
        environ: environment variables of the program.

    Raises:
        TfprovError: `not-supported` when none can be started.
    """
    candidates = [named] if named is not None else list(_programs(found))
    tried = []
    for path in candidates:
        try:
            answer = process.run([path, "--version"], env=environ, timeout=_PROBE_SECONDS)
        except OSError as error:
            tried.append(f"`{path}`: {error.strerror}")
            continue
        words = answer.stdout.split()
        if answer.ok and words:
            kind = next((name for name in NAMES if name in path.name), "conda")
            return Engine(path=path, kind=kind, version=words[-1])
        tried.append(f"`{path} --version` ended with status {answer.returncode}")
    raise TfprovError(
        "not-supported",
        "no usable conda, mamba or micromamba was found",
        evidence=tuple(tried) or ("looked in CONDA_EXE, MAMBA_EXE, PATH and the usual folders",),
        hint='name one with `conda.executable`, or use `conda.engine = "library"`, which needs none',
    )


def _programs(found: Sequence[str]) -> list[Path]:
    programs = [Path(each) for each in found if Path(each).name.split(".")[0] in NAMES and Path(each).is_file()]
    for each in found:
        for name in NAMES:
            inside = shutil.which(name, path=os.pathsep.join((f"{each}/condabin", f"{each}/bin")))
            if inside is not None:
                programs.append(Path(inside))
    return sorted(
        dict.fromkeys(programs), key=lambda path: NAMES.index(next(n for n in NAMES if path.name.startswith(n)))
    )
