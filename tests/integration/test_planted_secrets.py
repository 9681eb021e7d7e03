"""Secrets in every place and spelling: no command, also a failing one, leaves one anywhere."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import os
import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

from channel import ChannelServer, text_package, write_channel
from conda_site import CondaSite
from loopback import Faults, Index, Proxy, Seen, _Connection, unused_port
from planted import SPELLINGS, Planted, arguments_seen, left_behind
from site_under_test import PYTHON, RELEASE, Site, only_here, sham_wheel
from tfprov.cli.app import app
from wheels import build_wheel

pytestmark = only_here

ALL = "TFPROV_TEST_LARGE" in os.environ
"""Whether to try every spelling in every place, which takes minutes."""


class Run:
    """The commands of a test, and what they print."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.outputs: list[str] = []

    def __call__(self, *arguments: str, status: int | None = None) -> subprocess.CompletedProcess[str]:
        done = self.site.run(*arguments)
        self.outputs += [done.stdout, done.stderr]
        assert "Traceback" not in done.stderr, done.stderr
        assert status is None or done.returncode == status, f"{arguments}: {done.returncode}: {done.stderr}"
        return done

    def and_about_it(self) -> None:
        """Whatever can be said of a run afterwards."""
        text = self.site.root / "said.txt"
        text.write_text("\n".join(self.outputs), encoding="utf-8")
        self("explain", str(text))
        text.unlink()
        self("log", "train.toml")
        self("status", "train.toml")
        self("files", "train.toml")
        self("report", "train.toml", "-o", "report.zip", "--yes")


def ready(tmp_path: Path) -> Site:
    site = Site.make(tmp_path)
    folder = site.root / "tmp"
    folder.mkdir()
    site.extra |= {"TMPDIR": str(folder), "XDG_CONFIG_HOME": str(site.root / "settings")}
    return site


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_is_looked_for_is_found_in_every_form_and_place(tmp_path: Path, spelling: str) -> None:
    secret = Planted("there", SPELLINGS[spelling])
    login = base64.b64encode(f"me:{secret.raw}".encode()).decode()
    for number, form in enumerate((*secret.words, secret.raw, secret.encoded, login)):
        (tmp_path / f"{number}.txt").write_bytes(b"\0before" + form.encode() + b"after")
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.txt", f"before {form} after")
        assert left_behind((secret,), tmp_path / "none", f"before{form}after") != []
    (tmp_path / secret.words[0]).mkdir()
    (tmp_path / f"{secret.words[1]}.txt").touch()
    assert len(left_behind((secret,), tmp_path)) == 2 * 5 + 2
    assert left_behind((Planted("elsewhere", SPELLINGS[spelling]),), tmp_path) == []


MACHINE = (
    "default",
    "named",
    "links",
    "pip",
    "pip extra",
    "pip links",
    "http proxy",
    "https proxy",
    "all proxy",
    "pip conf",
    "pip conf proxy",
    "uv toml",
    "netrc",
    "variable",
)


def rotated(names: Sequence[str], shift: int) -> dict[str, Planted]:
    """A secret for each name, each in another spelling."""
    spellings = tuple(SPELLINGS.values())
    return {name: Planted(name, spellings[(shift + at) % len(spellings)]) for at, name in enumerate(names)}


