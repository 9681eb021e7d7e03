from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.fetch.certificates import tls_context


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(TfprovError) as caught:
        tls_context((tmp_path / "empty.pem",))
    assert caught.value.code.name == "net-tls-cert"
    assert "empty.pem" in caught.value.what
