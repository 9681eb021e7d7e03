"""What of the runtime of Visual C++ a release needs, and what a machine lacks of it."""

from pathlib import Path

from tfprov import visual_cpp


def test_a_newer_release_is_linked_with_one_library_more() -> None:
    assert set(visual_cpp.needed("2.21.0")) - set(visual_cpp.needed("2.20.1")) == {"vcruntime140_threads.dll"}
    assert set(visual_cpp.NOT_OF_PYTHON) < set(visual_cpp.needed("2.21.0"))


def test_what_no_folder_has_is_missing_whatever_the_case_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "VCRUNTIME140.dll").touch()
    folders = (tmp_path / "not-there", tmp_path)
    assert visual_cpp.missing(("vcruntime140.dll", "msvcp140.dll"), folders) == ("msvcp140.dll",)
    assert visual_cpp.system_folder({"SYSTEMROOT": str(tmp_path)}) == tmp_path / "System32"