def settings(site: Site, shift: int, port: int) -> tuple[tuple[Planted, ...], frozenset[Path]]:
    """A secret in each setting that a machine has for an index; what they are, and the files they were written into."""
    secrets = rotated(MACHINE, shift)

    def login(name: str, scheme: str = "http", host: str = f"127.0.0.1:{port}/simple") -> str:
        return f"{scheme}://me:{secrets[name].raw}@{host}"

    config = site.root / "settings"
    (config / "pip").mkdir(parents=True, exist_ok=True)
    (config / "uv").mkdir(exist_ok=True)
    files = (config / "pip/pip.conf", config / "uv/uv.toml", site.root / ".netrc")
    files[0].write_text(
        f"[global]\nextra-index-url = {login('pip conf')}\nproxy = {login('pip conf proxy')}\n".replace("%", "%%")
    )
    files[1].write_text(f"find-links = [{json.dumps(login('uv toml'))}]\n")
    files[2].write_text(f"machine 127.0.0.1 login me password {secrets['netrc'].raw}\n")
    site.extra |= {
        "PIP_CONFIG_FILE": str(files[0]),
        "UV_DEFAULT_INDEX": login("default"),
        "UV_INDEX": f"mine=http://127.0.0.1:{port}/extra",
        "UV_INDEX_MINE_USERNAME": "me",
        "UV_INDEX_MINE_PASSWORD": secrets["named"].raw,
        "UV_FIND_LINKS": login("links"),
        "PIP_INDEX_URL": login("pip"),
        "PIP_EXTRA_INDEX_URL": login("pip extra"),
        "PIP_FIND_LINKS": login("pip links"),
        "HTTP_PROXY": login("http proxy", host=f"127.0.0.1:{port}"),
        "HTTPS_PROXY": login("https proxy", host=f"127.0.0.1:{port}"),
        "ALL_PROXY": login("all proxy", "socks5", f"127.0.0.1:{port}"),
        "TOKEN": secrets["variable"].raw,
    }
    return tuple(secrets.values()), frozenset(files)


@pytest.mark.parametrize("shift", range(len(SPELLINGS) if ALL else 1))
def test_settings_of_a_machine_that_cannot_be_read_or_reached_show_no_secret(tmp_path: Path, shift: int) -> None:
    site = ready(tmp_path)
    run = Run(site)
    secrets, files = settings(site, shift, unused_port())
    site.profile.write_text('name = "train"\n[environment]\nvariables = { TOKEN = "${TOKEN}" }\n', encoding="utf-8")
    with arguments_seen() as arguments:
        run("facts", "--json")
        run("up", "train.toml", "--verbose", "--set", "network.deadline=2", "--set", "network.connect-timeout=1")
        run.and_about_it()
    assert left_behind(secrets, site.root, *run.outputs, *arguments, written=files) == []


