from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from claimed import made
from outcomes import SEAL
from sham import make_environment
from tfprov import paths
from tfprov.envs.generations import Environment, environment_id, environments
from tfprov.envs.layout import executables_in
from tfprov.envs.records import Generation
from tfprov.errors import TfprovError
from tfprov.pipeline.environments import find, rollback, smoke_foreign, variables, verified
from tfprov.pipeline.named import profile_of
from tfprov.pipeline.removing import remove
from tfprov.pipeline.status import look
from tfprov.report import text


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"TFPROV_HOME": str(tmp_path / "home"), "PATH": os.environ.get("PATH", os.defpath)}


links = pytest.mark.skipif(os.name != "posix", reason="elsewhere the stable path is a folder, and not a link")


def code_of(failure: pytest.ExceptionInfo[TfprovError]) -> str:
    return failure.value.code.name


UNREADABLE = (None, b"", b"{", b"null", b'{"name": 1}', b"[" * 9000, b'{"name": "train"}')
"""What may have become of the record of an owner; None for no file."""


@pytest.mark.parametrize("record", UNREADABLE)
def test_an_environment_whose_owner_cannot_be_read_is_listed_with_the_next_step_and_is_reached_by_its_id(
    tmp_path: Path, environ: dict[str, str], record: bytes | None
) -> None:
    profile = tmp_path / "train.toml"
    profile.write_text('name = "train"\n')
    environment = made(tmp_path / "home", "train", profile, generations=1)
    file = environment.root / "owner.json"
    file.unlink() if record is None else file.write_bytes(record)
    every = environments(environment.root.parent)
    assert [one.root for one in every] == [environment.root]
    remedy = f"`tfprov up` with that profile writes it again; `tfprov remove {environment.id}` deletes the environment"
    assert remedy in text.listing(every)
    (status,) = look(every, environ)
    assert (status.code, status.next_step) == ("file-damaged", remedy)
    with pytest.raises(TfprovError) as failure:
        profile_of(environment.id, cwd=tmp_path, home=paths.home(environ))
    assert (code_of(failure), failure.value.hint) == ("file-damaged", remedy)
    assert find("train.toml", cwd=tmp_path, environ=environ).owner == environment.owner
    found = find(environment.id, cwd=tmp_path, environ=environ)
    assert verified(found, environment.id).path == environment.root / "generations" / "0001"
    remove(found, environment.id)
    assert not environment.root.exists()
    assert profile.exists()


