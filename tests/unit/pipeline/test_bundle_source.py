from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tfprov.pipeline import bundle_source
from told import refusal


@pytest.mark.parametrize("what", ["strays", "damage"])
def test_a_bundle_with_files_too_many_or_damaged_is_refused(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    entry = SimpleNamespace(path="wheels/six-1.0-py3-none-any.whl")
    bundle = SimpleNamespace(
        source="b",
        strays=lambda: ("wheels/evil.whl",) if what == "strays" else (),
        verify=lambda: (entry,),
    )
    monkeypatch.setattr(bundle_source, "open_all", lambda *_, **__: bundle)
    found = refusal(lambda: bundle_source.check(("b",), cwd=Path.cwd(), environ={}))
    if what == "strays":
        assert found == (
            *("bundle-invalid", "`b` has files that do not belong to it", "`wheels/evil.whl`"),
            "delete them, or copy the bundle again",
        )
    else:
        assert found[:3] == ("bundle-invalid", "`b` has 1 damaged file", f"`{entry.path}`")
