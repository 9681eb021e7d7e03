from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from tfprov.errors import TfprovError
from tfprov.fetch.stand_ins import Base, Kind, disguised, html_page, json_page, real, stand_in, truthful
from tfprov.fetch.veil import Veil
from tfprov.secret import Secret

ADDRESSES = (
    "https://index.example/simple",
    "https://index.example",
    "http://index.example:8080/a/b/?x=1&y=%2F",
    "https://[2001:db8::1]:8443/simple/",
    "https://index.example/files/a%20b-1.0-py3-none-any.whl#sha256=abc",
    "https://index.example/thing+cpu-1.0.whl",
)


@pytest.mark.parametrize("kind", ["index", "links", "file", "wheel"])
@pytest.mark.parametrize("url", ADDRESSES)
def test_the_real_address_is_read_off_its_stand_in(url: str, kind: Kind) -> None:
    made = stand_in(url, kind)
    whole = url if url.count("/") > 2 else f"{url}/"
    assert real(made) == (kind, whole)
    assert truthful(f'wheels = [{{ url = "{made}", hash = "x" }}]') == f'wheels = [{{ url = "{whole}", hash = "x" }}]'


def test_a_stand_in_holds_no_login_and_a_folder_has_none() -> None:
    assert "secret" not in stand_in("https://me:secret@index.example/simple", "index")
    assert stand_in("file:///srv/wheels", "links") == "file:///srv/wheels"
    assert real("https://index.example/simple") is None


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("thing @ https://a.example/x.whl", True),
        ("thing[extra] @ http://me:pw@a.example/x.whl ; python_version > '3'", True),
        ("thing@https://a.example/x.tar.gz#sha256=12", True),
        ("thing @ git+https://a.example/x.git", False),
        ("thing @ file:///x.whl", False),
        ("thing @ https://${HOST}/x.whl", True),
        ("thing @ https://${USER}:${PASSWORD}@a.example/${TOKEN}/x.whl?t=${TOKEN}", True),
        ("thing @ https://$HOST/x.whl", False),
        ("thing>=1", False),
    ],
)
def test_requirements_with_an_address_get_a_stand_in(line: str, changed: bool) -> None:
    assert (disguised(line) != line) is changed
    assert truthful(disguised(line)) == line.replace("me:pw@", "").replace("${USER}:${PASSWORD}@", "")


def entry(url: str, **more: object) -> dict[str, object]:
    return {"filename": url.rpartition("/")[2], "hashes": {"sha256": "ab"}, **more, "url": url}


def rewritten(files: list[dict[str, object]], base: str = "https://index.example/simple/a/") -> list[dict[str, object]]:
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "a", "files": files}).encode()
    found: list[dict[str, object]] = json.loads(json_page(body, Base(url=base)))["files"]
    return found


PAGES = {
    "as usual": [
        entry("https://files.example/p/a-1.0-py3-none-any.whl"),
        entry("https://files.example/p/a-1.0.tar.gz"),
    ],
    "two servers": [entry("https://files.example/a-1.whl"), entry("https://other.example/a-2.whl")],
    "relative": [entry("../../files/a-1.whl"), entry("/files/a-2.whl")],
    "with its own metadata": [entry("https://files.example/a-1.whl", **{"core-metadata": {"sha256": "x"}})],
    "a backslash": [entry("https://files.example/a-1.whl", yanked="it \\ was / bad")],
    "none": [],
}


@pytest.mark.parametrize("name", PAGES)
def test_json_pages_keep_everything_but_their_links(name: str) -> None:
    files = PAGES[name]
    for before, after in zip(files, rewritten(files), strict=True):
        kind, url = real(str(after["url"])) or ("", "")
        assert url.endswith(str(before["url"]).removeprefix("../.."))
        assert url.startswith("http")
        own = "core-metadata" in before
        assert kind == ("file" if own or (name != "as usual" and not url.endswith(".whl")) else "wheel")
        assert after.get("core-metadata") in (before.get("core-metadata"), True)
        rest = {key: value for key, value in before.items() if key not in ("url", "core-metadata")}
        assert {key: value for key, value in after.items() if key not in ("url", "core-metadata")} == rest