class Written:
    """Addresses with a login, as people write them out in the files of a project; each with another secret."""

    def __init__(self, shift: int, port: int) -> None:
        self.secrets: list[Planted] = []
        self._shift, self._port = shift, port

    def secret(self, name: str) -> Planted:
        spellings = tuple(SPELLINGS.values())
        self.secrets.append(Planted(name, spellings[(self._shift + len(self.secrets)) % len(spellings)]))
        return self.secrets[-1]

    def at(self, name: str, rest: str = "/simple") -> str:
        return f"https://me:{self.secret(name).raw}@127.0.0.1:{self._port}{rest}"

    def text(self, name: str, rest: str = "/simple", head: str = "") -> str:
        return json.dumps(head + self.at(name, rest), ensure_ascii=False)

    def files(self) -> dict[str, str]:
        """Each kind of file that names an index, a file or a repository; 40 secrets in all."""
        at, text, wheel = self.at, self.text, "/a-1-py3-none-any.whl"
        host = f"https://127.0.0.1:{self._port}"
        token, query = self.secret("token").words[0], self.secret("query").words[0]
        return {
            "requirements.txt": f"--index-url {at('r i')}\n--extra-index-url {at('r e')}\n--find-links {at('r l')}\n"
            f"-f {at('r f')}\na @ {at('r d', wheel)}\nb @ {at('r b', '/b-1.tar.gz')}\n"
            f"x @ git+{at('r g', '/r.git')}@main\n-e git+{at('r v', '/e.git')}#egg=e\n"
            f"{host}{wheel}?token={query}\n--proxy {at('r p', '')}\n",
            "environment.yml": f"name: x\nchannels:\n  - {text('y c')}\n  - {host}/t/{token}/c\ndependencies:\n"
            f"  - pip:\n    - {text('y i', head='--index-url ')}\n    - {text('y d', wheel, 'a @ ')}\n"
            f"    - {text('y e', head='--extra-index-url ')}\n",
            "pyproject.toml": f"[project]\nname = 'x'\ndependencies = [{text('p d', wheel, 'a @ ')}, 'b']\n"
            f"[[tool.uv.index]]\nname = 'i'\nurl = {text('p i')}\n[tool.uv.sources]\nb = {{ index = 'i' }}\n"
            f"c = {{ git = {text('p g', '/g.git')} }}\n[tool.uv]\nfind-links = [{text('p l')}]\n",
            "Pipfile": f"[[source]]\nname = 'a'\nurl = {text('f s')}\nverify_ssl = true\n[packages]\nb = '*'\n"
            f"c = {{ git = {text('f g', '/g.git')} }}\nd = {{ file = {text('f f', wheel)} }}\n",
            "poetry/pyproject.toml": "[tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\npython = '^3.10'\n"
            f"b = {{ version = '*', source = 's' }}\ng = {{ git = {text('o g', '/g.git')} }}\n"
            f"u = {{ url = {text('o u', wheel)} }}\n[[tool.poetry.source]]\nname = 's'\nurl = {text('o s')}\n",
            "uv.lock": "version = 1\nrequires-python = '>=3.10'\n[[package]]\nname = 'b'\nversion = '1'\n"
            f"source = {{ registry = {text('u r')} }}\nwheels = [{{ url = {text('u w', wheel)}, hash = '' }}]\n"
            f"[[package]]\nname = 'g'\nversion = '1'\nsource = {{ git = {text('u g', '/g.git')} }}\n",
            "Pipfile.lock": json.dumps(
                {
                    "_meta": {"sources": [{"name": "a", "url": at("l s"), "verify_ssl": True}]},
                    "default": {"b": {"version": "==1", "index": "a"}, "g": {"git": at("l g", "/g.git"), "ref": "abc"}},
                }
            ),
            "setup.cfg": f"[metadata]\nname = x\n[options]\ninstall_requires =\n  a @ {at('s d', wheel)}\n  b<2\n"
            f"dependency_links =\n  {at('s l')}\n",
            "train.toml": f"name = 'x'\n[index]\nurl = {text('t i')}\nextra = [{text('t e')}]\n"
            f"mirrors = [{text('t m')}]\nfind-links = [{text('t l')}]\n[network]\n"
            f"proxies = [{text('t p', '')}]\n[packages]\n"
            f"requirements = [{text('t d', wheel, 'a @ ')}]\n",
            "script.py": f"# /// script\n# dependencies = [{text('c d', wheel, 'a @ ')}]\n# [[tool.uv.index]]\n"
            f"# url = {text('c i')}\n# ///\n",
        }


