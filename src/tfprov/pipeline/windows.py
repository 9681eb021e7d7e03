"""Checks on Windows before anything is fetched: kind of environment, long paths, and the Visual C++ runtime."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from tfprov import visual_cpp
from tfprov.errors import TfprovError

LONGEST_INSIDE = 163
"""Number of characters of the longest path in TensorFlow's wheel, relative to site-packages."""
_LONGEST = 259


def check(
    *,
    kind: str,
    folders: Iterable[Path],
    python: Path,
    tensorflow: str,
    locked: Collection[str],
    environ: dict[str, str],
) -> None:
    """Check for conditions that would make the run fail after the download.

    Args:
        kind: of the environment: `venv` or `conda`.
        folders: folders that packages will be unpacked and installed into.
        python: the interpreter that the environment is made from.
        tensorflow: version of TensorFlow.
        locked: names of the packages that will be installed.
        environ: variables of this process.

    Raises:
        TfprovError: `not-supported`, `windows-long-path`, `windows-dll-load`.
    """
    if kind == "conda":
        # What stands at the stable path leads to virtual environments only: it starts the `Scripts\python.exe` of one.
        raise TfprovError(
            "not-supported",
            "tfprov cannot make an environment of conda on Windows",
            evidence=('`environment.kind = "conda"`',),
            hint="leave `environment.kind` out: a virtual environment has TensorFlow from the package index",
        )
    deepest = max(folders, key=lambda folder: len(str(folder)))
    if len(str(deepest)) + 1 + LONGEST_INSIDE > _LONGEST and not long_paths(deepest):
        raise _too_long(deepest)
    system = visual_cpp.system_folder(environ)
    missing = visual_cpp.missing(visual_cpp.needed(tensorflow), (system, python.parent, python.parent / "DLLs"))
    if missing and visual_cpp.BRINGS not in locked:
        raise _no_runtime(missing, tensorflow, system)


def long_paths(folder: Path) -> bool:
    """Whether paths may be longer than 259 characters.

    Tries it with temporary folders in the nearest existing folder; True if there is none.
    """
    there = next((each for each in (folder, *folder.parents) if each.is_dir()), None)
    if there is None:
        return True
    probe = there / f".tfprov-long-{os.getpid()}"
    try:
        (probe / ("x" * 130) / ("x" * 130)).mkdir(parents=True)
    except OSError:
        return False
    finally:
        shutil.rmtree(probe, ignore_errors=True)
    return True


def _too_long(deepest: Path) -> TfprovError:
    return TfprovError(
        "windows-long-path",
        f"paths below `{deepest}` would be too long for this Windows",
        evidence=(
            f"that folder has {len(str(deepest))} characters, the longest path in TensorFlow {LONGEST_INSIDE}; "
            f"{_LONGEST} are allowed",
            "a longer path could not be made: LongPathsEnabled is not set",
        ),
        hint="turn long paths on, as administrator: `reg add HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem "
        "/v LongPathsEnabled /t REG_DWORD /d 1 /f`; or set TFPROV_HOME to a short folder, such as `C:\\tf`",
    )


def _no_runtime(missing: tuple[str, ...], tensorflow: str, system: Path) -> TfprovError:
    return TfprovError(
        "windows-dll-load",
        f"TensorFlow {tensorflow} could not be loaded here: the runtime of Visual C++ is missing or too old",
        evidence=tuple(f"`{name}` is neither in `{system}` nor beside the interpreter" for name in missing),
        hint="install it with `winget install Microsoft.VCRedist.2015+.x64`; or, without an administrator, add "
        f"`{visual_cpp.BRINGS}` to `packages.requirements`, which brings it for this environment alone",
    )
