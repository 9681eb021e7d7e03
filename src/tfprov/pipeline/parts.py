"""The files that belong to a profile, for copying it to another machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tfprov.contents import content_of
from tfprov.errors import TfprovError
from tfprov.events import ignore
from tfprov.pipeline.context import Context, Request, read_profile
from tfprov.profile.source import given, named_files, wants_in

_TRAVEL = frozenset({("packages", "files"), ("smoke", "scripts"), ("network", "ca-bundle")})
"""Keys whose files belong to the profile. Wheel folders and interpreters belong to a machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A profile on disk.

    Attributes:
        profile: its file, relative to `root`; or the name of a shipped profile, which every installation of tfprov has.
        root: absolute path of the folder that contains all files.
        files: relative to `root`: the profile first, then the files that it names, those that they include, and the
            lock. Empty for a shipped profile.
        left: files that the profile names by an absolute path, which refers to a different file on each machine.
    """

    profile: str
    root: Path
    files: tuple[str, ...]
    left: tuple[str, ...] = ()


def parts(request: Request) -> Parts:
    """The files that belong to a profile.

    Raises:
        TfprovError: what is wrong with the profile; `profile-invalid` when its files are on several drives.
    """
    context = Context(request, ignore)
    read_profile(context)
    loaded = context.loaded
    path = loaded.path
    if loaded.shipped:
        return Parts(profile=loaded.profile.name, root=loaded.folder, files=())
    document = given(path, content_of(path)).document
    named = [file for file in named_files(document, loaded.folder) if file.key in _TRAVEL and file.path.is_file()]
    here = [path]
    here += [file.path for file in named if not _is_absolute(file.name)]
    here += map(Path, wants_in(document, loaded.folder).included)
    here += [context.lock_path] if context.lock_path.is_file() else []
    # Symbolic links are not resolved: the profile refers to the link.
    flat = tuple(dict.fromkeys(Path(os.path.normpath(file)) for file in here))
    try:
        root = Path(os.path.commonpath([file.parent for file in flat]))
    except ValueError as error:
        raise TfprovError(
            "profile-invalid",
            f"`{path}` names files on several drives",
            evidence=tuple(f"`{file}`" for file in flat),
            hint="keep them on one drive",
        ) from error
    names = tuple(file.relative_to(root).as_posix() for file in flat)
    return Parts(
        profile=names[0], root=root, files=names, left=tuple(file.name for file in named if _is_absolute(file.name))
    )


def _is_absolute(name: str) -> bool:
    return name.startswith("~") or Path(name).is_absolute()
