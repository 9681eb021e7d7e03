"""Keeps the stable path out of a project's commits.

virtualenv puts a `.gitignore` into the folder that it makes. The stable path is a link, which git would commit as such
and which a pattern like `.venv/` does not match. So it is listed in the repository's `info/exclude`, which is not
committed.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from tfprov.contents import text_of
from tfprov.writing import write_through

_WHY = "# a link that tfprov makes"


def exclude(link: Path) -> None:
    """Add a path to git's exclude file; does nothing outside a repository, or if the file cannot be written."""
    with contextlib.suppress(OSError, UnicodeError):
        file, line = _place(link)
        if file is not None:
            text = text_of(file) if file.exists() else ""
            if line not in text.splitlines():
                file.parent.mkdir(exist_ok=True)
                gap = "\n" if text and not text.endswith("\n") else ""
                write_through(file, f"{text}{gap}{_WHY}\n{line}\n".encode())


def forget(link: Path) -> None:
    """Remove what `exclude` added."""
    with contextlib.suppress(OSError, UnicodeError):
        file, line = _place(link)
        if file is not None and file.exists():
            text = text_of(file)
            without = text.replace(f"{_WHY}\n{line}\n", "")
            if without != text:
                write_through(file, without.encode())


def _place(link: Path) -> tuple[Path | None, str]:
    """The exclude file of the repository that contains a path, and the pattern that matches only that path."""
    for folder in link.parents:
        git = folder / ".git"
        if git.is_file():
            # A worktree or submodule: the file names its git folder, and `commondir` there names the shared one.
            git = folder / text_of(git).removeprefix("gitdir:").strip()
            common = git / "commondir"
            git = git / text_of(common).strip() if common.is_file() else git
        if (git / "HEAD").is_file():
            path = link.relative_to(folder).as_posix()
            return git / "info" / "exclude", "/" + re.sub(r"([\\*?\[\] ])", r"\\\1", path)
    return None, ""
