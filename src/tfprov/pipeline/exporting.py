"""Exports environments as container images, archives, file systems and modulefiles, which work without tfprov."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from tfprov import __version__, process, temporary
from tfprov.adopt.metadata import distributions_in
from tfprov.bundle import interpreters
from tfprov.contents import content_of
from tfprov.digests import sha256_of
from tfprov.envs.generations import Environment
from tfprov.envs.images import Image
from tfprov.envs.layout import BINDING, site_packages
from tfprov.envs.manifest import listed
from tfprov.envs.records import Generation, Seal
from tfprov.errors import TfprovError
from tfprov.export import archive, earlier, modulefile, oci
from tfprov.export.tree import MOMENT, ExportedEnvironment, TreeMember, members
from tfprov.locks import STUCK_SECONDS
from tfprov.pipeline.backends.choose import lock_of
from tfprov.pipeline.environments import find, in_use
from tfprov.pipeline.variables import Changes, changes
from tfprov.products import Product, check_place
from tfprov.smoke import receipt as receipts
from tfprov.trees import put_in_place
from tfprov.writing import write_atomic

Format: TypeAlias = Literal["oci", "squashfs", "tar", "modulefile"]
_PREFIX = re.compile(r"(/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)+")
"""A path without `.` and `..`, with which no archive can be unpacked."""
_OWN = re.compile(rf"(\.gitignore|CACHEDIR\.TAG|(.*/)?{BINDING}\.(py|pth|start))")
_SQUASHFS = ("-comp", "zstd", "-Xcompression-level", "9", "-quiet", "-no-progress", "-noappend")
_MAPS = Path("/proc/self/maps")
_NAMED = 3
"""How many of the files in the way a message names."""
_MODULES = Product(what="a modulefile", is_ours=lambda stream: b"made by tfprov" in stream.read(400))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """Options of an export.

    Attributes:
        form: format to write.
        output: absolute path to write to.
        prefix: absolute path of the environment on the target; empty for `/opt/tfprov/NAME`.
        base: base image, as a folder in OCI layout; None for none.
        python_at: absolute path of an interpreter that exists on the target; empty to include the interpreter.
        replace: whether to replace what exists at the output path.
    """

    form: Format
    output: Path
    prefix: str = ""
    base: Path | None = None
    python_at: str = ""
    replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An export that was written.

    Attributes:
        path: path of the file, or of the folder of an image.
        digest: SHA-256 of the file, for an image of its manifest; empty for a modulefile.
        size: size in bytes.
        prefix: path of the environment on the target; for a modulefile, its path on this machine.
        needs: shared libraries that the interpreter needs from the system, other than those of every glibc.
        left: variables of the profile that must be set on the target, since they refer to others (`${TOKEN}`).
    """

    path: Path
    digest: str
    size: int
    prefix: str
    needs: tuple[str, ...]
    left: tuple[str, ...]


def export(profile: str, request: ExportRequest, *, cwd: Path, environ: Mapping[str, str]) -> Made:
    """Export the active generation, which is not deleted meanwhile. The output appears complete or not at all.

    Args:
        profile: the profile as the user named it.
        request: options.
        cwd: working directory.
        environ: variables of the user.

    Raises:
        TfprovError: `environment-missing`, `environment-moved`, `path-not-ours`, `python-not-movable`, `not-supported`,
            `usage`; the code of the flaw when the environment is damaged.
        OSError: the disk is full.
    """
    _check(request)
    environment = find(profile, cwd=cwd, environ=environ)
    generation = in_use(environment, profile)
    seal = generation.sealed
    flaw = environment.flaw(generation)
    if flaw is not None:
        raise TfprovError(
            flaw.code, f"the environment was not exported: {flaw.words}", hint="run `tfprov repair` first"
        )
    names = {name: "" for text in seal.variables.values() for name in modulefile.REFERENCE.findall(text)}
    activation = changes(generation, {"PATH": os.defpath, **names})
    left = tuple(sorted(name for name, text in seal.variables.items() if modulefile.REFERENCE.search(text)))
    request.output.parent.mkdir(parents=True, exist_ok=True)
    if request.form == "modulefile":
        return _module(environment, seal, request, activation)
    _check_kind(environment, generation, seal)
    prefix = request.prefix or f"/opt/tfprov/{re.sub(r'[^A-Za-z0-9._-]+', '-', environment.owner.name)}"
    with temporary.temporary("export") as work:
        python: Path | None = None
        needs: tuple[str, ...] = ()
        executable = request.python_at
        if not executable:
            python = work / "python"
            moved = interpreters.copy(Path(os.path.realpath(seal.python)), python, environ=environ)
            needs, executable = moved.needs, moved.executable
        exported = ExportedEnvironment(
            root=generation.path,
            names=_names(environment, generation, seal),
            files=tuple(path for path in listed(generation.path) if not _OWN.fullmatch(path)),
            bytecode=_bytecode(environment, generation, seal),
            python=python,
            executable=executable,
            version=seal.python_version,
            prefix=prefix,
            notes=_notes(environment, seal),
        )
        relocated = _relocated(activation, exported, left)
        digest = _write(request, list(members(exported)), relocated, environment=environment, seal=seal, work=work)
    return Made(path=request.output, digest=digest, size=_size(request.output), prefix=prefix, needs=needs, left=left)


