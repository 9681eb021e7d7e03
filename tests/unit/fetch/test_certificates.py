from __future__ import annotations

import socket
import ssl
import sys
from pathlib import Path

import pytest

from loopback import Index, authority, wheel
from tfprov.errors import TfprovError
from tfprov.fetch.certificates import _system_context, tls_context


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(TfprovError) as caught:
        tls_context((tmp_path / "empty.pem",))
    assert caught.value.code.name == "net-tls-cert"
    assert "empty.pem" in caught.value.what


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the system itself checks certificates there")
def test_the_systems_certificates_are_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle))
    context = _system_context()
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    made.bundle.unlink()
    with Index({"thing-1.0-py3-none-any.whl": wheel("thing", "1.0")}, tls=made.server) as index:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", index.port)) as plain:
                context.wrap_socket(plain, server_hostname="127.0.0.1").close()


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the system itself checks certificates there")
def test_where_openssl_was_built_for_another_place_the_systems_bundle_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "made").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setattr("tfprov.fetch.certificates._SYSTEM_BUNDLES", (str(authority(tmp_path / "made").bundle),))
    assert len(_system_context().get_ca_certs()) == 1
