from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hosts import Host
from tfprov.errors import TfprovError
from tfprov.fetch.credentials import Login
from tfprov.fetch.routes import DIRECT, Route, proxy_at
from tfprov.fetch.sources import Network, network
from tfprov.host.records import Fact, Facts, IndexConfig, Proxies
from tfprov.profile.records import Profile


def facts(*, index: IndexConfig | None = None, proxies: Proxies | None = None) -> Facts:
    found = replace(Host().facts, certificates=Fact(value=None, source="test"))
    found = replace(found, index=Fact(value=index or IndexConfig(url=None), source="test"))
    return replace(found, proxies=Fact(value=proxies or Proxies(), source="test"))


def made(
    tmp_path: Path, environ: Mapping[str, str] | None = None, given: Facts | None = None, **tables: object
) -> Network:
    profile = Profile.model_validate({"name": "x", **tables}, strict=False)
    variables = {"TFPROV_HOME": str(tmp_path / "home"), **(environ or {})}
    return network(profile, tmp_path, given or facts(), variables)


def test_without_a_word_the_way_is_straight(tmp_path: Path) -> None:
    assert made(tmp_path).routes == (DIRECT,)
    assert made(tmp_path).index_url is None


def test_routes_keep_the_order_of_the_profile(tmp_path: Path) -> None:
    given = facts(proxies=Proxies(https="proxy.example:3128", no_proxy="inside.example"))
    found = made(
        tmp_path,
        {"PASSWORD": "hunter2"},
        given,
        network={"proxies": ["http://me:${PASSWORD}@corporate.example:8080", "environment", "direct"]},
    )
    assert [route.name for route in found.routes] == ["http://corporate.example:8080", "environment", "direct"]
    assert found.routes[0].https == proxy_at("http://me:hunter2@corporate.example:8080")
    assert found.routes[1].https == proxy_at("http://proxy.example:3128")
    assert found.routes[1].http is None
    assert found.routes[1].proxy_for("https://a.inside.example/x") is None
    assert found.routes[1].proxy_for("https://outside.example/x") == proxy_at("http://proxy.example:3128")
    assert "hunter2" not in found.routes[0].name


def test_the_same_way_twice_is_one_route(tmp_path: Path) -> None:
    assert len(made(tmp_path, network={"proxies": ["direct", "environment", "direct"]}).routes) == 1


def test_an_environment_without_proxies_is_the_direct_way(tmp_path: Path) -> None:
    assert made(tmp_path, network={"proxies": ["environment"]}).routes == (DIRECT,)


def test_all_proxy_serves_both_schemes(tmp_path: Path) -> None:
    found = made(tmp_path, None, facts(proxies=Proxies(all="socks5://proxy.example:1080")))
    assert found.routes[0].http == found.routes[0].https == proxy_at("socks5h://proxy.example:1080")


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(TfprovError) as caught:
        made(tmp_path, index={"url": "https://${TOKEN}@index.example/simple"})
    assert caught.value.code.name == "profile-invalid"
    assert "`TOKEN`" in caught.value.what


def test_credentials_of_an_address_are_for_its_origin_only(tmp_path: Path) -> None:
    found = made(tmp_path, {"T": "s:cret"}, index={"url": "https://me:${T}@index.example/simple"})
    assert found.login("https://index.example/files/x.whl") == Login.of("https://index.example:443", "me", "s:cret")
    assert found.login("https://index.example:443/files/x.whl") == Login.of("https://index.example:443", "me", "s:cret")
    assert found.login("https://files.example/x.whl") is None
    assert found.login("http://index.example/files/x.whl") is None


