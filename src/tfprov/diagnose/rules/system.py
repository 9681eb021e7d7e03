"""The operating system: disks, memory, permissions, processes. By number where there is one: words are translated."""

from __future__ import annotations

from tfprov.diagnose.records import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        name="errno-no-space",
        code="disk-full",
        reads="Python, Rust (uv), C: ENOSPC 28, EDQUOT 122 (Linux) and 69 (macOS), Windows 112 and 39",
        needs=(
            "[errno 28]",
            "[errno 122]",
            "[winerror 112]",
            "[winerror 39]",
            "os error 28",
            "os error 122",
            "os error 112",
            "errno: 28",
            "errno=28",
            "enospc",
            "no space left on device",
            "disk quota exceeded",
            "not enough space on the disk",
            "disk full",
            "not enough disk space",
            "insufficient disk space",
            "out of disk space",
            "not enough free space",
        ),
        pattern=r"\[Errno (?:28|122|69)\]|\[WinError (?:112|39)\]|\(os error (?:28|122|112)\)|errno[:= ]+28\b|\bENOSPC\b"
        r"|No space left on device|Disk quota exceeded|not enough space on the disk|\bdisk full\b"
        r"|(?:not enough|insufficient|out of) (?:free )?(?:disk )?space",
        examples=(
            "OSError: [Errno 28] Auf dem Gerät ist kein Speicherplatz mehr verfügbar",
            "  Caused by: No space left on device (os error 28)",
            "OSError: [WinError 112] 磁盘空间不足。: 'C:\\\\x'",
            "tar: write error: No space left on device",
            "OSError: [Errno 122] Disk quota exceeded: '/home/x/.cache/pip'",
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        ),
        rank=92,
    ),
)
