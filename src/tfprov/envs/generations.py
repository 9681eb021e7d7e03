"""Generations: complete environments side by side, and one link to the verified one.

Layout of an environment's folder:

    owner.json            the profile that it belongs to
    generations/0007/     an environment; `tfprov.json` in it is its seal, `tfprov.manifest` the list of its files
    generations/0000/     an adopted environment, unchanged; its seal is beside it: `generations/0000.json`
    current -> generations/0007
    scratch/              temporary files of installers

Beside these folders, `.locks/<id>` is held by the tfprov process that works on one of them. tfprov never changes
anything in a sealed generation, except to restore damaged files. `current`, and through it the path that the profile
asks for, switches with one rename.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tfprov import trees
from tfprov.digests import bytes_of
from tfprov.envs import documents, launchers, manifest, rollbacks
from tfprov.envs.holders import holders
from tfprov.envs.layout import ADOPTED, python_in, unusable
from tfprov.envs.links import by_real_folder, delete_copy, drop, leads, led, switch
from tfprov.envs.locks import LOCKS, held
from tfprov.envs.manifest import SEAL
from tfprov.envs.place import check_above, check_execution, check_free, check_links, check_way, is_noexec, spelled
from tfprov.envs.records import Damage, Flaw, Generation, Held, Owner, Pruned, Seal, Undeleted
from tfprov.envs.retention import superfluous
from tfprov.errors import TfprovError
from tfprov.trash import to_trash, trash_in
from tfprov.writing import write_atomic

if TYPE_CHECKING:
    from tfprov.envs.survey import Files

_NUMBER = re.compile(r"\d{4,}")
_ASIDE = ".aside"


def environment_id(name: str, profile: Path) -> str:
    """Folder name of a profile's environment; it differs for two profiles of the same name in two projects."""
    place = bytes_of(str(spelled(profile)))
    return f"{name}-{hashlib.sha256(place).hexdigest()[:8]}"


