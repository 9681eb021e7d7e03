"""The same log as other programs hand it on: prefixes of CI systems, colours, line ends, encodings, padding."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

Variant = Callable[[bytes], bytes]

# Nothing that shows a program at work or names a system: what is harmless or was wrong is decided by that, too.
_HARMLESS = (
    b"Requirement already satisfied: six>=1.12.0 in ./lib/python3.12/site-packages (from tensorflow) (1.17.0)",
    b"  Downloading markdown-3.9-py3-none-any.whl (107 kB)",
    b"gcc -pthread -Wno-unused-result -O3 -Wall -fPIC -Iinclude -c src/module.c -o build/src/module.o",
    b"2026-01-02 03:04:05.060708: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.",
    b"Unpacking libgfortran5:amd64 (12.2.0-14) ...",
    b"  1% [Working]\r  4% [Waiting for headers]\r 17% [Connecting to deb.example]",
    b"Get:12 http://deb.example/pool stable/main amd64 libc6-dev amd64 2.36-9 [1904 kB]",
    b"copying tensorflow/python/ops/array_ops.py -> build/lib/tensorflow/python/ops",
    b"drwxr-xr-x 2 user user 4096 Jan  2 03:04 data",
    b"#8 sha256:0f2d1c3b4a59687786950413223140ff 31.46MB / 62.91MB 2.1s",
)


def padding(size: int, *, seed: int = 1) -> bytes:
    """At least `size` bytes of lines that say nothing."""
    chooser = random.Random(seed)
    lines: list[bytes] = []
    length = 0
    while length < size and len(lines) < 4000:
        lines.append(chooser.choice(_HARMLESS) + b"\n")
        length += len(lines[-1])
    return b"".join(lines) * -(-size // length)


def _each(prefix: Callable[[int], bytes]) -> Variant:
    def change(content: bytes) -> bytes:
        lines = content.split(b"\n")
        tail = lines.pop() if lines and not lines[-1] else None
        done = b"\n".join(prefix(number) + line for number, line in enumerate(lines))
        return done + b"\n" if tail is not None else done

    return change


def _colours(content: bytes) -> bytes:
    lines = []
    for number, line in enumerate(content.split(b"\n")):
        first, blank, rest = line.partition(b" ")
        lines.append(b"\x1b[%dm" % (31 + number % 6) + first + b"\x1b[0m" + blank + rest + b"\x1b[K" if line else line)
    return b"\n".join(lines)


def _quoted(content: bytes) -> bytes:
    # As a reply to a message or an issue quotes it.
    return b"\n".join(b"> " + line if line else b">" for line in content.rstrip(b"\n").split(b"\n")) + b"\n"


def _progress(content: bytes) -> bytes:
    bars = b"".join(b"\r     \xe2\x94\x81\xe2\x94\x81 %d/620 MB 11.2 MB/s" % number for number in range(0, 620, 31))
    return b"  Downloading tensorflow_datasets-4.9.9-py3-none-any.whl\n" + bars + b"\n" + content


def _latin1(content: bytes) -> bytes:
    stray = b"Vorgang f\xfcr Benutzer M\xfcller l\xe4uft \xff\x80 noch\n"
    return stray + content.rstrip(b"\n") + b"\n" + stray


def _utf16(content: bytes) -> bytes:
    # What `> build.log` writes in Windows PowerShell 5.
    return b"\xff\xfe" + content.replace(b"\n", b"\r\n").decode("utf-8", "replace").encode("utf-16-le")


# What systems in other languages say for the same error number; tools print the number beside it.
_TRANSLATIONS: tuple[tuple[bytes, bytes], ...] = (
    (b"No space left on device", "Auf dem Gerät ist kein Speicherplatz mehr verfügbar".encode()),
    (b"Permission denied", b"Keine Berechtigung"),
    (b"Read-only file system", "Système de fichiers accessible en lecture seulement".encode()),
    (b"Disk quota exceeded", "Débordement du quota d'espace disque".encode()),
    (b"Connection refused", b"Verbindungsaufbau abgelehnt"),
    (b"Connection reset by peer", "Connexion ré-initialisée par le correspondant".encode()),
    (b"Temporary failure in name resolution", "域名解析暂时失败".encode()),
    (b"Network is unreachable", "Le réseau n'est pas accessible".encode()),
    (b"File exists", b"Le fichier existe"),
)
_NUMBERED = (b"[Errno ", b"(os error ")


def _translated(content: bytes) -> bytes:
    lines = content.split(b"\n")
    for number, line in enumerate(lines):
        if any(mark in line for mark in _NUMBERED):
            for english, other in _TRANSLATIONS:
                line = line.replace(english, other)  # noqa: PLW2901  # one translation after the other
            lines[number] = line
    return b"\n".join(lines)


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "plain": lambda content: content,
        "crlf": lambda content: content.replace(b"\n", b"\r\n"),
        "colours": _colours,
        "progress": _progress,
        "quoted": _quoted,
        # Azure writes the same.
        "github": _each(lambda number: b"2026-01-02T03:04:%02d.%07dZ " % (number % 60, number)),
        "gitlab": _each(lambda number: b"2026-01-02T03:04:%02d.%06dZ 01O " % (number % 60, number)),
        "jenkins": _each(lambda number: b"[2026-01-02T03:04:%02d.%03dZ] " % (number % 60, number % 1000)),
        "buildkit": _each(lambda number: b"#12 %d.%03d " % (number // 7 + 1, number * 37 % 1000)),
        "compose": _each(lambda _: b"trainer-1  | "),
        "kubernetes": _each(lambda number: b"2026-01-02T03:04:%02d.%09dZ stderr F " % (number % 60, number)),
        "journald": _each(lambda _: b"Jan 02 03:04:05 node7 train[4242]: "),
        "logging": _each(lambda number: b"2026-01-02 03:04:%02d,%03d " % (number % 60, number % 1000)),
        "clock": _each(lambda number: b"[03:04:%02d] " % (number % 60)),
        "indented": _each(lambda _: b"    "),
        "translated": _translated,
        "latin-1": _latin1,
        "utf-16": _utf16,
        "padded": lambda content: padding(4_000) + content.rstrip(b"\n") + b"\n" + padding(1_000, seed=2),
    }
)
"""Ways to hand a log on that keep all of it: a diagnosis may not change."""


def last_lines(count: int) -> Variant:
    """Keeps the last lines of a log only, as people do who paste it.

    Args:
        count: lines to keep.
    """
    return lambda content: b"\n".join(content.rstrip(b"\n").split(b"\n")[-count:]) + b"\n"


def without_head(content: bytes) -> bytes:
    """The log without its first quarter, begun in the middle of a line."""
    return content[len(content) // 4 :]


def without_tail(content: bytes) -> bytes:
    """The log without its last eighth, ended in the middle of a line."""
    return content[: len(content) - len(content) // 8]


TRUNCATIONS: Mapping[str, Variant] = MappingProxyType({"no head": without_head, "no tail": without_tail})
"""Ways to lose a part of a log: what is lost cannot be told any more, so these are measured and not demanded."""
