"""Generations: complete environments side by side, and one link to the verified one.

Layout of an environment's folder:

    owner.json            whose it is
    .lock                 held by the tfprov that works on it
    generations/0007/     an environment; `tfprov.json` in it is its seal, `tfprov.manifest` the list of its files
    current -> generations/0007
    scratch/              what an installer needs while it works

Nothing in a sealed generation is ever changed by tfprov. `current`, and through it the path that the profile asks for,
changes by one rename.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from tfprov.envs.records import Damage, Generation, Owner, Seal
from tfprov.errors import TfprovError
from tfprov.paths import write_atomic

SEAL = "tfprov.json"
MANIFEST = "tfprov.manifest"


def environment_id(name: str, profile: Path) -> str:
    """Folder name of a profile's environment: two profiles of one name in two projects are two environments."""
    return f"{name}-{hashlib.sha256(str(profile.resolve()).encode()).hexdigest()[:8]}"


class Environment:
    """The generations of one profile's environment.

    Attributes:
        root: its folder.
        stable: the path that never points at anything unverified.
    """

    def __init__(self, root: Path, *, owner: Owner) -> None:
        self.root = root
        self.owner = owner
        self._current = root / "current"
        self.stable = Path(owner.link) if owner.link else self._current

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.root.name

    @classmethod
    def open(cls, root: Path) -> Environment | None:
        """The environment in a folder; None when the folder is none of ours."""
        try:
            owner = TypeAdapter(Owner).validate_json((root / "owner.json").read_bytes())
        except (OSError, ValidationError):
            return None
        return cls(root, owner=owner)

    def claim(self) -> None:
        """Make the folder and write down whose it is, unless that stands there already.

        Raises:
            TfprovError: `path-not-ours` when something else stands at the stable path.
            OSError: the folder cannot be made.
        """
        self.check_link()
        before = Environment.open(self.root)
        if before is not None:
            links = {*before.owner.former, before.owner.link} - {self.owner.link, ""}
            self.owner = dataclasses.replace(self.owner, former=tuple(sorted(links)))
        if before is None or before.owner != self.owner:
            self._write_owner()

    @contextlib.contextmanager
    def locked(self, *, timeout: float = -1) -> Iterator[None]:
        """Hold the environment against other tfprov processes. The operating system frees it when the holder dies.

        Args:
            timeout: seconds to wait for another holder; negative to wait for ever, 0 not to wait.

        Raises:
            TfprovError: `lock-timeout`.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / ".lock")
        try:
            lock.acquire(timeout=timeout)
        except Timeout as error:
            raise TfprovError(
                "lock-timeout",
                f"another tfprov works on `{self.owner.name}`",
                evidence=(f"it holds `{lock.lock_file}`",),
            ) from error
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder for the run that holds the environment, deleted at the end.

        What a killed run left in it is deleted first: below the lock of the environment nobody else can be using it.
        """
        folder = self.root / "scratch"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def check_link(self) -> None:
        """Make sure that nothing foreign stands at the stable path.

        Raises:
            TfprovError: `path-not-ours`.
        """
        if not self.owner.link:
            return
        link = Path(self.owner.link)
        if link.is_symlink():
            found = link.readlink()
            if found == self._current:
                return
            raise TfprovError(
                "path-not-ours",
                f"`{link}` is a link to something else",
                evidence=(f"it points at `{found}`",),
                hint="remove that link, or choose another `environment.path`",
            )
        if link.exists():
            kind = (
                "a virtual environment" if (link / "pyvenv.cfg").exists() else "a folder" if link.is_dir() else "a file"
            )
            raise TfprovError(
                "path-not-ours",
                f"`{link}` exists and was not made by tfprov",
                evidence=(f"it is {kind}; tfprov never overwrites what it did not make",),
                hint=f"move it away (`mv {link.name} {link.name}.old`), or choose another `environment.path`",
            )

    def generations(self) -> tuple[Generation, ...]:
        """Sealed generations, oldest first."""
        return tuple(generation for generation in self._all() if generation.seal is not None)

    def active(self) -> Generation | None:
        """The generation that the stable path leads to; None when there is none, or it lost its seal."""
        path = self._pointed_at()
        return next((generation for generation in self.generations() if generation.path == path), None)

    def begin(self) -> Generation:
        """A new, empty, unsealed generation, after removing what earlier runs left unfinished."""
        self.sweep()
        taken = {generation.number for generation in self._all()}
        in_use = self._pointed_at()
        # Where the one in use was deleted behind our back, its link must not lead into what is being built.
        if in_use is not None and in_use.name.isdecimal():
            taken.add(int(in_use.name))
        number = max(taken, default=0) + 1
        path = self.root / "generations" / f"{number:04d}"
        path.mkdir(parents=True)
        return Generation(number=number, path=path)

    def seal(self, generation: Generation, seal: Seal) -> Generation:
        """Declare a generation complete and verified: list its files, then write the seal."""
        lines = [f"{size} {path}" for path, size in sorted(_files(generation.path))]
        write_atomic(generation.path / MANIFEST, "\n".join(lines).encode("utf-8", "surrogateescape"))
        total = sum(int(line.split(" ", 1)[0]) for line in lines)
        return self.reseal(generation, dataclasses.replace(seal, bytes=total))

    def reseal(self, generation: Generation, seal: Seal) -> Generation:
        """Replace what is known about a generation whose files did not change."""
        write_atomic(generation.path / SEAL, TypeAdapter(Seal).dump_json(seal, indent=2))
        return dataclasses.replace(generation, seal=seal)

    def activate(self, generation: Generation) -> None:
        """Let the stable path lead to a sealed generation, by one rename. Does nothing where it does so already.

        Raises:
            TfprovError: `path-not-ours` when something foreign appeared at the stable path meanwhile.
        """
        if generation.seal is None:
            raise TfprovError("internal", f"generation {generation.number} is not verified and cannot be activated")
        self.check_link()
        target = generation.path.relative_to(self.root)
        if not self._current.is_symlink() or self._current.readlink() != target:
            _switch(self._current, target)
        if self.owner.link:
            link = Path(self.owner.link)
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                _switch(link, self._current)
        if self.owner.former:
            self._drop_links(self.owner.former)
            self.owner = dataclasses.replace(self.owner, former=())
            self._write_owner()

    def damage(self, generation: Generation) -> Damage:
        """What of a sealed generation's files is missing or has another size. Reads no contents: some 50 ms."""
        try:
            text = (generation.path / MANIFEST).read_bytes().decode("utf-8", "surrogateescape")
        except OSError:
            return Damage(missing=(MANIFEST,))
        missing, altered = [], []
        root = str(generation.path)
        total = 0
        for line in text.split("\n") if text else ():
            size, _, relative = line.partition(" ")
            if not size.isdecimal():
                return Damage(altered=(MANIFEST,))
            total += int(size)
            try:
                found = os.lstat(f"{root}/{relative}").st_size
            except OSError:
                missing.append(relative)
            else:
                if found != int(size):
                    altered.append(relative)
        # A list that was cut short must not pass for one of whole files.
        if generation.seal is not None and total != generation.seal.bytes:
            altered.append(MANIFEST)
        return Damage(missing=tuple(missing), altered=tuple(altered))

    def discard(self, generation: Generation) -> None:
        """Delete a generation. Its seal goes first, so that a part of it can never pass for the whole."""
        (generation.path / SEAL).unlink(missing_ok=True)
        shutil.rmtree(generation.path)

    def prune(self, keep: int) -> tuple[Generation, ...]:
        """Delete the oldest sealed generations beyond `keep`, never the active one; return what was deleted."""
        active = self.active()
        others = [found for found in self.generations() if active is None or found.number != active.number]
        spare = others[: max(0, len(others) - (keep - 1))]
        for generation in spare:
            self.discard(generation)
        return tuple(spare)

    def sweep(self) -> None:
        """Delete unfinished generations. The one in use stays, even with a seal that cannot be read any more."""
        in_use = self._pointed_at()
        for generation in self._all():
            if generation.seal is None and generation.path != in_use:
                self.discard(generation)

    def remove(self) -> None:
        """Delete the environment: its link, then everything else."""
        self._drop_links((self.owner.link, *self.owner.former))
        self._current.unlink(missing_ok=True)
        for generation in self._all():
            self.discard(generation)
        shutil.rmtree(self.root)

    def _write_owner(self) -> None:
        write_atomic(self.root / "owner.json", TypeAdapter(Owner).dump_json(self.owner, indent=2))

    def _drop_links(self, links: Iterable[str]) -> None:
        """Delete links of ours; what became something else stays."""
        for link in (Path(name) for name in links if name):
            if link.is_symlink() and link.readlink() == self._current:
                link.unlink()

    def _pointed_at(self) -> Path | None:
        try:
            return self.root / self._current.readlink()
        except OSError:
            return None

    def _all(self) -> list[Generation]:
        found = []
        with contextlib.suppress(FileNotFoundError):
            for path in (self.root / "generations").iterdir():
                if re.fullmatch(r"\d{4,}", path.name):
                    found.append(Generation(number=int(path.name), path=path, seal=_read_seal(path)))
        return sorted(found, key=lambda generation: generation.number)


