"""Windows' job objects: a child ends with all its children, also when we are killed.

On other systems process groups and a shell that mourns us do that; see `process`.
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
"""Where in it LimitFlags stands."""


class JobObject:
    """What a child and all its children belong to. Does nothing on other systems, or where Windows refuses.

    The system ends whatever is left in it when its last handle is closed, and so when we end, however that may be.
    """

    def __init__(self, handle: int) -> None:
        """Put a process that was just started into a job of its own.

        Args:
            handle: the process's own, as `subprocess` has it.
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
        """End everything in it at once; whether there was a job to end."""
        if self._job is None:
            return False
        return bool(self._kernel.TerminateJobObject(ctypes.c_void_p(self._job), 1))

    def forget(self) -> None:
        """Let go of it, after its child has ended; what that left behind is ended."""
        if self._job is not None:
            self._kernel.CloseHandle(ctypes.c_void_p(self._job))
            self._job = None
