"""Secrets in addresses: commands that fail leave none. What succeeds is looked at in test_planted_secrets.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from loopback import Index, Seen, _Connection
from site_under_test import RELEASE, Site, only_here, sham_wheel
from wheels import build_wheel

pytestmark = only_here

TOKEN, QUERY, DIRECT, SIGNATURE, PASSWORD = (
    f"S3cret{word}Z9w" for word in ("Path", "Query", "Direct", "Signature", "Password")
)
SECRETS = (TOKEN, QUERY, DIRECT, SIGNATURE, PASSWORD)


class Guarded(Index):
    """An index below a token, whose files need the token and, where their pages have been asked for, a signature."""

    def _answer(self, state: _Connection, request: Seen) -> None:
        parts = urlsplit(request.path)
        wanted = DIRECT if parts.path.startswith(f"/{DIRECT}/") else TOKEN
        if not parts.path.startswith(f"/{wanted}/") and QUERY not in parts.query:
            self._send(state, request, 404, b"nothing here")
            return
        super()._answer(state, replace(request, path=parts.path.removeprefix(f"/{wanted}")))

    def _send(self, state: _Connection, request: Seen, status: int, body: bytes, **more: str) -> None:  # type: ignore[override]  # headers are passed on
        body = body.replace(b'"/files/', f'"/{TOKEN}/files/'.encode())
        if "/simple/" in request.path:
            body = body.replace(b".whl#", f".whl?X-Amz-Signature={SIGNATURE}#".encode())
        super()._send(state, request, status, body, **more)


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    made = tmp_path / "wheels"
    names = ("alpha", "linked", "direct")
    return [sham_wheel(made, RELEASE, requires=("alpha",)), *(build_wheel(made, name, "1.0") for name in names)]


def leaks(site: Site, *outputs: str) -> list[str]:
    """Where a secret stands: in an output, or in a file below the project."""
    found = [
        f"output {number}: {secret}" for number, text in enumerate(outputs) for secret in SECRETS if secret in text
    ]
    for path in site.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found += [f"{path.relative_to(site.root)}: {secret}" for secret in SECRETS if secret.encode() in content]
    return found


def ask(site: Site, index: Index, *, password: str = "PASSWORD") -> None:
    host = f"127.0.0.1:{index.port}"
    site.extra.update({"TOKEN": TOKEN, "QUERY": QUERY, "DIRECT": DIRECT, "PASSWORD": PASSWORD})
    site.write()
    text = site.profile.read_text(encoding="utf-8").replace(
        (site.root / "index").as_uri(), f"http://me:${{{password}}}@{host}/${{TOKEN}}/simple"
    )
    text = text.replace("[index]\n", f'[index]\nfind-links = ["http://{host}/simple/linked/?token=${{QUERY}}"]\n')
    text += f'[packages]\nrequirements = ["linked", "direct @ http://{host}/${{DIRECT}}/files/direct-1.0-py3-none-any.whl"]\n'
    site.profile.write_text(text, encoding="utf-8")


def test_a_failing_command_leaves_none_either(tmp_path: Path, wheels: list[Path]) -> None:
    site = Site.make(tmp_path)
    with Guarded({path.name: path for path in wheels if "alpha" not in path.name}) as index:
        ask(site, index)
        missing = site.run("up", "train.toml", "--verbose")
        assert missing.returncode == 15, missing.stderr
        site.extra["TOKEN"] = f"{TOKEN}no"
        refused = site.run("up", "train.toml", "--verbose")
        assert refused.returncode != 0
    dead = site.run("up", "train.toml", "--verbose", "--set", "network.deadline=4")
    assert dead.returncode == 12, dead.stderr
    assert leaks(site, *(text for done in (missing, refused, dead) for text in (done.stdout, done.stderr))) == []