class TestFind:
    def test_a_profile_leads_to_its_environment(self, tmp_path: Path, environ: dict[str, str]) -> None:
        profile = tmp_path / "train.toml"
        profile.write_text('name = "train"\n')
        made(tmp_path / "home", "train", profile)
        found = find("train.toml", cwd=tmp_path, environ=environ)
        assert found.id == environment_id("train", profile)
        assert found.root.is_dir()

    @pytest.mark.parametrize("now", ['name = "other"\n', "name =", None])
    def test_a_name_or_id_leads_to_that_environment_whatever_its_profile_says_now(
        self, tmp_path: Path, environ: dict[str, str], now: str | None
    ) -> None:
        profile = tmp_path / "train.toml"
        profile.write_text('name = "train"\n')
        before = made(tmp_path / "home", "train", profile)
        made(tmp_path / "home", "other", profile)
        profile.write_text(now) if now is not None else profile.unlink()
        for name in ("train", before.id):
            assert find(name, cwd=tmp_path, environ=environ).root == before.root
        if now == 'name = "other"\n':
            for name in ("train.toml", str(profile)):
                assert find(name, cwd=tmp_path, environ=environ).owner.name == "other"

    @pytest.mark.parametrize(
        "mistake",
        ["name =", 'name = "train"\n[python]\npath = "gone"\n', 'name = "train"\npackages.files = ["gone.txt"]\n'],
    )
    def test_a_profile_with_a_mistake_leads_to_what_was_made_of_it_before(
        self, tmp_path: Path, environ: dict[str, str], mistake: str
    ) -> None:
        profile = tmp_path / "train.toml"
        profile.write_text(mistake)
        with pytest.raises(TfprovError) as failure:
            find("train.toml", cwd=tmp_path, environ=environ)
        assert code_of(failure) == "profile-invalid"
        before = made(tmp_path / "home", "train", profile)
        assert find("train.toml", cwd=tmp_path, environ=environ).root == before.root
        made(tmp_path / "home", "other", profile)
        with pytest.raises(TfprovError):
            find("train.toml", cwd=tmp_path, environ=environ)

    def test_a_profile_without_an_environment_leads_to_where_it_would_be(
        self, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        assert not find("cpu", cwd=tmp_path, environ=environ).root.exists()

    def test_what_stands_on_disk_counts_when_the_profile_moved_the_link(
        self, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        profile = tmp_path / "train.toml"
        profile.write_text('name = "train"\nenvironment.path = "new"\n')
        environment = made(tmp_path / "home", "train", profile)
        Environment(environment.root, owner=replace(environment.owner, link=str(tmp_path / "old"))).claim()
        assert find("train.toml", cwd=tmp_path, environ=environ).stable == tmp_path / "old"

    @pytest.mark.parametrize("by", ["name", "id", "profile"])
    def test_one_whose_profile_is_gone_can_be_named(self, tmp_path: Path, environ: dict[str, str], by: str) -> None:
        gone = tmp_path / "gone.toml"
        environment = made(tmp_path / "home", "lost", gone)
        name = {"name": "lost", "id": environment.id, "profile": str(gone)}[by]
        assert find(name, cwd=tmp_path, environ=environ).id == environment.id

    def test_of_several_of_one_name_none_is_guessed(self, tmp_path: Path, environ: dict[str, str]) -> None:
        for number in "12":
            made(tmp_path / "home", "lost", tmp_path / f"{number}.toml", folder=f"lost-{number}")
        with pytest.raises(TfprovError) as failure:
            find("lost", cwd=tmp_path, environ=environ)
        assert code_of(failure) == "environment-missing"
        assert failure.value.evidence == (f"lost-1: {tmp_path / '1.toml'}", f"lost-2: {tmp_path / '2.toml'}")
        assert find("lost-2", cwd=tmp_path, environ=environ).id == "lost-2"

    def test_a_name_that_means_nothing_is_an_unknown_profile(self, tmp_path: Path, environ: dict[str, str]) -> None:
        with pytest.raises(TfprovError) as failure:
            find("nothing", cwd=tmp_path, environ=environ)
        assert code_of(failure) == "profile-missing"


class TestWaiting:
    """Commands that change an environment beside another tfprov."""

    @pytest.mark.parametrize("has_locks", [True, False])
    @pytest.mark.parametrize("command", [partial(rollback, number=1), partial(remove, name="train")])
    def test_they_say_whom_they_wait_for(
        self,
        command: Callable[..., object],
        has_locks: bool,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if not has_locks:
            fcntl = pytest.importorskip("fcntl")

            def flock(_descriptor: int, _operation: int) -> None:
                raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

            monkeypatch.setattr(fcntl, "flock", flock)
        environment = made(tmp_path / "home", "train", tmp_path / "train.toml", generations=2)
        said: list[str] = []
        with contextlib.ExitStack() as other:
            other.enter_context(environment.locked())

            def warn(words: str) -> None:
                said.append(words)
                other.close()

            command(environment, warn=warn)
        assert len(said) == 1
        assert said[0].startswith("another tfprov is working on `train`")
        assert said[0].endswith(": waiting for it")
        assert (".held`" in said[0]) is not has_locks


class TestRollback:
    @pytest.fixture
    def environment(self, tmp_path: Path) -> Environment:
        return made(tmp_path / "home", "train", tmp_path / "train.toml", generations=3)

    def test_it_goes_back_one_by_one(self, environment: Environment) -> None:
        assert [rollback(environment, number=None).number for _ in range(2)] == [2, 1]
        assert environment.active() is not None
        with pytest.raises(TfprovError) as failure:
            rollback(environment, number=None)
        assert failure.value.what == "`train` has no earlier generation"
        assert failure.value.evidence == ("verified generations: 1, 2, 3; active: 1",)

    def test_it_goes_to_a_number_forward_as_well(self, environment: Environment) -> None:
        rollback(environment, number=1)
        assert rollback(environment, number=3).number == 3
        active = environment.active()
        assert active is not None
        assert active.number == 3

    def test_a_number_that_is_not_there_changes_nothing(self, environment: Environment) -> None:
        with pytest.raises(TfprovError) as failure:
            rollback(environment, number=9)
        assert failure.value.what == "`train` has no generation 9"
        assert environment.active() == environment.generations()[2]

    def test_a_damaged_generation_is_passed_over(self, environment: Environment) -> None:
        (environment.generations()[1].path / "module.py").unlink()
        assert rollback(environment, number=None).number == 1

    def test_where_every_earlier_one_is_damaged_it_says_what_to_do(self, environment: Environment) -> None:
        first, second, _ = environment.generations()
        for generation in (first, second):
            (generation.path / "module.py").unlink()
        with pytest.raises(TfprovError) as failure:
            rollback(environment, number=None)
        assert code_of(failure) == "file-damaged"
        assert failure.value.what == "every earlier generation of `train` is damaged and cannot be used"
        assert failure.value.evidence == (
            "generation 2: 1 missing file, `module.py`",
            "generation 1: 1 missing file, `module.py`",
        )
        assert f'`tensorflow.version = "=={SEAL.tensorflow}"`' in failure.value.hint
        assert environment.active() == environment.generations()[2]

    def test_a_damaged_one_that_was_named_is_not_replaced_by_another(self, environment: Environment) -> None:
        (environment.generations()[1].path / "module.py").unlink()
        with pytest.raises(TfprovError) as failure:
            rollback(environment, number=2)
        assert failure.value.what == "generation 2 is damaged and cannot be used"
        assert failure.value.hint.startswith("`tfprov rollback PROFILE 1` goes to generation 1, which is whole; or ")
        assert environment.active() == environment.generations()[2]

    @links
    def test_one_without_its_interpreter_is_passed_over(self, environment: Environment) -> None:
        (environment.generations()[1].path / "bin" / "python").unlink()
        (environment.generations()[1].path / "bin" / "python").symlink_to("/nowhere")
        assert rollback(environment, number=None).number == 1

    @links
    def test_without_an_active_one_it_takes_the_newest(self, environment: Environment) -> None:
        (environment.root / "current").unlink()
        assert rollback(environment, number=None).number == 3


@links
def test_only_an_active_generation_is_verified(tmp_path: Path) -> None:
    environment = made(tmp_path / "home", "train", tmp_path / "train.toml", generations=1)
    assert verified(environment, "train.toml").number == 1
    (environment.root / "current").unlink()
    with pytest.raises(TfprovError) as failure:
        verified(environment, "train.toml")
    assert code_of(failure) == "environment-missing"
    assert failure.value.hint == "run `tfprov up train.toml`"


def test_commands_do_not_start_in_an_environment_that_was_moved(tmp_path: Path) -> None:
    environment = made(tmp_path / "home", "train", tmp_path / "train.toml", generations=1)
    (tmp_path / "home").rename(tmp_path / "other")
    moved = Environment(tmp_path / "other" / "data" / "environments" / environment.id, owner=environment.owner)
    with pytest.raises(TfprovError) as failure:
        verified(moved, "train.toml")
    assert code_of(failure) == "environment-moved"
    assert failure.value.hint == "run `tfprov up train.toml`: it is rebuilt from its image, without a download"
    assert verified(moved, "train.toml", moved=True).number == 1


def test_a_command_gets_what_the_activation_script_sets_and_the_user_s_own(tmp_path: Path) -> None:
    generation = Generation(number=1, path=tmp_path)
    before = {"PATH": "/usr/bin", "PYTHONHOME": "/x", "PYTHONPATH": "/mine", "HOME": "/h", "VIRTUAL_ENV": "/other"}
    assert variables(generation, before) == {
        "PATH": f"{executables_in(tmp_path)}{os.pathsep}/usr/bin",
        "PYTHONPATH": "/mine",
        "HOME": "/h",
        "VIRTUAL_ENV": str(tmp_path),
    }
    assert before["PYTHONHOME"] == "/x"


def test_an_environment_of_others_needs_an_interpreter(tmp_path: Path) -> None:
    for python in (tmp_path, tmp_path / "gone" / "python"):
        with pytest.raises(TfprovError) as failure:
            smoke_foreign(python, level="quick", environ={}, emit=lambda _event: None, cwd=tmp_path)
        assert code_of(failure) == "environment-missing"


def test_an_environment_of_others_is_asked_for_what_the_command_line_wants(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "foreign")
    (tmp_path / "check.py").write_text("import tensorflow\nprint('checked')\n")

    def codes(*overrides: str) -> dict[str, str | None]:
        verdict = smoke_foreign(
            python, level="quick", environ=os.environ, emit=lambda _event: None, cwd=tmp_path, overrides=overrides
        )
        return {leg.leg: leg.code for device in verdict.devices for leg in device.legs}

    assert codes('smoke.scripts=["check.py"]')["script check.py"] is None
    assert codes("smoke.require-gpus=1")["devices"] == "gpu-missing-in-tf"
    assert codes("tensorflow.accelerator=cuda")["devices"] == "gpu-missing-in-tf"
    with pytest.raises(TfprovError) as failure:
        codes("smoke.require-gpu=1")
    assert code_of(failure) == "profile-invalid"
    assert "did you mean" in failure.value.evidence[0]


@links
def test_the_path_of_an_earlier_run_stays_when_a_later_one_asks_for_none(tmp_path: Path) -> None:
    profile, link = tmp_path / "train.toml", tmp_path / ".venv"
    asked = made(tmp_path / "home", "train", profile, generations=1)
    asked.owner = replace(asked.owner, link=str(link))
    asked.claim()
    (active,) = asked.generations()
    asked.activate(active)
    assert link.is_symlink()
    plain = Environment(asked.root, owner=replace(asked.owner, link=""))
    assert plain.settled(active)
    plain.claim()
    plain.activate(active)
    assert (plain.stable, link.readlink()) == (link, asked.root / "current")
    moved = Environment(asked.root, owner=replace(asked.owner, link=str(tmp_path / "other")))
    moved.claim()
    moved.activate(active)
    assert not link.is_symlink()
