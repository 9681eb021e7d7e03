from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from seals import seal
from sham import install
from tfprov.envs import commands, generations, locks, manifest, rollbacks
from tfprov.envs.fronts import followed
from tfprov.envs.generations import Environment, environment_id, environments
from tfprov.envs.layout import executables_in, python_in
from tfprov.envs.manifest import MANIFEST, SEAL
from tfprov.envs.records import Damage, Generation, Owner, Pruned
from tfprov.errors import TfprovError
from tfprov.ladder.classify import classify_exception

PROVED = seal(verdict={"verdict": {"ok": True}})
FILES = {"bin/python": "#!", "lib/a.py": "a = 1\n", "lib/ünï cödé.py": "", "lib/deep/er/b.so": "\0" * 100}
if os.name == "nt":
    FILES |= {"pyvenv.cfg": "home = C:\\Python313\n", "Scripts/python.exe": "#!"}
posix = pytest.mark.skipif(os.name != "posix", reason="links and signals of POSIX")


@pytest.fixture(params=["plain", "with a späce/and ünicode"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    found = tmp_path / request.param
    found.mkdir(parents=True)
    return found


@pytest.fixture
def environment(folder: Path) -> Environment:
    found = Environment(folder / "home" / "train-1", owner=Owner(name="train", profile=str(folder / "train.toml")))
    found.claim()
    return found


def linked(folder: Path, link: Path) -> Environment:
    owner = Owner(name="train", profile=str(folder / "train.toml"), link=str(link))
    found = Environment(folder / "home" / "train-2", owner=owner)
    found.claim()
    return found


def built(environment: Environment) -> Generation:
    generation = environment.begin()
    for name, text in FILES.items():
        path = generation.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())  # the same size on Windows
    return generation


def sealed(environment: Environment) -> Generation:
    return environment.seal(built(environment), PROVED)


def activated(environment: Environment) -> Generation:
    generation = sealed(environment)
    environment.activate(generation)
    return generation


def led(stable: Path) -> Path:
    """The generation that a stable path leads to: by links, or (Windows) by what a front says."""
    return Path(followed(str(stable)))


def numbers(environment: Environment) -> list[int]:
    return [one.number for one in environment.generations()]


def folders(environment: Environment) -> list[str]:
    return sorted(path.name for path in (environment.root / "generations").iterdir())


def code_of(failure: pytest.ExceptionInfo[TfprovError]) -> str:
    return failure.value.code.name


class TestTheGoodDay:
    def test_nothing_is_active_before_it_is_sealed_and_activated(self, environment: Environment) -> None:
        generation = built(environment)
        assert (generation.number, generation.seal) == (1, None)
        assert environment.active() is None
        assert environment.generations() == ()
        with pytest.raises(TfprovError) as failure:
            environment.activate(generation)
        assert code_of(failure) == "internal"
        assert not environment.stable.exists()
        generation = environment.seal(generation, PROVED)
        assert environment.active() is None
        environment.activate(generation)
        assert environment.active() == generation
        assert (led(environment.stable) / "lib" / "a.py").read_text() == "a = 1\n"

    def test_a_seal_is_read_back_as_it_was_written_with_the_size_of_the_files(self, environment: Environment) -> None:
        generation = sealed(environment)
        total = sum(len(text.encode()) for text in FILES.values())
        assert generation.seal == replace(PROVED, bytes=total, place=str(generation.path))
        assert environment.generations() == (generation,)

    def test_a_new_generation_stands_beside_the_active_one(self, environment: Environment) -> None:
        first = activated(environment)
        second = sealed(environment)
        assert environment.active() == first
        environment.activate(second)
        assert environment.active() == second
        assert numbers(environment) == [1, 2]

    def test_going_back_is_the_same_switch(self, environment: Environment) -> None:
        first, second = activated(environment), activated(environment)
        environment.activate(first)
        assert environment.active() == first
        assert built(environment).number == second.number + 1

    def test_activating_what_is_active_changes_nothing_on_disk(self, environment: Environment) -> None:
        generation = activated(environment)
        before = os.lstat(environment.stable)
        environment.activate(generation)
        assert os.lstat(environment.stable).st_ino == before.st_ino
        assert os.lstat(environment.stable).st_mtime_ns == before.st_mtime_ns

    def test_a_generation_is_never_numbered_like_one_that_is_there(self, environment: Environment) -> None:
        for _ in range(3):
            sealed(environment)
        (environment.root / "generations" / "12345").mkdir()
        environment.seal(Generation(number=12345, path=environment.root / "generations" / "12345"), PROVED)
        assert environment.begin().number == 12346

    def test_the_link_is_relative_so_that_the_folder_may_move(self, environment: Environment, folder: Path) -> None:
        activated(environment)
        moved = environment.root.rename(folder / "moved")
        assert (led(moved / "current") / "lib" / "a.py").exists()

    def test_no_litter_is_left(self, environment: Environment) -> None:
        activated(environment)
        activated(environment)
        assert sorted(path.name for path in environment.root.iterdir()) == ["current", "generations", "owner.json"]

    def test_the_owner_is_found_again(self, environment: Environment) -> None:
        found = Environment.open(environment.root)
        assert found is not None
        assert found.owner == environment.owner
        assert (found.id, found.stable) == ("train-1", environment.stable)

    @pytest.mark.parametrize("content", [None, "", "{", "[]", '{"name": 1}'])
    def test_a_folder_without_a_readable_owner_is_none_of_ours(self, folder: Path, content: str | None) -> None:
        if content is not None:
            (folder / "owner.json").write_text(content)
        assert Environment.open(folder) is None

    def test_environments_are_listed_by_name_and_other_folders_are_passed_over(self, folder: Path) -> None:
        for name in ("b", "a"):
            Environment(folder / f"{name}-1", owner=Owner(name=name, profile="/x")).claim()
        (folder / "foreign").mkdir()
        (folder / "file").write_text("")
        assert [one.owner.name for one in environments(folder)] == ["a", "b"]
        assert environments(folder / "nothing") == ()

    def test_two_profiles_of_one_name_are_two_environments(self, folder: Path) -> None:
        ids = {environment_id("x", folder / "a" / "x.toml"), environment_id("x", folder / "b" / "x.toml")}
        assert len(ids) == 2
        assert all(one.startswith("x-") for one in ids)
        assert environment_id("x", folder / "a" / ".." / "x.toml") == environment_id("x", folder / "x.toml")
        odd = {environment_id("x", folder / name / "x.toml") for name in ("\udcff", "\udcfe", "a")}
        assert len(odd) == 3

    def test_removing_takes_everything(self, environment: Environment) -> None:
        activated(environment)
        built(environment)
        with environment.locked():
            environment.remove()
        assert not environment.root.exists()


class TestThePathOfTheProfile:
    def test_it_leads_to_the_active_generation_through_one_link(self, folder: Path) -> None:
        link = folder / "project" / ".venv"
        environment = linked(folder, link)
        assert environment.stable == link
        first = activated(environment)
        assert led(link) == first.path.resolve()
        second = activated(environment)
        assert led(link) == second.path.resolve()
        assert environment.active() == second
        assert [path.name for path in link.parent.iterdir()] == [".venv"]

    def test_a_deleted_link_is_made_again_by_the_next_activation(self, folder: Path) -> None:
        link = folder / ".venv"
        environment = linked(folder, link)
        generation = activated(environment)
        link.unlink() if os.name == "posix" else shutil.rmtree(link)
        environment.activate(generation)
        assert led(link) == generation.path.resolve()

    @pytest.mark.parametrize(
        "kind", ["folder", "venv", "copy", "file", *(("link", "dangling") if os.name == "posix" else ())]
    )
    def test_what_tfprov_did_not_make_is_refused_and_untouched(self, folder: Path, kind: str) -> None:
        link, elsewhere = folder / ".venv", folder / "elsewhere"
        if kind in ("folder", "venv", "copy"):
            link.mkdir()
            (link / "precious").write_text("x")
        if kind in ("venv", "copy"):
            (link / "pyvenv.cfg").write_text("home = /usr")
        if kind == "copy":
            (link / SEAL).write_text("{}")
        if kind == "file":
            link.write_text("precious")
        if kind == "link":
            elsewhere.mkdir()
        if kind in ("link", "dangling"):
            link.symlink_to(elsewhere)
        before = sorted(map(str, folder.rglob("*")))
        with pytest.raises(TfprovError) as failure:
            linked(folder, link)
        assert code_of(failure) == "path-not-ours"
        words = {
            "folder": "it is a folder",
            "venv": "it is a virtual environment",
            "copy": "it is a copy of an environment of tfprov, where a link to it belongs",
            "file": "it is a file",
            "link": f"it points to `{elsewhere}`",
            "dangling": f"it points to `{elsewhere}`",
        }
        assert failure.value.evidence[0].startswith(words[kind])
        assert ("adopt" in str(failure.value.hint)) == (kind == "venv")  # which takes no other of these
        assert sorted(map(str, folder.rglob("*"))) == before

    @posix
    def test_the_place_of_an_environment_is_the_stable_path_only_while_that_leads_there(self, folder: Path) -> None:
        link = folder / ".venv"
        environment = linked(folder, link)
        activated(environment)
        assert environment.place == link
        link.unlink()
        assert environment.place == environment.root / "current"
        link.symlink_to(folder)
        assert environment.place == environment.root / "current"

    @posix
    def test_a_copy_in_place_of_the_link_to_a_generation_is_replaced(self, folder: Path) -> None:
        """As a backup or a cloud restores it that knows no links."""
        environment = linked(folder, folder / ".venv")
        generation = activated(environment)
        current = environment.root / "current"
        current.unlink()
        shutil.copytree(generation.path, current)
        assert environment.active() is None
        environment.activate(generation)
        assert environment.active() == generation
        assert current.is_symlink()
        assert list(environment.root.glob(".*")) == []

    @posix
    def test_a_copy_in_place_of_the_link_stays_while_a_process_runs_from_it(self, folder: Path) -> None:
        environment = linked(folder, folder / ".venv")
        generation = activated(environment)
        current = environment.root / "current"
        current.unlink()
        shutil.copytree(generation.path, current)
        job = current / "bin" / "job"
        job.parent.mkdir(exist_ok=True)
        shutil.copy(str(shutil.which("sleep")), job)
        with subprocess.Popen([job, "100"]) as running:
            try:
                with pytest.raises(TfprovError) as failure:
                    environment.activate(generation)
            finally:
                running.kill()
        assert code_of(failure) == "environment-in-use"
        assert str(running.pid) in failure.value.evidence[0]
        assert job.is_file()
        environment.activate(generation)
        assert current.is_symlink()

    def test_what_appears_there_while_we_build_is_not_overwritten(self, folder: Path) -> None:
        link = folder / ".venv"
        environment = linked(folder, link)
        generation = sealed(environment)
        link.mkdir()
        with pytest.raises(TfprovError) as failure:
            environment.activate(generation)
        assert code_of(failure) == "path-not-ours"
        assert environment.active() is None
        assert list(link.iterdir()) == []

    @posix
    def test_removing_takes_our_link_and_leaves_a_foreign_one(self, folder: Path) -> None:
        link = folder / ".venv"
        environment = linked(folder, link)
        activated(environment)
        environment.remove()
        assert not link.is_symlink()
        environment = linked(folder, link)
        activated(environment)
        link.unlink()
        link.symlink_to(folder)
        environment.remove()
        assert link.readlink() == folder


class TestCrashes:
    def test_what_was_begun_and_not_sealed_is_swept_by_the_next_run(self, environment: Environment) -> None:
        first = activated(environment)
        built(environment)
        assert environment.generations() == (first,)
        assert environment.active() == first
        assert environment.begin().number == 2
        assert folders(environment) == ["0001", "0002"]
        assert list((environment.root / "generations" / "0002").iterdir()) == []

    def test_a_crash_between_seal_and_activation_leaves_the_old_one_in_use(self, environment: Environment) -> None:
        first, second = activated(environment), sealed(environment)
        again = Environment.open(environment.root)
        assert again is not None
        assert again.active() == first
        again.sweep()
        assert again.generations() == (first, second)

    def test_a_crash_before_the_first_activation_leaves_nothing_active(self, environment: Environment) -> None:
        sealed(environment)
        assert environment.active() is None

    @pytest.mark.parametrize("content", [b"", b"{", b'{"profile_digest": "p"', b"[]", b"\xff\xfe", b"null"])
    def test_a_seal_that_was_cut_short_is_no_seal(self, environment: Environment, content: bytes) -> None:
        first, second = activated(environment), sealed(environment)
        (second.path / SEAL).write_bytes(content)
        assert environment.generations() == (first,)
        environment.sweep()
        assert folders(environment) == ["0001"]

    def test_the_generation_in_use_is_never_swept_even_without_a_readable_seal(self, environment: Environment) -> None:
        first = activated(environment)
        (first.path / SEAL).write_bytes(b"")
        assert environment.active() is None
        second = sealed(environment)
        assert (led(environment.stable) / "lib" / "a.py").exists()
        environment.activate(second)
        environment.sweep()
        assert folders(environment) == ["0002"]

    def test_a_half_deleted_generation_is_never_taken_for_a_whole_one(
        self, environment: Environment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        generation = sealed(environment)

        def killed(_path: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(generations.shutil, "rmtree", killed)
            with pytest.raises(KeyboardInterrupt):
                environment.discard(generation)
        assert environment.generations() == ()
        assert environment.unfinished()
        assert len(folders(environment)) == 1
        environment.sweep()
        assert folders(environment) == []
        assert not environment.unfinished()

    @posix
    @pytest.mark.parametrize("moment", ["symlink_to", "replace"])
    def test_a_switch_that_fails_leaves_the_old_link(
        self, environment: Environment, monkeypatch: pytest.MonkeyPatch, moment: str
    ) -> None:
        first, second = activated(environment), sealed(environment)

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Path, moment, full)
            with pytest.raises(OSError, match="No space"):
                environment.activate(second)
        assert environment.active() == first
        assert sorted(path.name for path in environment.root.iterdir()) == ["current", "generations", "owner.json"]
        environment.activate(second)
        assert environment.active() == second

    @posix
    def test_a_temporary_link_of_a_killed_process_of_the_same_number_is_replaced(
        self, environment: Environment
    ) -> None:
        generation = sealed(environment)
        (environment.root / f".current.{os.getpid()}.tmp").symlink_to("nowhere")
        environment.activate(generation)
        assert environment.active() == generation

    def test_a_link_to_a_generation_that_is_gone_is_no_active_generation(self, environment: Environment) -> None:
        generation = activated(environment)
        environment.discard(generation)
        assert environment.active() is None
        assert built(environment).number == 2
        assert not led(environment.stable).exists()


class TestPrune:
    def test_the_newest_are_kept(self, environment: Environment) -> None:
        for _ in range(5):
            activated(environment)
        assert [one.number for one in environment.prune(3).deleted] == [1, 2]
        assert numbers(environment) == [3, 4, 5]
        assert folders(environment) == ["0003", "0004", "0005"]
        assert environment.prune(3) == Pruned()

    def test_the_active_one_is_kept_however_old(self, environment: Environment) -> None:
        first = activated(environment)
        for _ in range(4):
            sealed(environment)
        environment.activate(first)
        environment.prune(2)
        assert numbers(environment) == [1, 5]
        assert environment.active() == first

    def test_with_one_to_keep_only_the_active_one_stays(self, environment: Environment) -> None:
        activated(environment)
        second = activated(environment)
        environment.prune(1)
        assert environment.generations() == (second,)

    def test_cheap_ones_are_put_aside_and_deleted_later(self, environment: Environment) -> None:
        for _ in range(4):
            activated(environment)
        pruned = environment.prune(2, cheap=lambda one: one.number == 1)
        assert [one.number for one in pruned.deleted] == [1, 2]
        assert numbers(environment) == [3, 4]
        assert folders(environment) == ["0001.aside", "0003", "0004"]
        built(environment)
        environment.sweep()
        assert folders(environment) == ["0001.aside", "0003", "0004"]
        environment.clear_aside(stop=lambda: True)
        assert folders(environment) == ["0001.aside", "0003", "0004"]
        environment.clear_aside(threads=1)
        assert folders(environment) == ["0003", "0004"]

    def test_what_cannot_be_put_aside_is_deleted(self, environment: Environment) -> None:
        first = activated(environment)
        activated(environment)
        left = first.path.with_suffix(".aside")
        left.mkdir()
        (left / "of an earlier one").touch()
        environment.prune(1, cheap=lambda _: True)
        assert folders(environment) == ["0001.aside", "0002"]
        assert [path.name for path in left.iterdir()] == ["of an earlier one"]

    def test_what_is_put_aside_goes_with_the_environment(self, environment: Environment) -> None:
        activated(environment)
        activated(environment)
        environment.prune(1, cheap=lambda _: True)
        environment.remove()
        assert not environment.root.exists()

    def test_what_is_in_use_stays_does_not_count_and_goes_later(self, environment: Environment) -> None:
        first, *_ = (activated(environment) for _ in range(5))
        with subprocess.Popen([sys.executable, "-c", "input()"], cwd=first.path, stdin=subprocess.PIPE) as user:
            pruned = environment.prune(3, cheap=lambda _: True)
            assert [one.number for one in pruned.deleted] == [2]
            (held,) = pruned.held
            assert held.generation == first
            assert [one.pid for one in held.holders] == [user.pid]
            assert numbers(environment) == [1, 3, 4, 5]
            user.communicate(b"\n")
        assert [one.number for one in environment.prune(3).deleted] == [1]

    def test_what_cannot_be_deleted_is_named_and_does_not_keep_the_others(
        self, environment: Environment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second, _ = (activated(environment) for _ in range(3))
        delete = generations.trees.delete

        def fail(folder: Path) -> None:
            if ".0001." in folder.name:
                raise PermissionError(13, "Permission denied", "/e/site-packages/by-root.pyc")
            delete(folder)

        monkeypatch.setattr(generations.trees, "delete", fail)
        pruned = environment.prune(1)
        assert pruned.deleted == (second,)
        (failed,) = pruned.failed
        assert failed.generation == first
        assert str(failed) == (
            "generation 1 cannot be deleted completely: [Errno 13] Permission denied: '/e/site-packages/by-root.pyc'"
        )

    def test_how_many_are_kept_is_known_from_the_active_one(self, environment: Environment) -> None:
        for _ in range(4):
            last = activated(environment)
        assert environment.prune() == Pruned()
        assert not environment.unfinished()
        environment.reseal(last, replace(PROVED, keep=3))
        assert environment.unfinished()
        assert [one.number for one in environment.prune().deleted] == [1]
        assert not environment.unfinished()

    @pytest.mark.skipif(sys.platform != "linux", reason="a file that nobody can read")
    @pytest.mark.parametrize("beside", [False, True], ids=["made", "adopted"])
    def test_one_whose_seal_cannot_be_read_now_stays(self, environment: Environment, beside: bool) -> None:
        old = activated(environment)
        activated(environment)
        place = old.path.with_suffix(".json") if beside else old.path / SEAL
        (old.path / SEAL).replace(place)
        content = place.read_bytes()
        place.unlink()
        place.symlink_to("/proc/self/mem")
        environment.begin()
        place.unlink()
        place.write_bytes(content)
        assert [one.number for one in environment.generations()] == [1, 2]

    def test_an_unfinished_one_that_cannot_be_deleted_does_not_keep_a_run_from_beginning(
        self, environment: Environment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A folder of root's in it, for instance: a killed run of `sudo` left bytecode there."""
        left = environment.begin()
        (left.path / "lib").mkdir()
        real = shutil.rmtree

        def refuse(path: Path | str, *, ignore_errors: bool = False) -> None:
            if not ignore_errors:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(shutil, "rmtree", refuse)
        begun = environment.begin()
        assert begun.path.exists()
        monkeypatch.setattr(shutil, "rmtree", real)
        environment.empty_trash()
        assert [path.name for path in begun.path.parent.iterdir()] == [begun.path.name]

    def test_an_unfinished_one_that_is_in_use_stays(self, environment: Environment) -> None:
        activated(environment)
        other = built(environment)
        with subprocess.Popen([sys.executable, "-c", "input()"], cwd=other.path, stdin=subprocess.PIPE) as user:
            environment.sweep()
            assert folders(environment) == ["0001", "0002"]
            user.communicate(b"\n")
        environment.sweep()
        assert folders(environment) == ["0001"]

    def test_unfinished_ones_do_not_count(self, environment: Environment) -> None:
        activated(environment)
        activated(environment)
        built(environment)
        assert environment.prune(2) == Pruned()


@pytest.mark.skipif(os.name != "posix", reason="on Windows a file is the switch, which is confirmed before it is used")
def test_a_switch_that_the_disk_does_not_confirm_is_done_all_the_same(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = sealed(environment)

    def broken(_handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    environment.activate(generation)
    assert environment.active() == generation


def test_a_generation_without_a_seal_is_unfinished_unless_it_is_in_use(environment: Environment) -> None:
    assert not environment.unfinished()
    first = activated(environment)
    assert not environment.unfinished()
    (first.path / "tfprov.json").unlink()
    assert not environment.unfinished()
    environment.begin()
    assert environment.unfinished()
    environment.sweep()
    assert not environment.unfinished()


class TestSettled:
    def test_what_is_in_its_place_needs_nothing(self, folder: Path) -> None:
        environment = linked(folder, folder / ".venv")
        first, second = activated(environment), activated(environment)
        assert environment.settled(second)
        assert not environment.settled(first)

    def test_without_a_path_of_its_own(self, environment: Environment) -> None:
        assert environment.settled(activated(environment))

    def test_a_deleted_or_foreign_link_has_to_be_made_again(self, folder: Path) -> None:
        environment = linked(folder, folder / ".venv")
        generation = activated(environment)
        link = folder / ".venv"
        link.unlink() if os.name == "posix" else shutil.rmtree(link)
        assert not environment.settled(generation)
        link.symlink_to(folder) if os.name == "posix" else link.mkdir()
        assert not environment.settled(generation)

    def test_another_path_has_to_be_claimed(self, folder: Path) -> None:
        generation = activated(linked(folder, folder / ".venv"))
        owner = Owner(name="train", profile=str(folder / "train.toml"), link=str(folder / "env"))
        assert not Environment(folder / "home" / "train-2", owner=owner).settled(generation)

    def test_what_nobody_claimed_is_not_settled(self, folder: Path) -> None:
        environment = linked(folder, folder / ".venv")
        generation = activated(environment)
        (environment.root / "owner.json").unlink()
        assert not environment.settled(generation)


class TestDamage:
    def test_a_whole_generation_has_none(self, environment: Environment) -> None:
        assert not environment.damage(sealed(environment))

    def test_a_missing_file_is_named(self, environment: Environment) -> None:
        generation = sealed(environment)
        (generation.path / "lib" / "ünï cödé.py").unlink()
        damage = environment.damage(generation)
        assert damage == Damage(missing=("lib/ünï cödé.py",))
        assert damage
        assert str(damage) == "1 missing file, `lib/ünï cödé.py`"

    def test_a_file_of_another_size_is_named(self, environment: Environment) -> None:
        generation = sealed(environment)
        (generation.path / "lib" / "a.py").write_text("a = 12\n")
        (generation.path / "lib" / "deep" / "er" / "b.so").write_bytes(b"")
        damage = environment.damage(generation)
        assert damage.altered == ("lib/a.py", "lib/deep/er/b.so")
        assert str(damage) == "2 altered files, such as `lib/a.py`"

    @pytest.mark.skipif(os.name == "nt", reason="there, everybody reads a file who may read its folder")
    def test_a_file_that_its_owner_may_not_read_is_damage_for_root_too(self, environment: Environment) -> None:
        generation = sealed(environment)
        (generation.path / "lib" / "a.py").chmod(0o044)
        assert environment.damage(generation).altered == ("lib/a.py",)

    def test_a_whole_folder_may_be_missing(self, environment: Environment) -> None:
        import shutil

        generation = sealed(environment)
        shutil.rmtree(generation.path / "lib")
        assert len(environment.damage(generation).missing) == 3

    def test_a_file_more_and_bytecode_are_no_damage(self, environment: Environment) -> None:
        generation = built(environment)
        cache = generation.path / "lib" / "__pycache__"
        cache.mkdir()
        (cache / "a.pyc").write_text("before")
        generation = environment.seal(generation, PROVED)
        (cache / "a.pyc").unlink()
        (cache / "b.pyc").write_text("after")
        (generation.path / "new").write_text("by the user")
        assert not environment.damage(generation)

    def test_an_edit_in_place_that_keeps_the_size_is_seen(self, environment: Environment) -> None:
        generation = sealed(environment)
        target = generation.path / "lib" / "a.py"
        with target.open("r+") as stream:
            stream.write("a = 2\n")
        os.utime(target, ns=(1, 1))
        assert environment.damage(generation) == Damage(altered=("lib/a.py",))

    def test_a_file_that_was_merely_touched_is_no_damage_and_gets_its_time_back(self, environment: Environment) -> None:
        generation = sealed(environment)
        target = generation.path / "lib" / "a.py"
        before = target.stat().st_mtime_ns
        os.utime(target, ns=(1, 1))
        assert not environment.damage(generation)
        assert target.stat().st_mtime_ns == before

    def test_a_time_is_given_back_where_links_have_none_to_set(
        self, environment: Environment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        generation = sealed(environment)
        target = generation.path / "lib" / "a.py"
        before = target.stat().st_mtime_ns
        os.utime(target, ns=(1, 1))
        real = os.utime

        def utime(path: str, *, ns: tuple[int, int], follow_symlinks: bool = True) -> None:
            if not follow_symlinks:
                raise NotImplementedError("utime: follow_symlinks unavailable on this platform")
            real(path, ns=ns)

        monkeypatch.setattr(os, "utime", utime)
        assert not environment.damage(generation)
        assert target.stat().st_mtime_ns == before

    def test_a_replaced_file_with_the_same_content_is_no_damage(self, environment: Environment) -> None:
        generation = sealed(environment)
        target = generation.path / "lib" / "a.py"
        other = target.with_name("other")
        other.write_bytes(target.read_bytes())
        os.utime(other, ns=(1, 1))
        other.replace(target)
        assert not environment.damage(generation)

    def test_what_belongs_to_a_package_is_compared_with_its_record(self, environment: Environment) -> None:
        generation = built(environment)
        library = generation.path / "lib" / "python3.12" / "site-packages"
        library.mkdir(parents=True)
        install(library, "thing", "1.0", {"thing.py": "x = 1\n", "other.py": "y = 1\n"})
        generation = environment.seal(generation, PROVED)
        assert b"thing.py" not in (generation.path / MANIFEST).read_bytes().partition(b"\n\n")[2]
        for name, text in (("thing.py", "x = 2\n"), ("other.py", "y = 1\n")):
            (library / name).write_bytes(text.encode())
            os.utime(library / name, ns=(1, 1))
        assert environment.damage(generation).altered == ("lib/python3.12/site-packages/thing.py",)

    def test_a_record_that_was_written_to_itself_proves_nothing(self, environment: Environment) -> None:
        generation = built(environment)
        library = generation.path / "lib" / "python3.12" / "site-packages"
        library.mkdir(parents=True)
        install(library, "thing", "1.0", {"thing.py": "x = 1\n"})
        generation = environment.seal(generation, PROVED)
        # As whoever forges a file and its record: sizes stay, hashes agree with each other.
        install(library, "thing", "1.0", {"thing.py": "x = 2\n"})
        for name in ("thing.py", "thing-1.0.dist-info/RECORD"):
            os.utime(library / name, ns=(1, 1))
        assert "lib/python3.12/site-packages/thing.py" in environment.damage(generation).altered

    @posix
    def test_a_link_that_leads_elsewhere_is_damage(self, environment: Environment) -> None:
        generation = built(environment)
        link = generation.path / "lib64"
        link.symlink_to("lib", target_is_directory=True)
        generation = environment.seal(generation, PROVED)
        link.unlink()
        link.symlink_to("bin", target_is_directory=True)
        os.utime(link, ns=(1, 1), follow_symlinks=False)
        assert environment.damage(generation).altered == ("lib64",)

    @posix
    def test_links_are_compared_as_links(self, environment: Environment) -> None:
        generation = built(environment)
        (generation.path / "lib64").symlink_to("lib", target_is_directory=True)
        (generation.path / "bin" / "python3").symlink_to("/nowhere/python")
        generation = environment.seal(generation, PROVED)
        assert not environment.damage(generation)
        (generation.path / "bin" / "python3").unlink()
        assert environment.damage(generation).missing == ("bin/python3",)

    @posix
    def test_names_that_are_no_unicode_or_hold_odd_line_ends_are_kept(self, environment: Environment) -> None:
        generation = built(environment)
        for name in (b"caf\xe9.txt", "a\u2028b\x0b\x85.txt".encode()):
            (generation.path / os.fsdecode(name)).write_text("x")
        generation = environment.seal(generation, PROVED)
        assert not environment.damage(generation)

    def test_a_list_that_is_gone_cut_short_or_garbage_is_damage_itself(self, environment: Environment) -> None:
        generation = sealed(environment)
        manifest = generation.path / MANIFEST
        whole = manifest.read_bytes()
        assert b"lib/deep/er/b.so" in whole.partition(b"\n\n")[0]
        for content in (b"", whole.split(b"100 ")[0].rstrip(b"\n"), b"x y\n" + whole, b"5 a\n" + whole):
            manifest.write_bytes(content)
            assert environment.damage(generation).altered == (MANIFEST,)
        manifest.unlink()
        assert environment.damage(generation).missing == (MANIFEST,)


class TestPlaces:
    @pytest.mark.parametrize("path", ["/", ".", "..", "../.."])
    def test_what_holds_the_profile_cannot_become_the_environment(self, folder: Path, path: str) -> None:
        with pytest.raises(TfprovError) as failure:
            linked(folder, folder / path)
        assert code_of(failure) == "path-not-ours"
        assert failure.value.hint == 'name a new folder as `environment.path`, such as `".venv"`'

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder in which not even root can make anything")
    def test_a_place_where_no_link_can_be_made_is_named_before_anything_is_built(self, folder: Path) -> None:
        with pytest.raises(TfprovError) as failure:
            linked(folder, Path("/proc/env"))
        assert code_of(failure) == "permission-denied"
        assert not (folder / "home" / "train-2").exists()

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder in which not even root can make anything")
    def test_a_home_in_which_nothing_can_be_made_is_named(self) -> None:
        environment = Environment(Path("/proc/1/.local/env"), owner=Owner(name="train", profile="/p"))
        with pytest.raises(TfprovError) as failure, environment.locked():
            pass
        assert code_of(failure) == "permission-denied"
        assert "TFPROV_HOME" in failure.value.hint

    def test_holding_an_environment_makes_no_folder_for_it(self, folder: Path) -> None:
        environment = Environment(folder / "home" / "train-3", owner=Owner(name="train", profile="/p"))
        with environment.locked():
            pass
        assert not environment.root.exists()
        assert environments(folder / "home") == ()


class TestBrokenDisk:
    """A device that fails (EIO) at each step. What was in use stays in use, and the next run can go on."""

    @pytest.mark.parametrize(
        ("step", "where"),
        [
            ("write", "manifest"),
            ("write", "seal"),
            ("fsync", "manifest"),
            ("replace", "seal"),
            *([("symlink_to", "link")] if os.name == "posix" else []),
            ("replace", "link"),
        ],
    )
    def test_an_upgrade_that_meets_it_leaves_the_old_one(
        self, environment: Environment, monkeypatch: pytest.MonkeyPatch, step: str, where: str
    ) -> None:
        first = activated(environment)
        second = built(environment)
        seal_first = where == "link"
        if seal_first:
            second = environment.seal(second, PROVED)

        def fail(*_: object, **__: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        def upgrade() -> None:
            environment.activate(second if seal_first else environment.seal(second, PROVED))

        with monkeypatch.context() as broken:
            if step == "write" and where == "manifest":
                broken.setattr(manifest, "write_atomic", fail)
            elif step == "write":
                broken.setattr(generations, "write_atomic", fail)
            elif step == "fsync":
                broken.setattr(os, "fsync", fail)
            else:
                broken.setattr(Path, step, fail)
            with pytest.raises(OSError, match="Input/output") as failure:
                upgrade()
        assert classify_exception(failure.value).code.name == "disk-io"
        assert environment.active() == first
        assert not environment.damage(first)
        assert not list(environment.root.rglob("*.tmp"))
        third = activated(environment)
        assert environment.active() == third

    def test_what_cannot_be_deleted_counts_for_nothing_and_costs_nothing(
        self, environment: Environment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(3):
            last = activated(environment)

        def fail(*_: object, **__: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as broken:
            broken.setattr(shutil, "rmtree", fail)
            environment.prune(1)
        assert environment.active() == last
        assert numbers(environment) == [last.number]
        built(environment)
        assert folders(environment) == ["0003", "0004"]


class TestMoved:
    @pytest.fixture
    def moved(self, folder: Path) -> Environment:
        owner = Owner(name="train", profile=str(folder / "train.toml"))
        environment = Environment(folder / "old" / "environments" / "train-1", owner=owner)
        environment.claim()
        activated(environment)
        (folder / "old").rename(folder / "new")
        return Environment(folder / "new" / "environments" / "train-1", owner=owner)

    def test_a_generation_knows_that_it_was_moved(self, folder: Path, moved: Environment) -> None:
        generation = moved.active()
        assert generation is not None
        assert moved.moved(generation)
        flaw = moved.flaw(generation)
        assert flaw is not None
        assert flaw.code == "environment-moved"
        assert str(folder / "old" / "environments") in flaw.words

    @posix
    def test_the_same_folder_by_another_name_is_no_move(self, environment: Environment, folder: Path) -> None:
        activated(environment)
        (folder / "alias").symlink_to(folder / "home", target_is_directory=True)
        alias = Environment(folder / "alias" / "train-1", owner=environment.owner)
        generation = alias.active()
        assert generation is not None
        assert not alias.moved(generation)

    def test_the_next_generation_is_good_where_it_is(self, moved: Environment) -> None:
        generation = activated(moved)
        assert not moved.moved(generation)
        assert moved.active() == generation

    @posix
    @pytest.mark.parametrize("old", ["gone", "claims another path", "same profile, other name", "lost its profile"])
    def test_a_link_of_ours_from_before_a_move_is_replaced(self, folder: Path, old: str) -> None:
        root = folder / "home" / "environments" / "other-1"
        link = folder / "project" / ".venv"
        profile = folder / "project" / "train.toml"
        link.parent.mkdir()
        profile.touch()
        if old != "gone":
            claims = str(folder / "elsewhere" / ".venv") if old == "claims another path" else str(link)
            whose = folder / "project" / "gone.toml" if old == "lost its profile" else profile
            other = Environment(root, owner=Owner(name="other", profile=str(whose), link=claims))
            other.claim()
            generation = other.seal(built(other), PROVED)
            if old != "claims another path":
                other.activate(generation)
        link.unlink(missing_ok=True)
        link.symlink_to(root / "current")
        owner = Owner(name="train", profile=str(profile), link=str(link))
        mine = Environment(folder / "home" / "environments" / "train-1", owner=owner)
        mine.claim()
        activated(mine)
        assert link.readlink() == mine.root / "current"

    @posix
    def test_the_path_of_another_profile_that_is_still_there_is_not_taken(self, folder: Path) -> None:
        link = folder / ".venv"
        (folder / "other.toml").touch()
        other = Environment(
            folder / "home" / "environments" / "other-1",
            owner=Owner(name="other", profile=str(folder / "other.toml"), link=str(link)),
        )
        other.claim()
        activated(other)
        with pytest.raises(TfprovError) as failure:
            linked(folder, link)
        assert code_of(failure) == "path-not-ours"
        assert link.readlink() == other.root / "current"


_HOLD = """
import sys
from pathlib import Path
from tfprov.envs.generations import Environment
from tfprov.envs.records import Owner
environment = Environment(Path(sys.argv[1]), owner=Owner(name="train", profile="x"))
with environment.locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"held"
        try:
            yield child
        finally:
            child.kill()


class TestTwoProcesses:
    def test_the_second_is_told_who_holds_the_environment(self, environment: Environment) -> None:
        with holder(environment.root), pytest.raises(TfprovError) as failure, environment.locked(timeout=0):
            raise AssertionError
        assert code_of(failure) == "lock-timeout"
        assert failure.value.what == "another tfprov is working on `train`"

    def test_the_second_gets_it_when_the_first_is_done(self, environment: Environment) -> None:
        with holder(environment.root) as first:
            assert first.stdin is not None
            first.stdin.close()
            with environment.locked(timeout=60):
                pass
            assert first.wait() == 0

    def test_a_killed_holder_holds_nothing(self, environment: Environment) -> None:
        with holder(environment.root) as first:
            first.kill()
            first.wait()
            with environment.locked(timeout=0):
                pass

    def test_it_is_free_again_after_a_failure_inside(self, environment: Environment) -> None:
        with pytest.raises(ZeroDivisionError), environment.locked():
            raise ZeroDivisionError
        with environment.locked(timeout=0):
            pass


@posix
def test_all_environments_are_held_also_one_that_is_only_being_made(environment: Environment) -> None:
    with locks.all_locked(environment.root.parent):
        pass
    with (
        environment.locked(),
        pytest.raises(TfprovError) as failure,
        locks.all_locked(environment.root.parent),
    ):
        pass
    assert failure.value.code.name == "lock-timeout"


def test_what_is_left_of_a_removed_environment_is_none(environment: Environment) -> None:
    activated(environment)
    left = environment.remove()
    assert (left / "owner.json").exists()
    assert environments(left.parent) == ()


def test_claiming_again_writes_nothing_unless_the_owner_changed(environment: Environment) -> None:
    path = environment.root / "owner.json"
    before = path.stat().st_mtime_ns, path.stat().st_ino
    environment.claim()
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    Environment(environment.root, owner=replace(environment.owner, profile="/moved")).claim()
    found = Environment.open(environment.root)
    assert found is not None
    assert found.owner.profile == "/moved"


def test_what_a_killed_run_left_in_the_scratch_folder_is_gone_for_the_next(environment: Environment) -> None:
    with environment.scratch() as folder:
        (folder / "requirements.txt").write_text("")
    assert not folder.exists()
    (folder / "uv").mkdir(parents=True)
    with environment.scratch() as folder:
        assert list(folder.iterdir()) == []


@posix
@pytest.mark.parametrize("above", ["file", "pipe", "dangling", "loop"])
def test_a_stable_path_that_cannot_be_made_is_not_written_down(folder: Path, above: str) -> None:
    linked(folder, folder / "good")
    place = folder / above
    {
        "file": place.touch,
        "pipe": lambda: os.mkfifo(place),
        "dangling": lambda: place.symlink_to("nowhere"),
        "loop": lambda: place.symlink_to(place.name),
    }[above]()
    with pytest.raises(TfprovError) as caught:
        linked(folder, place / "deep" / "env")
    assert caught.value.code.name == "path-not-ours"
    again = Environment.open(folder / "home" / "train-2")
    assert again is not None
    assert (again.owner.link, again.owner.former) == (str(folder / "good"), ())


@pytest.mark.skipif(sys.platform != "linux", reason="Python knows of noexec on Linux alone")
def test_a_generation_whose_mount_has_become_noexec_is_not_used(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = activated(environment)
    python = python_in(generation.path)
    python.parent.mkdir(parents=True, exist_ok=True)
    # There, no file may be run, whatever its mode says.
    python.touch(mode=0o644)
    before = environment.flaw(generation)
    assert before is not None
    assert before.code == "python-broken"
    real = os.statvfs

    def statvfs(path: Path) -> os.statvfs_result:
        found = real(path)
        return os.statvfs_result((*found[:8], found.f_flag | os.ST_NOEXEC, found.f_namemax))

    monkeypatch.setattr(os, "statvfs", statvfs)
    flaw = environment.flaw(generation)
    assert flaw is not None
    assert flaw.code == "filesystem-feature"
    assert "noexec" in flaw.words


@pytest.mark.parametrize("is_switched", [False, True])
def test_a_rollback_that_is_killed_at_the_switch_is_known_or_has_not_happened(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, is_switched: bool
) -> None:
    first, second = activated(environment), activated(environment)
    note = rollbacks.Rollback(number=first.number, before=second.number, profile_digest="p", lock_digest="l")
    switch = generations.switch

    def killed(*arguments: Path) -> None:
        if is_switched:
            switch(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(generations, "switch", killed)
    with pytest.raises(KeyboardInterrupt):
        environment.activate(first, rollback=note)
    assert rollbacks.read(environment.root, environment.active()) == (note if is_switched else None)


@pytest.mark.skipif(os.name == "nt", reason="files that have no end, which Windows does not have")
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_what_has_no_end_in_place_of_a_record_is_not_waited_for(
    environment: Environment, make: Callable[[Path], None]
) -> None:
    generation = activated(environment)
    program = executables_in(generation.path) / "program"
    for path in (
        environment.root / "owner.json",
        environment.root / "rollback.json",
        generation.path / MANIFEST,
        program,
        generation.path / SEAL,
    ):
        path.unlink(missing_ok=True)
        make(path)
    assert Environment.open(environment.root) is None
    assert [one.owner.is_known for one in environments(environment.root.parent)] == [False]
    assert rollbacks.read(environment.root, generation) is None
    assert environment.damage(generation) == Damage(missing=(MANIFEST,))
    assert commands.in_reach(program) == b""
    assert environment.generations() == ()
    assert environment.active() is None
