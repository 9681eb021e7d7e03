from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from tfprov.conda import client
from tfprov.conda.client import ChannelAccess, Solve, require_extra
from tfprov.conda.records import Channel
from tfprov.errors import TfprovError
from tfprov.events import ignore
from told import refusal

PACKAGE = {
    "name": "hello",
    "version": "1.0",
    "build": "0",
    "subdir": "noarch",
    "channel": "c",
    "url": "c/noarch/hello-1.0-0.conda",
    "sha256": "a",
    "md5": "b",
}
QUESTION = Solve(channels=(Channel(name="c"),), subdir="linux-64", specs=("hello",))


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that stands in for the worker's interpreter; the test writes it."""
    path = tmp_path / "python"
    path.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(path))
    return path


def says(worker: Path, *lines: object, ending: str = "exit 0") -> ChannelAccess:
    text = "".join(f"echo '{json.dumps(line)}'\n" for line in lines)
    worker.write_text(f"#!/bin/sh\ncat >/dev/null\n{text}{ending}\n")
    return ChannelAccess(cache=worker.parent, environ={"PATH": os.environ["PATH"]}, seconds=20)


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for the worker")
class TestWorker:
    def test_a_crash_after_the_answer_does_no_harm(self, worker: Path) -> None:
        access = says(worker, {"note": "x"}, {"result": {"packages": [PACKAGE], "virtual": []}}, ending="kill -SEGV $$")
        assert [one.name for one in client.solve(QUESTION, access, emit=ignore).packages] == ["hello"]

    def test_a_crash_before_the_answer_is_told_with_its_signal(self, worker: Path) -> None:
        with pytest.raises(TfprovError) as caught:
            client.solve(QUESTION, says(worker, {"note": "x"}, ending="kill -SEGV $$"), emit=ignore)
        assert "SIGSEGV" in caught.value.what

    def test_a_worker_that_waits_for_ever_is_ended(self, worker: Path) -> None:
        worker.write_text("#!/bin/sh\nexec sleep 600\n")
        access = ChannelAccess(cache=worker.parent, environ={"PATH": os.environ["PATH"]}, seconds=0.2)
        with pytest.raises(TfprovError) as caught:
            client.solve(QUESTION, access, emit=ignore)
        assert caught.value.code.name == "net-timeout"

    def test_a_channel_without_hashes_is_refused(self, worker: Path) -> None:
        access = says(worker, {"result": {"packages": [{**PACKAGE, "md5": ""}], "virtual": []}})
        with pytest.raises(TfprovError) as caught:
            client.solve(QUESTION, access, emit=ignore)
        assert "no MD5" in caught.value.what


def test_without_the_extra_the_one_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TfprovError) as caught:
        require_extra()
    assert caught.value.code.name == "extra-missing"
    assert f"{sys.executable} -m pip install" in caught.value.hint
    assert "py-rattler" in caught.value.hint
    assert "conda-lock" in caught.value.hint


@pytest.mark.skipif(importlib.util.find_spec("rattler") is None, reason="the extra `conda` is not installed")
def test_a_panic_of_the_library_is_an_answer_and_no_silence(tmp_path: Path) -> None:
    access = ChannelAccess(cache=tmp_path, environ=dict(os.environ), seconds=60)
    broken = Solve(channels=(Channel(name="file:///nowhere"),), subdir="no-such-platform", specs=("a",))
    with pytest.raises(TfprovError) as caught:
        client.solve(broken, access, emit=ignore)
    assert caught.value.evidence


@pytest.mark.skipif(importlib.util.find_spec("rattler") is None, reason="the extra `conda` is not installed")
def test_a_channel_with_a_name_alone_is_where_the_library_looks_for_it() -> None:
    named = [Channel(name=name) for name in ("conda-forge", "https://h.example/c", "file:///projects/p/kept")]
    found = client.addresses(named, environ=os.environ, emit=ignore)
    address = urlsplit(found.pop("conda-forge"))
    assert (address.scheme, address.path) == ("https", "/conda-forge") and address.hostname
    assert found == {"https://h.example/c": "https://h.example/c", "file:///projects/p/kept": "file:///projects/p/kept"}


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for the worker")
def test_what_is_kept_of_a_lock_is_no_cause_of_what_fails_after_it(worker: Path) -> None:
    says(worker, ending="exit 3")
    with pytest.raises(TfprovError) as caught:
        client.read_lock(
            worker.parent / "lock",
            subdir="linux-64",
            environ={"PATH": os.environ["PATH"]},
            cache=worker.parent / "nothing kept",
            digest="0",
            emit=ignore,
        )
    assert caught.value.__context__ is None


@pytest.mark.parametrize("kind", ["packages", "wheels"])
@pytest.mark.parametrize(
    "changed",
    [
        {"sha256": "../" * 8 + "tmp/x"},
        {"sha256": "/tmp/x"},
        {"sha256": ""},
        {"sha256": "a" * 63},
        {"md5": "b\n/etc/x.conda"},
        {"url": "https://host/c/noarch/.."},
        {"url": "https://host/c/noarch/.conda"},
        {"url": "https://host/c/noarch/"},
        {"url": "https://host/c/noarch/a\\b.conda"},
        {"url": "https://host/c/noarch/...conda"},
    ],
)
def test_what_a_lock_says_never_leads_out_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, changed: dict[str, str]
) -> None:
    monkeypatch.setattr(client, "TypeAdapter", lambda _: SimpleNamespace(validate_json=lambda _: None))
    entry = {"name": "x", "version": "1", "url": "https://host/c/noarch/x-1-0.conda", "sha256": "a" * 64}
    more = {"md5": "b" * 32, "build": "0", "depends": []}
    answer = {"own": "{}", "platforms": ["linux-64"], "packages": [entry | more], "wheels": [entry]}

    def read() -> None:
        (tmp_path / "0-linux-64.json").write_text(json.dumps(answer))
        client.read_lock(tmp_path / "lock", subdir="linux-64", environ={}, cache=tmp_path, digest="0", emit=ignore)

    read()
    if kind == "wheels" and ("md5" in changed or changed.get("url", "").endswith("conda")):
        return  # it has no MD5, and its file is in no folder of its own
    answer[kind] = [{**answer[kind][0], **changed}]  # type: ignore[dict-item]
    with pytest.raises(TfprovError) as caught:
        read()
    assert caught.value.code.name == "lock-invalid"


@pytest.mark.parametrize(("lacks", "words"), [("sha256", "SHA-256"), ("md5", "MD5")])
def test_a_package_whose_index_lacks_a_hash_is_not_locked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lacks: str, words: str
) -> None:
    package = {
        **{"name": "hello", "version": "1.0", "build": "0", "subdir": "noarch", "channel": "https://h.example/c"},
        **{"url": "https://h.example/c/noarch/hello-1.0-0.conda", "sha256": "a" * 64, "md5": "b" * 32, lacks: ""},
    }
    monkeypatch.setattr(client, "_ask", lambda *_, **__: {"packages": [package], "virtual": []})
    question = Solve(channels=(Channel(name="c"),), subdir="noarch", specs=("hello",))
    access = ChannelAccess(cache=tmp_path, environ={})
    assert refusal(lambda: client.solve(question, access, emit=ignore)) == (
        *("conda-package-missing", f"the channel has no {words} of `hello-1.0-0.conda`"),
        *("channel `https://h.example/c`", "a lock needs both hashes", "use a channel whose index has both hashes"),
    )
