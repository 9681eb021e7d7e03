"""A project with its environment, as it was when it had just been made, for each test of a module.

An environment is bound to its path. So one is made there once, and each test gets a copy of all of it at the same path,
with the times and the links between files that tfprov looks at.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from site_under_test import Site

Kind = TypeVar("Kind", bound=Site)


class Kept(Generic[Kind]):
    """What was made in a folder.

    Attributes:
        folder: where each test works; nothing else may be in it.
        copy: of the folder.
    """

    def __init__(self, folder: Path, make: Callable[[Path], Kind]) -> None:
        """Make it.

        Args:
            folder: an empty one, which stays for all tests of the module.
            make: makes a project in the folder; called again for each test where files cannot be copied with their
                links (Windows).
        """
        self.folder = folder
        self.copy = folder.with_name(f"{folder.name}.kept")
        self._make = make
        self._made = make(folder)
        if os.name == "posix":
            subprocess.run(["cp", "-a", folder, self.copy], check=True)

    def again(self) -> Kind:
        """The project as it was, without what a test has done to it."""
        shutil.rmtree(self.folder)
        if os.name == "posix":
            subprocess.run(["cp", "-a", self.copy, self.folder], check=True)
            return replace(self._made, extra=dict(self._made.extra))
        self.folder.mkdir()
        return self._make(self.folder)


@contextlib.contextmanager
def keeping(folder: Path, make: Callable[[Path], Kind]) -> Iterator[Kept[Kind]]:
    """See `Kept`; at the end nothing of it is left."""
    kept = Kept(folder, make)
    yield kept
    for path in (kept.folder, kept.copy):
        shutil.rmtree(path, ignore_errors=True)