def test_netrc_gives_credentials_where_addresses_do_not(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine files.example login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    found = made(tmp_path, {"HOME": str(tmp_path)})
    assert found.login("https://files.example/x.whl") == Login.of("https://files.example:443", "me", "secret")
    assert found.login("https://other.example/x.whl") is None


def test_a_damaged_netrc_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine\n\nnonsense {{{")
    assert made(tmp_path, {"HOME": str(tmp_path)}).login("https://x.example/") is None


def test_a_home_that_may_not_be_read_has_no_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = os.stat

    def refuse(path: str | Path, **options: bool) -> os.stat_result:
        if str(path).endswith("netrc"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    assert made(tmp_path, {"HOME": str(tmp_path)}).netrc is None


def test_an_index_of_the_profile_replaces_that_of_the_machine(tmp_path: Path) -> None:
    machine = IndexConfig(
        url="https://machine.example/simple", extra=("https://more.example",), find_links=(str(tmp_path / "wheels"),)
    )
    found = made(tmp_path, None, facts(index=machine), index={"url": "https://index.example/simple"})
    assert (found.index_url, found.extra, found.find_links) == ("https://index.example/simple", (), ())
    kept = made(tmp_path, None, facts(index=machine), index={"find-links": ["mine"]})
    assert kept.index_url == "https://machine.example/simple"
    assert kept.extra == ("https://more.example",)
    assert set(kept.find_links) == {str(tmp_path / "mine"), str(tmp_path / "wheels")}


def test_a_certificate_file_that_is_missing_stops_only_when_the_profile_asks_for_it(tmp_path: Path) -> None:
    assert made(tmp_path, {"SSL_CERT_FILE": str(tmp_path / "none.pem")}).certificates == ()
    with pytest.raises(TfprovError) as caught:
        made(tmp_path, network={"ca-bundle": "none.pem"})
    assert caught.value.code.name == "profile-invalid"


def test_tools_on_the_direct_way_see_no_proxy() -> None:
    variables = Network(index_url=None).tool_environment(DIRECT)
    assert variables["HTTPS_PROXY"] == variables["https_proxy"] == variables["ALL_PROXY"] == ""
    assert variables["NO_PROXY"] == "*"


def test_tools_on_a_route_get_its_proxy_and_exceptions() -> None:
    route = Route(name="p", http=proxy_at("http://p:1"), https=proxy_at("http://p:1"), no_proxy="inside")
    variables = Network(index_url=None).tool_environment(route)
    assert variables["http_proxy"] == variables["HTTPS_PROXY"] == "http://p:1"
    assert variables["no_proxy"] == "inside"


def test_tools_trust_the_system_and_the_bundle_together(tmp_path: Path) -> None:
    bundle = tmp_path / "corporate.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\ncorporate\n-----END CERTIFICATE-----\n")
    variables = Network(index_url=None, certificates=(bundle,), folder=tmp_path / "made").tool_environment(DIRECT)
    combined = Path(variables["SSL_CERT_FILE"]).read_text()
    assert "corporate" in combined
    assert variables["PIP_CERT"] == variables["SSL_CERT_FILE"]
    assert Path(variables["SSL_CERT_FILE"]).parent == tmp_path / "made"


def test_a_route_that_failed_comes_last_until_it_works_again() -> None:
    dead, alive = Route(name="dead", http=proxy_at("http://p:1")), DIRECT
    found = Network(index_url=None, routes=(dead, alive))
    found.health.failed("dead", TfprovError("net-proxy", "refused"))
    assert found.ordered_routes() == (alive, dead)
    found.health.worked("dead")
    assert found.ordered_routes() == (dead, alive)


def test_secrets_do_not_show_when_the_record_is_printed() -> None:
    found = Network(
        index_url="https://me:hunter2@x.example/simple", logins=(Login.of("https://x.example:443", "me", "hunter2"),)
    )
    assert "hunter2" not in repr(found)


def test_what_cannot_work_is_passed_over_and_told(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    environment = facts(proxies=Proxies(https="http://::::"))
    found = made(tmp_path, given=environment, index={"find-links": ["here", "gone", "https://links.example/"]})
    assert [route.name for route in found.ordered_routes()] == ["direct", "environment"]
    assert found.places == (str(tmp_path / "here"), "https://links.example/")
    assert len(found.notes) == 2
    assert "`environment`" in found.notes[0]
    assert str(tmp_path / "gone") in found.notes[1]
