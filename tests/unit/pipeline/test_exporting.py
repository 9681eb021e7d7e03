"""What cannot be exported is refused in whole sentences, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfprov.errors import TfprovError
from tfprov.pipeline.exporting import ExportRequest, Format, export


def refused(request: ExportRequest, folder: Path) -> tuple[str, str, str]:
    """Code, message and hint; the request is refused before the environment is looked for."""
    with pytest.raises(TfprovError) as caught:
        export("train", request, cwd=folder, environ={"HOME": str(folder)})
    return caught.value.code.name, caught.value.what, caught.value.hint


@pytest.mark.parametrize("prefix", ["relative", "/with blank", "/ü", "/a//b", "/x\n"])
def test_an_environment_gets_a_path_that_every_script_can_hold(tmp_path: Path, prefix: str) -> None:
    request = ExportRequest(form="tar", output=tmp_path / "out.tar", prefix=prefix)
    assert refused(request, tmp_path) == (
        "usage",
        f"`{prefix}` cannot be the path of an environment",
        "use an absolute path of letters, digits, `.`, `_` and `-`",
    )


@pytest.mark.parametrize("form", ["tar", "squashfs", "modulefile"])
def test_only_an_image_has_a_base(tmp_path: Path, form: Format) -> None:
    code, what, _ = refused(ExportRequest(form=form, output=tmp_path / "out", base=tmp_path), tmp_path)
    assert (code, what) == ("usage", "`--base` is for `--format oci` only")


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
