from __future__ import annotations

import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tfprov.cli import main

LOG = "ERROR: Could not find a version that satisfies the requirement tensorflow==2.4.0 (from versions: 2.16.1)\n"
Call = Callable[..., tuple[int, str, str]]


class _Piped(io.TextIOWrapper):
    """Standard input as a pipe: bytes below, and no terminal."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path / "home"))

    def run(*arguments: str, piped: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tfprov", *arguments])
        monkeypatch.setattr(sys, "stdin", _Piped(piped))
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, told.out, told.err

    return run


def _profile(folder: Path) -> Path:
    path = folder / "train.toml"
    path.write_text('name = "train"  # mine\n\n[python]\nversion = ">=3.10"\n')
    return path


class TestExplain:
    def test_a_file_is_explained(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "a log").write_text(LOG)
        status, out, _ = call("explain", "a log")
        assert status == 0
        assert out.startswith("cause[version-not-available]: ")
        assert "line 1: ERROR: Could not find" in out

    @pytest.mark.skipif(sys.platform == "win32", reason="a device of POSIX; Wine shows it as a file")
    def test_a_device_without_an_end_is_not_a_log(self, call: Call) -> None:
        status, _, err = call("explain", "/dev/zero")
        assert status == 2
        assert err.splitlines()[0] == "error[usage]: a device that does not end is not a log"

    def test_what_is_piped_in_is_explained(self, call: Call) -> None:
        status, out, _ = call("explain", "--json", piped=b"OSError: [Errno 28] \xff\n")
        document = json.loads(out)
        (finding,) = document["findings"]
        assert (status, document["command"], document["ok"]) == (0, "explain", True)
        assert (finding["code"], finding["group"], finding["lines"], finding["role"]) == (
            "disk-full",
            "machine",
            [1],
            "cause",
        )
        assert finding["remedy"]["text"]

    def test_nothing_known_has_a_status_of_its_own(self, call: Call) -> None:
        status, out, _ = call("explain", "-", piped=b"all is well\n")
        assert status == 3
        assert "1: all is well" in out
        assert json.loads(call("explain", "--json", piped=b"x\n")[1])["findings"] == []

    def test_noise_alone_is_an_explanation(self, call: Call) -> None:
        status, out, _ = call("explain", piped=b"[notice] A new release of pip is available: 23.0 -> 24.0\n")
        assert status == 0
        assert "harmless (1 line)" in out

    @pytest.mark.parametrize(
        "arguments",
        [("explain", "no-such-file"), ("explain", "--code", "nonsense"), ("explain", "x", "--code", "usage"),
         ("explain", "-", "--host", "none.json"), ("explain", "-", "--profile", "none.toml")],
    )  # fmt: skip
    def test_mistakes_are_usage_errors(self, call: Call, arguments: tuple[str, ...]) -> None:
        status, _, err = call(*arguments)
        assert status == 2
        assert err.startswith("error[")

    def test_a_code_is_explained(self, call: Call) -> None:
        status, out, _ = call("explain", "--code", "net-proxy")
        assert status == 0
        assert out.startswith("net-proxy: ")

    def test_the_profile_decides_what_a_line_means(self, call: Call, tmp_path: Path) -> None:
        log = b"Could not find cuda drivers on your machine, GPU will not be used.\n"
        path = _profile(tmp_path)
        path.write_text(path.read_text() + '[tensorflow]\naccelerator = "cpu"\n')
        assert "harmless" in call("explain", "--profile", "train.toml", piped=log)[1].splitlines()[0]
        path.write_text(path.read_text().replace('"cpu"', '"cuda"'))
        out = call("explain", "--profile", "train.toml", piped=log)[1]
        assert out.startswith("cause[")

    def test_a_change_is_shown_and_made_when_told_to(self, call: Call, tmp_path: Path) -> None:
        path = _profile(tmp_path)
        (tmp_path / "log").write_text(LOG)
        before = path.read_text()
        status, out, err = call("explain", "log", "--apply", "train.toml")
        assert (status, path.read_text()) == (2, before)
        assert '+version = ">=3.6,<3.9"' in out
        assert "pass `--yes`" in err
        status, out, _ = call("explain", "log", "--apply", "train.toml", "--yes")
        assert status == 0
        assert path.read_text() == before.replace(">=3.10", ">=3.6,<3.9")

    def test_a_shipped_profile_is_never_changed(self, call: Call, tmp_path: Path) -> None:
        (tmp_path / "log").write_text(LOG)
        status, _, err = call("explain", "log", "--apply", "cpu", "--yes")
        assert status == 2
        assert "shipped profile" in err


class TestReport:
    @pytest.mark.parametrize("name", ["r.zip", "r.tar.gz"])
    def test_it_holds_facts_and_logs_without_secrets(self, call: Call, tmp_path: Path, name: str) -> None:
        text = "https://me:hunter2@corp.example/simple /home/jane/x C:\\Users\\jane\\y\n"
        (tmp_path / "build.log").write_bytes(text.encode())
        status, _, err = call("report", "-o", name, "--log", "build.log", "--yes")
        assert status == 0
        assert "facts.json" in err
        if name.endswith(".zip"):
            with zipfile.ZipFile(tmp_path / name) as archive:
                texts = {entry: archive.read(entry).decode() for entry in archive.namelist()}
        else:
            with tarfile.open(tmp_path / name) as tar:
                texts = {entry.name: _read(tar, entry) for entry in tar.getmembers()}
        assert texts.keys() == {"versions.txt", "facts.json", "logs/1-build.log"}
        assert texts["logs/1-build.log"] == "https://****@host-1/simple /home/USER/x C:\\Users\\USER\\y\n"
        assert json.loads(texts["facts.json"])["system"]

    def test_without_a_profile_it_is_about_that_of_the_folder(self, call: Call, tmp_path: Path) -> None:
        _profile(tmp_path).rename(tmp_path / "tfprov.toml")
        given, named = (call("report", *words, "-o", "r.zip")[2] for words in ((), ("tfprov.toml",)))
        assert given == named
        assert "the profile" in given

    def test_nothing_is_written_before_somebody_has_seen_what_it_holds(self, call: Call, tmp_path: Path) -> None:
        status, _, err = call("report", "-o", "r.zip")
        assert status == 2
        assert "versions.txt" in err
        assert not (tmp_path / "r.zip").exists()

    def test_a_name_of_another_kind_is_a_usage_error(self, call: Call) -> None:
        assert call("report", "-o", "r.doc", "--yes")[0] == 2


def _read(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    stream = tar.extractfile(entry)
    assert stream is not None
    return stream.read().decode()