@pytest.mark.parametrize("shift", range(len(SPELLINGS) if ALL else 1))
def test_an_address_that_is_written_out_in_a_file_is_shown_without_its_login(
    tmp_path: Path, shift: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = ready(tmp_path)
    for name, value in site.environ().items():
        monkeypatch.setenv(name, value)
    written = Written(shift, unused_port())
    outputs, files = [], set()
    for name, text in written.files().items():
        path = site.root / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        files.add(path)
        for words in (("files", str(path)), ("files", str(path), "--json"), ("adopt", str(path))):
            with contextlib.suppress(SystemExit):
                app([*words], standalone_mode=False)
            said = capsys.readouterr()
            outputs += [said.out, said.err]
    assert len(written.secrets) >= 40
    assert left_behind(tuple(written.secrets), site.root, *outputs, written=frozenset(files)) == []


BACKEND = """
from keyring.backend import KeyringBackend

class Planted(KeyringBackend):
    priority = 9

    def get_password(self, service, username):
        return {password!r} if username == "me" else None

    def set_password(self, service, username, password):
        raise NotImplementedError

    def get_credential(self, service, username):
        from keyring.credentials import SimpleCredential

        return SimpleCredential("me", {password!r})
"""


@pytest.mark.skipif(importlib.util.find_spec("keyring") is None, reason="the extra `keyring` is not installed")
@pytest.mark.parametrize("shift", range(len(SPELLINGS) if ALL else 1))
def test_a_login_that_the_keyring_gave_is_left_nowhere(tmp_path: Path, shift: int) -> None:
    site = ready(tmp_path)
    run = Run(site)
    secret = Planted("keyring", tuple(SPELLINGS.values())[shift])
    # A backend of the user's own, as keyring's settings name it; it lies outside of what is searched.
    settings, backend = site.root / "settings/python_keyring/keyringrc.cfg", tmp_path / "backend/planted_backend.py"
    backend.parent.mkdir()
    backend.write_text(BACKEND.format(password=secret.raw), encoding="utf-8")
    settings.parent.mkdir(parents=True)
    settings.write_text(
        f"[backend]\ndefault-keyring=planted_backend.Planted\nkeyring-path={backend.parent}\n", encoding="utf-8"
    )
    wheel = sham_wheel(tmp_path / "wheels", RELEASE)
    with (
        Index({wheel.name: wheel}, Faults(login=f"me:{secret.raw}")) as index,
        arguments_seen() as arguments,
    ):
        site.write()
        text = site.profile.read_text(encoding="utf-8").replace((site.root / "index").as_uri(), index.simple)
        site.profile.write_text(text, encoding="utf-8")
        run("up", "train.toml", "--verbose", status=0)
        backend.write_text(BACKEND.format(password=secret.raw + "x"), encoding="utf-8")
        run("lock", "train.toml", "--upgrade")
        run("log", "train.toml")
    assert left_behind((secret,), site.root, *run.outputs, *arguments) == []


GOOD = ("index", "folder", "query", "direct", "mirror", "signature", "proxy", "extra", "value", "token")


class Guarded(Index):
    """An index below a token, behind a login, whose files need the token and the signature of their page.

    Attributes:
        secrets: what it asks for, by name.
        refused: what it refused, with the reason.
    """

    secrets: dict[str, Planted]
    refused: list[str]

    def _answer(self, state: _Connection, request: Seen) -> None:
        parts = urlsplit(request.path)
        path = unquote(parts.path)
        root = next(
            (name for name in ("folder", "direct", "mirror") if path.startswith(f"/{self.secrets[name].raw}/")), ""
        )
        if not root and self.secrets["query"].words[0] not in parts.query:
            self.refused.append(request.path)
            self._send(state, request, 404, b"nothing here")
            return
        if root:
            path = path.removeprefix(f"/{self.secrets[root].raw}")
        super()._answer(state, replace(request, path=quote(path)))

    def _send(self, state: _Connection, request: Seen, status: int, body: bytes, **more: str) -> None:  # type: ignore[override]  # headers are passed on
        if "/simple/" in request.path:
            prefix, sign = quote(self.secrets["folder"].raw, safe=""), self.secrets["signature"].encoded
            body = body.replace(b'"/files/', f'"/{prefix}/files/'.encode())
            body = body.replace(b".whl#", f".whl?X-Amz-Signature={sign}#".encode())
        super()._send(state, request, status, body, **more)


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    made = tmp_path / "wheels"
    names = ("alpha", "linked", "direct")
    return [sham_wheel(made, RELEASE, requires=("alpha",)), *(build_wheel(made, name, "1.0") for name in names)]


def planted_profile(site: Site, index: Guarded, proxy: Proxy, body: str = "") -> None:
    """A profile with a secret in every place that it has, as names of variables."""
    secrets = index.secrets
    # What an address must have encoded, the user has to encode; a variable of the environment is taken as it is.
    site.extra |= {name.upper(): secret.encoded for name, secret in secrets.items()}
    site.extra |= {"VALUE": secrets["value"].raw, "TOKEN": secrets["token"].raw}
    host = f"127.0.0.1:{index.port}"
    site.profile.write_text(
        f'''name = "train"
[python]
path = "{PYTHON}"
[index]
url = "http://me:${{INDEX}}@{host}/${{FOLDER}}/simple"
mirrors = ["http://{host}/${{MIRROR}}/simple"]
find-links = ["http://{host}/simple/linked/?token=${{QUERY}}"]
[network]
proxies = ["http://me:${{PROXY}}@127.0.0.1:{proxy.port}"]
[packages]
requirements = ["linked", "direct @ http://{host}/${{DIRECT}}/files/direct-1.0-py3-none-any.whl"]
[environment]
variables = {{ VALUE = "${{VALUE}}", API_TOKEN = "${{TOKEN}}" }}
[smoke]
level = "quick"
{body}''',
        encoding="utf-8",
    )


@pytest.mark.parametrize("shift", range(len(SPELLINGS) if ALL else 1))
def test_no_command_leaves_a_secret_of_a_profile_anywhere(tmp_path: Path, wheels: list[Path], shift: int) -> None:
    site = ready(tmp_path)
    run = Run(site)
    # A query of find-links is compared as it is.
    secrets = {**rotated(GOOD, shift), "query": Planted("query")}
    faults = Faults(login=f"me:{secrets['index'].raw}")
    with (
        Guarded({path.name: path for path in wheels}, faults) as index,
        Proxy(login=f"me:{secrets['proxy'].raw}") as proxy,
        arguments_seen() as arguments,
    ):
        index.secrets, index.refused = secrets, []
        planted_profile(site, index, proxy)
        run("plan", "train.toml", "--verbose", status=0)
        run("up", "train.toml", "--verbose", status=0)
        run("doctor", "train.toml", "--json", status=0)
        run("bundle", "train.toml", "-o", "bundle", status=0)
        # Nothing is there, and the addresses of the lock are all that is left to go by.
        site.extra["TFPROV_HOME"] = str(site.root / "other-home")
        run("lock", "train.toml", "--verbose", "--upgrade", status=0)
        run("up", "train.toml", "--verbose", status=0)
        # The wheels are refused now, and tfprov says so.
        site.extra["FOLDER"] = secrets["folder"].encoded + "x"
        run("up", "train.toml", "--verbose", "--upgrade", "--recreate", "--set", "network.deadline=5")
        run.and_about_it()
    assert proxy.seen
    assert left_behind(tuple(secrets.values()), site.root, *run.outputs, *arguments) == []


class GuardedChannel(ChannelServer):
    """A channel below a secret, behind a login."""

    secret: Planted

    def _other(self, state: _Connection, request: Seen, path: str) -> None:
        head = f"/{self.secret.raw}/channel/"
        path = unquote(path)
        if path.startswith(head):
            self._file(state, request, path[len(head) :])
        else:
            self._send(state, request, 403, b"no such channel")


@pytest.mark.skipif(importlib.util.find_spec("rattler") is None, reason="the extra `conda` is not installed")
@pytest.mark.parametrize("shift", range(len(SPELLINGS) if ALL else 1))
def test_no_command_leaves_a_secret_of_a_channel_anywhere(tmp_path: Path, shift: int) -> None:
    site = CondaSite.ready(tmp_path)
    run = Run(site)
    (site.root / "tmp").mkdir()
    names = ("password", "folder", "token", "wrong")
    # What conda calls a token ends with the next slash.
    secrets = {**rotated(names, shift), "token": Planted("token"), "wrong": Planted("wrong")}
    site.extra |= {name.upper(): secret.encoded for name, secret in secrets.items()}
    site.extra |= {"TMPDIR": str(site.root / "tmp")}
    more = write_channel(tmp_path / "more", [text_package("more", "1.0", dist="more")], with_python=False)
    with (
        GuardedChannel(site.channel, Faults(login=f"me:{secrets['password'].raw}")) as channel,
        ChannelServer(more, token=secrets["token"].raw) as other,
        arguments_seen() as arguments,
    ):
        channel.secret = secrets["folder"]
        guarded = f"http://me:${{PASSWORD}}@127.0.0.1:{channel.port}/${{FOLDER}}/channel"
        for name in ("TOKEN", "WRONG"):
            site.write(
                channels=f'["{guarded}", "{other.origin}/t/${{{name}}}/channel"]', conda='packages = ["hello", "more"]'
            )
            run("plan", "train.toml", "--verbose")
            done = run("up", "train.toml", "--verbose", "--json", *(["--upgrade"] if name == "WRONG" else []))
            assert done.returncode == (0 if name == "TOKEN" else 12), done.stderr
        assert "${FOLDER}" in site.lock.read_text(encoding="utf-8")
        run("doctor", "train.toml", "--json")
        run.and_about_it()
    assert left_behind(tuple(secrets.values()), site.root, *run.outputs, *arguments) == []
