"""What a bundle cannot hold."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tfprov.lock.records import LockedFile
from tfprov.pipeline import bundling
from told import refusal


def file(name: str, tag: str) -> LockedFile:
    filename = f"{name}-1.0-{tag}.whl"
    return LockedFile(name=name, version="1.0", filename=filename, url=f"file:///{filename}", sha256="a" * 64)


def test_two_files_of_one_name_cannot_both_be_served(tmp_path: Path) -> None:
    paths = {letter * 64: tmp_path / letter / "six-1.0-py3-none-any.whl" for letter in "ab"}
    for path in paths.values():
        path.parent.mkdir()
        path.touch()
    assert refusal(lambda: bundling._wheels(paths)) == (
        *("resolver-conflict", "tfprov and the environment need different files called `six-1.0-py3-none-any.whl`"),
        *(f"sha256 {'b' * 64}", f"sha256 {'a' * 64}", "take the files of one index for both"),
    )


@pytest.mark.parametrize(
    ("tag", "is_here", "works"),
    [
        ("py3-none-any", False, True),
        ("cp312-cp312-linux_x86_64", True, True),
        ("cp312-cp312-linux_x86_64", False, False),
    ],
)
def test_only_what_holds_nothing_compiled_is_built_for_other_platforms(tag: str, is_here: bool, works: bool) -> None:
    lock: Any = SimpleNamespace(files=[file("own", tag)])
    other: Any = SimpleNamespace(sources=[SimpleNamespace(name="own", title="own 1.0")])

    def built() -> list[LockedFile]:
        return list(bundling._built(lock, other, "macos-arm64", is_here=is_here))

    if works:
        assert built() == lock.files
        return
    assert refusal(built) == (
        *("not-supported", "`own 1.0` has no wheel for macos-arm64, and can be built only there"),
        "make the bundle on macos-arm64",
    )
