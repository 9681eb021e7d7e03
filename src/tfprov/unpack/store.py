"""The store of unpacked wheels (trees), by the hash of the wheel.

Layout:

    unpacked/abcd…/tree/             the files, as the wheel has them
    unpacked/abcd…/manifest          their sizes and times; without it the tree does not exist
    unpacked/.abcd….1234-….new       a tree that is being made; half of the hash
    unpacked/.locks/abcd….lock       held by the process that makes it
    unpacked/.uses/KEY               the Python and the wheels of one image

Environments are linked from the trees, so they take next to no space of their own. A program that writes into a linked
file writes into the tree as well. Size and time of the files show that whenever a tree is used; it is unpacked again
then.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from tfprov import locks, trash, trees, writing
from tfprov.errors import TfprovError
from tfprov.paths import HOME_VARIABLE
from tfprov.renames import replace
from tfprov.temporary import is_being_made
from tfprov.unpack.members import Written
from tfprov.unpack.records import Tree

_MANIFEST = "manifest"
_TREE = "tree"
_FLUSHED = "flushed"
_LOCKS = ".locks"
_USES = ".uses"
_HASH = re.compile(r"[0-9a-f]{64}")
_NEW = re.compile(r"\.([0-9a-f]{32,64})\.[0-9a-z-]+\.new")
_NEW_DIGITS = 32
"""How much of the hash is in the name of an unfinished tree: where Windows allows 259 characters in a path, that name
must not be longer than the one of a whole tree."""
_GRACE_SECONDS = 86400.0
"""How long an unused tree is kept: a running tfprov registers its wheels before its environment is sealed."""


class TreeStore:
    """The trees below one folder. Several processes may use it at once, and any of them may be killed."""

    def __init__(self, root: Path, *, boot: str) -> None:
        """Use this folder. It is created by the first write.

        Args:
            root: the folder; if it belongs to somebody else, a folder of this user's own beside it is used.
            boot: id of this boot of the machine. A tree that may not have been flushed to disk is trusted only during
                the boot in which it was made.

        Raises:
            TfprovError: `path-not-ours` when the one beside it belongs to somebody else, too.
        """
        self.root = root if _is_ours(root) else root.with_name(f"{root.name}-{os.getuid()}")
        if not _is_ours(self.root):
            raise TfprovError(
                "path-not-ours",
                f"`{self.root}` does not belong to this user alone",
                evidence=("programs that another user puts there would run in environments",),
                hint=f"delete it, or set {HOME_VARIABLE} to a folder that only you may write to",
            )
        self._boot = boot

    def find(self, sha256: str, *, dropped: Callable[[], None] = lambda: None) -> Tree | None:
        """The tree of a wheel; None if there is none.

        Args:
            sha256: hash of the wheel.
            dropped: called if there was one with altered files, which is deleted.
        """
        folder = self.root / sha256
        try:
            text = (folder / _MANIFEST).read_bytes().decode("utf-8", "surrogateescape")
        except OSError:
            return None
        files = self._undamaged(folder, text)
        if files is None:
            self.drop(sha256)
            dropped()
            return None
        return Tree(sha256=sha256, root=folder / _TREE, files=files)

    def made(self, wheels: Collection[str]) -> frozenset[str]:
        """Those of the wheels, by hash, that have a tree. Its files are not looked at, unlike in `find`."""
        return frozenset(sha256 for sha256 in wheels if (self.root / sha256 / _MANIFEST).exists())

    def _undamaged(self, folder: Path, text: str) -> tuple[str, ...] | None:
        """The files of a tree if all of them are as they were written, else None."""
        boot, *rows = text.split("\n")
        if not rows or rows.pop() != writing.end_of_list(len(rows)):
            return None
        if boot != self._boot and not (folder / _FLUSHED).exists():
            return None
        base = f"{folder}/{_TREE}/"
        files = []
        try:
            for row in rows:
                size, mtime, path = row.split(" ", 2)
                found = os.lstat(base + path)
                readable = stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IRUSR
                if found.st_size != int(size) or found.st_mtime_ns != int(mtime) or not readable:
                    return None
                files.append(path)
        except (OSError, ValueError):
            return None
        return tuple(files)

    @contextlib.contextmanager
    def lock(self, sha256: str, *, waiting: Callable[[], None]) -> Iterator[bool]:
        """Make this process the only one that unpacks a wheel; see `locks.held`.

        Args:
            sha256: hash of the wheel.
            waiting: called several times a second while another process unpacks it; may raise.

        Raises:
            TfprovError: why no lock can be made on this machine.
        """
        folder = self._folder() / _LOCKS
        folder.mkdir(exist_ok=True)
        path = folder / f"{sha256}.lock"
        with locks.held(path, waiting=waiting, signs=(self._sign(sha256),)) as alone:
            yield alone

    def at_work(self, sha256: str) -> None:
        """Show processes that wait for a wheel that this one is still working on it."""
        with contextlib.suppress(OSError):
            self._sign(sha256).touch()

    def _sign(self, sha256: str) -> Path:
        return self.root / _LOCKS / f"{sha256}.sign"

    def begin(self, sha256: str) -> Path:
        """Make an empty folder of this process's own for the files of a wheel; `keep` turns it into the tree."""
        folder = self._folder() / f".{sha256[:_NEW_DIGITS]}.{os.getpid()}-{secrets.token_hex(4)}.new"
        folder.mkdir()
        (folder / _TREE).mkdir()
        return folder / _TREE

    def keep(self, sha256: str, made: Path, files: Mapping[str, Written]) -> Tree:
        """Turn a folder made by `begin` into the tree of a wheel whose hash was verified.

        Args:
            sha256: hash of the wheel.
            made: the folder.
            files: size and time of each file, by path.

        Raises:
            OSError: the disk is full, or the folder is gone.
        """
        rows = [f"{size} {mtime} {path}" for path, (size, mtime) in files.items()]
        text = "\n".join((self._boot, *rows, writing.end_of_list(len(rows))))
        writing.write_atomic(made.parent / _MANIFEST, text.encode("utf-8", "surrogateescape"))
        target = self.root / sha256
        for _ in range(2):
            try:
                replace(made.parent, target)
                break
            except OSError:
                # Another process was first, or what is left of an old tree stands in the way.
                if (found := self.find(sha256)) is not None:
                    trash.discard(made.parent)
                    return found
                self.drop(sha256)
        else:
            replace(made.parent, target)
        with contextlib.suppress(OSError):
            self._sign(sha256).unlink()
        return Tree(sha256=sha256, root=target / _TREE, files=tuple(files))

    def written_back(self, wheels: Collection[str]) -> None:
        """Record that the trees of wheels are flushed to disk: from now on they survive a loss of power."""
        for sha256 in wheels:
            folder = self.root / sha256
            with contextlib.suppress(OSError):
                if not (folder / _FLUSHED).exists():
                    (folder / _FLUSHED).touch()

    def drop(self, sha256: str) -> None:
        """Delete a tree. Environments that were linked from it keep their files."""
        trash.discard(self.root / sha256)

    def use(self, key: str, wheels: Collection[str], *, python: str) -> None:
        """Record that an image has the files of these wheels; their trees are kept as long as the image.

        Args:
            key: key of the image.
            wheels: hashes.
            python: identifies its interpreter.
        """
        with contextlib.suppress(OSError):
            writing.write_atomic(self._folder() / _USES / key, "\n".join((python, *sorted(wheels))).encode())

    def uses(self) -> Iterator[tuple[Path, str, frozenset[str]]]:
        """The records of `use`: a file named after the image, the interpreter, and the wheels."""
        for listed in (self.root / _USES).glob("[!.]*"):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                python, *wheels = listed.read_text(encoding="utf-8").split("\n")
                yield listed, python, frozenset(wheels)

    def sweep(self, images: Collection[str], *, now: float) -> None:
        """Delete the trees of wheels that no image has any more, and unfinished trees of killed runs.

        Args:
            images: keys of the images that environments use.
            now: seconds since the epoch.
        """
        if not self.root.is_dir():
            return
        used: set[str] = set()
        for listed, _, wheels in self.uses():
            with contextlib.suppress(OSError):
                if listed.name in images or now - listed.stat().st_mtime < _GRACE_SECONDS:
                    used |= wheels
                else:
                    listed.unlink()
        for folder in self.root.iterdir():
            with contextlib.suppress(OSError):
                whole = _HASH.fullmatch(folder.name)
                if whole and folder.name not in used and now - folder.stat().st_mtime > _GRACE_SECONDS:
                    self.drop(folder.name)
        self.sweep_unfinished()

    def sweep_unfinished(self) -> None:
        """Delete unfinished trees and records of killed runs."""
        for listed in (self.root / _USES).glob(".*.tmp"):
            maker = listed.name.split(".")[-2].partition("-")[0]
            if not is_being_made(listed, maker):
                listed.unlink(missing_ok=True)
        for folder in self.root.glob(".*.new") if self.root.is_dir() else ():
            found = _NEW.fullmatch(folder.name)
            if found is None:
                continue
            lock = next((self.root / _LOCKS).glob(f"{found[1]}*.lock"), None)
            if lock is None:  # on Windows it is deleted with its last holder
                trash.discard(folder)
                continue
            with contextlib.suppress(OSError, TfprovError), locks.held(lock, timeout=0) as alone:
                if alone:
                    trash.discard(folder)
        locks.sweep(self.root / _LOCKS)

    def _folder(self) -> Path:
        # Nobody else may write here: a tree is trusted to be what was unpacked.
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        trees.spread(self.root)
        return self.root


def _is_ours(folder: Path) -> bool:
    """Whether only this user and root can write to a folder, or create it."""
    if os.name != "posix":
        return True
    try:
        found = folder.lstat()
    except OSError:
        return True
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