def environments(folder: Path) -> tuple[Environment, ...]:
    """All environments below a folder, sorted by name."""
    if not folder.is_dir():
        return ()
    found = (Environment.open(path) for path in folder.iterdir())
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.owner.name, one.id)))


def python_in(environment: Path) -> Path:
    """The interpreter inside an environment's folder."""
    return environment / "Scripts" / "python.exe" if os.name == "nt" else environment / "bin" / "python"


def executables_in(environment: Path) -> Path:
    """The folder of an environment's commands."""
    return python_in(environment).parent


def _read_seal(path: Path) -> Seal | None:
    try:
        return TypeAdapter(Seal).validate_json((path / SEAL).read_bytes())
    except (OSError, ValidationError, json.JSONDecodeError):
        return None


def _files(root: Path) -> Iterator[tuple[str, int]]:
    """Path relative to `root`, with forward slashes, and size of every file but bytecode, which comes and goes."""
    stack = [""]
    while stack:
        prefix = stack.pop()
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                relative = f"{prefix}/{entry.name}" if prefix else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        stack.append(relative)
                elif relative not in (SEAL, MANIFEST):
                    yield relative, entry.stat(follow_symlinks=False).st_size


def _switch(link: Path, target: Path) -> None:
    """Make `link` point at `target`, replacing an older link, in one step."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target, target_is_directory=True)
    try:
        temporary.replace(link)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
