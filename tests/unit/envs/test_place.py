from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tfprov.envs.generations import Environment, environment_id
from tfprov.envs.place import check_above, check_execution, check_links
from tfprov.envs.records import Owner
from tfprov.errors import TfprovError
from tfprov.host.limits import mounts
from told import refusal

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="Python knows of noexec on Linux alone")


def refused(folder: Path) -> bool:
    try:
        check_execution(folder / "not" / "there")
    except TfprovError as error:
        assert error.code.name == "filesystem-feature"
        assert "noexec" in error.evidence[0]
        return True
    return False


def noexec(real: Callable[[Path], os.statvfs_result]) -> Callable[[Path], os.statvfs_result]:
    def statvfs(path: Path) -> os.statvfs_result:
        return os.statvfs_result((*real(path)[:8], real(path).f_flag | os.ST_NOEXEC, real(path).f_namemax))

    return statvfs


@only_linux
def test_a_folder_is_refused_where_its_mount_is_noexec_and_nowhere_else() -> None:
    seen = [Path(mount.point) for mount in mounts() if Path(mount.point).is_dir()]
    assert seen
    for point in seen:
        if os.access(point, os.X_OK):
            assert refused(point) == bool(os.statvfs(point).f_flag & os.ST_NOEXEC)


@only_linux
def test_nothing_is_made_for_an_environment_that_could_not_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", noexec(os.statvfs))
    environment = Environment(tmp_path / "environments" / "x-1", owner=Owner(name="x", profile="/p"))
    code, what, why, _ = refusal(environment.claim)
    folder = environment.root.parent
    assert (code, why) == (
        "filesystem-feature",
        f"the file system of `{folder}` is mounted noexec: compiled modules cannot be loaded from it",
    )
    assert what.startswith("environments do not work in `")
    assert not environment.root.exists()


@pytest.mark.parametrize("name", ["nul", "CON", "aux.env", "com1", "env.", "env ", "a:b", "what?", "Lpt³.x"])
@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_path_that_windows_would_change_or_take_for_a_device_is_refused(
    tmp_path: Path, name: str, inside: str
) -> None:
    place = tmp_path / name / inside
    code, what, why, hint = refusal(lambda: check_above(place, windows=True))
    assert (code, what) == ("path-not-ours", f"`{place}` cannot become the environment")
    assert why.startswith(repr(name))
    assert hint == "choose another `environment.path`"
    check_above(tmp_path / name / inside, windows=False)


@pytest.mark.parametrize(
    "name", ["../.venv", "../../envs/.venv", "env", ".venv", "console", "my env", "größe", "R&D", "com10", "nul-1"]
)
def test_other_names_are_those_of_an_environment_on_every_system(tmp_path: Path, name: str) -> None:
    check_above(tmp_path / name, windows=True)


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_a_place_that_changes_names_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[str], str]
) -> None:
    real = os.listdir
    check_links(tmp_path)
    monkeypatch.setattr(os, "listdir", lambda path: [change(name) for name in real(path)])
    with pytest.raises(TfprovError, match="no environment can be kept") as failure:
        check_links(tmp_path)
    assert failure.value.code.name == "filesystem-feature"
    assert real(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="plays macOS with the paths that Linux has of open files")
def test_on_macos_two_spellings_of_a_profile_are_one_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    on_disk = tmp_path / "Project" / "Train.toml"
    on_disk.parent.mkdir()
    on_disk.touch()
    (tmp_path / "project").symlink_to("Project")  # a disk that ignores case
    (tmp_path / "Project" / "train.toml").hardlink_to(on_disk)

    def asked(opened: int, _command: int, room: bytes) -> bytes:
        name = os.readlink(f"/proc/self/fd/{opened}").replace("/train.toml", "/Train.toml")
        return os.fsencode(name).ljust(len(room), b"\0")

    before = environment_id("train", on_disk)
    monkeypatch.setattr(fcntl, "F_GETPATH", 50, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", asked)
    monkeypatch.setattr(sys, "platform", "darwin")
    spellings = [tmp_path / folder / name for folder in ("Project", "project") for name in ("Train.toml", "train.toml")]
    found = {environment_id("train", path) for path in spellings}
    missing = environment_id("x", tmp_path / "project" / "Other.toml")
    monkeypatch.undo()
    assert found == {before}
    assert missing == environment_id("x", on_disk.with_name("Other.toml"))


@pytest.mark.skipif(os.name == "nt", reason="few users of Windows may make links")
def test_a_profile_that_is_linked_into_two_projects_has_an_environment_in_each(tmp_path: Path) -> None:
    shared = tmp_path / "shared" / "train.toml"
    (tmp_path / "by-a-link").symlink_to("one")
    for name in ("shared", "one", "two"):
        (tmp_path / name).mkdir()
    shared.touch()
    projects = [tmp_path / name / "train.toml" for name in ("one", "two")]
    for link in projects:
        link.symlink_to(shared)
    assert len({environment_id("train", path) for path in (shared, *projects)}) == 3
    assert environment_id("train", tmp_path / "by-a-link" / "train.toml") == environment_id("train", projects[0])
    # What the link leads to may change: a folder that Kubernetes mounts leads elsewhere after each change.
    before = environment_id("train", projects[0])
    projects[0].unlink()
    projects[0].symlink_to("/nowhere/train.toml")
    assert environment_id("train", projects[0]) == before
    # Two names in one folder are of one project.
    (tmp_path / "shared" / "tfprov.toml").symlink_to("train.toml")
    assert environment_id("train", tmp_path / "shared" / "tfprov.toml") == environment_id("train", shared)
