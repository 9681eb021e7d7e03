"""Projects that tests change: made once, and at their place again for each test as they were made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Generic, TypeVar

from site_under_test import Site

_Site = TypeVar("_Site", bound=Site)


class Snapshot(Generic[_Site]):
    """A project as it is now, with its home.

    Environments know the path that they were made at, so a copy elsewhere would not do. Hard links between the files,
    and all times, are kept.
    """

    def __init__(self, site: _Site) -> None:
        self._site = site
        self._extra = dict(site.extra)
        self._kept = site.root.with_name(f"{site.root.name}.kept")
        _copy(site.root, self._kept)

    def restore(self) -> _Site:
        """The project, without whatever was done to it since."""
        self._site.extra = dict(self._extra)
        if self._site.root.exists():  # no test has moved it
            shutil.rmtree(self._site.root)
        _copy(self._kept, self._site.root)
        return self._site


def _copy(source: Path, target: Path) -> None:
    if sys.platform == "win32":
        copied: dict[tuple[int, int], str] = {}

        def copy_or_link(file: str, place: str) -> None:
            status = os.stat(file)
            key = (status.st_dev, status.st_ino)
            if key in copied:
                os.link(copied[key], place)
            else:
                shutil.copy2(file, copied.setdefault(key, place))

        shutil.copytree(source, target, symlinks=True, copy_function=copy_or_link)
    else:
        subprocess.run(["cp", "-a", source, target], check=True)
