"""Downloads an interpreter when none on this machine fits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tfprov import process
from tfprov.errors import TfprovError
from tfprov.redact import redact


def bring(version: str, *, uv: Path, folder: Path, cache: Path, environ: Mapping[str, str], timeout: float) -> Path:
    """A standalone Python in tfprov's own folder, downloaded by uv unless it is there already.

    Args:
        version: PEP 440 range, such as `==3.12.*`.
        uv: the executable.
        folder: folder of uv's Pythons.
        cache: uv's cache.
        environ: variables of the child process: proxies, certificates.
        timeout: seconds.

    Raises:
        TfprovError: `python-not-found` with uv's error message when no such Python can be downloaded.
    """
    where = ("--install-dir", str(folder), "--no-config", "--cache-dir", str(cache))
    install = process.run(
        [uv, "python", "install", version, *where, "--no-bin", "--no-registry", "--no-progress"],
        env=environ,
        timeout=timeout,
    )
    if install.ok:
        find = process.run(
            [uv, "python", "find", version, "--managed-python", "--no-config", "--cache-dir", cache],
            env={**environ, "UV_PYTHON_INSTALL_DIR": str(folder), "UV_PYTHON_DOWNLOADS": "never"},
            timeout=60,
        )
        path = Path(find.stdout.strip())
        if find.ok and path.is_file():
            return path
        install = find
    said = [line.strip() for line in redact(install.stderr).splitlines() if line.strip()]
    raise TfprovError(
        "python-not-found",
        f"Python `{version}` is not installed on this machine, and could not be downloaded",
        evidence=("uv's download of a standalone Python failed", *said[-5:]),
        hint="install such a Python (system packages, pyenv, conda), or name one with `python.path`",
    )
