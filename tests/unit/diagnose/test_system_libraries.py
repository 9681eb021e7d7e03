from __future__ import annotations

import pytest

from tfprov.diagnose.diagnose import diagnose_text
from tfprov.diagnose.system_libraries import _table, providers


@pytest.mark.parametrize(
    ("library", "debian"),
    [
        ("libGL.so.1", "libgl1"),
        ("libGLU.so.1", "libglu1-mesa"),
        ("libgthread-2.0.so.0", "libglib2.0-0"),
        ("libcrypt.so.1", "libcrypt1"),
        ("libstdc++.so.6", "libstdc++6"),
    ],
)
def test_the_package_of_a_library_is_found_by_the_beginning_of_its_name(library: str, debian: str) -> None:
    known = providers(library)
    assert known is not None
    assert known.debian == debian


@pytest.mark.parametrize("library", ["libGLX.so.0", "libcrypto.so.1.1", "libnobody.so.3", ""])
def test_a_library_that_the_table_does_not_know_has_no_package(library: str) -> None:
    assert providers(library) is None


@pytest.mark.parametrize("start", _table())
def test_every_library_of_the_table_is_read_from_the_message_of_the_loader(start: str) -> None:
    library = start if ".so" in start else f"{start}.so.1"
    found = diagnose_text(f"ImportError: {library}: cannot open shared object file: No such file or directory\n").root
    assert found is not None
    assert found.code == "system-library-missing"
    assert found.remedy is not None
    assert _table()[start].debian in found.remedy.text