def test_a_bad_link_does_not_spoil_a_page() -> None:
    good = entry("https://files.example/a-1.whl")
    assert len(rewritten([good, entry("http://["), entry("ftp://x.example/a.whl")])) == 1
    page = '<a href="http://[">x</a><a href="a-1.whl">y</a><![foo['
    assert html_page(page, Base(url="https://index.example/a/")).count(b"<a ") == 1


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"files": 1}', b'{"files": [1]}', b"[" * 100_000, b"\xff"])
def test_json_that_is_no_index_is_refused(body: bytes) -> None:
    with pytest.raises(TfprovError) as caught:
        json_page(body, Base(url="https://index.example/simple/a/"))
    assert caught.value.code.name == "mirror-http-error"


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(dict(attrs))


def test_html_pages_keep_what_is_said_of_a_link() -> None:
    page = """<html><base href="https://files.example/x/"><a href="a-1.whl#sha256=ab"
      data-requires-python="&gt;=3.9" data-yanked class="c">a</a><a href="a-1.tar.gz">b</a>"""
    reader = _Links()
    reader.feed(html_page(page, Base(url="https://index.example/simple/a/")).decode())
    wheel, source = reader.found
    assert real(wheel["href"] or "") == ("wheel", "https://files.example/x/a-1.whl#sha256=ab")
    assert (wheel["data-requires-python"], wheel["data-core-metadata"]) == (">=3.9", "true")
    assert "data-yanked" in wheel
    assert "class" not in wheel
    assert source == {"href": stand_in("https://files.example/x/a-1.tar.gz", "file")}


@pytest.mark.parametrize("allowed", [(), ("plain.example",)])
@pytest.mark.parametrize("files", [1, 2])
def test_a_page_at_an_https_address_names_no_files_over_http_unless_that_is_allowed(
    files: int, allowed: tuple[str, ...]
) -> None:
    entries = [entry("http://plain.example/a-1.whl"), entry("https://files.example/a-2.whl")][:files]
    body = json.dumps({"files": entries}).encode()
    html = "".join(f'<a href="{each["url"]}">x</a>' for each in entries)
    for page in (json_page, lambda text, base: html_page(text.decode(), base)):
        base = Base(url="https://index.example/simple/a/", allow_http=allowed)
        made = page(body if page is json_page else html.encode(), base)
        assert (b"plain.example" in made) is bool(allowed)
        assert base.refused == (set() if allowed else {"plain.example"})
        # What is not encrypted in the first place loses nothing.
        plain = Base(url="http://index.example/simple/a/")
        assert b"plain.example" in page(body if page is json_page else html.encode(), plain)


VEIL = Veil({"TOKEN": Secret("s3cret/value"), "SHORT": Secret("v2")})


@pytest.mark.parametrize(
    "url",
    [
        "https://index.example/s3cret/value/simple",
        "https://index.example/s3cret%2Fvalue/simple?key=s3cret%2Fvalue",
        "https://index.example/v2/v20/xv2/simple",
        "https://v2.example/simple",
    ],
)
def test_values_of_variables_are_seen_by_nobody_and_come_back(url: str) -> None:
    made = stand_in(url, "index", VEIL)
    assert "s3cret" not in made
    assert real(made, VEIL) in (("index", url), ("index", url.replace("%2F", "/")))
    assert "s3cret" not in truthful(made)
    assert "v20/xv2" in made or "v20" not in url


