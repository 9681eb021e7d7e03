from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outcomes import SEAL
from tfprov.envs import launchers
from tfprov.envs.generations import Environment
from tfprov.envs.records import Generation, Owner
from tfprov.errors import TfprovError
from told import refusal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="scripts for a POSIX shell")


def without_links(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Below this folder no symbolic link can be made, as on exFAT."""
    real = Path.symlink_to

    def symlink_to(self: Path, target: str | Path, target_is_directory: bool = False) -> None:
        if self.is_relative_to(folder):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real(self, target, target_is_directory)

    monkeypatch.setattr(Path, "symlink_to", symlink_to)


@pytest.fixture(params=["seam", "exfat"])
def linkless(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on a file system without links: one that pretends, and a real one where it can be mounted."""
    folder = tmp_path / "it's ünlinked"
    folder.mkdir()
    if request.param == "seam":
        without_links(monkeypatch, folder)
        yield folder
        return
    if os.getuid() or any(shutil.which(tool) is None for tool in ("mkfs.exfat", "mount.exfat-fuse", "losetup")):
        pytest.skip("needs root, mkfs.exfat, mount.exfat-fuse and losetup")
    image = tmp_path / "image"
    with image.open("wb") as stream:
        stream.truncate(64 << 20)
    subprocess.run(["mkfs.exfat", image], check=True, capture_output=True)
    found = subprocess.run(["losetup", "--find", "--show", image], check=False, capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"no loop device: {found.stderr.strip()}")
    device = found.stdout.strip()
    try:
        mounted = subprocess.run(["mount.exfat-fuse", device, folder], check=False, capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"exFAT cannot be mounted: {mounted.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.fixture
def environment(tmp_path: Path, linkless: Path) -> Environment:
    owner = Owner(name="train", profile=str(linkless / "train.toml"), link=str(linkless / ".venv"))
    found = Environment(tmp_path / "home" / "environments" / "train-1", owner=owner)
    found.claim()
    return found


def sealed(environment: Environment, word: str, *commands: str) -> Generation:
    generation = environment.begin()
    folder = generation.path / "bin"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    (folder / "activate").write_text(f"GENERATION={word}\n")
    for name in ("tool", *commands):
        (folder / name).write_text(f'#!/bin/sh\necho {word} "$@"\n')
        (folder / name).chmod(0o755)
    return environment.seal(generation, SEAL)


def said(environment: Environment, name: str, *arguments: str) -> str:
    done = subprocess.run([environment.stable / "bin" / name, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_stable_path_starts_what_is_in_use_and_follows_every_switch(environment: Environment) -> None:
    first = sealed(environment, "one")
    environment.activate(first)
    assert not environment.stable.is_symlink()
    assert said(environment, "tool", "a b", "'c'") == "one a b 'c'"
    assert said(environment, "python", "-c", "print(1 + 1)") == "2"
    second = sealed(environment, "two")
    environment.activate(second)
    assert said(environment, "tool") == "two"
    environment.activate(first)
    assert said(environment, "tool") == "one"
    environment.check_link()


def test_a_switch_writes_no_script_anew(environment: Environment) -> None:
    environment.activate(sealed(environment, "one"))
    before = {path: path.stat().st_mtime_ns for path in environment.stable.rglob("*") if path.is_file()}
    environment.activate(sealed(environment, "two"))
    assert {path: path.stat().st_mtime_ns for path in environment.stable.rglob("*") if path.is_file()} == before


def test_scripts_come_and_go_with_the_commands(environment: Environment) -> None:
    environment.activate(sealed(environment, "one", "old"))
    environment.activate(sealed(environment, "two", "new"))
    names = sorted(path.name for path in (environment.stable / "bin").iterdir())
    assert names == ["activate", "new", "python", "tool"]


def test_a_folder_among_the_commands_gets_no_script(environment: Environment) -> None:
    generation = sealed(environment, "one")
    (generation.path / "bin/__pycache__").mkdir()
    environment.activate(generation)
    assert not (environment.stable / "bin/__pycache__").exists()


def test_it_can_be_activated_in_a_shell(environment: Environment) -> None:
    environment.activate(sealed(environment, "one"))
    script = '. "$1" && echo "$GENERATION"'
    argv = ["/bin/sh", "-c", script, "sh", environment.stable / "bin" / "activate"]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "one\n"


def test_removing_takes_the_scripts_and_leaves_what_others_put_there(environment: Environment) -> None:
    environment.activate(sealed(environment, "one"))
    (environment.stable / "bin" / "mine").write_text("x")
    environment.remove()
    assert sorted(path.name for path in environment.stable.rglob("*")) == ["bin", "mine"]


def test_a_folder_of_somebody_else_is_not_taken(environment: Environment) -> None:
    (environment.stable / "bin").mkdir(parents=True)
    with pytest.raises(TfprovError) as failure:
        environment.activate(sealed(environment, "one"))
    assert failure.value.code.name == "path-not-ours"


def test_a_run_that_is_cut_short_leaves_no_half_of_the_folder(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = sealed(environment, "one")
    real = launchers._put
    written: list[Path] = []

    def put(path: Path, content: bytes, *, mode: int) -> None:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        real(path, content, mode=mode)

    with monkeypatch.context() as full:
        full.setattr(launchers, "_put", put)
        with pytest.raises(OSError, match="No space"):
            environment.activate(generation)
    assert not os.path.lexists(environment.stable)
    environment.activate(generation)
    assert said(environment, "tool") == "one"


def test_where_programs_cannot_be_either_it_is_refused(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = sealed(environment, "one")
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).startswith(str(environment.stable.parent)))
    assert refusal(lambda: environment.activate(generation)) == (
        *("filesystem-feature", f"`{environment.stable}` cannot become the environment"),
        "its file system has neither links nor executable files",
        "choose another `environment.path`, or leave it out and use `tfprov run`",
    )
    assert not environment.stable.exists()


def test_where_programs_cannot_be_either_nothing_is_begun(
    tmp_path: Path, linkless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner(name="train", profile=str(linkless / "train.toml"), link=str(linkless / "sub" / ".venv"))
    environment = Environment(tmp_path / "home" / "environments" / "train-1", owner=owner)
    monkeypatch.setattr(os, "access", lambda path, _mode: not Path(path).is_relative_to(linkless))
    with pytest.raises(TfprovError) as failure:
        environment.claim()
    assert failure.value.code.name == "filesystem-feature"
    assert not environment.root.exists()
    assert list(linkless.iterdir()) == []


def test_tfprov_s_own_folder_needs_links(linkless: Path) -> None:
    environment = Environment(linkless / "home" / "environments" / "x-1", owner=Owner(name="x", profile="/p"))
    with pytest.raises(TfprovError) as failure:
        environment.claim()
    assert failure.value.code.name == "filesystem-feature"
    assert "TFPROV_HOME" in failure.value.hint


def test_an_ordinary_folder_has_links(tmp_path: Path) -> None:
    assert launchers.links_possible(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert launchers.links_possible(tmp_path / "gone")


ABANDONED = "/gone/environments/train-1/current\n"


@pytest.mark.parametrize("where", ["bin", launchers.MARKER])
def test_a_folder_that_came_with_a_project_and_leads_elsewhere_is_not_taken(tmp_path: Path, where: str) -> None:
    """git keeps links: such a folder would have had programs of the user's replaced."""
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "project" / ".venv"
    (elsewhere / "bin").mkdir(parents=True)
    (elsewhere / "bin" / "python").write_text("mine")
    (elsewhere / launchers.MARKER).write_text(ABANDONED)
    (link / "bin").mkdir(parents=True)
    (link / launchers.MARKER).write_text(ABANDONED)
    assert launchers.target(link) == Path(ABANDONED.strip())
    (link / "bin").rmdir() if where == "bin" else (link / where).unlink()
    (link / where).symlink_to(elsewhere / where)
    owner = Owner(name="train", profile=str(link.parent / "train.toml"), link=str(link))
    environment = Environment(tmp_path / "home" / "environments" / "train-1", owner=owner)
    with pytest.raises(TfprovError) as caught:
        environment.claim()
    assert (caught.value.code.name, caught.value.what) == (
        "path-not-ours",
        f"`{link}` exists and was not made by tfprov",
    )
    assert {path.name: path.read_text() for path in (elsewhere / "bin").iterdir()} == {"python": "mine"}


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
@pytest.mark.parametrize("name", [launchers.MARKER, "pyvenv.cfg"])
def test_a_device_in_a_folder_of_a_project_is_not_read(tmp_path: Path, name: str) -> None:
    link = tmp_path / ".venv"
    link.mkdir()
    (link / name).symlink_to("/dev/zero")
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); from pathlib import Path; "
        "from tfprov.envs import fronts, launchers; print(launchers.target(Path()), fronts.target(Path()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=link, capture_output=True, text=True, check=True)
    assert done.stdout == "None None\n"
