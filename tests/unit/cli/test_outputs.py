"""Where a user says that a file belongs, tfprov replaces what it wrote itself and nothing else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_type_hints

import pytest
import typer

from tfprov.cli.app import app

# How each option that names a place to write to is used; `init` and `adopt` make a file for its user to edit, and
# replace none.
OUTPUTS = {
    "up junit": ("up", "cpu", "--junit", "out.xml"),
    "smoke junit": ("smoke", "cpu", "--junit", "out.xml"),
    "smoke html": ("smoke", "cpu", "--html", "out.html"),
    "smoke receipt": ("smoke", "cpu", "--receipt", "out.json"),
    "smoke attest": ("smoke", "cpu", "--attest", "out.json"),
    "gather html": ("gather", "host.json", "--html", "out.html"),
    "bundle target": ("bundle", "cpu", "--output", "out.tar"),
    "report to": ("report", "--yes", "--output", "out.zip"),
    "init path": ("init", "out.toml"),
    "status prometheus": ("status", "cpu", "--prometheus", "out.prom"),
    "sbom target": ("sbom", "cpu", "--output", "out.json"),
    "export target": ("export", "cpu", "--format", "tar", "--output", "out.tar"),
    "adopt to": ("adopt", ".venv", "--output", "out.toml"),
}
INPUTS = {
    "audit places",
    "export base",
    "adopt path",
    "add prefix",
    "explain host",
    "plan host",
    "init source",
    "lock host",
    "smoke python",
    "smoke against",
    "doctor python",
    "gather results",
    "report log",
}


def named_paths(group: typer.Typer = app) -> Iterator[str]:
    for command in group.registered_commands:
        assert command.callback is not None
        for name, hint in get_type_hints(command.callback).items():
            if "Path" in str(hint):
                yield f"{command.name or command.callback.__name__} {name}"
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from named_paths(inner.typer_instance)


def test_every_option_that_names_a_path_is_known_to_be_read_or_written() -> None:
    assert sorted(named_paths()) == sorted({*OUTPUTS, *INPUTS})


def a_file(place: Path) -> None:
    place.write_text('{"receipt": "of the baker", "verdict": {}, "devices": []}')


def a_folder(place: Path) -> None:
    place.mkdir()
    (place / "thesis").write_text("mine")


def a_link(place: Path) -> None:
    a_file(place.with_name("elsewhere"))
    place.symlink_to("elsewhere")


def a_link_to_nothing(place: Path) -> None:
    place.symlink_to("nowhere")


def a_pipe(place: Path) -> None:
    os.mkfifo(place)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFPROV_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    result = {"schema": 1, "command": "rollout", "state": "verified", "devices": []}
    (tmp_path / "host.json").write_text(json.dumps(result))
    return tmp_path


def state(folder: Path) -> dict[str, object]:
    kept = (path for path in folder.rglob("*") if "home" not in path.parts[len(folder.parts) :])
    return {
        str(path): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else path.lstat().st_mode
        for path in kept
    }


def answer(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        app([*words, "--json"])
    status = int(ended.value.code or 0)
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return status, document


@pytest.mark.parametrize(
    "occupy", [a_file, a_folder, *((a_link, a_link_to_nothing, a_pipe) if os.name == "posix" else ())]
)
@pytest.mark.parametrize("words", OUTPUTS.values(), ids=OUTPUTS)
def test_what_somebody_else_put_there_stays(
    words: tuple[str, ...], occupy: Callable[[Path], None], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    occupy(folder / words[-1])
    before = state(folder)
    status, document = answer(words, capsys)
    assert (status, document["error"]["code"]) == (2, "path-not-ours")  # type: ignore[index] - a JSON document
    assert state(folder) == before


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, which Wine shows, too, as an ordinary folder")
@pytest.mark.parametrize("place", ["/proc/out", "/proc/none/out", "/sys/out", "/dev/full"])
@pytest.mark.parametrize("words", OUTPUTS.values(), ids=OUTPUTS)
def test_a_place_where_no_files_can_be_made_is_refused_before_anything_is_done(
    words: tuple[str, ...], place: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(folder)
    target = place if place == "/dev/full" else place + Path(words[-1]).suffix
    status, document = answer((*words[:-1], target), capsys)
    code = document["error"]["code"]  # type: ignore[index] - a JSON document
    assert (status, code) in {
        (14, "filesystem-feature"),
        (14, "permission-denied"),
        (14, "read-only-fs"),
        (2, "path-not-ours"),
        (2, "usage"),
    }
    assert state(folder) == before


@pytest.mark.parametrize(
    "words", [each for each in OUTPUTS.values() if each[0] not in {"bundle", "report", "init", "adopt", "export"}]
)
def test_a_folder_is_not_a_file_name(words: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, why in ((".", "it is a folder"), ("host.json/x", "`host.json` is not a folder")):
        status, document = answer((*words[:-1], place), capsys)
        assert (status, document["error"]["code"]) == (2, "path-not-ours")  # type: ignore[index] - a JSON document
        assert document["error"]["evidence"] == [why]  # type: ignore[index] - a JSON document


@pytest.mark.parametrize(
    "words",
    [OUTPUTS["gather html"], OUTPUTS["report to"], ("report", "--yes", "--output", "out.tar.gz")],
    ids=" ".join,
)
def test_what_tfprov_wrote_is_replaced(
    words: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(words, capsys)[0] == 0
    written = folder / words[-1]
    number = written.stat().st_ino
    assert answer(words, capsys)[0] == 0
    assert written.stat().st_ino != number
    written.write_bytes(b"")
    assert answer(words, capsys)[0] == 0
    assert written.read_bytes()