@pytest.mark.parametrize("is_named", [True, False])
def test_links_with_a_value_or_a_signature_are_covered(is_named: bool) -> None:
    """Where no address of the run names the server with the variable, a cached page would not say that it has it."""
    named = ("https://files.example/${TOKEN}/simple",) if is_named else ("https://index.example/${TOKEN}/simple",)
    veil = Veil({"TOKEN": Secret("s3cret/value"), "SHORT": Secret("v2")}, named)
    links = ["https://files.example/s3cret/value/a-1.whl", "https://files.example/a-2.whl?X-Amz-Signature=abc#sha256=1"]
    body = json.dumps({"files": [entry(link) | {"filename": "a-1.whl"} for link in links]}).encode()
    html = "".join(f'<a href="{link}">x</a>' for link in links)
    for made, base in (
        (json_page, Base(url="https://index.example/", veil=veil)),
        (lambda _, base: html_page(html, base), Base(url="https://index.example/", veil=veil)),
    ):
        page = made(body, base)
        assert b"s3cret" not in page
        assert b"Signature" not in page
        assert b"$(TOKEN)/a-1.whl" in page
        signed = {"https://files.example/a-2.whl": "https://files.example/a-2.whl?X-Amz-Signature=abc"}
        assert base.signed == signed | ({} if is_named else {links[0]: links[0]})


FORMS = ("$(TOKEN)", "${TOKEN}", "${OTHER}", "$\n{TOKEN}", "\\u0024(TOKEN)", "$\\u0028TOKEN)", "%24(TOKEN)")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", ['"url"', '"\\u0075rl"', '"ur\\u006C"'])
@pytest.mark.parametrize("url", ["https://evil.example/x/@/a-1.whl", "https://@.evil.example/a-1.whl", "/x?@#sha256=@"])
def test_a_link_on_a_page_gets_no_value_of_a_variable(url: str, key: str, form: str) -> None:
    link = url.replace("@", form)
    good = '{"filename": "a-2.whl", "url": "https://files.example/a-2.whl"}'
    body = f'{{"files": [{good}, {{"filename": "a-1.whl", {key}: "{link}"}}]}}'.replace("\n", "\\n").encode()
    base = Base(url="http://index.example/simple/a/", veil=VEIL)
    made = [str(each["url"]) for each in json.loads(json_page(body, base))["files"]]
    reader = _Links()
    reader.feed(html_page(f'<a href="{link}">x</a>', base).decode())
    made += [str(each["href"]) for each in reader.found]
    for one in made:
        found = real(one, VEIL)
        assert found is not None
        assert "s3cret" not in found[1]
        assert "${" not in truthful(one), "a value would be put there when the file is fetched"
        assert "s3cret" not in base.signed.get(found[1], "")


SPARING = (
    ("https://i.example/p-1.0-cp39-cp39-manylinux_2_17_x86_64.whl", True),
    ("https://i.example/p-1.0.tar.gz", False),
    ("https://i.example/p-1.1.tar.gz", True),
    ("https://i.example/p-1.2-cp39-cp39-win_amd64.whl", True),
    ("https://i.example/p-1.2.zip", True),
    ("https://i.example/p-1.3-py2-none-any.whl", True),
    ("https://i.example/p-1.3.tar.gz", True),
)


@pytest.mark.parametrize("yanked", [False, True])
def test_sources_are_kept_back_where_their_version_has_a_wheel_for_the_system(yanked: bool) -> None:
    base = Base(url="https://i.example/simple/p/", wheels_first="linux")
    entries = [entry(url, **({"yanked": "bad"} if yanked else {})) for url, _ in SPARING]
    page = json_page(json.dumps({"files": entries}).encode(), base)
    links = "".join(f'<a href="{url}"{" data-yanked" if yanked else ""}>p</a>' for url, _ in SPARING)
    shown = [url.rpartition("/")[2] for url, is_shown in SPARING if is_shown or yanked]
    assert [each["filename"] for each in json.loads(page)["files"]] == shown
    reader = _Links()
    reader.feed(html_page(links, base).decode())
    assert [str(each["href"]).rpartition("/")[2] for each in reader.found] == shown


def test_an_index_without_spare_sources_is_one_of_its_own() -> None:
    made = stand_in("https://i.example/simple", "wheels-first-linux")
    assert real(made) == ("wheels-first-linux", "https://i.example/simple")
    assert truthful(f'index = "{made}"') == 'index = "https://i.example/simple"'
    assert made != stand_in("https://i.example/simple", "index")
