"""Windows job objects: all descendants of a child process end with it, also when tfprov is killed.

On other systems process groups and a watching shell do the same; see `process`.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from typing import Any

_LIMITS = 9
"""JobObjectExtendedLimitInformation"""
_KILL_ON_CLOSE = 0x2000
_LIMITS_BYTES = 144
"""Size of JOBOBJECT_EXTENDED_LIMIT_INFORMATION on 64 bits."""
_FLAGS_AT = 16
"""Offset of LimitFlags in that structure."""


class JobObject:
    """A job object that a child process and all its descendants belong to. No effect on other systems or on failure.

    Windows ends every process left in the job when its last handle is closed, which happens however tfprov ends.
    """

    def __init__(self, handle: int) -> None:
        """Put a process that was just started into a job of its own.

        Args:
            handle: the process handle that `subprocess` keeps.
        """
        self._kernel: Any = None
        self._job: int | None = None
        if sys.platform == "win32":
            with contextlib.suppress(OSError, AttributeError):
                self._begin(ctypes.WinDLL("kernel32", use_last_error=True), handle)

    def _begin(self, kernel: Any, handle: int) -> None:
        kernel.CreateJobObjectW.restype = ctypes.c_void_p
        job = kernel.CreateJobObjectW(None, None)
        if not job:
            return
        limits = bytearray(_LIMITS_BYTES)
        limits[_FLAGS_AT : _FLAGS_AT + 4] = _KILL_ON_CLOSE.to_bytes(4, "little")
        buffer = (ctypes.c_char * _LIMITS_BYTES).from_buffer(limits)
        place, process = ctypes.c_void_p(job), ctypes.c_void_p(handle)
        if kernel.SetInformationJobObject(place, _LIMITS, buffer, _LIMITS_BYTES) and kernel.AssignProcessToJobObject(
            place, process
        ):
            self._kernel, self._job = kernel, job
        else:
            kernel.CloseHandle(place)

    def end(self) -> bool:
        """Terminate every process in the job. Returns False when there is no job, or Windows refused."""
        if self._job is None:
            return False
        return bool(self._kernel.TerminateJobObject(ctypes.c_void_p(self._job), 1))

    def forget(self) -> None:
        """Close the job after its child has ended; processes that the child left behind are ended."""
        if self._job is not None:
            self._kernel.CloseHandle(ctypes.c_void_p(self._job))
            self._job = None
