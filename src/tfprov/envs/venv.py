"""Creates empty virtual environments: with virtualenv, or with uv for a Python that is too old for it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

from tfprov import process, trees
from tfprov.envs.layout import python_in
from tfprov.errors import TfprovError
from tfprov.ladder.classify import classify_exception
from tfprov.paths import try_file
from tfprov.process import clean_environment
from tfprov.structured import numbers_in
from tfprov.temporary import temporary
from tfprov.trash import to_trash

# virtualenv queries an interpreter with code that 3.7 cannot parse, and bundles no pip for 3.8.
_OLDEST_FOR_VIRTUALENV = (3, 9)
_BUNDLED = "import ensurepip, os; print(os.path.join(os.path.dirname(ensurepip.__file__), '_bundled'))"
_SECONDS = 120.0
# Room for what virtualenv writes before it installs pip: launchers, activation scripts, files of the interpreter.
_ROOM = 256 * 1024
# From this release on virtualenv leaves a file beside the environment unless told otherwise.
_REDIRECTS = (21, 12)
_FAILURES = (RuntimeError, SystemExit, ValueError, AttributeError, TypeError, LookupError, EOFError, BadZipFile)
"""What virtualenv raises, also for what it finds in its cache: it takes any JSON there for its own."""
_SPECIAL = frozenset("'\"$`\\")
"""Characters of a path that mean something between double quotes, or end them."""
_MESSAGE = re.compile(r' *echo "Virtual environment directory .*? does not exist!" >&2\n', re.DOTALL)


def create(
    path: Path,
    *,
    python: Path,
    version: str,
    prompt: str,
    cache: Path,
    uv: Path,
    environ: Mapping[str, str],
    with_pip: bool = True,
) -> None:
    """Make a virtual environment without network access.

    Args:
        path: an empty folder.
        python: the base interpreter.
        version: its full version.
        prompt: what an activated shell shows.
        cache: virtualenv's own cache.
        uv: the executable, for Pythons before 3.9.
        environ: variables of this process; those that redirect Pythons are dropped.
        with_pip: whether to install pip. Before 3.9 it is the pip bundled with the interpreter, if any.

    Raises:
        TfprovError: `python-broken` when no environment can be made from that interpreter; `disk-full` and the like
            when the system is the cause.
        OSError: the disk is full, or the folder cannot be written.
    """
    if numbers_in(version) < _OLDEST_FOR_VIRTUALENV:
        _by_uv(path, python=python, prompt=prompt, uv=uv, environ=environ, with_pip=with_pip)
    else:
        try:
            _by_virtualenv(path, python=python, prompt=prompt, cache=cache, environ=environ, with_pip=with_pip)
        except PermissionError as error:
            # virtualenv looks into the folder that a Python was built for. That of a copy may belong to somebody else.
            if not error.filename or _is_below(str(error.filename), path, cache):
                raise
            _by_uv(path, python=python, prompt=prompt, uv=uv, environ=environ, with_pip=with_pip)
    _mend_activation(path)


def _is_below(file: str, *folders: Path) -> bool:
    return any(Path(file).is_relative_to(folder) for folder in folders)


def _by_uv(path: Path, *, python: Path, prompt: str, uv: Path, environ: Mapping[str, str], with_pip: bool) -> None:
    clean = clean_environment(environ)
    alone = ("--offline", "--no-cache", "--no-config")
    argv = (uv, "venv", "--python", python, "--prompt", prompt, "--allow-existing", "--no-project", *alone, path)
    made = process.run(argv, env=clean, timeout=_SECONDS)
    if not made.ok:
        _blame_the_disk(path)
        raise _broken(python, f"uv venv: {made.stderr.strip()}")
    bundled = process.run((python, "-I", "-c", _BUNDLED), env=clean, timeout=_SECONDS) if with_pip else None
    # Some Linux distributions remove ensurepip from their Python.
    if bundled is not None and bundled.ok:
        links = ("--no-index", "--find-links", bundled.stdout.strip())
        process.run(
            (uv, "pip", "install", "--python", python_in(path), *links, *alone, "pip"), env=clean, timeout=_SECONDS
        )


def _by_virtualenv(
    path: Path, *, python: Path, prompt: str, cache: Path, environ: Mapping[str, str], with_pip: bool
) -> None:
    from virtualenv import __version__ as virtualenv_version
    from virtualenv import session_via_cli

    arguments = [
        *("--python", str(python), "--prompt", prompt),
        *("--no-download", "--no-periodic-update", "--no-vcs-ignore"),
        # Links need a privilege on Windows that few users have, and Wine reports links that it does not make.
        *(("--copies",) if os.name == "nt" else ()),
        *(("--no-venv-redirect",) if numbers_in(virtualenv_version) >= _REDIRECTS else ()),
        # Pythons before 3.12 would get a setuptools that is not in the lock.
        *(("--no-setuptools",) if with_pip else ("--no-seed",)),
        str(path),
    ]
    # The user's virtualenv.ini could enable the system's packages or disable pip.
    clean = clean_environment(environ, VIRTUALENV_CONFIG_FILE=os.devnull)

    def make(kept: Path, *more: str) -> None:
        # Not by option, which comes too late: virtualenv has made its folder in the home directory, or failed, by then.
        environment = {**clean, "VIRTUALENV_OVERRIDE_APP_DATA": str(kept)}
        session_via_cli([*more, *arguments], setup_logging=False, env=environment).run()

    try:
        make(cache)
    except _FAILURES:
        _blame_the_disk(path, cache)
    else:
        return
    try:
        # A killed run or a loss of power may have left half of a pip, or of what is known about an interpreter, in
        # virtualenv's cache: try once more with an empty one.
        with temporary("virtualenv") as empty:
            make(empty, "--clear")
    except _FAILURES as error:
        failure = classify_exception(error)
        if failure.code.name != "internal":
            raise failure from error
        raise _broken(python, f"virtualenv: {error}") from error
    with contextlib.suppress(OSError):
        trees.delete(to_trash(cache))


def _broken(python: Path, said: str) -> TfprovError:
    return TfprovError(
        "python-broken",
        f"no environment can be created with `{python}`",
        evidence=(said,),
        hint="name another interpreter with `python.path`",
    )


def _mend_activation(path: Path) -> None:
    """Remove a message from the activation script that is a syntax error in every shell, or runs a part of the path.

    Releases before 21.12 quote the path for the shell and put the quoted form inside double quotes. conda-lock (extra
    `conda`) requires such a release; this can be removed when it no longer does.
    """
    script = path / "bin" / "activate"
    if script.is_file() and _SPECIAL.intersection(str(path)):
        script.write_bytes(os.fsencode(_MESSAGE.sub("", os.fsdecode(script.read_bytes()), count=1)))


def _blame_the_disk(*folders: Path) -> None:
    """Raise the OSError if the disk is full, which virtualenv reports as a broken interpreter."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        try_file(folder, bytes(_ROOM))
