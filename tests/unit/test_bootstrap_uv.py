"""How `./bootstrap` brings uv: from the index that pip and uv are configured with, with the standard library alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import bootstrapping
from loopback import Faults, Index, Proxy, authority, unused_port
from tfprov.default_index import default_index
from tfprov.host.network import network
from tfprov.host.system import running_system

UV = bootstrapping.wheel_of_uv(b"#!/bin/sh\necho uv 9.9.9 of the test\n")
OLDEST = (0, 13)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the program in the wheel is a shell script")


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "SSL_", "REQUESTS_", "CURL_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    module = bootstrapping.loaded()
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    return module


@pytest.fixture
def name(bootstrap: ModuleType) -> Callable[[str], str]:
    """The name of a wheel of uv for this machine by its version."""
    tags = ["manylinux_2_17_x86_64.manylinux2014_x86_64", "manylinux_2_28_aarch64", "macosx_11_0_arm64"]
    tag = next(one for one in tags if re.match(bootstrap.tag(), one.split(".")[0]))
    return lambda version: f"uv-{version}-py3-none-{tag}.whl"


def fetch(bootstrap: ModuleType, folder: Path) -> str:
    """What the uv says that is fetched."""
    found = bootstrap.fetch_uv(bootstrap.settings(), OLDEST, folder)
    said = subprocess.run([found.command], capture_output=True, text=True, check=True)
    return f"{found.wheel.name}: {said.stdout.strip()}"


@pytest.mark.parametrize("json_page", [False, True])
def test_the_newest_finished_wheel_for_this_machine_is_taken(
    bootstrap: ModuleType, name: Callable[[str], str], json_page: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    foreign = "uv-3.0.0-py3-none-win_arm64.whl"
    too_new = "uv-3.0.0-py3-none-manylinux_2_99_x86_64.whl"
    wheels = [name("0.9.0"), name("2.10.0"), name("2.9.0"), name("3.0.0rc1"), foreign, too_new]
    files = {wheel: UV if wheel == name("2.10.0") else b"" for wheel in wheels}
    with Index({**files, "uv-4.0.tar.gz": b""}, Faults(json=json_page)) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.simple)
        assert fetch(bootstrap, tmp_path) == f"{name('2.10.0')}: uv 9.9.9 of the test"


def test_a_further_index_is_asked_where_the_first_has_none(
    bootstrap: ModuleType, name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "more/uv"
    folder.mkdir(parents=True)
    (folder / name("1.0.0")).write_bytes(UV)
    with Index({}) as empty, Index({name("1.0.0"): UV}) as index:
        digest = index.sha256(name("1.0.0"))
        (folder / "index.html").write_text(f'<a href="{name("1.0.0")}#sha256={digest}">uv</a>')
        monkeypatch.setenv("PIP_INDEX_URL", empty.simple)
        with pytest.raises(bootstrap.NoUvError, match="404"):
            fetch(bootstrap, tmp_path)
        for further in (index.simple, (tmp_path / "more").as_uri(), str(tmp_path / "more")):
            monkeypatch.setenv("UV_INDEX", f"named={further}" if "://" in further else further)
            assert fetch(bootstrap, tmp_path).startswith(name("1.0.0"))


def test_a_file_that_differs_from_its_hash_is_refused(
    bootstrap: ModuleType, name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Index({name("1.0.0"): UV}, Faults(flips=(20,))) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.simple)
        with pytest.raises(bootstrap.Problem) as caught:
            fetch(bootstrap, tmp_path)
    assert (caught.value.code, caught.value.status) == ("hash-mismatch", 13)
    assert not list(tmp_path.glob("*.whl"))


def test_a_wheel_without_a_hash_is_not_fetched(
    bootstrap: ModuleType, name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Index({name("1.0.0"): UV}, Faults(hashes=False)) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.simple)
        with pytest.raises(bootstrap.NoUvError, match="no wheel of uv for this system with a hash"):
            fetch(bootstrap, tmp_path)
        assert not index.requests(".whl")


def test_the_login_of_an_index_is_used_and_never_told(
    bootstrap: ModuleType, name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Index({name("1.0.0"): UV}, Faults(login="me:se/cret")) as index:
        address = index.simple.replace("://", "://me:se%2Fcret@")
        for variables in (
            {"PIP_INDEX_URL": address},
            {"UV_DEFAULT_INDEX": address},
            {
                "UV_DEFAULT_INDEX": f"inner={index.simple}",
                "UV_INDEX_INNER_USERNAME": "me",
                "UV_INDEX_INNER_PASSWORD": "se/cret",
            },
            {"PIP_INDEX_URL": index.simple, "NETRC": str(tmp_path / "netrc")},
        ):
            (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password se/cret\n")
            with monkeypatch.context() as patch:
                for key, value in variables.items():
                    patch.setenv(key, value)
                assert fetch(bootstrap, tmp_path).startswith(name("1.0.0"))
        monkeypatch.setenv("PIP_INDEX_URL", address.replace("se%2Fcret", "wrong"))
        with pytest.raises(bootstrap.NoUvError) as caught:
            fetch(bootstrap, tmp_path)
    assert "401" in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_a_login_does_not_follow_a_redirect(
    bootstrap: ModuleType, name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Index({name("1.0.0"): UV}) as other:
        with Index({name("1.0.0"): UV}, Faults(login="me:secret", redirect=other.origin)) as index:
            monkeypatch.setenv("PIP_INDEX_URL", index.simple.replace("://", "://me:secret@"))
            assert fetch(bootstrap, tmp_path).startswith(name("1.0.0"))
            assert all("authorization" in seen.headers for seen in index.seen)
        assert other.seen
        assert not [seen for seen in other.seen if "authorization" in seen.headers]


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY", "PIP_PROXY"])
def test_the_proxy_of_the_machine_is_used(
    bootstrap: ModuleType,
    name: Callable[[str], str],
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with Index({name("1.0.0"): UV}) as index, Proxy(login="me:secret") as proxy:
        monkeypatch.setenv("PIP_INDEX_URL", index.simple)
        monkeypatch.setenv(variable, proxy.url.replace("://", "://me:secret@"))
        assert fetch(bootstrap, tmp_path).startswith(name("1.0.0"))
        assert len(proxy.seen) >= 2


@pytest.mark.parametrize("variable", ["PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_only_a_trusted_authority_is_believed(
    bootstrap: ModuleType,
    name: Callable[[str], str],
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    own = authority(tmp_path)
    with Index({name("1.0.0"): UV}, tls=own.server) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.simple)
        with pytest.raises(bootstrap.Problem) as caught:
            fetch(bootstrap, tmp_path)
        assert (caught.value.code, caught.value.status) == ("net-tls-cert", 12)
        monkeypatch.setenv(variable, str(own.bundle))
        assert fetch(bootstrap, tmp_path).startswith(name("1.0.0"))


def test_a_system_without_certificates_is_told_what_to_install(
    bootstrap: ModuleType, name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = authority(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(bootstrap, "SYSTEM_CERTIFICATES", ())
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "empty"))
    with Index({name("1.0.0"): UV}, tls=own.server) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.simple)
        with pytest.raises(bootstrap.Problem) as caught:
            fetch(bootstrap, tmp_path)
    assert (caught.value.code, caught.value.status) == ("net-tls-cert", 12)
    assert caught.value.evidence[0] == "no certificates of authorities are installed here"
    assert "apt-get install ca-certificates" in caught.value.hint


@pytest.mark.parametrize(
    "faults", [Faults(statuses=(503, 429)), Faults(dead_first=2), Faults(truncate=40, cut_every=60, json=True)]
)
def test_what_passes_is_waited_for(
    bootstrap: ModuleType,
    name: Callable[[str], str],
    faults: Faults,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with Index({name("1.0.0"): UV}, faults) as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.simple)
        if faults.truncate:
            with pytest.raises(bootstrap.Problem) as caught:
                fetch(bootstrap, tmp_path)
            assert (caught.value.code, len(index.requests(".whl"))) == ("net-reset", 3)
        else:
            assert fetch(bootstrap, tmp_path).startswith(name("1.0.0"))


def test_an_index_out_of_reach_has_the_code_of_its_cause(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Index({}, Faults(statuses=(), portal=True)) as portal:
        for address, code in (
            (f"http://127.0.0.1:{unused_port()}/simple", "net-refused"),
            ("http://nowhere.invalid/simple", "net-dns"),
        ):
            monkeypatch.setenv("PIP_INDEX_URL", address)
            with pytest.raises(bootstrap.Problem) as caught:
                fetch(bootstrap, tmp_path)
            assert (caught.value.code, caught.value.status) == (code, 12)
        monkeypatch.setenv("PIP_INDEX_URL", portal.simple)
        with pytest.raises(bootstrap.NoUvError):
            fetch(bootstrap, tmp_path)


PIP = "[global]\nindex-url = http://one.invalid/simple\nextra_index_url =\n    http://two.invalid/s\n    http://three.invalid/s\n"
INSTALL = "[install]\nindex-url = http://install.invalid/simple\n"
UV_LISTED = """
[[index]]
name = "inner"
url = "http://uv.invalid/simple"  # ours
default = true