def _check(request: ExportRequest) -> None:
    for path, what in ((request.prefix, "an environment"), (request.python_at, "an interpreter")):
        if path and not _PREFIX.fullmatch(path):
            raise TfprovError(
                "usage",
                f"`{path}` cannot be the path of {what}",
                hint="use an absolute path of letters, digits, `.`, `_` and `-`",
            )
    if request.base is not None and request.form != "oci":
        raise TfprovError("usage", "`--base` is for `--format oci` only")
    if request.form == "modulefile" and not request.replace:
        _MODULES.check(request.output)
    elif os.path.lexists(request.output):
        _check_replaceable(request)
    check_place(request.output)
    if request.form == "squashfs" and shutil.which("mksquashfs") is None:
        raise TfprovError(
            "not-supported",
            "`mksquashfs`, which writes the file system, is not on PATH",
            hint="install squashfs-tools 4.5 or newer, or export as `tar` and make the file system elsewhere",
        )


def _check_replaceable(request: ExportRequest) -> None:
    """Refuse to replace what exists, unless that was requested; of folders, images alone are replaced.

    What may be this very export, because a run was killed when it had written it, is compared when it is known.

    Raises:
        TfprovError: `path-not-ours`.
    """
    output = request.output
    if not request.replace and not earlier.looks_exported(output):
        raise _exists(output)
    if output.is_symlink() or not output.is_dir():
        return
    if foreign := oci.foreign(output):
        raise TfprovError(
            "path-not-ours",
            f"`{output}` is a folder that is not an image, and is not replaced",
            evidence=tuple(f"it contains `{name}`" for name in foreign[:_NAMED]),
            hint="choose another path",
        )


def _exists(output: Path, *evidence: str) -> TfprovError:
    hint = "choose another path, or pass `--force`"
    return TfprovError("path-not-ours", f"`{output}` already exists", evidence=evidence, hint=hint)


def _check_kind(environment: Environment, generation: Generation, seal: Seal) -> None:
    """Refuse environments that cannot be moved to another path.

    Raises:
        TfprovError: `not-supported`, `filesystem-feature`.
    """
    name = environment.owner.name
    if sys.platform != "linux":
        raise TfprovError(
            "not-supported",
            "only Linux environments can be exported",
            hint="`tfprov bundle` works on other systems too",
        )
    if not _MAPS.exists():
        raise TfprovError(
            "filesystem-feature",
            f"`{_MAPS}` is missing, which shows what the interpreter needs from the system",
            hint="mount `/proc`, as in any container",
        )
    if seal.kind != "venv":
        raise TfprovError(
            "not-supported",
            f"`{name}` is a conda environment: its programs contain its path",
            hint="`--format modulefile` writes a modulefile that loads it in place",
        )
    for root in site_packages(generation.path):
        for one in distributions_in(root, generation.path):
            if one.origin is not None and one.origin.is_editable:
                raise TfprovError(
                    "not-supported",
                    f"`{name}` contains an editable project: `{one.project}`",
                    evidence=(one.origin.url,),
                    hint='install it as a wheel (`packages.project = "wheel"`, or no `-e`): run `tfprov up`',
                )


def _names(environment: Environment, generation: Generation, seal: Seal) -> tuple[str, ...]:
    found = {str(generation.path), str(environment.root / "current"), str(environment.root), seal.place, seal.adopted}
    found |= {os.path.realpath(generation.path), environment.owner.link}
    return tuple(sorted((each for each in found if len(each) > 1), key=len, reverse=True))


def _bytecode(environment: Environment, generation: Generation, seal: Seal) -> dict[str, Path]:
    """The bytecode files of the verified generation, by relative path.

    They come from its image if there is one, which has none that programs have compiled since.
    """
    image = Image(environment.root.parent.parent / "images" / seal.image) if seal.image else None
    if image is not None and image.exists:
        return image.bytecode()
    return {
        path.relative_to(generation.path).as_posix(): path
        for root in site_packages(generation.path)
        for path in sorted(root.rglob("__pycache__/*.pyc"))
        if not path.name.startswith(BINDING)
    }


def _notes(environment: Environment, seal: Seal) -> dict[str, bytes]:
    notes = {}
    lock = lock_of(environment, seal.kind)
    if lock is not None:
        notes[lock.name] = content_of(lock)
    if seal.verdict:
        # Without the machine, which a seal records in another form.
        receipt = receipts.Receipt(
            made=seal.sealed_at, tfprov=__version__, lock=seal.lock_digest, machine={}, document=seal.verdict
        )
        notes["receipt.json"] = receipts.render(receipt)
    return notes


def _relocated(activation: Changes, exported: ExportedEnvironment, left: tuple[str, ...]) -> Changes:
    def there(text: str) -> str:
        for name in exported.names:
            text = text.replace(name, exported.prefix)
        return text

    values = {name: there(value) for name, value in activation.values.items() if name not in left}
    return Changes(path=tuple(map(there, activation.path)), values=values, templates={}, unset=())


