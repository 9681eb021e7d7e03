"""What cannot be exported is refused in whole sentences, before anything is written."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from seals import seal
from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation, Owner, Seal
from tfprov.errors import TfprovError
from tfprov.export.tree import TreeMember
from tfprov.pipeline import exporting
from tfprov.pipeline.exporting import ExportRequest, Format, _check_kind, export
from tfprov.pipeline.variables import Changes
from told import told


def refused(request: ExportRequest, folder: Path) -> tuple[str, str, str]:
    """Code, message and hint; the request is refused before the environment is looked for."""
    with pytest.raises(TfprovError) as caught:
        export("train", request, cwd=folder, environ={"HOME": str(folder)})
    return caught.value.code.name, caught.value.what, caught.value.hint


@pytest.mark.parametrize("prefix", ["relative", "/with blank", "/ü", "/a//b", "/x\n", "/", "/a/../b", "/.", "/a/.."])
def test_an_environment_gets_a_path_that_every_script_can_hold(tmp_path: Path, prefix: str) -> None:
    request = ExportRequest(form="tar", output=tmp_path / "out.tar", prefix=prefix)
    assert refused(request, tmp_path) == (
        "usage",
        f"`{prefix}` cannot be the path of an environment",
        "use an absolute path of letters, digits, `.`, `_` and `-`",
    )


@pytest.mark.parametrize("python_at", ["bin/python3", "/with blank/python3"])
def test_the_interpreter_there_has_such_a_path_too(tmp_path: Path, python_at: str) -> None:
    request = ExportRequest(form="tar", output=tmp_path / "out.tar", python_at=python_at)
    assert refused(request, tmp_path) == (
        "usage",
        f"`{python_at}` cannot be the path of an interpreter",
        "use an absolute path of letters, digits, `.`, `_` and `-`",
    )


@pytest.mark.parametrize("form", ["tar", "squashfs", "modulefile"])
def test_only_an_image_has_a_base(tmp_path: Path, form: Format) -> None:
    code, what, _ = refused(ExportRequest(form=form, output=tmp_path / "out", base=tmp_path), tmp_path)
    assert (code, what) == ("usage", "`--base` is for `--format oci` only")


@pytest.mark.skipif(os.name != "posix", reason="Windows lets few users make links")
@pytest.mark.parametrize("form", ["tar", "oci", "squashfs"])
def test_what_exists_is_replaced_only_on_request(tmp_path: Path, form: Format) -> None:
    output = tmp_path / "out"
    output.symlink_to("nowhere")
    assert refused(ExportRequest(form=form, output=output), tmp_path) == (
        "path-not-ours",
        f"`{output}` already exists",
        "choose another path, or pass `--force`",
    )


def test_a_file_system_needs_its_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(ExportRequest(form="squashfs", output=tmp_path / "out"), tmp_path) == (
        "not-supported",
        "`mksquashfs`, which writes the file system, is not on PATH",
        "install squashfs-tools 4.5 or newer, or export as `tar` and make the file system elsewhere",
    )


@pytest.mark.parametrize("form", ["tar", "oci", "squashfs", "modulefile"])
@pytest.mark.parametrize("inside", ["thesis.tex", "index.json", "blobs/sha256/0", ".hidden/x"])
def test_a_folder_that_is_no_image_is_not_replaced_even_on_request(tmp_path: Path, form: Format, inside: str) -> None:
    output = tmp_path / "work"
    (output / inside).parent.mkdir(parents=True)
    (output / inside).write_text("mine")
    assert refused(ExportRequest(form=form, output=output, replace=True), tmp_path) == (
        "path-not-ours",
        f"`{output}` is a folder that is not an image, and is not replaced",
        "choose another path",
    )
    (output / "oci-layout").write_text("{}")
    if "thesis" in inside or "hidden" in inside:
        assert refused(ExportRequest(form=form, output=output, replace=True), tmp_path)[0] == "path-not-ours"
    assert (output / inside).read_text() == "mine"


@pytest.mark.parametrize(("form", "name"), [("tar", "e.tar"), ("tar", "e.tar.gz"), ("oci", "e"), ("oci", "e.tar")])
def test_an_export_that_is_there_already_is_kept_and_any_other_is_refused(
    tmp_path: Path, form: Format, name: str
) -> None:
    output = tmp_path / "out" / name
    output.parent.mkdir()
    environment = Environment(tmp_path, owner=Owner(name="train", profile="/train.toml"))

    def write(data: bytes) -> str:
        request = ExportRequest(form=form, output=output)
        exporting._check(request)
        tree = [TreeMember(path="opt", is_folder=True), TreeMember(path="opt/x", data=data)]
        work = Path(tempfile.mkdtemp(dir=tmp_path))
        nothing = Changes(path=(), values={}, templates={}, unset=())
        return exporting._write(request, tree, nothing, environment=environment, seal=seal(), work=work)

    digest = write(b"one")
    there = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in output.parent.rglob("*")}
    assert write(b"one") == digest
    with pytest.raises(TfprovError) as caught:
        write(b"two")
    assert told(caught.value) == (
        "path-not-ours",
        f"`{output}` already exists",
        "its content differs from that of this export",
        "choose another path, or pass `--force`",
    )
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in output.parent.rglob("*")} == there


def refused_kind(root: Path, proved: Seal) -> tuple[str, str, tuple[str, ...], str]:
    environment = Environment(root, owner=Owner(name="train", profile="train.toml", link=""))
    with pytest.raises(TfprovError) as caught:
        _check_kind(environment, Generation(number=1, path=root, seal=proved), proved)
    error = caught.value
    return error.code.name, error.what, error.evidence, error.hint


def test_a_conda_environment_is_not_moved(tmp_path: Path) -> None:
    assert refused_kind(tmp_path, seal(kind="conda")) == (
        "not-supported",
        "`train` is a conda environment: its programs contain its path",
        (),
        "`--format modulefile` writes a modulefile that loads it in place",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is exported")
def test_without_the_file_system_of_processes_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_MAPS", tmp_path / "proc" / "self" / "maps")
    assert refused_kind(tmp_path, seal()) == (
        "filesystem-feature",
        f"`{tmp_path}/proc/self/maps` is missing, which shows what the interpreter needs from the system",
        (),
        "mount `/proc`, as in any container",
    )


def test_an_editable_project_is_not_moved(tmp_path: Path) -> None:
    metadata = tmp_path / "lib" / "python3.12" / "site-packages" / "app-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "direct_url.json").write_text('{"url": "file:///work/app", "dir_info": {"editable": true}}')
    assert refused_kind(tmp_path, seal()) == (
        "not-supported",
        "`train` contains an editable project: `app`",
        ("file:///work/app",),
        'install it as a wheel (`packages.project = "wheel"`, or no `-e`): run `tfprov up`',
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"url": "file:///src/mine", "dir_info": {}}',
        '{"url": "file:///src/mine", "dir_info": null}',
        '{"dir_info": 3}',
        "[]",
        "not JSON",
    ],
)
def test_metadata_of_any_shape_is_read(tmp_path: Path, text: str) -> None:
    environment = Environment(tmp_path, owner=Owner(name="train", profile="train.toml", link=""))
    metadata = tmp_path / "lib" / "python3.12" / "site-packages" / "mine-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "direct_url.json").write_text(text)
    _check_kind(environment, Generation(number=1, path=tmp_path, seal=seal()), seal())


@pytest.mark.skipif(os.name != "posix", reason="mksquashfs gets its input through a named pipe")
@pytest.mark.parametrize("body", ["kill -STOP $$", "head -c 100 >/dev/null; kill -STOP $$", "exec 0<&-; kill -STOP $$"])
def test_a_file_system_writer_that_is_stopped_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    program = tmp_path / "bin/mksquashfs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(exporting, "STUCK_SECONDS", 1.0)
    target = tmp_path / "out"
    target.touch()
    tree = [TreeMember(path=f"file{number}", data=b"x" * 100_000) for number in range(20)]
    with pytest.raises(TfprovError) as caught:
        exporting._squash(tree, target, tmp_path / "pipe")
    assert caught.value.evidence == ("`mksquashfs` made no progress for 1 s and was ended",)
    assert caught.value.hint == "run it again; `--format tar` does without `mksquashfs`"
