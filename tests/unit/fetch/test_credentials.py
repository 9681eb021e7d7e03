"""Credentials: addresses, netrc, and the keyring, with a backend of its own in a real `keyring` where there is one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from loopback import Faults, Index, wheel
from tfprov.fetch.credentials import Keyring, Login, from_netrc, login_in, service_of
from tfprov.fetch.index import listing
from tfprov.fetch.sources import Network
from tfprov.ladder.climb import TransferError

NAME = "thing-1.0-py3-none-any.whl"
CONTENT = wheel("thing", "1.0")


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A package `keyring` with the one function that is asked, and a file of what was asked of it."""
    package = tmp_path / "packages" / "keyring"
    package.mkdir(parents=True)
    asked = tmp_path / "asked"
    asked.touch()
    code = f"""
    from collections import namedtuple
    from pathlib import Path

    Found = namedtuple("Found", "username password")

    def get_credential(service, user):
        with Path({str(asked)!r}).open("a") as stream:
            stream.write(service + "\\n")
        if "broken" in service:
            raise RuntimeError("locked")
        return None if "nobody" in service else Found("me", "p@ss:word")
    """
    (package / "__init__.py").write_text(textwrap.dedent(code))
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    return asked


def test_a_keyring_is_asked_once_and_only_after_a_refusal(keyring: Path) -> None:
    with Index({NAME: CONTENT}, Faults(login="me:p@ss:word")) as index:
        network = Network(index_url=index.simple, connect_timeout=3, idle_timeout=3)
        for _ in range(2):
            assert listing(["thing"], network, emit=lambda event: None).files["thing"]
        assert keyring.read_text() == f"127.0.0.1:{index.port}\n"
        # The second time the credentials are sent at once.
        assert ["authorization" in seen.headers for seen in index.seen] == [False, True, True]
    assert "p@ss" not in repr(network)


def test_an_open_index_needs_no_keyring(keyring: Path) -> None:
    with Index({NAME: CONTENT}) as index:
        listing(["thing"], Network(index_url=index.simple), emit=lambda event: None)
    assert keyring.read_text() == ""


def test_a_keyring_without_an_answer_gives_no_credentials(keyring: Path) -> None:
    mine = Keyring()
    assert mine.ask("https://nobody.example/simple") is None
    assert mine.ask("https://broken.example/simple") is None
    assert mine.ask("https://index.example/simple") == Login.of("https://index.example:443", "me", "p@ss:word")
    assert mine.known("https://nobody.example/") is None
    assert mine.known("https://index.example/files") == mine.ask("https://index.example/simple")
    assert len(keyring.read_text().splitlines()) == 3


@pytest.mark.skipif(importlib.util.find_spec("keyring") is None, reason="the optional package `keyring` is not here")
def test_the_real_keyring_is_asked_the_same_way(tmp_path: Path) -> None:
    backend = """
    import keyring.backend
    import keyring.credentials

    class Ours(keyring.backend.KeyringBackend):
        priority = 9

        def get_password(self, service, user):
            return None

        def set_password(self, service, user, password):
            raise NotImplementedError

        def get_credential(self, service, user):
            return keyring.credentials.SimpleCredential("me", "secret for " + service)
    """
    (tmp_path / "ours.py").write_text(textwrap.dedent(backend))
    script = "from tfprov.fetch.credentials import Keyring\nlogin = Keyring().ask('https://index.example/simple')\n"
    script += "print(login, login.password.reveal())"
    environ = {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "ours.Ours", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.endswith("password=Secret('****')) secret for index.example\n")


def test_credentials_in_an_address_are_decoded() -> None:
    found = login_in("https://me:p%40ss@index.example/simple")
    assert found is not None
    assert found == Login.of("https://index.example:443", "me", "p@ss")
    assert login_in("https://index.example/simple") is None


def test_a_service_is_named_as_pip_names_it() -> None:
    assert service_of("https://me:secret@index.example:8443/simple") == "index.example:8443"


def test_netrc_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine index.example login me password secret\n")
    path.chmod(0o600)
    assert from_netrc(path, "https://index.example/simple") == Login.of("https://index.example:443", "me", "secret")
    assert from_netrc(path, "https://other.example/") is None
    path.write_bytes(b"machine \xff\xfe login")
    assert from_netrc(path, "https://index.example/") is None
    assert from_netrc(tmp_path / "gone", "https://index.example/") is None


def test_a_keyring_that_cannot_be_asked_is_named_with_the_refusal(keyring: Path) -> None:
    code = keyring.with_name("packages") / "keyring" / "__init__.py"
    code.write_text(code.read_text().replace('"broken" in service', "True"))
    with Index({NAME: CONTENT}, Faults(login="me:p@ss:word")) as index:
        network = Network(index_url=index.simple, connect_timeout=3, idle_timeout=3)
        with pytest.raises(TransferError) as caught:
            listing(["thing"], network, emit=lambda event: None)
    assert "the keyring could not be queried: RuntimeError: locked" in caught.value.evidence
