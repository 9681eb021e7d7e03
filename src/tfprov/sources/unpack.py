"""Unpacks a source distribution, and refuses members outside its folder."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

from tfprov.archives import damage_as
from tfprov.errors import TfprovError

# The largest source distributions known unpack to 1.5 GB and have 60,000 members.
_MOST_BYTES = 8 << 30
_MOST_MEMBERS = 500_000
# Two members at one path, or one below another that is a file.
_IN_THE_WAY = (
    FileExistsError,
    IsADirectoryError,
    # What Windows says of a path below a file.
    *((FileNotFoundError,) if os.name == "nt" else (NotADirectoryError,)),
)
_MAKES_LINKS = os.name == "posix"
"""Whether every user may make symbolic links; where not, files have their content instead."""


def unpack(archive: Path, target: Path) -> Path:
    """Unpack an archive whose hash has been checked.

    Args:
        archive: `.tar.gz`, `.tar.bz2`, `.tar.xz`, `.tar` or `.zip`.
        target: an empty folder.

    Returns:
        The folder of the project.

    Raises:
        TfprovError: `build-failed` when it cannot be read, is too large, or has members outside its folder.
    """

    def refused(why: str) -> TfprovError:
        return TfprovError("build-failed", f"`{archive.name}` cannot be unpacked", evidence=(why,))

    try:
        with damage_as(refused):
            _unpack(archive, target)
    except _IN_THE_WAY as error:
        raise refused(str(error)) from error
    found = [entry for entry in target.iterdir() if entry.name != "pax_global_header"]
    return found[0] if len(found) == 1 and found[0].is_dir() else target


def _unpack(archive: Path, target: Path) -> None:
    # Not the other way round: a tar archive that ends in a zip file counts as a zip file, too.
    if not tarfile.is_tarfile(archive) and zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            entries = zipped.infolist()
            _bound(archive, len(entries), sum(entry.file_size for entry in entries))
            for entry in entries:
                place = Path(zipped.extract(entry, target))  # drops leading slashes and `..`
                mode = entry.external_attr >> 16
                if stat.S_ISREG(mode) and mode & 0o100:
                    place.chmod(0o755)
    else:
        with tarfile.open(archive) as packed:
            size = 0
            for count, member in enumerate(packed, start=1):
                _bound(archive, count, size + member.size)
                size += _extract(packed, member, target)


def _bound(archive: Path, members: int, size: int) -> None:
    """Refuse an archive that would fill the disk.

    Raises:
        TfprovError: `build-failed`.
    """
    if members > _MOST_MEMBERS or size > _MOST_BYTES:
        raise TfprovError(
            "build-failed",
            f"`{archive.name}` unpacks to more than is allowed for a source distribution",
            evidence=(f"{members:,} members, {size:,} bytes so far; at most {_MOST_MEMBERS:,} and {_MOST_BYTES:,}",),
        )


def _extract(packed: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> int:
    """Unpack one member; returns the number of bytes written, which a link has none of in the archive."""
    # Like the `data` filter of tarfile, which early releases of Python 3.10 and 3.11 lack.
    named = target / member.name
    # Of a file or link only the folder is resolved: a member that occurs again replaces the earlier one, also a link.
    place = named.resolve() if member.isdir() or named.name in ("", "..") else named.parent.resolve() / named.name
    inside = place == target.resolve() or target.resolve() in place.parents
    if member.issym() or member.islnk():
        base = place.parent if member.issym() else target
        end = (base / member.linkname).resolve()
        inside = inside and target.resolve() in end.parents
    if not inside or not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise TfprovError(
            "build-failed",
            f"`{Path(str(packed.name)).name}` contains a path outside its own folder",
            evidence=(f"`{member.name}`" + (f" is a link to `{member.linkname}`" if member.linkname else ""),),
        )
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return 0
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not place.is_symlink():
        raise IsADirectoryError(errno.EISDIR, "a member is both a file and a folder", member.name)
    place.unlink(missing_ok=True)
    if member.issym() and _MAKES_LINKS:
        place.symlink_to(member.linkname)
        return 0
    try:
        content = packed.extractfile(member)  # follows a link to its member
    except (KeyError, RecursionError):
        if not member.issym():
            raise
        return 0  # it leads nowhere, or to itself
    if content is None and member.issym():
        raise TfprovError(
            "build-failed",
            f"`{Path(str(packed.name)).name}` cannot be unpacked",
            evidence=(
                f"`{member.name}` is a link to the folder `{member.linkname}`, and Windows lets few users make links",
            ),
        )
    if content is None:
        return 0
    with content, place.open("xb") as stream:
        shutil.copyfileobj(content, stream)
        written = stream.tell()
    place.chmod(0o755 if member.mode & 0o100 else 0o644)
    return written