def _write(
    request: ExportRequest,
    tree: list[TreeMember],
    activation: Changes,
    *,
    environment: Environment,
    seal: Seal,
    work: Path,
) -> str:
    """Write the export beside the output path, then rename it into place; returns its digest.

    Raises:
        TfprovError: `path-not-ours` when something else is there, and is not to be replaced.
    """
    is_archive = request.output.name.endswith(".tar")
    is_folder = request.form == "oci" and not is_archive
    with temporary.staged(request.output, folder=is_folder) as stage:
        if request.form == "oci":
            layout = stage if is_folder else work / "layout"
            layout.mkdir(exist_ok=True)
            digest = oci.write(layout, tree, _described(environment, seal, activation), base=request.base).partition(
                ":"
            )[2]
            if not is_folder:
                archive.write(stage, _files_of(layout))
        elif request.form == "squashfs":
            _squash(tree, stage, work / "tree.tar")
            digest = sha256_of(stage)
        else:
            digest, _ = archive.write(stage, tree, packed=request.output.name.endswith((".gz", ".tgz")))
        if request.replace or not os.path.lexists(request.output):
            put_in_place(stage, request.output)
        elif not earlier.is_same(stage, request.output):
            raise _exists(request.output, "its content differs from that of this export")
    return digest


def _described(environment: Environment, seal: Seal, activation: Changes) -> oci.Described:
    return oci.Described(
        name=re.sub(r"[^a-z0-9._-]+", "-", environment.owner.name.lower()).strip("-._") or "environment",
        machine=os.uname().machine,
        path=activation.path,
        variables=activation.values,
        command=("python",),
        labels={
            "tfprov.tensorflow": seal.tensorflow,
            "tfprov.python": seal.python_version,
            "tfprov.lock": seal.lock_digest,
            "tfprov.verified": f"{seal.level} {seal.sealed_at}",
        },
    )


def _files_of(layout: Path) -> list[TreeMember]:
    return [
        TreeMember(
            path=path.relative_to(layout).as_posix(), source=None if path.is_dir() else path, is_folder=path.is_dir()
        )
        for path in sorted(layout.rglob("*"))
    ]


def _squash(tree: list[TreeMember], target: Path, pipe: Path) -> None:
    """Write a file system. `mksquashfs` gets the tree as an archive through a pipe, so that none is stored on disk."""
    os.mkfifo(pipe)
    target.unlink()
    moment = ("-mkfs-time", str(MOMENT), "-all-time", str(MOMENT))
    # Not `sqfstar`, which does the same, but in 4.5 does not accept a compression level.
    script = 'pipe=$1; shift; exec mksquashfs - "$@" -tar <"$pipe"'
    given = 0

    def counted() -> Iterator[TreeMember]:
        nonlocal given
        for given, member in enumerate(tree):  # noqa: B007 - it says how far the archive is
            yield member

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="export") as pool:
        written = pool.submit(archive.write, pipe, counted())
        command = ["sh", "-c", script, "mksquashfs", str(pipe), str(target), *_SQUASHFS, *moment]
        try:
            done = process.run(
                command,
                env={**os.environ, "LC_ALL": "C"},
                progress=lambda: (given, _written(target)),
                stuck=STUCK_SECONDS,
            )
        finally:
            # If nothing has opened the pipe for reading (a failure, Ctrl-C), the writer would wait for ever.
            with contextlib.suppress(OSError):
                os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
    failure = written.exception()
    if done.timed_out:
        raise TfprovError(
            "not-supported",
            "the file system could not be written",
            evidence=(f"`mksquashfs` made no progress for {STUCK_SECONDS:.0f} s and was ended",),
            hint="run it again; `--format tar` does without `mksquashfs`",
        )
    if not done.ok:
        lines = (done.stderr or done.stdout).strip().splitlines()
        if any(os.strerror(errno.ENOSPC) in line for line in lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise TfprovError("not-supported", "the file system could not be written", evidence=tuple(lines[-3:]))
    if failure is not None:
        raise failure


def _written(target: Path) -> int:
    """Bytes in a file so far; 0 before there is one."""
    try:
        return target.stat().st_size
    except OSError:
        return 0


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size


def _module(environment: Environment, seal: Seal, request: ExportRequest, activation: Changes) -> Made:
    what = f"TensorFlow {seal.tensorflow} on Python {seal.python_version}: {environment.owner.name} (made by tfprov)"
    templates = {name: text for name, text in activation.templates.items() if modulefile.REFERENCE.search(text)}
    module = modulefile.Module(what=what, path=activation.path, values=activation.values, templates=templates)
    text = modulefile.lua(module) if request.output.suffix == ".lua" else modulefile.tcl(module)
    if request.replace:
        write_atomic(request.output, text.encode())
    else:
        _MODULES.write(request.output, text.encode())
    return Made(
        path=request.output,
        digest="",
        size=len(text.encode()),
        prefix=str(environment.root / "current"),
        needs=(),
        left=tuple(sorted(templates)),
    )
