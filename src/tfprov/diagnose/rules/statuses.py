"""How programs tell the exit status of another one. A number alone is no literal: a word stands before it."""

from __future__ import annotations

_GAPS = (" ", ": ", ":", "=", " (")
_GAP = r"(?: |: ?|=| \()"
_EXIT = r"\bexit(?:ed)?(?:[ _-]?(?:code|status))?(?: with)?(?: (?:a )?(?:non-zero )?(?:exit |error )?(?:code|status))?[:= (]{1,8}"


def status_needs(*numbers: str) -> tuple[str, ...]:
    """Literals of the lines that `status_pattern` matches."""
    return "exit", *(f"{word}{gap}{number}" for number in numbers for word in ("code", "status") for gap in _GAPS)


def status_pattern(*numbers: str) -> str:
    """An exit status as shells, Docker, Kubernetes, CI systems and Python write it: `exited (137)`, `status 137`."""
    those = "|".join(numbers)
    return rf"{_EXIT}(?:{those})\b|\b(?:code|status){_GAP}(?:{those})\b"


def exception_needs(*numbers: str) -> tuple[str, ...]:
    """Literals of the lines that `exception_pattern` matches."""
    words = ("code", "status", "exception", "error")
    return tuple(f"{word}{gap}{number}".lower() for number in numbers for word in words for gap in _GAPS)


def exception_pattern(*numbers: str) -> str:
    """An exception of Windows as a status: NTSTATUS, in hexadecimal or as a signed or unsigned number."""
    return rf"\b(?:code|status|exception|error){_GAP}(?:{'|'.join(numbers)})\b"
