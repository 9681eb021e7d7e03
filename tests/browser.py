"""A real browser without a window, for pages that people will open: what it shows, not what the source says."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def found() -> str | None:
    """The browser of this machine, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """Chromium, started anew for each question.

    Attributes:
        folder: where its profile and its files go.
    """

    def __init__(self, executable: str, folder: Path) -> None:
        self._executable = executable
        self.folder = folder

    def ask(self, page: Path, *arguments: str) -> str:
        """Load a file and give what the browser prints. No name can be resolved: a page has to do without."""
        done = subprocess.run(
            [
                *(self._executable, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                *("--hide-scrollbars", "--no-first-run", "--disable-extensions", "--disable-background-networking"),
                *(f"--user-data-dir={self.folder / 'browser'}", "--host-resolver-rules=MAP * ~NOTFOUND"),
                *(*arguments, page.as_uri()),
            ],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def text(self, page: Path) -> str:
        """The document after its scripts, as HTML."""
        return self.ask(page, "--virtual-time-budget=5000", "--dump-dom")

    def screenshot(self, page: Path, *, width: int, height: int) -> Picture:
        """What a window of that size shows."""
        target = self.folder / f"{page.stem}-{width}.png"
        self.ask(page, f"--window-size={width},{height}", f"--screenshot={target}")
        return Picture(target)

    def printed(self, page: Path) -> bytes:
        """The page on paper, as PDF."""
        target = self.folder / f"{page.stem}.pdf"
        self.ask(page, "--no-pdf-header-footer", f"--print-to-pdf={target}")
        return target.read_bytes()


class Picture:
    """A PNG of the kind that Chromium writes: 8 bits, three or four channels, not interlaced.

    Attributes:
        pixels: a colour as bytes, for each point, line by line.
    """

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        position, data = 8, b""
        while position < len(content):
            (length,), kind = struct.unpack_from(">I", content, position), content[position + 4 : position + 8]
            body = content[position + 8 : position + 8 + length]
            if kind == b"IHDR":
                self.width, self.height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
                assert (depth, interlaced) == (8, 0)
                self._channels = {2: 3, 6: 4}[colour]
            elif kind == b"IDAT":
                data += body
            position += 12 + length
        self.pixels = self._colours(zlib.decompress(data))

    def _colours(self, raw: bytes) -> list[bytes]:
        step, width = self._channels, self._channels * self.width
        above, found = bytearray(width), []
        for start in range(0, len(raw), width + 1):
            line = bytearray(raw[start + 1 : start + 1 + width])
            kind = raw[start]
            for index in range(width) if kind else ():
                left = line[index - step] if index >= step else 0
                corner = above[index - step] if index >= step else 0
                line[index] = (line[index] + _predicted(kind, left, above[index], corner)) & 0xFF
            above = line
            found += [bytes(line[index : index + 3]) for index in range(0, width, step)]
        return found


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    """The prediction of PNG's filters 1 to 4; see its specification, section 9."""
    if kind == 4:
        estimate = left + up - corner
        return min((left, up, corner), key=lambda each: abs(estimate - each))
    return (left, up, (left + up) // 2)[kind - 1]