class Environment:
    """The generations of one profile's environment.

    Attributes:
        root: the environment's folder.
        stable: the path that users work with; it never leads to an unverified generation.
    """

    def __init__(self, root: Path, *, owner: Owner) -> None:
        self.root = root
        self.owner = owner
        self._current = root / "current"
        self._folder = root / "generations"
        self.stable = Path(owner.link) if owner.link else self._current

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.root.name

    @property
    def place(self) -> Path:
        """The stable path, or `current` where something else has taken that path or deleted it."""
        is_ours = self._current in (led(self.stable), launchers.target(self.stable))
        return self.stable if is_ours else self._current

    @classmethod
    def open(cls, root: Path) -> Environment | None:
        """The environment in a folder; None if tfprov did not make the folder."""
        owner = documents.read_owner(root)
        return None if owner is None else cls(root, owner=owner)

    def claim(self) -> None:
        """Make the folder and record its owner, unless that has been done.

        Raises:
            TfprovError: `path-not-ours` when something else stands at the stable path; what `check_place` and
                `check_execution` raise.
            OSError: the folder cannot be made.
        """
        before = self._before()
        self.check_link()
        self.check_place()
        check_execution(self.root)
        if before is not None:
            links = {*before.owner.former, before.owner.link} - {self.owner.link, ""}
            self.owner = dataclasses.replace(self.owner, former=tuple(sorted(links)))
        if before is None or before.owner != self.owner:
            write_atomic(self.root / documents.OWNER, documents.dump(self.owner))

    def _before(self) -> Environment | None:
        """The environment on disk. If this run asks for no stable path, the old one stays: somebody may use it."""
        before = Environment.open(self.root)
        if before is not None and not self.owner.link:
            self.owner = dataclasses.replace(self.owner, link=before.owner.link)
            self.stable = before.stable
        return before

    def settled(self, generation: Generation) -> bool:
        """Whether all links lead to this generation already, so that `claim` and `activate` have nothing to do."""
        before = self._before()
        if before is None or before.owner != self.owner or self._pointed_at() != generation.path:
            return False
        return not self.owner.link or leads(Path(self.owner.link), self._current, generation.path)

    def locked(
        self, *, timeout: float = -1, warn: Callable[[str], None] | None = None
    ) -> contextlib.AbstractContextManager[None]:
        """Lock the environment against other tfprov processes; arguments and errors as for `locks.held`."""
        # Outside the environment's folder: `lock` must not leave one behind, and `remove` deletes it.
        return held(self.root.parent / LOCKS / self.root.name, name=self.owner.name, timeout=timeout, warn=warn)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder for the run that holds the lock, deleted at the end.

        Anything left by a killed run is deleted first: under the lock nobody else can be using it.
        """
        folder = self.root / "scratch"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def check_link(self) -> None:
        """Make sure that the stable path is free or tfprov's own.

        Raises:
            TfprovError: `path-not-ours`.
        """
        if not self.owner.link:
            return
        link = Path(self.owner.link)
        check_above(link)
        if (found := led(link)) is not None:
            if found == self._current or self._abandoned(link, found):
                return
            raise TfprovError(
                "path-not-ours",
                f"`{link}` is a link to something else",
                evidence=(f"it points to `{found}`",),
                hint="remove that link, or choose another `environment.path`",
            )
        led_to = launchers.target(link)
        if led_to is not None and (led_to == self._current or self._abandoned(link, led_to)):
            return
        check_free(link, self.owner.profile)

    def check_place(self) -> None:
        """Make sure, before anything is built, that an environment can be kept here and its stable path be made.

        Raises:
            TfprovError: `permission-denied`; `filesystem-feature` where links are missing, or executable files as well.
        """
        if led(self._current) is None:
            check_links(self.root.parent)
        link = Path(self.owner.link)
        if self.owner.link and led(link) is None and launchers.target(link) is None:
            check_way(link)

    def _abandoned(self, link: Path, target: Path) -> bool:
        """Whether a link with another target is a leftover of tfprov's own, from before a move, and may be replaced.

        It may if its target does not exist any more, claims another path (the project was moved or copied with its
        link), belongs to this very profile under another name, or has lost its profile.
        """
        if target.name != "current" or target.parent.parent.name != "environments":
            return False
        other = Environment.open(target.parent)
        if other is None:
            return not target.parent.exists()
        claimed = other.owner.link
        return (
            not claimed
            or by_real_folder(claimed) != by_real_folder(link)
            or other.owner.profile == self.owner.profile
            or not Path(other.owner.profile).exists()
        )

    def generations(self) -> tuple[Generation, ...]:
        """Sealed generations, oldest first."""
        return tuple(generation for generation in self._all() if generation.seal is not None)

    def active(self) -> Generation | None:
        """The generation that the stable path leads to; None if there is none, or it has lost its seal."""
        path = self._pointed_at()
        if path is None or path.parent != self._folder or not _NUMBER.fullmatch(path.name):
            return None
        seal = documents.read_seal(path)
        return Generation(number=int(path.name), path=path, seal=seal) if seal is not None else None

    def begin(self) -> Generation:
        """Make a new, empty, unsealed generation, after deleting what earlier runs left unfinished."""
        self.sweep()
        taken = {generation.number for generation in self._all()}
        in_use = self._pointed_at()
        # If the active generation was deleted by hand, `current` must not lead into the one that is being built.
        if in_use is not None and in_use.name.isdecimal():
            taken.add(int(in_use.name))
        number = max(taken, default=0) + 1
        path = self._folder / f"{number:04d}"
        self._folder.mkdir(parents=True, exist_ok=True)
        trees.spread(self._folder)
        path.mkdir()
        return Generation(number=number, path=path)

    def seal(
        self, generation: Generation, seal: Seal, files: Files | None = None, *, before: manifest.Draft | None = None
    ) -> Generation:
        """Mark a generation as complete and verified: write its manifest, from `files` and `before`, then its seal."""
        size = manifest.write(generation.path, files, before=before)
        return self.reseal(generation, dataclasses.replace(seal, bytes=size))

    def reseal(self, generation: Generation, seal: Seal) -> Generation:
        """Replace the seal of a generation whose files did not change."""
        seal = dataclasses.replace(seal, place=str(generation.path))
        write_atomic(generation.path / SEAL, documents.dump(seal))
        return dataclasses.replace(generation, seal=seal)

    def activate(self, generation: Generation, *, rollback: rollbacks.Rollback | None = None) -> None:
        """Switch the stable path to a sealed generation, by one rename. Does nothing if it leads there already.

        Args:
            generation: any of this environment.
            rollback: to be noted if this is one, before the switch: a run that is killed then has not gone back in
                silence. None forgets an earlier one.

        Raises:
            TfprovError: `path-not-ours` when somebody else's file has appeared at the stable path;
                `environment-in-use` when a process runs from a copy that stands in place of the link.
        """
        if generation.seal is None:
            raise TfprovError("internal", f"generation {generation.number} is not verified and cannot be activated")
        self.check_link()
        target = generation.path.relative_to(self.root)
        if rollback is None:
            rollbacks.forget(self.root)
        else:
            rollbacks.write(self.root, rollback)
        if not leads(self._current, target, generation.path):
            if led(self._current) is None and self._current.is_dir():
                delete_copy(self._current)
            switch(self._current, target, generation.path)
        if self.owner.link:
            link = Path(self.owner.link)
            link.parent.mkdir(parents=True, exist_ok=True)
            self._lead(link, generation)
        if self.owner.former:
            drop(self.owner.former, self._current)
            self.owner = dataclasses.replace(self.owner, former=())
            write_atomic(self.root / documents.OWNER, documents.dump(self.owner))

    def _lead(self, link: Path, generation: Generation) -> None:
        """Point the profile's stable path at `current`: with a link, or launchers on a file system without links."""
        if leads(link, self._current, generation.path):
            return
        if launchers.target(link) is None:
            try:
                switch(link, self._current, generation.path)
            except OSError as error:
                if not launchers.means_no_links(error):
                    raise
            else:
                return
        launchers.write(link, self._current, generation.path)

    def damage(self, generation: Generation) -> Damage:
        """Missing and altered files of a sealed generation; see `manifest.damage`."""
        return manifest.damage(generation.path, total=generation.seal.bytes if generation.seal else None)

    def moved(self, generation: Generation) -> bool:
        """Whether a generation is not where it was made, so that its commands name the old place."""
        place = generation.seal.place if generation.seal else ""
        if not place or place == str(generation.path):
            return False
        try:
            # The same folder under another name, through a link, is not a move.
            return not os.path.samefile(place, generation.path)  # noqa: PTH121 - the place may be gone
        except OSError:
            return True

    def flaw(self, generation: Generation) -> Flaw | None:
        """Why a sealed generation may not be used as it is; None if it is as verified, or was adopted."""
        if generation.seal and generation.seal.adopted:
            return None
        if self.moved(generation):
            place = generation.seal.place if generation.seal else ""
            return Flaw(code="environment-moved", words=f"it was made in `{place}` and is now in `{generation.path}`")
        if is_noexec(generation.path):
            return Flaw(
                code="filesystem-feature", words="its file system is now mounted noexec: nothing can be loaded from it"
            )
        if problem := unusable(python_in(generation.path)):
            return Flaw(code="python-broken", words=problem)
        damage = self.damage(generation)
        return Flaw(code="file-damaged", words=str(damage)) if damage else None

    def discard(self, generation: Generation) -> None:
        """Delete a generation. It is renamed first, so that a half-deleted one never passes for a whole one.

        Raises:
            OSError: it cannot be renamed, and is unchanged; or something in it cannot be deleted now.
        """
        trees.delete(to_trash(generation.path))

    def prune(self, keep: int = 0, *, cheap: Callable[[Generation], bool] = lambda _: False) -> Pruned:
        """Delete the oldest sealed generations beyond `keep`, but never the active one nor any that is in use.

        Args:
            keep: how many generations stay, counting the active one but not those in use; 0 for the number in the
                active generation's seal. Of generations with the same locked files and interpreter only one stays.
            cheap: whether a generation costs next to no disk, because its files are links to files that stay. Such a
                generation is only put aside; `clear_aside` deletes it.
        """
        keep = keep or self._keep()
        active = self.active()
        others = [one for one in self.generations() if one.number not in (0, active.number if active else 0)]
        spare = superfluous(others, active, keep)
        if not spare:
            return Pruned()
        users = holders([one.path for one in others])
        held = tuple(Held(generation=one, holders=users[one.path]) for one in spare if users[one.path])
        # Generations in use do not count, so that others may stay in their place.
        spare = superfluous([one for one in others if not users[one.path]], active, keep)
        deleted, failed = [], []
        for generation in spare:
            try:
                if not (cheap(generation) and self._put_aside(generation)):
                    self.discard(generation)
                deleted.append(generation)
            except OSError as error:
                # The run has succeeded: what cannot be deleted now is left for a later run.
                failed.append(Undeleted(generation=generation, error=error))
        return Pruned(deleted=tuple(deleted), held=held, failed=tuple(failed))

    def _keep(self) -> int:
        """How many generations the active one's seal says to keep; 0 if that is not known."""
        active = self.active()
        return active.seal.keep if active and active.seal else 0

    def held(self) -> tuple[Held, ...]:
        """The generations that are in use, each with its processes."""
        every = self._all()
        users = holders([one.path for one in every])
        return tuple(Held(generation=one, holders=users[one.path]) for one in every if users[one.path])

    def _put_aside(self, generation: Generation) -> bool:
        try:
            generation.path.rename(generation.path.with_suffix(_ASIDE))
        except OSError:
            return False  # this number has been put aside already, or something runs from the folder
        return True

    def clear_aside(self, *, threads: int | None = None, stop: Callable[[], bool] = lambda: False) -> None:
        """Delete the generations that `prune` has put aside; see `trees.empty_trash`."""
        if not stop():
            self.give_up_aside()
        self.empty_trash(threads=threads, stop=stop)

    def give_up_aside(self) -> None:
        """Mark the generations that were put aside for deletion; `empty_trash` deletes them."""
        for path in self._folder.glob(f"*{_ASIDE}"):
            with contextlib.suppress(OSError):
                to_trash(path)

    def empty_trash(self, *, threads: int | None = None, stop: Callable[[], bool] = lambda: False) -> None:
        """Delete what was renamed for deletion. The only operation here that is safe without the lock."""
        for folder in (self._folder, self.root):
            trees.empty_trash(folder, threads=threads, stop=stop)

    def unfinished(self) -> bool:
        """Whether there may be something to delete: trash, unfinished generations (also of a live run), or old ones."""
        stay = (self._pointed_at(), self._folder / ADOPTED)
        with contextlib.suppress(FileNotFoundError):
            paths = [path for path in self._folder.iterdir() if _NUMBER.fullmatch(path.name) and path not in stay]
            return (
                bool(trash_in(self._folder))
                or not all((path / SEAL).exists() for path in paths)
                or len(paths) >= (self._keep() or len(paths) + 1)
            )
        return False

    def sweep(self) -> None:
        """Delete unfinished generations, and whatever killed runs were deleting.

        The active generation stays, even if its seal can no longer be read, and others whose seal cannot be read now.
        """
        trees.empty_trash(self.stable.parent, of=self.stable.name)  # what the link replaced
        in_use = self._pointed_at()
        unfinished = [one for one in self._all() if one.path != in_use and documents.is_unsealed(one.path)]
        users = holders([one.path for one in unfinished])
        for generation in unfinished:
            if not users[generation.path]:
                with contextlib.suppress(OSError):  # it cannot be renamed now: a later run tries again
                    to_trash(generation.path)
        self.empty_trash()

    def remove(self) -> Path:
        """Take the environment out of use, its links first; returns the renamed folder, which the caller deletes."""
        drop((self.owner.link, *self.owner.former), self._current)
        return to_trash(self.root)

    def _pointed_at(self) -> Path | None:
        found = led(self._current)
        return None if found is None else self.root / found

    def _all(self) -> list[Generation]:
        found = []
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                if _NUMBER.fullmatch(path.name) and not path.is_symlink():  # a link: not adopted yet
                    found.append(Generation(number=int(path.name), path=path, seal=documents.read_seal(path)))
        return sorted(found, key=lambda generation: generation.number)


def environments(folder: Path) -> tuple[Environment, ...]:
    """All environments below a folder, sorted by name, with those of unknown owners."""
    if not folder.is_dir():
        return ()
    roots = [path for path in folder.iterdir() if not path.name.startswith(".")]
    found = [Environment(path, owner=owner) for path in roots if (owner := documents.found_owner(path)) is not None]
    return tuple(sorted(found, key=lambda one: (one.owner.name, one.id)))
