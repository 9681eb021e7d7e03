"""Secrets that are planted, and whatever is left of them: on a screen, on a disk, in the arguments of a process."""

from __future__ import annotations

import base64
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SPELLINGS = {
    "hash": "#",
    "slash": "/",
    "question": "?",
    "at": "@",
    "bracket": "[",
    "double quote": '"',
    "single quote": "'",
    "space": " ",
    "encoded": "%40",
    "foreign": "é",
    "angle": "<",
    "backslash": "\\",
    "ampersand": "&",
    "colon": ":",
}
"""What stands in the middle of a secret, by a name for it."""
_ENDS = "Qz7w", "Vr5x"
"""How the words of every secret end."""
_MARKS = (*(end.encode() for end in _ENDS), base64.b64encode(b"me:"))
"""Where none of these stands, there is no secret: most files are looked through for three strings instead of dozens."""


@dataclass(frozen=True, slots=True)
class Planted:
    """A secret: two words that occur nowhere else, with something between them that is hard to write in an address.

    Attributes:
        name: of its place.
        odd: what stands in the middle; empty for one word.
    """

    name: str
    odd: str = ""

    @property
    def words(self) -> tuple[str, str]:
        plain = "".join(letter for letter in self.name.title() if letter.isalnum())
        return f"S3{plain}{_ENDS[0]}", f"K9{plain}{_ENDS[1]}"

    @property
    def raw(self) -> str:
        """As a person has it."""
        return self.odd.join(self.words)

    @property
    def encoded(self) -> str:
        """As an address must have it."""
        return quote(self.raw, safe="")

    def is_in(self, content: bytes) -> bool:
        """Whether a half of it, or the login of a `me` with it, stands in a content."""
        login = base64.b64encode(f"me:{self.raw}".encode()).rstrip(b"=")
        return any(each in content for each in (*(word.encode() for word in self.words), login))


def left_behind(
    planted: tuple[Planted, ...], root: Path, *outputs: str, written: frozenset[Path] = frozenset()
) -> list[str]:
    """Where a secret stands: in an output, in the name or the content of a file, also of one in an archive.

    Args:
        planted: what to look for.
        root: everything below it is read.
        outputs: what was printed, and the arguments of processes.
        written: files that the user has written the secrets into.
    """
    found = [
        f"output {number}: {secret.name}: {_around(text, secret)}"
        for number, text in enumerate(outputs)
        for secret in planted
        if secret.is_in(text.encode())
    ]
    for path in root.rglob("*"):
        names = str(path.relative_to(root)).encode()
        if path.is_symlink() or not path.is_file() or path in written:
            found += [f"{path.relative_to(root)}: {secret.name}" for secret in planted if secret.is_in(names)]
            continue
        for content in filter(_may_have_one, (names, *_contents(path.read_bytes()))):
            found += [f"{path.relative_to(root)}: {secret.name}" for secret in planted if secret.is_in(content)]
    return found


def _may_have_one(content: bytes) -> bool:
    return any(mark in content for mark in _MARKS)


def _around(text: str, secret: Planted) -> str:
    at = min((text.find(word) for word in secret.words if word in text), default=0)
    return repr(text[max(0, at - 80) : at + 60])


def _contents(content: bytes) -> Iterator[bytes]:
    yield content
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from _contents(archive.read(name))


@contextmanager
def arguments_seen() -> Iterator[set[str]]:
    """The command lines of all processes that this one starts while it lasts, and of those that these start."""
    seen: set[str] = set()
    ended = threading.Event()
    before = _processes()
    # To read those of a whole machine again and again takes more than what is tested.
    passed_over, ours = set(before), set[str]()

    def look() -> None:
        while not ended.wait(0.01):
            for number in _processes() - passed_over:
                with suppress(OSError):  # it has ended
                    if number not in ours and _is_of_others(number, before):
                        passed_over.add(number)
                        continue
                    ours.add(number)
                    seen.add(Path("/proc", number, "cmdline").read_bytes().decode("utf-8", "replace"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def _processes() -> set[str]:
    """The numbers of all that run."""
    return set(filter(str.isdigit, os.listdir("/proc")))


def _is_of_others(number: str, before: set[str]) -> bool:
    """Whether a process was started by one that was there before and is not of ours; unknown where its parents ended.

    Raises:
        OSError: it has ended.
    """
    line = [number]
    while line[-1] not in ("0", "1", str(os.getpid())):
        line.append(Path("/proc", line[-1], "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    return line[-1] != str(os.getpid()) and any(each in before for each in line[:-1])