[[index]]
url = 'http://more.invalid/simple'
[[index]]
url = "http://torch.invalid"
explicit = true
"""
UV_INLINE = 'index = [{ url = "http://inline.invalid/s", default = true }, { url = "http://second.invalid/s" }]\n'
UV_OLD = 'index-url = "http://old.invalid/simple"\nextra-index-url = ["http://a.invalid/s", "http://b.invalid/s"]\n'

CONFIGURED: list[tuple[dict[str, str], dict[str, str]]] = [
    ({}, {}),
    ({"etc/pip/pip.conf": PIP}, {}),
    ({"etc/pip/pip.conf": PIP, "home/.config/pip/pip.conf": INSTALL}, {}),
    ({"etc/pip/pip.conf": INSTALL, "home/.pip/pip.conf": PIP}, {}),
    ({"etc/pip/pip.conf": PIP, "named.conf": INSTALL}, {"PIP_CONFIG_FILE": "{0}/named.conf"}),
    ({"etc/pip/pip.conf": PIP}, {"PIP_CONFIG_FILE": os.devnull}),
    ({"etc/pip/pip.conf": PIP}, {"PIP_INDEX_URL": "http://variable.invalid/simple"}),
    ({"etc/pip/pip.conf": PIP, "home/.config/uv/uv.toml": UV_LISTED}, {}),
    ({"etc/uv/uv.toml": UV_LISTED, "home/.config/uv/uv.toml": UV_INLINE}, {}),
    ({"home/.config/uv/uv.toml": UV_OLD}, {"UV_INDEX": "x=http://extra.invalid/s http://plain.invalid/s"}),
    ({"home/.config/uv/uv.toml": "[pip]\n" + UV_OLD}, {}),
    ({"home/.config/uv/uv.toml": UV_OLD}, {"UV_NO_CONFIG": "1", "UV_DEFAULT_INDEX": "http://default.invalid/s"}),
    ({"other.toml": UV_OLD, "home/.config/uv/uv.toml": UV_LISTED}, {"UV_CONFIG_FILE": "{0}/other.toml"}),
    (
        {"home/.config/uv/uv.toml": UV_LISTED},
        {"UV_INDEX_INNER_USERNAME": "me", "UV_INDEX_INNER_PASSWORD": "p@ss"},
    ),
    ({"etc/pip/pip.conf": "no section\n", "home/.config/pip/pip.conf": INSTALL}, {}),
]


@pytest.mark.parametrize(("files", "variables"), CONFIGURED)
def test_the_configuration_is_read_as_tfprov_itself_reads_it(
    bootstrap: ModuleType,
    files: dict[str, str],
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value.format(tmp_path))

    theirs = network(dict(os.environ), system=running_system()).index.value
    ours = bootstrap.settings()

    assert (ours.url, ours.extra, ours.merged) == (theirs.url, theirs.extra, theirs.merged)


def test_the_default_index_is_read_from_any_pip(bootstrap: ModuleType, tmp_path: Path) -> None:
    found = {bootstrap.address_in(pip) for pip in bootstrap.pips_here()}

    assert found <= {default_index().rstrip("/"), None}
    packed = tmp_path / "pip-1-py3-none-any.whl"
    with zipfile.ZipFile(packed, "w") as archive:
        source = 'PyPI = PackageIndex(\n    "http://index.invalid/", file_storage_domain="files.invalid"\n)\n'
        archive.writestr("pip/_internal/models/index.py", source)
    assert bootstrap.address_in(str(packed)) == "http://index.invalid/simple"
    assert bootstrap.address_in(str(tmp_path)) is None


def test_the_default_index_comes_from_the_distribution_where_there_is_no_pip(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """apt-get and dpkg-deb are played by scripts; that the real ones do this is shown by tests/platforms."""
    log = tmp_path / "log"
    pip = tmp_path / "pip-1-py3-none-any.whl"
    with zipfile.ZipFile(pip, "w") as archive:
        archive.writestr("pip/_internal/models/index.py", 'PyPI = PackageIndex("http://index.invalid/", "x")')
    bootstrapping.program(
        tmp_path / "bin/apt-get",
        f'#!/bin/sh\necho "$@" >> {log}\ncase "$*" in\n*Lists=*update) touch {tmp_path}/lists;;\n'
        f"*python3-pip-whl) [ -f {tmp_path}/lists ] && touch pip.deb;;\n*) exit 100;;\nesac\n",
    )
    bootstrapping.program(
        tmp_path / "bin/dpkg-deb",
        f'#!/bin/sh\nmkdir -p "$3/usr/share/python-wheels" && cp {pip} "$3/usr/share/python-wheels"\n',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.defpath}")
    monkeypatch.setattr(bootstrap, "pips_here", lambda: [])
    folder = tmp_path / "build"
    folder.mkdir()

    assert bootstrap.default_index(folder) == "http://index.invalid/simple"
    assert [line.split()[-1] for line in log.read_text().splitlines()] == [
        *("python3-pip-whl", "python-pip-whl", "update", "python3-pip-whl")
    ]
    monkeypatch.setenv("PATH", "")
    with pytest.raises(bootstrap.NoUvError, match="no index is configured here"):
        bootstrap.default_index(folder)


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([{"filename": "a.whl", "url": "/f/a.whl", "hashes": {"sha256": "0" * 64}}], ["http://h.invalid/f/a.whl"]),
        ([{"filename": "a.whl", "url": "a.whl", "hashes": {"sha256": "0" * 64}, "yanked": "bad"}], []),
        ([{"filename": "a.whl", "url": "a.whl", "hashes": {"md5": "0"}}], []),
        ([{"filename": "a.whl", "url": "a.whl", "hashes": {}}], []),
    ],
)
def test_only_links_with_a_hash_that_were_not_withdrawn_count(
    bootstrap: ModuleType, links: list[dict[str, Any]], expected: list[str]
) -> None:
    page = "http://h.invalid/simple/uv/"
    html = "".join(
        f'<a {"data-yanked" if link.get("yanked") else ""} href="{link["url"]}'
        + "".join(f"#{kind}={value}" for kind, value in link["hashes"].items())
        + '">x</a>'
        for link in links
    )
    for found in (bootstrap.links_of_json(json.dumps({"files": links}), page), bootstrap.links_of_html(html, page)):
        assert [link.url for link in found] == expected


def test_places_that_are_not_there_are_passed_over(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """pip warns of them; uv would end."""
    here, gone = tmp_path / "here it is", tmp_path / "gone"
    here.mkdir()
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{gone.as_uri()} {here.as_uri()} http://a.invalid/s ftp://b.invalid/s")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{gone} {gone.as_uri()} {tmp_path}")

    found = bootstrap.settings()

    assert found.extra == (here.as_uri(), "http://a.invalid/s")
    assert found.find_links == (str(tmp_path),)


JSON = "application/vnd.pypi.simple.v1+json"
ZEROS = b"0" * 64


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JSON, b"<html>"),
        (JSON, b"{}"),
        (JSON, b"[]"),
        (JSON, b"[" * 100_000),
        (JSON, b'{"files": {"a": 1}}'),
        (JSON, b'{"files": [{"hashes": "x"}]}'),
        (JSON, b'{"files": [{"filename": "a", "url": "http://[", "hashes": {"sha256": "%b"}}]}' % ZEROS),
        ("text/html", b'<a href="http://[/x.whl#sha256=%b">x</a>' % ZEROS),
    ],
    ids=["html", "empty", "list", "nested", "table", "hashes", "address", "link"],
)
def test_what_is_not_the_page_of_an_index_is_called_so(
    bootstrap: ModuleType, kind: str, body: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap.Web, "get", lambda _self, url, _page, _accept: (url, kind, body))
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@h.invalid/simple")
    with pytest.raises(bootstrap.NoUvError) as caught:
        fetch(bootstrap, tmp_path)
    assert str(caught.value) == "`http://***@h.invalid/simple/uv/` is not the page of an index"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/ä/simple",
        "http://127.0.0.1:99x/simple",
        "http://a..b/simple",
        f"http://{'a' * 70}/simple",
        "http://[::1/simple",
        "http://me:se/cret@h.invalid/simple",
        "http://me:s@cret@[h.invalid/simple",
    ],
)
def test_an_address_that_cannot_be_asked_ends_without_a_traceback_and_without_its_password(
    bootstrap: ModuleType,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", address)
    with pytest.raises(bootstrap.Problem) as caught:
        fetch(bootstrap, tmp_path)
    caught.value.tell()
    told = capsys.readouterr().err
    assert "is no valid address, or redirects to one that is not" in told
    assert "cret" not in told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`http://me:secret@h/s` x", "`http://***@h/s` x"),
        ("`http://me:p@ss@h/s` x", "`http://***@h/s` x"),
        ("`http://me:p/ss@h/s` x", "`http://***@h/s` x"),
        ("`http://me:a?b#c/d@h/s` http://other/", "`http://***@h/s` http://other/"),
        ("http://h:8080/x@1.0 http://h/x@1.0", "http://h:8080/x@1.0 http://h/x@1.0"),
    ],
)
def test_no_part_of_a_password_is_told(bootstrap: ModuleType, text: str, shown: str) -> None:
    assert bootstrap.without_logins(text) == shown


def test_names_and_logins_of_any_content_are_read(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not bootstrap.fits(f"uv-{'9' * 5000}-py3-none-win_arm64.whl", OLDEST)
    assert bootstrap.addresses("file://[x file:///a%00b http://h/s") == ["http://h/s"]
    (tmp_path / "netrc").write_bytes(b"machine h login \xff password x\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert not bootstrap.request("http://h/s", "http://h/s", "*/*").unredirected_hdrs
