"""Cures: changes made to an environment after a failed smoke test so that it passes, and how they take effect.

They take effect in the environment's start-up files (see `startup.py`), so that an interpreter that is started directly
has them too; in `bin/activate`; and in the variables that `tfprov run` and `tfprov shell` set.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from tfprov.envs.following import through_stable
from tfprov.envs.layout import site_packages, startup
from tfprov.envs.records import Cure
from tfprov.errors import TfprovError
from tfprov.writing import write_atomic

MODULE = "_tfprov_cures"
_DATA_DIR = "--xla_gpu_cuda_data_dir"
_BEGIN, _END = "# >>> tfprov cures >>>", "# <<< tfprov cures <<<"
_BLOCK = re.compile(rf"^{_BEGIN}\n.*?^{_END}\n", re.MULTILINE | re.DOTALL)
_DEACTIVATE = "deactivate () {\n"


def apply(environment: Path, cures: Sequence[Cure]) -> None:
    """Apply exactly these cures to an unsealed environment, removing all others; none restores it as installed.

    Args:
        environment: its folder.
        cures: in the order in which they were found.

    Raises:
        TfprovError: `python-broken` when it has no site-packages.
        OSError: the disk is full, or the folder cannot be written.
    """
    roots = site_packages(environment)
    if not roots:
        raise TfprovError("python-broken", f"`{environment}` has no site-packages folder")
    module, starting = roots[0] / f"{MODULE}.py", startup(MODULE, "start")
    if cures:
        source = (resources.files("tfprov.envs") / "startup.py").read_bytes()
        write_atomic(module, source + _start_function(cures).encode("ascii"))
        for name, content in starting.items():
            write_atomic(roots[0] / name, content)
    else:
        for name in starting:
            (roots[0] / name).unlink(missing_ok=True)
        module.unlink(missing_ok=True)
    script = environment / "bin" / "activate"
    if script.is_file():
        before = os.fsdecode(script.read_bytes())
        after = through_stable(_activation(_BLOCK.sub("", before), environment, cures), environment)
        if after != before:
            mode = script.stat().st_mode & 0o777
            write_atomic(script, os.fsencode(after))
            script.chmod(mode)


def variables(environment: Path, cures: Sequence[Cure], environ: Mapping[str, str]) -> dict[str, str]:
    """The user's variables with LD_LIBRARY_PATH and XLA_FLAGS changed as the cures ask.

    The environment's Python needs neither, thanks to its start-up files; other programs in the environment do.
    """
    changed = dict(environ)
    front, without = _library_folders(environment, cures), {each for cure in cures for each in cure.without}
    if front or without:
        kept = [
            each for each in environ.get("LD_LIBRARY_PATH", "").split(":") if each and each not in {*without, *front}
        ]
        changed["LD_LIBRARY_PATH"] = ":".join((*front, *kept))
        if not changed["LD_LIBRARY_PATH"]:
            # An empty value is not "none": an empty entry stands for the working directory.
            del changed["LD_LIBRARY_PATH"]
    flags = _xla_flags(environment, cures)
    if flags and _DATA_DIR not in environ.get("XLA_FLAGS", ""):
        changed["XLA_FLAGS"] = f"{environ.get('XLA_FLAGS', '')} {flags}".strip()
    return changed


def _start_function(cures: Sequence[Cure]) -> str:
    """Source of the `start` function that passes the cures to `begin`, in ASCII: `.start` files take no arguments."""
    arguments = {
        "libraries": tuple(dict.fromkeys(each for cure in cures for each in cure.libraries)),
        "xla": tuple((_DATA_DIR, cure.cuda) for cure in cures if cure.cuda),
        "modules": tuple(dict.fromkeys(each for cure in cures for each in cure.modules)),
        "told": tuple(str(cure) for cure in cures),
    }
    given = ", ".join(f"{name}={value!a}" for name, value in arguments.items() if value)
    return f"\n\ndef start():\n    begin({given})\n"


def _library_folders(environment: Path, cures: Sequence[Cure]) -> tuple[str, ...]:
    roots = site_packages(environment)
    files = [roots[0] / each for cure in cures for each in cure.libraries] if roots else []
    return tuple(dict.fromkeys(os.path.normpath(file.parent) for file in files))


def _xla_flags(environment: Path, cures: Sequence[Cure]) -> str:
    roots = site_packages(environment)
    places = [os.path.normpath(roots[0] / cure.cuda) for cure in cures if cure.cuda] if roots else []
    return f"{_DATA_DIR}={shlex.quote(places[0])}" if places else ""


def _activation(script: str, environment: Path, cures: Sequence[Cure]) -> str:
    """The activation script for sh, bash and zsh with the cures' variables, which its `deactivate` restores."""
    folders, flags = _library_folders(environment, cures), _xla_flags(environment, cures)
    without = [each for cure in cures for each in cure.without]
    if _DEACTIVATE not in script or not (folders or without or flags):
        return script
    undo, do = [], []
    if folders or without:
        undo += _restored("LD_LIBRARY_PATH")
        do += [*_kept("LD_LIBRARY_PATH"), '_tfprov_path=":${LD_LIBRARY_PATH:-}:"']
        for each in (*without, *folders):
            entry = shlex.quote(f":{each}:")
            do += [
                f'while case "$_tfprov_path" in *{entry}*) true ;; *) false ;; esac; do',
                f'    _tfprov_path="${{_tfprov_path%%{entry}*}}:${{_tfprov_path#*{entry}}}"',
                "done",
            ]
        do += [
            f'_tfprov_path={shlex.quote(":".join(folders))}":${{_tfprov_path#:}}"',
            '_tfprov_path="${_tfprov_path#:}"; _tfprov_path="${_tfprov_path%:}"; _tfprov_path="${_tfprov_path%:}"',
            'if [ -n "$_tfprov_path" ]; then LD_LIBRARY_PATH="$_tfprov_path"; export LD_LIBRARY_PATH',
            "else unset LD_LIBRARY_PATH; fi",
            "unset _tfprov_path",
        ]
    if flags:
        undo += _restored("XLA_FLAGS")
        do += [
            *_kept("XLA_FLAGS"),
            f'case "${{XLA_FLAGS:-}}" in *{_DATA_DIR}*) ;; *)',
            f'    XLA_FLAGS="${{XLA_FLAGS:+$XLA_FLAGS }}"{shlex.quote(flags)}; export XLA_FLAGS ;;',
            "esac",
        ]
    # Zsh and bash parse a function when they meet it, so the restoring code has to stand inside it, at its beginning.
    script = script.replace(_DEACTIVATE, _DEACTIVATE + _block(undo), 1)
    return script.rstrip("\n") + "\n" + _block(do)


def _kept(name: str) -> list[str]:
    return [f'_OLD_TFPROV_{name}="${{{name}-}}"; _OLD_TFPROV_{name}_SET="${{{name}+yes}}"']


def _restored(name: str) -> list[str]:
    return [
        f'if [ -n "${{_OLD_TFPROV_{name}_SET+x}}" ]; then',
        f'    if [ -n "$_OLD_TFPROV_{name}_SET" ]; then {name}="$_OLD_TFPROV_{name}"; export {name}',
        f"    else unset {name}; fi",
        f"    unset _OLD_TFPROV_{name} _OLD_TFPROV_{name}_SET",
        "fi",
    ]


def _block(lines: Sequence[str]) -> str:
    return "\n".join((_BEGIN, *lines, _END, ""))
