"""Images: the installed files of a verified generation, kept so that the same environment can be made again by linking.

An image is named after what it was made from: the hashes of the locked files and the interpreter. It holds the packages
with their bytecode, and the commands, as links to the files of the verified generation, so it takes almost no disk
space. Where the file system supports copy-on-write the files are cloned; elsewhere they are hard links, and then a
program that writes into an installed file writes into the image too. Such writes are noticed by size and modification
time before an image is used, and damaged files are restored from their wheels.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tfprov import trees
from tfprov.contents import content_of
from tfprov.digests import bytes_of
from tfprov.envs import commands
from tfprov.envs.integrity import bad_files, digests, owners, recorded
from tfprov.envs.of_wheels import contents
from tfprov.envs.survey import Files, survey
from tfprov.host.records import Interpreter
from tfprov.paths import beside
from tfprov.record_rows import row_of
from tfprov.renames import replace
from tfprov.temporary import is_being_made
from tfprov.trash import discard
from tfprov.writing import as_line, end_of_list, naming, of_line, write_atomic

_MANIFEST = "manifest"
_TREE = "tree"
_COMMANDS = ("bin", "Scripts")
_LINES = re.compile(r"[^\n]+\n(?:[0-9]{1,18} -?[0-9]{1,19} [^\n]+\n)*[^\n]+")
"""The manifest: where the image was made, a line for each file, and the end."""


def image_key(content: Iterable[str], interpreter: Interpreter) -> str:
    """Name of the image of a lock's files (`Lock.content`) on this interpreter."""
    parts = [interpreter.path, interpreter.version, interpreter.implementation, *sorted(content)]
    return hashlib.sha256(bytes_of("\0".join(parts))).hexdigest()[:32]


class ImageFile(NamedTuple):
    """A file of an image, as when the image was made. There are 20,000: dataclasses would take three times as long.

    Attributes:
        path: relative to the environment, with forward slashes.
        size: bytes.
        mtime: modification time in nanoseconds.
    """

    path: str
    size: int
    mtime: int

    @property
    def compiled(self) -> bool:
        """Whether it is bytecode, which can be left out without harm."""
        return self.path.endswith(".pyc")


