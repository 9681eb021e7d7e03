from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tfprov.fetch import record


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no /proc")
def test_a_boot_has_an_id_where_proc_is_not_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a plain chroot; psutil computes the time of the boot from a file there, too."""

    def missing(path: Path, *_: object, **__: object) -> str:
        raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr(Path, "read_text", missing)
    monkeypatch.setattr("psutil.boot_time", lambda: missing(Path("/proc/stat")))
    assert record.boot_id().isdigit()
