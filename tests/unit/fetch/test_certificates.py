from __future__ import annotations

import socket
import ssl
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hosts import Host
from loopback import Index, authority, wheel
from tfprov.fetch.certificates import _system_context, certificates_of, tls_context
from tfprov.host.records import Fact
from tfprov.profile.records import Profile
from told import refusal


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    empty = tmp_path / "empty.pem"
    words = ("net-tls-cert", f"`{empty}` contains no PEM certificate")
    assert refusal(lambda: tls_context((empty,)))[:2] == words


def test_a_bundle_that_does_not_exist_is_named(tmp_path: Path) -> None:
    asked = Profile.model_validate({"name": "train", "network": {"ca-bundle": "own.pem"}})
    what = f"`network.ca-bundle` names `{tmp_path / 'own.pem'}`, which does not exist"
    found = refusal(lambda: certificates_of(asked, tmp_path, Host().facts, {}))
    assert found[:2] == ("profile-invalid", what)


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


@pytest.mark.parametrize("odd", ["x" * 5000, "x/" * 3000, "\x00", "gone.pem", ".", "~nobody/x.pem"])
def test_a_variable_that_names_no_file_is_passed_over(tmp_path: Path, odd: str) -> None:
    (tmp_path / "good.pem").write_text("")
    good = str(tmp_path / "good.pem")
    environ = {"SSL_CERT_FILE": odd, "REQUESTS_CA_BUNDLE": odd, "CURL_CA_BUNDLE": good, "PIP_CERT": odd}
    facts = replace(Host().facts, certificates=Fact(value=odd, source="test"))
    assert certificates_of(Profile(name="p"), tmp_path, facts, environ) == (Path(good),)
