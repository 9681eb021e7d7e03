"""Index, proxies and certificates: what is read from where, and what wins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tfprov.host.network import NetworkSettings, network, parse_pip_file, parse_uv_file
from tfprov.host.records import IndexConfig, Proxies

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the folders of these tests are those of Linux and macOS")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def read(root: Path, home: Path, **environ: str) -> NetworkSettings:
    return network({"HOME": str(home), **environ}, system="linux", root=root)


def test_nothing_configured_means_the_default_of_the_tool(root: Path, home: Path) -> None:
    found = read(root, home)

    assert found.index.value == IndexConfig(url=None)
    assert found.index.source == "neither uv nor pip is configured"
    assert found.proxies.value == Proxies()
    assert found.certificates.value is None
    assert found.hazards == ()


def test_variables_of_uv_come_before_those_of_pip(root: Path, home: Path) -> None:
    found = read(
        root,
        home,
        UV_DEFAULT_INDEX="https://uv.example/simple",
        UV_INDEX_URL="https://old.example/simple",
        PIP_INDEX_URL="https://pip.example/simple",
        PIP_EXTRA_INDEX_URL="https://one.example/simple  https://two.example/simple",
    )

    assert found.index.value.url == "https://uv.example/simple"
    assert found.index.value.extra == ("https://one.example/simple", "https://two.example/simple")
    assert found.index.source == "UV_DEFAULT_INDEX, PIP_EXTRA_INDEX_URL"


def test_several_indexes_mean_what_the_tool_that_names_them_means(root: Path, home: Path) -> None:
    pip, uv = {"PIP_EXTRA_INDEX_URL": "https://a.example/simple"}, {"UV_INDEX": "https://b.example/simple"}

    assert read(root, home, **pip).index.value.merged
    assert not read(root, home, **uv).index.value.merged
    assert not read(root, home, **pip, **uv).index.value.merged
    assert not read(root, home, PIP_INDEX_URL="https://a.example/simple").index.value.merged


def test_places_to_find_links_are_separated_as_each_tool_does(root: Path, home: Path) -> None:
    ours = read(root, home, UV_FIND_LINKS="/a folder, https://links.example/", PIP_FIND_LINKS="/never")
    theirs = read(root, home, PIP_FIND_LINKS="/one  /two")

    assert ours.index.value.find_links == ("/a folder", "https://links.example/")
    assert theirs.index.value.find_links == ("/one", "/two")


def test_a_named_index_of_uv_gets_its_login_from_variables(root: Path, home: Path) -> None:
    found = read(
        root,
        home,
        UV_INDEX="mine=https://mine.example/simple https://other.example/simple?a=b",
        UV_INDEX_MINE_USERNAME="me",
        UV_INDEX_MINE_PASSWORD="p@ss/word",
    )

    assert found.index.value.extra == (
        "https://me:p%40ss%2Fword@mine.example/simple",
        "https://other.example/simple?a=b",
    )


def test_an_index_that_a_file_names_gets_its_login_from_variables(root: Path, home: Path) -> None:
    write(
        home / ".config/uv/uv.toml", '[[index]]\nname = "my-own"\nurl = "https://mine.example/simple"\ndefault = true\n'
    )

    found = read(root, home, UV_INDEX_MY_OWN_USERNAME="token", UV_INDEX="bad=https://[x/simple")

    assert found.index.value.url == "https://token@mine.example/simple"
    assert [hazard.name for hazard in found.hazards] == ["UV_INDEX"]


def test_files_of_pip_are_merged_as_pip_does(root: Path, home: Path) -> None:
    write(root / "etc/xdg/pip/pip.conf", "[global]\nindex-url = https://xdg.example/simple\ntimeout = 1\n")
    write(
        root / "etc/pip.conf", "[install]\nextra-index-url =\n  https://a.example/simple\n  https://b.example/simple\n"
    )
    write(home / ".pip/pip.conf", "[global]\nindex_url = https://legacy.example/simple\n")
    user = write(
        home / ".config/pip/pip.conf",
        "[global]\nindex-url = https://user.example/simple\nextra-index-url = https://never.example/simple\n",
    )

    found = read(root, home)

    assert found.index.value.url == "https://user.example/simple"
    assert found.index.value.extra == ("https://a.example/simple", "https://b.example/simple")
    assert found.index.source == f"{user}, {root}/etc/pip.conf"
    assert found.pip["timeout"].value == "1"


def test_the_active_environment_and_the_named_file_come_last(root: Path, home: Path, tmp_path: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\nindex-url = https://user.example/simple\n")
    write(tmp_path / "env/pip.conf", "[global]\nindex-url = https://env.example/simple\n")
    named = write(tmp_path / "named.conf", "[global]\nindex-url = https://named.example/simple\n")
    environ = {"VIRTUAL_ENV": str(tmp_path / "env")}

    assert read(root, home, **environ).index.value.url == "https://env.example/simple"
    assert read(root, home, **environ, PIP_CONFIG_FILE=str(named)).index.value.url == "https://named.example/simple"
    assert read(root, home, **environ, PIP_CONFIG_FILE=os.devnull).index.value.url is None


def test_a_named_file_of_pip_hides_those_of_the_user(root: Path, home: Path, tmp_path: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\nindex-url = https://user.example/simple\n")
    named = write(tmp_path / "named.conf", "[global]\ntimeout = 1\n")

    assert read(root, home, PIP_CONFIG_FILE=str(named)).index.value.url is None
    assert read(root, home, PIP_CONFIG_FILE=str(tmp_path / "gone")).index.value.url == "https://user.example/simple"


def test_variables_of_pip_come_before_its_files(root: Path, home: Path) -> None:
    write(home / ".config/pip/pip.conf", "[install]\nindex-url = https://user.example/simple\n")

    found = read(root, home, PIP_INDEX_URL="https://env.example/simple")

    assert found.index.value.url == "https://env.example/simple"
    assert found.index.source == "PIP_INDEX_URL"


def test_the_files_of_macos_are_read(root: Path, home: Path) -> None:
    write(root / "Library/Application Support/pip/pip.conf", "[global]\nindex-url = https://all.example/simple\n")
    environ = {"HOME": str(home)}
    assert network(environ, system="macos", root=root).index.value.url == "https://all.example/simple"
    write(home / "Library/Application Support/pip/pip.conf", "[global]\nindex-url = https://me.example/simple\n")

    assert network(environ, system="macos", root=root).index.value.url == "https://me.example/simple"


def test_the_files_of_windows_are_read(root: Path, home: Path, tmp_path: Path) -> None:
    write(tmp_path / "all/pip/pip.ini", "[global]\nindex-url = https://all.example/simple\n")
    write(tmp_path / "roaming/uv/uv.toml", 'extra-index-url = ["https://uv.example/simple"]\n')
    environ = {"USERPROFILE": str(home), "PROGRAMDATA": str(tmp_path / "all"), "APPDATA": str(tmp_path / "roaming")}

    found = network(environ, system="windows", root=root).index.value
    assert (found.url, found.extra) == ("https://all.example/simple", ("https://uv.example/simple",))
    write(tmp_path / "roaming/pip/pip.ini", "[global]\nindex-url = https://me.example/simple\n")

    assert network(environ, system="windows", root=root).index.value.url == "https://me.example/simple"


def test_the_file_of_uv_is_read(root: Path, home: Path) -> None:
    write(root / "etc/uv/uv.toml", 'index-url = "https://system.example/simple"\nfind-links = ["wheels"]\n')
    user = write(
        home / ".config/uv/uv.toml",
        '[[index]]\nname = "a"\nurl = "https://a.example/simple"\n'
        '[[index]]\nurl = "https://default.example/simple"\ndefault = true\n'
        '[[index]]\nname = "torch"\nurl = "https://explicit.example/simple"\nexplicit = true\n',
    )
    (root / "etc/uv/wheels").mkdir()

    found = read(root, home, PIP_INDEX_URL="https://pip.example/simple")

    assert found.index.value.url == "https://default.example/simple"
    assert found.index.value.extra == ("https://a.example/simple",)
    assert found.index.value.find_links == (str(root / "etc/uv/wheels"),)
    assert found.index.source == f"{user}, {root}/etc/uv/uv.toml"


def test_uv_can_be_told_to_read_no_file_or_another(root: Path, home: Path, tmp_path: Path) -> None:
    write(home / ".config/uv/uv.toml", 'index-url = "https://user.example/simple"\n')
    named = write(tmp_path / "uv.toml", 'index-url = "https://named.example/simple"\n')

    assert read(root, home, UV_NO_CONFIG="1").index.value.url is None
    assert read(root, home, UV_CONFIG_FILE=str(named)).index.value.url == "https://named.example/simple"


def test_the_pip_table_of_uv_wins() -> None:
    told = parse_uv_file('index-url = "https://a.example"\n[pip]\nextra-index-url = ["https://b.example"]\n')

    assert told == {"url": ("https://a.example",), "extra": ("https://b.example",)}


@pytest.mark.parametrize("text", ['index-url = 3\nindex = "x"\npip = 1\n', "[[index]]\nname = 1\n", ""])
def test_values_of_the_wrong_type_are_passed_over(text: str) -> None:
    assert parse_uv_file(text) == {}


def test_options_of_pip_are_read_in_every_spelling() -> None:
    told = parse_pip_file("[global]\n--Index_URL = https://a.example/%(x)s\n[install]\nuser=yes\n")

    assert told == {"global.index-url": "https://a.example/%(x)s", "install.user": "yes"}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("nonsense", "neither a URL nor a folder"),
        ("https://", "no host"),
        ("https:///simple", "no host"),
        ("ftp://host.example/simple", "`ftp`"),
        ("htps://host.example/simple", "`htps`"),
        ("https://[broken/simple", "brackets"),
        ("https://me:pa#ss@host.example/simple", "port is not a number"),
        ("https://me:12#ss@host.example/simple", "host early"),
        ("https://me:pa/ss@host.example/simple", "port is not a number"),
        ("https://me:12?ss@host.example/simple", "host early"),
        ("https://me:p[w@host.example/simple", "brackets"),
        ("packages.example/simple", "neither a URL nor a folder"),
    ],
)
def test_an_index_that_cannot_be_read_is_told_and_nothing_serves_instead(
    value: str, words: str, root: Path, home: Path
) -> None:
    write(root / "etc/pip.conf", "[global]\nindex-url = https://all.example/simple\n")
    found = read(root, home, PIP_INDEX_URL=value, PIP_EXTRA_INDEX_URL=f"{value} https://good.example/simple")

    assert found.index.value.url is None
    assert found.index.value.extra == ("https://good.example/simple",)
    assert [hazard.name for hazard in found.hazards] == ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"]
    assert all(words in hazard.why and hazard.code == "index-setting-invalid" for hazard in found.hazards)
    assert all(words in line for line in found.index.value.invalid)
    assert len(found.index.value.invalid) == 2
    if "@" in value:
        assert "ss@" not in repr(found.hazards) + repr(found.index)
        assert "p[w" not in repr(found.hazards) + repr(found.index)


def test_a_setting_that_is_not_used_may_be_nonsense(root: Path, home: Path) -> None:
    write(home / ".config/uv/uv.toml", 'extra-index-url = ["https://uv.example/simple"]\n')
    write(root / "etc/pip.conf", "[global]\nindex-url = gibberish\nextra-index-url = htps://x.example\n")

    found = read(root, home, UV_DEFAULT_INDEX="https://own.example/simple", PIP_INDEX_URL="rubbish")

    assert found.index.value == IndexConfig(url="https://own.example/simple", extra=("https://uv.example/simple",))


@pytest.mark.parametrize(("name", "text"), [("etc/pip.conf", "index-url = x"), ("etc/uv/uv.toml", "= [")])
def test_a_file_that_may_name_the_index_and_cannot_be_read_is_told(
    name: str, text: str, root: Path, home: Path
) -> None:
    write(root / name, text)
    assert len(read(root, home).index.value.invalid) == 1
    assert read(root, home, UV_DEFAULT_INDEX="https://own.example/simple").index.value.invalid == ()


def test_one_address_is_meant_by_the_main_index(root: Path, home: Path) -> None:
    found = read(root, home, PIP_INDEX_URL="nonsense https://good.example/simple")

    assert found.index.value.url is None
    assert [hazard.value for hazard in found.hazards] == ["nonsense"]


def test_the_first_of_several_folders_of_settings_is_the_strongest(root: Path, home: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        write(tmp_path / name / "pip/pip.conf", f"[global]\nindex-url = https://{name}.example/simple\n")

    found = read(root, home, XDG_CONFIG_DIRS=f"{tmp_path}/first:{tmp_path}/second")

    assert found.index.value.url == "https://first.example/simple"


def test_a_broken_file_is_a_hazard(root: Path, home: Path) -> None:
    pip = write(home / ".config/pip/pip.conf", "index-url = https://user:secret@host.example/simple\n")
    uv = write(home / ".config/uv/uv.toml", "index-url = \n")

    found = read(root, home)

    assert {hazard.name for hazard in found.hazards} == {str(pip), str(uv)}
    assert not any("secret" in hazard.value for hazard in found.hazards)
    assert found.index.value.url is None


def test_a_password_in_a_mistake_is_not_repeated(root: Path, home: Path) -> None:
    (hazard,) = read(root, home, PIP_INDEX_URL="ftp://me:secret@host.example/simple").hazards

    assert "secret" not in hazard.value


@pytest.mark.parametrize(
    ("environ", "proxies"),
    [
        ({"HTTPS_PROXY": "http://a.example:1"}, Proxies(https="http://a.example:1")),
        (
            {"HTTPS_PROXY": "http://a.example:1", "https_proxy": "http://b.example:2"},
            Proxies(https="http://b.example:2"),
        ),
        ({"https_proxy": "", "HTTPS_PROXY": "http://a.example:1"}, Proxies(https="http://a.example:1")),
        ({"all_proxy": "socks5://a.example:1", "NO_PROXY": "x,y"}, Proxies(all="socks5://a.example:1", no_proxy="x,y")),
        ({"http_proxy": "me:secret@a.example:1"}, Proxies(http="http://me:secret@a.example:1")),
        ({"PIP_PROXY": "http://p.example:3"}, Proxies(http="http://p.example:3", https="http://p.example:3")),
        ({"PIP_PROXY": "http://p.example:3", "all_proxy": "http://a.example"}, Proxies(all="http://a.example")),
    ],
)
def test_proxies_are_read_in_both_spellings(environ: dict[str, str], proxies: Proxies, root: Path, home: Path) -> None:
    assert read(root, home, **environ).proxies.value == proxies


def test_the_proxy_of_a_pip_file_is_used_when_there_is_no_other(root: Path, home: Path) -> None:
    file = write(home / ".config/pip/pip.conf", "[global]\nproxy = proxy.example:3128\n")

    found = read(root, home).proxies

    assert found.value == Proxies(http="http://proxy.example:3128", https="http://proxy.example:3128")
    assert found.source == str(file)


def test_the_first_certificates_that_exist_are_taken(root: Path, home: Path, tmp_path: Path) -> None:
    good = write(tmp_path / "good.pem", "")
    other = write(tmp_path / "other.pem", "")

    found = read(
        root, home, SSL_CERT_FILE=str(tmp_path / "gone.pem"), REQUESTS_CA_BUNDLE=str(good), PIP_CERT=str(other)
    )

    assert (found.certificates.value, found.certificates.source) == (str(good), "REQUESTS_CA_BUNDLE")
    assert [(hazard.code, hazard.name) for hazard in found.hazards] == [("net-tls-cert", "SSL_CERT_FILE")]


@pytest.mark.parametrize("odd", ["x" * 5000, "x/" * 3000, "\x00", "gone.pem", ".", "~nobody/x.pem", "\N{SNOWMAN}"])
def test_a_variable_that_names_no_file_is_at_most_a_hazard(root: Path, home: Path, tmp_path: Path, odd: str) -> None:
    good = write(tmp_path / "good.pem", "")
    found = read(root, home, SSL_CERT_FILE=odd, PIP_CERT=str(good))
    assert found.certificates.value == str(good)
    assert [hazard.name for hazard in found.hazards] == ([] if odd == "." else ["SSL_CERT_FILE"])


def test_the_certificates_of_a_pip_file_count(root: Path, home: Path, tmp_path: Path) -> None:
    good = write(tmp_path / "good.pem", "")
    file = write(home / ".config/pip/pip.conf", f"[global]\ncert = {good}\n")

    found = read(root, home)

    assert (found.certificates.value, found.certificates.source) == (str(good), str(file))
    assert found.hazards == ()