class Image:
    """One image on disk: `tree/` and `manifest`. The manifest is written last; without it the image does not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tree = folder / _TREE
        self._begun: Files = {}

    @property
    def exists(self) -> bool:
        """Whether the image is complete: its manifest can be read, and has as many lines as its last one says."""
        try:
            return _is_complete(self._text())
        except OSError:
            return False

    def save(self, environment: Path, files: Files | None = None, *, skip: Collection[str] = ()) -> bool:
        """Keep the packages and commands of a verified environment as this image.

        On a file system without links an image would be a full copy, so none is made. Unfinished images of killed
        runs are deleted: their links would keep whole environments on the disk.

        Args:
            environment: its folder.
            files: its files, as surveyed just before; None to look.
            skip: paths relative to it that are installed in another way.

        Returns:
            Whether the image exists now.
        """
        self._sweep()
        if self.exists:
            return True
        self.drop()
        try:
            files = survey(environment) if files is None else files
            entries = self._prepared(files)
            others = {path: status for path, status in files.items() if path not in entries}
            missing = [path for path in contents(others) if path not in skip]
            trees.bring_tree(environment, self._new / _TREE, missing, ways=trees.CHEAP)
            entries.update((path, _entry(self._new / _TREE, path)) for path in missing)
            _write_manifest(self._new, str(environment), entries.values())
            if not self.exists:
                # An incomplete image stands in the way.
                self.drop()
            replace(self._new, self.folder)
        except OSError:
            # The environment works without an image too: no links, a full disk, another run that was first.
            self.abandon()
            return self.exists
        return True

    def prepare(self, environment: Path, files: Files | None = None, *, skip: Collection[str] = ()) -> None:
        """Do most of the work of `save` while the environment is still being verified. Never fails.

        `save` of the same object makes again what has changed since; `abandon` undoes it. Arguments are as for `save`.
        """
        if self.exists:
            return
        self.abandon()
        with contextlib.suppress(OSError):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            trees.spread(self.folder.parent)
            files = survey(environment) if files is None else files
            begun = {path: files[path] for path in contents(files) if path not in skip}
            trees.bring_tree(environment, self._new / _TREE, begun, ways=trees.CHEAP)
            self._begun = begun

    def abandon(self) -> None:
        """Delete what `prepare` has made, because the environment did not pass."""
        self._begun = {}
        shutil.rmtree(self._new, ignore_errors=True)

    @property
    def _new(self) -> Path:
        """The folder in which this process makes the image."""
        return self.folder.with_name(f"{self.folder.name}.{os.getpid()}.new")

    def _prepared(self, files: Files) -> dict[str, ImageFile]:
        """Entries of prepared files whose originals have not changed since; the other prepared files are deleted.

        Files that the environment no longer has may stay in the tree: only what is in the manifest counts.
        """
        if not self._begun:
            self.abandon()
        entries: dict[str, ImageFile] = {}
        for path, before in self._begun.items():
            now = files.get(path)
            if before == now:
                entries[path] = ImageFile(path, before.size, before.mtime)
            elif now is not None:
                (self._new / _TREE / path).unlink(missing_ok=True)
        return entries

    def damage(self, *, thorough: bool = False) -> tuple[ImageFile, ...]:
        """Files that are missing or were written to since the image was made.

        Args:
            thorough: compare every hash too, not only sizes and times.
        """
        damaged = []
        touched = []
        prefix, lstat = f"{self._tree}/", os.lstat
        wrong = {bad.path for bad in bad_files(self._tree, workers=os.cpu_count() or 1)} if thorough else set()
        for size, mtime, path in self._rows():
            try:
                found = lstat(prefix + path)
            except OSError:
                damaged.append(ImageFile(path, int(size), int(mtime)))
            else:
                if found.st_size != int(size) or not found.st_mode & stat.S_IRUSR or path in wrong:
                    damaged.append(ImageFile(path, int(size), int(mtime)))
                elif found.st_mtime_ns != int(mtime):
                    touched.append(ImageFile(path, int(size), int(mtime)))
        return (*damaged, *self._altered(touched))

    def owners(self, damaged: Sequence[ImageFile]) -> tuple[str, ...] | None:
        """Names of the projects that the damaged files belong to; None if one of the files belongs to none."""
        projects = owners(self._tree)
        found = {projects.get(entry.path) for entry in damaged if not entry.compiled}
        return None if None in found else tuple(sorted(name for name in found if name))

    def _altered(self, touched: Sequence[ImageFile]) -> list[ImageFile]:
        """Files whose content differs from the RECORD. The others get their time back, for all links to them."""
        if not touched:
            return []
        expected = recorded(self._tree)
        if any(entry.path.endswith(".dist-info/RECORD") for entry in touched):
            # A RECORD that was itself written to proves nothing about the other files.
            return list(touched)
        found = digests(self._tree, [one.path for one in touched if one.path in expected], workers=os.cpu_count() or 1)
        wrong = []
        for entry in touched:
            if entry.path not in found or found[entry.path] != expected[entry.path]:
                wrong.append(entry)
            else:
                with contextlib.suppress(OSError):
                    os.utime(self._tree / entry.path, ns=(entry.mtime, entry.mtime))
        return wrong

    def heal(self, damaged: Sequence[ImageFile], wheels: Sequence[Path]) -> bool:
        """Restore damaged files from their wheels.

        A damaged file is replaced, never written to: other links to it keep their content.

        Args:
            damaged: as returned by `damage`.
            wheels: verified wheels of the environment.

        Returns:
            Whether all of them could be restored.
        """
        wanted = {entry.path.partition("/site-packages/")[2]: entry for entry in damaged if not entry.compiled}
        expected = recorded(self._tree) if wanted else {}
        for wheel in wheels:
            if not wanted:
                break
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.infolist():
                    entry = wanted.get(member.filename)
                    if entry is None:
                        continue
                    content = archive.read(member)  # checks the CRC of the member
                    found = row_of(entry.path, content).digest
                    # Of two packages that have the file, only one has the content that is recorded.
                    if len(content) == entry.size and expected.get(entry.path, found) == found:
                        self._replace(entry, content, executable=_is_program(member))
                        del wanted[member.filename]
        if wanted:
            return False
        lost = {entry.path for entry in damaged if entry.compiled}
        if lost:
            for path in lost:
                (self._tree / path).unlink(missing_ok=True)
            _write_manifest(self.folder, self._made_from(), (one for one in self._entries() if one.path not in lost))
        return True

    def lay_down(self, environment: Path) -> None:
        """Fill an environment without packages with the files of the image.

        Raises:
            OSError: the disk is full, or a file has disappeared.
        """
        paths = [path for _, _, path in self._rows()]
        was, now = self._made_from(), str(environment)
        libraries = (path for path in paths if not _is_command(path))
        trees.bring_tree(self._tree, environment, libraries, ways=trees.ALL)
        for path in filter(_is_command, paths):
            _rewrite(self._tree / path, environment / path, was=was, now=now)

    def lend_bytecode(self, environment: Path, sources: Collection[str]) -> int:
        """Copy or link bytecode into another environment on the same interpreter that shares some of the sources.

        Args:
            environment: has the sources already.
            sources: their paths relative to it, as far as they come from the same wheels.

        Returns:
            Number of bytecode files: those whose source is the image's own file, or an untouched clone of it.

        Raises:
            OSError: the disk is full, or the image is gone.
        """
        tree, base = str(self._tree), str(environment)
        lent = []
        for entry in self._compiled():
            source = _source(entry.path)
            if source in sources and _same(os.lstat(f"{tree}/{source}"), os.lstat(f"{base}/{source}")):
                found = os.lstat(f"{tree}/{entry.path}")
                if (found.st_size, found.st_mtime_ns) == (entry.size, entry.mtime):
                    lent.append(entry.path)
        trees.bring_tree(self._tree, environment, lent, ways=trees.ALL)
        return len(lent)

    def bytecode(self) -> dict[str, Path]:
        """Bytecode files that are unchanged since the image was made, by their path in an environment."""
        found = {entry.path: entry for entry in self._compiled()}
        return {
            path: self._tree / path
            for path, entry in sorted(found.items())
            if _is_same(self._tree / path, size=entry.size, mtime=entry.mtime)
        }

    def mend(self, environment: Path, paths: Sequence[str]) -> bool:
        """Restore files of an environment from the image, if it has all of them and none is damaged.

        Each is replaced by one rename, so that processes in the environment see the old file or the new one.

        Returns:
            Whether they were restored.

        Raises:
            OSError: the disk is full, or the environment cannot be written.
        """
        known = {path for _, _, path in self._rows()} if self.exists else set()
        if not known.issuperset(paths) or self.damage():
            return False
        was, now = self._made_from(), str(environment)
        for path in paths:
            target = environment / path
            temporary = beside(target, ".tmp")
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                if _is_command(path):
                    _rewrite(self._tree / path, temporary, was=was, now=now)
                else:
                    trees.bring(str(self._tree / path), str(temporary), list(trees.ALL))
                replace(temporary, target)
            finally:
                # Renaming a file onto another link to the same file does nothing and leaves both.
                temporary.unlink(missing_ok=True)
        return True

    def drop(self) -> None:
        """Delete the image. A run that is linking from it finds the whole image gone."""
        discard(self.folder)

    def _sweep(self) -> None:
        for left in self.folder.parent.glob("*.new"):
            maker = left.suffixes[-2][1:] if len(left.suffixes) > 1 else ""
            if not is_being_made(left, maker):
                discard(left)

    def _made_from(self) -> str:
        """Path of the environment that the image was made from, as its commands name it."""
        return of_line(self._text().partition("\n")[0])

    def _replace(self, entry: ImageFile, content: bytes, *, executable: bool) -> None:
        target = self._tree / entry.path
        write_atomic(target, content)
        if executable:  # for everybody who may read it
            mode = target.stat().st_mode
            target.chmod(mode | (mode & 0o444) >> 2)
        # Bytecode records the time of its source; with another one it would be recompiled.
        os.utime(target, ns=(entry.mtime, entry.mtime))

    def _entries(self) -> Iterator[ImageFile]:
        for size, mtime, path in self._rows():
            yield ImageFile(path, int(size), int(mtime))

    def _compiled(self) -> Iterator[ImageFile]:
        """The bytecode. Its rows are chosen as text: seven of eight files are others."""
        for line in self._text().split("\n")[1:-1]:
            if line.endswith(".pyc"):
                size, mtime, path = line.split(" ", 2)
                yield ImageFile(of_line(path), int(size), int(mtime))

    def _rows(self) -> Iterator[list[str]]:
        """Size, time and path of every file, as text from the manifest."""
        # Not splitlines: file names may contain other characters that it takes for line ends.
        for line in self._text().split("\n")[1:-1]:
            yield of_line(line).split(" ", 2)

    def _text(self) -> str:
        return content_of(self.folder / _MANIFEST).decode("utf-8", "surrogateescape")


@functools.lru_cache(maxsize=1)
def _is_complete(manifest: str) -> bool:
    """Whether the text of a manifest is whole. A run asks three times, and each match takes 20 ms."""
    return bool(_LINES.fullmatch(manifest)) and manifest.endswith("\n" + end_of_list(manifest.count("\n") - 1))


def _is_program(member: zipfile.ZipInfo) -> bool:
    mode = member.external_attr >> 16
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def _is_same(path: Path, *, size: int, mtime: int) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (size, mtime)


def _write_manifest(folder: Path, made_from: str, entries: Iterable[ImageFile]) -> None:
    lines = [as_line(made_from), *(f"{entry.size} {entry.mtime} {as_line(entry.path)}" for entry in entries)]
    lines.append(end_of_list(len(lines) - 1))
    write_atomic(folder / _MANIFEST, "\n".join(lines).encode("utf-8", "surrogateescape"))


def _same(one: os.stat_result, two: os.stat_result) -> bool:
    """Whether two results are of the same file, or of a file and its untouched clone."""
    if (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino):
        return True
    return (one.st_size, one.st_mtime_ns) == (two.st_size, two.st_mtime_ns)


def _is_command(path: str) -> bool:
    return path.split("/", 1)[0] in _COMMANDS


def _source(path: str) -> str:
    """The module that a file below `__pycache__` was compiled from."""
    folder, _, name = path.rpartition("__pycache__/")
    return f"{folder}{name.partition('.')[0]}.py"


def _entry(root: Path, path: str) -> ImageFile:
    found = os.lstat(f"{root}/{path}")
    return ImageFile(path, found.st_size, found.st_mtime_ns)


def _rewrite(source: Path, target: Path, *, was: str, now: str) -> None:
    """Copy a command; in a script, replace the path of the old environment by that of the new one."""
    if os.path.lexists(target):
        return
    content = commands.moved(source.read_bytes(), was=was, now=now)
    target.parent.mkdir(parents=True, exist_ok=True)
    with naming(target):
        target.write_bytes(content)
    shutil.copymode(source, target)
